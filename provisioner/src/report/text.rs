//! What a person reads of a run: the changes of each host with their diffs, a recap, a closing line.

use std::fmt::Write as _;
use std::time::Duration;

use super::style::{self, paint};
pub use tasks::visible as printable;

use tasks::leaving::Left;
use tasks::{push, pushln};

use crate::engine::{ChangeOutcome, Failure, HostOutcome, RunOutcome, Status, Summary};

/// Whether a run only looked or also changed, which decides the wording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// Nothing was changed.
    Would,
    /// It was done.
    Did,
}

/// How much a person wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What failed, and how it ended.
    Quiet,
    /// What was found and done.
    Usual,
    /// All of it.
    Full,
}

/// Column at which the state of a host stands.
const STATE_COLUMN: usize = 64;

/// Lines of a diff that are shown before the rest is only counted; `-v` shows all.
const MOST_DIFF: usize = 200;

/// Renders a run: each host, unless they have been shown, a recap, a closing line.
#[must_use]
pub fn run(outcome: &RunOutcome, tense: Tense, detail: Detail) -> String {
    let mut text = String::new();
    for outcome in outcome.hosts.iter().filter(|_| !outcome.shown) {
        text.push_str(&one_host(outcome, tense, detail));
    }
    if tense == Tense::Did && outcome.hosts.len() > 1 && detail != Detail::Quiet {
        recap(&mut text, outcome);
    }
    closing(&mut text, &outcome.summary(), tense, outcome.elapsed);
    not_begun(&mut text, outcome);
    other_domains(&mut text, &outcome.other_domains, tense);
    text
}

/// Names the hosts that were not begun, together where the reason is the same.
fn not_begun(text: &mut String, outcome: &RunOutcome) {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for (host, why) in &outcome.not_begun {
        let why = why.to_string();
        match groups.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, hosts)) => hosts.push(host),
            None => groups.push((why, vec![host])),
        }
    }
    for (why, hosts) in groups {
        let count = counted(hosts.len(), "host was", "hosts were");
        let hosts = printable(&hosts.join(", "));
        pushln!(text, "{count} not begun: {hosts}: {}", printable(&why));
    }
}

/// Says which domains a run was not about, so that nobody takes them for well.
fn other_domains(text: &mut String, domains: &[String], tense: Tense) {
    if domains.is_empty() {
        return;
    }
    let count = counted(domains.len(), "domain was", "domains were");
    let names = printable(&domains.join(", "));
    let it = if domains.len() == 1 { "it" } else { "them" };
    let _ = match tense {
        Tense::Would => writeln!(
            text,
            "{count} not looked at: {names}; `prov diff --domains` looks at {it}, too."
        ),
        Tense::Did => writeln!(
            text,
            "{count} not set up: {names}; `prov domain --all` does that."
        ),
    };
}

/// Renders what became of one host; nothing where that is not worth a word.
#[must_use]
pub fn one_host(outcome: &HostOutcome, tense: Tense, detail: Detail) -> String {
    let mut text = String::new();
    if detail != Detail::Quiet || outcome.failed.is_some() {
        host(&mut text, outcome, tense, detail);
    }
    text
}

/// Renders a run in short: what failed, a recap, a closing line.
#[must_use]
pub fn summary(outcome: &RunOutcome, tense: Tense, detail: Detail) -> String {
    let mut text = String::new();
    for outcome in outcome.hosts.iter().filter(|host| host.failed.is_some()) {
        host(&mut text, outcome, tense, Detail::Usual);
    }
    if detail != Detail::Quiet {
        recap(&mut text, outcome);
    }
    closing(&mut text, &outcome.summary(), tense, outcome.elapsed);
    text
}

/// Renders one host.
fn host(text: &mut String, outcome: &HostOutcome, tense: Tense, detail: Detail) {
    let status = outcome.status();
    let state = match status {
        Status::UpToDate if outcome.deferred.is_empty() => "up to date".to_owned(),
        Status::UpToDate => format!("up to date, {} deferred", outcome.deferred.len()),
        Status::Changed if outcome.changes.is_empty() => {
            if outcome.handlers.is_empty() {
                "not known yet".to_owned()
            } else {
                counted(outcome.handlers.len(), "handler", "handlers")
            }
        }
        Status::Changed => counted(outcome.changes.len(), "change", "changes"),
        Status::Failed => "failed".to_owned(),
        Status::Unreachable => "unreachable".to_owned(),
    };
    let name = &outcome.host;
    let width = STATE_COLUMN.saturating_sub(name.chars().count()).max(2);
    pushln!(
        text,
        "{}{}{}",
        paint(style::STRONG, name),
        " ".repeat(width),
        paint(style::of_status(status), &state)
    );
    for left in &outcome.left {
        self::left(text, left);
    }
    for outcome in &outcome.changes {
        change(text, outcome, detail);
    }
    for waiting in &outcome.unknown {
        pushln!(
            text,
            "  {} {:<9} {}   {}",
            paint(style::WAIT, "?"),
            waiting.resource,
            printable(&waiting.id),
            paint(
                style::FAINT,
                &format!("known after {}", printable(&waiting.reason))
            )
        );
    }
    for waiting in &outcome.deferred {
        pushln!(
            text,
            "  {} {:<9} {}   {}",
            paint(style::WAIT, "…"),
            waiting.resource,
            printable(&waiting.id),
            paint(
                style::FAINT,
                &format!("deferred: {}", printable(&waiting.reason))
            )
        );
    }
    if !outcome.handlers.is_empty() {
        let word = match tense {
            Tense::Would => "then",
            Tense::Did => "ran",
        };
        pushln!(
            text,
            "  {} {word:<9} {}",
            paint(style::CHANGE, "→"),
            printable(&outcome.handlers.join(", "))
        );
    }
    if !outcome.dropped.is_empty() {
        let word = match tense {
            Tense::Would => "drops",
            Tense::Did => "dropped",
        };
        pushln!(
            text,
            "  {} {word:<9} {}   {}",
            paint(style::CHANGE, "→"),
            printable(&outcome.dropped.join(", ")),
            paint(style::FAINT, "nothing on this host names it any more")
        );
    }
    for note in &outcome.notes {
        pushln!(text, "  {} {}", paint(style::WAIT, "!"), printable(note));
    }
    if let Some(failed) = &outcome.failed {
        failure(text, failed);
    }
}

/// Says what becomes of a role or domain that the host does not have any more.
fn left(text: &mut String, left: &Left) {
    let name = printable(&left.name);
    let bare = printable(left.bare()).replace(", ", ",");
    pushln!(
        text,
        "  no longer declared: {}",
        paint(style::STRONG, &name)
    );
    let mut line = |word: &str, what: &str| {
        pushln!(
            text,
            "      {}",
            paint(style::FAINT, &format!("{word}: {what}"))
        );
    };
    if left.elsewhere {
        line(
            "stays",
            &format!(
                "`prov domain {bare} --remove` takes it away, `prov apply --forget {bare}` leaves it alone"
            ),
        );
    }
    if left.forgotten {
        line(
            "stays",
            "it is forgotten, with everything of it in its place",
        );
    }
    if !left.goes.is_empty() {
        line("goes", &printable(&left.goes.join(", ")));
    }
    if !left.keeps.is_empty() {
        let keeps = printable(&left.keeps.join(", "));
        line(
            "stays",
            &format!(
                "{keeps} (`prov apply --purge-data` takes data away, `--forget {bare}` leaves it alone)"
            ),
        );
    }
}

fn change(text: &mut String, change: &ChangeOutcome, detail: Detail) {
    let glyph = change.action.glyph().to_string();
    let mut line = format!(
        "  {} {:<9} {}",
        paint(style::of_action(change.action), &glyph),
        change.resource,
        printable(if change.resource == "packages" {
            &change.detail
        } else {
            &change.id
        })
    );
    if !change.detail.is_empty() && change.resource != "packages" {
        // Such as the target that a link has now.
        push!(line, "   {}", printable(&change.detail));
    }
    let guarded = if change.guarded.is_some() {
        ", guarded"
    } else {
        ""
    };
    let reason = format!("{}{guarded}", change.reason);
    pushln!(text, "{line}   {}", paint(style::FAINT, &reason));
    let lines: Vec<_> = change.diff.lines().collect();
    let shown = if detail == Detail::Full {
        lines.len()
    } else {
        MOST_DIFF.min(lines.len())
    };
    for line in &lines[..shown] {
        let style = match line.chars().next() {
            Some('+') => style::GOOD,
            Some('-') => style::BAD,
            _ => style::FAINT,
        };
        pushln!(text, "      {}", paint(style, line));
    }
    if shown < lines.len() {
        pushln!(
            text,
            "      … {} more lines; `-v` shows all",
            lines.len() - shown
        );
    }
}

/// Renders why a host failed: what was being done, what the host answered, what to do.
fn failure(text: &mut String, failure: &Failure) {
    let what = failure
        .resource
        .as_ref()
        .map_or_else(String::new, |name| format!("{}: ", printable(name)));
    pushln!(
        text,
        "  {} {what}{}",
        paint(style::BAD, "error:"),
        printable(&failure.cause)
    );
    for line in last_lines(&failure.output, 15) {
        pushln!(text, "      {} {line}", paint(style::FAINT, "|"));
    }
    let hint = printable(&failure.remedy.to_string());
    if !hint.is_empty() {
        pushln!(text, "  {} {hint}", paint(style::WAIT, "hint:"));
    }
}

/// Gives the last lines of an output, without characters that could draw on the terminal.
fn last_lines(output: &str, most: usize) -> Vec<String> {
    let lines: Vec<_> = output
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(most)..]
        .iter()
        .map(|line| printable(line))
        .collect()
}

fn recap(text: &mut String, outcome: &RunOutcome) {
    let width = outcome
        .hosts
        .iter()
        .map(|host| host.host.chars().count())
        .max();
    let width = width.unwrap_or(0).max(4);
    pushln!(
        text,
        "\n{:<width$}  {:>5}  {:>7}  {:>8}  {:>6}  {:>7}",
        "host",
        "ok",
        "changed",
        "deferred",
        "failed",
        "time"
    );
    for host in &outcome.hosts {
        let failed = usize::from(host.failed.is_some());
        pushln!(
            text,
            "{:<width$}  {:>5}  {:>7}  {:>8}  {:>6}  {:>7}",
            host.host,
            host.unchanged,
            host.changes.len(),
            host.deferred.len(),
            failed,
            seconds(host.elapsed)
        );
    }
    text.push('\n');
}

fn closing(text: &mut String, summary: &Summary, tense: Tense, elapsed: Duration) {
    let Summary {
        add,
        change,
        remove,
        ..
    } = summary;
    let mut states = Vec::new();
    let word = match tense {
        Tense::Would => "with changes",
        Tense::Did => "changed",
    };
    for (count, word) in [
        (summary.changed, word),
        (summary.up_to_date, "up to date"),
        (summary.failed, "failed"),
        (summary.unreachable, "unreachable"),
    ] {
        if count > 0 {
            states.push(format!("{count} {word}"));
        }
    }
    push!(
        text,
        "{}: {}. ",
        counted(summary.hosts, "host", "hosts"),
        states.join(", ")
    );
    let _ = match tense {
        Tense::Would => write!(text, "{add} to add, {change} to change, {remove} to remove"),
        Tense::Did => write!(text, "{add} added, {change} changed, {remove} removed"),
    };
    if summary.unknown > 0 {
        push!(text, ", {} not known yet", summary.unknown);
    }
    if summary.deferred > 0 {
        push!(text, ", {} deferred", summary.deferred);
    }
    text.push('.');
    if tense == Tense::Would {
        text.push_str(" Nothing was changed.");
    }
    pushln!(text, "   {}", seconds(elapsed));
}

/// Writes a count with its word.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Writes a duration as people read it.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!(
            "{} min {:02} s",
            duration.as_secs() / 60,
            duration.as_secs() % 60
        )
    }
}
