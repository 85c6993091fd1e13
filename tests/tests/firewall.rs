//! The firewall of a server: what is let through, and what becomes of everybody else's rules.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use end_to_end::{Estate, Server, docker, until};

const ROLE: &str = r"
summary: Who may talk to the server.
variables:
  open: {type: text, default: '22'}
resources:
  - packages: {names: [nftables, iproute2]}
  - nftables:
      table: inet office
      content: |
        # {{ host.name }}
        set seen {
          type ipv4_addr; flags dynamic,timeout; timeout 1h;
        }
        chain input {
          type filter hook input priority filter; policy drop;
          ct state established,related accept
          iifname lo accept
          tcp dport { {{ open }} } add @seen { ip saddr } counter accept
        }
";

const TABLE: &str = "nftables inet office";

#[test]
fn a_table_of_the_firewall_is_loaded_repaired_and_removed_and_no_other_is_touched() {
    let estate = Estate::deployed(&["one", "seer"]);
    let servers = estate.as_servers(&estate.connection(), "roles: {wall: [one]}\n");
    let server = Server::boot_hosts(estate, servers, &["one"]);
    let known = ["one", "seer"].map(|host| server.estate.known_host(host));
    server
        .servers
        .write_home(".ssh/known_hosts", &known.join("\n"));
    let on = |script: &str| server.estate.on("one", script);
    let holds = |script: &str| server.estate.holds("one", script);
    server.servers.write("roles/wall/role.yml", ROLE);
    on(
        "apt-get -qq update >/dev/null; apt-get -qq install --no-install-recommends nftables >/dev/null 2>&1; \
        nft 'table ip f2b { chain c { tcp dport 25 drop; }; }'",
    );
    let preview = server.servers.prov(["--output", "json", "diff"]).run();
    preview.exits(0).says("guarded");
    let applied = server.apply();
    applied.exits(0);
    assert_eq!(preview.changes("one"), applied.changes("one"));
    server.apply().exits(0).unchanged("one");
    server
        .servers
        .prov(["--output", "json", "diff"])
        .run()
        .exits(0)
        .unchanged("one");
    let unit = "nftables-inet-office";
    assert!(server.is("is-active", unit) && server.is("is-enabled", unit));

    // Another stranger's rule, and one in the table itself; what the rules gather themselves stays.
    on(
        "nft add rule inet office input tcp dport 23 accept; nft add element inet office seen '{ 192.0.2.9 }'",
    );
    let repaired = server.apply();
    repaired.changed("one", &[TABLE]);
    assert!(!holds("nft list ruleset | grep -q 'dport 23'"));
    on("nft add element inet office seen '{ 192.0.2.9 }'");
    server.apply().exits(0).unchanged("one");
    for broken in [
        "nft delete table inet office",
        "systemctl stop nftables-inet-office",
        "systemctl disable nftables-inet-office",
        "sed -i s/drop/accept/ /etc/nftables.d/inet-office.nft",
        "rm /etc/systemd/system/nftables-inet-office.service; systemctl daemon-reload",
        // What was loaded is another text, though the file is as it should be.
        "cd /etc/nftables.d; cp inet-office.nft /run/kept; sed -i s/drop/accept/ inet-office.nft; \
         systemctl reload nftables-inet-office; cat /run/kept >inet-office.nft",
    ] {
        on(broken);
        server.apply().changed("one", &[TABLE]);
        server.apply().exits(0).unchanged("one");
        assert!(
            server.is("is-active", unit) && server.is("is-enabled", unit),
            "{broken}"
        );
        assert!(holds(
            "nft list chain inet office input | grep -q 'policy drop'"
        ));
    }
    // The service of Debian's package takes everything away, and whenever that is done again the table comes with it.
    let flushed = "nft 'table ip f2b { chain c { tcp dport 25 drop; }; }'";
    on(&format!("systemctl start nftables; {flushed}"));
    server.apply().changed("one", &[TABLE]);
    for again in ["restart", "reload"] {
        on(&format!("systemctl {again} nftables; {flushed}"));
        server.apply().exits(0).unchanged("one");
    }

    refused(&server);
    locked_out(&server);

    // A boot loads it.
    let begun = || on("cut -d ' ' -f 22 /proc/1/stat");
    let before = begun();
    docker(&["restart", &server.estate.container("one")], "");
    until("the server is up", || {
        holds("systemctl is-active ssh") && begun() != before
    });
    assert!(holds("nft list table inet office | grep -q 'policy drop'"));
    server.apply().exits(0).unchanged("one");

    removed(&server);
    of_the_roles(&server);
}

/// What nft does not understand is neither loaded nor kept; a table of somebody else is left alone.
fn refused(server: &Server) {
    let rules = "nft -s -t list ruleset; sha256sum /etc/nftables.d/*";
    let before = server.estate.on("one", rules);
    for (from, to, words) in [
        (
            "iifname lo accept",
            "iifname lo acept",
            &["syntax error", "nothing of them was loaded or kept"][..],
        ),
        ("@seen {", "@unseen {", &["No such file or directory"]),
        (
            "table: inet office",
            "table: ip f2b",
            &["has a table ip f2b that prov has not made"],
        ),
    ] {
        server
            .servers
            .write("roles/wall/role.yml", &ROLE.replace(from, to));
        server.apply().exits(1).failed("one", words);
    }
    assert_eq!(server.estate.on("one", rules), before);
    server.servers.write("roles/wall/role.yml", ROLE);
    server.apply().exits(0).unchanged("one");
}

/// Rules that keep prov out are put back.
fn locked_out(server: &Server) {
    let rules = "nft -s -t list ruleset; sha256sum /etc/nftables.d/* /etc/systemd/system/nftables-*; systemctl is-active nftables-inet-office";
    let before = server.estate.on("one", rules);
    let role = ROLE
        .replace("established,related", "related")
        .replace("{{ open }}", "2222");
    server.servers.write("roles/wall/role.yml", &role);
    let locked = server
        .servers
        .prov(["--output", "json", "--timeout", "10", "apply"])
        .run();
    locked
        .exits(1)
        .failed("one", &["what packets are let through", "put back"]);
    assert_eq!(server.estate.on("one", rules), before);
    server.servers.write("roles/wall/role.yml", ROLE);
    server.apply().exits(0).unchanged("one");
}

fn removed(server: &Server) {
    let file = server.servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    let without = text.replace("roles: {wall: [one]}\n", "");
    server.servers.write("estate.yml", &without);
    server.estate.on(
        "one",
        "nft 'table ip f2b { chain c { tcp dport 25 drop; }; }'",
    );
    server.apply().exits(0);
    let on = |script: &str| server.estate.on("one", script);
    assert_eq!(
        on(
            "nft list tables | grep -v -x -e 'table inet filter' -e 'table ip nat' -e 'table ip6 nat'"
        ),
        "table ip f2b\n"
    );
    let left = "ls -d /etc/nftables.d /run/nftables-* /etc/systemd/system/nftables-* /etc/systemd/system/*/nftables-* 2>/dev/null || :";
    assert_eq!(on(left), "");
    server.apply().exits(0).unchanged("one");
}

const SHOP: &str = "
summary: Three services.
variables: {shop_for: {type: list of word}}
checks:
  - tcp: {port: 8080}
    to: everybody
  - tcp: {port: 8081}
    from: host
  - tcp: {port: 8082}
    from: host
    to: '{{ shop_for }}'
";

const VANTAGE: &str = "summary: A vantage point.\nreplaces_builtin: true\nresources: []\n";

const LISTEN: &str = "setsid -f perl -MIO::Socket::INET -MIO::Select -e \
    '$s = IO::Select->new(map { IO::Socket::INET->new(LocalPort => $_, Listen => 5) } 8080..8082); while (1) { $_->accept for $s->can_read }' \
    </dev/null >/dev/null 2>&1";

/// Tells at which ports of the server this machine is answered.
fn open(server: &Server) -> Vec<u16> {
    let ports = [1, 22, 8080, 8081, 8082].into_iter();
    let is_open = |port: &u16| {
        let address = format!("{}:{port}", server.estate.address("one"));
        let address: SocketAddr = address.parse().unwrap_or_else(|error| panic!("{error}"));
        TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()
    };
    ports.filter(is_open).collect()
}

/// The role that ships with prov lets in what the other roles serve, for those whom they serve, and nobody else.
fn of_the_roles(server: &Server) {
    const ROLES: &str = "roles: {firewall: [one], shop: [one], vantage: [seer]}\n";
    server.estate.on("one", LISTEN);
    let gateway = server.estate.address("one").replace(".101", ".1");
    let shop_for = |whom: &str| {
        let variables = format!("shop_for: [{whom}]\nfirewall_log: false\n");
        server.servers.write("groups/all.yml", &variables);
    };
    server.servers.write("roles/shop/role.yml", SHOP);
    // All that is asked by these checks is bash.
    server.servers.write("roles/vantage/role.yml", VANTAGE);
    shop_for("nobody");
    let file = server.servers.path("estate/estate.yml");
    let without = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    server
        .servers
        .write("estate.yml", &(without.clone() + ROLES));
    let verify = |role: &str| {
        server
            .servers
            .prov(["--output", "json", "verify", role])
            .run()
    };

    until("the shop is open", || {
        open(server) == [22, 8080, 8081, 8082]
    });
    let red = verify("firewall");
    red.exits(1);
    let shows = red.failed_checks();
    assert_eq!(shows.len(), 2, "{shows:?}");
    assert_eq!(shows[0], "what nothing lets in is dropped");
    assert_eq!(shows[1], "a port that nobody is served at does not answer");

    server.apply().exits(0);
    assert_eq!(open(server), [22, 8080]);
    verify("firewall").exits(0);
    verify("shop").exits(0);
    server.apply().exits(0).unchanged("one");

    shop_for(&gateway);
    server
        .apply()
        .exits(0)
        .changed("one", &["nftables inet firewall"]);
    assert_eq!(open(server), [22, 8080, 8082]);
    server.servers.write("estate.yml", &without);
    server.servers.write("groups/all.yml", "{}\n");
    server.apply().exits(0);
    assert_eq!(open(server), [22, 8080, 8081, 8082]);
}
