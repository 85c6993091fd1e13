//! Debian packages.

mod remedy;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Manage, Resource, State, essential};
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    AptFact, AptRequest, AptVerb, Becomes, Effect, Facts, ListsFact, NameQuestion, NotAsked,
    PackageFact, Query,
};
use crate::step::{Run, Step};
use crate::value::PackageName;
pub(super) use remedy::remedy;

/// Seconds after which the package lists are fetched anew before an installation.
const LISTS_ARE_OLD: u64 = 24 * 3600;

/// Seconds for which apt waits for a lock that another process holds.
const LOCK_TIMEOUT: u32 = 600;

/// Manages Debian packages: that they are installed, or not.
///
/// All packages that the roles of a host ask for are installed in one transaction. Recommended packages are not
/// installed unless `recommends` is set; changed configuration files are kept (`--force-confold`). A package that is here
/// because others needed it is marked as wanted for itself (apt-mark(8)). An interrupted
/// installation is finished first; package lists are fetched first if they are older than a day, or older than a source or
/// its key; a held lock is waited for with apt's own lock timeout. Names are those of packages: a virtual one, which others
/// provide, is refused, and so are apt's suffixes. A version or release is pinned by a file in `/etc/apt/preferences.d`
/// (`apt_preferences(5)`). What the host cannot be reached without (openssh-server, sudo) is not removed. Nothing is upgraded, and nothing is removed to make room but what `replaces` names. A preview asks apt what it would do and shows every package, those that are installed or
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

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut wanted = Wanted::default();
        for name in &self.names {
            match facts.package(name)? {
                PackageFact::Installed(_) => {}
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
        if wanted.reasons.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let stale = match wanted.lacking.as_slice() {
            [] if wanted.in_the_way.is_empty() => None,
            _ => stale(facts.apt_lists.as_ref()),
        };
        if let Some(refusal) = self.refusal(&wanted, stale.is_none(), facts)? {
            return Ok(refusal);
        }
        let steps = self.steps(&wanted, stale.is_some());
        let away = wanted.in_the_way.iter().map(|name| going(name));
        let marked = wanted.marked.iter().map(|(name, _)| name.to_string());
        let lacking = wanted.lacking.iter().map(ToString::to_string);
        let mut detail = lacking
            .chain(marked)
            .chain(away)
            .collect::<Vec<_>>()
            .join(" ");
        if let Some(why) = stale {
            detail.push_str("   after fetching the package lists, ");
            detail.push_str(&why);
        }
        Ok(
            Change::new(Action::Create, wanted.reasons.into_iter().collect(), steps)
                .detail(detail)
                .diff(self.foreseen(facts))
                .into(),
        )
    }

    /// Gives the steps that install and mark; nothing is fetched or repaired where apt has only to be told a mark.
    fn steps(&self, wanted: &Wanted<'_>, fetch: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if !(wanted.lacking.is_empty() && wanted.in_the_way.is_empty()) {
            steps.push(repair());
            if fetch {
                steps.push(apt(["update", "--error-on=any"]).into());
                steps.push(known_names(&wanted.lacking).into());
            }
            if !wanted.in_the_way.is_empty() {
                let away = wanted.in_the_way.iter().map(|name| going(name));
                let words = wanted.lacking.iter().map(ToString::to_string).chain(away);
                steps.push(keeps_the_way_in("install", words).into());
            }
            steps.push(self.transaction(&wanted.lacking, &wanted.in_the_way).into());
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
        steps
    }

    /// Installs packages and takes others away, in one run of apt.
    fn transaction(&self, lacking: &[&PackageName], in_the_way: &[&PackageName]) -> Run {
        let recommends = if self.recommends {
            "--install-recommends"
        } else {
            "--no-install-recommends"
        };
        let mut run = if in_the_way.is_empty() {
            apt(["install", "--no-remove", recommends, "--"])
        } else {
            apt(["install", recommends, "--"])
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

    /// Refuses names that apt would take for something else, and what it says itself that it would refuse.
    fn refusal(
        &self,
        wanted: &Wanted<'_>,
        fresh: bool,
        facts: &Facts,
    ) -> Result<Option<Planned>, NotAsked> {
        for name in &wanted.lacking {
            let fact = facts.package_name(name)?;
            let broken = *facts.package(name)? == PackageFact::Broken;
            if fact.real || broken {
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
        if !fresh || wanted.reasons.contains(&Reason::Interrupted) {
            return Ok(None);
        }
        let fact = facts.apt.get(&self.request().key());
        let Some(problem) = fact.and_then(|fact| fact.problem.as_ref()) else {
            return Ok(None);
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
        if there.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let verb = self.request().verb.word();
        let fact = facts.apt.get(&self.request().key());
        if let Some(problem) = fact.and_then(|fact| fact.problem.as_ref())
            && let Some(remedy) = remedy(problem)
        {
            return Ok(Planned::Impossible {
                cause: format!("apt would refuse: {problem}"),
                hint: remedy.to_string(),
            });
        }
        let mut remove = apt([verb, "--"]);
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
            vec![
                repair(),
                keeps_the_way_in(verb, there.iter().map(ToString::to_string)).into(),
                remove.into(),
            ],
        )
        .detail(list(&there))
        .diff(self.foreseen(facts))
        .into())
    }
}

/// Runs apt without questions: changed configuration files are kept, and a held lock is waited for.
pub(super) fn apt<const N: usize>(arguments: [&str; N]) -> Run {
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

/// Finishes what an earlier installation left undone.
pub(super) fn repair() -> Step {
    Run::new(["dpkg", "--configure", "-a", "--force-confold"]).into()
}

/// What is to be done with packages.
#[derive(Default)]
struct Wanted<'a> {
    reasons: BTreeSet<Reason>,
    lacking: Vec<&'a PackageName>,
    /// Installed, with these versions, and marked as automatic.
    marked: Vec<(&'a PackageName, &'a String)>,
    in_the_way: Vec<&'a PackageName>,
}

/// Says why package lists must be fetched anew, if they must.
fn stale(lists: Option<&ListsFact>) -> Option<String> {
    let Some(ListsFact {
        age: Some(age),
        newer,
        ..
    }) = lists
    else {
        return Some("as there are none".to_owned());
    };
    match newer {
        Some(source) => Some(format!("as {source} is newer")),
        None if *age > LISTS_ARE_OLD => Some("as they are older than a day".to_owned()),
        None => None,
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

/// Refuses, once new lists are there, what apt would take for something else than a package of just this name.
fn known_names(names: &[&PackageName]) -> Run {
    const SCRIPT: &str = r#"for name do
  known=$(apt-cache showpkg -- "$name" 2>/dev/null | awk '/^[A-Z][A-Za-z ]*: *$/{part = $1 $2; next} part == "Versions:" && /^[0-9]/{print "real"; exit} part == "ReverseProvides:" && NF{print $1}')
  case $known in (*real) ;; ('') echo "E: Unable to locate package $name"; bad=1;;
  (*) echo "E: $name is a virtual package; it is provided by" $(printf '%s\n' "$known" | sort -u); bad=1;; esac
done; exit ${bad:-0}"#;
    let mut run = Run::new(["sh", "-c", SCRIPT, "sh"]);
    run.argv.extend(names.iter().map(ToString::to_string));
    run
}

/// Refuses a removal with which prov's own way in would go.
fn keeps_the_way_in(verb: &str, words: impl Iterator<Item = String>) -> Run {
    const SCRIPT: &str = r#"verb=$1; shift
apt-get -s -q "$verb" -- "$@" 2>/dev/null | while read -r word name _; do case "$word $name" in
("Remv openssh-server"|"Purg openssh-server") echo "E: $name would be removed with $*, and prov would not get in again"; exit 1;;
("Remv sudo"|"Purg sudo") [ -z "$SUDO_USER" ] || { echo "E: $name would be removed with $*, and prov would not become root again"; exit 1; };;
esac; done"#;
    let mut run = Run::new(["sh", "-c", SCRIPT, "sh", verb]);
    run.argv.extend(words);
    run
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

impl Manage for Packages {
    fn kind(&self) -> &'static str {
        "packages"
    }

    fn id(&self) -> String {
        list(&self.names.iter().collect::<Vec<_>>())
    }

    fn probe(&self) -> Vec<Query> {
        let packages = self.names.iter().chain(&self.replaces);
        let packages = packages.cloned().map(Query::Package);
        let wanted = self.state == State::Present;
        let names = self.names.iter().cloned();
        let names = names.map(|name| Query::PackageName(NameQuestion { name, wanted }));
        packages
            .chain(names)
            .chain([
                Query::PackageLists(()),
                Query::Apt(self.request()),
                Query::Login(()),
            ])
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if let Err(cause) = self.check() {
            return Ok(super::invalid(&cause));
        }
        match self.state {
            State::Present => self.plan_present(facts),
            State::Absent => self.plan_absent(facts),
        }
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "apt ended well without it: read what it says above, and look at holds (`apt-mark showhold`) and pins (`apt-cache policy NAME`) on the host",
        )
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        remedy(output)
    }
}
