//! The host that connections to another go through.
//!
//! Owns how it is written, in an estate as in `ProxyJump` of `ssh_config(5)`. Refuses what could be taken for another
//! host or another port than was meant.

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names a host to go through, written `[USER@]HOST[:PORT]`; an IPv6 address that a port follows stands in brackets.
///
/// ```
/// let jump: tasks::estate::Jump = "anna@[2001:db8::1]:2222".parse().unwrap();
/// assert_eq!((jump.host.as_str(), jump.port), ("2001:db8::1", Some(2222)));
/// assert!("bastion:abc".parse::<tasks::estate::Jump>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct Jump {
    /// The user to log in as there.
    pub user: Option<String>,
    /// The host's name or address.
    pub host: String,
    /// The TCP port of its SSH server.
    pub port: Option<u16>,
}

impl FromStr for Jump {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
            return Err("a host to go through is one, written [USER@]HOST[:PORT]");
        }
        let (user, place) = match text.rsplit_once('@') {
            Some(("", _)) => return Err("before '@' stands a user"),
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, text),
        };
        let (host, port) = split(place)?;
        if host.is_empty() {
            return Err("a host to go through has a name or an address");
        }
        let read = |port: &str| {
            let digits = port.chars().all(|c| c.is_ascii_digit());
            let port = port.parse::<NonZeroU16>().ok().filter(|_| digits);
            port.map(NonZeroU16::get)
                .ok_or("behind ':' stands a port, a number from 1 to 65535")
        };
        Ok(Self {
            user,
            host: host.to_owned(),
            port: port.map(read).transpose()?,
        })
    }
}

/// Splits `HOST[:PORT]`.
fn split(place: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = place.strip_prefix('[') {
        let is_address = |host: &str| host.parse::<Ipv6Addr>().is_ok();
        let inside = rest.split_once(']').filter(|(host, _)| is_address(host));
        let (host, rest) = inside.ok_or("in brackets stands an IPv6 address")?;
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            (_, None) => Err("behind the brackets stands ':' and a port, or nothing"),
        };
    }
    if place.parse::<Ipv6Addr>().is_ok() {
        return Ok((place, None));
    }
    match place.rsplit_once(':') {
        None => Ok((place, None)),
        Some((host, _)) if host.contains(':') => {
            Err("an IPv6 address with a port is written [ADDRESS]:PORT")
        }
        Some((host, port)) => Ok((host, Some(port))),
    }
}

impl TryFrom<String> for Jump {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

impl From<Jump> for String {
    fn from(jump: Jump) -> Self {
        jump.to_string()
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_its_user_and_its_port_are_told_apart() {
        for (text, user, host, port) in [
            ("bastion", None, "bastion", None),
            ("anna@bastion:2222", Some("anna"), "bastion", Some(2222)),
            ("a@b@192.0.2.1", Some("a@b"), "192.0.2.1", None),
            ("2001:db8::1", None, "2001:db8::1", None),
            (
                "anna@[2001:db8::1]:22",
                Some("anna"),
                "2001:db8::1",
                Some(22),
            ),
        ] {
            let jump: Jump = text.parse().unwrap();
            let read = (jump.user.as_deref(), jump.host.as_str(), jump.port);
            assert_eq!(read, (user, host, port), "{text}");
            assert_eq!(jump.to_string(), text);
        }
        let bare: Jump = "[2001:db8::1]".parse().unwrap();
        assert_eq!(bare.to_string(), "2001:db8::1");
    }

    #[test]
    fn what_could_be_meant_otherwise_is_refused() {
        for bad in [
            "",
            "@bastion",
            "anna@",
            ":22",
            "bastion:",
            "bastion:abc",
            "bastion:0",
            "bastion:+22",
            "bastion:65536",
            "2001:db8::1:port",
            "[bastion]:22",
            "[2001:db8::1",
            "[2001:db8::1]22",
            "one,two",
            "a bastion",
            "ssh://bastion",
        ] {
            assert!(bad.parse::<Jump>().is_err(), "{bad}");
        }
    }
}
