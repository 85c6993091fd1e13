//! From the checks of a role to those of one host.

use std::net::IpAddr;

use super::fill::{Filling, MOST, is_chosen};
use super::{For, OwnRole, Proved};
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Location, Node, Value, from_node};
use crate::promise::check::{Beside, OwnCheck};
use crate::promise::{Audience, OpenPort, Server};

/// Gives what of a host is to be proved.
pub(super) fn checks(
    role: &OwnRole,
    whom: For<'_>,
    open_ports: &[OpenPort],
) -> Result<Vec<OwnCheck>, Vec<Diagnostic>> {
    let Some(name) = role.checked_as() else {
        return Ok(Vec::new());
    };
    let mut filling = Filling::new(role, whom, Some(open_ports))?;
    let of = whom.vars.host();
    let mut checks = Vec::new();
    for proved in &role.checks {
        if !is_chosen(role, &proved.said, whom) {
            continue;
        }
        filling.each(&proved.said, |filling| {
            let at = (Server::of(of), of.location());
            checks.extend(filling.check(proved, name, at, whom.estate));
            checks.len() <= MOST
        });
        if checks.len() > MOST {
            let message = format!("the role has more than {MOST} checks of one host");
            let place = proved.said.mark.place();
            filling.mistakes.push(Diagnostic::at(place, message));
            break;
        }
    }
    filling.finish(checks)
}

/// Finds what is wrong with a check in which no host has a say.
pub(super) fn judged(proved: &Proved) -> Result<(), Vec<Diagnostic>> {
    let anywhere = Server {
        name: "host".to_owned(),
        address: IpAddr::from([127, 0, 0, 1]),
    };
    let beside = Beside::read(proved, None, Clone::clone)?;
    let said = (&proved.said.fields, &proved.said.mark);
    OwnCheck::read(
        proved.kind,
        said,
        "",
        (anywhere, Location::Internal),
        beside,
    )
    .map(|_| ())
}

impl Filling<'_> {
    fn check(
        &mut self,
        proved: &Proved,
        name: &str,
        at: (Server, Location),
        estate: &Estate,
    ) -> Option<OwnCheck> {
        let before = self.mistakes.len();
        let fields = self.fill(&proved.said.fields);
        let beside = Beside::read(proved, Some(estate), |node| self.fill(node));
        let beside = self.read(beside, &proved.said.mark)?;
        if self.mistakes.len() > before {
            return None;
        }
        let said = (&fields, &proved.said.mark);
        let read = OwnCheck::read(proved.kind, said, name, at, beside);
        self.read(read, &proved.said.mark)
    }
}

impl Beside {
    /// Reads what stands beside a check, each of which is filled first.
    fn read(
        proved: &Proved,
        estate: Option<&Estate>,
        mut fill: impl FnMut(&Node) -> Node,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let mut filled = |node: &Option<Node>| node.as_ref().map(&mut fill);
        let beside = Self {
            from: value(filled(&proved.from), &mut mistakes),
            to: audience(filled(&proved.to), estate, &mut mistakes),
            within: value(filled(&proved.within), &mut mistakes),
            timeout: value(filled(&proved.timeout), &mut mistakes),
            shows: value(filled(&proved.shows), &mut mistakes),
        };
        if mistakes.is_empty() {
            Ok(beside)
        } else {
            Err(mistakes)
        }
    }
}

/// Reads to whom something is served, where the estate is known: a word, or a list of them.
fn audience(
    node: Option<Node>,
    estate: Option<&Estate>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<Audience> {
    let (node, estate) = (node?, estate?);
    let words = if matches!(node.value, Value::Sequence(_)) {
        from_node(&node)
    } else {
        from_node(&node).map(|word: String| vec![word])
    };
    let named = words.and_then(|words: Vec<String>| {
        let mistake = |problem| Diagnostic::at(node.mark.place(), problem);
        Audience::named(&words, estate).map_err(mistake)
    });
    named.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn value<T: serde::de::DeserializeOwned>(
    node: Option<Node>,
    mistakes: &mut Vec<Diagnostic>,
) -> Option<T> {
    let read = node.map(|node| from_node(&node))?;
    read.map_err(|mistake| mistakes.push(mistake)).ok()
}
