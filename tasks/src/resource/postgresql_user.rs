//! Roles of PostgreSQL: accounts, and groups of them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State, essential, postgresql, scram};
use crate::content::{Content, Segment};
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    ATTRIBUTES, Effect, Facts, NotAsked, PostgresEffect, PostgresQuestion, PostgresUserFact, Query,
};
use crate::pushln;
use crate::quote;
use crate::secret::Secret;
use crate::value::PostgresName;

/// What may be done with a database as a whole (PostgreSQL, "Privileges").
const ALL: [&str; 3] = ["CONNECT", "CREATE", "TEMPORARY"];

/// Manages a role of the PostgreSQL server that runs on the host: whether it can log in, its password, attributes, memberships
/// and privileges on databases.
///
/// Asks Debian's main cluster as `postgres` through its socket. Where the server does not run the role is deferred. The password
/// is compared by its verifier (SCRAM-SHA-256), and only a verifier is sent; nothing of either is shown. Without `password` the one
/// that is there stays: such a role logs in by the name of its account (`peer`). The role has exactly the attributes, memberships and
/// privileges on databases that are given; with a database that it owns it may do everything. Privileges on schemas and
/// tables are not asked for. When absent, the role must not own anything any more. `postgres` and the roles of the server
/// itself (`pg_…`) are refused.
///
/// ```yaml
/// postgresql_user: {name: shop, password: "sample", member_of: [pg_monitor], grants: {reports: [CONNECT]}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PostgresqlUser {
    /// Name.
    pub name: PostgresName,
    /// Password, in characters of ASCII; the one that is there stays when not given.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Whether it can log in; a group of roles need not.
    #[serde(default = "yes")]
    pub login: bool,
    /// Any of `SUPERUSER`, `CREATEDB`, `CREATEROLE`, `REPLICATION` and `BYPASSRLS`.
    #[serde(default)]
    pub attributes: BTreeSet<String>,
    /// Roles that it is a member of, for instance `pg_read_all_data`.
    #[serde(default)]
    pub member_of: BTreeSet<PostgresName>,
    /// Privileges by database: `CONNECT`, `CREATE`, `TEMPORARY` or `ALL`.
    #[serde(default)]
    pub grants: BTreeMap<PostgresName, BTreeSet<String>>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(PostgresqlUser);

const fn yes() -> bool {
    true
}

/// Gives the privileges that a word stands for, as the server writes them; none for a word that it does not know.
fn spelt(privilege: &str) -> &'static [&'static str] {
    match privilege.to_ascii_uppercase().as_str() {
        "ALL" | "ALL PRIVILEGES" => &ALL,
        "CONNECT" => &["CONNECT"],
        "CREATE" => &["CREATE"],
        "TEMP" | "TEMPORARY" => &["TEMPORARY"],
        _ => &[],
    }
}

impl PostgresqlUser {
    /// Gives what the role should be; with its password, and with databases that it owns left aside.
    fn wanted(
        &self,
        have: Option<&PostgresUserFact>,
        password: Option<Secret>,
    ) -> PostgresUserFact {
        let owns = have.map(|have| have.owns.clone()).unwrap_or_default();
        let grants = self
            .grants
            .iter()
            .filter(|(name, _)| !owns.contains(name.as_str()));
        let expanded = |words: &BTreeSet<String>| {
            let words = words.iter().flat_map(|word| spelt(word));
            words.map(|word| (*word).to_owned()).collect()
        };
        PostgresUserFact {
            // A password that is left alone ends when it did.
            expires: password.is_none() && have.is_some_and(|have| have.expires),
            password: password.or_else(|| have?.password.clone()),
            login: self.login,
            attributes: self.attributes.clone(),
            member_of: self.member_of.iter().map(ToString::to_string).collect(),
            grants: grants
                .map(|(name, words)| (name.to_string(), expanded(words)))
                .collect(),
            owns,
        }
    }

    /// Gives the words that set login and attributes.
    fn options(&self) -> String {
        let login = ("LOGIN", self.login);
        let attributes = ATTRIBUTES.map(|name| (name, self.attributes.contains(name)));
        let words = [login].into_iter().chain(attributes);
        let words = words.map(|(name, is_set)| {
            if is_set {
                name.to_owned()
            } else {
                format!("NO{name}")
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Writes the statements that turn memberships and privileges into those wanted. Names are quoted whoever has given them.
    fn grants(&self, have: &PostgresUserFact, wanted: &PostgresUserFact) -> String {
        let mut sql = String::new();
        let name = &self.name;
        let quoted = |text: &str| quote::postgresql_name(text);
        for role in have.member_of.difference(&wanted.member_of) {
            pushln!(sql, "REVOKE {} FROM \"{name}\";", quoted(role));
        }
        for role in wanted.member_of.difference(&have.member_of) {
            pushln!(sql, "GRANT {} TO \"{name}\";", quoted(role));
        }
        for (database, privileges) in &have.grants {
            if wanted.grants.get(database) != Some(privileges) {
                pushln!(
                    sql,
                    "REVOKE ALL ON DATABASE {} FROM \"{name}\" CASCADE;",
                    quoted(database)
                );
            }
        }
        for (database, privileges) in &wanted.grants {
            if have.grants.get(database) != Some(privileges) {
                let words: Vec<_> = privileges.iter().map(String::as_str).collect();
                pushln!(
                    sql,
                    "GRANT {} ON DATABASE {} TO \"{name}\";",
                    words.join(", "),
                    quoted(database)
                );
            }
        }
        sql
    }

    fn change(
        &self,
        action: Action,
        reasons: Vec<Reason>,
        sql: Vec<Segment>,
        before: Option<&PostgresUserFact>,
        fact: Option<PostgresUserFact>,
    ) -> Planned {
        let diff = Diff::plain(
            &before.map(shown).unwrap_or_default(),
            &fact.as_ref().map(shown).unwrap_or_default(),
        );
        let begin = Segment::Plain("BEGIN;\n".to_owned());
        let end = Segment::Plain("COMMIT;\n".to_owned());
        let sql = [vec![begin], sql, vec![end]].concat();
        let effect = PostgresEffect::User(self.name.clone(), fact);
        let run = postgresql::run(Content::of(sql)).effect(Effect::PostgreSql(effect));
        Change::new(action, reasons, vec![run.into()])
            .diff(diff)
            .into()
    }

    fn plan_present(&self, have: Option<&PostgresUserFact>, facts: &Facts) -> Planned {
        let kept = have.and_then(|have| have.password.as_ref());
        let is_kept = |password: &Secret| {
            kept.is_some_and(|kept| scram::is_of(kept.expose(), password.expose()))
        };
        let expires = have.is_some_and(|have| have.expires);
        let system = facts.postgresql.system.as_deref().unwrap_or_default();
        let former = kept.map_or("", Secret::expose);
        // Checked against what is there before, so that one that is right is not made anew.
        let news = self
            .password
            .as_ref()
            .filter(|password| expires || !is_kept(password));
        let news = news.map(|password| {
            password.map(|text| scram::verifier(text, &[system, self.name.as_str(), former]))
        });
        let wanted = self.wanted(
            have,
            news.clone()
                .or_else(|| kept.cloned().filter(|_| self.password.is_some())),
        );
        let password = |sql: &mut Vec<Segment>| {
            if let Some(verifier) = &news {
                sql.push(Segment::Plain(
                    " VALID UNTIL 'infinity' PASSWORD '".to_owned(),
                ));
                sql.push(Segment::Secret(verifier.clone()));
                sql.push(Segment::Plain("'".to_owned()));
            }
        };
        let begun = |verb: &str| {
            vec![Segment::Plain(format!(
                "{verb} ROLE \"{}\" {}",
                self.name,
                self.options()
            ))]
        };
        let Some(have) = have else {
            let mut sql = begun("CREATE");
            password(&mut sql);
            let grants = self.grants(&PostgresUserFact::default(), &wanted);
            sql.push(Segment::Plain(format!(";\n{grants}")));
            return self.change(
                Action::Create,
                vec![Reason::Missing],
                sql,
                None,
                Some(wanted),
            );
        };
        let (mut reasons, mut sql) = (Vec::new(), Vec::new());
        if news.is_some() {
            reasons.push(Reason::PasswordDiffers);
        }
        if (have.login, &have.attributes) != (wanted.login, &wanted.attributes) {
            reasons.push(Reason::AccountDiffers);
        }
        if !reasons.is_empty() {
            sql = begun("ALTER");
            password(&mut sql);
            sql.push(Segment::Plain(";\n".to_owned()));
        }
        let grants = self.grants(have, &wanted);
        if !grants.is_empty() {
            reasons.push(Reason::PrivilegesDiffer);
            sql.push(Segment::Plain(grants));
        }
        if reasons.is_empty() {
            return Planned::Unchanged;
        }
        self.change(Action::Update, reasons, sql, Some(have), Some(wanted))
    }
}

/// Writes a role for people: a line for each thing that it is or may do.
fn shown(fact: &PostgresUserFact) -> String {
    let login = fact.login.then(|| "LOGIN\n".to_owned());
    let attributes = fact.attributes.iter().map(|word| format!("{word}\n"));
    let roles = fact
        .member_of
        .iter()
        .map(|role| format!("member of {role}\n"));
    let grants = fact.grants.iter().map(|(name, words)| {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        format!("{} ON {name}\n", words.join(", "))
    });
    login
        .into_iter()
        .chain(attributes)
        .chain(roles)
        .chain(grants)
        .collect()
}

impl Manage for PostgresqlUser {
    fn kind(&self) -> &'static str {
        "postgresql_user"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn secrets(&self) -> Vec<Secret> {
        self.password.iter().cloned().collect()
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("postgresql_user {}: {problem}", self.name));
        if essential::is_role_of_postgresql(self.name.as_str()) {
            return refuse(
                "the server or prov works with this role; it is neither removed nor altered"
                    .to_owned(),
            );
        }
        if let Some(password) = &self.password {
            let text = password.expose();
            if text.is_empty() || !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                return refuse("`password` must have printable characters of ASCII alone: of others, clients send other forms".to_owned());
            }
        }
        if let Some(word) = self
            .attributes
            .iter()
            .find(|it| !ATTRIBUTES.contains(&it.as_str()))
        {
            return refuse(format!(
                "'{word}' is no attribute; use {}, and `login`",
                ATTRIBUTES.join(", ")
            ));
        }
        if let Some(word) = self
            .grants
            .values()
            .flatten()
            .find(|it| spelt(it).is_empty())
        {
            return refuse(format!(
                "'{word}' is no privilege on a database; use ALL or of {}",
                ALL.join(", ")
            ));
        }
        if self.grants.values().any(BTreeSet::is_empty) {
            return refuse("a database in `grants` has no privileges".to_owned());
        }
        if self.member_of.contains(&self.name) {
            return refuse("a role is no member of itself".to_owned());
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::PostgreSql(PostgresQuestion::User(self.name.clone()))]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.postgresql.user(&self.name)?;
        if let Some(elsewhere) = postgresql::cannot_be_asked(facts) {
            return Ok(elsewhere);
        }
        Ok(match (self.state, have) {
            (State::Absent, None) => Planned::Unchanged,
            (State::Absent, Some(have)) => {
                // What it may do with databases would keep it; what it owns does.
                let nothing = PostgresUserFact {
                    member_of: have.member_of.clone(),
                    ..PostgresUserFact::default()
                };
                let revoked = self.grants(have, &nothing);
                let sql = Segment::Plain(format!("{revoked}DROP ROLE \"{}\";\n", self.name));
                self.change(
                    Action::Remove,
                    vec![Reason::Present],
                    vec![sql],
                    Some(have),
                    None,
                )
            }
            (State::Present, have) => self.plan_present(have, facts),
        })
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("databases and data are never undone"))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::PostgresqlUser(Self {
            name: self.name.clone(),
            password: None,
            login: true,
            attributes: BTreeSet::new(),
            member_of: BTreeSet::new(),
            grants: BTreeMap::new(),
            state: State::Absent,
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let says = |words: &str| output.contains(words);
        if says("cannot be dropped because some objects depend on it") {
            Some(format!(
                "give what it owns to another role in each database that is named (`REASSIGN OWNED BY \"{0}\" TO postgres; DROP OWNED BY \"{0}\"`), or drop those databases",
                self.name
            ).into())
        } else if says("database ") && says("does not exist") {
            Some(
                "declare the database as a `postgresql_database` before the role that may use it"
                    .into(),
            )
        } else if says("role ") && says("does not exist") {
            Some("declare the roles that it is a member of before it".into())
        } else {
            None
        }
    }
}
