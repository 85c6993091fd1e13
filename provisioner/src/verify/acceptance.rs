//! The one shape of every service's checks: which clients they need, how they are made with them, and what they leave behind.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::{Location, StandIn};

use super::Check;
use crate::docker::{ClientScope, ClientSession, DockerError, EstateContainers, Progress};

/// What checks may know besides the promises.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'e> {
    /// The stand-ins for services of the outside world.
    pub stand_ins: &'e [StandIn],
    /// A name that only upstream name servers know, if one is known here.
    pub upstream_name: Option<&'e str>,
}

/// Why there is nothing to check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; {hint}")]
pub struct Missing {
    /// What is missing.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// Whether nothing is promised that could be broken, such as where no domain has a web site yet. Then it is a failure
    /// only for whoever asks for this service by its name.
    pub nothing_promised: bool,
}

impl Missing {
    /// Says what keeps a service from being checked.
    pub fn new(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            hint: hint.into(),
            nothing_promised: false,
        }
    }

    /// Says that nothing is promised yet.
    pub fn nothing_promised(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            nothing_promised: true,
            ..Self::new(cause, hint)
        }
    }
}

/// The checks of one service, or what is missing for them.
pub type Checks = Result<Box<dyn Acceptance>, Missing>;

/// The checks of one service, ready to be made.
pub trait Acceptance: Send + Sync {
    /// Lists the clients that are needed, in the order in which they are opened.
    fn clients(&self) -> Vec<Client>;

    /// Makes the checks.
    fn make<'b>(&'b self, bench: &'b Bench) -> BoxFuture<'b, Result<Vec<Check>, DockerError>>;

    /// Takes away what the checks may have left behind; nothing, unless a service says otherwise.
    fn sweep<'b>(
        &'b self,
        _bench: &'b Bench,
        _why: Sweep,
    ) -> BoxFuture<'b, Result<(), DockerError>> {
        async { Ok(()) }.boxed()
    }
}

/// Why something may have been left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Not all checks were made.
    GivenUp,
    /// All were made, and some failed.
    Failed,
}

/// A program in a container of its own, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its name, as in `prov client`.
    pub name: &'static str,
    /// Where it stands.
    pub location: Location,
}

impl Client {
    /// Describes a client in the office.
    #[must_use]
    pub const fn inside(name: &'static str) -> Self {
        Self {
            name,
            location: Location::Internal,
        }
    }

    /// Describes a client on the Internet.
    #[must_use]
    pub const fn outside(name: &'static str) -> Self {
        Self {
            name,
            location: Location::External,
        }
    }
}

/// What checks are made with.
#[derive(Debug)]
pub struct Bench {
    /// The estate's containers.
    pub containers: EstateContainers,
    /// A word of letters and digits by which what this run leaves behind is known.
    pub run: String,
    sessions: Vec<(Client, ClientSession)>,
}

impl Bench {
    /// Opens clients; those that are open already are closed again where one cannot be opened.
    pub async fn open(
        containers: EstateContainers,
        run: String,
        clients: Vec<(Client, ClientScope)>,
        progress: &Progress<'_>,
    ) -> Result<Self, DockerError> {
        let mut bench = Self {
            containers,
            run,
            sessions: Vec::new(),
        };
        for (client, scope) in clients {
            let opened = bench.containers.open_client(client.name, &scope, progress);
            match opened.await {
                Ok(session) => bench.sessions.push((client, session)),
                Err(error) => {
                    bench.close().await?;
                    return Err(error);
                }
            }
        }
        Ok(bench)
    }

    /// Finds a client that was opened.
    pub fn client(&self, client: Client) -> Result<&ClientSession, DockerError> {
        let mut sessions = self.sessions.iter();
        let found = sessions.find(|(opened, _)| *opened == client);
        found
            .map(|(_, session)| session)
            .ok_or_else(|| DockerError::UnknownClient {
                client: client.name.to_owned(),
                nearest: None,
            })
    }

    /// Removes the clients' containers.
    pub async fn close(self) -> Result<(), DockerError> {
        let mut closed = Ok(());
        for (_, session) in self.sessions {
            closed = closed.and(session.close().await);
        }
        closed
    }
}
