//! The ways to hosts: containers, of which Docker knows where they are, and servers, of which the estate and the user's
//! SSH configuration do.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tasks::estate::{Host, Sudo as EstateSudo};

use super::app::App;
use crate::docker::{EstateContainers, HostState, HostStatus, Mode, start_again};
use crate::engine::Failure;
use crate::report::print::errln;
use crate::report::problem::Problem;
use crate::ssh::{
    Algorithms, Credentials, HostKeys, Origin, Sudo, Target, Transport, Wanted, route,
};
use crate::state::PinnedKey;

impl App {
    /// Finds out how hosts are reached. For containers Docker says where they are and what their host keys are, and
    /// a host whose container does not run is not sent anything.
    pub(super) async fn targets(
        &self,
        hosts: &[&Host],
    ) -> Result<Vec<(String, Result<Target, Failure>)>, Problem> {
        if self.estate.networks().is_none() {
            let target = async |host: &&Host| (host.name().to_owned(), self.server(host).await);
            return Ok(join_all(hosts.iter().map(target)).await);
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
                format!("the host key that Docker gave cannot be read: {error}"),
                "deploy the host anew with `prov deploy`",
            )
        })?;
        let connection = host.connection();
        Ok(Target {
            host: host.name().to_owned(),
            address: address.to_string(),
            port: connection.port.unwrap_or(22),
            user: connection.user.clone().unwrap_or_else(|| "root".to_owned()),
            credentials: Credentials {
                password: connection.password.clone(),
                ..Credentials::default()
            },
            host_keys: HostKeys::Pinned {
                keys: vec![key],
                from: "the host's container".to_owned(),
            },
            sudo: sudo(host),
            way: Transport::Direct(Origin::default()),
            algorithms: Algorithms::default(),
            timeout: Duration::from_secs(self.global.timeout),
        })
    }

    /// Gives the way to a real server: the estate first, then the configuration of ssh, then SSH's defaults. Only
    /// where the server is, the configuration knows better: every host of an estate has an address, which may be one
    /// that cannot be reached from here, and whoever writes `HostName` means to be led elsewhere.
    async fn server(&self, host: &Host) -> Result<Target, Failure> {
        let connection = host.connection();
        let wanted = Wanted {
            name: host.name().to_owned(),
            address: host.address().to_string(),
            user: connection.user.clone(),
            port: connection.port,
            identity: connection.identity.clone(),
            password: connection.password.clone(),
            jump: connection.jump.clone(),
            sudo: sudo(host),
            timeout: Duration::from_secs(self.global.timeout),
        };
        let target = route(&self.user_config, wanted).await?;
        self.tell_of_another_address(host, &target.address);
        Ok(target)
    }

    /// Says, if more is to be shown, that a server is not looked for where the estate says.
    fn tell_of_another_address(&self, host: &Host, address: &str) {
        let known = host.address().to_string();
        if self.global.telling.verbose > 0 && address != known {
            let host = host.name();
            errln!("{host}: at {address}, as the configuration of ssh says, not at {known}");
        }
    }
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
