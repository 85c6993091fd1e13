//! Acceptance checks: what an estate promises, proved with real clients from inside its network.
//!
//! Each check states what was asked, what was expected and what came. A check never repairs anything.

mod acceptance;
mod backup;
mod calendar;
mod client;
mod dns;
mod dynamic_dns;
mod error;
mod evidence;
mod junit;
pub mod keepsake;
mod mail;
mod matrix;
mod metrics;
mod own;
mod round;
mod servers;
mod service;
mod testbed;
mod web;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use acceptance::{Acceptance, Checks, Missing, Surroundings, Sweep, Writes};
pub use client::{Client, VANTAGE};
pub use error::TestbedError;
pub use evidence::{Evidence, EvidenceKind};
pub use junit::junit;
pub use keepsake::Keepsake;
pub use matrix::{Cell, Matrix, matrices};
pub use metrics::metrics;
pub use own::OwnChecks;
pub use servers::Servers;
pub use service::{SERVICES, Service};
pub use testbed::{Seat, Testbed};

/// One acceptance check with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The service that it belongs to.
    pub service: String,
    /// What it shows, in a sentence.
    pub shows: String,
    /// What was asked, as one would type it.
    pub asked: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub came: String,
    /// Whether that is as expected.
    pub passed: bool,
    /// The hosts that it is about; none where it is about the whole service.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// How long it took.
    #[serde(serialize_with = "as_millis", rename = "elapsed_ms")]
    pub elapsed: Duration,
    /// Its place in a table that is drawn from several checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// What was seen, for a person who wants to know more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl Check {
    /// Says that the checks of a service could not be made, and why.
    #[must_use]
    pub fn not_made(service: &str, why: String) -> Self {
        let shows = "all checks of the service can be made".to_owned();
        let asked = format!("prov verify {service}");
        Open::new(service, shows, asked, "all of them".to_owned()).close(why, false)
    }
}

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

/// What came of checks, and which were not made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Results {
    /// Those that were made.
    pub checks: Vec<Check>,
    /// Those that were not.
    pub not_checked: Vec<NotChecked>,
}

impl From<Vec<Check>> for Results {
    fn from(checks: Vec<Check>) -> Self {
        Self {
            checks,
            not_checked: Vec::new(),
        }
    }
}

impl From<NotChecked> for Results {
    fn from(not_checked: NotChecked) -> Self {
        Self {
            checks: Vec::new(),
            not_checked: vec![not_checked],
        }
    }
}

impl Results {
    /// Adds others.
    pub fn append(&mut self, others: Self) {
        self.checks.extend(others.checks);
        for other in others.not_checked {
            let same = |one: &&mut NotChecked| one.service == other.service && one.why == other.why;
            match (self.not_checked.iter_mut().find(same), other.checks) {
                (
                    Some(NotChecked {
                        checks: Some(known),
                        ..
                    }),
                    Some(more),
                ) => *known += more,
                (Some(_) | None, _) => self.not_checked.push(other),
            }
        }
    }
}

fn as_millis<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(crate::report::json::millis(*elapsed))
}

/// A check that is being made.
struct Open {
    check: Check,
    started: Instant,
}

impl Open {
    fn new(service: &str, shows: String, asked: String, expected: String) -> Self {
        Self {
            check: Check {
                service: service.to_owned(),
                shows,
                asked,
                expected,
                came: String::new(),
                passed: false,
                hosts: Vec::new(),
                elapsed: Duration::ZERO,
                cell: None,
                evidence: Vec::new(),
            },
            started: Instant::now(),
        }
    }

    /// Says that the check is about a host.
    fn of(mut self, host: &str) -> Self {
        if self.check.hosts.iter().all(|known| known != host) {
            self.check.hosts.push(host.to_owned());
        }
        self
    }

    /// Gives the check its place in a table.
    fn cell(mut self, cell: Cell) -> Self {
        self.check.cell = Some(cell);
        self
    }

    /// Keeps something that was seen while the check was made.
    fn evidence(mut self, evidence: Evidence) -> Self {
        self.check.evidence.push(evidence);
        self
    }

    /// Ends a check that could not be made because a server could not be asked; other errors keep more than this check
    /// from being made.
    fn unasked(self, error: TestbedError) -> Result<Check, TestbedError> {
        match error {
            TestbedError::Server { .. } => Ok(self.close(error.to_string(), false)),
            TestbedError::Docker(_) | TestbedError::NoVantage(_) => Err(error),
        }
    }

    fn close(mut self, came: String, passed: bool) -> Check {
        self.check.came = came;
        self.check.passed = passed;
        self.check.elapsed = self.started.elapsed();
        self.check
    }
}
