//! Estates made for benchmarks in a temporary folder: the sample estate under another name and network, and estates
//! of any number of hosts.

use std::path::{Path, PathBuf};
use std::process::Command;

use tasks::pushln;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Ran};
use crate::{Result, ensure};

/// Name of the copy of the sample estate.
pub const NAME: &str = "bench";

/// The host of the sample estate that simulated ones are like.
pub const MODEL: &str = "caldav";

/// The only host of the smallest estate.
pub const ONE: &str = "one";

/// The domains of the sample estate.
pub const DOMAINS: [&str; 2] = ["customer.com", "home.com"];

/// The first three bytes of its network.
const NETWORK: &str = "10.96.0.";

/// A role of the estate's own.
const OWN_ROLE: &str = "\
summary: A role of the benchmark.
variables:
  own_title: {type: line, default: Title}
  own_port: {type: port, default: 8080}
  own_words: {type: list of word, default: [a, b, c]}
handlers:
  reload: {reload: own}
resources:
  - packages: {names: [own-server]}
  - directory: {path: /srv/own}
  - file: {path: /etc/own.conf, template: conf}
    notify: reload
  - file: {path: '/srv/own/{{ item }}', content: '{{ item }} of {{ host.name }}'}
    each: own_words
  - line: {path: /etc/hosts, line: '{{ host.address }} own'}
    when: release == 'bookworm'
  - service: {name: own}
checks:
  - tcp: {port: '{{ own_port }}'}
";

/// Its template.
const OWN_TEMPLATE: &str = "\
title = {{ own_title }}
port = {{ own_port }}
{% for word in own_words %}word {{ word }}
{% endfor %}";

/// An estate, and what is needed to run prov on it without touching the user's own files.
pub struct Estate {
    folder: TempDir,
    prov: PathBuf,
    down: bool,
}

impl Estate {
    fn empty(prov: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("prov-bench-").tempdir()?;
        for sub in ["estate/hosts", "estate/groups", "home/.ssh"] {
            std::fs::create_dir_all(folder.path().join(sub))?;
        }
        let prov = prov.to_owned();
        let down = false;
        Ok(Self { folder, prov, down })
    }

    /// Copies the sample estate to another name and network. Its containers are removed when the value is dropped.
    pub fn of_containers(prov: &Path, sample: &Path) -> Result<Self> {
        let mut estate = Self::empty(prov)?;
        estate.copy(sample, |text| {
            text.replace("name: docker\n", &format!("name: {NAME}\n"))
        })?;
        for name in DOMAINS {
            let (from, to) = (
                sample.join("../../domains"),
                estate.folder().join("domains"),
            );
            std::fs::create_dir_all(to.join(name))?;
            let file = format!("{name}/domain.yml");
            std::fs::copy(from.join(&file), to.join(&file))?;
        }
        estate.down = true;
        estate.prov(&["down"])?;
        Ok(estate)
    }

    /// Copies the sample estate as if its hosts were servers, with these roles for all.
    pub fn of_servers(prov: &Path, sample: &Path, roles: &[&str]) -> Result<Self> {
        let estate = Self::empty(prov)?;
        let roles: Vec<_> = roles
            .iter()
            .map(|role| format!("  {role}: all\n"))
            .collect();
        let roles = roles.concat();
        estate.copy(sample, |text| match text.split_once("\ncontainers:") {
            None => text.replace("[container-host]", "[192.0.2.1]"),
            Some((before, rest)) => {
                let (_, rest) = rest.split_once("\nconnection:").unwrap_or_default();
                let (rest, _) = rest.split_once("\nroles:").unwrap_or((rest, ""));
                let before = before.replace("name: docker", "name: bench-servers");
                let rest = without_volumes(rest);
                format!("{before}\nconnection:{rest}\nroles:\n{roles}")
            }
        })?;
        Ok(estate)
    }

    fn copy(&self, sample: &Path, change: impl Fn(&str) -> String) -> Result<()> {
        for sub in ["", "hosts", "groups"] {
            for entry in std::fs::read_dir(sample.join(sub))? {
                let path = entry?.path();
                if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                    let text = std::fs::read_to_string(&path)?.replace("10.0.0.", NETWORK);
                    std::fs::write(self.folder().join(sub).join(name), change(&text))?;
                }
            }
        }
        Ok(())
    }

    /// Makes an estate of one container with one role, and no variables of others. The container is removed when the value is dropped.
    pub fn of_one(prov: &Path, role: &str) -> Result<Self> {
        let mut estate = Self::empty(prov)?;
        let text = format!(
            "name: {NAME}-one\ncontainers: {{network: {NETWORK}0/24}}\nconnection: {{user: user, password: for-benchmarks, sudo: password}}\n\
             hosts:\n  {ONE}: {{address: {NETWORK}105, location: internal}}\nroles:\n  {role}: all\n"
        );
        std::fs::write(estate.folder().join("estate.yml"), text)?;
        let all = "home_domain: home.com\ndns_upstream_nameservers: []\n";
        std::fs::write(estate.folder().join("groups/all.yml"), all)?;
        estate.down = true;
        estate.prov(&["down"])?;
        Ok(estate)
    }

    /// Makes an estate of this many servers on loopback addresses, with groups and variables like the sample's.
    pub fn of_many(prov: &Path, sample: &Path, count: usize, port: u16) -> Result<Self> {
        let estate = Self::empty(prov)?;
        let mut text = format!(
            "name: bench-many\nrelease: bookworm\nconnection: {{user: {}, password: {}, sudo: password, port: {port}}}\nhosts:\n",
            crate::ssh::USER,
            crate::ssh::PASSWORD
        );
        // The model's other variables are of roles that these hosts lack, and would be mistakes.
        let model = std::fs::read_to_string(sample.join(format!("hosts/{MODEL}.yml")))?;
        let own = model
            .split_inclusive('\n')
            .filter(|line| line.starts_with("backup_client_"));
        let own: String = own.collect();
        for (name, address) in many(count) {
            pushln!(text, "  {name}: {{address: {address}, location: internal}}");
            std::fs::write(estate.folder().join(format!("hosts/{name}.yml")), &own)?;
        }
        text.push_str("groups:\n");
        let names: Vec<_> = many(count).map(|(name, _)| name).collect();
        for (index, members) in names.chunks(50).enumerate() {
            pushln!(text, "  rack{index}: [{}]", members.join(", "));
            let rack = format!("groups/rack{index}.yml");
            std::fs::write(estate.folder().join(rack), "mta_mailname: home.com\n")?;
        }
        text.push_str("roles: {backup_client: all, mta: all, dns_client: all}\n");
        std::fs::write(estate.folder().join("estate.yml"), text)?;
        let all = "home_domain: home.com\nhome_domain_admin_user: user1fname\nbackup_director_name: bacula-dir\n\
                   backup_monitor_name: bacula-mon\nmta_configtype: satellite\nmta_smarthost: {hostname: mail-internal, verify: false}\n\
                   dns_resolvers: [10.96.0.106]\n";
        std::fs::write(estate.folder().join("groups/all.yml"), all)?;
        Ok(estate)
    }

    /// Gives all hosts this many roles of the estate's own instead, each with variables, a template, an expression, a list and a check.
    pub fn give_own_roles(&self, count: usize) -> Result<()> {
        let inventory = self.folder().join("estate.yml");
        let text = std::fs::read_to_string(&inventory)?;
        let (hosts, _) = text.split_once("\nroles: ").unwrap_or((&text, ""));
        let mut text = format!("{hosts}\nroles:\n");
        for number in 0..count {
            let role = format!("own{number}");
            let folder = self.folder().join("roles").join(&role);
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("role.yml"), OWN_ROLE.replace("own", &role))?;
            std::fs::write(folder.join("conf"), OWN_TEMPLATE.replace("own", &role))?;
            pushln!(text, "  {role}: all");
        }
        for (sub, setting) in [
            ("hosts", "own0_title: This one\n"),
            ("groups", "own1_port: 8081\n"),
        ] {
            for entry in std::fs::read_dir(self.folder().join(sub))? {
                std::fs::write(entry?.path(), setting)?;
            }
        }
        Ok(std::fs::write(inventory, text)?)
    }

    /// Gives the estate's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("estate")
    }

    /// Gives the home of prov's runs on the estate.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file of the runs' home: `known_hosts` or `config`.
    pub fn ssh_file(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.home().join(".ssh").join(name), text)?)
    }

    /// Gives the command that runs prov on the estate.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.prov);
        command
            .arg("--estate")
            .arg(self.folder())
            .args(arguments)
            .env("HOME", self.home())
            .env("XDG_STATE_HOME", self.home().join("state"))
            .env_remove("SSH_AUTH_SOCK");
        command
    }

    /// Runs prov on the estate.
    pub fn prov(&self, arguments: &[&str]) -> Result<Ran> {
        process::run(&mut self.command(arguments))
    }

    /// Gives names and addresses of the hosts of the sample estate.
    pub fn hosts(&self) -> Result<Vec<(String, String)>> {
        let text = std::fs::read_to_string(self.folder().join("estate.yml"))?;
        let host = |line: &str| {
            let (name, rest) = line.strip_prefix("  ")?.split_once(": {address: ")?;
            Some((name.to_owned(), rest.split_once(',')?.0.to_owned()))
        };
        Ok(text.lines().filter_map(host).collect())
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        if self.down
            && let Err(error) = self.prov(&["down"])
        {
            eprintln!("the containers could not be removed: {error}");
        }
    }
}

/// Takes away the volumes, which only containers have.
fn without_volumes(hosts: &str) -> String {
    let line = |line: &str| match line.split_once(", volumes:") {
        Some((host, _)) => format!("{host}}}\n"),
        None => format!("{line}\n"),
    };
    hosts.lines().map(line).collect()
}

/// Gives names and loopback addresses of made-up hosts.
pub fn many(count: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(|index| {
        let address = format!("127.1.{}.{}", index / 200, index % 200 + 1);
        (format!("host{index:04}"), address)
    })
}

/// Reads what prov printed with `--output json`, and fails unless this many hosts are in it, none of them failed, and
/// this many of them changed.
pub fn outcome(ran: &Ran, hosts: u64, changed: u64) -> Result<Value> {
    let value: Value = serde_json::from_str(&ran.output)?;
    let summary = &value["summary"];
    let count = |name: &str| summary[name].as_u64();
    let good = count("hosts") == Some(hosts)
        && count("changed") == Some(changed)
        && count("failed") == Some(0)
        && count("unreachable") == Some(0)
        && count("unknown") == Some(0);
    ensure(good, || {
        let wanted = format!("{hosts} hosts of which {changed} changed");
        let first = value["hosts"]
            .as_array()
            .and_then(|hosts| hosts.iter().find(|host| host["status"] != "up_to_date"));
        format!("not {wanted}, but {summary}; for instance {first:?}")
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_reads_what_is_made_from_the_sample() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../estate/docker");
        let prov = Path::new("prov");
        let servers = Estate::of_servers(prov, &sample, &["dns_client"]).unwrap();
        let servers = crate::wanted::of_estate(&servers.folder()).unwrap();
        assert_eq!(servers.len(), 14);
        let many = Estate::of_many(prov, &sample, 3, 22).unwrap();
        let many = crate::wanted::of_estate(&many.folder()).unwrap();
        assert!(many.values().all(|resources| resources.len() > 5));
    }

    #[test]
    fn simulated_hosts_have_the_secrets_of_their_model() {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../estate/docker");
        let many = Estate::of_many(Path::new("prov"), &sample, 1, 22).unwrap();
        let own = std::fs::read_to_string(many.folder().join("hosts/host0000.yml")).unwrap();
        let model = std::fs::read_to_string(sample.join(format!("hosts/{MODEL}.yml"))).unwrap();
        assert_eq!(own.lines().count(), 2);
        assert!(own.lines().all(|line| model.contains(line)));
    }
}
