//! Tells the program its version: that of the package, and in what is built for use the commit and its date.
//!
//! Developers' builds name no commit, as each commit would build everything anew. Where the sources are no checkout of
//! git, `PROV_COMMIT` and `PROV_DATE` can say what they are.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PROV_COMMIT");
    println!("cargo::rerun-if-env-changed=PROV_DATE");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let from = if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        built_from()
    } else {
        Some("development build".to_owned())
    };
    let version = from.map_or_else(|| version.clone(), |from| format!("{version} ({from})"));
    println!("cargo::rustc-env=PROV_VERSION={version}");
}

/// Gives the commit and its date.
fn built_from() -> Option<String> {
    let named = |name| env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(commit), Some(date)) = (named("PROV_COMMIT"), named("PROV_DATE")) {
        return Some(format!("{commit}, {date}"));
    }
    // Another project may have these sources somewhere in its own repository.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // What git writes at every commit and every change of branch.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["log", "-1", "--format=%h, %cs"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
