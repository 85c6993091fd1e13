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

/// What of an upgrade is killed on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Killed {
    /// All that runs in prov's session.
    Session,
    /// Also the installation of packages, which does not belong to a session.
    Everything,
}

/// Hosts whose first process is systemd, and an estate that knows them as servers.
pub struct Server {
    /// The estate of servers.
    pub servers: Folder,
    booted: Vec<String>,
    /// Owns the network and the containers, and takes them down.
    pub estate: Estate,
}

impl Server {
    /// Boots systemd on a host called `one`; the inventory of the estate of servers ends with `more`.
    pub fn boot(more: &str) -> Self {
        let estate = Estate::deployed(&["one"]);
        let servers = estate.as_servers(&estate.connection(), more);
        Self::boot_hosts(estate, servers, &["one"])
    }

    /// Boots systemd on some hosts of an estate that is deployed; the others stay as they are.
    pub fn boot_hosts(estate: Estate, servers: Folder, hosts: &[&str]) -> Self {
        let packages = estate.task(["packages", "names=[systemd, systemd-sysv, dbus]"]);
        let packages = packages.args(["--limit", &hosts.join(",")]);
        packages.run().exits(0);
        let mut server = Self {
            servers,
            booted: Vec::new(),
            estate,
        };
        for host in hosts {
            server.boot_host(host);
        }
        let known = hosts.iter().map(|host| server.estate.known_host(host));
        let known: String = known.collect();
        server.servers.write_home(".ssh/known_hosts", &known);
        server
    }

    fn boot_host(&mut self, host: &str) {
        let estate = &self.estate;
        // A server has nothing that keeps packages from starting daemons; a container has no terminals.
        estate.on(
            host,
            "rm /usr/sbin/policy-rc.d /etc/service; systemctl enable ssh; \
             systemctl mask systemd-logind getty.target console-getty systemd-udevd",
        );
        let container = estate.container(host);
        let image = image_of(&container);
        docker(&["commit", &container, &image], "");
        docker(&["rm", "--force", &container], "");
        let (network, address) = (format!("prov-{}", estate.name()), estate.address(host));
        let mut run = vec!["run", "--detach", "--name", &container, "--hostname", host];
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
        let refused = docker_fails(&run);
        self.booted.push(container);
        assert!(
            !refused && self.is_up(host),
            "systemd cannot be booted in a container on this machine; it needs the hierarchy {HIERARCHY} (or cgroup v2) \
             and the capability SYS_ADMIN. `PROV_E2E_WITHOUT_SYSTEMD=1 ./check` leaves these tests out."
        );
    }

    fn is_up(&self, host: &str) -> bool {
        (0..120).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(250));
            let container = self.estate.container(host);
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

    /// Kills what works for prov on a host, with a signal that cannot be noticed.
    pub fn kill_work(&self, host: &str, killed: Killed) {
        // What sudo(8) has started, and all below it; the installation is below it, too, and leads a session of its own.
        let below = "ps axww -o pid=,ppid=,comm= | awk -v spared=\"$spared\" '{ parent[$1] = $2; name[$1] = $3 }
            END { for (one in parent) { at = one
                while (at > 1 && at != spared && name[at] != \"sudo\") at = parent[at]
                if (at > 1 && at != spared) print one } }' | xargs -r kill -KILL 2>/dev/null || :";
        let installation = "spared=$(cat /run/prov-upgrade.pid 2>/dev/null || :)";
        let rest = match killed {
            Killed::Session => "",
            Killed::Everything => "[ -z \"$spared\" ] || pkill -KILL -s \"$spared\" || :",
        };
        self.estate
            .on(host, &format!("{installation}\n{below}\n{rest}"));
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

    /// Runs `prov apply`, for programs to read; what it changes is then as the model of a preview has it.
    pub fn apply(&self) -> Ran {
        let ran = self
            .servers
            .prov(["--output", "json", "-vv", "apply"])
            .run();
        ran.as_the_model();
        ran
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for container in &self.booted {
            let _ = docker_fails(&["rm", "--force", container]);
            let _ = docker_fails(&["rmi", "--force", &image_of(container)]);
        }
    }
}

fn image_of(container: &str) -> String {
    format!("{container}-systemd")
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
