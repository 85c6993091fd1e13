//! Roles: each turns the variables of a host into the resources that it needs.
//!
//! One role is one file here and one row of [`ROLES`]. Its variables are a typed struct with a description for every
//! field, from which the reference and the check for unknown variables are made. A role never assumes that it is
//! alone on its host: it owns whole files and drop-in folders of its own.

mod arrange;
pub(crate) mod backup;
mod backup_client;
mod backup_director;
mod backup_dropbox;
mod backup_storage;
mod calendar;
pub(crate) mod database;
pub(crate) mod dns;
pub(crate) mod dns_api;
mod dns_client;
pub(crate) mod dynamic_dns;
pub(crate) mod mail;
pub(crate) mod mail_certificates;
pub(crate) mod mail_external;
mod mail_gateway;
pub(crate) mod mail_internal;
pub(crate) mod mta;
mod registry;
pub(crate) mod reverse_proxy;
pub(crate) mod wordpress;

use std::net::IpAddr;

pub(crate) use arrange::arrange;
pub use dns::aliases;
pub use registry::{ROLES, Role};

use crate::authority::Authority;
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::domain::{self, Domains};
use crate::estate::{Estate, Host, KnownRole, Vars};
use crate::plan::Phase;
use crate::resource::{Declared, Handler, Resource};
use crate::template::{Rendering, Templates};

/// What a role may know from outside the estate's files.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The resolvers that the machine uses on which the estate's containers run.
    pub container_host_resolvers: Vec<IpAddr>,
    /// The estate's authority for certificates, where [`needs_authority`] says that there must be one.
    pub authority: Option<Authority>,
}

/// Roles with certificates from the estate's authority.
const CERTIFIED: &[&str] = &[
    "mail",
    "mail_certificates",
    "mail_external",
    "mail_gateway",
    "mail_internal",
    "reverse_proxy",
];

/// Tells whether any role of the estate has certificates from the estate's authority, or trusts it.
#[must_use]
pub fn needs_authority(estate: &Estate) -> bool {
    let mut hosts = estate.hosts().iter();
    hosts.any(|host| CERTIFIED.iter().any(|role| host.has_role(role)))
}

/// Everything that a role decides from, for one host.
pub struct HostContext<'e> {
    /// The estate.
    pub estate: &'e Estate,
    /// The host.
    pub host: &'e Host,
    /// Its variables.
    pub vars: Vars<'e>,
    /// What comes from outside.
    pub inputs: &'e Inputs,
    templates: &'e Templates,
}

impl<'e> HostContext<'e> {
    /// Gathers what the roles of a host decide from.
    #[must_use]
    pub fn new(
        estate: &'e Estate,
        host: &'e Host,
        inputs: &'e Inputs,
        templates: &'e Templates,
    ) -> Self {
        Self {
            estate,
            host,
            vars: estate.vars(host),
            inputs,
            templates,
        }
    }

    /// Begins the rendering of a template.
    #[must_use]
    pub fn render(&self, name: &'static str) -> Rendering<'e> {
        self.templates.render(name)
    }
}

/// Gives the resources of a host: those of its roles in the order of [`ROLES`], all packages first and in one
/// transaction, each thing declared once.
pub fn resources(context: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut declared = Vec::new();
    let mut mistakes = Vec::new();
    for role in ROLES {
        if context.host.has_role(role.name) {
            match (role.resources)(context) {
                Ok(resources) => declared.extend(resources),
                Err(found) => mistakes.extend(found),
            }
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    arrange(context.host.name(), declared)
}

/// Validates an estate and its domains as far as that is possible without its hosts: names, variables, templates,
/// resources.
#[must_use]
pub fn check(
    estate: &Estate,
    domains: &Domains,
    templates: &Templates,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    // What a domain role reads can be set for the hosts on which it works, too.
    let of_domains = domain::variables();
    let names: Vec<(&str, Vec<String>)> = ROLES
        .iter()
        .map(|role| {
            let more = of_domains.iter().filter(|(on, _)| *on == role.name);
            let more = more.flat_map(|(_, names)| names.iter().cloned());
            let names = role.variable_names().into_iter().chain(more);
            (role.name, names.collect())
        })
        .collect();
    let borrowed: Vec<(&str, Vec<&str>)> = names
        .iter()
        .map(|(role, variables)| (*role, variables.iter().map(String::as_str).collect()))
        .collect();
    let catalogue: Vec<KnownRole<'_>> = borrowed
        .iter()
        .map(|(name, variables)| KnownRole { name, variables })
        .collect();
    let mut mistakes = estate.check(&catalogue);
    for host in estate.hosts() {
        let context = HostContext::new(estate, host, inputs, templates);
        if let Err(found) = resources(&context) {
            mistakes.extend(found);
        }
    }
    mistakes.extend(domains.check(estate, &catalogue, templates, inputs));
    mistakes.sort();
    mistakes.dedup();
    mistakes
}

/// Gives the configuration with which a console reaches the backup's director: the director's host is that of the
/// context.
pub fn backup_console(context: &HostContext<'_>) -> Result<Content, Vec<Diagnostic>> {
    backup_director::console(context)
}

/// Collects what a role declares.
pub(crate) struct Declarations {
    role: &'static str,
    declared: Vec<Declared>,
    mistakes: Vec<Diagnostic>,
}

impl Declarations {
    pub(crate) const fn new(role: &'static str) -> Self {
        Self {
            role,
            declared: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Declares a resource; what follows says who is notified and when it is applied.
    pub(crate) fn add(&mut self, resource: Resource) -> &mut Declared {
        self.declared.push(Declared::new(self.role, resource));
        let last = self.declared.len() - 1;
        &mut self.declared[last]
    }

    /// Takes a value, or keeps the mistake for the end.
    pub(crate) fn take<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    pub(crate) fn finish(self) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        if self.mistakes.is_empty() {
            Ok(self.declared)
        } else {
            Err(self.mistakes)
        }
    }
}

impl Declared {
    /// Makes the resource notify a handler when it changes.
    pub(crate) fn notifies(&mut self, handler: &Handler) -> &mut Self {
        self.notify.push(handler.clone());
        self
    }

    /// Leaves the resource to completion on containers.
    pub(crate) const fn on_completion(&mut self) -> &mut Self {
        self.phase = Phase::Completion;
        self
    }
}

/// Gives a value that is made of a text which may hold what an estate says.
pub(crate) fn checked<T: TryFrom<String, Error = String>>(text: String) -> Result<T, Diagnostic> {
    T::try_from(text).map_err(Diagnostic::new)
}

/// Gives a value that is written in the code and known to be valid.
///
/// It takes literals only, and the tests walk every role, so a mistake here cannot leave the house.
pub(crate) fn fixed<T: TryFrom<String, Error = String>>(text: &'static str) -> T {
    match T::try_from(text.to_owned()) {
        Ok(value) => value,
        #[expect(
            clippy::panic,
            reason = "a literal in this crate is wrong: a defect that tests find"
        )]
        Err(mistake) => panic!("internal error: {mistake}"),
    }
}
