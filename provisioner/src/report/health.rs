//! How servers are: a few lines for each, what is not well, and the same for programs.

use serde_json::{Value, json};
use tasks::health::{DAY, Finding, Severity, ago, percent, span};
use tasks::probe::{BackupFact, HealthFact, UnitState};
use tasks::pushln;
use tasks::role::Served;

use super::style::{self, paint};
use super::text::{counted, printable};
use crate::engine::Failure;

/// What is known of one server.
pub struct Row {
    /// Its name.
    pub host: String,
    /// What it runs and how it is, or why it does not say.
    pub known: Result<ServerHealth, Failure>,
}

/// What a server has answered.
pub struct ServerHealth {
    /// Its release of Debian.
    pub release: String,
    /// How it is.
    pub fact: HealthFact,
    /// The services that its roles have run.
    pub services: Served,
    /// What the director knows of its backups; `None` where nothing backs it up, or the director was not asked.
    pub backup: Option<BackupFact>,
    /// What is not well.
    pub findings: Vec<Finding>,
}

/// Renders one server.
#[must_use]
pub fn host(row: &Row) -> String {
    let name = paint(style::STRONG, &format!("{:<24}", row.host));
    let known = match &row.known {
        Ok(known) => known,
        Err(failure) => {
            let state = if failure.unreachable {
                "unreachable"
            } else {
                "failed"
            };
            let problem = super::problem::Problem::Failed(failure.clone()).text();
            return format!("{name} {}\n{problem}", paint(style::BAD, state));
        }
    };
    let fact = &known.fact;
    let mut text = String::new();
    pushln!(
        text,
        "{name} {}, up {}, load {} on {}, memory {} % of {}",
        printable(&known.release),
        span(fact.uptime),
        fact.load.map(hundredths).join(" "),
        counted(
            usize::try_from(fact.processors).unwrap_or(usize::MAX),
            "processor",
            "processors"
        ),
        percent(
            fact.memory.saturating_sub(fact.memory_free),
            fact.memory_free
        ),
        bytes(fact.memory),
    );
    let mut about = |what: &str, rest: String| {
        pushln!(text, "    {what:<12} {}", printable(&rest));
    };
    // What is in memory is of interest when it is full, which is a finding.
    let disks = fact.disks.iter().filter(|disk| disk.kind != "tmpfs");
    let disks = disks.map(|disk| {
        let full = percent(disk.used, disk.free);
        format!("{} {full} % of {}", disk.target, bytes(disk.size))
    });
    about("disks", disks.collect::<Vec<_>>().join(", "));
    about("updates", updates(fact));
    if !fact.certificates.is_empty() {
        about("certificates", certificates(fact));
    }
    if let Some(backup) = known.backup {
        about(
            "last backup",
            backup
                .done
                .map_or_else(|| "none".to_owned(), |at| ago(fact.now.saturating_sub(at))),
        );
    }
    for (name, roles) in &known.services {
        let unit = fact.services.get(name);
        let (style, word) = state(unit.map(|unit| unit.state));
        let since = unit.and_then(|unit| unit.since);
        let since = since.map_or_else(String::new, |since| format!("for {}", span(since)));
        let roles: Vec<_> = roles.iter().map(String::as_str).collect();
        pushln!(
            text,
            "    {:<20} {} {since:<16} {}",
            name.as_str(),
            paint(style, &format!("{word:<10}")),
            paint(style::FAINT, &roles.join(", "))
        );
    }
    for finding in &known.findings {
        let (style, sign) = sign(finding.severity);
        pushln!(
            text,
            "    {} {}",
            paint(style, sign),
            printable(&finding.text)
        );
    }
    text
}

fn updates(fact: &HealthFact) -> String {
    let lists = fact.lists.map_or_else(
        || "no lists of packages".to_owned(),
        |at| format!("lists of {}", ago(fact.now.saturating_sub(at))),
    );
    let reboot = if fact.reboot { ", reboot wanted" } else { "" };
    format!(
        "{} pending, {} for security ({lists}){reboot}",
        fact.pending, fact.security
    )
}

/// Names the certificate that ends first, as the others have longer.
fn certificates(fact: &HealthFact) -> String {
    let days = |ends: u64| ends.saturating_sub(fact.now) / DAY;
    let first = fact
        .certificates
        .iter()
        .filter_map(|it| Some((it.ends?, &it.path)));
    let all = counted(fact.certificates.len(), "certificate", "certificates");
    match first.min() {
        Some((ends, path)) => format!("{all}, the first ends in {} days: {path}", days(ends)),
        None => format!("{all}, none that can be read"),
    }
}

const fn state(state: Option<UnitState>) -> (anstyle::Style, &'static str) {
    match state {
        Some(UnitState::Running) => (style::GOOD, "running"),
        Some(UnitState::Changing) => (style::CHANGE, "changing"),
        Some(UnitState::Looping) => (style::BAD, "restarting"),
        Some(UnitState::Stopped) => (style::BAD, "stopped"),
        Some(UnitState::Failed) => (style::BAD, "failed"),
        Some(UnitState::Masked) => (style::BAD, "masked"),
        Some(UnitState::Unknown) => (style::BAD, "no service"),
        None => (style::BAD, "not known"),
    }
}

const fn sign(severity: Severity) -> (anstyle::Style, &'static str) {
    match severity {
        Severity::Broken => (style::BAD, "!"),
        Severity::Soon => (style::CHANGE, "~"),
    }
}

/// Says how many servers are well, and of which not everything is.
#[must_use]
pub fn closing(rows: &[Row]) -> String {
    let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
    let broken = |finding: &Finding| finding.severity == Severity::Broken;
    let worst = move |row: &Row| {
        row.known
            .as_ref()
            .ok()
            .map(|known| known.findings.iter().any(broken))
    };
    let parts = [
        (
            count(|row| row.findings().is_some_and(<[Finding]>::is_empty)),
            "well",
        ),
        (
            rows.iter().filter(|row| worst(row) == Some(true)).count(),
            "with something broken",
        ),
        (
            rows.iter()
                .filter(|row| {
                    worst(row) == Some(false) && row.findings().is_some_and(|it| !it.is_empty())
                })
                .count(),
            "to look after",
        ),
        (count(|row| row.known.is_err()), "without an answer"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!(
        "{}: {}.",
        counted(rows.len(), "server", "servers"),
        parts.join(", ")
    )
}

impl Row {
    /// Gives what is not well, where that is known.
    #[must_use]
    pub fn findings(&self) -> Option<&[Finding]> {
        self.known
            .as_ref()
            .ok()
            .map(|known| known.findings.as_slice())
    }
}

/// Describes one server for programs.
#[must_use]
pub fn json(row: &Row) -> Value {
    let known = match &row.known {
        Ok(known) => known,
        Err(failure) => return json!({ "host": row.host, "failed": failure }),
    };
    let fact = &known.fact;
    let services = known.services.iter().map(|(name, roles)| {
        let unit = fact.services.get(name);
        json!({
            "name": name,
            "roles": roles,
            "state": unit.map(|unit| unit.state),
            "since_s": unit.and_then(|unit| unit.since),
        })
    });
    let certificates = fact.certificates.iter().map(|it| {
        json!({ "path": it.path, "ends": it.ends, "days": it.ends.map(|ends| ends.saturating_sub(fact.now) / DAY) })
    });
    let failed = fact
        .failed
        .iter()
        .map(|unit| json!({ "name": unit.name, "since_s": unit.since }));
    json!({
        "host": row.host,
        "failed": null,
        "release": known.release,
        "kernel": fact.kernel,
        "now": fact.now,
        "uptime_s": fact.uptime,
        "load": fact.load.map(hundredths),
        "processors": fact.processors,
        "memory": fact.memory,
        "memory_free": fact.memory_free,
        "disks": fact.disks,
        "updates": {
            "pending": fact.pending,
            "security": fact.security,
            "lists": fact.lists,
            "interrupted": fact.interrupted,
            "refused": fact.apt_problem,
        },
        "reboot": fact.reboot,
        "failed_units": failed.collect::<Vec<_>>(),
        "services": services.collect::<Vec<_>>(),
        "certificates": certificates.collect::<Vec<_>>(),
        "backup": known.backup.map(|backup| json!({ "done": backup.done, "failed": backup.failed })),
        "findings": known.findings,
    })
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}

/// Puts a number of bytes into words.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let (mut tenths, mut unit) = (bytes.saturating_mul(10) / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(findings: &[(Severity, &str)]) -> Row {
        let findings = findings.iter().map(|(severity, text)| Finding {
            code: "x",
            severity: *severity,
            text: (*text).to_owned(),
        });
        Row {
            host: "hub".to_owned(),
            known: Ok(ServerHealth {
                release: "trixie".to_owned(),
                fact: HealthFact {
                    now: 1_780_000_000,
                    uptime: 2 * DAY,
                    load: [5, 110, 2000],
                    processors: 1,
                    memory: 4 << 30,
                    memory_free: 3 << 30,
                    ..HealthFact::default()
                },
                services: Served::new(),
                backup: Some(BackupFact::default()),
                findings: findings.collect(),
            }),
        }
    }

    #[test]
    fn a_server_is_described_in_a_few_lines() {
        let text = anstream::adapter::strip_str(&host(&row(&[(Severity::Broken, "a\u{1b}[2Jb")])))
            .to_string();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        assert_eq!(
            lines,
            [
                "hub                      trixie, up 2 days, load 0.05 1.10 20.00 on 1 processor, memory 25 % of 4.0 GiB",
                "    disks",
                "    updates      0 pending, 0 for security (no lists of packages)",
                "    last backup  none",
                "    ! a\\u{1b}[2Jb",
            ]
        );
    }

    #[test]
    fn the_last_line_counts_servers_by_what_is_worst() {
        let failed = Row {
            host: "x".to_owned(),
            known: Err(Failure::new("no", "none")),
        };
        let rows = [
            row(&[]),
            row(&[(Severity::Soon, "s")]),
            row(&[(Severity::Broken, "b"), (Severity::Soon, "s")]),
            failed,
        ];
        assert_eq!(
            closing(&rows),
            "4 servers: 1 well, 1 with something broken, 1 to look after, 1 without an answer."
        );
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!(bytes(0), "0.0 KiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(5 << 40), "5.0 TiB");
    }
}
