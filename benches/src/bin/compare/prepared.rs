//! The converged estate: deployed, applied, in test mode, completed, and shown to be what it should be.

use std::path::PathBuf;

use benches::estate::{self, Estate};
use benches::process::{self, Ran};
use benches::ssh::{self, Target};
use benches::{Result, container, ensure};

use crate::arguments::Arguments;

/// The converged estate.
pub(crate) struct Prepared {
    pub(crate) estate: Estate,
    pub(crate) targets: Vec<Target>,
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
        let targets = targets(&estate)?;
        let floor = arguments.floor.clone();
        let prepared = Self {
            estate,
            targets,
            floor,
        };
        prepared.prove()?;
        Ok(prepared)
    }

    /// Undoes something by hand and sees that a run finds and repairs it, and that the next one finds nothing.
    fn prove(&self) -> Result<()> {
        self.diff(0)?;
        container::run(estate::NAME, "caldav", "echo wrong >/etc/mailname")?;
        self.diff(1)?;
        ensure(self.facts().is_ok(), || {
            "the floor does not work".to_owned()
        })?;
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
        floor(&self.floor, "facts", &self.estate, &self.targets)
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
    program: &std::path::Path,
    work: &str,
    estate: &Estate,
    targets: &[Target],
) -> Result<Ran> {
    let file = estate.home().join("targets");
    ssh::write_targets(&file, targets)?;
    let ran = process::run(std::process::Command::new(program).arg(work).arg(&file))?;
    ensure(ran.output.contains("14 hosts"), || {
        "the floor left hosts out".to_owned()
    })?;
    Ok(ran)
}
