//! Databases of PostgreSQL.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State, essential, postgresql};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    Effect, Facts, NotAsked, PostgresDatabaseFact, PostgresEffect, PostgresQuestion, Query,
};
use crate::value::{PostgresLocale, PostgresName, Word};

/// Manages a database of the PostgreSQL server that runs on the host, not what is in it.
///
/// Asks Debian's main cluster as `postgres` through its socket (`peer` authentication, as Debian sets it up). Where the server does
/// not run the database is deferred. The owner can change; encoding and locale are those with which the database is made, and a
/// database that has others is refused. `state: absent` drops the database with everything in it, unless somebody uses it;
/// `postgres` and the templates are the server's own and are refused.
///
/// ```yaml
/// postgresql_database: {name: shop, owner: shop}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct PostgresqlDatabase {
    /// Name.
    pub name: PostgresName,
    /// The role that owns it, which must be there; left as it is when not given, `postgres` in a new one.
    #[serde(default)]
    pub owner: Option<PostgresName>,
    /// Encoding of its texts, for instance `UTF8`; that of the cluster when not given.
    #[serde(default)]
    pub encoding: Option<Word>,
    /// Locale by which it sorts and tells letters, for instance `C.UTF-8`; that of the cluster when not given.
    #[serde(default)]
    pub locale: Option<PostgresLocale>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(PostgresqlDatabase);

impl PostgresqlDatabase {
    /// Refuses what no statement can change.
    fn differs(&self, have: &PostgresDatabaseFact) -> Option<Planned> {
        // The server has one name for what may be called by several (PostgreSQL, "Character Set Support").
        let spelt = |text: &str| match text.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "unicode" => "utf8".to_owned(),
            "iso88591" => "latin1".to_owned(),
            "iso885915" => "latin9".to_owned(),
            "posix" => "c".to_owned(),
            other => other.to_owned(),
        };
        let other = |wanted: &str, have: &str| {
            (spelt(wanted) != spelt(have)).then(|| (wanted.to_owned(), have.to_owned()))
        };
        let encoding = self
            .encoding
            .as_ref()
            .and_then(|it| other(it.as_str(), &have.encoding));
        let locale = self.locale.as_ref().map(PostgresLocale::as_str);
        let locale =
            locale.and_then(|it| other(it, &have.collate).or_else(|| other(it, &have.ctype)));
        let (what, (wanted, have)) = encoding
            .map(|it| ("encoding", it))
            .or_else(|| locale.map(|it| ("locale", it)))?;
        Some(Planned::Impossible {
            cause: format!(
                "the {what} of the database {} is {have}, not {wanted}, and stays that of its making",
                self.name
            ),
            hint: format!(
                "leave `{what}` out, or save the database (`pg_dump`), drop it, have it made anew and put back what was saved"
            ),
        })
    }

    fn change(
        &self,
        action: Action,
        reason: Reason,
        sql: String,
        before: Option<&PostgresDatabaseFact>,
        fact: Option<PostgresDatabaseFact>,
    ) -> Planned {
        let shown = |fact: Option<&PostgresDatabaseFact>| match fact {
            Some(fact) if !fact.owner.is_empty() => format!("owner {}\n", fact.owner),
            Some(_) | None => String::new(),
        };
        let diff = Diff::plain(&shown(before), &shown(fact.as_ref()));
        let effect = PostgresEffect::Database(self.name.clone(), fact);
        let run = postgresql::run(Content::plain(sql)).effect(Effect::PostgreSql(effect));
        Change::new(action, vec![reason], vec![run.into()])
            .diff(diff)
            .into()
    }

    fn create(&self) -> Planned {
        let owner = self.owner.as_ref().map(|it| format!(" OWNER \"{it}\""));
        let encoding = self.encoding.as_ref().map(|it| format!(" ENCODING '{it}'"));
        let locale = self.locale.as_ref().map(|it| format!(" LOCALE '{it}'"));
        // Another encoding or locale can only be had from the empty template.
        let template = encoding
            .as_ref()
            .or(locale.as_ref())
            .map(|_| " TEMPLATE template0".to_owned());
        let parts = [owner, encoding, locale, template];
        let sql = format!(
            "CREATE DATABASE \"{}\"{};\n",
            self.name,
            parts.into_iter().flatten().collect::<String>()
        );
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let locale = text(self.locale.as_ref().map(PostgresLocale::as_str));
        let fact = PostgresDatabaseFact {
            owner: self
                .owner
                .as_ref()
                .map_or("postgres", PostgresName::as_str)
                .to_owned(),
            encoding: text(self.encoding.as_ref().map(Word::as_str)),
            collate: locale.clone(),
            ctype: locale,
        };
        self.change(Action::Create, Reason::Missing, sql, None, Some(fact))
    }
}

impl Manage for PostgresqlDatabase {
    fn kind(&self) -> &'static str {
        "postgresql_database"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        if essential::is_database_of_postgresql(self.name.as_str()) {
            return Err(format!(
                "postgresql_database {}: the server keeps this database for itself; it is neither dropped nor altered",
                self.name
            ));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::PostgreSql(PostgresQuestion::Database(
            self.name.clone(),
        ))]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.postgresql.database(&self.name)?;
        if let Some(elsewhere) = postgresql::cannot_be_asked(facts) {
            return Ok(elsewhere);
        }
        Ok(match (self.state, have) {
            (State::Absent, None) => Planned::Unchanged,
            (State::Absent, Some(have)) => {
                let sql = format!("DROP DATABASE \"{}\";\n", self.name);
                self.change(Action::Remove, Reason::Present, sql, Some(have), None)
            }
            (State::Present, None) => self.create(),
            (State::Present, Some(have)) => {
                if let Some(refused) = self.differs(have) {
                    return Ok(refused);
                }
                let Some(owner) = self.owner.as_ref().filter(|it| it.as_str() != have.owner) else {
                    return Ok(Planned::Unchanged);
                };
                let sql = format!("ALTER DATABASE \"{}\" OWNER TO \"{owner}\";\n", self.name);
                let fact = PostgresDatabaseFact {
                    owner: owner.to_string(),
                    ..have.clone()
                };
                self.change(
                    Action::Update,
                    Reason::OwnerDiffers,
                    sql,
                    Some(have),
                    Some(fact),
                )
            }
        })
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("databases and data are never undone"))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::PostgresqlDatabase(Self {
            name: self.name.clone(),
            owner: None,
            encoding: None,
            locale: None,
            state: State::Absent,
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let says = |words: &str| output.contains(words);
        if says("is being accessed by other users") {
            Some(Remedy::again_after(
                "stop what uses the database (`SELECT * FROM pg_stat_activity` on the host says who does)",
            ))
        } else if says("role ") && says("does not exist") {
            Some("declare its owner as a `postgresql_user` before the database".into())
        } else if says("invalid") && says("locale name") {
            Some("the host has no such locale: `locale -a` on it lists those that it has".into())
        } else if says("does not match locale") {
            Some("encoding and locale do not fit each other: give both, for instance UTF8 and C.UTF-8".into())
        } else {
            None
        }
    }
}
