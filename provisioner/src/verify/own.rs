//! The checks of roles of an estate's own: each is a command that is run where the check says, until it holds or time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::Location;
use tasks::promise::Promises;
use tasks::promise::check::{OwnCheck, Reply, Verdict};

use super::round::Round;
use super::{Acceptance, Check, Client, Evidence, Open, Results, Testbed, TestbedError, VANTAGE};
use crate::docker::ExecOutput;

/// How many checks are under way at once.
const AT_ONCE: usize = 8;

/// The first wait before a check is made again; each one is longer by half.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest of these waits.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The checks of one role.
#[derive(Debug)]
pub struct OwnChecks {
    role: String,
    checks: Vec<Arc<OwnCheck>>,
}

impl OwnChecks {
    /// Takes those of a role from what is promised.
    #[must_use]
    pub fn of(role: &str, promises: &Promises) -> Self {
        let checks = promises.own_checks.iter();
        let checks = checks.filter(|check| check.role == role);
        Self {
            role: role.to_owned(),
            checks: checks.cloned().collect(),
        }
    }

    /// Tells whether there is nothing to check, because no host has the role or all of it is left out there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }
}

impl Acceptance for OwnChecks {
    fn clients(&self) -> Vec<Client> {
        let is_used = |location: &Location| {
            let mut checks = self.checks.iter();
            checks.any(|check| check.from.location() == Some(*location))
        };
        let used = Location::EVERY.into_iter().filter(is_used);
        used.map(vantage).collect()
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let mut round = Round::new(&self.role, testbed);
            for check in &self.checks {
                match check.from.location() {
                    None => {
                        round.add(async { Ok(vec![self.until_it_holds(check, testbed).await?]) });
                    }
                    Some(location) => {
                        round.ask(vantage(location), |_| self.until_it_holds(check, testbed));
                    }
                }
            }
            round.make(AT_ONCE).await
        }
        .boxed()
    }
}

/// Gives the client with the programs of all kinds of checks.
const fn vantage(location: Location) -> Client {
    Client {
        name: VANTAGE,
        location,
    }
}

impl OwnChecks {
    async fn until_it_holds(
        &self,
        check: &OwnCheck,
        testbed: &Testbed,
    ) -> Result<Check, TestbedError> {
        let open = Open::new(&self.role, check.shows(), check.typed(), check.expected());
        let open = open.of(&check.host.name);
        let started = Instant::now();
        let mut tries = Tries::default();
        loop {
            let (verdict, reply) = match once(check, testbed).await {
                Ok(came) => came,
                Err(error) => return open.unasked(error),
            };
            if verdict.passed || !tries.another(started, check.within) {
                return Ok(closed(open, check, verdict, &reply));
            }
            tries.pause().await;
        }
    }
}

/// When a check is made again.
struct Tries(Duration);

impl Default for Tries {
    fn default() -> Self {
        Self(PAUSE)
    }
}

impl Tries {
    /// Tells whether there is time for another one.
    fn another(&self, started: Instant, within: Duration) -> bool {
        started.elapsed() + self.0 <= within
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 + self.0 / 2).min(LONGEST_PAUSE);
    }
}

/// Ends a check with its verdict; one that failed shows what was printed.
fn closed(open: Open, check: &OwnCheck, verdict: Verdict, reply: &Reply) -> Check {
    let printed = check.printed(reply);
    let open = if verdict.passed || printed.is_empty() {
        open
    } else {
        open.evidence(Evidence::text("what was printed", printed))
    };
    open.close(verdict.came, verdict.passed)
}

/// Runs the program of a check where it is to be run.
async fn once(check: &OwnCheck, testbed: &Testbed) -> Result<(Verdict, Reply), TestbedError> {
    let ask = check.ask();
    let argv: Vec<_> = ask.argv.iter().map(String::as_str).collect();
    let stdin = ask.stdin.expose().as_bytes();
    let output = match check.from.location() {
        None => testbed.on(&check.host.name, &argv, stdin).await?,
        Some(location) => {
            testbed
                .client(vantage(location))?
                .other(&argv, stdin)
                .await?
        }
    };
    let reply = reply(&output);
    Ok((check.judge(&reply), reply))
}

fn reply(output: &ExecOutput) -> Reply {
    Reply {
        bytes: output.stdout.len(),
        stdout: output.text(),
        stderr: output.errors(),
        code: output.code,
    }
}
