//! One page with the results of acceptance checks, to read, to print and to send.
//!
//! It has no scripts. Everything that comes from checks, and so from hosts, is escaped here.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checks::failed;
use super::page::{self, escape};
use super::text::{counted, seconds};
use crate::verify::{Check, Evidence, EvidenceKind, Matrix, matrices};

pub(super) const STYLE: &str = include_str!("html.css");

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
}

/// Renders the page.
#[must_use]
pub fn page(about: &About<'_>, checks: &[Check]) -> String {
    let estate = escape(about.estate);
    let verdict = verdict(checks);
    let title = format!("Estate {estate}: {verdict}");
    let mut page = page::head(&title, STYLE, None);
    header(&mut page, about, checks, &verdict);
    page.push_str("<main>\n");
    failures(&mut page, checks);
    for matrix in matrices(checks) {
        draw(&mut page, &matrix, checks);
    }
    for (number, service) in services(checks).into_iter().enumerate() {
        section(&mut page, number, service, checks);
    }
    page.push_str("</main>\n");
    page.push_str(&page::foot(None));
    page
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

fn header(page: &mut String, about: &About<'_>, checks: &[Check], verdict: &str) {
    let class = if checks.is_empty() {
        "none"
    } else {
        class(failed(checks) == 0)
    };
    // Writing to a string cannot fail, so the results of `write!` are not looked at in this file.
    let _ = write!(
        page,
        "<header>\n<h1>Verification of the estate {}</h1>\n<p class=\"verdict {class}\">{verdict}</p>\n\
         <dl>\n<dt>When</dt><dd>{}</dd>\n<dt>Checks took</dt><dd>{}</dd>\n",
        escape(about.estate),
        escape(about.when),
        seconds(about.elapsed)
    );
    if !about.phases.is_empty() {
        let phases = about.phases.iter();
        let phases: Vec<_> = phases
            .map(|(phase, took)| format!("{} {}", escape(phase), seconds(*took)))
            .collect();
        let _ = writeln!(page, "<dt>Phases</dt><dd>{}</dd>", phases.join(", "));
    }
    page.push_str("</dl>\n");
    if !checks.is_empty() {
        overview(page, checks);
    }
    page.push_str("</header>\n");
}

fn overview(page: &mut String, checks: &[Check]) {
    page.push_str(
        "<table class=\"overview\">\n<caption>Services</caption>\n<thead><tr><th scope=\"col\">Service</th>\
         <th scope=\"col\" class=\"number\">Passed</th>\
         <th scope=\"col\" class=\"number\">Failed</th></tr></thead>\n<tbody>\n",
    );
    for (number, service) in services(checks).into_iter().enumerate() {
        let of_service = || checks.iter().filter(|check| check.service == service);
        let passed = of_service().filter(|check| check.passed).count();
        let failed = of_service().count() - passed;
        let bad = if failed == 0 { "" } else { " bad" };
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><a href=\"#service-{number}\">{}</a></th><td class=\"number\">{passed}</td>\
             <td class=\"number{bad}\">{failed}</td></tr>",
            escape(service)
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

/// Lists what failed, so that nobody has to look for it.
fn failures(page: &mut String, checks: &[Check]) {
    if failed(checks) == 0 {
        return;
    }
    page.push_str("<section>\n<h2>What failed</h2>\n<ul>\n");
    for (number, check) in checks.iter().enumerate().filter(|(_, check)| !check.passed) {
        let _ = writeln!(
            page,
            "<li><a href=\"#check-{number}\">{}: {}</a></li>",
            escape(&check.service),
            escape(&check.shows)
        );
    }
    page.push_str("</ul>\n</section>\n");
}

fn draw(page: &mut String, matrix: &Matrix, checks: &[Check]) {
    let _ = write!(
        page,
        "<section>\n<h2>{heading}</h2>\n<table class=\"matrix\">\n<caption>Rows send, columns receive</caption>\n\
         <thead><tr><td></td>",
        heading = escape(&matrix.heading)
    );
    for column in &matrix.columns {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(column));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (row, cells) in &matrix.rows {
        let _ = write!(page, "<tr><th scope=\"row\">{}</th>", escape(row));
        for (column, cell) in matrix.columns.iter().zip(cells) {
            let Some(passed) = *cell else {
                page.push_str("<td class=\"none\">—</td>");
                continue;
            };
            let belongs = |check: &Check| {
                check.passed == passed
                    && check.cell.as_ref().is_some_and(|cell| {
                        cell.matrix == matrix.heading && cell.row == *row && cell.column == *column
                    })
            };
            let number = checks.iter().position(belongs).unwrap_or_default();
            let _ = write!(
                page,
                "<td class=\"{}\"><a href=\"#check-{number}\">{}</a></td>",
                class(passed),
                word(passed)
            );
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

/// Renders the checks of a service, what failed first.
fn section(page: &mut String, number: usize, service: &str, checks: &[Check]) {
    let of_service = checks.iter().enumerate();
    let of_service = of_service.filter(|(_, check)| check.service == service);
    let (passed, failed): (Vec<_>, Vec<_>) = of_service.partition(|(_, check)| check.passed);
    let _ = write!(
        page,
        "<section aria-labelledby=\"service-{number}\">\n<h2 id=\"service-{number}\">{} <small>{} passed, {} failed</small></h2>\n\
         <table class=\"checks\">\n<thead><tr><th scope=\"col\">Result</th><th scope=\"col\">Shows that</th>\
         <th scope=\"col\">Asked</th><th scope=\"col\">Expected</th><th scope=\"col\">Came</th>\
         <th scope=\"col\" class=\"number\">Time</th></tr></thead>\n<tbody>\n",
        escape(service),
        passed.len(),
        failed.len()
    );
    for (number, check) in failed.into_iter().chain(passed) {
        row(page, number, check);
    }
    page.push_str("</tbody>\n</table>\n</section>\n");
}

fn row(page: &mut String, number: usize, check: &Check) {
    let _ = writeln!(
        page,
        "<tr id=\"check-{number}\"><td class=\"result {}\">{}</td><th scope=\"row\">{}</th>\
         <td data-name=\"Asked\"><code>{}</code></td><td data-name=\"Expected\">{}</td>\
         <td data-name=\"Came\">{}</td><td class=\"number\" data-name=\"Time\">{}</td></tr>",
        class(check.passed),
        word(check.passed),
        escape(&check.shows),
        escape(&check.asked),
        escape(&check.expected),
        escape(&check.came),
        seconds(check.elapsed)
    );
    if check.evidence.is_empty() {
        return;
    }
    page.push_str("<tr class=\"evidence\"><td colspan=\"6\">\n");
    for evidence in &check.evidence {
        self::evidence(page, evidence, !check.passed);
    }
    page.push_str("</td></tr>\n");
}

fn evidence(page: &mut String, evidence: &Evidence, open: bool) {
    let title = escape(&evidence.title);
    match &evidence.kind {
        EvidenceKind::Text(text) => {
            let open = if open { " open" } else { "" };
            let text = text.lines().map(escape).collect::<Vec<_>>().join("\n");
            // A first line break within `pre` is not shown, so one is given away.
            let _ = writeln!(
                page,
                "<details{open}><summary>{title}</summary><pre>\n{text}</pre></details>"
            );
        }
        EvidenceKind::Png { bytes, file } => {
            let kept = file.as_ref().map_or_else(String::new, |file| {
                format!(" (kept as <code>{}</code>)", escape(file))
            });
            let _ = writeln!(
                page,
                "<figure><figcaption>{title}{kept}</figcaption>\
                 <img alt=\"{title}\" src=\"data:image/png;base64,{}\"></figure>",
                BASE64.encode(bytes)
            );
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
        page(&ABOUT, checks).replace(STYLE, "/* style */")
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
        let safe = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39; &quot;b&quot;&gt;&amp;amp;\\u{1b}[2J\\u{0}";
        for forbidden in ["<script", "<img src=x", "onerror='", "\u{1b}", "\0"] {
            assert!(!page.contains(forbidden), "{forbidden:?} in {page}");
        }
        // Title, heading, time, link, table, checks, evidence: all of them show it.
        assert!(page.matches(safe).count() >= 15, "{page}");
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let page = page(&ABOUT, &[check("dns", "a", true)]);
        for outside in [
            "http:", "https:", "=\"//", "url(", "@import", "<link", "<script",
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
