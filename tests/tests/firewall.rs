//! The firewall of a server: what is let through, and what becomes of everybody else's rules.

use end_to_end::{Server, docker, until};

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
    let server = Server::boot("roles: {wall: [one]}\n");
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
