//! The plan of one host.

use serde::Serialize;

use super::{Change, Planned};
use crate::probe::{Facts, NotAsked};
use crate::resource::Declared;
use crate::step::Step;
use crate::{Input, Secret};

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
    let mut outcome = match manage.inputs().as_slice() {
        [] => manage.plan(facts)?,
        [input, ..] => Planned::Unknown {
            waits_for: input.to_string(),
        },
    };
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

/// Gives what becomes of a resource that needs something of another host which does not come in this run.
#[must_use]
pub fn without_input(input: &Input) -> Planned {
    Planned::Deferred {
        reason: format!("needs {input}, which is not there; apply that host too"),
    }
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
            for step in change.steps.iter().filter(|step| !prepares(step)) {
                // Steps serialise with their secrets masked; the digests of the contents stand for them.
                text.push_str(&serde_json::to_string(step).unwrap_or_default());
                if let Some(content) = step.content() {
                    text.push_str(&Secret::new(content.expose()).digest(key));
                }
            }
        }
        Secret::new(text).digest(key)
    }
}

/// Tells whether a step only prepares those after it, such as fetching package lists that have become too old: when
/// it is needed depends on the time, not on what is wanted.
const fn prepares(step: &Step) -> bool {
    match step {
        Step::Run(run) => run.effects.is_empty() && run.stdin.is_none(),
        Step::WriteFile { .. }
        | Step::Fetch { .. }
        | Step::SetAttributes { .. }
        | Step::MakeDirectory { .. }
        | Step::MakeLink { .. }
        | Step::Remove { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::probe::{Attributes, PackageFact, PathFact};
    use crate::resource::{Directory, File, Packages, Resource};
    use crate::value::{HostPath, Mode, PackageName};

    #[test]
    fn a_plan_stays_the_same_when_the_package_lists_grow_old_and_not_when_other_packages_are_wanted()
     {
        let digest = |name: &str, age| {
            let name = PackageName::new(name).unwrap();
            let mut facts = Facts {
                apt_lists_age: Some(age),
                ..Facts::default()
            };
            facts.packages.insert(name.clone(), PackageFact::Absent);
            let wanted = Declared::new("r", Resource::Packages(Packages::new([name])));
            preview(&[wanted], &facts, Phase::Apply)
                .unwrap()
                .fingerprint(b"k")
        };
        assert_eq!(digest("dnsmasq", 10), digest("dnsmasq", 1_000_000));
        assert_ne!(digest("dnsmasq", 10), digest("bacula-fd", 10));
    }

    #[test]
    fn a_file_in_a_parent_that_a_directory_brings_along_is_previewed() {
        let path = |text: &str| HostPath::new(text).unwrap();
        let mut facts = Facts::default();
        for missing in ["/srv/a", "/srv/a/b", "/srv/a/file"] {
            facts.paths.insert(path(missing), PathFact::Missing);
        }
        let resources = [
            Declared::new("r", Resource::Directory(Directory::new(path("/srv/a/b")))),
            Declared::new(
                "r",
                Resource::File(File::new(path("/srv/a/file"), Content::plain("x"))),
            ),
        ];
        let plan = preview(&resources, &facts, Phase::Apply).unwrap();
        assert_eq!(plan.changes().count(), 2, "{plan:?}");
        facts.apply(&plan.changes().next().unwrap().1.steps[0]);
        let made = Attributes {
            owner: "root".into(),
            group: "root".into(),
            mode: Mode::new(0o755),
        };
        assert_eq!(
            facts.path(&path("/srv/a")).unwrap(),
            &PathFact::Directory(made)
        );
    }
}
