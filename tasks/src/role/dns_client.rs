//! The host's own name and its resolvers.
//!
//! In a container both files are mount points that the engine writes anew for every container, so this role is left
//! to completion there.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, checked, fixed};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::resource::{Declared, File, Line, Resource};
use crate::value::DomainName;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm, in which short names are looked up.
    home_domain: DomainName,
    /// Addresses of the name servers that the host asks, at most three (resolv.conf(5)).
    dns_resolvers: Vec<IpAddr>,
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns_client")?;
    let mut role = Declarations::new("dns_client");
    if variables.dns_resolvers.is_empty() || variables.dns_resolvers.len() > 3 {
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
    let resolvers = cx
        .render("dns_client/resolv.conf")
        .set("domain", domain)
        .set("resolvers", &variables.dns_resolvers)
        .finish();
    if let Some(content) = role.take(resolvers) {
        let file = File::new(fixed("/etc/resolv.conf"), content);
        role.add(Resource::File(file)).on_completion().stays();
    }
    role.finish()
}
