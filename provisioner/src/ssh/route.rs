//! The way to a server: what the estate says of it, then the configuration of ssh, then what both do by themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tasks::Secret;
use tasks::estate::Jump;

use super::algorithms::Algorithms;
use super::config::{Agent, Entry, Expansion, Proxy, Question, UserConfig};
use super::error::SshError;
use super::host_key::HostKeys;
use super::known_hosts::KeyName;
use super::known_hosts_command::KnownHostsCommand;
use super::{Credentials, Sudo, Target, Transport};

/// How many hosts a connection may go through.
const HOPS: usize = 8;

/// What is known of a host before the configuration of ssh is asked.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Name in the estate, or of a host to go through as it is written.
    pub name: String,
    /// Where it is, unless the configuration leads elsewhere.
    pub address: String,
    /// User to log in as.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// File with the private key.
    pub identity: Option<String>,
    /// Password of the user.
    pub password: Option<Secret>,
    /// Host to go through.
    pub jump: Option<Jump>,
    /// How to become root.
    pub sudo: Sudo,
    /// How long connecting may take.
    pub timeout: Duration,
}

impl Wanted {
    /// Describes a host to go through.
    fn hop(jump: &Jump, timeout: Duration) -> Self {
        Self {
            name: jump.host.clone(),
            address: jump.host.clone(),
            user: jump.user.clone(),
            port: jump.port,
            identity: None,
            password: None,
            jump: None,
            sudo: Sudo::No,
            timeout,
        }
    }
}

/// Finds the way to a server.
pub async fn route(config: &UserConfig, wanted: Wanted) -> Result<Target, SshError> {
    let (entry, way, wanted) = way(config, wanted).await?;
    target(config, wanted, entry, way)
}

/// Finds what a connection goes through. Hosts are asked about in the order in which they are connected to, from the last.
async fn way(config: &UserConfig, wanted: Wanted) -> Result<(Entry, Transport, Wanted), SshError> {
    let timeout = wanted.timeout;
    let entry = ask(config, &wanted).await?;
    let mut proxy = match &wanted.jump {
        Some(jump) => Proxy::Jump(vec![jump.clone()]),
        None => entry.proxy.clone(),
    };
    // From the server towards here: each host with what the configuration says of it.
    let mut hops: Vec<(Wanted, Entry)> = Vec::new();
    let first = loop {
        let Proxy::Jump(jumps) = proxy else {
            break proxy;
        };
        proxy = Proxy::None;
        let last = jumps.len().saturating_sub(1);
        for (index, jump) in jumps.iter().rev().enumerate() {
            let hop = Wanted::hop(jump, timeout);
            if hops.len() == HOPS {
                let names: Vec<_> = hops.iter().map(|(hop, _)| hop.name.as_str()).collect();
                return Err(failed(
                    format!(
                        "{} is behind {}, and so on without end",
                        wanted.name,
                        names.join(", ")
                    ),
                    "write `ProxyJump none` for the host that is to be reached first",
                ));
            }
            let entry = ask(config, &hop).await?;
            // Of the host that is reached first the configuration says what it is behind; the others are behind it.
            if index == last {
                proxy = entry.proxy.clone();
            }
            hops.push((hop, entry));
        }
    };
    let mut way = match first {
        Proxy::Command(command) => {
            let (behind, entry) = hops
                .last()
                .map_or((&wanted, &entry), |(hop, entry)| (hop, entry));
            Transport::Command(program(config, behind, entry, &command)?)
        }
        Proxy::None | Proxy::Jump(_) => {
            let first = hops.last().map_or(&entry, |(_, entry)| entry);
            Transport::Direct(first.origin.clone())
        }
    };
    while let Some((hop, entry)) = hops.pop() {
        way = Transport::Jump(Box::new(target(config, hop, entry, way)?));
    }
    Ok((entry, way, wanted))
}

async fn ask(config: &UserConfig, wanted: &Wanted) -> Result<Entry, SshError> {
    let question = Question {
        name: wanted.name.clone(),
        user: wanted.user.clone(),
        port: wanted.port,
    };
    config.entry(&question).await.map_err(|cause| {
        failed(
            format!("of {}: {cause}", wanted.name),
            "correct it; `ssh -G NAME` shows what holds for a name",
        )
    })
}

fn failed(cause: impl Into<String>, remedy: impl Into<String>) -> SshError {
    SshError::Config {
        cause: cause.into(),
        remedy: remedy.into(),
    }
}

/// Where a host is and as whom one logs in.
struct Place {
    address: String,
    port: u16,
    user: String,
    key_name: KeyName,
}

impl Place {
    fn of(wanted: &Wanted, entry: &Entry) -> Self {
        let address = entry
            .host_name
            .clone()
            .unwrap_or_else(|| wanted.address.clone());
        let port = wanted.port.or(entry.port).unwrap_or(22);
        let user = wanted.user.clone().or_else(|| entry.user.clone());
        Self {
            key_name: match &entry.host_key_alias {
                Some(alias) => KeyName::alias(alias),
                None => KeyName::at(&address, port),
            },
            address,
            port,
            user: user.unwrap_or_else(crate::state::local_user),
        }
    }

    fn expansion<'e>(&'e self, config: &'e UserConfig, name: &'e str) -> Expansion<'e> {
        Expansion {
            address: &self.address,
            name,
            port: self.port,
            user: &self.user,
            key_name: &self.key_name.name,
            home: config.home(),
        }
    }
}

/// Gives the program that a host is reached by.
fn program(
    config: &UserConfig,
    wanted: &Wanted,
    entry: &Entry,
    command: &str,
) -> Result<String, SshError> {
    if entry.proxy_passes_descriptor {
        return Err(failed(
            format!("of {}: `ProxyUseFdpass yes` is not supported", wanted.name),
            "use a program that carries the bytes itself, such as `nc %h %p`, with `ProxyUseFdpass no`",
        ));
    }
    let place = Place::of(wanted, entry);
    let expanded = place.expansion(config, &wanted.name).text(command);
    expanded.map_err(|reason| {
        failed(
            format!(
                "of {}: `ProxyCommand {command}` cannot be used: {reason}",
                wanted.name
            ),
            "correct it in the configuration of ssh",
        )
    })
}

/// Puts together how a host is connected to, once it is known what the connection goes through.
fn target(
    config: &UserConfig,
    wanted: Wanted,
    entry: Entry,
    way: Transport,
) -> Result<Target, SshError> {
    let place = Place::of(&wanted, &entry);
    let expansion = place.expansion(config, &wanted.name);
    let path = |keyword: &str, value: &str| {
        expansion.path(value).map_err(|reason| {
            failed(
                format!(
                    "of {}: `{keyword} {value}` cannot be used: {reason}",
                    wanted.name
                ),
                "correct it in the configuration of ssh",
            )
        })
    };
    let identities = if let Some(identity) = &wanted.identity {
        // It is the estate's, which knows `~/` and no tokens.
        vec![match identity.strip_prefix("~/") {
            Some(rest) => config.home().join(rest),
            None => PathBuf::from(identity),
        }]
    } else {
        let written = entry.identities.iter();
        let paths = written.map(|file| path("IdentityFile", file));
        paths.collect::<Result<_, _>>()?
    };
    let agent = match &entry.agent {
        Agent::None => None,
        Agent::Environment => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Agent::Socket(socket) => Some(match socket.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => {
                let variable = super::config::variable(name);
                variable.map(PathBuf::from).map_err(|reason| {
                    failed(
                        format!("of {}: `IdentityAgent {socket}`: {reason}", wanted.name),
                        "start the agent, or correct it in the configuration of ssh",
                    )
                })?
            }
            _ => path("IdentityAgent", socket)?,
        }),
    };
    let revoked = entry.revoked_host_keys.as_deref();
    let revoked = revoked
        .map(|file| path("RevokedHostKeys", file))
        .transpose()?;
    let command = entry.known_hosts_command.as_deref().map(|text| {
        KnownHostsCommand::new(text, &expansion).map_err(|reason| {
            failed(
                format!(
                    "of {}: `KnownHostsCommand {text}` cannot be used: {reason}",
                    wanted.name
                ),
                "correct it in the configuration of ssh",
            )
        })
    });
    let command = command.transpose()?;
    let written = entry.certificates.iter();
    let certificates = written.map(|file| path("CertificateFile", file));
    let defaults = ["rsa", "ecdsa", "ecdsa_sk", "ed25519", "ed25519_sk"];
    let default = |kind| config.home().join(format!(".ssh/id_{kind}"));
    let credentials = Credentials {
        identities,
        defaults: defaults.map(default).into(),
        certificates: certificates.collect::<Result<_, _>>()?,
        agent,
        identities_only: entry.identities_only,
        password: wanted.password,
        methods: entry.methods,
        keyring: Arc::clone(config.keyring()),
    };
    let shared = config.known_hosts().map(Path::to_owned);
    let files = shared
        .into_iter()
        .chain(entry.user_known_hosts)
        .chain(entry.global_known_hosts);
    let is_direct = matches!(way, Transport::Direct(_));
    Ok(Target {
        host_keys: HostKeys::KnownHosts {
            files: files.collect(),
            revoked,
            name: place.key_name,
            command,
            scanned_at: is_direct.then(|| (place.address.clone(), place.port)),
        },
        host: wanted.name,
        address: place.address,
        port: place.port,
        user: place.user,
        credentials,
        sudo: wanted.sudo,
        way,
        algorithms: Algorithms {
            host_keys: entry.host_key_algorithms,
            kex: entry.kex,
            ciphers: entry.ciphers,
            macs: entry.macs,
        },
        timeout: wanted.timeout,
    })
}
