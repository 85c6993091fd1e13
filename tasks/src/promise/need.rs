//! Whom hosts rely on for what: the other side of what is promised.

use std::net::IpAddr;

use serde::Serialize;

use super::Promises;
use crate::estate::{Estate, Host};
use crate::value::Port;

/// What a host relies on somebody for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NeedKind {
    /// Names are asked for there.
    Names,
    /// Mail is handed on there, or fetched from there.
    Mail,
    /// Data are in a database there.
    Database,
    /// Backups are made by it, or kept there.
    Backup,
    /// Web sites behind a proxy are there.
    Web,
    /// A line of a file there is in the host's configuration, such as a public key.
    File,
    /// A port there is open for the host by its name or address.
    Port,
    /// A service outside of the estate is called there.
    Service,
}

impl NeedKind {
    /// Lists the kinds, in the order of a legend.
    pub const EVERY: [Self; 8] = [
        Self::Names,
        Self::Mail,
        Self::Database,
        Self::Backup,
        Self::Web,
        Self::File,
        Self::Port,
        Self::Service,
    ];

    /// Says what is needed, in a word or two.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Names => "DNS",
            Self::Mail => "mail",
            Self::Database => "database",
            Self::Backup => "backup",
            Self::Web => "web",
            Self::File => "a public file",
            Self::Port => "a port",
            Self::Service => "service",
        }
    }
}

/// On whom somebody relies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Needed {
    /// A host of the estate, by its name.
    Host(String),
    /// Somebody else: a name, an address, or words.
    Outside(String),
}

impl Needed {
    /// Finds out whose address it is. Nobody relies on somebody by a loopback address.
    #[must_use]
    pub fn at(estate: &Estate, address: IpAddr) -> Option<Self> {
        if address.is_loopback() {
            return None;
        }
        let mut hosts = estate.hosts().iter();
        Some(match hosts.find(|host| host.address() == address) {
            Some(host) => Self::host(host),
            None => Self::Outside(address.to_string()),
        })
    }

    /// Gives a host of the estate.
    #[must_use]
    pub fn host(host: &Host) -> Self {
        Self::Host(host.name().to_owned())
    }
}

/// That a host relies on somebody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Need {
    /// Name of the host.
    pub host: String,
    /// On whom it relies.
    pub of: Needed,
    /// What for.
    pub kind: NeedKind,
    /// What of it is meant or who says so: a role, a site, a file, a port.
    pub detail: String,
}

/// By what a host is told to reach another one, whoever tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Name of the host that is told.
    pub host: String,
    /// Name of the host that is meant.
    pub of: String,
    /// The name or the address that it is told.
    pub by: String,
    /// The port.
    pub port: Port,
    /// The role that tells it.
    pub role: &'static str,
    /// The variable that says it.
    pub variable: &'static str,
}

impl Promises {
    /// Notes on whom a role of a host relies; what it finds on its own host is not noted.
    pub(crate) fn relies(
        &mut self,
        (host, role): (&Host, &str),
        kind: NeedKind,
        on: impl IntoIterator<Item = Needed>,
    ) {
        let others = on.into_iter();
        let others = others.filter(|of| !matches!(of, Needed::Host(other) if other == host.name()));
        self.needs.extend(others.map(|of| Need {
            host: host.name().to_owned(),
            of,
            kind,
            detail: role.to_owned(),
        }));
    }
}
