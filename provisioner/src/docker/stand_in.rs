//! Stand-ins: containers on the estate's network, where it has two on the outer one, that behave like a service of the outside world.
//!
//! A stand-in is an image of its own, made from a folder under `docker/stand-ins`. Its main process is `serve`; it is
//! ready when `check` succeeds. What it must know of the estate, secrets among it, is written to `/run/stand-in/input`
//! through the engine: that is memory, so it is in no image, argument or environment, and it is given again whenever
//! the stand-in is made sure of.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use bollard::models::{ContainerCreateBody, HostConfig};
use tasks::Secret;
use tasks::estate::Location;

use super::{
    DockerError, EstateContainers, HostState, Mode, Progress,
    assets::{STAND_INS, StandInImage},
    container::LANG,
    engine::{DONE, label, labels},
    exec,
    status::host_status,
};

/// Where a stand-in's own programs are.
const PROGRAMS: &str = "/usr/local/lib/prov/stand-in";

/// Replaces the input in one step, readable for root alone.
const GIVE: &str = "umask 077; mkdir -p /run/stand-in; cd /run/stand-in; cat >new; mv new input";

const READY_DEADLINE: Duration = Duration::from_secs(30);

/// Describes a stand-in that is to run.
#[derive(Debug, Clone)]
pub struct StandInSpec {
    /// Its name: that of its folder, of its container, and its hostname.
    pub name: String,
    /// Its fixed address.
    pub address: Ipv4Addr,
    /// The Debian release of its image.
    pub release: String,
    /// What it must know of the estate; the form is its own.
    pub input: Secret,
}

impl EstateContainers {
    /// Makes sure that stand-ins run, from current images and with this input.
    ///
    /// One that runs already is given the input and otherwise left alone, with all that it remembers.
    pub async fn ensure_stand_ins(
        &self,
        stand_ins: &[StandInSpec],
        progress: &Progress<'_>,
    ) -> Result<(), DockerError> {
        for spec in stand_ins {
            let image = find(&spec.name)?;
            let (image, digest) = self
                .engine
                .ensure_stand_in(image, &spec.release, progress)
                .await?;
            self.ensure_networks(progress).await?;
            let container = match self.current(spec, &digest).await? {
                Some(container) => container,
                None => self.make(spec, &image, progress).await?,
            };
            self.give(spec, &container).await?;
            self.wait_for_stand_in(spec, &container).await?;
            progress(&spec.name, DONE);
        }
        Ok(())
    }

    /// Finds the container of a stand-in if it runs from the current image at its address; removes it otherwise.
    async fn current(
        &self,
        spec: &StandInSpec,
        digest: &str,
    ) -> Result<Option<String>, DockerError> {
        let mut current = None;
        for summary in self.containers(&[(label::HOST, &spec.name)]).await? {
            let id = summary.id.clone().unwrap_or_default();
            let image = summary.labels.as_ref();
            let same_image = image
                .and_then(|labels| labels.get(label::DIGEST))
                .map(String::as_str)
                == Some(digest);
            let runs = host_status(summary, &self.network_names()).is_some_and(|status| {
                status.state == HostState::Running
                    && status.mode == Mode::StandIn
                    && status.address == Some(spec.address)
            });
            if same_image && runs && current.is_none() {
                current = Some(id);
            } else {
                self.remove(&id).await?;
            }
        }
        Ok(current)
    }

    async fn make(
        &self,
        spec: &StandInSpec,
        image: &str,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        progress(&spec.name, "starting");
        let name = self.container_name(&spec.name);
        self.not_foreign(&name).await?;
        let body = ContainerCreateBody {
            hostname: Some(spec.name.clone()),
            image: Some(image.to_owned()),
            env: Some(vec![LANG.to_owned()]),
            entrypoint: Some(vec![format!("{PROGRAMS}/serve")]),
            labels: Some(labels([
                (label::ROLE, "container"),
                (label::ESTATE, &self.estate),
                (label::HOST, &spec.name),
                (label::MODE, Mode::StandIn.as_str()),
                (label::RELEASE, &spec.release),
                (label::SERVICES, ""),
            ])),
            stop_signal: Some("SIGTERM".to_owned()),
            host_config: Some(HostConfig {
                tmpfs: Some([("/run".to_owned(), "mode=755".to_owned())].into()),
                network_mode: Some(self.network_name(Location::External)),
                ..HostConfig::default()
            }),
            networking_config: Some(self.endpoint(Location::External, Some(spec.address))),
            ..ContainerCreateBody::default()
        };
        let container = self.create_named(&name, body).await?;
        self.start_container(&spec.name, &container).await?;
        Ok(container)
    }

    async fn give(&self, spec: &StandInSpec, container: &str) -> Result<(), DockerError> {
        let doing = "tell the stand-in what it must know";
        let input = spec.input.expose().as_bytes();
        let answer = exec::run(self.docker(), container, &["sh", "-euc", GIVE], input)
            .await
            .map_err(DockerError::request(format!("{doing} ({})", spec.name)))?;
        if answer.code == 0 {
            return Ok(());
        }
        Err(DockerError::Command {
            host: spec.name.clone(),
            doing: doing.to_owned(),
            code: answer.code,
            output: answer.errors(),
        })
    }

    async fn wait_for_stand_in(
        &self,
        spec: &StandInSpec,
        container: &str,
    ) -> Result<(), DockerError> {
        let started = Instant::now();
        let check = format!("{PROGRAMS}/check");
        loop {
            let answer = exec::run(self.docker(), container, &[&check], b"")
                .await
                .map_err(DockerError::request(format!(
                    "ask whether the stand-in {} is ready",
                    spec.name
                )))?;
            if answer.code == 0 {
                return Ok(());
            }
            if started.elapsed() >= READY_DEADLINE {
                return Err(DockerError::ServiceNotReady {
                    host: spec.name.clone(),
                    service: "serve".to_owned(),
                    waited: READY_DEADLINE,
                    output: self.last_lines(container, "").await,
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn find(name: &str) -> Result<&'static StandInImage, DockerError> {
    STAND_INS
        .iter()
        .find(|stand_in| stand_in.name == name)
        .ok_or_else(|| DockerError::UnknownStandIn {
            stand_in: name.to_owned(),
            nearest: tasks::nearest(name, STAND_INS.iter().map(|stand_in| stand_in.name)),
        })
}

#[cfg(test)]
mod tests {
    use super::{super::assets::LIB, *};

    #[test]
    fn a_stand_in_has_its_programs_where_they_are_expected() {
        assert_eq!(PROGRAMS, format!("{LIB}/stand-in"));
        for stand_in in STAND_INS {
            for program in ["serve", "check"] {
                let path = format!("files{PROGRAMS}/{program}");
                let found = stand_in.files.iter().find(|file| file.path == path);
                assert_eq!(
                    found.map(|file| file.mode),
                    Some(0o755),
                    "{}",
                    stand_in.name
                );
            }
        }
    }
}
