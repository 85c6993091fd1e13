//! The roles that there are.
//!
//! Owns which roles exist and in which order a host gets them; whoever decides something of roles asks it, by way of
//! [`HostContext`]. Refuses to be a global: it is handed on, so that an estate can come with roles of its own.

use super::registry::{BUILT_IN, Role};
use super::{HostContext, arrange};
use crate::diagnostic::Diagnostic;
use crate::domain;
use crate::estate::{Estate, Host, KnownRole};
use crate::promise::Promises;
use crate::resource::Declared;

/// What a role brings that a more general role must reckon with, without knowing who brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// It has certificates of the estate's authority, or trusts it.
    Authority,
    /// Its Exim presents a certificate of the estate's authority.
    MailCertificate,
    /// It needs what only Exim's heavy daemon can do.
    HeavyMailDaemon,
    /// It keeps the credentials with which Exim sends, in files of its own.
    MailCredentials,
    /// Exim takes mail for whom the access list in this file says.
    MailRecipients(&'static str),
    /// Clients call the mail server by these names, too.
    MailNames(&'static [&'static str]),
}

/// Holds the roles.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue {
    built_in: &'static [Role],
}

impl Default for Catalogue {
    /// Gives the roles that are part of prov.
    fn default() -> Self {
        Self { built_in: BUILT_IN }
    }
}

impl Catalogue {
    /// Lists the roles in the order in which they are applied on a host.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.built_in.iter()
    }

    /// Lists the roles of a host, in that order.
    pub fn of<'c>(&'c self, host: &'c Host) -> impl Iterator<Item = &'c Role> {
        self.iter().filter(|role| host.has_role(role.name))
    }

    /// Lists what the roles of a host bring, in their order.
    pub fn offers<'c>(&'c self, host: &'c Host) -> impl Iterator<Item = Capability> + 'c {
        self.of(host).flat_map(|role| role.offers).copied()
    }

    /// Tells whether any role of the estate has certificates from the estate's authority, or trusts it.
    #[must_use]
    pub fn needs_authority(&self, estate: &Estate) -> bool {
        let mut hosts = estate.hosts().iter();
        hosts.any(|host| {
            self.offers(host)
                .any(|offer| offer == Capability::Authority)
        })
    }

    /// Describes the roles as far as the check of an estate needs it.
    ///
    /// What a domain role reads can be set for the hosts on which it works, too.
    pub(super) fn known(&self) -> Vec<KnownRole<'_>> {
        let of_domains = domain::variables();
        let known = self.iter().map(|role| {
            let more = of_domains.iter().filter(|(on, _)| *on == role.name);
            let more = more.flat_map(|(_, names)| names.iter().cloned());
            let own = variable_names(&(role.variables)());
            KnownRole {
                name: role.name,
                variables: own.into_iter().chain(more).collect(),
                releases: role.releases,
            }
        });
        known.collect()
    }
}

/// Gives the names of the variables that a schema describes.
pub(crate) fn variable_names(schema: &schemars::Schema) -> Vec<String> {
    let fields = schema.get("properties");
    let fields = fields.and_then(serde_json::Value::as_object);
    fields
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default()
}

/// Gives the resources of a host: those of its roles in the order of the catalogue, all packages first and in one
/// transaction, each thing declared once.
pub fn resources(context: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut declared = Vec::new();
    let mut mistakes = Vec::new();
    for role in context.roles.of(context.host) {
        match (role.resources)(context) {
            Ok(resources) => declared.extend(resources),
            Err(found) => mistakes.extend(found),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    arrange(context.host.name(), declared)
}

/// Adds what the roles of a host promise their users; gives the mistakes that kept a role from promising anything.
pub(crate) fn promises(context: &HostContext<'_>, promises: &mut Promises) -> Vec<Diagnostic> {
    let roles = context.roles.of(context.host);
    roles
        .filter_map(|role| (role.promises)(context, promises).err())
        .flatten()
        .collect()
}
