//! The roles that are part of prov and described by files: they are like the others to an estate, and what is put into a configuration
//! cannot leave its place.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is the shell that hands texts to the core"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::resource::Declared;
use tasks::role::{self, Catalogue, HostContext, Inputs};
use tasks::template::Templates;

fn sources(roles: &str, variables: &str) -> Sources {
    on_release("trixie", roles, variables)
}

fn on_release(release: &str, roles: &str, variables: &str) -> Sources {
    let inventory = format!(
        "name: e\nrelease: {release}\nhosts: {{one: {{address: 192.0.2.1, location: internal}}}}\nroles: {{{roles}}}\n"
    );
    Sources::new("e")
        .with("estate.yml", inventory)
        .with("groups/all.yml", variables)
}

/// Gives the mistakes of an estate.
fn told(sources: &Sources) -> String {
    let roles = match Catalogue::load(sources, &[]) {
        Ok(roles) => roles,
        Err(mistakes) => return format!("{mistakes:?}"),
    };
    let estate = Estate::load(sources, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let inputs = Inputs {
        roles,
        ..Inputs::default()
    };
    let templates = Templates::load(&Sources::new("e")).unwrap();
    let mistakes = role::check(&estate, &Domains::default(), &templates, &inputs);
    let told: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    told.join("\n")
}

/// Gives what the roles declare for the host.
fn declared(sources: &Sources) -> Vec<Declared> {
    let estate = Estate::load(sources, &[]).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let inputs = Inputs::default();
    let templates = Templates::load(&Sources::new("e")).ok().unwrap();
    let context = HostContext::new(&estate, &estate.hosts()[0], &inputs, &templates);
    role::resources(&context).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// Sets every variable of which something else comes.
const VARIABLES: &str = "
time_zone: Europe/Berlin
time_servers: [ntp1.home.test, 192.0.2.9]
time_clients: [192.0.2.0/24, '2001:db8::/32']
time_sets_clock: false
locale_default: de_DE.UTF-8
locale_others: [en_GB.UTF-8]
locale_variables: {LC_MESSAGES: C.UTF-8}
updates_all: true
updates_never: [linux-, nginx]
updates_restart_at: '04:30'
updates_mail: admin@home.test
staff_accounts: {ada: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDGf6zTSCE/z0zPTyNTYyTfJIJ1RsNYRPbtkgFD8Bn0h ada@laptop', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJwImn/K8LuDeFuQejBtcDXubfWoEsm0lsI5lv45lJCU ada@pc'], bob: []}
staff_sudo: [ada]
staff_sudo_asks: true
staff_groups: [adm]
staff_shell: /bin/sh
staff_former: {eve: locked, mallory: removed}
fail2ban_jails: [sshd, dovecot]
fail2ban_tries: 3
fail2ban_within: 1h
fail2ban_shut_out: 2h
fail2ban_trusted: [192.0.2.0/24]
monitoring_address: '2001:db8::1'
monitoring_port: 9200
monitoring_collectors: [systemd]
monitoring_without: [wifi]
watch_estate: /srv/other
watch_program: /opt/prov/prov
watch_account: watcher
watch_minutes: 60
watch_only: [dns, mail]
watch_metrics: /srv/metrics
monitoring_clients: ['2001:db8::9']
postgresql_databases: {shop: shop}
postgresql_clients: [192.0.2.0/24]
postgresql_settings: [shared_buffers = 64MB]
ssh_server_ports: [22, 2222]
ssh_server_root: never
ssh_server_passwords: true
ssh_server_passwords_from: [192.0.2.0/24]
ssh_server_accounts: [ada]
ssh_server_groups: [adm]
ssh_server_forwarding: true
ssh_server_tries: 2
firewall_open: {51820/udp: [everybody], 8000-8010/tcp: [inside, one]}
firewall_inside: [192.0.2.0/24]
firewall_trusted: [198.51.100.0/24, '2001:db8:1::/48']
firewall_ssh_from: [203.0.113.0/24]
firewall_ssh_ports: [22, 2222]
firewall_log: false
";

#[test]
fn what_they_write_was_reviewed() {
    let catalogue = Catalogue::default();
    let shipped = catalogue.own().filter(|role| role.is_shipped());
    let roles: Vec<_> = shipped
        .map(|role| format!("{}: [one]", role.name()))
        .collect();
    for (name, variables) in [
        ("usual", "firewall_inside: [192.0.2.0/24]\n"),
        ("other", VARIABLES),
    ] {
        let of = |release: &str| {
            let sources = on_release(release, &roles.join(", "), variables);
            assert_eq!(told(&sources), "", "{release}");
            let declared = declared(&sources);
            let shown = declared.iter().map(|one| {
                let resource = serde_json::to_value(&one.resource).unwrap();
                let fields = resource
                    .as_object()
                    .and_then(|kind| kind.values().next().cloned());
                let fields = fields.unwrap_or_default();
                let content = [&fields["content"], &fields["block"]];
                let content = content.into_iter().find_map(Value::as_str);
                let lines = content.unwrap_or_default().lines();
                let lines: Vec<_> = lines.map(|line| format!("    {line}\n")).collect();
                format!("{}  ({})\n{}", one.name(), one.role, lines.concat())
            });
            shown.collect::<Vec<_>>().concat()
        };
        insta::assert_snapshot!(format!("shipped_roles_{name}"), of("trixie"));
        insta::assert_snapshot!(format!("shipped_roles_{name}_bookworm"), of("bookworm"));
    }
}

#[test]
fn an_estate_uses_them_without_more_and_mistakes_are_at_their_places() {
    assert_eq!(
        told(&sources(
            "time: [one], locale: [one]",
            "time_zone: Europe/Berlin\n"
        )),
        ""
    );
    let told = told(&sources("time: [one]", "time_zome: Europe/Berlin\n"));
    assert!(
        told.starts_with("e/groups/all.yml:1:1: unknown variable"),
        "{told}"
    );
}

#[test]
fn a_role_of_the_estate_takes_the_place_of_one_only_where_it_says_so() {
    let own = |more: &str| {
        let text = format!("summary: Our own time.\n{more}");
        sources("time: [one]", "{}\n").with("roles/time/role.yml", text)
    };
    assert!(told(&own("")).contains("the role 'time' is part of prov"));
    assert_eq!(told(&own("replaces_builtin: true\n")), "");
}

/// Gives a value for a variable, or for each entry of one.
fn written(field: &Value, value: &str) -> String {
    match field["type"].as_str() {
        Some("array") => format!("[{value}]"),
        Some("object") => format!("{{a: {}}}", written(&field["additionalProperties"], value)),
        Some(_) | None => value.to_owned(),
    }
}

/// Finds what a variable, or each entry of one, holds.
fn innermost(field: &Value) -> &Value {
    let inside = [&field["items"], &field["additionalProperties"]];
    inside
        .into_iter()
        .find(|inside| inside.is_object())
        .map_or(field, innermost)
}

#[test]
fn what_is_put_into_a_configuration_stays_in_its_place() {
    let hostile = [
        r#""a\nb""#,
        r#"'a"b'"#,
        r#""a'b""#,
        "'a#b'",
        "'a;b'",
        "'a b'",
        "'a$b'",
        "'a`b'",
        "'-a'",
        r"'a\b'",
    ];
    let mut tried = 0;
    for role in Catalogue::default().own() {
        let schema = role.schema();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let holds = innermost(field);
            // Lines are for what takes a line of its own; a path is a field of a resource.
            let hostile = match holds["format"].as_str() {
                Some("secret" | "path") => continue,
                Some("line") => &hostile[..1],
                Some(_) => &hostile[..],
                None if holds["enum"].is_array() || holds["type"] != "string" => continue,
                None => panic!("{name} accepts any text: make it a line or a word"),
            };
            for value in hostile {
                let variables = format!("{name}: {}\n", written(field, value));
                let told = told(&sources(&format!("{}: [one]", role.name()), &variables));
                assert!(told.contains("e/groups/all.yml:1:"), "{variables}: {told}");
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "{tried}");
}

#[test]
fn a_vantage_point_has_the_programs_of_the_clients_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker/clients");
    let mut wanted = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path().join("Dockerfile")).unwrap();
        let installs = text
            .lines()
            .filter_map(|line| line.split_once("apt-get -qy install "));
        for (_, names) in installs {
            let names = names.split(" && ").next().unwrap();
            wanted.extend(names.split(' ').map(str::to_owned));
        }
    }
    let declared = declared(&sources("vantage: [one]", "{}\n"));
    let [packages] = declared.as_slice() else {
        panic!("{declared:?}");
    };
    let json = serde_json::to_value(&packages.resource).unwrap();
    let names = json["names"]
        .as_array()
        .or(json["packages"]["names"].as_array());
    let names: BTreeSet<_> = names
        .unwrap_or_else(|| panic!("{json}"))
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, wanted);
}
