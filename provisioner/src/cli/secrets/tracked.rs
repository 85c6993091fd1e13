//! What git knows of a folder: which files are in version control, and which would be.

use std::path::{Path, PathBuf};

use super::super::git::{self, index_of_commit, may_be_in_repository};
use crate::engine::Failure;
use crate::report::problem::Problem;

/// Repositories within repositories that are looked into.
const DEEPEST: usize = 8;

/// The files of a folder, as git sees them.
pub(super) struct Tracked<'f> {
    folder: &'f Path,
    /// Those in the index and in the last commit.
    names: Vec<String>,
    /// Those that are neither there nor ignored.
    others: Vec<String>,
}

impl<'f> Tracked<'f> {
    /// Asks git; `None` where the folder is in no work tree of a repository. Repositories in the folder, submodules or not,
    /// are asked, too.
    pub(super) fn of(folder: &'f Path) -> Result<Option<Self>, Problem> {
        let mut tracked = Self {
            folder,
            names: Vec::new(),
            others: Vec::new(),
        };
        let found = tracked.look("", DEEPEST)?;
        tracked.names.sort();
        tracked.names.dedup();
        Ok(found.then_some(tracked))
    }

    /// Takes over what the repository of a part of the folder knows; tells whether there is one.
    fn look(&mut self, part: &str, depth: usize) -> Result<bool, Problem> {
        let folder = self.folder.join(part);
        let question = ["rev-parse", "--is-inside-work-tree", "--absolute-git-dir"];
        let answer = ask(&folder, &question, None)?.unwrap_or_default();
        // A bare repository, and the folder in which git keeps its own, have no files in version control.
        let Some(("true", repository)) = answer.trim_end().split_once('\n') else {
            return Ok(false);
        };
        let index = index_of_commit(Path::new(repository));
        let list = |arguments: &[&str]| -> Result<Vec<String>, Problem> {
            let text = ask(&folder, arguments, index.as_deref())?.unwrap_or_default();
            let names = text.split('\0').filter(|name| !name.is_empty());
            Ok(names.map(|name| format!("{part}{name}")).collect())
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
        let others = list(&[
            "ls-files",
            "--others",
            "--exclude-standard",
            "-z",
            "--",
            ".",
        ])?;
        // What is another repository's is one name here.
        let within = names.iter().chain(&others);
        let mut within: Vec<_> = within
            .map(|name| format!("{}/", name.trim_end_matches('/')))
            .filter(|name| {
                self.folder
                    .join(name)
                    .join(".git")
                    .symlink_metadata()
                    .is_ok()
            })
            .collect();
        within.sort();
        within.dedup();
        self.names.extend(names);
        self.others.extend(others);
        for name in within.into_iter().filter(|_| depth > 0) {
            self.look(&name, depth - 1)?;
        }
        Ok(true)
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
fn ask(folder: &Path, arguments: &[&str], index: Option<&Path>) -> Result<Option<String>, Problem> {
    let mut command = git::command(folder);
    command.args(arguments);
    if let Some(index) = index {
        command.env("GIT_INDEX_FILE", index);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(_) if !may_be_in_repository(folder) => return Ok(None),
        Err(error) => {
            return Err(Problem::Failed(Failure::new(
                format!("cannot run git: {error}"),
                "install git, which knows what is in version control",
            )));
        }
    };
    if output.status.success() {
        return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if NONE.iter().any(|none| said.contains(none)) {
        return Ok(None);
    }
    let why = said.lines().next().unwrap_or_default();
    let remedy = if said.contains("dubious ownership") {
        format!(
            "it belongs to another account: run prov as that one, or, if you trust what it holds, `git config --global --add safe.directory {}`",
            why.split('\'').nth(1).unwrap_or("FOLDER")
        )
    } else {
        "repair what it says, and check again".to_owned()
    };
    Err(Problem::Failed(Failure::new(
        format!(
            "git cannot say what is in version control in {}: {why}",
            folder.display()
        ),
        remedy,
    )))
}

/// What git says where there is no repository, or no commit.
const NONE: [&str; 2] = [
    "not a git repository (or any",
    "Not a valid object name HEAD",
];

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
