//! SSH: one connection per host, and one root shell on it.
//!
//! This module connects, verifies the host key, authenticates, becomes root and exchanges framed scripts. It refuses
//! to talk to a host whose key it cannot verify, and never puts anything secret on a command line.

mod algorithms;
mod auth;
mod certificate;
mod clock;
mod config;
mod connect;
mod error;
mod greeting;
mod host_key;
mod known_hosts;
mod known_hosts_command;
mod obstacle;
mod pipe;
mod proxy;
mod received;
mod root;
mod route;
mod shell;
mod terminal;

pub use algorithms::Algorithms;
pub use auth::{Ask, Credentials, Keyring};
pub use config::UserConfig;
pub(crate) use connect::Stream;
pub use connect::{Connection, connect};
pub use error::SshError;
pub use host_key::HostKeys;
pub use known_hosts::KeyName;
pub use obstacle::Obstacle;
pub use pipe::{Piped, piped};
#[cfg(test)]
pub(crate) use received::frames;
pub use received::{Frame, Marks};
pub use root::AtTerminal;
pub use route::{Wanted, route};
pub use shell::{Allowance, Ended, Heard, RootShell};
pub use terminal::interactive;

use std::time::Duration;

use tasks::Secret;

/// Where a host is and how one becomes root on it.
#[derive(Debug, Clone)]
pub struct Target {
    /// Name in the estate.
    pub host: String,
    /// Address or name to connect to.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// What one logs in with.
    pub credentials: Credentials,
    /// How the host's key is verified.
    pub host_keys: HostKeys,
    /// How to become root.
    pub sudo: Sudo,
    /// What the connection goes through.
    pub way: Transport,
    /// Limits to what is offered in the key exchange.
    pub algorithms: Algorithms,
    /// How long connecting may take, from the first packet to the login; and becoming root after it.
    pub timeout: Duration,
}

/// What a connection goes through.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Nothing but the network.
    Direct(Origin),
    /// Another host.
    Jump(Box<Target>),
    /// A program whose standard input and output are the connection.
    Command(String),
}

/// From where a host is connected to, and by which kind of address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The kind of address that is meant.
    pub family: Family,
    /// The address of this machine, or a name of it, from which connections come (`BindAddress`).
    pub bind: Option<String>,
}

/// Kinds of addresses (`AddressFamily`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    /// Whichever there is.
    #[default]
    Any,
    /// IPv4 alone.
    Inet,
    /// IPv6 alone.
    Inet6,
}

/// How to become root after logging in.
#[derive(Debug, Clone)]
pub enum Sudo {
    /// The user is root.
    No,
    /// `sudo` asks for no password.
    Free,
    /// `sudo` asks for this password, on standard input.
    Password(Secret),
}
