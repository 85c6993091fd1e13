//! Databases and accounts on a real MariaDB: made, repaired after drift, waited for while the server cannot be asked,
//! and sound again after the server was stopped or killed.

use end_to_end::{Estate, docker, until};

/// What a shell, SQL, YAML or an option file might take for something else.
const AWKWARD: &str = "'\"\\$&;%*^! \u{fc} \u{2603} `id` # $(id) --";

/// The account of the backup's catalogue, which the role `database` declares; the director itself is not deployed.
const CATALOGUE: [&str; 2] = [
    "mariadb_database cata_logue",
    "mariadb_user bacula@10.97.NUMBER.102",
];

fn catalogue(estate: &Estate) -> Vec<String> {
    let director = estate.address("two");
    let names = CATALOGUE.map(|name| name.replace("10.97.NUMBER.102", &director));
    names.into()
}

/// Runs `prov WORD` on the database's host.
fn on_one(estate: &Estate, word: &str) -> end_to_end::Ran {
    let ran = estate
        .prov(["--output", "json", "--limit", "one", word])
        .run();
    ran.never_says(AWKWARD);
    ran
}

/// Runs statements as root.
fn sql(estate: &Estate, statements: &str) -> String {
    let script = format!("mariadb --batch --skip-column-names <<'END'\n{statements}\nEND\n");
    estate.on("one", &script)
}

/// Tells whether an account can use a database over TCP.
fn can_log_in(estate: &Estate, account: &str, password: &str, database: &str) -> bool {
    let password = password.replace('\'', "'\\''");
    estate.holds(
        "one",
        &format!(
            "MYSQL_PWD='{password}' mariadb --protocol=tcp --host={} --user={account} --execute='SELECT 1' {database}",
            estate.address("one")
        ),
    )
}

#[test]
fn databases_and_accounts_are_made_kept_and_waited_for() {
    let estate = Estate::new(&["one", "two"]);
    estate.inventory("roles: {database: [one], backup_director: [two]}\n");
    estate.write(
        "hosts/one.yml",
        "database_expose_externally: true\nbackup_database_host: one\nbackup_database_name: cata_logue\n",
    );
    let quoted = AWKWARD.replace('\\', "\\\\").replace('"', "\\\"");
    estate.write(
        "hosts/one.private.yml",
        &format!("backup_database_password: \"{quoted}\"\n"),
    );
    estate.prov(["deploy", "one"]).run().exits(0);
    let applied = on_one(&estate, "apply");
    applied.exits(0);
    // Not even an error of the client: nothing runs here, and that is known.
    assert_eq!(applied.json()["summary"]["deferred"], 3);
    on_one(&estate, "apply").unchanged("one");
    // In deploy mode nothing can be completed, and that is said.
    on_one(&estate, "complete")
        .exits(1)
        .says("still deferred")
        .says("mariadb_database cata_logue")
        .says("prov test");
    estate.prov(["test", "one"]).run().exits(0);

    a_server_that_does_not_answer_is_waited_for(&estate);
    a_server_that_is_down_is_started(&estate);
    on_one(&estate, "complete").unchanged("one");

    drift_is_seen_and_repaired(&estate);
    a_password_of_any_characters_logs_in(&estate);
    a_stop_is_clean_and_a_crash_is_got_over(&estate);
    on_one(&estate, "complete").unchanged("one");
    let logs = docker(&["logs", &estate.container("one")], "");
    assert!(!logs.contains(AWKWARD), "the password is in the log");
}

fn a_server_that_does_not_answer_is_waited_for(estate: &Estate) {
    estate.on("one", "pkill -STOP -x mariadbd");
    let ran = on_one(estate, "complete");
    estate.on("one", "pkill -CONT -x mariadbd");
    ran.exits(1)
        .says("still deferred")
        .says("mariadb_database cata_logue")
        .says("mariadb_user bacula@")
        .says("does not answer")
        .says("look at its log");
    assert_eq!(ran.changes("one"), Vec::<String>::new(), "{}", ran.told());
    estate.until("one", "it answers again", "mariadb -e 'SELECT 1'");
}

fn a_server_that_is_down_is_started(estate: &Estate) {
    estate.on("one", "sv -w 60 down mariadb");
    let broken = "/etc/mysql/mariadb.conf.d/99-broken.cnf";
    estate.on(
        "one",
        &format!("printf '[mariadbd]\\nno-such-option-e2e = 1\\n' >{broken}"),
    );
    // It cannot start: the service fails, and nothing is said to be done that is not.
    on_one(estate, "complete")
        .exits(1)
        .failed("one", &["service mariadb", "docker logs"]);
    estate.on("one", &format!("rm {broken}; sv -w 60 down mariadb"));
    // The supervisor rests for a second after a daemon that ended at once, and only then hears that it is to stay down.
    estate.until(
        "one",
        "the supervisor has heard it",
        "! sv status mariadb | grep -q 'want up'",
    );
    let ran = on_one(estate, "complete");
    let mut expected = vec!["service mariadb".to_owned()];
    expected.extend(catalogue(estate));
    ran.exits(0);
    assert_eq!(ran.changes("one"), expected, "{}", ran.told());
}

fn drift_is_seen_and_repaired(estate: &Estate) {
    let account = format!("bacula@'{}'", estate.address("two"));
    let [database, user] =
        CATALOGUE.map(|name| name.replace("10.97.NUMBER.102", &estate.address("two")));
    let both = |statements: &str, reason: &str, changed: &[&str]| {
        sql(estate, statements);
        let preview = on_one(estate, "diff");
        preview.changed("one", changed);
        assert_eq!(
            preview.host("one")["changes"][0]["reason"],
            reason,
            "{}",
            preview.told()
        );
        on_one(estate, "complete").changed("one", changed);
    };
    let user = [user.as_str()];
    both(
        &format!("SET PASSWORD FOR {account} = PASSWORD('changed');"),
        "password differs",
        &user,
    );
    both(
        &format!("GRANT SELECT ON mysql.* TO {account};"),
        "privileges differ",
        &user,
    );
    both(
        &format!("GRANT PROCESS ON *.* TO {account};"),
        "privileges differ",
        &user,
    );
    // Not escaped, '_' stands for any character: the account would get at others' databases.
    both(
        &format!(
            "REVOKE ALL PRIVILEGES ON `cata\\_logue`.* FROM {account}; GRANT ALL ON `cata_logue`.* TO {account};"
        ),
        "privileges differ",
        &user,
    );
    for more in [
        "SELECT ON mysql.db",
        "SELECT (Host) ON mysql.db",
        "EXECUTE ON PROCEDURE mysql.AddGeometryColumn",
    ] {
        let grant = format!("GRANT {more} TO {account};");
        both(&grant, "privileges differ", &user);
    }
    both(
        &format!("GRANT SELECT ON `cata\\_logue`.* TO {account} WITH GRANT OPTION;"),
        "privileges differ",
        &user,
    );
    both(
        &format!("REVOKE INSERT ON `cata\\_logue`.* FROM {account};"),
        "privileges differ",
        &user,
    );
    // What comes with a role, or with another account as which it may act, is the account's as well.
    both(
        &format!("CREATE ROLE admins; GRANT ALL ON *.* TO admins; GRANT admins TO {account};"),
        "privileges differ",
        &user,
    );
    both(
        &format!("DROP ROLE admins; GRANT PROXY ON root@localhost TO {account};"),
        "privileges differ",
        &user,
    );
    both(
        &format!(
            "ALTER USER {account} IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR unix_socket;"
        ),
        "password differs",
        &user,
    );
    both(
        &format!("ALTER USER {account} ACCOUNT LOCK;"),
        "password differs",
        &user,
    );
    // Whatever root's own client would do: the server of this host is asked, as root.
    estate.on(
        "one",
        "printf '[client]\nhost=192.0.2.1\nuser=nosuch\npassword=wrong\n' >/root/.my.cnf",
    );
    on_one(estate, "complete").unchanged("one");
    estate.on("one", "rm /root/.my.cnf");
    both("DROP DATABASE cata_logue;", "missing", &[&database]);
    both(&format!("DROP USER {account};"), "missing", &user);
    on_one(estate, "complete").unchanged("one");
    let rights = sql(
        estate,
        "SELECT Db FROM mysql.db WHERE User = 'bacula'; SELECT Process_priv FROM mysql.user WHERE User = 'bacula';",
    );
    assert_eq!(rights, "cata\\\\_logue\nN\n");
}

fn a_password_of_any_characters_logs_in(estate: &Estate) {
    let make = |arguments: &[&str]| {
        let ran = estate.task(arguments).args(["--limit", "one"]).run();
        ran.exits(0).never_says(AWKWARD);
        ran
    };
    estate.settles(&["mariadb_database", "name=a_b"]);
    sql(estate, "CREATE DATABASE aXb;");
    let password = format!("password={AWKWARD}");
    let user = [
        "mariadb_user",
        "account=wp@%",
        &password,
        "grants={a_b: [ALL]}",
    ];
    make(&user).changed("one", &["mariadb_user wp@%"]);
    make(&user).unchanged("one");
    assert!(can_log_in(estate, "wp", AWKWARD, "a_b"));
    assert!(!can_log_in(estate, "wp", AWKWARD, "aXb"));
    assert!(!can_log_in(estate, "wp", "other", "a_b"));
    for grants in [
        "grants={a_b: [SELECT]}",
        "grants={a_b: [create view, UPDATE], mysql: [SELECT]}",
        "grants={}",
    ] {
        estate.settles(&["mariadb_user", "account=wp@%", &password, grants]);
    }
    estate.settles(&["mariadb_user", "account=wp@%", "password=another"]);
    estate.settles(&["mariadb_user", "account=wp@%", "state=absent"]);
    assert!(!can_log_in(estate, "wp", AWKWARD, "a_b"));
    sql(estate, "DROP DATABASE aXb;");
    estate.settles(&["mariadb_database", "name=a_b", "state=absent"]);
}

fn a_stop_is_clean_and_a_crash_is_got_over(estate: &Estate) {
    const UNCLEAN: &str = "crash recovery";
    let container = estate.container("one");
    let ready = || {
        estate.until("one", "MariaDB answers", "mariadb -e 'SELECT 1'");
    };
    let starts = || {
        let logs = docker(&["logs", &container], "");
        let starts = logs.split("[Note] Starting MariaDB");
        starts.map(str::to_owned).collect::<Vec<_>>()
    };
    sql(
        estate,
        "CREATE TABLE cata_logue.t (n INT PRIMARY KEY); INSERT INTO cata_logue.t VALUES (7);",
    );
    let before = starts().len();
    docker(&["stop", &container], "");
    estate.prov(["test", "one"]).run().exits(0);
    ready();
    let after = starts();
    assert_eq!(after.len(), before + 1);
    assert!(!after[before].contains(UNCLEAN), "{}", after[before]);

    sql(estate, "INSERT INTO cata_logue.t VALUES (8);");
    let process = || estate.on("one", "pgrep -x mariadbd || :");
    let old = process();
    estate.on("one", "pkill -9 -x mariadbd");
    until("the supervisor has started it again", || {
        !["", old.as_str()].contains(&process().as_str())
    });
    ready();
    assert_eq!(sql(estate, "SELECT n FROM cata_logue.t;"), "7\n8\n");
    // What was looked for above is what the server says.
    until("the log has come", || {
        let starts = starts();
        starts.len() == before + 2 && starts[before + 1].contains(UNCLEAN)
    });
}
