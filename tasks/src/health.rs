//! What is well on a host and what is not, by what it answers and what the estate promises of it.
//!
//! Owns which services, certificates and backups are looked for, and from when on something is a finding. How the answer
//! comes about is in [`crate::probe`].

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::probe::{BackupFact, Catalogue, HealthFact, HealthQuestion, ServiceManager, UnitState};
use crate::resource::{Declared, Resource};
use crate::role::{HostContext, Served, served};
use crate::value::HostPath;

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// Percent of a disk from which on it is nearly full, and full.
const FULL: [u64; 2] = [85, 95];

/// Days before its end from which on a certificate should have been renewed: prov and certbot do it 30 days before.
const RENEWED: u64 = 21;

/// Days after which the last backup is an old one; jobs run every day but on some week ends.
const OLD_BACKUP: u64 = 4;

/// Days after which nobody knows which updates there are.
const OLD_LISTS: u64 = 7;

/// What is looked for on a host.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// Services that its roles have run.
    pub services: Served,
    /// Certificates that its roles and domains have.
    pub certificates: BTreeSet<HostPath>,
    /// Where it remembers the jobs of backups.
    pub catalogue: Option<Catalogue>,
    /// Whether a director backs it up.
    pub is_backed_up: bool,
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work.
    Broken,
    /// Something will not work, if nobody cares for it.
    Soon,
}

/// Something that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing it is, for programs.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, in a few words.
    pub text: String,
}

impl Watched {
    /// Gathers what is looked for on a host whose domains declare these resources.
    pub fn of(context: &HostContext<'_>, domains: &[Declared]) -> Result<Self, Vec<Diagnostic>> {
        let roles = crate::role::resources(context)?;
        let certificates = roles.iter().chain(domains).filter_map(|declared| {
            if let Resource::TlsCertificate(certificate) = &declared.resource {
                Some(certificate.path.clone())
            } else {
                None
            }
        });
        Ok(Self {
            services: served(context)?,
            certificates: certificates.collect(),
            catalogue: None,
            is_backed_up: false,
        })
    }

    /// Gives what the host is asked.
    #[must_use]
    pub fn question(&self) -> HealthQuestion {
        HealthQuestion {
            services: self.services.keys().cloned().collect(),
            certificates: self.certificates.clone(),
            catalogue: self.catalogue.clone(),
        }
    }

    /// Says what is not well; `backup` is what the director knows of the host, where that is known.
    #[must_use]
    pub fn findings(
        &self,
        fact: &HealthFact,
        manager: ServiceManager,
        backup: Option<&BackupFact>,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        self.services(fact, manager, &mut found);
        for unit in &fact.failed {
            let is_told = self.services.keys().any(|name| name.unit() == unit.name);
            if !is_told {
                found.push(broken("unit_failed", format!("{} has failed", unit.name)));
            }
        }
        disks(fact, &mut found);
        certificates(fact, &mut found);
        if let Some(backup) = backup.filter(|_| self.is_backed_up) {
            backups(*backup, fact.now, &mut found);
        }
        if let Some(said) = &fact.catalogue_problem {
            found.push(broken(
                "catalogue",
                format!("the catalogue of backups does not answer: {said}"),
            ));
        }
        updates(fact, &mut found);
        found.sort_by_key(|finding| finding.severity);
        found
    }

    fn services(&self, fact: &HealthFact, manager: ServiceManager, found: &mut Vec<Finding>) {
        for (name, roles) in &self.services {
            let roles: Vec<_> = roles.iter().map(String::as_str).collect();
            let roles = roles.join(", ");
            let state = fact.services.get(name).map(|unit| unit.state);
            let (code, how) = match state {
                Some(UnitState::Running | UnitState::Changing) => continue,
                Some(UnitState::Stopped) => ("service_stopped", "does not run"),
                Some(UnitState::Failed) => ("service_failed", "has failed"),
                Some(UnitState::Looping) => ("service_loops", "ends again and again"),
                Some(UnitState::Masked) => ("service_masked", "is masked"),
                Some(UnitState::Unknown) => ("service_unknown", "is no service of systemd"),
                None => (
                    "service_unknown",
                    match manager {
                        ServiceManager::Systemd => "is not told of",
                        ServiceManager::None | ServiceManager::Runit => {
                            "is looked after by no systemd, so nothing is known of it"
                        }
                    },
                ),
            };
            found.push(broken(code, format!("{name} ({roles}) {how}")));
        }
    }
}

fn broken(code: &'static str, text: String) -> Finding {
    Finding {
        code,
        severity: Severity::Broken,
        text,
    }
}

fn soon(code: &'static str, text: String) -> Finding {
    Finding {
        severity: Severity::Soon,
        ..broken(code, text)
    }
}

/// Gives how full something is, in percent, rounded up as df(1) does.
#[must_use]
pub fn percent(used: u64, free: u64) -> u64 {
    let all = used.saturating_add(free);
    if all == 0 {
        return 0;
    }
    used.saturating_mul(100).div_ceil(all)
}

fn disks(fact: &HealthFact, found: &mut Vec<Finding>) {
    for disk in &fact.disks {
        let bytes = percent(disk.used, disk.free);
        let files = disk.inodes.saturating_sub(disk.inodes_free);
        let files = percent(files, disk.inodes.min(disk.inodes_free));
        for (full, code, of) in [
            (bytes, "disk_full", "full"),
            (files, "inodes_used", "full of files (inodes)"),
        ] {
            let text = format!("{} is {full} % {of}", disk.target);
            match full {
                _ if full >= FULL[1] => found.push(broken(code, text)),
                _ if full >= FULL[0] => found.push(soon(code, text)),
                _ => {}
            }
        }
    }
}

fn certificates(fact: &HealthFact, found: &mut Vec<Finding>) {
    for certificate in &fact.certificates {
        let path = &certificate.path;
        match certificate.ends {
            None if !certificate.exists => {
                found.push(broken(
                    "certificate_missing",
                    format!("{path} is not there"),
                ));
            }
            None => found.push(broken(
                "certificate_unreadable",
                format!("{path} cannot be read as a certificate"),
            )),
            Some(ends) if ends <= fact.now => found.push(broken(
                "certificate_expired",
                format!("{path} has ended {}", ago(fact.now - ends)),
            )),
            Some(ends) if ends - fact.now < RENEWED * DAY => found.push(soon(
                "certificate_ends",
                format!("{path} ends in {}", span(ends - fact.now)),
            )),
            Some(_) => {}
        }
    }
}

fn backups(BackupFact { done, failed }: BackupFact, now: u64, found: &mut Vec<Finding>) {
    match (done, failed) {
        (_, Some(failed)) if done.is_none_or(|done| failed > done) => found.push(broken(
            "backup_failed",
            format!(
                "its last backup has failed {}",
                ago(now.saturating_sub(failed))
            ),
        )),
        (None, _) => found.push(soon("backup_missing", "it has no backup yet".to_owned())),
        (Some(done), _) if now.saturating_sub(done) > OLD_BACKUP * DAY => found.push(soon(
            "backup_old",
            format!("its last backup is of {}", ago(now - done)),
        )),
        (Some(_), _) => {}
    }
}

fn updates(fact: &HealthFact, found: &mut Vec<Finding>) {
    if fact.interrupted {
        found.push(broken(
            "installation_interrupted",
            "an installation was interrupted: `prov upgrade` finishes it".to_owned(),
        ));
    }
    if let Some(said) = &fact.apt_problem {
        found.push(broken("apt", format!("apt refuses to upgrade: {said}")));
    }
    if fact.security > 0 {
        let all = fact.security;
        found.push(soon(
            "security_updates",
            format!("security updates are pending: {all}"),
        ));
    }
    if fact.reboot {
        found.push(soon(
            "reboot",
            "it wants to be started again since packages were upgraded".to_owned(),
        ));
    }
    match fact.lists {
        None => found.push(soon(
            "lists_missing",
            "it has no lists of packages, so no update is known".to_owned(),
        )),
        Some(at) if fact.now.saturating_sub(at) > OLD_LISTS * DAY => found.push(soon(
            "lists_old",
            format!("its lists of packages are of {}", ago(fact.now - at)),
        )),
        Some(_) => {}
    }
}

/// Puts a time that has passed into words.
#[must_use]
pub fn ago(seconds: u64) -> String {
    format!("{} ago", span(seconds))
}

/// Puts a time into words, in the unit that fits.
#[must_use]
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3_600 => (seconds / 60, "minute"),
        3_600..DAY => (seconds / 3_600, "hour"),
        _ => (seconds / DAY, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}

/// Gives what the director knows of a host, where the director was asked: no job is none that ended.
#[must_use]
pub fn backup_of(jobs: &BTreeMap<String, BackupFact>, host: &str) -> BackupFact {
    jobs.get(host).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{CertificateFact, DiskFact, UnitFact};
    use crate::value::ServiceName;

    const NOW: u64 = 1_780_000_000;

    fn well() -> (Watched, HealthFact) {
        let name = ServiceName::new("dnsmasq").unwrap();
        let watched = Watched {
            services: [(name.clone(), BTreeSet::from(["dns".to_owned()]))].into(),
            is_backed_up: true,
            ..Watched::default()
        };
        let unit = UnitFact {
            name: name.unit(),
            state: UnitState::Running,
            since: Some(7),
        };
        let fact = HealthFact {
            now: NOW,
            lists: Some(NOW - DAY),
            services: [(name, unit)].into(),
            disks: vec![DiskFact {
                target: "/".to_owned(),
                kind: "ext4".to_owned(),
                size: 100,
                used: 50,
                free: 50,
                inodes: 100,
                inodes_free: 50,
            }],
            certificates: vec![CertificateFact {
                path: "/etc/a.pem".to_owned(),
                ends: Some(NOW + 100 * DAY),
                exists: true,
            }],
            ..HealthFact::default()
        };
        (watched, fact)
    }

    const BACKED_UP: BackupFact = BackupFact {
        done: Some(NOW - DAY),
        failed: Some(NOW - 2 * DAY),
    };

    fn codes(spoil: impl FnOnce(&mut HealthFact)) -> Vec<&'static str> {
        let (watched, mut fact) = well();
        spoil(&mut fact);
        let found = watched.findings(&fact, ServiceManager::Systemd, Some(&BACKED_UP));
        found.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_host_that_is_well_has_no_findings() {
        assert_eq!(codes(|_| {}), [""; 0]);
    }

    #[test]
    fn whatever_is_not_well_is_found() {
        let unit = |state: UnitState| {
            codes(move |fact| {
                for unit in fact.services.values_mut() {
                    unit.state = state;
                }
            })
        };
        assert_eq!(unit(UnitState::Stopped), ["service_stopped"]);
        assert_eq!(unit(UnitState::Failed), ["service_failed"]);
        assert_eq!(unit(UnitState::Looping), ["service_loops"]);
        assert_eq!(unit(UnitState::Masked), ["service_masked"]);
        assert_eq!(unit(UnitState::Unknown), ["service_unknown"]);
        assert_eq!(codes(|fact| fact.services.clear()), ["service_unknown"]);
        let failed = |name: &str| UnitFact {
            name: name.to_owned(),
            state: UnitState::Failed,
            since: None,
        };
        assert_eq!(
            codes(|fact| fact.failed.push(failed("other.service"))),
            ["unit_failed"]
        );
        assert_eq!(codes(|fact| fact.disks[0].free = 2), ["disk_full"]);
        assert_eq!(codes(|fact| fact.disks[0].free = 7), ["disk_full"]);
        assert_eq!(codes(|fact| fact.disks[0].inodes_free = 1), ["inodes_used"]);
        let ends = |ends: Option<u64>, exists: bool| {
            codes(move |fact| {
                let certificate = &mut fact.certificates[0];
                (certificate.ends, certificate.exists) = (ends, exists);
            })
        };
        assert_eq!(ends(Some(NOW), true), ["certificate_expired"]);
        assert_eq!(ends(Some(NOW + DAY), true), ["certificate_ends"]);
        assert_eq!(ends(None, true), ["certificate_unreadable"]);
        assert_eq!(ends(None, false), ["certificate_missing"]);
        assert_eq!(
            codes(|fact| fact.interrupted = true),
            ["installation_interrupted"]
        );
        assert_eq!(codes(|fact| fact.security = 1), ["security_updates"]);
        assert_eq!(codes(|fact| fact.reboot = true), ["reboot"]);
        assert_eq!(codes(|fact| fact.lists = None), ["lists_missing"]);
        assert_eq!(
            codes(|fact| fact.lists = Some(NOW - 8 * DAY)),
            ["lists_old"]
        );
        assert_eq!(
            codes(|fact| fact.apt_problem = Some("no".to_owned())),
            ["apt"]
        );
        assert_eq!(
            codes(|fact| fact.catalogue_problem = Some("no".to_owned())),
            ["catalogue"]
        );
    }

    #[test]
    fn a_backup_that_failed_was_never_made_or_is_old_is_found() {
        let (watched, fact) = well();
        let codes = |done: Option<u64>, failed: Option<u64>| {
            let backup = BackupFact { done, failed };
            let found = watched.findings(&fact, ServiceManager::Systemd, Some(&backup));
            found.iter().map(|it| it.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(None, None), ["backup_missing"]);
        assert_eq!(codes(None, Some(NOW)), ["backup_failed"]);
        assert_eq!(codes(Some(NOW - DAY), Some(NOW)), ["backup_failed"]);
        assert_eq!(codes(Some(NOW - 9 * DAY), None), ["backup_old"]);
        // Where the director was not asked, nothing is said.
        let found = watched.findings(&fact, ServiceManager::Systemd, None);
        assert_eq!(found, []);
    }

    #[test]
    fn what_is_broken_comes_first_and_a_failed_service_is_told_once() {
        let (watched, mut fact) = well();
        fact.reboot = true;
        for unit in fact.services.values_mut() {
            unit.state = UnitState::Failed;
        }
        fact.failed = fact.services.values().cloned().collect();
        let found = watched.findings(&fact, ServiceManager::Systemd, None);
        let texts: Vec<_> = found.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "dnsmasq (dns) has failed",
                "it wants to be started again since packages were upgraded"
            ]
        );
    }
}
