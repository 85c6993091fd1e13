//! What the sample estates declare on each host, as text, so that whoever reads a change of a role or of a template sees
//! what becomes of every file: one snapshot per host. `cargo insta review`, or `INSTA_UPDATE=always cargo test`, takes over
//! what has been read.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "here the test is the shell that hands texts to the core, and fails by panicking"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tasks::authority::Authority;
use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection};
use tasks::estate::{Estate, Sources};
use tasks::pushln;
use tasks::resource::Declared;
use tasks::role::{self, HostContext, Inputs};
use tasks::template::Templates;

fn sources(folder: &str) -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut sources = Sources::new("");
    let mut pending = vec![folder.clone()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // An estate's own domains are read by themselves.
                if !path.ends_with("estate/office/domains") {
                    pending.push(path);
                }
            } else {
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                sources.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    sources
}

/// Writes a value of the resource under its name; a text of several lines as such.
fn put(text: &mut String, name: &str, value: &Value) {
    let _ = match value {
        Value::Null => Ok(()),
        Value::String(value) if value.contains('\n') => {
            let (lines, end) = match value.strip_suffix('\n') {
                Some(lines) => (lines, ""),
                None => (value.as_str(), "\n      (without an end of line)"),
            };
            let lines = lines.replace('\n', "\n      | ");
            writeln!(text, "    {name}:\n      | {lines}{end}")
        }
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            writeln!(text, "    {name}: {value}")
        }
    };
}

fn shown(text: &mut String, declared: &Declared) {
    let Declared { role, phase, .. } = declared;
    pushln!(text, "{}  ({role}, {phase:?})", declared.name());
    let resource = serde_json::to_value(&declared.resource).unwrap();
    for fields in resource.as_object().unwrap().values() {
        for (name, value) in fields.as_object().unwrap() {
            put(text, name, value);
        }
    }
    for handler in &declared.notify {
        pushln!(
            text,
            "    notifies: {}",
            serde_json::to_value(handler).unwrap()
        );
    }
}

/// Roles and domains can be planned as one: nothing is declared twice, nothing is lost, and what a role makes comes first.
fn together(host: &str, of_roles: &[Declared], of_domains: &[Declared]) {
    let both = [of_roles, of_domains].concat();
    let both = role::arrange(host, both).unwrap();
    let at = |name: &str| both.iter().position(|one| one.name() == name);
    let kept = |one: &&Declared| one.resource.manage().kind() != "packages";
    // A service that both declare waits for the files of both.
    let alone = |one: &&Declared| of_domains.iter().all(|domain| domain.name() != one.name());
    let last = of_roles
        .iter()
        .filter(kept)
        .filter(alone)
        .filter_map(|one| at(&one.name()));
    let last = last.max();
    for one in of_domains.iter().filter(kept) {
        let there = at(&one.name());
        assert!(there.is_some(), "{host}: {} is lost", one.name());
        let shared = of_roles.iter().any(|role| role.name() == one.name());
        let early = matches!(one.resource, tasks::resource::Resource::Debconf(_));
        assert!(
            shared || early || there > last,
            "{host}: {} comes too early",
            one.name()
        );
    }
}

fn snapshots(estate: &str, domains: &str) {
    let sources_of_estate = sources(&format!("estate/{estate}"));
    let inputs = Inputs {
        roles: tasks::role::Catalogue::default(),
        container_host_resolvers: vec![[192, 0, 2, 53].into()],
        authority: Some(Authority::new(estate, &[7; 32], 1_750_000_000).unwrap()),
    };
    let templates = Templates::load(&sources_of_estate).unwrap_or_else(|_| panic!());
    let domains = Domains::load(&sources(domains)).unwrap();
    let estate_of = Estate::load(&sources_of_estate, &[]).unwrap();
    let work = DomainWork {
        domains: domains.iter().collect(),
        selection: Selection::default(),
        purpose: Purpose::Setup,
    };
    for host in estate_of.hosts() {
        let context = HostContext::new(&estate_of, host, &inputs, &templates);
        let mut text = String::new();
        let of_roles = role::resources(&context).unwrap();
        for declared in &of_roles {
            shown(&mut text, declared);
        }
        text.push_str("\n-- domains --\n");
        let of_domains = work
            .resources(&estate_of, host, &inputs, &templates)
            .unwrap();
        for declared in &of_domains {
            shown(&mut text, declared);
        }
        let all = work.domains.iter().map(|domain| domain.name().as_str());
        let concerning = DomainWork::concerning(&domains, &estate_of, &[host], &inputs, &templates);
        assert_eq!(of_domains.is_empty(), concerning.is_empty());
        assert!(
            concerning
                .iter()
                .all(|it| all.clone().any(|name| name == it.name().as_str()))
        );
        together(host.name(), &of_roles, &of_domains);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{estate}-{}", host.name()), text);
        });
    }
}

#[test]
fn the_estate_of_containers_declares_what_was_reviewed() {
    snapshots("docker", "domains");
}

#[test]
fn the_estate_of_an_office_declares_what_was_reviewed() {
    snapshots("office", "estate/office/domains");
}
