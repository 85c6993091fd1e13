//! Secrets reach the one file that they are for, and nothing else: searched for everywhere with random values.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::io::Read as _;

use end_to_end::{Estate, docker, secret};

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
        assert_eq!(on_host(&estate, hidden).trim_end(), files);
    }
    assert_eq!(on_host(&estate, estate.password()), "");
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

/// Lists the files on the host that hold a text.
fn on_host(estate: &Estate, hidden: &str) -> String {
    let container = estate.container("one");
    let search = "grep -rlaF --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev -f - / 2>/dev/null || [ $? = 1 ]";
    docker(&["exec", "-i", &container, "sh", "-c", search], hidden)
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
