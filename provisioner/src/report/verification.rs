//! One page with the results of acceptance checks, to read, to print and to send.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{Markup, html};

use super::checks::failed;
use super::page::{self, said};
use super::text::{counted, seconds};
use crate::verify::{Check, Evidence, EvidenceKind, Matrix, NotChecked, matrices};

/// What the page says of the run that it is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The estate's name.
    pub estate: &'a str,
    /// When the run ended, as people write it.
    pub when: &'a str,
    /// How long the checks took.
    pub elapsed: Duration,
    /// What went before, with its times; empty where there were only checks.
    pub phases: &'a [(&'static str, Duration)],
    /// What could not be checked.
    pub not_checked: &'a [NotChecked],
}

/// Renders the page.
#[must_use]
pub fn page(about: &About<'_>, checks: &[Check]) -> String {
    let verdict = verdict(checks);
    let body = html! {
        (header(about, checks, &verdict))
        main {
            (failures(checks))
            (not_checked(about.not_checked))
            @for matrix in matrices(checks) { (table(&matrix, checks)) }
            @for (number, service) in services(checks).into_iter().enumerate() { (section(number, service, checks)) }
        }
    };
    page::page(&format!("Estate {}: {verdict}", about.estate), &body)
}

fn verdict(checks: &[Check]) -> String {
    match (checks.len(), failed(checks)) {
        (0, _) => "no checks were made".to_owned(),
        (all, 0) => counted(all, "check passed", "checks passed"),
        (all, failed) => format!("{failed} of {} failed", counted(all, "check", "checks")),
    }
}

/// Lists services in the order of their checks.
fn services(checks: &[Check]) -> Vec<&str> {
    let mut services: Vec<&str> = Vec::new();
    for check in checks {
        if !services.contains(&check.service.as_str()) {
            services.push(&check.service);
        }
    }
    services
}

fn header(about: &About<'_>, checks: &[Check], verdict: &str) -> Markup {
    let class = if checks.is_empty() {
        "none"
    } else {
        class(failed(checks) == 0)
    };
    html! {
        header {
            h1 { "Verification of the estate " (said(about.estate)) }
            p class={ "verdict " (class) } { (verdict) }
            dl {
                dt { "When" } dd { (said(about.when)) }
                dt { "Checks took" } dd { (seconds(about.elapsed)) }
                @for (phase, took) in about.phases { dt { (phase) } dd { (seconds(*took)) } }
                @if !about.not_checked.is_empty() { dt { "Not checked" } dd { a href="#not-checked" { (about.not_checked.len()) } } }
            }
            @if !checks.is_empty() {
                (overview(checks))
                (page::tools("service, host, words of a check"))
            }
        }
    }
}

fn overview(checks: &[Check]) -> Markup {
    html! {
        table.overview {
            caption { "Services" }
            thead { tr {
                th scope="col" { "Service" }
                th.number scope="col" { "Passed" }
                th.number scope="col" { "Failed" }
                th.number scope="col" { "Time" }
            } }
            tbody {
                @for (number, service) in services(checks).into_iter().enumerate() {
                    @let of_service: Vec<_> = checks.iter().filter(|check| check.service == service).collect();
                    @let failed = of_service.iter().filter(|check| !check.passed).count();
                    tr {
                        th scope="row" { a href={ "#service-" (number) } { (said(service)) } }
                        td.number { (of_service.len() - failed) }
                        td.number.bad[failed > 0] { (failed) }
                        td.number { (seconds(of_service.iter().map(|check| check.elapsed).sum())) }
                    }
                }
            }
        }
    }
}

/// Lists what failed, so that nobody has to look for it.
fn failures(checks: &[Check]) -> Markup {
    html! {
        @if failed(checks) > 0 {
            section {
                h2 { "What failed" }
                ul {
                    @for (number, check) in checks.iter().enumerate().filter(|(_, check)| !check.passed) {
                        li { a href={ "#check-" (number) } { (said(&check.service)) ": " (said(&check.shows)) } }
                    }
                }
            }
        }
    }
}

/// Lists what could not be checked: nobody shall take it for well.
fn not_checked(list: &[NotChecked]) -> Markup {
    html! {
        @if !list.is_empty() {
            section {
                h2 id="not-checked" { "Not checked" }
                ul {
                    @for one in list {
                        li {
                            (said(&one.service))
                            @if let Some(count) = one.checks { ", " (counted(count, "check", "checks")) }
                            ": " (said(&one.why))
                        }
                    }
                }
            }
        }
    }
}

fn table(matrix: &Matrix, checks: &[Check]) -> Markup {
    html! {
        section {
            h2 { (said(&matrix.heading)) }
            table.matrix {
                caption { "Rows send, columns receive" }
                thead { tr {
                    td {}
                    @for column in &matrix.columns { th scope="col" { (said(column)) } }
                } }
                tbody {
                    @for (row, cells) in &matrix.rows {
                        tr {
                            th scope="row" { (said(row)) }
                            @for (column, cell) in matrix.columns.iter().zip(cells) {
                                (self::cell(matrix, (row, column), *cell, checks))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(matrix: &Matrix, place: (&str, &str), passed: Option<bool>, checks: &[Check]) -> Markup {
    let belongs = |check: &Check| {
        Some(check.passed) == passed
            && check.cell.as_ref().is_some_and(|cell| {
                cell.matrix == matrix.heading && (cell.row.as_str(), cell.column.as_str()) == place
            })
    };
    let number = checks.iter().position(belongs).unwrap_or_default();
    html! {
        @match passed {
            Some(passed) => td class=(class(passed)) { a href={ "#check-" (number) } { (word(passed)) } },
            None => td.none { "—" },
        }
    }
}

/// Renders the checks of a service, what failed first.
fn section(number: usize, service: &str, checks: &[Check]) -> Markup {
    let of_service = checks.iter().enumerate();
    let of_service = of_service.filter(|(_, check)| check.service == service);
    let (passed, failed): (Vec<_>, Vec<_>) = of_service.partition(|(_, check)| check.passed);
    let (good, bad) = (passed.len(), failed.len());
    html! {
        section data-name=(said(service)) aria-labelledby={ "service-" (number) } {
            h2 id={ "service-" (number) } { (said(service)) " " small { (good) " passed, " (bad) " failed" } }
            table.checks {
                thead { tr {
                    th scope="col" { "Result" }
                    th scope="col" { "Shows that" }
                    th scope="col" { "Asked" }
                    th scope="col" { "Expected" }
                    th scope="col" { "Came" }
                    th.number scope="col" { "Time" }
                } }
                @for (number, check) in failed.into_iter().chain(passed) { (rows(number, check)) }
            }
        }
    }
}

/// Renders a check and what was seen, which are found and hidden together.
fn rows(number: usize, check: &Check) -> Markup {
    html! {
        tbody.item {
            tr id={ "check-" (number) } {
                td class={ "result " (class(check.passed)) } { (word(check.passed)) }
                th scope="row" { (said(&check.shows)) }
                td data-column="Asked" { code { (said(&check.asked)) } }
                td data-column="Expected" { (said(&check.expected)) }
                td data-column="Came" { (said(&check.came)) }
                td.number data-column="Time" { (seconds(check.elapsed)) }
            }
            @if !check.evidence.is_empty() {
                tr.evidence { td colspan="6" {
                    @for evidence in &check.evidence { (self::evidence(evidence, !check.passed)) }
                } }
            }
        }
    }
}

fn evidence(evidence: &Evidence, open: bool) -> Markup {
    let title = said(&evidence.title);
    html! {
        @match &evidence.kind {
            // The first line break within `pre` is not shown, so one is given away.
            EvidenceKind::Text(text) => details open[open] { summary { (title) } pre { "\n" (said(text)) } },
            EvidenceKind::Png { bytes, file } => figure {
                figcaption {
                    (title)
                    @if let Some(file) = file { " (kept as " code { (said(file)) } ")" }
                }
                img alt=(title) src={ "data:image/png;base64," (BASE64.encode(bytes)) };
            },
        }
    }
}

const fn class(passed: bool) -> &'static str {
    if passed { "good" } else { "bad" }
}

const fn word(passed: bool) -> &'static str {
    if passed { "pass" } else { "FAIL" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Cell;

    const ABOUT: About<'static> = About {
        estate: "docker",
        when: "2030-01-01 09:00:00 CET",
        elapsed: Duration::from_millis(1500),
        phases: &[("deploy", Duration::from_secs(61))],
        not_checked: &[],
    };

    fn check(service: &str, shows: &str, passed: bool) -> Check {
        Check {
            service: service.to_owned(),
            shows: shows.to_owned(),
            asked: "dig internal caldav".to_owned(),
            expected: "10.0.0.102".to_owned(),
            came: if passed { "10.0.0.102" } else { "no such name" }.to_owned(),
            passed,
            elapsed: Duration::from_millis(120),
            cell: None,
            evidence: Vec::new(),
        }
    }

    fn render(checks: &[Check]) -> String {
        page::body(&page(&ABOUT, checks))
    }

    #[test]
    fn what_failed_comes_first_and_its_evidence_is_open() {
        let mut name = check("dns", "caldav is known inside", false);
        name.evidence = vec![Evidence::text("what dig printed", "; NXDOMAIN\n\tline 2\n")];
        let mut flow = check("mail", "customer writes to home", true);
        flow.cell = Some(Cell::new("Mail from outside", "customer", "home"));
        let mut other = check("mail", "other writes to customer", false);
        other.cell = Some(Cell::new("Mail from outside", "other", "customer"));
        let mut web = check("web", "www.customer.com shows its title", true);
        let file = Some(".artefacts/docker-www.png".to_owned());
        web.evidence = vec![
            Evidence::text("what the server said", "HTTP/1.1 200 OK"),
            Evidence::png("www.customer.com in a browser", vec![0x89, b'P'], file),
        ];
        let known = check("dns", "mail-internal is known inside", true);
        insta::assert_snapshot!(render(&[known, name, flow, other, web]));
    }

    #[test]
    fn nothing_that_a_host_says_becomes_a_part_of_the_page() {
        let hostile = "<script>alert(1)</script><img src=x onerror='a' \"b\">&amp;\u{1b}[2J\0";
        let mut checks = [check(hostile, hostile, false)];
        checks[0].asked = hostile.to_owned();
        checks[0].expected = hostile.to_owned();
        checks[0].came = hostile.to_owned();
        checks[0].cell = Some(Cell::new(hostile, hostile, hostile));
        checks[0].evidence = vec![
            Evidence::text(hostile, hostile),
            Evidence::png(hostile, vec![1], Some(hostile.to_owned())),
        ];
        let about = About {
            estate: hostile,
            when: hostile,
            ..ABOUT
        };
        let page = page(&about, &checks);
        let safe = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror='a' &quot;b&quot;&gt;&amp;amp;\\u{1b}[2J\\u{0}";
        for forbidden in ["<script>alert", "<img src=x", "\u{1b}", "\0"] {
            assert!(!page.contains(forbidden), "{forbidden:?} in {page}");
        }
        // Title, heading, time, link, table, checks, evidence: all of them show it.
        assert!(page.matches(safe).count() >= 15, "{page}");
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let page = page(&ABOUT, &[check("dns", "a", true)]);
        for outside in [
            "http:",
            "https:",
            "=\"//",
            "url(",
            "@import",
            "<link",
            "<script src",
        ] {
            assert!(!page.contains(outside), "{outside} in {page}");
        }
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn a_run_without_checks_says_so() {
        assert!(render(&[]).contains("no checks were made"));
    }
}
