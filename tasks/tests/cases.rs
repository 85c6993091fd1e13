//! Runs every file below `cases/`: plans the resource against the facts, compares the outcome with what the case
//! expects, applies the steps to the facts as a model of the host, and asserts that planning again changes nothing.
//!
//! What a case need not say is seen all the same: one snapshot for each kind has every step of its cases with all that
//! reaches the host, secrets included, as they are none; every remedy; and all that the model knows otherwise afterwards.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "the wall keeps the core from reading files, not its tests, and a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tasks::plan::{Action, Planned, Reason, decide};
use tasks::probe::{Facts, QuerySet};
use tasks::pushln;
use tasks::resource::{KINDS, Resource};
use tasks::step::{Run, Step};

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case shows, in a sentence.
    shows: String,
    resource: Resource,
    facts: Facts,
    expect: Expected,
    /// Facts that must hold after the steps were applied to the model.
    #[serde(default)]
    after: Option<Facts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Unchanged,
    Unknown { waits_for: String },
    Deferred { reason: String },
    Refused { cause: String },
    Impossible { cause: String },
    Change(ExpectedChange),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedChange {
    action: Action,
    reasons: Vec<Reason>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    diff: Option<String>,
    /// Argument vectors of the commands among the steps.
    #[serde(default)]
    commands: Option<Vec<Vec<String>>>,
}

fn case_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).expect("cases/ is there") {
        let folder = folder.expect("cases/ can be listed").path();
        for file in std::fs::read_dir(&folder).expect("cases/KIND/ can be listed") {
            files.push(file.expect("cases/KIND/ can be listed").path());
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> Result<Case, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    serde_yaml::from_str(&text).map_err(|error| error.to_string())
}

/// Keeps only the facts that the resource asked for, so that a case cannot pass by facts that prov would not read.
fn asked_for(case: &Case) -> Facts {
    let queries: QuerySet = case.resource.manage().probe().into_iter().collect();
    let mut facts = case.facts.subset(&queries);
    facts.coming.clone_from(&case.facts.coming);
    facts
}

fn compare(case: &Case, planned: &Planned) -> Result<(), String> {
    let matches = match (&case.expect, planned) {
        (Expected::Unchanged, Planned::Unchanged) => true,
        (Expected::Unknown { waits_for: a }, Planned::Unknown(b)) => *a == b.to_string(),
        (Expected::Deferred { reason: a }, Planned::Deferred(b)) => *a == b.to_string(),
        (Expected::Refused { cause: a }, Planned::Refused { cause: b, .. })
        | (Expected::Impossible { cause: a }, Planned::Impossible { cause: b, .. }) => a == b,
        (Expected::Change(expected), Planned::Change(change)) => {
            let commands: Vec<_> = change
                .steps
                .iter()
                .filter_map(|step| match step {
                    tasks::step::Step::Run(run) => Some(run.argv.clone()),
                    _ => None,
                })
                .collect();
            expected.action == change.action
                && expected.reasons == change.reasons
                && expected
                    .detail
                    .as_ref()
                    .is_none_or(|detail| *detail == change.detail)
                && expected
                    .diff
                    .as_ref()
                    .is_none_or(|diff| *diff == change.diff.to_string())
                && expected
                    .commands
                    .as_ref()
                    .is_none_or(|expected| *expected == commands)
        }
        _ => false,
    };
    if matches {
        return Ok(());
    }
    let shown = serde_json::to_string_pretty(planned).map_err(|error| error.to_string())?;
    let diff = match planned {
        Planned::Change(change) => change.diff.to_string(),
        _ => String::new(),
    };
    Err(format!("planned something else:\n{shown}\n{diff}"))
}

fn run(case: &Case) -> Result<(), String> {
    let mut facts = asked_for(case);
    let manage = case.resource.manage();
    let planned = decide(manage, &facts).map_err(|error| error.to_string())?;
    compare(case, &planned)?;
    let Planned::Change(change) = planned else {
        return match case.after {
            None => Ok(()),
            Some(_) => Err("`after` is given, but nothing changes".to_owned()),
        };
    };
    for step in &change.steps {
        facts.apply(step);
    }
    facts.coming.clear();
    let again = decide(manage, &facts).map_err(|error| error.to_string())?;
    if again != Planned::Unchanged {
        return Err(format!("does not converge; planning again gave {again:#?}"));
    }
    for (path, expected) in case.after.iter().flat_map(|after| &after.paths) {
        use tasks::probe::PathFact::File;
        let found = facts.paths.get(path);
        let equal = match (found, expected) {
            (Some(File(found)), File(expected)) => {
                found.body == expected.body && found.attributes() == expected.attributes()
            }
            (found, expected) => found == Some(expected),
        };
        if !equal {
            let text = match found {
                Some(File(file)) => file.body.as_ref().and_then(|body| body.text()),
                _ => None,
            };
            return Err(format!("{path} is {found:?} {text:?} afterwards"));
        }
    }
    Ok(())
}

#[test]
fn every_case_plans_what_it_expects_and_converges() {
    let mut failures = Vec::new();
    let files = case_files();
    assert!(!files.is_empty(), "no case was found");
    for file in &files {
        if let Err(problem) = read(file).and_then(|case| run(&case)) {
            failures.push(format!("{}: {problem}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn every_kind_has_cases_of_its_own_that_change_and_that_do_not() {
    let mut seen: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for file in case_files() {
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .unwrap()
            .to_string_lossy();
        let case = read(&file).unwrap();
        assert_eq!(folder, case.resource.manage().kind(), "{}", file.display());
        let changes = matches!(case.expect, Expected::Change(_));
        seen.entry(folder.into_owned()).or_default().insert(changes);
    }
    for kind in KINDS {
        let outcomes = seen.remove(kind.name).unwrap_or_default();
        assert_eq!(
            outcomes.len(),
            2,
            "{}: cases that change and that do not",
            kind.name
        );
    }
    assert!(seen.is_empty(), "cases of no kind: {seen:?}");
}

#[test]
fn every_kind_is_documented_uniquely_named_and_every_field_described() {
    let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), KINDS.len());
    for kind in KINDS {
        let schema = (kind.schema)().to_value();
        let described = |value: &serde_json::Value| value["description"].is_string();
        assert!(described(&schema), "{} has no description", kind.name);
        let fields = schema["properties"].as_object().unwrap();
        for (field, schema) in fields {
            assert!(
                described(schema),
                "{}.{field} has no description",
                kind.name
            );
        }
    }
}

fn put_text(shown: &mut String, name: &str, text: &str) {
    pushln!(shown, "      {name}:");
    for line in text.split_inclusive('\n') {
        let end = if line.ends_with('\n') {
            ""
        } else {
            " (no end of line)"
        };
        let words = tasks::visible_lines(line.trim_end_matches('\n'));
        pushln!(shown, "        | {words}{end}");
    }
}

fn put_step(shown: &mut String, step: &Step) {
    let mut fields = serde_json::to_value(step).expect("a step is data");
    for part in fields.as_object_mut().into_iter().flatten() {
        if let Some(fields) = part.1.as_object_mut() {
            fields.remove("content");
            fields.remove("stdin");
        }
    }
    pushln!(shown, "    step {fields}");
    if let Some(content) = step.content() {
        put_text(shown, "content", &content.expose());
    }
    if let Step::Run(Run { effects, .. }) = step
        && effects.is_empty()
    {
        pushln!(shown, "      with effects unknown");
    }
}

/// Shows everything that comes of a case.
fn put_case(shown: &mut String, name: &str, case: &Case) {
    pushln!(shown, "{name}: {}", case.shows);
    let mut facts = asked_for(case);
    match decide(case.resource.manage(), &facts).expect("all was asked for") {
        Planned::Unchanged => shown.push_str("  unchanged\n"),
        Planned::Unknown(waits_for) => {
            pushln!(shown, "  unknown: waits for {waits_for}");
        }
        Planned::Deferred(reason) => {
            pushln!(shown, "  deferred: {reason}");
        }
        Planned::Refused { cause, hint, .. } => {
            pushln!(shown, "  refused: {cause}\n    hint: {hint}");
        }
        Planned::Impossible { cause, hint } => {
            pushln!(shown, "  impossible: {cause}\n    hint: {hint}");
        }
        Planned::Change(change) => {
            pushln!(shown, "  {:?} {}", change.action, change.detail);
            let before = Facts::lines(&facts);
            for step in &change.steps {
                put_step(shown, step);
                facts.apply(step);
            }
            let after = Facts::lines(&facts);
            for gone in before.difference(&after) {
                pushln!(shown, "    - {gone}");
            }
            for new in after.difference(&before) {
                pushln!(shown, "    + {new}");
            }
        }
    }
    shown.push('\n');
}

#[test]
fn everything_that_comes_of_every_case_was_reviewed() {
    for kind in KINDS {
        let mut shown = String::new();
        for file in case_files() {
            let folder = file.parent().and_then(Path::file_name);
            if folder.is_some_and(|folder| folder == kind.name) {
                let name = file.file_stem().unwrap().to_string_lossy();
                put_case(&mut shown, &name, &read(&file).unwrap());
            }
        }
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("case-{}", kind.name), shown);
        });
    }
}
