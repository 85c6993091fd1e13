//! For whom a role decides: a host, or a domain on a host.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Place};
use crate::estate::{Estate, Vars};

/// What an expression of a role that domains have may name besides.
pub(super) const OF_DOMAIN: &str = "domain";

/// What expressions may ask of the host and of the domain that a role decides for.
pub(super) const FIELDS: [(&str, &[&str]); 2] = [
    (
        "host",
        &[
            "name",
            "address",
            "location",
            "groups",
            "services",
            "roles",
            "is_container",
            "port",
        ],
    ),
    (OF_DOMAIN, &["name", "organisation", "is_home"]),
];

/// For whom a role decides.
#[derive(Clone, Copy)]
pub(crate) struct For<'e> {
    pub(crate) estate: &'e Estate,
    /// The host's variables, with the domain's above them.
    pub(crate) vars: &'e Vars<'e>,
    /// The domain, where the role is one that domains have.
    pub(crate) domain: Option<&'e Hosted>,
}

/// A domain, as far as a role may ask for it: `domain` in expressions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hosted {
    pub(crate) name: String,
    pub(crate) organisation: String,
    /// Whether it is the firm's own.
    pub(crate) is_home: bool,
    /// Its public file.
    #[serde(skip)]
    pub(crate) file: String,
}

impl Hosted {
    /// Says that a variable is set neither by the domain nor for the host.
    pub(super) fn unset(&self, role: &str, variable: &str, is_secret: bool) -> Diagnostic {
        let message = format!(
            "domain {}: role '{role}' needs the variable '{variable}', which is not set",
            self.name
        );
        let file = if is_secret {
            self.file.replace("domain.yml", "domain.private.yml")
        } else {
            self.file.clone()
        };
        Diagnostic::at(Place::file(&self.file), message).hint(format!(
            "set it in {file}, or for the hosts of all domains in the estate's groups/ or hosts/"
        ))
    }
}
