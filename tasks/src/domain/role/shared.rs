//! What a domain would share on a host: what a host's roles or another domain declare, too, would go with the first domain that is taken
//! away.
//!
//! Owns that what an estate's own role declares for a domain is that domain's alone. Roles of prov name what they make after the domain.

use std::collections::BTreeMap;

use super::DomainWork;
use crate::diagnostic::{Diagnostic, Place};
use crate::domain::{Domain, Domains};
use crate::estate::{Estate, Host};
use crate::resource::Declared;
use crate::role::{self, HostContext, Inputs, OwnRole};
use crate::template::Templates;

/// Finds what a domain would share on a host with another one, or with the host's own roles.
pub(super) fn shared(
    domains: &Domains,
    estate: &Estate,
    inputs: &Inputs,
    templates: &Templates,
) -> Vec<Diagnostic> {
    let has_own = |domain: &&Domain| !domain.settings().roles.is_empty();
    let mut mistakes = Vec::new();
    for host in estate.hosts() {
        let works = inputs.roles.of_domains().any(|role| role.works_on(host));
        if !works || !domains.iter().any(|domain| has_own(&domain)) {
            continue;
        }
        let context = HostContext::new(estate, host, inputs, templates);
        let mut of_others: BTreeMap<String, String> = BTreeMap::new();
        for one in role::resources(&context).unwrap_or_default() {
            of_others.insert(one.name(), format!("role {}", one.role));
        }
        for domain in domains.iter() {
            for one in of_domain(domain, estate, host, inputs, templates) {
                let own = inputs
                    .roles
                    .of_domains()
                    .find(|role| role.name() == one.role);
                let Some(other) = of_others.insert(one.name(), format!("domain {}", domain.name()))
                else {
                    continue;
                };
                if let Some(own) = own {
                    mistakes.push(twice(own, domain, &one, &other, host));
                }
            }
        }
    }
    mistakes
}

fn of_domain(
    domain: &Domain,
    estate: &Estate,
    host: &Host,
    inputs: &Inputs,
    templates: &Templates,
) -> Vec<Declared> {
    let work = DomainWork::of_one(domain);
    work.resources(estate, host, inputs, templates)
        .unwrap_or_default()
}

fn twice(own: &OwnRole, domain: &Domain, one: &Declared, other: &str, host: &Host) -> Diagnostic {
    let message = format!(
        "host {}: the domain {} has {} by the role '{}', and so has {other}",
        host.name(),
        domain.name(),
        one.name(),
        own.name()
    );
    Diagnostic::at(Place::file(own.file()), message).hint(
        "what a domain has goes with it: put {{ domain.name }} into its name, or declare it once, in a role of the host",
    )
}
