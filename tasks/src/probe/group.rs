//! Groups: lines of `/etc/group` (group(5)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::lines_of;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::value::AccountName;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFact {
    /// Group number.
    pub gid: u32,
}

impl Facts {
    /// Tells what is known of a group.
    pub fn group(&self, name: &AccountName) -> Result<Option<&GroupFact>, NotAsked> {
        self.groups
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("group {name}")))
    }
}

/// The kind of this module.
pub struct Groups;

impl Kind for Groups {
    type Question = AccountName;
    type Known = BTreeMap<AccountName, Option<GroupFact>>;

    fn key(name: &AccountName) -> AccountName {
        name.clone()
    }

    fn script(names: &[AccountName]) -> String {
        format!(
            "prov_answer groups; while IFS= read -r line || [ -n \"$line\" ]; do case $line in ({}) printf '%s\\n' \"$line\";; esac; done </etc/group && prov_complete\n",
            lines_of(names.iter())
        )
    }

    fn read(names: &[AccountName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("groups")?);
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(Ok(gid))) =
                (fields.next(), fields.nth(1).map(str::parse::<u32>))
            {
                found.insert(name, GroupFact { gid });
            }
        }
        let fact = |name: &AccountName| (name.clone(), found.get(name.as_str()).cloned());
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<AccountName> {
        AccountName::new("group").into_iter().collect()
    }
}
