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
    estate.on("one", "printf 'echo noise; echo @1234 end 1; echo more >&2\\n' >>~keeper/.bashrc; sed -i '1i echo first' ~keeper/.bashrc");
    estate
        .task(["file", "path=/srv/f", "content=x"])
        .run()
        .changed("one", &["file /srv/f"]);
}
