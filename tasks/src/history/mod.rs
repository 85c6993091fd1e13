//! What a run records on a host of each change, and how that is undone: as declarations that are planned like any other.
//!
//! Owns the form of the records and what can be undone. Refuses to guess: what is not known exactly before and after a change is said
//! to stay, and what somebody has changed since is not touched. Databases and data are never undone, packages only on demand.

mod account;
mod altered;
mod record;
mod undo;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use account::AtAccount;
pub use altered::{Altered, AtPath, ChangedSince, Was};
pub use record::{Record, SiteChange};
pub use undo::{Since, Undoing, needed, undo};

use crate::value::HostPath;

/// Where a host keeps its records: a folder for each run, for root only.
pub const FOLDER: &str = "/var/lib/prov/history";

/// Bytes of a file beyond which the host does not keep it.
pub const MOST_KEPT: u64 = 4 * 1024 * 1024;

/// How the names of kept bytes begin that are not their digests.
pub const UNDIGESTED: &str = "before-";

/// Runs that a host remembers.
pub const MOST_RUNS: usize = 50;

/// A run, as every host that it changed remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRun {
    /// Its name: the time in UTC and a few random letters, so names are in the order of the runs.
    pub run: String,
    /// Who, on which machine, in which process, since when.
    pub who: String,
    /// The command, without the values of fields and variables.
    pub command: String,
    /// The estate.
    pub estate: String,
    /// The commit of the estate's folder, where that is under version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether there were changes that are not in the commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

/// Gives where the host keeps the bytes of this digest.
#[must_use]
pub fn kept_at(run: &str, sha256: &str) -> Option<HostPath> {
    HostPath::new(format!("{FOLDER}/{run}/{sha256}")).ok()
}

/// Tells whether a text can be the name of a run.
#[must_use]
pub fn is_run(name: &str) -> bool {
    (8..=40).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// What a run changed on one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Its changes, in their order.
    pub records: Vec<Record>,
    /// The numbers of those that were made to their end.
    pub done: BTreeSet<usize>,
    /// Whether the host has put guarded changes back.
    pub put_back: bool,
}

/// Reads what a run has recorded, a line each; one that was cut short belongs to a change that was not made.
#[must_use]
pub fn read(text: &str) -> Changes {
    #[derive(Deserialize)]
    struct Mark {
        done: Option<usize>,
        #[serde(default)]
        put_back: bool,
    }
    let mut changes = Changes::default();
    for line in text.lines() {
        if let Ok(record) = serde_json::from_str::<Record>(line) {
            changes.records.push(record);
        } else if let Ok(mark) = serde_json::from_str::<Mark>(line) {
            changes.done.extend(mark.done);
            changes.put_back |= mark.put_back;
        }
    }
    changes
}
