//! Clients: short-lived containers with a program that asks the estate's servers, as a person's machine would.
//!
//! A client gets a dynamic address and the DNS server of its scope. Docker's own resolver is never used: it answers the
//! names of containers itself, and would hide what the estate's DNS servers get wrong.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::pin,
};

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{
        AttachContainerOptionsBuilder, UploadToContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;
use tasks::content::Content;
use tasks::estate::Location;

use super::{
    DockerError, Engine, EstateContainers, ExecOutput, Mode, Progress,
    assets::{ClientImage, LIB, find_client},
    container::LANG,
    engine::{Labels, label, labels},
    exec,
    interactive::{Target, carry},
};
use crate::terminal::{Terminal, interrupted};

/// How long a session's container lives at most, should prov be killed before it can remove it: its program ends then,
/// and the engine removes what has ended, with the passwords that were put into it.
const SESSION_SECONDS: &str = "3600";

/// As whom a client runs that is in this machine's own network.
pub const NOBODY: u32 = 65534;

/// Where a client finds the certificate of the estate's authority.
pub const AUTHORITY: &str = tasks::promise::CLIENT_AUTHORITY;

/// What makes programs trust the estate's authority, and nobody else: in place of the system's list (OpenSSL's names for it,
/// which lynx knows too) and, for those that would look there as well, of its folder. curl reads one of them at most, and
/// has a name of its own.
const TRUST: [&str; 3] = [
    "SSL_CERT_FILE=/etc/ssl/estate/authority.pem",
    "CURL_CA_BUNDLE=/etc/ssl/estate/authority.pem",
    "SSL_CERT_DIR=/etc/ssl/estate",
];

/// Describes where a client stands: which DNS server it asks, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientScope {
    /// On which side it is, which decides in which network.
    pub side: Location,
    /// The DNS server; without one, only `hosts` are known.
    pub nameserver: Option<Ipv4Addr>,
    /// Names that are known without asking, with their addresses.
    pub hosts: Vec<(String, IpAddr)>,
    /// The domain that completes short names.
    pub search: Option<String>,
    /// The Debian release of the client's image.
    pub release: String,
    /// Files that the client finds, such as its configuration with a password.
    pub files: Vec<ClientFile>,
}

/// Describes a file that a client finds. It is put into the client's container alone: not into its image, and it is in
/// no argument and no environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// Its absolute path, in a folder of the client's image.
    pub path: &'static str,
    /// Its permission bits; it belongs to root.
    pub mode: u32,
    /// What it holds.
    pub content: Content,
}

/// Holds a client's container open for many runs; see [`EstateContainers::open_client`].
#[derive(Debug)]
pub struct ClientSession {
    engine: Engine,
    client: &'static ClientImage,
    container: String,
    open: bool,
    /// Options that come first in every run.
    options: Vec<String>,
}

impl Engine {
    /// Opens a client in this machine's own network, as nobody and without any capability, with options for every run.
    pub(super) async fn open_here(
        &self,
        (client, release): (&str, &str),
        estate: &str,
        files: &[ClientFile],
        options: Vec<String>,
        progress: &Progress<'_>,
    ) -> Result<ClientSession, DockerError> {
        let client = find_client(client)?;
        let image = self.client_image(client, release, progress).await?;
        let mut env = environment(files);
        env.push("HOME=/tmp".to_owned());
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec!["sleep".to_owned(), SESSION_SECONDS.to_owned()]),
            env: Some(env),
            user: Some(format!("{NOBODY}:{NOBODY}")),
            labels: Some(client_labels(estate)),
            host_config: Some(HostConfig {
                network_mode: Some("host".to_owned()),
                auto_remove: Some(true),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let mut session = self.create_client(client, body, files).await?;
        session.options = options;
        let started = self.docker.start_container(&session.container, None);
        let started = started.await.map_err(DockerError::request(format!(
            "start the container of client {}",
            client.name
        )));
        if let Err(error) = started {
            session.close().await?;
            return Err(error);
        }
        Ok(session)
    }

    /// Creates a client's container, with its files.
    async fn create_client(
        &self,
        client: &'static ClientImage,
        body: ContainerCreateBody,
        files: &[ClientFile],
    ) -> Result<ClientSession, DockerError> {
        let created = self.docker.create_container(None, body).await;
        let created = created.map_err(DockerError::request(format!(
            "create the container of client {}",
            client.name
        )))?;
        let session = ClientSession {
            engine: self.clone(),
            client,
            container: created.id,
            open: true,
            options: Vec::new(),
        };
        if let Err(error) = session.put(files).await {
            session.close().await?;
            return Err(error);
        }
        Ok(session)
    }
}

/// Says what a client's container is.
fn client_labels(estate: &str) -> Labels {
    labels([
        (label::ROLE, "container"),
        (label::ESTATE, estate),
        (label::MODE, Mode::Client.as_str()),
        // Overrides what the image may say; a client is no host.
        (label::SERVICES, ""),
    ])
}

/// Gives the environment of a client that finds these files.
fn environment(files: &[ClientFile]) -> Vec<String> {
    let mut env = vec![LANG.to_owned()];
    if files.iter().any(|file| file.path == AUTHORITY) {
        env.extend(TRUST.map(str::to_owned));
    }
    env
}

impl EstateContainers {
    /// Runs a client in the foreground with this process's standard streams; returns its exit code.
    ///
    /// The client gets a terminal where standard input and output are one. Its container is removed at the end, also
    /// after Ctrl-C, SIGTERM or SIGHUP (exit code 130).
    pub async fn run_client(
        &self,
        client: &str,
        args: &[String],
        scope: &ClientScope,
        progress: &Progress<'_>,
    ) -> Result<i64, DockerError> {
        let client = find_client(client)?;
        let image = self
            .engine
            .client_image(client, &scope.release, progress)
            .await?;
        self.ensure_networks(progress).await?;
        let terminal = Terminal::of_process();
        let body = ContainerCreateBody {
            entrypoint: Some(vec![format!("{LIB}/client"), client.program.to_owned()]),
            cmd: Some(args.to_vec()),
            tty: Some(terminal.is_tty()),
            open_stdin: Some(true),
            stdin_once: Some(true),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ContainerCreateBody::default()
        };
        let guard = self.client_container(client, image, body, scope).await?;
        let outcome = tokio::select! {
            outcome = self.carry_streams(&guard.container, terminal, client.name) => outcome,
            () = interrupted() => Ok(130),
        };
        guard.close().await?;
        outcome
    }

    /// Opens a client for many runs without a terminal, each of which costs one command in a running container.
    pub async fn open_client(
        &self,
        client: &str,
        scope: &ClientScope,
        progress: &Progress<'_>,
    ) -> Result<ClientSession, DockerError> {
        let client = find_client(client)?;
        let image = self
            .engine
            .client_image(client, &scope.release, progress)
            .await?;
        self.ensure_networks(progress).await?;
        let body = ContainerCreateBody {
            entrypoint: Some(vec!["sleep".to_owned(), SESSION_SECONDS.to_owned()]),
            ..ContainerCreateBody::default()
        };
        let session = self.client_container(client, image, body, scope).await?;
        self.start_container(client.name, &session.container)
            .await?;
        // Sets the DNS server; the commands that follow share the container's resolv.conf.
        let ready = session
            .command(&[&format!("{LIB}/client"), "true"], b"")
            .await?;
        if ready.code == 0 {
            return Ok(session);
        }
        let output = ready.errors();
        session.close().await?;
        Err(DockerError::Command {
            host: client.name.to_owned(),
            doing: "set the client's DNS server".to_owned(),
            code: ready.code,
            output,
        })
    }

    async fn client_container(
        &self,
        client: &'static ClientImage,
        image: String,
        body: ContainerCreateBody,
        scope: &ClientScope,
    ) -> Result<ClientSession, DockerError> {
        let mut env = environment(&scope.files);
        let nameserver = scope.nameserver.iter();
        env.extend(nameserver.map(|address| format!("PROV_NAMESERVER={address}")));
        env.extend(
            scope
                .search
                .iter()
                .map(|domain| format!("PROV_SEARCH={domain}")),
        );
        let known = scope.hosts.iter();
        let known = known.map(|(name, address)| format!("{name}:{address}"));
        let body = ContainerCreateBody {
            image: Some(image),
            env: Some(env),
            labels: Some(client_labels(&self.estate)),
            host_config: Some(HostConfig {
                network_mode: Some(self.network_name(scope.side)),
                auto_remove: Some(true),
                extra_hosts: Some(known.collect()),
                ..HostConfig::default()
            }),
            networking_config: Some(self.endpoint(scope.side, None)),
            ..body
        };
        self.engine.create_client(client, body, &scope.files).await
    }

    /// Starts a container and carries its streams until it ends.
    async fn carry_streams(
        &self,
        container: &str,
        terminal: Terminal,
        client: &str,
    ) -> Result<i64, DockerError> {
        let running = || DockerError::request(format!("run client {client}"));
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        // Attached before it starts, so that nothing it writes is missed.
        let attached = self
            .docker()
            .attach_container(container, Some(options))
            .await
            .map_err(running())?;
        let carried = async {
            self.start_container(client, container).await?;
            let target = Target::Container(container);
            let carried = carry(
                terminal,
                self.docker(),
                target,
                attached.output,
                attached.input,
            );
            carried.await.map_err(running())
        };
        // Waited for before it starts, too: once it has ended it goes, and its exit code with it.
        let options = WaitContainerOptionsBuilder::new()
            .condition("removed")
            .build();
        let mut end = pin!(self.docker().wait_container(container, Some(options)));
        let ended = async { Ok(end.next().await) };
        let (ended, ()) = tokio::try_join!(ended, carried)?;
        match ended {
            Some(Ok(ended)) => Ok(ended.status_code),
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(running()(error)),
            None => Ok(0),
        }
    }
}

impl ClientScope {
    /// Makes the client trust the estate's authority.
    pub fn trust(&mut self, certificate: &str) {
        self.files.push(ClientFile::authority(certificate));
    }
}

impl ClientFile {
    /// The certificate of an estate's authority, which the client trusts.
    pub(super) fn authority(certificate: &str) -> Self {
        Self {
            path: AUTHORITY,
            mode: 0o644,
            content: Content::plain(certificate),
        }
    }
}

impl ClientSession {
    /// Runs the client with arguments and waits for its end.
    pub async fn run(&self, args: &[&str]) -> Result<ExecOutput, DockerError> {
        self.run_with_input(args, b"").await
    }

    /// Runs the client with arguments and standard input; what is secret belongs into the input.
    pub async fn run_with_input(
        &self,
        args: &[&str],
        stdin: &[u8],
    ) -> Result<ExecOutput, DockerError> {
        let mut command = vec![self.client.program];
        command.extend(self.options.iter().map(String::as_str));
        command.extend_from_slice(args);
        self.command(&command, stdin).await
    }

    /// Runs another program of the client's image, to make ready what the client needs.
    pub async fn other(&self, argv: &[&str], stdin: &[u8]) -> Result<ExecOutput, DockerError> {
        self.command(argv, stdin).await
    }

    /// Removes the client's container.
    pub async fn close(mut self) -> Result<(), DockerError> {
        self.open = false;
        self.engine.remove(&self.container).await
    }

    /// Puts files into the container, which need not run yet.
    async fn put(&self, files: &[ClientFile]) -> Result<(), DockerError> {
        if files.is_empty() {
            return Ok(());
        }
        let doing = || format!("give client {} its files", self.client.name);
        let archive = pack(files).map_err(DockerError::local(doing()))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        self.engine
            .docker
            .upload_to_container(
                &self.container,
                Some(options),
                bollard::body_full(archive.into()),
            )
            .await
            .map_err(DockerError::request(doing()))
    }

    async fn command(&self, argv: &[&str], stdin: &[u8]) -> Result<ExecOutput, DockerError> {
        exec::run(&self.engine.docker, &self.container, argv, stdin)
            .await
            .map_err(DockerError::request(format!(
                "run client {}",
                self.client.name
            )))
    }
}

impl Drop for ClientSession {
    /// Removes the container of a session that was not closed, as far as the runtime lives long enough.
    fn drop(&mut self) {
        if self.open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (engine, container) = (self.engine.clone(), self.container.clone());
            runtime.spawn(async move { engine.remove(&container).await });
        }
    }
}

/// Packs files as a tar archive, root's.
fn pack(files: &[ClientFile]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let content = file.content.bytes();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(file.mode);
        let path = file.path.trim_start_matches('/');
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    archive.into_inner()
}

/// Gives what starts a client where there is no container of its own: its program, or the script that its image has.
pub fn client_program(name: &str) -> Result<Vec<&'static str>, DockerError> {
    let client = find_client(name)?;
    let mut files = client.files.iter();
    let script = files.find(|file| file.path == client.program);
    Ok(match script {
        Some(script) => vec!["sh", "-c", script.content, client.program],
        None => vec![client.program],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_of_the_file_that_the_client_finds() {
        let value = |at: usize| TRUST[at].split_once('=').unwrap().1;
        assert_eq!((value(0), value(1)), (AUTHORITY, AUTHORITY));
        assert!(AUTHORITY.starts_with(value(2)));
    }

    #[test]
    fn a_file_is_packed_with_its_mode_and_below_the_root() {
        let packed = pack(&[ClientFile {
            path: "/etc/x/y.conf",
            mode: 0o600,
            content: Content::secret(tasks::Secret::new("p")),
        }])
        .unwrap();
        let mut archive = tar::Archive::new(packed.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path().unwrap().to_str(), Some("etc/x/y.conf"));
        assert_eq!(entry.header().mode().unwrap(), 0o600);
        assert_eq!(std::io::read_to_string(entry).unwrap(), "p");
    }
}
