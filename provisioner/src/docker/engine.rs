//! The connection to the engine, and the estate whose containers it runs.

use std::{
    collections::HashMap,
    env,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::Docker;
use futures_util::{StreamExt, future::BoxFuture, stream};

use tasks::estate::{Init, Networks};

use super::DockerError;
use super::choice::{Choice, Surroundings, must_be_roots};

/// Receives progress: the host (or image) that it is about, and what is being done.
pub type Progress<'a> = dyn Fn(&str, &str) + Send + Sync + 'a;

/// What is told of a host with which nothing more is done.
pub const DONE: &str = "";

/// Committing a large container is one silent request; the engine's own default is 2 minutes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(900);

/// How many hosts are worked on at once: enough to hide waiting, few enough for a small machine's disk.
const AT_ONCE: usize = 8;

pub(super) mod label {
    pub(in crate::docker) const ROLE: &str = "io.prov.role";
    pub(in crate::docker) const ESTATE: &str = "io.prov.estate";
    pub(in crate::docker) const HOST: &str = "io.prov.host";
    pub(in crate::docker) const MODE: &str = "io.prov.mode";
    pub(in crate::docker) const SERVICES: &str = "io.prov.services";
    pub(in crate::docker) const INIT: &str = "io.prov.init";
    pub(in crate::docker) const RELEASE: &str = "io.prov.release";
    pub(in crate::docker) const DIGEST: &str = "io.prov.digest";
}

pub(super) type Labels = HashMap<String, String>;

pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Makes the engine's filter for things that carry all of these labels.
pub(super) fn with_labels(wanted: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let wanted = wanted.iter().map(|(key, value)| format!("{key}={value}"));
    HashMap::from([("label".to_owned(), wanted.collect())])
}

/// Holds a connection to a Docker engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    /// The images and networks that this run makes sure of: one at a time does, and others wait for it.
    making: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Engine {
    /// Connects to the engine that the command `docker` would ask, where it is one of this machine, and agrees on an API version.
    pub async fn connect() -> Result<Self, DockerError> {
        let Choice { socket, by } = Surroundings {
            variable: &|name| env::var(name).ok(),
            file: &|path| std::fs::read_to_string(path).ok(),
            home: crate::state::home(),
        }
        .choose()?;
        must_be_roots(&socket).await?;
        let unreachable = |source| DockerError::EngineUnreachable {
            socket: socket.clone(),
            by,
            source,
        };
        let connected = async {
            // Agreeing on the version is the first request: it fails at once where no engine listens.
            let seconds = REQUEST_TIMEOUT.as_secs();
            Docker::connect_with_unix(&socket, seconds, bollard::API_DEFAULT_VERSION)?
                .negotiate_version()
                .await
        };
        let docker = connected.await.map_err(unreachable)?;
        Ok(Self {
            docker,
            making: Arc::default(),
        })
    }

    /// Waits until nobody else of this run makes sure of an image or network; others wait as long as the answer is held.
    pub(super) async fn alone_with(&self, name: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(making.entry(name.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// Binds an estate's name and networks to the engine.
    #[must_use]
    pub fn estate(
        &self,
        name: impl Into<String>,
        networks: impl Into<Networks>,
    ) -> EstateContainers {
        EstateContainers {
            engine: self.clone(),
            estate: name.into(),
            networks: networks.into(),
            init: Init::default(),
            router_release: tasks::release::Release::default().codename().to_owned(),
        }
    }
}

/// Runs the hosts of one estate as containers.
#[derive(Debug, Clone)]
pub struct EstateContainers {
    pub(super) engine: Engine,
    pub(super) estate: String,
    pub(super) networks: Networks,
    pub(super) init: Init,
    pub(super) router_release: String,
}

impl EstateContainers {
    /// Chooses what looks after daemons in test mode.
    #[must_use]
    pub fn with_init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Chooses the release of Debian on which a router between two networks runs.
    #[must_use]
    pub fn with_router_release(mut self, release: &str) -> Self {
        release.clone_into(&mut self.router_release);
        self
    }

    /// Says what looks after daemons in test mode.
    #[must_use]
    pub const fn init(&self) -> Init {
        self.init
    }

    /// Names the estate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.estate
    }

    /// Gives the engine that the estate runs on.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.engine.docker
    }

    /// Names the container of a host.
    #[must_use]
    pub fn container_name(&self, host: &str) -> String {
        format!("prov-{}-{host}", self.estate)
    }
}

/// Works on several hosts at once; gives the results in the order of the work.
pub(super) async fn at_once<T>(work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    stream::iter(work).buffered(AT_ONCE).collect().await
}
