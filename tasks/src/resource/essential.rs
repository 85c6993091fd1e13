//! What a host and prov itself stand on: accounts, groups and databases that no resource takes away or shuts out.

use std::collections::BTreeSet;

use crate::plan::Planned;
use crate::probe::{Facts, UserFact};

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

fn is_of_system(name: &str, id: u32) -> bool {
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
pub(super) fn is_no_shell(path: &str) -> bool {
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

/// Refuses to remove a package without which prov would not get in, or not become root.
pub(super) fn removing_package(name: &str, facts: &Facts) -> Option<Planned> {
    let login = facts.login.as_ref();
    let as_root = login.is_none_or(|login| login.user == "root");
    let needed = match name {
        "openssh-server" => true,
        "sudo" => !as_root,
        _ => false,
    };
    needed.then(|| {
        refused(
            format!("prov reaches this host through the package {name}, which is not removed"),
            "take this package out of the resource",
        )
    })
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
