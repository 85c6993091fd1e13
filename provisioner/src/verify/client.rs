//! Clients of checks: a program, and the side from which it asks.

use tasks::estate::Location;

/// The role of servers on which clients run, and the client with the programs of all others.
pub const VANTAGE: &str = "vantage";

/// A program, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its name, as in `prov client`.
    pub name: &'static str,
    /// Where it stands.
    pub location: Location,
}

impl Client {
    /// Describes a client in the office.
    #[must_use]
    pub const fn inside(name: &'static str) -> Self {
        Self {
            name,
            location: Location::Internal,
        }
    }

    /// Describes a client on the Internet.
    #[must_use]
    pub const fn outside(name: &'static str) -> Self {
        Self {
            name,
            location: Location::External,
        }
    }
}
