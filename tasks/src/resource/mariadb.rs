//! What the resources of MariaDB share: how the server is spoken to, and what to do where it cannot be.

use crate::content::Content;
use crate::plan::{Deferral, Planned};
use crate::probe::{CLIENT, DatabaseServer, Facts, ServiceManager};
use crate::step::Run;

/// Runs statements as root. They travel on standard input: what they hold is on no command line, and the client writes
/// no history when it reads from there.
pub(super) fn run(sql: Content) -> Run {
    Run::new(CLIENT).stdin(sql)
}

/// Gives what becomes of a resource whose server cannot be asked; `None` where it can.
pub(super) fn cannot_be_asked(facts: &Facts) -> Option<Planned> {
    match (&facts.mariadb.server, facts.manager) {
        (DatabaseServer::Running, _) => None,
        // On a server the package starts what it brings, and a new MariaDB has nothing of its own.
        (DatabaseServer::Down, ServiceManager::Systemd) if !facts.coming.is_empty() => None,
        (DatabaseServer::Down, ServiceManager::None) => Some(Planned::Deferred(Deferral::NoDatabaseServer)),
        (DatabaseServer::Down, ServiceManager::Systemd | ServiceManager::Runit) => {
            Some(Planned::Deferred(Deferral::DatabaseServerSilent))
        }
        (DatabaseServer::Failed(answer), _) => Some(Planned::Impossible {
            cause: format!("MariaDB stopped answering half-way: {answer}"),
            hint: "look at MariaDB's log on the host, repair the cause, and run the same command again".to_owned(),
        }),
        (DatabaseServer::Refused(answer), _) => Some(Planned::Impossible {
            cause: format!("MariaDB does not let root in: {answer}"),
            hint: "let root log in through the socket, as Debian sets it up: ALTER USER root@localhost IDENTIFIED VIA unix_socket"
                .to_owned(),
        }),
    }
}

/// Escapes the name of a database for `GRANT`, where `_` and `%` are wildcards.
pub(super) fn pattern(name: &str) -> String {
    name.replace('_', "\\_").replace('%', "\\%")
}
