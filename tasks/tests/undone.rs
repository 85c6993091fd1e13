//! Undoes the change of every case below `cases/` on a model of the host: whatever is not as it was before is named as what stays. One
//! snapshot has what is brought back and what stays of each kind.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the wall keeps the core from reading files, not its tests, and a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tasks::history::{Record, undo};
use tasks::plan::{Change, Phase, Planned, plan_one};
use tasks::probe::{Attributes, Facts, FileFact, NameFact, PathFact, QuerySet};
use tasks::pushln;
use tasks::resource::{Declared, KINDS, Resource};
use tasks::value::{HostPath, Mode};

/// What is needed of a case.
#[derive(Deserialize)]
struct Case {
    resource: Resource,
    facts: Facts,
}

fn cases(kind: &str) -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(kind);
    let files = std::fs::read_dir(folder).expect("cases/KIND/ can be listed");
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let case = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_yaml::from_str(&text).unwrap())
    };
    files.into_iter().map(case).collect()
}

fn changes(declared: &Declared, facts: &Facts) -> Option<(tasks::plan::Item, Change)> {
    let item = plan_one(declared, 0, facts, Phase::Completion).ok()?;
    if let Planned::Change(change) = &item.outcome {
        let change = change.clone();
        Some((item, change))
    } else {
        None
    }
}

/// Gives the facts of a case with what every host tells: digests and sizes of files whose bytes are known.
fn whole(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    for fact in facts.paths.values_mut() {
        if let PathFact::File(file) = fact
            && let Some(body) = file.body.clone()
        {
            let other_names = file.other_names;
            *file = FileFact {
                other_names,
                ..FileFact::of(file.attributes(), body.0.to_vec())
            };
        }
    }
    facts.numbers.get_or_insert_default();
    for name in facts.packages.keys() {
        let real = NameFact {
            real: true,
            ..NameFact::default()
        };
        facts.package_names.entry(name.clone()).or_insert(real);
    }
    let program = FileFact::of(Attributes::new("root", "root", Mode::new(0o755)), b"");
    let choices = facts.alternatives.values().flatten();
    for choice in choices.flat_map(|fact| fact.choices.keys()) {
        let place = facts.paths.entry(HostPath::new(choice).unwrap());
        place.or_insert(PathFact::File(program.clone()));
    }
    facts
}

/// Lists what is to be as it was: not what only follows from files and packages, nor what `residue` and versions tell of packages.
fn lines(facts: &Facts) -> BTreeSet<String> {
    // The model does not tell what is mounted in the kernel's words, nor what systemd has read.
    const TOLD: [(&str, &str); 13] = [
        ("nft_tables ›", "› access ›"),
        // A folder of which nothing is left goes, too.
        ("paths › /etc/nftables.d ›", ""),
        ("paths › /etc/systemd/system/", ".service.d ›"),
        ("apt_lists ›", ""),
        // Accounts and groups are compared themselves.
        ("numbers ›", ""),
        ("mounts ›", "› fstype ›"),
        ("mounts ›", "› inherited ›"),
        ("mounts ›", "› options ›"),
        ("mounts ›", "› source ›"),
        ("mounts ›", "› same ›"),
        ("swaps ›", "› holds ›"),
        ("services ›", "› known ›"),
        ("services ›", "› outdated ›"),
    ];
    let lines = facts.lines().into_iter();
    let is_told = |line: &str| {
        let mut told = TOLD.iter();
        told.any(|(kind, field)| line.starts_with(kind) && line.contains(field))
    };
    let lines = lines.filter(|line| !is_told(line));
    let lines = lines.map(|line| {
        if let Some(rest) = line.strip_prefix("packages › ") {
            let is_there = line.contains("› installed ›") || line.contains("› automatic ›");
            let name = rest.split(" › ").next().unwrap_or_default();
            return format!("packages › {name} › {is_there}");
        }
        // nft lists rules in words of its own.
        if line.starts_with("nft_tables ›")
            && let Some((name, value)) = line.rsplit_once(" › ")
        {
            return format!("{name} › {}", value != "null");
        }
        line
    });
    lines.collect()
}

/// What comes of undoing the change of a case.
struct Undone {
    back: Vec<String>,
    stays: Vec<String>,
    /// What is not as it was.
    otherwise: BTreeSet<String>,
}

fn undone(case: &Case) -> Option<Undone> {
    let queries: QuerySet = case.resource.manage().probe().into_iter().collect();
    let mut before = whole(&case.facts).subset(&queries);
    before.coming.clone_from(&case.facts.coming);
    let declared = Declared::new("role", case.resource.clone());
    let (item, change) = changes(&declared, &before)?;
    let record = Record::of(1, &item, &declared, &change, &before, &[]);
    let line = serde_json::to_string(&record).unwrap();
    let read: Record = serde_json::from_str(&line).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), line);
    let kept: BTreeMap<_, _> = record
        .keeps(false)
        .into_iter()
        .filter_map(|(path, name)| {
            let PathFact::File(file) = before.path(path).ok()? else {
                return None;
            };
            Some((name.to_owned(), file.body.as_ref()?.0.to_vec()))
        })
        .collect();
    let undoing = undo("run", &[read], &[], &kept, true);
    // What was not asked for the change is asked for its undoing.
    let mut before = whole(&case.facts);
    let mut now = before.clone();
    change.steps.iter().for_each(|step| now.apply(step));
    now.coming.clear();
    let mut back = Vec::new();
    for declared in &undoing.declared {
        if let Some((item, change)) = changes(declared, &now) {
            change.steps.iter().for_each(|step| now.apply(step));
            back.push(item.name());
        }
    }
    before.coming.clear();
    now.coming.clear();
    now.services
        .retain(|name, _| before.services.contains_key(name));
    let (was, is) = (lines(&before), lines(&now));
    Some(Undone {
        back,
        stays: undoing.stays,
        otherwise: was.symmetric_difference(&is).cloned().collect(),
    })
}

/// Changes whose undoing does not say something: that a table's service was not enabled, that a state was one until the next boot alone, and
/// that what a host is reached by is not switched off again, which is refused on the host.
const UNSAID: [&str; 4] = [
    "nftables not-enabled",
    "service alias",
    "service enabled-until-boot",
    "service unmasked",
];

#[test]
fn what_a_change_did_comes_back_or_is_named() {
    let mut failures = Vec::new();
    for kind in KINDS {
        for (name, case) in cases(kind.name) {
            let Some(undone) = undone(&case) else {
                continue;
            };
            let is_unsaid = UNSAID.contains(&format!("{} {name}", kind.name).as_str());
            let is_silent = undone.stays.is_empty() && !undone.otherwise.is_empty();
            if is_silent != is_unsaid {
                failures.push(format!("{} {name}: {:#?}", kind.name, undone.otherwise));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_undoing_every_case_brings_back_and_leaves_was_reviewed() {
    let mut shown = String::new();
    for kind in KINDS {
        for (name, case) in cases(kind.name) {
            let Some(undone) = undone(&case) else {
                continue;
            };
            pushln!(shown, "{} {name}", kind.name);
            for name in undone.back {
                pushln!(shown, "  back   {name}");
            }
            for why in undone.stays {
                pushln!(shown, "  stays  {why}");
            }
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("undone", shown);
    });
}
