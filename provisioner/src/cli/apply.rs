//! `prov apply` and `prov complete`: make hosts as the estate says.

use std::path::Path;

use tasks::estate::Host;
use tasks::plan::Phase;

use super::app::App;
use super::arguments::{Apply, Complete};
use super::jobs::{self, Jobs, Show, Work};
use crate::engine::{Failure, RunOutcome, SavedPlan};
use crate::report::problem::{Problem, exit};
use crate::report::text::Tense;

impl App {
    /// Gives the phase of plain applying: containers keep some things for completion, servers do not.
    pub(super) fn phase(&self) -> Phase {
        if self.estate.network().is_some() {
            Phase::Apply
        } else {
            Phase::Completion
        }
    }
}

pub(super) async fn run(app: &App, options: &Apply) -> Result<u8, Problem> {
    let wait = options.waiting.wait;
    let outcome = if let Some(path) = &options.plan {
        planned(app, path, wait).await?
    } else {
        let jobs = Jobs::gather(app, &app.limited()?, Work::Roles(app.phase())).await?;
        jobs::apply(app, jobs, wait, None, Show::AsTheyCome).await
    };
    jobs::print(app, &outcome, Tense::Did);
    Ok(jobs::code(&outcome))
}

/// Applies a saved plan.
async fn planned(app: &App, path: &Path, wait: u64) -> Result<RunOutcome, Problem> {
    if app.global.limit.is_some() {
        return Err(Problem::usage(
            "a plan is applied as a whole, so --plan and --limit do not go together",
            "limit the plan when you make it: `prov diff --limit LIMIT --out FILE`",
        ));
    }
    let mut plan = SavedPlan::read(path)?;
    let hosts = hosts(app, &plan)?;
    let jobs = Jobs::gather(app, &hosts, Work::Roles(app.phase())).await?;
    // A mistake in the estate ends the command before this, and does not use the plan up.
    plan.claim(path, jobs::now())?;
    let mut outcome = jobs::apply(app, jobs, wait, Some(plan.clone()), Show::Later).await;
    let failed = outcome.hosts.iter().any(|host| host.failed.is_some());
    let touched = outcome.hosts.iter().any(|host| host.touched);
    // A plan of which nothing was begun can still be applied; any other is used up, and what is left needs a new one.
    if failed && (touched || plan.withdraw(path).is_err()) {
        let failures = outcome.hosts.iter_mut().map(|host| &mut host.failed);
        failures.flatten().for_each(Failure::needs_new_plan);
    }
    Ok(outcome)
}

/// Finds the hosts of a plan in the estate.
fn hosts<'a>(app: &'a App, plan: &SavedPlan) -> Result<Vec<&'a Host>, Problem> {
    if plan.estate != app.estate.name() {
        return Err(Problem::usage(
            format!(
                "the plan is for the estate '{}', not for '{}'",
                plan.estate,
                app.estate.name()
            ),
            "name the plan's estate with --estate DIR",
        ));
    }
    let find = |name: &String| {
        app.estate.host(name).ok_or_else(|| {
            Problem::usage(
                format!("the plan has the host {name}, which the estate no longer has"),
                "make a new plan with `prov diff --out FILE`",
            )
        })
    };
    plan.hosts.iter().map(|saved| find(&saved.host)).collect()
}

pub(super) async fn complete(app: &App, options: &Complete) -> Result<u8, Problem> {
    let hosts = app.limited()?;
    let jobs = Jobs::gather(app, &hosts, Work::Roles(Phase::Completion)).await?;
    let outcome = jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await;
    let code = jobs::code(&outcome);
    match jobs::still_deferred(&outcome) {
        Some(failure) if code == exit::DONE => {
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}
