//! What the resources of MariaDB share: how the server is spoken to, and what to do where it cannot be.

use super::database_server::{self, About};
use crate::content::Content;
use crate::plan::Planned;
use crate::probe::{CLIENT, Facts};
use crate::step::Run;

/// Runs statements as root. They travel on standard input: what they hold is on no command line, and the client writes
/// no history when it reads from there.
pub(super) fn run(sql: Content) -> Run {
    Run::new(CLIENT).stdin(sql)
}

/// Gives what becomes of a resource whose server cannot be asked; `None` where it can.
pub(super) fn cannot_be_asked(facts: &Facts) -> Option<Planned> {
    let about = About {
        name: "MariaDB",
        service: SERVICE,
        install: "give the host the role `database`, or install mariadb-server",
        lets_in: (
            "root",
            "let root log in through the socket, as Debian sets it up: ALTER USER root@localhost IDENTIFIED VIA unix_socket",
        ),
    };
    database_server::cannot_be_asked(&facts.mariadb.server, &about, facts)
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
