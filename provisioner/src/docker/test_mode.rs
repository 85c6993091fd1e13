//! Test mode: each container is committed to an image of its own and runs again from it, under a supervisor.
//!
//! A host's container bears the host's name, and until its successor is complete nothing takes that name away: it is
//! committed, the successor is created under another name (not started), and only then is the old one removed and the
//! successor renamed and started. Whatever moment prov is interrupted at, either the old container is still there and
//! everything is done again from it, or the image is committed and the successor only has to be renamed and started.

use std::time::Duration;

use bollard::{
    models::ContainerConfig,
    query_parameters::{
        CommitContainerOptionsBuilder, RenameContainerOptionsBuilder,
        RestartContainerOptionsBuilder, StopContainerOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::FutureExt;
use tasks::estate::Init;

use super::{
    DockerError, EstateContainers, HostSpec, Mode, Progress,
    assets::{LIB, boot_library, library},
    container::{HostContainer, STOP_SECONDS},
    engine::{DONE, at_once, label, labels},
    exec,
};

/// Chooses how hosts are switched to test mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestOptions {
    /// Restarts hosts that are in test mode already.
    pub restart: bool,
    /// How long the services of a host may take to be ready.
    pub deadline: Duration,
}

impl Default for TestOptions {
    fn default() -> Self {
        Self {
            restart: false,
            deadline: Duration::from_secs(60),
        }
    }
}

/// The container that holds a host's state, and what an interrupted switch left beside it.
struct CurrentContainer {
    holder: HostContainer,
    strays: Vec<HostContainer>,
}

impl CurrentContainer {
    /// Tells whether the container has to be replaced to run these services.
    fn outdated(&self, services: &str, init: Init) -> bool {
        // systemd takes up by itself what is new.
        let others = init == Init::Runit && self.holder.services != services;
        self.holder.mode == Mode::Deploy || others
    }
}

impl EstateContainers {
    /// Switches hosts to test mode and waits until their services are ready.
    ///
    /// A host that is in test mode already is started if it has stopped, restarted if that is asked for, and committed
    /// anew if its services are others now. One result per host, in their order: the services that are not ready, which may only be those that
    /// wait for what is not done yet.
    pub async fn test(
        &self,
        hosts: &[HostSpec],
        options: TestOptions,
        progress: &Progress<'_>,
    ) -> Result<Vec<(String, Result<Vec<String>, DockerError>)>, DockerError> {
        self.refuse_other_init(hosts).await?;
        self.ensure_router(progress).await?;
        let work = hosts.iter().map(|host| {
            let switched = self.test_one(host, options, progress);
            switched.map(|outcome| (host.name.clone(), outcome)).boxed()
        });
        Ok(at_once(work.collect()).await)
    }

    /// Names the image that a host is committed to.
    #[must_use]
    pub fn test_image(&self, host: &str) -> String {
        format!("prov-{}/{host}:test", self.estate).to_lowercase()
    }

    async fn test_one(
        &self,
        host: &HostSpec,
        options: TestOptions,
        progress: &Progress<'_>,
    ) -> Result<Vec<String>, DockerError> {
        let services = host.supervised(self.init).join(" ");
        let mut current = self.settle(host).await?;
        let container = if current.outdated(&services, self.init) {
            if current.holder.running {
                self.judge(host, &current.holder.id).await?;
            }
            progress(&host.name, "committing");
            let mut image = self.commit(host, &current.holder).await;
            if image.is_err() && self.has_gone(host, &current.holder).await? {
                // An interrupted run's last request was its removal, so the successor is complete.
                current = self.settle(host).await?;
                image = Ok(self.test_image(&host.name));
            }
            let image = image?;
            if current.outdated(&services, self.init) {
                self.replace_by_successor(host, &current, &image, progress)
                    .await?
            } else {
                self.resume(host, current, options, progress).await?
            }
        } else {
            self.resume(host, current, options, progress).await?
        };
        progress(&host.name, "waiting for the services");
        let waited = self.wait_for_services(host, &container, options.deadline, progress);
        let late = waited.await?;
        progress(&host.name, DONE);
        Ok(late)
    }

    /// Finds the container that holds a host's state, after an interrupted switch too. Removes nothing.
    async fn settle(&self, host: &HostSpec) -> Result<CurrentContainer, DockerError> {
        let name = self.container_name(&host.name);
        let mut found = self.find(&host.name).await?;
        for going in found.extract_if(.., |container| container.going) {
            self.remove(&going.id).await?;
        }
        let (mut holders, mut successors): (Vec<HostContainer>, Vec<HostContainer>) = found
            .into_iter()
            .partition(|container| container.name == name);
        if let Some(holder) = holders.pop() {
            return Ok(CurrentContainer {
                holder,
                strays: successors,
            });
        }
        let id = if let Some(successor) = successors.pop() {
            self.rename(&successor.id, &name).await?;
            successor.id
        } else {
            let image = self.test_image(&host.name);
            if self.engine.image_id(&image).await?.is_none() {
                return Err(DockerError::NoContainer {
                    host: host.name.clone(),
                });
            }
            // The container was removed by other means, but what was committed is still there.
            self.create(host, &name, &image, Mode::Test).await?
        };
        let holder = self
            .find(&host.name)
            .await?
            .into_iter()
            .find(|container| container.id == id);
        holder
            .map(|holder| CurrentContainer {
                holder,
                strays: successors,
            })
            .ok_or_else(|| DockerError::NoContainer {
                host: host.name.clone(),
            })
    }

    async fn has_gone(
        &self,
        host: &HostSpec,
        container: &HostContainer,
    ) -> Result<bool, DockerError> {
        let found = self.find(&host.name).await?;
        Ok(!found
            .iter()
            .any(|other| other.id == container.id && !other.going))
    }

    /// Replaces a container by its successor in test mode, made from the image that was committed from it.
    async fn replace_by_successor(
        &self,
        host: &HostSpec,
        current: &CurrentContainer,
        image: &str,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        // Only now: until the commit, one of them might have been all that was left.
        self.remove_strays(current).await?;
        let name = self.container_name(&host.name);
        let successor = self
            .create(host, &format!("{name}--next"), image, Mode::Test)
            .await?;
        progress(&host.name, "stopping");
        // Frees the address and the volumes.
        self.stop(host, &current.holder).await?;
        self.remove(&current.holder.id).await?;
        self.rename(&successor, &name).await?;
        progress(&host.name, "starting");
        self.start_container(&host.name, &successor).await?;
        Ok(successor)
    }

    /// Makes sure that a container in test mode runs.
    async fn resume(
        &self,
        host: &HostSpec,
        current: CurrentContainer,
        options: TestOptions,
        progress: &Progress<'_>,
    ) -> Result<String, DockerError> {
        self.remove_strays(&current).await?;
        let HostContainer { id, running, .. } = current.holder;
        if !running {
            progress(&host.name, "starting");
            self.start_container(&host.name, &id).await?;
        } else if options.restart {
            progress(&host.name, "restarting");
            self.renew_library(host, &id).await?;
            let patience = RestartContainerOptionsBuilder::new()
                .t(STOP_SECONDS)
                .build();
            self.docker()
                .restart_container(&id, Some(patience))
                .await
                .map_err(DockerError::request(format!(
                    "restart the container of {}",
                    host.name
                )))?;
        }
        Ok(id)
    }

    async fn remove_strays(&self, current: &CurrentContainer) -> Result<(), DockerError> {
        for stray in &current.strays {
            self.remove(&stray.id).await?;
        }
        Ok(())
    }

    async fn commit(
        &self,
        host: &HostSpec,
        current: &HostContainer,
    ) -> Result<String, DockerError> {
        if current.mode == Mode::Test && current.running {
            // Services are to end with their files in order; in deploy mode there are none.
            self.stop(host, current).await?;
        }
        self.renew_library(host, &current.id).await?;
        let image = self.test_image(&host.name);
        let old = self.engine.image_id(&image).await?;
        let (repo, tag) = image.rsplit_once(':').unwrap_or((&image, "test"));
        let options = CommitContainerOptionsBuilder::new()
            .container(&current.id)
            .repo(repo)
            .tag(tag)
            .pause(true)
            .build();
        let config = ContainerConfig {
            labels: Some(labels([
                (label::ROLE, "image"),
                (label::ESTATE, &self.estate),
                (label::HOST, &host.name),
                (label::MODE, Mode::Test.as_str()),
            ])),
            ..ContainerConfig::default()
        };
        let committed = self
            .docker()
            .commit_container(options, config)
            .await
            .map_err(DockerError::request(format!(
                "commit the container of {}",
                host.name
            )))?;
        if let Some(old) = old
            && old != committed.id
        {
            // An image that the container itself came from is a parent of the new one and stays as such.
            let _ = self.engine.remove_image(&old).await;
        }
        Ok(image)
    }

    /// Brings the supervisor and the definitions of services up to date: the container may be older than this prov.
    async fn renew_library(&self, host: &HostSpec, container: &str) -> Result<(), DockerError> {
        let doing = || format!("renew the definitions of services of {}", host.name);
        let archive = match self.init {
            Init::Runit => library(&host.definitions),
            Init::Systemd => boot_library(),
        };
        let archive = archive.map_err(DockerError::local(doing()))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.docker()
            .upload_to_container(container, Some(options), bollard::body_full(archive.into()))
            .await
            .map_err(DockerError::request(doing()))
    }

    /// Finds out whether the units of services without a definition can be run without systemd.
    async fn judge(&self, host: &HostSpec, container: &str) -> Result<(), DockerError> {
        let services = host.derived();
        if services.is_empty() || self.init == Init::Systemd {
            return Ok(());
        }
        self.renew_library(host, container).await?;
        let program = format!("{LIB}/unit");
        let mut argv = vec![program.as_str(), "judge"];
        argv.extend(services.iter().map(String::as_str));
        let judged = exec::run(self.docker(), container, &argv, b"").await;
        let judged = judged.map_err(DockerError::request(format!(
            "look at the units of {}",
            host.name
        )))?;
        let text = judged.text();
        match text.lines().find_map(|line| line.split_once('\t')) {
            None => Ok(()),
            Some((service, cause)) => Err(DockerError::CannotSupervise {
                host: host.name.clone(),
                service: service.to_owned(),
                cause: cause.to_owned(),
            }),
        }
    }

    async fn stop(&self, host: &HostSpec, container: &HostContainer) -> Result<(), DockerError> {
        let patience = StopContainerOptionsBuilder::new().t(STOP_SECONDS).build();
        self.docker()
            .stop_container(&container.id, Some(patience))
            .await
            .map_err(DockerError::request(format!(
                "stop the container of {}",
                host.name
            )))
    }

    async fn rename(&self, container: &str, name: &str) -> Result<(), DockerError> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        self.docker()
            .rename_container(container, options)
            .await
            .map_err(DockerError::request(format!(
                "rename a container to {name}"
            )))
    }
}
