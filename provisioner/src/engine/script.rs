//! The scripts that are sent to hosts: quoting, the functions every script relies on, and how they answer.
//!
//! Every word that comes from data passes through [`quote`], here and nowhere else. Scripts use POSIX `sh`,
//! coreutils and what is essential on Debian (`dpkg-query`, `sed`, `flock`).

use std::fmt::Write as _;

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

/// Gives what comes first in every session: a plain environment, and `f NAME`, which answers with a frame of what it
/// reads.
#[must_use]
pub fn preamble(nonce: &str) -> String {
    format!(
        r#"LC_ALL=C.UTF-8; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
DEBIAN_FRONTEND=noninteractive; APT_LISTCHANGES_FRONTEND=none
export LC_ALL PATH DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND
umask 022; cd /
f() {{ b=$(base64 -w0); printf '@{nonce} %s %s %s\n' "$1" "${{#b}}" "$b"; }}
"#
    )
}

/// Where prov keeps what must outlive a run on the host: handlers that are still to run, and files to put back.
pub const STATE: &str = "/var/lib/prov";

/// Where the lock of a host is.
pub const LOCK: &str = "/run/prov.lock";

/// Gives the functions with which changes are made. `w`, `a`, `d`, `l` and `x` are the file steps, `u` keeps a file
/// so that it can be put back, `q` puts back.
#[must_use]
pub fn writing_preamble() -> String {
    format!(
        r#"m() {{ while read -r _ _ _ _ mount _; do [ "$mount" = "$1" ] && return 0; done </proc/self/mountinfo; return 1; }}
w() {{ # path owner group mode; base64 in $c
  t=$(mktemp -- "${{1%/*}}/.prov.XXXXXXXXXX") || return
  if printf %s "$c" | base64 -d >"$t" && chown -- "$2:$3" "$t" && chmod -- "$4" "$t" && sync -- "$t"; then
    if m "$1"; then cat -- "$t" >"$1" && chown -- "$2:$3" "$1" && chmod -- "$4" "$1" && sync -- "$1"; r=$?; rm -f -- "$t"; return $r
    else mv -fT -- "$t" "$1" && {{ sync -- "${{1%/*}}/" || :; }}; fi
  else rm -f -- "$t"; return 1; fi; }}
a() {{ chown -- "$2:$3" "$1" && chmod -- "$4" "$1"; }}
d() {{ mkdir -p -- "${{1%/*}}/" && {{ [ -d "$1" ] || mkdir -m 0700 -- "$1"; }} && a "$@"; }}
l() {{ t=${{1%/*}}/.prov.$$.link; rm -f -- "$t"; ln -s -- "$2" "$t" && mv -fT -- "$t" "$1"; }}
x() {{ rm -rf --one-file-system -- "$1"; }}
u() {{ # handler key path
  mkdir -p -m 0700 -- {STATE}/undo/"$1" || return
  [ -e {STATE}/undo/"$1/$2.path" ] && return 0
  if [ -f "$3" ] || [ -L "$3" ]; then cp -a -- "$3" {STATE}/undo/"$1/$2.old" || return; fi
  printf %s "$3" >{STATE}/undo/"$1/$2.new" && mv -f -- {STATE}/undo/"$1/$2.new" {STATE}/undo/"$1/$2.path"; }}
q() {{ # handler
  for n in {STATE}/undo/"$1"/*.path; do [ -e "$n" ] || continue
    p=$(cat -- "$n"); o=${{n%.path}}.old
    if [ -e "$o" ] || [ -L "$o" ]; then
      if m "$p"; then cat -- "$o" >"$p"; else cp -a -- "$o" "$p.prov-old" && mv -fT -- "$p.prov-old" "$p"; fi
    else rm -f -- "$p"; fi || return
    printf '%s\n' "$p"
  done; rm -rf -- {STATE}/undo/"$1"; }}
"#
    )
}

/// Wraps a command so that its output and exit code come back as the frame `name`, and `$r` tells the code to what
/// follows. Nothing it starts inherits the lock or the script that is being read.
#[must_use]
pub fn answered(name: &str, command: &str) -> String {
    let mut script = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        script,
        "o=$( {{ {command}\n}} 2>&1 </dev/null 9>&- ); r=$?; printf '%s\\n%s' \"$o\" \"$r\" | tail -c 65536 | f {name}"
    );
    script
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
