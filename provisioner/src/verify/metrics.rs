//! Results as metrics, in the text format of Prometheus, which node exporter's collector `textfile` reads.

use std::time::Duration;

use tasks::{push, pushln};

use super::{Check, NotChecked};

/// Renders checks that were made at this time, in seconds since 1970.
#[must_use]
pub fn metrics(
    estate: &str,
    checks: &[Check],
    not_checked: &[NotChecked],
    elapsed: Duration,
    now: u64,
) -> String {
    let estate = escaped(estate);
    let mut text = String::new();
    let mut about = |name: &str, help: &str, samples: Vec<(String, String)>| {
        push!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in samples {
            pushln!(text, "{name}{{estate=\"{estate}\"{labels}}} {value}");
        }
    };
    let mut seen = std::collections::BTreeMap::new();
    // Two samples with the same labels would be refused: the worse of both counts.
    for check in checks {
        let labels = format!(
            ",service=\"{}\",check=\"{}\",asked=\"{}\"",
            escaped(&check.service),
            escaped(&check.shows),
            escaped(&check.asked)
        );
        *seen.entry(labels).or_insert(true) &= check.passed;
    }
    let samples = seen.into_iter();
    let samples = samples.map(|(labels, passed)| (labels, u8::from(passed).to_string()));
    about(
        "prov_check_passed",
        "Whether a check of prov verify holds.",
        samples.collect(),
    );
    let without = not_checked.iter().map(|it| {
        let labels = format!(
            ",service=\"{}\",why=\"{}\"",
            escaped(&it.service),
            escaped(&it.why)
        );
        (labels, it.checks.unwrap_or(1).to_string())
    });
    about(
        "prov_checks_not_made",
        "Checks of prov verify that could not be made, by the reason.",
        without.collect(),
    );
    let none = String::new;
    about(
        "prov_verify_seconds",
        "How long prov verify took.",
        vec![(none(), format!("{:.3}", elapsed.as_secs_f64()))],
    );
    about(
        "prov_verify_last_run_timestamp_seconds",
        "When prov verify was last run.",
        vec![(none(), now.to_string())],
    );
    text
}

/// Writes the value of a label.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_sample_with_escaped_labels_and_none_comes_twice() {
        let check = |passed: bool| {
            let mut check = Check::not_made("web", "x".to_owned());
            "says \"a\\b\"\nc".clone_into(&mut check.shows);
            check.passed = passed;
            check
        };
        let not_checked = NotChecked {
            service: "mail".to_owned(),
            checks: Some(3),
            why: "no vantage point outside".to_owned(),
        };
        let text = metrics(
            "firm",
            &[check(true), check(false)],
            &[not_checked],
            Duration::from_millis(1500),
            1_780_000_000,
        );
        insta::assert_snapshot!(text);
    }
}
