//! What name servers promise: their own hosts, and the names of hosted domains.

use std::net::IpAddr;

use super::Server;

/// A server that knows the names of a group of hosts, and asks others for everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// The host.
    pub server: Server,
    /// The group that it answers for.
    pub group: String,
    /// The domain with which short names are completed.
    pub home_domain: String,
    /// The group's hosts: name and address. Each is also known by its name in the home domain.
    pub hosts: Vec<(String, IpAddr)>,
    /// Further names of these hosts.
    pub aliases: Vec<(String, IpAddr)>,
    /// All names of hosts in the office to which the router forwards ports, with its address; only the Internet's server has any.
    pub behind_router: Vec<(String, IpAddr)>,
}

/// Who knows a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownFrom {
    /// The office alone, where it is also a name in the home domain.
    Inside,
    /// The world alone, where it is also a name in the home domain: in the office it stands for something else.
    Outside,
    /// Everybody, the office included.
    Everywhere,
}

/// A name of a hosted domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedName {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub address: IpAddr,
    /// Who knows it.
    pub known_from: KnownFrom,
}

/// Who takes the mail of a hosted domain (RFC 5321, section 5.1); everybody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailExchanger {
    /// The domain.
    pub domain: String,
    /// The server's preference; there is no other.
    pub preference: u16,
    /// The server's name.
    pub server: String,
}
