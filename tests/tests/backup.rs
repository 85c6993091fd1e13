//! Bacula between hosts of both releases: what is lost comes back, every connection is encrypted and certified by the estate, and
//! every check of `prov verify backup` sees what it is there for.

use end_to_end::{Estate, release};

/// The office with the director, the catalogue and the archive, and a server outside, of Debian 12.
const ROLES: &str = "\
services: {backup: [office, outside]}
roles:
  dns: [office]
  database: [office]
  backup_client: [office, outside]
  backup_director: [office]
  backup_storage: [office]
  mta: [office]
";

fn estate() -> Estate {
    let estate = Estate::located(&[("office", "internal"), ("outside", "external")]);
    estate.inventory(ROLES);
    estate.host_has_release("outside", "bookworm");
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\nbackup_director_name: bacula-dir\n\
         home_domain_admin_user: keeper\nmta_configtype: local\nmta_localdelivery: maildir_home\n\
         mta_other_hostnames: [home.test]\n\
         backup_monitor_name: bacula-mon\nbackup_storage_name: bacula-sd\nbackup_database_host: office\n\
         backup_director_schedules_active: false\n",
    );
    estate.write(
        "groups/all.private.yml",
        "backup_database_password: 'sample 1'\nbackup_director_console_password: 'sample 2'\n\
         backup_storage_password: 'sample 3'\nbackup_client_director_password: 'sample 4'\n\
         backup_client_monitor_password: 'sample 5'\n",
    );
    estate
}

/// Runs the checks; gives what those showed that failed.
fn failed(estate: &Estate) -> Vec<String> {
    let ran = estate.prov(["--output", "json", "verify", "backup"]).run();
    let checks = ran.json()["checks"].as_array().cloned();
    let checks = checks.unwrap_or_else(|| panic!("no checks in {}", ran.told()));
    let red = checks.iter().filter(|check| check["passed"] == false);
    let red: Vec<_> = red
        .map(|check| check["shows"].as_str().unwrap_or_default().to_owned())
        .collect();
    // Seen only where the test fails.
    println!("{}", ran.stdout);
    ran.exits(i32::from(!red.is_empty()));
    red
}

/// Changes the configuration of a daemon on a host, behind prov's back.
fn edit(estate: &Estate, host: &str, daemon: &str, file: &str, sed: &str) {
    let script =
        format!("sed -i '{sed}' /etc/bacula/{file}.conf; sv -w 60 restart {daemon} >&2; sleep 2");
    estate.on(host, &script);
}

#[test]
fn daemons_speak_to_each_other_by_tls_alone_and_what_is_lost_comes_back() {
    let estate = estate();
    a_newer_file_daemon_is_refused(&estate);
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);
    let again = estate.prov(["--output", "json", "complete"]).run();
    again.unchanged("office").unchanged("outside");
    assert_eq!(failed(&estate), Vec::<String>::new());
    a_host_of_the_older_release_is_backed_up_and_restored(&estate);
    // To another prov the hosts are servers: a console is the director's own.
    let servers = estate.seen_from(&[]);
    let console = servers.prov(["client", "bconsole"]).run();
    console.exits(0).says("1000 OK").never_says("sample");

    // The key is for root and the daemons, and each side knows the other by the estate's authority.
    for host in ["office", "outside"] {
        let modes = estate.on(host, "cd /etc/bacula/tls; stat -c '%n %a %U:%G' . *");
        let expected = ". 750 root:bacula\nauthority.pem 644 root:root\ncertificate.pem 644 root:root\nkey.pem 640 root:bacula\n";
        assert_eq!(modes, expected);
    }

    // One that encrypts nothing is not spoken to, and does not say that it wants to.
    edit(&estate, "outside", "bacula-fd", "bacula-fd", "/^ *TLS /d");
    let plain = [
        "the file daemon of outside answers the director",
        "outside-fd takes no director without TLS",
    ];
    assert_eq!(failed(&estate), plain);
    let ran = estate.prov(["--output", "json", "apply"]).run();
    ran.changed("outside", &["file /etc/bacula/bacula-fd.conf"]);
    assert_eq!(failed(&estate), Vec::<String>::new());

    // Doors that stand open are seen, too.
    edit(
        &estate,
        "office",
        "bacula-sd",
        "bacula-sd",
        "s/TLS Require = yes/TLS Require = no/",
    );
    edit(
        &estate,
        "office",
        "bacula-director",
        "bacula-dir",
        "/^Director/,/^}/s/TLS Require = yes/TLS Require = no/",
    );
    assert_eq!(
        failed(&estate),
        [
            "a console without TLS is refused",
            "bacula-sd takes no director without TLS"
        ]
    );
    estate.prov(["apply"]).run().exits(0);

    // Another authority's certificate is none: whoever answers at the address of a daemon must be that host.
    estate.on(
        "outside",
        "cd /etc/bacula/tls; cp -p certificate.pem kept; cp -p key.pem kept.key\n\
         openssl req -x509 -new -batch -days 9 -subj \"/CN=$(hostname -i)\" -key key.pem -out certificate.pem 2>/dev/null\n\
         sv -w 60 restart bacula-fd >&2; sleep 2",
    );
    assert_eq!(
        failed(&estate),
        ["the file daemon of outside answers the director"]
    );
    estate.on("outside", "cd /etc/bacula/tls; mv kept certificate.pem; rm kept.key; sv -w 60 restart bacula-fd >&2; sleep 2");
    assert_eq!(failed(&estate), Vec::<String>::new());
}

/// Its storage daemon would not be understood.
fn a_newer_file_daemon_is_refused(estate: &Estate) {
    estate.host_has_release("office", "bookworm");
    estate.host_has_release("outside", "trixie");
    let check = estate.prov(["check"]).run();
    check
        .exits(64)
        .says("host outside")
        .says("bring office to trixie first");
    estate.host_has_release("office", &release());
    estate.host_has_release("outside", "bookworm");
}

/// What the checks do with the host of the catalogue.
fn a_host_of_the_older_release_is_backed_up_and_restored(estate: &Estate) {
    // Gives how a job ended.
    let job = |command: &str| {
        let said = estate.on("office", &format!("echo '{command}' | bconsole"));
        let (_, number) = said.split_once("Job queued. JobId=").unwrap_or_default();
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        let said = estate.on("office", &format!("echo 'wait jobid={number}' | bconsole"));
        assert!(said.contains("JobStatus=OK (T)"), "{command}: {said}");
        number
    };
    estate.on("outside", "echo kept >/etc/apt/lost");
    let number = job("run job=outside yes");
    estate.on("outside", "rm /etc/apt/lost");
    job(&format!(
        "restore client=outside-fd jobid={number} file=/etc/apt/lost where=/ replace=always done yes"
    ));
    assert_eq!(estate.on("outside", "cat /etc/apt/lost"), "kept\n");
    // The report of each has come where root's mail is read.
    let letters = "grep -rlsx 'Subject: Bacula: %s OK of outside-fd .*' /home/keeper/Maildir/new";
    for what in ["Backup", "Restore"] {
        estate.until("office", what, &letters.replace("%s", what));
    }
    let log = estate.on("office", "cat /var/log/bacula/bacula.log");
    assert!(!log.contains("Mail prog"), "{log}");
}
