//! Pending updates, and the way from one release of Debian to the next.

use std::time::Duration;

use end_to_end::Estate;

/// How long packages may take on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(1200);

/// Makes a container of Debian 12 with real daemons.
fn of_bookworm() -> Estate {
    let estate = Estate::new(&["one"]);
    estate.inventory("");
    estate.host_has_release("one", "bookworm");
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate
}

#[test]
fn a_release_upgrade_is_previewed_and_comes_to_its_end_however_often_it_is_killed() {
    let estate = of_bookworm();
    // Its jobs of the hour leave traces of their own.
    estate.on("one", "sv stop cron >&2");
    // Somebody else's archive, which has the old release only, and a file of a package that was changed by hand.
    estate.on(
        "one",
        "folder=/srv/own/dists/bookworm; arch=$(dpkg --print-architecture); mkdir -p $folder/main/binary-$arch; \
         : >$folder/main/binary-$arch/Packages; sum=$(sha256sum <$folder/main/binary-$arch/Packages | cut -d ' ' -f 1); \
         { printf 'Origin: own\nSuite: bookworm\nCodename: bookworm\nDate: %s\n' \"$(date -Ru)\"; \
         printf 'Architectures: %s\nComponents: main\nSHA256:\n %s 0 main/binary-%s/Packages\n' $arch $sum $arch; } >$folder/Release; \
         echo 'deb [trusted=yes] file:/srv/own bookworm main' >/etc/apt/sources.list.d/own.list; \
         echo '# by hand' >>/etc/nanorc; apt-get -q update >&2; touch /srv/before; sleep 1",
    );
    estate
        .prov(["run", "--", "touch", "/srv/before"])
        .run()
        .exits(0);
    let preview = estate.prov(["upgrade", "--to", "trixie", "--diff"]).run();
    preview
        .exits(0)
        .says("-Suites: bookworm bookworm-updates")
        .says("+Suites: trixie trixie-updates")
        .says("/etc/apt/sources.list.d/own.list")
        .says("/etc/nanorc")
        .says("no way back");
    let touched = "find / -xdev -newer /srv/before -not -path '/var/log*' -not -path '/run*' -not -path '/home/*' -not -path '/var/lib/sudo/*'";
    assert_eq!(estate.on("one", touched), "", "a preview leaves traces");
    estate.on("one", "sv start cron >&2");
    let other = estate.prov(["diff"]).run();
    other.exits(0);

    // Killed ten times: while it looks, fetches, unpacks and configures. What was begun goes on, and may be ended before the last.
    let moments = [
        "sshd",
        "sh",
        "apt-get",
        "apt-get",
        "dpkg",
        "dpkg",
        "dpkg",
        "dpkg .*--configure",
        "dpkg .*--configure",
        "dpkg .*--configure",
    ];
    let over = "grep -q trixie /etc/os-release && ! pgrep -x 'dpkg|apt-get'";
    for (number, doing) in moments.into_iter().enumerate() {
        let running = estate
            .prov(["upgrade", "--to", "trixie", "--wait", "300"])
            .start();
        let sees =
            format!("ps axww -o args | grep -v grep | grep -q '^[^ ]*{doing}' || {{ {over}; }}");
        estate.until_within(PATIENCE, "one", "the upgrade is under way", &sees);
        // No two of them at the same place.
        std::thread::sleep(Duration::from_millis(300 * number as u64));
        running.kill();
    }
    // What the last one began goes on without it; until it ends, the SSH server may take nobody.
    let ended = "[ ! -e /run/prov-upgrade.pid ] || ! kill -0 $(cat /run/prov-upgrade.pid)";
    estate.until_within(PATIENCE, "one", "the upgrade has ended", ended);
    let upgraded = estate
        .prov(["upgrade", "--to", "trixie", "--wait", "300"])
        .run();
    upgraded.exits(0).says("release: trixie");
    assert!(estate.on("one", "cat /etc/os-release").contains("trixie"));
    assert_eq!(estate.on("one", "dpkg --audit"), "");
    assert_eq!(estate.on("one", "tail -n 1 /etc/nanorc"), "# by hand\n");
    assert_eq!(
        estate.on("one", "cat /etc/apt/sources.list.d/own.list"),
        "deb [trusted=yes] file:/srv/own bookworm main\n"
    );
    assert!(!estate.holds("one", "ls /dev/shm/prov.* /run/prov-upgrade.pid"));

    // The estate still says what was there before.
    let refused = estate.prov(["diff"]).run();
    refused.exits(1).says("runs debian trixie");
    estate.host_has_release("one", "trixie");
    estate
        .prov(["--output", "json", "diff"])
        .run()
        .unchanged("one");
    let again = estate
        .prov(["upgrade", "--to", "trixie", "--wait", "300"])
        .run();
    again.exits(0).says("1 host: 1 up to date");
    let back = estate.prov(["upgrade", "--to", "bookworm", "--diff"]).run();
    back.exits(1).says("no way back");

    let packages = estate.prov(["packages"]).run();
    packages.exits(0).says("trixie");
    estate.on("one", "apt-mark hold nano >&2");
    estate
        .prov(["packages"])
        .run()
        .exits(0)
        .says("on hold: nano");
}

#[test]
fn a_group_that_fails_its_checks_is_the_last_one() {
    let estate = Estate::name_servers();
    // All checks pass only where names of the world are known, too.
    let own = estate.address("dns-external");
    estate.write(
        "hosts/dns-external.yml",
        &format!(
            "dns_group: external\ndns_upstream_nameservers: [container-host]\ndns_resolvers: [{own}]\n\
             dns_local_domains: [home.test]\n"
        ),
    );
    estate.deploy();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    let upgrade = |more: &[&str]| estate.prov(["upgrade"]).args(more).run();
    upgrade(&[]).exits(0).says("2 hosts in");
    // It runs, and answers wrongly.
    estate.on(
        "dns-internal",
        "sed -i 's/ desk/ chair/' /etc/dnsmasq-hosts.d/*; sv restart dnsmasq >&2",
    );
    let stopped = upgrade(&[]);
    stopped
        .exits(1)
        .says("checks fail after the upgrade")
        .says("not upgraded, or not to the end: dns-internal, dns-external")
        .says("desk");
    upgrade(&["--without-checks"]).exits(0);
    estate.prov(["complete"]).run().exits(0);
    upgrade(&[]).exits(0);
}
