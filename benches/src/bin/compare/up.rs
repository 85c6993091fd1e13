//! The whole life cycle of the sample estate, by phase: without any image of prov's, with them, and once more.

use benches::estate::Estate;
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, ensure};
use serde_json::Value;

use crate::arguments::Arguments;
use crate::prepared::HOSTS;

/// Seconds within which an estate of fourteen hosts is up, without images and with them, and its checks.
const TARGETS: (f64, f64, f64) = (300.0, 180.0, 40.0);

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let estate = Estate::of_containers(&arguments.prov, &arguments.sample)?;
    let mut first = Phases::default();
    let mut second = Phases::default();
    for round in 0..arguments.runs.min(2) {
        eprintln!("  round {round}");
        estate.prov(&["down", "--base-images"])?;
        first.run(&estate)?;
        estate.prov(&["down"])?;
        second.run(&estate)?;
    }
    let within = |row: Row, seconds: f64, samples: &Samples| {
        row.target(&format!("≤ {seconds} s"), samples.median() <= seconds)
    };
    let mut rows = Vec::new();
    for (what, phases, target) in [
        ("no image", &first, TARGETS.0),
        ("images present", &second, TARGETS.1),
    ] {
        let row = Row::ratio(&format!("`up`, 14 hosts, {what}"), &phases.together, None);
        rows.push(within(row, target, &phases.together));
        for (phase, samples) in &phases.each {
            let row = Row::ratio(&format!("· {phase}"), samples, None);
            rows.push(if phase == "verify" {
                within(row, TARGETS.2, samples)
            } else {
                row
            });
        }
    }
    Ok(rows)
}

/// What the phases took.
#[derive(Default)]
struct Phases {
    each: Vec<(String, Samples)>,
    together: Samples,
}

impl Phases {
    /// Brings the estate up, and sees that all hosts were worked on and all checks passed.
    fn run(&mut self, estate: &Estate) -> Result<()> {
        let ran = estate.prov(&["up", "--forks", "14", "--output", "json"])?;
        let told: Value = serde_json::from_str(&ran.output)?;
        let checks = &told["verify"];
        let passed = checks["passed"].as_u64().unwrap_or_default();
        ensure(told["hosts"] == HOSTS && checks["failed"] == 0, || {
            format!("not all is up: {told}")
        })?;
        ensure(passed >= 200, || format!("only {passed} checks were made"))?;
        let phases = told["phases"].as_array().into_iter().flatten();
        for (number, phase) in phases.enumerate() {
            let name = phase["phase"].as_str().unwrap_or_default();
            let millis = u32::try_from(phase["elapsed_ms"].as_u64().unwrap_or_default())?;
            if self.each.len() == number {
                self.each.push((name.to_owned(), Samples::default()));
            }
            self.each[number].1.push(f64::from(millis) / 1000.0);
        }
        self.together.push(ran.seconds);
        Ok(())
    }
}
