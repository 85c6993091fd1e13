//! What the roles of the sample estate promise, and that it follows the variables of which they make their resources.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::promise::{Issuer, KnownFrom, Promises};
use tasks::release::Release;
use tasks::role::Inputs;
use tasks::template::Templates;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[expect(
    clippy::disallowed_methods,
    reason = "here the test is the shell that hands texts to the core"
)]
fn sources(folder: &Path) -> Sources {
    let mut sources = Sources::new("");
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            sources.insert(name, fs::read(&path).unwrap());
        }
    }
    sources
}

/// The promises of the sample estate, with settings as on the command line.
fn promises(settings: &[&str]) -> Promises {
    let sources_of_estate = sources(&folder().join("estate/docker"));
    let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
    let estate = Estate::load(&sources_of_estate, &settings).unwrap();
    let domains = Domains::load(&sources(&folder().join("domains"))).unwrap();
    let templates = Templates::load(&sources_of_estate).unwrap();
    let (promises, mistakes) = Promises::collect(&estate, &domains, &templates, &Inputs::default());
    assert_eq!(mistakes, []);
    promises
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn name_servers_promise_the_hosts_of_their_group_and_the_names_of_services() {
    let promises = promises(&[]);
    let inside = promises.name_server("internal").unwrap();
    assert_eq!(inside.server.name, "dns-internal");
    assert_eq!(inside.home_domain, "home.com");
    assert_eq!(inside.hosts.len(), 8);
    let alias = |name: &str, to: &str| (name.to_owned(), address(to));
    assert!(inside.aliases.contains(&alias("smtp", "10.0.0.110")));
    assert!(inside.aliases.contains(&alias("bacula-dir", "10.0.0.101")));
    // The host of the calendars has that name itself.
    assert!(inside.aliases.iter().all(|(name, _)| name != "caldav"));
    let outside = promises.name_server("external").unwrap();
    assert_eq!(outside.hosts.len(), 6);
    assert!(promises.name_server("nobody").is_none());
}

#[test]
fn an_alias_of_the_variables_is_promised_where_its_host_is() {
    let promises = promises(&["dns_aliases={desk: caldav, shop: mail-other}"]);
    let names = |group: &str| {
        let server = promises.name_server(group).unwrap();
        let names = server.aliases.iter().map(|(name, _)| name.clone());
        names.collect::<Vec<_>>()
    };
    assert!(names("internal").contains(&"desk".to_owned()));
    assert!(!names("internal").contains(&"shop".to_owned()));
    assert_eq!(names("external"), ["shop"]);
}

#[test]
fn names_of_domains_are_promised_to_those_who_know_them() {
    let promises = promises(&[]);
    let published = |name: &str| {
        let names = promises.published_names.iter();
        let found = names.filter(|it| it.name == name);
        found
            .map(|it| (it.address.to_string(), it.known_from))
            .collect::<Vec<_>>()
    };
    let everywhere = |to: &str| [(to.to_owned(), KnownFrom::Everywhere)];
    assert_eq!(
        published("imap"),
        [
            ("10.0.0.109".to_owned(), KnownFrom::Outside),
            ("10.0.0.110".to_owned(), KnownFrom::Inside)
        ]
    );
    assert_eq!(published("imap.home.com"), []);
    assert_eq!(published("imap.customer.com"), everywhere("10.0.0.109"));
    assert_eq!(published("customer.com"), everywhere("10.0.0.112"));
    let exchangers = promises.mail_exchangers.iter();
    let exchangers: Vec<_> = exchangers
        .map(|it| (it.domain.as_str(), it.preference, it.server.as_str()))
        .collect();
    let server = "mail-external.home.com";
    assert_eq!(
        exchangers,
        [("customer.com", 50, server), ("home.com", 50, server)]
    );
}

#[test]
fn calendars_are_promised_as_they_are_made() {
    let server = promises(&[]).calendar_servers.remove(0);
    assert_eq!(server.url, "http://caldav:5232");
    let users: Vec<_> = server.calendars.iter().map(|it| it.user.as_str()).collect();
    assert_eq!(users[0], "office");
    assert_eq!(server.calendars[0].description, "Calendar for office");
    assert_eq!(server.calendars[0].color, "#2c8323ff");
    assert_eq!(server.calendars[0].components.len(), 3);
}

#[test]
fn another_port_and_other_users_are_promised_where_the_variables_say_so() {
    let settings = [
        "calendar_port=5555",
        "office_users=[somebody]",
        "calendar_access=htpasswd",
        "calendar_users={office: one, somebody: two, nobody: three}",
    ];
    let server = promises(&settings).calendar_servers.remove(0);
    assert_eq!(server.url, "http://caldav:5555");
    assert!(!server.open);
    let passwords: Vec<_> = server
        .calendars
        .iter()
        .map(|it| (it.user.as_str(), it.password.as_ref().unwrap().expose()))
        .collect();
    assert_eq!(passwords, [("office", "one"), ("somebody", "two")]);
    // Where everybody may see everything, nobody is asked for a password.
    let open = [settings[1], settings[3], "calendar_access=open"];
    let server = promises(&open).calendar_servers.remove(0);
    assert!(server.open);
    assert!(server.calendars.iter().all(|it| it.password.is_none()));
}

#[test]
fn records_are_kept_at_the_stride_of_the_variables() {
    let usual = promises(&[]);
    let other = promises(&[
        "dynamic_dns_crontab_stride=7",
        "dns_linode_base_url=http://192.0.2.7/v4/domains/",
    ]);
    let keeper = &usual.record_keepers[0];
    assert_eq!(keeper.server.name, "dynamic-dns");
    assert_eq!(other.record_keepers[0].stride, 7);
    assert_eq!(other.record_keepers[0].api, "http://192.0.2.7/v4/domains");
    let accounts: Vec<_> = usual
        .api_accounts
        .iter()
        .map(|it| it.host.as_str())
        .collect();
    assert_eq!(accounts, ["dynamic-dns", "mail-certificates"]);
    let more = promises(&["dynamic_dns_domains={added.test: {id: 9, records: [1, 2]}}"]);
    assert_eq!(more.kept_records.len(), usual.kept_records.len() + 1);
    let added = more
        .kept_records
        .iter()
        .find(|it| it.domain == "added.test");
    assert_eq!(added.unwrap().records.len(), 2);
}

#[test]
fn the_backup_promises_its_daemons_and_copies() {
    let promises = promises(&["backup_storage_name=vault"]);
    let director = &promises.directors[0];
    assert_eq!(director.catalogue_host, "database-internal");
    assert!(director.console.expose().contains("10.0.0.101"));
    assert_eq!(
        director.copies.as_ref().unwrap().catalogue_job,
        "copy-catalogue"
    );
    assert_eq!(promises.storage_daemons[0].name, "vault");
    assert_eq!(promises.file_daemons.len(), 14);
    assert_eq!(promises.file_daemons[1].name, "caldav-fd");
}

#[test]
fn mail_is_promised_to_users_with_the_name_they_log_in_with() {
    let promises = promises(&[]);
    let domain = |name: &str| {
        let mut domains = promises.mail_domains.iter();
        domains.find(|it| it.name == name).unwrap()
    };
    let (home, customer) = (domain("home.com"), domain("customer.com"));
    assert!(home.home && !customer.home);
    assert!(!home.mailboxes[0].login.contains('@'));
    assert_eq!(customer.mailboxes[0].login, customer.mailboxes[0].address);
    assert!(!customer.mailboxes[0].password.expose().is_empty());
    let certificate = &promises.mail_certificates[0];
    assert_eq!(
        certificate.names,
        ["imap.customer.com", "smtp.customer.com"]
    );
    assert_eq!(certificate.issuer, Issuer::Estate);
    let gateway = &promises.mail_gateways[0];
    let somebody = gateway.somebody.as_ref().unwrap();
    assert!(somebody.address.ends_with(&gateway.domain));
    assert_eq!(home.gateway_account.as_deref(), Some("gateway-home"));
    assert_eq!(promises.hosted_mail[0].home_domain, "home.com");
}

#[test]
fn the_gateways_domain_and_the_issuer_follow_the_variables() {
    let promises = promises(&["mta_mailname=elsewhere.test", "mail_uses_ca=true"]);
    let gateway = &promises.mail_gateways[0];
    assert_eq!(gateway.domain, "elsewhere.test");
    assert_eq!(promises.mail_certificates[0].issuer, Issuer::Public);
}

#[test]
fn sites_are_promised_by_each_of_their_hosts() {
    let promises = promises(&[]);
    let www = |name: &str| name == "www.customer.com";
    let front = promises
        .site_fronts
        .iter()
        .find(|it| www(&it.name))
        .unwrap();
    assert_eq!(front.bare.as_deref(), Some("customer.com"));
    assert!(front.uses_ssl && front.outside);
    assert_eq!(front.proxy.name, "reverse-proxy-external");
    let behind = promises
        .site_servers
        .iter()
        .find(|it| www(&it.name))
        .unwrap();
    assert_eq!(behind.server.name, "wordpress-external");
    assert_eq!(behind.private_access, "root:www-data 640");
    let account = promises
        .site_accounts
        .iter()
        .find(|it| www(&it.site))
        .unwrap();
    assert_eq!(account.from, behind.server.address.to_string());
    assert_eq!(account.server, behind.database);
    // Every site has all three.
    assert_eq!(promises.site_fronts.len(), promises.site_servers.len());
    assert_eq!(promises.site_fronts.len(), promises.site_accounts.len());
}

#[test]
fn a_database_promises_to_listen_to_the_loopback_alone_unless_it_is_told_otherwise() {
    let exposed = |promises: &Promises, host: &str| {
        let mut servers = promises.database_servers.iter();
        let server = servers.find(|it| it.server.name == host).unwrap();
        (server.port, server.exposed)
    };
    let usual = promises(&[]);
    assert_eq!(exposed(&usual, "wordpress-stack"), (3306, false));
    assert_eq!(exposed(&usual, "database-external"), (3306, true));
    let told = promises(&["database_expose_externally=true"]);
    assert_eq!(exposed(&told, "wordpress-stack"), (3306, true));
}

#[test]
fn what_keeps_a_role_from_promising_is_a_mistake_with_its_place() {
    let inventory = "name: e\nhosts: {one: {address: 192.0.2.1, location: internal}}\nroles: {calendar: [one]}\n";
    let sources = Sources::new("e")
        .with("estate.yml", inventory)
        .with("groups/all.yml", "calendar_port: many\n");
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let domains = Domains::default();
    let (promises, mistakes) = Promises::collect(&estate, &domains, &templates, &Inputs::default());
    assert!(promises.calendar_servers.is_empty());
    assert_eq!(mistakes.len(), 1);
    assert_eq!(mistakes[0].place.as_ref().unwrap().line, 1);
}

#[test]
fn a_client_has_the_release_of_the_host_whose_program_it_must_understand() {
    let inventory = "name: e\nrelease: bookworm\nhosts:\n  one: {address: 192.0.2.1, location: internal, release: trixie}\n";
    let estate = Estate::load(&Sources::new("e").with("estate.yml", inventory), &[]).unwrap();
    assert_eq!(estate.client_release(None), Release::Bookworm);
    assert_eq!(estate.client_release(estate.host("one")), Release::Trixie);
}

#[test]
fn whatever_other_hosts_are_served_is_promised_at_its_port() {
    let promises = promises(&["wordpress_expose_externally=true"]);
    let lines = promises.open_ports.iter().map(|port| {
        let (everybody, inside) = (port.to.everybody, port.to.inside);
        let to = [(everybody, "everybody"), (inside, "inside")];
        let to = to
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, to)| (*to).to_owned());
        let networks = port.to.networks.iter().map(ToString::to_string);
        let to: Vec<_> = to.chain(networks).collect();
        let (host, role, protocol) = (&port.host, &port.role, port.protocol);
        format!(
            "{host}: {role}: {}/{protocol} to {}\n",
            port.port,
            to.join(", ")
        )
    });
    insta::assert_snapshot!(lines.collect::<String>());
}
