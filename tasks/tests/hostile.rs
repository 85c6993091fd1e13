//! Whole sample estates in which values are replaced by hostile ones: `prov check` says what is wrong, and never panics
//! or hangs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is the shell that hands texts to the core"
)]

mod chance;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use chance::Chance;
use serde_json::{Value, json};
use tasks::domain::Domains;
use tasks::domain::role::DOMAIN_ROLES;
use tasks::estate::{Estate, Source, Sources, from_node, parse};
use tasks::promise::Promises;
use tasks::role::{self, Inputs};
use tasks::template::Templates;

/// Runs that `./check` has time for.
const RUNS: u64 = 100;

/// The files of an estate and of its domains.
struct Sample {
    /// Whether it is a domain's, path, content.
    files: Vec<(bool, String, Value)>,
}

impl Sample {
    fn read(estate: &str, domains: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        for (is_domain, folder) in [(false, root.join(estate)), (true, root.join(domains))] {
            let mut pending = vec![folder.clone()];
            while let Some(path) = pending.pop() {
                if path.is_dir() {
                    // An estate's own domains are no part of its files.
                    if is_domain || !path.ends_with("domains") {
                        pending.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
                    }
                } else if path.extension().is_some_and(|end| end == "yml") {
                    let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
                    let text = fs::read_to_string(&path).unwrap();
                    let node = parse(&Source::new(name, text, false)).unwrap();
                    files.push((is_domain, name.to_owned(), from_node(&node).unwrap()));
                }
            }
        }
        files.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        Self { files }
    }

    /// Does what `prov check` does, and collects the promises; gives the number of mistakes of the check.
    fn check(&self, templates: &Templates, settings: &[String]) -> usize {
        let (mut estate, mut domains) = (Sources::new("e"), Sources::new("d"));
        for (is_domain, name, value) in &self.files {
            let sources = if *is_domain {
                &mut domains
            } else {
                &mut estate
            };
            sources.insert(name.as_str(), value.to_string());
        }
        let inputs = Inputs {
            roles: tasks::role::Catalogue::default(),
            authority: None,
            container_host_resolvers: vec![[192, 0, 2, 53].into()],
        };
        match (Estate::load(&estate, settings), Domains::load(&domains)) {
            (Ok(estate), Ok(domains)) => {
                // What is promised of a sound estate is known; of another one, it must not matter what is wrong.
                let (_, missing) = Promises::collect(&estate, &domains, templates, &inputs);
                let mistakes = role::check(&estate, &domains, templates, &inputs).len();
                assert!(mistakes > 0 || missing.is_empty(), "{missing:?}");
                mistakes
            }
            (estate, domains) => {
                let mistakes = [estate.err(), domains.err()];
                mistakes.into_iter().flatten().flatten().count()
            }
        }
    }
}

/// Gives something that no one should write there.
fn hostile(chance: &mut Chance, old: &Value) -> Value {
    let long = "a".repeat(70_000);
    let domain = [&"b".repeat(63); 4].map(String::as_str).join(".");
    let text = old.as_str().unwrap_or_default();
    let values = [
        json!("/"),
        json!(""),
        json!(".."),
        json!("."),
        json!("/.."),
        json!("//"),
        json!("\u{0}"),
        json!("a\nb"),
        json!("a\r"),
        json!("\\"),
        json!("\"'`$(x)"),
        json!("{{"),
        json!("{% x"),
        json!("{{ x }}"),
        json!("\u{f8f0}0\u{f8f1}"),
        json!("@"),
        json!("-"),
        json!("--"),
        json!("-rf"),
        json!(":"),
        json!("#"),
        json!("*"),
        json!("!"),
        json!("~("),
        json!("$"),
        json!("%"),
        json!(" "),
        json!("\u{202e}ü\u{1f600}\u{301}"),
        json!("ß.\u{130}"),
        json!(long),
        json!(domain),
        json!(domain[..253]),
        json!("b".repeat(63)),
        json!("0"),
        json!("0.0.0.0"),
        json!("255.255.255.255"),
        json!("::"),
        json!("::ffff:10.0.0.1"),
        json!("fe80::1"),
        json!("10.0.0.0/0"),
        json!("10.0.0.0/32"),
        json!("::/0"),
        json!("http://"),
        json!("http://["),
        json!("https://a/"),
        json!("root"),
        json!("all"),
        json!("internal"),
        json!("container-host"),
        json!("a@b"),
        json!("a@b.c"),
        json!(0),
        json!(-1),
        json!(1),
        json!(255),
        json!(256),
        json!(65_535),
        json!(65_536),
        json!(u64::from(u32::MAX)),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(0.5),
        json!(true),
        json!(false),
        Value::Null,
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({"": ""}),
        json!({"a": {"b": [1]}}),
        json!([old, old]),
        json!([old]),
        json!({"a": old}),
        json!(format!("{text}\n")),
        json!(format!("{text}/")),
        json!(format!("{text}.")),
        json!(format!(" {text}")),
        json!(format!("{text}{text}")),
        json!(text.to_uppercase()),
    ];
    values[chance.below(values.len())].clone()
}

/// Lists the places of a document: every value, also those that hold others.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(item, &format!("{path}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(path.to_owned());
}

/// Replaces a value, or the name of a field; says what was done.
fn spoil(sample: &mut Sample, chance: &mut Chance) -> String {
    let at = chance.below(sample.files.len());
    let (_, name, content) = &mut sample.files[at];
    let mut found = Vec::new();
    places(content, "", &mut found);
    let place = found.swap_remove(chance.below(found.len()));
    let Some(slot) = content.pointer_mut(&place) else {
        panic!("{name} has no {place}");
    };
    let new = hostile(chance, slot);
    let shown: String = new.to_string().chars().take(60).collect();
    if let (Value::Object(fields), Value::String(key)) = (&mut *slot, &new)
        && chance.below(2) == 0
        && !fields.is_empty()
    {
        let old = fields.keys().nth(chance.below(fields.len())).cloned();
        let old = old.unwrap();
        let value = fields.remove(&old).unwrap();
        fields.insert(key.clone(), value);
        return format!("{name}: {place}/{old} is called {shown}");
    }
    *slot = new;
    format!("{name}: {place} is {shown}")
}

/// Variables of all roles, of hosts and of domains.
fn variables() -> BTreeSet<String> {
    let catalogue = tasks::role::Catalogue::default();
    let hosts = catalogue.iter().map(tasks::role::Entry::variables);
    let domains = DOMAIN_ROLES.iter();
    let domains = domains.map(|role| (role.variables)().to_value());
    let names = |schema: Value| {
        let fields = schema["properties"].as_object().cloned();
        fields.unwrap_or_default().into_iter().map(|(name, _)| name)
    };
    hosts.chain(domains).flat_map(names).collect()
}

#[test]
fn no_variable_of_a_role_makes_the_check_panic() {
    let sample = Sample::read("estate/docker", "domains");
    let templates = Templates::load(&Sources::new("e")).map_err(|_| "templates");
    let templates = templates.unwrap();
    let variables = variables();
    assert!(variables.contains("dynamic_dns_domains_dir"));
    for variable in variables {
        for value in ["/", "\"'`$(x)\\"] {
            let setting = format!("{variable}={value}");
            let check = || sample.check(&templates, std::slice::from_ref(&setting));
            let outcome = catch_unwind(AssertUnwindSafe(check));
            assert!(outcome.is_ok(), "{setting} panicked");
        }
    }
}

#[test]
fn no_value_makes_the_check_panic_or_hang() {
    let samples = [
        ("estate/docker", "domains"),
        ("estate/office", "estate/office/domains"),
    ];
    let samples = samples.map(|(estate, domains)| Sample::read(estate, domains));
    let templates = Templates::load(&Sources::new("e")).map_err(|_| "templates");
    let templates = templates.unwrap();
    for sample in &samples {
        assert_eq!(
            sample.check(&templates, &[]),
            0,
            "the samples have no mistakes"
        );
    }
    let mut told = 0;
    for run in chance::runs(RUNS) {
        let mut chance = Chance::of(run);
        let sample = &samples[chance.below(samples.len())];
        let mut sample = Sample {
            files: sample.files.clone(),
        };
        let done = spoil(&mut sample, &mut chance);
        let mistakes = chance::make(run, &[&done], || sample.check(&templates, &[]));
        told += usize::from(mistakes > 0);
    }
    chance::told("sample estates", chance::count(RUNS));
    assert!(told > 0, "something hostile was found");
}
