//! Every role of every host, and every domain role of every domain, is asked for what it promises.

use super::Promises;
use crate::Diagnostic;
use crate::domain::Domains;
use crate::domain::role::DomainWork;
use crate::estate::Estate;
use crate::role::{self, HostContext, Inputs};
use crate::template::Templates;

impl Promises {
    /// Collects the promises of an estate and its domains, beside the mistakes that kept some from being made.
    #[must_use]
    pub fn collect(
        estate: &Estate,
        domains: &Domains,
        templates: &Templates,
        inputs: &Inputs,
    ) -> (Self, Vec<Diagnostic>) {
        let mut promises = Self::default();
        let mut mistakes = Vec::new();
        let work = DomainWork::setup(domains);
        for host in estate.hosts() {
            let context = HostContext::new(estate, host, inputs, templates);
            mistakes.extend(role::promises(&context, &mut promises));
            mistakes.extend(work.promises(estate, host, inputs, templates, &mut promises));
        }
        // Of one domain, sites can be on several hosts.
        promises
            .site_fronts
            .sort_by(|one, other| (&one.domain, &one.name).cmp(&(&other.domain, &other.name)));
        crate::diagnostic::tidy(&mut mistakes);
        (promises, mistakes)
    }
}
