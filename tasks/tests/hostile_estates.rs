//! Small estates in which texts are mutated, and limits on them: what is wrong is said, and nothing panics or hangs. Whole sample estates
//! take a thousand times as long; they are in `hostile.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads its own environment"
)]

mod chance;

use chance::Chance;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::promise::Promises;
use tasks::role::{self, Inputs};
use tasks::template::Templates;

/// Runs that `./check` has time for.
const RUNS: u64 = 2_000;

const INVENTORY: &str = "
name: tiny
release: trixie
containers: {network: 10.0.0.0/24}
connection: {user: admin, port: 2222, sudo: password, password: 'x'}
hosts:
  web: {address: 10.0.0.107, location: external, release: bookworm, volumes: [/srv/data]}
  ns: {address: 10.0.0.108, location: internal, connection: {jump: web}}
groups:
  servers: [web, ns]
services:
  dns: [ns]
roles:
  dns_client: servers
  mta: [web]
  database: [web]
  wordpress: [web]
  reverse_proxy: [web]
";

const VARIABLES: &str = "
home_domain: home.test
home_domain_admin_user: anna
dns_resolvers: [192.0.2.53, '2001:db8::53']
hostname_managed: true
mta_configtype: smarthost
mta_smarthost: {hostname: mail.test, port: 587}
mta_relay_nets: [10.0.0.0/8]
wordpress_ports: [8080]
";

const DOMAIN: &str = "
organisation: Home
reverse_proxy_port: 8080
webhosts:
  www: {proxy: web, wordpress: web, database: web}
wordpress_admin: {name: anna, email: anna@home.test}
database_passwords: {www: 'a made-up one'}
wordpress_admin_password: 'another one'
";

/// What is put into texts.
const PARTS: &[&str] = &[
    "",
    "\u{0}",
    "\n",
    "\n  ",
    "\t",
    "\r",
    " ",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "'",
    "\"",
    "#",
    " #",
    "&a ",
    "*a",
    "!t ",
    "|",
    ">",
    "? ",
    "---\n",
    "...",
    "%",
    "@",
    "`",
    "~",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "99999999999999999999",
    "0x",
    ".inf",
    "/",
    "..",
    "//",
    "10.0.0.0/0",
    "::",
    "::/0",
    "255.255.255.255",
    "all",
    "internal",
    "web",
    "ns",
    "servers",
    "<<: ",
    "\u{202e}",
    "\u{feff}",
    "ü",
    "\u{1f600}",
    "[[[[[[[[[[[[[[[[",
    "{{{{{{{{",
    "hosts:\n",
    "{{ x }}",
    "{secret_from: pass, name: x}",
    "a.b",
    "password",
    "jump: ns",
];

/// Of what limits are made.
const LIMIT: &[&str] = &[
    "",
    "!",
    "&",
    "~",
    ",",
    ":",
    " ",
    "*",
    "?",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\\",
    "|",
    ".",
    "+",
    "^",
    "$",
    "-",
    "all",
    "web",
    "ns",
    "servers",
    "internal",
    "dns",
    "mta",
    "~(web|ns)",
    "~(a*)*",
    "~(a|a)*b",
    "{9999}",
    "~.{1000}{1000}",
    "[a-",
    "é",
    "\u{0}",
    "\u{202e}",
    "@",
    "/",
    "!all",
    "&servers",
    "~^",
    "(?",
    "(?i)",
    "\\p{L}",
    "\\x{110000}",
    "((((((((((((((((((((",
];

/// Does what `prov check` does; gives the number of mistakes.
fn check(inventory: &str, variables: &str, domain: &str, templates: &Templates) -> usize {
    let estate = Sources::new("e")
        .with("estate.yml", inventory)
        .with("groups/all.yml", variables);
    let domains = Sources::new("d").with("home.test/domain.yml", domain);
    match (Estate::load(&estate, &[]), Domains::load(&domains)) {
        (Ok(estate), Ok(domains)) => {
            let inputs = Inputs::default();
            let mistakes = role::check(&estate, &domains, templates, &inputs);
            let (_, missing) = Promises::collect(&estate, &domains, templates, &inputs);
            assert!(!mistakes.is_empty() || missing.is_empty(), "{missing:?}");
            mistakes.len()
        }
        (estate, domains) => {
            let mistakes: Vec<_> = [estate.err(), domains.err()]
                .into_iter()
                .flatten()
                .flatten()
                .collect();
            let nameless = mistakes.iter().find(|mistake| mistake.message.is_empty());
            assert_eq!(nameless, None);
            mistakes.len()
        }
    }
}

#[test]
fn no_estate_makes_the_check_panic_or_hang() {
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    assert_eq!(
        check(INVENTORY, VARIABLES, DOMAIN, &templates),
        0,
        "the sample has no mistakes"
    );
    let (mut right, mut wrong) = (0_u64, 0_u64);
    for run in chance::runs(RUNS) {
        let mut chance = Chance::of(run);
        let mut texts = [INVENTORY, VARIABLES, DOMAIN].map(str::to_owned);
        let at = chance.below(texts.len());
        texts[at] = chance.mutated(&texts[at], PARTS);
        let [inventory, variables, domain] = &texts;
        match chance::make(run, &[inventory, variables, domain], || {
            check(inventory, variables, domain, &templates)
        }) {
            0 => right += 1,
            _ => wrong += 1,
        }
    }
    chance::told("estates", chance::count(RUNS));
    assert!(
        wrong > right / 4 && right > 0,
        "{wrong} of {} runs had mistakes",
        wrong + right
    );
}

#[test]
fn no_limit_panics_or_hangs() {
    let estate = Sources::new("e").with("estate.yml", INVENTORY);
    let estate = Estate::load(&estate, &[]).unwrap();
    let (mut some, mut none) = (0_u64, 0_u64);
    for run in chance::runs(RUNS) {
        let mut chance = Chance::of(run);
        let count = chance.below(12);
        let limit: String = (0..=count)
            .map(|_| LIMIT[chance.below(LIMIT.len())])
            .collect();
        let limit = chance.mutated(&limit, LIMIT);
        let hosts = chance::make(run, &[&limit], || match estate.limit(&limit) {
            Ok(hosts) => hosts.len(),
            Err(mistakes) => {
                assert!(!mistakes.is_empty());
                0
            }
        });
        assert!(hosts <= 2);
        *(if hosts > 0 { &mut some } else { &mut none }) += 1;
    }
    chance::told("limits", chance::count(RUNS));
    assert!(
        some > 0 && none > 0,
        "{some} limits name hosts, {none} do not"
    );
}
