//! Where the programs of checks run: in containers of clients and of hosts, or over SSH on vantage points and servers. Whoever
//! makes checks knows neither.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use tokio::task::JoinSet;

use super::servers::As;
use super::{Client, Servers, TestbedError};
use crate::browse::Proxy;
use crate::docker::{
    AUTHORITY, BROWSER, ClientScope, ClientSession, DockerError, EstateContainers, ExecOutput,
    HostState, Mode, Progress, client_program,
};
use crate::engine::TRUSTED;

/// What checks are made with.
pub struct Testbed {
    hosts: Hosts,
    /// A word of letters and digits by which what this run leaves behind is known.
    pub run: String,
    seats: Vec<(Client, Seat)>,
    /// Why there is no such client.
    lacks: Vec<(Client, String)>,
    /// What leads browsers to servers, until checks have been made.
    proxies: JoinSet<()>,
}

/// The hosts that checks are about.
enum Hosts {
    Containers(EstateContainers),
    Servers(Arc<Servers>),
}

/// Where a client runs.
pub enum Seat {
    /// In a container of its own.
    Container(ClientSession),
    /// On a vantage point.
    Vantage(Vantage),
}

/// A client on a vantage point, or on another server.
pub struct Vantage {
    servers: Arc<Servers>,
    host: String,
    /// What starts the client, before its arguments.
    program: Vec<&'static str>,
    who: As,
}

impl Testbed {
    /// Opens clients in containers; those that are open already are closed again where one cannot be opened.
    pub async fn in_containers(
        containers: EstateContainers,
        run: String,
        clients: Vec<(Client, ClientScope)>,
        progress: &Progress<'_>,
    ) -> Result<Self, DockerError> {
        let opening = clients.iter().map(|(client, scope)| {
            let opened = containers.open_client(client.name, scope, progress);
            opened.map(|session| (*client, session))
        });
        let mut seats = Vec::new();
        let mut opened = Ok(());
        for (client, session) in join_all(opening).await {
            match session {
                Ok(session) => seats.push((client, Seat::Container(session))),
                Err(error) => opened = opened.and(Err(error)),
            }
        }
        let testbed = Self {
            hosts: Hosts::Containers(containers),
            run,
            seats,
            lacks: Vec::new(),
            proxies: JoinSet::new(),
        };
        if let Err(error) = opened {
            testbed.close().await?;
            return Err(error);
        }
        Ok(testbed)
    }

    /// Puts clients onto vantage points, as far as there are any at their sides, or onto the hosts that are named.
    pub fn on_servers(
        servers: &Arc<Servers>,
        run: String,
        clients: Vec<(Client, Option<&str>)>,
    ) -> Result<Self, DockerError> {
        let mut seats = Vec::new();
        for (client, host) in clients {
            if client.name == BROWSER {
                continue;
            }
            let who = host.map_or(As::Nobody, |_| As::Root);
            if let Some(host) = host.or_else(|| servers.vantage(client.location)) {
                let seat = Vantage {
                    servers: Arc::clone(servers),
                    host: host.to_owned(),
                    program: client_program(client.name)?,
                    who,
                };
                seats.push((client, Seat::Vantage(seat)));
            }
        }
        Ok(Self {
            hosts: Hosts::Servers(Arc::clone(servers)),
            run,
            seats,
            lacks: Vec::new(),
            proxies: JoinSet::new(),
        })
    }

    /// Adds a browser on this machine, with what leads it to the servers, or says why there is none.
    pub(crate) fn add_browser(
        &mut self,
        client: Client,
        opened: Result<(ClientSession, Proxy), String>,
    ) {
        match opened {
            Ok((session, proxy)) => {
                self.seats.push((client, Seat::Container(session)));
                self.proxies.spawn(async move { proxy.serve().await });
            }
            Err(why) => self.lacks.push((client, why)),
        }
    }

    /// Says why there is no such client.
    #[must_use]
    pub fn lack(&self, client: Client) -> String {
        let lack = self.lacks.iter().find(|(lacked, _)| *lacked == client);
        lack.map_or_else(
            || TestbedError::NoVantage(client.location).to_string(),
            |(_, why)| why.clone(),
        )
    }

    /// Finds a client; none where nobody stands at its side.
    #[must_use]
    pub fn find(&self, client: Client) -> Option<&Seat> {
        let mut seats = self.seats.iter();
        let found = seats.find(|(seated, _)| *seated == client);
        found.map(|(_, seat)| seat)
    }

    /// Finds a client without which nothing of a service can be checked.
    pub fn client(&self, client: Client) -> Result<&Seat, TestbedError> {
        self.find(client)
            .ok_or(TestbedError::NoVantage(client.location))
    }

    /// Runs a program as root on a host and waits for its end; what is secret belongs into the input.
    pub async fn on(
        &self,
        host: &str,
        argv: &[&str],
        stdin: &[u8],
    ) -> Result<ExecOutput, TestbedError> {
        match &self.hosts {
            Hosts::Containers(containers) => Ok(containers.exec(host, argv, stdin).await?),
            Hosts::Servers(servers) => servers.run(host, argv, stdin, As::Root).await,
        }
    }

    /// Gives the file in which clients find the authorities that they trust, and says who these are.
    pub(super) const fn authorities(&self) -> (&'static str, &'static str) {
        match self.hosts {
            Hosts::Containers(_) => (AUTHORITY, "the estate's authority alone"),
            Hosts::Servers(_) => (TRUSTED, "an authority that Debian or the estate trusts"),
        }
    }

    /// Tells which hosts should serve at the moment: a service can be tried without all containers of the estate.
    pub async fn serving<'h>(
        &self,
        hosts: impl Iterator<Item = &'h str>,
    ) -> Result<BTreeSet<&'h str>, TestbedError> {
        let containers = match &self.hosts {
            Hosts::Containers(containers) => containers.list().await?,
            Hosts::Servers(_) => return Ok(hosts.collect()),
        };
        let serves = |host: &&str| {
            containers.iter().any(|status| {
                status.host == *host
                    && status.state == HostState::Running
                    && status.mode == Mode::Test
            })
        };
        Ok(hosts.filter(serves).collect())
    }

    /// Removes the clients' containers.
    pub async fn close(self) -> Result<(), DockerError> {
        let mut closed = Ok(());
        for (_, seat) in self.seats {
            match seat {
                Seat::Container(session) => closed = closed.and(session.close().await),
                Seat::Vantage(_) => {}
            }
        }
        closed
    }
}

impl Seat {
    /// Runs the client with arguments and waits for its end.
    pub async fn run(&self, args: &[&str]) -> Result<ExecOutput, TestbedError> {
        self.run_with_input(args, b"").await
    }

    /// Runs the client with arguments and standard input; what is secret belongs into the input.
    pub async fn run_with_input(
        &self,
        args: &[&str],
        stdin: &[u8],
    ) -> Result<ExecOutput, TestbedError> {
        match self {
            Self::Container(session) => Ok(session.run_with_input(args, stdin).await?),
            Self::Vantage(vantage) => {
                let command = [vantage.program.as_slice(), args].concat();
                vantage.run(&command, stdin).await
            }
        }
    }

    /// Gives the container of a client, which programs may change as they like; none on a vantage point.
    #[must_use]
    pub const fn container(&self) -> Option<&ClientSession> {
        match self {
            Self::Container(session) => Some(session),
            Self::Vantage(_) => None,
        }
    }

    /// Runs another program where the client is.
    pub async fn other(&self, argv: &[&str], stdin: &[u8]) -> Result<ExecOutput, TestbedError> {
        match self {
            Self::Container(session) => Ok(session.other(argv, stdin).await?),
            Self::Vantage(vantage) => vantage.run(argv, stdin).await,
        }
    }
}

impl Vantage {
    async fn run(&self, argv: &[&str], stdin: &[u8]) -> Result<ExecOutput, TestbedError> {
        self.servers.run(&self.host, argv, stdin, self.who).await
    }
}
