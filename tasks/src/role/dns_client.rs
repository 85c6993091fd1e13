//! The host's own name and its resolvers.
//!
//! In a container both files are mount points that the engine writes anew for every container, so this role is left
//! to completion there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, checked, dns, fixed};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Host};
use crate::promise::{NeedKind, Needed, Promises};
use crate::resource::{Command, Declared, File, Line, Resource};
use crate::value::DomainName;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm, in which short names are looked up.
    home_domain: DomainName,
    /// Addresses of the name servers that the host asks, at most three (resolv.conf(5)). A name server that is the only one
    /// that it asks itself asks its own upstream servers after that: it can be repaired while its daemon does not run.
    dns_resolvers: Vec<IpAddr>,
    /// Whether the host calls itself what the estate calls it (hostname(5)): a server that was rented under another name gets
    /// this one, at once and for the next boot.
    #[serde(default)]
    hostname_managed: bool,
}

/// Gives the name servers that a host asks: one that asks nobody but itself could not be repaired without its daemon.
fn resolvers(cx: &HostContext<'_>, own: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut resolvers = own;
    let address = cx.host.address();
    let is_own = |resolver: &IpAddr| *resolver == address || resolver.is_loopback();
    if cx.host.has_role("dns") && resolvers.iter().all(is_own) {
        let upstream = dns::upstream_of(cx).into_iter();
        let news: Vec<_> = upstream.filter(|it| !resolvers.contains(it)).collect();
        resolvers.extend(news);
        resolvers.truncate(MOST);
    }
    resolvers
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns_client")?;
    let asked = variables.dns_resolvers.into_iter();
    let asked = asked.filter_map(|address| Needed::at(cx.estate, address));
    promises.relies((cx.host, "dns_client"), NeedKind::Names, asked);
    Ok(())
}

/// Names the other hosts of the estate that a host with this role asks for names.
#[must_use]
pub fn name_servers(estate: &Estate, host: &Host) -> BTreeSet<String> {
    let asked = estate.vars(host).value::<Vec<IpAddr>>("dns_resolvers");
    let asked = asked.ok().flatten().filter(|_| host.has_role("dns_client"));
    let asked = asked.unwrap_or_default();
    let hosts = estate
        .hosts()
        .iter()
        .filter(|other| other.name() != host.name());
    let servers = hosts.filter(|other| asked.contains(&other.address()));
    servers.map(|server| server.name().to_owned()).collect()
}

/// Name servers that the resolver library reads (resolv.conf(5)).
const MOST: usize = 3;

/// Tells whether the kernel knows the host by a name.
const IS_NAMED: &str = "[ \"$(hostname)\" = \"$1\" ]";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns_client")?;
    let mut role = Declarations::new("dns_client");
    if variables.dns_resolvers.is_empty() || variables.dns_resolvers.len() > MOST {
        let count = variables.dns_resolvers.len();
        return Err(vec![
            Diagnostic::new(format!(
                "host {}: 'dns_resolvers' has {count} addresses",
                cx.host.name()
            ))
            .hint("name one to three; the resolver library reads no more"),
        ]);
    }
    let (name, address) = (cx.host.name(), cx.host.address());
    let domain = &variables.home_domain;
    let mut line = Line::new(
        fixed("/etc/hosts"),
        Content::plain(format!("{address} {name}.{domain} {name}")),
    );
    let literal = regex::escape(&address.to_string());
    line.regexp = role.take(checked(format!("^{literal}[ \\t]")));
    role.add(Resource::Line(line)).on_completion().stays();
    if variables.hostname_managed {
        let file = File::new(fixed("/etc/hostname"), Content::plain(format!("{name}\n")));
        role.add(Resource::File(file)).on_completion().stays();
        let command = Command::unless(["sh", "-c", IS_NAMED, "sh", name], ["hostname", name]);
        role.add(Resource::Command(command)).on_completion();
    }
    let asked = resolvers(cx, variables.dns_resolvers);
    let resolvers = cx
        .render("dns_client/resolv.conf")
        .set("domain", domain)
        .set("resolvers", &asked)
        .finish();
    if let Some(content) = role.take(resolvers) {
        let file = File::new(fixed("/etc/resolv.conf"), content);
        role.add(Resource::File(file)).on_completion().stays();
    }
    role.finish()
}
