//! The network of an estate's containers.
//!
//! Owns which addresses a container may have, and which share of them clients get. Refuses networks that could not be
//! divided so. Knows nothing of Docker itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The lengths of prefixes that a network may have: in a smaller one the clients' quarter has no address to spare.
const PREFIXES: std::ops::RangeInclusive<u8> = 8..=28;

/// Describes the IPv4 network of containers, written `10.0.0.0/24`.
///
/// ```
/// let network: tasks::estate::ContainerNetwork = "10.0.0.0/24".parse().unwrap();
/// assert_eq!(network.gateway().to_string(), "10.0.0.1");
/// assert_eq!(network.clients().to_string(), "10.0.0.0/26");
/// assert!(network.refusal("10.0.0.101".parse().unwrap()).is_none());
/// assert!(network.refusal("10.0.1.101".parse().unwrap()).is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerNetwork(Ipv4Net);

impl ContainerNetwork {
    /// Gives the addresses and the prefix.
    #[must_use]
    pub const fn net(self) -> Ipv4Net {
        self.0
    }

    /// Gives the first address, which belongs to the machine that runs the containers.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        self.0.hosts().next().unwrap_or(self.0.network())
    }

    /// Gives the quarter with the lowest addresses, from which clients get theirs.
    #[must_use]
    pub fn clients(self) -> Ipv4Net {
        let quarters = self.0.subnets(self.0.prefix_len() + 2);
        let first = quarters.ok().and_then(|mut quarters| quarters.next());
        first.unwrap_or(self.0)
    }

    /// Says why a host or a stand-in cannot have an address in this network, if it cannot.
    #[must_use]
    pub fn refusal(self, address: IpAddr) -> Option<String> {
        let inside = match address {
            IpAddr::V4(address) => Some(address).filter(|address| self.0.contains(address)),
            IpAddr::V6(_) => None,
        };
        let Some(address) = inside else {
            return Some(format!(
                "{address} is not in the containers' network {self}"
            ));
        };
        if address == self.0.network() {
            Some(format!("{address} is the address of the network itself"))
        } else if address == self.0.broadcast() {
            Some(format!("{address} is the network's broadcast address"))
        } else if address == self.gateway() {
            Some(format!(
                "{address} is the network's gateway, the machine that runs the containers"
            ))
        } else if self.clients().contains(&address) {
            Some(format!(
                "{address} is in the lowest quarter of the containers' network, {}, which is for clients",
                self.clients()
            ))
        } else {
            None
        }
    }
}

impl FromStr for ContainerNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = |_| format!("expected a network such as 10.0.0.0/24, found '{text}'");
        let net: Ipv4Net = text.parse().map_err(shape)?;
        if !PREFIXES.contains(&net.prefix_len()) {
            let (largest, smallest) = (PREFIXES.start(), PREFIXES.end());
            return Err(format!(
                "'{text}' is not between /{largest} and /{smallest}"
            ));
        }
        if net.addr() != net.network() {
            return Err(format!(
                "'{text}' is an address in a network, the network is {}",
                net.trunc()
            ));
        }
        Ok(Self(net))
    }
}

impl TryFrom<String> for ContainerNetwork {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ContainerNetwork> for String {
    fn from(network: ContainerNetwork) -> Self {
        network.to_string()
    }
}

impl JsonSchema for ContainerNetwork {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "network" })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl fmt::Display for ContainerNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_foreign_addresses_are_refused() {
        let network: ContainerNetwork = "10.0.0.0/24".parse().unwrap();
        let refusal = |address: &str| network.refusal(address.parse().unwrap());
        for refused in [
            "10.0.0.0",
            "10.0.0.1",
            "10.0.0.5",
            "10.0.0.63",
            "10.0.0.255",
            "10.0.1.5",
            "fd00::5",
        ] {
            assert!(refusal(refused).is_some(), "{refused}");
        }
        for fine in ["10.0.0.64", "10.0.0.254"] {
            assert_eq!(refusal(fine), None, "{fine}");
        }
    }

    #[test]
    fn malformed_networks_are_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0/24",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/29",
            "0.0.0.0/0",
            "10.0.0.0/7",
        ] {
            assert!(bad.parse::<ContainerNetwork>().is_err(), "{bad}");
        }
        for fine in ["10.0.0.0/8", "10.0.0.0/28"] {
            assert!(fine.parse::<ContainerNetwork>().is_ok(), "{fine}");
        }
        assert_eq!(
            "10.0.0.5/24".parse::<ContainerNetwork>().unwrap_err(),
            "'10.0.0.5/24' is an address in a network, the network is 10.0.0.0/24"
        );
    }
}
