//! What of a graph is drawn as a line, and what is said in words.

use std::collections::{BTreeMap, BTreeSet};

use tasks::estate::Location;
use tasks::graph::Graph;
use tasks::promise::{NeedKind, Needed};

/// From how many hosts on that have the same need there are words for it instead of lines.
const MANY: usize = 6;

/// The same where it is more than half of the hosts at a location.
const MOST: usize = 3;

/// Something that is drawn as a box: a host, or somebody outside of the estate. Hosts come first, in the order of the graph.
pub(super) type Node = usize;

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: Node,
    pub(super) to: Node,
    pub(super) kind: NeedKind,
    /// What of it is meant, each said once.
    pub(super) details: Vec<String>,
}

/// Many hosts at a location that rely on the same one for the same, or one host that relies on many.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Star {
    /// The one.
    pub(super) centre: Node,
    /// Where the many are; nowhere if they are outside of the estate.
    pub(super) location: Option<Location>,
    pub(super) kind: NeedKind,
    /// Whether the many rely on the one, and not the other way round.
    pub(super) inward: bool,
    /// The many.
    pub(super) others: Vec<Node>,
}

/// A graph with what is said in words apart.
#[derive(Debug)]
pub(super) struct Folded<'g> {
    pub(super) graph: &'g Graph,
    /// Names of those outside of the estate.
    pub(super) outside: Vec<&'g str>,
    pub(super) edges: Vec<Edge>,
    pub(super) stars: Vec<Star>,
}

impl<'g> Folded<'g> {
    pub(super) fn of(graph: &'g Graph) -> Self {
        let names: BTreeMap<&str, Node> = graph
            .hosts
            .iter()
            .enumerate()
            .map(|(at, host)| (host.name.as_str(), at))
            .collect();
        let outside: BTreeSet<&str> = graph
            .needs
            .iter()
            .filter_map(|need| outside_name(&need.of))
            .collect();
        let outside: Vec<&str> = outside.into_iter().collect();
        let node = |needed: &Needed| match needed {
            Needed::Host(name) => names.get(name.as_str()).copied(),
            Needed::Outside(name) => outside
                .binary_search(&name.as_str())
                .ok()
                .map(|at| graph.hosts.len() + at),
        };
        let mut lines: BTreeMap<(Node, Node, NeedKind), Vec<String>> = BTreeMap::new();
        for need in &graph.needs {
            // A limited graph has needs of hosts that it does not have.
            if let (Some(from), Some(to)) = (names.get(need.host.as_str()), node(&need.of)) {
                lines
                    .entry((*from, to, need.kind))
                    .or_default()
                    .push(need.detail.clone());
            }
        }
        let mut folded = Self {
            graph,
            outside,
            edges: Vec::new(),
            stars: Vec::new(),
        };
        folded.fold(&mut lines, true);
        folded.fold(&mut lines, false);
        folded.edges = lines
            .into_iter()
            .map(|((from, to, kind), details)| Edge {
                from,
                to,
                kind,
                details,
            })
            .collect();
        folded
    }

    /// Takes the lines away that meet in one box, or that come from one.
    fn fold(&mut self, lines: &mut BTreeMap<(Node, Node, NeedKind), Vec<String>>, inward: bool) {
        let mut stars: BTreeMap<(Node, Option<Location>, NeedKind), Vec<Node>> = BTreeMap::new();
        for (from, to, kind) in lines.keys() {
            let (centre, other) = if inward { (*to, *from) } else { (*from, *to) };
            stars
                .entry((centre, self.location(other), *kind))
                .or_default()
                .push(other);
        }
        for ((centre, location, kind), mut others) in stars {
            let there = self
                .graph
                .hosts
                .iter()
                .filter(|host| Some(host.location) == location)
                .count();
            let is_most = inward && others.len() > MOST && others.len() * 2 > there;
            if others.len() < MANY && !is_most {
                continue;
            }
            others.sort_unstable();
            others.dedup();
            for other in &others {
                let (from, to) = if inward {
                    (*other, centre)
                } else {
                    (centre, *other)
                };
                lines.remove(&(from, to, kind));
            }
            self.stars.push(Star {
                centre,
                location,
                kind,
                inward,
                others,
            });
        }
    }

    /// Says where a box stands; those outside of the estate have no location.
    pub(super) fn location(&self, node: Node) -> Option<Location> {
        self.graph.hosts.get(node).map(|host| host.location)
    }

    pub(super) fn name(&self, node: Node) -> &str {
        match self.graph.hosts.get(node) {
            Some(host) => &host.name,
            None => self
                .outside
                .get(node - self.graph.hosts.len())
                .copied()
                .unwrap_or_default(),
        }
    }

    /// Lists every box, by number.
    pub(super) fn nodes(&self) -> std::ops::Range<Node> {
        0..self.graph.hosts.len() + self.outside.len()
    }

    /// Puts a star into words, as they stand in the box of the one.
    pub(super) fn words(&self, star: &Star) -> String {
        let count = star.others.len();
        let place = star.location.map_or("outside", Location::as_str);
        let what = star.kind.as_str();
        if star.inward {
            let all = self
                .graph
                .hosts
                .iter()
                .filter(|host| Some(host.location) == star.location)
                .count();
            let rest = all - usize::from(self.location(star.centre) == star.location);
            let whole = if count == rest { "all " } else { "" };
            format!("{what} for {whole}{count} {place}")
        } else {
            format!("relies on {count} {place}: {what}")
        }
    }
}

fn outside_name(needed: &Needed) -> Option<&str> {
    match needed {
        Needed::Host(_) => None,
        Needed::Outside(name) => Some(name),
    }
}
