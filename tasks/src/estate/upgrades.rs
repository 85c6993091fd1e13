//! In which order hosts are upgraded, and how many at once: the section `upgrades` of `estate.yml`.

use std::num::NonZeroUsize;

use schemars::JsonSchema;
use serde::Deserialize;

use super::node::Node;
use super::{Estate, Host};
use crate::Diagnostic;
use crate::release::Release;

/// Holds the section `upgrades:`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrades {
    /// Which hosts come first, as patterns of `--limit`; those that none of them names come last, in the order of `hosts`.
    #[serde(default)]
    order: Vec<String>,
    /// How many hosts are upgraded at once; by default one. The next ones begin when all of these are done, and not at
    /// all if one of them fails.
    #[serde(default)]
    at_once: Option<NonZeroUsize>,
}

impl Estate {
    /// Finds patterns in the section `upgrades` that no host matches.
    pub(super) fn check_upgrades(&self, root: &Node) -> Vec<Diagnostic> {
        let Some(order) = root.get("upgrades").and_then(|node| node.get("order")) else {
            return Vec::new();
        };
        let (patterns, _) = order.names();
        let wrong = patterns.into_iter().filter_map(|(pattern, mark)| {
            let mistake = self.limit(pattern).err()?.into_iter().next()?;
            let wrong = Diagnostic::at(mark.place(), mistake.message);
            Some(mistake.hint.into_iter().fold(wrong, Diagnostic::hint))
        });
        wrong.collect()
    }

    /// Puts hosts in the groups in which they are upgraded, one group after the other; `at_once` is how many make one, by
    /// default what the estate says.
    #[must_use]
    pub fn upgrade_groups<'e>(
        &'e self,
        hosts: &[&'e Host],
        at_once: Option<NonZeroUsize>,
    ) -> Vec<Vec<&'e Host>> {
        let first = self.upgrades.order.iter();
        let first = first.flat_map(|pattern| self.limit(pattern).unwrap_or_default());
        let mut order: Vec<&Host> = Vec::new();
        for host in first.chain(self.hosts.iter()) {
            let is = |other: &&Host| other.name == host.name;
            if hosts.iter().any(is) && !order.iter().any(is) {
                order.push(host);
            }
        }
        let at_once = at_once.or(self.upgrades.at_once);
        let groups = order.chunks(at_once.map_or(1, NonZeroUsize::get));
        groups.map(<[&Host]>::to_vec).collect()
    }

    /// Takes hosts for such of another release than `estate.yml` says, as it will have to say once they are upgraded.
    pub fn set_release(&mut self, hosts: &[String], release: Release) {
        for host in self
            .hosts
            .iter_mut()
            .filter(|host| hosts.contains(&host.name))
        {
            host.release = release;
        }
    }
}
