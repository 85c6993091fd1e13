//! Certificates of the estate's own authority on a real host: they verify, are issued anew when they must be, and the
//! authority's key stays with prov. And keys that one host makes and another needs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use end_to_end::{Estate, Ran, docker, docker_fails, until};

const CERTIFICATE: &str = "/etc/dovecot/private/mail.pem";
const KEY: &str = "/etc/dovecot/private/mail.key";
const CHANGE: &str = "tls_certificate /etc/dovecot/private/mail.pem";

/// Where the test puts the authority's certificate on the host.
const TRUSTED: &str = "/dev/shm/authority.pem";

/// Finds the file with the authority among what prov remembers.
fn authority_file(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("authority.private.pem") {
                return path;
            }
        }
    }
    panic!("prov remembers no authority");
}

/// An authority as the test sees it.
struct Authority {
    pem: String,
    certificate: String,
    key: String,
}

impl Authority {
    fn of(estate: &Estate) -> Self {
        let path = authority_file(&estate.path("state"));
        let pem =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let Some(at) = pem.find("-----BEGIN PRIVATE KEY-----") else {
            panic!("{} has no key", path.display());
        };
        let (certificate, key) = (pem[..at].to_owned(), pem[at..].to_owned());
        Self {
            pem,
            certificate,
            key,
        }
    }

    /// Gives the lines of its private key's body.
    fn secret_lines(&self) -> Vec<&str> {
        let lines = self.key.lines().map(str::trim);
        let lines: Vec<_> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('-'))
            .collect();
        assert!(lines.len() > 1 && lines[0].len() == 64);
        lines
    }

    /// Fails the test if a text holds a part of the private key.
    fn is_not_in(&self, what: &str, text: &str) {
        for line in self.secret_lines() {
            assert!(!text.contains(line), "the authority's key is in {what}");
        }
    }
}

fn json(estate: &Estate, authority: Option<&Authority>, arguments: &[&str]) -> Ran {
    let ran = estate.prov(["--output", "json"]).args(arguments).run();
    if let Some(authority) = authority {
        authority.is_not_in(arguments[0], &ran.told());
    }
    ran
}

/// Tells whether a certificate on the host verifies for a name.
fn verifies(estate: &Estate, name: &str) -> bool {
    estate.holds(
        "one",
        &format!("openssl verify -x509_strict -purpose sslserver -CAfile {TRUSTED} -verify_hostname {name} {CERTIFICATE}"),
    )
}

/// Tells whether Dovecot presents a certificate that a client accepts.
fn is_served(estate: &Estate) -> bool {
    estate.holds(
        "one",
        &format!(
            "echo a logout | openssl s_client -connect 127.0.0.1:143 -starttls imap -CAfile {TRUSTED} \
             -verify_return_error -verify_hostname one.home.test"
        ),
    )
}

#[test]
fn certificates_verify_and_are_issued_anew_when_they_must_be() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {mail: [one]}\n");
    estate.write("groups/all.yml", "home_domain: home.test\n");
    estate.deploy();
    let plan = estate.path_text("state/plan");
    json(&estate, None, &["diff", "--out", &plan]).exits(0);
    let authority = Authority::of(&estate);
    let plan = fs::read_to_string(plan).unwrap_or_else(|error| panic!("{error}"));
    authority.is_not_in("a saved plan", &plan);
    let applied = json(&estate, Some(&authority), &["-vvv", "apply"]);
    applied.exits(0);
    assert!(applied.changes("one").contains(&CHANGE.to_owned()));
    json(&estate, Some(&authority), &["apply"]).unchanged("one");
    estate.prov(["test"]).run().exits(0);
    json(&estate, Some(&authority), &["complete"]).unchanged("one");

    assert_eq!(
        estate.on("one", &format!("stat -c '%U %G %a' {KEY} {CERTIFICATE}")),
        "root root 600\nroot root 644\n"
    );
    estate.on(
        "one",
        &format!("cat >{TRUSTED} <<'END'\n{}END\n", authority.certificate),
    );
    assert!(verifies(&estate, "one.home.test") && verifies(&estate, "one"));
    assert!(!verifies(&estate, "two.home.test"));
    until("Dovecot presents it", || is_served(&estate));
    the_key_of_the_authority_is_nowhere(&estate, &authority);

    // Somebody else's authority: another state, as on another machine.
    let other = estate.path_text("elsewhere");
    let elsewhere = || {
        let preview = estate.prov(["--output", "json", "diff"]);
        preview.env("XDG_STATE_HOME", &other).run()
    };
    let refusal = [
        CERTIFICATE,
        "another authority of this estate",
        "prov authority import",
        "rotate --lost",
    ];
    elsewhere().exits(1).failed("one", &refusal);
    let apply = estate.prov(["--output", "json", "apply"]);
    let ran = apply.env("XDG_STATE_HOME", &other).run();
    ran.exits(1).failed("one", &refusal);
    assert!(verifies(&estate, "one.home.test"), "nothing was replaced");
    // An authority in the estate's folder is everybody's.
    estate.write("authority.private.pem", &authority.pem);
    elsewhere().unchanged("one");
    fs::remove_file(estate.path("estate/authority.private.pem"))
        .unwrap_or_else(|error| panic!("{error}"));
    elsewhere().exits(1).failed("one", &refusal);
    // Or it is handed on.
    let file = estate.path_text("handed-on.pem");
    estate
        .prov(["authority", "export", &file])
        .run()
        .exits(0)
        .never_says("PRIVATE");
    let mode = fs::metadata(&file).map(|file| file.permissions().mode() & 0o777);
    assert_eq!(mode.unwrap_or_else(|error| panic!("{error}")), 0o600);
    estate
        .prov(["authority", "export", &file])
        .run()
        .exits(64)
        .says("is there already");
    let import = |file: &str| {
        estate
            .prov(["authority", "import", file])
            .env("XDG_STATE_HOME", &other)
            .run()
    };
    import(&estate.path_text("estate/estate.yml"))
        .exits(64)
        .says("it has no private key");
    import(&file).exits(0).says("is kept as");
    import(&file).exits(0).says("already");
    elsewhere().unchanged("one");

    let renewed = |reason: &str| {
        json(&estate, Some(&authority), &["diff"]).changed("one", &[CHANGE]);
        let ran = json(&estate, Some(&authority), &["apply"]);
        ran.changed("one", &[CHANGE]);
        let told = ran.host("one")["changes"][0]["reason"].clone();
        assert_eq!(told, reason, "{}", ran.told());
        assert_eq!(ran.handlers("one"), ["restart dovecot"]);
        json(&estate, Some(&authority), &["apply"]).unchanged("one");
        assert!(verifies(&estate, "one.home.test"));
        until("Dovecot presents the new one", || is_served(&estate));
    };
    estate.on(
        "one",
        &format!("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {KEY}"),
    );
    renewed("key differs");
    expire(&estate, &authority);
    assert!(!verifies(&estate, "one.home.test"));
    assert!(!is_served(&estate));
    renewed("expires");
    estate.on("one", &format!("echo garbage >{CERTIFICATE}"));
    renewed("content differs");
}

/// Puts a certificate in place that the authority issued for the right key and names, and that has ended.
fn expire(estate: &Estate, authority: &Authority) {
    let script = format!(
        "cd /dev/shm
         cat >ca.pem <<'END'\n{}END
         cat >ca.cnf <<'END'
[ca]
default_ca = ca
[ca]
database = index
serial = serial
new_certs_dir = .
certificate = authority.pem
private_key = ca.pem
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
authorityKeyIdentifier = keyid
subjectKeyIdentifier = hash
subjectAltName = DNS:one, DNS:one.home.test
END
         : >index; echo 10 >serial
         openssl req -new -key {KEY} -subj /CN=one -out request
         openssl ca -batch -notext -config ca.cnf -name ca -in request -out new.pem \\
             -startdate 20200101000000Z -enddate 20200201000000Z
         cat new.pem >{CERTIFICATE}
         rm ca.pem ca.cnf index* serial* request new.pem 10.pem
         doveadm reload\n",
        authority.key
    );
    estate.on("one", &script);
}

fn the_key_of_the_authority_is_nowhere(estate: &Estate, authority: &Authority) {
    let container = estate.container("one");
    let search = "grep -rlaF --exclude-dir=proc --exclude-dir=sys -f - / 2>/dev/null || [ $? = 1 ]";
    let search = ["exec", "-i", &container, "sh", "-c", search];
    let lines = format!("{}\n", authority.secret_lines().join("\n"));
    assert_eq!(
        docker(&search, &lines),
        "",
        "the authority's key is on the host"
    );
    // The same search finds what is there: the last full line of a certificate is of its signature.
    let mut lines = authority.certificate.lines();
    let line = lines.rfind(|line| line.len() == 64).unwrap_or_default();
    assert_eq!(docker(&search, line), format!("{TRUSTED}\n"));
    let image = docker(&["inspect", "--format", "{{.Image}}", &container], "");
    for arguments in [
        &["logs", &container][..],
        &["inspect", &container],
        &["history", "--no-trunc", image.trim()],
    ] {
        authority.is_not_in("what Docker says", &docker(arguments, ""));
    }
    assert!(!docker_fails(&["inspect", &container]));
}

/// What the two hosts need of each other: the servers' certificates are handed over with a key.
const HANDED: &str = "file /var/lib/mail-certs/.ssh/authorized_keys";
const PUBLIC_KEY: &str = "/usr/local/etc/mail-certificates/id_ed25519.pub";
const AUTHORIZED: &str = "/var/lib/mail-certs/.ssh/authorized_keys";

#[test]
fn a_key_made_on_one_host_reaches_the_other_when_it_is_there() {
    // The one that needs the key comes first, so with one fork it is in the other's way.
    let estate = Estate::new(&["needs", "makes"]);
    estate.inventory(
        "roles: {mta: [needs], mail: [needs], mail_external: [needs], mail_certificates: [makes]}\n",
    );
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\nhome_domain_admin_user: keeper\n\
         mta_smarthost: {hostname: gateway.test, port: 587}\nmail_uses_ca: false\n",
    );
    estate.deploy();
    let alone = |word: &str, host: &str| json(&estate, None, &[word, "--limit", host]);
    let key_is_known = || {
        let key = estate.on("makes", &format!("cat {PUBLIC_KEY}"));
        estate
            .on("needs", &format!("cat {AUTHORIZED}"))
            .contains(&key)
    };

    let without = alone("apply", "needs");
    without.exits(0).says(&format!(
        "needs {PUBLIC_KEY} of makes, which is not there; apply that host too"
    ));
    assert!(!without.changes("needs").contains(&HANDED.to_owned()));
    assert!(estate.holds("needs", &format!("[ ! -e {AUTHORIZED} ]")));
    alone("apply", "needs").unchanged("needs");
    alone("complete", "needs")
        .exits(1)
        .says("still deferred")
        .says(&format!("needs {PUBLIC_KEY} of makes"));

    alone("apply", "makes").exits(0);
    alone("apply", "needs").changed("needs", &[HANDED]);
    assert!(key_is_known());
    alone("apply", "needs").unchanged("needs");

    // Both at once, one at a time, and the first waits for the second.
    estate.on("makes", "rm /usr/local/etc/mail-certificates/id_ed25519*");
    estate.on("needs", &format!("rm {AUTHORIZED}"));
    let both = json(&estate, None, &["--forks", "1", "apply"]);
    both.exits(0);
    assert_eq!(both.changes("needs"), [HANDED], "{}", both.told());
    assert!(key_is_known());
    json(&estate, None, &["apply"])
        .unchanged("needs")
        .unchanged("makes");

    // A host that does not get to making it: the other one is told, and does not wait for ever.
    estate.on("makes", "rm /usr/local/etc/mail-certificates/id_ed25519*; mv /usr/bin/ssh-keygen /usr/bin/ssh-keygen.real");
    estate.on("needs", &format!("rm {AUTHORIZED}"));
    let neither = json(&estate, None, &["--forks", "1", "apply"]);
    neither
        .exits(1)
        .failed("makes", &["command"])
        .says(&format!("needs {PUBLIC_KEY} of makes"));
    estate.on("makes", "mv /usr/bin/ssh-keygen.real /usr/bin/ssh-keygen");
    let again = json(&estate, None, &["apply"]);
    again.changed("needs", &[HANDED]);
    assert!(key_is_known());
}

/// Puts what a client on the host trusts at the moment into its place.
fn trust(estate: &Estate) {
    let ran = estate
        .prov(["authority", "export", "--certificate", "-"])
        .run();
    ran.exits(0).never_says("PRIVATE");
    estate.on(
        "one",
        &format!("cat >{TRUSTED} <<'END'\n{}END\n", ran.stdout),
    );
}

#[test]
fn an_authority_is_replaced_in_steps_in_which_nothing_loses_trust() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {mail: [one]}\n");
    estate.write("groups/all.yml", "home_domain: home.test\n");
    estate
        .prov(["authority", "show"])
        .run()
        .exits(64)
        .says("no authority here yet");
    estate.deploy();
    json(&estate, None, &["apply"]).exits(0);
    estate.prov(["test"]).run().exits(0);
    trust(&estate);
    let before = Authority::of(&estate);
    let rotate = |more: &[&str]| estate.prov(["authority", "rotate"]).args(more).run();
    let issuers = |count: usize| {
        let shown = estate.prov(["--output", "json", "authority", "show"]).run();
        let found = shown.json()["authorities"].as_array().map(Vec::len);
        assert_eq!(found, Some(count), "{}", shown.told());
    };

    rotate(&["--give-up"]).exits(64).says("no next authority");
    rotate(&[]).exits(0).says("prov apply");
    issuers(2);
    rotate(&["--give-up"]).exits(0);
    issuers(1);
    rotate(&[]).exits(0);
    // The next one is trusted before it issues: what is there is not issued anew.
    trust(&estate);
    json(&estate, None, &["apply"]).unchanged("one");
    assert!(is_served(&estate));

    rotate(&[]).exits(0).says("previous one is trusted");
    rotate(&[]).exits(64).says("not done on one");
    // Whoever trusts what was spread before accepts the old certificate and the new one.
    assert!(is_served(&estate));
    json(&estate, None, &["apply"]).changed("one", &[CHANGE]);
    until("Dovecot presents the new one", || is_served(&estate));
    rotate(&[]).exits(0).says("one authority again");
    issuers(1);
    trust(&estate);
    json(&estate, None, &["apply"]).unchanged("one");
    assert!(is_served(&estate) && verifies(&estate, "one.home.test"));
    let after = Authority::of(&estate);
    assert_ne!(before.certificate, after.certificate);

    // Lost: another one takes its place, said twice.
    fs::remove_file(authority_file(&estate.path("state")))
        .unwrap_or_else(|error| panic!("{error}"));
    json(&estate, None, &["apply"])
        .exits(1)
        .failed("one", &["another authority"]);
    rotate(&["--lost"]).exits(0);
    json(&estate, None, &["apply"]).changed("one", &[CHANGE]);
    rotate(&[]).exits(0);
    trust(&estate);
    until("Dovecot presents the newest", || is_served(&estate));
}
