//! What git knows of a folder: which files are in version control, and which would be.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::Failure;
use crate::report::problem::Problem;

/// The files of a folder, as git sees them.
pub(super) struct Tracked<'f> {
    folder: &'f Path,
    /// Those in the index and in the last commit.
    names: Vec<String>,
    /// Those that are neither there nor ignored.
    others: Vec<String>,
}

impl<'f> Tracked<'f> {
    /// Asks git; `None` where the folder is in no repository.
    pub(super) fn of(folder: &'f Path) -> Result<Option<Self>, Problem> {
        if git(folder, &["rev-parse", "--is-inside-work-tree"])?.is_none() {
            return Ok(None);
        }
        let list = |arguments: &[&str]| -> Result<Vec<String>, Problem> {
            let text = git(folder, arguments)?.unwrap_or_default();
            let names = text.split('\0').filter(|name| !name.is_empty());
            Ok(names.map(str::to_owned).collect())
        };
        let mut names = list(&["ls-files", "-z", "--", "."])?;
        // Before the first commit there is none.
        names.extend(list(&[
            "ls-tree",
            "-r",
            "-z",
            "--name-only",
            "HEAD",
            "--",
            ".",
        ])?);
        names.sort();
        names.dedup();
        let others = list(&[
            "ls-files",
            "--others",
            "--exclude-standard",
            "-z",
            "--",
            ".",
        ])?;
        Ok(Some(Self {
            folder,
            names,
            others,
        }))
    }

    /// Tells whether a file of the folder is in version control.
    pub(super) fn has(&self, path: &Path) -> bool {
        let own = path.strip_prefix(self.folder).unwrap_or(path);
        self.names.iter().any(|name| Path::new(name) == own)
    }

    /// Lists the files in version control that hold secrets in the clear, and whether each is an authority.
    pub(super) fn clear(&self) -> impl Iterator<Item = (PathBuf, bool)> {
        let names = self.names.iter().filter(|name| is_clear(name));
        names.map(|name| (self.folder.join(name), name.contains(AUTHORITY)))
    }

    /// Lists the files with secrets in the clear that nothing keeps from version control.
    pub(super) fn would_be(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.others.iter().filter(|name| is_clear(name));
        names.map(|name| self.folder.join(name))
    }
}

/// What the name of an authority's file holds.
const AUTHORITY: &str = ".private.pem";

/// Tells whether a file holds secrets in the clear, by its name: private files, and copies that editors and people make of them.
fn is_clear(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    let private = [".private.yml", ".private.yaml", AUTHORITY];
    private.iter().any(|part| name.contains(part)) && name.rsplit('.').next() != Some("age")
}

/// Asks git something about a folder; `None` where there is no such thing.
fn git(folder: &Path, arguments: &[&str]) -> Result<Option<String>, Problem> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("LC_ALL", "C")
        .output();
    let output = output.map_err(|error| {
        Problem::Failed(Failure::new(
            format!("cannot run git: {error}"),
            "install git, which knows what is in version control",
        ))
    })?;
    if output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if NONE.iter().any(|none| said.contains(none)) {
        return Ok(None);
    }
    let why = said.lines().next().unwrap_or_default();
    Err(Problem::Failed(Failure::new(
        format!(
            "git cannot say what is in version control in {}: {why}",
            folder.display()
        ),
        "repair what it says, and check again",
    )))
}

/// What git says where there is no repository, or no commit.
const NONE: [&str; 2] = ["not a git repository", "Not a valid object name HEAD"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_and_their_copies_are_clear_and_encrypted_ones_are_not() {
        for name in [
            "estate.private.yml",
            "hosts/.web1.private.yml.swp",
            "hosts/web1.private.yml~",
            "web1.private.yaml",
            "authority.private.pem.bak",
        ] {
            assert!(is_clear(name), "{name}");
        }
        for name in [
            "estate.private.yml.age",
            "authority.private.pem.age",
            "estate.yml",
            "x.private.yml/y",
        ] {
            assert!(!is_clear(name), "{name}");
        }
    }
}
