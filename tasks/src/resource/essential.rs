//! What a host and prov itself stand on: accounts, groups, packages, services and databases that no resource takes away or shuts out.
//! Files and folders are in [`crate::plan`], as any kind may write them.
//!
//! Who says it twice is believed, but where no host could go on: its administrator, what apt itself needs, what ends all that runs.

use std::collections::BTreeSet;

use crate::plan::Planned;
use crate::probe::{Facts, ServiceManager, UserFact};
use crate::value::{HostPath, ServiceName};

/// Numbers below are the same on every Debian system, for accounts and groups of its base (Debian Policy 9.2.2).
const STATIC_IDS: u32 = 100;

/// `nobody` and `nogroup`.
const NOBODY: u32 = 65534;

/// Accounts and groups that programs of the base system look up by these names.
const OF_SYSTEM: [&str; 7] = [
    "_apt",
    "_ssh",
    "crontab",
    "messagebus",
    "mysql",
    "sshd",
    "users",
];

/// Shells with which nobody is let in, whatever `/etc/shells` says.
const NO_SHELLS: [&str; 4] = ["nologin", "false", "true", "sync"];

/// Tells whether an account or group is one of the base system or of its daemons.
pub(crate) fn is_of_system(name: &str, id: u32) -> bool {
    id < STATIC_IDS || id == NOBODY || OF_SYSTEM.contains(&name) || name.starts_with("systemd-")
}

fn is_login(name: &str, facts: &Facts) -> bool {
    let login = facts.login.as_ref();
    login.map_or("root", |login| login.user.as_str()) == name
}

fn refused(cause: String, hint: &str) -> Planned {
    Planned::Impossible {
        cause,
        hint: hint.to_owned(),
    }
}

/// Tells whether a shell lets nobody in.
pub(crate) fn is_no_shell(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    NO_SHELLS.contains(&name)
}

/// Refuses to remove an account that the host or prov cannot do without.
pub(super) fn removing_user(name: &str, have: &UserFact, facts: &Facts) -> Option<Planned> {
    if have.uid == 0 {
        return Some(refused(
            format!("{name} has the number 0 and is not removed"),
            "remove this resource; a host needs its administrator",
        ));
    }
    if facts.insisted {
        return None;
    }
    if is_login(name, facts) {
        return Some(refused(
            format!("prov logs in as {name} on this host, and would not get in again without it"),
            "log in with another account (`connection: {user: …}`) to remove this one",
        ));
    }
    is_of_system(name, have.uid).then(|| {
        refused(
            format!(
                "{name} (number {}) is an account of the base system or of its daemons and is not removed",
                have.uid
            ),
            "remove this resource; what a package made goes when the package is purged",
        )
    })
}

/// Refuses to remove a group that the host or prov cannot do without.
pub(super) fn removing_group(name: &str, gid: u32, facts: &Facts) -> Option<Planned> {
    if facts.insisted {
        return None;
    }
    let login = facts.login.as_ref();
    if let Some(login) = login.filter(|login| login.groups.contains(name)) {
        return Some(refused(
            format!(
                "{}, as whom prov logs in on this host, is in the group {name}, which may be what lets it become root",
                login.user
            ),
            "log in with another account (`connection: {user: …}`) to remove this group",
        ));
    }
    is_of_system(name, gid).then(|| {
        refused(
            format!("{name} (number {gid}) is a group of the base system and is not removed"),
            "remove this resource; what a package made goes when the package is purged",
        )
    })
}

/// Packages of the base system that prov asks and works with, and that apt would remove without `--allow-remove-essential`: accounts,
/// PAM, what is mounted, where systemd is what looks after services, and apt itself.
pub(super) const WORKED_WITH: [&str; 7] = [
    "apt",
    "init",
    "libpam-modules",
    "libpam-runtime",
    "mount",
    "passwd",
    "systemd-sysv",
];

/// Refuses to remove a package without which prov would not get in, not become root, or find a host that it cannot work with.
pub(super) fn removing_package(name: &str, facts: &Facts) -> Option<Planned> {
    let login = facts.login.as_ref();
    let as_root = login.is_none_or(|login| login.user == "root");
    let cause = match name {
        "openssh-server" | "sudo" if facts.insisted => return None,
        "openssh-server" => "prov reaches this host through",
        "sudo" if !as_root => "prov reaches this host through",
        "systemd" if facts.manager == ServiceManager::Systemd => "the host starts and stops by",
        name if WORKED_WITH.contains(&name) => "the host and prov work with",
        _ => return None,
    };
    Some(refused(
        format!("{cause} the package {name}, which is not removed"),
        "take this package out of the resource",
    ))
}

/// Services of which a host needs one, each with the names that it may go by: those by which one comes in, and those that bring the
/// network up.
const ONE_OF: [(&str, &[&str]); 2] = [
    ("lets prov and everybody else in", &["ssh", "ssh.socket"]),
    (
        "brings the network up",
        &["networking", "systemd-networkd", "NetworkManager", "dhcpcd"],
    ),
];

/// Units without which a host does not boot, or nobody can log in or look after it.
const NEEDED: [&str; 14] = [
    "basic.target",
    "dbus",
    "dbus.socket",
    "default.target",
    "getty.target",
    "local-fs.target",
    "multi-user.target",
    "network.target",
    "sockets.target",
    "sysinit.target",
    "systemd-journald",
    "systemd-logind",
    "systemd-udevd",
    "timers.target",
];

/// Units that end what runs when they are started, the SSH server with it (systemd.special(7)).
const ENDING: [&str; 11] = [
    "emergency.target",
    "exit.target",
    "halt.target",
    "hibernate.target",
    "initrd.target",
    "kexec.target",
    "poweroff.target",
    "reboot.target",
    "rescue.target",
    "shutdown.target",
    "suspend.target",
];

/// Gives the usual name of a service that has several.
fn usual_service(name: &str) -> &str {
    match name.strip_suffix(".service").unwrap_or(name) {
        "sshd" => "ssh",
        other => other,
    }
}

/// Lists the services that may stand in for one that others need.
pub(super) fn stand_ins(name: &ServiceName) -> Vec<ServiceName> {
    let name = usual_service(name.as_str());
    let groups = ONE_OF.iter().filter(|(_, names)| names.contains(&name));
    let others = groups.flat_map(|(_, names)| names.iter().filter(|other| **other != name));
    others
        .filter_map(|other| ServiceName::new(*other).ok())
        .collect()
}

/// What would become of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub(super) running: bool,
    pub(super) enabled: bool,
}

/// Refuses to stop, or to keep from starting at boot, a service that the host or prov cannot do without.
///
/// What is not asked for is a stand-in that does not run: a host whose network comes up by another way may stop the usual one.
pub(super) fn leaving_service(service: &ServiceName, left: Left, facts: &Facts) -> Option<Planned> {
    let name = usual_service(service.as_str());
    if left.running && ENDING.contains(&name) {
        return Some(refused(
            format!("to start {name} ends what runs on the host, the SSH server with it"),
            "to start the host again, use `prov apply --reboot` or `prov run -- systemctl reboot`",
        ));
    }
    if left.running && left.enabled || facts.insisted {
        return None;
    }
    if NEEDED.contains(&name) {
        let problem = format!(
            "{name} is what a host boots, logs in or looks after services by, and is neither stopped nor disabled nor masked"
        );
        return Some(refused(problem, "take this resource out"));
    }
    let (why, _) = ONE_OF.iter().find(|(_, names)| names.contains(&name))?;
    let stands_in = stand_ins(service).into_iter().any(|other| {
        let fact = facts.service(&other);
        fact.is_ok_and(|fact| fact.running && fact.enabled && !fact.masked)
    });
    if stands_in {
        return None;
    }
    let others: Vec<_> = stand_ins(service)
        .iter()
        .map(ServiceName::to_string)
        .collect();
    Some(Planned::Impossible {
        cause: format!("{name} {why}, and nothing else on the host would"),
        hint: format!(
            "declare what takes its place first, so that it runs and starts at boot: {}",
            others.join(", ")
        ),
    })
}

/// Folders over which nothing is mounted while the host runs: what is in them would be hidden from it, from prov or from those who log in.
const NOT_HIDDEN: [&str; 24] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/run",
];

/// Refuses to mount something over what the host or prov stands on, or to unmount it.
pub(super) fn mounting(path: &HostPath, over: bool, facts: &Facts) -> Option<Planned> {
    let own = HostPath::known("/var/lib/prov");
    let home = facts.login.as_ref().map(|login| match login.user.as_str() {
        "root" => HostPath::known("/root"),
        user => HostPath::new(format!("/home/{user}")).unwrap_or_else(|_| HostPath::known("/home")),
    });
    let is_above = |other: &HostPath| other == path || other.is_below(path);
    let what = if let Some(home) = home.filter(|home| is_above(home) && !facts.insisted) {
        format!("{home} is in it, where the keys are by which prov logs in")
    } else if is_above(&own) || path.is_below(&own) {
        format!("{own} is in it, where prov keeps its locks and records")
    } else if NOT_HIDDEN.contains(&path.as_str()) || path.is_below(&HostPath::known("/etc")) {
        "the host needs what is in it".to_owned()
    } else {
        return None;
    };
    let (cause, hint) = if over {
        (
            format!("{path} is in use, and what is mounted over it hides what is there: {what}"),
            "copy what is there to the new file system, set `state: configured`, and start the host again; or choose a folder of its own, such as one below /srv",
        )
    } else {
        (
            format!("{path} is in use: {what}"),
            "take the line out of /etc/fstab (`line`, `state: absent`), and start the host again",
        )
    };
    Some(refused(cause, hint))
}

/// What would become of an account.
pub(super) struct Amended<'a> {
    pub(super) uid: Option<u32>,
    pub(super) home: Option<&'a str>,
    pub(super) shell: Option<&'a str>,
    pub(super) locks_password: bool,
    /// The groups that it would leave.
    pub(super) leaves: BTreeSet<String>,
}

/// Refuses to shut out the administrator, and the account that prov logs in with.
pub(super) fn amending_user(
    name: &str,
    have: &UserFact,
    wanted: &Amended<'_>,
    facts: &Facts,
) -> Option<Planned> {
    let login = is_login(name, facts);
    if !login && have.uid != 0 {
        return None;
    }
    let who = if login {
        format!("{name}, as whom prov logs in on this host,")
    } else {
        format!("{name}, who has the number 0,")
    };
    let another = "leave this field out, or log in with another account (`connection: {user: …}`) to change this one";
    if let Some(uid) = wanted.uid.filter(|uid| *uid != have.uid) {
        return Some(refused(
            format!("{who} would get the number {uid}"),
            another,
        ));
    }
    if facts.insisted {
        return None;
    }
    if let Some(home) = wanted.home.filter(|home| *home != have.home) {
        return Some(refused(
            format!("{who} would get the home {home}, where none of its keys are"),
            another,
        ));
    }
    if let Some(shell) = wanted.shell.filter(|shell| *shell != have.shell) {
        let listed = |login: &crate::probe::LoginFact| {
            login.shells.is_empty() || login.shells.contains(shell)
        };
        let listed = facts.login.as_ref().is_none_or(listed) || !facts.coming.is_empty();
        if is_no_shell(shell) || !listed {
            let why = if listed {
                "which lets nobody in"
            } else {
                "which /etc/shells does not list"
            };
            return Some(refused(
                format!("{who} would get the shell {shell}, {why}"),
                another,
            ));
        }
    }
    if login && wanted.locks_password {
        return Some(refused(
            format!("{who} would lose its password, and with it may lose the way to become root"),
            another,
        ));
    }
    if login && have.uid != 0 && !wanted.leaves.is_empty() {
        let groups: Vec<_> = wanted.leaves.iter().map(String::as_str).collect();
        return Some(refused(
            format!(
                "{who} would leave {}, which may be what lets it become root",
                groups.join(", ")
            ),
            "name these groups in `groups`, set `append: true`, or log in with another account to change this one",
        ));
    }
    None
}

/// Databases that a MariaDB server keeps for itself (MariaDB, "System Tables").
const OF_SERVER: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// Tells whether a database is one that a MariaDB server keeps for itself.
pub(super) fn is_database_of_server(name: &str) -> bool {
    OF_SERVER
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// Tells whether an account is one that a MariaDB server, its package or prov works with.
pub(super) fn is_account_of_server(name: &str, host: &str) -> bool {
    let of_server = ["root", "mysql", "mariadb.sys", "debian-sys-maint"].contains(&name)
        || name.starts_with("mysql.");
    of_server && host.eq_ignore_ascii_case("localhost")
}

/// Tells whether a database is one that a PostgreSQL server keeps for itself (PostgreSQL, "Template Databases").
pub(super) fn is_database_of_postgresql(name: &str) -> bool {
    ["postgres", "template0", "template1"].contains(&name)
}

/// Tells whether a role is one that a PostgreSQL server, its package or prov works with; `pg_` is kept for the server's own.
pub(super) fn is_role_of_postgresql(name: &str) -> bool {
    name == "postgres" || name.starts_with("pg_")
}
