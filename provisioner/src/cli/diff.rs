//! `prov diff`: previews what apply would change.

use std::path::Path;

use super::app::App;
use super::arguments::Diff;
use super::jobs::{self, Jobs, Show, Work};
use crate::engine::{Failure, SavedPlan, Status};
use crate::report::json;
use crate::report::print::outln;
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::Tense;

/// Shows a saved plan, which needs no estate.
pub(super) fn show(path: &Path) -> Result<u8, Problem> {
    let plan = SavedPlan::read(path)?;
    let shown: Vec<_> = plan.hosts.iter().map(|host| &host.shown).collect();
    let applied = plan.applied.as_deref().unwrap_or("not applied");
    outln!(
        "{:#}",
        serde_json::json!({ "estate": plan.estate, "made": plan.made, "applied": applied, "hosts": shown })
    );
    Ok(exit::DONE)
}

pub(super) async fn run(app: &App, options: &Diff) -> Result<u8, Problem> {
    let hosts = app.limited()?;
    let jobs = Jobs::gather(app, &hosts, Work::Roles(app.phase())).await?;
    let (outcome, previews) = jobs::preview(app, jobs, Show::AsTheyCome).await;
    let code = jobs::code(&outcome);
    if let Some(path) = &options.out {
        if code != exit::DONE {
            let failure = Failure {
                unreachable: code == exit::UNREACHABLE,
                ..Failure::new(
                    "the plan was not saved, because not every host could be looked at",
                    "repair what is said above, or leave the hosts out with --limit",
                )
            };
            return Ok(jobs::print_failed(app, &outcome, Tense::Would, failure));
        }
        let mut plan = SavedPlan::new(app.estate.name(), jobs::now(), key()?);
        for (job, preview) in &previews {
            if let Some(basis) = &preview.basis {
                let shown = json::host(&preview.outcome);
                plan.add(&job.host, &job.resources, basis, shown)?;
            }
        }
        plan.write(path)?;
    }
    jobs::print(app, &outcome, Tense::Would);
    if let (Some(path), false) = (&options.out, app.json()) {
        let path = path.display();
        outln!(
            "The plan is in {}; apply it with `prov apply --plan {path}`.",
            paint(style::STRONG, &path.to_string())
        );
    }
    let pending = outcome
        .hosts
        .iter()
        .any(|host| host.status() == Status::Changed);
    if code == exit::DONE && options.exit_code && pending {
        return Ok(exit::PENDING);
    }
    Ok(code)
}

/// Makes the key under which a plan's digests are made.
fn key() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problem::usage(
            format!("this machine gives no random numbers: {error}"),
            "check what its system log says about that",
        )
    })?;
    Ok(tasks::hex(&bytes))
}
