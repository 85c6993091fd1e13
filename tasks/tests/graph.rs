//! The graph of the sample estate, and of roles of an estate's own, as a list of who relies on whom.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "here the test is the shell that hands texts to the core, and fails by panicking"
)]

use std::fs;
use std::path::Path;

use tasks::domain::Domains;
use tasks::estate::{Estate, Sources};
use tasks::graph::Graph;
use tasks::promise::Needed;
use tasks::pushln;
use tasks::role::{Catalogue, Inputs};
use tasks::template::Templates;

fn folder(name: &str) -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let mut sources = Sources::new("");
    let mut pending = vec![folder.clone()];
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                sources.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    sources
}

fn lines(graph: &Graph) -> String {
    let mut text = String::new();
    for need in &graph.needs {
        let of = match &need.of {
            Needed::Host(name) => name.clone(),
            Needed::Outside(name) => format!("({name})"),
        };
        pushln!(
            text,
            "{} -> {of}: {} [{}]",
            need.host,
            need.kind.as_str(),
            need.detail
        );
    }
    text
}

#[test]
fn the_sample_estate_says_who_relies_on_whom() {
    let sources = folder("estate/docker");
    let domains = Domains::load(&folder("domains")).unwrap();
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let (graph, mistakes) = Graph::of(&estate, &domains, &templates, &Inputs::default());
    assert_eq!(mistakes, []);
    insta::assert_snapshot!("sample", lines(&graph));
}

const ESTATE: &str = "name: own
release: trixie
hosts:
  web: {address: 10.0.0.1, location: external}
  db: {address: 10.0.0.2, location: internal}
  other: {address: 10.0.0.3, location: internal}
roles: {site: [web], store: [db]}
";

const SITE: &str = "summary: A site.
resources:
  - packages: {names: [nginx]}
checks:
  - tcp: {host: db.home.com, port: 5432}
    from: host
  - tcp: {port: 80}
    from: outside
";

const STORE: &str = "summary: A store.
resources:
  - packages: {names: [redis-server]}
checks:
  - tcp: {port: 6379}
    from: host
    to: [other, 10.0.0.0/24]
  - tcp: {port: 6380}
    from: host
    to: [10.0.0.0/24]
";

#[test]
fn roles_of_an_estates_own_rely_on_whom_they_ask_and_serve_whom_they_name() {
    let mut sources = Sources::new("");
    sources.insert("estate.yml", ESTATE.as_bytes().to_vec());
    sources.insert("roles/site/role.yml", SITE.as_bytes().to_vec());
    sources.insert("roles/store/role.yml", STORE.as_bytes().to_vec());
    let estate = Estate::load(&sources, &[]).unwrap();
    let templates = Templates::load(&sources).unwrap();
    let inputs = Inputs {
        roles: Catalogue::load(&sources, &[]).unwrap(),
        ..Inputs::default()
    };
    let (graph, mistakes) = Graph::of(&estate, &Domains::default(), &templates, &inputs);
    assert_eq!(mistakes, []);
    assert_eq!(
        lines(&graph),
        "other -> db: a port [store: tcp/6379]\nweb -> db: a port [site: port 5432]\n"
    );
    assert_eq!(graph.hosts[0].roles, ["site"]);
    let summaries: Vec<_> = graph
        .roles
        .iter()
        .map(|(_, summary)| summary.as_str())
        .collect();
    assert_eq!(summaries, ["A site.", "A store."]);
}
