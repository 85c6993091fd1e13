//! What a host and prov stand on: files and folders that no change takes away, shuts from those who need them, or opens to others.
//!
//! It holds for every kind, because it is decided by the steps of a change. What only may lock prov out, such as a file below
//! `/etc/sudoers.d`, is not refused here: it is tried, and put back unless prov gets in again ([`super::lockout`](mod@super::lockout)).
//! Who says it twice is believed about modes and owners, and about files without which a host is reached another way.

use super::{Change, Planned, accounts};
use crate::probe::{Attributes, Becomes, Effect, Facts, PathFact};
use crate::step::{Step, Unpack};
use crate::value::HostPath;

/// One thing that is stood on.
struct Ground {
    path: &'static str,
    /// What it is for, after `which`.
    why: &'static str,
    /// Permission bits that it keeps.
    needs: u32,
    /// Permission bits that it never gets.
    never: u32,
}

const fn ground(path: &'static str, why: &'static str, needs: u32, never: u32) -> Ground {
    Ground {
        path,
        why,
        needs,
        never,
    }
}

/// Everybody goes through it, and nobody but root makes names in it.
const fn folder(path: &'static str, why: &'static str) -> Ground {
    ground(path, why, 0o111, 0o022)
}

/// Everybody reads it, and nobody but root writes it.
const fn public(path: &'static str, why: &'static str) -> Ground {
    ground(path, why, 0o444, 0o022)
}

/// Root runs or enters it, and nobody else writes it.
const fn program(path: &'static str, why: &'static str) -> Ground {
    ground(path, why, 0o100, 0o022)
}

/// Root reads it, and nobody else writes it.
const fn root_s(path: &'static str, why: &'static str) -> Ground {
    ground(path, why, 0o400, 0o022)
}

/// Nobody but root may even look at it.
const fn private(path: &'static str, why: &'static str) -> Ground {
    ground(path, why, 0o400, 0o077)
}

const ACCOUNTS: &str = "holds the accounts and groups of the host";
const PROGRAMS: &str = "holds the programs of the host";
const KERNEL: &str = "is the kernel's";
const SSH: &str = "lets prov and everybody else in";
const SUDO: &str = "says who becomes root";
const HOST_KEY: &str = "is the host's key, by which it is known";

/// What is stood on. A folder comes before what is in it: the first that a path is, or is above, gives the words.
const GROUNDS: &[Ground] = &[
    folder("/bin", PROGRAMS),
    folder("/sbin", PROGRAMS),
    folder("/lib", PROGRAMS),
    folder("/lib64", PROGRAMS),
    folder("/usr", PROGRAMS),
    folder("/usr/bin", PROGRAMS),
    folder("/usr/sbin", PROGRAMS),
    folder("/usr/lib", PROGRAMS),
    ground("/usr/bin/sh", "runs every script, prov's too", 0o111, 0o022),
    ground(
        "/usr/bin/dash",
        "runs every script, prov's too",
        0o111,
        0o022,
    ),
    ground(
        "/usr/bin/bash",
        "is the shell that people log in with",
        0o111,
        0o022,
    ),
    program("/usr/bin/systemctl", "looks after services"),
    program("/usr/bin/dpkg", "looks after packages"),
    program("/usr/bin/apt-get", "looks after packages"),
    ground("/usr/bin/sudo", SUDO, 0o4100, 0o022),
    program("/usr/sbin/sshd", SSH),
    folder("/etc", "holds the configuration of the host"),
    public("/etc/passwd", ACCOUNTS),
    public("/etc/group", ACCOUNTS),
    ground("/etc/shadow", ACCOUNTS, 0o000, 0o137),
    ground("/etc/gshadow", ACCOUNTS, 0o000, 0o137),
    public("/etc/nsswitch.conf", "says where accounts are looked up"),
    root_s("/etc/fstab", "says what is mounted at boot"),
    folder("/etc/pam.d", "says who is let in"),
    root_s("/etc/sudoers", SUDO),
    root_s("/etc/sudoers.d", SUDO),
    program("/etc/ssh", SSH),
    root_s("/etc/ssh/sshd_config", SSH),
    private("/etc/ssh/ssh_host_ed25519_key", HOST_KEY),
    private("/etc/ssh/ssh_host_rsa_key", HOST_KEY),
    private("/etc/ssh/ssh_host_ecdsa_key", HOST_KEY),
    folder("/etc/systemd", "says what is started"),
    folder("/var", "holds the state of the host"),
    folder("/var/lib", "holds the state of the host"),
    folder("/var/lib/dpkg", "knows what packages are installed"),
    ground("/root", "is the home of root", 0o700, 0o022),
    program("/boot", "is what the host starts from"),
    folder("/run", "holds the state of what runs"),
    folder("/dev", KERNEL),
    folder("/proc", KERNEL),
    folder("/sys", KERNEL),
];

/// What prov itself keeps on a host: its locks, records and copies.
const OWN: &str = "/var/lib/prov";

/// A host may do without a key of a kind that it does not want, as long as it keeps those of the two usual kinds.
const MAY_GO: &str = "/etc/ssh/ssh_host_ecdsa_key";

/// What goes if somebody says it twice: a host may be reached, given administrators and started in another way.
const INSISTED: [&str; 9] = [
    "/boot",
    "/etc/fstab",
    "/etc/ssh",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/sshd_config",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/usr/sbin/sshd",
];

/// Names by which the same file is found where `/bin`, `/sbin` and `/lib` are links (file-hierarchy(7)).
fn usual(path: &str) -> String {
    let merged = ["/bin/", "/sbin/", "/lib/"];
    if merged.iter().any(|folder| path.starts_with(folder)) {
        format!("/usr{path}")
    } else {
        path.to_owned()
    }
}

/// Tells whether something is at a path or below it.
fn holds(path: &str, place: &str) -> bool {
    path == place
        || path == "/"
        || place
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// Refuses a change that takes away what the host or prov stands on.
pub(super) fn taken_away(change: &Change, facts: &Facts) -> Option<Planned> {
    change.steps.iter().find_map(|step| {
        if let Step::Run(run) = step {
            let mut taken = run.effects.iter().filter_map(gone);
            return taken.find_map(|path| removed(path, facts));
        }
        let path = step.path()?;
        if holds(OWN, path.as_str()) {
            return Some(Planned::Impossible {
                cause: format!(
                    "{path} is where prov keeps its locks, records and copies on the host"
                ),
                hint: format!(
                    "choose another path: what is in {OWN} is made and taken away by prov alone"
                ),
            });
        }
        match step {
            Step::Remove { path } => removed(path, facts),
            // What was there goes.
            Step::MakeLink { path, .. } | Step::Unpack(Unpack { path, .. }) => {
                replaced(path, facts)
            }
            Step::WriteFile {
                path,
                attributes,
                content,
                ..
            } => accounts::taken_away(path, content, facts)
                .or_else(|| shut_or_opened(path, attributes).filter(|_| !facts.insisted)),
            Step::SetAttributes { path, attributes }
            | Step::MakeDirectory { path, attributes }
            | Step::Fetch {
                path, attributes, ..
            } => shut_or_opened(path, attributes).filter(|_| !facts.insisted),
            Step::Run(_) => None,
        }
    })
}

/// Gives the path that a command takes away.
fn gone(effect: &Effect) -> Option<&HostPath> {
    let Effect::Path(Becomes(path, PathFact::Missing)) = effect else {
        return None;
    };
    Some(path)
}

/// Finds what would go with a path. Whoever insists names the path itself: nobody sees what else is below one.
fn find(path: &HostPath, facts: &Facts) -> Option<&'static Ground> {
    let path = usual(path.as_str());
    if facts.insisted && INSISTED.contains(&path.as_str()) {
        return None;
    }
    let mut grounds = GROUNDS.iter().filter(|ground| ground.path != MAY_GO);
    grounds.find(|ground| holds(&path, ground.path))
}

fn removed(path: &HostPath, facts: &Facts) -> Option<Planned> {
    if let Some(ground) = find(path, facts) {
        return Some(Planned::Impossible {
            cause: format!("{} and is not removed", which(path, ground)),
            hint: "name what is to go below it or beside it; what a package brought goes with the package, and an account by `user`"
                .to_owned(),
        });
    }
    let login = facts.login.as_ref();
    let login = login.filter(|login| login.user != "root" && !facts.insisted)?;
    let home = format!("/home/{}", login.user);
    holds(path.as_str(), &home).then(|| Planned::Impossible {
        cause: format!(
            "{path} would be removed, with the home of {}, as whom prov logs in on this host",
            login.user
        ),
        hint: "log in with another account (`connection: {user: …}`) to remove this".to_owned(),
    })
}

fn replaced(path: &HostPath, facts: &Facts) -> Option<Planned> {
    let ground = find(path, facts)?;
    Some(Planned::Impossible {
        cause: format!("{} and is not replaced as a whole", which(path, ground)),
        hint: "choose a folder of its own, such as one below /srv or /opt".to_owned(),
    })
}

/// Says what a path is for: itself, or what is in it.
fn which(path: &HostPath, ground: &Ground) -> String {
    if usual(path.as_str()) == ground.path {
        format!("{path} {}", ground.why)
    } else {
        format!("{path} has {} in it, which {}", ground.path, ground.why)
    }
}

fn shut_or_opened(path: &HostPath, wanted: &Attributes) -> Option<Planned> {
    let named = usual(path.as_str());
    let known = GROUNDS.iter().find(|ground| ground.path == named);
    // What is in it is read by sudo, which refuses all of it where others may write.
    let rule = ground("/etc/sudoers.d/", SUDO, 0o400, 0o022);
    let rules = || named.starts_with(rule.path).then_some(&rule);
    let root = ground("/", "is the root of all", 0o111, 0o022);
    let whole = || (named == "/").then_some(&root);
    let ground = known.or_else(rules).or_else(whole)?;
    let bits = wanted.mode.bits();
    let (path_is, mode) = (format!("{path} {}", ground.why), wanted.mode);
    let problem = if !wanted.is_owned_by("root") && wanted.owner != "0" {
        format!("{path_is}, and would belong to {}", wanted.owner)
    } else if bits & ground.needs != ground.needs {
        format!("{path_is}, and those who need it could not use it with the mode {mode}")
    } else if bits & ground.never != 0 {
        format!("{path_is}, and others than root could get at it with the mode {mode}")
    } else {
        return None;
    };
    Some(Planned::Impossible {
        cause: problem,
        hint: if ground.needs == 0 {
            format!(
                "leave it to root with a mode that has none of the bits {:04o}",
                ground.never
            )
        } else {
            format!(
                "leave it to root with a mode that has the bits {:04o} and none of {:04o}",
                ground.needs, ground.never
            )
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, Reason};
    use crate::probe::LoginFact;
    use crate::value::Mode;

    fn path(text: &str) -> HostPath {
        HostPath::new(text).unwrap()
    }

    fn outcome(step: Step) -> Option<String> {
        let change = Change::new(Action::Remove, vec![Reason::Present], vec![step]);
        let facts = Facts {
            login: Some(LoginFact {
                user: "admin".to_owned(),
                groups: std::collections::BTreeSet::new(),
                shells: std::collections::BTreeSet::new(),
            }),
            ..Facts::default()
        };
        let Planned::Impossible { cause, .. } = taken_away(&change, &facts)? else {
            panic!("it is done, or waits for something");
        };
        Some(cause)
    }

    fn removing(text: &str) -> Option<String> {
        outcome(Step::Remove { path: path(text) })
    }

    fn with(text: &str, owner: &str, mode: u32) -> Option<String> {
        outcome(Step::SetAttributes {
            path: path(text),
            attributes: Attributes::new(owner, "root", Mode::new(mode)),
        })
    }

    #[test]
    fn what_a_host_stands_on_is_not_removed_and_neither_is_what_it_is_in() {
        for ground in GROUNDS.iter().filter(|ground| ground.path != MAY_GO) {
            assert!(removing(ground.path).is_some(), "{}", ground.path);
        }
        for (gone, says) in [
            (
                "/",
                "/ has /bin in it, which holds the programs of the host",
            ),
            ("/etc", "/etc holds the configuration"),
            ("/bin/sh", "/bin/sh runs every script"),
            ("/home", "with the home of admin"),
            ("/home/admin", "with the home of admin"),
            ("/var/lib/prov/history", "prov keeps its locks"),
        ] {
            let cause = removing(gone).unwrap_or_default();
            assert!(cause.contains(says), "{gone}: {cause}");
        }
        for other in [
            "/srv",
            "/home/anna",
            "/home/administrator",
            "/etc/motd",
            "/etc/sudoers.d/team",
            "/etc/ssh/ssh_host_ecdsa_key",
            "/etc/ssh/ssh_host_dsa_key",
            "/etc/ssh/sshd_config.d/own.conf",
            "/usr/local/bin/tool",
            "/usr/local",
            "/var/lib/mysql",
            "/opt",
            "/var/www",
            "/etcetera",
            "/root/notes",
        ] {
            assert_eq!(removing(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_host_stands_on_is_neither_shut_nor_opened() {
        for (place, owner, mode) in [
            ("/", "root", 0o700),
            ("/etc", "root", 0o700),
            ("/etc", "root", 0o777),
            ("/etc", "anna", 0o755),
            ("/etc/passwd", "root", 0o600),
            ("/etc/shadow", "root", 0o644),
            ("/etc/sudoers", "root", 0o666),
            ("/etc/sudoers", "root", 0o000),
            ("/etc/sudoers.d/team", "anna", 0o440),
            ("/etc/ssh/ssh_host_rsa_key", "root", 0o640),
            ("/var/lib/prov", "root", 0o755),
            ("/usr/bin/sudo", "root", 0o755),
            ("/root", "root", 0o770),
        ] {
            assert!(
                with(place, owner, mode).is_some(),
                "{place} {owner} {mode:o}"
            );
        }
        for (place, owner, mode) in [
            ("/", "root", 0o755),
            ("/etc", "0", 0o755),
            ("/etc/passwd", "root", 0o644),
            ("/etc/shadow", "root", 0o640),
            ("/etc/shadow", "root", 0o000),
            ("/etc/sudoers", "root", 0o440),
            ("/etc/sudoers.d", "root", 0o750),
            ("/etc/sudoers.d/team", "root", 0o440),
            ("/etc/ssh/sshd_config", "root", 0o600),
            ("/boot", "root", 0o700),
            ("/usr/bin/sudo", "root", 0o4750),
            ("/root", "root", 0o700),
            ("/srv/anything", "anna", 0o777),
        ] {
            assert_eq!(with(place, owner, mode), None, "{place} {owner} {mode:o}");
        }
    }

    #[test]
    fn what_a_host_can_do_without_in_one_way_or_another_goes_if_it_is_said_twice() {
        let insisted = |step| {
            let change = Change::new(Action::Remove, vec![Reason::Present], vec![step]);
            let facts = Facts {
                insisted: true,
                ..Facts::default()
            };
            taken_away(&change, &facts).is_none()
        };
        for ground in GROUNDS.iter().filter(|ground| ground.path != MAY_GO) {
            let goes = insisted(Step::Remove {
                path: path(ground.path),
            });
            assert_eq!(goes, INSISTED.contains(&ground.path), "{}", ground.path);
        }
        assert!(!insisted(Step::Remove {
            path: path("/var/lib/prov/history")
        }));
        assert!(insisted(Step::SetAttributes {
            path: path("/etc/shadow"),
            attributes: Attributes::new("root", "root", Mode::new(0o644)),
        }));
    }

    #[test]
    fn a_link_takes_the_place_of_nothing_that_is_stood_on() {
        let linking = |text| {
            outcome(Step::MakeLink {
                path: path(text),
                target: "/srv/x".to_owned(),
            })
        };
        assert!(linking("/etc/passwd").is_some());
        assert!(linking("/etc/ssh").is_some());
        assert_eq!(linking("/etc/localtime"), None);
        assert_eq!(linking("/etc/resolv.conf"), None);
    }
}
