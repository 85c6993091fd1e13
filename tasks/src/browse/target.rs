//! Where a program wants to go: a name or an address, and a port.

use std::net::Ipv4Addr;

use super::Refusal;

/// How many characters a name has at most.
pub(super) const LONGEST: usize = 253;

/// What a program connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name or address.
    pub at: Where,
    /// The port; never 0.
    pub port: u16,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// An address.
    Address(Ipv4Addr),
    /// A name in lower case, of labels of letters, digits, `-` and `_`, with or without a dot at its end.
    Name(String),
}

impl std::fmt::Display for Where {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Target {
    /// Reads `HOST:PORT`, as CONNECT and addresses of web sites have it (RFC 3986, section 3.2); without a port it is the usual one,
    /// where there is one.
    pub fn of_authority(text: &str, usual: Option<u16>) -> Result<Self, Refusal> {
        if text.contains('@') {
            return Err(Refusal::Malformed("a name of a host has no user before it"));
        }
        if text.starts_with('[') {
            return Err(Refusal::Unsupported("the estate has no addresses of IPv6"));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let port = match port {
            // `u16` would read a sign, too.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            Some(_) => None,
            None => usual,
        };
        Self::new(host, port.unwrap_or_default())
    }

    /// Takes a name, or an address written as one, and a port.
    pub fn new(host: &str, port: u16) -> Result<Self, Refusal> {
        if port == 0 {
            return Err(Refusal::Malformed("the port is a number from 1 to 65535"));
        }
        let at = match host.parse() {
            Ok(address) => Where::Address(address),
            Err(_) => Where::Name(name(host)?),
        };
        Ok(Self { at, port })
    }
}

/// What a request to a proxy of HTTP asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A connection, through which everything is handed on as it is.
    Connection(Target),
    /// A page, which the proxy fetches.
    Page(Target),
}

impl Asked {
    /// Reads a request by its method and what its address has (RFC 9112, section 3.2). A path alone is what a browser asks a web
    /// site for: so does any page that makes it send something to this machine, and gets nothing.
    pub fn of(
        method: &str,
        scheme: Option<&str>,
        authority: Option<&str>,
    ) -> Result<Self, Refusal> {
        match (method, scheme, authority) {
            ("CONNECT", None, Some(authority)) => {
                Target::of_authority(authority, None).map(Self::Connection)
            }
            (_, Some("http"), Some(authority)) => {
                Target::of_authority(authority, Some(80)).map(Self::Page)
            }
            (_, Some(_), Some(_)) => Err(Refusal::Unsupported(
                "it fetches pages by http alone; for https a browser asks for a connection",
            )),
            (_, _, None) | (_, None, Some(_)) => Err(Refusal::NoProxyRequest),
        }
    }
}

/// Reads the name of a host. Names of some hosts have underscores, although RFC 1123 has none.
fn name(text: &str) -> Result<String, Refusal> {
    let wrong = Refusal::Malformed(
        "a name of a host is made of letters, digits, '-', '_' and '.', and has at most 253 of them",
    );
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        matches!(label.len(), 1..=63)
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if labels.len() > LONGEST || !labels.split('.').all(is_label) {
        return Err(wrong);
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, u16> {
        match Target::of_authority(text, Some(80)) {
            Ok(Target { at, port }) => Ok(format!("{at} {port}")),
            Err(refusal) => Err(refusal.status()),
        }
    }

    #[test]
    fn names_and_addresses_are_read_with_and_without_a_port() {
        for (text, expected) in [
            ("WWW.Home.Com", "www.home.com 80"),
            ("www.home.com:443", "www.home.com 443"),
            ("imap", "imap 80"),
            ("_a.x-1.test.:1", "_a.x-1.test. 1"),
            ("10.0.0.101:65535", "10.0.0.101 65535"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        let without = Target::of_authority("www.home.com", None);
        assert_eq!(without.unwrap_err().status(), 400);
    }

    #[test]
    fn what_is_no_name_or_port_is_refused() {
        for bad in [
            "",
            ":80",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a:0",
            "a:",
            "a:+80",
            "a:-1",
            "a:65536",
            "a:80:80",
            "a:8x",
            "user@a",
            "user:password@a:80",
            "a/b",
            "a\\b",
            "a%2e",
            "a\r\nb",
            "a\0",
            "ä.test",
        ] {
            assert_eq!(read(bad), Err(400), "{bad:?}");
        }
        assert_eq!(read(&format!("{}.test", "a".repeat(64))), Err(400));
        assert!(read(&"a.".repeat(127)).is_ok());
        assert_eq!(read(&"a.".repeat(128)), Err(400));
        assert_eq!(read("[::1]:80"), Err(501));
    }

    #[test]
    fn only_requests_to_a_proxy_are_answered() {
        let ask = |method, scheme, authority| {
            Asked::of(method, scheme, authority).map_err(|refusal| refusal.status())
        };
        let target = |text| Target::of_authority(text, None).unwrap();
        let (site, tls) = (target("www.home.com:80"), target("www.home.com:443"));
        assert_eq!(
            ask("GET", Some("http"), Some("www.home.com")),
            Ok(Asked::Page(site))
        );
        let connection = ask("CONNECT", None, Some("www.home.com:443"));
        assert_eq!(connection, Ok(Asked::Connection(tls)));
        // What pages make a browser send to a port of this machine.
        for method in ["GET", "POST", "OPTIONS", "CONNECT"] {
            assert_eq!(ask(method, None, None), Err(400), "{method}");
        }
        assert_eq!(ask("GET", None, Some("www.home.com:80")), Err(400));
        assert_eq!(ask("CONNECT", None, Some("www.home.com")), Err(400));
        assert_eq!(ask("GET", Some("https"), Some("www.home.com")), Err(501));
        assert_eq!(ask("GET", Some("ftp"), Some("www.home.com")), Err(501));
        assert_eq!(
            ask("GET", Some("http"), Some("user:p@www.home.com")),
            Err(400)
        );
    }

    /// Some programs read these as 127.0.0.1; here they are names, which nobody knows.
    #[test]
    fn other_spellings_of_addresses_are_names() {
        for odd in ["127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1"] {
            let target = Target::new(odd, 80).unwrap();
            assert_eq!(target.at, Where::Name(odd.to_owned()), "{odd}");
        }
    }
}
