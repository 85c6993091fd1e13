//! What runs have changed on a host is remembered there, and taken back as long as nobody has changed it since.

use end_to_end::Estate;

const ROLE: &str = r#"summary: Many kinds of changes.
variables:
  own_secret: {type: secret, about: A secret.}
handlers:
  note: {run: [touch, /run/noted]}
resources:
  - file: {path: /etc/own.conf, content: "new\n"}
    notify: note
  - file: {path: /srv/here, content: "changed\n", owner: nobody, mode: "0640"}
  - file: {path: /srv/private, content: "token={{ own_secret }}\n", mode: "0600"}
  - file: {path: /srv/gone, state: absent}
  - file: {path: /srv/removed, state: absent}
  - file: {path: /srv/mode, mode: "0600"}
  - line: {path: /srv/lines, line: three}
  - line: {path: /srv/lines, line: four}
  - symlink: {path: /srv/link, target: /etc/own.conf, force: true}
  - directory: {path: /srv/folder}
  - user: {name: worker}
  - command: {argv: [touch, /srv/by-command], creates: /srv/by-command}
"#;

const STATE: &str = "cd /; find etc srv ! -path etc/mtab -printf '%p %y %m %u %g %s %l\\n' | sort; \
    find etc srv -type f -print0 | sort -z | xargs -0 sha256sum; getent passwd worker || :";

#[test]
fn a_run_is_remembered_and_taken_back() {
    let estate = Estate::deployed(&["one"]);
    let secret = "Q7-canary-secret";
    estate.inventory("roles: {many: [one]}\n");
    estate.write("roles/many/role.yml", ROLE);
    estate.write("hosts/one.private.yml", &format!("own_secret: {secret}\n"));
    estate.on(
        "one",
        "cd /srv; printf 'old\\n' >here; printf 'was here\\n' >gone; printf 'token=before-canary\\n' >private; chmod 0600 private; \
         printf 'removed-canary' >removed; chmod 0600 removed; printf x >mode; printf 'one\\ntwo\\n' >lines; ln -s /nowhere link",
    );
    let before = estate.on("one", STATE);
    estate.prov(["apply"]).run().exits(0);
    let after = estate.on("one", STATE);
    let listed = estate.prov(["--output", "json", "history"]).run();
    listed.exits(0).never_says("canary");
    let run = listed.host("one")["runs"][0].clone();
    let name = run["run"].as_str().unwrap().to_owned();
    assert_eq!(
        run["changes"].as_array().unwrap().len(),
        12,
        "{}",
        listed.told()
    );
    let shown = estate.prov(["history", "show", &name]).run();
    shown
        .exits(0)
        .says("+three")
        .says("nothing is known of what its command did")
        .never_says("canary");
    // A converged run leaves no record.
    estate.prov(["apply"]).run().exits(0);
    let again = estate.prov(["--output", "json", "history"]).run();
    assert_eq!(again.host("one")["runs"].as_array().unwrap().len(), 1);

    let preview = estate.prov(["undo", &name, "--diff"]).run();
    preview
        .exits(0)
        .says("-three")
        .says("+was here")
        .says("the folder /srv/folder stays")
        .says("/srv/private holds a secret")
        .never_says("canary");
    assert_eq!(estate.on("one", STATE), after);

    // Somebody else's change is not touched, and everything else is taken back.
    estate.on("one", "echo mine >>/etc/own.conf; rm -f /run/noted");
    let refused = estate.prov(["undo", &name]).run();
    refused
        .exits(1)
        .says("/etc/own.conf is not as run")
        .says("+mine");
    estate.on(
        "one",
        "sed -i '/mine/d' /etc/own.conf; rmdir /srv/folder; rm /srv/by-command",
    );
    estate.prov(["undo", &name]).run().exits(0);
    let back = estate.on("one", STATE);
    let changed: Vec<_> = back
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
        .collect();
    // Accounts leave marks of their own in the files beside them.
    let left: Vec<_> = changed
        .iter()
        .filter(|line| {
            !line.contains("srv/private")
                && !line.contains("etc/sub")
                && !line.contains("shadow")
                && !line.contains("passwd")
                && !line.contains("group")
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    assert!(estate.holds("one", "test -e /run/noted"));
    estate
        .prov(["undo", &name])
        .run()
        .exits(0)
        .says("0 changed");

    let unknown = estate.prov(["undo", "20260101-000000-abcd"]).run();
    unknown.exits(1).says("no host remembers the run");
    estate.prov(["undo", "../../etc"]).run().exits(64);
    assert!(estate.holds("one", "[ -z \"$(find /var/lib/prov -perm /077 ! -type l ! -path /var/lib/prov)\" ] && ! grep -rq canary /var/lib/prov"));
}

/// Many changes that can be taken back, each of its own.
fn many_files() -> String {
    let files = (0..30).map(|number| {
        format!("  - file: {{path: /srv/many/{number}, content: \"new {number}\\n\"}}\n")
    });
    let files: String = files.collect();
    format!(
        "summary: Many files.\nresources:\n{files}  - symlink: {{path: /srv/many/link, target: /srv/many/1}}\n"
    )
}

#[test]
fn an_undo_that_is_killed_at_any_moment_is_finished_by_the_next() {
    const MANY: &str = "cd /srv/many; find . -printf '%p %y %m %u %g %s %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";
    let estate = Estate::deployed(&["one"]);
    estate.inventory("roles: {many: [one]}\n");
    estate.write("roles/many/role.yml", &many_files());
    estate.on(
        "one",
        "mkdir /srv/many; cd /srv/many; for n in $(seq 0 2 28); do echo old $n >$n; chmod 0640 $n; done",
    );
    let before = estate.on("one", MANY);
    for milliseconds in [100_u64, 200, 300, 400, 500, 650, 800, 1000, 1300, 1700] {
        estate.prov(["apply", "--wait", "60"]).run().exits(0);
        let after = estate.on("one", MANY);
        assert_ne!(after, before);
        let listed = estate.prov(["--output", "json", "history"]).run();
        let run = listed.host("one")["runs"][0]["run"]
            .as_str()
            .unwrap()
            .to_owned();
        let undo = estate.prov(["undo", &run, "--wait", "60"]).start();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        undo.kill();
        let again = estate.prov(["undo", &run, "--wait", "60"]).run();
        again.exits(0);
        assert_eq!(
            estate.on("one", MANY),
            before,
            "killed after {milliseconds} ms\n{}",
            again.told()
        );
        let left = estate.on(
            "one",
            "find / -xdev -name '.prov.*' -not -path '/proc/*'; ls -A /var/lib/prov/undo 2>/dev/null || :; cat /var/lib/prov/pending 2>/dev/null || :",
        );
        assert_eq!(left, "", "killed after {milliseconds} ms");
    }
}
