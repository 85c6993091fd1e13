//! A change as it is recorded before it is made.
//!
//! Owns what of a change is known exactly. Refuses to keep secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use super::altered::{Altered, AtPath, Was};
use super::{AtAccount, UNDIGESTED};
use crate::Secret;
use crate::content::Content;
use crate::plan::{Action, Change, Item, Planned, decide};
use crate::probe::{Body, Facts, PackageFact, PathFact};
use crate::raw;
use crate::resource::{Declared, Handler, Resource};
use crate::step::Step;
use crate::value::{HostPath, PackageName};

/// What happens to the content of a web site: its files and its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SiteChange {
    /// Other content comes; what was there is kept.
    Imported {
        /// The site or the archive that it comes from.
        from: String,
    },
    /// What was kept comes back, and what was there is kept.
    Exchanged,
    /// What was kept is deleted.
    Confirmed,
}

/// A change, as it is recorded before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the run, from one on.
    pub number: usize,
    /// Kind of the resource.
    pub resource: String,
    /// What tells it from others of its kind.
    pub id: String,
    /// The role that declared it.
    pub role: String,
    /// What kind of change.
    pub action: Action,
    /// Why, in words.
    pub reason: String,
    /// What it looked like, secrets masked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// What it altered, as far as that is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<Altered>,
    /// What of it cannot be undone, each with the reason.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_several"
    )]
    pub stays: Vec<String>,
    /// What runs after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Handler>,
}

/// Bytes of a diff that are recorded.
const MOST_DIFF: usize = 16 * 1024;

impl Record {
    /// Records a change that is about to be made.
    #[must_use]
    pub fn of(
        number: usize,
        item: &Item,
        declared: &Declared,
        change: &Change,
        facts: &Facts,
        secrets: &[Secret],
    ) -> Self {
        let mut after = facts.clone();
        for step in &change.steps {
            after.apply(step);
        }
        let former = declared.resource.manage().former(facts, &after);
        let former = former.unwrap_or_default();
        let paths = Paths {
            number,
            change,
            before: facts,
            after: &after,
            secrets,
        };
        let (mut files, mut stays) = paths.altered(&former.covers);
        let is_known = !former.back.is_empty() || former.otherwise.is_none();
        let restored = is_known && restores(&former.back, &files, facts, &after);
        if !restored {
            // Nothing looks after them now; of a file that the run made, what stays tells.
            let is_made = |path: &&HostPath| {
                let is_file = matches!(after.path(path), Ok(PathFact::File(_)));
                is_file && matches!(facts.path(path), Ok(PathFact::Missing))
            };
            let made: Vec<_> = former.covers.iter().filter(is_made).cloned().collect();
            (files, stays) = paths.altered(&made);
        }
        let mut altered: Vec<_> = files.into_iter().map(Box::new).map(Altered::Path).collect();
        if restored {
            altered.extend(of_packages(&declared.resource, facts, &after));
            let back = former.back.into_iter().rev();
            altered.extend(back.map(Box::new).map(Altered::Former));
            let account = AtAccount::of(&declared.resource, facts, &after);
            altered.extend(account.map(Box::new).map(Altered::Account));
        } else {
            stays.extend(former.otherwise);
        }
        stays.extend(former.stays);
        let mut diff = change.diff.to_string();
        if diff.len() > MOST_DIFF {
            let end = (0..=MOST_DIFF).rev().find(|at| diff.is_char_boundary(*at));
            diff.truncate(end.unwrap_or(0));
            diff.push_str("\n…\n");
        }
        Self {
            number,
            resource: item.resource.to_owned(),
            id: item.id.clone(),
            role: item.role.clone(),
            action: change.action,
            reason: change.reason(),
            diff,
            altered,
            stays,
            notify: declared.notify.clone(),
        }
    }

    /// Records what is about to happen to the content of a web site, which is undone by a command of its own.
    #[must_use]
    pub fn of_site(site: &str, change: &SiteChange) -> Self {
        let (reason, stays) = match change {
            SiteChange::Imported { from } => (
                format!("its content became that of {from}"),
                format!(
                    "`prov site undo {site}` has the content of before back until `prov site confirm {site}` deletes it"
                ),
            ),
            SiteChange::Exchanged => (
                "its content and what was kept of before an import were exchanged".to_owned(),
                format!("`prov site undo {site}` exchanges them once more"),
            ),
            SiteChange::Confirmed => (
                "what was kept of before an import was deleted".to_owned(),
                "what was deleted is nowhere".to_owned(),
            ),
        };
        Self {
            number: 1,
            resource: "site".to_owned(),
            id: site.to_owned(),
            role: "wordpress".to_owned(),
            action: Action::Update,
            reason,
            diff: String::new(),
            altered: Vec::new(),
            stays: vec![stays],
            notify: Vec::new(),
        }
    }

    /// Gives kind and id.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.resource, self.id)
    }

    /// Gives the paths that it altered.
    pub(super) fn paths(&self) -> impl Iterator<Item = &AtPath> {
        self.altered.iter().filter_map(Altered::path)
    }

    /// Lists the files whose bytes the host keeps before (`false`) or after (`true`) the change, each with its digest.
    #[must_use]
    pub fn keeps(&self, later: bool) -> Vec<(&HostPath, &str)> {
        let files = self.paths().filter_map(|at| {
            let was = if later { &at.after } else { &at.before };
            Some((&at.path, was.kept().filter(|_| !at.secret)?))
        });
        files.collect()
    }
}

fn body<'f>(path: &HostPath, facts: &'f Facts) -> Option<&'f Body> {
    if let PathFact::File(file) = facts.path(path).ok()? {
        file.body.as_ref()
    } else {
        None
    }
}

/// Tells whether a file holds one of these secrets, as far as its bytes are known.
fn holds(path: &HostPath, facts: &Facts, secrets: &[Secret]) -> bool {
    let Some(body) = body(path, facts) else {
        return false;
    };
    let text = raw::text(&body.0);
    let mut secrets = secrets.iter().map(Secret::expose);
    secrets.any(|secret| !secret.is_empty() && text.contains(secret))
}

/// Tells whether declaring these leaves the files as they were, those that the change altered and those that they write themselves. What
/// holds a secret is in its place and nowhere else.
fn restores(back: &[Resource], altered: &[AtPath], before: &Facts, after: &Facts) -> bool {
    let files = altered.iter();
    let mut files = files.filter(|at| !matches!(at.after, Was::Directory { .. }));
    let has_files = files.clone().next().is_some();
    if back.is_empty() {
        return true;
    }
    let mut facts = after.clone();
    let mut written = BTreeSet::new();
    for resource in back {
        let manage = resource.manage();
        match manage.check().map(|()| decide(manage, &facts)) {
            Ok(Ok(Planned::Change(change))) => {
                change.steps.iter().for_each(|step| facts.apply(step));
                written.extend(change.steps.iter().filter_map(Step::path).cloned());
            }
            Ok(Ok(Planned::Unchanged)) => {}
            // Of what has no files, the host says whether it can be.
            Ok(
                Ok(
                    Planned::Unknown(_)
                    | Planned::Deferred(_)
                    | Planned::Refused { .. }
                    | Planned::Impossible { .. },
                )
                | Err(_),
            ) => {
                if has_files {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    let is_as_before = |path: &HostPath| {
        let was = |facts: &Facts| facts.path(path).ok().and_then(Was::of);
        was(&facts) == was(before)
    };
    files.all(|at| !at.secret && is_as_before(&at.path))
        && (has_files || written.iter().all(is_as_before))
}

/// Says what became of packages: whether they are installed is nobody's business unless it is asked for, and whether they are held is.
fn of_packages(resource: &Resource, before: &Facts, after: &Facts) -> Vec<Altered> {
    let Resource::Packages(packages) = resource else {
        return Vec::new();
    };
    // What was left half-way was neither there nor not there.
    let is_there = |facts: &Facts, name: &PackageName| match facts.package(name) {
        Ok(PackageFact::Installed(_) | PackageFact::Automatic(_)) => Some(true),
        Ok(PackageFact::Absent | PackageFact::Residue) => Some(false),
        Ok(PackageFact::Broken) | Err(_) => None,
    };
    let (mut installed, mut removed, mut held) =
        (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for name in packages.names.iter().chain(&packages.replaces) {
        match (is_there(before, name), is_there(after, name)) {
            (Some(false), Some(true)) => installed.insert(name.clone()),
            (Some(true) | None, Some(false)) => removed.insert(name.clone()),
            (Some(true) | None, Some(true) | None) | (Some(false), Some(false) | None) => false,
        };
        if let (Ok(was), Ok(is)) = (before.is_held(name), after.is_held(name))
            && was != is
        {
            held.insert(name.clone(), was);
        }
    }
    let installed = (!installed.is_empty()).then_some(Altered::Installed(installed));
    let removed = (!removed.is_empty()).then_some(Altered::Removed(removed));
    let held = (!held.is_empty()).then_some(Altered::Held(held));
    installed.into_iter().chain(removed).chain(held).collect()
}

/// The paths that the steps of a change name.
struct Paths<'a> {
    number: usize,
    change: &'a Change,
    before: &'a Facts,
    after: &'a Facts,
    secrets: &'a [Secret],
}

impl Paths<'_> {
    /// Says what became of them, and what of them was not known.
    fn altered(&self, covered: &[HostPath]) -> (Vec<AtPath>, Vec<String>) {
        let (mut altered, mut unknown) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for path in self.change.steps.iter().filter_map(Step::path) {
            if covered.contains(path) || !seen.insert(path) {
                continue;
            }
            let was = |facts: &Facts| facts.path(path).ok().and_then(Was::of);
            if let (Some(before), Some(after)) = (was(self.before), was(self.after)) {
                altered.push(self.at(path, before, after, seen.len()));
            } else {
                unknown.push(path.as_str());
            }
        }
        let stays = (!unknown.is_empty())
            .then(|| format!("what was at {} is not kept", unknown.join(", ")));
        (altered, stays.into_iter().collect())
    }

    fn at(&self, path: &HostPath, mut before: Was, after: Was, place: usize) -> AtPath {
        before.is_kept_before(&after, &format!("{UNDIGESTED}{}-{place}", self.number));
        let mut contents = self.change.steps.iter().filter_map(Step::content);
        // Of what goes unread nobody knows whether it holds one.
        let unread = before.is_private() && body(path, self.before).is_none();
        let secret = contents.any(Content::has_secrets)
            || unread && !matches!(after, Was::File { .. })
            || holds(path, self.before, self.secrets);
        AtPath {
            path: path.clone(),
            private: secret || before.is_private() || after.is_private(),
            secret,
            before,
            after,
        }
    }
}

/// Reads what stays: records of before had one text.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Option::<Either>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Either::One(text)) => vec![text],
        Some(Either::Several(texts)) => texts,
    })
}
