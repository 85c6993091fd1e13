//! Several servers under systemd go to the next release: in an order, in groups, as far as nothing fails, and on from there.

use std::time::Duration;

use end_to_end::{Estate, Killed, Server};

/// Boots three name servers of Debian 12.
fn of_bookworm() -> Server {
    let hosts = ["one", "two", "three"];
    let estate = Estate::new(&hosts);
    let inventory = "roles: {dns: all}\nupgrades: {order: [two], at_once: 2}\n";
    let servers = estate.as_servers(&estate.connection(), inventory);
    for host in hosts {
        estate.host_has_release(host, "bookworm");
        servers.host_has_release(host, "bookworm");
    }
    estate.deploy();
    let server = Server::boot_hosts(estate, servers, &hosts);
    server.domain("home.test");
    server.apply().exits(0);
    server
}

/// Adds an archive which has the old release only, and changes a file of a package by hand.
const OWN: &str = "\
    folder=/srv/own/dists/bookworm; arch=$(dpkg --print-architecture); mkdir -p $folder/main/binary-$arch; \
    : >$folder/main/binary-$arch/Packages; sum=$(sha256sum <$folder/main/binary-$arch/Packages | cut -d ' ' -f 1); \
    { printf 'Origin: own\nSuite: bookworm\nCodename: bookworm\nDate: %s\n' \"$(date -Ru)\"; \
    printf 'Architectures: %s\nComponents: main\nSHA256:\n %s 0 main/binary-%s/Packages\n' $arch $sum $arch; } >$folder/Release; \
    echo 'deb [trusted=yes] file:/srv/own bookworm main' >/etc/apt/sources.list.d/own.list; \
    echo '# by hand' >>/etc/nanorc; apt-get -q update >&2; touch /srv/before; sleep 1";

fn runs(estate: &Estate, host: &str, release: &str) -> bool {
    estate.holds(host, &format!("grep -q {release} /etc/os-release"))
}

#[test]
fn several_servers_go_to_the_next_release_group_by_group() {
    let server = of_bookworm();
    let (estate, servers) = (&server.estate, &server.servers);
    let to_trixie = ["upgrade", "--to", "trixie", "--wait", "300"];
    a_preview_tells_and_changes_nothing(&server);

    // One of the first group cannot be upgraded: the other one comes to its end, and nothing else is begun.
    let gone = "/etc/apt/sources.list.d/gone.list";
    estate.on(
        "two",
        &format!("echo 'deb [trusted=yes] http://127.0.0.1:9/debian bookworm main' >{gone}"),
    );
    let stopped = servers.prov(to_trixie).run();
    stopped
        .exits(1)
        .says("== two, one")
        .says("127.0.0.1:9")
        .says("not upgraded, or not to the end: two, three")
        .never_says("== three");
    assert!(runs(estate, "one", "trixie") && runs(estate, "two", "bookworm"));
    assert!(runs(estate, "three", "bookworm"));
    servers.host_has_release("one", "trixie");
    let one = ["--output", "json", "diff", "--limit", "one"];
    servers.prov(one).run().unchanged("one");

    // Goes on where it stopped, also after all that worked on the host for it was killed.
    estate.on("two", &format!("rm {gone}"));
    for doing in ["apt-get -q -o Debug::NoLocking", "[^ ]*dpkg .*--unpack"] {
        let running = servers.prov(to_trixie).start();
        let sees = format!("ps axww -o args | grep -v grep | grep -q '^{doing}'");
        let patience = Duration::from_secs(600);
        estate.until_within(patience, "two", doing, &sees);
        running.kill();
        server.kill_work("two", Killed::Session);
    }
    let upgraded = servers.prov(to_trixie).run();
    upgraded
        .exits(0)
        .says("== two, one")
        .says("== three")
        .says("release: trixie");
    for host in ["one", "two", "three"] {
        assert!(runs(estate, host, "trixie"));
        assert_eq!(
            estate.on(
                host,
                "dpkg --audit; cat /var/lib/prov/pending 2>/dev/null || :"
            ),
            ""
        );
        let left = "ls -d /dev/shm/prov.* /run/prov.?????????? /run/prov-upgrade* /var/lib/prov/upgrade.log \
                    /var/lib/prov/guard /usr/sbin/policy-rc.d* 2>/dev/null || :; flock -n /run/prov.lock true || echo locked";
        assert_eq!(estate.on(host, left), "", "{host}");
    }
    assert_eq!(estate.on("one", "tail -n 1 /etc/nanorc"), "# by hand\n");
    assert_eq!(
        estate.on("one", "cat /etc/apt/sources.list.d/own.list"),
        "deb [trusted=yes] file:/srv/own bookworm main\n"
    );

    // The estate still says what was there before.
    let refused = servers.prov(["diff", "--limit", "two"]).run();
    refused.exits(1).says("runs debian trixie");
    servers.host_has_release("two", "trixie");
    servers.host_has_release("three", "trixie");
    let diff = servers.prov(["--output", "json", "diff"]).run();
    diff.unchanged("one").unchanged("two").unchanged("three");
    let again = servers.prov(to_trixie).run();
    again.exits(0).says("2 hosts: 2 up to date");
    let back = servers
        .prov(["upgrade", "--to", "bookworm", "--diff"])
        .run();
    back.exits(1).says("no way back");

    servers.prov(["packages"]).run().exits(0).says("trixie");
    estate.on("one", "apt-mark hold nano >&2");
    let held = servers.prov(["packages"]).run();
    held.exits(0).says("on hold: nano");
}

fn a_preview_tells_and_changes_nothing(server: &Server) {
    let (estate, servers) = (&server.estate, &server.servers);
    estate.on("one", OWN);
    servers
        .prov(["run", "--", "touch", "/srv/before"])
        .run()
        .exits(0);
    let preview = servers.prov(["upgrade", "--to", "trixie", "--diff"]).run();
    preview
        .exits(0)
        .says("-Suites: bookworm bookworm-updates")
        .says("+Suites: trixie trixie-updates")
        .says("/etc/apt/sources.list.d/own.list")
        .says("/etc/nanorc")
        .says("no way back");
    let touched = "find / -xdev -newer /srv/before -not -path '/var/log*' -not -path '/home/*' -not -path '/var/lib/sudo/*' \
                   -not -path '/run*' -not -path '/tmp*' -not -path '/var/tmp*'";
    assert_eq!(estate.on("one", touched), "", "a preview leaves traces");
    servers.prov(["diff"]).run().exits(0);
}
