//! What goes wrong on hosts: full disks, package archives, interrupted installations, output that is not text.

use end_to_end::{Estate, docker};

/// Fills /dev/shm, which is a file system of its own in every container.
fn fill(estate: &Estate) {
    estate.on("one", "head -c 200M /dev/zero >/dev/shm/full 2>/dev/null || :\n[ $(df --output=avail /dev/shm | tail -1) = 0 ]");
}

#[test]
fn a_full_disk_keeps_the_old_file_and_leaves_nothing_behind() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", "echo old >/dev/shm/file");
    fill(&estate);
    let before = estate.on(
        "one",
        "ls -la --time-style=full-iso /dev/shm/file; ls -A /dev/shm",
    );
    let content = format!("content={}", "new ".repeat(10_000));
    let write = ["file", "path=/dev/shm/file", content.as_str()];
    let ran = estate.task(write).run();
    ran.exits(1).failed(
        "one",
        &[
            "file /dev/shm/file",
            "No space left on device",
            "free space",
        ],
    );
    let after = estate.on(
        "one",
        "ls -la --time-style=full-iso /dev/shm/file; ls -A /dev/shm",
    );
    assert_eq!(before, after);
    assert_eq!(estate.on("one", "cat /dev/shm/file"), "old\n");
    estate.on("one", "rm /dev/shm/full");
    estate
        .task(write)
        .run()
        .changed("one", &["file /dev/shm/file"]);
}

#[test]
fn a_full_disk_during_an_installation_is_named_and_got_over() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", "rm -rf /var/cache/apt/archives; mkdir -p /dev/shm/archives/partial; ln -s /dev/shm/archives /var/cache/apt/archives");
    fill(&estate);
    let ran = estate.task(["packages", "names=[sl]"]).run();
    ran.exits(1)
        .failed("one", &["packages sl", "enough free space", "`df -h`"]);
    estate.on("one", "rm /dev/shm/full");
    estate
        .task(["packages", "names=[sl]"])
        .run()
        .changed("one", &["packages sl"]);
}

#[test]
fn a_disk_that_is_full_while_packages_are_unpacked_is_named_and_got_over() {
    let estate = Estate::deployed(&["one"]);
    // apt finds room enough in its cache and in /usr, and dpkg none where the program goes.
    estate.on(
        "one",
        "mkdir /dev/shm/games; rm -rf /usr/games; ln -s /dev/shm/games /usr/games",
    );
    fill(&estate);
    let install = ["packages", "names=[sl, unzip]"];
    let ran = estate.task(install).run();
    ran.exits(1).failed(
        "one",
        &[
            "packages sl",
            "/usr/games/sl",
            "No space left on device",
            "free space",
            "`df -h`",
        ],
    );
    estate.on("one", "rm /dev/shm/full");
    let ran = estate.task(install).run();
    ran.exits(0);
    assert_eq!(ran.changes("one").len(), 1, "{}", ran.told());
    estate.task(install).run().unchanged("one");
    assert!(estate.holds("one", "[ -s /usr/games/sl ] && [ -x /usr/bin/unzip ]"));
    assert_eq!(estate.on("one", "dpkg --audit"), "");
}

#[test]
fn a_package_archive_that_cannot_be_reached_is_named() {
    let estate = Estate::deployed(&["one"]);
    let closed = "echo 'deb [trusted=yes] http://127.0.0.1:9/debian stable main' >/etc/apt/sources.list; \
                  rm -rf /etc/apt/sources.list.d/* /var/lib/apt/lists/*";
    estate.on("one", closed);
    let ran = estate.task(["packages", "names=[sl]"]).run();
    ran.exits(1).failed(
        "one",
        &["packages sl", "127.0.0.1:9", "reaches the package archive"],
    );
}

#[test]
fn a_package_that_does_not_exist_is_named() {
    let estate = Estate::deployed(&["one"]);
    let ran = estate
        .task(["packages", "names=[no-such-package-e2e]"])
        .run();
    let words = [
        "packages no-such-package-e2e",
        "apt knows no package no-such-package-e2e",
        "check the name",
    ];
    ran.exits(1).failed("one", &words);
}

#[test]
fn an_interrupted_installation_is_repaired_first() {
    let estate = Estate::deployed(&["one"]);
    // As a power failure leaves it: one package half configured, another in dpkg's journal.
    estate.on(
        "one",
        "sed -i '/^Package: less$/,/^$/s/^Status:.*/Status: install ok half-configured/' /var/lib/dpkg/status
         sed -n '/^Package: nano$/,/^$/p' /var/lib/dpkg/status | sed 's/^Status:.*/Status: install ok unpacked/' >/var/lib/dpkg/updates/0001
         [ -s /var/lib/dpkg/updates/0001 ] && [ \"$(dpkg-query -W -f='${Status}' less)\" != 'install ok installed' ]",
    );
    let ran = estate.task(["packages", "names=[less]"]).run();
    ran.changed("one", &["packages less"]);
    assert_eq!(
        ran.host("one")["changes"][0]["reason"],
        "installation was interrupted",
        "{}",
        ran.told()
    );
    estate
        .task(["packages", "names=[sl]"])
        .run()
        .changed("one", &["packages sl"]);
    let all = estate.on("one", "dpkg-query -W -f='${db:Status-Abbrev}\\n' | sort -u; ls -A /var/lib/dpkg/updates; dpkg --audit");
    assert_eq!(all, "ii \n");
}

#[test]
fn a_host_that_is_down_is_told_apart_and_the_others_are_done() {
    let estate = Estate::deployed(&["one", "two"]);
    docker(&["stop", "--time=1", &estate.container("two")], "");
    let ran = estate.task(["file", "path=/srv/f", "content=x"]).run();
    ran.exits(3)
        .failed("two", &["does not run", "prov test two"]);
    assert!(!ran.told().contains("prov deploy"), "{}", ran.told());
    assert_eq!(ran.host("two")["status"], "unreachable");
    assert_eq!(ran.changes("one"), ["file /srv/f"]);
    docker(&["rm", "--force", &estate.container("two")], "");
    let ran = estate.task(["file", "path=/srv/f", "content=x"]).run();
    ran.exits(3)
        .failed("two", &["has no container", "prov deploy two"]);
    // A failure of another host weighs more.
    estate.on("one", "rm /srv/f; mkdir /srv/f");
    estate
        .task(["file", "path=/srv/f", "content=x"])
        .run()
        .exits(1)
        .failed("one", &["directory"]);
}

#[test]
fn a_host_that_dies_during_a_change_is_told() {
    let estate = Estate::deployed(&["one"]);
    let ran = estate
        .task([
            "command",
            "argv=[sh, -c, 'kill 1; sleep 60']",
            "creates=/srv/never",
        ])
        .run();
    ran.exits(1)
        .failed("one", &["command", "closed", "run the same command again"]);
}

#[test]
fn what_a_command_prints_cannot_reach_the_terminal() {
    let estate = Estate::deployed(&["one"]);
    let garbage = r"printf 'a\033[2Jb\007c\377\000d\rover\n\033]0;title\007\302\233x\n'; exit 3";
    let text = estate.prov(["run", "--", garbage]).run();
    text.exits(1).says("exit 3");
    for harmful in ['\u{1b}', '\u{7}', '\r', '\0', '\u{9b}'] {
        assert!(
            !text.stdout.contains(harmful),
            "{harmful:?} in {:?}",
            text.stdout
        );
    }
    let json = estate
        .prov(["--output", "json", "run", "--", garbage])
        .run();
    json.exits(1);
    assert_eq!(json.host("one")["exit"], 3);
    assert!(!json.stdout.contains('\u{1b}'));
    // What looks like prov's own answers is text like any other.
    let forged = estate
        .prov([
            "--output",
            "json",
            "run",
            "--",
            "echo '@0123456789 run 4 AAAA'; echo '@x end 1'",
        ])
        .run();
    forged.exits(0);
    assert_eq!(
        forged.host("one")["output"],
        "@0123456789 run 4 AAAA\n@x end 1"
    );
}

#[test]
fn a_file_that_cannot_be_what_it_should_be_fails_before_anything_changes() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", "mkdir /srv/d");
    let ran = estate.task(["file", "path=/srv/d", "content=x"]).run();
    ran.exits(1).failed("one", &["file /srv/d", "directory"]);
    let ran = estate
        .task(["file", "path=/srv/no/such/folder/f", "content=x"])
        .run();
    ran.exits(1).failed("one", &["/srv/no/such/folder"]);
    let ran = estate
        .task(["file", "path=/srv/f", "content=x", "owner=nobody-e2e"])
        .run();
    ran.exits(1).failed(
        "one",
        &[
            "nobody-e2e does not exist",
            "declare `user: {name: nobody-e2e}`",
        ],
    );
    assert_eq!(estate.on("one", "ls -A /srv"), "d\n");
}

#[test]
fn a_full_place_of_provs_own_is_named() {
    let estate = Estate::name_server();
    estate.on(
        "one",
        "rm -rf /var/lib/prov; mkdir /dev/shm/prov; ln -s /dev/shm/prov /var/lib/prov",
    );
    fill(&estate);
    let ran = estate.prov(["--output", "json", "apply"]).run();
    ran.exits(1)
        .failed("one", &["No space left on device", "`df -h /var/lib/prov`"]);
    // What could not be recorded was not done.
    estate.on("one", "rm /dev/shm/full");
    estate.prov(["apply"]).run().exits(0);
}

#[test]
fn what_something_else_changes_back_is_said_as_found_and_wanted() {
    let estate = Estate::deployed(&["one"]);
    // Whoever sets owner or mode here has them changed back at once.
    estate.on(
        "one",
        "printf old >/srv/f; mkdir -m 700 /srv/d; chown games /srv/f; \
         for name in chown chmod; do printf '#!/bin/sh\n/usr/bin/%s \"$@\"; /usr/bin/chown games /srv/f; /usr/bin/chmod 0700 /srv/d\n' $name >/usr/local/sbin/$name; \
         /usr/bin/chmod 755 /usr/local/sbin/$name; done",
    );
    let ran = estate.task(["file", "path=/srv/f"]).run();
    ran.exits(1).failed(
        "one",
        &[
            "owner differs",
            "found games:root 0644, wanted root:root 0644",
            "look for what else manages it",
        ],
    );
    let ran = estate.task(["directory", "path=/srv/d"]).run();
    ran.exits(1).failed(
        "one",
        &[
            "mode differs",
            "found root:root 0700, wanted root:root 0755",
        ],
    );
}

#[test]
fn what_must_not_be_changed_is_told_with_how_it_is_seen() {
    let estate = Estate::deployed(&["one"]);
    // A container may not make a file immutable: mv says what it says of one.
    estate.on(
        "one",
        r#"echo old >/srv/f; printf '#!/bin/sh\necho "mv: cannot move '"'file' to '../f'"': Operation not permitted" >&2; exit 1\n' >/usr/local/sbin/mv; chmod 755 /usr/local/sbin/mv"#,
    );
    let write = ["file", "path=/srv/f", "content=new"];
    estate.task(write).run().exits(1).failed(
        "one",
        &[
            "Operation not permitted",
            "`lsattr -d /srv/f /srv`",
            "`chattr -ia`",
        ],
    );
    assert_eq!(estate.on("one", "cat /srv/f; ls -A /srv"), "old\nf\n");
    // Nor append-only, where what is made for a moment would stay for ever.
    estate.on(
        "one",
        "rm /usr/local/sbin/mv; mkdir /srv/kept; echo old >/srv/kept/f
         printf '#!/bin/sh\\n[ \"$PWD\" = /srv/kept ] && echo \"-----a--------e------- .\" || echo \"--------------e------- .\"\n' >/usr/local/sbin/lsattr; chmod 755 /usr/local/sbin/lsattr",
    );
    for write in [
        &["file", "path=/srv/kept/f", "content=new"][..],
        &["line", "path=/srv/kept/f", "line=new"],
        &["symlink", "path=/srv/kept/l", "target=/srv/f"],
        &["file", "path=/srv/kept/f", "owner=games"],
    ] {
        estate.task(write).run().exits(1).failed(
            "one",
            &[
                "/srv/kept is append-only",
                "`lsattr -d /srv/kept/",
                "`chattr -ia`",
            ],
        );
    }
    estate
        .task(["file", "path=/srv/f", "content=new"])
        .run()
        .exits(0);
    assert_eq!(
        estate.on("one", "cd /srv/kept; cat f; ls -A; stat -c %U f"),
        "old\nf\nroot\n"
    );
}
