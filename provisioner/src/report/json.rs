//! What a program reads of a run: one JSON object, whose form is documented in `docs/json.md`.

use serde_json::{Value, json};

use crate::engine::{Failure, HostOutcome, RunOutcome};

/// Renders a whole run.
#[must_use]
pub fn run(outcome: &RunOutcome) -> Value {
    let hosts: Vec<_> = outcome.hosts.iter().map(host).collect();
    let not_begun = outcome.not_begun.iter();
    let not_begun: Vec<_> = not_begun
        .map(|(host, why)| json!({ "host": host, "reason": why.to_string() }))
        .collect();
    json!({
        "hosts": hosts,
        "summary": outcome.summary(),
        "other_domains": outcome.other_domains,
        "not_begun": not_begun,
        "elapsed_ms": millis(outcome.elapsed),
    })
}

/// Renders a run that was well on every host it speaks of and yet not what was asked for.
#[must_use]
pub fn failed_run(outcome: &RunOutcome, failure: &Failure) -> Value {
    let mut run = run(outcome);
    run["failed"] = json!(failure);
    run
}

/// Renders one host.
#[must_use]
pub fn host(outcome: &HostOutcome) -> Value {
    json!({
        "host": outcome.host,
        "status": outcome.status(),
        "changes": outcome.changes,
        "unknown": outcome.unknown,
        "deferred": outcome.deferred,
        "handlers": outcome.handlers,
        "dropped_handlers": outcome.dropped,
        "notes": outcome.notes,
        "left": outcome.left,
        "unchanged": outcome.unchanged,
        "failed": outcome.failed,
        "round_trips": outcome.round_trips,
        "steps": outcome.took,
        "elapsed_ms": millis(outcome.elapsed),
    })
}

/// Gives a duration in whole milliseconds.
#[must_use]
pub fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
