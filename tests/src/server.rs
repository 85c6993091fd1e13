//! A server: a container whose first process is systemd, and an estate to which it is no container.
//!
//! The container needs a cgroup hierarchy called `systemd` and the rights to mount and to look at daemons. Where the machine
//! does not allow that, the tests that boot one fail and say so; `./check` leaves them out where `PROV_E2E_WITHOUT_SYSTEMD` is set.

use std::path::Path;

use crate::docker::{docker, docker_fails};
use crate::estate::{Estate, Folder};
use crate::prov::Ran;

/// Where cgroup v1 keeps the hierarchy that systemd needs.
const HIERARCHY: &str = "/sys/fs/cgroup/systemd";

/// A host whose first process is systemd, and an estate that knows it as a server.
pub struct Server {
    /// The estate of servers.
    pub servers: Folder,
    image: String,
    /// Owns the network and the container, and takes them down.
    pub estate: Estate,
}

impl Server {
    /// Boots systemd on a host called `one`; the inventory of the estate of servers ends with `more`.
    pub fn boot(more: &str) -> Self {
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
            // Docker's AppArmor profile forbids to mount, whatever the capabilities.
            "--security-opt",
            "apparmor=unconfined",
            // start-stop-daemon(8) asks which program a daemon runs, also one of another account.
            "--cap-add",
            "SYS_PTRACE",
            // Addresses and rules of the firewall are the container's own.
            "--cap-add",
            "NET_ADMIN",
            // Without ::1 the Exim that its package starts waits for it, and cannot be stopped meanwhile.
            "--sysctl",
            "net.ipv6.conf.all.disable_ipv6=0",
            "--sysctl",
            "net.ipv6.conf.lo.disable_ipv6=0",
            "--tmpfs",
            "/run:exec",
            "--tmpfs",
            "/run/lock",
            // A server comes back after it was switched off by itself.
            "--restart",
            "always",
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
        assert!(
            !refused && server.is_up(),
            "systemd cannot be booted in a container on this machine; it needs the hierarchy {HIERARCHY} (or cgroup v2) \
             and the capability SYS_ADMIN. `PROV_E2E_WITHOUT_SYSTEMD=1 ./check` leaves these tests out."
        );
        server
            .servers
            .write_home(".ssh/known_hosts", &server.estate.known_host("one"));
        server
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

    /// Gives the number of a unit's main process.
    pub fn process(&self, unit: &str) -> String {
        let show = format!("systemctl show --property=MainPID --value {unit}");
        self.estate.on("one", &show)
    }

    /// Tells whether `systemctl WHAT UNIT` succeeds.
    pub fn is(&self, what: &str, unit: &str) -> bool {
        self.estate
            .holds("one", &format!("systemctl {what} {unit}"))
    }

    /// Sets the domain that the name server serves.
    pub fn domain(&self, domain: &str) {
        let text = format!("home_domain: {domain}\ndns_upstream_nameservers: []\n");
        self.servers.write("groups/all.yml", &text);
    }

    /// Runs `prov apply`, for programs to read.
    pub fn apply(&self) -> Ran {
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
