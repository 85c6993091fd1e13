//! Containers of hosts: what one is asked to be, how it is found again by its labels, created and removed.

use std::{collections::HashMap, fmt, net::Ipv4Addr, time::Duration};

use bollard::{
    errors::Error,
    models::{
        ContainerCreateBody, ContainerSummary, ContainerSummaryStateEnum, EndpointIpamConfig,
        EndpointSettings, HostConfig, Mount, MountType, MountVolumeOptions, NetworkingConfig,
        VolumeCreateRequest,
    },
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    },
};
use tasks::{
    Secret,
    estate::{Init, Location},
};

use super::{
    DockerError, Engine, EstateContainers,
    assets::{LIB, SERVICES},
    engine::{label, labels, with_labels},
    image::missing_is_none,
    rights,
};

/// The language of everything that is not started through a login.
pub(super) const LANG: &str = "LANG=C.UTF-8";

/// Services that every host runs in test mode, because every Debian server has them.
const fn always(init: Init) -> [&'static str; 3] {
    match init {
        Init::Runit => ["ssh", "syslog", "cron"],
        Init::Systemd => ["ssh", "rsyslog", "cron"],
    }
}

/// How long a container may take to end its services before the engine kills it; above the supervisor's own 60 s.
pub(super) const STOP_SECONDS: i32 = 90;

/// Ten a second: removing a large container takes a slow disk a while.
const REMOVAL_TRIES: usize = 600;

/// Describes a host that is to run as a container.
#[derive(Debug, Clone)]
pub struct HostSpec {
    /// The host's name, which becomes the container's hostname.
    pub name: String,
    /// Its fixed address.
    pub address: Ipv4Addr,
    /// On which side it is, which decides in which network.
    pub side: Location,
    /// Its Debian release, such as `bookworm`.
    pub release: String,
    /// The services that test mode runs, as those under `docker/services` or `definitions` say, or the unit that a package
    /// brings; under systemd, units without the suffix of services. An SSH server, the system log and cron always run.
    pub services: Vec<String>,
    /// Those of them that may not be able to run before what waits for daemons is done.
    pub late: Vec<String>,
    /// How services of the estate's own are run in test mode: `NAME/run` and `NAME/check`, with the scripts.
    pub definitions: Vec<(String, String)>,
    /// Paths that are volumes.
    pub volumes: Vec<String>,
    /// The administrator's account, which prov logs in as.
    pub admin_user: String,
    /// The administrator's password.
    pub admin_password: Secret,
}

impl HostSpec {
    /// Lists the services to supervise, sorted, each once.
    pub(super) fn supervised(&self, init: Init) -> Vec<String> {
        let mut services: Vec<String> = self.services.clone();
        services.extend(always(init).map(str::to_owned));
        services.sort();
        services.dedup();
        services
    }

    /// Lists those of them that only the unit which a package brings can say how to run, where systemd does not.
    pub(super) fn derived(&self) -> Vec<String> {
        let is_defined = |name: &str| {
            let mut definitions = self.definitions.iter();
            SERVICES.iter().any(|service| service.name == name)
                || definitions.any(|(path, _)| path.strip_suffix("/run") == Some(name))
        };
        let mut services = self.supervised(Init::Runit);
        services.retain(|name| !is_defined(name));
        services
    }
}

/// Tells what a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// An SSH server and nothing else.
    Deploy,
    /// The host's services under a supervisor.
    Test,
    /// A client program.
    Client,
    /// Something that behaves like a service of the outside world.
    StandIn,
    /// What is between two networks.
    Router,
}

impl Mode {
    /// Gives the word for it, as in the label `io.prov.mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Test => "test",
            Self::Client => "client",
            Self::StandIn => "stand-in",
            Self::Router => "router",
        }
    }

    /// Tells whether it is what a host of the estate runs.
    #[must_use]
    pub const fn is_host(self) -> bool {
        match self {
            Self::Deploy | Self::Test => true,
            Self::Client | Self::StandIn | Self::Router => false,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [
            Self::Deploy,
            Self::Test,
            Self::Client,
            Self::StandIn,
            Self::Router,
        ]
        .into_iter()
        .find(|mode| mode.as_str() == text)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A container of a host as the engine lists it.
#[derive(Debug, Clone)]
pub(super) struct HostContainer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) running: bool,
    /// The engine keeps it still, as it does while it commits it.
    pub(super) frozen: bool,
    /// The engine is removing it, or has failed to.
    pub(super) going: bool,
    /// The supervised services, blank-separated; empty in deploy mode.
    pub(super) services: String,
}

impl Engine {
    /// Removes a container, running or not, and waits until it is gone; that it has gone already is no error.
    pub(super) async fn remove(&self, container: &str) -> Result<(), DockerError> {
        let options = || {
            RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build()
        };
        for _ in 0..REMOVAL_TRIES {
            match missing_is_none(
                self.docker
                    .remove_container(container, Some(options()))
                    .await,
            ) {
                Ok(_) => return Ok(()),
                // Somebody else is at it: a run that was interrupted, say, whose request the engine still works on.
                Err(Error::DockerResponseServerError {
                    status_code: 409, ..
                }) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    return Err(DockerError::request(format!(
                        "remove the container {container}"
                    ))(error));
                }
            }
        }
        Err(DockerError::Busy {
            container: container.to_owned(),
        })
    }
}

impl EstateContainers {
    /// Lists everything that prov runs for the estate, stopped containers included: one request.
    pub(super) async fn containers(
        &self,
        more: &[(&str, &str)],
    ) -> Result<Vec<ContainerSummary>, DockerError> {
        let mut wanted = vec![
            (label::ESTATE, self.estate.as_str()),
            (label::ROLE, "container"),
        ];
        wanted.extend_from_slice(more);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&with_labels(&wanted))
            .build();
        self.docker()
            .list_containers(Some(options))
            .await
            .map_err(DockerError::request("list containers"))
    }

    /// Finds the containers of a host; more than one only where a switch to test mode was interrupted.
    pub(super) async fn find(&self, host: &str) -> Result<Vec<HostContainer>, DockerError> {
        let found = self.containers(&[(label::HOST, host)]).await?;
        Ok(found.into_iter().filter_map(HostContainer::of).collect())
    }

    pub(super) async fn create(
        &self,
        host: &HostSpec,
        name: &str,
        image: &str,
        mode: Mode,
    ) -> Result<String, DockerError> {
        let services = match mode {
            Mode::Test => host.supervised(self.init),
            Mode::Deploy | Mode::Client | Mode::StandIn | Mode::Router => Vec::new(),
        };
        let config = HostConfig {
            mounts: Some(self.volumes(host).await?),
            network_mode: Some(self.network_name(host.side)),
            ..HostConfig::default()
        };
        // Empty at every start, as on a server. The supervisor runs scripts from there.
        let run = HashMap::from([("/run".to_owned(), "exec,mode=755".to_owned())]);
        let with_run = HostConfig {
            tmpfs: Some(run),
            ..config.clone()
        };
        let label = services.join(" ");
        let (entrypoint, cmd, stop_signal, host_config) = match (mode, self.init) {
            (Mode::Test, Init::Runit) => (format!("{LIB}/init"), services, "SIGTERM", with_run),
            (Mode::Test, Init::Systemd) => (
                rights::boot(),
                Vec::new(),
                rights::STOP_SIGNAL,
                rights::with_rights(with_run),
            ),
            (Mode::Deploy | Mode::Client | Mode::StandIn | Mode::Router, _) => {
                (format!("{LIB}/deploy"), services, "SIGTERM", config)
            }
        };
        let body = ContainerCreateBody {
            hostname: Some(host.name.clone()),
            image: Some(image.to_owned()),
            env: Some(vec![LANG.to_owned()]),
            entrypoint: Some(vec![entrypoint]),
            labels: Some(labels([
                (label::ROLE, "container"),
                (label::ESTATE, &self.estate),
                (label::HOST, &host.name),
                (label::MODE, mode.as_str()),
                (label::RELEASE, &host.release),
                (label::SERVICES, &label),
                (label::INIT, self.init.as_str()),
            ])),
            cmd: Some(cmd),
            stop_signal: Some(stop_signal.to_owned()),
            stop_timeout: Some(i64::from(STOP_SECONDS)),
            host_config: Some(host_config),
            networking_config: Some(self.endpoint(host.side, Some(host.address))),
            ..ContainerCreateBody::default()
        };
        self.create_named(name, body).await
    }

    /// Creates a container under a name that nothing else of the estate needs.
    pub(super) async fn create_named(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, DockerError> {
        let options = || CreateContainerOptionsBuilder::new().name(name).build();
        for _ in 0..REMOVAL_TRIES {
            match self
                .docker()
                .create_container(Some(options()), body.clone())
                .await
            {
                Ok(created) => return Ok(created.id),
                // The caller has removed what had the name, so this comes from an interrupted run: a request that the
                // engine had still to finish.
                Err(Error::DockerResponseServerError {
                    status_code: 409, ..
                }) => {
                    self.not_foreign(name).await?;
                    self.remove(name).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => {
                    return Err(
                        DockerError::request(format!("create the container {name}"))(error),
                    );
                }
            }
        }
        Err(DockerError::Busy {
            container: name.to_owned(),
        })
    }

    /// Describes the connection to the network of a side.
    pub(super) fn endpoint(&self, side: Location, address: Option<Ipv4Addr>) -> NetworkingConfig {
        NetworkingConfig {
            endpoints_config: Some(HashMap::from([(
                self.network_name(side),
                settings(address),
            )])),
        }
    }

    pub(super) fn volume_name(&self, host: &str, index: usize) -> String {
        format!("{}-{index}", self.container_name(host))
    }

    async fn volumes(&self, host: &HostSpec) -> Result<Vec<Mount>, DockerError> {
        let mut mounts = Vec::with_capacity(host.volumes.len());
        for (index, path) in host.volumes.iter().enumerate() {
            let name = self.volume_name(&host.name, index);
            // Creating a volume that exists returns it unchanged.
            let volume = self
                .docker()
                .create_volume(VolumeCreateRequest {
                    name: Some(name.clone()),
                    labels: Some(labels([
                        (label::ROLE, "volume"),
                        (label::ESTATE, &self.estate),
                        (label::HOST, &host.name),
                    ])),
                    ..VolumeCreateRequest::default()
                })
                .await
                .map_err(DockerError::request(format!("create the volume {name}")))?;
            if volume.labels.get(label::ESTATE) != Some(&self.estate) {
                return Err(DockerError::Foreign {
                    kind: "volume",
                    name,
                    estate: self.estate.clone(),
                });
            }
            mounts.push(Mount {
                typ: Some(MountType::VOLUME),
                source: Some(name),
                target: Some(path.clone()),
                // Otherwise the engine gives a volume that is still empty the owner of the image's folder, at every
                // start; what the packages made of it while the container ran would be lost with the container.
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(true),
                    ..MountVolumeOptions::default()
                }),
                ..Mount::default()
            });
        }
        Ok(mounts)
    }

    /// Removes a container, as [`Engine::remove`] does.
    pub(super) async fn remove(&self, container: &str) -> Result<(), DockerError> {
        self.engine.remove(container).await
    }

    /// Fails if a container has the name that prov needs, but not the estate's label.
    pub(super) async fn not_foreign(&self, name: &str) -> Result<(), DockerError> {
        let found = missing_is_none(self.docker().inspect_container(name, None).await).map_err(
            DockerError::request(format!("look at the container {name}")),
        )?;
        let Some(found) = found else { return Ok(()) };
        let labels = found
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default();
        if labels.get(label::ESTATE) == Some(&self.estate) {
            return Ok(());
        }
        Err(DockerError::Foreign {
            kind: "container",
            name: name.to_owned(),
            estate: self.estate.clone(),
        })
    }
}

/// Describes a connection to a network, with a fixed address or one that the engine chooses.
pub(super) fn settings(address: Option<Ipv4Addr>) -> EndpointSettings {
    EndpointSettings {
        ipam_config: address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    }
}

impl HostContainer {
    fn of(summary: ContainerSummary) -> Option<Self> {
        let labels = summary.labels.unwrap_or_default();
        Some(Self {
            id: summary.id?,
            name: summary.names?.first()?.trim_start_matches('/').to_owned(),
            mode: Mode::parse(labels.get(label::MODE)?)?,
            going: matches!(
                summary.state,
                Some(ContainerSummaryStateEnum::REMOVING | ContainerSummaryStateEnum::DEAD)
            ),
            running: summary.state == Some(ContainerSummaryStateEnum::RUNNING),
            frozen: summary.state == Some(ContainerSummaryStateEnum::PAUSED),
            services: labels.get(label::SERVICES).cloned().unwrap_or_default(),
        })
    }
}
