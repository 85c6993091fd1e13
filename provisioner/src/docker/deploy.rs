//! Deploy mode: containers anew, with an SSH server and the administrator's account, ready to be provisioned.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use super::{
    DockerError, EstateContainers, HostSpec, Mode, Progress,
    assets::LIB,
    container::HostContainer,
    engine::{DONE, at_once},
    exec,
    image::missing_is_none,
};

const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key.pub";

/// How long a commit may take that another run has asked for.
const COMMIT_PATIENCE: Duration = Duration::from_secs(120);

/// Chooses how hosts are deployed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeployOptions {
    /// Makes the hosts' volumes anew too, which loses what is on them.
    pub renew_volumes: bool,
}

/// Describes a host that is ready for SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The host's name.
    pub host: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its SSH host key as in `known_hosts`, without the names: `ssh-ed25519 AAAA…`.
    pub host_key: String,
}

impl EstateContainers {
    /// Deploys hosts anew in deploy mode and waits until each accepts SSH connections.
    ///
    /// The old containers of these hosts are removed, in whatever mode they are. One result per host, in their order;
    /// what fails for all (image, network, a wrong specification) fails the call before anything is removed.
    pub async fn deploy(
        &self,
        hosts: &[HostSpec],
        options: DeployOptions,
        progress: &Progress<'_>,
    ) -> Result<Vec<(String, Result<Deployed, DockerError>)>, DockerError> {
        let images = self.host_images(hosts, progress).await?;
        let tried: Vec<_> = images.values().map(String::as_str).collect();
        Box::pin(self.try_init(&tried)).await?;
        self.ensure_networks(progress).await?;
        let work = hosts.iter().map(|host| {
            let image = images.get(&host.release).map_or("", String::as_str);
            let deployed = self.deploy_one(host, image, options, progress);
            deployed.map(|outcome| (host.name.clone(), outcome)).boxed()
        });
        Ok(at_once(work.collect()).await)
    }

    /// Starts hosts whose containers have stopped, in whatever mode they are, after a restart of the machine, say.
    ///
    /// Returns the names of those that were started.
    pub async fn start(&self, hosts: &[String]) -> Result<Vec<String>, DockerError> {
        let mut started = Vec::new();
        for host in hosts {
            let found = self.find_at_rest(host).await?;
            let name = self.container_name(host);
            if let Some(stopped) = found
                .iter()
                .find(|container| container.name == name && !container.running)
            {
                self.start_container(host, &stopped.id).await?;
                started.push(host.clone());
            }
        }
        Ok(started)
    }

    /// Finds the containers of a host once none is frozen: the engine may still be at the commit of a run that was interrupted.
    async fn find_at_rest(&self, host: &str) -> Result<Vec<HostContainer>, DockerError> {
        let started = Instant::now();
        loop {
            let found = self.find(host).await?;
            let frozen = found.iter().any(|container| container.frozen);
            // Somebody else may have frozen it for good, which the engine says when it is started.
            if !frozen || started.elapsed() > COMMIT_PATIENCE {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Reads a host's public SSH key (ed25519) through Docker, so that nothing has to be trusted blindly.
    ///
    /// Returns `ssh-ed25519 AAAA…` without a comment.
    pub async fn host_key(&self, host: &str) -> Result<String, DockerError> {
        let container = self.running(host).await?;
        let what = format!("the SSH host key of {host}");
        let key = self.content(&container, HOST_KEY, &what).await?;
        let key = String::from_utf8_lossy(&key);
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        Ok(words.join(" "))
    }

    async fn deploy_one(
        &self,
        host: &HostSpec,
        image: &str,
        options: DeployOptions,
        progress: &Progress<'_>,
    ) -> Result<Deployed, DockerError> {
        let name = self.container_name(&host.name);
        let old = self.find(&host.name).await?;
        if !old.is_empty() {
            progress(&host.name, "removing the old container");
        }
        for HostContainer { id, .. } in &old {
            self.remove(id).await?;
        }
        self.not_foreign(&name).await?;
        // What was committed belongs to the container that has gone.
        let test_image = self.test_image(&host.name);
        missing_is_none(self.engine.remove_image(&test_image).await).map_err(
            DockerError::request(format!("remove the image {test_image}")),
        )?;
        if options.renew_volumes {
            self.remove_volumes(&host.name).await?;
        }
        progress(&host.name, "starting");
        let container = self.create(host, &name, image, Mode::Deploy).await?;
        self.start_container(&host.name, &container).await?;
        progress(&host.name, "making the administrator's account");
        self.make_account(host, &container).await?;
        progress(&host.name, "waiting for SSH");
        self.wait_for_ssh(host, &container).await?;
        let host_key = self.host_key(&host.name).await?;
        progress(&host.name, DONE);
        Ok(Deployed {
            host: host.name.clone(),
            address: host.address,
            host_key,
        })
    }

    async fn host_images(
        &self,
        hosts: &[HostSpec],
        progress: &Progress<'_>,
    ) -> Result<BTreeMap<String, String>, DockerError> {
        let mut images = BTreeMap::new();
        for host in hosts {
            if !images.contains_key(&host.release) {
                let image = self
                    .engine
                    .ensure_host_image(&host.release, self.init, progress)
                    .await?;
                images.insert(host.release.clone(), image);
            }
        }
        Ok(images)
    }

    pub(super) async fn start_container(
        &self,
        host: &str,
        container: &str,
    ) -> Result<(), DockerError> {
        self.docker()
            .start_container(container, None)
            .await
            .map_err(DockerError::request(format!(
                "start the container of {host}"
            )))
    }

    async fn make_account(&self, host: &HostSpec, container: &str) -> Result<(), DockerError> {
        let doing = format!("make the account {}", host.admin_user);
        let script = format!("{LIB}/account");
        // The only place where the password leaves prov: as bytes on the script's standard input.
        let stdin = host.admin_password.map(|password| format!("{password}\n"));
        let answer = exec::run(
            self.docker(),
            container,
            &[script.as_str(), host.admin_user.as_str()],
            stdin.expose().as_bytes(),
        )
        .await
        .map_err(DockerError::request(format!("{doing} on {}", host.name)))?;
        if answer.code == 0 {
            return Ok(());
        }
        Err(DockerError::Command {
            host: host.name.clone(),
            doing,
            code: answer.code,
            output: answer.errors(),
        })
    }
}
