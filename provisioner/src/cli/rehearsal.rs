//! An upgrade tried in containers: what is left there before, and whether everything works afterwards.

use std::time::Instant;

use serde_json::json;
use tasks::estate::Host;

use super::app::App;
use super::containers::Shown;
use super::scope::Scopes;
use super::{domains, verify};
use crate::engine::Failure;
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{printable, seconds};
use crate::verify::{Check, Keepsake, Testbed, keepsake};

/// A rehearsal that has begun.
pub(super) struct Rehearsal {
    /// What everything that was left has in it.
    word: String,
    left: Vec<Keepsake>,
    /// The hosts with the releases that they had.
    hosts: Vec<(String, String)>,
    began: Instant,
}

/// Opens the clients with which things are left and looked for.
async fn testbed(app: &App, scopes: &Scopes<'_>) -> Result<Testbed, Problem> {
    let shown = Shown::new(app);
    let clients = keepsake::clients(scopes.promises()?);
    let testbed = verify::testbed(app, scopes, clients, &shown).await;
    drop(shown);
    testbed
}

impl Rehearsal {
    /// Leaves a message, an event, a post and a backup, and sees that they are there.
    pub(super) async fn begin(app: &App, hosts: &[&Host]) -> Result<Self, Problem> {
        if app.estate.networks().is_none() {
            return Err(Problem::usage(
                "a rehearsal needs containers, and the hosts of this estate are servers",
                "rehearse with an estate of the same roles whose estate.yml has `containers`",
            ));
        }
        domains::run_in_test_mode(app, hosts).await?;
        let began = Instant::now();
        let scopes = Scopes::of(app);
        let promises = scopes.promises()?;
        let testbed = testbed(app, &scopes).await?;
        let word = testbed.run.clone();
        let left = keepsake::leave(promises, &testbed, &word).await;
        testbed.close().await?;
        let (left, checks) = left?;
        if !app.json() {
            for keepsake in &left {
                outln!("left before: {}", printable(&keepsake.name()));
            }
        }
        if let Some(check) = checks.iter().find(|check| !check.passed) {
            return Err(Problem::Failed(
                Failure::new(
                    format!("before the upgrade already not so: {}", check.shows),
                    "see that `prov verify` passes first",
                )
                .output(&check.came),
            ));
        }
        let hosts = hosts.iter();
        let hosts = hosts.map(|host| (host.name().to_owned(), host.release().to_string()));
        Ok(Self {
            word,
            left,
            hosts: hosts.collect(),
            began,
        })
    }

    /// Verifies all services, looks for what was left, and says of each host and service what works.
    pub(super) async fn end(self, app: &App, not_done: &[&str]) -> Result<u8, Problem> {
        let services = verify::services(app, &[])?;
        let mut checks = verify::checks(app, &services, None).await?;
        let scopes = Scopes::of(app);
        let testbed = testbed(app, &scopes).await?;
        let mut found = Vec::new();
        for keepsake in &self.left {
            found.push(keepsake.find(&testbed, &self.word).await);
        }
        testbed.close().await?;
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        if !app.json() {
            self.table(app, not_done, &services, &checks, &found);
        }
        checks.extend(found);
        if app.json() {
            jsonln!(
                "{:#}",
                json!({ "not_done": not_done, "verify": verify::json(&checks, &[], self.began.elapsed()) })
            );
        }
        let passed = checks.iter().all(|check| check.passed) && not_done.is_empty();
        Ok(if passed { exit::DONE } else { exit::FAILED })
    }

    fn table(
        &self,
        app: &App,
        not_done: &[&str],
        services: &verify::Subjects,
        checks: &[Check],
        found: &[Check],
    ) {
        let names = self.hosts.iter().map(|(host, _)| host.clone());
        let names = names.chain(services.services.iter().map(|it| it.name.to_owned()));
        let names = names.chain(self.left.iter().map(Keepsake::name));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
        let row = |name: &str, good: bool, what: &str| {
            let word = if good {
                paint(style::GOOD, "works ")
            } else {
                paint(style::BAD, "breaks")
            };
            outln!("{:width$}  {word}  {}", printable(name), printable(what));
        };
        outln!("{}", paint(style::STRONG, "== rehearsal"));
        for (host, before) in &self.hosts {
            let after = app.estate.host(host).map(|host| host.release().to_string());
            let done = !not_done.contains(&host.as_str());
            let what = if done {
                format!("{before} -> {}", after.unwrap_or_default())
            } else {
                format!("{before}: not upgraded to the end, see above")
            };
            row(host, done, &what);
        }
        for service in &services.services {
            let own: Vec<_> = checks
                .iter()
                .filter(|check| check.service == service.name)
                .collect();
            let failed: Vec<_> = own.iter().filter(|check| !check.passed).collect();
            row(
                service.name,
                failed.is_empty(),
                &format!("{} of {} checks", own.len() - failed.len(), own.len()),
            );
            for check in failed {
                outln!(
                    "{:width$}          {}: {}",
                    "",
                    printable(&check.shows),
                    printable(&check.came)
                );
            }
        }
        for (keepsake, check) in self.left.iter().zip(found) {
            row(
                &keepsake.name(),
                check.passed,
                if check.passed {
                    "is as it was"
                } else {
                    &check.came
                },
            );
        }
        outln!(
            "Rehearsed in {}. `prov up --fresh` makes the containers anew as estate.yml says.",
            seconds(self.began.elapsed())
        );
    }
}
