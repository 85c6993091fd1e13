//! What a host remembers that an estate has declared for it, and what becomes of that which nothing declares any more.
//!
//! Owns the form of that memory, what of it is left over, and in which order it goes. A trace says how a thing is
//! taken away and holds nothing secret. Refuses to guess: what a host does not remember, or what another estate declared, is never
//! touched, and neither is anything while it is not known what the estate declares for the host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::plan::handlers;
use crate::probe::{Facts, PackageFact, PathFact, PathQuestion, Query, Read};
use crate::resource::{Declared, Handler, Leaves, Packages, Resource, State};
use crate::value::HostPath;

/// Why a service is not stopped.
const RAN_BEFORE: &str = " (ran before)";

/// How one thing is taken away that was declared for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The role that declares it.
    pub role: String,
    /// The domain that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// What has it be gone.
    gone: Resource,
    /// What runs after it has gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notify: Vec<Handler>,
    /// Whether it holds what people or programs have made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    data: bool,
    /// Whether it goes only after what is declared is in place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    last: bool,
    /// Whether it stays where nothing declares it any more: then there is nothing to be remembered.
    #[serde(skip)]
    stays: bool,
}

impl Trace {
    /// Says how what a role declares is taken away, in the order in which it goes: what was made last goes first.
    #[must_use]
    pub fn of_roles(declared: &[Declared]) -> Vec<Self> {
        let mut traces = Vec::new();
        for one in declared.iter().rev() {
            if let Resource::Packages(packages) = &one.resource {
                if packages.state == State::Present {
                    let each = packages
                        .names
                        .iter()
                        .map(|name| Self::new(one, Resource::Packages(packages.leaving(name))));
                    traces.extend(each);
                }
                continue;
            }
            let gone = one.resource.manage().absent();
            traces.extend(gone.map(|gone| Self::new(one, gone)));
        }
        traces.retain(Self::can_be_kept);
        traces
    }

    /// Names the packages that roles declare to be gone.
    #[must_use]
    pub fn taken(declared: &[Declared]) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for one in declared {
            if let Resource::Packages(packages) = &one.resource
                && packages.state == State::Absent
            {
                let each = packages.names.iter();
                let each = each.map(|name| Resource::Packages(packages.leaving(name)));
                names.extend(each.map(|gone| Self::new(one, gone).name()));
            }
        }
        names
    }

    /// Says the same of a domain, of what takes it away without and with what its users have made.
    #[must_use]
    pub fn of_domain(domain: &str, removal: &[Declared], purge: &[Declared]) -> Vec<Self> {
        let removed: BTreeSet<_> = removal.iter().map(Declared::name).collect();
        let traces = purge.iter().map(|one| Self {
            domain: Some(domain.to_owned()),
            data: !removed.contains(&one.name()),
            ..Self::new(one, one.resource.clone())
        });
        traces.filter(Self::can_be_kept).collect()
    }

    fn new(declared: &Declared, gone: Resource) -> Self {
        Self {
            role: declared.role.clone(),
            domain: None,
            gone,
            notify: declared.notify.clone(),
            data: declared.leaves == Leaves::Data,
            last: declared.goes_last,
            stays: declared.leaves == Leaves::Stays,
        }
    }

    /// A secret is not kept on the host for this, and what depends on other hosts cannot be.
    fn can_be_kept(&self) -> bool {
        let manage = self.gone.manage();
        manage.secrets().is_empty() && manage.inputs().is_empty()
    }

    /// Gives kind and id, by which traces are told apart.
    fn name(&self) -> String {
        let manage = self.gone.manage();
        format!("{} {}", manage.kind(), manage.id())
    }

    /// Gives the path that goes as a whole, if one does.
    fn path(&self) -> Option<&HostPath> {
        let whole = matches!(
            self.gone,
            Resource::File(_) | Resource::Symlink(_) | Resource::Directory(_)
        );
        let place = self.gone.manage().place().filter(|_| whole);
        place.map(|(path, _)| path)
    }

    /// Gives what has it be gone. What a host remembers does not say that nobody has asked for the home of an account.
    fn leaves(&self) -> Resource {
        if let Resource::User(user) = &self.gone {
            Resource::User(user.clone().leaving())
        } else {
            self.gone.clone()
        }
    }

    /// Gives the package that goes, if it is one.
    fn package(&self) -> Option<&Packages> {
        if let Resource::Packages(packages) = &self.gone {
            Some(packages)
        } else {
            None
        }
    }

    /// Says how it is taken away from a host that is as these facts tell, where that does not remember it yet; `None` for a
    /// package that is there by somebody else's doing.
    fn found(&self, facts: &Facts) -> Option<Self> {
        if let Resource::Packages(packages) = &self.gone {
            let absent = |name| {
                let fact = facts.package(name);
                matches!(fact, Ok(PackageFact::Absent | PackageFact::Residue))
            };
            return packages.names.iter().any(absent).then(|| self.clone());
        }
        let mut found = self.clone();
        if let Resource::Service(service) = &mut found.gone
            && let Ok(fact) = facts.service(&service.name)
            && fact.known
        {
            (service.running, service.enabled) = (fact.running, fact.enabled);
        }
        Some(found)
    }

    /// Names the domain, or the roles of those that declared it which the host does not have any more.
    fn owner(&self, roles: &BTreeSet<String>) -> String {
        if let Some(domain) = &self.domain {
            return format!("domain {domain}");
        }
        let all: Vec<_> = self.role.split(", ").collect();
        let gone: Vec<_> = all
            .iter()
            .copied()
            .filter(|one| !roles.contains(*one))
            .collect();
        (if gone.is_empty() { all } else { gone }).join(", ")
    }

    /// Tells whether it is a service that ran from the boot on before prov came.
    fn ran_before(&self) -> bool {
        matches!(&self.gone, Resource::Service(service) if service.running && service.enabled)
    }

    /// Says when it has its turn: what needs a running server first, packages last.
    const fn turn(&self) -> u8 {
        match (&self.domain, &self.gone) {
            (Some(_), _) => 0,
            (
                None,
                Resource::MariaDbUser(_)
                | Resource::MariaDbDatabase(_)
                | Resource::PostgresqlUser(_)
                | Resource::PostgresqlDatabase(_),
            ) => 1,
            (None, Resource::Service(_)) => 2,
            (None, Resource::Packages(_)) => 4,
            (None, _) => 3,
        }
    }
}

/// What a run may take away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// What roles have declared.
    pub roles: bool,
    /// What these domains have.
    pub domains: BTreeSet<String>,
    /// What people and programs have made, too.
    pub purge: bool,
    /// Roles and domains of which nothing is taken away, nor remembered any longer.
    pub forget: BTreeSet<String>,
}

/// What other hosts have of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reliance {
    /// Who they are.
    pub hosts: BTreeSet<String>,
    /// What it does for them, before their names.
    pub does: &'static str,
    /// The variable in which they name it.
    pub variable: &'static str,
}

/// What an estate declares for a host, as far as the host is to remember it.
#[derive(Debug, Clone)]
pub struct Memory {
    /// Where the host keeps it.
    pub file: HostPath,
    /// The roles that the host has.
    pub roles: BTreeSet<String>,
    /// The domains that the estate has.
    pub domains: BTreeSet<String>,
    /// Everything that roles and domains declare for the host; `None` where a mistake keeps that from being known.
    pub declared: Option<Vec<Trace>>,
    /// What of that the run brings.
    pub brings: Vec<Trace>,
    /// Names of what the run takes away by itself.
    pub takes: BTreeSet<String>,
    /// What it may take away besides.
    pub scope: Scope,
    /// Roles by which the host serves others of its estate.
    pub relied: BTreeMap<&'static str, Reliance>,
}

/// What a host remembers. Equal is what it would keep in the same words: what is read back knows less of its contents than what
/// was written.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    traces: Vec<Trace>,
    /// Lines of a later form.
    others: Vec<String>,
}

impl Remembered {
    /// Reads what a host keeps, a trace a line.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(trace) => read.traces.push(trace),
                Err(_) => read.others.push(line.to_owned()),
            }
        }
        read
    }

    /// Writes it.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.traces.iter().filter_map(|trace| {
            let mut value = serde_json::to_value(trace).ok()?;
            for fields in value["gone"].as_object_mut()?.values_mut() {
                fields.as_object_mut()?.retain(|_, field| !field.is_null());
            }
            Some(value.to_string())
        });
        let lines = lines.chain(self.others.iter().cloned());
        lines.map(|line| line + "\n").collect()
    }
}

impl PartialEq for Remembered {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Remembered {}

/// What is left over on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaving {
    going: Vec<Trace>,
    kept: Vec<(Trace, &'static str)>,
    /// Domains that the estate does not have any more, and that this run is not about.
    elsewhere: BTreeSet<String>,
    forgotten: BTreeSet<String>,
}

/// What is told of a role or domain that has left a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The role, or `domain NAME`.
    pub name: String,
    /// What goes.
    pub goes: Vec<String>,
    /// What is kept, as it holds data or others need it.
    pub keeps: Vec<String>,
    /// Whether it is a domain that another command takes away.
    pub elsewhere: bool,
    /// Whether the host forgets it, with everything of it in its place.
    pub forgotten: bool,
}

impl Left {
    fn new(name: String) -> Self {
        Self {
            name,
            goes: Vec::new(),
            keeps: Vec::new(),
            elsewhere: false,
            forgotten: false,
        }
    }

    /// Gives the name of the role or domain alone.
    #[must_use]
    pub fn bare(&self) -> &str {
        self.name.trim_start_matches("domain ")
    }
}

impl Memory {
    /// Asks for what the host remembers.
    #[must_use]
    pub fn query(&self) -> Query {
        Query::Path(PathQuestion {
            path: self.file.clone(),
            read: Read::Body,
        })
    }

    /// Gives what the host remembers.
    #[must_use]
    pub fn remembered(&self, facts: &Facts) -> Remembered {
        let Ok(PathFact::File(file)) = facts.path(&self.file) else {
            return Remembered::default();
        };
        let text = file.body.as_ref().and_then(|body| body.text());
        text.map(Remembered::read).unwrap_or_default()
    }

    /// Finds what is left over.
    #[must_use]
    pub fn leaving(&self, remembered: &Remembered) -> Leaving {
        let mut leaving = Leaving::default();
        let Some(declared) = &self.declared else {
            return leaving;
        };
        let names: BTreeSet<_> = declared.iter().map(Trace::name).collect();
        let paths: BTreeSet<_> = declared
            .iter()
            .filter_map(|trace| trace.gone.manage().place().map(|(path, _)| path))
            .collect();
        let whole: BTreeSet<_> = declared.iter().filter_map(Trace::path).collect();
        for trace in &remembered.traces {
            let place = trace.gone.manage().place().map(|(path, _)| path);
            let is_declared = names.contains(&trace.name())
                || self.takes.contains(&trace.name())
                || place.is_some_and(|path| whole.contains(path))
                || trace.path().is_some_and(|path| {
                    let needed = |one: &&HostPath| *one == path || one.is_below(path);
                    paths.iter().any(needed)
                });
            if is_declared {
                continue;
            }
            if self.forgets(trace) {
                leaving.forgotten.insert(trace.owner(&self.roles));
                continue;
            }
            match &trace.domain {
                Some(domain) if self.scope.domains.contains(domain) => {}
                Some(domain) if self.scope.roles && !self.domains.contains(domain) => {
                    leaving.elsewhere.insert(domain.clone());
                    continue;
                }
                Some(domain) => {
                    let is_here = |one: &Trace| one.domain.as_ref() == Some(domain);
                    if !self.scope.roles || declared.iter().any(is_here) {
                        continue;
                    }
                }
                None if self.scope.roles => {}
                None => continue,
            }
            leaving.take(trace.clone(), self.scope.purge);
        }
        leaving.going.sort_by_key(Trace::turn);
        leaving.spare_accounts();
        leaving
    }

    /// Says why nothing may leave, with a remedy, where a role would of which other hosts still have something.
    #[must_use]
    pub fn held(&self, leaving: &Leaving) -> Option<(String, String)> {
        let goes = |role: &str| {
            let mut going = leaving.going.iter().filter(|trace| trace.domain.is_none());
            !self.roles.contains(role)
                && going.any(|trace| trace.role.split(", ").any(|one| one == role))
        };
        let (role, by) = self.relied.iter().find(|(role, _)| goes(role))?;
        let hosts: Vec<_> = by.hosts.iter().map(String::as_str).collect();
        Some((
            format!(
                "the role {role} would leave this host, which still {} {}",
                by.does,
                hosts.join(", ")
            ),
            format!(
                "name another host in `{}` first, or leave this one the role {role}; if this is what you want, say it twice: --insist 'role {role}'",
                by.variable
            ),
        ))
    }

    fn forgets(&self, trace: &Trace) -> bool {
        let owner = trace.owner(&self.roles);
        let mut names = owner.trim_start_matches("domain ").split(", ");
        names.all(|name| self.scope.forget.contains(name))
    }

    /// Gives what the host is to remember before anything is changed: all that it does, and what the run brings.
    ///
    /// Of packages only those that are not there yet: what somebody else has installed is not prov's to remove. Of services that
    /// are known already how they were found: what Debian or somebody else has started, or starts at boot, is not prov's to stop.
    #[must_use]
    pub fn before(&self, remembered: &Remembered, facts: &Facts) -> Remembered {
        let known = |trace: &Trace| {
            let name = trace.name();
            remembered.traces.iter().find(|one| one.name() == name)
        };
        let brings = self.brings.iter().filter(|trace| !trace.stays);
        let traces: Vec<_> = brings
            .filter_map(|trace| match known(trace) {
                Some(old) if matches!(old.gone, Resource::Service(_)) => Some(Trace {
                    gone: old.gone.clone(),
                    ..trace.clone()
                }),
                Some(_) => Some(trace.clone()),
                None => trace.found(facts),
            })
            .collect();
        let names: BTreeSet<_> = traces.iter().map(Trace::name).collect();
        let old = remembered.traces.iter().cloned();
        let (ours, others): (Vec<_>, Vec<_>) = old.partition(|old| names.contains(&old.name()));
        let with_others = |mut traces: Vec<Trace>| {
            traces.extend(others.iter().cloned());
            Remembered {
                traces,
                others: remembered.others.clone(),
            }
        };
        let before = with_others(traces);
        // Which of two commands came last, such as `apply` and `domain`, is nothing to write down.
        if with_others(ours) == before {
            return remembered.clone();
        }
        before
    }

    /// Gives what the host is to remember once the run has done all that it is about.
    #[must_use]
    pub fn after(&self, before: &Remembered, leaving: &Leaving) -> Remembered {
        let as_found = leaving.kept.iter().map(|(trace, _)| trace);
        let as_found = as_found.filter(|trace| trace.ran_before());
        let gone = leaving.going.iter().chain(as_found);
        let gone: BTreeSet<_> = gone.map(Trace::name).collect();
        let mut after = before.clone();
        // What a package leaves goes by purging it.
        let removed = leaving.going.iter().filter(|it| it.package().is_some());
        let residue = removed.filter(|_| !self.scope.purge).map(|trace| Trace {
            data: true,
            ..trace.clone()
        });
        let residue: Vec<_> = residue.collect();
        after.traces.retain(|trace| {
            let name = trace.name();
            let forgotten = leaving.forgotten.contains(&trace.owner(&self.roles));
            let goes = gone.contains(&name) || self.takes.contains(&name);
            !(goes || forgotten && self.forgets(trace))
        });
        after.traces.extend(residue);
        after
    }

    /// Tells of each role and domain that has left what becomes of it.
    #[must_use]
    pub fn told(&self, leaving: &Leaving) -> Vec<Left> {
        let mut told: Vec<Left> = Vec::new();
        let owned = |trace: &Trace| trace.owner(&self.roles);
        let going = leaving
            .going
            .iter()
            .map(|trace| (owned(trace), trace, None));
        let kept = leaving
            .kept
            .iter()
            .map(|(trace, why)| (owned(trace), trace, Some(why)));
        for (name, trace, why) in going.chain(kept) {
            let at = told.iter().position(|left| left.name == name);
            let at = at.unwrap_or_else(|| {
                told.push(Left::new(name));
                told.len() - 1
            });
            match why {
                None => told[at].goes.push(trace.name()),
                Some(why) => told[at].keeps.push(format!("{}{why}", trace.name())),
            }
        }
        told.extend(leaving.elsewhere.iter().map(|domain| Left {
            elsewhere: true,
            ..Left::new(format!("domain {domain}"))
        }));
        told.extend(leaving.forgotten.iter().map(|name| Left {
            forgotten: true,
            ..Left::new(name.clone())
        }));
        told
    }
}

impl Leaving {
    fn take(&mut self, mut trace: Trace, purge: bool) {
        if trace.ran_before() {
            self.kept.push((trace, RAN_BEFORE));
            return;
        }
        if trace.data && !purge {
            let why = match trace.package() {
                Some(_) => " (removed, and not purged)",
                None => "",
            };
            self.kept.push((trace, why));
            return;
        }
        if let Resource::Packages(packages) = &mut trace.gone {
            packages.purge = purge;
        }
        self.going.push(trace);
    }

    /// Keeps the accounts of a database server that goes itself: they are in its own databases.
    fn spare_accounts(&mut self) {
        let is_server = |trace: &Trace, server: &str| matches!(&trace.gone, Resource::Service(service) if service.name.as_str() == server);
        let going = |server: &str| self.going.iter().any(|trace| is_server(trace, server));
        let (mariadb, postgresql) = (going("mariadb"), going("postgresql"));
        let is_inside = |trace: &mut Trace| {
            let of_mariadb = matches!(
                trace.gone,
                Resource::MariaDbUser(_) | Resource::MariaDbDatabase(_)
            );
            let of_postgresql = matches!(
                trace.gone,
                Resource::PostgresqlUser(_) | Resource::PostgresqlDatabase(_)
            );
            mariadb && of_mariadb || postgresql && of_postgresql
        };
        let inside = self.going.extract_if(.., is_inside);
        self.kept.extend(inside.map(|trace| (trace, "")));
    }

    /// Tells whether nothing goes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.going.is_empty()
    }

    /// Gives what else must be asked of the host before it can be told what goes.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        let all = self.packages();
        let gone = self.going.iter().map(|trace| trace.gone.clone());
        let asked = gone.chain(all.map(Resource::Packages));
        asked.flat_map(|gone| gone.manage().probe()).collect()
    }

    /// Puts the packages that go together.
    fn packages(&self) -> Option<Packages> {
        let mut all = self.going.iter().filter_map(Trace::package).cloned();
        let mut first = all.next()?;
        for other in all {
            // They are all of one form.
            let _ = first.merge(&other);
        }
        Some(first)
    }

    /// Keeps packages without which others would have to go.
    pub fn keep_what_others_need(&mut self, facts: &Facts) {
        let names: BTreeSet<_> = self
            .going
            .iter()
            .filter_map(Trace::package)
            .flat_map(|one| one.names.iter().map(ToString::to_string))
            .collect();
        let is_needed = |trace: &mut Trace| {
            let fact = trace.package().and_then(|one| one.foreseen_by(facts));
            fact.is_some_and(|fact| {
                fact.problem.is_some() || fact.remove.iter().any(|one| !names.contains(one))
            })
        };
        let needed: Vec<_> = self.going.extract_if(.., is_needed).collect();
        let needed = needed.into_iter();
        self.kept
            .extend(needed.map(|trace| (trace, " (others need it)")));
    }

    /// Declares that everything that goes be gone: what goes before what is declared for the host, and what goes after it. Handlers are those that what is declared for the host names, too: there
    /// is nothing else left that they could be for.
    #[must_use]
    pub fn declared(
        &self,
        roles: &BTreeSet<String>,
        declared: &[&[Declared]],
    ) -> (Vec<Declared>, Vec<Declared>) {
        let one = |trace: &Trace, gone: Resource| {
            let mut one = Declared::new(trace.owner(roles), gone);
            let known = trace.notify.iter();
            one.notify = known
                .filter(|handler| !handlers::is_left_over(declared, handler))
                .cloned()
                .collect();
            one
        };
        let others = self.going.iter().filter(|it| it.package().is_none());
        let (last, first): (Vec<_>, Vec<_>) = others.partition(|trace| trace.last);
        let all_of = |traces: Vec<&Trace>| -> Vec<_> {
            let traces = traces.into_iter();
            traces.map(|it| one(it, it.leaves())).collect()
        };
        let mut gone = all_of(first);
        let package = self.going.iter().find(|it| it.package().is_some());
        if let (Some(trace), Some(all)) = (package, self.packages()) {
            gone.push(one(trace, Resource::Packages(all)));
        }
        (gone, all_of(last))
    }
}
