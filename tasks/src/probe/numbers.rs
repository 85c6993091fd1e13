//! Which numbers and homes are whose: `/etc/passwd` (passwd(5)) and `/etc/group` (group(5)) as a whole, without what people wrote there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, GroupFact, Kind, NotAsked, UNKNOWN_ID, UserFact, Written};
use crate::Secret;
use crate::value::AccountName;

/// The numbers of all accounts and groups.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumbersFact {
    /// The accounts by their names.
    pub users: BTreeMap<String, HolderFact>,
    /// The numbers of groups by their names.
    pub groups: BTreeMap<String, u32>,
    /// Whether something came since that may have taken accounts and groups away, so that nothing is refused for one that was there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
}

/// What an account has that no other should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolderFact {
    /// Its number.
    pub uid: u32,
    /// The number of its primary group.
    pub gid: u32,
    /// Its home.
    pub home: String,
}

impl NumbersFact {
    /// Gives the accounts that are there for certain.
    pub fn certain(&self) -> impl Iterator<Item = (&String, &HolderFact)> {
        self.users.iter().filter(|_| !self.doubted)
    }

    /// Gives the same as something leaves it of which nobody knows what it does to accounts and groups.
    #[must_use]
    pub fn doubted(self) -> Self {
        Self {
            doubted: true,
            ..self
        }
    }

    /// Finds another account with this number.
    #[must_use]
    pub fn user_with(&self, uid: u32, but: &AccountName) -> Option<&str> {
        let mut others = self.certain().filter(|(name, _)| *name != but.as_str());
        let (name, _) = others.find(|(_, holder)| holder.uid == uid && uid != UNKNOWN_ID)?;
        Some(name)
    }

    /// Finds another group with this number.
    #[must_use]
    pub fn group_with(&self, gid: u32, but: &AccountName) -> Option<&str> {
        let others = self.groups.iter().filter(|_| !self.doubted);
        let mut others = others.filter(|(name, _)| *name != but.as_str());
        let (name, _) = others.find(|(_, other)| **other == gid && gid != UNKNOWN_ID)?;
        Some(name)
    }

    /// Lists the accounts whose primary group has this number.
    pub fn in_group(&self, gid: u32) -> impl Iterator<Item = &str> {
        let members = self
            .certain()
            .filter(move |(_, holder)| holder.gid == gid && gid != UNKNOWN_ID);
        members.map(|(name, _)| name.as_str())
    }

    /// Takes over what becomes of an account.
    pub(crate) fn note_user(&mut self, name: &AccountName, fact: Option<&UserFact>) {
        let Some(fact) = fact else {
            self.users.remove(name.as_str());
            return;
        };
        let gid = self.groups.get(&fact.group).copied();
        let holder = HolderFact {
            uid: fact.uid,
            gid: gid
                .or_else(|| fact.group.parse().ok())
                .unwrap_or(UNKNOWN_ID),
            home: fact.home.clone(),
        };
        self.users.insert(name.to_string(), holder);
    }

    /// Takes over what becomes of a group; the accounts in it follow its number, as groupmod(8) has them do.
    pub(crate) fn note_group(&mut self, name: &AccountName, fact: Option<&GroupFact>) {
        let before = self.groups.remove(name.as_str());
        let Some(fact) = fact else { return };
        let members = self.users.values_mut();
        for holder in
            members.filter(|holder| Some(holder.gid) == before && before != Some(UNKNOWN_ID))
        {
            holder.gid = fact.gid;
        }
        self.groups.insert(name.to_string(), fact.gid);
    }
}

impl Facts {
    /// Tells which numbers and homes are whose.
    pub fn numbers(&self) -> Result<&NumbersFact, NotAsked> {
        let numbers = self.numbers.as_ref();
        numbers.ok_or_else(|| NotAsked("numbers of accounts".to_owned()))
    }
}

/// Tells whether files were written that say which accounts and groups there are.
pub(super) fn accounts_written(written: &Written<'_>) -> bool {
    let mut paths = written.paths.iter();
    paths.any(|path| ["/etc/passwd", "/etc/group"].contains(&path.as_str()))
}

/// The kind of this module.
pub struct OfAll;

impl Kind for OfAll {
    type Question = ();
    type Known = Option<NumbersFact>;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        "prov_answer numbers\n\
         while IFS=: read -r name _ uid gid _ home _ || [ -n \"$name\" ]; do printf 'user:%s:%s:%s:%s\\n' \"$name\" \"$uid\" \"$gid\" \"$home\"; done </etc/passwd &&\n\
         while IFS=: read -r name _ gid _ || [ -n \"$name\" ]; do printf 'group:%s:%s\\n' \"$name\" \"$gid\"; done </etc/group && prov_complete\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<NumbersFact>, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("numbers")?);
        let mut found = NumbersFact::default();
        for line in text.lines() {
            let fields: Vec<_> = line.split(':').collect();
            match fields[..] {
                ["user", name, uid, gid, home] => {
                    // A line that the tools do not understand is no account.
                    let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else {
                        continue;
                    };
                    let home = home.to_owned();
                    let holder = HolderFact { uid, gid, home };
                    found.users.entry(name.to_owned()).or_insert(holder);
                }
                ["group", name, gid] => {
                    if let Ok(gid) = gid.parse() {
                        found.groups.entry(name.to_owned()).or_insert(gid);
                    }
                }
                _ => return Err(broken("numbers", format!("has a line {line:?}"))),
            }
        }
        Ok(Some(found))
    }

    fn secrets(_: &Option<NumbersFact>) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows((): &(), written: &Written<'_>) -> bool {
        accounts_written(written)
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
