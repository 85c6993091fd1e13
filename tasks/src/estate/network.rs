//! The network of an estate's containers.
//!
//! Owns which addresses a container may have. Refuses networks that Docker would not make: with host bits set, or too
//! small for a gateway and one host. Knows nothing of Docker itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest network that holds a gateway and a host has two host bits.
const LONGEST_PREFIX: u32 = 30;

/// Describes an IPv4 network, written `10.0.0.0/24`.
///
/// ```
/// let network: tasks::estate::Network = "10.0.0.0/24".parse().unwrap();
/// assert_eq!(network.gateway().to_string(), "10.0.0.1");
/// assert!(network.refusal("10.0.0.101".parse().unwrap()).is_none());
/// assert!(network.refusal("10.0.1.101".parse().unwrap()).is_some());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: Ipv4Addr,
    prefix: u32,
}

impl Network {
    /// Gives the network's own address.
    #[must_use]
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// Gives the number of bits that all addresses share.
    #[must_use]
    pub fn prefix(self) -> u32 {
        self.prefix
    }

    /// Gives the first address, which belongs to the machine that runs the containers.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) + 1)
    }

    /// Gives the last address.
    #[must_use]
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !mask(self.prefix))
    }

    /// Says why a host cannot have an address in this network, if it cannot.
    #[must_use]
    pub fn refusal(self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address else {
            return Some(format!(
                "{address} is not in the containers' network {self}"
            ));
        };
        if u32::from(address) & mask(self.prefix) != u32::from(self.address) {
            Some(format!(
                "{address} is not in the containers' network {self}"
            ))
        } else if address == self.address {
            Some(format!("{address} is the address of the network itself"))
        } else if address == self.broadcast() {
            Some(format!("{address} is the network's broadcast address"))
        } else if address == self.gateway() {
            Some(format!(
                "{address} is the network's gateway, the machine that runs the containers"
            ))
        } else {
            None
        }
    }
}

fn mask(prefix: u32) -> u32 {
    u32::MAX.checked_shl(32 - prefix).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("expected a network such as 10.0.0.0/24, found '{text}'");
        let (address, prefix) = text.split_once('/').ok_or_else(shape)?;
        let address: Ipv4Addr = address.parse().map_err(|_| shape())?;
        let digits = prefix.chars().all(|c| c.is_ascii_digit());
        let prefix: u32 = prefix.parse().ok().filter(|_| digits).ok_or_else(shape)?;
        if !(8..=LONGEST_PREFIX).contains(&prefix) {
            return Err(format!("'{text}' is not between /8 and /{LONGEST_PREFIX}"));
        }
        let first = Ipv4Addr::from(u32::from(address) & mask(prefix));
        if first != address {
            return Err(format!(
                "'{text}' is an address in a network, the network is {first}/{prefix}"
            ));
        }
        Ok(Self { address, prefix })
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl JsonSchema for Network {
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

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_foreign_addresses_are_refused() {
        let network: Network = "10.0.0.0/24".parse().unwrap();
        let refusal = |address: &str| network.refusal(address.parse().unwrap());
        for refused in ["10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.5", "fd00::5"] {
            assert!(refusal(refused).is_some(), "{refused}");
        }
        for fine in ["10.0.0.2", "10.0.0.254"] {
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
            "10.0.0.0/31",
            "0.0.0.0/0",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        assert_eq!(
            "10.0.0.5/24".parse::<Network>().unwrap_err(),
            "'10.0.0.5/24' is an address in a network, the network is 10.0.0.0/24"
        );
    }
}
