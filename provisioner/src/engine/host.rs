//! The run of one host: look, plan, hand over to the changes and the handlers.

use std::time::Instant;

use tasks::plan::{self, HostPlan, Item, Phase, Planned};
use tasks::probe::{Facts, PathQuestion, Query, QuerySet, Read};
use tasks::resource::{Declared, Handling};
use tasks::value::HostPath;
use tasks::{Input, InputTexts, Secret};
use tokio::sync::watch;

use super::exchange::{self, Exchange};
use super::handlers::in_order;
use super::outcome::{AGAIN, Failure, HostOutcome};
use super::run::Run;
use super::saved::SavedHost;
use super::script::LOCK;
use super::session::{Lock, Opened, ReadSession, WriteSession};
use super::{Event, Progress};
use crate::ssh::Target;

/// What is to be done on one host.
#[derive(Debug, Clone)]
pub struct Job {
    /// The host's name.
    pub host: String,
    /// How it is reached.
    pub target: Target,
    /// Its resources, in the order in which they are applied.
    pub resources: Vec<Declared>,
    /// How far its life has come.
    pub phase: Phase,
    /// Its files that other hosts need to know.
    pub exports: Vec<HostPath>,
    /// What must not be shown when the host quotes it: the secrets of these resources, and of whatever else may be on
    /// the host, because handlers that an earlier run left judge files of its own.
    pub secrets: Vec<Secret>,
}

impl Job {
    fn queries(&self) -> QuerySet {
        let mut queries = plan::queries(&self.resources);
        queries.extend(files(&self.exports));
        queries
    }

    /// Gives what must be known of other hosts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let resources = self.resources.iter();
        resources
            .flat_map(|declared| declared.resource.manage().inputs())
            .collect()
    }

    /// Puts in what other hosts have left by now.
    async fn filled(&self, exchange: &Exchange) -> Self {
        let inputs = self.inputs();
        let mut job = self.clone();
        if !inputs.is_empty() {
            let known = exchange.looked(&inputs).await;
            let filled = job.resources.iter();
            job.resources = filled
                .map(|declared| declared.with_inputs(&known))
                .collect();
        }
        job
    }
}

pub(super) fn files(paths: &[HostPath]) -> impl Iterator<Item = Query> {
    paths.iter().map(|path| {
        Query::Path(PathQuestion {
            path: path.clone(),
            read: Read::Body,
        })
    })
}

/// Reads files of a host that others need.
pub(super) async fn read_files(host: &str, target: &Target, paths: &[HostPath]) -> InputTexts {
    let answers = async {
        let mut session = ReadSession::open(target).await?;
        let answers = session.look(&files(paths).collect()).await;
        session.close().await;
        answers
    };
    let Ok(answers) = answers.await else {
        return InputTexts::new();
    };
    let read = paths.iter().filter_map(|path| {
        let input = Input {
            host: host.to_owned(),
            path: path.clone(),
        };
        let text = exchange::text(&input, &answers.facts)?;
        Some((input, text))
    });
    read.collect()
}

/// A preview of one host, and the facts it was made from.
pub struct Previewed {
    /// What is reported.
    pub outcome: HostOutcome,
    /// The plan and the facts, unless the host failed before there were any.
    pub basis: Option<(HostPlan, Facts)>,
}

/// Previews one host. Nothing on the host changes.
pub(super) async fn preview(job: &Job, exchange: &Exchange, progress: &Progress) -> Previewed {
    let started = Instant::now();
    let mut outcome = HostOutcome::new(&job.host);
    let looked = look(job, exchange, progress, &mut outcome).await;
    exchange.ended(&job.host, &job.exports);
    let basis = match looked {
        Ok(basis) => Some(basis),
        Err(failure) => {
            outcome.failed = Some(failure);
            None
        }
    };
    outcome.elapsed = started.elapsed();
    progress.send(&job.host, Event::Finished);
    Previewed { outcome, basis }
}

/// Says where a host is looked for, which the user's SSH configuration may have changed.
fn looking(target: &Target) -> Event {
    Event::Doing(format!("looking at {}", target.address))
}

async fn look(
    job: &Job,
    exchange: &Exchange,
    progress: &Progress,
    outcome: &mut HostOutcome,
) -> Result<(HostPlan, Facts), Failure> {
    progress.send(&job.host, looking(&job.target));
    let mut session = ReadSession::open(&job.target).await?;
    let answers = session.look(&job.queries()).await?;
    outcome.round_trips = session.round_trips();
    session.close().await;
    exchange.leave(&job.host, &job.exports, &answers.facts);
    let job = &job.filled(exchange).await;
    let plan = preview_plan(job, &answers.facts)?;
    outcome.take(&plan);
    let notified = plan
        .changes()
        .filter_map(|(item, _)| job.resources.get(item.index))
        .flat_map(|declared| &declared.notify);
    let due: Vec<_> = notified.chain(&answers.pending).cloned().collect();
    outcome.handlers = in_order(job, &due)
        .into_iter()
        .filter(|handler| handler.action.handling(&answers.facts) != Handling::Nothing)
        .map(|handler| handler.name)
        .collect();
    Ok((plan, answers.facts))
}

fn preview_plan(job: &Job, facts: &Facts) -> Result<HostPlan, Failure> {
    plan::preview(&job.resources, facts, job.phase).map_err(|defect| internal(&defect.to_string()))
}

pub(super) fn internal(defect: &str) -> Failure {
    Failure::new(defect, "this is a defect of prov: please report it")
}

/// How one host is applied.
pub struct Applying<'a> {
    /// Who is at work, and how long to wait for others.
    pub lock: &'a Lock,
    /// The plan that was saved for this host, if one is applied.
    pub saved: Option<&'a SavedHost>,
    /// What hosts tell each other.
    pub exchange: &'a Exchange,
    /// Becomes true when the user asks to stop.
    pub stop: watch::Receiver<bool>,
}

/// Applies one host's resources and runs the handlers that are due.
pub(super) async fn apply(job: &Job, how: &Applying<'_>, progress: &Progress) -> HostOutcome {
    let started = Instant::now();
    let mut outcome = HostOutcome::new(&job.host);
    if let Err(failure) = change(job, how, progress, &mut outcome).await {
        outcome.failed.get_or_insert(failure);
    }
    how.exchange.ended(&job.host, &job.exports);
    outcome.elapsed = started.elapsed();
    progress.send(&job.host, Event::Finished);
    outcome
}

async fn change(
    job: &Job,
    how: &Applying<'_>,
    progress: &Progress,
    outcome: &mut HostOutcome,
) -> Result<(), Failure> {
    progress.send(&job.host, looking(&job.target));
    // What apt would do was shown with the plan, and is compared with it; without one there is nobody to show it to.
    let queries = match how.saved {
        Some(_) => job.queries(),
        None => job.queries().without_simulations(),
    };
    let opened = WriteSession::open(&job.target, how.lock, &queries).await?;
    let (mut session, answers) = match opened {
        Opened::Ready(session, answers) => (session, answers),
        Opened::Unlockable { answer } => {
            return Err(Failure::new(
                format!("the host's lock {LOCK} cannot be taken"),
                format!("look after /run and flock(1) on the host, then {AGAIN}"),
            )
            .output(&answer));
        }
        Opened::Locked { holder } => {
            let holder = if holder.is_empty() {
                "somebody".to_owned()
            } else {
                holder
            };
            return Err(Failure::new(
                format!("the host is locked by {holder}"),
                format!("when that run has ended, {AGAIN}, or let it wait with --wait SECONDS"),
            ));
        }
    };
    let facts = answers.facts;
    how.exchange.leave(&job.host, &job.exports, &facts);
    let mut job = job.filled(how.exchange).await;
    let planned = preview_plan(&job, &facts)?;
    // A host that cannot be brought to its end is not touched at all.
    if let Some(failure) = impossible(&planned) {
        session.close().await;
        return Err(failure);
    }
    if let Some(saved) = how.saved {
        saved.compare(&job.resources, &planned, &facts)?;
    }
    let total = planned.changes().count();
    let mut run = Run::new(
        &mut job,
        &mut session,
        facts,
        answers.pending,
        progress,
        total,
    );
    let result = run.resources(how, outcome).await;
    let result = match result {
        Ok(()) => run.handlers(outcome).await,
        Err(failure) => Err(failure),
    };
    outcome.round_trips = session.round_trips();
    session.close().await;
    result
}

fn impossible(plan: &HostPlan) -> Option<Failure> {
    plan.items.iter().find_map(|item| match &item.outcome {
        Planned::Impossible { cause, hint } => {
            Some(Failure::new(cause.clone(), hint.clone()).of(name(item)))
        }
        Planned::Unchanged
        | Planned::Change(_)
        | Planned::Unknown { .. }
        | Planned::Deferred { .. } => None,
    })
}

pub(super) fn name(item: &Item) -> String {
    format!("{} {}", item.resource, item.id)
}
