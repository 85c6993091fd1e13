//! Applying roles: the first time, the second time, after drift, after a death in between, with a wrong configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use end_to_end::{Estate, docker, resolve, until};

const APPLY: [&str; 3] = ["--output", "json", "apply"];
const DIFF: [&str; 3] = ["--output", "json", "diff"];
const CONFIGURATION: &str = "/etc/dnsmasq.d/estate.conf";

/// What a preview does not change, but logging in does.
const NOT_COMPARED: &str = "-path /proc -o -path /sys -o -path /dev \
    -o -path /run/utmp -o -path /run/motd.dynamic -o -path /run/sudo/ts -o -path /run/systemd \
    -o -path /var/log/wtmp -o -path /var/log/btmp -o -path /var/log/lastlog \
    -o -path /var/log/auth.log -o -path /var/log/syslog";

/// Describes every file of a host: kind, mode, owner, size, time of the last change of content and of attributes to
/// the nanosecond, target, and the content's digest.
fn everything(estate: &Estate) -> BTreeMap<String, String> {
    let script = format!(
        "find / \\( {NOT_COMPARED} \\) -prune -o -printf '%p\\t%y %m %U %G %s %T@ %C@ %i %l\\n'
         find / \\( {NOT_COMPARED} \\) -prune -o -type f -print0 | xargs -0 sha256sum | sed 's/^\\([^ ]*\\)  \\(.*\\)/digest \\2\\t\\1/'"
    );
    let text = estate.on("one", &script);
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    // Its times change with /run/motd.dynamic, which a login writes; all else in it is compared.
    let lines = lines.filter(|(path, _)| *path != "/run");
    lines
        .map(|(path, what)| (path.to_owned(), what.to_owned()))
        .collect()
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differing = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path));
    differing
        .map(|path| format!("{path}: {:?} → {:?}", before.get(path), after.get(path)))
        .collect()
}

#[test]
fn a_second_apply_changes_nothing_and_drift_is_seen_and_repaired() {
    let estate = Estate::name_server();
    let fresh = estate.prov(DIFF).run();
    let expected = [
        "packages dnsmasq",
        "directory /etc/dnsmasq-hosts.d",
        "file /etc/dnsmasq-hosts.d/estate",
        "file /etc/dnsmasq.d/estate.conf",
    ];
    fresh.changed("one", &expected);
    estate.prov(APPLY).run().changed("one", &expected);
    estate.prov(APPLY).run().unchanged("one");
    estate.prov(DIFF).run().unchanged("one");

    let right = estate.on("one", &format!("cat {CONFIGURATION}"));
    for (drift, seen) in [
        (
            format!("echo x >>{CONFIGURATION}"),
            "file /etc/dnsmasq.d/estate.conf",
        ),
        (
            format!("chmod 0600 {CONFIGURATION}"),
            "file /etc/dnsmasq.d/estate.conf",
        ),
        (
            format!("chown games {CONFIGURATION}"),
            "file /etc/dnsmasq.d/estate.conf",
        ),
        (
            format!("rm {CONFIGURATION}"),
            "file /etc/dnsmasq.d/estate.conf",
        ),
        (
            "chmod 0700 /etc/dnsmasq-hosts.d".to_owned(),
            "directory /etc/dnsmasq-hosts.d",
        ),
        (
            "echo 10.97.0.1 evil >/etc/dnsmasq-hosts.d/estate".to_owned(),
            "file /etc/dnsmasq-hosts.d/estate",
        ),
    ] {
        estate.on("one", &drift);
        estate.prov(DIFF).run().changed("one", &[seen]);
        estate.prov(APPLY).run().changed("one", &[seen]);
        estate.prov(DIFF).run().unchanged("one");
    }
    assert_eq!(estate.on("one", &format!("cat {CONFIGURATION}")), right);
    // What prov needs on the host is gone again.
    assert!(estate.holds(
        "one",
        "[ ! -s /var/lib/prov/pending ] && [ -z \"$(ls /var/lib/prov/undo)\" ]"
    ));
}

#[test]
fn a_preview_leaves_the_host_bit_for_bit_as_it_was() {
    let estate = Estate::name_server();
    // The first login: Docker is asked for the host key, and sudo greets the user with a file in the home directory.
    estate.prov(["run", "--", "true"]).run().exits(0);
    // Docker was at work a moment ago, and some of its file systems show that late.
    let mut before = everything(&estate);
    until("the host is at rest", || {
        let again = everything(&estate);
        differences(&std::mem::replace(&mut before, again), &before).is_empty()
    });
    assert!(before.len() > 5000 && before.contains_key("digest /etc/passwd"));
    estate.prov(DIFF).run().exits(0).says("packages");
    estate
        .task(["file", "path=/srv/f", "content=x", "--diff"])
        .run()
        .exits(0)
        .says("/srv/f");
    let user = ["user", "name=anna", "password_hash=!", "--diff"];
    estate.task(user).run().exits(0);
    estate
        .task([
            "command",
            "argv=[touch, /srv/f]",
            "unless=[test, -e, /srv/f]",
            "--diff",
        ])
        .run()
        .exits(0);
    estate
        .task([
            "debconf",
            "package=sl",
            "question=sl/x",
            "type=string",
            "value=y",
            "--diff",
        ])
        .run()
        .exits(0);
    assert_eq!(
        differences(&before, &everything(&estate)),
        Vec::<String>::new()
    );
    // Something this small would be seen.
    estate.on("one", "touch /etc/passwd");
    assert_eq!(differences(&before, &everything(&estate)).len(), 1);
}

#[test]
fn an_apply_that_is_killed_at_any_moment_is_finished_by_the_next() {
    let estate = Estate::name_server();
    for milliseconds in [150, 350, 700, 1200, 2000, 3500] {
        let run = estate.prov(["apply", "--wait", "60"]).start();
        std::thread::sleep(Duration::from_millis(milliseconds));
        run.kill();
    }
    estate
        .prov(["--output", "json", "apply", "--wait", "120"])
        .run()
        .exits(0);
    estate.prov(DIFF).run().unchanged("one");
    let left = estate.on("one", "dpkg --audit; find / -xdev -name '.prov.*' -not -path '/proc/*'; ls -A /var/lib/prov/undo; cat /var/lib/prov/pending 2>/dev/null || :");
    assert_eq!(left, "");
    estate.prov(["test"]).run().exits(0);
    assert_eq!(
        resolve(&estate.address("one"), "one.first.test"),
        Some(estate.address("one"))
    );
}

/// A name server in test mode, whose validations wait while /run/hold is there.
fn running_server() -> Estate {
    let estate = Estate::name_server();
    estate.prov(APPLY).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    let wrapper = "#!/bin/sh\\nif [ \"$1\" = --test ]; then touch /run/validating; while [ -e /run/hold ]; do sleep 0.1; done; fi\\n\
                   exec /usr/sbin/dnsmasq.real \"$@\"\\n";
    estate.on("one", &format!("mv /usr/sbin/dnsmasq /usr/sbin/dnsmasq.real; printf '{wrapper}' >/usr/sbin/dnsmasq; chmod 0755 /usr/sbin/dnsmasq"));
    estate
}

fn process(estate: &Estate) -> String {
    estate.on(
        "one",
        "sv status dnsmasq | sed 's/^[^(]*(pid \\([0-9]*\\)).*/\\1/'",
    )
}

#[test]
fn a_run_that_dies_between_a_change_and_its_handler_is_finished_by_the_next() {
    let estate = running_server();
    let address = estate.address("one");
    let before = process(&estate);
    estate.on("one", "touch /run/hold");
    estate.domain("second.test");
    let run = estate.prov(APPLY).start();
    estate.until(
        "one",
        "the new configuration is validated",
        "[ -e /run/validating ]",
    );
    run.kill();
    estate.on("one", "rm /run/hold");

    // The file is there, the service does not know it yet, and the host remembers that.
    assert!(estate.holds("one", &format!("grep -q second.test {CONFIGURATION}")));
    assert!(estate.holds("one", "grep -q 'restart dnsmasq' /var/lib/prov/pending"));
    assert_eq!(process(&estate), before);
    assert_eq!(resolve(&address, "one.second.test"), None);
    let look = estate.prov(DIFF).run();
    look.exits(0);
    assert_eq!(look.changes("one"), Vec::<String>::new());
    assert_eq!(look.handlers("one"), ["restart dnsmasq"], "{}", look.told());

    let next = estate
        .prov(["--output", "json", "apply", "--wait", "20"])
        .run();
    next.exits(0);
    assert_eq!(next.handlers("one"), ["restart dnsmasq"], "{}", next.told());
    assert_ne!(process(&estate), before);
    assert_eq!(resolve(&address, "one.second.test"), Some(address));
    assert!(estate.holds("one", "[ ! -s /var/lib/prov/pending ]"));
    let last = estate.prov(APPLY).run();
    assert_eq!(last.unchanged("one").handlers("one"), Vec::<String>::new());
}

#[test]
fn a_configuration_that_is_not_valid_is_put_back_and_the_service_left_alone() {
    let estate = running_server();
    let address = estate.address("one");
    let before = (
        process(&estate),
        estate.on(
            "one",
            &format!("cat {CONFIGURATION}; stat -c '%a %U %Y' {CONFIGURATION}"),
        ),
    );
    estate.write(
        "templates/dns/estate.conf",
        "domain={{ domain }}\nno-such-option-e2e\n",
    );
    for _ in 0..2 {
        let ran = estate.prov(APPLY).run();
        ran.exits(1).failed(
            "one",
            &["does not accept", "put back", CONFIGURATION, "bad option"],
        );
        assert_eq!(
            ran.changes("one"),
            [""; 0],
            "what was put back has not changed"
        );
        let after = (
            process(&estate),
            estate.on(
                "one",
                &format!("cat {CONFIGURATION}; stat -c '%a %U %Y' {CONFIGURATION}"),
            ),
        );
        assert_eq!(before, after);
        assert_eq!(resolve(&address, "one.first.test").as_ref(), Some(&address));
    }
    // A good one is taken again, and nothing of the bad one is left.
    std::fs::remove_file(estate.path("estate/templates/dns/estate.conf")).unwrap();
    estate.prov(APPLY).run().unchanged("one");
    assert_eq!(process(&estate), before.0);
    estate.domain("second.test");
    let ran = estate.prov(APPLY).run();
    ran.changed("one", &["file /etc/dnsmasq.d/estate.conf"]);
    assert_eq!(ran.handlers("one"), ["restart dnsmasq"]);
    assert_eq!(resolve(&address, "one.second.test"), Some(address));
}

#[test]
fn a_killed_run_with_an_invalid_configuration_is_put_back_by_the_next() {
    let estate = running_server();
    let before = estate.on("one", &format!("cat {CONFIGURATION}"));
    estate.on("one", "touch /run/hold");
    estate.write("templates/dns/estate.conf", "no-such-option-e2e\n");
    let run = estate.prov(APPLY).start();
    estate.until(
        "one",
        "the new configuration is validated",
        "[ -e /run/validating ]",
    );
    run.kill();
    estate.on("one", "rm /run/hold");
    let ran = estate
        .prov(["--output", "json", "apply", "--wait", "20"])
        .run();
    ran.exits(1)
        .failed("one", &["does not accept", "put back", CONFIGURATION]);
    assert_eq!(estate.on("one", &format!("cat {CONFIGURATION}")), before);
}

#[test]
fn a_host_that_is_stopped_by_force_in_a_change_converges_afterwards() {
    let estate = Estate::name_server();
    let run = estate.prov(APPLY).start();
    // Not the dpkg that is asked before.
    estate.until("one", "dpkg is at it", "pgrep -f '^[^ ]*dpkg .*--unpack'");
    let container = estate.container("one");
    docker(&["kill", &container], "");
    let ran = run.wait();
    ran.exits(1).failed("one", &["packages", "closed"]);
    docker(&["start", &container], "");
    estate.until("one", "sshd runs", "pgrep -x sshd");
    estate.prov(APPLY).run().exits(0);
    estate.prov(DIFF).run().unchanged("one");
    assert_eq!(estate.on("one", "dpkg --audit"), "");
}
