//! The roles that there are, and what they decide from: the estate, the host with its variables, and what comes from outside.
//!
//! Owns which roles exist and in which order a host gets them; whoever decides something of roles asks it, by way of
//! [`HostContext`]. Refuses to be a global: it is handed on, so that an estate can come with roles of its own.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::Schema;
use serde_json::Value;

use super::arrange;
use super::capability::Capability;
use super::own::{For, KnownVariables, OwnRole};
use crate::authority::Authority;
use crate::diagnostic::Diagnostic;
use crate::domain;
use crate::estate::{Estate, Host, KnownRole, Vars};
use crate::promise::check::OwnCheck;
use crate::promise::{OpenPort, Promises};
use crate::release::Release;
use crate::resource::Declared;
use crate::template::{Rendering, Templates};
use crate::value::HostPath;

/// A role: a row of the registry.
#[derive(Debug)]
pub struct Role {
    /// Name, as in `estate.yml`.
    pub name: &'static str,
    /// What the role does, in a sentence.
    pub summary: &'static str,
    /// What it brings that more general roles must reckon with.
    pub offers: &'static [Capability],
    /// The releases of Debian on which it works.
    pub releases: &'static [Release],
    /// The schema of its variables, with their documentation.
    pub variables: fn() -> Schema,
    /// Gives what of the role's files is worth a backup: paths of files and folders that are there.
    pub backup: fn(&Vars<'_>) -> Result<Vec<HostPath>, Diagnostic>,
    /// Gives the resources that a host with this role needs.
    pub resources: fn(&HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>>,
    /// Adds what a host with this role promises its users.
    pub promises: fn(&HostContext<'_>, &mut Promises) -> Result<(), Vec<Diagnostic>>,
}

/// A role of the catalogue: written in Rust, or described by files.
#[derive(Debug, Clone)]
pub enum Entry {
    /// It is a row of the registry.
    BuiltIn(&'static Role),
    /// It is described by files.
    Own(Arc<OwnRole>),
}

impl Entry {
    /// Gives the role's name, as in `estate.yml`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Own(role) => role.name(),
        }
    }

    /// Tells whether a host has the role.
    #[must_use]
    pub fn is_on(&self, host: &Host) -> bool {
        match self {
            Self::BuiltIn(role) => host.has_role(role.name),
            Self::Own(role) => role.is_on(host),
        }
    }

    /// Tells whether domains have the role, and not hosts.
    #[must_use]
    pub fn is_of_domains(&self) -> bool {
        self.domains_on().is_some()
    }

    /// Lists the roles on whose hosts it works for domains that have it; `None` where hosts have it.
    #[must_use]
    pub fn domains_on(&self) -> Option<Vec<&str>> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Own(role) => {
                let on = role.domains_on()?.iter();
                Some(on.map(|(name, _)| name.as_str()).collect())
            }
        }
    }

    /// Says what the role does, in a sentence.
    #[must_use]
    pub fn summary(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.summary,
            Self::Own(role) => role.summary(),
        }
    }

    /// Lists what the role brings that more general roles must reckon with.
    #[must_use]
    pub fn offers(&self) -> &'static [Capability] {
        match self {
            Self::BuiltIn(role) => role.offers,
            Self::Own(role) if role.is_certified() => &[Capability::Authority],
            Self::Own(_) => &[],
        }
    }

    /// Lists the releases of Debian on which the role works.
    #[must_use]
    pub fn releases(&self) -> &'static [Release] {
        match self {
            Self::BuiltIn(role) => role.releases,
            Self::Own(_) => &Release::EVERY,
        }
    }

    /// Gives the schema of the role's variables, with their documentation.
    #[must_use]
    pub fn variables(&self) -> Value {
        match self {
            Self::BuiltIn(role) => (role.variables)().to_value(),
            Self::Own(role) => role.schema(),
        }
    }

    /// Gives what of the role's files is worth a backup.
    pub fn backup(&self, context: &HostContext<'_>) -> Result<Vec<HostPath>, Vec<Diagnostic>> {
        match self {
            Self::BuiltIn(role) => (role.backup)(&context.vars).map_err(Diagnostic::alone),
            Self::Own(role) => role.backup(context.whom()),
        }
    }

    /// Gives the resources that a host with this role needs.
    pub fn resources(&self, context: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        match self {
            Self::BuiltIn(role) => (role.resources)(context),
            Self::Own(role) => {
                let authority = context.inputs.authority.as_ref();
                let open_ports = self.open_ports(context)?;
                role.resources(context.whom(), authority, &open_ports)
            }
        }
    }

    /// Adds what a host with this role promises its users.
    pub fn promises(
        &self,
        context: &HostContext<'_>,
        promises: &mut Promises,
    ) -> Result<(), Vec<Diagnostic>> {
        match self {
            Self::BuiltIn(role) => (role.promises)(context, promises),
            Self::Own(_) => {
                let checks = self.checks(context)?;
                promises.own_checks.extend(checks.into_iter().map(Arc::new));
                Ok(())
            }
        }
    }

    /// Gives the checks of a role that is described by files, for a host.
    pub(super) fn checks(
        &self,
        context: &HostContext<'_>,
    ) -> Result<Vec<OwnCheck>, Vec<Diagnostic>> {
        match self {
            Self::BuiltIn(_) => Ok(Vec::new()),
            Self::Own(role) => {
                let open_ports = self.open_ports(context)?;
                role.checks(context.whom(), &open_ports)
            }
        }
    }

    /// Tells whether it is made of what the other roles of a host promise.
    fn asks_open_ports(&self) -> bool {
        match self {
            Self::BuiltIn(_) => false,
            Self::Own(role) => role.asks_open_ports(),
        }
    }

    /// Gathers the ports at which the other roles of a host serve somebody, if the role asks for them. Roles that ask do not
    /// count.
    fn open_ports(&self, context: &HostContext<'_>) -> Result<Vec<OpenPort>, Vec<Diagnostic>> {
        if !self.asks_open_ports() {
            return Ok(Vec::new());
        }
        let mut promises = Promises::default();
        let mut mistakes = Vec::new();
        for role in context.roles.of(context.host) {
            if !role.asks_open_ports() {
                mistakes.extend(role.promises(context, &mut promises).err());
            }
        }
        let mut mistakes: Vec<_> = mistakes.into_iter().flatten().collect();
        let mut open_ports = promises.open_ports;
        for check in &promises.own_checks {
            match check.opens(context.estate) {
                Ok(more) => open_ports.extend(more),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            Ok(open_ports)
        } else {
            Err(mistakes)
        }
    }
}

/// Holds the roles, in the order in which they are applied on a host.
#[derive(Debug, Clone)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    /// Gathers roles in this order.
    pub(super) const fn of_entries(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    /// Gives the roles in their order.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Tells what roles may know of the variables of other hosts, as long as there are roles that could ask for them.
    pub(super) fn known_variables(&self) -> KnownVariables {
        let mut known = KnownVariables::default();
        if self.own().all(OwnRole::is_shipped) {
            return known;
        }
        for role in self.iter() {
            let schema = role.variables();
            let fields = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            for (name, field) in fields.into_iter().flatten() {
                if is_secret(field, &schema) {
                    known.secrets.insert(name.clone());
                }
                let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
                if !is_required {
                    let defaults = known.defaults.entry(name.clone()).or_default();
                    let default = field.get("default").cloned().unwrap_or_default();
                    defaults.insert(role.name().to_owned(), default);
                }
            }
        }
        known
    }

    /// Lists the roles in the order in which they are applied on a host.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Lists the roles that are described by files.
    pub fn own(&self) -> impl Iterator<Item = &OwnRole> {
        self.iter().filter_map(|entry| match entry {
            Entry::Own(role) => Some(role.as_ref()),
            Entry::BuiltIn(_) => None,
        })
    }

    /// Lists the roles of a host, in that order.
    pub fn of<'c>(&'c self, host: &'c Host) -> impl Iterator<Item = &'c Entry> {
        self.iter().filter(|role| role.is_on(host))
    }

    /// Lists what the roles of a host bring, in their order.
    pub fn offers<'c>(&'c self, host: &'c Host) -> impl Iterator<Item = Capability> + 'c {
        self.of(host).flat_map(Entry::offers).copied()
    }

    /// Tells whether any role of the estate has certificates from the estate's authority, or trusts it.
    #[must_use]
    pub fn needs_authority(&self, estate: &Estate) -> bool {
        let mut hosts = estate.hosts().iter();
        let certified = |host: &Host| {
            let of_domains = self.of_domains().filter(|role| role.works_on(host));
            let mut offers = self.offers(host);
            offers.any(|offer| offer == Capability::Authority)
                || of_domains.into_iter().any(OwnRole::is_certified)
        };
        hosts.any(certified)
    }

    /// Lists the roles that domains have and that are described by files, in their order.
    pub(crate) fn of_domains(&self) -> impl Iterator<Item = &OwnRole> {
        self.own().filter(|role| role.domains_on().is_some())
    }

    /// Lists what those read that work on the hosts of a role.
    fn of_domains_on(&self, name: &str) -> impl Iterator<Item = String> {
        let works = move |role: &&OwnRole| {
            let mut on = role.domains_on().into_iter().flatten();
            on.any(|(on, _)| on == name)
        };
        self.of_domains()
            .filter(works)
            .flat_map(|role| role.variable_names().map(str::to_owned))
    }

    /// Describes the roles as far as the check of an estate needs it.
    ///
    /// What a domain role reads can be set for the hosts on which it works, too.
    pub(super) fn known(&self) -> Vec<KnownRole<'_>> {
        let of_domains = domain::variables();
        let named = |role: &&Entry| match role {
            Entry::BuiltIn(_) => true,
            Entry::Own(role) => role.is_named(),
        };
        let known = self.iter().filter(named).map(|role| {
            let more = of_domains.iter().filter(|(on, _)| *on == role.name());
            let more = more.flat_map(|(_, names)| names.iter().cloned());
            let more = more.chain(self.of_domains_on(role.name()));
            let is_of_domains = role.is_of_domains();
            // Those of a role of domains are those of the roles on whose hosts it works.
            let own = Some(role).filter(|_| !is_of_domains);
            let own = own.map(|role| field_names(&role.variables()));
            KnownRole {
                name: role.name(),
                variables: own.into_iter().flatten().chain(more).collect(),
                releases: role.releases(),
                is_of_domains,
            }
        });
        known.collect()
    }
}

/// What a role may know from outside the estate's files.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The roles that there are.
    pub roles: Catalogue,
    /// The resolvers that the machine uses on which the estate's containers run.
    pub container_host_resolvers: Vec<IpAddr>,
    /// The estate's authority for certificates, where [`Catalogue::needs_authority`] says that there must be one.
    pub authority: Option<Authority>,
}

/// Everything that a role decides from, for one host.
pub struct HostContext<'e> {
    /// The estate.
    pub estate: &'e Estate,
    /// The host.
    pub host: &'e Host,
    /// Its variables.
    pub vars: Vars<'e>,
    /// The roles that there are.
    pub roles: &'e Catalogue,
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
            roles: &inputs.roles,
            inputs,
            templates,
        }
    }

    /// Gathers what the roles of another host decide from.
    pub(crate) fn of(&self, host: &'e Host) -> Self {
        Self::new(self.estate, host, self.inputs, self.templates)
    }

    /// Tells for whom roles decide that are described by files.
    const fn whom(&self) -> For<'_> {
        For {
            estate: self.estate,
            vars: &self.vars,
            domain: None,
        }
    }

    /// Begins the rendering of a template, in its variant for the host's release where there is one.
    #[must_use]
    pub fn render(&self, name: &'static str) -> Rendering<'e> {
        self.templates.render(name, self.host.release())
    }

    /// Refuses a host that does not have the roles on which another one of its roles builds.
    pub(super) fn needs(&self, role: &str, others: &[&str]) -> Result<(), Vec<Diagnostic>> {
        let host = self.host.name();
        let missing = others.iter().filter(|other| !self.host.has_role(other));
        let mistakes = missing.map(|other| {
            let message = format!("host {host}: role {role} needs the role {other}");
            Diagnostic::new(message).hint(format!(
                "add {host} to the hosts of '{other}' in estate.yml"
            ))
        });
        let mistakes: Vec<_> = mistakes.collect();
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes)
        }
    }

    /// Tells whether a role of the host brings something.
    pub(crate) fn offers(&self, capability: Capability) -> bool {
        self.roles
            .offers(self.host)
            .any(|offer| offer == capability)
    }
}

/// Gives the names of the variables that a schema describes.
pub(crate) fn variable_names(schema: &Schema) -> Vec<String> {
    let fields = schema.get("properties").and_then(Value::as_object);
    let fields = fields.map(|fields| fields.keys().cloned().collect());
    fields.unwrap_or_default()
}

fn field_names(schema: &Value) -> Vec<String> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, _)| name.clone()).collect()
}

/// Gives the resources of a host: those of its roles in the order of the catalogue, all packages first and in one
/// transaction, each thing declared once.
pub fn resources(context: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut declared = Vec::new();
    let mut mistakes = Vec::new();
    for role in context.roles.of(context.host) {
        match role.resources(context) {
            Ok(resources) => declared.extend(resources),
            Err(found) => mistakes.extend(where_secret(found, role)),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    arrange(context.host.name(), declared)
}

/// Names private files for variables that are not set and are secret: no remedy may put a password into version control.
fn where_secret(mistakes: Vec<Diagnostic>, role: &Entry) -> Vec<Diagnostic> {
    let schema = role.variables();
    let secret = |mistake: &Diagnostic| {
        let unset = mistake.unset.as_ref();
        unset.is_some_and(|it| is_secret(&schema["properties"][it.variable.as_str()], &schema))
    };
    let mistakes = mistakes.into_iter();
    mistakes
        .map(|mistake| {
            if secret(&mistake) {
                mistake.in_private_files()
            } else {
                mistake
            }
        })
        .collect()
}

/// Tells whether a field is a secret, or a list or map of secrets.
fn is_secret(field: &Value, root: &Value) -> bool {
    if let Some(reference) = field["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return is_secret(&root["$defs"][name], root);
    }
    let inside = [&field["items"], &field["additionalProperties"]];
    let inside = inside.into_iter().filter(|inside| inside.is_object());
    let choices = field["anyOf"].as_array().into_iter().flatten();
    field["format"] == "secret" || inside.chain(choices).any(|one| is_secret(one, root))
}

/// Adds what the roles of a host promise their users; gives the mistakes that kept a role from promising anything.
pub(crate) fn promises(context: &HostContext<'_>, promises: &mut Promises) -> Vec<Diagnostic> {
    let roles = context.roles.of(context.host);
    roles
        .filter_map(|role| Some(where_secret(role.promises(context, promises).err()?, role)))
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_set_belongs_into_a_private_file() {
        let of = |role: &str, variable: &str| {
            let catalogue = Catalogue::default();
            let role = catalogue.iter().find(|it| it.name() == role).unwrap();
            let mut mistake = Diagnostic::new("x").hint("set it in e/groups/all.yml");
            mistake.unset = Some(Box::new(crate::diagnostic::Unset {
                variable: variable.to_owned(),
                hint_for_many: "set it in e/groups/all.yml".to_owned(),
            }));
            let mut found = where_secret(vec![mistake], role);
            found.remove(0).hint.unwrap()
        };
        let (public, private) = (
            "set it in e/groups/all.yml",
            "set it in e/groups/all.private.yml",
        );
        assert_eq!(
            of("backup_client", "backup_client_director_password"),
            private
        );
        assert_eq!(of("database", "backup_database_password"), private);
        assert_eq!(of("dns_api", "dns_linode_key"), private);
        assert_eq!(of("dns", "home_domain"), public);
    }
}
