//! The router between the two networks of an estate: a container in both, and on this machine's own bridge.
//!
//! It is made from its addresses and its rules, which its container keeps in its environment (nothing of them is secret): whenever it
//! starts, it loads them. One with others, or one that an interrupted run has left half done, is made anew. It has the right to
//! change its own network, and no other.

use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig, NetworkConnectRequest};
use sha2::{Digest, Sha256};
use tasks::estate::{Location, ROUTER, Sides};

use super::{
    DockerError, EstateContainers, HostState, Mode, Progress,
    assets::LIB,
    container::{LANG, settings},
    engine::{DONE, label, labels},
    exec,
    status::host_status,
};

/// The bridge that leads to this machine; what leaves by it gets the machine's address.
const UPLINK: &str = "bridge";

const READY_DEADLINE: Duration = Duration::from_secs(30);

impl EstateContainers {
    /// Makes sure that what is between two networks runs; nothing where there is one.
    pub(super) async fn ensure_router(&self, progress: &Progress<'_>) -> Result<(), DockerError> {
        match self.networks.sides() {
            None => Ok(()),
            Some(_) => self.ensure_networks(progress).await,
        }
    }

    /// Makes sure that the router runs as the estate says. One that does is left alone.
    pub(super) async fn run_router(
        &self,
        sides: &Sides,
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        let image = self
            .engine
            .ensure_router_image(&self.router_release, progress);
        let (image, digest) = image.await?;
        let name = self.container_name(ROUTER);
        let _alone = self.engine.alone_with(&name).await;
        let env = environment(sides);
        let digest = made_of(&digest, &env);
        let mut current = None;
        for summary in self.containers(&[(label::HOST, ROUTER)]).await? {
            let id = summary.id.clone().unwrap_or_default();
            if current.is_none() && self.is_current(summary, &digest) {
                current = Some(id);
            } else {
                self.remove(&id).await?;
            }
        }
        let container = if let Some(container) = current {
            container
        } else {
            progress(ROUTER, "starting");
            self.make_router((&name, &image), sides, env, &digest)
                .await?
        };
        self.wait_for_router(&container).await?;
        progress(ROUTER, DONE);
        Ok(())
    }

    /// Tells whether a container runs as it would be made, and is in both networks.
    fn is_current(&self, summary: ContainerSummary, digest: &str) -> bool {
        let labels = summary.labels.as_ref();
        let made_of = labels.and_then(|labels| labels.get(label::DIGEST));
        let is_same = made_of.is_some_and(|known| known == digest);
        let settings = summary.network_settings.as_ref();
        let connected = settings.and_then(|settings| settings.networks.as_ref());
        let names = self.network_names();
        let is_between = connected
            .is_some_and(|connected| names.iter().all(|name| connected.contains_key(name)));
        let runs = host_status(summary, &names).is_some_and(|status| {
            status.state == HostState::Running && status.mode == Mode::Router
        });
        is_same && is_between && runs
    }

    async fn make_router(
        &self,
        (name, image): (&str, &str),
        sides: &Sides,
        env: Vec<String>,
        digest: &str,
    ) -> Result<String, DockerError> {
        self.not_foreign(name).await?;
        let body = ContainerCreateBody {
            hostname: Some(ROUTER.to_owned()),
            image: Some(image.to_owned()),
            env: Some([vec![LANG.to_owned()], env].concat()),
            entrypoint: Some(vec![format!("{LIB}/router/serve")]),
            labels: Some(labels([
                (label::ROLE, "container"),
                (label::ESTATE, &self.estate),
                (label::HOST, ROUTER),
                (label::MODE, Mode::Router.as_str()),
                (label::RELEASE, &self.router_release),
                (label::SERVICES, ""),
                (label::DIGEST, digest),
            ])),
            host_config: Some(HostConfig {
                cap_add: Some(vec!["NET_ADMIN".to_owned()]),
                sysctls: Some([("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into()),
                network_mode: Some(UPLINK.to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let container = self.create_named(name, body).await?;
        // Inside, the engine chooses an address, which the router replaces: a gateway's own is reserved.
        for (side, address) in [
            (Location::Internal, None),
            (Location::External, Some(sides.router.external)),
        ] {
            let network = self.network_name(side);
            let request = NetworkConnectRequest {
                container: container.clone(),
                endpoint_config: Some(settings(address)),
            };
            let connected = self.docker().connect_network(&network, request).await;
            connected.map_err(DockerError::request(format!(
                "connect the router with the network {network}"
            )))?;
        }
        self.start_container(ROUTER, &container).await?;
        Ok(container)
    }

    async fn wait_for_router(&self, container: &str) -> Result<(), DockerError> {
        let started = Instant::now();
        let check = format!("{LIB}/router/check");
        loop {
            let answer = exec::run(self.docker(), container, &[&check], b"").await;
            if answer.is_ok_and(|answer| answer.code == 0) {
                return Ok(());
            }
            let state = self.inspect(ROUTER, container).await?;
            if !super::readiness::is_running(&state) || started.elapsed() >= READY_DEADLINE {
                return Err(DockerError::RouterNotReady {
                    container: self.container_name(ROUTER),
                    output: self.last_lines(container, "").await,
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Says what the router is told: addresses with the lengths of their networks' prefixes, and rules.
fn environment(sides: &Sides) -> Vec<String> {
    let inside = sides.internal.net().prefix_len();
    let outside = sides.external.net().prefix_len();
    vec![
        format!("PROV_INTERNAL={}/{inside}", sides.router.internal),
        format!("PROV_EXTERNAL={}/{outside}", sides.router.external),
        format!("PROV_UPLINK={}/{outside}", sides.uplink()),
        format!("PROV_RULES={}", sides.rules()),
    ]
}

/// Digests everything that decides what a router is.
fn made_of(image: &str, env: &[String]) -> String {
    let mut hash = Sha256::new();
    for part in env.iter().map(String::as_str).chain([image]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    tasks::hex(&hash.finalize())
}
