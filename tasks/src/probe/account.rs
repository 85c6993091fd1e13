//! User accounts: lines of `/etc/passwd` (passwd(5)), with what `/etc/group` and `/etc/shadow` say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::quote;
use crate::secret::Secret;
use crate::value::AccountName;

/// The number of an account or group that a plan creates and whose number the host will choose: no account has it.
pub const UNKNOWN_ID: u32 = u32::MAX;

/// Asks for an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserQuestion {
    /// The account's name.
    pub name: AccountName,
    /// Whether `/etc/shadow` is read too.
    pub password: bool,
}

/// A user account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFact {
    /// User number.
    pub uid: u32,
    /// Name of the primary group; its number where it has no name.
    pub group: String,
    /// Comment field (GECOS).
    #[serde(default)]
    pub comment: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Supplementary groups, sorted.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Hash of the password as `/etc/shadow` holds it, if it was asked for.
    #[serde(default)]
    pub password: Option<Secret>,
}

impl Facts {
    /// Tells what is known of an account.
    pub fn user(&self, name: &AccountName) -> Result<Option<&UserFact>, NotAsked> {
        self.users
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("user {name}")))
    }
}

/// The kind of this module.
pub struct Accounts;

impl Kind for Accounts {
    type Question = UserQuestion;
    type Known = BTreeMap<AccountName, Option<UserFact>>;

    fn key(question: &UserQuestion) -> AccountName {
        question.name.clone()
    }

    fn widen(question: &mut UserQuestion, other: UserQuestion) {
        question.password |= other.password;
    }

    /// The shell reads the files by itself, and sends the lines that are asked for: what stands in those of others is
    /// nobody's business.
    fn script(questions: &[UserQuestion]) -> String {
        let accounts = lines_of(questions.iter().map(|question| &question.name));
        let passwords = questions.iter().filter(|question| question.password);
        let passwords = lines_of(passwords.map(|question| &question.name));
        let each = |word: &str, pattern: &str| {
            format!(
                "while IFS= read -r line || [ -n \"$line\" ]; do case $line in ({pattern}) printf '{word} %s\\n' \"$line\";; esac; done </etc/{word}"
            )
        };
        let mut parts = vec![each("passwd", &accounts), each("group", "*")];
        if !passwords.is_empty() {
            parts.push(each("shadow", &passwords));
        }
        format!(
            "prov_answer users; {} && prov_complete\n",
            parts.join(" &&\n")
        )
    }

    fn read(questions: &[UserQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        // Comments are in whatever encoding their writers use.
        let text = String::from_utf8_lossy(answers.bytes("users")?);
        let file = |word: &'static str| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(word));
            lines.map(|line| line.split(':').collect::<Vec<_>>())
        };
        let mut group_names = BTreeMap::new();
        let mut memberships: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for fields in file("group ") {
            let &[name, _, gid, members] = fields.as_slice() else {
                continue;
            };
            group_names.insert(gid, name);
            for member in members.split(',').filter(|member| !member.is_empty()) {
                let groups = memberships.entry(member).or_default();
                groups.insert(name.to_owned());
            }
        }
        let mut passwords = BTreeMap::new();
        for fields in file("shadow ") {
            if let [name, hash, ..] = *fields.as_slice() {
                passwords.insert(name, hash);
            }
        }
        let mut users = BTreeMap::new();
        for fields in file("passwd ") {
            let &[name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
                continue;
            };
            let Ok(uid) = uid.parse() else {
                continue;
            };
            let fact = UserFact {
                uid,
                group: (*group_names.get(gid).unwrap_or(&gid)).to_owned(),
                comment: comment.to_owned(),
                home: home.to_owned(),
                shell: shell.to_owned(),
                groups: memberships.get(name).cloned().unwrap_or_default(),
                password: None,
            };
            users.insert(name, fact);
        }
        let fact = |question: &UserQuestion| {
            let mut fact = users.get(question.name.as_str()).cloned();
            if let Some(fact) = fact.as_mut().filter(|_| question.password) {
                // An account without a line in /etc/shadow cannot log in with a password.
                let hash = passwords.get(question.name.as_str());
                fact.password = Some(Secret::new(*hash.unwrap_or(&"!")));
            }
            (question.name.clone(), fact)
        };
        Ok(questions.iter().map(fact).collect())
    }

    fn secrets(known: &Self::Known) -> Vec<&Secret> {
        let users = known.values().flatten();
        users.filter_map(|user| user.password.as_ref()).collect()
    }

    fn samples() -> Vec<UserQuestion> {
        let question = |password| {
            let name = AccountName::new(if password { "user" } else { "other" }).ok()?;
            Some(UserQuestion { name, password })
        };
        [true, false].into_iter().filter_map(question).collect()
    }
}

/// Writes a shell pattern for the lines of these accounts.
pub(super) fn lines_of<'a>(names: impl Iterator<Item = &'a AccountName>) -> String {
    let patterns: Vec<_> = names
        .map(|name| format!("{}:*", quote::sh(name.as_str())))
        .collect();
    patterns.join("|")
}
