//! Repositories of packages, packages in a version, and archives, on real hosts: from a repository that the test signs.

use end_to_end::Estate;

/// Makes a repository in /srv/packages of three versions of a package, and one that nobody should get from it, with its keys in
/// /srv/keys; served by the host itself.
const REPOSITORY: &str = r"
apt-get -qq update; apt-get -qq -y install gnupg apt-utils busybox >/dev/null
export GNUPGHOME=/root/signer; mkdir -p -m 0700 $GNUPGHOME /srv/packages /srv/keys
chmod 755 /srv/packages /srv/keys
for name in Signer Stranger; do gpg --batch --quiet --passphrase '' --quick-generate-key $name ed25519 sign never 2>/dev/null; done
gpg --armor --export Signer >/srv/keys/signer.asc
gpg --export Signer >/srv/keys/signer.gpg
gpg --armor --export Stranger >/srv/keys/stranger.asc
for package in e2e-tool=1.0-1 e2e-tool=1.1-1 e2e-tool=2.0-1 bash=99; do
  folder=/root/build/$package; mkdir -p $folder/DEBIAN
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: E2E <e2e@example.org>\nDescription: test\n' ${package%=*} ${package#*=} >$folder/DEBIAN/control
  dpkg-deb -b $folder /srv/packages >/dev/null
done
cd /srv/packages; apt-ftparchive packages . >Packages; apt-ftparchive release . >Release
gpg --batch --local-user Signer --clearsign -o InRelease Release
busybox httpd -p 127.0.0.1:8099 -h /srv
";

/// The hosts of the tests keep no cache of the lists that would tell when they were fetched.
const REFRESH: &str = "apt-get -qq update && touch /var/lib/apt/lists";

const SOURCE: &str = "/etc/apt/sources.list.d/e2e.sources";

fn digest(estate: &Estate, path: &str) -> String {
    let line = estate.on("one", &format!("sha256sum {path}"));
    line.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn repositories_are_verified_before_they_are_put_in_place_and_packages_come_in_a_version() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", REPOSITORY);
    a_repository_that_is_not_signed_is_not_put_in_place(&estate);
    a_repository_is_made_kept_and_removed(&estate);
    packages_come_in_a_version(&estate);
    a_role_has_its_repository_before_its_packages(&estate);
}

fn key(estate: &Estate, name: &str) -> String {
    format!(
        "key={}",
        estate.on("one", &format!("cat /srv/keys/{name}.asc"))
    )
}

fn a_repository_that_is_not_signed_is_not_put_in_place(estate: &Estate) {
    let stranger = key(estate, "stranger");
    let repository = ["apt_repository", "name=e2e", "suites=[./]"];
    let at = "uris=['file:/srv/packages']";
    let refused = estate.task(repository).args([at, &stranger]).run();
    refused
        .exits(1)
        .failed("one", &["is not signed by this key"]);
    assert!(estate.holds("one", &format!("[ ! -e {SOURCE} ]")));
    let cut = stranger.replace("-----END", "");
    for (fields, words) in [
        (vec![at], "one of `key`"),
        (vec![at, &cut], "not whole"),
        (vec![at, "key=x"], "no public key"),
        (
            vec![at, &stranger, "options={Trusted: 'yes'}"],
            "nobody has signed",
        ),
        (vec!["uris=['ftp://x/y']", &stranger], "mirror+https://"),
        (
            vec![
                "uris=['http://deb.debian.org/debian']",
                &stranger,
                "priority=100",
            ],
            "Pin: release",
        ),
    ] {
        estate
            .task(repository)
            .args(fields)
            .run()
            .exits(64)
            .says(words);
    }
    let digest = digest(estate, "/srv/keys/signer.gpg");
    let by_address = [
        "key_url=http://127.0.0.1:8099/keys/signer.gpg",
        &format!("key_sha256={digest}"),
    ];
    let wrong = estate.task(repository).args([at]).args(by_address).run();
    wrong.exits(1).failed("one", &["`key_binary: true`"]);
    assert!(estate.holds("one", &format!("[ ! -e {SOURCE} ]")));
}

fn a_repository_is_made_kept_and_removed(estate: &Estate) {
    let digest = digest(estate, "/srv/keys/signer.gpg");
    let sha256 = format!("key_sha256={digest}");
    let repository = [
        "apt_repository",
        "name=e2e",
        "uris=['http://127.0.0.1:8099/packages']",
        "suites=[./]",
        "packages=[e2e-tool]",
        "key_url=http://127.0.0.1:8099/keys/signer.gpg",
        "key_binary=true",
        &sha256,
    ];
    estate.settles(&repository);
    // Its lists are there, and those of others are as old as they were.
    assert!(
        estate
            .on("one", "apt-cache policy e2e-tool")
            .contains("2.0-1 500")
    );
    assert!(
        !estate
            .on("one", "apt-cache policy bash")
            .contains("Candidate: 99")
    );
    assert!(estate.holds("one", "ls /var/lib/apt/lists/*debian*Packages*"));
    estate.on(
        "one",
        &format!("sed -i s/Suites/Suits/ {SOURCE}; rm /etc/apt/preferences.d/e2e.pref"),
    );
    let repaired = estate.task(repository).run();
    repaired.changed("one", &["apt_repository e2e"]);
    assert!(
        !estate
            .on("one", "apt-cache policy bash")
            .contains("Candidate: 99")
    );
    estate.task(repository).run().unchanged("one");
    // In the other form, with everything allowed.
    let key = key(estate, "signer");
    let open = [
        "apt_repository",
        "name=e2e",
        "uris=['file:/srv/packages']",
        "suites=[./]",
        &key,
    ];
    estate.settles(&open);
    assert!(estate.holds(
        "one",
        "[ ! -e /etc/apt/keyrings/e2e.gpg ] && [ -s /etc/apt/keyrings/e2e.asc ]"
    ));
    assert!(
        estate
            .on("one", "apt-cache policy bash")
            .contains("Candidate: 99")
    );
    estate.settles(&["apt_repository", "name=e2e", "state=absent"]);
    assert!(estate.holds(
        "one",
        &format!("[ ! -e {SOURCE} ] && [ ! -e /etc/apt/keyrings/e2e.asc ]")
    ));
    estate.on("one", REFRESH);
    estate.settles(&[&repository[..7], &[&sha256]].concat());
    estate.on("one", REFRESH);
}

fn packages_come_in_a_version(estate: &Estate) {
    let installed = || {
        estate.on(
            "one",
            "dpkg-query -W -f '${Version} ${db:Status-Abbrev}' e2e-tool",
        )
    };
    let tool = |more: &str| format!("names=[{{name: e2e-tool, {more}}}]");
    let task = |more: &str| estate.task(["packages", &tool(more)]);
    task("version: 1.7*")
        .run()
        .exits(1)
        .says("no version 1.7* of e2e-tool")
        .says("2.0-1, 1.1-1, 1.0-1");
    estate.settles(&["packages", &tool("version: 1*, hold: true")]);
    assert_eq!(installed(), "1.1-1 hi ");
    assert!(
        estate
            .on("one", "apt-get -s -q dist-upgrade")
            .contains("kept back")
    );
    task("version: 1.0-1")
        .run()
        .exits(1)
        .says("newer than 1.0-1")
        .says("allow_downgrade");
    let held = task("version: 1.0-1").args(["allow_downgrade=true"]).run();
    held.exits(1).says("apt-mark unhold");
    estate.settles(&[
        "packages",
        &tool("version: 1.0-1, hold: true"),
        "allow_downgrade=true",
    ]);
    assert_eq!(installed(), "1.0-1 hi ");
    estate.on(
        "one",
        "apt-mark -qq unhold e2e-tool; apt-get -qq -y install e2e-tool",
    );
    assert_eq!(installed(), "2.0-1 ii ");
    let back = estate
        .task([
            "packages",
            &tool("version: 1.0-1, hold: true"),
            "allow_downgrade=true",
        ])
        .run();
    back.changed("one", &["packages e2e-tool"]);
    assert_eq!(installed(), "1.0-1 hi ");
    // What cannot be installed stays held.
    let there = "/srv/packages/e2e-tool_1.1-1_all.deb";
    estate.on("one", &format!("mv {there} /root/kept; apt-get clean"));
    let newer = tool("version: 1.1-1, hold: true");
    let failed = estate.task(["packages", &newer]).run();
    failed.exits(1).failed("one", &["e2e-tool"]);
    assert_eq!(installed(), "1.0-1 hi ");
    estate.on("one", &format!("mv /root/kept {there}"));
    estate.settles(&["packages", &newer]);
    assert_eq!(installed(), "1.1-1 hi ");
    estate.settles(&["packages", &tool("hold: false, pin: version 1.1*")]);
    assert!(
        estate
            .on("one", "apt-cache policy e2e-tool")
            .contains("Candidate: 1.1-1")
    );
    estate.settles(&[
        "packages",
        &tool("hold: false, pin: version 1.1*"),
        "state=absent",
    ]);
    assert!(estate.holds(
        "one",
        "! dpkg -s e2e-tool && [ ! -e /etc/apt/preferences.d/00-e2e-tool.pref ]"
    ));
    estate
        .task(["packages", "names=[e2e-tool=1.0-1]"])
        .run()
        .exits(64)
        .says("{name: nginx, version:");
}

/// On a host that knows nothing of the repository yet, a preview says what is known, and a run does all of it.
fn a_role_has_its_repository_before_its_packages(estate: &Estate) {
    estate.settles(&["apt_repository", "name=e2e", "state=absent"]);
    estate.on("one", REFRESH);
    estate.write("roles/tool/role.yml", "
summary: A tool from a repository of its own.
resources:
  - packages: {names: [{name: e2e-tool, version: '1.1*', hold: true}]}
  - apt_repository: {name: e2e, uris: ['file:/srv/packages'], suites: [./], packages: [e2e-tool], key_source: signer.asc}
");
    estate.write(
        "roles/tool/signer.asc",
        &estate.on("one", "cat /srv/keys/signer.asc"),
    );
    estate.inventory("roles: {tool: [one]}\n");
    let all = ["apt_repository e2e", "packages e2e-tool"];
    let preview = estate.prov(["--output", "json", "diff"]).run();
    preview.changed("one", &all);
    preview.says("e2e.sources is newer");
    estate
        .prov(["--output", "json", "apply"])
        .run()
        .changed("one", &all);
    estate
        .prov(["--output", "json", "apply"])
        .run()
        .unchanged("one");
    assert!(
        estate
            .on(
                "one",
                "dpkg-query -W -f '${Version} ${db:Status-Abbrev}' e2e-tool"
            )
            .starts_with("1.1-1 hi")
    );
    // What the role brought goes with it, though it is held.
    estate.inventory("");
    let left = estate.prov(["--output", "json", "apply"]).run();
    left.exits(0);
    assert!(estate.holds("one", &format!("[ ! -e {SOURCE} ] && ! dpkg -s e2e-tool")));
}

/// Archives of three formats in /srv, with a device and with members that lead out of them.
const ARCHIVES: &str = r#"
apt-get -qq update; apt-get -qq -y install busybox zip python3 >/dev/null
for version in 1 2; do
  mkdir -p /root/tool-$version/bin /root/tool-$version/share/doc; echo "echo $version" >/root/tool-$version/bin/tool
  chmod 4755 /root/tool-$version/bin/tool; ln -s ../bin/tool /root/tool-$version/share/tool; chown -Rh games /root/tool-$version
  echo $version >"/root/tool-$version/share/doc/a name with blanks"
done
cd /root; tar -czf /srv/tool-1.tar.gz tool-1; tar -cf /srv/tool-2.tar tool-2; zip -qry /srv/tool-2.zip tool-2
echo x >/root/outside; cd /root/tool-1; tar -cPf /srv/outside.tar ../outside; mkfifo /root/pipe; tar -C /root -cf /srv/pipe.tar pipe
python3 -c 'import zipfile; zipfile.ZipFile("/srv/outside.zip", "w").writestr("../outside", "x")'
mkdir -p /root/parts/a/bin /root/parts/b/bin; echo one >/root/parts/a/bin/one; echo two >/root/parts/b/bin/-two; echo top >/root/parts/top
cd /root/parts; zip -qr /srv/parts.zip a b top; tar -cf /srv/parts.tar a b top; tar -cf /srv/dotted.tar .
busybox httpd -p 127.0.0.1:8099 -h /srv
"#;

#[test]
fn archives_are_unpacked_once_and_replaced_as_a_whole() {
    let estate = Estate::deployed(&["one"]);
    estate.on("one", ARCHIVES);
    let url = |name: &str| format!("url=http://127.0.0.1:8099/{name}");
    let sha256 = |name: &str| format!("sha256={}", digest(&estate, &format!("/srv/{name}")));
    let archive = |name: &str, more: &[&str]| {
        let words = [
            "archive",
            "path=/opt/tool",
            "strip=1",
            "creates=bin/tool",
            "owner=games",
            "group=games",
        ];
        let words = words
            .map(str::to_owned)
            .into_iter()
            .chain([url(name), sha256(name)]);
        words
            .chain(more.iter().map(|word| (*word).to_owned()))
            .collect::<Vec<_>>()
    };
    let settles =
        |words: &[String]| estate.settles(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let first = archive("tool-1.tar.gz", &[]);
    settles(&first);
    let shown =
        "cd /opt/tool && sh bin/tool && find . -mindepth 1 -printf '%P %U:%G %m %l\n' | sort";
    let one = estate.on("one", shown);
    assert_eq!(
        one,
        "1\n.prov-archive 5:60 644 \nbin 5:60 755 \nbin/tool 5:60 755 \nshare 5:60 755 \nshare/doc 5:60 755 \n\
         share/doc/a name with blanks 5:60 644 \nshare/tool 5:60 777 ../bin/tool\n"
    );
    // What is missing is brought back; what came from elsewhere is not lost.
    estate.on("one", "rm /opt/tool/bin/tool");
    estate
        .task(&first)
        .run()
        .changed("one", &["archive /opt/tool"]);
    assert_eq!(estate.on("one", shown), one);
    estate.on(
        "one",
        "mkdir /opt/tool/etc; touch '/opt/tool/etc/it is mine' /opt/tool/bin/other",
    );
    estate.task(&first).run().unchanged("one");
    let second = archive("tool-2.tar", &[]);
    let kept = estate.task(&second).run();
    kept.exits(1)
        .says("bin/other, etc, etc/it is mine")
        .says("discard: true");
    assert_eq!(estate.on("one", "sh /opt/tool/bin/tool"), "1\n");
    settles(&archive("tool-2.tar", &["discard=true"]));
    assert_eq!(estate.on("one", shown), one.replace("1\n.prov", "2\n.prov"));
    // A zip needs its program, and is as good.
    let zip = archive("tool-2.zip", &[]);
    estate
        .task(&zip)
        .run()
        .exits(1)
        .says("without the package unzip");
    estate.task(["packages", "names=[unzip]"]).run().exits(0);
    settles(&zip);
    assert_eq!(estate.on("one", shown), one.replace("1\n.prov", "2\n.prov"));
    // What several folders have in common comes together when their names are left out, as with tar.
    for name in ["parts.tar", "dotted.tar", "parts.zip"] {
        let (url, sha256) = (url(name), sha256(name));
        estate.settles(&["archive", "path=/opt/parts", &url, &sha256, "strip=1"]);
        assert_eq!(
            estate.on("one", "cd /opt/parts; find . -type f | sort; cat bin/*"),
            "./.prov-archive\n./bin/-two\n./bin/one\ntwo\none\n"
        );
        estate.settles(&["archive", "path=/opt/parts", "state=absent"]);
    }
    what_does_not_belong_there_is_refused(&estate, &archive);
    // From this machine, more than one part of it.
    let big = estate.path_text("big.tar");
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    std::fs::write(estate.path("big"), bytes).unwrap();
    let made = std::process::Command::new("tar")
        .args(["-cf", &big, "-C", &estate.path_text(""), "big"])
        .status();
    assert!(made.unwrap().success());
    let content = format!("content=@{big}");
    estate.settles(&["archive", "path=/opt/big", &content]);
    assert_eq!(
        estate.on("one", "stat -c '%s %U' /opt/big/big"),
        "3000000 root\n"
    );
    estate.settles(&["archive", "path=/opt/big", "state=absent"]);
    estate.settles(&["archive", "path=/opt/tool", "state=absent"]);
    assert_eq!(estate.on("one", "ls -A /opt"), "");
}

fn what_does_not_belong_there_is_refused(
    estate: &Estate,
    archive: &dyn Fn(&str, &[&str]) -> Vec<String>,
) {
    let before = estate.on("one", "find /opt /root | sort");
    for (name, more, words) in [
        ("outside.tar", &[][..], "outside of its folder: ../outside"),
        ("outside.zip", &[], "outside of its folder: ../outside"),
        ("pipe.tar", &[], "a device or a pipe"),
        (
            "tool-1.tar.gz",
            &["strip=9"],
            "nothing of the archive is left",
        ),
        ("tool-1.tar.gz", &["strip=0"], "the archive has no bin/tool"),
        (
            "tool-1.tar.gz",
            &["format=zip"],
            "no archive of this format",
        ),
    ] {
        let mut words_of = archive(name, &[]);
        words_of.retain(|word| {
            more.is_empty() || !word.starts_with("strip=") || more[0].starts_with("format")
        });
        words_of.extend(more.iter().map(|word| (*word).to_owned()));
        estate
            .task(&words_of)
            .run()
            .exits(1)
            .failed("one", &[words]);
    }
    let mut missing = archive("tool-1.tar.gz", &[]);
    missing.retain(|word| !word.starts_with("url="));
    missing.push("url=http://127.0.0.1:8099/no.tar.gz".to_owned());
    estate
        .task(&missing)
        .run()
        .exits(1)
        .failed("one", &["check the address"]);
    estate
        .task([
            "archive",
            "path=/etc/apt",
            "content=@/dev/null",
            "format=tar",
        ])
        .run()
        .exits(1)
        .says("prov has not unpacked it");
    estate.on("one", "ln -s /etc /opt/link");
    estate
        .task([
            "archive",
            "path=/opt/link",
            "content=@/dev/null",
            "format=tar",
        ])
        .run()
        .exits(1);
    estate.on("one", "rm /opt/link");
    assert_eq!(estate.on("one", "find /opt /root | sort"), before);
}
