//! What one host of an estate has of another one that no mistake of the estate tells: a name server, a smarthost, accounts and databases.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::name_servers;
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Host};
use crate::leaving::Reliance;
use crate::quote;
use crate::resource::{Declared, Resource, State};

/// The part of `mta_smarthost` that names a host.
#[derive(Deserialize)]
struct Smarthost {
    hostname: String,
}

/// Gives the roles by which a host serves other hosts of its estate, each with what it does for whom.
///
/// What they could not be decided about without is a mistake of the estate already (`prov check`), and not among them.
#[must_use]
pub fn relied_on(estate: &Estate, host: &Host) -> BTreeMap<&'static str, Reliance> {
    let others = || {
        estate
            .hosts()
            .iter()
            .filter(|other| other.name() != host.name())
    };
    let those_who = |of: &dyn Fn(&Host) -> bool| -> BTreeSet<String> {
        let hosts = others().filter(|other| of(other));
        hosts.map(|other| other.name().to_owned()).collect()
    };
    let asks = |other: &Host| name_servers(estate, other).contains(host.name());
    let sends = |other: &Host| {
        let smarthost = estate.vars(other).value::<Smarthost>("mta_smarthost");
        let named = smarthost.ok().flatten().map(|it| it.hostname);
        other.has_role("mta")
            && named.is_some_and(|name| name.split('.').next() == Some(host.name()))
    };
    [
        (
            "dns",
            those_who(&asks),
            "resolves names for",
            "dns_resolvers",
        ),
        (
            "mta",
            those_who(&sends),
            "takes the mail of",
            "mta_smarthost",
        ),
    ]
    .into_iter()
    .filter(|(_, hosts, ..)| !hosts.is_empty())
    .map(|(role, hosts, does, variable)| {
        let reliance = Reliance {
            hosts,
            does,
            variable,
        };
        (role, reliance)
    })
    .collect()
}

/// Tells whether a resource takes away an account or a database of a server.
fn takes_from_server(resource: &Resource) -> bool {
    let state = if let Resource::MariaDbUser(it) = resource {
        it.state
    } else if let Resource::MariaDbDatabase(it) = resource {
        it.state
    } else if let Resource::PostgresqlUser(it) = resource {
        it.state
    } else if let Resource::PostgresqlDatabase(it) = resource {
        it.state
    } else {
        return false;
    };
    state == State::Absent
}

/// Names what resources would take from under roles and domains that declare it for the same host: they connect with that
/// account, or keep their data there, often from another host.
#[must_use]
pub fn taken_from_under(host: &str, taking: &[Declared], declared: &[Declared]) -> Vec<Diagnostic> {
    let takes = taking
        .iter()
        .filter(|one| takes_from_server(&one.resource) && !one.insisted);
    let mut mistakes = Vec::new();
    for one in takes {
        let name = one.name();
        let used = |other: &&Declared| other.name() == name && !takes_from_server(&other.resource);
        mistakes.extend(declared.iter().find(used).map(|other| {
            Diagnostic::new(format!(
                "host {host}: {name} would be taken away, and the role {} of the estate works with it",
                other.role
            ))
            .hint(format!("take what works with it out of the estate first (a domain's with `prov domain NAME --remove`); then it goes; if this is what you want, say it twice: --insist {}", quote::sh(&name)))
        }));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Sources;

    fn estate(variables: &str) -> Estate {
        let inventory = "name: e\nhosts:\n  ns: {address: 10.0.0.7, location: internal}\n  web: {address: 10.0.0.8, location: internal}\n\
                         roles: {mta: all, dns_client: all}\n";
        let sources = Sources::new("e")
            .with("estate.yml", inventory)
            .with("groups/all.yml", variables);
        Estate::load(&sources, &[]).unwrap()
    }

    fn relied(variables: &str, name: &str) -> Vec<(&'static str, Vec<String>)> {
        let estate = estate(variables);
        let host = estate
            .hosts()
            .iter()
            .find(|host| host.name() == name)
            .unwrap();
        let relied = relied_on(&estate, host).into_iter();
        relied
            .map(|(role, by)| (role, by.hosts.into_iter().collect()))
            .collect()
    }

    #[test]
    fn who_asks_a_host_for_names_or_sends_mail_by_it_relies_on_it() {
        let dns = "dns_resolvers: [10.0.0.7]\n";
        assert_eq!(relied(dns, "ns"), [("dns", vec!["web".to_owned()])]);
        assert_eq!(relied(dns, "web"), []);
        let mail = "mta_smarthost: {hostname: ns.home.test, port: 587}\n";
        assert_eq!(relied(mail, "ns"), [("mta", vec!["web".to_owned()])]);
        assert_eq!(relied("mta_smarthost: {hostname: nsx}\n", "ns"), []);
        assert_eq!(relied("dns_resolvers: [192.0.2.53]\n", "ns"), []);
    }

    #[test]
    fn a_database_that_a_domain_keeps_its_data_in_is_not_taken_from_under_it() {
        let declared = |role: &str, text: &str| {
            Declared::new(role, serde_yaml::from_str::<Resource>(text).unwrap())
        };
        let used = [
            declared("wordpress", "mariadb_database: {name: shop}"),
            declared(
                "wordpress",
                "mariadb_user: {account: shop@10.0.0.8, password: x}",
            ),
            declared("store", "postgresql_user: {name: shop}"),
        ];
        for taking in [
            "mariadb_database: {name: shop, state: absent}",
            "mariadb_user: {account: shop@10.0.0.8, state: absent}",
            "postgresql_user: {name: shop, state: absent}",
        ] {
            let found = taken_from_under("db", &[declared("task", taking)], &used);
            assert_eq!(found.len(), 1, "{taking}");
            assert!(found[0].message.starts_with("host db: "), "{found:?}");
        }
        for other in [
            "mariadb_database: {name: other, state: absent}",
            "mariadb_user: {account: shop@10.0.0.9, state: absent}",
            "mariadb_database: {name: shop}",
            "postgresql_database: {name: shop, state: absent}",
        ] {
            assert_eq!(
                taken_from_under("db", &[declared("task", other)], &used),
                [],
                "{other}"
            );
        }
    }
}
