//! One page with what a run would change, or has changed, for whoever reviews it: searched by words, each change unfolded on demand.
//!
//! What is secret is masked in the changes already.

use maud::{Markup, html};

use super::page::{self, said};
use super::text::{Tense, counted, seconds};
use crate::engine::{ChangeOutcome, Failure, HostOutcome, RunOutcome, Status};

/// What the page says of the run that it is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The estate's name.
    pub estate: &'a str,
    /// When the run ended, as people write it.
    pub when: &'a str,
    /// Whether it only looked.
    pub tense: Tense,
}

/// Renders the page.
#[must_use]
pub fn page(about: &About<'_>, run: &RunOutcome) -> String {
    let title = match about.tense {
        Tense::Would => "Changes that are pending",
        Tense::Did => "Changes that were made",
    };
    let title = format!("{title}: estate {}", about.estate);
    let body = html! {
        header {
            h1 { (said(&title)) }
            (verdict(run, about.tense))
            dl {
                dt { "When" } dd { (said(about.when)) }
                dt { "Took" } dd { (seconds(run.elapsed)) }
            }
            (overview(run, about.tense))
            (page::tools("host, path, role, words of a change"))
        }
        main {
            @for (number, outcome) in run.hosts.iter().enumerate() { (host(number, outcome, about.tense)) }
        }
    };
    page::page(&title, &body)
}

fn verdict(run: &RunOutcome, tense: Tense) -> Markup {
    let summary = run.summary();
    let bad = summary.failed + summary.unreachable > 0 || !run.not_begun.is_empty();
    let [add, change, remove] = match tense {
        Tense::Would => ["to add", "to change", "to remove"],
        Tense::Did => ["added", "changed", "removed"],
    };
    html! {
        p class={ "verdict " (if bad { "bad" } else { "good" }) } {
            (summary.add) " " (add) ", " (summary.change) " " (change) ", " (summary.remove) " " (remove)
            " on " (counted(summary.hosts, "host", "hosts"))
        }
    }
}

const fn word(status: Status, tense: Tense) -> &'static str {
    match (status, tense) {
        (Status::UpToDate, _) => "up to date",
        (Status::Changed, Tense::Would) => "with changes",
        (Status::Changed, Tense::Did) => "changed",
        (Status::Failed, _) => "failed",
        (Status::Unreachable, _) => "unreachable",
    }
}

const fn class(status: Status) -> &'static str {
    match status {
        Status::Failed | Status::Unreachable => "bad",
        Status::UpToDate => "good",
        Status::Changed => "changed",
    }
}

fn overview(run: &RunOutcome, tense: Tense) -> Markup {
    html! {
        table.overview {
            caption { "Hosts" }
            thead { tr {
                th scope="col" { "Host" }
                th scope="col" { "State" }
                th.number scope="col" { "Changes" }
                th.number scope="col" { "Deferred" }
            } }
            tbody {
                @for (number, host) in run.hosts.iter().enumerate() {
                    tr {
                        th scope="row" { a href={ "#host-" (number) } { (said(&host.host)) } }
                        td class=(class(host.status())) { (word(host.status(), tense)) }
                        td.number { (host.changes.len()) }
                        td.number { (host.deferred.len()) }
                    }
                }
                @for (host, why) in &run.not_begun {
                    tr {
                        th scope="row" { (said(host)) }
                        td.bad colspan="3" { "not begun: " (said(&why.to_string())) }
                    }
                }
            }
        }
    }
}

fn host(number: usize, outcome: &HostOutcome, tense: Tense) -> Markup {
    let name = said(&outcome.host);
    let status = outcome.status();
    let then = match tense {
        Tense::Would => "then",
        Tense::Did => "ran",
    };
    html! {
        section data-name=(name) {
            h2 id={ "host-" (number) } { (name) " " small class=(class(status)) { (word(status, tense)) } }
            @if let Some(failed) = &outcome.failed { (failure(failed)) }
            @for left in &outcome.left { (item("−", "no longer declared", &left.name, &left.goes.join(", "))) }
            @for outcome in &outcome.changes { (change(outcome)) }
            @for waiting in &outcome.unknown {
                (item("?", &waiting.resource, &waiting.id, &format!("known after {}", waiting.reason)))
            }
            @for waiting in &outcome.deferred {
                (item("…", &waiting.resource, &waiting.id, &format!("deferred: {}", waiting.reason)))
            }
            @for handler in &outcome.handlers { (item("→", then, handler, "")) }
            @for note in &outcome.notes { (item("!", "note", note, "")) }
        }
    }
}

fn item(sign: &str, kind: &str, id: &str, reason: &str) -> Markup {
    html! {
        div.item { span.sign { (sign) } " " (said(kind)) " " code { (said(id)) } " " small { (said(reason)) } }
    }
}

fn change(change: &ChangeOutcome) -> Markup {
    let line = html! {
        span.sign { (change.action.glyph()) } " " (said(&change.resource)) " " code { (said(&change.id)) } " "
        @if change.guarded.is_some() { span.guarded { "guarded" } " " }
        small { (said(&change.detail)) " · " (said(&change.reason)) " · role " (said(&change.role)) }
    };
    html! {
        @if change.diff.is_empty() {
            div.item { (line) }
        } @else {
            details.item {
                summary { (line) }
                pre {
                    @for line in change.diff.lines() {
                        @match line.chars().next() {
                            Some('+') => ins { (said(line)) },
                            Some('-') => del { (said(line)) },
                            Some(_) | None => b { (said(line)) "\n" },
                        }
                    }
                }
            }
        }
    }
}

fn failure(failure: &Failure) -> Markup {
    html! {
        div.item.bad {
            p { @if let Some(name) = &failure.resource { (said(name)) ": " } (said(&failure.cause)) }
            // The first line break within `pre` is not shown, so one is given away.
            pre { "\n" (said(&failure.output)) }
            p { (said(&failure.remedy.to_string())) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;

    use tasks::plan::rollout::NotBegun;
    use tasks::plan::{Action, Reason};

    const HOSTILE: &str = "<script>alert(1)</script>'\"&\u{1b}[2J";

    fn run(words: &str) -> RunOutcome {
        let mut host = HostOutcome::new(words);
        host.changes.push(ChangeOutcome {
            resource: "file".into(),
            id: words.into(),
            role: words.into(),
            action: Action::Update,
            reason: words.into(),
            reasons: vec![Reason::ContentDiffers],
            guarded: None,
            paths: Vec::new(),
            detail: words.into(),
            diff: format!("@@ -1 +1 @@\n-{words}\n+{words}\n"),
        });
        host.handlers.push(words.into());
        host.notes.push(words.into());
        host.failed = Some(Failure::new(words, words).of(words).output(words));
        RunOutcome {
            hosts: vec![host],
            elapsed: Duration::from_millis(420),
            shown: false,
            other_domains: Vec::new(),
            not_begun: vec![(words.into(), NotBegun::Canary(words.into()))],
        }
    }

    fn render(words: &str) -> String {
        let about = About {
            estate: words,
            when: words,
            tense: Tense::Would,
        };
        page(&about, &run(words))
    }

    #[test]
    fn a_page_shows_every_change_folded() {
        insta::assert_snapshot!(page::body(&render("web1")));
    }

    #[test]
    fn nothing_that_a_host_says_becomes_a_part_of_the_page() {
        let page = render(HOSTILE);
        assert!(
            !page.contains("<script>alert") && !page.contains('\u{1b}'),
            "{page}"
        );
        assert!(
            page.matches("&lt;script&gt;alert(1)&lt;/script&gt;'&quot;&amp;\\u{1b}")
                .count()
                >= 15
        );
    }

    #[test]
    fn nothing_is_loaded_from_anywhere() {
        let page = render("web1");
        for outside in [
            "http:", "https:", "=\"//", "url(", "@import", "<link", "src=",
        ] {
            assert!(!page.contains(outside), "{outside} in {page}");
        }
    }
}
