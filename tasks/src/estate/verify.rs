//! What checks that write may use on servers: the section `verify` of `estate.yml`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Estate;
use super::node::Node;
use crate::Diagnostic;

/// Holds the section `verify:`: calendars, hosts and accounts of mail that are there for checks. On servers, checks that write use nothing
/// else, and leave nothing there; in containers they use whatever there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// Calendars, by their users: an event is stored in each, read, and removed. Their properties are those of a new one.
    #[serde(default)]
    pub calendars: Vec<String>,
    /// Hosts on which a file is made, backed up, deleted and restored; each is backed up by that, and the director's catalogue, too.
    #[serde(default)]
    pub backup: Vec<String>,
    /// Addresses of mail: messages are sent in their names and to them, read, and removed. Their passwords are known.
    #[serde(default)]
    pub mail: Vec<String>,
}

impl Estate {
    /// Gives what checks that write may use on servers.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Finds names in the section `verify` that are no host's.
    pub(super) fn check_marks(&self, root: &Node) -> Vec<Diagnostic> {
        let Some(backup) = root.get("verify").and_then(|node| node.get("backup")) else {
            return Vec::new();
        };
        let hosts = backup.names().0.into_iter().filter_map(|(name, mark)| {
            if self.hosts.iter().any(|host| host.name == name) {
                return None;
            }
            let wrong = Diagnostic::at(mark.place(), format!("there is no host '{name}'"));
            let hosts = self.hosts.iter().map(|host| host.name.as_str());
            Some(super::suggest(wrong, name, hosts))
        });
        hosts.collect()
    }
}
