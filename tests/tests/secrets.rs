//! Secrets reach the one file that they are for, and nothing else: searched for everywhere with random values.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::collections::BTreeSet;
use std::io::Read as _;

use end_to_end::{Estate, Sampled, docker, secret};

const CONFIGURATION: &str = "/etc/bacula/bacula-fd.conf";

/// Copies all command lines and environments on the host to /dev/shm for as long as /run/sample is there.
const SAMPLER: &str = "touch /run/sample; while [ -e /run/sample ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ \
                       >>/dev/shm/samples 2>/dev/null; done";

fn passwords(estate: &Estate, director: &str, monitor: &str) {
    estate.write(
        "hosts/one.private.yml",
        &format!("backup_client_director_password: {director}\nbackup_client_monitor_password: {monitor}\n"),
    );
}

/// Searches all files below a folder of this machine.
fn search(folder: &std::path::Path, found: &mut dyn FnMut(&std::path::Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, found);
        } else {
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            found(&path, &bytes);
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_secret_is_found_in_its_file_and_nowhere_else() {
    let estate = Estate::new(&["one"]);
    let [director, monitor, other] = [(); 3].map(|()| secret());
    estate.inventory("roles: {backup_client: [one]}\n");
    estate.write(
        "groups/all.yml",
        "backup_director_name: the-director\nbackup_monitor_name: the-monitor\n",
    );
    passwords(&estate, &director, &monitor);
    estate.deploy();
    let container = estate.container("one");
    let secrets = [director.as_str(), &monitor, &other, estate.password()];

    docker(&["exec", "--detach", &container, "sh", "-c", SAMPLER], "");
    let here = Sampled::begin([director.as_str(), &monitor, estate.password()]);
    let plan = estate.path_text("state/plan");
    let mut said = Vec::new();
    let mut run = |arguments: &[&str], code: i32| {
        let ran = estate.prov(arguments).run();
        ran.exits(code);
        said.push(ran.told());
    };
    run(&["check"], 0);
    run(&["-vvv", "diff", "--out", &plan], 0);
    run(&["-vvv", "apply"], 0);
    // Changed by hand and in the estate: the diff has secrets on both sides.
    let changed = estate
        .on("one", &format!("cat {CONFIGURATION}"))
        .replace(&director, &other);
    let write = format!("cat >{CONFIGURATION}");
    docker(&["exec", "-i", &container, "sh", "-c", &write], &changed);
    run(&["diff"], 0);
    assert_eq!(here.found(), Vec::<String>::new(), "on this machine");
    run(&["--output", "json", "diff", "--exit-code"], 2);
    // A validation that fails: what was written meanwhile must go again.
    estate.on(
        "one",
        "mv /usr/sbin/bacula-fd /usr/sbin/bacula-fd.real
         printf '#!/bin/sh\\necho not today; cat /etc/bacula/bacula-fd.conf; exit 1\\n' >/usr/sbin/bacula-fd
         chmod +x /usr/sbin/bacula-fd",
    );
    let refused = estate.prov(["--output", "json", "apply"]).run();
    refused.exits(1).failed(
        "one",
        &["does not accept", "not today", "it holds a secret"],
    );
    estate.on("one", "mv /usr/sbin/bacula-fd.real /usr/sbin/bacula-fd");
    run(&["--output", "json", "apply"], 0);
    run(&["apply"], 0);
    run(&["status"], 0);
    estate.on("one", "rm /run/sample");
    said.push(refused.told());

    // What this search finds where it should, it would find where it should not.
    let configuration = estate.on("one", &format!("cat {CONFIGURATION}"));
    assert!(configuration.contains(&director) && configuration.contains(&monitor));
    let samples = estate.on(
        "one",
        "tr '\\0' '\\n' </dev/shm/samples; rm /dev/shm/samples",
    );
    assert!(
        samples.contains("apt-get") && samples.contains("dpkg"),
        "the sampler saw nothing"
    );
    let encoded = estate.on("one", &format!("base64 -w0 {CONFIGURATION}"));
    let piece = &encoded[encoded.len() / 2..encoded.len() / 2 + 40];
    assert!(
        !samples.contains(piece),
        "the encoded file was on a command line or in an environment"
    );

    let mut places = vec![
        ("a command line or environment on the host", samples),
        ("docker inspect", docker(&["inspect", &container], "")),
        ("docker logs", docker(&["logs", &container], "")),
    ];
    run_test_mode(&estate, &mut places);
    for (what, text) in &places {
        for hidden in secrets {
            assert!(!text.contains(hidden), "a secret in {what}");
        }
    }
    for text in &said {
        for hidden in secrets {
            assert!(
                !text.contains(hidden),
                "a secret in what prov said:\n{text}"
            );
        }
    }
    search(&estate.path("state"), &mut |path, bytes| {
        for hidden in secrets {
            assert!(!contains(bytes, hidden), "a secret in {}", path.display());
        }
    });
    for (hidden, files) in [
        (&director, CONFIGURATION),
        (&monitor, CONFIGURATION),
        (&other, ""),
    ] {
        assert_eq!(on_host(&estate, "one", hidden).trim_end(), files);
    }
    assert_eq!(on_host(&estate, "one", estate.password()), "");
}

/// Switches to test mode, and gathers what Docker keeps of the host then.
fn run_test_mode(estate: &Estate, places: &mut Vec<(&str, String)>) {
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    let container = estate.container("one");
    let image = docker(&["inspect", "--format", "{{.Image}}", &container], "");
    let image = image.trim();
    places.push((
        "docker inspect in test mode",
        docker(&["inspect", &container], ""),
    ));
    places.push((
        "docker history",
        docker(&["history", "--no-trunc", image], ""),
    ));
    places.push(("the image's description", docker(&["inspect", image], "")));
    places.push((
        "docker logs in test mode",
        docker(&["logs", &container], ""),
    ));
}

/// Lists the files on a host that hold a text.
fn on_host(estate: &Estate, host: &str, hidden: &str) -> String {
    let container = estate.container(host);
    let search = "grep -rlaF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -f - / 2>/dev/null || [ $? = 1 ]";
    docker(&["exec", "-i", &container, "sh", "-c", search], hidden)
}

#[test]
fn what_an_earlier_run_left_to_judge_is_quoted_without_its_secrets() {
    let estate = Estate::deployed(&["one"]);
    let [director, monitor] = [(); 2].map(|()| secret());
    estate.inventory("roles: {backup_client: [one]}\n");
    estate.write(
        "groups/all.yml",
        "backup_director_name: d\nbackup_monitor_name: m\n",
    );
    passwords(&estate, &director, &monitor);
    // A role of the host still names it: others are dropped.
    let handler = r#"{"name":"restart bacula-fd","action":{"run":["true"]},"validate":["sh","-c","cat /srv/left; exit 1"]}"#;
    estate.on(
        "one",
        &format!(
            "printf 'not today\\nPassword = {director}\\nSudo = {}\\n' >/srv/left\n\
             mkdir -p -m 0700 /var/lib/prov; printf '%s\\n' '{handler}' >/var/lib/prov/pending",
            estate.password()
        ),
    );
    // Nothing of this task is secret.
    let ran = estate.task(["file", "path=/srv/f", "content=x"]).run();
    ran.exits(1).failed(
        "one",
        &["does not accept", "not today", "it holds a secret"],
    );
    for hidden in [&director, estate.password()] {
        ran.never_says(hidden);
    }
}

#[test]
fn the_password_of_an_account_reaches_the_host_as_its_hash_only() {
    let estate = Estate::deployed(&["one"]);
    let hash = format!("$6$saltsalt${}", secret());
    docker(
        &[
            "exec",
            "--detach",
            &estate.container("one"),
            "sh",
            "-c",
            SAMPLER,
        ],
        "",
    );
    let field = format!("password_hash={hash}");
    let task = ["user", "name=anna", field.as_str()];
    for arguments in [&["--diff"][..], &[], &["-vvv"]] {
        estate
            .task(task)
            .args(arguments)
            .run()
            .exits(0)
            .never_says(&hash);
    }
    estate.on("one", "rm /run/sample");
    let samples = estate.on(
        "one",
        "tr '\\0' '\\n' </dev/shm/samples; rm /dev/shm/samples",
    );
    assert!(samples.contains("sshd") && !samples.contains(&hash));
    let container = estate.container("one");
    let search = "grep -rlaF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -f - / 2>/dev/null || [ $? = 1 ]";
    let files = docker(&["exec", "-i", &container, "sh", "-c", search], &hash);
    for file in files.lines() {
        assert!(file.starts_with("/etc/shadow"), "the hash is in {file}");
    }
    assert!(files.contains("/etc/shadow\n"));
}

/// Searches all command lines and environments on the host for the lines of a file, for as long as /run/sample is there.
const WATCHER: &str = "touch /run/sample; while [ -e /run/sample ]; do grep -haF -f /dev/shm/patterns /proc/[0-9]*/cmdline \
                       /proc/[0-9]*/environ >>/dev/shm/samples 2>/dev/null; sleep 0.02; done";

/// What the watcher must have seen, or it saw nothing.
const SEEN: &str = "sshd";

/// A secret with the name of its variable, and the files that are meant to hold it: host and path.
type Kept = (
    &'static str,
    String,
    &'static [(&'static str, &'static str)],
);

const DIRECTOR: &str = "/etc/bacula/bacula-dir.conf";

/// Writes an estate of databases and backups with random secrets.
fn backups(estate: &Estate) -> Vec<Kept> {
    estate.inventory(
        "roles: {backup_client: all, mta: [one], database: [one], dns_api: [two], dynamic_dns: [two], \
         backup_director: [two], backup_storage: [two]}\n",
    );
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\nhome_domain_admin_user: keeper\nbackup_director_name: bacula-dir\n\
         backup_monitor_name: bacula-mon\nbackup_storage_name: bacula-sd\nbackup_database_host: one\n\
         database_expose_externally: true\nbackup_director_schedules_active: false\n\
         dns_linode_base_url: http://127.0.0.1:9/v4/domains\n",
    );
    let kept: [(_, &[_]); 9] = [
        (
            "backup_database_password",
            &[("two", DIRECTOR), ("two", "/etc/bacula/catalogue.cnf")],
        ),
        (
            "backup_director_console_password",
            &[("two", DIRECTOR), ("two", "/etc/bacula/bconsole.conf")],
        ),
        (
            "backup_storage_password",
            &[("two", DIRECTOR), ("two", "/etc/bacula/bacula-sd.conf")],
        ),
        ("dns_linode_key", &[("two", "/usr/local/etc/linode.ini")]),
        (
            "one backup_client_director_password",
            &[("one", CONFIGURATION), ("two", DIRECTOR)],
        ),
        (
            "one backup_client_monitor_password",
            &[("one", CONFIGURATION)],
        ),
        (
            "two backup_client_director_password",
            &[("two", CONFIGURATION), ("two", DIRECTOR)],
        ),
        (
            "two backup_client_monitor_password",
            &[("two", CONFIGURATION)],
        ),
        ("userpass", &[("one", "/etc/exim4/passwd.client")]),
    ];
    let kept: Vec<Kept> = kept.map(|(name, files)| (name, secret(), files)).into();
    let value = |name: &str| &kept.iter().find(|kept| kept.0 == name).unwrap().1;
    let lines = |prefix: &str| {
        let own = kept.iter().filter_map(|(name, value, _)| {
            let name = name.strip_prefix(prefix)?;
            (!name.contains(' ') && name != "userpass").then(|| format!("{name}: {value}\n"))
        });
        own.collect::<String>()
    };
    estate.write("groups/all.private.yml", &lines(""));
    let smarthost = format!(
        "mta_smarthost: {{hostname: gateway.test, username: us, userpass: {}}}\n",
        value("userpass")
    );
    estate.write("hosts/one.private.yml", &(lines("one ") + &smarthost));
    estate.write("hosts/two.private.yml", &lines("two "));
    kept
}

#[test]
fn secrets_of_databases_and_backups_are_in_their_files_and_nowhere_else() {
    const HOSTS: [&str; 2] = ["one", "two"];
    let estate = Estate::new(&HOSTS);
    let kept = backups(&estate);
    let mut secrets: BTreeSet<&str> = kept.iter().map(|kept| kept.1.as_str()).collect();
    secrets.insert(estate.password());
    estate.deploy();

    let watch = || {
        for host in HOSTS {
            let mut patterns = format!("{SEEN}\n");
            for hidden in &secrets {
                patterns.push_str(hidden);
                patterns.push('\n');
            }
            let container = estate.container(host);
            let write = ["exec", "-i", &container, "tee", "/dev/shm/patterns"];
            docker(&write, &patterns);
            docker(&["exec", "--detach", &container, "sh", "-c", WATCHER], "");
        }
    };
    let mut places: Vec<(String, String)> = Vec::new();
    let seen = |places: &mut Vec<(String, String)>| {
        for host in HOSTS {
            let samples = estate.on(
                host,
                "rm /run/sample; tr '\\0' ' ' </dev/shm/samples; rm /dev/shm/samples /dev/shm/patterns",
            );
            assert!(samples.contains(SEEN), "the watcher on {host} saw nothing");
            places.push((format!("a command line or environment on {host}"), samples));
            for what in ["logs", "inspect"] {
                let text = docker(&[what, &estate.container(host)], "");
                places.push((format!("docker {what} of {host}"), text));
            }
        }
    };
    let plan = estate.path_text("state/plan");
    let run = |places: &mut Vec<(String, String)>, arguments: &[&str]| {
        let ran = estate.prov(arguments).run();
        ran.exits(0);
        places.push((ran.line.clone(), ran.told()));
        ran
    };
    watch();
    let here = Sampled::begin(secrets.iter().copied());
    run(&mut places, &["-vvv", "diff", "--out", &plan]);
    run(&mut places, &["-vvv", "apply", "--plan", &plan]);
    run(&mut places, &["--output", "json", "diff"]);
    seen(&mut places);
    run(&mut places, &["-v", "test"]);
    watch();
    run(&mut places, &["-vvv", "complete"]);
    let again = run(&mut places, &["--output", "json", "complete"]);
    again.unchanged("one").unchanged("two");
    // Everything is shown once more, with secrets before and after.
    estate.on("two", &format!("sed -i 's/= \".*\"/= \"x\"/' {DIRECTOR}"));
    run(&mut places, &["diff"]);
    run(&mut places, &["--output", "json", "-vvv", "apply"]);
    seen(&mut places);
    assert_eq!(here.found(), Vec::<String>::new(), "on this machine");
    for host in HOSTS {
        let image = ["inspect", "--format", "{{.Image}}", &estate.container(host)];
        let image = docker(&image, "");
        for arguments in [&["history", "--no-trunc"][..], &["image", "inspect"]] {
            let text = docker(&[arguments, &[image.trim()]].concat(), "");
            places.push((format!("docker {} of {host}", arguments[0]), text));
        }
    }
    search(&estate.path("state"), &mut |path, bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        places.push((path.display().to_string(), text));
    });
    for (what, text) in &places {
        for hidden in &secrets {
            assert!(!text.contains(hidden), "a secret in {what}");
        }
    }

    for host in HOSTS {
        for (name, hidden, files) in &kept {
            let expected = files.iter().filter(|(at, _)| *at == host);
            let expected: BTreeSet<_> = expected.map(|(_, path)| *path).collect();
            let found = on_host(&estate, host, hidden);
            let found: BTreeSet<_> = found.lines().collect();
            assert_eq!(found, expected, "files on {host} with {name}");
            for path in found {
                let mode = estate.on(host, &format!("stat -c %a {path}"));
                assert!(
                    ["600\n", "640\n"].contains(&mode.as_str()),
                    "{path}: {mode}"
                );
            }
        }
        assert_eq!(on_host(&estate, host, estate.password()), "");
    }
}

/// A stand-in for `pass` that gives what a file beside it holds, and tells how often it was asked.
const PASS: &str = "#!/bin/sh
echo \"$*\" >>\"$HOME/asked\"
cat \"$HOME/store/$2\" || { echo \"Error: $2 is not in the password store.\" >&2; exit 1; }
";

#[test]
fn a_secret_of_a_password_store_reaches_its_file_and_nothing_else() {
    let estate = Estate::new(&["one"]);
    let [director, monitor] = [(); 2].map(|()| secret());
    // The password that prov logs in and becomes root with is from there, too.
    estate.inventory_with_password(
        "{secret_from: pass, name: sudo}",
        "roles: {backup_client: [one]}\n",
    );
    estate.write(
        "groups/all.yml",
        "backup_director_name: d\nbackup_monitor_name: m\n",
    );
    estate.write(
        "hosts/one.yml",
        "backup_client_director_password: {secret_from: pass, name: director}\n\
         backup_client_monitor_password: {secret_from: pass, name: monitor}\n",
    );
    estate.write_home("pass", PASS);
    let pass = estate.path("home/pass");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&pass, permissions).unwrap();
    for (name, text) in [
        ("sudo", estate.password()),
        ("director", &director),
        ("monitor", &monitor),
    ] {
        estate.write_home(&format!("store/firm/{name}"), &format!("{text}\n"));
    }
    let asked = || std::fs::read_to_string(estate.path("home/asked")).unwrap_or_default();

    estate.prov(["check"]).run().exits(0);
    let refused = estate.prov(["deploy"]).run();
    refused.exits(1).says("you have allowed it no such command");
    assert_eq!(asked(), "");
    estate.write_home(
        ".config/prov/secrets.yml",
        &format!(
            "{}: {{pass: [{}, show, 'firm/{{name}}']}}\n",
            estate.path_text("estate"),
            pass.display()
        ),
    );
    estate.deploy();
    assert_eq!(
        asked(),
        "show firm/sudo\nshow firm/director\nshow firm/monitor\n"
    );
    let container = estate.container("one");
    docker(&["exec", "--detach", &container, "sh", "-c", SAMPLER], "");
    let plan = estate.path_text("state/plan");
    let mut said = Vec::new();
    for arguments in [
        &["-vvv", "diff", "--out", &plan][..],
        &["-vvv", "apply", "--plan", &plan],
        &["--output", "json", "diff"],
    ] {
        let ran = estate.prov(arguments).run();
        ran.exits(0);
        said.push(ran.told());
    }
    estate.on("one", "rm /run/sample");
    said.push(estate.on(
        "one",
        "tr '\\0' '\\n' </dev/shm/samples; rm /dev/shm/samples",
    ));
    assert!(said.iter().any(|text| text.contains("apt-get")));
    for hidden in [director.as_str(), &monitor, estate.password()] {
        for text in &said {
            assert!(!text.contains(hidden), "a secret in:\n{text}");
        }
        search(&estate.path("state"), &mut |path, bytes| {
            assert!(!contains(bytes, hidden), "a secret in {}", path.display());
        });
    }
    for (hidden, files) in [
        (director.as_str(), CONFIGURATION),
        (&monitor, CONFIGURATION),
        (estate.password(), ""),
    ] {
        assert_eq!(on_host(&estate, "one", hidden).trim_end(), files);
    }

    // What the store has no more is said with the command, and nothing is done.
    std::fs::remove_file(estate.path("home/store/firm/monitor")).unwrap();
    let failed = estate.prov(["apply"]).run();
    failed
        .exits(1)
        .says("hosts/one.yml:2: backup_client_monitor_password: `")
        .says("ended with 1: Error: firm/monitor is not in the password store.")
        .never_says(&director);
}
