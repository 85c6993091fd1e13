//! The peers: ansible-core by itself and with Mitogen, pyinfra, and `BundleWrap`, doing what prov does on the sample estate.
//!
//! The files they install are those that prov installed, read from the converged hosts; the rest is in
//! `peers/playbook.yml`, `peers/deploy.py` and `peers/bundlewrap`. They do less than prov: databases, calendars, keys,
//! certificates, modules of Apache and commands are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tasks::pushln;
use tasks::resource::Declared;
use tempfile::TempDir;

use crate::facts::HostFacts;
use crate::process::{self, Ran};
use crate::ssh::{PASSWORD, Target, USER};
use crate::wanted::{Simple, Wanted};
use crate::{Result, container, ensure};

/// Versions that were compared with, installed from the Python Package Index.
pub const REQUIREMENTS: &[&str] = &[
    "ansible-core==2.19.*",
    "mitogen==0.3.*",
    "pyinfra==3.*",
    "bundlewrap==5.*",
];

/// What OpenSSH's client is told for `BundleWrap`, which has a process for each question: one connection for all.
const SSH: &str = "-i key -o UserKnownHostsFile=known_hosts -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=cp/bw-%h";

const PLAYBOOK: &str = include_str!("../peers/playbook.yml");
const DEPLOY: &str = include_str!("../peers/deploy.py");

/// How a peer is run: [`process::run`] takes its time, [`process::watch_tree`] its memory.
pub type Watch = fn(&mut Command) -> Result<Ran>;

/// A folder with everything the peers read, and the programs.
pub struct Peers {
    folder: TempDir,
    programs: PathBuf,
    hosts: usize,
}

impl Peers {
    /// Installs the peers where they are not yet, an SSH key and Python with python3-apt on every host, and writes
    /// inventory and files.
    pub fn prepare(venv: &Path, estate: &str, targets: &[Target], wanted: &Wanted) -> Result<Self> {
        install(venv)?;
        let folder = tempfile::Builder::new().prefix("prov-peers-").tempdir()?;
        let key = folder.path().join("key");
        process::run(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key),
        )?;
        let public = std::fs::read_to_string(key.with_extension("pub"))?;
        let mut known = String::new();
        let mut hosts = serde_json::Map::new();
        for target in targets {
            let prepare = format!(
                "set -e; d=/home/{USER}/.ssh; mkdir -p -m 0700 $d; echo '{}' >$d/authorized_keys; chown -R {USER}: $d\n\
                 mkdir -p -m 0700 /root/.ssh; cp $d/authorized_keys /root/.ssh/\n\
                 dpkg -s python3 python3-apt >/dev/null 2>&1 || DEBIAN_FRONTEND=noninteractive apt-get install -y \
                 --no-install-recommends python3 python3-apt >/dev/null",
                public.trim()
            );
            container::run(estate, &target.name, &prepare)?;
            pushln!(known, "{} {}", target.address, target.key);
            let declared = wanted.get(&target.name).ok_or("a host is not wanted")?;
            let variables = variables(folder.path(), estate, target, declared)?;
            hosts.insert(target.name.clone(), variables);
        }
        let inventory = json!({ "all": { "hosts": hosts } });
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("known_hosts", &known)?;
        write("inventory.json", &inventory.to_string())?;
        write("playbook.yml", &playbook(wanted))?;
        write("deploy.py", DEPLOY)?;
        write("inventory.py", include_str!("../peers/inventory.py"))?;
        write("ansible.cfg", include_str!("../peers/ansible.cfg"))?;
        for made in ["cp", "bundlewrap/bundles/sample"] {
            std::fs::create_dir_all(folder.path().join(made))?;
        }
        write(
            "bundlewrap/nodes.py",
            include_str!("../peers/bundlewrap/nodes.py"),
        )?;
        write("bundlewrap/groups.py", "groups = {}\n")?;
        write(
            "bundlewrap/bundles/sample/items.py",
            include_str!("../peers/bundlewrap/items.py"),
        )?;
        Ok(Self {
            folder,
            programs: venv.join("bin"),
            hosts: targets.len(),
        })
    }

    /// Tells which versions are compared with.
    pub fn versions(&self) -> Result<String> {
        let ansible = process::run(self.program("ansible").arg("--version"))?.output;
        let mitogen = process::run(self.program("python3").args([
            "-c",
            "import mitogen; print('.'.join(map(str, mitogen.__version__)))",
        ]))?;
        let pyinfra = process::run(self.program("pyinfra").arg("--version"))?.output;
        let bundlewrap = process::run(self.program("bw").arg("--version"))?.output;
        let first = |text: String| text.lines().next().unwrap_or_default().to_owned();
        Ok(format!(
            "{}; Mitogen {}; {}; BundleWrap {}",
            first(ansible),
            first(mitogen.output),
            first(pyinfra),
            first(bundlewrap)
        ))
    }

    /// Runs the playbook; with `unchanged` it must change nothing.
    pub fn ansible(&self, watch: Watch, unchanged: bool) -> Result<Ran> {
        self.playbook(self.program("ansible-playbook"), watch, unchanged)
    }

    /// Runs the playbook with Mitogen in the place of Ansible's own connections; with `unchanged` it must change nothing.
    pub fn mitogen(&self, watch: Watch, unchanged: bool) -> Result<Ran> {
        let mut command = self.program("ansible-playbook");
        let plugins = process::run(self.program("python3").args([
            "-c",
            "import ansible_mitogen, os; print(os.path.join(os.path.dirname(ansible_mitogen.__file__), 'plugins/strategy'))",
        ]))?;
        command
            .env("ANSIBLE_STRATEGY_PLUGINS", plugins.output.trim())
            .env("ANSIBLE_STRATEGY", "mitogen_linear");
        self.playbook(command, watch, unchanged)
    }

    fn playbook(&self, mut command: Command, watch: Watch, unchanged: bool) -> Result<Ran> {
        command.args(["-f", "14", "-i", "inventory.json", "playbook.yml"]);
        let ran = watch(&mut command)?;
        let recap = ran
            .output
            .lines()
            .filter(|line| line.contains("unreachable="));
        let good = recap
            .filter(|line| line.contains("unreachable=0") && line.contains("failed=0"))
            .filter(|line| !unchanged || line.contains("changed=0 "))
            .count();
        self.all(good, "ansible", &ran)?;
        Ok(ran)
    }

    /// Runs the deploy; with `unchanged` it must change nothing.
    pub fn pyinfra(&self, watch: Watch, unchanged: bool) -> Result<Ran> {
        let mut command = self.program("pyinfra");
        command.args(["-y", "--parallel", "14", "inventory.py", "deploy.py"]);
        let ran = watch(&mut command)?;
        let changed = ran.noise.lines().chain(ran.output.lines());
        let totals = changed.filter(|line| line.trim_start().starts_with("Grand total"));
        let quiet = totals.filter(|line| pyinfra_total(line, unchanged)).count();
        self.all(quiet * self.hosts, "pyinfra", &ran)?;
        Ok(ran)
    }

    /// Applies `BundleWrap`'s items; with `unchanged` it must change nothing.
    pub fn bundlewrap(&self, watch: Watch, unchanged: bool) -> Result<Ran> {
        let hosts = self.hosts.to_string();
        let mut command = self.program("bw");
        command
            .current_dir(self.folder.path())
            .args(["-r", "bundlewrap", "apply", "-p", &hosts, "bundle:sample"])
            .env("BW_SSH_ARGS", SSH)
            .env("BW_SCP_ARGS", SSH)
            .env("BW_ITEM_WORKERS", "8");
        let ran = watch(&mut command)?;
        let good = ran
            .output
            .lines()
            .filter_map(bundlewrap_total)
            .filter(|[fixed, failed]| *failed == 0 && (!unchanged || *fixed == 0))
            .count();
        self.all(good, "BundleWrap", &ran)?;
        Ok(ran)
    }

    fn all(&self, good: usize, peer: &str, ran: &Ran) -> Result<()> {
        ensure(good == self.hosts, || {
            let Ran { output, noise, .. } = ran;
            format!(
                "{peer}: {good} of {} hosts are as expected:\n{output}{noise}",
                self.hosts
            )
        })
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path());
        command
    }
}

/// Reads the line `Grand total OPERATIONS CHANGED FAILED UNCHANGED`, where `-` stands for none.
fn pyinfra_total(line: &str, unchanged: bool) -> bool {
    let columns: Vec<_> = line.split_whitespace().skip(2).collect();
    match columns[..] {
        [all, "-", "-", same] => all == same && all != "-",
        [_, _, failed, _] => failed == "-" && !unchanged,
        _ => false,
    }
}

/// Reads a host's row `│ HOST │ ITEMS │ OK │ FIXED │ SKIPPED │ FAILED │ TIME │`; gives the counts of what was fixed and of what
/// failed. What is skipped is a service that runs.
fn bundlewrap_total(line: &str) -> Option<[u32; 2]> {
    let columns: Vec<_> = line.split('│').map(str::trim).collect();
    let [_, host, items, _, fixed, _, failed, _, _] = columns[..] else {
        return None;
    };
    let count = |text: &str| text.parse::<u32>().ok();
    let is_host = !host.starts_with("total ") && count(items)? > 0;
    is_host.then_some([count(fixed)?, count(failed)?])
}

fn install(venv: &Path) -> Result<()> {
    if !venv.join("bin/python3").exists() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(venv))?;
    }
    process::run(
        Command::new(venv.join("bin/python3"))
            .args(["-m", "pip", "install", "-q"])
            .args(REQUIREMENTS),
    )?;
    Ok(())
}

/// Adds the playbook's handlers: a restart of every service that a file notifies.
fn playbook(wanted: &Wanted) -> String {
    let simple = wanted.values().map(|declared| Simple::of(declared));
    let services: BTreeSet<String> = simple
        .flat_map(|simple| simple.files)
        .flat_map(|(_, services)| services)
        .collect();
    let handler = |service| {
        format!(
            "\n    - name: restart {service}\n      ansible.builtin.command: sv restart {service}\n"
        )
    };
    let handlers: String = services.iter().map(handler).collect();
    format!("{PLAYBOOK}{handlers}")
}

/// Copies what of a host prov has brought about, and gives the host's variables.
fn variables(folder: &Path, estate: &str, target: &Target, declared: &[Declared]) -> Result<Value> {
    let host = &target.name;
    let facts = HostFacts::of(declared)?;
    let simple = Simple::of(declared);
    let contents = folder.join("files").join(host);
    std::fs::create_dir_all(&contents)?;
    let mut files = Vec::new();
    let paths: Vec<_> = simple.files.iter().map(|(path, _)| path.as_str()).collect();
    let looks = look(estate, host, &paths)?;
    for (index, ((path, services), look)) in simple.files.iter().zip(looks).enumerate() {
        let source = contents.join(index.to_string());
        std::fs::write(&source, look.bytes)?;
        let handlers: Vec<_> = services
            .iter()
            .map(|name| format!("restart {name}"))
            .collect();
        files.push(json!({
            "path": path, "source": source, "owner": look.owner, "group": look.group, "mode": look.mode,
            "handlers": handlers,
        }));
    }
    let paths: Vec<_> = simple.directories.iter().map(String::as_str).collect();
    let looks = look(estate, host, &paths)?;
    let folders = simple.directories.iter().zip(looks);
    let folders = folders.map(|(path, look)| {
        json!({ "path": path, "owner": look.owner, "group": look.group, "mode": look.mode })
    });
    let symlinks = simple.links.iter();
    let symlinks = symlinks.map(|(path, target)| json!({ "path": path, "target": target }));
    let lines = simple.lines.iter();
    let lines =
        lines.map(|(path, regexp, line)| json!({ "path": path, "regexp": regexp, "line": line }));
    Ok(json!({
        "ansible_host": target.address,
        "packages": facts.packages,
        "services": facts.services,
        "folders": folders.collect::<Vec<_>>(),
        "files": files,
        "links": symlinks.collect::<Vec<_>>(),
        "removed": simple.removed,
        "lines": lines.collect::<Vec<_>>(),
        "users": simple.users,
        "groups_wanted": simple.groups,
        "ansible_user": USER,
        "ansible_become_password": PASSWORD,
    }))
}

/// A file or folder of a host.
struct Look {
    owner: String,
    group: String,
    mode: String,
    bytes: Vec<u8>,
}

/// Reads files and folders of a host as root, past SSH: some are for root alone.
fn look(estate: &str, host: &str, paths: &[&str]) -> Result<Vec<Look>> {
    let each = |path: &&str| {
        format!("stat -L -c '%U %G 0%a' {path}; [ -d {path} ] || base64 -w0 {path}; echo; ")
    };
    let command: String = paths.iter().map(each).collect();
    let text = container::run(estate, host, &format!("set -e; {command}"))?;
    let lines: Vec<_> = text.lines().collect();
    let look = |pair: &[&str]| {
        let mut words = pair[0].split_whitespace().map(str::to_owned);
        let mut word = || words.next().ok_or("a file has no owner, group or mode");
        Ok(Look {
            owner: word()?,
            group: word()?,
            mode: word()?,
            bytes: STANDARD.decode(pair[1])?,
        })
    };
    lines.chunks_exact(2).map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_hosts_are_read_and_others_passed_over() {
        let row = "i │ dns-internal    │    10 │ 8  │ 2     │ 0       │ 0      │ 3s   │";
        assert_eq!(bundlewrap_total(row), Some([2, 0]));
        for other in [
            "i │ node            │ items │ OK │ fixed │ skipped │ failed │ time │",
            "i │ total (2 nodes) │    20 │ 1  │ 2     │ 3       │ 4      │ 5s   │",
            "i ├─────────────────┼───────┼────┼───────┼─────────┼────────┼──────┤",
        ] {
            assert_eq!(bundlewrap_total(other), None, "{other}");
        }
    }

    #[test]
    fn a_total_with_changes_is_not_taken_for_one_without() {
        assert!(pyinfra_total(
            "    Grand total   118   -   -   118   ",
            true
        ));
        assert!(!pyinfra_total(
            "    Grand total   118   3   -   115   ",
            true
        ));
        assert!(pyinfra_total(
            "    Grand total   118   3   -   115   ",
            false
        ));
        assert!(!pyinfra_total(
            "    Grand total   118   3   1   114   ",
            false
        ));
    }
}
