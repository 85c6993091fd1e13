//! What a person reads of acceptance checks: a line for each, the tables drawn from them, a closing line.

use std::time::Duration;

use tasks::{push, pushln};

use super::style::{self, paint};
use super::text::{Detail, counted, printable, seconds};
use crate::verify::{Check, Matrix, NotChecked, matrices};

/// Renders checks.
#[must_use]
pub fn checks(checks: &[Check], elapsed: Duration, detail: Detail) -> String {
    let mut text = String::new();
    table(&mut text, checks, detail);
    let drawn = match detail {
        Detail::Quiet => Vec::new(),
        Detail::Usual | Detail::Full => matrices(checks),
    };
    for drawn in &drawn {
        matrix(&mut text, drawn);
    }
    if !drawn.is_empty() {
        text.push('\n');
    }
    let failed = failed(checks);
    let passed = counted(checks.len() - failed, "check passed", "checks passed");
    let style = if failed == 0 { style::GOOD } else { style::BAD };
    pushln!(
        text,
        "{}   {}",
        paint(style, &format!("{passed}, {failed} failed")),
        seconds(elapsed)
    );
    text
}

/// Says what was not checked, and why.
#[must_use]
pub fn not_checked(one: &NotChecked) -> String {
    let checks = one.checks.map_or_else(String::new, |count| {
        format!("{} ", counted(count, "check", "checks"))
    });
    format!(
        "{} {}  {checks}{}",
        paint(style::WAIT, "not checked"),
        printable(&one.service),
        printable(&one.why)
    )
}

/// Counts the checks that failed.
#[must_use]
pub fn failed(checks: &[Check]) -> usize {
    checks.iter().filter(|check| !check.passed).count()
}

fn table(text: &mut String, checks: &[Check], detail: Detail) {
    let is_shown = |check: &&Check| detail != Detail::Quiet || !check.passed;
    let checks: Vec<_> = checks.iter().filter(is_shown).collect();
    let width = |text: fn(&Check) -> &str| {
        checks
            .iter()
            .map(|check| text(check).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (service, shows, asked) = (
        width(|check| &check.service),
        width(|check| &check.shows),
        width(|check| &check.asked),
    );
    for check in checks {
        let came = printable(&check.came);
        pushln!(
            text,
            "{} {:<service$} {:<shows$}  {:<asked$}  {}",
            word(Some(check.passed), 0),
            check.service,
            check.shows,
            check.asked,
            paint(style::FAINT, &came)
        );
        if !check.passed || detail == Detail::Full {
            pushln!(text, "              expected: {}", check.expected);
            pushln!(text, "              came:     {came}");
        }
    }
}

/// Draws a table: senders are rows, recipients columns.
fn matrix(text: &mut String, matrix: &Matrix) {
    let count = |name: &String| name.chars().count();
    let first = matrix.rows.iter().map(|(name, _)| count(name)).max();
    let first = first.unwrap_or(0);
    let widths: Vec<_> = matrix
        .columns
        .iter()
        .map(|name| count(name).max(4))
        .collect();
    let mut line = format!("  {:first$}", "");
    for (name, width) in matrix.columns.iter().zip(&widths) {
        push!(line, "  {name:<width$}");
    }
    let heading = paint(style::STRONG, &matrix.heading);
    pushln!(text, "\n{heading}\n{}", line.trim_end());
    for (name, cells) in &matrix.rows {
        push!(text, "  {name:<first$}");
        for (at, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            // Nothing follows the last one.
            let width = if at + 1 < cells.len() { *width } else { 0 };
            push!(text, "  {}", word(*cell, width));
        }
        text.push('\n');
    }
}

/// Gives the word of a result, with spaces behind it to fill a column.
fn word(passed: Option<bool>, width: usize) -> String {
    let (style, word) = match passed {
        Some(true) => (style::GOOD, "pass"),
        Some(false) => (style::BAD, "FAIL"),
        None => (style::FAINT, "—"),
    };
    let fill = width.saturating_sub(word.chars().count());
    format!("{}{:fill$}", paint(style, word), "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Cell;

    fn check(shows: &str, cell: Option<Cell>, came: &str, passed: bool) -> Check {
        Check {
            service: "mail".to_owned(),
            shows: shows.to_owned(),
            asked: "swaks".to_owned(),
            expected: "delivered".to_owned(),
            came: came.to_owned(),
            passed,
            hosts: Vec::new(),
            elapsed: Duration::from_millis(120),
            cell,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn checks_are_lines_and_those_with_a_cell_are_a_table_too() {
        let cell = |row, column| Some(Cell::new("Mail from outside", row, column));
        let made = [
            check(
                "customer to home",
                cell("customer", "home"),
                "delivered",
                true,
            ),
            check(
                "customer to customer",
                cell("customer", "customer"),
                "nothing",
                false,
            ),
            check("other to home", cell("other", "home"), "delivered", true),
            check("no relay", None, "550\u{1b}[2J relay", true),
        ];
        let text = checks(&made, Duration::from_millis(1500), Detail::Usual);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
    }

    #[test]
    fn checks_without_cells_draw_no_table() {
        let made = [check("one", None, "", true)];
        let text = checks(&made, Duration::ZERO, Detail::Usual);
        assert_eq!(text.lines().count(), 2, "{text}");
        let text = checks(&made, Duration::ZERO, Detail::Quiet);
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
