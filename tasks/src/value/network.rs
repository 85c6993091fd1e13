//! Networks and addresses, as configuration files name them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Holds an address or a network in CIDR notation (RFC 4632): `10.0.0.0/24`, `192.0.2.7`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(IpNet);

impl Network {
    /// Checks the text of a network or an address.
    pub fn new(text: &str) -> Result<Self, String> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse::<IpNet>().or_else(|_| address());
        network
            .map(Self)
            .map_err(|_| format!("{text:?} is not an address or a network, like 10.0.0.0/24"))
    }

    /// Tells whether it is one of IPv6.
    pub(crate) const fn is_v6(self) -> bool {
        matches!(self.0, IpNet::V6(_))
    }

    /// Leaves out the networks that are parts of others, in an order of their own.
    pub(crate) fn outermost(networks: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut nets: Vec<IpNet> = networks.into_iter().map(|it| it.0.trunc()).collect();
        nets.sort_unstable();
        nets.dedup();
        let is_part = |net: &IpNet| nets.iter().any(|other| other != net && other.contains(net));
        let outermost = nets.iter().filter(|net| !is_part(net));
        outermost.copied().map(Self).collect()
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.into())
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_written_as_they_were_read() {
        for text in ["10.0.0.0/24", "192.0.2.7", "2001:db8::/32", "::1"] {
            assert_eq!(Network::new(text).map(String::from).as_deref(), Ok(text));
        }
        for bad in ["10.0.0.0/33", "10.0.0", "x", "10.0.0.0/", "::/129", ""] {
            assert!(Network::new(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
