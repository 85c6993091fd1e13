//! Acceptance checks: what a service promises, proved with real clients from inside the estate's network.
//!
//! Each check states what was asked, what was expected and what came. A check never repairs anything.

mod backup;
mod calendar;
mod dns;
mod dynamic_dns;
mod junit;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use backup::{BackupExpectations, backup};
pub use calendar::{CalendarExpectations, calendar};
pub use dns::{DnsExpectations, dns};
pub use dynamic_dns::{DynamicDnsExpectations, dynamic_dns};
pub use junit::junit;

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
    /// How long it took.
    #[serde(serialize_with = "as_millis", rename = "elapsed_ms")]
    pub elapsed: Duration,
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
                elapsed: Duration::ZERO,
            },
            started: Instant::now(),
        }
    }

    fn close(mut self, came: String, passed: bool) -> Check {
        self.check.came = came;
        self.check.passed = passed;
        self.check.elapsed = self.started.elapsed();
        self.check
    }
}
