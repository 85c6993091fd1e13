//! From nothing to test mode and back: what runs, what is found out when something is broken, what is left.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use end_to_end::{Estate, docker, docker_fails, resolve, until};

#[test]
fn an_estate_goes_from_nothing_to_services_that_answer_and_away_again() {
    let estate = Estate::name_servers();
    let status = estate.prov(["--output", "json", "status"]).run();
    assert_eq!(status.exits(0).host("dns-internal")["running"], false);
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

    let name = estate.name();
    estate.prov(["down"]).run().exits(0);
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
    until("it answers again", || {
        estate.holds("dns-internal", "/usr/local/lib/prov/listening udp 53")
    });
    let address = estate.address("dns-internal");
    assert_eq!(resolve(&address, "desk.home.test"), Some(address));
}

fn a_service_that_is_down_is_seen_and_started(estate: &Estate) {
    estate.on("dns-internal", "sv down dnsmasq");
    until("it is down", || {
        estate.holds("dns-internal", "sv status dnsmasq | grep -q ^down")
    });
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
