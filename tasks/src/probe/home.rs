//! What is at the homes of accounts: what would go if they were removed with them (userdel(8)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::lines_of;
use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::value::AccountName;

/// What is at the home of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HomeFact {
    /// Nothing, or the account is not there.
    #[default]
    Missing,
    /// Something that is no folder.
    Other,
    /// A folder.
    Folder {
        /// Where it is, without links.
        place: String,
        /// The number of its owner.
        uid: u32,
        /// Whether something is mounted there or below.
        #[serde(default)]
        mounted: bool,
    },
}

impl Facts {
    /// Tells what is at the home of an account.
    pub fn home(&self, name: &AccountName) -> Result<&HomeFact, NotAsked> {
        let home = self.homes.get(name);
        home.ok_or_else(|| NotAsked(format!("home of {name}")))
    }
}

/// The kind of this module.
pub struct Homes;

impl Kind for Homes {
    type Question = AccountName;
    type Known = BTreeMap<AccountName, HomeFact>;

    fn key(name: &AccountName) -> AccountName {
        name.clone()
    }

    fn script(names: &[AccountName]) -> String {
        let names = lines_of(names.iter());
        format!(
            "prov_home() {{ # account home\n\
             [ -e \"$2\" ] || [ -L \"$2\" ] || {{ printf '%s missing\\n' \"$1\"; return; }}\n\
             cd -P -- \"$2\" 2>/dev/null || {{ printf '%s other\\n' \"$1\"; return; }}\n\
             mounted=no; while read -r _ _ _ _ at _; do case $at in (\"$PWD\"|\"${{PWD%/}}\"/*) mounted=yes;; esac; done </proc/self/mountinfo\n\
             uid=$(stat -c %u -- .) && printf '%s folder %s %s %s\\n' \"$1\" \"$uid\" \"$mounted\" \"$PWD\"; cd /; }}\n\
             prov_answer homes; ( while IFS= read -r line || [ -n \"$line\" ]; do case $line in ({names})\n\
             home=${{line%:*}}; prov_home \"${{line%%:*}}\" \"${{home##*:}}\" || exit;; esac; done </etc/passwd ) && prov_complete\n"
        )
    }

    fn read(names: &[AccountName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("homes")?);
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<_> = line.splitn(5, ' ').collect();
            let (name, fact) = match fields[..] {
                [name, "missing"] => (name, HomeFact::Missing),
                [name, "other"] => (name, HomeFact::Other),
                [name, "folder", uid, mounted @ ("yes" | "no"), place] => {
                    let uid = uid.parse();
                    let fact = HomeFact::Folder {
                        place: place.to_owned(),
                        uid: uid.map_err(|_| broken("homes", "has no number of an owner"))?,
                        mounted: mounted == "yes",
                    };
                    (name, fact)
                }
                _ => return Err(broken("homes", format!("has a line {line:?}"))),
            };
            // The first line of a name is the one that is found.
            found.entry(name.to_owned()).or_insert(fact);
        }
        let fact = |name: &AccountName| {
            let fact = found.get(name.as_str()).cloned();
            (name.clone(), fact.unwrap_or_default())
        };
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<AccountName> {
        AccountName::new("leaver").into_iter().collect()
    }
}
