//! Addresses that one side cannot reach, between two networks of containers: what only works inside is found before anything is made.
//!
//! What is outside must never hold an address of the office: it reaches the office at its router alone, and is reached from there by the
//! router's address. So whatever a host outside is given is searched for such addresses, whoever wrote them. What hosts are told by others is
//! promised as data ([`Told`]).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value as Json;

use super::{HostContext, Inputs, resources};
use crate::diagnostic::Diagnostic;
use crate::domain::Domains;
use crate::domain::role::DomainWork;
use crate::estate::{Estate, Host, Location, Router};
use crate::promise::{Promises, Told};
use crate::resource::{Declared, Resource};
use crate::template::Templates;

/// How a line begins that compares the certificate of whoever connects: nobody is connected to by what stands there.
const IDENTITY: &str = "TLS Allowed CN";

/// Finds what hosts and clients of one side cannot reach; nothing where everything is in one network.
pub(super) fn unreachable(
    estate: &Estate,
    domains: &Domains,
    templates: &Templates,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let Some(sides) = estate.sides() else {
        return Vec::new();
    };
    let router = &sides.router;
    let office: BTreeMap<Ipv4Addr, &Host> = estate
        .hosts()
        .iter()
        .filter(|host| host.location() == Location::Internal)
        .filter_map(|host| match host.address() {
            IpAddr::V4(address) => Some((address, host)),
            IpAddr::V6(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    let work = DomainWork::setup(domains);
    let outside = estate.hosts().iter();
    for host in outside.filter(|host| host.location() == Location::External) {
        let context = HostContext::new(estate, host, inputs, templates);
        // Mistakes that keep resources from being declared are told where they are.
        let of_roles = resources(&context).unwrap_or_default();
        let of_domains = work.resources(estate, host, inputs, templates);
        for declared in of_roles.iter().chain(&of_domains.unwrap_or_default()) {
            found.extend(held(host, declared, &office, router));
        }
    }
    let (promises, _) = Promises::collect(estate, domains, templates, inputs);
    let told = promises.told.iter();
    found.extend(told.filter_map(|told| of_told(told, estate, router)));
    for server in &promises.name_servers {
        let is_inside = estate
            .host(&server.server.name)
            .is_some_and(|host| host.location() == Location::Internal);
        if is_inside && server.group == Location::External.as_str() {
            let message = format!(
                "clients outside ask host {} for names at {}, an address of the office that nothing outside reaches",
                server.server.name, server.server.address
            );
            found.push(Diagnostic::new(message).hint(
                "have a host with 'location: external' answer for the group 'external' ('dns_group')",
            ));
        }
    }
    found
}

/// Finds addresses of the office in what is declared for a host outside.
fn held(
    host: &Host,
    declared: &Declared,
    office: &BTreeMap<Ipv4Addr, &Host>,
    router: &Router,
) -> Vec<Diagnostic> {
    let mut texts = Vec::new();
    texts_of(&declared.resource, &mut texts);
    let mut seen: Vec<Ipv4Addr> = Vec::new();
    for text in &texts {
        for line in text.lines() {
            if line.trim_start().starts_with(IDENTITY) {
                continue;
            }
            for address in addresses(line) {
                if office.contains_key(&address) && !seen.contains(&address) {
                    seen.push(address);
                }
            }
        }
    }
    let manage = declared.resource.manage();
    seen.into_iter()
        .map(|address| {
            let other = office.get(&address).map_or("", |host| host.name());
            let message = format!(
                "host {}: role {} has {address} in {} {}, the address of {other} in the office, which nothing outside reaches",
                host.name(),
                declared.role,
                manage.kind(),
                manage.id()
            );
            let hint = match declared.role.as_str() {
                "dns_client" => asked_outside("dns_resolvers"),
                "dns" => asked_outside("dns_upstream_nameservers"),
                _ => remedy(other, router),
            };
            Diagnostic::at(host.mark().place(), message).hint(hint)
        })
        .collect()
}

/// Says that a name server is asked by its address alone.
fn asked_outside(variable: &str) -> String {
    format!("name servers that are outside, too, in '{variable}'")
}

/// Says by what something outside reaches a host in the office instead.
fn remedy(host: &str, router: &Router) -> String {
    if router.leads_to(host) {
        format!(
            "say '{host}', which name servers outside know by the router's address {}; who comes from the office is seen at that, too",
            router.external
        )
    } else {
        format!(
            "forward the port in estate.yml, 'router: {{forwards: {{{host}: [PORT]}}}}', and say '{host}', which name servers outside then know by the \
             router's address {}; who comes from the office is seen at that, too",
            router.external
        )
    }
}

/// Judges what a host is told to reach another one by.
fn of_told(told: &Told, estate: &Estate, router: &Router) -> Option<Diagnostic> {
    let (host, other) = (estate.host(&told.host)?, estate.host(&told.of)?);
    let (Location::External, Location::Internal) = (host.location(), other.location()) else {
        return None;
    };
    let Told { port, of, .. } = told;
    let mut forwards = router.forwards.iter();
    let is_forwarded = forwards.any(|it| it.host == *of && it.port == *port);
    let is_own = told.by == other.address().to_string();
    if is_forwarded && !is_own {
        return None;
    }
    let forward =
        format!("forward the port in estate.yml, 'router: {{forwards: {{{of}: [{port}]}}}}'");
    let name = format!(
        "set '{}' to a name that both sides know, such as '{of}'",
        told.variable
    );
    let hint = match (is_own, is_forwarded) {
        (true, true) => name,
        (true, false) => format!("{name}, and {forward}"),
        (false, _) => forward,
    };
    let reason = if is_own {
        "an address of the office that nothing outside reaches"
    } else {
        "but the router forwards no such port there"
    };
    let message = format!(
        "host {}: role {} tells it to reach {of} as {}, port {port}, {reason}",
        host.name(),
        told.role,
        told.by
    );
    Some(Diagnostic::at(host.mark().place(), message).hint(hint))
}

/// Gathers the texts of a resource, contents of files among them; secrets are masked.
fn texts_of(resource: &Resource, texts: &mut Vec<String>) {
    fn gather(value: &Json, texts: &mut Vec<String>) {
        match value {
            Json::String(text) => texts.push(text.clone()),
            Json::Array(values) => values.iter().for_each(|value| gather(value, texts)),
            Json::Object(fields) => fields.values().for_each(|value| gather(value, texts)),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
    if let Ok(value) = serde_json::to_value(resource) {
        gather(&value, texts);
    }
}

/// Finds the IPv4 addresses in a line. One with the length of a prefix is a network, unless it is that of one address.
fn addresses(line: &str) -> impl Iterator<Item = Ipv4Addr> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || ".-_/".contains(c)));
    words.filter_map(|word| {
        // "//10.0.0.1/admin" follows the scheme of a page.
        let word = word.trim_start_matches('/');
        let (address, prefix) = word.split_once('/').unwrap_or((word, "32"));
        let address = address.trim_end_matches('.').parse().ok()?;
        let is_network = prefix.parse::<u8>().is_ok_and(|length| length < 32);
        (!is_network).then_some(address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Sources;

    #[test]
    fn addresses_are_whole_words_and_no_networks() {
        let found = |line: &str| addresses(line).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(found("server=10.0.1.101#53"), ["10.0.1.101"]);
        assert_eq!(
            found("http://10.0.1.101:80/x 10.0.1.102."),
            ["10.0.1.101", "10.0.1.102"]
        );
        assert_eq!(
            found("http://10.0.1.101/v4/domains {10.0.1.5, 10.0.1.6/32}"),
            ["10.0.1.101", "10.0.1.5", "10.0.1.6"]
        );
        assert!(found("10.0.1.101.5 10.0.1.0/24 v10.0.1.101 a-10.0.1.101").is_empty());
    }

    /// Shows what is found in an estate with a host on each side.
    fn found(forwards: &str, role: &str) -> Vec<String> {
        let inventory = format!(
            "name: e\ncontainers:\n  networks: {{internal: 10.0.1.0/24, external: 10.0.2.0/24}}\n  router: {{internal: 10.0.1.100, external: 10.0.2.100, forwards: {forwards}}}\n\
             connection: {{user: admin, password: x, sudo: password}}\n\
             hosts:\n  hub: {{address: 10.0.1.101, location: internal}}\n  shop: {{address: 10.0.2.101, location: external}}\n\
             roles: {{own: [shop]}}\n"
        );
        let sources = Sources::new("e")
            .with("estate.yml", inventory)
            .with("roles/own/role.yml", role);
        let estate = Estate::load(&sources, &[]).unwrap();
        let roles = crate::role::Catalogue::load(&sources, &[]).unwrap();
        let inputs = Inputs {
            roles,
            ..Inputs::default()
        };
        let templates = Templates::load(&sources).unwrap();
        let found = unreachable(&estate, &Domains::default(), &templates, &inputs);
        let shown = found.into_iter().map(|it| {
            let hint = it.hint.unwrap_or_default();
            format!("{} ({hint})", it.message)
        });
        shown.collect()
    }

    #[test]
    fn an_address_of_the_office_in_a_file_of_a_host_outside_is_found() {
        let role = |content: &str| {
            format!(
                "summary: x\nresources:\n  - file: {{path: /etc/app.conf, content: \"{content}\"}}\n"
            )
        };
        let plain = found("{}", &role("server {{ address(host='hub') }}\\n"));
        insta::assert_snapshot!(plain.join("\n"), @"host shop: role own has 10.0.1.101 in file /etc/app.conf, the address of hub in the office, which nothing outside reaches (forward the port in estate.yml, 'router: {forwards: {hub: [PORT]}}', and say 'hub', which name servers outside then know by the router's address 10.0.2.100; who comes from the office is seen at that, too)");
        let led = found("{hub: [80]}", &role("server 10.0.1.101:80\\n"));
        insta::assert_snapshot!(led.join("\n"), @"host shop: role own has 10.0.1.101 in file /etc/app.conf, the address of hub in the office, which nothing outside reaches (say 'hub', which name servers outside know by the router's address 10.0.2.100; who comes from the office is seen at that, too)");
        for fine in [
            "server hub\\n",
            "server 10.0.2.100\\n",
            "TLS Allowed CN = 10.0.1.101\\n",
            "allow 10.0.1.0/24\\n",
        ] {
            assert!(found("{hub: [80]}", &role(fine)).is_empty(), "{fine}");
        }
    }

    #[test]
    fn what_a_host_is_told_must_be_a_name_and_a_forwarded_port() {
        let judged = |forwards: &str, by: &str| {
            let inventory = format!(
                "name: e\ncontainers:\n  networks: {{internal: 10.0.1.0/24, external: 10.0.2.0/24}}\n  router: {{internal: 10.0.1.100, external: 10.0.2.100, forwards: {forwards}}}\n\
                 hosts:\n  hub: {{address: 10.0.1.101, location: internal}}\n  shop: {{address: 10.0.2.101, location: external}}\n"
            );
            let sources = Sources::new("e").with("estate.yml", inventory);
            let estate = Estate::load(&sources, &[]).unwrap();
            let told = Told {
                host: "shop".to_owned(),
                of: "hub".to_owned(),
                by: by.to_owned(),
                port: crate::value::Port::new("9103").unwrap(),
                role: "backup_director",
                variable: "backup_storage_host",
            };
            let found = of_told(&told, &estate, &estate.sides().unwrap().router);
            found.map(|it| format!("{} ({})", it.message, it.hint.unwrap_or_default()))
        };
        insta::assert_snapshot!(judged("{}", "10.0.1.101").unwrap(), @"host shop: role backup_director tells it to reach hub as 10.0.1.101, port 9103, an address of the office that nothing outside reaches (set 'backup_storage_host' to a name that both sides know, such as 'hub', and forward the port in estate.yml, 'router: {forwards: {hub: [9103]}}')");
        insta::assert_snapshot!(judged("{hub: [9103]}", "10.0.1.101").unwrap(), @"host shop: role backup_director tells it to reach hub as 10.0.1.101, port 9103, an address of the office that nothing outside reaches (set 'backup_storage_host' to a name that both sides know, such as 'hub')");
        insta::assert_snapshot!(judged("{hub: [9102]}", "bacula-sd").unwrap(), @"host shop: role backup_director tells it to reach hub as bacula-sd, port 9103, but the router forwards no such port there (forward the port in estate.yml, 'router: {forwards: {hub: [9103]}}')");
        assert_eq!(judged("{hub: [9103]}", "bacula-sd"), None);
    }
}
