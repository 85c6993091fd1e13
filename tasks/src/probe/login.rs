//! The account that prov logs in with, and the shells with which anybody can: shells(5).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind};
use crate::Secret;

/// The account that prov logs in with on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginFact {
    /// Its name.
    pub user: String,
    /// The groups that it is in.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The shells that `/etc/shells` lists.
    #[serde(default)]
    pub shells: BTreeSet<String>,
}

/// The kind of this module.
pub struct OfSession;

impl Kind for OfSession {
    type Question = ();
    type Known = Option<LoginFact>;

    fn key((): &()) {}

    /// Who becomes root through sudo(8) is named by it.
    fn script(_: &[()]) -> String {
        "prov_answer login; login=${SUDO_USER:-root}; printf 'user %s\\n' \"$login\"\n\
         for group in $(id -Gn -- \"$login\" 2>/dev/null); do printf 'group %s\\n' \"$group\"; done\n\
         while IFS= read -r shell; do case $shell in (/*) printf 'shell %s\\n' \"$shell\";; esac; done 2>/dev/null </etc/shells\n\
         prov_complete\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<LoginFact>, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("login")?);
        let values = |word: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(word));
            lines.map(|value| value.trim().to_owned())
        };
        Ok(Some(LoginFact {
            user: values("user ").next().unwrap_or_else(|| "root".to_owned()),
            groups: values("group ").collect(),
            shells: values("shell ").collect(),
        }))
    }

    fn secrets(_: &Option<LoginFact>) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
