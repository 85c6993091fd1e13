//! `prov apply` and `prov complete`: make hosts as the estate says.

use tasks::plan::Phase;

use super::app::App;
use super::arguments::{Apply, Complete};
use super::jobs::{self, Jobs, Show, Work};
use super::plans;
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
    if let Some(path) = &options.plan {
        return plans::apply(app, path, wait).await;
    }
    let hosts = app.named(&options.names)?;
    let jobs = Jobs::gather(app, &hosts, Work::Roles(app.phase())).await?;
    let mut outcome = jobs::apply(app, jobs, wait, None, Show::AsTheyCome).await;
    outcome.other_domains = jobs::domains_of(app, &hosts);
    jobs::print(app, &outcome, Tense::Did);
    Ok(jobs::code(&outcome))
}

pub(super) async fn complete(app: &App, options: &Complete) -> Result<u8, Problem> {
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
