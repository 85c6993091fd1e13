//! The plan of one host.

use serde::Serialize;

use super::handlers;
use super::{Awaited, Change, Deferral, Lockout, Phase, Planned, lockout};
use crate::history::ChangedSince;
use crate::probe::{Facts, NotAsked};
use crate::quote;
use crate::resource::{Declared, Handler};
use crate::step::Step;
use crate::{Input, Secret};

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
    /// What its change touches that prov may not get in again without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lockout: Option<Lockout>,
}

impl Item {
    /// Gives kind and id, for instance `file /etc/aliases`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.resource, self.id)
    }
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
            | Planned::Unknown(_)
            | Planned::Deferred(_)
            | Planned::Refused { .. }
            | Planned::Impossible { .. } => None,
        })
    }

    /// Gives the first resource that cannot be made as it should be, with cause and remedy.
    #[must_use]
    pub fn impossible(&self) -> Option<(&Item, &str, &str)> {
        self.items.iter().find_map(|item| match &item.outcome {
            Planned::Impossible { cause, hint } => Some((item, cause.as_str(), hint.as_str())),
            Planned::Unchanged
            | Planned::Change(_)
            | Planned::Unknown(_)
            | Planned::Refused { .. }
            | Planned::Deferred(_) => None,
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
        [] => decided(declared, facts)?,
        [input, ..] => Planned::Unknown(Awaited::Input(input.clone())),
    };
    if matches!(outcome, Planned::Change(_))
        && let Some(changed) = declared
            .since
            .as_ref()
            .and_then(|since| since.changed(facts))
    {
        let ChangedSince { cause, hint, diff } = changed;
        outcome = Planned::Refused { cause, hint, diff };
    }
    if matches!(outcome, Planned::Change(_)) && phase < declared.phase {
        outcome = Planned::Deferred(Deferral::LostByContainer);
    }
    Ok(Item {
        index,
        resource: manage.kind(),
        id: manage.shown(facts),
        role: declared.role.clone(),
        lockout: match &outcome {
            Planned::Change(change) => lockout(declared, change, facts),
            Planned::Unchanged
            | Planned::Unknown(_)
            | Planned::Deferred(_)
            | Planned::Refused { .. }
            | Planned::Impossible { .. } => None,
        },
        outcome,
    })
}

/// Decides what becomes of a resource. What is refused because the host, prov or others stand on it, and would be done if it were said
/// twice, says how that is said.
fn decided(declared: &Declared, facts: &Facts) -> Result<Planned, NotAsked> {
    let manage = declared.resource.manage();
    let insisted = || {
        let facts = Facts {
            insisted: true,
            ..facts.clone()
        };
        super::guard::decide(manage, &facts)
    };
    if declared.insisted {
        return insisted();
    }
    let mut outcome = super::guard::decide(manage, facts)?;
    if let Planned::Impossible { hint, .. } | Planned::Refused { hint, .. } = &mut outcome
        && !matches!(
            insisted()?,
            Planned::Impossible { .. } | Planned::Refused { .. }
        )
    {
        let name = declared.name();
        *hint = format!(
            "{hint}; if this is what you want, say it twice: --insist {}",
            quote::sh(&name)
        );
    }
    Ok(outcome)
}

/// Gives the texts of which a program that quotes them is not quoted, as not everybody may read them on the host.
#[must_use]
pub fn private_texts(resources: &[Declared], facts: &Facts) -> Vec<Secret> {
    let texts = resources
        .iter()
        .flat_map(|declared| declared.resource.manage().private(facts));
    texts.map(|text| Secret::new(text.expose())).collect()
}

/// Gives what becomes of a resource that needs something of another host which does not come in this run.
#[must_use]
pub fn without_input(input: &Input) -> Planned {
    Planned::Deferred(Deferral::OtherHost(input.clone()))
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
    /// Gives the handlers that the changes notify, and those that are due already, in the order in which the host's
    /// resources name them.
    #[must_use]
    pub fn handlers(&self, resources: &[Declared], due: &[Handler]) -> Vec<Handler> {
        let changed = self.changes();
        let notified = changed
            .filter_map(|(item, _)| resources.get(item.index))
            .flat_map(|declared| &declared.notify);
        let due: Vec<_> = notified.chain(due).cloned().collect();
        handlers::in_order(resources, &due)
    }

    /// Digests what would be done under a key (SHA-256, hexadecimal), handlers included: equal digests, equal steps and
    /// bytes, and no secret can be read from it or tried out without the key.
    pub fn fingerprint(
        &self,
        handlers: &[Handler],
        key: &[u8],
    ) -> Result<String, serde_json::Error> {
        // The length of each part stands before it, so that no two plans give the same text.
        let mut text = String::new();
        let mut add = |part: &str| {
            text.push_str(&part.len().to_string());
            text.push(' ');
            text.push_str(part);
        };
        for (item, change) in self.changes() {
            add(item.resource);
            add(&item.id);
            for step in change.steps.iter().filter(|step| !prepares(step)) {
                // Steps serialise with their secrets masked; the digests of the contents stand for them.
                add(&serde_json::to_string(step)?);
                if let Some(content) = step.content() {
                    add(&Secret::new(content.expose()).digest(key));
                }
            }
        }
        for handler in handlers {
            add(&serde_json::to_string(handler)?);
        }
        Ok(Secret::new(text).digest(key))
    }
}

/// Tells whether a step only prepares those after it, such as fetching package lists that have become too old: when
/// it is needed depends on the time, not on what is wanted.
const fn prepares(step: &Step) -> bool {
    match step {
        Step::Run(run) => run.effects.is_empty() && run.stdin.is_none(),
        Step::WriteFile { .. }
        | Step::Fetch { .. }
        | Step::Unpack(_)
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
                apt_lists: Some(crate::probe::ListsFact {
                    age: Some(age),
                    ..Default::default()
                }),
                ..Facts::default()
            };
            facts.packages.insert(name.clone(), PackageFact::Absent);
            let known = crate::probe::NameFact {
                real: true,
                ..Default::default()
            };
            facts.package_names.insert(name.clone(), known);
            let wanted = Declared::new("r", Resource::Packages(Packages::new([name])));
            preview(&[wanted], &facts, Phase::Apply)
                .unwrap()
                .fingerprint(&[], b"k")
                .unwrap()
        };
        assert_eq!(digest("dnsmasq", 10), digest("dnsmasq", 1_000_000));
        assert_ne!(digest("dnsmasq", 10), digest("bacula-fd", 10));
    }

    #[test]
    fn what_is_refused_says_how_it_is_said_twice_if_that_would_help() {
        let path = |text: &str| HostPath::new(text).unwrap();
        let mut facts = Facts::default();
        for there in ["/etc/sudoers", "/etc/passwd"] {
            let file = serde_yaml::from_str("{owner: root, group: root, mode: '0440'}").unwrap();
            facts.paths.insert(path(there), PathFact::File(file));
        }
        let outcome = |text: &str, insisted| {
            let mut file = File::new(path(text), Content::plain(""));
            (file.content, file.state) = (None, crate::resource::State::Absent);
            let mut declared = Declared::new("r", Resource::File(file));
            declared.insisted = insisted;
            plan_one(&declared, 0, &facts, Phase::Apply).unwrap()
        };
        let Planned::Impossible { hint, .. } = outcome("/etc/sudoers", false).outcome else {
            panic!("it is done at once");
        };
        assert!(
            hint.ends_with("say it twice: --insist 'file /etc/sudoers'"),
            "{hint}"
        );
        let item = outcome("/etc/sudoers", true);
        assert!(matches!(item.outcome, Planned::Change(_)));
        assert_eq!(item.lockout, Some(Lockout::Marked));
        for insisted in [false, true] {
            let Planned::Impossible { hint, .. } = outcome("/etc/passwd", insisted).outcome else {
                panic!("it is done");
            };
            assert!(!hint.contains("--insist"), "{hint}");
        }
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
        let made = Attributes::new("root", "root", Mode::new(0o755));
        assert_eq!(
            facts.path(&path("/srv/a")).unwrap(),
            &PathFact::Directory(made)
        );
    }

    /// Tells of each resource whether it would change, each after those before.
    fn would_change(facts: &str, resources: &str) -> Vec<bool> {
        let facts: Facts = serde_yaml::from_str(facts).unwrap();
        let resources: Vec<Resource> = serde_yaml::from_str(resources).unwrap();
        let declared = resources.into_iter().map(|it| Declared::new("r", it));
        let plan = preview(&declared.collect::<Vec<_>>(), &facts, Phase::Apply).unwrap();
        let items = plan.items.iter();
        items
            .map(|item| matches!(item.outcome, Planned::Change(_)))
            .collect()
    }

    #[test]
    fn a_home_that_an_earlier_change_empties_keeps_no_account() {
        let facts = |home: &str| {
            format!(
                "{{users: {{app: {{uid: 1500, group: app, home: /srv/app, shell: /bin/sh}}}}, groups: {{app: {{gid: 1500}}}}, manager: systemd,
                  numbers: {{users: {{app: {{uid: 1500, gid: 1500, home: /srv/app}}}}, groups: {{app: 1500}}}}, homes: {{app: {home}}},
                  mounts: {{/srv/app/data: {{source: tmpfs}}, /srv/app: {{source: tmpfs}}}}, listings: {{/srv/app: []}},
                  paths: {{/srv/app: {{directory: {{owner: root, group: root, mode: '0755'}}}}, /srv/app/data: {{directory: {{owner: root, group: root, mode: '0755'}}}}, /etc/fstab: missing, /run: missing}}}}"
            )
        };
        let user = "- user: {name: app, state: absent, remove_home: true}";
        let after = |home: &str, before: &str| {
            let changes = would_change(&facts(home), &format!("{before}\n{user}"));
            *changes.last().unwrap()
        };
        let roots = "{folder: {place: /srv/app, uid: 0}}";
        assert!(!after(roots, ""));
        assert!(after(roots, "- directory: {path: /srv/app, state: absent}"));
        let mounted = "{folder: {place: /srv/app, uid: 1500, mounted: true}}";
        assert!(!after(mounted, ""));
        assert!(after(
            mounted,
            "- mount: {path: /srv/app/data, state: absent}"
        ));
        assert!(after("hidden", "- mount: {path: /srv/app, state: absent}"));
    }

    #[test]
    fn what_a_link_led_to_is_not_in_the_way_once_it_is_gone() {
        let facts = "{paths: {/etc: {directory: {owner: root, group: root, mode: '0755'}}, /etc/foo.d: {link: {target: /dev/null}}, /etc/foo.d/x: missing},
                      routes: {/etc/foo.d: {leads: /dev/null}, /etc/foo.d/x: {leads: /dev/null/x, blocked: /dev/null}}}";
        let file = "- file: {path: /etc/foo.d/x, content: x}";
        assert_eq!(would_change(facts, file), [false]);
        let link = "- symlink: {path: /etc/foo.d, state: absent}";
        let folder = "- directory: {path: /etc/foo.d}";
        assert_eq!(
            would_change(facts, &format!("{link}\n{folder}\n{file}")),
            [true, true, true]
        );
    }

    #[test]
    fn what_may_take_an_account_away_frees_its_number() {
        let facts = "{users: {app: null}, groups: {app: null, own: null}, paths: {/srv/made: missing, /etc: {directory: {owner: root, group: root, mode: '0755'}}, /etc/group: {file: {owner: root, group: root, mode: '0644'}}},
                      numbers: {users: {old: {uid: 1500, gid: 1500, home: /home/old}}, groups: {old: 1500}}}";
        let wanted = "- group: {name: own, gid: 1500}\n- user: {name: app, uid: 1500}";
        assert_eq!(would_change(facts, wanted), [false, false]);
        for before in [
            "- command: {argv: [userdel, old], creates: /srv/made}",
            "- file: {path: /etc/group, content: 'root:x:0:'}",
        ] {
            let all = format!("{before}\n{wanted}");
            assert_eq!(would_change(facts, &all), [true, true, true], "{before}");
        }
    }

    #[test]
    fn what_an_earlier_change_makes_or_takes_away_is_reckoned_with() {
        let read = |text: &str| -> Vec<Resource> { serde_yaml::from_str(text).unwrap() };
        let facts: Facts = serde_yaml::from_str(
            "{paths: {/srv/note: {file: {owner: root, group: root, mode: '0644'}}, /srv/note/a: missing, /srv/f: missing, /srv/made: missing, /srv: {directory: {owner: root, group: root, mode: '0755'}}},
              routes: {/srv/note/a: {blocked: /srv/note}}, owners: {user app: false, group app: false},
              users: {app: null, old: {uid: 1500, group: old, home: /home/old, shell: /bin/sh}}, groups: {app: null, old: {gid: 1500}},
              numbers: {users: {old: {uid: 1500, gid: 1500, home: /home/old}}, groups: {old: 1500}}}",
        )
        .unwrap();
        let changes = |text: &str| {
            let resources = read(text);
            let declared: Vec<_> = resources
                .into_iter()
                .map(|it| Declared::new("r", it))
                .collect();
            let plan = preview(&declared, &facts, Phase::Apply).unwrap();
            plan.items
                .iter()
                .map(|item| matches!(item.outcome, Planned::Change(_)))
                .collect::<Vec<_>>()
        };
        let file = "- file: {path: /srv/f, content: x, owner: app, group: app}";
        let app = "- user: {name: app, uid: 1500}";
        assert_eq!(changes(file), [false]);
        assert_eq!(changes(&format!("{app}\n{file}")), [false, false]);
        let gone = "- user: {name: old, state: absent}";
        assert_eq!(
            changes(&format!("{gone}\n{app}\n{file}")),
            [true, true, true]
        );
        let command = "- command: {argv: [adduser, app], creates: /srv/made}";
        assert_eq!(changes(&format!("{command}\n{file}")), [true, true]);
        let below = "- directory: {path: /srv/note/a}";
        assert_eq!(changes(below), [false]);
        let away = "- file: {path: /srv/note, state: absent}";
        assert_eq!(changes(&format!("{away}\n{below}")), [true, true]);
    }
}
