//! How a host is, all in one answer: load, memory, disks, pending updates, units, certificates, backups.
//!
//! The sources are proc(5), df(1), apt-get(8), systemctl(1), openssl-x509(1) and the catalogue of Bacula, of which `JobTDate`
//! is when a job ended, in seconds since 1970. What is good and what is bad is none of this module's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::upgrade::pending;
use super::{Answers, Broken, Kind};
use crate::Secret;
use crate::pushln;
use crate::quote;
use crate::value::{DatabaseName, HostPath, ServiceName};

/// Asks how a host is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HealthQuestion {
    /// Services that are promised to run.
    pub services: BTreeSet<ServiceName>,
    /// Certificates that are to be there.
    pub certificates: BTreeSet<HostPath>,
    /// Where the host knows of backups.
    pub catalogue: Option<Catalogue>,
}

/// Where a director of backups remembers its jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Catalogue {
    /// A file on its host with options for MariaDB's client.
    pub options: HostPath,
    /// The database.
    pub database: DatabaseName,
}

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthFact {
    /// Its clock, in seconds since 1970.
    pub now: u64,
    /// Seconds since it was started.
    pub uptime: u64,
    /// Averages of the load over 1, 5 and 15 minutes, in hundredths.
    pub load: [u64; 3],
    /// Processors.
    pub processors: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes of memory that programs can still have.
    pub memory_free: u64,
    /// What its kernel calls itself.
    pub kernel: String,
    /// File systems of its own, on disks and in memory.
    pub disks: Vec<DiskFact>,
    /// When its lists of packages were fetched; `None` where it has none.
    pub lists: Option<u64>,
    /// Packages of which those lists know newer versions.
    pub pending: usize,
    /// How many of them come from an archive of security updates.
    pub security: usize,
    /// Why apt cannot tell, in its words.
    pub apt_problem: Option<String>,
    /// Whether an installation was interrupted.
    pub interrupted: bool,
    /// Whether packages that were upgraded want it to be started again.
    pub reboot: bool,
    /// Units that have failed, by their full names.
    pub failed: Vec<UnitFact>,
    /// The services that were asked for; empty where no systemd runs.
    pub services: BTreeMap<ServiceName, UnitFact>,
    /// Certificates: those that were asked for and those of certbot.
    pub certificates: Vec<CertificateFact>,
    /// Jobs of backups by name; `None` where the host was not asked, or the catalogue did not answer.
    pub backups: Option<BTreeMap<String, BackupFact>>,
    /// Why the catalogue did not answer, in the client's words.
    pub catalogue_problem: Option<String>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskFact {
    /// Where it is mounted.
    pub target: String,
    /// Of which type it is, such as `ext4`.
    pub kind: String,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that programs can still have.
    pub free: u64,
    /// How many files it can hold; 0 where that is not limited.
    pub inodes: u64,
    /// How many more.
    pub inodes_free: u64,
}

/// A unit of systemd.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnitFact {
    /// Its full name.
    pub name: String,
    /// What it does.
    pub state: UnitState,
    /// Seconds for which it does that; `None` where it never did anything else.
    pub since: Option<u64>,
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitState {
    /// It runs, or has done what it is there for.
    Running,
    /// It is being started or stopped.
    Changing,
    /// It ends again and again, and is started again each time.
    Looping,
    /// It does not run.
    Stopped,
    /// It has failed.
    Failed,
    /// Nothing may start it.
    Masked,
    /// systemd knows no such unit.
    #[default]
    Unknown,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFact {
    /// Its file.
    pub path: String,
    /// When it ends, in seconds since 1970; `None` where that cannot be read.
    pub ends: Option<u64>,
    /// Whether the file is there.
    pub exists: bool,
}

/// A job of backups; times are in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackupFact {
    /// When it last ended well.
    pub done: Option<u64>,
    /// When it last failed.
    pub failed: Option<u64>,
}

/// The kind of this module.
pub struct OfHost;

/// The functions that answer.
const SCRIPT: &str = concat!(
    include_str!("apt.sh"),
    include_str!("reboot.sh"),
    include_str!("health.sh")
);

/// The name of the answer.
const ANSWER: &str = "health";

/// The name of the answer about units.
const UNITS: &str = "health:units";

impl Kind for OfHost {
    type Question = HealthQuestion;
    type Known = Option<HealthFact>;

    /// Every second changes it.
    const LASTS: bool = false;

    fn key(_: &HealthQuestion) {}

    fn widen(question: &mut HealthQuestion, other: HealthQuestion) {
        question.services.extend(other.services);
        question.certificates.extend(other.certificates);
        question.catalogue = question.catalogue.take().or(other.catalogue);
    }

    fn script(questions: &[HealthQuestion]) -> String {
        let mut script = SCRIPT.to_owned();
        for question in questions {
            let units: Vec<_> = question.services.iter().map(ServiceName::unit).collect();
            let units = quote::sh_all(units.iter().map(String::as_str));
            let certificates = quote::sh_all(question.certificates.iter().map(HostPath::as_str));
            let backups = question.catalogue.as_ref().map(|catalogue| {
                let words = [catalogue.options.as_str(), catalogue.database.as_str()];
                format!("prov_health_backups {}; ", quote::sh_all(words))
            });
            pushln!(
                script,
                "read -r init </proc/1/comm\n\
                 prov_answer {ANSWER}; prov_health_system; prov_health_updates; prov_health_certificates {certificates}; {}prov_complete\n\
                 prov_answer {UNITS}; prov_health_units {units}; prov_complete",
                backups.unwrap_or_default()
            );
        }
        script
    }

    fn read(questions: &[HealthQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let Some(question) = questions.first() else {
            return Ok(None);
        };
        // A host may have folders and subjects in any encoding.
        let text = String::from_utf8_lossy(answers.bytes(ANSWER)?);
        let mut fact = HealthFact::default();
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            fact.take(word, rest)?;
        }
        if fact.now == 0 || fact.processors == 0 {
            return Err(broken(ANSWER, "lacks the time or the number of processors"));
        }
        fact.certificates.sort_by(|a, b| a.path.cmp(&b.path));
        fact.certificates.dedup_by(|a, b| a.path == b.path);
        let text = String::from_utf8_lossy(answers.bytes(UNITS)?);
        units(question, &text, &mut fact)?;
        Ok(Some(fact))
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<HealthQuestion> {
        vec![HealthQuestion {
            services: ServiceName::new("svc").into_iter().collect(),
            certificates: HostPath::new("/etc/certificate.pem").into_iter().collect(),
            catalogue: None,
        }]
    }
}

impl HealthFact {
    /// Takes one line.
    fn take(&mut self, word: &str, rest: &str) -> Result<(), Broken> {
        let wrong = || {
            broken(
                ANSWER,
                format!("has a line about {word} that cannot be read"),
            )
        };
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
        let kib = |text: &str| number(text).map(|kib| kib.saturating_mul(1024));
        match word {
            "uptime" => self.uptime = number(rest)?,
            "processors" => self.processors = number(rest)?,
            "now" => self.now = number(rest)?,
            "lists" => self.lists = Some(number(rest)?),
            "kernel" => rest.clone_into(&mut self.kernel),
            "interrupted" => self.interrupted = true,
            "reboot" => self.reboot = true,
            "load" => {
                let mut averages = rest.split(' ').map(|text| number(&text.replace('.', "")));
                for average in &mut self.load {
                    *average = averages.next().ok_or_else(wrong)??;
                }
            }
            "memory" => {
                let (total, free) = rest.split_once(' ').ok_or_else(wrong)?;
                (self.memory, self.memory_free) = (kib(total)?, kib(free)?);
            }
            "disk" => {
                let fields: Vec<_> = rest.splitn(7, ' ').collect();
                let [kind, size, used, free, inodes, inodes_free, target] = fields.as_slice()
                else {
                    return Err(wrong());
                };
                // A file system without such a limit says `-` of it.
                let count = |text: &str| text.parse().unwrap_or(0);
                self.disks.push(DiskFact {
                    target: (*target).to_owned(),
                    kind: (*kind).to_owned(),
                    size: kib(size)?,
                    used: kib(used)?,
                    free: kib(free)?,
                    inodes: count(inodes),
                    inodes_free: count(inodes_free),
                });
            }
            "pending" => {
                self.pending += 1;
                self.security += usize::from(pending(rest).security);
            }
            "problem" => {
                self.apt_problem.get_or_insert_with(|| rest.to_owned());
            }
            "certificate" => {
                let (ends, path) = rest.split_once(' ').ok_or_else(wrong)?;
                self.certificates.push(CertificateFact {
                    path: path.to_owned(),
                    ends: ends.parse().ok(),
                    exists: ends != "missing",
                });
            }
            "catalogue" => {
                self.backups.get_or_insert_default();
            }
            "backup" => {
                let fields: Vec<_> = rest.split('\t').collect();
                let [name, done, failed] = fields.as_slice() else {
                    return Err(wrong());
                };
                let time = |text: &str| number(text).map(|time| (time > 0).then_some(time));
                let job = BackupFact {
                    done: time(done)?,
                    failed: time(failed)?,
                };
                let jobs = self.backups.get_or_insert_default();
                jobs.insert((*name).to_owned(), job);
            }
            "uncatalogued" => self.catalogue_problem = Some(rest.to_owned()),
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

/// Reads the blocks of `systemctl show`: of the services that were asked for, and then of what has failed.
fn units(question: &HealthQuestion, text: &str, fact: &mut HealthFact) -> Result<(), Broken> {
    let blocks = text.trim_end().split("\n\n");
    let blocks: Vec<_> = blocks.filter(|block| !block.trim().is_empty()).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    if blocks.len() < question.services.len() {
        return Err(broken(UNITS, "does not cover every service"));
    }
    let uptime = fact.uptime;
    let mut blocks = blocks.into_iter().map(|block| unit(block, uptime));
    for (name, unit) in question.services.iter().zip(blocks.by_ref()) {
        let unit = UnitFact {
            name: name.unit(),
            ..unit
        };
        fact.services.insert(name.clone(), unit);
    }
    fact.failed = blocks.collect();
    Ok(())
}

fn unit(block: &str, uptime: u64) -> UnitFact {
    let value = |key: &str| {
        let mut lines = block.lines();
        lines
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let ends = value("Type") == "oneshot" && value("RemainAfterExit") != "yes";
    let state = match (value("LoadState"), value("ActiveState")) {
        ("not-found", _) => UnitState::Unknown,
        (_, "active" | "reloading" | "refreshing") => UnitState::Running,
        (_, "activating") if value("SubState").starts_with("auto-restart") => UnitState::Looping,
        (_, "activating" | "deactivating") => UnitState::Changing,
        (_, "failed") => UnitState::Failed,
        ("masked", _) => UnitState::Masked,
        _ if ends => UnitState::Running,
        _ => UnitState::Stopped,
    };
    // Microseconds since the kernel was started; 0 where nothing has happened yet.
    let changed = value("StateChangeTimestampMonotonic").parse::<u64>();
    let changed = changed.ok().filter(|at| *at > 0);
    UnitFact {
        name: value("Id").to_owned(),
        state,
        since: changed.map(|at| uptime.saturating_sub(at / 1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "uptime 90061\nload 0.10 1.25 12.00\nprocessors 2\nnow 1780000000\nkernel 6.12.1-amd64\n\
                        memory 2000 1000\ndisk ext4 100 97 3 - - /srv/with a space\nlists 1779990000\n\
                        pending nginx [1.26-1] (1.26-2 Debian-Security:13/stable-security [amd64])\n\
                        pending vim [9.1-1] (9.1-2 Debian:13.2/stable [amd64])\nreboot\n\
                        certificate 1790000000 /etc/a.pem\ncertificate missing /etc/b.pem\n\
                        certificate unreadable /etc/c.pem\ncatalogue\nbackup one\t1779000000\t0\n";

    fn read(health: &str, units: &str) -> Result<HealthFact, Broken> {
        let mut answers = Answers::default();
        answers.insert(ANSWER.to_owned(), health.as_bytes().to_vec(), true);
        answers.insert(UNITS.to_owned(), units.as_bytes().to_vec(), true);
        OfHost::read(&OfHost::samples(), &answers).map(Option::unwrap)
    }

    #[test]
    fn every_line_becomes_a_fact() {
        let fact = read(GOOD, "").unwrap();
        assert_eq!((fact.uptime, fact.load), (90_061, [10, 125, 1200]));
        assert_eq!((fact.memory, fact.memory_free), (2_048_000, 1_024_000));
        assert_eq!(fact.disks[0].target, "/srv/with a space");
        assert_eq!((fact.disks[0].free, fact.disks[0].inodes), (3072, 0));
        assert_eq!((fact.pending, fact.security, fact.reboot), (2, 1, true));
        let ends: Vec<_> = fact
            .certificates
            .iter()
            .map(|it| (it.ends, it.exists))
            .collect();
        assert_eq!(
            ends,
            [(Some(1_790_000_000), true), (None, false), (None, true)]
        );
        let job = &fact.backups.unwrap()["one"];
        assert_eq!((job.done, job.failed), (Some(1_779_000_000), None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            "",
            "uptime x\n",
            "load 1\n",
            "disk 1 2\n",
            "backup one\n",
            "memory 1\n",
            "nothing\n",
            "certificate\n",
            "now 1\nprocessors 0\n",
        ] {
            assert!(read(bad, "").is_err(), "{bad:?}");
        }
        let two = HealthQuestion {
            services: ["a", "b"]
                .map(|name| ServiceName::new(name).unwrap())
                .into(),
            ..HealthQuestion::default()
        };
        let block = "Id=a.service\nLoadState=loaded\nActiveState=active\n";
        assert!(units(&two, block, &mut HealthFact::default()).is_err());
    }

    #[test]
    fn the_states_of_units_are_told_apart() {
        let state = |lines: &str| unit(lines, 100).state;
        for (lines, expected) in [
            ("LoadState=loaded\nActiveState=active", UnitState::Running),
            (
                "LoadState=loaded\nActiveState=activating\nSubState=auto-restart",
                UnitState::Looping,
            ),
            (
                "LoadState=loaded\nActiveState=activating\nSubState=start",
                UnitState::Changing,
            ),
            ("LoadState=loaded\nActiveState=failed", UnitState::Failed),
            ("LoadState=loaded\nActiveState=inactive", UnitState::Stopped),
            (
                "LoadState=loaded\nActiveState=inactive\nType=oneshot",
                UnitState::Running,
            ),
            ("LoadState=masked\nActiveState=inactive", UnitState::Masked),
            (
                "LoadState=not-found\nActiveState=inactive",
                UnitState::Unknown,
            ),
        ] {
            assert_eq!(state(lines), expected, "{lines}");
        }
        let since = |at: &str| unit(&format!("StateChangeTimestampMonotonic={at}"), 100).since;
        assert_eq!((since("40000000"), since("0")), (Some(60), None));
    }

    #[test]
    fn what_was_asked_for_comes_before_what_has_failed() {
        let fact = read(
            GOOD,
            "Id=svc.service\nLoadState=loaded\nActiveState=inactive\n\nId=x.service\nLoadState=loaded\nActiveState=failed\n",
        )
        .unwrap();
        let name = ServiceName::new("svc").unwrap();
        assert_eq!(fact.services[&name].state, UnitState::Stopped);
        assert_eq!(fact.failed[0].name, "x.service");
    }
}
