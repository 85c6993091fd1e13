//! What is refused while an estate is read, with the words that say why; and secrets that stay where they belong.

#![expect(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use serde_json::{Value, json};
use tasks::Secret;
use tasks::plan::Planned;
use tasks::probe::Facts;
use tasks::resource::{KINDS, Resource};
use tasks::step::Step;

fn build(kind: &str, fields: Value) -> Result<Resource, String> {
    let row = KINDS.iter().find(|row| row.name == kind);
    (row.expect("a kind").build)(fields).map_err(|error| error.to_string())
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of refusals")]
fn what_cannot_be_meant_is_refused_with_a_reason() {
    let path = "/etc/x";
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
    let cut = &key[..60];
    for (kind, fields, reason) in [
        ("symlink", json!({"path": path}), "has no target"),
        (
            "user",
            json!({"name": "root", "state": "absent"}),
            "needs its administrator",
        ),
        (
            "user",
            json!({"name": "root", "shell": "/usr/sbin/nologin"}),
            "lets nobody in",
        ),
        (
            "user",
            json!({"name": "root", "uid": 5}),
            "has the number 0",
        ),
        ("user", json!({"name": "toor", "uid": 0}), "0 is root's"),
        (
            "group",
            json!({"name": "root", "state": "absent"}),
            "a host needs it",
        ),
        (
            "cron",
            json!({"name": "x", "job": "a".repeat(999)}),
            "cuts a command line off",
        ),
        (
            "cron",
            json!({"name": "x", "job": "%".repeat(500)}),
            "each '%' counts as two",
        ),
        (
            "cron",
            json!({"name": "x", "job": "a", "weekday": "sat-mon"}),
            "sun to sat",
        ),
        (
            "cron",
            json!({"name": "x", "job": "a", "env": {"LOGNAME": "b"}}),
            "cron sets LOGNAME itself",
        ),
        (
            "cron",
            json!({"name": "x", "job": "a", "env": {"CRON_TZ": "Europe/Berlin"}}),
            "knows no CRON_TZ",
        ),
        (
            "packages",
            json!({"names": ["curl=7.88"]}),
            "{name: nginx, version: \"1.26*\"}",
        ),
        (
            "packages",
            json!({"names": [{"name": "curl", "version": "latest"}]}),
            "apt-cache madison",
        ),
        (
            "packages",
            json!({"names": [{"name": "curl", "vresion": "1"}]}),
            "unknown field `vresion`",
        ),
        (
            "packages",
            json!({"names": [{"name": "curl", "pin": "trixie"}]}),
            "release n=CODENAME",
        ),
        (
            "git",
            json!({"path": "/srv/a", "url": "git@example.org:a.git"}),
            "`known_hosts` is needed",
        ),
        (
            "git",
            json!({"path": "/srv/a", "url": "https://a/b", "version": "--upload-pack=x"}),
            "is a branch, a tag or a commit",
        ),
        (
            "tree",
            json!({"path": "/srv/a", "files": {"../b": "x"}}),
            "no path in the folder",
        ),
        (
            "tree",
            json!({"path": "/srv/a", "files": {"b": "x", "b/c": "x"}}),
            "is a file and a folder",
        ),
        (
            "tree",
            json!({"path": "/etc", "purge": true}),
            "would empty a folder of the system",
        ),
        (
            "archive",
            json!({"path": "/srv/a", "url": "https://a/b.tar", "creates": "../x"}),
            "`creates` is a path in the folder",
        ),
        (
            "archive",
            json!({"path": "/srv/a", "content": "x"}),
            "give `format`",
        ),
        (
            "postgresql_database",
            json!({"name": "template1", "state": "absent"}),
            "neither dropped nor altered",
        ),
        (
            "postgresql_user",
            json!({"name": "pg_monitor"}),
            "neither removed nor altered",
        ),
        (
            "postgresql_user",
            json!({"name": "shop", "password": "sch\u{f6}n"}),
            "ASCII",
        ),
        (
            "postgresql_user",
            json!({"name": "shop", "grants": {"shop": ["SELECT"]}}),
            "no privilege on a database",
        ),
        (
            "postgresql_user",
            json!({"name": "a\"b"}),
            "name of a database or role of PostgreSQL",
        ),
        (
            "mariadb_database",
            json!({"name": "mysql", "state": "absent"}),
            "neither dropped nor altered",
        ),
        (
            "mariadb_database",
            json!({"name": "INFORMATION_SCHEMA", "charset": "utf8mb4"}),
            "neither dropped nor altered",
        ),
        (
            "mariadb_user",
            json!({"account": "root@localhost", "state": "absent"}),
            "neither removed nor given another password",
        ),
        (
            "mariadb_user",
            json!({"account": "mariadb.sys@localhost", "password": "x"}),
            "neither removed nor given another password",
        ),
        (
            "mariadb_user",
            json!({"account": "wp@LOCALHOST", "password": "x"}),
            "a name in lower case",
        ),
        (
            "mariadb_user",
            json!({"account": "wp@%", "password": "x", "grants": {"w": ["GRANT OPTION"]}}),
            "not given by prov",
        ),
        ("line", json!({"path": path}), "`line` is needed"),
        (
            "line",
            json!({"path": path, "state": "absent"}),
            "`line` or `regexp` is needed",
        ),
        ("line", json!({"path": path, "line": "a\nb"}), "use a block"),
        (
            "line",
            json!({"path": path, "line": "a", "regexp": "a("}),
            "the regular expression 'a(' is not valid: unclosed group",
        ),
        (
            "line",
            json!({"path": path, "line": "a", "regexp": "(?!a)"}),
            "look-around",
        ),
        (
            "line",
            json!({"path": path, "line": "a", "backrefs": true}),
            "needs `regexp`",
        ),
        (
            "line",
            json!({"path": path, "line": "\\2", "regexp": "(a)", "backrefs": true}),
            "refers to group 2",
        ),
        (
            "line",
            json!({"path": path, "line": "a", "insert_after": "EOF", "insert_before": "BOF"}),
            "exclude each other",
        ),
        (
            "line",
            json!({"path": path, "line": "a", "colour": "red"}),
            "unknown field `colour`",
        ),
        (
            "block",
            json!({"path": path, "marker": "# x"}),
            "contains `{mark}`",
        ),
        (
            "block",
            json!({"path": path, "block": "# END PROV MANAGED BLOCK"}),
            "its own marker",
        ),
        (
            "replace",
            json!({"path": path, "regexp": "(a)", "replace": "\\g<b>"}),
            "refers to group b",
        ),
        (
            "user",
            json!({"name": "a", "password_hash": "plain"}),
            "not the hash of a password",
        ),
        ("user", json!({"name": "a", "comment": "a:b"}), "colon"),
        (
            "authorized_key",
            json!({"user": "a", "key": ""}),
            "`key` is empty",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}),
            "cut off",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": cut}),
            "cut off",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": key.replace("ed25519", "rsa")}),
            "another type",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": format!("from=\"a {key}")}),
            "a quote that does not end",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": format!("{key}\n{key} b")}),
            "names a key twice",
        ),
        (
            "authorized_key",
            json!({"user": "a", "key": key, "exclusive": true, "state": "absent"}),
            "means nothing",
        ),
        (
            "cron",
            json!({"name": "a.b", "job": "x"}),
            "cron ignores others",
        ),
        (
            "cron",
            json!({"name": "a", "job": "x", "minute": 60}),
            "'60' is no minute",
        ),
        ("cron", json!({"name": "a", "job": "x\ny"}), "one line"),
        (
            "cron",
            json!({"name": "a", "job": "x", "special": "daily", "hour": "3"}),
            "exclude each other",
        ),
        (
            "cron",
            json!({"name": "a", "job": "date +\\%F"}),
            "write '%' without a backslash",
        ),
        ("command", json!({"argv": ["x"]}), "one of `creates`"),
        (
            "command",
            json!({"argv": [], "creates": path}),
            "names no program",
        ),
        (
            "debconf",
            json!({"package": "ab", "question": "x", "type": "string", "value": "a"}),
            "written like",
        ),
        (
            "debconf",
            json!({"package": "ab", "question": "a/b", "type": "boolean", "value": "yes"}),
            "\"true\" or \"false\"",
        ),
    ] {
        let error = build(kind, fields.clone()).expect_err(&format!("{kind} {fields} is refused"));
        assert!(error.contains(reason), "{kind} {fields}: {error}");
        assert!(!error.contains("plain"), "shows a password: {error}");
    }
}

#[test]
fn a_secret_is_on_standard_input_and_nowhere_else() {
    let facts: Facts = serde_json::from_value(json!({
        "users": {"a": {"uid": 1, "group": "a", "home": "/home/a", "shell": "/bin/sh", "password": "$6$old"}},
        "groups": {"a": {"gid": 1}},
        "debconf": {"a/b": "$6$old"},
    }))
    .expect("facts");
    let user = json!({"name": "a", "password_hash": "$6$new"});
    let debconf =
        json!({"package": "ab", "question": "a/b", "type": "password", "value": "$6$new"});
    for (kind, fields) in [("user", user), ("debconf", debconf)] {
        let resource = build(kind, fields).expect("a resource");
        let planned = resource
            .manage()
            .plan(&facts)
            .expect("asks for what it needs");
        let seen = serde_json::to_string(&planned).expect("JSON")
            + &format!(
                "{:?} {facts:?}",
                match &planned {
                    Planned::Change(change) => &change.diff,
                    other => panic!("{other:?}"),
                }
            );
        assert!(!seen.contains("$6$"), "{kind}: {seen}");
        let Planned::Change(change) = planned else {
            panic!("changes");
        };
        let inputs: Vec<_> = change
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Run(run) => run.stdin.as_ref(),
                Step::WriteFile { .. }
                | Step::Fetch { .. }
                | Step::Unpack(_)
                | Step::SetAttributes { .. }
                | Step::MakeDirectory { .. }
                | Step::MakeLink { .. }
                | Step::Remove { .. } => None,
            })
            .collect();
        assert!(
            inputs
                .iter()
                .any(|input| input.expose().ends_with("$6$new\n")),
            "{kind}"
        );
    }
    let other = Facts {
        debconf: [("a/b".to_owned(), Some(Secret::new("x")))].into(),
        ..facts.clone()
    };
    assert_ne!(
        facts.fingerprint(b"k").unwrap(),
        other.fingerprint(b"k").unwrap()
    );
}

#[test]
fn every_resource_survives_being_written_and_read_again() {
    for (kind, fields) in [
        (
            "line",
            json!({"path": "/a", "line": "x", "regexp": "^x", "insert_after": "EOF"}),
        ),
        (
            "replace",
            json!({"path": "/a", "regexp": "^x", "replace": "\\\\"}),
        ),
        (
            "cron",
            json!({"name": "a", "job": "x", "minute": 5, "special": null}),
        ),
        ("command", json!({"argv": ["x"], "unless": ["y"]})),
        ("symlink", json!({"path": "/a", "target": "b"})),
    ] {
        let resource = build(kind, fields).expect("a resource");
        let text = serde_json::to_string(&resource).expect("JSON");
        let again: Resource = serde_json::from_str(&text).expect("the same resource");
        assert_eq!(again, resource, "{text}");
    }
}
