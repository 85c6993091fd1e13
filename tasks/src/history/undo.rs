//! How a run is undone: declarations of what was there before, each with what must still be as the run left it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Altered, AtAccount, AtPath, ChangedSince, Record, Was};
use crate::Secret;
use crate::content::Content;
use crate::plan::Diff;
use crate::probe::{Facts, PathFact, PathQuestion, Query, Read};
use crate::raw;
use crate::resource::{
    Declared, Directory, File, Names, Packages, Resource, Service, State, Symlink,
};
use crate::value::{HostPath, PackageName};

/// What a host must still be like, or it is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// The run that is undone.
    pub run: String,
    /// What is written, and what was written with it: a unit that goes while its configuration stays would be worse than both.
    paths: Vec<Left>,
    /// The account that is changed.
    account: Option<AtAccount>,
}

/// What a run left at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    path: HostPath,
    after: Was,
    /// What else the run had there before, or on the way: a run that was cut short, or whose undoing was, has left it so.
    others: Vec<Was>,
    /// What the last of the later runs that changed it has left there.
    later: Option<(String, Was)>,
    /// What the run has put there, where the host has kept that.
    bytes: Option<Content>,
    private: bool,
}

/// The paths of a run: what was there, one after the other, and what later runs have made of them.
struct Trail<'a> {
    run: &'a str,
    states: BTreeMap<&'a HostPath, Vec<&'a AtPath>>,
    later: BTreeMap<&'a HostPath, (&'a str, &'a Was)>,
    kept: &'a BTreeMap<String, Vec<u8>>,
}

impl<'a> Trail<'a> {
    fn of(
        run: &'a str,
        records: &'a [Record],
        later: &'a [(String, Vec<Record>)],
        kept: &'a BTreeMap<String, Vec<u8>>,
    ) -> Self {
        let mut states: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for at in records.iter().flat_map(Record::paths) {
            states.entry(&at.path).or_default().push(at);
        }
        let later = later.iter().flat_map(|(run, records)| {
            let paths = records.iter().flat_map(Record::paths);
            paths.map(move |at| (&at.path, (run.as_str(), &at.after)))
        });
        Self {
            run,
            states,
            later: later.collect(),
            kept,
        }
    }

    fn left(&self, path: &HostPath, is_own: bool) -> Option<Left> {
        let states = self.states.get(path)?;
        let last = states.last()?;
        let others = states.iter().flat_map(|at| [&at.before, &at.after]);
        // What goes is not written over what is not known to be the run's.
        let others = others.filter(|was| !is_own || was.is_exact());
        let later = self.later.get(path);
        Some(Left {
            path: path.clone(),
            after: last.after.clone(),
            others: others.cloned().collect(),
            later: later.map(|(run, was)| ((*run).to_owned(), (*was).clone())),
            bytes: last.bytes(&last.after, self.kept),
            private: states.iter().any(|at| at.private),
        })
    }

    /// Of what one change altered, what must be as the run left it before this is brought back.
    fn since(&self, record: &Record, own: Option<&HostPath>) -> Option<Since> {
        // The files of a tree have nothing to do with one another.
        let is_alone = record.resource == "tree";
        let is_own = |path: &HostPath| own == Some(path);
        let mut paths: Vec<_> = record.paths().map(|at| &at.path).collect();
        paths.retain(|path| is_own(path) || !is_alone);
        // Its own difference is told first.
        paths.sort_by_key(|path| !is_own(path));
        let left = paths
            .into_iter()
            .filter_map(|path| self.left(path, is_own(path)));
        let paths: Vec<_> = left.collect();
        (!paths.is_empty()).then(|| Since {
            run: self.run.to_owned(),
            paths,
            account: None,
        })
    }
}

impl Since {
    /// Asks for what is at the paths, with its bytes, as far as they are not what the run put there.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let paths = self.paths.iter().map(Left::query);
        let account = self.account.as_ref().map(AtAccount::query);
        paths.chain(account).collect()
    }

    /// Says what was changed since, unless nothing was.
    #[must_use]
    pub fn changed(&self, facts: &Facts) -> Option<ChangedSince> {
        let paths = self.paths.iter().find_map(|left| {
            let diff = left.changed(facts)?;
            Some((left.path.to_string(), left.by(facts), diff))
        });
        let (what, later, diff) = paths.or_else(|| {
            let account = self.account.as_ref()?;
            let what = format!("the account {}", account.name());
            Some((what, None, account.changed(facts)?))
        })?;
        let run = &self.run;
        let (by, hint) = match later {
            Some(later) => (
                format!("run {later} changed it since"),
                format!("undo that run first (`prov undo {later}`), or leave it as it is"),
            ),
            None => (
                "it was changed since".to_owned(),
                "undo what was changed since first (`prov history`), or leave it as it is"
                    .to_owned(),
            ),
        };
        Some(ChangedSince {
            cause: format!("{what} is not as run {run} left it: {by}"),
            hint,
            diff,
        })
    }
}

impl Left {
    fn query(&self) -> Query {
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

    fn now(&self, facts: &Facts) -> Option<Was> {
        Was::of(facts.path(&self.path).ok()?)
    }

    /// Names the later run that has left what is there, if one has.
    fn by(&self, facts: &Facts) -> Option<&str> {
        let now = self.now(facts)?;
        let (run, after) = self.later.as_ref()?;
        // Of what it held then nothing may be known.
        (after.is_exact() && is_same(&now, after)).then_some(run)
    }

    fn changed(&self, facts: &Facts) -> Option<Diff> {
        let now = self.now(facts)?;
        let mut known = std::iter::once(&self.after).chain(&self.others);
        if known.any(|was| is_same(&now, was)) {
            return None;
        }
        Some(match (facts.path(&self.path).ok()?, &self.bytes) {
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
        })
    }
}

/// Tells whether what is there is what was there, as far as that is known.
fn is_same(now: &Was, was: &Was) -> bool {
    match (now, was) {
        (
            Was::File {
                sha256, attributes, ..
            },
            Was::File {
                sha256: wanted,
                attributes: expected,
                ..
            },
        ) => {
            let is_known = |wanted: &String| !wanted.starts_with(super::UNDIGESTED);
            let wanted = wanted.as_ref().filter(|wanted| is_known(wanted));
            attributes == expected && (wanted.is_none() || sha256.as_ref() == wanted)
        }
        (now, was) => now == was,
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

/// Decides how the changes of a run are undone: the last one first. `kept` has the bytes by their digests, `later`
/// the runs after it, in their order.
#[must_use]
pub fn undo(
    run: &str,
    records: &[Record],
    later: &[(String, Vec<Record>)],
    kept: &BTreeMap<String, Vec<u8>>,
    with_packages: bool,
) -> Undoing {
    let trail = Trail::of(run, records, later, kept);
    let mut undoing = Undoing::default();
    for record in records.iter().rev() {
        let stays = record.stays.iter();
        let stays = stays.map(|why| format!("{}: {why}", record.name()));
        undoing.stays.extend(stays);
        for altered in record.altered.iter().rev() {
            let own = altered.path().map(|at| &at.path);
            let mut since = trail.since(record, own);
            if let Altered::Former(former) = altered
                && let Resource::User(_) = **former
                && let Some(account) = record.altered.iter().find_map(Altered::account)
            {
                let since = since.get_or_insert_with(|| Since {
                    run: run.to_owned(),
                    paths: Vec::new(),
                    account: None,
                });
                since.account = Some(account.clone());
            }
            match undone(altered, record, records, kept, with_packages) {
                Ok(resource) => {
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
    altered: &Altered,
    record: &Record,
    records: &[Record],
    kept: &BTreeMap<String, Vec<u8>>,
    with_packages: bool,
) -> Result<Resource, Option<String>> {
    match altered {
        Altered::Path(at) => undone_at(at, kept),
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
            Ok(Resource::Service(service))
        }
        Altered::Former(former) => Ok((**former).clone()),
        Altered::Account(_) => Err(None),
        Altered::Installed(names) if names.is_empty() => Err(None),
        // What was taken away for it comes back in its place.
        Altered::Installed(_)
            if with_packages && record.altered.iter().any(|it| it.removed().is_some()) =>
        {
            Err(None)
        }
        Altered::Installed(names) if with_packages => {
            let mut packages = Packages::new([]);
            packages.names = marked(names, |name| held(records, name).map(|_| false));
            packages.state = State::Absent;
            Ok(Resource::Packages(packages))
        }
        Altered::Installed(_) => Err(Some(
            "what was installed stays; `--packages` removes it".to_owned(),
        )),
        Altered::Removed(names) if with_packages => {
            let mut packages = Packages::new([]);
            let installed = record.altered.iter().filter_map(Altered::installed);
            packages.replaces = installed.flatten().cloned().collect();
            let held_since = packages.replaces.iter();
            let held_since = held_since.filter(|name| held(records, name).is_some());
            packages.names = marked(names, |name| held(std::slice::from_ref(record), name))
                .letting_go(held_since.cloned());
            Ok(Resource::Packages(packages))
        }
        Altered::Removed(names) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            Err(Some(format!(
                "what was removed stays away; `--packages` installs {} again",
                names.join(", ")
            )))
        }
        Altered::Held(all) => {
            // A package that comes or goes is marked when it does.
            let altered = || record.altered.iter();
            let comes = |name: &PackageName| {
                altered()
                    .filter_map(Altered::removed)
                    .any(|all| all.contains(name))
            };
            let goes = |name: &PackageName| {
                altered()
                    .filter_map(Altered::installed)
                    .any(|all| all.contains(name))
            };
            let is_other = |name: &&PackageName| !(comes(name) || with_packages && goes(name));
            let others = all.keys().filter(is_other);
            let others: BTreeSet<_> = others.cloned().collect();
            if others.is_empty() {
                return Err(None);
            }
            let marked = marked(&others, |name| all.get(name).copied());
            Ok(Resource::Packages(Packages::marked(marked)))
        }
    }
}

/// Tells whether a package was held before the first of changes that has held it, or let it go.
fn held(records: &[Record], name: &PackageName) -> Option<bool> {
    let mut altered = records.iter().flat_map(|record| &record.altered);
    altered.find_map(|altered| altered.held(name))
}

/// Gives packages, with whether each is to be held.
fn marked(names: &BTreeSet<PackageName>, hold: impl Fn(&PackageName) -> Option<bool>) -> Names {
    let names = names.iter();
    Names::held(names.map(|name| (name.clone(), hold(name))))
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
        secret,
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
            let content = match (sha256, after) {
                // Only its attributes were changed.
                (None, Was::File { .. }) => None,
                (Some(_), _) if *secret => {
                    return Err(Some(format!(
                        "{path} holds a secret, or may hold one, and what it held before is not kept; apply the estate as it was then"
                    )));
                }
                (Some(_), _) => {
                    Some(at.bytes(before, kept).ok_or_else(|| {
                        Some(format!("what {path} held was too large to be kept"))
                    })?)
                }
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

#[cfg(test)]
mod tests;
