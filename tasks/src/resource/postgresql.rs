//! What the resources of PostgreSQL share: how the server is spoken to, and what is its own.

use super::database_server::{self, About};
use crate::content::Content;
use crate::plan::Planned;
use crate::probe::{Facts, POSTGRES};
use crate::step::Run;

/// The service of the server.
const SERVICE: &str = "postgresql";

/// Runs statements as the administrator. They travel on standard input: what they hold is on no command line.
pub(super) fn run(sql: Content) -> Run {
    Run::new(POSTGRES).stdin(sql)
}

/// Gives what becomes of a resource whose server cannot be asked; `None` where it can.
pub(super) fn cannot_be_asked(facts: &Facts) -> Option<Planned> {
    let about = About {
        name: "PostgreSQL",
        service: SERVICE,
        install: "install the package postgresql before, for instance in a role's `packages`",
        lets_in: (
            "its administrator",
            "let postgres log in through the socket, as Debian sets it up: `local all postgres peer` in pg_hba.conf",
        ),
    };
    database_server::cannot_be_asked(&facts.postgresql.server, &about, facts)
}

/// Tells whether a service is that of the server, or of one of its clusters.
pub(super) fn is_server(service: &str) -> bool {
    service == SERVICE || service.starts_with("postgresql@")
}
