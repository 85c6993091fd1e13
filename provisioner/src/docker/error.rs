//! What can go wrong with Docker, each with the remedy that a person can try.

use std::{io, net::Ipv4Addr, path::PathBuf, time::Duration};

use tasks::estate::Init;

/// Describes a failure of the Docker side of an estate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DockerError {
    /// The engine does not answer on its socket.
    #[error("no Docker engine answers on {socket}{}", by.as_ref().map(|by| format!(", which {by} names")).unwrap_or_default())]
    EngineUnreachable {
        /// Where the engine was expected.
        socket: String,
        /// What says so, if it is not the system's own.
        by: Option<String>,
        /// What the connection said.
        source: bollard::errors::Error,
    },
    /// The engine that was chosen is none of this machine.
    #[error(
        "{by} names the engine {host}, and prov works with engines of this machine alone (unix:///PATH)"
    )]
    EngineElsewhere {
        /// Its address.
        host: String,
        /// What names it.
        by: String,
    },
    /// There is no Docker context of this name.
    #[error("there is no Docker context '{context}', which {by} names: {} is missing, or names no engine", .file.display())]
    NoContext {
        /// Its name.
        context: String,
        /// What names it.
        by: &'static str,
        /// Where it would be.
        file: PathBuf,
    },
    /// The networks of the engine are not those of this machine.
    #[error(
        "the engine at {socket} is not root's but user {user}'s: rootless engines, and those behind a forwarded socket, have networks of \
         their own, so this machine does not reach their containers by their addresses"
    )]
    EngineApart {
        /// Its socket.
        socket: String,
        /// Who listens there.
        user: u32,
    },
    /// The engine refused or failed a request.
    #[error("Docker could not {doing}")]
    Request {
        /// What was being done, as an infinitive: `create the container …`.
        doing: String,
        /// What the engine said.
        source: bollard::errors::Error,
    },
    /// There is neither an image nor a tool to make one with.
    #[error(
        "there is no image {image}, no registry to pull it from, and neither mmdebstrap nor debootstrap to make one"
    )]
    NoBootstrapTool {
        /// The image that was looked for.
        image: String,
    },
    /// The bootstrap tool failed.
    #[error("{tool} could not bootstrap a root file system ({status}):\n{output}")]
    Bootstrap {
        /// The tool's name.
        tool: &'static str,
        /// Its exit status.
        status: String,
        /// The last lines that it wrote.
        output: String,
    },
    /// A step of an image's Dockerfile failed.
    #[error("image {image} could not be built: {message}\n{output}")]
    Build {
        /// The image.
        image: String,
        /// The builder's message.
        message: String,
        /// The last lines of the build.
        output: String,
    },
    /// Something on this machine could not be read or run.
    #[error("could not {doing}")]
    Local {
        /// What was being done, as an infinitive.
        doing: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another Docker network already uses addresses of the estate's subnet.
    #[error(
        "subnet {subnet} of estate '{estate}' overlaps with {other_subnet} of the Docker network '{network}'"
    )]
    SubnetTaken {
        /// The estate.
        estate: String,
        /// The estate's subnet.
        subnet: String,
        /// The other network's name.
        network: String,
        /// The other network's subnet.
        other_subnet: String,
    },
    /// The estate's network exists with another subnet.
    #[error(
        "the Docker network '{network}' has subnet {actual}, but the estate asks for {expected}"
    )]
    NetworkDiffers {
        /// The network's name.
        network: String,
        /// The subnet that the estate asks for.
        expected: String,
        /// The subnet that the network has.
        actual: String,
    },
    /// A name that prov needs belongs to something that prov has not made for this estate.
    #[error("the Docker {kind} '{name}' exists, but prov has not made it for estate '{estate}'")]
    Foreign {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The estate that needs the name.
        estate: String,
    },
    /// The engine does not give a container what systemd needs.
    #[error("systemd cannot be booted in containers of this engine: {cause} ({engine})")]
    CannotBoot {
        /// What is in the way.
        cause: String,
        /// What the engine says of itself.
        engine: String,
    },
    /// Containers were made for another supervisor than the estate says.
    #[error("{}: made for {}, and the estate says `init: {}`", hosts.join(", "), have.as_str(), want.as_str())]
    OtherInit {
        /// The hosts.
        hosts: Vec<String>,
        /// What the containers have.
        have: Init,
        /// What the estate says.
        want: Init,
    },
    /// A service has no definition for test mode, and its unit cannot take the place of one.
    #[error("{host}: test mode cannot run the service '{service}': {cause}")]
    CannotSupervise {
        /// The host.
        host: String,
        /// The service.
        service: String,
        /// What is in the way.
        cause: String,
    },
    /// A client without a definition under `docker/clients` was asked for.
    #[error("there is no client '{client}'")]
    UnknownClient {
        /// The client.
        client: String,
        /// The definition with the nearest name.
        nearest: Option<&'static str>,
    },
    /// A stand-in without a definition under `docker/stand-ins` was asked for.
    #[error("there is no stand-in '{stand_in}'")]
    UnknownStandIn {
        /// The stand-in.
        stand_in: String,
        /// The definition with the nearest name.
        nearest: Option<&'static str>,
    },
    /// The engine does not finish removing a container.
    #[error("container {container} is being removed, but does not go away")]
    Busy {
        /// The container.
        container: String,
    },
    /// A host has no container.
    #[error("{host}: its container does not exist")]
    NoContainer {
        /// The host.
        host: String,
    },
    /// A host's container does not run. What was applied to it is still there.
    #[error("{host}: its container does not run")]
    NotRunning {
        /// The host.
        host: String,
    },
    /// A container ended while prov waited for it.
    #[error("{host}: the container ended before {waiting_for}; its last lines:\n{output}")]
    Ended {
        /// The host.
        host: String,
        /// What was waited for.
        waiting_for: String,
        /// The last lines of the container's log.
        output: String,
    },
    /// The SSH server did not answer in time.
    #[error("{host}: no SSH server answered on {address}:22 within {}", seconds(*.waited))]
    SshNotReady {
        /// The host.
        host: String,
        /// Its address.
        address: Ipv4Addr,
        /// How long prov waited.
        waited: Duration,
    },
    /// A service of test mode did not come up in time.
    #[error("{host}: service {service} was not ready within {}; its last lines:\n{output}", seconds(*.waited))]
    ServiceNotReady {
        /// The host.
        host: String,
        /// The service.
        service: String,
        /// How long prov waited.
        waited: Duration,
        /// The last lines that the service wrote.
        output: String,
    },
    /// The router between two networks did not come up.
    #[error("the router between the estate's networks is not ready; its last lines:\n{output}")]
    RouterNotReady {
        /// Its container.
        container: String,
        /// The last lines that it wrote.
        output: String,
    },
    /// A command inside a container failed.
    #[error("{host}: could not {doing} (exit code {code}): {output}")]
    Command {
        /// The host.
        host: String,
        /// What was being done, as an infinitive.
        doing: String,
        /// The exit code.
        code: i64,
        /// What the command wrote to standard error.
        output: String,
    },
    /// The machine has no resolver that a container could use.
    #[error(
        "this machine has no DNS resolver that a container could reach (looked in {looked_in})"
    )]
    NoResolvers {
        /// The files that were read.
        looked_in: String,
    },
}

impl DockerError {
    /// Wraps the engine's answer with what was being done.
    pub(super) fn request(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        |source| Self::Request { doing, source }
    }

    /// Wraps an error of the operating system with what was being done.
    pub(super) fn local(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Local { doing, source }
    }

    /// Says what a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::EngineUnreachable { .. } => {
                "start it (`systemctl start docker`), or install it (`apt-get install docker.io`); without root, be a \
                 member of group docker; DOCKER_HOST names another engine"
            }
            Self::EngineElsewhere { .. } => {
                "run prov on the machine of that engine, where its containers have their addresses; for the engine of this one, unset \
                 DOCKER_HOST and DOCKER_CONTEXT, and `docker context use default`"
            }
            Self::NoContext { .. } => {
                "`docker context ls` shows which there are; for the engine of this machine, unset DOCKER_CONTEXT, and `docker context use default`"
            }
            Self::EngineApart { .. } => {
                "use the engine that root runs on this machine (`apt-get install docker.io`): unset DOCKER_HOST and DOCKER_CONTEXT, and `docker \
                 context use default`"
            }
            Self::NoBootstrapTool { .. } => "install one: `apt-get install mmdebstrap`",
            Self::Bootstrap { .. } => {
                "check that this machine reaches its package archive (`apt-get update`); debootstrap needs root"
            }
            Self::Build { .. } => {
                "check that containers reach the package archive: MTU, firewall, DNS"
            }
            Self::SubnetTaken { network, .. } => {
                return Some(format!(
                    "give the estate another subnet, or remove the other network: `docker network rm {network}`"
                ));
            }
            Self::NetworkDiffers { .. } => "take the estate down first: `prov down`",
            Self::Foreign { kind, name, .. } => {
                return Some(format!("rename or remove it: `docker {kind} rm {name}`"));
            }
            Self::CannotBoot { .. } => {
                "it takes an engine with API 1.41 or later (Docker 20.10), cgroup version 2 or of version 1 the hierarchy 'systemd', a cgroup \
                 namespace of the container's own, and the capabilities SYS_ADMIN, SYS_PTRACE and NET_ADMIN without a profile of AppArmor; \
                 `init: runit` in the section `containers` of estate.yml does without"
            }
            Self::OtherInit { hosts, have, .. } => {
                return Some(format!(
                    "make them anew with `prov deploy {}`, which loses what was applied to them, or say `init: {}` again",
                    hosts.join(" "),
                    have.as_str()
                ));
            }
            Self::CannotSupervise { service, .. } => {
                return Some(format!(
                    "say in the folder of its role how it runs in the foreground, services/{service}/run and check, or have a role bring its package"
                ));
            }
            Self::UnknownClient { nearest, .. } | Self::UnknownStandIn { nearest, .. } => {
                return nearest.map(|name| format!("did you mean '{name}'?"));
            }
            Self::NoContainer { host } => {
                return Some(format!("make it: `prov deploy {host}`"));
            }
            Self::NotRunning { host } => return Some(start_again(host)),
            Self::Ended { host, .. }
            | Self::SshNotReady { host, .. }
            | Self::ServiceNotReady { host, .. } => {
                return Some(format!("see the whole log: `prov logs {host}`"));
            }
            Self::RouterNotReady { container, .. } => {
                return Some(format!(
                    "it needs the capability NET_ADMIN and nf_tables of the kernel; see its whole log: `docker logs {container}`"
                ));
            }
            Self::Busy { .. } => "look at the engine's log: `journalctl -u docker`",
            Self::NoResolvers { .. } => {
                "set `dns_upstream_nameservers` to addresses that containers can reach"
            }
            Self::Request { .. } | Self::Local { .. } | Self::Command { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Says how a container that has stopped comes back. Never to deploy it: that loses what was applied to it.
#[must_use]
pub fn start_again(host: &str) -> String {
    format!("start it with `prov test {host}`, which keeps what was applied to it")
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}
