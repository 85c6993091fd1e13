//! Whoever executes promises or leads people to a service asks the promises: no name of a variable or a role, from which
//! something could be decided once more and differently, stands in these files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tasks::domain::role::DOMAIN_ROLES;
use tasks::role::Catalogue;

/// Where promises are executed.
const PLACES: [&str; 6] = [
    "src/verify",
    "src/cli/verify.rs",
    "src/cli/scope.rs",
    "src/cli/client.rs",
    "src/cli/mail_client.rs",
    "src/cli/stand_ins.rs",
];

fn files(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_file() {
        found.push(place.to_owned());
        return;
    }
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|end| end == "rs") {
            files(&path, found);
        }
    }
}

/// The names that stand in a text as a literal of their own.
fn literals<'n>(text: &str, names: &'n BTreeSet<String>) -> Vec<&'n str> {
    let stands = |name: &&String| text.contains(&format!("\"{name}\""));
    names.iter().filter(stands).map(String::as_str).collect()
}

#[test]
fn no_variable_and_no_role_is_named_where_promises_are_executed() {
    let mut names = BTreeSet::new();
    let roles = Catalogue::default();
    let own = roles.iter();
    let own = own.map(|role| (role.name().to_owned(), role.variables()));
    let of_domains = DOMAIN_ROLES.iter();
    let of_domains = of_domains.map(|role| (role.name.to_owned(), (role.variables)().to_value()));
    for (name, schema) in own.chain(of_domains) {
        names.insert(name);
        let fields = schema["properties"].as_object();
        names.extend(fields.into_iter().flat_map(|fields| fields.keys().cloned()));
    }
    // Services and clients that are called as the roles behind them.
    for name in prov::verify::SERVICES.map(|service| service.name) {
        names.remove(name);
    }
    // The client with the programs of all others, which the role of that name brings to servers.
    names.remove("vantage");
    assert!(names.contains("calendar_port") && names.contains("mail_external"));
    let mut found = Vec::new();
    for place in PLACES {
        files(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join(place),
            &mut found,
        );
    }
    assert!(found.len() > 12, "{found:?}");
    let wrong: Vec<_> = found
        .iter()
        .map(|path| (path, literals(&fs::read_to_string(path).unwrap(), &names)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
