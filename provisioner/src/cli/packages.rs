//! `prov packages`: what of the hosts' packages is not up to date.

use serde_json::json;
use tasks::probe::{Facts, PendingPackage, ReplacedFact, UpgradeFact, UpgradeQuestion};
use tasks::resource::{Declared, Resource, Restarts, Upgrade};

use super::app::App;
use super::arguments::Names;
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use crate::engine::Failure;
use crate::report::print::{jsonln, outln};
use crate::report::problem::Problem;
use crate::report::style::{self, paint};
use crate::report::text::printable;

/// Asks what an upgrade within the release would do, and what runs that an earlier one replaced.
pub(super) fn questions() -> [Declared; 2] {
    [
        Declared::new("packages", Resource::Upgrade(Upgrade::default())),
        Declared::new("packages", Resource::Restarts(Restarts::default())),
    ]
}

/// What is known of the packages of one host.
struct Row<'f> {
    host: &'f str,
    facts: Result<(&'f Facts, &'f UpgradeFact, &'f ReplacedFact), &'f Failure>,
}

pub(super) async fn run(app: &App, options: &Names) -> Result<u8, Problem> {
    let hosts = app.named(options)?;
    let jobs = Jobs::gather(app, &hosts, Work::Upgrade(&questions())).await?;
    let (outcome, previews) = jobs::preview(app, jobs, Show::Later).await;
    let rows = outcome.hosts.iter().filter_map(|host| {
        let preview = previews.iter().find(|(job, _)| job.host == host.host);
        let facts = preview.and_then(|(_, preview)| preview.basis.as_ref());
        let facts = match (facts.map(|basis| &basis.facts), &host.failed) {
            (_, Some(failure)) => Err(failure),
            (Some(facts), None) => Ok((
                facts,
                facts.upgrades.get(&UpgradeQuestion { to: None })?,
                facts.replaced.as_ref()?,
            )),
            (None, None) => return None,
        };
        Some(Row {
            host: &host.host,
            facts,
        })
    });
    let rows: Vec<_> = rows.collect();
    if app.json() {
        let hosts: Vec<_> = rows.iter().map(json).collect();
        jsonln!("{:#}", json!({ "hosts": hosts }));
    } else {
        table(&rows, app.global.telling.verbose > 0);
    }
    Ok(jobs::code(&outcome))
}

fn security(pending: &[PendingPackage]) -> usize {
    pending.iter().filter(|package| package.security).count()
}

fn table(rows: &[Row<'_>], verbose: bool) {
    let width = rows.iter().map(|row| row.host.chars().count());
    let width = width.max().unwrap_or(0).max(4);
    outln!(
        "{:width$}  release   pending  security  kept back  held  reboot  runs what was replaced",
        "host"
    );
    for row in rows {
        let (facts, fact, replaced) = match row.facts {
            Ok(known) => known,
            Err(failure) => {
                outln!("{:width$}  {}", row.host, paint(style::BAD, "failed"));
                crate::report::print::out(format_args!(
                    "{}",
                    Problem::Failed(failure.clone()).text()
                ));
                continue;
            }
        };
        let release = facts.release.as_ref();
        let running: Vec<_> = replaced
            .to_restart()
            .map(String::as_str)
            .chain(replaced.manager.then_some("systemd"))
            .collect();
        let waiting: Vec<_> = replaced.until_reboot().map(String::as_str).collect();
        let mut running = printable(&running.join(" "));
        if !waiting.is_empty() {
            running = format!(
                "{running} (until a reboot or a new login: {})",
                printable(&waiting.join(" "))
            );
        }
        outln!(
            "{:width$}  {:8}  {:7}  {:8}  {:9}  {:4}  {:6}  {}",
            row.host,
            printable(release.map_or("", |release| &release.codename)),
            fact.pending.len(),
            security(&fact.pending),
            fact.kept_back.len(),
            fact.held.len(),
            if fact.reboot { "wanted" } else { "no" },
            if running.is_empty() {
                "nothing"
            } else {
                running.trim()
            }
        );
        let held = fact.held.iter().map(|name| format!("on hold: {name}"));
        let kept = fact
            .kept_back
            .iter()
            .map(|name| format!("kept back: {name}"));
        let interrupted = fact
            .interrupted
            .then(|| "an installation was interrupted: `prov upgrade` finishes it".to_owned());
        for note in held.chain(kept).chain(interrupted) {
            outln!("{:width$}    {}", "", printable(&note));
        }
        if verbose {
            for package in &fact.pending {
                let from = package.from.as_deref().unwrap_or("new");
                let security = if package.security { "   security" } else { "" };
                outln!(
                    "{:width$}    {}",
                    "",
                    printable(&format!(
                        "{} {from} -> {}{security}",
                        package.name, package.to
                    ))
                );
            }
        }
    }
    let known = || rows.iter().filter_map(|row| row.facts.ok());
    let pending: usize = known().map(|(_, fact, _)| fact.pending.len()).sum();
    let urgent: usize = known().map(|(_, fact, _)| security(&fact.pending)).sum();
    outln!(
        "{pending} pending, {urgent} of them for security.{}",
        if pending > 0 {
            " `prov upgrade --diff` shows them, `prov upgrade` installs them."
        } else {
            ""
        }
    );
}

fn json(row: &Row<'_>) -> serde_json::Value {
    match row.facts {
        Err(failure) => json!({ "host": row.host, "failed": failure }),
        Ok((facts, fact, replaced)) => json!({
            "host": row.host,
            "release": facts.release.as_ref().map(|release| &release.codename),
            "pending": fact.pending,
            "kept_back": fact.kept_back,
            "held": fact.held,
            "interrupted": fact.interrupted,
            "reboot": fact.reboot,
            "restart": replaced.to_restart().collect::<Vec<_>>(),
            "until_reboot": replaced.until_reboot().collect::<Vec<_>>(),
        }),
    }
}
