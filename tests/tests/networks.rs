//! Two networks with a router between them: who reaches whom, by which address, and what becomes of the router.

use std::time::Duration;

use end_to_end::{Estate, docker, until};

const HOSTS: [(&str, &str); 2] = [("desk", "internal"), ("shop", "external")];

const ROLES: &str = "roles: {echo: all, dns: [shop], dns_client: [shop]}\n";

/// An estate with a host inside and one outside, each of which serves at two ports; one of the inner one is forwarded.
fn estate() -> Estate {
    let estate = Estate::divided(&HOSTS, "{desk: [9000, 53/udp]}", ROLES);
    estate.write("roles/echo/role.yml", ECHO);
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: home.test\ndns_group: external\ndns_upstream_nameservers: []\ndns_resolvers: [{}]\n",
            estate.address("shop")
        ),
    );
    estate
}

/// Says to whoever connects where they come from.
const ECHO: &str = r##"
summary: Says where one comes from.
resources:
  - packages: {names: [socat]}
  - file: {path: /usr/local/bin/whence, mode: '0755', content: "#!/bin/sh\nexec socat TCP-LISTEN:$1,fork,reuseaddr 'SYSTEM:echo you are $SOCAT_PEERADDR'\n"}
  - file: {path: /etc/systemd/system/whence@.service, content: "[Service]\nExecStart=/usr/local/bin/whence %i\n[Install]\nWantedBy=multi-user.target\n"}
  - service: {name: 'whence@9000'}
  - service: {name: 'whence@9001'}
"##;

/// Asks a host at a port from another one; what it says, or nothing where the way is closed.
fn asks(estate: &Estate, from: &str, address: &str, port: u16) -> String {
    let script =
        format!("timeout 3 socat -u TCP:{address}:{port},connect-timeout=2 - 2>/dev/null || true");
    estate.on(from, &script).trim().to_owned()
}

#[test]
fn what_is_outside_reaches_the_office_at_its_router_alone() {
    let mut estate = estate();
    let (desk, shop) = (estate.address("desk"), estate.address("shop"));
    let router = estate.router("external");
    estate.deploy();
    // Packages of the host inside come through the router.
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);

    // The office leaves under the router's address, and what is outside is asked at its own.
    assert_eq!(
        asks(&estate, "desk", &shop, 9001),
        format!("you are {router}")
    );
    // A forwarded port leads in, and who asked is known there; no other one does, and nobody gets in by an inner address.
    assert_eq!(
        asks(&estate, "shop", &router, 9000),
        format!("you are {shop}")
    );
    assert_eq!(asks(&estate, "shop", &router, 9001), "");
    assert_eq!(asks(&estate, "shop", &desk, 9000), "");
    assert_eq!(asks(&estate, "shop", &desk, 9001), "");

    // Clients stand at the side that they are told, and outside the name of a host in the office is the router.
    let client = |arguments: &[&str]| {
        let ran = estate.prov([&["client"][..], arguments].concat()).run();
        ran.exits(0);
        ran.told()
    };
    let hosts = client(&[
        "vantage",
        "outside",
        "-c",
        "grep -w desk /etc/hosts || dig +short desk.home.test",
    ]);
    assert!(hosts.contains(&router), "{hosts}");
    let way = client(&["traceroute", "inside", "-n", "-q", "1", &shop]);
    let inner = estate.router("internal");
    for hop in [format!(" 1  {inner} "), format!(" 2  {shop} ")] {
        assert!(way.contains(&hop), "{way}");
    }

    // A second run changes nothing, and makes no other router.
    let before = docker(
        &[
            "inspect",
            "--format",
            "{{.Id}}",
            &estate.container("router"),
        ],
        "",
    );
    estate.prov(["test"]).run().exits(0);
    let after = docker(
        &[
            "inspect",
            "--format",
            "{{.Id}}",
            &estate.container("router"),
        ],
        "",
    );
    assert_eq!(before, after);
    let listed = estate.prov(["status"]).run();
    listed.exits(0).says("router");

    // Another forward is another router, and hosts stay as they are.
    estate.divide("{desk: [9001]}", ROLES);
    estate.prov(["test"]).run().exits(0);
    assert_eq!(asks(&estate, "shop", &router, 9000), "");
    assert_eq!(
        asks(&estate, "shop", &router, 9001),
        format!("you are {shop}")
    );

    // Nothing of it stays.
    estate.prov(["down"]).run().exits(0);
    let label = format!("label=io.prov.estate={}", estate.name());
    assert_eq!(
        docker(&["ps", "--all", "--quiet", "--filter", &label], ""),
        ""
    );
    assert_eq!(
        docker(&["network", "ls", "--quiet", "--filter", &label], ""),
        ""
    );
}

#[test]
fn a_router_comes_back_however_a_run_ended() {
    let estate = Estate::divided(&HOSTS, "{desk: [9000]}", "");
    estate.deploy();
    let router = estate.container("router");
    let works = || {
        let rules = docker(
            &[
                "exec",
                &router,
                "nft",
                "list",
                "table",
                "inet",
                "prov-router",
            ],
            "",
        );
        assert!(rules.contains("dnat ip to"), "{rules}");
    };
    works();
    // It has stopped with its machine.
    docker(&["kill", &router], "");
    estate.prov(["test"]).run().exits(0);
    works();
    // It has lost one of its networks.
    let inside = format!("prov-{}-internal", estate.name());
    docker(&["network", "disconnect", "--force", &inside, &router], "");
    estate.prov(["test"]).run().exits(0);
    works();
    // Runs were killed at any time.
    for after in [150, 300, 450, 600, 900, 1300] {
        docker(&["rm", "--force", &router], "");
        let run = estate.prov(["test"]).start();
        std::thread::sleep(Duration::from_millis(after));
        run.kill();
        estate.prov(["test"]).run().exits(0);
        works();
    }
    // The machine of the containers still reaches both sides by itself, and hosts have found the router again.
    estate.prov(["apply"]).run().exits(0);
    until("the way out is back", || {
        let shop = estate.address("shop");
        !estate
            .on(
                "desk",
                &format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{shop}/22 && head -c 3 <&3' || true"),
            )
            .is_empty()
    });
}

#[test]
fn an_estate_that_had_one_network_is_taken_down_first() {
    let mut estate = Estate::located(&HOSTS);
    estate.deploy();
    let flat = std::fs::read_to_string(estate.path("estate/estate.yml")).unwrap();
    estate.divide("{}", "");
    let refused = estate.prov(["deploy"]).run();
    refused.exits(1).says("prov down");
    estate.prov(["down"]).run().exits(0);
    estate.deploy();
    estate.write("estate.yml", &flat);
    estate.prov(["deploy"]).run().exits(1).says("prov down");
}
