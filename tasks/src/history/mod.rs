//! What a run records on a host of each change, and how that is undone: as declarations that are planned like any other.
//!
//! Owns the form of the records and what can be undone. Refuses to guess: what is not known exactly before and after a change is said
//! to stay, and what somebody has changed since is not touched. Databases and data are never undone, packages only on demand.

mod account;
mod undo;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

pub use account::AtAccount;
pub use undo::{ChangedSince, Since, Undoing, needed, undo};

use crate::Secret;
use crate::content::Content;
use crate::plan::{Action, Change, Item, Planned, decide};
use crate::probe::{Attributes, Body, Facts, PackageFact, PathFact};
use crate::raw;
use crate::resource::{Declared, Handler, Resource};
use crate::step::Step;
use crate::value::{HostPath, PackageName, ServiceName};

/// Where a host keeps its records: a folder for each run, for root only.
pub const FOLDER: &str = "/var/lib/prov/history";

/// Bytes of a file beyond which the host does not keep it.
pub const MOST_KEPT: u64 = 4 * 1024 * 1024;

/// How the names of kept bytes begin that are not their digests.
pub const UNDIGESTED: &str = "before-";

/// Runs that a host remembers.
pub const MOST_RUNS: usize = 50;

/// A run, as every host that it changed remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRun {
    /// Its name: the time in UTC and a few random letters, so names are in the order of the runs.
    pub run: String,
    /// Who, on which machine, in which process, since when.
    pub who: String,
    /// The command, without the values of fields and variables.
    pub command: String,
    /// The estate.
    pub estate: String,
    /// The commit of the estate's folder, where that is under version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether there were changes that are not in the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// Nothing.
    Missing,
    /// A file.
    File {
        /// Digest of its bytes, or another name under which they are kept; `None` where only its attributes are known, as nothing else changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        /// Its size in bytes.
        size: u64,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// A link.
    Link {
        /// What it says.
        target: String,
    },
    /// A folder.
    Directory {
        /// Owner, group and mode.
        attributes: Attributes,
    },
}

impl Was {
    fn of(fact: &PathFact) -> Option<Self> {
        match fact {
            PathFact::Missing => Some(Self::Missing),
            PathFact::File(file) => Some(Self::File {
                sha256: file.sha256.clone(),
                size: file.size,
                attributes: bare(&file.attributes()),
            }),
            PathFact::Directory(attributes) => Some(Self::Directory {
                attributes: bare(attributes),
            }),
            PathFact::Link { target, .. } => Some(Self::Link {
                target: target.clone(),
            }),
            PathFact::Other => None,
        }
    }

    /// Gives the digest under which the host keeps the bytes.
    fn kept(&self) -> Option<&str> {
        match self {
            Self::File { sha256, size, .. } if *size <= MOST_KEPT => sha256.as_deref(),
            Self::File { .. } | Self::Missing | Self::Link { .. } | Self::Directory { .. } => None,
        }
    }

    /// Gives a file that goes a name for its bytes, where nobody has asked for their digest.
    fn is_kept_before(&mut self, after: &Self, name: &str) {
        if let Self::File { sha256, .. } = self
            && sha256.is_none()
            && !matches!(after, Self::File { .. })
        {
            *sha256 = Some(name.to_owned());
        }
    }

    /// Tells whether it is known to the last byte what it was.
    fn is_exact(&self) -> bool {
        match self {
            Self::File { sha256, .. } => sha256
                .as_ref()
                .is_some_and(|sha256| !sha256.starts_with(UNDIGESTED)),
            Self::Missing | Self::Link { .. } | Self::Directory { .. } => true,
        }
    }

    /// Tells whether it may hold what not everybody may read.
    const fn is_private(&self) -> bool {
        match self {
            Self::File { attributes, .. } => attributes.mode.bits() & 0o004 == 0,
            Self::Missing | Self::Link { .. } | Self::Directory { .. } => false,
        }
    }
}

/// Numbers and names say the same; only names are compared.
fn bare(attributes: &Attributes) -> Attributes {
    Attributes::new(&attributes.owner, &attributes.group, attributes.mode)
}

/// What a change did to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtPath {
    /// The path.
    path: HostPath,
    /// What was there.
    before: Was,
    /// What the change has put there.
    after: Was,
    /// Whether either may hold what not everybody may read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    private: bool,
    /// Whether either holds a secret of the estate: neither is kept then, as a secret is in its place and nowhere else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
}

/// One thing that a change altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Altered {
    /// What is at a path.
    Path(Box<AtPath>),
    /// A service.
    Service {
        /// Its name.
        name: ServiceName,
        /// Whether it ran.
        running: bool,
        /// Whether it started at boot.
        enabled: bool,
        /// Whether it was masked.
        masked: bool,
    },
    /// What a command did, which is brought back by having this be so.
    #[serde(alias = "made")]
    Former(Box<Resource>),
    /// An account that was there: brought back with the resources, unless somebody has changed it since.
    Account(Box<AtAccount>),
    /// Packages that were not installed.
    Installed(BTreeSet<PackageName>),
    /// Packages that were installed.
    Removed(BTreeSet<PackageName>),
    /// Whether packages were held.
    Held(BTreeMap<PackageName, bool>),
}

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
    fn paths(&self) -> impl Iterator<Item = &AtPath> {
        self.altered.iter().filter_map(|altered| match altered {
            Altered::Path(at) => Some(&**at),
            Altered::Service { .. }
            | Altered::Former(_)
            | Altered::Account(_)
            | Altered::Installed(_)
            | Altered::Removed(_)
            | Altered::Held(_) => None,
        })
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
            ) if !has_files => {}
            Ok(
                Ok(
                    Planned::Unknown(_)
                    | Planned::Deferred(_)
                    | Planned::Refused { .. }
                    | Planned::Impossible { .. },
                )
                | Err(_),
            )
            | Err(_) => return false,
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

/// Gives where the host keeps the bytes of this digest.
#[must_use]
pub fn kept_at(run: &str, sha256: &str) -> Option<HostPath> {
    HostPath::new(format!("{FOLDER}/{run}/{sha256}")).ok()
}

/// Tells whether a text can be the name of a run.
#[must_use]
pub fn is_run(name: &str) -> bool {
    (8..=40).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What a run changed on one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Its changes, in their order.
    pub records: Vec<Record>,
    /// The numbers of those that were made to their end.
    pub done: BTreeSet<usize>,
    /// Whether the host has put guarded changes back.
    pub put_back: bool,
}

/// Reads what a run has recorded, a line each; one that was cut short belongs to a change that was not made.
#[must_use]
pub fn read(text: &str) -> Changes {
    #[derive(Deserialize)]
    struct Mark {
        done: Option<usize>,
        #[serde(default)]
        put_back: bool,
    }
    let mut changes = Changes::default();
    for line in text.lines() {
        if let Ok(record) = serde_json::from_str::<Record>(line) {
            changes.records.push(record);
        } else if let Ok(mark) = serde_json::from_str::<Mark>(line) {
            changes.done.extend(mark.done);
            changes.put_back |= mark.put_back;
        }
    }
    changes
}
