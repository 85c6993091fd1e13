//! Ports at which hosts serve somebody, whatever it is that they serve: what a firewall must let through.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Promises;
use crate::diagnostic::nearest;
use crate::estate::{Estate, Host, Location, shorten};
use crate::value::{Network, Protocol};

/// Port at which name servers are asked (RFC 1035).
pub const DNS: u16 = 53;

/// Port of web servers (RFC 9110).
pub const HTTP: u16 = 80;

/// Port of web servers with TLS (RFC 9110).
pub const HTTPS: u16 = 443;

/// To whom something is served; nobody but the host itself by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// Whoever reaches the host.
    pub everybody: bool,
    /// The machines inside, of which only the hosts of the estate are known here.
    pub inside: bool,
    /// These.
    pub networks: Vec<Network>,
}

impl Audience {
    /// Gives everybody.
    #[must_use]
    pub fn everybody() -> Self {
        Self {
            everybody: true,
            ..Self::default()
        }
    }

    /// Gives the machines inside.
    #[must_use]
    pub fn inside() -> Self {
        Self {
            inside: true,
            ..Self::default()
        }
    }

    /// Gives those among whom a host stands: in the office the machines inside, on the Internet everybody.
    #[must_use]
    pub fn around(host: &Host) -> Self {
        match host.location() {
            Location::Internal => Self::inside(),
            Location::External => Self::everybody(),
        }
    }

    /// Gives some hosts.
    #[must_use]
    pub fn hosts<'h>(hosts: impl IntoIterator<Item = &'h Host>) -> Self {
        Self {
            networks: Network::outermost(hosts.into_iter().map(|host| host.address().into())),
            ..Self::default()
        }
    }

    /// Reads words: `everybody`, `inside`, `nobody`, networks, addresses, and names of the estate's hosts.
    pub(crate) fn named(words: &[String], estate: &Estate) -> Result<Self, String> {
        let mut audience = Self::default();
        for word in words {
            match word.as_str() {
                "everybody" => audience.everybody = true,
                "inside" => audience.inside = true,
                "nobody" => {}
                word => {
                    let host = estate.host(word).map(|host| host.address().into());
                    let network = host.or_else(|| Network::new(word).ok());
                    audience
                        .networks
                        .push(network.ok_or_else(|| unknown(word, estate))?);
                }
            }
        }
        Ok(audience)
    }

    /// Tells whether the host serves itself alone.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        !self.everybody && !self.inside && self.networks.is_empty()
    }

    /// Adds others.
    pub(crate) fn join(&mut self, others: &Self) {
        self.everybody |= others.everybody;
        self.inside |= others.inside;
        if self.everybody {
            *self = Self::everybody();
            return;
        }
        let networks = self.networks.iter().chain(&others.networks);
        self.networks = Network::outermost(networks.copied());
    }
}

fn unknown(word: &str, estate: &Estate) -> String {
    let hosts = estate.hosts().iter().map(Host::name);
    let known = ["everybody", "inside", "nobody"].into_iter().chain(hosts);
    let shown = shorten(word);
    match nearest(word, known) {
        Some(near) => format!("nobody is called '{shown}'; did you mean '{near}'?"),
        None => format!(
            "nobody is called '{shown}': name networks, addresses, hosts of the estate, everybody, inside or nobody"
        ),
    }
}

/// A port at which a host serves somebody besides itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenPort {
    /// Name of the host.
    pub host: String,
    /// The role that serves there.
    pub role: String,
    /// What the port is one of.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// To whom it serves.
    pub to: Audience,
}

impl Promises {
    /// Promises that a role of a host serves somebody at some ports.
    pub(crate) fn opens(
        &mut self,
        (host, role): (&Host, &str),
        to: &Audience,
        ports: &[(Protocol, u16)],
    ) {
        let ports = ports.iter().map(|(protocol, port)| OpenPort {
            host: host.name().to_owned(),
            role: role.to_owned(),
            protocol: *protocol,
            port: *port,
            to: to.clone(),
        });
        self.open_ports.extend(ports);
    }
}

/// Tells whether a server with these addresses, all where there are none, is reached by other hosts.
pub(crate) fn is_exposed(addresses: &[IpAddr]) -> bool {
    addresses.is_empty() || addresses.iter().any(|address| !address.is_loopback())
}
