//! From nothing to test mode and back: what runs, what is found out when something is broken, what is left.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use end_to_end::{Estate, Running, docker, docker_fails, resolve, until};

#[test]
fn an_estate_goes_from_nothing_to_services_that_answer_and_away_again() {
    let estate = Estate::name_servers();
    let status = estate.prov(["--output", "json", "status"]).run();
    assert_eq!(status.exits(0).host("dns-internal")["running"], false);
    estate.prov(["browse"]).run().exits(1).says("`prov up`");
    estate.prov(["deploy", "dns"]).run().exits(0);
    let status = estate.prov(["--output", "json", "status"]).run();
    assert_eq!(
        status.host("dns-internal")["mode"],
        "deploy",
        "{}",
        status.told()
    );
    let applied = estate.prov(["--output", "json", "apply"]).run();
    applied.exits(0);
    // The service and what a container would lose wait for completion; they are counted, not forgotten.
    assert_eq!(
        applied.json()["summary"]["deferred"],
        6,
        "{}",
        applied.told()
    );
    estate
        .prov(["complete"])
        .run()
        .exits(1)
        .says("still deferred")
        .says("prov test");
    estate.prov(["test"]).run().exits(0).says("services ready");
    estate.prov(["--output", "json", "complete"]).run().exits(0);
    let again = estate.prov(["--output", "json", "complete"]).run();
    again.unchanged("dns-internal").unchanged("dns-external");
    assert!(estate.holds(
        "dns-internal",
        "grep -q 'search home.test' /etc/resolv.conf"
    ));

    let status = estate.prov(["--output", "json", "status"]).run();
    let host = status.host("dns-internal");
    assert_eq!(host["mode"], "test");
    let services: Vec<_> = host["services"].as_array().unwrap().iter().collect();
    assert!(
        services.iter().any(|service| service["name"] == "dnsmasq"),
        "{}",
        status.told()
    );
    assert!(
        services.iter().all(|service| service["state"] == "running"),
        "{}",
        status.told()
    );

    a_daemon_that_is_killed_is_started_again(&estate);
    a_service_that_is_down_is_seen_and_started(&estate);
    verification_tells_a_broken_service_from_a_sound_one(&estate);
    let (inside, port) = browse(&estate, "inside");
    programs_of_this_user_visit_each_side(&estate, port);

    let name = estate.name();
    estate.prov(["down"]).run().exits(0);
    inside
        .wait()
        .exits(0)
        .says("has stopped, and with it this proxy");
    let label = format!("label=io.prov.estate={name}");
    for list in [
        ["ps", "--all"],
        ["network", "ls"],
        ["volume", "ls"],
        ["images", "--all"],
    ] {
        let left = docker(&[list[0], list[1], "--quiet", "--filter", &label], "");
        assert_eq!(left, "", "docker {} of {name}", list.join(" "));
    }
    assert!(docker_fails(&[
        "inspect",
        &estate.container("dns-internal")
    ]));
    estate.prov(["down"]).run().exits(0);
}

fn a_daemon_that_is_killed_is_started_again(estate: &Estate) {
    let process = || estate.on("dns-internal", "pgrep -x dnsmasq || :");
    let before = process();
    assert_ne!(before, "");
    estate.on("dns-internal", "pkill -9 -x dnsmasq");
    until("dnsmasq runs again", || {
        !["", before.as_str()].contains(&process().as_str())
    });
    estate.until(
        "dns-internal",
        "it answers again",
        "/usr/local/lib/prov/listening udp 53",
    );
    let address = estate.address("dns-internal");
    assert_eq!(resolve(&address, "desk.home.test"), Some(address));
}

fn a_service_that_is_down_is_seen_and_started(estate: &Estate) {
    estate.on("dns-internal", "sv down dnsmasq");
    estate.until(
        "dns-internal",
        "it is down",
        "sv status dnsmasq | grep -q ^down",
    );
    let status = estate.prov(["status"]).run();
    status.exits(0).says("down");
    let ran = estate.prov(["--output", "json", "apply"]).run();
    ran.changed("dns-internal", &["service dnsmasq"]);
    assert!(estate.holds("dns-internal", "sv status dnsmasq | grep -q ^run"));
}

fn verification_tells_a_broken_service_from_a_sound_one(estate: &Estate) {
    let junit = estate.path_text("junit.xml");
    // A name that the external server knows stands for one of the Internet's.
    let verify = [
        "--output",
        "json",
        "verify",
        "dns",
        "--upstream-name",
        "dns-external",
        "--junit",
        &junit,
    ];
    let sound = estate.prov(verify).run();
    sound.exits(0);
    assert_eq!(sound.json()["failed"], 0, "{}", sound.told());
    assert!(sound.json()["passed"].as_u64().unwrap() > 10);
    assert!(
        std::fs::read_to_string(&junit)
            .unwrap()
            .contains("failures=\"0\"")
    );

    estate.on(
        "dns-internal",
        "sed -i 's/ dns-internal/ dns-infernal/' /etc/dnsmasq-hosts.d/estate; sv restart dnsmasq",
    );
    let broken = estate.prov(verify).run();
    broken.exits(1);
    let checks = broken.json()["checks"].as_array().unwrap().clone();
    let failed = checks.iter().filter(|check| check["passed"] == false);
    let failed: Vec<_> = failed
        .map(|check| check["asked"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        failed,
        [
            "dig internal dns-internal",
            "dig internal dns-internal.home.test"
        ],
        "{}",
        broken.told()
    );
    assert!(
        !std::fs::read_to_string(&junit)
            .unwrap()
            .contains("failures=\"0\"")
    );
    estate
        .prov(["verify", "dns", "--upstream-name", "dns-external"])
        .run()
        .exits(1)
        .says("FAIL")
        .says("expected:");

    let repaired = estate.prov(["--output", "json", "apply"]).run();
    repaired.changed("dns-internal", &["file /etc/dnsmasq-hosts.d/estate"]);
    assert_eq!(repaired.handlers("dns-internal"), ["reload dnsmasq"]);
    estate.prov(verify).run().exits(0);
}

/// Starts `prov browse`; gives the port at which it listens.
fn browse(estate: &Estate, side: &str) -> (Running, u16) {
    let running = estate.prov(["browse", side]).start();
    let port = || {
        let said = running.output_so_far();
        let (_, rest) = said.split_once("http://127.0.0.1:")?;
        said.contains("Ctrl-C ends it").then(|| {
            let digits = rest.lines().next().unwrap_or_default();
            digits.parse().unwrap()
        })
    };
    until("the proxy listens", || port().is_some());
    let port = port().unwrap();
    (running, port)
}

/// Sends something to the proxy, as root or as another user; gives what comes until it ends or a server of SSH has spoken.
fn sent(user: &str, port: u16, request: &str) -> String {
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{request}' >&3; timeout 60 sed -u /SSH-2.0/q <&3 2>/dev/null"
    );
    let output = std::process::Command::new("runuser")
        .args(["-u", user, "--", "bash", "-c", &script])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every host has a server of SSH, which speaks first.
fn programs_of_this_user_visit_each_side(estate: &Estate, inside: u16) {
    let (outside, port) = browse(estate, "outside");
    let ask = |port, host: &str| {
        sent(
            "root",
            port,
            &format!("CONNECT {host}:22 HTTP/1.1\\r\\n\\r\\n"),
        )
    };
    let reached = |port, host: &str| {
        let answer = ask(port, host);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{host}: {answer}");
        assert!(answer.contains("SSH-2.0"), "{host}: {answer}");
    };
    reached(inside, "desk");
    reached(inside, "desk.home.test");
    reached(inside, &estate.address("dns-external"));
    reached(port, "dns-external.home.test");
    let unknown = ask(port, "desk");
    assert!(
        unknown.contains("no name server of the estate knows desk"),
        "{unknown}"
    );
    let socks = sent("root", inside, "\\5\\1\\0\\5\\1\\0\\3\\4desk\\0\\26");
    assert!(socks.contains("SSH-2.0"), "{socks:?}");

    // This machine itself, by its loopback and by its address in the estate's network.
    let network = estate.address("dns-internal");
    let gateway = format!("{}.1", network.rsplit_once('.').unwrap().0);
    for elsewhere in ["127.0.0.1", &gateway] {
        let refused = ask(inside, elsewhere);
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    }
    let page = sent("root", inside, "GET / HTTP/1.1\\r\\n\\r\\n");
    assert!(page.starts_with("HTTP/1.1 400"), "{page}");
    assert_eq!(sent("nobody", inside, "GET / HTTP/1.1\\r\\n\\r\\n"), "");

    let taken = ["browse", "--port", &inside.to_string()];
    estate
        .prov(taken)
        .run()
        .exits(1)
        .says("choose another --port");
    outside.interrupt();
    outside.wait().exits(0);
}

/// Nothing is asked of an engine whose containers this machine does not reach.
#[test]
fn an_engine_that_is_elsewhere_is_refused_before_anything_is_changed() {
    let estate = Estate::new(&["one"]);
    let refused = |name: &str, value: &str, said: &str| {
        let ran = estate.prov(["deploy"]).env(name, value).run();
        ran.exits(1).says(said);
    };
    refused(
        "DOCKER_HOST",
        "ssh://root@192.0.2.1",
        "ssh://root@192.0.2.1",
    );
    refused(
        "DOCKER_HOST",
        "tcp://192.0.2.1:2376",
        "engines of this machine",
    );
    refused("DOCKER_CONTEXT", "far", "no Docker context 'far'");
    let socket = std::env::temp_dir().join(format!("{}-engine", estate.name()));
    let _ = std::fs::remove_file(&socket);
    let program = "$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9) or die; sleep 60";
    let mut listener = std::process::Command::new("setpriv")
        .args(["--reuid=nobody", "--clear-groups", "perl"])
        .args(["-MIO::Socket::UNIX", "-e", program])
        .arg(&socket)
        .spawn()
        .unwrap();
    until("somebody else listens", || socket.exists());
    let host = format!("unix://{}", socket.display());
    refused("DOCKER_HOST", &host, "is not root's but user");
    listener.kill().unwrap();
    listener.wait().unwrap();
    std::fs::remove_file(&socket).unwrap();
    let label = format!("label=io.prov.estate={}", estate.name());
    let left = docker(&["ps", "--all", "--quiet", "--filter", &label], "");
    assert_eq!(left, "", "a container was made");
}

#[test]
fn logs_are_those_of_the_containers_that_there_are() {
    let estate = Estate::new(&["one", "two"]);
    estate.prov(["logs"]).run().exits(0);
    estate.prov(["deploy", "one"]).run().exits(0);
    estate.prov(["logs"]).run().exits(0);
    estate
        .prov(["logs", "two"])
        .run()
        .exits(1)
        .says("prov deploy two");
    // A time is one of the host's own clock, which is not that of this machine.
    let zone = ["timezone", "name=Pacific/Kiritimati"];
    estate.task(zone).args(["--limit", "one"]).run().exits(0);
    let at = |when: &str| {
        let ask = format!("date -d '{when}' '+%Y-%m-%d %H:%M:%S'");
        estate.on("one", &ask).trim().to_owned()
    };
    let shown = |when: &str| estate.prov(["logs", "one", "--since", &at(when)]).run();
    let line = "Server listening";
    shown("1 hour ago").exits(0).says(line);
    shown("1 hour").exits(0).never_says(line);
    // It is the same clock where the host does not run.
    let (before, after) = (at("1 hour ago"), at("1 hour"));
    docker(&["stop", "-t", "1", &estate.container("one")], "");
    let shown = |when: &str| estate.prov(["logs", "one", "--since", when]).run();
    shown(&before).exits(0).says(line);
    shown(&after).exits(0).never_says(line);
}

#[test]
fn a_host_deployed_anew_has_nothing_of_the_old_one() {
    let estate = Estate::deployed(&["one", "two"]);
    estate
        .task(["file", "path=/srv/f", "content=x"])
        .run()
        .exits(0);
    let other = docker(
        &["inspect", "--format", "{{.Id}}", &estate.container("two")],
        "",
    );
    estate.prov(["deploy", "one"]).run().exits(0);
    assert!(estate.holds("one", "[ ! -e /srv/f ]") && estate.holds("two", "[ -e /srv/f ]"));
    assert_eq!(
        docker(
            &["inspect", "--format", "{{.Id}}", &estate.container("two")],
            ""
        ),
        other
    );
    estate
        .task(["file", "path=/srv/f", "content=x"])
        .run()
        .changed("one", &["file /srv/f"])
        .unchanged("two");
}
