//! One page with what a run would change, or has changed, for whoever reviews it: searched by words, each change unfolded on demand.
//!
//! What is secret is masked in the changes already. Everything that comes from hosts is escaped here.

use std::fmt::Write as _;

use super::html::STYLE;
use super::page::{self, escape};
use super::text::{Tense, counted, seconds};
use crate::engine::{ChangeOutcome, Failure, HostOutcome, RunOutcome, Status};

const OWN_STYLE: &str = include_str!("changes.css");

const SCRIPT: &str = include_str!("changes.js");

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
    let estate = escape(about.estate);
    let style = format!("{STYLE}{OWN_STYLE}");
    let mut page = page::head(&format!("{title}: estate {estate}"), &style, Some(SCRIPT));
    let summary = run.summary();
    let bad = summary.failed + summary.unreachable > 0 || !run.not_begun.is_empty();
    let class = if bad { "bad" } else { "good" };
    // Writing to a string cannot fail, so the results of `write!` are not looked at in this file.
    let [add, change, remove] = match about.tense {
        Tense::Would => ["to add", "to change", "to remove"],
        Tense::Did => ["added", "changed", "removed"],
    };
    let _ = write!(
        page,
        "<header>\n<h1>{title}: estate {estate}</h1>\n<p class=\"verdict {class}\">{} {add}, {} {change}, {} {remove} on {}</p>\n\
         <dl>\n<dt>When</dt><dd>{}</dd>\n<dt>Took</dt><dd>{}</dd>\n</dl>\n",
        summary.add,
        summary.change,
        summary.remove,
        counted(summary.hosts, "host", "hosts"),
        escape(about.when),
        seconds(run.elapsed)
    );
    overview(&mut page, run, about.tense);
    page.push_str(
        "<div id=\"tools\" hidden><label for=\"filter\">Find</label><input id=\"filter\" type=\"search\" placeholder=\"host, path, role, words of a change\">\
         <span id=\"found\" role=\"status\"></span><button id=\"unfold\" type=\"button\">Unfold all</button>\
         <button id=\"fold\" type=\"button\">Fold all</button></div>\n</header>\n<main>\n",
    );
    for (number, outcome) in run.hosts.iter().enumerate() {
        host(&mut page, number, outcome, about.tense);
    }
    page.push_str("</main>\n");
    page.push_str(&page::foot(Some(SCRIPT)));
    page
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

fn overview(page: &mut String, run: &RunOutcome, tense: Tense) {
    page.push_str(
        "<table class=\"overview\">\n<caption>Hosts</caption>\n<thead><tr><th scope=\"col\">Host</th><th scope=\"col\">State</th>\
         <th scope=\"col\" class=\"number\">Changes</th><th scope=\"col\" class=\"number\">Deferred</th></tr></thead>\n<tbody>\n",
    );
    for (number, host) in run.hosts.iter().enumerate() {
        let status = host.status();
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\"><a href=\"#host-{number}\">{}</a></th><td class=\"{}\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td></tr>",
            escape(&host.host),
            class(status),
            word(status, tense),
            host.changes.len(),
            host.deferred.len()
        );
    }
    for (host, why) in &run.not_begun {
        let _ = writeln!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"bad\" colspan=\"3\">not begun: {}</td></tr>",
            escape(host),
            escape(&why.to_string())
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

fn host(page: &mut String, number: usize, outcome: &HostOutcome, tense: Tense) {
    let status = outcome.status();
    let name = escape(&outcome.host);
    let _ = writeln!(
        page,
        "<section class=\"host\" data-host=\"{name}\">\n<h2 id=\"host-{number}\">{name} <small class=\"{}\">{}</small></h2>",
        class(status),
        word(status, tense)
    );
    if let Some(failed) = &outcome.failed {
        failure(page, failed);
    }
    for left in &outcome.left {
        item(
            page,
            "−",
            "no longer declared",
            &left.name,
            &left.goes.join(", "),
        );
    }
    for outcome in &outcome.changes {
        change(page, outcome);
    }
    for waiting in &outcome.unknown {
        let reason = format!("known after {}", waiting.reason);
        item(page, "?", &waiting.resource, &waiting.id, &reason);
    }
    for waiting in &outcome.deferred {
        let reason = format!("deferred: {}", waiting.reason);
        item(page, "…", &waiting.resource, &waiting.id, &reason);
    }
    for handler in &outcome.handlers {
        let kind = match tense {
            Tense::Would => "then",
            Tense::Did => "ran",
        };
        item(page, "→", kind, handler, "");
    }
    for note in &outcome.notes {
        item(page, "!", "note", note, "");
    }
    page.push_str("</section>\n");
}

fn item(page: &mut String, sign: &str, kind: &str, id: &str, reason: &str) {
    let _ = writeln!(
        page,
        "<div class=\"item\"><span class=\"sign\">{sign}</span> {} <code>{}</code> <small>{}</small></div>",
        escape(kind),
        escape(id),
        escape(reason)
    );
}

fn change(page: &mut String, change: &ChangeOutcome) {
    let guarded = if change.guarded.is_some() {
        " <span class=\"guarded\">guarded</span>"
    } else {
        ""
    };
    let line = format!(
        "<span class=\"sign\">{}</span> {} <code>{}</code>{guarded} <small>{} · {} · role {}</small>",
        change.action.glyph(),
        escape(&change.resource),
        escape(&change.id),
        escape(&change.detail),
        escape(&change.reason),
        escape(&change.role)
    );
    if change.diff.is_empty() {
        let _ = writeln!(page, "<div class=\"item\">{line}</div>");
        return;
    }
    let _ = write!(
        page,
        "<details class=\"item\"><summary>{line}</summary><pre>"
    );
    for line in change.diff.lines() {
        let text = escape(line);
        let _ = match line.chars().next() {
            Some('+') => write!(page, "<ins>{text}</ins>"),
            Some('-') => write!(page, "<del>{text}</del>"),
            Some(_) | None => write!(page, "<b>{text}\n</b>"),
        };
    }
    page.push_str("</pre></details>\n");
}

fn failure(page: &mut String, failure: &Failure) {
    let resource = failure
        .resource
        .as_deref()
        .map_or_else(String::new, |name| format!("{name}: "));
    let _ = writeln!(
        page,
        "<div class=\"item bad\"><p>{}{}</p><pre>\n{}</pre><p>{}</p></div>",
        escape(&resource),
        escape(&failure.cause),
        failure
            .output
            .lines()
            .map(escape)
            .collect::<Vec<_>>()
            .join("\n"),
        escape(&failure.remedy.to_string())
    );
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
        let page = render("web1")
            .replace(STYLE, "")
            .replace(OWN_STYLE, "")
            .replace(SCRIPT, "");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn nothing_that_a_host_says_becomes_a_part_of_the_page() {
        let page = render(HOSTILE).replace(SCRIPT, "");
        assert!(
            !page.contains("<script>alert") && !page.contains('\u{1b}'),
            "{page}"
        );
        assert!(
            page.matches("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&quot;&amp;\\u{1b}")
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
