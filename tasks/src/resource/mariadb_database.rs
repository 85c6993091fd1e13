//! Databases of MariaDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Manage, State};
use super::{Resource, mariadb};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{DatabaseFact, Effect, Facts, MariaDbEffect, MariaDbQuestion, NotAsked, Query};
use crate::value::{DatabaseName, Word};

/// Manages a database of the MariaDB server that runs on the host, not what is in it.
///
/// Asks the server as root through its socket (`unix_socket` authentication, as Debian sets it up). Where the server
/// does not run the database is deferred. Changing `charset` or `collation` affects tables that are made later.
/// `state: absent` drops the database with everything in it.
///
/// ```yaml
/// mariadb_database: {name: bacula}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MariaDbDatabase {
    /// Name.
    pub name: DatabaseName,
    /// Character set of new tables; the server's own when not given.
    #[serde(default)]
    pub charset: Option<Word>,
    /// Collation of new tables; that of the character set when not given.
    #[serde(default)]
    pub collation: Option<Word>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

impl MariaDbDatabase {
    /// Describes a database with the server's character set.
    #[must_use]
    pub const fn new(name: DatabaseName) -> Self {
        Self {
            name,
            charset: None,
            collation: None,
            state: State::Present,
        }
    }

    fn settings(&self) -> String {
        let charset = self.charset.iter().map(|it| format!(" CHARACTER SET {it}"));
        let collation = self.collation.iter().map(|it| format!(" COLLATE {it}"));
        charset.chain(collation).collect()
    }

    fn change(
        &self,
        action: Action,
        reason: Reason,
        verb: &str,
        fact: Option<DatabaseFact>,
    ) -> Planned {
        let settings = match action {
            Action::Create | Action::Update | Action::Run => self.settings(),
            Action::Remove => String::new(),
        };
        let sql = Content::plain(format!("{verb} DATABASE `{}`{settings};\n", self.name));
        let run = mariadb::run(sql).effect(Effect::MariaDb(MariaDbEffect::Database(
            self.name.clone(),
            fact,
        )));
        Change::new(action, vec![reason], vec![run.into()])
            .detail(settings.trim_start())
            .into()
    }
}

impl Manage for MariaDbDatabase {
    fn kind(&self) -> &'static str {
        "mariadb_database"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::MariaDb(MariaDbQuestion::Database(self.name.clone()))]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.mariadb.database(&self.name)?;
        if let Some(elsewhere) = mariadb::cannot_be_asked(facts) {
            return Ok(elsewhere);
        }
        let wanted = |have: Option<&DatabaseFact>| {
            let text = |wanted: &Option<Word>, have: Option<&String>| {
                let wanted = wanted.as_ref().map(ToString::to_string);
                wanted.or_else(|| have.cloned()).unwrap_or_default()
            };
            DatabaseFact {
                charset: text(&self.charset, have.map(|have| &have.charset)),
                collation: text(&self.collation, have.map(|have| &have.collation)),
            }
        };
        Ok(match (self.state, have) {
            (State::Absent, None) => Planned::Unchanged,
            (State::Absent, Some(_)) => self.change(Action::Remove, Reason::Present, "DROP", None),
            (State::Present, None) => {
                let fact = Some(wanted(None));
                self.change(Action::Create, Reason::Missing, "CREATE", fact)
            }
            (State::Present, Some(have)) if wanted(Some(have)) == *have => Planned::Unchanged,
            (State::Present, Some(have)) => {
                let fact = Some(wanted(Some(have)));
                self.change(Action::Update, Reason::ValueDiffers, "ALTER", fact)
            }
        })
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        Some(Resource::MariaDbDatabase(gone))
    }
}
