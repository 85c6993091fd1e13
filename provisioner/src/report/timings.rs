//! Which hosts and which of their steps took longest.

use std::cmp::Reverse;
use std::time::Duration;

use tasks::pushln;

use super::columns::{filled, right, width};
use super::style::{self, paint};
use super::text::{printable, seconds};
use crate::engine::HostOutcome;

/// Hosts and steps that are listed.
const MOST: usize = 10;

/// Renders the slowest hosts and the slowest steps, the slowest first.
#[must_use]
pub fn timings(hosts: &[HostOutcome]) -> String {
    let by_host = hosts.iter().map(|host| {
        let changes = match host.changes.len() {
            1 => "1 change".to_owned(),
            count => format!("{count} changes"),
        };
        (printable(&host.host), host.elapsed, changes)
    });
    let steps = hosts.iter().flat_map(|host| {
        let steps = host.took.iter();
        steps.map(|took| (printable(&host.host), took.elapsed, printable(&took.what)))
    });
    let mut text = String::new();
    table(&mut text, "slowest hosts", by_host.collect());
    table(&mut text, "slowest steps", steps.collect());
    text
}

fn table(text: &mut String, heading: &str, mut rows: Vec<(String, Duration, String)>) {
    if rows.is_empty() {
        return;
    }
    let all = rows.len();
    rows.sort_by_key(|(_, elapsed, _)| Reverse(*elapsed));
    rows.truncate(MOST);
    let of = if all > MOST {
        format!(" ({MOST} of {all})")
    } else {
        String::new()
    };
    let name = rows
        .iter()
        .map(|(name, ..)| width(name))
        .max()
        .unwrap_or_default();
    pushln!(text, "{}", paint(style::STRONG, &format!("{heading}{of}")));
    for (host, elapsed, what) in rows {
        let time = right(&seconds(elapsed), 11);
        pushln!(text, "{time}  {}  {what}", filled(&host, name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Took;

    #[test]
    fn the_slowest_come_first_and_the_rest_is_counted() {
        let host = |name: &str, seconds: u64, steps: u64| {
            let mut host = HostOutcome::new(name);
            host.elapsed = Duration::from_secs(seconds);
            host.took = (1..=steps)
                .map(|number| Took {
                    what: format!("file /etc/{number}\u{1b}[2J"),
                    elapsed: Duration::from_millis(number * 100),
                })
                .collect();
            host
        };
        let text = timings(&[host("web1", 12, 8), host("日本", 75, 4), host("dns", 0, 0)]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn nothing_is_said_where_nothing_was_done() {
        assert_eq!(timings(&[]), "");
    }
}
