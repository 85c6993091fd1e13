//! What is backed up when, how long it is kept, and what of it is copied to outside the office.
//!
//! A host in the office is *on-site*: the archive stands beside it, so its backups are copied to the synchronised
//! folder. A host on the Internet is *off-site*: the archive itself is the second place, so nothing is copied. Which
//! one a host is follows from its `location`.
//!
//! Every volume takes one job, so it can be used again as soon as that job's retention is over. Copies of full backups
//! are kept for less than a week: each Saturday's takes the place of the last.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::COMMANDS;
use crate::quote::{Inexpressible, bacula};

/// The kinds of hosts: internal ones, external ones.
pub(super) const SITES: [&str; 2] = ["on-site", "off-site"];

/// What the director calls the storage of backups, and that of copies; its template has both.
pub(super) const ARCHIVE: &str = "archive";
pub(super) const COPIES_STORAGE: &str = "copies";

/// The job that copies what the catalogue's job has written.
pub(super) const COPY_CATALOGUE: &str = "copy-catalogue";

/// Days for which each kind of backup is kept, and its copies.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Retention {
    /// Backups of Sundays to Fridays: what has changed.
    daily: NonZeroU32,
    /// Full backups of all Saturdays but a month's first.
    weekly: NonZeroU32,
    /// Full backups of a month's first Saturday.
    monthly: NonZeroU32,
    /// Backups of the catalogue.
    catalogue: NonZeroU32,
    /// Copies of daily backups.
    copies_daily: NonZeroU32,
    /// Copies of full backups, weekly and monthly ones.
    copies_weekly: NonZeroU32,
    /// Copies of the catalogue's backups.
    copies_catalogue: NonZeroU32,
}

const fn days<const N: u32>() -> NonZeroU32 {
    match NonZeroU32::new(N) {
        Some(days) => days,
        None => NonZeroU32::MIN,
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            daily: days::<10>(),
            weekly: days::<30>(),
            monthly: days::<90>(),
            catalogue: days::<3>(),
            copies_daily: days::<10>(),
            copies_weekly: days::<6>(),
            copies_catalogue: days::<3>(),
        }
    }
}

impl Retention {
    /// Gives the days for which the catalogue must know what was saved.
    pub(super) fn longest(&self) -> NonZeroU32 {
        let saved = [self.daily, self.weekly, self.monthly, self.catalogue];
        let copies = [self.copies_daily, self.copies_weekly, self.copies_catalogue];
        let all = saved.into_iter().chain(copies);
        all.fold(NonZeroU32::MIN, NonZeroU32::max)
    }
}

/// Holds volumes that are treated alike.
#[derive(Debug, Serialize)]
pub(super) struct Pool {
    name: String,
    storage: &'static str,
    days: NonZeroU32,
    next: Option<&'static str>,
}

/// Says when a job runs.
#[derive(Debug, Serialize)]
pub(super) struct Schedule {
    name: String,
    runs: Vec<String>,
}

/// Copies what is in a pool to the next one.
#[derive(Debug, Serialize)]
pub(super) struct CopyJob {
    name: &'static str,
    from: &'static str,
    before: String,
    after: String,
}

/// Holds the whole plan.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) pools: Vec<Pool>,
    pub(super) schedules: Vec<Schedule>,
    pub(super) copies: Vec<CopyJob>,
}

/// A row: name of the job, the pool it copies from, the pool it copies to, when it runs.
const COPIES: [(&str, &str, &str, &str); 4] = [
    (
        "copy-daily",
        "on-site-daily",
        "copies-daily",
        "sun-fri at 02:35",
    ),
    (
        "copy-weekly",
        "on-site-weekly",
        "copies-weekly",
        "2nd-5th sat at 02:35",
    ),
    (
        "copy-monthly",
        "on-site-monthly",
        "copies-weekly",
        "1st sat at 02:35",
    ),
    (
        COPY_CATALOGUE,
        CATALOGUE,
        "copies-catalogue",
        "sun-sat at 07:05",
    ),
];

/// The pool of the archive besides those of the sites; its job and its schedule have that name, too.
pub(super) const CATALOGUE: &str = "catalogue";

impl Plan {
    pub(super) fn new(
        copied: bool,
        scheduled: bool,
        retention: &Retention,
    ) -> Result<Self, Inexpressible> {
        Ok(Self {
            pools: pools(copied, retention),
            schedules: if scheduled {
                schedules(copied)
            } else {
                Vec::new()
            },
            copies: if copied { copies()? } else { Vec::new() },
        })
    }
}

fn pools(copied: bool, retention: &Retention) -> Vec<Pool> {
    let of_sites = SITES.iter().flat_map(|site| {
        [
            ("daily", retention.daily),
            ("weekly", retention.weekly),
            ("monthly", retention.monthly),
        ]
        .map(|(kind, days)| (format!("{site}-{kind}"), days))
    });
    let archive = of_sites.chain([(CATALOGUE.to_owned(), retention.catalogue)]);
    let mut pools: Vec<Pool> = archive
        .map(|(name, days)| {
            let copy = COPIES.iter().find(|(_, from, ..)| copied && *from == name);
            Pool {
                next: copy.map(|(_, _, to, _)| *to),
                name,
                storage: ARCHIVE,
                days,
            }
        })
        .collect();
    if copied {
        let of_copies = [
            ("copies-daily", retention.copies_daily),
            ("copies-weekly", retention.copies_weekly),
            ("copies-catalogue", retention.copies_catalogue),
        ];
        pools.extend(of_copies.map(|(name, days)| Pool {
            name: name.to_owned(),
            storage: COPIES_STORAGE,
            days,
            next: None,
        }));
    }
    pools
}

fn schedules(copied: bool) -> Vec<Schedule> {
    let mut schedules: Vec<Schedule> = SITES
        .iter()
        .map(|site| Schedule {
            name: (*site).to_owned(),
            runs: vec![
                "Level=Incremental sun-fri at 01:05".to_owned(),
                "Level=Full 2nd-5th sat at 01:05".to_owned(),
                // A job's pool for full backups would win over `Pool` here (Bacula, "Schedule Resource").
                format!("Level=Full FullPool={site}-monthly 1st sat at 01:05"),
            ],
        })
        .collect();
    let mut add = |name: &str, run: &str| {
        schedules.push(Schedule {
            name: name.to_owned(),
            runs: vec![run.to_owned()],
        });
    };
    add(CATALOGUE, "Level=Full sun-sat at 01:10");
    if copied {
        for (name, _, _, when) in COPIES {
            add(name, when);
        }
        // An hour after the last copy.
        add("synchronisation", "sun-sat at 08:05");
    }
    schedules
}

fn copies() -> Result<Vec<CopyJob>, Inexpressible> {
    let command = |verb| bacula(&format!("{COMMANDS}/synchronisation {verb} %j"));
    COPIES
        .iter()
        .map(|(name, from, ..)| {
            Ok(CopyJob {
                name,
                from,
                before: command("hold")?,
                after: command("release")?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(copied: bool, scheduled: bool) -> Plan {
        Plan::new(copied, scheduled, &Retention::default()).unwrap()
    }

    #[test]
    fn without_schedules_nothing_runs_by_itself() {
        assert!(plan(true, false).schedules.is_empty());
        assert_eq!(plan(true, true).schedules.len(), 8);
    }

    #[test]
    fn monthly_backups_go_to_the_monthly_pools() {
        let plan = plan(true, true);
        for site in SITES {
            let run = format!("Level=Full FullPool={site}-monthly ");
            let runs = plan.schedules.iter().flat_map(|schedule| &schedule.runs);
            assert_eq!(runs.filter(|line| line.starts_with(&run)).count(), 1);
        }
    }

    #[test]
    fn only_what_is_on_site_is_copied() {
        let plan = plan(true, true);
        let copied: Vec<_> = plan
            .pools
            .iter()
            .filter(|pool| pool.next.is_some())
            .collect();
        assert_eq!(copied.len(), 4);
        assert!(copied.iter().all(|pool| !pool.name.starts_with("off-site")));
        let known = |name: &str| plan.pools.iter().any(|pool| pool.name == name);
        assert!(copied.iter().all(|pool| pool.next.is_some_and(known)));
    }

    #[test]
    fn without_synchronisation_there_are_no_copies() {
        let plan = plan(false, true);
        assert!(plan.copies.is_empty());
        assert_eq!(plan.pools.len(), 7);
        assert_eq!(plan.schedules.len(), 3);
    }
}
