//! Where boxes and lines are: a band for each location, and in it the hosts that belong together below those that rely on them.
//!
//! The library places the hosts of a location that lines connect, in layers; this puts such groups side by side, and locations below
//! each other. Lengths are in pixels of a picture that is not scaled.

use std::collections::{BTreeMap, BTreeSet};

use rust_sugiyama::configure::Config;
use tasks::estate::Location;
use tasks::graph::Graph;

use super::folded::{Edge, Folded, Node};
use crate::report::text::printable;

/// Size of the text of names and of everything else, and what a letter takes of it at most, in a usual font without serifs.
pub(super) const NAME: f64 = 14.0;
pub(super) const TEXT: f64 = 11.5;
const LETTER: f64 = 0.6;

pub(super) const LINE: f64 = 16.0;
pub(super) const PADDING: f64 = 10.0;
const GAP: f64 = 34.0;
const MARGIN: f64 = 16.0;
const TITLE: f64 = 34.0;

/// Width beyond which the next group of hosts begins a row of its own.
const WIDEST: f64 = 1240.0;

/// Up to so many hosts all of their roles stand in their boxes.
const FEW: usize = 3;

/// Widths of boxes.
const NARROW: f64 = 210.0;
const WIDE: f64 = 280.0;

/// A rectangle by its upper left corner.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// What a line of text in a box is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Names of roles, separated by spaces.
    Roles(Vec<String>),
    /// The words of the star with this number.
    Star(usize),
}

/// A line with the points of a cubic curve.
#[derive(Debug)]
pub(super) struct Curve {
    pub(super) edge: usize,
    pub(super) points: [(f64, f64); 4],
}

/// A band of a location, or of those outside of the estate.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) location: Option<Location>,
    pub(super) rect: Rect,
}

/// A picture.
#[derive(Debug)]
pub(super) struct Layout<'g> {
    pub(super) folded: Folded<'g>,
    /// Roles that every host has, which is said once.
    pub(super) common: Vec<&'g str>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) bands: Vec<Band>,
    /// By the numbers of what is drawn as a box.
    pub(super) boxes: Vec<Rect>,
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) curves: Vec<Curve>,
}

impl<'g> Layout<'g> {
    pub(super) fn of(folded: Folded<'g>) -> Self {
        let hosts = folded.graph.hosts.iter();
        let longest = hosts.map(|host| width_of(&host.name, NAME));
        let width = longest.fold(NARROW, f64::max).min(WIDE);
        let common = common(folded.graph);
        let rows: Vec<_> = folded
            .nodes()
            .map(|node| rows(&folded, &common, node, width))
            .collect();
        let mut boxes: Vec<Rect> = rows.iter().map(|rows| size(rows, width)).collect();
        let mut bands = Vec::new();
        let mut bottom = MARGIN;
        for location in Location::EVERY.into_iter().map(Some).chain([None]) {
            let members: Vec<Node> = folded
                .nodes()
                .filter(|node| folded.location(*node) == location)
                .collect();
            if members.is_empty() {
                continue;
            }
            let groups = groups(&folded, &members, &boxes);
            let inner = place(groups, &mut boxes, (MARGIN * 2.0, bottom + TITLE));
            let rect = Rect {
                x: MARGIN,
                y: bottom,
                width: inner.0 + MARGIN * 2.0,
                height: TITLE + inner.1 + MARGIN,
            };
            bottom += rect.height + MARGIN * 2.5;
            bands.push(Band { location, rect });
        }
        let widest = bands
            .iter()
            .map(|band| band.rect.width)
            .fold(NARROW * 2.0, f64::max);
        for band in &mut bands {
            band.rect.width = widest;
        }
        let curves = curves(&folded.edges, &boxes);
        Self {
            width: widest + MARGIN * 2.0,
            height: bottom - MARGIN,
            folded,
            common,
            bands,
            boxes,
            rows,
            curves,
        }
    }
}

/// Says how wide a text is at most.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    let letters = u32::try_from(printable(text).chars().count()).unwrap_or(u32::MAX);
    f64::from(letters) * size * LETTER + PADDING * 2.0
}

/// Shortens a text to what fits into a box.
pub(super) fn fitting(text: &str, size: f64, width: f64) -> String {
    let text = printable(text);
    if width_of(&text, size) <= width {
        return text;
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width_of(&short, size) + size * LETTER * 2.0 > width {
            break;
        }
        short.push(letter);
    }
    short + "…"
}

/// Lists the roles that every host has, unless there are so few hosts that nothing is gained.
fn common(graph: &Graph) -> Vec<&str> {
    let everywhere = |role: &&str| {
        graph
            .hosts
            .iter()
            .all(|host| host.roles.iter().any(|it| it == role))
    };
    let roles = graph.roles.iter().map(|(name, _)| name.as_str());
    roles
        .filter(|role| graph.hosts.len() > FEW && everywhere(role))
        .collect()
}

fn rows(folded: &Folded<'_>, common: &[&str], node: Node, width: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut line: Vec<String> = Vec::new();
    let roles = folded
        .graph
        .hosts
        .get(node)
        .into_iter()
        .flat_map(|host| &host.roles);
    for role in roles.filter(|role| !common.contains(&role.as_str())) {
        let longer = line.join(" ") + " " + role;
        if !line.is_empty() && width_of(&longer, TEXT) > width {
            rows.push(Row::Roles(std::mem::take(&mut line)));
        }
        line.push(role.clone());
    }
    if !line.is_empty() {
        rows.push(Row::Roles(line));
    }
    let stars = folded.stars.iter().enumerate();
    rows.extend(
        stars
            .filter(|(_, star)| star.centre == node)
            .map(|(number, _)| Row::Star(number)),
    );
    rows
}

fn size(rows: &[Row], width: f64) -> Rect {
    let rows = f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX));
    Rect {
        width,
        height: PADDING * 2.0 + LINE * (rows + 2.0) - 4.0,
        ..Rect::default()
    }
}

/// Hosts that lines connect, with their places in a group of its own size.
struct Group {
    places: Vec<(Node, f64, f64)>,
    width: f64,
    height: f64,
}

fn groups(folded: &Folded<'_>, members: &[Node], boxes: &[Rect]) -> Vec<Group> {
    let pairs: BTreeSet<(Node, Node)> = folded
        .edges
        .iter()
        .map(|edge| (edge.from, edge.to))
        .collect();
    let within =
        |(from, to): &&(Node, Node)| members.contains(from) && members.contains(to) && from != to;
    let number = |node: Node| u32::try_from(node).unwrap_or(u32::MAX);
    let lines: Vec<(u32, u32)> = pairs
        .iter()
        .filter(within)
        .map(|(from, to)| (number(*from), number(*to)))
        .collect();
    let connected: BTreeSet<u32> = lines.iter().flat_map(|(from, to)| [*from, *to]).collect();
    let sizes: Vec<(u32, (f64, f64))> = connected
        .iter()
        .map(|node| (*node, boxes[*node as usize]))
        .map(|(node, rect)| (node, (rect.width, rect.height)))
        .collect();
    let config = Config {
        vertex_spacing: GAP,
        ..Config::default()
    };
    let laid = if sizes.is_empty() {
        Vec::new()
    } else {
        rust_sugiyama::from_vertices_and_edges(&sizes, &lines, &config)
    };
    let ids: Vec<Node> = connected.iter().map(|node| *node as usize).collect();
    let mut groups: Vec<Group> = laid
        .into_iter()
        .map(|(places, _, _)| group(&places, &ids, boxes))
        .collect();
    let alone = members.iter().filter(|node| !ids.contains(node));
    groups.extend(alone.map(|node| Group {
        places: vec![(*node, 0.0, 0.0)],
        width: boxes[*node].width,
        height: boxes[*node].height,
    }));
    groups.sort_by_key(|group| {
        (
            turned(folded, group),
            group.places.iter().map(|place| place.0).min(),
        )
    });
    groups
}

/// Says how far down in its band a group belongs, so that its lines to other bands pass few boxes.
fn turned(folded: &Folded<'_>, group: &Group) -> u8 {
    let is_here = |node: Node| group.places.iter().any(|place| place.0 == node);
    let leads_to = |wanted: Option<Location>| {
        folded.edges.iter().any(|edge| {
            is_here(edge.from) && !is_here(edge.to) && folded.location(edge.to) == wanted
                || is_here(edge.to) && !is_here(edge.from) && folded.location(edge.from) == wanted
        })
    };
    let [above, below] = Location::EVERY.map(Some);
    let here = group
        .places
        .first()
        .and_then(|place| folded.location(place.0));
    if here == above {
        u8::from(leads_to(below)) + 2 * u8::from(leads_to(None))
    } else if leads_to(above) {
        0
    } else {
        1 + u8::from(leads_to(None))
    }
}

/// Turns places of middles into places of corners that begin at nought.
fn group(places: &[(usize, (f64, f64))], ids: &[Node], boxes: &[Rect]) -> Group {
    // The library counts what it was given.
    let places = places.iter().map(|(index, middle)| (ids[*index], middle));
    let corners: Vec<(Node, f64, f64)> = places
        .map(|(node, (x, y))| {
            (
                node,
                x - boxes[node].width / 2.0,
                y - boxes[node].height / 2.0,
            )
        })
        .collect();
    let left = corners
        .iter()
        .map(|place| place.1)
        .fold(f64::INFINITY, f64::min);
    let top = corners
        .iter()
        .map(|place| place.2)
        .fold(f64::INFINITY, f64::min);
    let mut places: Vec<_> = corners
        .into_iter()
        .map(|(node, x, y)| (node, x - left, y - top))
        .collect();
    places.sort_by_key(|place| place.0);
    let width = places
        .iter()
        .map(|(node, x, _)| x + boxes[*node].width)
        .fold(0.0, f64::max);
    let height = places
        .iter()
        .map(|(node, _, y)| y + boxes[*node].height)
        .fold(0.0, f64::max);
    Group {
        places,
        width,
        height,
    }
}

/// Puts groups side by side, in as many rows as it takes; gives the size of all.
fn place(groups: Vec<Group>, boxes: &mut [Rect], (left, top): (f64, f64)) -> (f64, f64) {
    let (mut x, mut y, mut row, mut widest) = (0.0, 0.0, 0.0, 0.0);
    for group in groups {
        if x > 0.0 && x + group.width > WIDEST {
            (x, y, row) = (0.0, y + row + GAP, 0.0);
        }
        for (node, dx, dy) in &group.places {
            boxes[*node].x = left + x + dx;
            boxes[*node].y = top + y + dy;
        }
        row = f64::max(row, group.height);
        x += group.width + GAP;
        widest = f64::max(widest, x - GAP);
    }
    (widest, y + row)
}

/// A side of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Top,
    Bottom,
    Left,
    Right,
}

/// Draws lines from the side that faces the other box, spread along it.
fn curves(edges: &[Edge], boxes: &[Rect]) -> Vec<Curve> {
    let sides: Vec<(Side, Side)> = edges
        .iter()
        .map(|edge| sides(boxes[edge.from], boxes[edge.to]))
        .collect();
    let mut ends: BTreeMap<(Node, Side), Vec<(usize, bool)>> = BTreeMap::new();
    for (number, (edge, (from, to))) in edges.iter().zip(&sides).enumerate() {
        ends.entry((edge.from, *from))
            .or_default()
            .push((number, true));
        ends.entry((edge.to, *to))
            .or_default()
            .push((number, false));
    }
    let mut points = vec![[(0.0, 0.0); 2]; edges.len()];
    for ((node, side), mut here) in ends {
        let other = |(number, leaves): (usize, bool)| {
            let edge = &edges[number];
            let (x, y) = boxes[if leaves { edge.to } else { edge.from }].middle();
            match side {
                Side::Top | Side::Bottom => x,
                Side::Left | Side::Right => y,
            }
        };
        here.sort_by(|one, two| other(*one).total_cmp(&other(*two)).then(one.cmp(two)));
        let count = f64::from(u32::try_from(here.len()).unwrap_or(u32::MAX));
        for (at, (number, leaves)) in (1_u32..).zip(here) {
            let part = f64::from(at) / (count + 1.0);
            points[number][usize::from(!leaves)] = point(boxes[node], side, part);
        }
    }
    let curves = points.into_iter().zip(sides).enumerate();
    curves
        .map(|(edge, ([start, end], (from, to)))| {
            let reach = (f64::abs(end.1 - start.1) * 0.45).clamp(24.0, 160.0);
            Curve {
                edge,
                points: [
                    start,
                    towards(start, from, reach),
                    towards(end, to, reach),
                    end,
                ],
            }
        })
        .collect()
}

fn sides(from: Rect, to: Rect) -> (Side, Side) {
    if to.y >= from.y + from.height {
        (Side::Bottom, Side::Top)
    } else if from.y >= to.y + to.height {
        (Side::Top, Side::Bottom)
    } else if to.x > from.x {
        (Side::Right, Side::Left)
    } else {
        (Side::Left, Side::Right)
    }
}

fn point(rect: Rect, side: Side, part: f64) -> (f64, f64) {
    match side {
        Side::Top => (rect.x + rect.width * part, rect.y),
        Side::Bottom => (rect.x + rect.width * part, rect.y + rect.height),
        Side::Left => (rect.x, rect.y + rect.height * part),
        Side::Right => (rect.x + rect.width, rect.y + rect.height * part),
    }
}

fn towards((x, y): (f64, f64), side: Side, reach: f64) -> (f64, f64) {
    match side {
        Side::Top => (x, y - reach),
        Side::Bottom => (x, y + reach),
        Side::Left => (x - reach, y),
        Side::Right => (x + reach, y),
    }
}
