//! How git is asked about a folder: about the repository that the folder is in, whoever runs prov.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What git leaves in the environment of hooks and aliases, and people set by hand: it says that another repository, work tree
/// or index is meant than the one that a folder is in (`git rev-parse --local-env-vars`).
const OF_ANOTHER: [&str; 16] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Makes a command that asks git about a folder, in English, and takes no lock.
pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null());
    for variable in OF_ANOTHER {
        command.env_remove(variable);
    }
    command
}

/// Gives the index of a commit that is just being made, if this is its hook and it is one of this repository, whose folder
/// is given: what will be committed is not in the usual index then.
pub(super) fn index_of_commit(repository: &Path) -> Option<PathBuf> {
    let index = std::env::var_os("GIT_INDEX_FILE")?;
    let index = std::env::current_dir().ok()?.join(index);
    index.starts_with(repository).then_some(index)
}

/// Tells whether a folder looks like one in a repository, which git alone can say for certain.
pub(super) fn may_be_in_repository(folder: &Path) -> bool {
    let folder = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    folder
        .ancestors()
        .any(|above| above.join(".git").symlink_metadata().is_ok())
}
