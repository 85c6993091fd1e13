//! A host under systemd, as servers are: what Debian's packages start, what is restarted, what is left alone.

use end_to_end::{Server, until};

#[test]
fn a_server_under_systemd_is_applied_restarted_and_protected_from_a_bad_configuration() {
    let server = Server::boot("roles: {dns: [one]}\n");
    server.domain("first.test");
    let preview = server.servers.prov(["--output", "json", "diff"]).run();
    preview.exits(0);
    assert_eq!(
        preview.handlers("one"),
        ["reload dnsmasq", "restart dnsmasq"],
        "{}",
        preview.told()
    );
    server.apply().exits(0);
    assert!(server.is("is-active", "dnsmasq") && server.is("is-enabled", "dnsmasq"));
    server.apply().exits(0).unchanged("one");

    let first = server.process("dnsmasq");
    server.domain("second.test");
    let changed = server.apply();
    changed.changed("one", &["file /etc/dnsmasq.d/estate.conf"]);
    assert_eq!(changed.handlers("one"), ["restart dnsmasq"]);
    let second = server.process("dnsmasq");
    assert_ne!(first, second);

    // A template with an option that dnsmasq does not know: refused, put back, the daemon not touched.
    server.servers.write(
        "templates/dns/estate.conf",
        "domain={{ domain }}\nno-such-option\n",
    );
    let refused = server.apply();
    refused.exits(1).failed("one", &["bad option", "put back"]);
    assert!(
        server
            .estate
            .holds("one", "grep -q second.test /etc/dnsmasq.d/estate.conf")
    );
    assert_eq!(server.process("dnsmasq"), second);
    std::fs::remove_file(server.servers.path("estate/templates/dns/estate.conf"))
        .unwrap_or_else(|error| panic!("{error}"));
    server.apply().exits(0).unchanged("one");

    server.estate.on("one", "systemctl disable --now dnsmasq");
    until("dnsmasq has stopped", || !server.is("is-active", "dnsmasq"));
    let started = server.apply();
    started.changed("one", &["service dnsmasq"]);
    assert!(server.is("is-active", "dnsmasq") && server.is("is-enabled", "dnsmasq"));

    // Another's mistake: the daemon does not start, and its own words say why.
    let own = "/etc/dnsmasq.d/own.conf";
    server.estate.on(
        "one",
        &format!("echo bogus-option >{own}; systemctl stop dnsmasq"),
    );
    server.apply().exits(1).failed(
        "one",
        &[
            "service dnsmasq",
            "bad option at line 1 of /etc/dnsmasq.d/own.conf",
        ],
    );
    server
        .estate
        .on("one", &format!("rm {own}; systemctl reset-failed dnsmasq"));
    server.apply().exits(0);

    // A masked service fails, and everything else is done.
    server.estate.on("one", "systemctl mask --now dnsmasq");
    server.domain("third.test");
    let masked = server.apply();
    masked
        .exits(1)
        .failed("one", &["masked", "systemctl unmask dnsmasq"]);
    let done = masked.changes("one");
    assert!(
        done.contains(&"file /etc/dnsmasq.d/estate.conf".to_owned()),
        "{}",
        masked.told()
    );
    units_are_told_apart(&server);

    // What an earlier run left for a role that is gone is dropped, and said.
    let left = r#"{"name":"restart gone","action":{"restart":"gone"},"validate":["false"]}"#;
    server.estate.on(
        "one",
        &format!(
            "mkdir -p /var/lib/prov; echo '{left}' >/var/lib/prov/pending; systemctl unmask dnsmasq"
        ),
    );
    let preview = server.servers.prov(["diff"]).run();
    preview.exits(0).says("drops     restart gone");
    let applied = server.apply();
    applied.exits(0).says("restart gone");
    assert_eq!(applied.host("one")["dropped_handlers"][0], "restart gone");
    server.apply().exits(0).unchanged("one");
}

/// Builds two packages, each in two versions, and an archive of the newer ones; that of one is for security.
const ARCHIVES: &str = r#"
arch=$(dpkg --print-architecture)
for name in sample-plain sample-fixed; do for version in 1.0 2.0; do
    mkdir -p /srv/$name-$version/DEBIAN
    printf 'Package: %s
Version: %s
Architecture: all
Maintainer: e2e <root@localhost>
Description: sample
'         $name $version >/srv/$name-$version/DEBIAN/control
    dpkg-deb --build /srv/$name-$version /srv/${name}_$version.deb >/dev/null
done; dpkg -i /srv/${name}_1.0.deb >/dev/null; done
for kind in plain:own:own fixed:Debian-Security:$(. /etc/os-release; echo $VERSION_CODENAME)-security; do
    name=sample-${kind%%:*}; rest=${kind#*:}; label=${rest%%:*}; suite=${rest#*:}; folder=/srv/$label
    binary=main/binary-$arch; dist=$folder/dists/$suite; mkdir -p $dist/$binary; cp /srv/${name}_2.0.deb $folder/
    { dpkg-deb -f $folder/${name}_2.0.deb; echo "Filename: ${name}_2.0.deb"; echo "Size: $(stat -c %s $folder/${name}_2.0.deb)"
      echo "SHA256: $(sha256sum <$folder/${name}_2.0.deb | cut -d ' ' -f 1)"; } >$dist/$binary/Packages
    { printf 'Origin: %s
Label: %s
Suite: %s
Codename: %s
Date: %s
Architectures: %s
Components: main
SHA256:
'         $label $label $suite $suite "$(date -Ru)" $arch
      echo " $(sha256sum <$dist/$binary/Packages | cut -d ' ' -f 1) $(stat -c %s $dist/$binary/Packages) $binary/Packages"; } >$dist/Release
    echo "deb [trusted=yes] file:$folder $suite main" >/etc/apt/sources.list.d/$name.list
done
apt-get -q update >&2
"#;

#[test]
fn security_updates_come_alone_and_a_server_that_wants_it_is_started_again() {
    let server = Server::boot("roles: {dns: [one]}\n");
    server.domain("first.test");
    server.apply().exits(0);
    // Whatever else is pending since the image was made.
    server.servers.prov(["upgrade"]).run().exits(0);
    server.estate.on("one", ARCHIVES);
    let versions = || {
        server.estate.on(
            "one",
            "dpkg-query -W -f '${Package} ${Version} ' sample-fixed sample-plain",
        )
    };
    assert_eq!(versions(), "sample-fixed 1.0 sample-plain 1.0 ");
    let security = ["upgrade", "--security"];
    let preview = server.servers.prov(security).args(["--diff"]).run();
    preview
        .exits(0)
        .says("sample-fixed")
        .never_says("sample-plain 1.0");
    server.servers.prov(security).run().exits(0);
    assert_eq!(versions(), "sample-fixed 2.0 sample-plain 1.0 ");

    // It is not started again where nothing wants it.
    let begun = || server.estate.on("one", "cut -d ' ' -f 22 /proc/1/stat");
    let before = begun();
    let quiet = server
        .servers
        .prov(["upgrade", "--security", "--reboot"])
        .run();
    quiet.exits(0).never_says("started again");
    assert_eq!(begun(), before);
    server.estate.on("one", "touch /run/reboot-required");
    let packages = server.servers.prov(["packages"]).run();
    packages
        .exits(0)
        .says("wanted")
        .says("1 pending, 0 of them");
    let upgraded = server.servers.prov(["upgrade", "--reboot"]).run();
    upgraded.exits(0).says("one   started again, back after");
    assert_ne!(begun(), before);
    assert_eq!(versions(), "sample-fixed 2.0 sample-plain 2.0 ");
    until("the name server is back", || {
        server.is("is-active", "dnsmasq")
    });
    server.apply().exits(0).unchanged("one");
}

/// Units of every kind, one resource each.
fn units_are_told_apart(server: &Server) {
    let unit = |name: &str, text: &str| {
        server.estate.on(
            "one",
            &format!("printf '{text}' >/etc/systemd/system/{name}; systemctl daemon-reload"),
        );
    };
    let task = |arguments: &[&str]| {
        let mut all = vec!["--output", "json", "task", "service"];
        all.extend(arguments);
        server.servers.prov(all).run()
    };
    let fails = |arguments: &[&str], words: &[&str]| {
        task(arguments).exits(1).failed("one", words);
    };
    let settles = |arguments: &[&str]| {
        task(arguments).exits(0);
        task(arguments).exits(0).unchanged("one");
    };
    let install = "[Install]\\nWantedBy=multi-user.target\\n";
    unit(
        "noinstall.service",
        "[Service]\\nExecStart=/bin/sleep 1000\\n",
    );
    settles(&["name=noinstall", "enabled=false"]);
    fails(&["name=noinstall"], &["cannot be enabled", "[Install]"]);
    unit(
        "once.service",
        &format!("[Service]\\nType=oneshot\\nExecStart=/bin/true\\n{install}"),
    );
    fails(&["name=once"], &["does something and ends"]);
    settles(&["name=once", "running=false"]);
    unit(
        "stays.service",
        &format!(
            "[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n{install}"
        ),
    );
    settles(&["name=stays"]);
    unit(
        "dies.service",
        "[Service]\\nExecStart=/bin/sh -c \"echo no luck today; exit 7\"\\n",
    );
    fails(
        &["name=dies", "enabled=false"],
        &["exit code 7", "no luck today"],
    );
    unit(
        "killed.service",
        "[Service]\\nType=forking\\nExecStart=/bin/sh -c \"echo farewell; kill -KILL $$$$\"\\n",
    );
    fails(&["name=killed", "enabled=false"], &["signal", "farewell"]);
    unit(
        "loops.service",
        "[Service]\\nExecStart=/bin/false\\nRestart=always\\nRestartSec=5\\n",
    );
    fails(&["name=loops", "enabled=false"], &["exit code 1"]);
    settles(&["name=loops", "running=false", "enabled=false"]);
    unit(
        "never.service",
        "[Unit]\\nConditionPathExists=/nowhere\\n[Service]\\nExecStart=/bin/sleep 1000\\n",
    );
    fails(
        &["name=never", "enabled=false"],
        &["unmet condition", "/nowhere"],
    );
    unit("bad.service", "[Service]\\nType=simple\\n");
    fails(&["name=bad"], &["/etc/systemd/system/bad.service"]);
    unit(
        "tick.timer",
        "[Timer]\\nOnCalendar=yearly\\nUnit=once.service\\n[Install]\\nWantedBy=timers.target\\n",
    );
    settles(&["name=tick.timer"]);
    unit("e2e.slice", "[Slice]\\n");
    settles(&["name=e2e.slice", "enabled=false"]);
    unit(
        "x@.service",
        &format!("[Service]\\nExecStart=/bin/sleep 1000\\n{install}"),
    );
    settles(&["name=x@y.service"]);
    // The file of a package is masked; what an administrator wrote stands where the mask would be.
    settles(&["name=cron", "masked=true"]);
    assert!(!server.is("is-active", "cron"));
    settles(&["name=cron", "masked=false"]);
    fails(
        &["name=loops", "masked=true"],
        &["already exists", "remove that file"],
    );
}

/// Everything that an office would have on its own server.
const OFFICE: &str = "roles: {backup_client: all, mta: all, database: all, dns: all, calendar: all, mail: all, \
                      mail_internal: all, backup_director: all, backup_storage: all}\n";

const OF_OFFICE: &str = "home_domain: office.test\nhome_domain_admin_user: keeper\noffice_subnet: 192.0.2.0/24\n\
                         office_users: []\ncalendar_access: open\ndns_upstream_nameservers: []\n\
                         mta_configtype: internet\n\
                         backup_director_name: bacula-dir\nbackup_monitor_name: bacula-mon\n\
                         backup_storage_name: bacula-sd\nbackup_database_host: one\n";

const SECRETS_OF_OFFICE: &str = "backup_database_password: 'sample 1'\nbackup_director_console_password: 'sample 2'\n\
                                 backup_storage_password: 'sample 3'\nbackup_client_director_password: 'sample 4'\n\
                                 backup_client_monitor_password: 'sample 5'\n";

/// The director's package starts it before there is a catalogue, and its own unit would not let it start without.
#[test]
fn an_office_has_one_server_for_everything_and_its_director_finds_the_catalogue() {
    let server = Server::boot(OFFICE);
    server.servers.write("groups/all.yml", OF_OFFICE);
    let secrets = |text: &str| server.servers.write("groups/all.private.yml", text);
    secrets(SECRETS_OF_OFFICE);
    server.apply().exits(0);
    let daemons = [
        "bacula-fd",
        "bacula-sd",
        "bacula-director",
        "mariadb",
        "dnsmasq",
        "radicale",
        "exim4",
        "dovecot",
        "cron",
    ];
    for daemon in daemons {
        assert!(server.is("is-active", daemon), "{daemon}");
    }
    let first = server.process("bacula-director");
    server.apply().exits(0).unchanged("one");
    assert_eq!(server.process("bacula-director"), first);
    let answered = server.estate.on("one", "echo 'list clients' | bconsole");
    assert!(answered.contains("one-fd"), "{answered}");

    // Another catalogue's password: the director is restarted, and gets in.
    secrets(&SECRETS_OF_OFFICE.replace("sample 1", "sample 9"));
    server.apply().exits(0);
    assert_ne!(server.process("bacula-director"), first);
    let answered = server.estate.on("one", "echo 'list clients' | bconsole");
    assert!(answered.contains("one-fd"), "{answered}");
    server.apply().exits(0).unchanged("one");
}

/// What is in front of an office, without its mail.
const OUTSIDE: &str = "roles: {mta: all, database: all, reverse_proxy: all, wordpress: all}\n";

const OF_OUTSIDE: &str = "home_domain: office.test\nhome_domain_admin_user: keeper\n\
                          reverse_proxy_uses_ssl: false\nwordpress_ports: [8080]\n\
                          mta_configtype: smarthost\nmta_use_split_config: true\n\
                          mta_smarthost: {hostname: gateway.test, port: 587}\n";

#[test]
fn a_web_server_behind_its_proxy_becomes_a_mail_server_too() {
    let server = Server::boot(OUTSIDE);
    server.servers.write("groups/all.yml", OF_OUTSIDE);
    server.apply().exits(0);
    // Both packages want port 80.
    let listening = |port: u16| {
        format!("ss --listening --tcp --numeric '( sport = :{port} )' | grep -q LISTEN")
    };
    for (daemon, port) in [("nginx", 80), ("apache2", 8080), ("mariadb", 3306)] {
        assert!(server.is("is-active", daemon), "{daemon}");
        assert!(server.estate.holds("one", &listening(port)), "{port}");
    }
    server.apply().exits(0).unchanged("one");

    // The daemon that mailboxes need is in conflict with the light one, which goes.
    let file = server.servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    let more = "mail: all, mail_external: all, mail_certificates: all}\n";
    server.servers.write(
        "estate.yml",
        &text.replace("wordpress: all}\n", &format!("wordpress: all, {more}")),
    );
    let preview = server.servers.prov(["--output", "json", "diff"]).run();
    preview.exits(0).says("-exim4-daemon-light");
    server.apply().exits(0);
    for (daemon, port) in [("exim4", 465), ("dovecot", 993), ("apache2", 8080)] {
        assert!(server.is("is-active", daemon), "{daemon}");
        assert!(server.estate.holds("one", &listening(port)), "{port}");
    }
    server.apply().exits(0).unchanged("one");
}
