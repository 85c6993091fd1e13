//! Stand-ins: containers that behave like a service beyond the estate, so that nothing real is asked in a trial.
//!
//! Owns which there are and where an estate has them. An estate of servers has none: they are declared with its
//! containers. What each one does is the business of its folder under `docker/stand-ins`.

use std::net::Ipv4Addr;

/// Names the stand-ins that there are: the folders under `docker/stand-ins`.
pub const STAND_INS: [&str; 2] = ["dropbox", "linode"];

/// Describes a stand-in of an estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
}

impl StandIn {
    /// Gives the name, one of [`STAND_INS`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the fixed address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }
}
