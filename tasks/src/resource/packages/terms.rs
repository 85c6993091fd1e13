//! What becomes of versions, holds and pins.
//!
//! Owns which version a pattern means, in which order a hold is taken away and given back, and the files of pins. Refuses an
//! older version than the installed one unless it was asked for.

use super::{Names, Packages, Wanted};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Becomes, Effect, Facts, NotAsked, PackageFact, Query, VersionQuestion};
use crate::resource::{File, Manage as _, State};
use crate::step::{Run, Step};
use crate::value::{HostPath, PackageName, PackageVersion};

/// Gives what must be known of a host beyond whether the packages are installed.
pub(super) fn queries(names: &Names, state: State) -> Vec<Query> {
    let mut queries = Vec::new();
    for terms in names.terms().values() {
        let name = || terms.name.clone();
        if let Some(version) = terms.version.clone().filter(|_| state == State::Present) {
            let name = name();
            queries.push(Query::PackageVersions(VersionQuestion { name, version }));
        }
        if terms.hold.is_some() {
            queries.push(Query::PackageHold(name()));
        }
        if terms.pin.is_some() {
            queries.extend(gone(&terms.name).probe());
        }
    }
    queries.extend(pins(names, state).iter().flat_map(|(_, file)| file.probe()));
    queries
}

fn gone(name: &PackageName) -> File {
    File::gone(HostPath::package_preferences(name))
}

/// Gives the files of the pins.
fn pins(names: &Names, state: State) -> Vec<(&PackageName, File)> {
    let pinned = names.terms().values().filter_map(|terms| {
        let text = terms.preferences()?;
        let path = HostPath::package_preferences(&terms.name);
        Some(match state {
            State::Present => (&terms.name, File::new(path, Content::plain(text))),
            State::Absent => (&terms.name, gone(&terms.name)),
        })
    });
    pinned.collect()
}

/// What is to be done about holds and pins.
#[derive(Default)]
pub(super) struct Marks<'a> {
    /// Packages that are held and should not be.
    pub(super) unhold: Vec<&'a PackageName>,
    pub(super) hold: Vec<&'a PackageName>,
    /// Packages that are held and stay so, whose version changes.
    pub(super) changing: Vec<&'a PackageName>,
    pub(super) pinned: Vec<&'a PackageName>,
    pub(super) files: Vec<Step>,
}

impl Marks<'_> {
    /// Lets packages go that should not be held.
    pub(super) fn release(&self) -> Option<Step> {
        mark("unhold", &self.unhold, false)
    }

    /// Holds packages.
    pub(super) fn keep(&self) -> Option<Step> {
        mark("hold", &self.hold, true)
    }

    /// Says in words what is done besides installing and removing.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let unhold = self.unhold.iter().map(|name| format!("unhold:{name}"));
        let hold = self.hold.iter().map(|name| format!("hold:{name}"));
        let pinned = self.pinned.iter().map(|name| format!("pin:{name}"));
        unhold.chain(hold).chain(pinned)
    }
}

fn mark(verb: &str, names: &[&PackageName], held: bool) -> Option<Step> {
    let mut run = Run::new(["apt-mark", "-qq", verb, "--"]);
    for name in names {
        run.argv.push(name.to_string());
        run.effects
            .push(Effect::PackageHold(Becomes((*name).clone(), held)));
    }
    (!names.is_empty()).then(|| run.into())
}

impl Packages {
    /// Finds out what is to be done about holds and pins; some of the packages will be installed in another version, or removed.
    pub(super) fn marks<'a>(
        &'a self,
        changing: &[&PackageName],
        facts: &Facts,
        wanted: &mut Wanted<'a>,
    ) -> Result<Result<Marks<'a>, Planned>, NotAsked> {
        let mut marks = Marks::default();
        for terms in self.names.terms().values() {
            let (name, Some(hold)) = (&terms.name, terms.hold) else {
                continue;
            };
            let is_held = facts.is_held(name)?;
            let is_changing = changing.contains(&name);
            let stays = self.state == State::Present && hold;
            match (is_held, stays) {
                (true, true) if is_changing => marks.changing.push(name),
                (true, false) if !hold || is_changing => marks.unhold.push(name),
                (false, true) => marks.hold.push(name),
                (true | false, true | false) => {}
            }
            if is_held != hold {
                wanted.reasons.insert(Reason::HoldDiffers);
            }
        }
        for (name, file) in pins(&self.names, self.state) {
            match file.plan(facts)? {
                Planned::Unchanged => {}
                Planned::Change(change) => {
                    marks.files.extend(change.steps);
                    marks.pinned.push(name);
                    wanted.reasons.insert(Reason::PinDiffers);
                }
                other @ (Planned::Unknown(_)
                | Planned::Deferred(_)
                | Planned::Refused { .. }
                | Planned::Impossible { .. }) => return Ok(Err(other)),
            }
        }
        Ok(Ok(marks))
    }

    /// Holds packages and lets them go; one that is not installed has nothing to be held.
    pub(super) fn plan_marks(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut there = self.clone();
        there.names = Names::default();
        for terms in self.names.terms().values() {
            if facts.package(&terms.name)?.is_installed() {
                let one = Names::held([(terms.name.clone(), terms.hold)]);
                let _ = there.names.merge(&one);
            }
        }
        let mut wanted = Wanted::default();
        let marks = match there.marks(&[], facts, &mut wanted)? {
            Ok(marks) => marks,
            Err(other) => return Ok(other),
        };
        let steps: Vec<_> = marks.release().into_iter().chain(marks.keep()).collect();
        if steps.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let detail = marks.words().collect::<Vec<_>>().join(" ");
        let reasons = wanted.reasons.iter().copied().collect();
        Ok(Change::new(Action::Update, reasons, steps)
            .detail(detail)
            .into())
    }

    /// Gives the version that is meant of a package, if it is not just any.
    pub(super) fn version_of(&self, name: &PackageName) -> Option<&PackageVersion> {
        self.names.terms().get(name)?.version.as_ref()
    }

    /// Chooses the version that is installed: the newest that is meant, or what apt makes of the words while it knows no lists.
    pub(super) fn choose(
        &self,
        name: &PackageName,
        version: &PackageVersion,
        fresh: bool,
        facts: &Facts,
    ) -> Result<Result<String, Planned>, NotAsked> {
        let known = &facts.package_versions(name)?.known;
        let at = known.iter().position(|known| version.is_met_by(known));
        let installed = match facts.package(name)? {
            PackageFact::Installed(version) | PackageFact::Automatic(version) => Some(version),
            PackageFact::Absent | PackageFact::Residue | PackageFact::Broken => None,
        };
        let Some(at) = at else {
            // What apt does not know at all is refused for that.
            if !fresh || known.is_empty() && installed.is_none() {
                return Ok(Ok(version.to_string()));
            }
            let there = known.join(", ");
            return Ok(Err(Planned::Impossible {
                cause: format!("apt knows no version {version} of {name}"),
                hint: format!("take one of those that there are: {there}"),
            }));
        };
        let newer = installed.and_then(|have| known[..at].iter().find(|known| *known == have));
        if let Some(have) = newer.filter(|_| !self.allow_downgrade) {
            return Ok(Err(Planned::Impossible {
                cause: format!(
                    "{name} {have} is installed, which is newer than {}",
                    known[at]
                ),
                hint: "set `allow_downgrade: true` if the older one is meant".to_owned(),
            }));
        }
        Ok(Ok(known[at].clone()))
    }
}
