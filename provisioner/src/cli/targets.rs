//! The ways to hosts: containers, of which Docker knows where they are, and servers, of which the estate and the user's
//! SSH configuration do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tasks::estate::{Host, Jump, Sudo as EstateSudo};

use super::app::App;
use crate::docker::{EstateContainers, HostState, HostStatus, Mode, start_again};
use crate::engine::Failure;
use crate::report::print::errln;
use crate::report::problem::Problem;
use crate::ssh::{Auth, HostKeys, Sudo, Target};
use crate::state::{PinnedKey, home};

impl App {
    /// Finds out how hosts are reached. For containers Docker says where they are and what their host keys are, and
    /// a host whose container does not run is not sent anything.
    pub(super) async fn targets(
        &self,
        hosts: &[&Host],
    ) -> Result<Vec<(String, Result<Target, Failure>)>, Problem> {
        if self.estate.network().is_none() {
            let target = |host: &&Host| (host.name().to_owned(), self.server(host));
            return Ok(hosts.iter().map(target).collect());
        }
        let containers = self.containers().await?;
        let running = containers.list().await?;
        let state = self.state()?;
        let mut pinned = state.host_keys();
        let before = pinned.clone();
        let mut targets = Vec::with_capacity(hosts.len());
        for host in hosts {
            let target = match reachable(host, &running) {
                Ok((status, address)) => {
                    let key = pin(&containers, status, &mut pinned).await;
                    key.and_then(|key| self.container(host, address, &key))
                }
                Err(failure) => Err(failure),
            };
            targets.push((host.name().to_owned(), target));
        }
        if pinned != before {
            state.keep_host_keys(&pinned)?;
        }
        Ok(targets)
    }

    fn container(&self, host: &Host, address: IpAddr, key: &str) -> Result<Target, Failure> {
        let key = russh::keys::PublicKey::from_openssh(key).map_err(|error| {
            Failure::new(
                format!("the host key that Docker gave makes no sense: {error}"),
                "deploy the host anew with `prov deploy`",
            )
        })?;
        let connection = host.connection();
        let auth = connection.password.iter().cloned().map(Auth::Password);
        Ok(Target {
            host: host.name().to_owned(),
            address: address.to_string(),
            port: connection.port.unwrap_or(22),
            user: connection.user.clone().unwrap_or_else(|| "root".to_owned()),
            auth: auth.collect(),
            host_keys: HostKeys::Pinned {
                keys: vec![key],
                from: "the host's container".to_owned(),
            },
            sudo: sudo(host),
            jump: None,
            timeout: Duration::from_secs(self.global.timeout),
        })
    }

    /// Gives the way to a real server: the estate first, then the user's SSH configuration, then SSH's defaults. Only
    /// where the server is, the configuration knows better: every host of an estate has an address, which may be one
    /// that cannot be reached from here, and whoever writes `HostName` means to be led elsewhere.
    fn server(&self, host: &Host) -> Result<Target, Failure> {
        let connection = host.connection();
        let entry = self.user_config.query(host.name());
        let address = entry
            .host_name
            .unwrap_or_else(|| host.address().to_string());
        self.tell_of_another_address(host, &address);
        let port = connection.port.or(entry.port).unwrap_or(22);
        let user = connection.user.clone().or(entry.user);
        let identities = match &connection.identity {
            Some(identity) => vec![expand(identity)],
            None => entry.identities,
        };
        let mut auth = self.keys(identities, true);
        auth.extend(connection.password.iter().cloned().map(Auth::Password));
        let jump = match (&connection.jump, entry.proxy_jump) {
            (Some(jump), _) => Some(jump.clone()),
            (None, Some(jump)) => Some(proxy_jump(&jump)?),
            (None, None) => None,
        };
        Ok(Target {
            host: host.name().to_owned(),
            host_keys: self.known_hosts(&address, port),
            address,
            port,
            user: user.unwrap_or_else(user_name),
            auth,
            sudo: sudo(host),
            jump: jump.map(|jump| Box::new(self.jump(&jump))),
            timeout: Duration::from_secs(self.global.timeout),
        })
    }

    /// Puts keys in the order in which they are offered: those that somebody named, then the agent's, which may be more
    /// than a host waits for, and if none was named those of ssh itself.
    fn keys(&self, identities: Vec<PathBuf>, named: bool) -> Vec<Auth> {
        let others = if identities.is_empty() {
            self.user_config.default_identities()
        } else {
            Vec::new()
        };
        let identity = |named| move |path| Auth::Identity { path, named };
        let mut auth: Vec<_> = identities.into_iter().map(identity(named)).collect();
        auth.push(Auth::Agent);
        auth.extend(others.into_iter().map(identity(false)));
        auth
    }

    /// Says, if more is to be shown, that a server is not looked for where the estate says.
    fn tell_of_another_address(&self, host: &Host, address: &str) {
        let known = host.address().to_string();
        if self.global.verbose > 0 && address != known {
            let host = host.name();
            errln!("{host}: at {address}, as ~/.ssh/config says, not at {known}");
        }
    }

    fn jump(&self, jump: &Jump) -> Target {
        let entry = self.user_config.query(&jump.host);
        let address = entry.host_name.unwrap_or_else(|| jump.host.clone());
        let port = jump.port.or(entry.port).unwrap_or(22);
        let user = jump.user.clone().or(entry.user);
        Target {
            host: jump.host.clone(),
            host_keys: self.known_hosts(&address, port),
            address,
            port,
            user: user.unwrap_or_else(user_name),
            auth: self.keys(entry.identities, false),
            sudo: Sudo::No,
            jump: None,
            timeout: Duration::from_secs(self.global.timeout),
        }
    }

    fn known_hosts(&self, address: &str, port: u16) -> HostKeys {
        HostKeys::KnownHosts {
            files: self.user_config.known_hosts(),
            name: address.to_owned(),
            port,
        }
    }
}

/// Reads what the user's SSH configuration says of the host to go through.
fn proxy_jump(text: &str) -> Result<Jump, Failure> {
    text.parse().map_err(|reason| {
        Failure::new(
            format!("`ProxyJump {text}` of ~/.ssh/config cannot be used: {reason}"),
            "write it as [USER@]HOST[:PORT], or name the host to go through as `jump` under `connection` in estate.yml",
        )
    })
}

/// Finds a host's running container.
fn reachable<'s>(host: &Host, all: &'s [HostStatus]) -> Result<(&'s HostStatus, IpAddr), Failure> {
    let unreachable = |cause: String, hint: String| Failure {
        unreachable: true,
        ..Failure::new(cause, hint)
    };
    let Some(status) = all.iter().find(|status| status.host == host.name()) else {
        return Err(unreachable(
            "it has no container".to_owned(),
            format!("make it with `prov deploy {}`", host.name()),
        ));
    };
    match (status.state, status.address) {
        (HostState::Running, Some(address)) => Ok((status, IpAddr::V4(address))),
        (HostState::Running, None) => Err(unreachable(
            "its container is not on the estate's network".to_owned(),
            format!("make it anew with `prov deploy {}`", host.name()),
        )),
        (HostState::Created | HostState::Stopped | HostState::Paused | HostState::Other, _) => {
            // Nothing was ever applied to one that never ran.
            let is_empty = status.mode == Mode::Deploy && status.state == HostState::Created;
            let again = if is_empty {
                format!("make it anew with `prov deploy {}`", host.name())
            } else {
                start_again(host.name())
            };
            Err(unreachable(
                format!("its container does not run ({})", status.since),
                again,
            ))
        }
    }
}

/// Gives the host key of a container: remembered if it is still the same container, otherwise read through Docker.
async fn pin(
    containers: &EstateContainers,
    status: &HostStatus,
    pinned: &mut BTreeMap<String, PinnedKey>,
) -> Result<String, Failure> {
    if let Some(known) = pinned
        .get(&status.host)
        .filter(|known| known.created == status.created)
    {
        return Ok(known.key.clone());
    }
    let key = containers.host_key(&status.host).await.map_err(|error| {
        let hint = error.hint().unwrap_or_default();
        Failure::new(error.to_string(), hint)
    })?;
    let entry = PinnedKey {
        created: status.created,
        key: key.clone(),
    };
    pinned.insert(status.host.clone(), entry);
    Ok(key)
}

fn sudo(host: &Host) -> Sudo {
    let connection = host.connection();
    match connection.sudo {
        EstateSudo::No => Sudo::No,
        EstateSudo::Free => Sudo::Free,
        EstateSudo::Password => match &connection.password {
            Some(password) => Sudo::Password(password.clone()),
            None => Sudo::Free,
        },
    }
}

fn expand(path: &str) -> std::path::PathBuf {
    path.strip_prefix("~/")
        .map_or_else(|| Path::new(path).to_owned(), |rest| home().join(rest))
}

fn user_name() -> String {
    std::env::var("USER").unwrap_or_else(|_| "root".to_owned())
}
