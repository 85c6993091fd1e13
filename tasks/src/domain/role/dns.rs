//! The names of a domain, on the servers that people inside and outside ask.
//!
//! The server that answers for the group `internal` is asked by the office, the one for `external` plays the Internet's.
//! Each part of a domain has files of its own, so that a run for some of them leaves the others alone.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DomainContext, DomainDeclarations, Tag};
use crate::diagnostic::Diagnostic;
use crate::domain::HostLabel;
use crate::estate::{Host, Location};
use crate::promise::{IMAP_NAME, KnownFrom, MailExchanger, Promises, PublishedName, SMTP_NAME};
use crate::resource::{File, Handler, Resource};
use crate::role::{dns, fixed};
use crate::value::{DomainName, HostPath};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Group whose hosts this server answers for.
    #[serde(default = "dns::internal")]
    dns_group: String,
}

/// A line of a hosts file.
#[derive(Debug, Serialize)]
struct Entry {
    address: IpAddr,
    names: Vec<String>,
}

/// How the names of files begin that concern a domain's mail.
const MAIL: &str = "domain-mail-";

/// Preference of the one server that takes the domain's mail (RFC 5321, section 5.1).
const PREFERENCE: u16 = 50;

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let variables: Variables = match cx.on.vars.typed("domain_dns") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let inside = variables.dns_group == Location::Internal.as_str();
    if cx.selection.has(Tag::Mail) && cx.domain.has_mail() {
        mail(cx, made, inside);
    }
    for (label, entry) in sites(cx, inside) {
        hosts(cx, made, "domain-web-", &cx.domain.site(label), &[entry]);
    }
}

/// Gives the address at which whoever asks this server reaches a host. Where that is none, its own is what `prov check` finds.
fn address(cx: &DomainContext<'_>, host: &Host, inside: bool) -> IpAddr {
    let side = if inside {
        Location::Internal
    } else {
        Location::External
    };
    let address = cx.on.estate.address_from(side, host);
    address.unwrap_or_else(|| host.address())
}

/// Gives the names of the web sites, each with the address of the host in front of it.
fn sites<'c>(
    cx: &'c DomainContext<'_>,
    inside: bool,
) -> impl Iterator<Item = (&'c HostLabel, Entry)> {
    cx.webhosts().filter_map(move |(label, webhost)| {
        let mut names = vec![cx.domain.site(label).to_string()];
        if label.as_str() == "www" {
            names.push(cx.domain.name().to_string());
        }
        let address = address(cx, cx.on.estate.host(&webhost.proxy)?, inside);
        Some((label, Entry { address, names }))
    })
}

/// The server outside promises what everybody knows; the office's own then knows it, too.
pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.on.vars.typed("domain_dns")?;
    let inside = variables.dns_group == Location::Internal.as_str();
    let mut publish = |known_from, name: String, address| {
        let name = PublishedName {
            name,
            address,
            known_from,
        };
        if !promises.published_names.contains(&name) {
            promises.published_names.push(name);
        }
    };
    if cx.domain.has_mail() {
        let server = mail_server(cx, inside).map_err(Diagnostic::alone)?;
        // In the office, the firm's own mail servers are those of the office, by short names.
        let office = !cx.on.estate.hosts_with_role("mail_internal").is_empty();
        for label in [IMAP_NAME, SMTP_NAME] {
            match (inside, cx.is_home() && office) {
                (true, true) => publish(KnownFrom::Inside, label.to_owned(), server.address()),
                (false, false) => {
                    let name = cx.domain.sub(label).to_string();
                    publish(KnownFrom::Everywhere, name, server.address());
                }
                (false, true) if label == IMAP_NAME => {
                    publish(KnownFrom::Outside, label.to_owned(), server.address());
                }
                (true, false) | (false, true) => {}
            }
        }
    }
    if inside {
        return Ok(());
    }
    for ((_, Entry { address, names }), (_, own)) in sites(cx, inside).zip(sites(cx, true)) {
        // A site in the office has another address there than for the world.
        for name in names.into_iter().filter(|_| own.address == address) {
            publish(KnownFrom::Everywhere, name, address);
        }
    }
    if cx.domain.has_mail() {
        let server = mail_server(cx, inside).map_err(Diagnostic::alone)?;
        let exchanger = MailExchanger {
            domain: cx.domain.name().to_string(),
            preference: PREFERENCE,
            server: target(cx, server),
        };
        if !promises.mail_exchangers.contains(&exchanger) {
            promises.mail_exchangers.push(exchanger);
        }
    }
    Ok(())
}

fn mail(cx: &DomainContext<'_>, made: &mut DomainDeclarations, inside: bool) {
    let domain = cx.domain.name();
    let Some(server) = made.take(mail_server(cx, inside)) else {
        return;
    };
    if inside {
        // `smtp` is an alias of the estate's; mail of other domains is read outside.
        if cx.is_home() {
            let names = vec![IMAP_NAME.to_owned()];
            let address = server.address();
            hosts(cx, made, MAIL, domain, &[Entry { address, names }]);
        }
        return;
    }
    let names = [IMAP_NAME, SMTP_NAME].map(|label| cx.domain.sub(label).to_string());
    let mut names = names.to_vec();
    if cx.is_home() {
        // In the office the short name is that of the office's own server, and asked for there.
        names.push(IMAP_NAME.to_owned());
    }
    let entry = Entry {
        address: address(cx, server, inside),
        names,
    };
    hosts(cx, made, MAIL, domain, &[entry]);
    let content = cx
        .on
        .render("domain_dns/mail.conf")
        .set("domain", domain)
        .set("server", &target(cx, server))
        .set("preference", &PREFERENCE)
        .finish();
    if let Some(content) = made.take(content) {
        let path = fixed::<HostPath>("/etc/dnsmasq.d").join(MAIL, domain, "");
        made.add(Resource::File(File::new(path, content)))
            .notifies(&dns::restart());
    }
}

/// Gives the name by which the world knows the mail server.
fn target(cx: &DomainContext<'_>, server: &Host) -> String {
    format!("{}.{}", server.name(), cx.home_domain)
}

/// Finds the host that serves the domain's mail on one side.
fn mail_server<'e>(cx: &DomainContext<'e>, inside: bool) -> Result<&'e Host, Diagnostic> {
    let role = if inside {
        "mail_internal"
    } else {
        "mail_external"
    };
    let hosts = cx.on.estate.hosts_with_role(role);
    hosts.first().copied().ok_or_else(|| {
        Diagnostic::new(format!(
            "the domain {} has mail, but no host of the estate has the role {role}",
            cx.domain.name()
        ))
        .hint(format!(
            "give a host the role {role}, or the domain no users"
        ))
    })
}

fn hosts(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    part: &'static str,
    name: &DomainName,
    entries: &[Entry],
) {
    let content = cx
        .on
        .render("domain_dns/hosts")
        .set("domain", cx.domain.name())
        .set("entries", entries)
        .finish();
    if let Some(content) = made.take(content) {
        let path = fixed::<HostPath>(dns::HOSTS).join(part, name, "");
        made.add(Resource::File(File::new(path, content)))
            .notifies(&Handler::reload(fixed("dnsmasq")));
    }
}
