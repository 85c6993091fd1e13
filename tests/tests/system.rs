//! What the operating system of a server is configured by: units, settings of the kernel, time zone, locales.

use end_to_end::Server;

const ROLE: &str = "
summary: A server of the office, with a daemon of its own.
variables:
  page_limit: {type: text, default: 1G}
resources:
  - packages: {names: [locales, tzdata]}
  - timezone: {name: Europe/Berlin}
  - locale: {name: en_GB.UTF-8}
  - locale: {name: de_DE.UTF-8, default: true, variables: {LC_TIME: en_GB.UTF-8}}
  - sysctl: {key: net.ipv4.tcp_keepalive_time, value: 600}
  - sysctl: {key: net/ipv4/ip_local_port_range, value: '20000   40000'}
  - file: {path: /usr/local/bin/page, content: \"#!/bin/sh\\nexec sleep 1000\\n\", mode: '0755'}
  - unit: {name: page, template: page.service}
  - unit: {name: page.service, drop_in: limits, content: \"[Service]\\nMemoryMax={{ page_limit }}\\n\"}
  - unit: {name: page-tidy, content: \"[Service]\\nType=oneshot\\nExecStart=/bin/true\\n\"}
  - unit: {name: page-tidy.timer, content: \"[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n\"}
  - unit: {name: page@, content: \"[Service]\\nExecStart=/bin/sleep %i\\n\"}
  - service: {name: page}
  - service: {name: page-tidy.timer}
";

const UNIT: &str = "[Unit]
Description=A page for {{ host.name }}
[Service]
ExecStart=/usr/local/bin/page
[Install]
WantedBy=multi-user.target
";

/// Everything of the role that is changed on a fresh server, in order.
const ALL: [&str; 14] = [
    "packages locales tzdata",
    "timezone of the host",
    "locale en_GB.UTF-8",
    "locale de_DE.UTF-8 (default)",
    "sysctl net.ipv4.tcp_keepalive_time",
    "sysctl net.ipv4.ip_local_port_range",
    "file /usr/local/bin/page",
    "unit page.service",
    "unit page.service.d/limits.conf",
    "unit page-tidy.service",
    "unit page-tidy.timer",
    "unit page@.service",
    "service page",
    "service page-tidy.timer",
];

const DIFF: [&str; 3] = ["--output", "json", "diff"];

/// Gives the role's text with another text in it.
fn role(server: &Server, from: &str, to: &str) {
    assert!(ROLE.contains(from), "{from}");
    server
        .servers
        .write("roles/page/role.yml", &ROLE.replace(from, to));
}

#[test]
fn what_a_server_is_configured_by_is_applied_repaired_and_removed() {
    let server = Server::boot("roles: {page: [one]}\n");
    server.servers.write("roles/page/role.yml", ROLE);
    server.servers.write("roles/page/page.service", UNIT);
    // Docker keeps a container from its kernel; a server is not kept from it.
    let on = |script: &str| server.estate.on("one", script);
    on("mount -o remount,bind,rw /proc/sys");
    let preview = server.servers.prov(DIFF).run();
    preview.exits(0);
    let applied = server.apply();
    applied.exits(0);
    // What depends on a package that is still to come is said to; everything else is previewed as it is done.
    let not_before = |change: &&str| !change.starts_with("locale ");
    let known: Vec<_> = ALL.into_iter().filter(not_before).collect();
    assert_eq!(preview.changes("one"), known, "{}", preview.told());
    assert_eq!(applied.changes("one"), ALL, "{}", applied.told());
    server.apply().exits(0).unchanged("one");
    server.servers.prov(DIFF).run().exits(0).unchanged("one");

    assert!(server.is("is-active", "page") && server.is("is-enabled", "page"));
    assert!(server.is("is-active", "page-tidy.timer"));
    let told = on(
        "date +%Z; locale -a | grep -c -e de_DE.utf8 -e en_GB.utf8; \
         cat /proc/sys/net/ipv4/tcp_keepalive_time; systemctl show --property=MemoryMax,Description page",
    );
    assert!(told.starts_with("CE"), "{told}");
    assert!(
        told.ends_with("T\n2\n600\nMemoryMax=1073741824\nDescription=A page for one\n")
            || told.contains("\n2\n600\n") && told.contains("MemoryMax=1073741824"),
        "{told}"
    );
    changed_by_hand(&server);
    removed_half_way(&server);
    refused(&server);
    removed(&server);
}

/// Everything is put back, and nothing else is touched.
fn changed_by_hand(server: &Server) {
    let on = |script: &str| server.estate.on("one", script);
    on(
        "ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime; echo 7200 >/proc/sys/net/ipv4/tcp_keepalive_time; \
        echo LANG=C.UTF-8 >/etc/default/locale; sed -i 's/^en_GB.UTF-8/# &/' /etc/locale.gen; locale-gen >/dev/null; \
        echo Nice=5 >>/etc/systemd/system/page.service; systemctl daemon-reload",
    );
    let repaired = server.apply();
    repaired.changed("one", &[ALL[1], ALL[2], ALL[3], ALL[4], ALL[7]]);
    server.apply().exits(0).unchanged("one");
    // A unit that was put back by hand, and that systemd has not read since.
    on(
        "cp -p /etc/systemd/system/page.service /run/kept; echo Nice=5 >>/etc/systemd/system/page.service; systemctl daemon-reload; \
        sleep 1; cat /run/kept >/etc/systemd/system/page.service",
    );
    let read = server.apply();
    read.changed("one", &["unit page.service"]);
    assert_eq!(on("systemctl show --property=Nice --value page"), "0\n");
    // A variable changes the drop-in alone.
    server.servers.write("hosts/one.yml", "page_limit: 2G\n");
    let process = server.process("page");
    server
        .apply()
        .changed("one", &["unit page.service.d/limits.conf"]);
    assert_eq!(
        on("systemctl show --property=MemoryMax --value page"),
        "2147483648\n"
    );
    assert_eq!(server.process("page"), process);
}

/// A unit that is to be gone is, wherever a run came to its end before.
fn removed_half_way(server: &Server) {
    let on = |script: &str| server.estate.on("one", script);
    let task = |more: &[&str]| {
        let task = ["--output", "json", "task", "unit", "name=leaves"];
        server.servers.prov(task).args(more).run()
    };
    let present =
        "content=[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n";
    for half_way in [
        "systemctl stop leaves",
        "systemctl -q disable --now leaves",
        // As after a failure, systemd still has it although nothing of it runs.
        "systemctl kill --signal=SEGV leaves; systemctl -q disable leaves; rm /etc/systemd/system/leaves.service",
        "systemctl -q disable --now leaves; rm /etc/systemd/system/leaves.service",
        // Somebody took the file away, and it still runs.
        "rm /etc/systemd/system/leaves.service",
        "rm /etc/systemd/system/leaves.service; systemctl daemon-reload",
    ] {
        task(&[present]).exits(0);
        on("systemctl -q enable --now leaves");
        on(half_way);
        task(&["state=absent"]).exits(0);
        task(&["state=absent"]).exits(0).unchanged("one");
        let left = on("systemctl show -p LoadState,ActiveState leaves");
        assert_eq!(
            left, "LoadState=not-found\nActiveState=inactive\n",
            "{half_way}"
        );
        on(
            "systemctl -q disable leaves 2>/dev/null || rm -f /etc/systemd/system/multi-user.target.wants/leaves.service",
        );
    }
    // A drop-in of which systemd has not heard that it has gone.
    on(
        "mkdir -p /etc/systemd/system/cron.service.d; printf '[Service]\\nNice=3\\n' >/etc/systemd/system/cron.service.d/nice.conf; \
        systemctl daemon-reload; rm /etc/systemd/system/cron.service.d/nice.conf",
    );
    let gone = ["unit", "name=cron", "drop_in=nice", "state=absent"];
    let gone = server.servers.prov(["--output", "json", "task"]).args(gone);
    gone.run().exits(0);
    assert_eq!(on("systemctl show -P Nice cron"), "0\n");
}

/// What systemd, the kernel or the C library does not accept is kept nowhere.
fn refused(server: &Server) {
    let fails = |from: &str, to: &str, words: &[&str]| {
        role(server, from, to);
        server.apply().exits(1).failed("one", words);
        server.servers.write("roles/page/role.yml", ROLE);
        server.apply().exits(0).unchanged("one");
    };
    fails(
        "Type=oneshot",
        "Typ=oneshot",
        &[
            "unit page-tidy.service",
            "Unknown key",
            "page-tidy.service:2",
            "was not placed",
        ],
    );
    fails(
        "ExecStart=/bin/true",
        "ExecStart=/bin/ture",
        &[
            "/bin/ture is not executable",
            "declare what brings the program",
        ],
    );
    fails("OnCalendar=daily", "OnCalendar=dayly", &["dayly"]);
    fails(
        "MemoryMax={{ page_limit }}",
        "MemoryMacks={{ page_limit }}",
        &["page.service.d/limits.conf", "MemoryMacks"],
    );
    fails(
        "'20000   40000'",
        "'40000 20000'",
        &[
            "sysctl net.ipv4.ip_local_port_range",
            "Invalid argument",
            "nothing was kept",
        ],
    );
    fails("value: 600", "value: many", &["Invalid argument"]);
    fails(
        "tcp_keepalive_time",
        "tcp_keepalive_tim",
        &["has no setting"],
    );
    fails(
        "Europe/Berlin",
        "Europe/Brelin",
        &["has no time zone", "tzdata"],
    );
    fails(
        "en_GB.UTF-8}\n  - locale",
        "en_GB.UTF-9}\n  - locale",
        &["does not know", "SUPPORTED"],
    );
    server
        .estate
        .on("one", "mount -o remount,bind,ro /proc/sys");
    fails(
        "value: 600",
        "value: 700",
        &["may not be set on this host", "`running: false`"],
    );
    server
        .estate
        .on("one", "mount -o remount,bind,rw /proc/sys");
}

/// The role leaves the host, and everything goes with it that may.
fn removed(server: &Server) {
    let file = server.servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    server
        .servers
        .write("estate.yml", &text.replace("roles: {page: [one]}\n", ""));
    server.apply().exits(0);
    let there = |path: &str| server.estate.holds("one", &format!("ls -d {path}"));
    for gone in [
        "/etc/systemd/system/page*",
        "/etc/systemd/system/*/page*",
        "/etc/sysctl.d/99-zz-*",
    ] {
        assert!(!there(gone), "{gone}");
    }
    assert!(!server.is("cat", "page") && !server.is("is-active", "page"));
    assert!(server.estate.holds(
        "one",
        "! locale -a | grep -e en_GB -e de_DE && ! grep LANG /etc/default/locale"
    ));
    // A host keeps a time zone.
    assert!(there("/etc/localtime"));
    server.apply().exits(0).unchanged("one");
}
