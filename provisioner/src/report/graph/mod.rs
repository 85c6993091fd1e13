//! The estate as a picture: a drawing, the text of a graph for other programs, and a page.
//!
//! What is to be drawn is decided by `Folded`, which leaves out no need: what many hosts rely on in the same way is said in words,
//! because nobody can read fifty lines that meet in one box. Where boxes stand is decided by `layout`.

mod dot;
mod folded;
mod layout;
mod page;
mod svg;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use maud::Markup;
use tasks::graph::Graph;

pub use dot::dot;
pub use page::page;

use folded::Folded;
use layout::Layout;

/// How a host is, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Everything that was checked of it is well.
    Good,
    /// Something is not.
    Bad,
}

/// What a picture shows and points at besides the graph.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// How hosts are, by name.
    pub standing: BTreeMap<String, Standing>,
    /// Where a click on a host leads: this, followed by the host's name; nowhere where it is missing.
    pub host_base: Option<String>,
    /// Where a click on a role leads: this, followed by the role's name; nowhere where it is missing.
    pub role_base: Option<String>,
}

/// Draws a picture for itself, with its style.
#[must_use]
pub fn svg(graph: &Graph, marks: &Marks) -> String {
    let layout = Layout::of(Folded::of(graph));
    let style = format!("{}{}", svg::STYLE, svg::highlights(graph));
    let mut text = svg::draw(&layout, marks, Some(&style)).into_string();
    text.push('\n');
    text
}

/// Draws a picture for a page, and gives the style that the page must have for it.
pub(super) fn embedded(graph: &Graph, marks: &Marks) -> (Markup, String) {
    let layout = Layout::of(Folded::of(graph));
    let style = format!("{}{}", svg::STYLE, svg::highlights(graph));
    (svg::draw(&layout, marks, None), style)
}
