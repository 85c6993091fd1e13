//! Where checks are made where hosts are servers: on the host itself, or on a vantage point, a host with the role of that
//! name, over the same connections as everything else.

use std::collections::BTreeMap;
use std::time::Instant;

use futures_util::StreamExt as _;
use serde::Serialize;
use tasks::estate::Location;
use tasks::promise::check::{OwnCheck, Reply};
use tokio::sync::Mutex;

use super::own::{AT_ONCE, OwnChecks, Tries};
use super::{Check, Open};
use crate::engine::{AskSession, Asker, Failure};
use crate::ssh::Target;

/// The role of hosts on which the clients of checks run.
pub const VANTAGE: &str = "vantage";

/// Checks that nobody has made, which says nothing of what they are about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotChecked {
    /// The service.
    pub service: String,
    /// How many checks; `None` where that is not known, either.
    pub checks: Option<usize>,
    /// Why not.
    pub why: String,
}

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
    /// Opened when it is used first, and again after it was lost.
    session: Mutex<Option<AskSession>>,
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
            let session = Mutex::new(None);
            (name, Host { target, session })
        });
        Self {
            hosts: hosts.collect(),
            vantage,
            trust,
        }
    }

    /// Names the host on which a check is made; `None` where there is none.
    fn standpoint<'s>(&'s self, check: &'s OwnCheck) -> Option<&'s str> {
        match check.from.location() {
            None => Some(&check.host.name),
            Some(location) => self.vantage.get(&location).map(String::as_str),
        }
    }

    /// Makes the checks of a role that can be made, and says which cannot.
    pub async fn make(&self, checks: &OwnChecks) -> (Vec<Check>, Vec<NotChecked>) {
        let mut without: BTreeMap<&str, usize> = BTreeMap::new();
        let mut made = Vec::new();
        for check in &checks.checks {
            match self.standpoint(check) {
                Some(host) => made.push(self.until_it_holds(&checks.role, check, host)),
                None => *without.entry(check.from.as_str()).or_default() += 1,
            }
        }
        let made = futures_util::stream::iter(made).buffered(AT_ONCE).collect();
        let made: Vec<_> = made.await;
        let without = without.into_iter().map(|(location, count)| NotChecked {
            service: checks.role.clone(),
            checks: Some(count),
            why: no_vantage(location),
        });
        (made, without.collect())
    }

    async fn until_it_holds(&self, role: &str, check: &OwnCheck, host: &str) -> Check {
        let open = Open::new(role, check.shows(), check.typed(), check.expected());
        let started = Instant::now();
        let mut tries = Tries::default();
        loop {
            match self.once(check, host).await {
                Err(failure) => {
                    let failure = failure.of(host);
                    return open.close(format!("{}; {}", failure.cause, failure.remedy), false);
                }
                Ok(reply) => {
                    let verdict = check.judge(&reply);
                    if verdict.passed || !tries.another(started, check.within) {
                        return super::own::closed(open, check, verdict, &reply);
                    }
                }
            }
            tries.pause().await;
        }
    }

    async fn once(&self, check: &OwnCheck, name: &str) -> Result<Reply, Failure> {
        let Some(host) = self.hosts.get(name) else {
            return Err(Failure::new(
                format!("internal error: {name} is no host of the estate"),
                "this is a defect of prov: please report it",
            ));
        };
        let target = host.target.as_ref().map_err(Clone::clone)?;
        let asker = match check.from.location() {
            None => Asker::Root,
            Some(_) => Asker::Nobody(self.trust.as_deref()),
        };
        let ask = check.ask();
        let argv: Vec<_> = ask.argv.iter().map(String::as_str).collect();
        let mut held = host.session.lock().await;
        let mut session = match held.take() {
            Some(session) => session,
            None => AskSession::open(target).await?,
        };
        let said = session.ask(&argv, ask.stdin.expose(), asker).await?;
        *held = Some(session);
        Ok(Reply {
            bytes: said.stdout.len(),
            stdout: String::from_utf8_lossy(&said.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&said.stderr).trim().to_owned(),
            code: said.code,
        })
    }

    /// Ends all sessions.
    pub async fn close(self) {
        for host in self.hosts.into_values() {
            if let Some(session) = host.session.into_inner() {
                session.close().await;
            }
        }
    }
}

/// Says why nothing can be asked from a side.
fn no_vantage(location: &str) -> String {
    format!("no vantage point {location}: no host there has the role {VANTAGE}")
}
