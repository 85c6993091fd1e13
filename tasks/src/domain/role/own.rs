//! Roles of an estate that domains have: those with `domains_on`.
//!
//! Owns how one of them works for a domain on a host, and which of them a domain can have.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Purpose;
use crate::diagnostic::{Diagnostic, nearest};
use crate::domain::{Domain, Domains};
use crate::estate::{Estate, Host};
use crate::promise::Promises;
use crate::resource::{Declared, Leaves};
use crate::role::{self, For, HostContext, Hosted, Inputs, OwnRole};
use crate::template::Templates;
use crate::value::DomainName;

/// What the estate's own roles decide from, for a domain on a host.
pub(super) struct OwnContext<'e> {
    on: HostContext<'e>,
    names: &'e [String],
    domain: Hosted,
}

impl<'e> OwnContext<'e> {
    pub(super) fn new(
        estate: &'e Estate,
        host: &'e Host,
        inputs: &'e Inputs,
        templates: &'e Templates,
        domain: &'e Domain,
    ) -> Self {
        let mut on = HostContext::new(estate, host, inputs, templates);
        on.vars = domain.over(on.vars);
        // What is wrong with it, the roles of prov say that need it.
        let home = on.vars.value::<DomainName>("home_domain").ok().flatten();
        Self {
            on,
            names: &domain.settings().roles,
            domain: Hosted {
                name: domain.name().to_string(),
                organisation: domain.settings().organisation.clone(),
                is_home: home.as_ref() == Some(domain.name()),
                file: domain.file.clone(),
            },
        }
    }

    /// Lists the roles that the domain has on the host.
    fn roles(&self) -> impl Iterator<Item = &OwnRole> {
        let has = |role: &&OwnRole| {
            self.names.iter().any(|name| name == role.name()) && role.works_on(self.on.host)
        };
        self.on.roles.of_domains().filter(has)
    }

    const fn whom(&self) -> For<'_> {
        For {
            estate: self.on.estate,
            vars: &self.on.vars,
            domain: Some(&self.domain),
        }
    }

    /// Gives what the domain has on the host by these roles, by role.
    pub(super) fn resources(
        &self,
        purpose: Purpose,
    ) -> Result<Vec<Vec<Declared>>, Vec<Diagnostic>> {
        let authority = self.on.inputs.authority.as_ref();
        let mut of_roles = Vec::new();
        let mut mistakes = Vec::new();
        for role in self.roles() {
            match role.resources(self.whom(), authority, &[]) {
                Ok(declared) => of_roles.push(for_purpose(declared, purpose)),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() {
            Ok(of_roles)
        } else {
            Err(mistakes)
        }
    }

    /// Adds what these roles prove of the host.
    pub(super) fn checks(&self, promises: &mut Promises) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for role in self.roles() {
            match role.checks(self.whom(), &[]) {
                Ok(checks) => promises.own_checks.extend(checks.into_iter().map(Arc::new)),
                Err(found) => mistakes.extend(found),
            }
        }
        mistakes
    }
}

/// Gives what is declared to this end: what goes last was made first.
fn for_purpose(declared: Vec<Declared>, purpose: Purpose) -> Vec<Declared> {
    let goes = |one: &Declared| match one.leaves {
        Leaves::Goes => true,
        Leaves::Data => purpose == Purpose::Purge,
        Leaves::Stays => false,
    };
    if purpose == Purpose::Setup {
        return declared;
    }
    let gone = declared.into_iter().rev().filter(goes).filter_map(|one| {
        let resource = one.resource.manage().absent()?;
        Some(Declared { resource, ..one })
    });
    gone.collect()
}

/// Finds the mistakes in which of these roles domains have.
pub(in crate::domain) fn mistakes(
    domains: &Domains,
    estate: &Estate,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let known: Vec<_> = inputs.roles.of_domains().collect();
    let not_on_hosts = not_on_hosts(&known, inputs);
    let mut mistakes = Vec::new();
    for domain in domains.iter() {
        let names = &domain.settings().roles;
        for (at, name) in names.iter().enumerate() {
            let mistake = |message: String| Diagnostic::at(domain.place(&["roles"]), message);
            if names[..at].contains(name) {
                mistakes.push(mistake(format!("the role '{name}' is named twice")));
                continue;
            }
            let Some(role) = known.iter().find(|role| role.name() == name) else {
                mistakes.push(unknown(mistake, name, &known, inputs));
                continue;
            };
            // Names that are wrong are said where they stand.
            if not_on_hosts.is_empty() && !estate.hosts().iter().any(|host| role.works_on(host)) {
                let on = role.domains_on().unwrap_or_default().iter();
                let on: Vec<_> = on.map(|(on, _)| on.as_str()).collect();
                let on = on.join(" or ");
                let message = format!(
                    "the role '{name}' works on hosts with the role {on}, and there is none"
                );
                mistakes.push(
                    mistake(message).hint(format!("give a host the role {on} in estate.yml")),
                );
            }
        }
    }
    mistakes.extend(not_on_hosts);
    mistakes
}

/// Says what is the matter with a name that is no role of domains.
fn unknown(
    mistake: impl Fn(String) -> Diagnostic,
    name: &str,
    known: &[&OwnRole],
    inputs: &Inputs,
) -> Diagnostic {
    let shown = crate::estate::shorten(name);
    if inputs.roles.iter().any(|role| role.name() == name) {
        return mistake(format!(
            "the role '{shown}' is one of hosts, not of domains"
        ))
        .hint(
            "give it to hosts in estate.yml; a role of domains says 'domains_on' in its role.yml",
        );
    }
    let mistake = mistake(format!("there is no role '{shown}' of domains"));
    match nearest(name, known.iter().map(|role| role.name())) {
        Some(near) => mistake.hint(format!("did you mean '{near}'?")),
        None => mistake.hint("describe it in roles/NAME/role.yml, with the roles on whose hosts it works in 'domains_on'"),
    }
}

/// Finds roles that are to work on hosts with a role that does not exist, or that hosts do not have.
fn not_on_hosts(known: &[&OwnRole], inputs: &Inputs) -> Vec<Diagnostic> {
    let of_hosts = inputs.roles.iter().filter(|role| !role.is_of_domains());
    let of_hosts: BTreeSet<_> = of_hosts.map(role::Entry::name).collect();
    let on = known.iter().filter_map(|role| role.domains_on()).flatten();
    let wrong = on
        .filter(|(name, _)| !of_hosts.contains(name.as_str()))
        .map(|(name, mark)| {
            let message = format!(
                "there is no role '{}' of hosts",
                crate::estate::shorten(name)
            );
            let mistake = Diagnostic::at(mark.place(), message);
            match nearest(name, of_hosts.iter().copied()) {
                Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                None => mistake.hint("name roles that estate.yml gives to hosts"),
            }
        });
    wrong.collect()
}
