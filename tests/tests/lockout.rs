//! Changes that lock prov out of a server: each is put back, and the run says so.

use std::fmt::Write as _;

use end_to_end::{Server, until};

/// A way to lock oneself out: what it is called, handlers and resources of a role that does it, and words of what is said.
struct Way {
    name: &'static str,
    handlers: &'static str,
    resources: &'static str,
    says: &'static [&'static str],
}

const RESTARTS_SSH: &str = "restart: {restart: ssh}";

const WAYS: [Way; 13] = [
    Way {
        name: "another port",
        handlers: RESTARTS_SSH,
        resources: r#"- file: {path: /etc/ssh/sshd_config.d/own.conf, content: "Port 2222\n"}
    notify: restart"#,
        says: &["the SSH server", "file /etc/ssh/sshd_config.d/own.conf"],
    },
    Way {
        name: "an SSH server that does not start",
        handlers: RESTARTS_SSH,
        resources: r#"- file: {path: /etc/ssh/sshd_config.d/own.conf, content: "NoSuchOption yes\n"}
    notify: restart"#,
        says: &["the SSH server"],
    },
    Way {
        name: "nobody may begin to log in",
        handlers: RESTARTS_SSH,
        resources: r#"- file: {path: /etc/ssh/sshd_config.d/own.conf, content: "LoginGraceTime 1\nAllowUsers nobody\nMaxStartups 1:100:1\n"}
    notify: restart"#,
        says: &["the SSH server"],
    },
    Way {
        name: "a firewall that is closed",
        handlers: "",
        resources: r#"- file: {path: /etc/nftables.conf, content: "flush ruleset\ntable inet f {\n chain i {\n type filter hook input priority 0; policy drop;\n }\n}\n"}
  - service: {name: nftables}"#,
        says: &["what packets are let through"],
    },
    Way {
        name: "a key that is removed",
        handlers: "",
        resources: r#"- file: {path: /home/admin/.ssh/authorized_keys, content: "", owner: admin, group: admin, mode: "0600"}"#,
        says: &["the account that prov logs in with"],
    },
    Way {
        name: "sudo that refuses",
        handlers: "",
        resources: r#"- file: {path: /etc/sudoers.d/zz, content: "admin ALL=(ALL) !ALL\n", mode: "0440"}"#,
        says: &["how one becomes root"],
    },
    Way {
        name: "sudo that does not understand its file",
        handlers: "",
        resources: r#"- file: {path: /etc/sudoers, content: "no sense\n", mode: "0440"}"#,
        says: &["how one becomes root"],
    },
    Way {
        name: "a shell that lets nobody in",
        handlers: "",
        resources: r"- command: {argv: [usermod, --shell, /bin/false, admin], unless: [grep, -q, '^admin:.*false', /etc/passwd]}
    guarded: true",
        says: &["marked as guarded"],
    },
    Way {
        name: "names that are not resolved",
        handlers: "",
        resources: r#"- file: {path: /etc/resolv.conf, content: "nameserver 127.0.0.9\noptions timeout:1 attempts:1\n"}"#,
        says: &["how names are resolved", "does not any more"],
    },
    Way {
        name: "an address that changed",
        handlers: "",
        resources: r#"- command:
      argv: [sh, -c, 'a=$(ip -o -4 address show dev eth0 | sed "s/.*inet \([^ ]*\) .*/\1/"); ip address add 10.97.254.254/24 dev eth0; ip address del "$a" dev eth0']
      creates: /tmp/never
    guarded: true"#,
        says: &["marked as guarded"],
    },
    Way {
        name: "PAM that denies",
        handlers: "",
        resources: r#"- file: {path: /etc/pam.d/sshd, content: "account required pam_deny.so\nauth required pam_deny.so\nsession required pam_deny.so\n"}"#,
        says: &["who is let in"],
    },
    Way {
        name: "an account that has expired",
        handlers: "",
        resources: r"- command: {argv: [usermod, --expiredate, '1970-01-02', admin], unless: [grep, -q, '^admin:.*:1:$', /etc/shadow]}
    guarded: true",
        says: &["marked as guarded"],
    },
    Way {
        name: "a disk that is full",
        handlers: "",
        resources: r"- command: {argv: [sh, -c, 'cat /dev/zero >/var/lib/prov/fill; :'], creates: /var/lib/prov/fill}
    guarded: true",
        says: &["marked as guarded", "nothing can be written"],
    },
];

/// Everything of which a way may alter something: files with their attributes and times, what runs, what is let through.
const STATE: &str = "cd /; find etc home/admin ! -path '*/.prov*' -printf '%p %y %m %u %g %s %T@ %l\\n' | sort; \
    find etc home/admin -type f -print0 | sort -z | xargs -0 sha256sum; nft -s list ruleset | sed 's/ counter packets [0-9]* bytes [0-9]*//' | grep -vE 'chain (PREROUTING|INPUT) |prerouting priority|input priority srcnat'; ip -o address show | sed 's/valid.*//'; \
    ip route show; systemctl is-active ssh nftables; ls -A /var/lib/prov | grep -v history || :";

fn role(way: &Way) -> String {
    let mut text = "summary: Locks everybody out.\n".to_owned();
    if !way.handlers.is_empty() {
        let _ = writeln!(text, "handlers:\n  {}", way.handlers);
    }
    let _ = writeln!(text, "resources:\n  {}", way.resources);
    text
}

/// Gives the process of the slow step.
const SLOW: &str =
    "grep -lxz sleep /proc/[0-9]*/cmdline | xargs grep -lxz 600 | cut -d / -f 3 | grep .";

fn assert_same(what: &str, before: &str, after: &str) {
    let lines = |text: &str, other: &str| -> Vec<String> {
        let others: std::collections::BTreeSet<_> = other.lines().collect();
        let lines = text.lines().filter(|line| !others.contains(line));
        lines.map(str::to_owned).collect()
    };
    let (gone, new) = (lines(before, after), lines(after, before));
    assert!(
        gone.is_empty() && new.is_empty(),
        "{what}: before {gone:#?}, after {new:#?}"
    );
}

#[test]
fn whatever_locks_prov_out_is_put_back() {
    let mut server = Server::boot("");
    server.estate.on(
        "one",
        "apt-get -qq update >/dev/null; apt-get -qq install --no-install-recommends nftables iptables iproute2 >/dev/null 2>&1; \
         useradd --create-home --shell /bin/bash admin; passwd -d admin >/dev/null; usermod -p '*' admin; \
         echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin; chmod 0440 /etc/sudoers.d/admin; \
         ssh-keygen -q -t ed25519 -N '' -f /root/key; install -d -o admin -g admin -m 0700 /home/admin/.ssh; \
         install -o admin -g admin -m 0600 /root/key.pub /home/admin/.ssh/authorized_keys; \
         install -d -m 0700 /var/lib/prov; mount -t tmpfs -o size=40m,mode=0700 tmpfs /var/lib/prov",
    );
    // Docker resolves the names of containers, and the archive may be known by its address.
    let name = server.estate.container("one");
    server.estate.on(
        "one",
        &format!("echo 'deb http://{name}/ own main' >/etc/apt/sources.list.d/zz.list"),
    );
    let key = server.estate.on("one", "cat /root/key");
    server.servers = server
        .estate
        .as_servers("{user: admin, sudo: true}", "roles: {lock: [one]}\n");
    let (estate, servers) = (&server.estate, &server.servers);
    servers.write_home(".ssh/id_ed25519", &(key + "\n"));
    servers.write_home(".ssh/known_hosts", &estate.known_host("one"));
    // sudo leaves a mark in the home at its first use; and overlayfs tells late of changes that were made before.
    servers
        .prov(["run", "--", "touch", "/etc", "/home/admin"])
        .run()
        .exits(0);
    for way in &WAYS {
        servers.write("roles/lock/role.yml", &role(way));
        let before = estate.on("one", STATE);
        let preview = servers.prov(["diff"]).run();
        preview.exits(0).says("guarded");
        let applied = servers
            .prov(["--timeout", "5", "--output", "json", "apply"])
            .run();
        applied.exits(1).failed("one", way.says);
        applied.failed("one", &["put back"]);
        assert!(applied.changes("one").is_empty(), "{}", applied.told());
        assert_same(way.name, &before, &estate.on("one", STATE));
        servers.prov(["run", "--", "true"]).run().exits(0);
    }
    let history = servers.prov(["--output", "json", "history"]).run();
    assert_eq!(
        history.host("one")["runs"][0]["put_back"],
        true,
        "{}",
        history.told()
    );
    // What locks nobody out is kept, and nothing is left of the guard.
    servers.write(
        "roles/lock/role.yml",
        "summary: Stays.\nhandlers:\n  restart: {restart: ssh}\nresources:\n  - file: {path: /etc/ssh/sshd_config.d/own.conf, content: \"MaxAuthTries 4\\n\"}\n    notify: restart\n",
    );
    server.apply().exits(0);
    server.apply().exits(0).unchanged("one");
    assert!(estate.holds("one", "! [ -e /var/lib/prov/guard ] && ! [ -e /etc/systemd/system/prov-guard-boot.service ] && ! systemctl is-active prov-guard"));

    what_is_insisted_on_is_guarded(&server);

    // Killed before it could confirm: the host does it by itself, and meanwhile nobody else begins.
    servers.write(
        "roles/lock/role.yml",
        "summary: Is slow.\nresources:\n  - file: {path: /etc/sudoers.d/zz, content: \"admin ALL=(ALL) !ALL\\n\", mode: \"0440\"}\n  - command: {argv: [sleep, '600'], creates: /tmp/never}\n",
    );
    let before = estate.on("one", STATE);
    let running = servers.prov(["--timeout", "5", "apply"]).start();
    estate.until("one", "the slow step runs", SLOW);
    running.kill();
    estate.on("one", &format!("kill $({SLOW})"));
    server.apply().exits(1);
    until("the host has put it back", || {
        !estate.holds("one", "test -e /var/lib/prov/guard")
    });
    assert_same("killed", &before, &estate.on("one", STATE));

    // The host's own end of the session dies with it, in the middle of a step: nobody is left who would shorten the hour that a step may take.
    let before = estate.on("one", STATE);
    let running = servers.prov(["--timeout", "5", "apply"]).start();
    estate.until("one", "the slow step runs again", SLOW);
    running.kill();
    estate.on(
        "one",
        &format!("slow=$({SLOW}); kill -9 $(cut -d ' ' -f 1 /run/prov.guard/session) $slow"),
    );
    until("the host has put it back by itself", || {
        !estate.holds("one", "test -e /var/lib/prov/guard")
    });
    assert_same("cut off", &before, &estate.on("one", STATE));
}

/// What takes away whom prov logs in as is refused; if it is said twice, it is done, and put back when prov does not get in again.
fn what_is_insisted_on_is_guarded(server: &Server) {
    let (estate, servers) = (&server.estate, &server.servers);
    let shut = ["user", "name=admin", "shell=/usr/sbin/nologin"];
    let line = ["line", "path=/etc/passwd", "regexp=^admin:", "state=absent"];
    for (arguments, name) in [
        (&shut[..], "user admin"),
        (&line, "line /etc/passwd '^admin:'"),
    ] {
        let task = ["--timeout", "5", "--output", "json", "task"];
        let task = || servers.prov(task).args(arguments);
        let before = estate.on("one", STATE);
        task()
            .run()
            .exits(1)
            .failed("one", &["say it twice: --insist"]);
        assert_same(name, &before, &estate.on("one", STATE));
        let insisted = task().args(["--insist", name]).run();
        insisted.exits(1).failed("one", &["put back"]);
        assert_same(name, &before, &estate.on("one", STATE));
    }
    // A saved plan knows what was insisted on; what locks nobody out stays done.
    servers.write(
        "roles/lock/role.yml",
        "summary: Takes away.\nresources:\n  - user: {name: games, state: absent}\n",
    );
    let plan = servers.path_text("plan.json");
    let preview = servers.prov(["diff", "--insist", "user games", "--out", &plan]);
    preview.run().exits(0);
    let planned = servers.prov(["apply", "--plan", &plan]).run();
    planned.exits(0);
    assert!(!estate.holds("one", "id games"));
}
