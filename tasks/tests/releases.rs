//! Every role renders its templates on every release of Debian on which it works, and is refused on others.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is the shell that hands texts to the core"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tasks::domain::Domains;
use tasks::domain::role::{DomainWork, Purpose, Selection};
use tasks::estate::{Estate, Sources};
use tasks::release::Release;
use tasks::role::{self, HostContext, Inputs};
use tasks::template::Templates;

fn read(folder: &str, release: Release) -> Sources {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let mut sources = Sources::new("");
    let mut pending: Vec<PathBuf> = vec![folder.clone()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
        if name == "estate.yml" {
            let text = fs::read_to_string(&path).unwrap();
            let kept = text.lines().filter(|line| !line.starts_with("release:"));
            let kept: Vec<_> = kept.collect();
            sources.insert(name, format!("{}\nrelease: {release}\n", kept.join("\n")));
        } else {
            sources.insert(name, fs::read(&path).unwrap());
        }
    }
    sources
}

#[test]
fn a_role_renders_its_templates_on_every_release_on_which_it_works() {
    let inputs = Inputs {
        container_host_resolvers: vec![[192, 0, 2, 53].into()],
        ..Inputs::default()
    };
    let templates = Templates::load(&Sources::new("")).map_err(|_| "templates");
    let templates = templates.unwrap();
    for release in Release::EVERY {
        let estate = Estate::load(&read("estate/docker", release), &[]).unwrap();
        let domains = Domains::load(&read("domains", release)).unwrap();
        let mut tried = BTreeSet::new();
        for host in estate.hosts() {
            assert_eq!(host.release(), release);
            let context = HostContext::new(&estate, host, &inputs, &templates);
            for role in inputs.roles.of(host) {
                if role.releases().contains(&release) {
                    let name = role.name();
                    let resources = role.resources(&context);
                    assert!(resources.is_ok(), "{name} on {release}: {resources:?}");
                    tried.insert(name);
                }
            }
            let work = DomainWork {
                domains: domains.iter().collect(),
                selection: Selection::default(),
                purpose: Purpose::Setup,
            };
            let resources = work.resources(&estate, host, &inputs, &templates);
            assert!(
                resources.is_ok(),
                "{} on {release}: {resources:?}",
                host.name()
            );
        }
        let works = inputs.roles.iter();
        // Those that are described by files have a test of their own (`shipped_roles`).
        let works = works.filter(|role| matches!(role, role::Entry::BuiltIn(_)));
        let works = works.filter(|role| role.releases().contains(&release));
        assert_eq!(tried, works.map(role::Entry::name).collect(), "{release}");
        let refused = role::check(&estate, &domains, &templates, &inputs);
        let refused: Vec<_> = refused.into_iter().map(|mistake| mistake.message).collect();
        assert!(refused.is_empty(), "{release}: {refused:?}");
    }
}
