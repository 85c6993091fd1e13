//! What a proxy into the estate decides: what it is asked for, by whom, and whether that is one of the estate's own hosts.
//!
//! It reads names and addresses as browsers and mail programs write them, messages of SOCKS5 and answers of name servers, all
//! of which may come from anybody, and refuses whatever does not lead to a host of the estate. It listens to nothing and
//! connects to nobody; the shell does.

mod caller;
mod dns;
mod places;
mod sites;
pub mod socks;
mod target;

pub use caller::{Callers, Owner, owner};
pub use dns::{addresses, question};
pub use places::{Endpoint, Mail, Places, Site, places};
pub use sites::Sites;
pub use target::{Asked, Target, Where};

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::estate::{ContainerNetwork, Estate, Location, ROUTER};
use crate::promise::Promises;

/// The hosts that a proxy leads to, and how names are completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// The estate's name.
    pub estate: String,
    /// The hosts, and the containers that stand in for others, by their addresses. Nothing else is connected to.
    pub hosts: BTreeMap<Ipv4Addr, String>,
    /// Names that are known without asking.
    pub known: BTreeMap<String, Ipv4Addr>,
    /// The server that is asked for all others, if there is one.
    pub name_server: Option<Ipv4Addr>,
    /// The domain that completes names nobody knows otherwise.
    pub search: Option<String>,
    /// The networks in which they are.
    pub networks: Vec<ContainerNetwork>,
}

/// Why somebody is not led where they want to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// What was sent is no request to a proxy.
    NoProxyRequest,
    /// A request that cannot be read; what is wrong with it.
    Malformed(&'static str),
    /// Something that this proxy does not do, such as IPv6.
    Unsupported(&'static str),
    /// Nobody knows the name.
    NoSuchName(String),
    /// The name or address stands for something outside the estate.
    Foreign {
        /// What was asked for.
        asked: String,
        /// Its address.
        address: Ipv4Addr,
        /// The estate.
        estate: String,
    },
    /// The estate's name server did not answer.
    NoAnswer(Ipv4Addr),
    /// The host does not take the connection.
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        cause: String,
    },
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoProxyRequest => f.write_str(
                "this is the proxy of `prov browse` and no web site: name it as the proxy of a browser or mail program",
            ),
            Self::Malformed(what) => write!(f, "the request cannot be read: {what}"),
            Self::Unsupported(what) => write!(f, "the proxy of `prov browse` does not do this: {what}"),
            Self::NoSuchName(name) => write!(f, "no name server of the estate knows {name}"),
            Self::Foreign {
                asked,
                address,
                estate,
            } if *asked == address.to_string() => write!(
                f,
                "{address} is no host of the estate {estate}, and `prov browse` leads to its hosts alone"
            ),
            Self::Foreign {
                asked,
                address,
                estate,
            } => write!(
                f,
                "{asked} is {address}, which is no host of the estate {estate}, and `prov browse` leads to its hosts alone"
            ),
            Self::NoAnswer(server) => write!(
                f,
                "the name server {server} does not answer: `prov status` shows how its host is"
            ),
            Self::Unreachable { host, port, cause } => {
                write!(f, "{host} does not answer at port {port}: {cause}")
            }
        }
    }
}

impl Refusal {
    /// Gives the status with which HTTP says so (RFC 9110, section 15).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoProxyRequest | Self::Malformed(_) => 400,
            Self::Foreign { .. } => 403,
            Self::Unsupported(_) => 501,
            Self::NoSuchName(_) | Self::Unreachable { .. } => 502,
            Self::NoAnswer(_) => 504,
        }
    }
}

impl Realm {
    /// Describes what an estate of containers has to be visited from one side; `None` where its hosts are servers.
    #[must_use]
    pub fn of(estate: &Estate, promises: &Promises, side: Location) -> Option<Self> {
        let networks = estate.networks()?;
        // What is outside reaches nothing of the other network but the router.
        let sees = |location: Location| {
            networks.sides().is_none()
                || side == Location::Internal
                || location == Location::External
        };
        let mut hosts = BTreeMap::new();
        let mut known = BTreeMap::new();
        for host in estate.hosts().iter().filter(|it| sees(it.location())) {
            if let std::net::IpAddr::V4(address) = host.address() {
                hosts.insert(address, host.name().to_owned());
            }
        }
        for (host, address) in estate.known_from(side) {
            if let std::net::IpAddr::V4(address) = address {
                known.insert(host.name().to_owned(), address);
            }
        }
        if let Some(sides) = networks.sides() {
            hosts.insert(sides.router.external, ROUTER.to_owned());
        }
        for stand_in in estate.stand_ins() {
            hosts.insert(stand_in.address(), stand_in.name().to_owned());
        }
        // `prov check` refuses others; what is connected to does not depend on that.
        let mut networks: Vec<_> = Location::EVERY
            .into_iter()
            .filter(|location| sees(*location))
            .map(|location| networks.of(location))
            .collect();
        networks.dedup();
        hosts.retain(|address, _| networks.iter().any(|it| it.net().contains(address)));
        let server = promises.name_server(side.as_str());
        let name_server = server.and_then(|server| match server.server.address {
            std::net::IpAddr::V4(address) => Some(address),
            std::net::IpAddr::V6(_) => None,
        });
        Some(Self {
            estate: estate.name().to_owned(),
            hosts,
            // Who has a name server is told what that knows, and nothing else.
            known: if name_server.is_some() {
                BTreeMap::new()
            } else {
                known
            },
            name_server,
            search: server.map(|server| server.home_domain.clone()),
            networks,
        })
    }

    /// Lists what a name may stand for, in the order in which a client of the estate tries it: as it is, then completed. A name
    /// that ends with a dot is complete.
    #[must_use]
    pub fn spellings(&self, name: &str) -> Vec<String> {
        let complete = name.strip_suffix('.');
        let mut all = vec![complete.unwrap_or(name).to_owned()];
        if complete.is_none()
            && let Some(domain) = &self.search
        {
            let completed = format!("{name}.{domain}");
            // A name has at most 253 characters (RFC 1035, section 2.3.4, without the octets of the ends).
            if completed.len() <= target::LONGEST {
                all.push(completed);
            }
        }
        all
    }

    /// Chooses the address to connect to among those that something stands for.
    pub fn choose(&self, asked: &str, found: &[Ipv4Addr]) -> Result<Ipv4Addr, Refusal> {
        let mut own = found
            .iter()
            .filter(|address| self.hosts.contains_key(address));
        match (own.next(), found.first()) {
            (Some(address), _) => Ok(*address),
            (None, Some(address)) => Err(Refusal::Foreign {
                asked: asked.to_owned(),
                address: *address,
                estate: self.estate.clone(),
            }),
            (None, None) => Err(Refusal::NoSuchName(asked.to_owned())),
        }
    }

    /// Gives this machine's address in the network of another address, if that is one of the estate's.
    #[must_use]
    pub fn machine(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let mut networks = self.networks.iter();
        let found = networks.find(|network| network.net().contains(&address));
        found.map(|network| network.gateway())
    }

    /// Names the host at an address.
    #[must_use]
    pub fn host(&self, address: Ipv4Addr) -> &str {
        self.hosts.get(&address).map_or("a host", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm {
            estate: "docker".to_owned(),
            hosts: [(Ipv4Addr::new(10, 0, 0, 101), "web".to_owned())].into(),
            known: BTreeMap::new(),
            name_server: None,
            search: Some("home.com".to_owned()),
            networks: vec!["10.0.0.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn only_hosts_of_the_estate_are_led_to() {
        let realm = realm();
        let (web, gateway) = (Ipv4Addr::new(10, 0, 0, 101), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(realm.choose("www.home.com", &[web]), Ok(web));
        // This machine itself, its loopback and the Internet; a name that stands for one of them as well leads to the host alone.
        for address in [gateway, Ipv4Addr::LOCALHOST, Ipv4Addr::new(192, 0, 2, 1)] {
            let refused = realm.choose("rebound.test", &[address]);
            assert_eq!(refused.unwrap_err().status(), 403, "{address}");
            assert_eq!(realm.choose("rebound.test", &[address, web]), Ok(web));
        }
        assert_eq!(realm.choose("x", &[]).unwrap_err().status(), 502);
    }

    #[test]
    fn names_are_completed_as_a_client_does() {
        let realm = realm();
        assert_eq!(realm.spellings("imap"), ["imap", "imap.home.com"]);
        assert_eq!(realm.spellings("imap."), ["imap"]);
        let long = format!("{}.test", "a.".repeat(122));
        assert_eq!(realm.spellings(&long), [long.as_str()]);
    }

    #[test]
    fn a_refusal_says_what_was_asked_and_what_it_is() {
        let refused = realm().choose("shop.example", &[Ipv4Addr::new(192, 0, 2, 7)]);
        insta::assert_snapshot!(refused.unwrap_err(), @"shop.example is 192.0.2.7, which is no host of the estate docker, and `prov browse` leads to its hosts alone");
        let refused = realm().choose("127.0.0.1", &[Ipv4Addr::LOCALHOST]);
        insta::assert_snapshot!(refused.unwrap_err(), @"127.0.0.1 is no host of the estate docker, and `prov browse` leads to its hosts alone");
    }
}
