//! Ports, as configuration files name them.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What a port is a port of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

impl Protocol {
    /// Gives its name, as nft(8) and services(5) write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Holds a port, written `9103`, or `53/udp` where it is none of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// What it is a port of.
    pub protocol: Protocol,
    /// Its number, from 1.
    pub number: u16,
}

impl Port {
    /// Reads a port.
    pub fn new(text: &str) -> Result<Self, String> {
        let (number, protocol) = match text.split_once('/') {
            None => (text, Some(Protocol::Tcp)),
            Some((number, "tcp")) => (number, Some(Protocol::Tcp)),
            Some((number, "udp")) => (number, Some(Protocol::Udp)),
            Some(_) => (text, None),
        };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| digits && *number > 0);
        match (number, protocol) {
            (Some(number), Some(protocol)) => Ok(Self { protocol, number }),
            (None, _) | (_, None) => Err(format!(
                "'{text}' is not a port between 1 and 65535, such as 993 or 53/udp"
            )),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Tcp => self.number.fmt(f),
            Protocol::Udp => write!(f, "{}/udp", self.number),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortVisitor)
    }
}

/// Takes a number or a text for a port.
struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = Port;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port, such as 993 or 53/udp")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Port, E> {
        Port::new(&number.to_string()).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Port, E> {
        Port::new(&number.to_string()).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Port, E> {
        Port::new(text).map_err(E::custom)
    }
}

impl JsonSchema for Port {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "format": "port, or port/udp" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_of_tcp_unless_it_says_udp() {
        for (text, shown) in [("993", "993"), ("53/udp", "53/udp"), ("22/tcp", "22")] {
            assert_eq!(Port::new(text).unwrap().to_string(), shown);
        }
        for text in [
            "", "0", "65536", "-1", "+1", "53/sctp", "53/", "/udp", "ssh", "1:2",
        ] {
            assert!(Port::new(text).is_err(), "{text}");
        }
    }
}
