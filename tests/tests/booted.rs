//! An estate whose containers boot systemd in test mode (`containers: {init: systemd}`): services without definitions of prov's, an
//! engine that does not allow it, and what a container cannot have.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use end_to_end::{Estate, docker_fails};

/// A daemon and a timer of the estate's own, and what only a server has: a kernel, a device.
const ROLE: &str = r#"
summary: What a server would have.
resources:
  - sysctl: {key: vm.swappiness, value: 13}
  - mount: {path: /srv/data, source: /dev/none, fstype: ext4}
  - mount: {path: /srv/scratch, source: tmpfs, fstype: tmpfs, options: size=1M}
  - unit: {name: page, content: "[Service]\nExecStart=/bin/sleep 1000\nPrivateTmp=yes\n[Install]\nWantedBy=multi-user.target\n"}
  - unit: {name: page-tidy, content: "[Service]\nType=oneshot\nExecStart=/bin/true\n"}
  - unit: {name: page-tidy.timer, content: "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n"}
  - service: {name: page}
  - service: {name: page-tidy.timer}
checks:
  - service: {name: page}
  - command: {argv: [systemctl, is-system-running], stdout: '^running'}
  - command: {argv: [systemctl, is-active, page-tidy.timer], stdout: '^active'}
  - command: {argv: [findmnt, -n, -o, FSTYPE, /srv/scratch], stdout: '^tmpfs'}
"#;

/// Where the engine listens.
const ENGINE: &str = "/var/run/docker.sock";

fn estate() -> Estate {
    let estate = Estate::new(&["one"]);
    estate.domain("first.test");
    estate.write("roles/page/role.yml", ROLE);
    init(&estate, "systemd");
    estate
}

/// Says in `estate.yml` what looks after daemons.
fn init(estate: &Estate, word: &str) {
    estate.inventory("roles: {dns: [one], page: [one]}\n");
    let path = estate.path("estate/estate.yml");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
    let section = format!("containers: {{init: {word}, network: ");
    estate.write(
        "estate.yml",
        &text.replace("containers: {network: ", &section),
    );
}

/// Listens as an engine that does not give one of the capabilities; everything else is left to the real one.
fn engine_without_a_capability(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap_or_else(|error| panic!("{error}"));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(engine) = UnixStream::connect(ENGINE) else {
                return;
            };
            let pairs = [
                (client.try_clone(), engine.try_clone(), true),
                (Ok(engine), Ok(client), false),
            ];
            for (from, to, asks) in pairs {
                if let (Ok(from), Ok(to)) = (from, to) {
                    thread::spawn(move || carry(from, to, asks));
                }
            }
        }
    });
}

/// Carries bytes from one side to the other; of what is asked, another capability of the same length takes the place of one.
fn carry(mut from: UnixStream, mut to: UnixStream, asks: bool) {
    let (wanted, given) = (b"\"SYS_ADMIN\"", b"\"SYS_PACCT\"");
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let part = &mut buffer[..length];
        let at = part.windows(wanted.len()).position(|it| it == wanted);
        if let Some(at) = at.filter(|_| asks) {
            part[at..at + given.len()].copy_from_slice(given);
        }
        if to.write_all(part).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn systemd_is_booted_as_on_a_server_and_refused_before_anything_changes_where_it_cannot_be() {
    let estate = estate();
    let socket = estate.path("engine.sock");
    engine_without_a_capability(&socket);
    let other = format!("unix://{}", socket.display());
    estate
        .prov(["deploy"])
        .env("DOCKER_HOST", &other)
        .run()
        .exits(1)
        .says("the container does not get the capability SYS_ADMIN")
        .says("init: runit");
    assert!(docker_fails(&["inspect", &estate.container("one")]));

    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0).says("page");
    estate.prov(["complete"]).run().exits(0);
    let again = estate.prov(["--output", "json", "apply"]).run();
    again.exits(0).unchanged("one");
    let (swappiness, definitions) = (
        "! grep -qx 13 /proc/sys/vm/swappiness && grep -q 13 /etc/sysctl.d/*swappiness*",
        "[ ! -e /usr/local/lib/prov/services ] && [ ! -e /usr/sbin/policy-rc.d ]",
    );
    assert!(estate.holds("one", swappiness) && estate.holds("one", definitions));
    let status = estate.prov(["--output", "json", "status"]).run();
    let host = status.host("one");
    let services = host["services"].as_array().cloned().unwrap_or_default();
    let is_there = |name: &str| {
        let mut all = services.iter();
        all.any(|it| it["name"] == name && it["state"] == "running")
    };
    assert!(is_there("dnsmasq") && is_there("page"), "{}", status.told());
    checks_tell_what_runs(&estate);
    a_daemon_that_does_not_start_is_named_with_its_own_words(&estate);

    init(&estate, "runit");
    let refused = estate.prov(["test"]).run();
    refused.exits(1).says("one: made for systemd");
    assert!(estate.holds("one", "systemctl is-active --quiet page"));
    estate.prov(["down"]).run().exits(0);
}

fn checks_tell_what_runs(estate: &Estate) {
    let verify = || estate.prov(["verify", "page"]).run();
    verify().exits(0).says("4 checks passed, 0 failed");
    estate.on("one", "systemctl disable --now page");
    verify().exits(1).says("FAIL page");
    let repaired = estate.prov(["--output", "json", "complete"]).run();
    repaired.changed("one", &["service page"]);
    verify().exits(0);
}

fn a_daemon_that_does_not_start_is_named_with_its_own_words(estate: &Estate) {
    let own = "/etc/systemd/system/page.service.d";
    let line = "ExecStart=\nExecStart=/bin/sh -c 'echo no luck today; exit 7'";
    estate.on(
        "one",
        &format!("mkdir {own}; printf '[Service]\n%b\n' \"{line}\" >{own}/own.conf"),
    );
    let restarted = estate.prov(["test", "--restart"]).run();
    restarted
        .exits(1)
        .says("service page was not ready")
        .says("no luck today");
    estate.on("one", &format!("rm -r {own}"));
    estate.prov(["test", "--restart"]).run().exits(0);
    assert!(estate.holds("one", "systemctl is-active --quiet page"));
}
