//! The text of a graph in the DOT language of Graphviz, with every need as a line of its own.

use std::collections::BTreeSet;

use tasks::estate::Location;
use tasks::graph::{Graph, GraphHost};
use tasks::promise::{NeedKind, Needed};
use tasks::{push, pushln};

use super::{Marks, Standing};
use crate::report::text::printable;

/// Writes the graph.
#[must_use]
pub fn dot(graph: &Graph, marks: &Marks) -> String {
    let mut text = format!(
        "digraph {} {{\n  rankdir=TB; node [shape=box, style=rounded, fontname=\"sans-serif\"]; edge [fontname=\"sans-serif\", fontsize=10];\n",
        quoted(&graph.estate)
    );
    for location in Location::EVERY {
        let mut hosts = graph
            .hosts
            .iter()
            .filter(|host| host.location == location)
            .peekable();
        if hosts.peek().is_none() {
            continue;
        }
        pushln!(
            text,
            "  subgraph cluster_{location} {{\n    label={};",
            quoted(location.as_str())
        );
        for host in hosts {
            pushln!(text, "    {};", node(host, marks));
        }
        text.push_str("  }\n");
    }
    let outside: BTreeSet<&str> = graph
        .needs
        .iter()
        .filter_map(|need| match &need.of {
            Needed::Outside(name) => Some(name.as_str()),
            Needed::Host(_) => None,
        })
        .collect();
    for name in outside {
        pushln!(
            text,
            "  {} [label={}, style=dashed];",
            quoted(&format!("outside: {name}")),
            quoted(name)
        );
    }
    for need in &graph.needs {
        let to = match &need.of {
            Needed::Host(name) => quoted(name),
            Needed::Outside(name) => quoted(&format!("outside: {name}")),
        };
        pushln!(
            text,
            "  {} -> {to} [label={}, tooltip={}, color={}];",
            quoted(&need.host),
            quoted(need.kind.as_str()),
            quoted(&need.detail),
            quoted(colour(need.kind))
        );
    }
    text.push_str("}\n");
    text
}

fn node(host: &GraphHost, marks: &Marks) -> String {
    let label = [host.name.as_str(), &host.address]
        .into_iter()
        .chain(host.roles.iter().map(String::as_str));
    // Within quotes, `\n` begins a line.
    let label: Vec<_> = label.map(escaped).collect();
    let mut text = format!("{} [label=\"{}\"", quoted(&host.name), label.join("\\n"));
    if let Some(base) = &marks.host_base {
        push!(text, ", URL={}", quoted(&format!("{base}{}", host.name)));
    }
    match marks.standing.get(&host.name) {
        Some(Standing::Good) => text.push_str(", color=\"#12652b\""),
        Some(Standing::Bad) => text.push_str(", color=\"#a3121f\", penwidth=2"),
        None => {}
    }
    text.push(']');
    text
}

/// A string in double quotes, in which nothing but the quote ends it and no backslash begins an escape.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

const fn colour(kind: NeedKind) -> &'static str {
    match kind {
        NeedKind::Names => "#2563a8",
        NeedKind::Mail => "#b45309",
        NeedKind::Database => "#7c3aad",
        NeedKind::Backup => "#0f766e",
        NeedKind::Web => "#be185d",
        NeedKind::File => "#64748b",
        NeedKind::Port => "#4d7c0f",
        NeedKind::Service => "#92400e",
    }
}
