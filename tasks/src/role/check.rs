//! What `prov check` asks: whether an estate and its domains can be decided about, as far as that needs no host.

use super::{HostContext, Inputs, resources};
use crate::diagnostic::Diagnostic;
use crate::domain::Domains;
use crate::estate::Estate;
use crate::template::Templates;

/// Validates an estate and its domains as far as that is possible without its hosts: names, variables, templates,
/// resources.
#[must_use]
pub fn check(
    estate: &Estate,
    domains: &Domains,
    templates: &Templates,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let known = inputs.roles.known();
    let mut mistakes = estate.check(&known);
    mistakes.extend(inputs.roles.own().flat_map(|role| role.check(estate)));
    for host in estate.hosts() {
        let context = HostContext::new(estate, host, inputs, templates);
        if let Err(found) = resources(&context) {
            mistakes.extend(found);
        }
    }
    mistakes.extend(domains.check(estate, &known, templates, inputs));
    mistakes.sort();
    mistakes.dedup();
    mistakes
}
