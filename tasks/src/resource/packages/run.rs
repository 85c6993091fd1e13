//! How apt and dpkg are run, and what is looked at just before.

use crate::probe::ListsFact;
use crate::resource::essential::WORKED_WITH;
use crate::step::{Run, Step};
use crate::value::PackageName;

/// Seconds after which the package lists are fetched anew before an installation.
const LISTS_ARE_OLD: u64 = 24 * 3600;

/// Seconds for which apt waits for a lock that another process holds.
const LOCK_TIMEOUT: u32 = 600;

/// Runs apt without questions: changed configuration files are kept, and a held lock is waited for.
pub(in crate::resource) fn apt<const N: usize>(arguments: [&str; N]) -> Run {
    let timeout = format!("DPkg::Lock::Timeout={LOCK_TIMEOUT}");
    let mut run = Run::new([
        "apt-get",
        "-q",
        "-y",
        "-o",
        &timeout,
        "-o",
        "APT::Install-Recommends=false",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
        "-o",
        "Dpkg::Use-Pty=0",
    ]);
    run.argv.extend(arguments.map(str::to_owned));
    run
}

/// Fetches the package lists. Where all of them are as they were, nothing else tells that they were fetched.
pub(in crate::resource) fn update() -> Step {
    let fetched = "APT::Update::Post-Invoke-Success::=touch /var/lib/apt/lists";
    apt(["-o", fetched, "update", "--error-on=any"]).into()
}

/// Finishes what an earlier installation left undone.
pub(in crate::resource) fn repair() -> Step {
    Run::new(["dpkg", "--configure", "-a", "--force-confold"]).into()
}

/// Unpacks those packages again that dpkg was unpacking when it was interrupted: where they are of the version that is wanted, apt
/// takes them for installed.
pub(super) fn unpack_again(names: &[&PackageName]) -> Run {
    const SCRIPT: &str = r#"count=$1 again=; shift
while [ $((count -= 1)) -ge 0 ]; do name=$1; shift
  case $(dpkg-query -W -f='${db:Status-Abbrev}' -- "$name" 2>/dev/null) in (?H*|??R*) set -- "$@" "$name"; again=yes;; esac
done; [ -z "$again" ] || exec "$@""#;
    let mut run = Run::new(["sh", "-c", SCRIPT, "sh"]);
    run.argv.push(names.len().to_string());
    run.argv.extend(names.iter().map(ToString::to_string));
    run.argv
        .extend(apt(["install", "--reinstall", "--no-remove", "--"]).argv);
    run
}

/// Says why package lists must be fetched anew, if they must.
pub(in crate::resource) fn stale(lists: Option<&ListsFact>) -> Option<String> {
    let Some(ListsFact {
        age: Some(age),
        newer,
        ..
    }) = lists
    else {
        return Some("as there are none".to_owned());
    };
    match newer {
        Some(source) => Some(format!("as {source} is newer")),
        None if *age > LISTS_ARE_OLD => Some("as they are older than a day".to_owned()),
        None => None,
    }
}

/// Lets packages that are held go while a command runs, however that ends: nobody else may upgrade them afterwards. A process
/// of its own gives the holds back where the one that took them is killed; dpkg may be at work then for a while.
pub(super) fn without_holds(held: &[&PackageName], run: Run) -> Run {
    const SCRIPT: &str = r#"held=$1; shift; exec 3>&1; trap : HUP INT TERM
{ trap 'code=$?; apt-mark -qq hold -- $held >&3; echo $code' EXIT; trap 'exit 1' HUP INT TERM
  apt-mark -qq unhold -- $held >&3 && "$@" >&3 3>&-; } | setsid sh -c 'trap "" HUP INT TERM; read -r code && exit "$code"
  tries=0; until apt-mark -qq hold -- $1 2>/dev/null || [ $((tries += 1)) -gt 900 ]; do sleep 1; done; exit 137' sh "$held" 3>&-"#;
    if held.is_empty() {
        return run;
    }
    let names: Vec<_> = held.iter().map(|name| name.as_str()).collect();
    let mut argv: Vec<_> = ["sh", "-c", SCRIPT, "sh"].map(str::to_owned).into();
    argv.push(names.join(" "));
    argv.extend(run.argv);
    Run { argv, ..run }
}

/// Refuses, once new lists are there, what apt would take for something else than a package of just this name.
pub(super) fn known_names(names: &[&PackageName]) -> Run {
    const SCRIPT: &str = r#"for name do
  known=$(apt-cache showpkg -- "$name" 2>/dev/null | awk '/^[A-Z][A-Za-z ]*: *$/{part = $1 $2; next} part == "Versions:" && /^[0-9]/{print "real"; exit} part == "ReverseProvides:" && NF{print $1}')
  case $known in (*real) ;; ('') echo "E: Unable to locate package $name"; bad=1;;
  (*) echo "E: $name is a virtual package; it is provided by" $(printf '%s\n' "$known" | sort -u); bad=1;; esac
done; exit ${bad:-0}"#;
    let mut run = Run::new(["sh", "-c", SCRIPT, "sh"]);
    run.argv.extend(names.iter().map(ToString::to_string));
    run
}

/// Refuses a removal with which prov's own way in would go, unless that was said twice, or what a host cannot be without.
pub(super) fn keeps_the_way_in(
    verb: &str,
    words: impl Iterator<Item = String>,
    insisted: bool,
) -> Run {
    const SCRIPT: &str = r#"verb=$1 kept=$2 insisted=$3; shift 3
apt-get -s -q "$verb" -- "$@" 2>/dev/null | while read -r word name _; do case "$insisted$word $name" in
("Remv openssh-server"|"Purg openssh-server") echo "E: $name would be removed with $*, and prov would not get in again"; exit 1;;
("Remv sudo"|"Purg sudo") [ -z "$SUDO_USER" ] || { echo "E: $name would be removed with $*, and prov would not become root again"; exit 1; };;
("Remv systemd"|"Purg systemd"|"insisted: Remv systemd"|"insisted: Purg systemd") [ ! -d /run/systemd/system ] || { echo "E: $name would be removed with $*, and the host starts and stops by it"; exit 1; };;
("Remv "*|"Purg "*|"insisted: "*) case " $kept " in (*" $name "*) echo "E: $name would be removed with $*, and the host and prov work with it"; exit 1;; esac;;
esac; done"#;
    let insisted = if insisted { "insisted: " } else { "" };
    let kept = WORKED_WITH.join(" ");
    let mut run = Run::new(["sh", "-c", SCRIPT, "sh", verb, &kept, insisted]);
    run.argv.extend(words);
    run
}

/// Writes a package that is to go, as `apt-get install` takes it (apt-get(8)).
pub(super) fn as_removal(name: &PackageName) -> String {
    format!("{name}-")
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "a shell is the one that understands scripts"
)]
mod tests {
    use super::*;

    /// Runs a command without the hold of a package; gives its exit code, and what apt-mark was asked meanwhile.
    fn held_around(command: &str) -> (Option<i32>, String) {
        let folder = format!("prov-holds-{}-{}", std::process::id(), command.len());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let log = folder.join("log");
        let program = folder.join("apt-mark");
        let text = format!("#!/bin/sh\necho \"$2\" >>'{}'\n", log.display());
        std::fs::write(&program, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let name = PackageName::new("nginx").unwrap();
        let run = without_holds(&[&name], Run::new(["sh", "-c", command]));
        let path = std::env::var("PATH").unwrap();
        let output = std::process::Command::new(&run.argv[0])
            .args(&run.argv[1..])
            .env("PATH", format!("{}:{path}", folder.display()))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "said\n");
        let marks = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        (output.status.code(), marks.replace('\n', " "))
    }

    #[test]
    fn a_hold_comes_back_however_the_command_ends() {
        for (command, code) in [
            ("echo said", Some(0)),
            ("echo said; exit 34", Some(34)),
            ("echo said; kill -TERM $PPID", Some(1)),
            ("echo said; kill -KILL $PPID", Some(137)),
        ] {
            let (ended, marks) = held_around(command);
            assert_eq!((ended, marks.as_str()), (code, "unhold hold "), "{command}");
        }
    }
}
