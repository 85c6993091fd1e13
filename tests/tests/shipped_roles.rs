//! The roles that are part of prov and described by files: each is previewed, applied, proved, broken by hand, repaired and taken away
//! on a server under systemd.

use end_to_end::{Ran, Server, binary, docker};

/// What is tried of a role.
struct Tried {
    role: &'static str,
    /// Variables of the host.
    variables: &'static str,
    /// How an administrator breaks it, and what its checks say then, parted by semicolons.
    broken: &'static [(&'static str, &'static str)],
    /// What is gone after the role has left: paths.
    gone: &'static [&'static str],
    /// And packages.
    packages: &'static [&'static str],
}

const TRIED: [Tried; 10] = [
    Tried {
        role: "time",
        // The clock is the machine's; nothing is sent to the Internet.
        variables: "time_zone: Europe/Berlin\ntime_servers: [127.0.0.2]\ntime_clients: [10.0.0.0/8]\ntime_sets_clock: false\n",
        broken: &[
            (
                "systemctl stop chrony; ln -sfn /usr/share/zoneinfo/Etc/UTC /etc/localtime",
                "the clock is that of a time server;the time zone is the one",
            ),
            (
                "sed -i /^allow/d /etc/chrony/prov.conf; systemctl restart chrony",
                "the time is told to who asks",
            ),
        ],
        gone: &[
            "/etc/chrony/prov.conf",
            "/etc/systemd/system/chrony.service.d",
        ],
        packages: &["chrony"],
    },
    Tried {
        role: "locale",
        variables: "locale_default: de_DE.UTF-8\nlocale_others: [en_GB.UTF-8]\nlocale_variables: {LC_MESSAGES: C.UTF-8}\n",
        broken: &[(
            "localedef --delete-from-archive en_GB.utf8
                 sed -i s/^LANG=.*/LANG=C.UTF-8/ $(readlink -f /etc/default/locale)",
            "programs can speak en_GB.UTF-8;programs speak de_DE.UTF-8 where nobody says otherwise",
        )],
        gone: &["/usr/lib/locale/locale-archive"],
        // PostgreSQL, which stays until `apt-get autoremove`, needs it on Debian 12.
        packages: &[],
    },
    Tried {
        role: "updates",
        variables: "updates_all: true\nupdates_never: [linux-, nginx]\nupdates_restart_at: '04:30'\nupdates_mail: admin@home.test\n",
        broken: &[(
            "echo 'APT::Periodic::Unattended-Upgrade \"0\";' >/etc/apt/apt.conf.d/60updates; systemctl stop apt-daily-upgrade.timer",
            "updates are to be installed every day;apt-daily-upgrade.timer runs",
        )],
        gone: &["/etc/apt/apt.conf.d/60updates"],
        packages: &["unattended-upgrades"],
    },
    Tried {
        role: "vantage",
        variables: "",
        broken: &[("apt-get -qq -y remove swaks", "swaks is there")],
        gone: &[],
        packages: &["swaks", "lynx", "chromium-headless-shell", "bind9-dnsutils"],
    },
    Tried {
        role: "ssh_server",
        // prov logs in by a password here.
        variables: "ssh_server_passwords_from: [10.0.0.0/8]\nssh_server_root: never\nssh_server_accounts: [keeper, ada]\n",
        broken: &[(
            "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/10-prov.conf; systemctl reload ssh",
            "passwords are not to be taken;root cannot log in;ada is let in;the server at port 22 asks for a key",
        )],
        gone: &["/etc/ssh/sshd_config.d/10-prov.conf"],
        packages: &["openssh-server"],
    },
    Tried {
        role: "staff",
        variables: "staff_accounts: {ada: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDGf6zTSCE/z0zPTyNTYyTfJIJ1RsNYRPbtkgFD8Bn0h ada@laptop']}\nstaff_sudo: [ada]\nstaff_former: {eve: locked, mallory: removed}\n",
        broken: &[(
            "sed -i /laptop/d /home/ada/.ssh/authorized_keys; rm /etc/sudoers.d/staff; chsh -s /bin/sh eve; useradd mallory",
            "ada can log in by key;ada may become root;eve cannot log in;mallory has no account",
        )],
        gone: &["/etc/sudoers.d/staff"],
        packages: &[],
    },
    Tried {
        role: "fail2ban",
        variables: "fail2ban_tries: 3\nfail2ban_trusted: [10.0.0.0/8]\n",
        broken: &[
            ("systemctl stop fail2ban", "sshd is watched"),
            (
                "sed -i 's/^maxretry.*/maxretry = 9/' /etc/fail2ban/jail.d/prov.local; systemctl reload fail2ban",
                "3 failures of sshd are too many",
            ),
        ],
        gone: &["/etc/fail2ban/jail.d/prov.local"],
        packages: &["fail2ban"],
    },
    Tried {
        role: "monitoring",
        variables: "monitoring_port: 9200\nmonitoring_without: [wifi]\n",
        broken: &[(
            "systemctl stop prometheus-node-exporter",
            "one tells its figures",
        )],
        gone: &["/etc/systemd/system/prometheus-node-exporter.service.d"],
        packages: &["prometheus-node-exporter"],
    },
    Tried {
        role: "postgresql",
        variables: "postgresql_users: {shop: a-password, old: another}\npostgresql_databases: {shop: shop}\npostgresql_settings: [shared_buffers = 16MB]\n",
        broken: &[
            ("systemctl stop postgresql", "PostgreSQL answers"),
            (
                "runuser -u postgres -- psql -qc 'alter database shop owner to postgres' -c 'drop role old'",
                "shop is there and belongs to shop;old can log in",
            ),
        ],
        gone: &["/etc/postgresql/*/main/conf.d/prov.conf"],
        packages: &["postgresql"],
    },
    Tried {
        role: "watch",
        variables: "watch_minutes: 60\nwatch_only: [locale]\n",
        broken: &[(
            "sed -i s,/srv/estate,/nowhere, /etc/systemd/system/prov-watch.service; systemctl daemon-reload
                 systemctl stop prov-watch.timer; systemctl start prov-watch || :
                 touch -d '1 day ago' /var/lib/prometheus/node-exporter/prov.prom",
            "the timer runs;the results are fresh;the last run had an estate that is valid",
        )],
        gone: &[
            "/etc/systemd/system/prov-watch.service",
            "/etc/systemd/system/prov-watch.timer",
        ],
        packages: &[],
    },
];

const DIFF: [&str; 3] = ["--output", "json", "diff"];

/// Runs a time server beside the host's own, at an address of its own.
const TIME_SERVER: &str = "
printf '%s\\n' 'local stratum 8' allow 'bindaddress 127.0.0.2' 'bindcmdaddress /' 'cmdport 0' 'user root' 'pidfile /run/other.pid' >/run/other.conf
chronyd -x -f /run/other.conf
# Whom it has not reached at first it asks again a minute later.
systemctl restart chrony
";

const FOUND: &str = "apt-get -qq update; apt-get -qq -y install chrony prometheus-node-exporter
useradd -m eve; useradd -m mallory";

const UNITS: &str = "systemctl list-unit-files --no-legend --state=enabled | sed 's/ .*/ is enabled/'
systemctl list-units --no-legend --plain --type=service,timer --state=active | sed 's/ .*/ is active/'";

fn roles() -> String {
    let roles = TRIED.iter().map(|tried| format!("{}: [one]", tried.role));
    format!("roles: {{{}}}\n", roles.collect::<Vec<_>>().join(", "))
}

fn verify(server: &Server, role: &str) -> Ran {
    // The same host is a container to the other estate, from which its checks are made.
    let verify = ["--output", "json", "verify", role];
    server.estate.prov(verify).run()
}

#[test]
fn every_role_is_applied_proved_broken_repaired_and_taken_away() {
    let server = Server::boot(&roles());
    let variables: String = TRIED.iter().map(|tried| tried.variables).collect();
    server.servers.write("groups/all.yml", &variables);
    server.estate.inventory(&roles());
    server.estate.write("groups/all.yml", &variables);
    // What a role finds there already is not its to take away.
    server.estate.on("one", FOUND);
    watched(&server);
    let before = Before::of(&server);

    let preview = server.servers.prov(DIFF).run();
    preview.exits(0);
    let applied = server.apply();
    applied.exits(0);
    // The locales of a package that is still to come are not known.
    let known = |change: &String| !change.starts_with("locale ");
    let done: Vec<_> = applied.changes("one").into_iter().filter(known).collect();
    let shown: Vec<_> = preview.changes("one").into_iter().filter(known).collect();
    assert_eq!(shown, done, "{}", preview.told());
    server.apply().exits(0).unchanged("one");
    server.servers.prov(DIFF).run().exits(0).unchanged("one");
    server.estate.on("one", TIME_SERVER);
    for tried in &TRIED {
        verify(&server, tried.role).exits(0);
    }
    for tried in &TRIED {
        for (script, check) in tried.broken {
            server.estate.on("one", script);
            let red = verify(&server, tried.role);
            red.exits(1);
            let failed = red.failed_checks();
            for check in check.split(';') {
                assert!(
                    failed.iter().any(|shows| shows.starts_with(check)),
                    "{check}: {failed:?} {}",
                    red.told()
                );
            }
            server.apply().exits(0);
            verify(&server, tried.role).exits(0);
        }
    }
    what_does_not_hold_is_seen_by_the_timer(&server);
    server.apply().exits(0).unchanged("one");
    leave(&server, &before);
}

/// Puts prov onto the host, and the estate that it is to watch.
fn watched(server: &Server) {
    let estate = &server.estate;
    server
        .servers
        .write("known_hosts", &estate.known_host("one"));
    for (from, to) in [
        (binary().display().to_string(), "/usr/local/bin/prov"),
        (server.servers.path_text("estate"), "/srv/estate"),
    ] {
        let to = format!("{}:{to}", estate.container("one"));
        docker(&["cp", "--quiet", &from, &to], "");
    }
}

/// The unit fails, and the metrics say why.
fn what_does_not_hold_is_seen_by_the_timer(server: &Server) {
    let metrics = "/var/lib/prometheus/node-exporter/prov.prom";
    let passed = |value: u8| {
        let lines = format!("grep -c '^prov_check_passed.* {value}$' {metrics} || :");
        server.estate.on("one", &lines).trim().to_owned()
    };
    assert_eq!((passed(1).as_str(), passed(0).as_str()), ("3", "0"));
    let spoil = "sed -i s/^LANG=.*/LANG=C.UTF-8/ $(readlink -f /etc/default/locale); systemctl start prov-watch || :";
    server.estate.on("one", spoil);
    assert!(server.is("is-failed", "prov-watch"));
    assert_eq!((passed(1).as_str(), passed(0).as_str()), ("2", "1"));
    // Everybody may read it, as node exporter must.
    let mode = format!("stat -c '%a %U' {metrics}");
    assert_eq!(server.estate.on("one", &mode), "644 prov\n");
    server.apply().exits(0);
    server.estate.on("one", "systemctl start prov-watch");
    assert_eq!(passed(0), "0");
}

/// What Debian had made of the host before prov came.
struct Before {
    packages: String,
    /// What is started at boot, and what runs.
    units: String,
    /// Configuration of packages that is not as these brought it.
    altered: String,
}

impl Before {
    fn of(server: &Server) -> Self {
        let on = |script| server.estate.on("one", script);
        Self {
            packages: on("dpkg-query -W -f '${Package} '"),
            units: on(UNITS),
            altered: on("dpkg --verify | grep ' c /' || :"),
        }
    }
}

/// All roles leave the host.
fn leave(server: &Server, before: &Before) {
    let file = server.servers.path("estate/estate.yml");
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
    server
        .servers
        .write("estate.yml", &text.replace(&roles(), ""));
    server.servers.write("groups/all.yml", "{}\n");
    server.apply().exits(0);
    for tried in &TRIED {
        for path in tried.gone {
            let there = server.estate.holds("one", &format!("ls -d {path}"));
            assert!(!there, "{}: {path} is still there", tried.role);
        }
        for package in tried.packages {
            let is = format!("dpkg-query -W -f '${{Status}}' {package} | grep -q ' installed$'");
            let there = before.packages.split(' ').any(|one| one == *package);
            assert_eq!(
                server.estate.holds("one", &is),
                there,
                "{}: {package}",
                tried.role
            );
        }
    }
    server.apply().exits(0).unchanged("one");
    let after = Before::of(server);
    for unit in before.units.lines() {
        assert!(after.units.lines().any(|one| one == unit), "{unit}");
    }
    for file in after.altered.lines() {
        assert!(before.altered.lines().any(|one| one == file), "{file}");
    }
}
