//! A host under systemd, as servers are: what Debian's packages start, what is restarted, what is left alone.
//!
//! The container needs a cgroup hierarchy called `systemd` and the right to mount. Where the machine does not allow that,
//! this test fails and says so; whoever knows it sets `PROV_E2E_WITHOUT_SYSTEMD`, and is told that nothing was tested.

use std::path::Path;

use end_to_end::{Estate, Folder, docker, docker_fails, until};

/// Where cgroup v1 keeps the hierarchy that systemd needs.
const HIERARCHY: &str = "/sys/fs/cgroup/systemd";

/// A host whose first process is systemd, and an estate that knows it as a server.
struct Server {
    servers: Folder,
    image: String,
    /// Owns the network and the container, and takes them down.
    estate: Estate,
}

impl Server {
    /// Boots systemd; `None` where the machine cannot and whoever runs the tests knows it.
    fn boot(more: &str) -> Option<Self> {
        let estate = Estate::deployed(&["one"]);
        let packages = estate.task(["packages", "names=[systemd, systemd-sysv, dbus]"]);
        packages.run().exits(0);
        // A server has nothing that keeps packages from starting daemons; a container has no terminals.
        estate.on(
            "one",
            "rm /usr/sbin/policy-rc.d /etc/service; systemctl enable ssh; \
             systemctl mask systemd-logind getty.target console-getty systemd-udevd",
        );
        let container = estate.container("one");
        let image = format!("{container}-systemd");
        docker(&["commit", &container, &image], "");
        docker(&["rm", "--force", &container], "");
        let (network, address) = (format!("prov-{}", estate.name()), estate.address("one"));
        let mut run = vec!["run", "--detach", "--name", &container, "--hostname", "one"];
        run.extend(["--network", &network, "--ip", &address]);
        run.extend([
            "--cap-add",
            "SYS_ADMIN",
            "--tmpfs",
            "/run:exec",
            "--tmpfs",
            "/run/lock",
        ]);
        let volume = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            run.extend(["--cgroupns", "host"]);
            "/sys/fs/cgroup:/sys/fs/cgroup".to_owned()
        } else {
            make_hierarchy();
            format!("{HIERARCHY}:{HIERARCHY}")
        };
        run.extend(["--volume", &volume, "--entrypoint", "/sbin/init", &image]);
        let servers = estate.as_servers(&estate.connection(), more);
        let server = Self {
            servers,
            image: image.clone(),
            estate,
        };
        let refused = docker_fails(&run);
        if refused || !server.is_up() {
            let told = "systemd cannot be booted in a container on this machine: NOTHING WAS TESTED of hosts under systemd";
            assert!(
                std::env::var_os("PROV_E2E_WITHOUT_SYSTEMD").is_some(),
                "{told}; it needs the hierarchy {HIERARCHY} (or cgroup v2) and the capability SYS_ADMIN. \
                 To go on without, set PROV_E2E_WITHOUT_SYSTEMD."
            );
            eprintln!("{told}");
            return None;
        }
        server
            .servers
            .write_home(".ssh/known_hosts", &server.estate.known_host("one"));
        Some(server)
    }

    fn is_up(&self) -> bool {
        (0..120).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(250));
            let container = self.estate.container("one");
            !docker_fails(&[
                "exec",
                &container,
                "systemctl",
                "is-active",
                "--quiet",
                "ssh",
            ])
        })
    }

    fn process(&self, unit: &str) -> String {
        let show = format!("systemctl show --property=MainPID --value {unit}");
        self.estate.on("one", &show)
    }

    fn is(&self, what: &str, unit: &str) -> bool {
        self.estate
            .holds("one", &format!("systemctl {what} {unit}"))
    }

    fn domain(&self, domain: &str) {
        let text = format!("home_domain: {domain}\ndns_upstream_nameservers: []\n");
        self.servers.write("groups/all.yml", &text);
    }

    fn apply(&self) -> end_to_end::Ran {
        self.servers.prov(["--output", "json", "apply"]).run()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = docker_fails(&["rm", "--force", &self.estate.container("one")]);
        let _ = docker_fails(&["rmi", "--force", &self.image]);
    }
}

/// Mounts the hierarchy where the machine has none; it has no controllers and bothers nobody.
fn make_hierarchy() {
    if Path::new(HIERARCHY).exists() {
        return;
    }
    let script =
        format!("mkdir {HIERARCHY} && mount -t cgroup -o none,name=systemd systemd {HIERARCHY}");
    // Without it the container does not boot, which is told.
    let _ = std::process::Command::new("sh")
        .args(["-c", &script])
        .status();
}

#[test]
fn a_server_under_systemd_is_applied_restarted_and_protected_from_a_bad_configuration() {
    let Some(server) = Server::boot("roles: {dns: [one]}\n") else {
        return;
    };
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

    server.estate.on("one", "systemctl mask --now dnsmasq");
    server
        .apply()
        .exits(1)
        .failed("one", &["masked", "systemctl unmask dnsmasq"]);
}

#[test]
fn a_proxy_and_a_web_server_share_a_host_although_their_packages_want_the_same_port() {
    let Some(server) = Server::boot("roles: {reverse_proxy: [one], wordpress: [one]}\n") else {
        return;
    };
    server.servers.write(
        "groups/all.yml",
        "reverse_proxy_uses_ssl: false\nwordpress_ports: [8080]\n",
    );
    server.apply().exits(0);
    assert!(server.is("is-active", "nginx") && server.is("is-active", "apache2"));
    let listening = |port: u16| {
        format!("ss --listening --tcp --numeric '( sport = :{port} )' | grep -q LISTEN")
    };
    for port in [80, 8080] {
        assert!(server.estate.holds("one", &listening(port)), "{port}");
    }
    server.apply().exits(0).unchanged("one");
}
