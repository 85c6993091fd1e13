//! What prov remembers between runs on this machine, per estate: the pinned host keys of containers, and the
//! estate's authority.
//!
//! It lies below `$XDG_STATE_HOME/prov` (by default `~/.local/state/prov`). All of it can be lost: it is made
//! again, and certificates are issued anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tasks::content::Content;

use crate::replacing;
use crate::report::problem::Problem;

/// The folder of one estate.
#[derive(Debug, Clone)]
pub(crate) struct State {
    folder: PathBuf,
}

/// The host key of a container, which is valid for that container only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinnedKey {
    /// When the container was created (seconds since 1970).
    pub(crate) created: i64,
    /// The key, as in `known_hosts` without the names.
    pub(crate) key: String,
}

impl State {
    /// Finds the folder of an estate; estates of one name in different folders are kept apart.
    pub(crate) fn of(estate: &str, folder: &Path) -> Result<Self, Problem> {
        let base = match std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()) {
            Some(path) => PathBuf::from(path),
            None => home().join(".local/state"),
        };
        let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let mut digest = Content::plain(absolute.display().to_string()).sha256();
        digest.truncate(12);
        let folder = base.join("prov").join(format!("{estate}-{digest}"));
        std::fs::create_dir_all(&folder).map_err(|error| {
            Problem::file(
                "make",
                &folder,
                &error,
                "set XDG_STATE_HOME to a folder that you may write to",
            )
        })?;
        Ok(Self { folder })
    }

    /// Gives the pinned host keys, by host. A file that cannot be read is as good as none.
    pub(crate) fn host_keys(&self) -> BTreeMap<String, PinnedKey> {
        self.read("host-keys.json").unwrap_or_default()
    }

    /// Keeps the pinned host keys.
    pub(crate) fn keep_host_keys(&self, keys: &BTreeMap<String, PinnedKey>) -> Result<(), Problem> {
        self.write("host-keys.json", keys)
    }

    /// Reads a file; `None` where there is none or it makes no sense.
    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = std::fs::read_to_string(self.folder.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes a file, all of it or nothing.
    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Problem> {
        let text = serde_json::to_vec_pretty(value).unwrap_or_default();
        self.write_private(name, &text)
    }

    /// Writes a file that only this user may read, all of it or nothing.
    pub(crate) fn write_private(&self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        write_private(&self.folder.join(name), bytes)
    }

    /// Gives the path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Removes a file that is no longer needed.
    pub(crate) fn forget(&self, name: &str) {
        // A file that is not there is as good as removed.
        let _ = std::fs::remove_file(self.folder.join(name));
    }
}

/// Writes a file that only this user may read, all of it or nothing.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let failed = |error: std::io::Error| {
        Problem::file(
            "write",
            path,
            &error,
            "check that the folder may be written to and the disk is not full",
        )
    };
    replacing::put(path, bytes, 0o600).map_err(failed)
}

/// Gives the user's home directory.
pub(crate) fn home() -> PathBuf {
    std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"))
}

/// Gives the name of the user who runs prov, as the list of accounts has it.
pub(crate) fn local_user() -> String {
    account().map_or_else(
        || std::env::var("USER").unwrap_or_else(|_| "root".to_owned()),
        |(name, _)| name.clone(),
    )
}

/// Gives the home directory that the list of accounts names, whatever `$HOME` says.
pub(crate) fn account_home() -> Option<&'static Path> {
    account().map(|(_, home)| home.as_path())
}

/// Reads name and home directory of who runs prov from `/etc/passwd`; accounts of directory services are not in it.
fn account() -> Option<&'static (String, PathBuf)> {
    static ACCOUNT: OnceLock<Option<(String, PathBuf)>> = OnceLock::new();
    let read = || {
        let user = rustix::process::getuid().as_raw().to_string();
        let bytes = std::fs::read("/etc/passwd").ok()?;
        let text = String::from_utf8_lossy(&bytes);
        text.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            match fields.as_slice() {
                [name, _, number, _, _, home, ..] if *number == user => {
                    Some(((*name).to_owned(), PathBuf::from(*home)))
                }
                _ => None,
            }
        })
    };
    ACCOUNT.get_or_init(read).as_ref()
}
