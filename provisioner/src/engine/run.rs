//! One host's changes, one after the other: plan, change, read again, check.
//!
//! Owns the order of a host's resources while they are applied, what is read again after a change, and what is told of
//! a change that failed. Handlers come afterwards, see `handlers`.

use std::time::{Duration, Instant};

use tasks::history::Record;
use tasks::leaving::{Leaving, Remembered};
use tasks::plan::{self, Action, Change, Item, Planned, Reason, Remedy, is_locked};
use tasks::probe::Facts;
use tasks::resource::{Declared, Handler, Resource};
use tasks::step;
use tasks::{Input, without_private, without_secrets};
use tokio::sync::watch;
use tracing::Level;

use super::exchange::Exchange;
use super::job::{Job, files};
use super::last_line::last_line;
use super::lockout::Unconfirmed;
use super::outcome::{Failure, HostOutcome};
use super::saved::SavedHost;
use super::session::{Lock, Output, Stepped, WriteSession};
use super::{Event, Progress};
use super::{steps, switch};

/// How one host is applied.
pub(super) struct Applying<'a> {
    /// Who is at work, and how long to wait for others.
    pub lock: &'a Lock,
    /// The plan that was saved for this host, if one is applied.
    pub saved: Option<&'a SavedHost>,
    /// What hosts tell each other.
    pub exchange: &'a Exchange,
    /// Becomes true when the user asks to stop.
    pub stop: watch::Receiver<bool>,
}

/// What is under way on a host.
pub(super) struct HostRun<'a> {
    pub(super) job: &'a mut Job,
    pub(super) session: &'a mut WriteSession,
    pub(super) facts: Facts,
    /// Handlers that are recorded on the host as still to run.
    pub(super) due: Vec<Handler>,
    /// What the host puts back unless a new session gets in.
    pub(super) unconfirmed: Option<Unconfirmed>,
    /// Files that a refused handler has put back.
    pub(super) put_back: Vec<String>,
    pub(super) progress: &'a Progress,
    /// What the host remembers, and what it is to remember before anything is changed.
    memory: Option<(Remembered, Remembered)>,
    total: usize,
    done: usize,
}

impl<'a> HostRun<'a> {
    pub(super) fn new(
        job: &'a mut Job,
        session: &'a mut WriteSession,
        facts: Facts,
        due: Vec<Handler>,
        progress: &'a Progress,
        total: usize,
    ) -> Self {
        let memory = job.memory.as_ref().map(|memory| {
            let have = memory.remembered(&facts);
            let wanted = memory.before(&have, &facts);
            (have, wanted)
        });
        Self {
            memory,
            job,
            session,
            facts,
            due,
            unconfirmed: None,
            put_back: Vec::new(),
            progress,
            total,
            done: 0,
        }
    }

    /// Makes the resources as they should be, in their order.
    pub(super) async fn resources(
        &mut self,
        how: &Applying<'_>,
        outcome: &mut HostOutcome,
    ) -> Result<(), Failure> {
        for index in 0..self.job.resources.len() {
            let inputs = self.await_inputs(index, how.exchange, outcome).await;
            let declared = &self.job.resources[index].clone();
            let mut item = self.plan(declared, index)?;
            if let [missing, ..] = inputs.as_slice() {
                item.outcome = plan::without_input(missing);
            }
            if let Planned::Change(change) = &item.outcome {
                if *how.stop.borrow() {
                    return Err(stopped(&item, self.done));
                }
                self.done += 1;
                let changing = Event::Changing {
                    number: self.done,
                    planned: self.total.max(self.done),
                    what: item.name(),
                };
                self.progress.send(&self.job.host, changing);
                let since = Instant::now();
                self.guard(&item, how, outcome).await?;
                outcome.touched = true;
                let made = self.make_change(declared, index, &item, change, how).await;
                outcome.took(item.name(), since);
                made?;
            }
            outcome.take_item(&item);
            if let Some(failure) = outcome.failed.take() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Has the host remember what the run has left there, unless it does.
    pub(super) async fn remember(
        &mut self,
        leaving: &Leaving,
        outcome: &mut HostOutcome,
    ) -> Result<(), Failure> {
        let (Some(memory), Some((have, wanted))) = (&self.job.memory, &self.memory) else {
            return Ok(());
        };
        // What still waits has not gone.
        let after = if outcome.deferred.is_empty() || leaving.is_empty() {
            memory.after(wanted, leaving)
        } else {
            wanted.clone()
        };
        if after == *have {
            return Ok(());
        }
        let output = self
            .session
            .remember(&steps::remember(&memory.file, &after.text()))
            .await?;
        if output.exit == 0 {
            return Ok(());
        }
        let remedy = plan::after_failed_step(None, Some(&memory.file), &output.text);
        let cause = format!("{} cannot be written", memory.file);
        Err(Failure::new(cause, remedy).output(&output.text))
    }

    /// Waits for what the resource needs from other hosts and puts it in; gives what will not come.
    async fn await_inputs(
        &mut self,
        index: usize,
        exchange: &Exchange,
        outcome: &mut HostOutcome,
    ) -> Vec<Input> {
        let declared = &self.job.resources[index];
        let inputs = declared.resource.manage().inputs();
        if inputs.is_empty() {
            return inputs;
        }
        let waiting = inputs.first().map(|input| format!("waiting for {input}"));
        let waiting = waiting.unwrap_or_default();
        let doing = Event::Doing(waiting.clone());
        self.progress.send(&self.job.host, doing);
        let since = Instant::now();
        let known = exchange.settled(&inputs).await;
        if since.elapsed() > WORTH_TELLING {
            outcome.took(waiting, since);
        }
        let filled = declared.with_inputs(&known);
        let missing = filled.resource.manage().inputs();
        self.job.resources[index] = filled;
        missing
    }

    /// Adds what the validator of a service says, which often knows why it does not start.
    async fn ask_validator(&mut self, declared: &Declared, output: &mut Output) {
        let Resource::Service(service) = &declared.resource else {
            return;
        };
        let name = service.name.as_str();
        let Some(argv) = plan::handlers::validator(&self.job.resources, name) else {
            return;
        };
        // What it cannot say, the output says already.
        if let Ok(said) = self.session.run(&step::Run::new(argv)).await
            && said.exit != 0
        {
            let words = format!("\n{}:\n{}", argv.join(" "), said.text);
            output.text.push_str(&words);
        }
    }

    /// Takes out of what a program on the host says the lines in which it quotes what is secret or private.
    pub(super) fn quotable(&self, text: &str) -> String {
        let private = plan::private_texts(&self.job.resources, &self.facts);
        without_private(&private, &without_secrets(&self.job.secrets, text))
    }

    fn plan(&self, declared: &Declared, index: usize) -> Result<Item, Failure> {
        let item = plan::plan_one(declared, index, &self.facts, self.job.phase);
        let mut item = item.map_err(|defect| Failure::internal(&defect))?;
        item.lockout = item.lockout.filter(|_| self.job.guards);
        Ok(item)
    }

    /// Has the host keep what it has before the first change that may lock prov out.
    async fn guard(
        &mut self,
        item: &Item,
        how: &Applying<'_>,
        outcome: &HostOutcome,
    ) -> Result<(), Failure> {
        let Some(lockout) = item.lockout.filter(|_| self.unconfirmed.is_none()) else {
            return Ok(());
        };
        let output = self
            .session
            .arm(&self.job.target, how.lock)
            .await
            .map_err(|error| Failure::from(error).of(item.name()))?;
        if output.exit != 0 {
            let cause = format!(
                "the change touches {} and was not begun, because the host cannot keep what it would have to put back",
                lockout.text()
            );
            let remedy = plan::after_failed_step(None, None, &output.text);
            return Err(Failure::new(cause, remedy)
                .of(item.name())
                .output(&output.text));
        }
        self.unconfirmed = Some(Unconfirmed {
            name: item.name(),
            lockout,
            run: how.lock.run.run.clone(),
            before: outcome.changes.len(),
        });
        Ok(())
    }

    /// Gives the facts as the preview has them after a change.
    fn model(&self, change: &Change) -> Facts {
        let mut model = self.facts.clone();
        change.steps.iter().for_each(|step| model.apply(step));
        model
    }

    /// Gives the handlers that the host does not know yet to be due, and the scripts that record what must outlive the run: before
    /// a change, and once it is made.
    fn records(
        &self,
        declared: &Declared,
        item: &Item,
        change: &Change,
        how: &Applying<'_>,
    ) -> (Vec<Handler>, String, String) {
        let known = |handler: &&Handler| self.due.iter().all(|due| due.name != handler.name);
        let notified: Vec<_> = declared.notify.iter().filter(known).cloned().collect();
        let mut recorded: String = notified.iter().map(steps::record).collect();
        if self.unconfirmed.is_some() {
            let keep = switch::keeping(declared, change);
            if !keep.is_empty() {
                recorded.push_str(&steps::recorded(&keep));
            }
        }
        if let (Some(memory), Some((have, wanted))) = (&self.job.memory, &self.memory)
            && have != wanted
        {
            let text = wanted.text();
            recorded.push_str(&steps::recorded(&steps::remember(&memory.file, &text)));
        }
        let history = Record::of(
            self.done,
            item,
            declared,
            change,
            &self.facts,
            &self.job.secrets,
        );
        let (before, afterwards) = steps::history(&how.lock.run, &history);
        recorded.push_str(&before);
        (notified, recorded, afterwards)
    }

    /// Makes one change, reads again what it may have altered, and checks that nothing is left to change.
    async fn make_change(
        &mut self,
        declared: &Declared,
        index: usize,
        item: &Item,
        change: &Change,
        how: &Applying<'_>,
    ) -> Result<(), Failure> {
        let (stop, exchange) = (&how.stop, how.exchange);
        let later = self.job.resources.get(index + 1..).unwrap_or_default();
        let mut queries = plan::altered(change, declared, later, &self.facts).without_simulations();
        queries.extend(files(&self.job.exports));
        let started = Instant::now();
        let (notified, before, afterwards) = self.records(declared, item, change, how);
        let records = (before.as_str(), afterwards.as_str());
        let (job, facts, progress) = (&*self.job, &self.facts, self.progress);
        let heard = |tail: &[u8]| {
            let private = plan::private_texts(&job.resources, facts);
            if let Some(line) = last_line(tail, &job.secrets, &private) {
                progress.send(&job.host, Event::Said(line));
            }
        };
        let stepped = loop {
            let stepped = self
                .session
                .apply(&change.steps, records, &declared.notify, &queries, &heard)
                .await
                .map_err(|error| Failure::from(error).of(item.name()))?;
            match &stepped {
                Stepped::Failed(output) if is_locked(&output.text) && *stop.borrow() => {
                    return Err(stopped(item, self.done - 1));
                }
                Stepped::Failed(output)
                    if is_locked(&output.text) && started.elapsed() < LOCKED =>
                {
                    let waiting = "waiting: another process installs packages".to_owned();
                    progress.send(&job.host, Event::Doing(waiting));
                    tokio::time::sleep(LOCKED / 120).await;
                }
                Stepped::Failed(_) | Stepped::Done(..) => break stepped,
            }
        };
        self.due.extend(notified);
        if let Some((have, wanted)) = &mut self.memory {
            have.clone_from(wanted);
        }
        tracing::debug!(host = self.job.host, resource = item.name(), "changed");
        let said = match stepped {
            Stepped::Done(answers, said) => {
                let model = tracing::enabled!(Level::DEBUG).then(|| self.model(change));
                self.facts.update(answers.facts);
                if let Some(model) = model {
                    let asked = declared.resource.manage().probe().into_iter().collect();
                    for unlike in model.unlike(&self.facts, &asked) {
                        tracing::debug!(resource = item.name(), "not as the model: {unlike}");
                    }
                }
                exchange.leave(&self.job.host, &self.job.exports, &self.facts);
                said
            }
            Stepped::Failed(mut output) => {
                self.ask_validator(declared, &mut output).await;
                return Err(step_failed(
                    declared,
                    item,
                    &self.quotable(&output.text),
                    output.exit,
                ));
            }
        };
        let again = self.plan(declared, index)?;
        match again.outcome {
            Planned::Unchanged | Planned::Deferred(_) => Ok(()),
            Planned::Change(left) => {
                let said = self.quotable(&said);
                Err(unsettled(declared, &left, &said).of(item.name()))
            }
            Planned::Unknown(awaited) => Err(Failure::internal(&format!(
                "{} was changed and now waits for {awaited}",
                item.name()
            ))),
            Planned::Refused { cause, hint, .. } | Planned::Impossible { cause, hint } => {
                Err(Failure::new(cause, hint).of(item.name()))
            }
        }
    }
}

/// Says what is still not as it should be though every step went well, and what the programs said.
fn unsettled(declared: &Declared, left: &Change, said: &str) -> Failure {
    const LINES: usize = 20;
    let remedy = match left.action {
        Action::Run => {
            "the command ended well, but what it is judged by still asks for it: correct the command or its guard"
        }
        Action::Create | Action::Update | Action::Remove => declared
            .resource
            .manage()
            .unsettled()
            .unwrap_or("something on the host changes it back; look for what else manages it"),
    };
    let mut cause = format!(
        "it was changed, but is still not as it should be: {}",
        left.reason()
    );
    let attributes = left.reasons.iter().any(|reason| {
        matches!(
            reason,
            Reason::OwnerDiffers
                | Reason::GroupDiffers
                | Reason::ModeDiffers
                | Reason::TargetDiffers
        )
    });
    // Where a link is followed, the detail says that, too.
    let parts: Vec<_> = left.detail.split(" → ").collect();
    match parts.as_slice() {
        [found, wanted] if attributes => cause = format!("{cause}; found {found}, wanted {wanted}"),
        _ if left.detail.is_empty() => {}
        _ => cause = format!("{cause} ({})", left.detail),
    }
    let mut output = left.diff.to_string();
    let lines: Vec<_> = said.lines().collect();
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        output.push_str(line);
        output.push('\n');
    }
    Failure::new(cause, remedy).output(&output)
}

/// Says how far a run came that the user stopped.
fn stopped(item: &Item, changes: usize) -> Failure {
    let plural = if changes == 1 { "change" } else { "changes" };
    Failure::new(
        format!("stopped before {}, after {changes} {plural}", item.name()),
        Remedy::again(": it goes on where this one stopped"),
    )
}

/// Waiting for another host is among the steps that took time from here on.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// How long another process that installs packages is waited for. apt waits by itself for one of its locks only:
/// neither for that of the package lists, nor does `dpkg --configure` wait.
const LOCKED: Duration = Duration::from_secs(600);

fn step_failed(declared: &Declared, item: &Item, text: &str, exit: i32) -> Failure {
    let manage = declared.resource.manage();
    let place = manage.place().map(|(path, _)| path);
    let remedy = plan::after_failed_step(manage.remedy(text), place, text);
    let cause = format!("the step failed with exit code {exit}");
    Failure::new(cause, remedy).of(item.name()).output(text)
}
