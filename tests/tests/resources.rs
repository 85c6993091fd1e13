//! Every kind of resource on a real host: the first run changes, the second finds nothing to do, and what can be
//! taken away is taken away once.

use end_to_end::Estate;

fn host() -> Estate {
    Estate::deployed(&["one"])
}

#[test]
fn files_and_directories_and_links() {
    let estate = host();
    estate.settles(&["directory", "path=/srv/a", "mode=0750", "group=adm"]);
    assert_eq!(
        estate.on("one", "stat -c '%U %G %a' /srv/a"),
        "root adm 750\n"
    );

    let file = [
        "file",
        "path=/srv/a/f",
        "content=it's \"$(id)\" `id` \\ ü\n",
        "mode=0640",
        "owner=games",
    ];
    estate.settles(&file);
    assert_eq!(
        estate.on("one", "stat -c '%U %G %a' /srv/a/f"),
        "games root 640\n"
    );
    assert_eq!(
        estate.on("one", "cat /srv/a/f"),
        "it's \"$(id)\" `id` \\ ü\n"
    );
    estate.on("one", "chmod 0666 /srv/a/f");
    estate.task(file).run().changed("one", &["file /srv/a/f"]);
    assert_eq!(estate.on("one", "stat -c %a /srv/a/f"), "640\n");

    estate.settles(&["symlink", "path=/srv/a/l", "target=f"]);
    assert_eq!(estate.on("one", "readlink /srv/a/l"), "f\n");
    estate.settles(&["symlink", "path=/srv/a/l", "target=/etc/passwd"]);
    estate.settles(&["symlink", "path=/srv/a/l", "state=absent"]);
    estate.settles(&["file", "path=/srv/a/f", "state=absent"]);
    estate.settles(&["directory", "path=/srv/a", "state=absent"]);
    assert!(estate.holds("one", "[ ! -e /srv/a ] && [ -s /etc/passwd ]"));
}

#[test]
fn lines_blocks_and_replacements_edit_what_others_share() {
    let estate = host();
    estate.on("one", "printf 'root: nobody\\nother: x\\n' >/etc/shared; chmod 0604 /etc/shared; chown games /etc/shared");
    estate.settles(&[
        "line",
        "path=/etc/shared",
        "regexp=^root:",
        "line=root: keeper",
    ]);
    estate.settles(&["block", "path=/etc/shared", "block=a\nb\n", "name=e2e"]);
    estate.settles(&[
        "replace",
        "path=/etc/shared",
        "regexp=(?m)^other: (.)$",
        "replace=other: \\1y",
    ]);
    let text = estate.on("one", "cat /etc/shared");
    assert!(text.starts_with("root: keeper\nother: xy\n"), "{text}");
    assert!(text.contains("\na\nb\n"), "{text}");
    assert_eq!(
        estate.on("one", "stat -c '%U %a' /etc/shared"),
        "games 604\n"
    );
    estate.settles(&["block", "path=/etc/shared", "name=e2e", "state=absent"]);
    estate.settles(&["line", "path=/etc/shared", "regexp=^root:", "state=absent"]);
    assert_eq!(estate.on("one", "cat /etc/shared"), "other: xy\n");
}

#[test]
fn groups_users_keys_and_cron_jobs() {
    let estate = host();
    estate.settles(&["group", "name=crew"]);
    let hash = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7";
    let user = [
        "user",
        "name=anna",
        "groups=[crew]",
        "comment=Anna",
        "shell=/bin/sh",
    ];
    estate.settles(&user);
    assert!(estate.holds("one", "[ -d /home/anna ] && id -nG anna | grep -qw crew"));
    let with_hash = format!("password_hash={hash}");
    estate.settles(&["user", "name=anna", &with_hash]);
    assert!(
        estate
            .on("one", "getent shadow anna")
            .starts_with(&format!("anna:{hash}:"))
    );
    estate.settles(&["user", "name=anna", "password_hash=!"]);
    assert!(
        estate
            .on("one", "getent shadow anna")
            .starts_with("anna:!:")
    );

    let key = "key=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4cGAVQAxQV0HcKyYdU6+YFJ5Y9nPJkhBJvlXvJ3s6C anna@desk";
    estate.settles(&["authorized_key", "user=anna", key]);
    assert_eq!(
        estate.on(
            "one",
            "cd /home/anna && stat -c '%U %a' .ssh .ssh/authorized_keys"
        ),
        "anna 700\nanna 600\n"
    );
    estate.settles(&["cron", "name=tidy", "user=anna", "job=true % x", "minute=5"]);
    assert!(estate.on("one", "cat /etc/cron.d/tidy").contains(" anna "));

    estate.settles(&["cron", "name=tidy", "state=absent"]);
    estate.settles(&["authorized_key", "user=anna", key, "state=absent"]);
    estate.settles(&["user", "name=anna", "state=absent", "remove_home=true"]);
    estate.settles(&["group", "name=crew", "state=absent"]);
    assert!(estate.holds(
        "one",
        "[ ! -e /home/anna ] && ! getent passwd anna && ! getent group crew"
    ));
    // Lines of others matter to nobody: another encoding, NIS, an empty one; nor does a last one without an end.
    estate.on(
        "one",
        "printf '+::::::\\n\\nlat:x:3001:100:Na\\357ve:/home/lat:/bin/sh\\nlast:x:3002:100::/home/last:/bin/sh' >>/etc/passwd",
    );
    estate
        .task(["user", "name=last", "uid=3002", "home=/home/last"])
        .run()
        .unchanged("one");
    estate
        .task(["user", "name=lat", "shell=/bin/sh"])
        .run()
        .unchanged("one");
    for (kind, name) in [("user", "sshd"), ("user", "www-data"), ("group", "shadow")] {
        let name = format!("name={name}");
        estate
            .task([kind, &name, "state=absent"])
            .run()
            .failed("one", &["is not removed"]);
    }
    // Said twice, it goes.
    let gone = ["user", "name=www-data", "state=absent"];
    estate
        .task(gone)
        .run()
        .exits(1)
        .says("--insist 'user www-data'");
    estate
        .task(gone)
        .args(["--insist", "user www-data"])
        .run()
        .exits(0);
    assert!(estate.holds("one", "! getent passwd www-data"));
    let never = ["user", "name=root", "state=absent"];
    let insisted = estate.task(never).args(["--insist", "user root"]).run();
    assert!(
        !insisted.told().contains("say it twice"),
        "{}",
        insisted.told()
    );
    assert!(estate.holds("one", "getent passwd root"));
}

#[test]
fn commands_run_only_while_they_are_needed() {
    let estate = host();
    estate.settles(&["command", "argv=[touch, /srv/made]", "creates=/srv/made"]);
    estate.settles(&["command", "argv=[rm, /srv/made]", "removes=/srv/made"]);
    estate.settles(&[
        "command",
        "argv=[touch, /srv/again]",
        "unless=[test, -e, /srv/again]",
    ]);
    estate.settles(&[
        "command",
        "argv=[tee, out]",
        "chdir=/srv",
        "stdin=$(id)",
        "creates=/srv/out",
    ]);
    assert_eq!(estate.on("one", "cat /srv/out"), "$(id)");
    let failing = estate
        .task([
            "command",
            "argv=[sh, -c, 'echo no luck; exit 7']",
            "creates=/srv/never",
        ])
        .run();
    failing
        .exits(1)
        .failed("one", &["command", "exit code 7", "no luck"]);
    let useless = estate
        .task(["command", "argv=['true']", "creates=/srv/never"])
        .run();
    useless
        .exits(1)
        .failed("one", &["still not as it should be"]);
}

#[test]
fn packages_and_debconf_answers() {
    let estate = host();
    let answer = [
        "debconf",
        "package=sl",
        "question=sl/e2e",
        "type=string",
        "value=steam",
    ];
    estate.settles(&answer);
    estate.settles(&["packages", "names=[sl]"]);
    assert!(estate.holds("one", "[ -x /usr/games/sl ]"));
    estate.settles(&["packages", "names=[sl]", "state=absent", "purge=true"]);
    names_of_packages_are_what_they_say(&estate);
    assert!(estate.holds("one", "[ ! -e /usr/games/sl ]"));
}

#[test]
fn a_service_is_deferred_where_nothing_looks_after_services() {
    let estate = host();
    let ran = estate.task(["service", "name=cron"]).run();
    ran.exits(0);
    assert_eq!(ran.changes("one"), Vec::<String>::new());
    assert_eq!(
        ran.host("one")["deferred"][0]["id"],
        "cron",
        "{}",
        ran.told()
    );
}

/// Nothing is installed, or removed, in the place of what was named.
fn names_of_packages_are_what_they_say(estate: &Estate) {
    let refused = |arguments: &[&str], words: &str| {
        for more in [&["--diff"][..], &[]] {
            let mut task = vec!["packages"];
            task.extend(arguments);
            estate.task(&task).args(more).run().exits(1).says(words);
        }
    };
    refused(&["names=[gopher-client]"], "others provide: gopher");
    refused(&["names=[ssh-client]"], "provide: openssh-client");
    refused(
        &["names=[ssh-client]", "state=absent"],
        "provide: openssh-client",
    );
    refused(&["names=[mawk-]"], "write just mawk");
    refused(&["names=[no-such-package]"], "debian.sources");
    refused(&["names=[bash]", "state=absent"], "cannot do without");
    refused(
        &["names=[openssh-server]", "state=absent"],
        "prov reaches this host",
    );
    // Removing what the SSH server depends on would remove it, too.
    let client = ["packages", "names=[openssh-client]", "state=absent"];
    estate
        .task(client)
        .run()
        .exits(1)
        .says("would not get in again");
    estate
        .task(client)
        .args(["--diff"])
        .run()
        .exits(1)
        .says("--insist 'packages openssh-client'");
    estate
        .task(["packages", "names=[g++, libstdc++6]", "--diff"])
        .run()
        .says("g++");
    // What is here for others alone, and is wanted for itself.
    estate.on("one", "apt-mark auto mawk");
    estate.settles(&["packages", "names=[mawk]"]);
    assert_eq!(estate.on("one", "apt-mark showmanual mawk"), "mawk\n");
    estate.on(
        "one",
        "touch -d '1 minute' /etc/apt/sources.list.d/debian.sources",
    );
    estate
        .task(["packages", "names=[sl]", "--diff"])
        .run()
        .says("debian.sources is newer");
}
