//! Accounts of MariaDB.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use super::mariadb::{self, pattern};
use super::{Former, Manage, Resource, State, essential};
use crate::content::{Content, Segment};
use crate::plan::{Action, Change, Diff, Planned, Reason};
use crate::probe::{
    ALL_PRIVILEGES as ALL, DatabaseUserFact, Effect, Facts, MariaDbEffect, MariaDbQuestion,
    NotAsked, PROXY, Query,
};
use crate::pushln;
use crate::secret::{Secret, hex};
use crate::value::{DatabaseAccount, DatabaseName};

/// What later releases know beside these.
const LATER: [&str; 1] = ["SHOW CREATE ROUTINE"];

/// Writes a privilege as the server does.
fn spelt(privilege: &str) -> String {
    let words: Vec<_> = privilege.split_whitespace().collect();
    match words.join(" ").to_ascii_uppercase().as_str() {
        "ALL PRIVILEGES" => "ALL".to_owned(),
        other => other.to_owned(),
    }
}

fn is_all(privileges: &BTreeSet<String>) -> bool {
    privileges.iter().any(|privilege| spelt(privilege) == "ALL")
}

/// Manages an account of the MariaDB server that runs on the host: its password and its privileges on databases.
///
/// Asks the server as root through its socket. Where the server does not run the account is deferred. The password is
/// compared by its hash (`mysql_native_password`), and only the hash is sent; nothing of either is shown. The account
/// has exactly the privileges that are given: others are revoked, also those on other databases, on everything, on single
/// tables, columns and routines, the right to pass privileges on, roles, and the right to act as another account. What the
/// server, its package and prov work with (`root@localhost`, `mysql@localhost`, `mariadb.sys@localhost`) is refused.
///
/// ```yaml
/// mariadb_user: {account: wp@10.0.0.113, password: "sample", grants: {wp: [ALL]}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct MariaDbUser {
    /// Name, and the host that it may come from: `NAME@HOST`.
    pub account: DatabaseAccount,
    /// Password. Needed unless the account should not be there.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Privileges by database, as `GRANT` takes them: `ALL` (or `ALL PRIVILEGES`), `SELECT`, `CREATE VIEW`…, in upper or
    /// lower case.
    #[serde(default)]
    pub grants: BTreeMap<DatabaseName, BTreeSet<String>>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(MariaDbUser);

impl MariaDbUser {
    /// Describes an account that may do everything with one database.
    #[must_use]
    pub fn owner(account: DatabaseAccount, password: Secret, database: DatabaseName) -> Self {
        Self {
            account,
            password: Some(password),
            grants: BTreeMap::from([(database, BTreeSet::from(["ALL".to_owned()]))]),
            state: State::Present,
        }
    }

    /// Gives the account's name as SQL writes it. Its characters were checked: none of them ends the quotes.
    fn quoted(&self) -> String {
        let (name, host) = self.account.parts();
        format!("'{name}'@'{host}'")
    }

    fn wanted(&self) -> BTreeMap<String, BTreeSet<String>> {
        let expanded = |privileges: &BTreeSet<String>| {
            if is_all(privileges) {
                ALL.map(str::to_owned).into()
            } else {
                privileges.iter().map(|name| spelt(name)).collect()
            }
        };
        self.grants
            .iter()
            .map(|(name, privileges)| (pattern(name.as_str()), expanded(privileges)))
            .collect()
    }

    fn grant(&self, sql: &mut String) {
        for (name, privileges) in &self.grants {
            let privileges: BTreeSet<_> = privileges.iter().map(|name| spelt(name)).collect();
            let privileges: Vec<_> = privileges.iter().map(String::as_str).collect();
            pushln!(
                sql,
                "GRANT {} ON `{}`.* TO {};",
                privileges.join(", "),
                pattern(name.as_str()),
                self.quoted()
            );
        }
    }

    /// Writes the statements that turn the privileges there are into those wanted; nothing where they agree.
    fn privileges(&self, have: &DatabaseUserFact) -> String {
        let mut sql = String::new();
        let quoted = self.quoted();
        if !have.global.is_empty() || !have.beyond.is_empty() {
            // Roles go with the privileges, the right to act as another account does not.
            pushln!(sql, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {quoted};");
            for proxied in proxied(have).filter_map(|account| DatabaseAccount::new(account).ok()) {
                let (name, host) = proxied.parts();
                pushln!(sql, "REVOKE PROXY ON '{name}'@'{host}' FROM {quoted};");
            }
            self.grant(&mut sql);
            return sql;
        }
        let wanted = self.wanted();
        for name in have
            .grants
            .keys()
            .filter(|name| !wanted.contains_key(*name))
        {
            pushln!(sql, "REVOKE ALL PRIVILEGES ON `{name}`.* FROM {quoted};");
        }
        for (name, privileges) in &self.grants {
            let pattern = pattern(name.as_str());
            let (Some(have), Some(wanted)) = (have.grants.get(&pattern), wanted.get(&pattern))
            else {
                continue;
            };
            let enough = if is_all(privileges) {
                have.is_superset(wanted)
            } else {
                have == wanted
            };
            if !enough {
                pushln!(sql, "REVOKE ALL PRIVILEGES ON `{pattern}`.* FROM {quoted};");
            }
        }
        let complete = sql.is_empty() && wanted.keys().all(|name| have.grants.contains_key(name));
        if !complete {
            self.grant(&mut sql);
        }
        sql
    }

    /// Refuses an account that may act as one whose name cannot be written into a statement as it is.
    fn unreadable_proxy(&self, have: &DatabaseUserFact) -> Option<Planned> {
        let unreadable = |account: &&str| DatabaseAccount::new(*account).is_err();
        let account = proxied(have).find(unreadable)?;
        Some(Planned::Impossible {
            cause: format!(
                "{} may act as the account {account:?}, whose name prov does not write into statements",
                self.account
            ),
            hint: format!(
                "take that from it by hand: REVOKE PROXY ON … FROM {}, as SHOW GRANTS FOR {} writes it",
                self.quoted(),
                self.quoted()
            ),
        })
    }

    fn change(
        &self,
        action: Action,
        reasons: Vec<Reason>,
        sql: Vec<Segment>,
        fact: Option<DatabaseUserFact>,
        before: Option<&DatabaseUserFact>,
    ) -> Planned {
        let (before, after) = (before.map(shown), fact.as_ref().map(shown));
        let run = mariadb::run(Content::of(sql)).effect(Effect::MariaDb(MariaDbEffect::User(
            self.account.clone(),
            fact,
        )));
        Change::new(action, reasons, vec![run.into()])
            .diff(Diff::plain(
                &before.unwrap_or_default(),
                &after.unwrap_or_default(),
            ))
            .into()
    }

    fn plan_present(&self, password: &Secret, have: Option<&DatabaseUserFact>) -> Planned {
        let hash = password.map(native_password);
        let fact = Some(DatabaseUserFact {
            password: Some(hash.clone()),
            global: BTreeSet::new(),
            beyond: BTreeSet::new(),
            grants: self.wanted(),
        });
        let identified = |verb: &str, end: &str| {
            vec![
                Segment::Plain(format!(
                    "{verb} USER {} IDENTIFIED BY PASSWORD '",
                    self.quoted()
                )),
                Segment::Secret(hash.clone()),
                Segment::Plain(format!("'{end};\n")),
            ]
        };
        let Some(have) = have else {
            let mut sql = identified("CREATE", "");
            let mut grants = String::new();
            self.grant(&mut grants);
            sql.push(Segment::Plain(grants));
            return self.change(Action::Create, vec![Reason::Missing], sql, fact, None);
        };
        let (mut reasons, mut sql) = (Vec::new(), Vec::new());
        if have.password.as_ref() != Some(&hash) {
            reasons.push(Reason::PasswordDiffers);
            sql.extend(identified("ALTER", " ACCOUNT UNLOCK"));
        }
        let privileges = self.privileges(have);
        if !privileges.is_empty() {
            reasons.push(Reason::PrivilegesDiffer);
            sql.push(Segment::Plain(privileges));
        }
        if reasons.is_empty() {
            return Planned::Unchanged;
        }
        self.change(Action::Update, reasons, sql, fact, Some(have))
    }
}

/// Gives the accounts as which another one may act.
fn proxied(have: &DatabaseUserFact) -> impl Iterator<Item = &str> {
    let beyond = have.beyond.iter();
    beyond.filter_map(|words| words.strip_prefix(PROXY))
}

/// Hashes a password as `mysql_native_password` keeps it (MariaDB, "Authentication Plugin - `mysql_native_password`").
fn native_password(password: &str) -> String {
    let once = Sha1::digest(password.as_bytes());
    format!("*{}", hex(&Sha1::digest(once)).to_uppercase())
}

/// Writes privileges for people: a line for each database.
fn shown(fact: &DatabaseUserFact) -> String {
    let all: BTreeSet<String> = ALL.map(str::to_owned).into();
    let line = |on: &str, privileges: &BTreeSet<String>| {
        let text = if privileges.is_superset(&all) {
            "ALL".to_owned()
        } else {
            privileges.iter().cloned().collect::<Vec<_>>().join(", ")
        };
        format!("{text} ON {on}\n")
    };
    let global = (!fact.global.is_empty()).then(|| line("*.*", &fact.global));
    let grants = fact
        .grants
        .iter()
        .map(|(name, privileges)| line(&format!("`{name}`.*"), privileges));
    let beyond = fact.beyond.iter().map(|privilege| format!("{privilege}\n"));
    global.into_iter().chain(grants).chain(beyond).collect()
}

impl Manage for MariaDbUser {
    fn kind(&self) -> &'static str {
        "mariadb_user"
    }

    fn id(&self) -> String {
        self.account.to_string()
    }

    fn secrets(&self) -> Vec<Secret> {
        let password = self.password.iter();
        password
            .flat_map(|password| [password.clone(), password.map(native_password)])
            .collect()
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("mariadb_user {}: {problem}", self.account));
        let (name, host) = self.account.parts();
        if essential::is_account_of_server(name, host) {
            return refuse(
                "the server, its package or prov works with this account; it is neither removed nor given another password or privileges".to_owned(),
            );
        }
        if self.state == State::Present
            && self
                .password
                .as_ref()
                .is_none_or(|password| password.expose().is_empty())
        {
            return refuse("`password` is needed".to_owned());
        }
        for privilege in self.grants.values().flatten() {
            let spelt = spelt(privilege);
            if spelt != "ALL" && !ALL.contains(&spelt.as_str()) && !LATER.contains(&spelt.as_str())
            {
                return refuse(format!(
                    "'{privilege}' is no privilege on a database; use ALL, or of {}. What is global, or for one table or \
                     routine, and GRANT OPTION are not given by prov",
                    ALL.join(", ")
                ));
            }
        }
        if self.grants.values().any(BTreeSet::is_empty) {
            return refuse("a database in `grants` has no privileges".to_owned());
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::MariaDb(MariaDbQuestion::User(self.account.clone()))]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.mariadb.user(&self.account)?;
        if let Some(elsewhere) = mariadb::cannot_be_asked(facts) {
            return Ok(elsewhere);
        }
        if facts.mariadb.own.as_deref() == Some(self.account.as_str()) {
            return Ok(super::invalid(&format!(
                "prov itself is let in as {} on this host, and would not be again",
                self.account
            )));
        }
        if let Some(problem) = have.and_then(|have| self.unreadable_proxy(have)) {
            return Ok(problem);
        }
        Ok(match (self.state, &self.password, have) {
            (State::Absent, _, None) => Planned::Unchanged,
            (State::Absent, _, Some(have)) => {
                let sql = vec![Segment::Plain(format!("DROP USER {};\n", self.quoted()))];
                self.change(Action::Remove, vec![Reason::Present], sql, None, Some(have))
            }
            (State::Present, Some(password), have) => self.plan_present(password, have),
            (State::Present, None, _) => super::invalid("`password` is needed"),
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "MariaDB took the statements and keeps something else: compare with `SHOW GRANTS` and `SHOW CREATE USER` on the host",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("databases and data are never undone"))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::MariaDbUser(Self {
            account: self.account.clone(),
            password: None,
            grants: BTreeMap::new(),
            state: State::Absent,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_the_server_does() {
        // SELECT PASSWORD('mariadb'), from the server's manual.
        assert_eq!(
            native_password("mariadb"),
            "*54958E764CE10E50764C2EECBB71D01F08549980"
        );
    }

    #[test]
    fn a_wildcard_in_a_name_is_meant_literally() {
        assert_eq!(pattern("customer_com"), "customer\\_com");
    }
}
