//! One page with the results of acceptance checks, to read, to print and to send.

mod standing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{Markup, html};
use tasks::graph::Graph;

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
    /// The estate, to be drawn with what came of the checks of each host.
    pub graph: Option<&'a Graph>,
    /// The hosts of each service, which a check of the whole service is about.
    pub members: &'a BTreeMap<String, Vec<String>>,
}

impl About<'_> {
    /// Gives the hosts that a check is about.
    fn hosts<'c>(&'c self, check: &'c Check) -> &'c [String] {
        if check.hosts.is_empty() {
            self.members.get(&check.service).map_or(&[], Vec::as_slice)
        } else {
            &check.hosts
        }
    }
}

/// Renders the page.
#[must_use]
pub fn page(about: &About<'_>, checks: &[Check]) -> String {
    let verdict = verdict(checks);
    let (picture, style) = standing::picture(about, checks);
    let body = html! {
        (header(about, checks, &verdict))
        main {
            (failures(about, checks))
            (not_checked(about.not_checked))
            (picture)
            @for matrix in matrices(checks) { (table(&matrix, checks)) }
            @for (number, service) in services(checks).into_iter().enumerate() { (section(number, service, about, checks)) }
        }
    };
    page::page_with(
        &format!("Estate {}: {verdict}", about.estate),
        &body,
        &style,
    )
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
            (numbers(about, checks))
            dl {
                dt { "When" } dd { (said(about.when)) }
                @for (phase, took) in about.phases { dt { (phase) } dd { (seconds(*took)) } }
            }
            @if !checks.is_empty() {
                (overview(checks))
                (page::tools_with("words of a check", &choices(about, checks)))
            }
        }
    }
}

/// Says first what most people want to know.
fn numbers(about: &About<'_>, checks: &[Check]) -> Markup {
    let failed = failed(checks);
    let passed = checks.len() - failed;
    let services = services(checks).len();
    let not_checked: usize = about
        .not_checked
        .iter()
        .map(|one| one.checks.unwrap_or(1))
        .sum();
    html! {
        ul.numbers {
            li.good[passed > 0 && failed == 0] { b { (passed) } "passed" }
            li.bad[failed > 0] { b { (failed) } "failed" }
            @if not_checked > 0 { li { b { (not_checked) } a href="#not-checked" { "not checked" } } }
            li { b { (services) } (if services == 1 { "service" } else { "services" }) }
            @if let Some(graph) = about.graph { li { b { (graph.hosts.len()) } (if graph.hosts.len() == 1 { "host" } else { "hosts" }) } }
            li { b { (seconds(about.elapsed)) } "checks took" }
        }
    }
}

fn choices(about: &About<'_>, checks: &[Check]) -> Markup {
    let mut hosts: Vec<_> = checks.iter().flat_map(|check| about.hosts(check)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    html! {
        (page::choice("service", "Service", services(checks).into_iter()))
        (page::choice("hosts", "Host", hosts.into_iter().map(String::as_str)))
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

/// Shows what failed, all of it, so that nobody has to look for it.
fn failures(about: &About<'_>, checks: &[Check]) -> Markup {
    html! {
        @if failed(checks) > 0 {
            section data-name="failed" {
                h2 { "What failed" }
                @for (number, check) in checks.iter().enumerate().filter(|(_, check)| !check.passed) {
                    details.item.again.failed open data-service=(said(&check.service)) data-hosts=(said(&about.hosts(check).join(" "))) {
                        summary { (said(&check.service)) ": " (said(&check.shows)) }
                        dl {
                            dt { "Asked" } dd { code { (said(&check.asked)) } }
                            dt { "Expected" } dd { (said(&check.expected)) }
                            dt { "Came" } dd { (said(&check.came)) }
                            @if !about.hosts(check).is_empty() { dt { "Hosts" } dd { (said(&about.hosts(check).join(", "))) } }
                        }
                        a href={ "#check-" (number) } { "what was seen" }
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
            div.wide { table.matrix {
                caption { "Rows send, columns receive; a result unfolds to the way that the message took" }
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
            } }
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
            Some(passed) => td class=(class(passed)) { details {
                summary { (word(passed)) }
                @if let Some(check) = checks.get(number) {
                    div.route {
                        p { (said(&check.came)) }
                        a href={ "#check-" (number) } { "what was asked and seen" }
                    }
                }
            } },
            None => td.none { "—" },
        }
    }
}

/// Renders the checks of a service, what failed first.
fn section(number: usize, service: &str, about: &About<'_>, checks: &[Check]) -> Markup {
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
                @for (number, check) in failed.into_iter().chain(passed) { (rows(number, check, about.hosts(check))) }
            }
        }
    }
}

/// Renders a check and what was seen, which are found and hidden together.
fn rows(number: usize, check: &Check, hosts: &[String]) -> Markup {
    html! {
        tbody.item data-service=(said(&check.service)) data-hosts=(said(&hosts.join(" "))) {
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
