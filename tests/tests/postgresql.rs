//! Databases and roles on a real PostgreSQL: made, repaired after drift, waited for while the server does not run, and taken away.

use end_to_end::Estate;

/// What a shell, SQL or YAML might take for something else.
const AWKWARD: &str = "'\"\\$&;%*^! `id` # $(id) --";

const USER: &str = "postgresql_user shop.e2e";

/// Runs statements as the administrator.
fn sql(estate: &Estate, statements: &str) -> String {
    let client = "runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1";
    estate.on("one", &format!("{client} <<'END'\n{statements}\nEND\n"))
}

/// Tells whether a role can use a database over TCP.
fn can_log_in(estate: &Estate, password: &str, database: &str) -> bool {
    let password = password.replace('\'', "'\\''");
    let client = "psql -XAtqw -h 127.0.0.1 -U shop.e2e -c 'SELECT 1'";
    estate.holds(
        "one",
        &format!("PGPASSWORD='{password}' {client} {database}"),
    )
}

#[test]
fn databases_and_roles_are_made_kept_and_taken_away() {
    let estate = Estate::deployed(&["one"]);
    let name = "name=shop.e2e";
    let database = [
        "postgresql_database",
        name,
        "owner=shop.e2e",
        "encoding=UTF8",
        "locale=C.UTF-8",
    ];
    let waits = estate.task(database).run();
    assert_eq!(
        waits.host("one")["deferred"][0]["id"],
        "shop.e2e",
        "{}",
        waits.told()
    );
    estate
        .task(["packages", "names=[postgresql]"])
        .run()
        .exits(0);
    estate
        .task(database)
        .run()
        .says("PostgreSQL does not run here yet");
    estate.on(
        "one",
        "pg_ctlcluster $(pg_lsclusters -h | cut -d' ' -f1,2) start",
    );

    let ownerless = estate.task(database).run();
    ownerless
        .exits(1)
        .failed("one", &["`postgresql_user` before the database"]);
    let password = format!("password={AWKWARD}");
    let user = [
        "postgresql_user",
        name,
        &password,
        "member_of=[pg_monitor]",
        "grants={postgres: [CONNECT], shop.e2e: [ALL]}",
    ];
    let early = estate.task(user).run();
    early
        .exits(1)
        .failed("one", &["`postgresql_database` before the role"]);
    early.never_says(AWKWARD);
    estate.settles(&["postgresql_user", name, &password]);
    estate.settles(&database);
    estate.settles(&user);
    assert!(can_log_in(&estate, AWKWARD, "shop.e2e") && !can_log_in(&estate, "other", "shop.e2e"));
    assert_eq!(
        sql(&estate, "SHOW server_encoding"),
        sql(&estate, "\\c shop.e2e\nSHOW server_encoding")
    );
    drift_is_seen_and_repaired(&estate, &user, &database);
    what_cannot_be_is_said_with_a_remedy(&estate, &database);

    let gone = ["postgresql_user", name, "state=absent"];
    estate
        .task(gone)
        .run()
        .exits(1)
        .failed("one", &["REASSIGN OWNED BY"]);
    estate.settles(&["postgresql_database", name, "state=absent"]);
    estate.settles(&gone);
    assert_eq!(
        sql(
            &estate,
            "SELECT count(*) FROM pg_roles WHERE rolname = 'shop.e2e'"
        ),
        "0\n"
    );
    let logs = estate.on("one", "cat /var/log/postgresql/*");
    assert!(!logs.contains(AWKWARD), "the password is in the log");
}

fn drift_is_seen_and_repaired(estate: &Estate, user: &[&str], database: &[&str]) {
    sql(
        estate,
        "CREATE ROLE \"odd \"\"role\"; CREATE DATABASE \"odd \"\"db\";",
    );
    for (statements, reason) in [
        (
            "ALTER ROLE \"shop.e2e\" PASSWORD 'changed'",
            "password differs",
        ),
        (
            "SET password_encryption = md5; ALTER ROLE \"shop.e2e\" PASSWORD 'changed'",
            "password differs",
        ),
        (
            "ALTER ROLE \"shop.e2e\" VALID UNTIL '2020-01-01'",
            "password differs",
        ),
        ("ALTER ROLE \"shop.e2e\" PASSWORD NULL", "password differs"),
        (
            "ALTER ROLE \"shop.e2e\" NOLOGIN SUPERUSER",
            "account differs",
        ),
        (
            "GRANT \"odd \"\"role\" TO \"shop.e2e\"",
            "privileges differ",
        ),
        ("REVOKE pg_monitor FROM \"shop.e2e\"", "privileges differ"),
        (
            "GRANT CREATE ON DATABASE \"odd \"\"db\" TO \"shop.e2e\"",
            "privileges differ",
        ),
        (
            "GRANT CONNECT ON DATABASE postgres TO \"shop.e2e\" WITH GRANT OPTION",
            "privileges differ",
        ),
        (
            "REVOKE CONNECT ON DATABASE postgres FROM \"shop.e2e\"",
            "privileges differ",
        ),
        (
            "DROP DATABASE \"shop.e2e\"; DROP OWNED BY \"shop.e2e\"; DROP ROLE \"shop.e2e\"; CREATE DATABASE \"shop.e2e\"",
            "missing",
        ),
    ] {
        sql(estate, statements);
        let preview = estate.task(user).args(["--diff"]).run();
        preview.changed("one", &[USER]).never_says(AWKWARD);
        assert_eq!(
            preview.host("one")["changes"][0]["reason"],
            reason,
            "{statements}: {}",
            preview.told()
        );
        estate
            .task(user)
            .run()
            .changed("one", &[USER])
            .never_says(AWKWARD);
        estate.task(user).run().unchanged("one");
        assert!(can_log_in(estate, AWKWARD, "shop.e2e"), "{statements}");
    }
    // More rounds, as later servers may take, are as good.
    if sql(
        estate,
        "SELECT current_setting('server_version_num')::int >= 160000",
    ) == "t\n"
    {
        sql(
            estate,
            "SET scram_iterations = 10000; ALTER ROLE \"shop.e2e\" PASSWORD 'x'",
        );
        estate
            .task([
                "postgresql_user",
                "name=shop.e2e",
                "password=x",
                user[3],
                user[4],
            ])
            .run()
            .unchanged("one");
        estate.task(user).run().changed("one", &[USER]);
    }
    let changed = ["postgresql_database shop.e2e"];
    estate.task(database).run().changed("one", &changed);
    estate.task(database).run().unchanged("one");
    assert!(can_log_in(estate, AWKWARD, "shop.e2e"));
}

fn what_cannot_be_is_said_with_a_remedy(estate: &Estate, database: &[&str]) {
    let [kind, name, owner, ..] = database else {
        panic!("{database:?}")
    };
    estate
        .task([*kind, *name, *owner, "encoding=LATIN1"])
        .run()
        .exits(1)
        .says("stays that of its making")
        .says("pg_dump");
    let odd = ["postgresql_database", "name=odd", "locale=xx_YY"];
    estate
        .task(odd)
        .run()
        .exits(1)
        .failed("one", &["locale -a"]);
    estate.on(
        "one",
        "runuser -u postgres -- psql -d shop.e2e -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &",
    );
    end_to_end::until("it is used", || {
        sql(
            estate,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop.e2e'",
        ) == "1\n"
    });
    let used = estate.task([*kind, *name, "state=absent"]).run();
    used.exits(1).failed("one", &["pg_stat_activity"]);
    sql(
        estate,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop.e2e'",
    );
    for (kind, name) in [
        ("postgresql_database", "name=postgres"),
        ("postgresql_user", "name=postgres"),
    ] {
        estate.task([kind, name, "state=absent"]).run().exits(64);
    }
}
