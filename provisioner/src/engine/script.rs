//! The scripts that are sent to hosts: quoting, the functions every script relies on, and how they answer.
//!
//! Every word that comes from data passes through [`quote`]. Scripts use POSIX `sh`,
//! coreutils and what is essential on Debian (`dpkg-query`, `sed`, `flock`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use tasks::quote::{sh as quote, sh_all as quote_all};

use crate::ssh::Marks;

/// Encodes bytes as a word that needs no quoting and is decoded by `base64 -d`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Variables by which root's environment on a host would have programs read other files, speak to other servers or
/// write in other ways than they do for everybody. Proxies are kept: a host may reach its package archive by one alone.
const FOREIGN: &str = "MYSQL_*|MARIADB_*|PG*|CURL_*|SSL_CERT_*|OPENSSL_*|APT_*|DPKG_*|DEBCONF_*|DEBIAN_*|GIT_*|PERL*|PYTHON*|LD_*|SYSTEMD_*|\
LC_*|LANG|LANGUAGE|ENV|BASH_ENV|CDPATH|TMPDIR|TAR_OPTIONS|POSIXLY_CORRECT|QUOTING_STYLE|TIME_STYLE|BLOCK_SIZE|GREP_*|UCF_*|NEEDRESTART_*";

/// Gives what comes first in every session: a plain environment, and the functions with which a script answers. Their
/// names begin with `prov_`, as a function takes the place of a program of its name.
///
/// `prov_frame NAME` sends what it reads as one frame, `prov_tell NAME` an empty one. In a [`stream`], `prov_answer NAME` begins
/// an answer, and says on descriptor 3 at once that it does; `prov_complete` marks what was written of it as whole.
/// `prov_run_step NAME` runs the function `prov_step` and answers with its output and exit code, which it leaves in `$result`.
///
/// The output goes to a file that has no name any more, not through a pipe: a daemon that keeps it open is not waited
/// for, and a flood ends where that file system is full instead of in the memory of the shell.
#[must_use]
pub fn preamble(marks: &Marks) -> String {
    let environment = environment();
    let mark = &marks.secret;
    format!(
        r#"{environment}unset prov_mark; prov_mark={mark}
prov_frame() {{ # name; in lines that are short enough to be written in one piece
  encoded=$(base64 -w {LINE}) length=0; printf '\n@{mark} + %s\n' "$1"
  for part in $encoded; do printf '@{mark} = %s\n' "$part"; length=$((length + ${{#part}})); done; printf '@{mark} - %s\n' "$length"; }}
prov_tell() {{ printf '\n@{mark} + %s\n@{mark} - 0\n' "$1"; }}
prov_answer() {{ printf '\n{mark}+%s\n' "$1"; printf '\n@{mark} ? %s\n' "$1" >&3; }}
prov_complete() {{ printf '\n{mark}'; }}
prov_run_step() {{ # name
  output=$(mktemp -p /run prov.XXXXXXXXXX 2>/dev/null || mktemp -p /tmp prov.XXXXXXXXXX 2>&1) || {{
    result=1; printf '%s\n%s' "$output" "$result" | prov_frame "$1"; return; }}
  {{ rm -f -- "$output"; ( prov_step ) >&8 2>&1 </dev/null 7<&- 8>&- 9>&-; result=$?
    {{ tail -c 65536 <&7; printf '\n%s' "$result"; }} | prov_frame "$1"; }} 8>>"$output" 7<"$output"; }}
making=
{WALKING}"#
    )
}

/// Sends the answers of a script as they come, of any size. Three processes do that, however many answers there are: of what
/// a look costs a host, most is to start programs. awk writes each line in one piece.
#[must_use]
pub fn stream(script: &str) -> String {
    format!(
        r#"printf '\n@%s *\n' "$prov_mark"; exec 3>&1
{{
{script}printf '\n%s.' "$prov_mark"; }} | base64 -w {LINE} | prov_mark=$prov_mark awk '{{ printf "@%s = %s\n", ENVIRON["prov_mark"], $0; fflush(); length_of_all += length($0) }} END {{ printf "@%s - %d\n", ENVIRON["prov_mark"], length_of_all }}'
exec 3>&-
"#
    )
}

/// Gives what every script runs in, whoever logs in, whatever that login brings along and whatever language the host
/// speaks.
#[must_use]
pub fn environment() -> String {
    format!(
        r#"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
IFS='
'; set -f; for prov_variable in $(export -p); do
prov_variable=${{prov_variable#export }}; prov_variable=${{prov_variable%%=*}}
case $prov_variable in (*[!A-Za-z0-9_]*) ;; ({FOREIGN}) unset "$prov_variable";; esac; done; unset IFS; set +f
LC_ALL=C.UTF-8
DEBIAN_FRONTEND=noninteractive; APT_LISTCHANGES_FRONTEND=none
export LC_ALL PATH DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND
umask 022; cd /
"#
    )
}

/// Seconds between signs of life. Shorter than the shortest time for which a host may be silent.
const SIGN: u64 = 2;

/// Characters of a line of an answer: whole groups of base64, and few enough for one write to a pipe.
const LINE: usize = 3000;

/// Bytes of the end of a step's output that come with a sign of life. In base64 they fit into one write to a pipe, and the
/// program that reads them keeps no place in the file that its reader at the end would begin at.
pub const TAIL: usize = 1024;

/// Has the host say every few seconds that it is still there, as long as the shell is: a long step says nothing by itself.
/// While a step runs, the end of what it has printed so far comes along: descriptor 7 is its output, see [`preamble`].
#[must_use]
pub fn signs_of_life(Marks { secret, .. }: &Marks) -> String {
    format!(
        "( while sleep {SIGN} && kill -0 $$; do prov_said=; [ ! -e /proc/$$/fd/7 ] || prov_said=$(tail -c {TAIL} /proc/$$/fd/7 | base64 -w 0); \
         printf '\\n@{secret} alive %s\\n' \"$prov_said\" || exit; done ) 2>/dev/null </dev/null &\n"
    )
}

/// The functions that enter folders, for looking and for writing.
const WALKING: &str = include_str!("walking.sh");

/// The functions that carry out steps.
const WRITING: &str = concat!(
    include_str!("writing.sh"),
    include_str!("history.sh"),
    include_str!("unpacking.sh")
);

/// The functions that write down what a run does.
pub(super) const HISTORY: &str = include_str!("history.sh");

/// What every session that writes knows of a change that nobody has confirmed.
pub(super) const UNCONFIRMED: &str = include_str!("unconfirmed.sh");

/// Where prov keeps what must outlive a run on the host: handlers that are still to run, and files to put back.
pub const STATE: &str = "/var/lib/prov";

/// Where the lock of a host is.
pub const LOCK: &str = "/run/prov.lock";

/// Gives the functions with which changes are made: one for each step, `prov_keep`, which keeps a file so that it can be put
/// back, and `prov_put_back`.
#[must_use]
pub fn writing_preamble() -> String {
    format!("prov_state={STATE} keep= making= spooled=\n{WRITING}{UNCONFIRMED}")
}

/// Wraps a command so that its output and exit code come back as the frame `name`, and `$result` tells the code to what
/// follows. Nothing it starts inherits the lock or the script that is being read.
#[must_use]
pub fn framed_command(name: &str, command: &str) -> String {
    format!("prov_step() {{\n{command}\n}}\nprov_run_step {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::marks;

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
    fn programs_of_the_host_get_none_of_what_roots_environment_would_have_them_do() {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{}\nenv", preamble(&marks()))])
            .env("MYSQL_HOST", "other.example")
            .env("APT_CONFIG", "/root/apt.conf")
            .env("LC_MESSAGES", "de_DE.UTF-8")
            .env("http_proxy", "http://proxy.example:3128")
            .env("ODD", "a\nCURL_HOME=x")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        let has = |name: &str| text.lines().any(|line| line.starts_with(name));
        for gone in ["MYSQL_", "APT_CONFIG", "LC_MESSAGES"] {
            assert!(!has(gone), "{text}");
        }
        assert!(
            has("http_proxy=http://proxy") && has("LC_ALL=C.UTF-8"),
            "{text}"
        );
    }

    #[test]
    fn the_functions_are_understood_by_a_posix_shell() {
        let script = format!("{}{}", preamble(&marks()), writing_preamble());
        let status = std::process::Command::new("sh")
            .args(["-n", "-c", &script])
            .status()
            .unwrap();
        assert!(status.success());
    }
}
