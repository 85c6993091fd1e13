//! The frame of pages to read, to print and to send.
//!
//! A page is complete in itself: style, pictures and its script are within, and its content security policy forbids the browser to
//! load anything. Pages are templates of the crate `maud`, which escapes whatever is put into them; what comes from hosts goes through
//! [`said`], too.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Escaper, Markup, PreEscaped, Render, html};
use sha2::{Digest as _, Sha256};

use super::text::printable;

/// The style that all pages share.
pub(super) const STYLE: &str = include_str!("page.css");

/// Searches and folds the elements `.item` of the sections of a page, each of which says in `data-name` what it is about.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// Makes a whole page of its title and its body.
pub(super) fn page(title: &str, body: &Markup) -> String {
    page_with(title, body, "")
}

/// Makes a whole page that needs a style of its own, too.
pub(super) fn page_with(title: &str, body: &Markup, more_style: &str) -> String {
    let style = format!("{STYLE}{more_style}");
    let digest = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; img-src data:; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        digest(SCRIPT),
        digest(&style)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (said(title)) }
                style { (PreEscaped(&style)) }
            }
            body {
                (body)
                footer { "Written by prov " (env!("CARGO_PKG_VERSION")) ". Nothing on this page is loaded from anywhere else." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Renders the line with which the items of a page are searched and folded. Without a script there is none.
pub(super) fn tools(placeholder: &str) -> Markup {
    tools_with(placeholder, &html! {})
}

/// Renders the same with what is chosen from, see [`choice`].
pub(super) fn tools_with(placeholder: &str, choices: &Markup) -> Markup {
    html! {
        div id="tools" hidden {
            (choices)
            label for="filter" { "Find" }
            input id="filter" type="search" placeholder=(placeholder);
            span id="found" role="status" {}
            button id="unfold" type="button" { "Unfold all" }
            button id="fold" type="button" { "Fold all" }
        }
    }
}

/// Renders a choice among names; `by` is the attribute of items, `data-BY`, that names theirs, separated by spaces.
pub(super) fn choice<'n>(by: &str, label: &str, names: impl Iterator<Item = &'n str>) -> Markup {
    html! {
        label for={ "by-" (by) } { (label) }
        select.choice id={ "by-" (by) } data-by=(by) {
            option value="" { "all" }
            @for name in names { option value=(said(name)) { (said(name)) } }
        }
    }
}

/// Text of a host or a person: characters that cannot be seen are written out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a>(&'a str);

/// Wraps text of a host or a person.
pub(super) const fn said(text: &str) -> Said<'_> {
    Said(text)
}

impl Render for Said<'_> {
    fn render_to(&self, buffer: &mut String) {
        // Line breaks are the only control characters that a page shows as what they are.
        for (number, line) in self.0.split('\n').enumerate() {
            if number > 0 {
                buffer.push('\n');
            }
            // Writing to a string cannot fail.
            let _ = fmt::Write::write_str(&mut Escaper::new(buffer), &printable(line));
        }
    }
}

/// Gives the body of a page, an element a line, for the snapshots of tests.
#[cfg(test)]
pub(super) fn body(page: &str) -> String {
    let page = page.replace(SCRIPT, "");
    let body = page.split_once("<body>").map_or("", |(_, body)| body);
    body.replace("><", ">\n<")
}
