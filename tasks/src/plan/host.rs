//! The plan of one host.

use serde::Serialize;

use super::{Change, Planned};
use crate::Secret;
use crate::fact::{Facts, NotAsked};
use crate::resource::Declared;

/// Says how far the host's life has come, which decides what is deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// `prov apply` on a container: what a new container would lose again is left to completion.
    Apply,
    /// `prov complete`, and everything on real servers.
    Completion,
}

/// One resource in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Position of the resource among those declared for the host.
    pub index: usize,
    /// Kind of the resource, for instance `file`.
    pub resource: &'static str,
    /// What tells it from others of its kind, for instance a path.
    pub id: String,
    /// The role that declared it.
    pub role: String,
    /// What becomes of it.
    pub outcome: Planned,
}

/// What would change on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HostPlan {
    /// Every resource, in the order in which they are applied.
    pub items: Vec<Item>,
}

impl HostPlan {
    /// Gives the changes, in order.
    pub fn changes(&self) -> impl Iterator<Item = (&Item, &Change)> {
        self.items.iter().filter_map(|item| match &item.outcome {
            Planned::Change(change) => Some((item, change)),
            Planned::Unchanged
            | Planned::Unknown { .. }
            | Planned::Deferred { .. }
            | Planned::Impossible { .. } => None,
        })
    }

    /// Tells whether applying would change nothing, now or later.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.items
            .iter()
            .all(|item| matches!(item.outcome, Planned::Unchanged))
    }
}

/// Plans one resource against what is known now.
pub fn plan_one(
    declared: &Declared,
    index: usize,
    facts: &Facts,
    phase: Phase,
) -> Result<Item, NotAsked> {
    let manage = declared.resource.manage();
    let mut outcome = manage.plan(facts)?;
    if matches!(outcome, Planned::Change(_)) && phase < declared.phase {
        outcome = Planned::Deferred {
            reason: "a container would lose it; `prov complete` does it".to_owned(),
        };
    }
    Ok(Item {
        index,
        resource: manage.kind(),
        id: manage.id(),
        role: declared.role.clone(),
        outcome,
    })
}

/// Plans every resource of a host, each against the facts as the changes before it will have left them.
pub fn preview(resources: &[Declared], facts: &Facts, phase: Phase) -> Result<HostPlan, NotAsked> {
    let mut facts = facts.clone();
    let mut items = Vec::with_capacity(resources.len());
    for (index, declared) in resources.iter().enumerate() {
        let item = plan_one(declared, index, &facts, phase)?;
        if let Planned::Change(change) = &item.outcome {
            for step in &change.steps {
                facts.apply(step);
            }
        }
        items.push(item);
    }
    Ok(HostPlan { items })
}

impl HostPlan {
    /// Digests what would be done under a key (SHA-256, hexadecimal): equal digests, equal steps and bytes, and no
    /// secret can be read from it or tried out without the key.
    #[must_use]
    pub fn fingerprint(&self, key: &[u8]) -> String {
        let mut text = String::new();
        for (item, change) in self.changes() {
            text.push_str(item.resource);
            text.push_str(&item.id);
            // Steps serialise with their secrets masked; the digests of the contents stand for them.
            text.push_str(&serde_json::to_string(&change.steps).unwrap_or_default());
            for step in &change.steps {
                if let Some(content) = step.content() {
                    text.push_str(&Secret::new(content.expose()).digest(key));
                }
            }
        }
        Secret::new(text).digest(key)
    }
}
