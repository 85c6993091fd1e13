//! What is to be done with domains, and what that means for one host.

use super::own::OwnContext;
use super::{
    DOMAIN_ROLES, DomainContext, DomainDeclarations, DomainRole, Purpose, Selection, Tag,
    home_domain,
};
use crate::diagnostic::Diagnostic;
use crate::domain::{Domain, Domains};
use crate::estate::{Estate, Host};
use crate::leaving::Trace;
use crate::promise::Promises;
use crate::resource::Declared;
use crate::role::{HostContext, Inputs, arrange};
use crate::template::Templates;

/// Work on domains: which, which parts of them, and to what end.
#[derive(Debug, Clone)]
pub struct DomainWork<'e> {
    /// The domains.
    pub domains: Vec<&'e Domain>,
    /// Which parts of them.
    pub selection: Selection,
    /// To what end.
    pub purpose: Purpose,
}

impl<'e> DomainWork<'e> {
    /// Describes that every domain is set up with all its parts.
    #[must_use]
    pub fn setup(domains: &'e Domains) -> Self {
        Self {
            domains: domains.iter().collect(),
            selection: Selection::default(),
            purpose: Purpose::Setup,
        }
    }

    /// Describes that one domain is set up with all its parts.
    #[must_use]
    pub fn of_one(domain: &'e Domain) -> Self {
        Self {
            domains: vec![domain],
            selection: Selection::default(),
            purpose: Purpose::Setup,
        }
    }

    /// Gives the full names of the web sites that a filter has found; nothing where there is none. An error where it has found none, or
    /// where web sites are not worked on at all.
    pub fn filtered(&self) -> Result<Vec<String>, Diagnostic> {
        let Some(filter) = self.selection.filter() else {
            return Ok(Vec::new());
        };
        if !self.selection.has(Tag::Web) {
            let mistake = Diagnostic::new(format!(
                "the filter '{filter}' chooses web sites, and the tags leave them out"
            ));
            return Err(mistake.hint("add the tag web, or leave the filter out"));
        }
        let mut found = Vec::new();
        let mut others = Vec::new();
        for domain in &self.domains {
            for label in domain.settings().webhosts.keys() {
                let name = domain.site(label).as_str().to_owned();
                if self.selection.has_webhost(label) {
                    found.push(name);
                } else {
                    others.push(name);
                }
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let names = self.domains.iter().map(|domain| domain.name().as_str());
        let names: Vec<_> = names.collect();
        let mistake = Diagnostic::new(format!(
            "no web site of {} has '{filter}' in its first label",
            names.join(" or ")
        ));
        Err(mistake.hint(if others.is_empty() {
            "there are no web sites: 'webhosts' of a domain has them".to_owned()
        } else {
            format!("there are: {}", others.join(", "))
        }))
    }

    /// Lists the domains of which something belongs to one of these hosts. One that cannot be decided about counts, too:
    /// nobody has looked at it.
    #[must_use]
    pub fn concerning(
        domains: &'e Domains,
        estate: &Estate,
        hosts: &[&Host],
        inputs: &Inputs,
        templates: &Templates,
    ) -> Vec<&'e Domain> {
        let concerns = |domain: &&Domain| {
            let work = DomainWork::of_one(domain);
            hosts.iter().any(|host| {
                let resources = work.resources(estate, host, inputs, templates);
                resources.map_or(true, |resources| !resources.is_empty())
            })
        };
        domains.iter().filter(concerns).collect()
    }

    /// Adds what one host promises the users of the domains; gives the mistakes that kept a role from promising.
    pub(crate) fn promises(
        &self,
        estate: &Estate,
        host: &Host,
        inputs: &Inputs,
        templates: &Templates,
        promises: &mut Promises,
    ) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for domain in &self.domains {
            if self.roles(host).next().is_some() {
                match self.context(estate, host, inputs, templates, domain) {
                    Ok(cx) => {
                        for role in self.roles(host) {
                            let made = (role.promises)(&cx, promises);
                            mistakes.extend(made.err().into_iter().flatten());
                        }
                    }
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            if self.selection.has(Tag::Roles) {
                let own = OwnContext::new(estate, host, inputs, templates, domain);
                mistakes.extend(own.checks(promises));
            }
        }
        mistakes
    }

    /// Lists the domain roles that work on a host.
    fn roles(&self, host: &Host) -> impl Iterator<Item = &'static DomainRole> {
        DOMAIN_ROLES.iter().filter(|role| {
            let chosen = role.tags.iter().any(|tag| self.selection.has(*tag));
            chosen && role.on.iter().any(|on| host.has_role(on))
        })
    }

    /// Gathers what domain roles decide from.
    fn context<'c>(
        &'c self,
        estate: &'c Estate,
        host: &'c Host,
        inputs: &'c Inputs,
        templates: &'c Templates,
        domain: &'c Domain,
    ) -> Result<DomainContext<'c>, Diagnostic> {
        let mut on = HostContext::new(estate, host, inputs, templates);
        on.vars = domain.over(on.vars);
        let home_domain = home_domain(&on)?;
        Ok(DomainContext {
            on,
            domain,
            home_domain,
            selection: &self.selection,
        })
    }

    /// Says how what the domains have on a host is taken away again.
    pub fn traces(
        &self,
        estate: &Estate,
        host: &Host,
        inputs: &Inputs,
        templates: &Templates,
    ) -> Result<Vec<Trace>, Vec<Diagnostic>> {
        let mut traces = Vec::new();
        for domain in &self.domains {
            let with = |purpose| {
                let work = DomainWork {
                    domains: vec![*domain],
                    selection: self.selection.clone(),
                    purpose,
                };
                work.resources(estate, host, inputs, templates)
            };
            let (removal, purge) = (with(Purpose::Removal)?, with(Purpose::Purge)?);
            traces.extend(Trace::of_domain(domain.name().as_str(), &removal, &purge));
        }
        Ok(traces)
    }

    /// Gives the resources of one host for the domains, none where they do not concern it.
    pub fn resources(
        &self,
        estate: &Estate,
        host: &Host,
        inputs: &Inputs,
        templates: &Templates,
    ) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        let mut declared = Vec::new();
        let mut mistakes = Vec::new();
        for domain in &self.domains {
            if self.roles(host).next().is_some() {
                match self.context(estate, host, inputs, templates, domain) {
                    Ok(cx) => {
                        for role in self.roles(host) {
                            let mut made = DomainDeclarations::new(role.name, self.purpose);
                            (role.resources)(&cx, &mut made);
                            match made.finish() {
                                Ok(resources) => declared.push(resources),
                                Err(found) => mistakes.extend(found),
                            }
                        }
                    }
                    Err(mistake) => mistakes.push(mistake),
                }
            }
            if self.selection.has(Tag::Roles) {
                let own = OwnContext::new(estate, host, inputs, templates, domain);
                match own.resources(self.purpose) {
                    Ok(of_roles) => declared.extend(of_roles),
                    Err(found) => mistakes.extend(found),
                }
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // What was made last goes first.
        if self.purpose != Purpose::Setup {
            declared.reverse();
        }
        arrange(host.name(), declared.into_iter().flatten().collect())
    }
}
