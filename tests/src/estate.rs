//! Estates in temporary folders, each with a network, a home directory and a state of its own.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::docker::{docker, secret};
use crate::prov::Prov;
use crate::{must, release};

/// The account that prov logs in as.
const USER: &str = "keeper";

/// The folder of an estate with a home directory and a state for the prov that works on it.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    /// Makes an empty folder.
    #[must_use]
    pub fn new() -> Self {
        let root = must(tempfile::tempdir(), "making a temporary folder");
        for name in ["estate", "home", "state"] {
            must(fs::create_dir(root.path().join(name)), "making a folder");
        }
        Self { root }
    }

    /// Writes a file of the estate; private ones are for their owner only.
    pub fn write(&self, path: &str, text: &str) {
        put(&self.path("estate").join(path), text);
    }

    /// Writes a file in the home directory, for its owner only.
    pub fn write_home(&self, path: &str, text: &str) {
        let path = self.path("home").join(path);
        put(&path, text);
        must(
            fs::set_permissions(&path, Permissions::from_mode(0o600)),
            "setting a mode",
        );
    }

    /// Gives the path of something in the temporary folder: `estate`, `home`, `state`, or what a test puts there.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Gives the same as text.
    #[must_use]
    pub fn path_text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Says in `estate.yml` that a host has a release of its own.
    pub fn host_has_release(&self, host: &str, release: &str) {
        let path = self.path("estate/estate.yml");
        let text = must(fs::read_to_string(&path), "reading estate.yml");
        let lines = text.lines().map(|line| {
            let begins = line.starts_with(&format!("  {host}: {{address: "));
            match line.split_once(", release: ").filter(|_| begins) {
                Some((before, _)) => format!("{before}, release: {release}}}\n"),
                None if begins => format!("{}, release: {release}}}\n", line.trim_end_matches('}')),
                None => format!("{line}\n"),
            }
        });
        self.write("estate.yml", &lines.collect::<String>());
    }

    /// Gives the command `prov --estate FOLDER ARGUMENTS…`, in an environment of its own.
    #[must_use]
    pub fn prov<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Prov {
        Prov::new(self.root.path())
            .args(["--estate", &self.path_text("estate")])
            .args(arguments)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    must(fs::create_dir_all(to), "making a folder");
    for entry in must(fs::read_dir(from), "reading a folder") {
        let entry = must(entry, "reading a folder");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            must(fs::copy(&from, &to), "copying a file");
        }
    }
}

fn put(path: &Path, text: &str) {
    if let Some(folder) = path.parent() {
        must(fs::create_dir_all(folder), "making a folder");
    }
    must(fs::write(path, text), "writing a file");
    let name = path.to_string_lossy();
    if [".private.yml", ".private.pem"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        must(
            fs::set_permissions(path, Permissions::from_mode(0o600)),
            "setting a mode",
        );
    }
}

/// An estate whose hosts are containers. It is taken down when it is dropped.
pub struct Estate {
    folder: Folder,
    number: u8,
    hosts: Vec<(String, &'static str)>,
    password: String,
    /// Each side has a network of its own.
    divided: bool,
    /// Keeps the number until the estate is down.
    _claim: File,
}

impl std::ops::Deref for Estate {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Estate {
    /// Makes an estate with these internal hosts and no roles; nothing of it is in Docker yet.
    #[must_use]
    pub fn new(hosts: &[&str]) -> Self {
        let hosts = hosts.iter().map(|host| (*host, "internal"));
        Self::located(&hosts.collect::<Vec<_>>())
    }

    /// Makes an estate with these hosts and where they are.
    #[must_use]
    pub fn located(hosts: &[(&str, &'static str)]) -> Self {
        let (number, claim) = claim();
        let estate = Self {
            folder: Folder::new(),
            number,
            hosts: hosts
                .iter()
                .map(|(host, at)| ((*host).to_owned(), *at))
                .collect(),
            password: secret(),
            divided: false,
            _claim: claim,
        };
        estate.inventory("");
        // A run that was killed may have left something.
        estate.prov(["down"]).run().exits(0);
        estate
    }

    /// Makes an estate and deploys its hosts.
    #[must_use]
    pub fn deployed(hosts: &[&str]) -> Self {
        let estate = Self::new(hosts);
        estate.deploy();
        estate
    }

    /// Makes an estate with one host called `one` that is a name server, and deploys it. It asks nobody else.
    #[must_use]
    pub fn name_server() -> Self {
        let estate = Self::new(&["one"]);
        estate.inventory("roles: {dns: [one]}\n");
        estate.domain("first.test");
        estate.deploy();
        estate
    }

    /// Makes an estate with two name servers, one for each location; nothing of it is in Docker yet. The external one asks
    /// nobody: nothing is sent beyond the containers.
    #[must_use]
    pub fn name_servers() -> Self {
        let estate = Self::located(&[("dns-internal", "internal"), ("dns-external", "external")]);
        estate.inventory(
            "services: {dns: [dns-internal, dns-external]}\nroles: {dns: all, dns_client: all}\n",
        );
        estate.write(
            "groups/all.yml",
            "home_domain: home.test\ndns_aliases: {desk: dns-internal}\n",
        );
        let (inside, outside) = (
            estate.address("dns-internal"),
            estate.address("dns-external"),
        );
        for (host, group, upstream) in [
            ("dns-internal", "internal", outside.as_str()),
            ("dns-external", "external", ""),
        ] {
            let own = if group == "internal" {
                &inside
            } else {
                &outside
            };
            estate.write(
            &format!("hosts/{host}.yml"),
            &format!(
                "dns_group: {group}\ndns_upstream_nameservers: [{upstream}]\ndns_resolvers: [{own}]\n\
                 dns_local_domains: {}\n",
                if group == "external" { "[home.test]" } else { "[]" }
            ),
        );
        }
        estate
    }

    /// Sets the domain of [`Self::name_server`].
    pub fn domain(&self, domain: &str) {
        let text = format!("home_domain: {domain}\ndns_upstream_nameservers: []\n");
        self.write("groups/all.yml", &text);
    }

    /// Deploys the hosts anew.
    pub fn deploy(&self) {
        self.prov(["deploy"]).run().exits(0);
    }

    /// Writes `estate.yml`, with more at its end.
    pub fn inventory(&self, more: &str) {
        self.inventory_with_password(&self.password, more);
    }

    /// Writes `estate.yml` with this password.
    pub fn inventory_with_password(&self, password: &str, more: &str) {
        let mut text = format!(
            "name: {}\nrelease: {}\ncontainers: {{network: 10.97.{}.0/24}}\n\
             connection: {{user: {USER}, password: {password}, sudo: password}}\nhosts:\n",
            self.name(),
            release(),
            self.number
        );
        for (host, location) in &self.hosts {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {host}: {{address: {}, location: {location}}}",
                self.address(host)
            );
        }
        self.write("estate.yml", &(text + more));
    }

    /// Writes `estate.yml` with a stand-in at [`Self::stand_in`].
    pub fn inventory_with_stand_in(&self, name: &str, more: &str) {
        self.inventory(more);
        let path = self.path("estate/estate.yml");
        let text = must(fs::read_to_string(&path), "reading estate.yml");
        let network = format!("10.97.{}.0/24", self.number);
        let section = format!("{network}, stand_ins: {{{name}: {}}}", self.stand_in());
        self.write("estate.yml", &text.replace(&network, &section));
    }

    /// Gives the address of the stand-in.
    #[must_use]
    pub fn stand_in(&self) -> String {
        format!("10.97.{}.201", self.number)
    }

    /// Asks the stand-in from a host with the role `dns_api`, with its token, as the provider's portal would; gives the answer.
    pub fn linode(&self, host: &str, method: &str, path: &str, body: &str) -> String {
        self.on(
            host,
            &format!(
                "token=$(sed -n 's/^dns_linode_key = //p' /usr/local/etc/linode.ini)\nexport token\n\
                 perl -MHTTP::Tiny -e 'print HTTP::Tiny->new->request(\"{method}\", \"http://{}/v4/domains/{path}\", \
                 {{headers => {{Authorization => \"Bearer $ENV{{token}}\"}}, content => q({body})}})->{{content}}'",
                self.stand_in()
            ),
        )
    }

    /// Makes another estate of the same hosts that knows nothing of containers: to it they are servers. Nothing
    /// is known of their host keys, and their roles are those in `more`.
    #[must_use]
    pub fn as_servers(&self, connection: &str, more: &str) -> Folder {
        let folder = Folder::new();
        let mut text = format!(
            "name: {}-servers\nrelease: {}\nconnection: {connection}\nhosts:\n",
            self.name(),
            release()
        );
        for (host, location) in &self.hosts {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {host}: {{address: {}, location: {location}}}",
                self.address(host)
            );
        }
        folder.write("estate.yml", &(text + more));
        folder
    }

    /// Makes a copy of the estate that knows nothing of containers: to it the hosts are servers, whose keys are known. These hosts
    /// are its vantage points besides; the clients are put onto them, and ask this host for names.
    #[must_use]
    pub fn seen_from(&self, vantage: &[(&str, &str)]) -> Folder {
        let folder = Folder::new();
        copy(&self.path("estate"), &folder.path("estate"));
        let text = must(
            fs::read_to_string(folder.path("estate/estate.yml")),
            "reading estate.yml",
        );
        let points: Vec<_> = vantage.iter().map(|(host, _)| *host).collect();
        let points = points.join(", ");
        let lines = text.lines().map(|line| match line.split_once(' ') {
            Some(("roles:", roles)) if !vantage.is_empty() => {
                format!(
                    "roles: {}\n",
                    roles.replacen('{', &format!("{{vantage: [{points}], "), 1)
                )
            }
            Some(("name:", name)) => format!("name: {name}-servers\n"),
            Some(("containers:", _)) => String::new(),
            Some(_) | None if line == "roles:" && !vantage.is_empty() => {
                format!("roles:\n  vantage: [{points}]\n")
            }
            Some(_) | None => format!("{line}\n"),
        });
        folder.write("estate.yml", &lines.collect::<String>());
        let known: Vec<_> = self
            .hosts
            .iter()
            .map(|(host, _)| self.known_host(host))
            .collect();
        folder.write_home(".ssh/known_hosts", &known.join("\n"));
        let authority = folder.path_text("authority.private.pem");
        if self
            .prov(["authority", "export", &authority])
            .run()
            .status
            .success()
        {
            let import = ["authority", "import", &authority];
            folder.prov(import).run().exits(0);
        }
        if !vantage.is_empty() {
            let apply = ["apply", "--limit", &points.replace(' ', "")];
            folder.prov(apply).run().exits(0);
        }
        for (host, names) in vantage {
            let names = self.address(names);
            self.on(host, &format!("echo nameserver {names} >/etc/resolv.conf"));
        }
        folder
    }

    /// Gives what goes into `known_hosts` for a host, read through Docker.
    #[must_use]
    pub fn known_host(&self, host: &str) -> String {
        let key = self.on(host, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub");
        format!("{} {key}", self.address(host))
    }

    /// Gives a connection with user and password.
    #[must_use]
    pub fn connection(&self) -> String {
        format!(
            "{{user: {USER}, password: {}, sudo: password}}",
            self.password
        )
    }

    /// Gives the password of the account that prov logs in as.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Gives the estate's name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("e2e-{}", self.number)
    }

    /// Gives a host's address.
    #[must_use]
    pub fn address(&self, host: &str) -> String {
        let index = self.hosts.iter().position(|(name, _)| name == host);
        let Some(index) = index else {
            panic!("the test has no host {host}");
        };
        let is_outside = self.divided && self.hosts[index].1 == "external";
        let first = if is_outside { 201 } else { 101 };
        format!("10.97.{}.{}", self.number, first + index)
    }

    /// Makes an estate with these hosts, each side of which has a network of its own, and ports that its router forwards; nothing of it
    /// is in Docker yet.
    #[must_use]
    pub fn divided(hosts: &[(&str, &'static str)], forwards: &str, more: &str) -> Self {
        let mut estate = Self::located(hosts);
        estate.divide(forwards, more);
        estate
    }

    /// Writes `estate.yml` with a network for each side.
    pub fn divide(&mut self, forwards: &str, more: &str) {
        self.divided = true;
        self.inventory(more);
        let path = self.path("estate/estate.yml");
        let text = must(fs::read_to_string(&path), "reading estate.yml");
        let (network, number) = (format!("network: 10.97.{}.0/24", self.number), self.number);
        let networks = format!(
            "networks: {{internal: 10.97.{number}.0/25, external: 10.97.{number}.128/25}}, router: {{internal: {}, external: {}, forwards: {forwards}}}",
            self.router("internal"),
            self.router("external")
        );
        self.write("estate.yml", &text.replace(&network, &networks));
    }

    /// Gives the router's address at a side.
    #[must_use]
    pub fn router(&self, side: &str) -> String {
        let last = if side == "external" { 254 } else { 126 };
        format!("10.97.{}.{last}", self.number)
    }

    /// Gives the name of a host's container.
    #[must_use]
    pub fn container(&self, host: &str) -> String {
        format!("prov-{}-{host}", self.name())
    }

    /// Runs a script as root in a host's container, behind prov's back. It must succeed; gives what it printed.
    pub fn on(&self, host: &str, script: &str) -> String {
        docker(&["exec", "-i", &self.container(host), "sh", "-eu"], script)
    }

    /// Tells whether a test in a host's container holds.
    #[must_use]
    pub fn holds(&self, host: &str, test: &str) -> bool {
        let script = format!("if {{ {test}; }} >/dev/null 2>&1; then echo yes; else echo no; fi\n");
        self.on(host, &script) == "yes\n"
    }

    /// Waits until a test in a host's container holds; fails the test after a minute.
    pub fn until(&self, host: &str, what: &str, test: &str) {
        self.until_within(Duration::from_secs(60), host, what, test);
    }

    /// Waits until a test in a host's container holds; fails the test after this time. The container asks itself: to be
    /// let into one takes the machine longer than most tests.
    pub fn until_within(&self, limit: Duration, host: &str, what: &str, test: &str) {
        let script = format!(
            "end=$(($(date +%s) + {})); until {{ {test}; }} >/dev/null 2>&1; do
             if [ $(date +%s) -gt $end ]; then echo in vain; break; fi; sleep 0.1; done\n",
            limit.as_secs()
        );
        assert_eq!(self.on(host, &script), "", "waited until {what}");
    }

    /// Runs `prov task ARGUMENTS…` on all hosts, for programs to read.
    #[must_use]
    pub fn task<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Prov {
        self.prov(["--output", "json", "task"]).args(arguments)
    }

    /// Applies one resource twice to the first host: the first time it changes as the preview says, and the host is then as
    /// the model of the preview; the second time nothing is left to do.
    pub fn settles(&self, arguments: &[&str]) {
        let host = &self.hosts[0].0;
        let task = || self.task(arguments).args(["--limit", host]);
        let preview = task().args(["--diff"]).run();
        assert_eq!(preview.changes(host).len(), 1, "{}", preview.told());
        let first = task().args(["-vv"]).run();
        first.exits(0).as_the_model();
        let expected = preview.changes(host);
        assert_eq!(first.changes(host), expected, "{}", first.told());
        task().run().unchanged(host);
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        self.inventory("");
        let down = self.prov(["down"]).run();
        if !std::thread::panicking() {
            down.exits(0);
        }
    }
}

/// Takes a number that no other test uses now.
fn claim() -> (u8, File) {
    let folder = std::env::temp_dir().join("prov-e2e");
    must(fs::create_dir_all(&folder), "making the folder of locks");
    for number in 1..=250 {
        let path = folder.join(number.to_string());
        let file = File::options().create(true).append(true).open(path);
        let file = must(file, "opening a lock");
        if file.try_lock().is_ok() {
            return (number, file);
        }
    }
    panic!("all numbers of end-to-end estates are taken");
}
