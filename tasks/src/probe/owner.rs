//! Whether files can belong to an account or group of a name: `/etc/passwd` and `/etc/group`, and what else the host looks them up in
//! (nsswitch.conf(5)), as chown(1) does.

use std::collections::BTreeMap;

use super::{Answers, Attributes, Broken, Facts, Kind, Query, Written};
use crate::Secret;
use crate::quote;

/// Asks whether there is an account or a group. An answer that is not known says that something may make it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// An account.
    User(String),
    /// A group.
    Group(String),
}

impl Owner {
    /// Gives those of a file's owner and group that must be asked for: root is there, and numbers need no name.
    pub fn of(owner: &str, group: &str) -> impl Iterator<Item = Self> {
        let owners = [Self::User(owner.to_owned()), Self::Group(group.to_owned())];
        owners.into_iter().filter(|one| {
            let (_, name) = one.words();
            name != "root" && !name.bytes().all(|b| b.is_ascii_digit())
        })
    }

    /// The same, as questions.
    pub fn queries(owner: &str, group: &str) -> impl Iterator<Item = Query> {
        Self::of(owner, group).map(Query::Owner)
    }

    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::User(name) => ("user", name),
            Self::Group(name) => ("group", name),
        }
    }

    fn key(&self) -> String {
        let (word, name) = self.words();
        format!("{word} {name}")
    }
}

impl Facts {
    /// Finds an owner or group that a file is to have and that neither the host has nor something before it makes.
    #[must_use]
    pub fn lacks_owner(&self, wanted: &Attributes) -> Option<Owner> {
        if !self.coming.is_empty() {
            return None;
        }
        Owner::of(&wanted.owner, &wanted.group)
            .find(|one| self.owners.get(&one.key()) == Some(&Some(false)))
    }

    /// Takes over that there is an account or group from now on, or that there is none any more.
    pub(crate) fn note_owner(&mut self, owner: &Owner, there: Option<bool>) {
        if let Some(known) = self.owners.get_mut(&owner.key()) {
            *known = there;
        }
    }

    /// Takes over that accounts and groups may be made that nothing is known of.
    pub(crate) fn doubt_owners(&mut self) {
        let missing = self
            .owners
            .values_mut()
            .filter(|known| **known == Some(false));
        missing.for_each(|known| *known = None);
    }
}

/// The kind of this module.
pub struct Owners;

impl Kind for Owners {
    type Question = Owner;
    type Known = BTreeMap<String, Option<bool>>;

    fn key(question: &Owner) -> String {
        question.key()
    }

    /// The shell reads the files by itself; only for names that are not there another program is asked.
    fn script(questions: &[Owner]) -> String {
        let ask = |wanted: &str, table: &str| {
            let names = questions.iter().map(Owner::words);
            let names = names.filter(|(word, _)| *word == wanted);
            let names = quote::sh_all(names.map(|(_, name)| name));
            if names.is_empty() {
                return String::new();
            }
            format!("prov_owners {wanted} {table} {names} && ")
        };
        format!(
            "prov_owners() {{ word=$1 table=$2 found=:; shift 2\n\
             while IFS=: read -r name _ || [ -n \"$name\" ]; do found=$found$name:; done <\"/etc/$table\" || return\n\
             for name do shift; case $found in (*\":$name:\"*) printf '%s %s\\n' \"$word\" \"$name\";; (*) set -- \"$@\" \"$name\";; esac; done\n\
             [ $# -eq 0 ] || getent -- \"$table\" \"$@\" | while IFS=: read -r name _; do printf '%s %s\\n' \"$word\" \"$name\"; done; }}\n\
             prov_answer owners; {}{}prov_complete\n",
            ask("user", "passwd"),
            ask("group", "group"),
        )
    }

    fn read(questions: &[Owner], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("owners")?);
        let there = |owner: &Owner| text.lines().any(|line| line == owner.key());
        Ok(questions
            .iter()
            .map(|owner| (owner.key(), Some(there(owner))))
            .collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(_: &Owner, written: &Written<'_>) -> bool {
        let mut paths = written.paths.iter();
        paths.any(|path| {
            ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf"].contains(&path.as_str())
        })
    }

    fn samples() -> Vec<Owner> {
        vec![
            Owner::User("owner".to_owned()),
            Owner::Group("owners".to_owned()),
        ]
    }
}
