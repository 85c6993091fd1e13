//! Databases of MariaDB.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, State, essential};
use super::{Resource, mariadb};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{DatabaseFact, Effect, Facts, MariaDbEffect, MariaDbQuestion, NotAsked, Query};
use crate::value::{DatabaseName, Word};

/// Manages a database of the MariaDB server that runs on the host, not what is in it.
///
/// Asks the server as root through its socket (`unix_socket` authentication, as Debian sets it up). Where the server
/// does not run the database is deferred. Changing `charset` or `collation` affects tables that are made later.
/// `state: absent` drops the database with everything in it; what the server keeps for itself (`mysql`, `sys`,
/// `performance_schema`, `information_schema`) is neither dropped nor altered.
///
/// ```yaml
/// mariadb_database: {name: bacula}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
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

super::checked!(MariaDbDatabase);

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

/// Tells whether the server writes a character set or a collation like this when it was asked for like that: `utf8` is
/// the former name of `utf8mb3`, or of `utf8mb4` where `old_mode` says so, and a collation for all character sets is kept as
/// that of one (MariaDB, "Supported Character Sets and Collations").
fn is_spelt(have: &str, wanted: &str) -> bool {
    let (have, wanted) = (have.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let of_utf8 = |have: &str| {
        let have = have
            .strip_prefix("utf8mb3")
            .or(have.strip_prefix("utf8mb4"));
        let wanted = wanted.strip_prefix("utf8");
        wanted.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')) && have == wanted
    };
    let of_one = || {
        wanted.starts_with("uca1400")
            && have.split_once('_').is_some_and(|(_, rest)| rest == wanted)
    };
    have == wanted || of_utf8(&have) || of_one()
}

impl Manage for MariaDbDatabase {
    fn kind(&self) -> &'static str {
        "mariadb_database"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let alters = self.charset.is_some() || self.collation.is_some();
        let touched = self.state == State::Absent || alters;
        if touched && essential::is_database_of_server(self.name.as_str()) {
            return Err(format!(
                "mariadb_database {}: the server keeps its accounts and its state there; it is neither dropped nor altered",
                self.name
            ));
        }
        Ok(())
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
            let text = |wanted: &Option<Word>, have: Option<&String>| match (wanted, have) {
                (Some(wanted), Some(have)) if is_spelt(have, wanted.as_str()) => have.clone(),
                (Some(wanted), _) => wanted.to_string(),
                (None, have) => have.cloned().unwrap_or_default(),
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

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "MariaDB took the statement and keeps something else: compare with `SHOW CREATE DATABASE` on the host",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("databases and data are never undone"))
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        Some(Resource::MariaDbDatabase(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_sets_and_collations_have_names_of_their_own_on_the_server() {
        for (have, wanted) in [
            ("utf8mb4", "UTF8MB4"),
            ("utf8mb3", "utf8"),
            ("utf8mb3_general_ci", "utf8_general_ci"),
            ("utf8mb4_general_ci", "utf8_general_ci"),
            ("utf8mb4_uca1400_ai_ci", "uca1400_ai_ci"),
        ] {
            assert!(is_spelt(have, wanted), "{have} {wanted}");
        }
        for (have, wanted) in [
            ("utf8mb4", "utf8mb3"),
            ("utf8mb4_bin", "utf8_general_ci"),
            ("latin1", "utf8"),
            ("latin1_bin", "bin"),
        ] {
            assert!(!is_spelt(have, wanted), "{have} {wanted}");
        }
    }
}
