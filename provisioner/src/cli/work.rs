//! What a command does on hosts, what they are to remember of it, and what of that it may take away once nothing declares
//! it any more.

use std::collections::BTreeSet;

use tasks::Diagnostic;
use tasks::domain::role::{DomainWork, Purpose};
use tasks::estate::Host;
use tasks::leaving::{Memory, Scope, Trace};
use tasks::plan::Phase;
use tasks::resource::Declared;
use tasks::value::HostPath;

use super::app::App;
use crate::engine::script::STATE;
use crate::report::problem::Problem;

/// What is to be done on hosts.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// What their roles declare.
    Roles(Phase),
    /// What domains need.
    Domains(&'a DomainWork<'a>),
    /// What their roles declare, and then what domains need.
    RolesAndDomains(Phase, &'a DomainWork<'a>),
    /// These resources.
    Resources(&'a [Declared]),
    /// These, whatever release the host runs.
    Upgrade(&'a [Declared]),
}

/// What the user says beside the estate: of that which nothing declares any more, and of what is refused.
#[derive(Debug, Clone, Default)]
pub(super) struct Leave {
    /// Whether what people and programs have made goes, too.
    pub(super) purge: bool,
    /// Roles and domains that hosts forget.
    pub(super) forget: BTreeSet<String>,
    /// Domains that are taken away and that the estate does not have.
    pub(super) domains: BTreeSet<String>,
    /// The resources of a saved plan of which it was said twice that they are meant.
    pub(super) insisted: Vec<String>,
}

/// Gives what a host is to remember; nothing of resources that are declared by hand.
pub(super) fn memory(
    app: &App,
    host: &Host,
    work: Work<'_>,
    roles: &Result<Vec<Declared>, Vec<Diagnostic>>,
    leave: &Leave,
) -> Result<Option<Memory>, Problem> {
    let (of_roles, domains) = match work {
        Work::Roles(_) => (true, None),
        Work::Domains(work) => (false, Some(work)),
        Work::RolesAndDomains(_, work) => (true, Some(work)),
        Work::Resources(_) | Work::Upgrade(_) => return Ok(None),
    };
    let file = HostPath::new(format!("{STATE}/declared/{}", app.estate.name()));
    let file = file.map_err(|mistake| Problem::usage(mistake, "give the estate another name"))?;
    let traces = roles.as_ref().ok().map(|roles| Trace::of_roles(roles));
    let of_domains =
        |work: &DomainWork<'_>| work.traces(&app.estate, host, &app.inputs, &app.templates);
    // A mistake in what this is not about is no reason to refuse it.
    let others = of_domains(&DomainWork::setup(&app.domains)).ok();
    let declared = traces.clone().zip(others);
    let mut memory = Memory {
        file,
        roles: host.roles().iter().cloned().collect(),
        domains: app.domains.names().map(str::to_owned).collect(),
        declared: declared.map(|(roles, domains)| [roles, domains].concat()),
        brings: traces.filter(|_| of_roles).unwrap_or_default(),
        takes: roles
            .as_ref()
            .ok()
            .filter(|_| of_roles)
            .map_or_else(BTreeSet::new, |roles| Trace::taken(roles)),
        scope: Scope {
            roles: of_roles,
            domains: leave.domains.clone(),
            purge: leave.purge,
            forget: leave.forget.clone(),
        },
        relied: tasks::role::relied_on(&app.estate, host),
    };
    memory.relied.retain(|role, _| {
        let name = format!("{} {role}", super::insist::ROLE);
        ![&app.global.insist, &leave.insisted]
            .iter()
            .any(|names| names.contains(&name))
    });
    if let Some(work) = domains {
        let traces = of_domains(work)?;
        if work.purpose == Purpose::Setup {
            memory.brings.extend(traces);
        } else {
            let gone = work.resources(&app.estate, host, &app.inputs, &app.templates)?;
            memory.takes.extend(gone.iter().map(Declared::name));
            memory.scope.purge = work.purpose == Purpose::Purge;
        }
        if work.purpose == Purpose::Setup && work.selection.is_everything() {
            let names = work.domains.iter().map(|domain| domain.name().to_string());
            memory.scope.domains.extend(names);
        }
    }
    Ok(Some(memory))
}
