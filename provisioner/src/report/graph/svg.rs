//! The drawing: SVG 1.1 with a style for light and dark, in which everything that is not prov's is escaped by the crate `maud`.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};
use tasks::estate::Location;
use tasks::graph::Graph;
use tasks::promise::NeedKind;
use tasks::pushln;

use super::folded::{Edge, Node};
use super::layout::{Band, Curve, LINE, Layout, NAME, PADDING, Rect, Row, TEXT, fitting, width_of};
use super::{Marks, Standing};
use crate::report::page::said;
use crate::report::text::counted;

/// The style of all pictures.
pub(super) const STYLE: &str = include_str!("graph.css");

/// Beyond this many hosts a style that makes lines stand out would be larger than the picture.
const MOST_HIGHLIGHTS: usize = 200;

/// Height of the legend.
const LEGEND: f64 = 48.0;

/// Makes the lines of a host stand out while it is pointed at.
pub(super) fn highlights(graph: &Graph) -> String {
    let mut style = String::new();
    for number in 0..graph.hosts.len().min(MOST_HIGHLIGHTS) {
        pushln!(
            style,
            ".estate:has(.n{number}:hover) .edge:not(.e{number}) {{ opacity: .1; }}"
        );
    }
    style
}

/// The class of a kind of needs, and of the mark at the end of its lines.
const fn class(kind: NeedKind) -> &'static str {
    match kind {
        NeedKind::Names => "names",
        NeedKind::Mail => "mail",
        NeedKind::Database => "database",
        NeedKind::Backup => "backup",
        NeedKind::Web => "web",
        NeedKind::File => "file",
        NeedKind::Port => "port",
        NeedKind::Service => "service",
    }
}

pub(super) fn draw(layout: &Layout<'_>, marks: &Marks, style: Option<&str>) -> Markup {
    let folded = &layout.folded;
    let used: Vec<_> = NeedKind::EVERY
        .into_iter()
        .filter(|kind| {
            folded.edges.iter().any(|edge| edge.kind == *kind)
                || folded.stars.iter().any(|star| star.kind == *kind)
        })
        .collect();
    let height = layout.height + LEGEND;
    let title = format!("The estate {}", folded.graph.estate);
    html! {
        svg.estate xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(said(&title))
            viewBox={ "0 0 " (pixels(layout.width)) " " (pixels(height)) } width=(pixels(layout.width)) height=(pixels(height)) {
            title { (said(&title)) }
            @if let Some(style) = style { style { (PreEscaped(style)) } }
            defs {
                @for kind in &used {
                    marker id={ "end-" (class(*kind)) } viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse" {
                        path class={ "tip " (class(*kind)) } d="M0 1 10 5 0 9z" {}
                    }
                }
            }
            rect.ground width="100%" height="100%" {}
            @for band in &layout.bands { (self::band(layout, band)) }
            g.edges { @for curve in &layout.curves { (line(layout, curve)) } }
            @for node in folded.nodes() { (host(layout, marks, node)) }
            (legend(&used, layout, marks))
        }
    }
}

/// Writes a length with at most one digit after the point.
fn pixels(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn band(layout: &Layout<'_>, band: &Band) -> Markup {
    let folded = &layout.folded;
    let count = folded
        .nodes()
        .filter(|node| folded.location(*node) == band.location)
        .count();
    let (name, counted) = match band.location {
        Some(Location::Internal) => (
            "internal",
            counted(count, "host in the office", "hosts in the office"),
        ),
        Some(Location::External) => (
            "external",
            counted(count, "host on the Internet", "hosts on the Internet"),
        ),
        None => (
            "outside",
            "what the estate relies on and does not hold".to_owned(),
        ),
    };
    let network = folded
        .graph
        .network
        .as_deref()
        .filter(|_| band.location.is_some());
    let Rect {
        x,
        y,
        width,
        height,
    } = band.rect;
    html! {
        g.band {
            rect x=(pixels(x)) y=(pixels(y)) width=(pixels(width)) height=(pixels(height)) rx="10" {}
            text x=(pixels(x + PADDING * 1.6)) y=(pixels(y + 22.0)) {
                tspan.name { (name) }
                tspan.faint dx="8" { (counted) @if let Some(network) = network { ", containers in " (said(network)) } }
            }
        }
    }
}

fn line(layout: &Layout<'_>, curve: &Curve) -> Markup {
    let edge = &layout.folded.edges[curve.edge];
    let [start, one, two, end] = curve
        .points
        .map(|(x, y)| format!("{} {}", pixels(x), pixels(y)));
    html! {
        path class={ "edge e" (edge.from) " e" (edge.to) " " (class(edge.kind)) } marker-end={ "url(#end-" (class(edge.kind)) ")" }
            d={ "M" (start) " C" (one) " " (two) " " (end) } {
            title { (said(&sentence(layout, edge))) }
        }
    }
}

/// Says of a line what it means.
fn sentence(layout: &Layout<'_>, edge: &Edge) -> String {
    let (from, to) = (layout.folded.name(edge.from), layout.folded.name(edge.to));
    format!(
        "{from} relies on {to}: {} ({})",
        edge.kind.as_str(),
        edge.details.join(", ")
    )
}

fn host(layout: &Layout<'_>, marks: &Marks, node: Node) -> Markup {
    let folded = &layout.folded;
    let (rect, name) = (layout.boxes[node], folded.name(node));
    let host = folded.graph.hosts.get(node);
    let standing = host.and_then(|host| marks.standing.get(&host.name));
    let standing = match standing {
        Some(Standing::Good) => "good",
        Some(Standing::Bad) => "bad",
        None => "unknown",
    };
    let x = rect.x + PADDING;
    let below = host.map_or_else(
        || "outside of the estate".to_owned(),
        |host| format!("{} · {}", host.address, host.release),
    );
    let link = host
        .and(marks.host_base.as_ref())
        .map(|base| format!("{base}{name}"));
    html! {
        g class={ "host n" (node) " " (standing) @if host.is_none() { " other" } } {
            title { (said(&told(layout, node))) }
            rect x=(pixels(rect.x)) y=(pixels(rect.y)) width=(pixels(rect.width)) height=(pixels(rect.height)) rx="6" {}
            (linked(link.as_deref(), &html! {
                text.name x=(pixels(x)) y=(pixels(rect.y + PADDING + 11.0)) { (sign(standing)) (fitting(name, NAME, rect.width)) }
            }))
            text.faint x=(pixels(x)) y=(pixels(rect.y + PADDING + 11.0 + LINE)) { (fitting(&below, TEXT, rect.width)) }
            @for (number, row) in (2_u32..).zip(&layout.rows[node]) {
                (self::row(layout, marks, row, (x, rect.y + PADDING + 11.0 + LINE * f64::from(number), rect.width)))
            }
        }
    }
}

/// Not by colour alone: not everybody tells red from green, and paper is grey.
fn sign(standing: &str) -> &'static str {
    match standing {
        "good" => "✓ ",
        "bad" => "✗ ",
        _ => "",
    }
}

fn row(layout: &Layout<'_>, marks: &Marks, row: &Row, (x, y, width): (f64, f64, f64)) -> Markup {
    match row {
        Row::Roles(roles) => html! {
            text.roles x=(pixels(x)) y=(pixels(y)) {
                @for (number, role) in roles.iter().enumerate() {
                    @if number > 0 { " " }
                    (self::role(role, marks, &fitting(role, TEXT, width)))
                }
            }
        },
        Row::Star(number) => {
            let star = &layout.folded.stars[*number];
            html! {
                circle class={ "tip " (class(star.kind)) } cx=(pixels(x + 4.0)) cy=(pixels(y - 4.0)) r="4" {}
                text.star x=(pixels(x + 13.0)) y=(pixels(y)) { (fitting(&layout.folded.words(star), TEXT, width - 8.0)) }
            }
        }
    }
}

fn role(name: &str, marks: &Marks, shown: &str) -> Markup {
    let link = marks.role_base.as_ref().map(|base| format!("{base}{name}"));
    linked(link.as_deref(), &html! { tspan { (said(shown)) } })
}

fn linked(to: Option<&str>, shown: &Markup) -> Markup {
    html! {
        @match to {
            Some(to) => a href=(said(to)) { (shown) },
            None => (shown),
        }
    }
}

/// Says everything of a box that the picture says in lines and words.
fn told(layout: &Layout<'_>, node: Node) -> String {
    let folded = &layout.folded;
    let mut told = folded.name(node).to_owned();
    for edge in folded
        .edges
        .iter()
        .filter(|edge| edge.from == node || edge.to == node)
    {
        told.push('\n');
        told.push_str(&sentence(layout, edge));
    }
    for star in &folded.stars {
        let names: Vec<_> = star
            .others
            .iter()
            .map(|other| folded.name(*other))
            .collect();
        let (one, kind) = (folded.name(star.centre), star.kind.as_str());
        let _ = match (
            star.inward,
            star.centre == node,
            star.others.contains(&node),
        ) {
            (true, true, _) => write!(told, "\n{kind} for {}", names.join(", ")),
            (true, false, true) => write!(told, "\n{} relies on {one}: {kind}", folded.name(node)),
            (false, true, _) => write!(told, "\n{one} relies on {}: {kind}", names.join(", ")),
            (false, false, true) => write!(told, "\n{one} relies on {}: {kind}", folded.name(node)),
            (_, false, false) => Ok(()),
        };
    }
    told
}

fn legend(used: &[NeedKind], layout: &Layout<'_>, marks: &Marks) -> Markup {
    let mut x = PADDING * 2.6;
    let mut places = Vec::new();
    for kind in used {
        places.push((*kind, x));
        x += width_of(kind.as_str(), TEXT) + 34.0;
    }
    let y = layout.height + 12.0;
    html! {
        g.legend {
            @for (kind, x) in places {
                line class={ "edge " (class(kind)) } marker-end={ "url(#end-" (class(kind)) ")" }
                    x1=(pixels(x)) y1=(pixels(y)) x2=(pixels(x + 30.0)) y2=(pixels(y)) {}
                text x=(pixels(x + 36.0)) y=(pixels(y + 4.0)) { (kind.as_str()) }
            }
            text.faint x=(pixels(x + 10.0)) y=(pixels(y + 4.0)) {
                "arrows lead to who is relied on"
                @if !marks.standing.is_empty() { "; ✓ checks passed, ✗ a check failed" }
            }
            @if !layout.common.is_empty() {
                text x=(pixels(PADDING * 2.6)) y=(pixels(y + 24.0)) {
                    tspan.faint { "every host has the roles " }
                    @for (number, role) in layout.common.iter().enumerate() { @if number > 0 { " " } (self::role(role, marks, role)) }
                }
            }
        }
    }
}
