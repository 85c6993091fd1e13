//! Debian packages.

mod names;
mod remedy;
mod run;
mod terms;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State, essential};
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    AptFact, AptRequest, AptVerb, Becomes, Effect, Facts, NameQuestion, NotAsked, PackageFact,
    Query,
};
use crate::step::{Run, Step};
use crate::value::{PackageName, PackageVersion};
pub use names::{Names, Terms};
pub(super) use remedy::remedy;
pub(super) use run::{apt, repair, stale, update};
use run::{as_removal, keeps_the_way_in, known_names, unpack_again, without_holds};
use terms::Marks;

/// Manages Debian packages: that they are installed, or not.
///
/// All packages that the roles of a host ask for are installed in one transaction. Recommended packages are not
/// installed unless `recommends` is set; changed configuration files are kept (`--force-confold`). A package that is here
/// because others needed it is marked as wanted for itself (apt-mark(8)). An interrupted
/// installation is finished first; package lists are fetched first if they are older than a day, or older than a source or
/// its key; a held lock is waited for with apt's own lock timeout. Names are those of packages: a virtual one, which others
/// provide, is refused, and so are apt's suffixes.
///
/// In the place of a name there may be more: the version that is installed (`version`), whether the package is held (`hold`),
/// and what it is pinned to (`pin`), which is a file `/etc/apt/preferences.d/00-NAME.pref`. A version that is not there is
/// refused with those that are; an older one than the installed is only taken with `allow_downgrade`. What is held here is let
/// go for as long as its version changes. What the host cannot be reached without (openssh-server, sudo) is not removed. Nothing is upgraded, and nothing is removed to make room but what `replaces` names. A preview asks apt what it would do and shows every package, those that are installed or
/// removed because of others included. When absent, a hold or pin that is given goes, too.
///
/// ```yaml
/// packages: {names: [dnsmasq, {name: nginx, version: "1.26*", hold: true}]}
/// ```
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings, named as people know them"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Names of the packages; where more is said of one, a mapping with `name` and any of `version`, `hold`, `pin` and the pin's
    /// `priority`.
    pub names: Names,
    /// Whether recommended packages are installed too.
    #[serde(default)]
    pub recommends: bool,
    /// Packages that conflict with one of these: where they are installed they go in the same transaction, so that nothing
    /// that can do with either has to go with them. What can do with neither goes, too: a preview shows it.
    #[serde(default)]
    pub replaces: BTreeSet<PackageName>,
    /// Whether an older version may take the place of a newer one that is installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_downgrade: bool,
    /// When absent, whether configuration files are removed too.
    #[serde(default)]
    pub purge: bool,
    /// Whether only those that are installed are held, or let go: undoing does not install what somebody has removed since.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) marks_only: bool,
    /// Whether they should be installed.
    #[serde(default)]
    pub state: State,
}

impl Packages {
    /// Describes packages that should be installed.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = PackageName>) -> Self {
        Self {
            names: names.into_iter().collect(),
            recommends: false,
            replaces: BTreeSet::new(),
            allow_downgrade: false,
            purge: false,
            marks_only: false,
            state: State::Present,
        }
    }

    /// Describes that packages be held or let go, where they are installed.
    #[must_use]
    pub(crate) fn marked(names: Names) -> Self {
        Self {
            names,
            marks_only: true,
            ..Self::new([])
        }
    }

    /// Describes that one of them be gone, with what was said of it.
    #[must_use]
    pub(crate) fn leaving(&self, name: &PackageName) -> Self {
        Self {
            names: self.names.leaving(name),
            state: State::Absent,
            ..Self::new([])
        }
    }

    fn versions(&self) -> BTreeMap<PackageName, PackageVersion> {
        let terms = self.names.terms().values();
        let versions = terms.filter_map(|terms| Some((terms.name.clone(), terms.version.clone()?)));
        versions.collect()
    }

    /// Takes over the packages of another declaration, so that a host has one transaction. Declarations that install
    /// and declarations that remove, or that treat recommendations differently or say something else of a package, are not merged.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let form = |it: &Self| {
            let how = (it.recommends, it.purge, it.allow_downgrade);
            (it.state, it.marks_only, how)
        };
        let same = form(self) == form(other) && self.names.merge(&other.names);
        if same {
            self.replaces.extend(other.replaces.iter().cloned());
        }
        same
    }

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut wanted = Wanted::default();
        let old = stale(facts.apt_lists.as_ref());
        for name in &self.names {
            let have = facts.package(name)?;
            if let Some(version) = self.version_of(name)
                && !have.is_installed_in(version)
            {
                if have.is_installed() {
                    wanted.reasons.insert(Reason::OtherVersion);
                    wanted.lacking.push(name);
                }
                match self.choose(name, version, old.is_none(), facts)? {
                    Ok(chosen) => wanted.versions.insert(name, chosen),
                    Err(refused) => return Ok(refused),
                };
            }
            match have {
                PackageFact::Installed(_) => {}
                PackageFact::Automatic(_) if wanted.versions.contains_key(name) => {}
                PackageFact::Automatic(version) => {
                    wanted.reasons.insert(Reason::Automatic);
                    wanted.marked.push((name, version));
                }
                PackageFact::Absent | PackageFact::Residue => {
                    wanted.reasons.insert(Reason::NotInstalled);
                    wanted.lacking.push(name);
                }
                PackageFact::Broken => {
                    wanted.reasons.insert(Reason::Interrupted);
                    wanted.lacking.push(name);
                    wanted.broken.push(name);
                }
            }
        }
        for name in &self.replaces {
            match facts.package(name)? {
                PackageFact::Absent | PackageFact::Residue => {}
                PackageFact::Installed(_) | PackageFact::Automatic(_) | PackageFact::Broken => {
                    if let Some(problem) = essential::removing_package(name.as_str(), facts) {
                        return Ok(problem);
                    }
                    wanted.in_the_way.push(name);
                    wanted.reasons.insert(Reason::Present);
                }
            }
        }
        let changing: Vec<_> = [&wanted.lacking[..], &wanted.in_the_way[..]].concat();
        wanted.marks = match self.marks(&changing, facts, &mut wanted)? {
            Ok(marks) => marks,
            Err(other) => return Ok(other),
        };
        if wanted.reasons.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let stale = old.filter(|_| !changing.is_empty());
        if let Some(refusal) = self.refusal(&wanted, stale.is_none(), facts)? {
            return Ok(refusal);
        }
        let steps = self.steps(&wanted, stale.is_some(), facts.insisted);
        let away = wanted.in_the_way.iter().map(|name| as_removal(name));
        let marked = wanted.marked.iter().map(|(name, _)| name.to_string());
        let lacking = wanted.lacking.iter().map(|name| wanted.word(name));
        let mut detail = lacking
            .chain(marked)
            .chain(away)
            .chain(wanted.marks.words())
            .collect::<Vec<_>>()
            .join(" ");
        if let Some(why) = stale {
            detail.push_str("   after fetching the package lists, ");
            detail.push_str(&why);
        }
        // What apt would do once there is another pin, it cannot tell.
        let foreseen = if wanted.marks.files.is_empty() {
            self.foreseen(facts)
        } else {
            Diff::default()
        };
        let action = if wanted.reasons.iter().all(|it| {
            *it == Reason::HoldDiffers || *it == Reason::PinDiffers || *it == Reason::OtherVersion
        }) {
            Action::Update
        } else {
            Action::Create
        };
        Ok(
            Change::new(action, wanted.reasons.into_iter().collect(), steps)
                .detail(detail)
                .diff(foreseen)
                .into(),
        )
    }

    /// Gives the steps that install and mark; nothing is fetched or repaired where apt has only to be told a mark.
    fn steps(&self, wanted: &Wanted<'_>, fetch: bool, insisted: bool) -> Vec<Step> {
        let mut steps = wanted.marks.files.clone();
        steps.extend(wanted.marks.release());
        if !(wanted.lacking.is_empty() && wanted.in_the_way.is_empty()) {
            steps.push(repair());
            if fetch {
                steps.push(update());
                steps.push(known_names(&wanted.lacking).into());
            }
            if !wanted.in_the_way.is_empty() {
                let away = wanted.in_the_way.iter().map(|name| as_removal(name));
                let words = wanted.lacking.iter().map(|name| wanted.word(name));
                let words = words.chain(away);
                steps.push(keeps_the_way_in("install", words, insisted).into());
            }
            if !wanted.broken.is_empty() {
                steps.push(unpack_again(&wanted.broken).into());
            }
            steps.push(without_holds(&wanted.marks.changing, self.transaction(wanted)).into());
        }
        if !wanted.marked.is_empty() {
            let mut run = Run::new(["apt-mark", "-qq", "manual", "--"]);
            for (name, version) in &wanted.marked {
                run.argv.push(name.to_string());
                run.effects.push(Effect::Package(Becomes(
                    (*name).clone(),
                    PackageFact::Installed((*version).clone()),
                )));
            }
            steps.push(run.into());
        }
        steps.extend(wanted.marks.keep());
        steps
    }

    /// Installs packages and takes others away, in one run of apt.
    fn transaction(&self, wanted: &Wanted<'_>) -> Run {
        let recommends = if self.recommends {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        };
        let mut run = apt(["install", recommends]);
        let no_remove = (wanted.in_the_way.is_empty(), "--no-remove");
        for (is_set, flag) in [
            no_remove,
            (self.allow_downgrade, "--allow-downgrades"),
            (true, "--"),
        ] {
            run.argv.extend(is_set.then(|| flag.to_owned()));
        }
        for name in &wanted.lacking {
            let version = wanted.versions.get(name).cloned().unwrap_or_default();
            run.argv.push(wanted.word(name));
            run.effects.push(Effect::Package(Becomes(
                (*name).clone(),
                PackageFact::Installed(version),
            )));
        }
        for name in &wanted.in_the_way {
            run.argv.push(as_removal(name));
            run.effects.push(Effect::Package(Becomes(
                (*name).clone(),
                PackageFact::Residue,
            )));
        }
        run
    }

    /// What apt is asked beforehand.
    fn request(&self) -> AptRequest {
        AptRequest {
            verb: match (self.state, self.purge) {
                (State::Present, _) => AptVerb::Install,
                (State::Absent, false) => AptVerb::Remove,
                (State::Absent, true) => AptVerb::Purge,
            },
            names: self.names.iter().cloned().collect(),
            versions: self.versions(),
            downgrades: self.allow_downgrade,
            held: self
                .names
                .terms()
                .values()
                .any(|terms| terms.hold.is_some()),
            replaces: self.replaces.iter().cloned().collect(),
            recommends: self.recommends,
        }
    }

    /// Gives what apt said that it would do, where it was asked.
    #[must_use]
    pub(crate) fn foreseen_by<'f>(&self, facts: &'f Facts) -> Option<&'f AptFact> {
        facts.apt.get(&self.request().key())
    }

    /// Shows what apt said that it would do, dependencies included; nothing where it was not asked.
    fn foreseen(&self, facts: &Facts) -> Diff {
        let Some(fact) = self.foreseen_by(facts) else {
            return Diff::default();
        };
        let install = fact.install.iter().map(|package| format!("+{package}"));
        let remove = fact.remove.iter().map(|package| format!("-{package}"));
        Diff::list(install.chain(remove))
    }

    /// Refuses what apt would remove besides, where the host or prov cannot do without it.
    fn takes_along(&self, facts: &Facts) -> Option<Planned> {
        let gone = &self.foreseen_by(facts)?.remove;
        gone.iter().find_map(|package| {
            let name = package.split(' ').next().unwrap_or(package);
            essential::removing_package(name, facts)
        })
    }

    /// Says what goes with packages that are removed; where apt was not asked, nobody knows but its history.
    fn gone_along(&self, before: &Facts, after: &Facts) -> Result<Option<String>, NotAsked> {
        let mut gone = Vec::new();
        for name in self.names.iter().chain(&self.replaces) {
            let is_there = |facts: &Facts| facts.package(name).map(PackageFact::is_installed);
            if is_there(before)? && !is_there(after)? {
                gone.push(name);
            }
        }
        if gone.is_empty() {
            return Ok(None);
        }
        let Some(fact) = self.foreseen_by(before) else {
            return Ok(Some(format!(
                "what else apt removed with {} stays away; /var/log/apt/history.log on the host names it",
                list(&gone)
            )));
        };
        let removed = fact.remove.iter();
        let removed = removed.filter_map(|package| package.split(' ').next());
        let others = removed.filter(|other| gone.iter().all(|name| name.as_str() != *other));
        let others: Vec<_> = others.collect();
        Ok((!others.is_empty()).then(|| {
            format!(
                "{}, which apt removed with {}, stays away",
                others.join(", "),
                list(&gone)
            )
        }))
    }

    /// Refuses names that apt would take for something else, and what it says itself that it would refuse.
    fn refusal(
        &self,
        wanted: &Wanted<'_>,
        fresh: bool,
        facts: &Facts,
    ) -> Result<Option<Planned>, NotAsked> {
        for name in &wanted.lacking {
            let have = facts.package(name)?;
            if *have == PackageFact::Broken || have.is_installed() {
                continue;
            }
            let fact = facts.package_name(name)?;
            if fact.real {
                continue;
            }
            if !fact.providers.is_empty() {
                return Ok(Some(virtual_package(name, &fact.providers)));
            }
            // Old lists are no reason to give up.
            if fresh {
                return Ok(Some(unknown(name, facts)));
            }
        }
        // Apt cannot tell before an interrupted installation is finished.
        let unpinned = !wanted.marks.files.is_empty();
        if !fresh || unpinned || wanted.reasons.contains(&Reason::Interrupted) {
            return Ok(None);
        }
        let fact = self.foreseen_by(facts);
        let Some(problem) = fact.and_then(|fact| fact.problem.as_ref()) else {
            return Ok(self.takes_along(facts));
        };
        let hint = remedy(problem).map_or_else(
            || format!("check the names of the packages, and {}", sources(facts)),
            |remedy| remedy.to_string(),
        );
        Ok(Some(Planned::Impossible {
            cause: format!("apt would refuse: {problem}"),
            hint,
        }))
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut there = Vec::new();
        for name in &self.names {
            match facts.package(name)? {
                PackageFact::Installed(_) | PackageFact::Automatic(_) | PackageFact::Broken => {
                    if let Some(problem) = essential::removing_package(name.as_str(), facts) {
                        return Ok(problem);
                    }
                    there.push(name);
                }
                PackageFact::Residue if self.purge => there.push(name),
                PackageFact::Residue => {}
                PackageFact::Absent => {
                    let fact = facts.package_name(name)?;
                    if !fact.real && !fact.providers.is_empty() {
                        return Ok(virtual_package(name, &fact.providers));
                    }
                }
            }
        }
        let mut wanted = Wanted::default();
        let marks = match self.marks(&there, facts, &mut wanted)? {
            Ok(marks) => marks,
            Err(other) => return Ok(other),
        };
        let mut steps: Vec<_> = marks.release().into_iter().collect();
        if there.is_empty() {
            steps.extend(marks.files);
            if steps.is_empty() {
                return Ok(Planned::Unchanged);
            }
            let reasons = wanted.reasons.into_iter().collect();
            return Ok(Change::new(Action::Remove, reasons, steps).into());
        }
        let verb = self.request().verb.word();
        let fact = facts.apt.get(&self.request().key());
        // Apt cannot tell before an interrupted installation is finished.
        let interrupted = there.iter().any(|name| {
            let have = facts.package(name);
            have.is_ok_and(|have| *have == PackageFact::Broken)
        });
        let problem = fact.and_then(|fact| fact.problem.as_ref());
        if let Some(problem) = problem.filter(|_| !interrupted) {
            let hint = remedy(problem).map_or_else(
                || {
                    format!(
                        "see what `apt-get -s {verb} {}` says on the host",
                        list(&there)
                    )
                },
                |remedy| remedy.to_string(),
            );
            return Ok(Planned::Impossible {
                cause: format!("apt would refuse: {problem}"),
                hint,
            });
        }
        if let Some(refused) = self.takes_along(facts) {
            return Ok(refused);
        }
        let mut remove = apt([verb, "--"]);
        for name in &there {
            let fact = if self.purge {
                PackageFact::Absent
            } else {
                PackageFact::Residue
            };
            remove.argv.push(name.to_string());
            let becomes = Becomes((*name).clone(), fact);
            remove.effects.push(Effect::Package(becomes));
        }
        steps.extend([
            repair(),
            keeps_the_way_in(verb, there.iter().map(ToString::to_string), facts.insisted).into(),
            remove.into(),
        ]);
        steps.extend(marks.files);
        Ok(Change::new(Action::Remove, vec![Reason::Present], steps)
            .detail(list(&there))
            .diff(self.foreseen(facts))
            .into())
    }
}

/// What is to be done with packages.
#[derive(Default)]
struct Wanted<'a> {
    reasons: BTreeSet<Reason>,
    lacking: Vec<&'a PackageName>,
    /// Those of them whose installation was interrupted.
    broken: Vec<&'a PackageName>,
    /// Installed, with these versions, and marked as automatic.
    marked: Vec<(&'a PackageName, &'a String)>,
    in_the_way: Vec<&'a PackageName>,
    /// The versions that are installed, where they are said.
    versions: BTreeMap<&'a PackageName, String>,
    marks: Marks<'a>,
}

impl Wanted<'_> {
    /// Writes a package as apt takes it.
    fn word(&self, name: &PackageName) -> String {
        match self.versions.get(name) {
            Some(version) => format!("{name}={version}"),
            None => name.to_string(),
        }
    }
}

/// Names the files that say where a host's packages come from.
fn sources(facts: &Facts) -> String {
    let sources = facts.apt_lists.as_ref().map(|lists| &lists.sources);
    match sources.filter(|sources| !sources.is_empty()) {
        Some(sources) => format!("the host's package sources ({})", sources.join(", ")),
        None => "give the host package sources: it has none in /etc/apt".to_owned(),
    }
}

fn virtual_package(name: &PackageName, providers: &BTreeSet<String>) -> Planned {
    let providers: Vec<_> = providers.iter().map(String::as_str).collect();
    Planned::Impossible {
        cause: format!(
            "{name} is no package, but a name that others provide: {}",
            providers.join(", ")
        ),
        hint: "name the one that is meant".to_owned(),
    }
}

fn unknown(name: &PackageName, facts: &Facts) -> Planned {
    let bare = name.as_str().trim_end_matches(['+', '-']);
    let hint = if bare == name.as_str() {
        format!("check the name, and {}", sources(facts))
    } else {
        format!(
            "apt would take the last character for what is to be done with {bare}: write just {bare}, and `state: absent` or `replaces` for what should go"
        )
    };
    Planned::Impossible {
        cause: format!("apt knows no package {name}"),
        hint,
    }
}

fn list(names: &[&PackageName]) -> String {
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    names.join(" ")
}

/// Gives what becomes of a resource that depends on files of packages to come.
pub(super) fn waiting(facts: &Facts) -> Planned {
    let names = facts.coming.iter().cloned().collect();
    Planned::Unknown(Awaited::Packages(names))
}

impl Manage for Packages {
    fn kind(&self) -> &'static str {
        "packages"
    }

    fn id(&self) -> String {
        let names = list(&self.names.iter().collect::<Vec<_>>());
        if self.marks_only {
            format!("{names} (hold)")
        } else {
            names
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.state == State::Absent && !self.versions().is_empty() {
            return Err(
                "packages: a package is removed whatever its version is; leave `version` out"
                    .to_owned(),
            );
        }
        if self.state == State::Absent && !self.replaces.is_empty() {
            return Err("packages: `replaces` is for packages that are installed".to_owned());
        }
        match self.replaces.intersection(&self.names).next() {
            None => Ok(()),
            Some(name) => Err(format!("packages: {name} is to be installed and replaced")),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let packages = self.names.iter().chain(&self.replaces);
        let packages = packages.cloned().map(Query::Package);
        if self.marks_only {
            let holds = terms::queries(&self.names, self.state);
            return packages.chain(holds).collect();
        }
        let wanted = self.state == State::Present;
        let names = self.names.iter().cloned();
        let names = names.map(|name| Query::PackageName(NameQuestion { name, wanted }));
        packages
            .chain(names)
            .chain(terms::queries(&self.names, self.state))
            .chain([
                Query::PackageLists(()),
                Query::Apt(self.request()),
                Query::Login(()),
            ])
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match self.state {
            State::Present if self.marks_only => self.plan_marks(facts),
            State::Present => self.plan_present(facts),
            State::Absent => self.plan_absent(facts),
        }
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "apt ended well without it: read what it says above, and look at holds (`apt-mark showhold`) and pins (`apt-cache policy NAME`) on the host",
        )
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let mut former = Former::files();
        former.stays.extend(self.gone_along(before, after)?);
        for name in &self.names {
            let now = after.package(name)?;
            match (before.package(name)?, now) {
                (PackageFact::Automatic(_), PackageFact::Installed(_)) => {
                    former.stays.push(format!(
                        "{name} stays marked as wanted for itself; `apt-mark auto {name}` on the host takes that back"
                    ));
                }
                (PackageFact::Installed(was), PackageFact::Installed(is)) if was != is => {
                    former
                        .stays
                        .push(format!("{name} stays in version {is}; it was {was}"));
                }
                (was, PackageFact::Absent) if self.purge && *was != PackageFact::Absent => {
                    former
                        .stays
                        .push(format!("the configuration that {name} had is not kept"));
                }
                (PackageFact::Broken, PackageFact::Installed(_) | PackageFact::Automatic(_)) => {
                    former.stays.push(format!(
                        "{name} stays installed: its installation was interrupted, and is finished"
                    ));
                }
                (
                    PackageFact::Absent
                    | PackageFact::Residue
                    | PackageFact::Broken
                    | PackageFact::Automatic(_)
                    | PackageFact::Installed(_),
                    _,
                ) => {}
            }
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        remedy(output)
    }
}
