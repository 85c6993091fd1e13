//! Debian packages.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Manage, Resource, State};
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason, Remedy, is_locked};
use crate::probe::{AptRequest, AptVerb, Becomes, Effect, Facts, NotAsked, PackageFact, Query};
use crate::step::{Run, Step};
use crate::value::PackageName;

/// Seconds after which the package lists are fetched anew before an installation.
const LISTS_ARE_OLD: u64 = 24 * 3600;

/// Seconds for which apt waits for a lock that another process holds.
const LOCK_TIMEOUT: u32 = 600;

/// Manages Debian packages: that they are installed, or not.
///
/// All packages that the roles of a host ask for are installed in one transaction. Recommended packages are not
/// installed unless `recommends` is set; changed configuration files are kept (`--force-confold`). An interrupted
/// installation is finished first; package lists older than a day are fetched first; a held lock is waited for with
/// apt's own lock timeout. Nothing is upgraded, and nothing is removed to make room but what `replaces` names. A preview asks apt what it would do and shows every package, those that are installed or
/// removed because of others included.
///
/// ```yaml
/// packages: {names: [dnsmasq, bacula-fd]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Names of the packages.
    pub names: BTreeSet<PackageName>,
    /// Whether recommended packages are installed too.
    #[serde(default)]
    pub recommends: bool,
    /// Packages that conflict with one of these: where they are installed they go in the same transaction, so that nothing
    /// that can do with either has to go with them. What can do with neither goes, too: a preview shows it.
    #[serde(default)]
    pub replaces: BTreeSet<PackageName>,
    /// When absent, whether configuration files are removed too.
    #[serde(default)]
    pub purge: bool,
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
            purge: false,
            state: State::Present,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.state == State::Absent && !self.replaces.is_empty() {
            return Err("packages: `replaces` is for packages that are installed".to_owned());
        }
        match self.replaces.intersection(&self.names).next() {
            None => Ok(()),
            Some(name) => Err(format!("packages: {name} is to be installed and replaced")),
        }
    }

    /// Takes over the packages of another declaration, so that a host has one transaction. Declarations that install
    /// and declarations that remove, or that treat recommendations differently, are not merged.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let same = (self.state, self.recommends, self.purge)
            == (other.state, other.recommends, other.purge);
        if same {
            self.names.extend(other.names.iter().cloned());
            self.replaces.extend(other.replaces.iter().cloned());
        }
        same
    }

    fn apt<const N: usize>(arguments: [&str; N]) -> Run {
        let timeout = format!("DPkg::Lock::Timeout={LOCK_TIMEOUT}");
        let mut run = Run::new([
            "apt-get",
            "-q",
            "-y",
            "-o",
            &timeout,
            "-o",
            "APT::Install-Recommends=false",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "Dpkg::Use-Pty=0",
        ]);
        run.argv.extend(arguments.map(str::to_owned));
        run
    }

    fn repair() -> Step {
        Run::new(["dpkg", "--configure", "-a", "--force-confold"]).into()
    }

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut lacking = Vec::new();
        let mut reasons = BTreeSet::new();
        for name in &self.names {
            match facts.package(name)? {
                PackageFact::Installed(_) => continue,
                PackageFact::Absent => reasons.insert(Reason::NotInstalled),
                PackageFact::Broken => reasons.insert(Reason::Interrupted),
            };
            lacking.push(name);
        }
        let mut in_the_way = Vec::new();
        for name in &self.replaces {
            if *facts.package(name)? != PackageFact::Absent {
                in_the_way.push(name);
                reasons.insert(Reason::Present);
            }
        }
        if reasons.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let fresh = facts.apt_lists_age.is_some_and(|age| age <= LISTS_ARE_OLD);
        // Apt cannot tell before an interrupted installation is finished, and old lists are no reason to give up.
        if fresh
            && !reasons.contains(&Reason::Interrupted)
            && let Some(refusal) = self.refusal(facts)
        {
            return Ok(refusal);
        }
        let mut steps = vec![Self::repair()];
        if !fresh {
            steps.push(Self::apt(["update", "--error-on=any"]).into());
        }
        steps.push(self.transaction(&lacking, &in_the_way).into());
        let away = in_the_way.iter().map(|name| going(name));
        let names = lacking.iter().map(ToString::to_string).chain(away);
        Ok(
            Change::new(Action::Create, reasons.into_iter().collect(), steps)
                .detail(names.collect::<Vec<_>>().join(" "))
                .diff(self.foreseen(facts))
                .into(),
        )
    }

    /// Installs packages and takes others away, in one run of apt.
    fn transaction(&self, lacking: &[&PackageName], in_the_way: &[&PackageName]) -> Run {
        let recommends = if self.recommends {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        };
        let mut run = if in_the_way.is_empty() {
            Self::apt(["install", "--no-remove", recommends, "--"])
        } else {
            Self::apt(["install", recommends, "--"])
        };
        for name in lacking {
            run.argv.push(name.to_string());
            run.effects.push(Effect::Package(Becomes(
                (*name).clone(),
                PackageFact::Installed(String::new()),
            )));
        }
        for name in in_the_way {
            run.argv.push(going(name));
            run.effects.push(Effect::Package(Becomes(
                (*name).clone(),
                PackageFact::Absent,
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
            replaces: self.replaces.iter().cloned().collect(),
            recommends: self.recommends,
        }
    }

    /// Shows what apt said that it would do, dependencies included; nothing where it was not asked.
    fn foreseen(&self, facts: &Facts) -> Diff {
        let Some(fact) = facts.apt.get(&self.request().key()) else {
            return Diff::default();
        };
        let install = fact.install.iter().map(|package| format!("+{package}"));
        let remove = fact.remove.iter().map(|package| format!("-{package}"));
        Diff::list(install.chain(remove))
    }

    fn refusal(&self, facts: &Facts) -> Option<Planned> {
        let problem = facts.apt.get(&self.request().key())?.problem.as_ref()?;
        let hint = if problem.contains("need to be removed") {
            "an installed package is in conflict with one of these: name it as `replaces`, or remove it"
        } else {
            "check the names of the packages and the host's /etc/apt/sources.list"
        };
        Some(Planned::Impossible {
            cause: format!("apt would refuse: {problem}"),
            hint: hint.to_owned(),
        })
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut there = Vec::new();
        for name in &self.names {
            if !matches!(facts.package(name)?, PackageFact::Absent) {
                there.push(name);
            }
        }
        if there.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let mut remove = Self::apt([self.request().verb.word(), "--"]);
        for name in &there {
            remove.argv.push(name.to_string());
            remove.effects.push(Effect::Package(Becomes(
                (*name).clone(),
                PackageFact::Absent,
            )));
        }
        Ok(Change::new(
            Action::Remove,
            vec![Reason::Present],
            vec![Self::repair(), remove.into()],
        )
        .detail(list(&there))
        .diff(self.foreseen(facts))
        .into())
    }
}

/// Writes a package that is to go, as `apt-get install` takes it (apt-get(8)).
fn going(name: &PackageName) -> String {
    format!("{name}-")
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

/// Reads what apt said of a transaction that failed.
fn remedy(output: &str) -> Option<Remedy> {
    let says = |words: &[&str]| words.iter().any(|words| output.contains(words));
    if is_locked(output) {
        Some(Remedy::again_after(
            "wait until the other process on the host has installed its packages",
        ))
    } else if says(&["Packages need to be removed but remove is disabled"]) {
        Some(Remedy::RemoveConflictingPackage)
    } else if says(&["Unable to locate package"]) {
        Some(Remedy::PackageSource)
    } else if says(&[
        "Failed to fetch",
        "Could not resolve",
        "Could not connect",
        "Some index files failed to download",
    ]) {
        Some(Remedy::PackageArchive)
    } else {
        None
    }
}

impl Manage for Packages {
    fn kind(&self) -> &'static str {
        "packages"
    }

    fn id(&self) -> String {
        list(&self.names.iter().collect::<Vec<_>>())
    }

    fn probe(&self) -> Vec<Query> {
        let names = self.names.iter().chain(&self.replaces);
        let packages = names.cloned().map(Query::Package);
        packages
            .chain([Query::PackageLists(()), Query::Apt(self.request())])
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if let Err(cause) = self.check() {
            return Ok(super::invalid(cause));
        }
        match self.state {
            State::Present => self.plan_present(facts),
            State::Absent => self.plan_absent(facts),
        }
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        remedy(output)
    }
}
