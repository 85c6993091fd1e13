//! The run of one host: look, plan, hand over to the changes and the handlers.

use std::time::Instant;

use tasks::leaving::Leaving;
use tasks::plan::{self, HostPlan, Remedy};
use tasks::probe::Facts;
use tasks::resource::{Declared, Handling};
use tasks::value::HostPath;
use tasks::{Input, InputTexts};

use super::exchange::{self, Exchange};
use super::job::{Basis, Job, files};
use super::outcome::{Failure, HostOutcome};
use super::run::{Applying, HostRun};
use super::script::LOCK;
use super::session::{OpenOutcome, ReadSession, WriteSession};
use super::{Event, Progress, lockout};
use crate::ssh::Target;

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

/// A preview of one host, and what it was made from.
pub struct Previewed {
    /// What is reported.
    pub outcome: HostOutcome,
    /// Plan, handlers and facts, unless the host failed before there were any.
    pub basis: Option<Basis>,
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
    outcome.settle();
    outcome.elapsed = started.elapsed();
    progress.finished(&outcome);
    Previewed { outcome, basis }
}

/// Says of a host that the user did not wait for it.
pub(super) fn given_up(job: &Job, exchange: &Exchange, progress: &Progress) -> Previewed {
    let mut outcome = HostOutcome::new(&job.host);
    outcome.failed = Some(Failure::new(
        "stopped before the host had answered",
        Remedy::again(""),
    ));
    exchange.ended(&job.host, &job.exports);
    progress.finished(&outcome);
    Previewed {
        outcome,
        basis: None,
    }
}

/// What logging in, becoming root and looking are called among the steps that took time.
const LOOKING: &str = "log in and look";

/// Says where a host is looked for, which the user's SSH configuration may have changed.
fn looking(target: &Target) -> Event {
    Event::Doing(format!("looking at {}", target.address))
}

async fn look(
    job: &Job,
    exchange: &Exchange,
    progress: &Progress,
    outcome: &mut HostOutcome,
) -> Result<Basis, Failure> {
    progress.send(&job.host, looking(&job.target));
    let since = Instant::now();
    let mut session = ReadSession::open(&job.target).await?;
    let mut answers = session.look(&job.queries()).await?;
    outcome.took(LOOKING, since);
    answers.facts.reveal = job.show_private;
    let mut leaving = job.leaving(&answers.facts);
    if !leaving.is_empty() {
        let more = session.look(&job.queries_of(&leaving)).await?;
        answers.facts.update(more.facts);
    }
    outcome.round_trips = session.round_trips();
    session.close().await;
    exchange.leave(&job.host, &job.exports, &answers.facts);
    let mut job = exchange.fill(job).await;
    refuse_other_release(&job, &answers.facts)?;
    refuse_what_others_rely_on(&job, &leaving)?;
    outcome.left = job.take_away(&mut leaving, &answers.facts);
    let job = &job;
    outcome.notes.extend(other_name(job, &answers.facts));
    let plan = preview_plan(job, &answers.facts)?;
    outcome.take(&plan);
    let left_over = |handler: &&tasks::resource::Handler| job.is_left_over(handler);
    let pending = job.due(answers.pending);
    let left = pending.iter().filter(left_over);
    outcome.dropped = left.map(|handler| handler.name.clone()).collect();
    let due: Vec<_> = pending
        .iter()
        .filter(|due| !left_over(due))
        .cloned()
        .collect();
    let handlers = plan.handlers(&job.resources, &due);
    outcome.handlers = handlers
        .iter()
        .filter(|handler| handler.action.handling(&answers.facts) != Handling::Nothing)
        .map(|handler| handler.name.clone())
        .collect();
    Ok(Basis {
        resources: job.resources.clone(),
        plan,
        handlers,
        facts: answers.facts,
    })
}

/// Refuses that a role leaves a host of which others of the estate have something.
fn refuse_what_others_rely_on(job: &Job, leaving: &Leaving) -> Result<(), Failure> {
    let held = job.memory.as_ref().and_then(|memory| memory.held(leaving));
    held.map_or(Ok(()), |(cause, hint)| Err(Failure::new(cause, hint)))
}

/// Refuses a host that runs another release than its estate says.
fn refuse_other_release(job: &Job, facts: &Facts) -> Result<(), Failure> {
    let runs = facts.release.as_ref().zip(job.release);
    match runs.and_then(|(runs, wanted)| runs.refusal(wanted)) {
        Some((cause, hint)) => Err(Failure::new(cause, hint)),
        None => Ok(()),
    }
}

/// Says that a server is called something else than in its estate, unless that is about to change.
fn other_name(job: &Job, facts: &Facts) -> Option<String> {
    let named = |declared: &Declared| {
        let manage = declared.resource.manage();
        manage.kind() == "hostname" || manage.id() == "/etc/hostname"
    };
    if job.resources.iter().any(named) {
        return None;
    }
    facts.release.as_ref()?.other_name(&job.host)
}

fn preview_plan(job: &Job, facts: &Facts) -> Result<HostPlan, Failure> {
    let plan = plan::preview(&job.resources, facts, job.phase);
    let mut plan = plan.map_err(|defect| Failure::internal(&defect))?;
    if !job.guards {
        plan.items.iter_mut().for_each(|item| item.lockout = None);
    }
    Ok(plan)
}

/// Applies one host's resources and runs the handlers that are due.
pub(super) async fn apply(job: &Job, how: &Applying<'_>, progress: &Progress) -> HostOutcome {
    let started = Instant::now();
    let mut outcome = HostOutcome::new(&job.host);
    if let Err(failure) = change(job, how, progress, &mut outcome).await {
        outcome.failed.get_or_insert(failure);
    }
    how.exchange.ended(&job.host, &job.exports);
    outcome.settle();
    outcome.elapsed = started.elapsed();
    progress.finished(&outcome);
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
    let since = Instant::now();
    let opened = WriteSession::open(&job.target, how.lock, &queries).await?;
    outcome.took(LOOKING, since);
    let (mut session, answers) = match opened {
        OpenOutcome::Ready(session, answers) => (session, answers),
        OpenOutcome::Unlockable { answer } => {
            return Err(Failure::new(
                format!("the host's lock {LOCK} cannot be taken"),
                Remedy::again_after("look after /run and flock(1) on the host"),
            )
            .output(&answer));
        }
        OpenOutcome::Locked { holder } => {
            let holder = if holder.is_empty() {
                "somebody".to_owned()
            } else {
                holder
            };
            return Err(Failure::new(
                format!("the host is locked by {holder}"),
                Remedy::Again {
                    first: "wait until that run has ended".to_owned(),
                    note: ", or let it wait with --wait SECONDS".to_owned(),
                },
            ));
        }
    };
    if answers.put_back {
        outcome.notes.push(
            "the host has put back what an earlier run changed, because nobody had confirmed it"
                .to_owned(),
        );
    }
    let mut facts = answers.facts;
    facts.reveal = job.show_private;
    let mut leaving = job.leaving(&facts);
    if !leaving.is_empty() {
        let more = session.look(&job.queries_of(&leaving)).await?;
        facts.update(more.facts);
    }
    how.exchange.leave(&job.host, &job.exports, &facts);
    let mut job = how.exchange.fill(job).await;
    refuse_other_release(&job, &facts)?;
    refuse_what_others_rely_on(&job, &leaving)?;
    outcome.left = job.take_away(&mut leaving, &facts);
    let planned = preview_plan(&job, &facts)?;
    let pending = job.due(answers.pending);
    // A host that cannot be brought to its end is not touched at all.
    if let Some((item, cause, hint)) = planned.impossible() {
        let failure = Failure::new(cause, hint).of(item.name());
        session.close().await;
        return Err(failure);
    }
    if let Some(saved) = how.saved {
        let due = pending.iter().filter(|due| !job.is_left_over(due));
        let due: Vec<_> = due.cloned().collect();
        let handlers = planned.handlers(&job.resources, &due);
        saved.compare(&job.resources, &planned, &handlers, &facts)?;
    }
    let total = planned.changes().count();
    let mut run = HostRun::new(&mut job, &mut session, facts, pending, progress, total);
    let result = run.resources(how, outcome).await;
    let result = match result {
        Ok(()) => run.handlers(outcome).await,
        Err(failure) => Err(failure),
    };
    let result = match result {
        Ok(()) => run.remember(&leaving, outcome).await,
        Err(failure) => Err(failure),
    };
    let unconfirmed = run.unconfirmed.take();
    outcome.round_trips = session.round_trips();
    let Some(unconfirmed) = unconfirmed else {
        session.close().await;
        return result;
    };
    let broke = result.as_ref().err().map(|failure| failure.cause.as_str());
    let settled = lockout::settle(
        &job.target,
        *session,
        &unconfirmed,
        broke,
        outcome,
        progress,
    );
    let settled = settled.await;
    settled.and(result)
}
