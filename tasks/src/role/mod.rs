//! Roles: each turns the variables of a host into the resources that it needs.
//!
//! One role is one file here and one row of [`ROLES`]. Its variables are a typed struct with a description for every
//! field, from which the reference and the check for unknown variables are made. A role never assumes that it is
//! alone on its host: it owns whole files and drop-in folders of its own.

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
pub(crate) mod reverse_proxy;
pub(crate) mod wordpress;

use std::net::IpAddr;

use schemars::Schema;

use crate::authority::Authority;
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::domain::{self, Domains};
use crate::estate::{Estate, Host, KnownRole, Vars};
use crate::plan::Phase;
use crate::resource::{Declared, Handler, Packages, Resource, State};
use crate::template::{Rendering, Templates};

/// A row of the registry.
pub struct Role {
    /// Name, as in `estate.yml`.
    pub name: &'static str,
    /// What the role does, in a sentence.
    pub summary: &'static str,
    /// The schema of its variables, with their documentation.
    pub variables: fn() -> Schema,
    /// What of the role's files is worth a backup: paths of files and folders.
    pub backup: &'static [&'static str],
    /// Gives the resources that a host with this role needs.
    pub resources: fn(&HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>>,
}

/// Every role, in the order in which they are applied on a host.
pub const ROLES: &[Role] = &[
    Role {
        name: "backup_client",
        summary: "Bacula's file daemon, which lets the director read and restore the host's files.",
        variables: || schemars::schema_for!(backup_client::Variables),
        backup: &["/etc/bacula/bacula-fd.conf"],
        resources: backup_client::resources,
    },
    Role {
        name: "mta",
        summary: "A light Exim that hands the host's own mail on, mail to root to the firm's admin user.",
        variables: || schemars::schema_for!(mta::Variables),
        backup: &["/etc/exim4", "/etc/aliases", "/etc/mailname"],
        resources: mta::resources,
    },
    Role {
        name: "database",
        summary: "MariaDB; on the host that keeps it also the database of the backup's catalogue.",
        variables: || schemars::schema_for!(database::Variables),
        backup: &["/etc/mysql", database::DUMPS],
        resources: database::resources,
    },
    Role {
        name: "dns",
        summary: "dnsmasq: names of the estate's hosts and services, everything else from upstream servers.",
        variables: || schemars::schema_for!(dns::Variables),
        backup: &["/etc/dnsmasq.d", "/etc/dnsmasq-hosts.d"],
        resources: dns::resources,
    },
    Role {
        name: "dns_api",
        summary: "The token for the API of the DNS provider (Linode), readable for root alone.",
        variables: || schemars::schema_for!(dns_api::Variables),
        backup: &[dns_api::CREDENTIALS],
        resources: dns_api::resources,
    },
    Role {
        name: "dynamic_dns",
        summary: "A job that keeps DNS records at Linode pointed at the address that the host is seen at.",
        variables: || schemars::schema_for!(dynamic_dns::Variables),
        backup: &[
            "/usr/local/etc/dynamic-dns.conf",
            "/usr/local/etc/dynamic-dns-domains",
        ],
        resources: dynamic_dns::resources,
    },
    Role {
        name: "calendar",
        summary: "Radicale: a CalDAV server with a calendar of the office and one of each member of its staff.",
        variables: || schemars::schema_for!(calendar::Variables),
        backup: &["/etc/radicale", "/var/lib/radicale"],
        resources: calendar::resources,
    },
    Role {
        name: "mail",
        summary: "Dovecot: mailboxes in their owners' homes, read by IMAP.",
        variables: || schemars::schema_for!(mail::Variables),
        backup: &["/etc/dovecot", "/home"],
        resources: mail::resources,
    },
    Role {
        name: "mail_certificates",
        summary: "certbot, and a key with which certificates are handed to the servers of hosted domains.",
        variables: || schemars::schema_for!(mail_certificates::Variables),
        backup: &[
            "/etc/letsencrypt",
            "/usr/local/etc/certs",
            "/usr/local/etc/mail-certificates",
        ],
        resources: mail_certificates::resources,
    },
    Role {
        name: "mail_external",
        summary: "Exim and Dovecot for hosted domains: submission, delivery to virtual users, sending through the gateway.",
        variables: || schemars::schema_for!(mail_external::Variables),
        backup: &["/usr/local/etc/mail-certs"],
        resources: mail_external::resources,
    },
    Role {
        name: "mail_internal",
        summary: "What the office's mail server does besides: logins without TLS from the office, Fetchmail.",
        variables: || schemars::schema_for!(mail_internal::Variables),
        backup: &["/etc/default/fetchmail"],
        resources: mail_internal::resources,
    },
    Role {
        name: "mail_gateway",
        summary: "Takes mail from authenticated clients and delivers it: a stand-in for a paid gateway.",
        variables: || schemars::schema_for!(mail_gateway::Variables),
        backup: &[],
        resources: mail_gateway::resources,
    },
    Role {
        name: "reverse_proxy",
        summary: "Nginx, in front of web sites.",
        variables: || schemars::schema_for!(reverse_proxy::Variables),
        backup: &["/etc/nginx", "/etc/letsencrypt"],
        resources: reverse_proxy::resources,
    },
    Role {
        name: "wordpress",
        summary: "Apache with PHP, for WordPress sites.",
        variables: || schemars::schema_for!(wordpress::Variables),
        backup: &["/etc/apache2", "/etc/wordpress", "/var/lib/wordpress"],
        resources: wordpress::resources,
    },
    Role {
        name: "backup_director",
        summary: "Bacula's director: what is backed up when, kept for how long and copied to where.",
        variables: || schemars::schema_for!(backup_director::Variables),
        backup: &["/etc/bacula", "/usr/local/lib/bacula"],
        resources: backup_director::resources,
    },
    Role {
        name: "backup_storage",
        summary: "Bacula's storage daemon, with the archive and the folder of the off-site copies.",
        variables: || schemars::schema_for!(backup_storage::Variables),
        backup: &["/etc/bacula"],
        resources: backup_storage::resources,
    },
    Role {
        name: "backup_dropbox",
        summary: "Dropbox's headless daemon, which brings the copies of the backups out of the office.",
        variables: || schemars::schema_for!(backup_dropbox::Variables),
        backup: &["/usr/local/lib/bacula"],
        resources: backup_dropbox::resources,
    },
    Role {
        name: "dns_client",
        summary: "The host's own name in /etc/hosts, and its resolvers in /etc/resolv.conf.",
        variables: || schemars::schema_for!(dns_client::Variables),
        backup: &["/etc/hosts", "/etc/resolv.conf"],
        resources: dns_client::resources,
    },
];

impl Role {
    /// Gives the names of the role's variables.
    #[must_use]
    pub fn variable_names(&self) -> Vec<String> {
        let schema = (self.variables)().to_value();
        schema["properties"]
            .as_object()
            .map(|fields| fields.keys().cloned().collect())
            .unwrap_or_default()
    }
}

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

/// Puts what must come before packages first, then the packages, then the rest in the order of the roles.
pub(crate) fn arrange(
    host: &str,
    declared: Vec<Declared>,
) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut before = Vec::new();
    let mut packages: Vec<(Declared, Packages)> = Vec::new();
    let mut rest: Vec<Declared> = Vec::new();
    let mut mistakes = Vec::new();
    for declaration in declared {
        match &declaration.resource {
            Resource::Debconf(_) => before.push(declaration),
            Resource::Packages(wanted) => {
                let merged = packages.iter_mut().any(|(first, together)| {
                    let merged = together.merge(wanted);
                    if merged && first.role != declaration.role {
                        first.role = format!("{}, {}", first.role, declaration.role);
                    }
                    merged
                });
                if !merged {
                    packages.push((declaration.clone(), wanted.clone()));
                }
            }
            Resource::Group(_)
            | Resource::User(_)
            | Resource::AuthorizedKey(_)
            | Resource::Directory(_)
            | Resource::File(_)
            | Resource::Download(_)
            | Resource::Symlink(_)
            | Resource::Line(_)
            | Resource::Block(_)
            | Resource::Replace(_)
            | Resource::Cron(_)
            | Resource::ApacheModule(_)
            | Resource::Command(_)
            | Resource::TlsKey(_)
            | Resource::TlsCertificate(_)
            | Resource::MariaDbDatabase(_)
            | Resource::MariaDbUser(_)
            | Resource::CaldavCalendar(_)
            | Resource::Service(_) => rest.push(declaration),
        }
    }
    for (one, wanted) in &packages {
        for (other, unwanted) in &packages {
            if (wanted.state, unwanted.state) == (State::Present, State::Absent) {
                mistakes.extend(wanted.names.intersection(&unwanted.names).map(|name| {
                    Diagnostic::new(format!(
                        "host {host}: the package {name} is to be installed (role {}) and removed (role {})",
                        one.role, other.role
                    ))
                }));
            }
        }
    }
    // What is installed may conflict with what is to go.
    packages.sort_by_key(|(_, together)| together.state == State::Present);
    let packages = packages.into_iter().map(|(mut declaration, together)| {
        declaration.resource = Resource::Packages(together);
        declaration
    });
    let mut arranged: Vec<Declared> = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    for declaration in before.into_iter().chain(packages).chain(rest) {
        match seen.get(&declaration.name()) {
            None => {
                seen.insert(declaration.name(), arranged.len());
                arranged.push(declaration);
            }
            Some(&first) if arranged[first].resource == declaration.resource => {
                let notify = &mut arranged[first].notify;
                let news = declaration
                    .notify
                    .into_iter()
                    .filter(|new| !notify.contains(new));
                let news: Vec<_> = news.collect();
                notify.extend(news);
            }
            Some(&first) => mistakes.push(Diagnostic::new(format!(
                "host {host}: the roles {} and {} both declare {}, and differ",
                arranged[first].role,
                declaration.role,
                declaration.name()
            ))),
        }
    }
    if mistakes.is_empty() {
        Ok(arranged)
    } else {
        Err(mistakes)
    }
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

/// Gives a value that is written in the code and known to be valid.
///
/// The tests walk every role, so a mistake here cannot leave the house.
pub(crate) fn fixed<T: TryFrom<String, Error = String>>(text: &str) -> T {
    match T::try_from(text.to_owned()) {
        Ok(value) => value,
        #[expect(
            clippy::panic,
            reason = "a literal in this crate is wrong: a defect that tests find"
        )]
        Err(mistake) => panic!("internal error: {mistake}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(names: &[&str], state: State) -> Declared {
        let mut packages = Packages::new(names.iter().map(|name| fixed(name)));
        packages.state = state;
        Declared::new(
            if state == State::Present { "a" } else { "b" },
            Resource::Packages(packages),
        )
    }

    #[test]
    fn what_is_to_go_goes_before_what_is_installed_may_conflict_with_it() {
        let declared = vec![
            packages(&["postfix"], State::Present),
            packages(&["exim4-base"], State::Absent),
        ];
        let names: Vec<_> = arrange("h", declared)
            .unwrap()
            .iter()
            .map(Declared::name)
            .collect();
        assert_eq!(names, ["packages exim4-base", "packages postfix"]);
    }

    #[test]
    fn a_package_that_one_role_wants_and_another_does_not_is_a_mistake() {
        let declared = vec![
            packages(&["exim4-base", "dnsmasq"], State::Present),
            packages(&["exim4-base"], State::Absent),
        ];
        let mistakes = arrange("h", declared).unwrap_err();
        assert_eq!(
            mistakes[0].message,
            "host h: the package exim4-base is to be installed (role a) and removed (role b)"
        );
    }
}
