//! The servers of an estate as checks ask them: over the connections of everything else, as root on the host that a check is
//! about, and as nobody on a vantage point, a host with the role of that name.

use std::collections::BTreeMap;

use tasks::estate::Location;
use tokio::sync::{Mutex, Semaphore};

use super::TestbedError;
use crate::docker::ExecOutput;
use crate::engine::{AskSession, Asker, Failure};
use crate::ssh::{Connection, Target, connect};

/// How many programs run on one server at once, each in a session of its own.
const AT_ONCE: usize = 4;

/// The servers of an estate, as far as they can be reached.
pub struct Servers {
    hosts: BTreeMap<String, Host>,
    /// Which of them clients run on.
    vantage: BTreeMap<Location, String>,
    /// The certificate of the estate's authority.
    trust: Option<String>,
}

struct Host {
    target: Result<Target, Failure>,
    /// Those that nobody uses at the moment. One in which a program was cut off never comes back here.
    idle: Mutex<Vec<AskSession>>,
    free: Semaphore,
}

/// As whom a program runs on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    /// As root, who knows what the host knows.
    Root,
    /// As nobody, who trusts the estate's authority besides those that Debian trusts.
    Nobody,
}

impl Servers {
    /// Gathers servers, and which of them are vantage points.
    #[must_use]
    pub fn new(
        targets: Vec<(String, Result<Target, Failure>)>,
        vantage: BTreeMap<Location, String>,
        trust: Option<String>,
    ) -> Self {
        let hosts = targets.into_iter().map(|(name, target)| {
            let host = Host {
                target,
                idle: Mutex::default(),
                free: Semaphore::new(AT_ONCE),
            };
            (name, host)
        });
        Self {
            hosts: hosts.collect(),
            vantage,
            trust,
        }
    }

    /// Names the vantage point of a side.
    pub(super) fn vantage(&self, location: Location) -> Option<&str> {
        self.vantage.get(&location).map(String::as_str)
    }

    /// Connects to the vantage point of a side, where there is one: whatever goes over that connection comes from there.
    pub async fn connect(
        &self,
        location: Location,
    ) -> Option<Result<(&Target, Connection), Failure>> {
        let host = self.hosts.get(self.vantage(location)?)?;
        let connected = async {
            let target = host.target.as_ref().map_err(Clone::clone)?;
            Ok((target, connect(target).await?))
        };
        Some(connected.await)
    }

    /// Gives the certificate of the estate's authority.
    #[must_use]
    pub fn trust(&self) -> Option<&str> {
        self.trust.as_deref()
    }

    /// Runs a program on a server and waits for its end; what is secret belongs into the input.
    pub(super) async fn run(
        &self,
        host: &str,
        argv: &[&str],
        stdin: &[u8],
        who: As,
    ) -> Result<ExecOutput, TestbedError> {
        let ran = self.ran(host, argv, stdin, who).await;
        ran.map_err(|failure| TestbedError::Server {
            host: host.to_owned(),
            failure: Box::new(failure),
        })
    }

    async fn ran(
        &self,
        name: &str,
        argv: &[&str],
        stdin: &[u8],
        who: As,
    ) -> Result<ExecOutput, Failure> {
        let defect = |what: &str| Failure::internal(&format!("internal error: {what}"));
        let Some(host) = self.hosts.get(name) else {
            return Err(defect(&format!("{name} is no host of the estate")));
        };
        let stdin = std::str::from_utf8(stdin);
        let stdin = stdin.map_err(|_| defect("the input of a check is no text"))?;
        let target = host.target.as_ref().map_err(Clone::clone)?;
        let asker = match who {
            As::Root => Asker::Root,
            As::Nobody => Asker::Nobody(self.trust.as_deref()),
        };
        let turn = host.free.acquire().await;
        let _turn = turn.map_err(|_| defect("nobody may ask this host any more"))?;
        let idle = host.idle.lock().await.pop();
        let mut session = match idle {
            Some(session) => session,
            None => AskSession::open(target).await?,
        };
        let said = session.ask(argv, stdin, asker).await?;
        host.idle.lock().await.push(session);
        Ok(ExecOutput {
            stdout: said.stdout,
            stderr: said.stderr,
            code: said.code,
        })
    }

    /// Ends all sessions.
    pub async fn close(&self) {
        for host in self.hosts.values() {
            for session in host.idle.lock().await.drain(..) {
                session.close().await;
            }
        }
    }
}
