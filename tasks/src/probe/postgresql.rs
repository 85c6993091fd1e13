//! Databases and roles of the PostgreSQL server of a host, asked for with one run of its client.
//!
//! The names that are asked for are of a checked type without quotes. What the server answers comes as JSON, a row a line,
//! because names there may have any characters.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mariadb::DatabaseServer;
use super::{Answers, Broken, Kind, Known, NotAsked};
use crate::quote;
use crate::secret::Secret;
use crate::value::PostgresName;

/// The client, as the administrator of Debian's cluster through its socket. Whoever is let in is spoken to in English.
pub(crate) const POSTGRES: [&str; 12] = [
    "runuser",
    "-u",
    "postgres",
    "--",
    "psql",
    "--no-psqlrc",
    "--no-password",
    "--quiet",
    "--tuples-only",
    "--no-align",
    "--set=ON_ERROR_STOP=1",
    "--dbname=dbname=postgres connect_timeout=5 options='-c lc_messages=C'",
];

/// What the client says where nobody listens, or is not ready yet.
const SILENT: [&str; 5] = [
    "No such file or directory",
    "Connection refused",
    "timeout expired",
    "the database system is",
    "No PostgreSQL clusters",
];

/// What is printed where a server listens and takes no connections yet, whatever its language.
const NOT_READY: &str = "[\"not ready\"]";

/// What it says where the administrator is not let in.
const REFUSED: [&str; 3] = [
    "authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
];

/// Asks for something of the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PostgresQuestion {
    /// A database.
    Database(PostgresName),
    /// A role, with the verifier of its password, its memberships and its privileges on databases.
    User(PostgresName),
}

/// Says what a command does on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresEffect {
    /// A database is there, or gone.
    Database(PostgresName, Option<PostgresDatabaseFact>),
    /// A role is there, or gone.
    User(PostgresName, Option<PostgresUserFact>),
    /// The server is started, if it did not run.
    Starts,
}

/// What is known of a PostgreSQL server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresFacts {
    /// Whether it can be asked.
    pub server: DatabaseServer,
    /// The number that tells its cluster from all others.
    pub system: Option<String>,
    /// Databases that were asked for; `None` where there is none.
    pub databases: BTreeMap<PostgresName, Option<PostgresDatabaseFact>>,
    /// Roles that were asked for; `None` where there is none.
    pub users: BTreeMap<PostgresName, Option<PostgresUserFact>>,
}

/// A database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresDatabaseFact {
    /// The role that owns it.
    pub owner: String,
    /// Encoding of its texts.
    pub encoding: String,
    /// Locale by which it sorts.
    pub collate: String,
    /// Locale by which it tells letters.
    pub ctype: String,
}

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresUserFact {
    /// The verifier of its password, as `pg_authid` has it.
    pub password: Option<Secret>,
    /// Whether the password ends at some time.
    pub expires: bool,
    /// Whether it can log in.
    pub login: bool,
    /// Attributes beside that, such as `SUPERUSER`.
    pub attributes: BTreeSet<String>,
    /// Roles that it is a member of.
    pub member_of: BTreeSet<String>,
    /// Databases that it owns, with which it may do everything.
    pub owns: BTreeSet<String>,
    /// Privileges on other databases, by the database's name.
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

impl PostgresFacts {
    /// Tells what is known of a database.
    pub fn database(&self, name: &PostgresName) -> Result<Option<&PostgresDatabaseFact>, NotAsked> {
        let fact = self.databases.get(name).map(Option::as_ref);
        fact.ok_or_else(|| NotAsked(format!("PostgreSQL database {name}")))
    }

    /// Tells what is known of a role.
    pub fn user(&self, name: &PostgresName) -> Result<Option<&PostgresUserFact>, NotAsked> {
        let fact = self.users.get(name).map(Option::as_ref);
        fact.ok_or_else(|| NotAsked(format!("PostgreSQL role {name}")))
    }
}

impl Known for PostgresFacts {
    type Key = PostgresQuestion;
    type Effect = PostgresEffect;

    fn update(&mut self, newer: Self) {
        if newer.databases.is_empty() && newer.users.is_empty() {
            return;
        }
        self.server = newer.server;
        self.system = newer.system;
        self.databases.extend(newer.databases);
        self.users.extend(newer.users);
    }

    fn select<'a>(&self, keys: impl Iterator<Item = &'a PostgresQuestion>) -> Self {
        let mut selected = Self::default();
        for key in keys {
            selected.server.clone_from(&self.server);
            selected.system.clone_from(&self.system);
            match key {
                PostgresQuestion::Database(name) => {
                    let fact = self.databases.get_key_value(name);
                    selected
                        .databases
                        .extend(fact.map(|(name, fact)| (name.clone(), fact.clone())));
                }
                PostgresQuestion::User(name) => {
                    let fact = self.users.get_key_value(name);
                    selected
                        .users
                        .extend(fact.map(|(name, fact)| (name.clone(), fact.clone())));
                }
            }
        }
        selected
    }

    /// A command that worked shows that the server runs.
    fn carry_out(&mut self, effect: PostgresEffect) {
        match effect {
            PostgresEffect::Starts => {
                if matches!(
                    self.server,
                    DatabaseServer::Down | DatabaseServer::Silent(_)
                ) {
                    self.server = DatabaseServer::Starting;
                }
            }
            PostgresEffect::Database(name, fact) => {
                self.server = DatabaseServer::Running;
                self.databases.insert(name, fact);
            }
            PostgresEffect::User(name, fact) => {
                self.server = DatabaseServer::Running;
                self.users.insert(name, fact);
            }
        }
    }
}

/// The kind of this module.
pub struct Server;

impl Kind for Server {
    type Question = PostgresQuestion;
    type Known = PostgresFacts;

    fn key(question: &PostgresQuestion) -> PostgresQuestion {
        question.clone()
    }

    /// The client stops at the first statement that fails; the last row is its mark. Before somebody is let in, a server speaks
    /// the language of its configuration: whether it will take connections, another program of the client tells by its exit code.
    fn script(questions: &[PostgresQuestion]) -> String {
        format!(
            "if command -v psql >/dev/null && id postgres >/dev/null 2>&1; then prov_answer postgresql; {{ printf %s {} | {} 2>&1 3>&- 9>&- || {{\n\
             runuser -u postgres -- pg_isready -q -t 5 >/dev/null 2>&1 3>&- 9>&-; [ $? != 1 ] || printf '\\n%s\\n' '{NOT_READY}'; }}; }} | cat; prov_complete; fi\n",
            quote::sh(&sql(questions)),
            quote::sh_all(POSTGRES)
        )
    }

    fn read(questions: &[PostgresQuestion], answers: &Answers) -> Result<PostgresFacts, Broken> {
        let text = answers.optional_text("postgresql")?;
        let rows = text.map(Rows::of).unwrap_or_default();
        let says = |all: &[&str]| all.iter().any(|words| rows.words.contains(words));
        let server = if text.is_none() {
            DatabaseServer::Down
        } else if rows.system.is_none() && (rows.not_ready || says(&SILENT)) {
            DatabaseServer::Silent(rows.words.clone())
        } else if rows.system.is_none() && says(&REFUSED) {
            DatabaseServer::Refused(rows.words.clone())
        } else if rows.done {
            DatabaseServer::Running
        } else if rows.words.is_empty() {
            DatabaseServer::Failed("its client said nothing more".to_owned())
        } else {
            DatabaseServer::Failed(rows.words.clone())
        };
        let mut facts = PostgresFacts {
            server,
            system: rows.system,
            ..PostgresFacts::default()
        };
        for question in questions {
            match question {
                PostgresQuestion::Database(name) => {
                    let fact = rows.databases.get(name.as_str()).cloned();
                    facts.databases.insert(name.clone(), fact);
                }
                PostgresQuestion::User(name) => {
                    let fact = rows.users.get(name.as_str()).cloned();
                    facts.users.insert(name.clone(), fact);
                }
            }
        }
        Ok(facts)
    }

    fn secrets(known: &PostgresFacts) -> Vec<&Secret> {
        let users = known.users.values().flatten();
        users.filter_map(|user| user.password.as_ref()).collect()
    }

    fn samples() -> Vec<PostgresQuestion> {
        let name = PostgresName::new("shop");
        let both = name.map(|name| {
            [
                PostgresQuestion::Database(name.clone()),
                PostgresQuestion::User(name),
            ]
        });
        both.into_iter().flatten().collect()
    }
}

/// Writes the statements that answer all questions, each row an array of JSON that begins with its kind.
fn sql(questions: &[PostgresQuestion]) -> String {
    let (mut databases, mut users) = (Vec::new(), Vec::new());
    for question in questions {
        match question {
            PostgresQuestion::Database(name) => databases.push(format!("'{name}'")),
            PostgresQuestion::User(name) => users.push(format!("'{name}'")),
        }
    }
    let mut sql = "SET statement_timeout = '20s';\n\
        SELECT json_build_array('ready', system_identifier::text) FROM pg_control_system();\n"
        .to_owned();
    if !databases.is_empty() {
        sql.push_str(
            &"SELECT json_build_array('database', datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype) \
              FROM pg_database WHERE datname IN (NAMES);\n"
                .replace("NAMES", &databases.join(", ")),
        );
    }
    if !users.is_empty() {
        sql.push_str(
            &"SELECT json_build_array('user', rolname, rolpassword, coalesce(rolvaliduntil < 'infinity', false), rolcanlogin, \
              rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls) FROM pg_authid WHERE rolname IN (NAMES);\n\
              SELECT json_build_array('member', member.rolname, role.rolname) FROM pg_auth_members \
              JOIN pg_authid member ON member.oid = member JOIN pg_authid role ON role.oid = roleid WHERE member.rolname IN (NAMES);\n\
              SELECT json_build_array('owns', rolname, datname) FROM pg_database JOIN pg_authid owner ON owner.oid = datdba \
              WHERE rolname IN (NAMES);\n\
              SELECT json_build_array('grant', rolname, datname, privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
              FROM pg_database CROSS JOIN LATERAL aclexplode(datacl) JOIN pg_authid role ON role.oid = grantee \
              WHERE rolname IN (NAMES) AND datdba <> role.oid;\n"
                .replace("NAMES", &users.join(", ")),
        );
    }
    sql + "SELECT json_build_array('done');\n"
}

/// Attributes of a role in the order of the row's columns.
pub(crate) const ATTRIBUTES: [&str; 5] = [
    "SUPERUSER",
    "CREATEDB",
    "CREATEROLE",
    "REPLICATION",
    "BYPASSRLS",
];

/// The rows of an answer.
#[derive(Default)]
struct Rows {
    system: Option<String>,
    done: bool,
    not_ready: bool,
    /// What is no row: what the client or the server says instead.
    words: String,
    databases: BTreeMap<String, PostgresDatabaseFact>,
    users: BTreeMap<String, PostgresUserFact>,
}

/// A row about a role: its columns after the name.
type UserRow = (Option<String>, bool, bool, bool, bool, bool, bool, bool);

impl Rows {
    fn of(text: &str) -> Self {
        let mut rows = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if rows.add(line).is_none() {
                let joint = if rows.words.is_empty() { "" } else { " " };
                rows.words.push_str(joint);
                rows.words.push_str(line.trim());
            }
        }
        rows
    }

    /// Reads a row; `None` where the line is none.
    fn add(&mut self, line: &str) -> Option<()> {
        let columns: Vec<serde_json::Value> = serde_json::from_str(line).ok()?;
        let text = |at: usize| columns.get(at)?.as_str().map(str::to_owned);
        match text(0)?.as_str() {
            "ready" => self.system = Some(text(1)?),
            "done" => self.done = true,
            "not ready" => self.not_ready = true,
            "database" => {
                let fact = PostgresDatabaseFact {
                    owner: text(2)?,
                    encoding: text(3)?,
                    collate: text(4)?,
                    ctype: text(5)?,
                };
                self.databases.insert(text(1)?, fact);
            }
            "user" => {
                let rest = serde_json::Value::Array(columns.get(2..)?.to_vec());
                let row: UserRow = serde_json::from_value(rest).ok()?;
                let (password, expires, login, superuser, database, role, replication, bypass) =
                    row;
                let set = [superuser, database, role, replication, bypass];
                let attributes = ATTRIBUTES.iter().zip(set).filter(|(_, is_set)| *is_set);
                let fact = PostgresUserFact {
                    password: password.map(Secret::new),
                    expires,
                    login,
                    attributes: attributes.map(|(name, _)| (*name).to_owned()).collect(),
                    ..PostgresUserFact::default()
                };
                self.users.insert(text(1)?, fact);
            }
            kind @ ("member" | "owns" | "grant") => {
                let (user, other) = (self.users.get_mut(&text(1)?)?, text(2)?);
                match kind {
                    "member" => _ = user.member_of.insert(other),
                    "owns" => _ = user.owns.insert(other),
                    _ => _ = user.grants.entry(other).or_default().insert(text(3)?),
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> PostgresFacts {
        let mut answers = Answers::default();
        answers.insert("postgresql".to_owned(), text.as_bytes().to_vec(), true);
        Server::read(&Server::samples(), &answers).unwrap()
    }

    #[test]
    fn rows_become_databases_roles_and_privileges() {
        let facts = asked(
            "[\"ready\", \"7\"]\n[\"database\", \"shop\", \"odd\\n\\\"owner\", \"UTF8\", \"C.UTF-8\", \"C.UTF-8\"]\n\
             [\"user\", \"shop\", \"SCRAM\", true, true, false, true, false, false, false]\n\
             [\"member\", \"shop\", \"pg_monitor\"]\n[\"owns\", \"shop\", \"shop\"]\n\
             [\"grant\", \"shop\", \"other\", \"CONNECT WITH GRANT OPTION\"]\n[\"done\"]\n",
        );
        assert_eq!(facts.server, DatabaseServer::Running);
        let name = PostgresName::new("shop").unwrap();
        assert_eq!(
            facts.database(&name).unwrap().unwrap().owner,
            "odd\n\"owner"
        );
        let user = facts.user(&name).unwrap().unwrap();
        assert!(user.login && user.expires && user.attributes.contains("CREATEDB"));
        assert!(user.member_of.contains("pg_monitor") && user.owns.contains("shop"));
        assert!(user.grants["other"].contains("CONNECT WITH GRANT OPTION"));
    }

    #[test]
    fn what_the_client_says_tells_a_server_that_is_down_from_one_that_lets_nobody_in() {
        let down = "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory\n\tIs the server running locally?";
        assert!(matches!(asked(down).server, DatabaseServer::Silent(_)));
        // As a server whose language is German starts.
        let starts = "psql: Fehler: FATAL:  das Datenbanksystem startet\n[\"not ready\"]\n";
        assert!(matches!(asked(starts).server, DatabaseServer::Silent(_)));
        let refused = "psql: error: FATAL:  Peer authentication failed for user \"postgres\"";
        assert!(matches!(asked(refused).server, DatabaseServer::Refused(_)));
        for text in [
            "",
            "[\"ready\", \"7\"]\n",
            "[\"ready\", \"7\"]\nERROR:  no such table x: No such file or directory",
        ] {
            assert!(
                matches!(asked(text).server, DatabaseServer::Failed(_)),
                "{text}"
            );
        }
    }
}
