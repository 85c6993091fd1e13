//! Copies leave the office by a folder that Dropbox synchronises, and from that folder alone everything comes back: the steps of
//! `docs/recovery.md`, against a stand-in for Dropbox.

use end_to_end::{Estate, docker, docker_fails, until};

const FOLDER: &str = "/var/lib/bacula/Dropbox";

/// A director with everything that belongs to it, and a host that it backs up.
fn estate() -> Estate {
    let estate = Estate::new(&["office", "desk"]);
    estate.inventory_with_stand_in(
        "dropbox",
        "services: {backup: [office, desk]}\n\
         roles:\n  dns: [office]\n  database: [office]\n  backup_client: all\n  backup_director: [office]\n  \
         backup_storage: [office]\n  backup_dropbox: [office]\n",
    );
    // The digests are those of the sample.
    let sample = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../estate/docker/groups/all.yml"
    );
    let sample = std::fs::read_to_string(sample).unwrap_or_else(|error| panic!("{error}"));
    let dropbox = sample
        .lines()
        .filter(|line| line.starts_with("backup_dropbox_"));
    let dropbox = dropbox.map(|line| line.replace("10.0.0.202", &estate.stand_in()) + "\n");
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: home.test\ndns_upstream_nameservers: []\nbackup_director_name: bacula-dir\n\
             backup_monitor_name: bacula-mon\nbackup_storage_name: bacula-sd\nbackup_database_host: office\n\
             backup_director_retention: {{weekly: 40}}\nbackup_director_mails_errors_only: true\n{}",
            dropbox.collect::<String>()
        ),
    );
    estate.write(
        "hosts/desk.yml",
        "backup_client_paths: [/srv/own]\nbackup_client_scheduled: false\n",
    );
    estate.write(
        "groups/all.private.yml",
        "backup_database_password: 'sample 1'\nbackup_director_console_password: 'sample 2'\n\
         backup_storage_password: 'sample 3'\nbackup_client_director_password: 'sample 4'\n\
         backup_client_monitor_password: 'sample 5'\nbackup_monitor_director_password: 'sample 6'\n",
    );
    estate
}

/// Types lines into the console; gives what it says.
fn console(estate: &Estate, lines: &str) -> String {
    estate.on(
        "office",
        &format!("bconsole <<'END'\n{lines}\nwait\nmessages\nEND\n"),
    )
}

#[test]
fn what_has_left_the_office_is_enough_to_get_everything_back() {
    let estate = estate();
    estate.deploy();
    bring_up(&estate, &[]);
    the_account_is_linked_and_narrowed(&estate);
    variables_say_what_is_kept_and_what_runs(&estate);
    the_monitor_may_ask_for_the_status_alone(&estate);

    estate.on("desk", "mkdir /srv/own; echo old >/srv/own/file");
    for job in ["desk", "office"] {
        console(&estate, &format!("run job={job} yes"));
    }
    console(&estate, "run job=copy-weekly yes");
    // What has changed since then belongs to it.
    estate.on("desk", "echo kept >/srv/own/file");
    console(&estate, "run job=desk yes");
    for job in ["copy-daily", "catalogue", "copy-catalogue"] {
        console(&estate, &format!("run job={job} yes"));
    }
    let files = estate.on("office", &format!("ls {FOLDER}/bacula"));
    for name in [
        "desk-archive.bsr",
        "desk-copies.bsr",
        "office-copies.bsr",
        "catalogue-copies.bsr",
    ] {
        assert!(files.contains(name), "{files}");
    }
    let folder = estate.on("office", &format!("tar -C {FOLDER} -c bacula | base64"));

    // The director burns down, and the host loses a file.
    estate.on("desk", "rm -r /srv/own");
    docker(&["rm", "--force", &estate.container("office")], "");
    estate.prov(["deploy", "office"]).run().exits(0);
    bring_up(&estate, &["office"]);
    estate.on(
        "office",
        &format!(
            "base64 -d <<'END' | tar -C {FOLDER} -x\n{folder}END\nchown -R bacula:bacula {FOLDER}"
        ),
    );
    estate.on("office", "/usr/local/lib/bacula/read-copies >&2");
    let said = console(
        &estate,
        "restore client=desk-fd where=/ replace=always select current all done yes",
    );
    assert!(said.contains("Restore OK"), "{said}");
    assert_eq!(estate.on("desk", "cat /srv/own/file"), "kept\n");
    // The password that was good for reading is gone, and nothing of it is left.
    estate
        .prov(["--output", "json", "apply"])
        .run()
        .unchanged("office");
    let status = console(&estate, "list jobs");
    assert!(status.contains("desk"), "{status}");

    // Without a catalogue, a job's file says where its parts are.
    estate.on(
        "office",
        &format!(
            "mkdir /var/tmp/back; bextract -b {FOLDER}/bacula/desk-copies.bsr -c /etc/bacula/bacula-sd.conf copies /var/tmp/back >&2"
        ),
    );
    assert_eq!(
        estate.on("office", "cat /var/tmp/back/srv/own/file"),
        "kept\n"
    );
}

fn bring_up(estate: &Estate, hosts: &[&str]) {
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).args(hosts).run().exits(0);
    }
}

fn the_account_is_linked_and_narrowed(estate: &Estate) {
    // Nothing has come, so nothing can be left out.
    let early = estate.prov(["dropbox", "exclude"]).run();
    early
        .exits(1)
        .says("no folder was left out")
        .says("Waiting to be linked");
    let running = estate.prov(["dropbox", "link"]).start();
    let link = || {
        let said = running.output_so_far();
        let (_, rest) = said.split_once("Please visit ")?;
        Some(rest.split_once(' ')?.0.to_owned())
    };
    until("the link is shown", || link().is_some());
    let visit = format!(
        "perl -MHTTP::Tiny -e 'print HTTP::Tiny->new->get(\"{}\")->{{content}}'",
        link().unwrap_or_default()
    );
    let answer = estate.on("office", &visit);
    assert_eq!(answer, "Your computer was linked.\n");
    let linked = running.wait();
    linked.exits(0).says("now linked to Dropbox");
    let excluded = estate.prov(["dropbox", "exclude"]).run();
    excluded.exits(0).says("Dropbox/Photos");
    let folders = || estate.on("office", &format!("ls {FOLDER}"));
    assert_eq!(folders(), "bacula\n");
    // Once more, after the daemon has ended: everything is left out already.
    estate.on("office", "/usr/local/lib/bacula/synchronisation stop >&2");
    estate.prov(["dropbox", "exclude"]).run().exits(0);
    assert_eq!(folders(), "bacula\n");
}

fn variables_say_what_is_kept_and_what_runs(estate: &Estate) {
    let schedules = "sed -n '/^Job {/,/^}/p' /etc/bacula/bacula-dir.conf | grep -E '^  (Name|Schedule) = \"?(desk|office|on-site)'";
    let said = estate.on("office", schedules);
    assert_eq!(
        said,
        "  Name = \"office\"\n  Schedule = \"on-site\"\n  Name = \"desk\"\n"
    );
    let weekly =
        "sed -n '/Name = \"on-site-weekly\"/,/^}/p' /etc/bacula/bacula-dir.conf | grep Retention";
    assert_eq!(
        estate.on("office", weekly),
        "  Volume Retention = 40 days\n"
    );
    let mails = "grep -E '^  mail(onerror)? = ' /etc/bacula/bacula-dir.conf";
    assert_eq!(
        estate.on("office", mails),
        "  mailonerror = root@localhost = all, !skipped\n  mail = root@localhost = alert, error, fatal, security, warning\n"
    );
}

/// A console of the monitor's own name sees how daemons are, and starts nothing.
fn the_monitor_may_ask_for_the_status_alone(estate: &Estate) {
    estate.on(
        "office",
        "cd /etc/bacula; { sed 's/Password = .*/Password = \"not used\"/' bconsole.conf; \
         printf 'Console {\\n Name = bacula-mon\\n Password = \"sample 6\"\\n TLS Enable = yes\\n TLS Require = yes\\n TLS CA Certificate File = /etc/bacula/tls/authority.pem\\n}\\n'; } >/root/monitor.conf",
    );
    let ask = |line: &str| {
        estate.on(
            "office",
            &format!("echo '{line}' | bconsole -c /root/monitor.conf"),
        )
    };
    let status = ask("status director");
    assert!(status.contains("Running Jobs"), "{status}");
    let refused = ask("run job=desk yes");
    assert!(!refused.contains("Job queued"), "{refused}");
    let name = estate.container("office");
    let wrong = "sed -i 's/sample 6/sample 7/' /root/monitor.conf; echo 'status director' | timeout 20 bconsole -c /root/monitor.conf | grep -q 'Running Jobs'";
    assert!(docker_fails(&["exec", &name, "sh", "-c", wrong]));
}
