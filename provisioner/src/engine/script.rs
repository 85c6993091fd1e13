//! The scripts that are sent to hosts: quoting, the functions every script relies on, and how they answer.
//!
//! Every word that comes from data passes through [`quote`], here and nowhere else. Scripts use POSIX `sh`,
//! coreutils and what is essential on Debian (`dpkg-query`, `sed`, `flock`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Quotes one word for `sh`.
///
/// Words come from values that were checked to hold no NUL byte; should one slip through, it is dropped, as no
/// argument can hold it.
#[must_use]
pub fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(
        |_| format!("'{}'", word.replace('\0', "").replace('\'', "'\\''")),
        std::borrow::Cow::into_owned,
    )
}

/// Quotes and joins words for `sh`.
pub fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(quote).collect();
    words.join(" ")
}

/// Encodes bytes as a word that needs no quoting and is decoded by `base64 -d`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Gives what comes first in every session: a plain environment; `f NAME`, which answers with a frame of what it
/// reads; and `o NAME`, which runs the function `s` and answers with its output and exit code.
///
/// The output goes to a file that has no name any more, not through a pipe: a daemon that keeps it open is not waited
/// for, and a flood ends where that file system is full instead of in the memory of the shell.
#[must_use]
pub fn preamble(nonce: &str) -> String {
    format!(
        r#"LC_ALL=C.UTF-8; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
DEBIAN_FRONTEND=noninteractive; APT_LISTCHANGES_FRONTEND=none
export LC_ALL PATH DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND
umask 022; cd /
f() {{ b=$(base64 -w0); printf '@{nonce} %s %s %s\n' "$1" "${{#b}}" "$b"; }}
o() {{ # name
  v=$(mktemp -p /run prov.XXXXXXXXXX 2>/dev/null || mktemp -p /tmp prov.XXXXXXXXXX 2>&1) || {{
    r=1; printf '%s\n%s' "$v" "$r" | f "$1"; return; }}
  {{ rm -f -- "$v"; ( s ) >&8 2>&1 </dev/null 7<&- 8>&- 9>&-; r=$?
    {{ tail -c 65536 <&7; printf '\n%s' "$r"; }} | f "$1"; }} 8>>"$v" 7<"$v"; }}
"#
    )
}

/// Where prov keeps what must outlive a run on the host: handlers that are still to run, and files to put back.
pub const STATE: &str = "/var/lib/prov";

/// Where the lock of a host is.
pub const LOCK: &str = "/run/prov.lock";

/// Gives the functions with which changes are made. `w`, `g`, `a`, `d`, `l` and `x` are the file steps, `u` keeps a file
/// so that it can be put back, `q` puts back; all of them run in shells of their own, as they change the folder.
///
/// Root works in folders that belong to others, who could put a link in the place of anything between two commands.
/// So `p` enters a file's folder part by part and follows a link only out of a folder in which nobody but root makes
/// links; `t` enters a new folder there that only root can enter, in which files are made ready; and what is there
/// already is changed by an open descriptor, once it is known to be the file itself.
#[must_use]
pub fn writing_preamble() -> String {
    format!(
        r#"m() {{ while read -r _ _ _ _ mounted _; do [ "$mounted" = "$1" ] && return 0; done </proc/self/mountinfo; return 1; }}
p() {{ # path
  n=${{1##*/}}; e=${{1%/*}}/; e=${{e#/}}; cd / || return
  while [ -n "$e" ]; do
    h=${{PWD%/}}/${{e%%/*}}; k=; [ -O . ] && [ ! -k . ] && k=trusted
    cd -P -- "./${{e%%/*}}" || return
    [ "$k" ] || [ "$PWD" = "$h" ] || {{ printf '%s\n' "$h is a link, in a folder where not only root makes links"; return 1; }}
    e=${{e#*/}}
  done; }}
t() {{ t=$(mktemp -d -- .prov.XXXXXXXXXX) && h=${{PWD%/}} && cd -P -- "./$t" && [ -O . ] && [ "$PWD" = "$h/$t" ]; }}
z() {{ v=$?; rm -f -- ./f; cd -P .. && rmdir -- "./$t"; return $v; }}
w() {{ # path owner group mode; base64 in $c
  p "$1" && t && {{ printf %s "$c" | base64 -d >f && chown -- "$2:$3" f && chmod -- "$4" f && sync -- f &&
    if m "$h/$n"; then cat -- f >"../$n" && chown -- "$2:$3" "../$n" && chmod -- "$4" "../$n" && sync -- "../$n"
    else mv -fT -- f "../$n" && {{ sync -- .. || :; }}; fi; z; }}; }}
g() {{ # path owner group mode url digest; not as _apt, who cannot enter the folder: what it fetches is data until it is checked
  p "$1" && t && {{ /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root -o Acquire::Retries=2 download-file "$5" "$h/$t/f" "SHA256:$6" || {{ rm -f -- ./f.*; ! :; }} &&
    chown -- "$2:$3" f && chmod -- "$4" f && sync -- f && mv -fT -- f "../$n" && {{ sync -- .. || :; }}; z; }}; }}
a() {{ # path owner group mode
  p "$1" && h=${{PWD%/}}/$n &&
  if [ -d "./$n" ]; then cd -P -- "./$n" && i "$PWD" && chown -- "$2:$3" . && chmod -- "$4" .
  else {{ i "$(readlink /proc/self/fd/8)" && chown -- "$2:$3" /proc/self/fd/8 && chmod -- "$4" /proc/self/fd/8; }} 8<"./$n"; fi; }}
i() {{ [ "$1" = "$h" ] || {{ printf '%s\n' "$h has become a link to $1"; return 1; }}; }}
d() {{ mkdir -p -- "${{1%/*}}/" && p "$1" && {{ [ -d "./$n" ] || mkdir -m 0700 -- "./$n"; }} && a "$@"; }}
l() {{ p "$1" && t && {{ ln -s -- "$2" f && mv -fT -- f "../$n"; z; }}; }}
x() {{ p "$1" && rm -rf --one-file-system -- "./$n"; }}
u() {{ # handler key path
  mkdir -p -m 0700 -- {STATE}/undo/"$1" || return
  [ -e {STATE}/undo/"$1/$2.path" ] && return 0
  if [ -d "${{3%/*}}/" ]; then p "$3" || return; [ ! -d "./$n" ] || [ -L "./$n" ] || return 0
    if [ -f "./$n" ] || [ -L "./$n" ]; then cp -a --remove-destination -- "./$n" {STATE}/undo/"$1/$2.old" || return; fi; fi
  printf %s "$3" >{STATE}/undo/"$1/$2.new" && mv -f -- {STATE}/undo/"$1/$2.new" {STATE}/undo/"$1/$2.path"; }}
q() {{ # handler
  for j in {STATE}/undo/"$1"/*.path; do [ -e "$j" ] || continue
    y=$(cat -- "$j"); g=${{j%.path}}.old
    if [ -e "$g" ] || [ -L "$g" ]; then
      ( p "$y" && if m "${{PWD%/}}/$n"; then cat -- "$g" >"./$n"; else t && {{ cp -a -- "$g" f && mv -fT -- f "../$n"; z; }}; fi ) || return
    elif [ -d "${{y%/*}}/" ]; then ( p "$y" && rm -f -- "./$n" ) || return; fi
    printf '%s\n' "$y"
  done; rm -rf -- {STATE}/undo/"$1"; }}
"#
    )
}

/// Wraps a command so that its output and exit code come back as the frame `name`, and `$r` tells the code to what
/// follows. Nothing it starts inherits the lock or the script that is being read.
#[must_use]
pub fn answered(name: &str, command: &str) -> String {
    format!("s() {{\n{command}\n}}\no {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_survives_the_shell_whatever_is_in_it() {
        for word in [
            "",
            "a b",
            "it's",
            "$(reboot)",
            "`id`",
            "a\nb",
            "-n",
            "\\",
            "!",
            "*",
            "ü",
            "~root",
            "a=b",
            "#x",
        ] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quote(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), word);
        }
    }

    #[test]
    fn the_functions_are_understood_by_a_posix_shell() {
        let script = format!("{}{}", preamble("n"), writing_preamble());
        let status = std::process::Command::new("sh")
            .args(["-n", "-c", &script])
            .status()
            .unwrap();
        assert!(status.success());
    }
}
