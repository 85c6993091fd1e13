//! What is backed up when, how long it is kept, and what of it is copied to outside the office.
//!
//! A host in the office is *on-site*: the archive stands beside it, so its backups are copied to the synchronised
//! folder. A host on the Internet is *off-site*: the archive itself is the second place, so nothing is copied. Which
//! one a host is follows from its `location`.
//!
//! Every volume takes one job, so it can be used again as soon as that job's retention is over. Copies of full backups
//! are kept for less than a week: each Saturday's takes the place of the last.

use serde::Serialize;

use super::COMMANDS;
use crate::quote::{Inexpressible, bacula};

/// The kinds of hosts: internal ones, external ones.
pub(super) const SITES: [&str; 2] = ["on-site", "off-site"];

/// What the director calls the storage of backups, and that of copies; its template has both.
pub(super) const ARCHIVE: &str = "archive";
pub(super) const COPIES_STORAGE: &str = "copies";

/// The job that copies what the catalogue's job has written.
pub(super) const COPY_CATALOGUE: &str = "copy-catalogue";

/// Holds volumes that are treated alike.
#[derive(Debug, Serialize)]
pub(super) struct Pool {
    name: String,
    storage: &'static str,
    days: u32,
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
pub(super) struct Copy {
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
    pub(super) copies: Vec<Copy>,
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
        CATALOGUE.0,
        "copies-catalogue",
        "sun-sat at 07:05",
    ),
];

/// Pools of the archive besides those of the sites, and pools of the copies, with the days for which they keep a job.
pub(super) const CATALOGUE: (&str, u32) = ("catalogue", 3);
const OF_COPIES: [(&str, u32); 3] = [
    ("copies-daily", 10),
    ("copies-weekly", 6),
    ("copies-catalogue", 3),
];

impl Plan {
    pub(super) fn new(copied: bool, scheduled: bool) -> Result<Self, Inexpressible> {
        Ok(Self {
            pools: pools(copied),
            schedules: if scheduled {
                schedules(copied)
            } else {
                Vec::new()
            },
            copies: if copied { copies()? } else { Vec::new() },
        })
    }
}

fn pools(copied: bool) -> Vec<Pool> {
    let of_sites = SITES.iter().flat_map(|site| {
        [("daily", 10), ("weekly", 30), ("monthly", 90)]
            .map(|(kind, days)| (format!("{site}-{kind}"), days))
    });
    let archive = of_sites.chain([(CATALOGUE.0.to_owned(), CATALOGUE.1)]);
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
        pools.extend(OF_COPIES.map(|(name, days)| Pool {
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
    add(CATALOGUE.0, "Level=Full sun-sat at 01:10");
    if copied {
        for (name, _, _, when) in COPIES {
            add(name, when);
        }
        // An hour after the last copy.
        add("synchronisation", "sun-sat at 08:05");
    }
    schedules
}

fn copies() -> Result<Vec<Copy>, Inexpressible> {
    let command = |verb| bacula(&format!("{COMMANDS}/synchronisation {verb} %j"));
    COPIES
        .iter()
        .map(|(name, from, ..)| {
            Ok(Copy {
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

    #[test]
    fn without_schedules_nothing_runs_by_itself() {
        assert!(Plan::new(true, false).unwrap().schedules.is_empty());
        assert_eq!(Plan::new(true, true).unwrap().schedules.len(), 8);
    }

    #[test]
    fn monthly_backups_go_to_the_monthly_pools() {
        let plan = Plan::new(true, true).unwrap();
        for site in SITES {
            let run = format!("Level=Full FullPool={site}-monthly ");
            let runs = plan.schedules.iter().flat_map(|schedule| &schedule.runs);
            assert_eq!(runs.filter(|line| line.starts_with(&run)).count(), 1);
        }
    }

    #[test]
    fn only_what_is_on_site_is_copied() {
        let plan = Plan::new(true, true).unwrap();
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
        let plan = Plan::new(false, true).unwrap();
        assert!(plan.copies.is_empty());
        assert_eq!(plan.pools.len(), 7);
        assert_eq!(plan.schedules.len(), 3);
    }
}
