//! Databases and accounts of the MariaDB server of a host, asked for with one run of its client.
//!
//! Names are of checked types without quotes, backslashes or backticks, so they can stand in statements as they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind, Known, NotAsked};
use crate::pushln;
use crate::quote;
use crate::secret::Secret;
use crate::value::{DatabaseAccount, DatabaseName};

/// The client, as root through the socket whatever option files say: they may name another server.
pub(crate) const CLIENT: [&str; 5] = [
    "mariadb",
    "--no-defaults",
    "--protocol=socket",
    "--user=root",
    "--batch",
];

/// What stands before the account as which another one may act, among [`DatabaseUserFact::beyond`].
pub(crate) const PROXY: &str = "PROXY ON ";

/// What the client says where nobody listens, or greets it.
const SILENT: [&str; 3] = ["ERROR 2002 ", "ERROR 2006 ", "ERROR 2013 "];

/// What it says where root is not let in, by numbers: the server's words are in the language of its configuration.
const REFUSED: [&str; 3] = ["ERROR 1045 ", "ERROR 1130 ", "ERROR 1698 "];

/// The first answer of a server that can be asked, and the last of one that was asked everything.
const READY: &str = "ready";
const DONE: &str = "done";

/// Asks for something of the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum MariaDbQuestion {
    /// A database.
    Database(DatabaseName),
    /// An account, with the hash of its password and its privileges.
    User(DatabaseAccount),
}

/// Says what a command does on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MariaDbEffect {
    /// A database is there, or gone.
    Database(DatabaseName, Option<DatabaseFact>),
    /// An account is there, or gone.
    User(DatabaseAccount, Option<DatabaseUserFact>),
    /// The server is started, if it did not run.
    Starts,
}

/// What is known of a MariaDB server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MariaDbFacts {
    /// Whether it can be asked.
    pub server: DatabaseServer,
    /// The account as which it lets prov in: `root@localhost`.
    pub own: Option<String>,
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
    /// Nobody answers at its socket; in its client's words.
    Silent(String),
    /// Its service is about to be started; only in previews.
    Starting,
    /// It answers.
    Running,
    /// It runs and does not let root in; in its own words.
    Refused(String),
    /// It stopped answering half-way; in its own words. Nothing is known of what was asked.
    Failed(String),
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
    /// Hash of its password as `mysql_native_password` keeps it; `None` where it logs in by other means as well, or not at
    /// all because it is locked or the password has expired.
    pub password: Option<Secret>,
    /// Privileges on everything, such as `SUPER`; without `USAGE`, which is none.
    #[serde(default)]
    pub global: BTreeSet<String>,
    /// Privileges of kinds that are never given, in words such as ``SELECT ON `shop`.`orders` ``: on tables, columns and
    /// routines, to pass privileges on, and what comes with roles and with other accounts as which it may act.
    #[serde(default)]
    pub beyond: BTreeSet<String>,
    /// Privileges on databases, by the pattern of their names as `GRANT` takes it.
    #[serde(default)]
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

/// What `ALL` stands for on a database; later releases may add to it (MariaDB, "GRANT", Database Privileges).
pub(crate) const ALL_PRIVILEGES: [&str; 19] = [
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "DELETE",
    "DELETE HISTORY",
    "DROP",
    "EVENT",
    "EXECUTE",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "SHOW VIEW",
    "TRIGGER",
    "UPDATE",
];

impl MariaDbFacts {
    /// Takes over from a server what `ALL` stands for there beside what it does everywhere.
    pub(crate) fn learn_all(&mut self, server: &Self) {
        let all: BTreeSet<_> = ALL_PRIVILEGES.map(str::to_owned).into();
        for (account, fact) in &mut self.users {
            let (Some(fact), Some(Some(has))) = (fact, server.users.get(account)) else {
                continue;
            };
            for (name, privileges) in &mut fact.grants {
                if let Some(more) = has.grants.get(name)
                    && *privileges == all
                    && more.is_superset(&all)
                {
                    privileges.clone_from(more);
                }
            }
        }
    }

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
}

impl Known for MariaDbFacts {
    type Key = MariaDbQuestion;
    type Effect = MariaDbEffect;

    fn update(&mut self, newer: Self) {
        if newer.databases.is_empty() && newer.users.is_empty() {
            return;
        }
        self.server = newer.server;
        self.own = newer.own;
        self.databases.extend(newer.databases);
        self.users.extend(newer.users);
    }

    fn select<'a>(&self, keys: impl Iterator<Item = &'a MariaDbQuestion>) -> Self {
        let mut selected = Self::default();
        for key in keys {
            selected.server.clone_from(&self.server);
            selected.own.clone_from(&self.own);
            match key {
                MariaDbQuestion::Database(name) => {
                    if let Some(fact) = self.databases.get(name) {
                        selected.databases.insert(name.clone(), fact.clone());
                    }
                }
                MariaDbQuestion::User(account) => {
                    if let Some(fact) = self.users.get(account) {
                        selected.users.insert(account.clone(), fact.clone());
                    }
                }
            }
        }
        selected
    }

    /// A command that worked shows that the server runs.
    fn carry_out(&mut self, effect: MariaDbEffect) {
        if effect == MariaDbEffect::Starts {
            if matches!(
                self.server,
                DatabaseServer::Down | DatabaseServer::Silent(_)
            ) {
                self.server = DatabaseServer::Starting;
            }
            return;
        }
        self.server = DatabaseServer::Running;
        match effect {
            MariaDbEffect::Starts => {}
            MariaDbEffect::Database(name, fact) => {
                self.databases.insert(name, fact);
            }
            MariaDbEffect::User(account, fact) => {
                self.users.insert(account, fact);
            }
        }
    }
}

/// The kind of this module.
pub struct Server;

impl Kind for Server {
    type Question = MariaDbQuestion;
    type Known = MariaDbFacts;

    fn key(question: &MariaDbQuestion) -> MariaDbQuestion {
        question.clone()
    }

    fn script(questions: &[MariaDbQuestion]) -> String {
        let mut sql = format!("SELECT '{READY}', CURRENT_USER();\n");
        for question in questions {
            match question {
                MariaDbQuestion::Database(name) => {
                    pushln!(
                        sql,
                        "SELECT 'database', schema_name, default_character_set_name, default_collation_name \
                         FROM information_schema.schemata WHERE BINARY schema_name = '{name}';"
                    );
                }
                MariaDbQuestion::User(account) => ask_for_account(&mut sql, account),
            }
        }
        pushln!(sql, "SELECT '{DONE}';");
        // The client stops at the first statement that fails; the last row is its mark.
        format!(
            "if command -v mariadb >/dev/null; then prov_answer mariadb; printf %s {} | {} --skip-column-names --connect-timeout=5 2>&1; prov_complete; fi\n",
            quote::sh(&sql),
            quote::sh_all(CLIENT)
        )
    }

    /// Reads a line for each row, its columns separated by tabulators.
    fn read(questions: &[MariaDbQuestion], answers: &Answers) -> Result<MariaDbFacts, Broken> {
        let Some(text) = answers.optional_text("mariadb")? else {
            return Ok(known(questions, DatabaseServer::Down, &Rows::default()));
        };
        let rows = Rows::of(text);
        let ready = rows.own.is_some();
        let server = match (ready, rows.done, rows.error.or(rows.words)) {
            (true, true, _) if rows.error.is_none() => DatabaseServer::Running,
            (true, _, _) | (false, _, None) => {
                let words = rows.error.unwrap_or("its client said nothing more");
                DatabaseServer::Failed(words.to_owned())
            }
            (false, _, Some(error)) if REFUSED.iter().any(|code| error.contains(code)) => {
                DatabaseServer::Refused(error.to_owned())
            }
            (false, _, Some(error)) if SILENT.iter().any(|code| error.contains(code)) => {
                DatabaseServer::Silent(error.to_owned())
            }
            (false, _, Some(error)) => DatabaseServer::Failed(error.to_owned()),
        };
        Ok(known(questions, server, &rows))
    }

    fn secrets(known: &MariaDbFacts) -> Vec<&Secret> {
        let users = known.users.values().flatten();
        users.filter_map(|user| user.password.as_ref()).collect()
    }

    fn samples() -> Vec<MariaDbQuestion> {
        let database = DatabaseName::new("shop").map(MariaDbQuestion::Database);
        let user = DatabaseAccount::new("shop@localhost").map(MariaDbQuestion::User);
        database.into_iter().chain(user).collect()
    }
}

/// Asks for an account. Statements differ only in the account; a table of accounts would need rights to make one.
fn ask_for_account(sql: &mut String, account: &DatabaseAccount) {
    let (name, host) = account.parts();
    // By more than a password, or by none: one that is locked or has expired lets nobody in.
    let otherwise = "JSON_LENGTH(Priv, '$.auth_or') > 1 OR JSON_VALUE(Priv, '$.account_locked') = 1 \
                     OR JSON_VALUE(Priv, '$.password_last_changed') = 0";
    let grantee = format!("BINARY grantee = '''{name}''@''{host}'''");
    pushln!(
        sql,
        "SELECT 'user', '{account}', IF({otherwise}, 'other', plugin), authentication_string \
         FROM mysql.user JOIN mysql.global_priv USING (User, Host) \
         WHERE BINARY User = '{name}' AND Host = '{host}';\n\
         SELECT 'global', '{account}', privilege_type FROM information_schema.user_privileges \
         WHERE {grantee} AND privilege_type <> 'USAGE';\n\
         SELECT 'grant', '{account}', table_schema, privilege_type FROM information_schema.schema_privileges \
         WHERE {grantee};"
    );
    // Privileges of kinds that are never given. What a role or another account may do, the account may do as well.
    let schema = "information_schema";
    let on_table = "' ON `', table_schema, '`.`', table_name, '`'";
    for (words, from) in [
        (
            format!("privilege_type, {on_table}"),
            format!("{schema}.table_privileges WHERE {grantee}"),
        ),
        (
            format!("privilege_type, ' (`', column_name, '`)', {on_table}"),
            format!("{schema}.column_privileges WHERE {grantee}"),
        ),
        (
            "UPPER(Proc_priv), ' ON `', Db, '`.`', Routine_name, '`'".to_owned(),
            format!("mysql.procs_priv WHERE BINARY User = '{name}' AND Host = '{host}'"),
        ),
        (
            "'ROLE `', Role, '`'".to_owned(),
            format!("mysql.roles_mapping WHERE BINARY User = '{name}' AND Host = '{host}'"),
        ),
        (
            format!("'{PROXY}', Proxied_user, '@', Proxied_host"),
            format!("mysql.proxies_priv WHERE BINARY User = '{name}' AND Host = '{host}'"),
        ),
        (
            "'GRANT OPTION ON `', table_schema, '`.*'".to_owned(),
            format!("{schema}.schema_privileges WHERE {grantee} AND is_grantable = 'YES'"),
        ),
        (
            "'GRANT OPTION ON *.*'".to_owned(),
            format!("{schema}.user_privileges WHERE {grantee} AND is_grantable = 'YES'"),
        ),
    ] {
        pushln!(
            sql,
            "SELECT DISTINCT 'beyond', '{account}', CONCAT({words}) FROM {from};"
        );
    }
}

/// The rows of an answer.
#[derive(Default)]
struct Rows<'a> {
    own: Option<&'a str>,
    done: bool,
    error: Option<&'a str>,
    /// The first line that is no row: what the client says before it has begun.
    words: Option<&'a str>,
    databases: BTreeMap<&'a str, DatabaseFact>,
    users: BTreeMap<&'a str, DatabaseUserFact>,
}

impl<'a> Rows<'a> {
    fn of(text: &'a str) -> Self {
        let mut rows = Self::default();
        for line in text.lines() {
            rows.add(line);
        }
        rows
    }

    fn add(&mut self, line: &'a str) {
        let columns: Vec<&str> = line.split('\t').collect();
        // The client writes a backslash as two.
        let plain = |text: &str| text.replace("\\\\", "\\");
        match *columns.as_slice() {
            [READY, own] => self.own = Some(own),
            [DONE] => self.done = true,
            ["database", name, charset, collation] => {
                let fact = DatabaseFact {
                    charset: charset.to_owned(),
                    collation: collation.to_owned(),
                };
                self.databases.insert(name, fact);
            }
            ["user", account, plugin, hash] => {
                let native = plugin.is_empty() || plugin == "mysql_native_password";
                let fact = DatabaseUserFact {
                    password: native.then(|| Secret::new(hash)),
                    global: BTreeSet::new(),
                    beyond: BTreeSet::new(),
                    grants: BTreeMap::new(),
                };
                self.users.insert(account, fact);
            }
            ["global", account, privilege] => {
                if let Some(user) = self.users.get_mut(account) {
                    user.global.insert(privilege.to_owned());
                }
            }
            ["grant", account, name, privilege] => {
                if let Some(user) = self.users.get_mut(account) {
                    let grants = user.grants.entry(plain(name)).or_default();
                    grants.insert(privilege.to_owned());
                }
            }
            ["beyond", account, words] => {
                if let Some(user) = self.users.get_mut(account) {
                    user.beyond.insert(plain(words));
                }
            }
            [words] if words.starts_with("ERROR") => {
                self.error.get_or_insert(words);
            }
            // Whatever else the client says, a warning for instance, is no row.
            [words] if !words.trim().is_empty() => {
                self.words.get_or_insert(words);
            }
            _ => {}
        }
    }
}

fn known(questions: &[MariaDbQuestion], server: DatabaseServer, rows: &Rows<'_>) -> MariaDbFacts {
    let mut facts = MariaDbFacts {
        server,
        own: rows.own.map(str::to_owned),
        ..MariaDbFacts::default()
    };
    for question in questions {
        match question {
            MariaDbQuestion::Database(name) => {
                let fact = rows.databases.get(name.as_str()).cloned();
                facts.databases.insert(name.clone(), fact);
            }
            MariaDbQuestion::User(account) => {
                let fact = rows.users.get(account.as_str()).cloned();
                facts.users.insert(account.clone(), fact);
            }
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> MariaDbFacts {
        let mut answers = Answers::default();
        answers.insert("mariadb".to_owned(), text.as_bytes().to_vec(), true);
        Server::read(&Server::samples(), &answers).unwrap()
    }

    #[test]
    fn rows_become_databases_accounts_and_privileges() {
        let facts = asked(
            "ready\troot@localhost\ndatabase\tshop\tutf8mb4\tutf8mb4_bin\nuser\tshop@localhost\tmysql_native_password\t*AA\n\
             global\tshop@localhost\tSUPER\ngrant\tshop@localhost\ta\\\\_b\tSELECT\n\
             beyond\tshop@localhost\tSELECT ON `a`.`b`\ndone\n",
        );
        assert_eq!(facts.server, DatabaseServer::Running);
        let user = facts.user(&DatabaseAccount::new("shop@localhost").unwrap());
        let user = user.unwrap().unwrap();
        assert_eq!(user.password, Some(Secret::new("*AA")));
        assert!(user.global.contains("SUPER") && user.beyond.contains("SELECT ON `a`.`b`"));
        assert!(user.grants["a\\_b"].contains("SELECT"));
        let database = facts.database(&DatabaseName::new("shop").unwrap());
        assert_eq!(database.unwrap().unwrap().collation, "utf8mb4_bin");
    }

    #[test]
    fn a_client_that_stops_half_way_has_said_nothing_about_privileges() {
        let begun = "ready\troot@localhost\nuser\tshop@localhost\tmysql_native_password\t*AA\n";
        let lost = "ERROR 2013 (HY000): Lost connection";
        for (rest, words) in [(lost, lost), ("", "its client said nothing more")] {
            let facts = asked(&format!("{begun}{rest}"));
            assert_eq!(facts.server, DatabaseServer::Failed(words.to_owned()));
        }
    }

    #[test]
    fn a_server_that_is_down_and_one_that_lets_nobody_in_are_told_apart() {
        let silent = "ERROR 2002 (HY000): Can't connect to local server";
        assert_eq!(
            asked(silent).server,
            DatabaseServer::Silent(silent.to_owned())
        );
        let denied = "ERROR 1045 (28000): Access denied for user 'root'@'localhost'";
        let refused = DatabaseServer::Refused(denied.to_owned());
        assert_eq!(asked(denied).server, refused);
        let german =
            "ERROR 1698 (28000): Benutzer 'root'@'localhost' hat keine Zugriffsberechtigung";
        assert!(matches!(asked(german).server, DatabaseServer::Refused(_)));
        for words in [
            "ERROR 1040 (08004): Too many connections",
            "mariadb: unknown variable 'x=1'",
        ] {
            let failed = DatabaseServer::Failed(words.to_owned());
            assert_eq!(asked(words).server, failed);
        }
        let empty = asked("").server;
        assert!(matches!(empty, DatabaseServer::Failed(_)), "{empty:?}");
    }
}
