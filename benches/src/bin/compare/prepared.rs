//! The converged estate: deployed, applied, in test mode, completed, and shown to be what it should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use benches::estate::{self, Estate};
use benches::facts::AllFacts;
use benches::process::{self, Ran};
use benches::ssh::{self, Target};
use benches::wanted::{self, Wanted};
use benches::{Result, container, ensure, facts};

use crate::arguments::Arguments;

/// The converged estate.
pub(crate) struct Prepared {
    pub(crate) estate: Estate,
    pub(crate) targets: Vec<Target>,
    pub(crate) wanted: Wanted,
    pub(crate) domains: Wanted,
    floor: PathBuf,
}

/// Hosts of the sample estate.
pub(crate) const HOSTS: u64 = 14;

impl Prepared {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        eprintln!("  making a converged estate");
        let estate = Estate::of_containers(&arguments.prov, &arguments.sample)?;
        estate.prov(&["deploy"])?;
        let first = estate.prov(&["apply", "--output", "json"])?;
        estate::outcome(&first, HOSTS, HOSTS)?;
        estate.prov(&["test"])?;
        estate.prov(&["complete"])?;
        estate.prov(&[&["domain"], estate::DOMAINS.as_slice()].concat())?;
        let targets = targets(&estate)?;
        let wanted = wanted::of_estate(&estate.folder())?;
        let domains = wanted::of_domains(&estate.folder())?;
        let floor = arguments.floor.clone();
        let prepared = Self {
            estate,
            targets,
            wanted,
            domains,
            floor,
        };
        prepared.prove()?;
        Ok(prepared)
    }

    /// Undoes something by hand and sees that a run finds and repairs it, and that the next one finds nothing.
    fn prove(&self) -> Result<()> {
        self.diff(0)?;
        self.apply()?;
        self.facts()?;
        container::run(estate::NAME, "caldav", "echo wrong >/etc/mailname")?;
        self.diff(1)?;
        estate::outcome(&self.estate.prov(&["apply", "--output", "json"])?, HOSTS, 1)?;
        self.apply()?;
        let repaired = container::run(estate::NAME, "caldav", "cat /etc/mailname")?;
        ensure(repaired == "home.com\n", || {
            "the file was not repaired".to_owned()
        })
    }

    fn diff(&self, changed: u64) -> Result<Ran> {
        let ran = self
            .estate
            .prov(&["diff", "--forks", "14", "--output", "json"])?;
        estate::outcome(&ran, HOSTS, changed)?;
        Ok(ran)
    }

    /// Previews all hosts, which must be converged.
    pub(crate) fn preview(&self) -> Result<Ran> {
        self.diff(0)
    }

    /// Applies all hosts, which must be converged.
    pub(crate) fn apply(&self) -> Result<Ran> {
        let ran = self
            .estate
            .prov(&["apply", "--forks", "14", "--output", "json"])?;
        estate::outcome(&ran, HOSTS, 0)?;
        Ok(ran)
    }

    /// Runs the floor on all hosts.
    pub(crate) fn facts(&self) -> Result<Ran> {
        let facts = wanted::facts(&self.wanted)?;
        floor(&self.floor, "facts", &self.estate, &self.targets, &facts)
    }

    /// Sets up the domains, which are so already.
    pub(crate) fn domains(&self) -> Result<Ran> {
        let mut arguments = vec!["domain"];
        arguments.extend(estate::DOMAINS);
        arguments.extend(["--forks", "14", "--output", "json"]);
        let ran = self.estate.prov(&arguments)?;
        let hosts = u64::try_from(self.domains.len())?;
        estate::outcome(&ran, hosts, 0)?;
        Ok(ran)
    }

    /// Runs the floor on the hosts that domains concern.
    pub(crate) fn domain_facts(&self) -> Result<Ran> {
        let facts = wanted::facts(&self.domains)?;
        let targets = self.targets.iter();
        let targets = targets.filter(|target| self.domains.contains_key(&target.name));
        let targets: Vec<_> = targets.cloned().collect();
        floor(&self.floor, "facts", &self.estate, &targets, &facts)
    }
}

/// Reads the addresses and host keys of all hosts.
pub(crate) fn targets(estate: &Estate) -> Result<Vec<Target>> {
    let hosts = estate.hosts()?;
    let target =
        |(host, address): &(String, String)| container::target(estate::NAME, host, address);
    hosts.iter().map(target).collect()
}

/// Runs the floor program.
pub(crate) fn floor(
    program: &Path,
    work: &str,
    estate: &Estate,
    targets: &[Target],
    asked: &AllFacts,
) -> Result<Ran> {
    let hosts = estate.home().join("targets");
    let list = estate.home().join("facts.json");
    ssh::write_targets(&hosts, targets)?;
    facts::write(&list, asked)?;
    let mut command = Command::new(program);
    let ran = process::run(command.arg(work).arg(&hosts).arg(&list))?;
    let all = format!("{} hosts", targets.len());
    ensure(ran.output.contains(&all), || {
        "the floor left hosts out".to_owned()
    })?;
    Ok(ran)
}
