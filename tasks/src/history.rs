//! What a run records on a host of each change, and how that is undone: as declarations that are planned like any other.
//!
//! Owns the form of the records and what can be undone. Refuses to guess: what is not known exactly before and after a change is said
//! to stay, and what somebody has changed since is not touched. Databases and data are never undone, packages only on demand.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Secret;
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Item};
use crate::probe::{Attributes, Facts, PathFact, PathQuestion, Query, Read, ServiceFact};
use crate::raw;
use crate::resource::{
    Declared, Directory, File, Handler, Packages, Resource, Service, State, Symlink,
};
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
pub struct Run {
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
    /// Whether either may hold what not everybody may know. What the change puts there is not kept then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    private: bool,
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
    /// An account or a group that was not there; only its name is remembered.
    Made(Box<Resource>),
    /// Packages that were not installed.
    Installed(BTreeSet<PackageName>),
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
    /// Why something of it cannot be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<String>,
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
    ) -> Self {
        let mut after = facts.clone();
        for step in &change.steps {
            after.apply(step);
        }
        let mut altered = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stays = stays(&declared.resource);
        for path in change.steps.iter().filter_map(Step::path) {
            if !seen.insert(path) {
                continue;
            }
            let was = |facts: &Facts| facts.path(path).ok().and_then(Was::of);
            match (was(facts), was(&after)) {
                (Some(mut before), Some(after)) => {
                    before.is_kept_before(&after, &format!("{UNDIGESTED}{number}-{}", seen.len()));
                    let mut contents = change.steps.iter().filter_map(Step::content);
                    let secret = contents.any(Content::has_secrets);
                    altered.push(Altered::Path(Box::new(AtPath {
                        path: path.clone(),
                        private: secret || before.is_private() || after.is_private(),
                        before,
                        after,
                    })));
                }
                _ => stays = Some(format!("what was at {path} is not known")),
            }
        }
        altered.extend(of_command(&declared.resource, change.action, facts));
        let runs = change.steps.iter().any(|step| matches!(step, Step::Run(_)));
        if runs && stays.is_none() && altered.is_empty() {
            stays = Some("nothing is known of what its command did".to_owned());
        }
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

    /// Gives kind and id.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.resource, self.id)
    }

    /// Lists the files whose bytes the host keeps before (`false`) or after (`true`) the change, each with its digest.
    #[must_use]
    pub fn keeps(&self, later: bool) -> Vec<(&HostPath, &str)> {
        let files = self.altered.iter().filter_map(|altered| match altered {
            Altered::Path(at) => {
                let was = if later { &at.after } else { &at.before };
                Some((&at.path, was.kept().filter(|_| !(later && at.private))?))
            }
            Altered::Service { .. } | Altered::Made(_) | Altered::Installed(_) => None,
        });
        files.collect()
    }
}

/// Says what the command of a kind alters besides files.
fn of_command(resource: &Resource, action: Action, facts: &Facts) -> Option<Altered> {
    if let Resource::Service(service) = resource {
        let fact = facts.service(&service.name).ok()?;
        return Some(of_service(&service.name, fact));
    }
    if let Resource::Packages(packages) = resource {
        let names = packages.names.iter();
        let new = names.filter(|name| facts.package(name).is_ok_and(is_new));
        let present = packages.state == State::Present;
        return present.then(|| Altered::Installed(new.cloned().collect()));
    }
    if action != Action::Create {
        return None;
    }
    let mut gone = resource.clone();
    if let Resource::User(user) = &mut gone {
        user.state = State::Absent;
        user.remove_home = false;
        user.password_hash = None;
    } else if let Resource::Group(group) = &mut gone {
        group.state = State::Absent;
    } else {
        return None;
    }
    Some(Altered::Made(Box::new(gone)))
}

fn is_new(fact: &crate::probe::PackageFact) -> bool {
    matches!(fact, crate::probe::PackageFact::Absent)
}

fn of_service(name: &ServiceName, fact: &ServiceFact) -> Altered {
    Altered::Service {
        name: name.clone(),
        running: fact.running,
        enabled: fact.enabled,
        masked: fact.masked,
    }
}

/// Says what of a kind is never undone.
fn stays(resource: &Resource) -> Option<String> {
    let data = matches!(
        resource,
        Resource::MariaDbDatabase(_)
            | Resource::MariaDbUser(_)
            | Resource::PostgresqlDatabase(_)
            | Resource::PostgresqlUser(_)
            | Resource::CaldavCalendar(_)
    );
    let folder = matches!(
        resource,
        Resource::Git(_) | Resource::Archive(_) | Resource::Tree(_)
    );
    let upgrade = matches!(resource, Resource::Upgrade(_) | Resource::Restarts(_));
    let why = if data {
        "databases and data are never undone"
    } else if folder {
        "what a folder held as a whole is not kept"
    } else if upgrade {
        "an upgrade cannot be undone"
    } else if matches!(resource, Resource::Debconf(_)) {
        "answers to questions of packages stay"
    } else {
        return None;
    };
    Some(why.to_owned())
}

/// What a host must still be like, or it is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The run that is undone.
    pub run: String,
    path: HostPath,
    after: Was,
    /// What the run has put there, where the host has kept that.
    bytes: Option<Content>,
    private: bool,
}

impl Since {
    /// Asks for what is at the path, with its bytes, as far as they are not what the run put there.
    #[must_use]
    pub fn query(&self) -> Query {
        let read = match &self.after {
            Was::File {
                sha256: Some(sha256),
                ..
            } => Read::BodyUnless(sha256.clone()),
            Was::File { .. } | Was::Missing | Was::Link { .. } | Was::Directory { .. } => {
                Read::Digest
            }
        };
        Query::Path(PathQuestion {
            path: self.path.clone(),
            read,
        })
    }

    /// Says what was changed since, unless nothing was.
    #[must_use]
    pub fn changed(&self, facts: &Facts) -> Option<(String, Diff)> {
        let fact = facts.path(&self.path).ok()?;
        let now = Was::of(fact)?;
        let same = match (&now, &self.after) {
            (
                Was::File {
                    sha256, attributes, ..
                },
                Was::File {
                    sha256: wanted,
                    attributes: expected,
                    ..
                },
            ) => attributes == expected && (wanted.is_none() || sha256 == wanted),
            (now, after) => now == after,
        };
        if same {
            return None;
        }
        let diff = match (fact, &self.bytes) {
            (PathFact::File(_), _) if now.is_private() || self.private => {
                Diff::note("it is not shown, as not everybody may read it")
            }
            (PathFact::File(file), Some(bytes)) => {
                let body = file.body.as_ref();
                body.map_or_else(Diff::default, |body| {
                    Diff::plain(&bytes.expose(), &raw::text(&body.0))
                })
            }
            _ => Diff::default(),
        };
        let cause = format!(
            "{} is not as run {} left it: somebody has changed it since",
            self.path, self.run
        );
        Some((cause, diff))
    }
}

/// What undoing a run on a host comes to.
#[derive(Debug, Default)]
pub struct Undoing {
    /// What is declared for it, in the order in which it is done.
    pub declared: Vec<Declared>,
    /// What stays, each with the reason.
    pub stays: Vec<String>,
}

/// Lists the digests of the bytes that undoing records needs.
#[must_use]
pub fn needed(records: &[Record]) -> BTreeSet<String> {
    let both = records
        .iter()
        .flat_map(|record| [record.keeps(false), record.keeps(true)].concat());
    both.map(|(_, sha256)| sha256.to_owned()).collect()
}

/// Decides how the changes of a run are undone: the last one first. `kept` has the bytes by their digests.
#[must_use]
pub fn undo(
    run: &str,
    records: &[Record],
    kept: &BTreeMap<String, Vec<u8>>,
    with_packages: bool,
) -> Undoing {
    let mut undoing = Undoing::default();
    for record in records.iter().rev() {
        if let Some(why) = &record.stays {
            undoing.stays.push(format!("{}: {why}", record.name()));
        }
        for altered in record.altered.iter().rev() {
            match undone(run, altered, kept, with_packages) {
                Ok((resource, since)) => {
                    let mut declared = Declared::new(format!("undo {run}"), resource);
                    declared.notify.clone_from(&record.notify);
                    declared.since = since;
                    undoing.declared.push(declared);
                }
                Err(None) => {}
                Err(Some(why)) => undoing.stays.push(format!("{}: {why}", record.name())),
            }
        }
    }
    // What two changes of the run altered one after the other goes back to what was there first.
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    for (index, declared) in undoing.declared.iter().enumerate() {
        last.insert(declared.name(), index);
    }
    let mut first_since: BTreeMap<String, Since> = BTreeMap::new();
    for declared in &undoing.declared {
        if let Some(since) = &declared.since {
            first_since
                .entry(declared.name())
                .or_insert_with(|| since.clone());
        }
    }
    let mut index = 0;
    undoing.declared.retain_mut(|declared| {
        let name = declared.name();
        let keep = last.get(&name) == Some(&index);
        if keep {
            declared.since = first_since.get(&name).cloned();
        }
        index += 1;
        keep
    });
    undoing
}

/// Gives what brings one thing back, or why nothing does; `None` where nothing has to.
fn undone(
    run: &str,
    altered: &Altered,
    kept: &BTreeMap<String, Vec<u8>>,
    with_packages: bool,
) -> Result<(Resource, Option<Since>), Option<String>> {
    match altered {
        Altered::Path(at) => {
            let resource = undone_at(at, kept)?;
            let since = Since {
                run: run.to_owned(),
                path: at.path.clone(),
                after: at.after.clone(),
                bytes: at.bytes(&at.after, kept),
                private: at.private,
            };
            Ok((resource, Some(since)))
        }
        Altered::Service {
            name,
            running,
            enabled,
            masked,
        } => {
            let mut service = Service::new(name.clone());
            service.running = *running;
            service.enabled = *enabled;
            service.masked = Some(*masked);
            Ok((Resource::Service(service), None))
        }
        Altered::Made(gone) => Ok(((**gone).clone(), None)),
        Altered::Installed(names) if names.is_empty() => Err(None),
        Altered::Installed(names) if with_packages => {
            let mut packages = Packages::new(names.iter().cloned());
            packages.state = State::Absent;
            Ok((Resource::Packages(packages), None))
        }
        Altered::Installed(_) => Err(Some(
            "what was installed stays; `--packages` removes it".to_owned(),
        )),
    }
}

impl AtPath {
    /// Gives bytes that the host has kept.
    fn bytes(&self, was: &Was, kept: &BTreeMap<String, Vec<u8>>) -> Option<Content> {
        let text = raw::text(kept.get(was.kept()?)?).into_owned();
        Some(if self.private {
            Content::secret(Secret::new(text))
        } else {
            Content::plain(text)
        })
    }
}

/// Gives what brings back what was at a path.
fn undone_at(at: &AtPath, kept: &BTreeMap<String, Vec<u8>>) -> Result<Resource, Option<String>> {
    let AtPath {
        path,
        before,
        after,
        private: _,
    } = at;
    Ok(match before {
        Was::Missing => match after {
            Was::Missing => return Err(None),
            Was::File { .. } => {
                let mut file = File::new(path.clone(), Content::plain(""));
                file.content = None;
                file.state = State::Absent;
                Resource::File(file)
            }
            Was::Link { target } => {
                let mut link = Symlink::new(path.clone(), target);
                link.state = State::Absent;
                Resource::Symlink(link)
            }
            Was::Directory { .. } => {
                return Err(Some(format!("the folder {path} stays")));
            }
        },
        Was::File {
            sha256, attributes, ..
        } => {
            let content =
                match (sha256, after) {
                    // Only its attributes were changed.
                    (None, Was::File { .. }) => None,
                    (Some(_), _) => Some(at.bytes(before, kept).ok_or_else(|| {
                        Some(format!("what {path} held was too large to be kept"))
                    })?),
                    (None, _) => return Err(Some(format!("what {path} held is not known"))),
                };
            let mut file = File::new(path.clone(), Content::plain(""));
            file.content = content;
            file.owner.clone_from(&attributes.owner);
            file.group.clone_from(&attributes.group);
            file.mode = attributes.mode;
            Resource::File(file)
        }
        Was::Link { target } => {
            let mut link = Symlink::new(path.clone(), target);
            link.force = true;
            Resource::Symlink(link)
        }
        Was::Directory { attributes } => match after {
            Was::Directory { .. } => {
                let mut directory = Directory::new(path.clone());
                directory.owner.clone_from(&attributes.owner);
                directory.group.clone_from(&attributes.group);
                directory.mode = attributes.mode;
                Resource::Directory(directory)
            }
            Was::Missing | Was::File { .. } | Was::Link { .. } => {
                return Err(Some(format!("what was in the folder {path} is not kept")));
            }
        },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Phase, Planned, plan_one};
    use crate::probe::FileFact;
    use crate::value::Mode;

    fn path(text: &str) -> HostPath {
        HostPath::new(text).unwrap()
    }

    fn facts(text: &str) -> Facts {
        let root = Attributes::new("root", "root", Mode::new(0o644));
        let mut facts = Facts::default();
        let mut file = FileFact::of(root, text.as_bytes());
        file.body = Some(text.as_bytes().to_vec().into());
        facts.paths.insert(path("/etc/own"), PathFact::File(file));
        facts
    }

    fn writes(number: usize, before: &str, after: &str) -> Record {
        let file = File::new(path("/etc/own"), Content::plain(after));
        let declared = Declared::new("r", Resource::File(file));
        let facts = facts(before);
        let item = plan_one(&declared, 0, &facts, Phase::Completion).unwrap();
        let Planned::Change(change) = &item.outcome else {
            panic!("{item:?}");
        };
        Record::of(number, &item, &declared, change, &facts)
    }

    fn kept(texts: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let digest = |text: &str| Content::plain(text).sha256();
        let texts = texts.iter();
        texts
            .map(|text| (digest(text), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn what_two_changes_did_to_one_file_goes_back_to_what_was_there_first() {
        let records = [writes(1, "a\n", "b\n"), writes(2, "b\n", "c\n")];
        let kept = kept(&["a\n", "b\n", "c\n"]);
        assert_eq!(needed(&records), kept.keys().cloned().collect());
        let undoing = undo("20260101-000000-abcd", &records, &kept, false);
        let [declared] = undoing.declared.as_slice() else {
            panic!("{undoing:?}");
        };
        let planned = plan_one(declared, 0, &facts("c\n"), Phase::Completion).unwrap();
        let Planned::Change(change) = planned.outcome else {
            panic!("{planned:?}");
        };
        assert_eq!(change.steps[0].content().unwrap().expose(), "a\n");
        let done = plan_one(declared, 0, &facts("a\n"), Phase::Completion).unwrap();
        assert_eq!(done.outcome, Planned::Unchanged);
    }

    #[test]
    fn what_somebody_has_changed_since_is_refused_with_the_difference() {
        let records = [writes(1, "a\n", "b\n")];
        let undoing = undo(
            "20260101-000000-abcd",
            &records,
            &kept(&["a\n", "b\n"]),
            false,
        );
        let planned = plan_one(
            &undoing.declared[0],
            0,
            &facts("b\nmine\n"),
            Phase::Completion,
        );
        let Planned::Refused { cause, diff, .. } = planned.unwrap().outcome else {
            panic!("it is not refused");
        };
        assert!(cause.contains("/etc/own is not as run"), "{cause}");
        assert!(diff.to_string().contains("+mine"), "{diff}");
    }

    #[test]
    fn what_was_not_kept_stays_and_a_line_cut_short_is_no_record() {
        let record = writes(1, "a\n", "b\n");
        let undoing = undo("r", std::slice::from_ref(&record), &BTreeMap::new(), false);
        assert!(undoing.declared.is_empty() && undoing.stays.len() == 1);
        let line = serde_json::to_string(&record).unwrap();
        let text = format!("{line}\n{{\"done\":1}}\n{}", &line[..line.len() / 2]);
        let changes = read(&text);
        assert_eq!(changes.records, [record]);
        assert!(changes.done.contains(&1) && !changes.put_back);
    }
}
