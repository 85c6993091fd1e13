//! Which ports a host's roles serve, to whom, and the firewall that is made of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use insta::assert_snapshot;
use serde_json::Value;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::role::{self, Catalogue, HostContext, Inputs};
use tasks::template::Templates;

const INVENTORY: &str = "
name: e
connection: {port: 2222}
hosts:
  ns: {address: 10.0.0.5, location: internal}
  db: {address: 10.0.0.6, location: internal}
  web: {address: 192.0.2.7, location: external}
  six: {address: '2001:db8::7', location: external}
roles:
  firewall: [ns, db, web]
  dns: [ns]
  time: [ns]
  ssh_server: [ns, web]
  monitoring: all
  postgresql: [db]
  reverse_proxy: [web]
  page: [web]
";

const VARIABLES: &str = "
home_domain: home.test
dns_upstream_nameservers: [192.0.2.53]
time_clients: [10.0.0.0/8]
ssh_server_ports: [2222, 22]
monitoring_clients: [db, six]
postgresql_clients: [10.0.0.0/24, 10.0.0.7, 10.0.9.1, '2001:db8::/32']
firewall_inside: [10.0.0.0/24]
firewall_open: {51820/udp: [everybody], 8000-8010/tcp: [inside, six]}
";

const PAGE: &str = "
summary: A page.
checks:
  - http: {url: 'http://web:8080/'}
  - tcp: {port: 8081}
    from: inside
  - tcp: {port: 8081}
    from: outside
  - tcp: {port: 8082}
    from: host
  - tcp: {port: 8083, open: false}
  - tcp: {port: 8084, host: 127.0.0.1}
  - tcp: {port: 8085, host: ns}
  - tcp: {port: 8086}
    to: [ns, 198.51.100.0/24]
  - tcp: {port: 8089}
    to: \"{{ hosts(role='postgresql') }}\"
  - http: {url: 'https://www.example.com:8087/'}
    to: everybody
  - http: {url: 'https://www.example.com:8088/'}
    to: nobody
  - dns: {name: x, server: 192.0.2.8, port: 5353}
  - imap: {user: anna, password: x}
    from: inside
  - command: {argv: [x]}
";

fn sources(page: &str, variables: &str) -> Sources {
    Sources::new("e")
        .with("estate.yml", INVENTORY)
        .with("groups/all.yml", variables)
        .with("roles/page/role.yml", page)
}

fn inputs(sources: &Sources) -> Inputs {
    Inputs {
        roles: Catalogue::load(sources, &[]).unwrap(),
        ..Inputs::default()
    }
}

/// Does what `prov check` does.
fn check(page: &str, variables: &str) -> String {
    let sources = sources(page, variables);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).ok().unwrap();
    let mistakes = role::check(&estate, &Domains::default(), &templates, &inputs(&sources));
    let told = mistakes.iter().map(|mistake| match &mistake.hint {
        Some(hint) => format!("{mistake}\n  {hint}\n"),
        None => format!("{mistake}\n"),
    });
    told.collect()
}

/// Gives the rules of a host's firewall.
fn rules(host: &str, page: &str, variables: &str) -> String {
    rules_of(host, &sources(page, variables))
}

fn rules_of(host: &str, sources: &Sources) -> String {
    let estate = Estate::load(sources, &[]).unwrap();
    let templates = Templates::load(sources).ok().unwrap();
    let inputs = inputs(sources);
    let host = estate.host(host).unwrap();
    let context = HostContext::new(&estate, host, &inputs, &templates);
    let declared = role::resources(&context).unwrap();
    let table = declared
        .iter()
        .find(|one| one.name() == "nftables inet firewall");
    let json = serde_json::to_value(&table.unwrap().resource).unwrap();
    let fields = json.as_object().unwrap().values().next();
    let rules = fields.and_then(|fields| fields["content"].as_str().map(str::to_owned));
    rules.unwrap_or_else(|| panic!("{}", Value::to_string(&json)))
}

#[test]
fn what_roles_serve_is_open_for_those_whom_they_serve() {
    assert_eq!(check(PAGE, VARIABLES), "");
    assert_snapshot!(rules("ns", PAGE, VARIABLES));
    assert_snapshot!(rules("db", PAGE, VARIABLES));
    assert_snapshot!(rules("web", PAGE, VARIABLES));
}

#[test]
fn whom_everything_or_ssh_is_open_for_is_said_by_family() {
    let more = "firewall_trusted: [10.1.0.0/16, 'fd00::/8']\nfirewall_ssh_from: [10.2.0.0/16, 'fd01::/16']\nfirewall_ssh_ports: [24]\nfirewall_log: false\n";
    assert_snapshot!(rules("ns", PAGE, &format!("{VARIABLES}{more}")));
}

#[test]
fn what_cannot_be_told_is_a_mistake() {
    let page = |check: &str| format!("summary: A page.\nchecks:\n  - {check}\n");
    for (page, from, to, words) in [
        (
            page("http: {url: 'https://www.example.com/'}"),
            "",
            "",
            "e/roles/page/role.yml:3:5: host web: its firewall must know whether www.example.com is web itself",
        ),
        (
            page("tcp: {port: 80}\n    to: [wbe]"),
            "",
            "",
            "e/roles/page/role.yml:4:9: nobody is called 'wbe'; did you mean 'web'?",
        ),
        (
            page("tcp: {port: 80, open: false}\n    to: everybody"),
            "",
            "",
            "e/roles/page/role.yml:3:5: `to` says to whom a port is served",
        ),
        (
            PAGE.to_owned(),
            "firewall_inside: [10.0.0.0/24]",
            "",
            "ns serves udp 53 to the machines inside (dns), and nothing says which these are: set 'firewall_inside'",
        ),
        (
            PAGE.to_owned(),
            "51820/udp",
            "51820",
            "'51820' names no ports",
        ),
        (
            PAGE.to_owned(),
            "8000-8010/tcp",
            "8010-8000/tcp",
            "'8010-8000/tcp' names no ports",
        ),
        (
            PAGE.to_owned(),
            "51820/udp",
            "51820/icmp",
            "'51820/icmp' names no ports",
        ),
        (
            PAGE.to_owned(),
            "[everybody]",
            "[everybodi]",
            "51820/udp: nobody is called 'everybodi'; did you mean 'everybody'?",
        ),
        (
            PAGE.to_owned(),
            "[db, six]",
            "[db, sixt]",
            "nobody is called 'sixt'; did you mean 'six'?",
        ),
    ] {
        let told = check(&page, &VARIABLES.replace(from, to));
        assert!(told.contains(words), "{words}: {told}");
    }
    // Nobody asks: a host without a firewall need not know who answers.
    let sources = sources(&page("http: {url: 'https://www.example.com/'}"), VARIABLES);
    let inventory = INVENTORY.replace("[ns, db, web]", "[ns, db]");
    let sources = sources.with("estate.yml", inventory);
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).ok().unwrap();
    let found = role::check(&estate, &Domains::default(), &templates, &inputs(&sources));
    assert_eq!(found, []);
}

#[test]
fn a_role_that_asks_for_the_ports_is_not_asked_for_its_own() {
    let asks = "summary: Says what is open.\nresources:\n  - file: {path: /etc/open, content: 'Open: {{ open_ports() | length }}'}\nchecks:\n  - tcp: {port: 9999}\n    to: everybody\n";
    assert_eq!(check(asks, VARIABLES), "");
    assert!(!rules("web", asks, VARIABLES).contains("9999"));
    let path = "summary: Asks too early.\nbackup: ['/srv/{{ open_ports() | length }}']\n";
    let sources = sources(path, VARIABLES);
    let estate = Estate::load(&sources, &[]).unwrap();
    let inputs = inputs(&sources);
    let templates = Templates::load(&sources).ok().unwrap();
    let context = HostContext::new(&estate, estate.host("web").unwrap(), &inputs, &templates);
    let role = inputs.roles.iter().find(|role| role.name() == "page");
    let told = role.unwrap().backup(&context).unwrap_err();
    assert!(
        told[0].message.contains("resources and checks alone"),
        "{told:?}"
    );
}

#[test]
fn between_two_networks_a_host_outside_lets_the_router_in_for_the_office() {
    let inventory = "\
name: e
containers:
  networks: {internal: 10.0.0.0/24, external: 10.0.1.0/24}
  router: {internal: 10.0.0.100, external: 10.0.1.100}
hosts:
  ns: {address: 10.0.0.105, location: internal}
  web: {address: 10.0.1.107, location: external}
roles: {firewall: all, page: all}
";
    let page = "summary: x\nchecks:\n  - tcp: {port: 8086}\n    to: [ns, web]\n  - tcp: {port: 8081}\n    from: inside\n";
    let sources = Sources::new("e")
        .with("estate.yml", inventory)
        .with("groups/all.yml", "firewall_inside: [10.0.0.0/24]\n")
        .with("roles/page/role.yml", page);
    let outside = rules_of("web", &sources);
    assert!(outside.contains("10.0.1.100"), "{outside}");
    assert!(!outside.contains("10.0.0.105"), "{outside}");
    let inside = rules_of("ns", &sources);
    assert!(inside.contains("10.0.0.105"), "{inside}");
    assert!(!inside.contains("10.0.1.100"), "{inside}");
}
