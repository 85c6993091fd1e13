//! What the resources of MariaDB share: how the server is spoken to, and what to do where it cannot be.

use crate::content::Content;
use crate::plan::{Awaited, Deferral, Planned};
use crate::probe::{CLIENT, DatabaseServer, Facts, ServiceManager};
use crate::step::Run;

/// Runs statements as root. They travel on standard input: what they hold is on no command line, and the client writes
/// no history when it reads from there.
pub(super) fn run(sql: Content) -> Run {
    Run::new(CLIENT).stdin(sql)
}

/// Gives what becomes of a resource whose server cannot be asked; `None` where it can.
pub(super) fn cannot_be_asked(facts: &Facts) -> Option<Planned> {
    let impossible = |cause: String, hint: &str| {
        Some(Planned::Impossible {
            cause,
            hint: hint.to_owned(),
        })
    };
    match (&facts.mariadb.server, facts.manager) {
        (DatabaseServer::Running, _) => None,
        // On a server the package starts what it brings, and a new MariaDB has nothing of its own.
        (DatabaseServer::Down | DatabaseServer::Silent(_), ServiceManager::Systemd)
            if !facts.coming.is_empty() =>
        {
            None
        }
        (DatabaseServer::Starting, ServiceManager::Systemd) => {
            Some(Planned::Unknown(Awaited::Service(SERVICE.to_owned())))
        }
        (DatabaseServer::Down, ServiceManager::Systemd) => impossible(
            "MariaDB's client is not installed on this host".to_owned(),
            "give the host the role `database`, or install mariadb-server",
        ),
        (DatabaseServer::Silent(answer), ServiceManager::Systemd) => impossible(
            format!("MariaDB does not answer on this host: {answer}"),
            "start it with `systemctl start mariadb` and look at `journalctl -u mariadb`; a server that runs must listen at the socket that is named here",
        ),
        (
            DatabaseServer::Down | DatabaseServer::Silent(_) | DatabaseServer::Starting,
            ServiceManager::None,
        ) => Some(Planned::Deferred(Deferral::NoDatabaseServer)),
        (
            DatabaseServer::Down | DatabaseServer::Silent(_) | DatabaseServer::Starting,
            ServiceManager::Runit,
        ) => Some(Planned::Deferred(Deferral::DatabaseServerSilent)),
        (DatabaseServer::Failed(answer), _) => impossible(
            format!("MariaDB cannot be asked on this host: {answer}"),
            "look at MariaDB's log on the host, repair the cause, and run the same command again",
        ),
        (DatabaseServer::Refused(answer), _) => impossible(
            format!("MariaDB does not let root in: {answer}"),
            "let root log in through the socket, as Debian sets it up: ALTER USER root@localhost IDENTIFIED VIA unix_socket",
        ),
    }
}

/// The service of the server.
const SERVICE: &str = "mariadb";

/// Tells whether a service is that of the server, by one of its names.
pub(super) fn is_server(service: &str) -> bool {
    [SERVICE, "mysql", "mysqld"].contains(&service)
}

/// Escapes the name of a database for `GRANT`, where `_` and `%` are wildcards.
pub(super) fn pattern(name: &str) -> String {
    name.replace('_', "\\_").replace('%', "\\%")
}
