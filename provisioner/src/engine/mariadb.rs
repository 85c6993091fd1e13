//! Asks the MariaDB server of a host about databases and accounts, with one run of its client.
//!
//! Names are of checked types without quotes, backslashes or backticks, so they can stand in statements as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use tasks::Secret;
use tasks::fact::{DatabaseFact, DatabaseServer, DatabaseUserFact, Facts};
use tasks::value::DatabaseAccount;

use super::probe::Sorted;
use super::script::quote;

/// The first answer of a server that can be asked.
const READY: &str = "ready";

/// Adds to a script what answers the queries about MariaDB.
pub(super) fn compile(script: &mut String, sorted: &Sorted) {
    if sorted.databases.is_empty() && sorted.database_users.is_empty() {
        return;
    }
    let mut sql = format!("SELECT '{READY}';\n");
    if !sorted.databases.is_empty() {
        let names: Vec<_> = sorted
            .databases
            .iter()
            .map(|name| format!("'{name}'"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            sql,
            "SELECT 'database', schema_name, default_character_set_name, default_collation_name \
             FROM information_schema.schemata WHERE BINARY schema_name IN ({});",
            names.join(", ")
        );
    }
    for account in &sorted.database_users {
        let (name, host) = account.parts();
        // Statements differ only in the account; a table of accounts would need rights to make one.
        let _ = writeln!(
            sql,
            "SELECT 'user', '{account}', plugin, authentication_string FROM mysql.user \
             WHERE BINARY User = '{name}' AND Host = '{host}';\n\
             SELECT 'global', '{account}', privilege_type FROM information_schema.user_privileges \
             WHERE BINARY grantee = '''{name}''@''{host}''' AND privilege_type <> 'USAGE';\n\
             SELECT 'grant', '{account}', table_schema, privilege_type FROM information_schema.schema_privileges \
             WHERE BINARY grantee = '''{name}''@''{host}''';"
        );
        beyond(&mut sql, account, name, host);
    }
    let _ = writeln!(
        script,
        "if command -v mariadb >/dev/null; then printf %s {} | mariadb --batch --skip-column-names --connect-timeout=5 2>&1 | f mariadb; fi",
        quote(&sql)
    );
}

/// Asks for privileges of kinds that are never given.
fn beyond(sql: &mut String, account: &DatabaseAccount, name: &str, host: &str) {
    let grantee = format!("BINARY grantee = '''{name}''@''{host}'''");
    let schema = "information_schema";
    let select = |words: &str, from: &str| {
        format!("SELECT DISTINCT 'beyond', '{account}', CONCAT({words}) FROM {from};\n")
    };
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
            "'GRANT OPTION ON `', table_schema, '`.*'".to_owned(),
            format!("{schema}.schema_privileges WHERE {grantee} AND is_grantable = 'YES'"),
        ),
        (
            "'GRANT OPTION ON *.*'".to_owned(),
            format!("{schema}.user_privileges WHERE {grantee} AND is_grantable = 'YES'"),
        ),
    ] {
        sql.push_str(&select(&words, &from));
    }
}

/// Reads what the server answered: a line for each row, its columns separated by tabulators.
pub(super) fn read(facts: &mut Facts, sorted: &Sorted, text: &str) {
    if sorted.databases.is_empty() && sorted.database_users.is_empty() {
        return;
    }
    let mut databases: BTreeMap<&str, DatabaseFact> = BTreeMap::new();
    let mut users: BTreeMap<&str, DatabaseUserFact> = BTreeMap::new();
    let mut rights: Vec<(&str, Option<String>, &str)> = Vec::new();
    let mut beyond: Vec<(&str, String)> = Vec::new();
    facts.mariadb.server = DatabaseServer::Down;
    for line in text.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        match *columns.as_slice() {
            [READY] => facts.mariadb.server = DatabaseServer::Running,
            ["database", name, charset, collation] => {
                let fact = DatabaseFact {
                    charset: charset.to_owned(),
                    collation: collation.to_owned(),
                };
                databases.insert(name, fact);
            }
            ["user", account, plugin, hash] => {
                let native = plugin.is_empty() || plugin == "mysql_native_password";
                let fact = DatabaseUserFact {
                    password: native.then(|| Secret::new(hash)),
                    global: BTreeSet::new(),
                    beyond: BTreeSet::new(),
                    grants: BTreeMap::new(),
                };
                users.insert(account, fact);
            }
            ["global", account, privilege] => rights.push((account, None, privilege)),
            // The client writes a backslash as two.
            ["grant", account, name, privilege] => {
                rights.push((account, Some(name.replace("\\\\", "\\")), privilege));
            }
            ["beyond", account, words] => beyond.push((account, words.replace("\\\\", "\\"))),
            [message] if message.starts_with("ERROR") && message.contains("Access denied") => {
                facts.mariadb.server = DatabaseServer::Refused(message.to_owned());
            }
            _ => {}
        }
    }
    for (account, database, privilege) in rights {
        if let Some(user) = users.get_mut(account) {
            let privileges = match database {
                None => &mut user.global,
                Some(name) => user.grants.entry(name).or_default(),
            };
            privileges.insert(privilege.to_owned());
        }
    }
    for (account, words) in beyond {
        if let Some(user) = users.get_mut(account) {
            user.beyond.insert(words);
        }
    }
    for name in &sorted.databases {
        let fact = databases.get(name.as_str()).cloned();
        facts.mariadb.databases.insert(name.clone(), fact);
    }
    for account in &sorted.database_users {
        let fact = users.get(account.as_str()).cloned();
        facts.mariadb.users.insert(account.clone(), fact);
    }
}
