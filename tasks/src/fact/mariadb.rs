//! What is known of the MariaDB server of a host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::NotAsked;
use crate::secret::Secret;
use crate::value::{DatabaseAccount, DatabaseName};

/// What is known of a MariaDB server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MariaDbFacts {
    /// Whether it can be asked.
    pub server: DatabaseServer,
    /// Databases that were asked for; `None` where there is none.
    pub databases: BTreeMap<DatabaseName, Option<DatabaseFact>>,
    /// Accounts that were asked for; `None` where there is none.
    pub users: BTreeMap<DatabaseAccount, Option<DatabaseUserFact>>,
}

/// Tells whether a database server can be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseServer {
    /// It does not run, or is not installed.
    #[default]
    Down,
    /// It answers.
    Running,
    /// It runs and does not let root in; in its own words.
    Refused(String),
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseFact {
    /// Character set of its new tables.
    pub charset: String,
    /// Collation of its new tables.
    pub collation: String,
}

/// An account of a database server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseUserFact {
    /// Hash of its password as `mysql_native_password` keeps it; `None` where it logs in by other means.
    pub password: Option<Secret>,
    /// Privileges on everything, such as `SUPER`; without `USAGE`, which is none.
    #[serde(default)]
    pub global: BTreeSet<String>,
    /// Privileges of kinds that are never given, in words such as ``SELECT ON `shop`.`orders` ``: on tables, columns and
    /// routines, and to pass privileges on.
    #[serde(default)]
    pub beyond: BTreeSet<String>,
    /// Privileges on databases, by the pattern of their names as `GRANT` takes it.
    #[serde(default)]
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

impl MariaDbFacts {
    /// Tells what is known of a database.
    pub fn database(&self, name: &DatabaseName) -> Result<Option<&DatabaseFact>, NotAsked> {
        self.databases
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("database {name}")))
    }

    /// Tells what is known of an account.
    pub fn user(&self, account: &DatabaseAccount) -> Result<Option<&DatabaseUserFact>, NotAsked> {
        self.users
            .get(account)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("database user {account}")))
    }

    /// Takes over newer answers.
    pub(super) fn update(&mut self, newer: Self) {
        if newer.databases.is_empty() && newer.users.is_empty() {
            return;
        }
        self.server = newer.server;
        self.databases.extend(newer.databases);
        self.users.extend(newer.users);
    }
}
