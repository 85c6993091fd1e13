//! Writes what a package of prov has besides the program: its manual pages, and the licences of what it is built from.
//!
//! `cargo run -p prov --example documents -- FOLDER` writes `FOLDER/man/*.1` and `FOLDER/licences`. `./package` runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use tasks::pushln;

use serde_json::Value;

/// How the names of files begin that say under which terms a crate may be passed on.
const TERMS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "UNLICENSE"];

/// What a program is built for; other systems' crates are not in it.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("error: no folder to write to\nhint: documents FOLDER");
        return ExitCode::from(64);
    };
    match manual(&folder.join("man")).and_then(|()| licences(&folder.join("licences"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a page for each command.
fn manual(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let command = prov::cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder)
}

/// Writes each text of a licence once, below the crates that come with it.
fn licences(to: &Path) -> io::Result<()> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut without = BTreeSet::new();
    for package in built_in()? {
        let word = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        let named = format!("{} {}", word("name"), word("version"));
        let manifest = PathBuf::from(word("manifest_path"));
        let found = terms(manifest.parent().unwrap_or(&manifest))?;
        if found.is_empty() {
            without.insert(format!("{named}: {}", word("license")));
        }
        for text in found {
            texts.entry(text).or_default().insert(named.clone());
        }
    }
    let mut written = String::new();
    for (text, crates) in &texts {
        let crates: Vec<_> = crates.iter().map(String::as_str).collect();
        pushln!(written, "== {}\n\n{}\n", crates.join(", "), text.trim_end());
    }
    written.push_str("== Crates that bring no text, and the licences that they name\n\n");
    for named in &without {
        pushln!(written, "{named}");
    }
    fs::write(to, written)
}

/// Reads what a crate's folder says of its terms.
fn terms(folder: &Path) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if entry.file_type()?.is_file() && TERMS.iter().any(|terms| name.starts_with(terms)) {
            texts.push(String::from_utf8_lossy(&fs::read(entry.path())?).into_owned());
        }
    }
    Ok(texts)
}

/// Asks cargo for the packages that are in the program.
fn built_in() -> io::Result<Vec<Value>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked"]);
    cargo.args([
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
    ]);
    cargo.args(TARGETS.map(|target| format!("--filter-platform={target}")));
    let output = cargo.output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("cargo metadata: {said}")));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let nodes = list(&metadata["resolve"]["nodes"]);
    let nodes: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| (node["id"].as_str(), node))
        .collect();
    let begin = packages.iter().find(|package| package["name"] == "prov");
    let mut reached = BTreeSet::new();
    let mut left: Vec<_> = begin
        .and_then(|package| package["id"].as_str())
        .into_iter()
        .collect();
    while let Some(id) = left.pop() {
        let Some(node) = nodes.get(&Some(id)).filter(|_| reached.insert(id)) else {
            continue;
        };
        let needed = node["deps"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|&needed| is_in_program(needed));
        left.extend(needed.filter_map(|needed| needed["pkg"].as_str()));
    }
    let inside = |package: &Value| {
        package["id"]
            .as_str()
            .is_some_and(|id| reached.contains(id))
    };
    // Those without a source are of this project.
    Ok(packages
        .iter()
        .filter(|package| inside(package) && !package["source"].is_null())
        .cloned()
        .collect())
}

/// Tells what a program contains from what only builds or tests it.
fn is_in_program(needed: &Value) -> bool {
    let kinds = needed["dep_kinds"].as_array();
    kinds
        .into_iter()
        .flatten()
        .any(|kind| kind["kind"].is_null())
}
