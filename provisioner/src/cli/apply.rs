//! `prov apply` and `prov complete`: make hosts as the estate says.

use std::collections::BTreeSet;

use tasks::plan::Phase;

use super::app::App;
use super::arguments::{Apply, Complete};
use super::jobs::{self, Jobs, Show};
use super::rollout::Applying;
use super::work::{Leave, Work};
use super::{domains, plans};
use crate::engine::Failure;
use crate::report::problem::{Problem, exit};
use crate::report::text::Tense;

impl App {
    /// Gives the phase of plain applying: containers keep some things for completion, servers do not.
    pub(super) fn phase(&self) -> Phase {
        if self.estate.networks().is_some() {
            Phase::Apply
        } else {
            Phase::Completion
        }
    }
}

pub(super) async fn run(app: &App, options: &Apply) -> Result<u8, Problem> {
    let wait = options.waiting.wait;
    options.changes.ready()?;
    app.check_names()?;
    if let Some(path) = &options.plan {
        return plans::apply(app, path, options).await;
    }
    let hosts = app.named(&options.names)?;
    let work = Work::Roles(app.phase());
    let leave = Leave {
        purge: options.purge_data,
        forget: options.forget.iter().cloned().collect(),
        ..Leave::default()
    };
    if leave.purge {
        let jobs = Jobs::leaving(app, &hosts, work, &leave).await?;
        let (outcome, _) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        let code = jobs::code(&outcome);
        // With JSON there is one document: what was done is printed instead of what would be.
        if !app.json() || code != exit::DONE {
            jobs::print(app, &outcome, Tense::Would);
        }
        let left = outcome.hosts.iter().flat_map(|host| &host.left);
        let names: BTreeSet<_> = left
            .filter(|left| !left.goes.is_empty())
            .map(|left| left.name.as_str())
            .collect();
        if code != exit::DONE {
            return Ok(code);
        }
        let names: Vec<_> = names.into_iter().collect();
        if !names.is_empty() {
            domains::confirm(options.confirm.as_deref(), &names.join(" "))?;
        }
    }
    let jobs = Jobs::leaving(app, &hosts, work, &leave).await?;
    let how = Applying {
        work,
        leave: &leave,
        saved: None,
        wait,
        show: Show::AsTheyCome,
    };
    let mut outcome = options.care.apply(app, &hosts, jobs, &how).await?;
    outcome.other_domains = jobs::domains_of(app, &hosts);
    options.changes.write(app, &outcome, Tense::Did)?;
    let left = outcome.hosts.iter().flat_map(|host| &host.left);
    let left: BTreeSet<_> = left
        .filter(|left| left.forgotten)
        .flat_map(|left| left.bare().split(", "))
        .collect();
    let code = jobs::code(&outcome);
    let unknown = options
        .forget
        .iter()
        .find(|name| !left.contains(name.as_str()));
    match unknown {
        Some(name) if code == exit::DONE => {
            let failure = Failure::new(
                format!("no host remembers '{name}' as something that it does not have any more"),
                "name a role or domain that `prov diff` calls no longer declared",
            );
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}

pub(super) async fn complete(app: &App, options: &Complete) -> Result<u8, Problem> {
    app.check_names()?;
    let hosts = app.named(&options.names)?;
    let jobs = Jobs::gather(app, &hosts, Work::Roles(Phase::Completion)).await?;
    let mut outcome = jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await;
    outcome.other_domains = jobs::domains_of(app, &hosts);
    let code = jobs::code(&outcome);
    match jobs::still_deferred(app, &outcome) {
        Some(failure) if code == exit::DONE => {
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}
