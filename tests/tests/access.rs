//! Who is let in, and to whom prov speaks: host keys, passwords, sudo.

use end_to_end::{Estate, secret, until};

const LOOK: [&str; 3] = ["--output", "json", "diff"];

/// Tells whether the SSH server of the host `one` offers this key.
fn offers(estate: &Estate, known_host: &str) -> bool {
    let Some(key) = known_host.split_whitespace().last() else {
        return false;
    };
    estate.holds(
        "one",
        &format!("ssh-keyscan -t ed25519 127.0.0.1 | grep -qF {key}"),
    )
}

#[test]
fn a_host_key_that_changed_is_refused() {
    let estate = Estate::deployed(&["one"]);
    estate.prov(LOOK).run().exits(0);
    let known = estate.known_host("one");
    assert!(offers(&estate, &known));
    // sshd reads its keys again when it is told to.
    estate.on(
        "one",
        "cd /etc/ssh; rm ssh_host_ed25519_key*; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key; kill -HUP 1",
    );
    let new = estate.known_host("one");
    until("sshd offers its new key", || offers(&estate, &new));
    for command in [
        &LOOK[..],
        &[
            "--output",
            "json",
            "task",
            "file",
            "path=/srv/f",
            "content=x",
        ],
    ] {
        let ran = estate.prov(command).run();
        ran.exits(1).failed(
            "one",
            &[
                "host key",
                "not the one that is known",
                "somebody may be listening",
            ],
        );
    }
    assert!(estate.holds("one", "[ ! -e /srv/f ]"));
    // Deployed anew it is another container with another key.
    estate.deploy();
    estate.prov(LOOK).run().exits(0);
}

#[test]
fn a_server_is_known_by_its_host_key_or_not_spoken_to() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = estate.as_servers(&estate.connection(), "");
    let ran = servers.prov(LOOK).run();
    ran.exits(1).failed(
        "one",
        &["is not known", "SHA256:", "known_hosts", "ssh-keyscan"],
    );
    assert!(
        !servers.path("home/.ssh/known_hosts").exists(),
        "nothing is trusted blindly"
    );

    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    let ran = servers
        .prov(["--output", "json", "run", "--", "id -u"])
        .run();
    assert_eq!(ran.host("one")["output"], "0", "{}", ran.told());
    ran.exits(1).failed("two", &["is not known"]);

    // Of a key of another kind nobody knows whether it changed.
    let rsa = estate.on(
        "one",
        "ssh-keygen -q -t rsa -N '' -f /root/rsa; cut -d' ' -f1,2 /root/rsa.pub",
    );
    let only_rsa = format!("{} {rsa}", estate.address("one"));
    servers.write_home(".ssh/known_hosts", &only_rsa);
    let ran = servers.prov(LOOK).run();
    ran.exits(1)
        .failed("one", &["is not known", "ssh-rsa", "ssh-keyscan"]);

    let wrong = estate
        .known_host("two")
        .replace(&estate.address("two"), &estate.address("one"));
    servers.write_home(".ssh/known_hosts", &wrong);
    let ran = servers.prov(LOOK).run();
    ran.exits(1)
        .failed("one", &["not the one that is known", "known_hosts"]);
}

#[test]
fn a_wrong_password_is_not_let_in_and_not_shown() {
    let estate = Estate::deployed(&["one"]);
    let wrong = secret();
    estate.inventory_with_password(&wrong, "");
    let ran = estate.prov(LOOK).run();
    ran.exits(1).failed(
        "one",
        &[
            "keeper@",
            "was not let in",
            "tried: password",
            "`connection`",
        ],
    );
    ran.never_says(&wrong);
}

#[test]
fn a_user_who_may_not_use_sudo_is_told() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", "gpasswd -d keeper sudo");
    let ran = estate.prov(LOOK).run();
    ran.exits(1)
        .failed("one", &["keeper may not use sudo", "adduser keeper sudo"]);
    ran.never_says(estate.password());
    estate.on("one", "gpasswd -a keeper sudo");
    estate.prov(LOOK).run().exits(0);
}

#[test]
fn sudo_that_asks_for_a_password_which_is_not_set_is_told() {
    let estate = Estate::deployed(&["one"]);
    let connection = format!(
        "{{user: keeper, password: {}, sudo: true}}",
        estate.password()
    );
    let servers = estate.as_servers(&connection, "");
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    let ran = servers.prov(LOOK).run();
    ran.exits(1).failed(
        "one",
        &["sudo asks for the password of keeper", "`sudo: password`"],
    );
    // Where sudo asks for nothing the same is fine.
    estate.on(
        "one",
        "echo 'keeper ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/keeper",
    );
    servers.prov(LOOK).run().exits(0);
}

#[test]
fn a_password_that_sudo_does_not_accept_is_told() {
    let estate = Estate::deployed(&["one"]);
    // Logged in with a key, and sudo with another password than the account's.
    let wrong = secret();
    let connection =
        format!("{{user: keeper, password: {wrong}, identity: ~/key, sudo: password}}");
    let servers = estate.as_servers(&connection, "");
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    let key = estate.on(
        "one",
        "ssh-keygen -q -t ed25519 -N '' -f /root/key; mkdir ~keeper/.ssh; cp /root/key.pub ~keeper/.ssh/authorized_keys; \
         chown -R keeper: ~keeper/.ssh; cat /root/key",
    );
    servers.write_home("key", &key);
    let ran = servers.prov(LOOK).run();
    ran.exits(1).failed(
        "one",
        &["sudo did not accept the password of keeper", "`password`"],
    );
    ran.never_says(&wrong);
}

#[test]
fn what_a_login_shell_prints_is_no_answer() {
    let estate = Estate::deployed(&["one"]);
    // Before, without a line end, on both streams, and without end in the background.
    estate.on(
        "one",
        "printf 'echo noise; echo @1234 end 1; echo more >&2; printf half\n(while sleep 0.01; do printf .; echo beside; done) &\n' >>~keeper/.bashrc; \
         sed -i '1i echo first; echo \"$LC_ALL\" >/tmp/spoken' ~keeper/.bashrc; echo LANG=de_DE.UTF-8 >/etc/default/locale",
    );
    estate
        .task(["file", "path=/srv/f", "content=x"])
        .run()
        .changed("one", &["file /srv/f"]);
    assert_eq!(estate.on("one", "cat /srv/f"), "x");
    // Whatever the host's language is, what stops a login is said in English.
    assert_eq!(estate.on("one", "cat /tmp/spoken"), "C\n");
}

#[test]
fn what_stands_between_a_login_and_root_is_named_and_nothing_is_sent_to_it() {
    let estate = Estate::deployed(&["one"]);
    // What another program is given instead of a root shell, it keeps.
    estate.on(
        "one",
        "printf '#!/bin/sh\nexec cat >/tmp/fed\n' >/usr/local/bin/eater; chmod 755 /usr/local/bin/eater; \
         cp /etc/ssh/sshd_config /root; cp -a /home/keeper/.bashrc /root",
    );
    let reload = "kill -HUP 1; sleep 0.5";
    let sshd = |line: &str| {
        format!("{{ echo '{line}'; cat /root/sshd_config; }} >/etc/ssh/sshd_config; {reload}")
    };
    let sudoers =
        |line: &str| format!("echo '{line}' >/etc/sudoers.d/trial; chmod 440 /etc/sudoers.d/trial");
    let bashrc = |line: &str| format!("echo '{line}' >/home/keeper/.bashrc");
    let back = "cp /root/sshd_config /etc/ssh/; rm -f /etc/sudoers.d/trial; cp -a /root/.bashrc /home/keeper/; usermod -s /bin/bash keeper; chage -d 20000 -E -1 -M 99999 -I -1 keeper; rm -f /run/nologin";
    let table = [
        (
            sudoers("Defaults requiretty"),
            ["sudo wants a terminal", "!requiretty"],
        ),
        (
            sudoers("Defaults noexec"),
            ["does not let the shell start programs", "NOEXEC"],
        ),
        (
            "usermod -s /usr/sbin/nologin keeper".to_owned(),
            ["currently not available", "usermod --shell"],
        ),
        (
            "usermod -s /bin/false keeper".to_owned(),
            ["lets nobody in", "usermod --shell"],
        ),
        (
            "chage -d 0 keeper".to_owned(),
            ["has expired", "set a new password"],
        ),
        (
            "chage -E 0 keeper".to_owned(),
            ["saying: Your account has expired", "chage -l keeper"],
        ),
        (
            "chage -M 10 -I 5 keeper".to_owned(),
            ["saying: Your account has expired", "chage -l keeper"],
        ),
        // What a server says to everybody beforehand is not why.
        (
            format!(
                "echo 'Closed until noon.' >/run/nologin; echo 'Welcome.' >/etc/issue.net; {}",
                sshd("Banner /etc/issue.net")
            ),
            ["saying: Closed until noon.;", "/etc/nologin"],
        ),
        (
            sshd("ForceCommand echo menu"),
            ["something else ran", "ForceCommand"],
        ),
        (sshd("ForceCommand internal-sftp"), ["sftp", "ForceCommand"]),
        (sshd("MaxSessions 0"), ["opens no session", "MaxSessions"]),
        (
            bashrc("exec /usr/local/bin/eater"),
            ["no root shell answered within 5 s", "~/.bashrc"],
        ),
        (
            bashrc("sleep 1000"),
            ["no root shell answered within 5 s", "~/.bashrc"],
        ),
        (bashrc("exit 3"), ["exit code 3", "start-up files"]),
        (
            bashrc("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"),
            ["prints without end", "~/.bashrc"],
        ),
    ];
    for (obstacle, expected) in &table {
        estate.on("one", obstacle);
        for command in [&LOOK[..], &["--output", "json", "run", "--", "true"]] {
            let arguments = ["--timeout", "5"].iter().chain(command);
            let ran = estate.prov(arguments).run();
            ran.exits(1).failed("one", expected);
            ran.never_says(estate.password());
        }
        estate.on("one", &format!("{back}; {reload}"));
    }
    assert_eq!(estate.on("one", "cat /tmp/fed 2>/dev/null || :"), "");
    estate.prov(LOOK).run().exits(0);
}

#[test]
fn a_login_that_is_not_root_is_noticed_first() {
    let estate = Estate::deployed(&["one"]);
    let connection = format!("{{user: keeper, password: {}}}", estate.password());
    let servers = estate.as_servers(&connection, "");
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    for command in [
        &LOOK[..],
        &["--output", "json", "run", "--", "id"],
        &[
            "--output",
            "json",
            "task",
            "file",
            "path=/tmp/f",
            "content=x",
        ],
    ] {
        let ran = servers.prov(command).run();
        ran.exits(1)
            .failed("one", &["keeper is not root on one", "`sudo: true`"]);
    }
    assert!(estate.holds("one", "[ ! -e /tmp/f ]"));
}

#[test]
fn ssh_and_run_become_root_and_quote_alike() {
    let estate = Estate::deployed(&["one"]);
    let line = "id -un; echo a b | wc -w";
    let ran = estate.prov(["run", "--", line]).run();
    ran.exits(0).says("| root").says("| 2");
    let ran = estate.prov(["ssh", "one", "--", line]).run();
    ran.exits(0);
    assert_eq!(ran.stdout, "root\n2\n");
    ran.never_says(estate.password());
    let ran = estate
        .prov(["ssh", "one", "--no-sudo", "--", "id", "-un"])
        .run();
    assert_eq!(ran.stdout, "keeper\n");
    let ran = estate
        .prov(["ssh", "one", "--", "printf", "%s|", "a b", "$HOME"])
        .run();
    assert_eq!(ran.stdout, "a b|$HOME|");
    estate.prov(["ssh", "one", "--", "exit 7"]).run().exits(7);
}
