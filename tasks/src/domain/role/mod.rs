//! Domain roles: each turns the settings of a domain into the resources that one host needs for it.
//!
//! One role is one file here and one row of [`DOMAIN_ROLES`]. Its resources belong to the domain alone: files of its own
//! in folders that a host role made, so that applying host roles again never undoes a domain, nor the other way round.
//! What is declared for setting a domain up says at the same time how it is taken away, see [`DomainDeclarations`].

mod declarations;
mod dns;
mod dynamic_dns;
mod home_users;
mod mail_certificate;
mod mail_external;
mod mail_internal;
mod own;
mod reverse_proxy;
mod shared;
mod wordpress;
mod wordpress_database;
mod wordpress_parts;
mod work;

use std::collections::BTreeSet;

use regex::Regex;
use schemars::Schema;

use super::{Domain, Domains, HostLabel, Site, Webhost};
use crate::diagnostic::Diagnostic;
use crate::estate::Estate;
use crate::promise::Promises;
use crate::role::{HostContext, Inputs};
use crate::template::Templates;
use crate::value::DomainName;

pub(super) use own::mistakes as own_mistakes;

pub use declarations::DomainDeclarations;
pub use work::DomainWork;

/// A row of the registry.
pub struct DomainRole {
    /// Name.
    pub name: &'static str,
    /// What the role does, in a sentence.
    pub summary: &'static str,
    /// What the role belongs to, of which `--tags` chooses.
    pub tags: &'static [Tag],
    /// The host roles on whose hosts it works.
    pub on: &'static [&'static str],
    /// The schema of the variables that it reads besides the domain's settings.
    pub variables: fn() -> Schema,
    /// Declares what one of those hosts needs.
    pub resources: fn(&DomainContext<'_>, &mut DomainDeclarations),
    /// Adds what one of those hosts promises the domain's users.
    pub promises: fn(&DomainContext<'_>, &mut Promises) -> Result<(), Vec<Diagnostic>>,
}

/// Every domain role, in the order in which they are applied on a host.
pub const DOMAIN_ROLES: &[DomainRole] = &[
    DomainRole {
        name: "domain_dynamic_dns",
        summary: "The domain's records that follow the office's address.",
        tags: &[Tag::DynamicDns],
        on: &["dynamic_dns"],
        variables: || schemars::schema_for!(dynamic_dns::Variables),
        resources: dynamic_dns::resources,
        promises: dynamic_dns::promises,
    },
    DomainRole {
        name: "domain_dns",
        summary: "The names of the domain's mail and web servers, and who takes its mail.",
        tags: &[Tag::Mail, Tag::Web],
        on: &["dns"],
        variables: || schemars::schema_for!(dns::Variables),
        resources: dns::resources,
        promises: dns::promises,
    },
    DomainRole {
        name: "domain_mail_certificate",
        summary: "The certificate of the domain's mail servers, obtained and handed to the server.",
        tags: &[Tag::Mail],
        on: &["mail_certificates"],
        variables: || schemars::schema_for!(mail_certificate::Variables),
        resources: mail_certificate::resources,
        promises: mail_certificate::promises,
    },
    DomainRole {
        name: "home_domain_users",
        summary: "Accounts and mail aliases of the firm's staff.",
        tags: &[Tag::Mail],
        on: &["mail_external", "mail_internal"],
        variables: || schemars::schema_for!(home_users::Variables),
        resources: home_users::resources,
        promises: nothing,
    },
    DomainRole {
        name: "domain_mail_external",
        summary: "The domain on the customers' mail server: users, certificate, the gateway's credentials.",
        tags: &[Tag::Mail],
        on: &["mail_external"],
        variables: || schemars::schema_for!(mail_external::Variables),
        resources: mail_external::resources,
        promises: mail_external::promises,
    },
    DomainRole {
        name: "domain_mail_internal",
        summary: "The firm's own mail, fetched into the office every ten seconds.",
        tags: &[Tag::Mail],
        on: &["mail_internal"],
        variables: || schemars::schema_for!(mail_internal::Variables),
        resources: mail_internal::resources,
        promises: mail_internal::promises,
    },
    DomainRole {
        name: "domain_wordpress_database",
        summary: "The database of each web site, with an account for the site's host alone.",
        tags: &[Tag::Web],
        on: &["database"],
        variables: || schemars::schema_for!(wordpress_database::Variables),
        resources: wordpress_database::resources,
        promises: wordpress_database::promises,
    },
    DomainRole {
        name: "domain_wordpress",
        summary: "WordPress sites: virtual host, configuration, folder of their own, installed with the organisation as title.",
        tags: &[Tag::Web],
        on: &["wordpress"],
        variables: || schemars::schema_for!(wordpress::Variables),
        resources: wordpress::resources,
        promises: wordpress::promises,
    },
    DomainRole {
        name: "domain_reverse_proxy",
        summary: "The web sites' names in front: TLS with a certificate outside, redirections to it and to www.",
        tags: &[Tag::Web],
        on: &["reverse_proxy"],
        variables: || schemars::schema_for!(reverse_proxy::Variables),
        resources: reverse_proxy::resources,
        promises: reverse_proxy::promises,
    },
];

/// The promises of a domain role that only helps others to keep theirs.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of the registry's rows"
)]
const fn nothing(_: &DomainContext<'_>, _: &mut Promises) -> Result<(), Vec<Diagnostic>> {
    Ok(())
}

/// A part of what a domain can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Records that follow the office's address.
    DynamicDns,
    /// Mail.
    Mail,
    /// What the estate's own roles make for it.
    Roles,
    /// Web sites.
    Web,
}

impl Tag {
    /// Every tag.
    pub const EVERY: [Self; 4] = [Self::DynamicDns, Self::Mail, Self::Roles, Self::Web];

    /// Finds the tag of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|tag| tag.as_str() == word)
    }

    /// Gives the word for the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DynamicDns => "dynamic_dns",
            Self::Mail => "mail",
            Self::Roles => "roles",
            Self::Web => "web",
        }
    }
}

/// Which parts of a domain are worked on.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    tags: BTreeSet<Tag>,
    hostnames: Option<Regex>,
}

impl Selection {
    /// Selects parts, all where none is named, and of the web sites those in whose first label an expression is found: anywhere in
    /// it, unless the expression is anchored. The syntax is that of the `regex` crate.
    pub fn new(
        tags: impl IntoIterator<Item = Tag>,
        hostnames: Option<&str>,
    ) -> Result<Self, Diagnostic> {
        let hostnames = match hostnames {
            None => None,
            Some(text) => Some(Regex::new(text).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim();
                Diagnostic::new(format!(
                    "the filter '{text}' is not a regular expression: {}",
                    reason.trim_start_matches("error: ")
                ))
                .hint("write for instance 'test', '(?:dev|test)' or, for that name alone, '^www$'")
            })?),
        };
        Ok(Self {
            tags: tags.into_iter().collect(),
            hostnames,
        })
    }

    /// Tells whether everything is chosen.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.tags.is_empty() && self.hostnames.is_none()
    }

    /// Tells whether a part is chosen.
    #[must_use]
    pub fn has(&self, tag: Tag) -> bool {
        self.tags.is_empty() || self.tags.contains(&tag)
    }

    /// Gives the expression by which web sites are chosen, if there is one.
    #[must_use]
    pub fn filter(&self) -> Option<&str> {
        self.hostnames.as_ref().map(Regex::as_str)
    }

    /// Tells whether a web site is chosen.
    #[must_use]
    pub fn has_webhost(&self, label: &HostLabel) -> bool {
        let matches = |filter: &Regex| filter.is_match(label.as_str());
        self.hostnames.as_ref().is_none_or(matches)
    }
}

/// What is done with a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is set up.
    Setup,
    /// It is taken away, but for what its users have made.
    Removal,
    /// It is taken away with mailboxes, databases and the files of web sites.
    Purge,
}

/// Everything that a domain role decides from, for one host.
pub struct DomainContext<'e> {
    /// The host, with its variables and those that the domain sets.
    pub on: HostContext<'e>,
    /// The domain.
    pub domain: &'e Domain,
    /// The firm's own domain.
    pub home_domain: DomainName,
    /// Which parts of the domain are worked on.
    pub selection: &'e Selection,
}

impl<'e> DomainContext<'e> {
    /// Tells whether the domain is the firm's own.
    #[must_use]
    pub fn is_home(&self) -> bool {
        *self.domain.name() == self.home_domain
    }

    /// Lists the web sites that are worked on.
    pub fn webhosts(&self) -> impl Iterator<Item = (&'e HostLabel, &'e Webhost)> {
        let chosen = |(label, _): &(&HostLabel, &Webhost)| self.selection.has_webhost(label);
        let all = self.domain.settings().webhosts.iter();
        all.filter(move |one| self.selection.has(Tag::Web) && chosen(one))
    }

    /// Lists the web sites that are worked on, with their hosts.
    pub fn sites(&self) -> Result<Vec<Site<'e>>, Vec<Diagnostic>> {
        let estate = self.on.estate;
        let find = |(label, webhost)| Site::find(estate, self.domain, label, webhost);
        self.webhosts().map(find).collect()
    }

    /// Tells whether the host is the one of this name.
    #[must_use]
    pub fn is_host(&self, name: &str) -> bool {
        self.on.host.name() == name
    }
}

/// Gives the firm's own domain, as a host knows it.
pub(super) fn home_domain(on: &HostContext<'_>) -> Result<DomainName, Diagnostic> {
    let name = on.vars.value::<DomainName>("home_domain")?;
    name.ok_or_else(|| {
        Diagnostic::new(format!(
            "host {}: 'home_domain' is not set, so it cannot be told which domain is the firm's own",
            on.host.name()
        ))
        .hint("set it in groups/all.yml of the estate")
    })
}

/// Gives the mistakes that show only when roles declare resources: for every domain, on every host.
pub(super) fn mistakes(
    domains: &Domains,
    estate: &Estate,
    inputs: &Inputs,
    templates: &Templates,
) -> Vec<Diagnostic> {
    let work = DomainWork::setup(domains);
    if domains.is_empty() {
        return Vec::new();
    }
    let hosts = estate.hosts().iter();
    let mut mistakes: Vec<_> = hosts
        .filter_map(|host| work.resources(estate, host, inputs, templates).err())
        .flatten()
        .collect();
    if mistakes.is_empty() {
        mistakes = shared::shared(domains, estate, inputs, templates);
    }
    mistakes
}
