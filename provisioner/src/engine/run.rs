//! One host's changes, one after the other: plan, change, read again, check.
//!
//! Owns the order of a host's resources while they are applied, what is read again after a change, and what is told of
//! a change that failed. Handlers come afterwards, see `handlers`.

use std::time::{Duration, Instant};

use tasks::plan::{self, Action, Change, Item, Planned};
use tasks::probe::Facts;
use tasks::resource::{Declared, Handler};
use tasks::{Input, Secret};

use super::exchange::Exchange;
use super::host::{Applying, Job, files, internal, name};
use super::outcome::{Failure, HostOutcome};
use super::session::{Output, Stepped, WriteSession};
use super::{Event, Progress};

/// What is under way on a host.
pub(super) struct Run<'a> {
    pub(super) job: &'a mut Job,
    pub(super) session: &'a mut WriteSession,
    pub(super) facts: Facts,
    /// Handlers that are recorded on the host as still to run.
    pub(super) due: Vec<Handler>,
    /// Files that a refused handler has put back.
    pub(super) put_back: Vec<String>,
    pub(super) progress: &'a Progress,
    total: usize,
    done: usize,
}

impl<'a> Run<'a> {
    pub(super) const fn new(
        job: &'a mut Job,
        session: &'a mut WriteSession,
        facts: Facts,
        due: Vec<Handler>,
        progress: &'a Progress,
        total: usize,
    ) -> Self {
        Self {
            job,
            session,
            facts,
            due,
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
            let inputs = self.await_inputs(index, how.exchange).await;
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
                let doing = format!(
                    "{}/{} {}",
                    self.done,
                    self.total.max(self.done),
                    name(&item)
                );
                self.progress.send(&self.job.host, Event::Doing(doing));
                outcome.touched = true;
                self.one(declared, index, &item, change, how).await?;
            }
            outcome.take_item(&item);
            if let Some(failure) = outcome.failed.take() {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Waits for what the resource needs from other hosts and puts it in; gives what will not come.
    async fn await_inputs(&mut self, index: usize, exchange: &Exchange) -> Vec<Input> {
        let declared = &self.job.resources[index];
        let inputs = declared.resource.manage().inputs();
        if inputs.is_empty() {
            return inputs;
        }
        if let Some(input) = inputs.first() {
            let doing = format!("waiting for {input}");
            self.progress.send(&self.job.host, Event::Doing(doing));
        }
        let known = exchange.settled(&inputs).await;
        let filled = declared.with_inputs(&known);
        let missing = filled.resource.manage().inputs();
        self.job.resources[index] = filled;
        missing
    }

    fn plan(&self, declared: &Declared, index: usize) -> Result<Item, Failure> {
        plan::plan_one(declared, index, &self.facts, self.job.phase)
            .map_err(|defect| internal(&defect.to_string()))
    }

    /// Makes one change, reads again what it may have altered, and checks that nothing is left to change.
    async fn one(
        &mut self,
        declared: &Declared,
        index: usize,
        item: &Item,
        change: &Change,
        how: &Applying<'_>,
    ) -> Result<(), Failure> {
        let (stop, exchange) = (&how.stop, how.exchange);
        let known = |handler: &&Handler| self.due.iter().all(|due| due.name != handler.name);
        let record: Vec<_> = declared.notify.iter().filter(known).collect();
        let later = self.job.resources.get(index + 1..).unwrap_or_default();
        let mut queries = plan::altered(change, declared, later, &self.facts).without_simulations();
        queries.extend(files(&self.job.exports));
        let started = Instant::now();
        let stepped = loop {
            let stepped = self
                .session
                .apply(&change.steps, &record, &declared.notify, &queries)
                .await
                .map_err(|error| Failure::from(error).of(name(item)))?;
            match &stepped {
                Stepped::Failed(output) if is_locked(&output.text) && *stop.borrow() => {
                    return Err(stopped(item, self.done - 1));
                }
                Stepped::Failed(output)
                    if is_locked(&output.text) && started.elapsed() < LOCKED =>
                {
                    let waiting = "waiting: another process installs packages".to_owned();
                    self.progress.send(&self.job.host, Event::Doing(waiting));
                    tokio::time::sleep(LOCKED / 120).await;
                }
                Stepped::Failed(_) | Stepped::Done(_) => break stepped,
            }
        };
        let record: Vec<_> = record.into_iter().cloned().collect();
        self.due.extend(record);
        tracing::debug!(host = self.job.host, resource = name(item), "changed");
        match stepped {
            Stepped::Done(answers) => {
                self.facts.update(answers.facts);
                exchange.leave(&self.job.host, &self.job.exports, &self.facts);
            }
            Stepped::Failed(output) => return Err(step_failed(item, &output, &self.job.secrets)),
        }
        let again = self.plan(declared, index)?;
        match again.outcome {
            Planned::Unchanged | Planned::Deferred { .. } => Ok(()),
            Planned::Change(left) => Err(Failure::new(
                format!(
                    "it was changed, but is still not as it should be: {}",
                    left.reason()
                ),
                match left.action {
                    Action::Run => {
                        "the command ended well, but what it is judged by still asks for it: correct the command or its guard"
                    }
                    Action::Create | Action::Update | Action::Remove => {
                        "something on the host changes it back; look for what else manages it"
                    }
                },
            )
            .of(name(item))
            .output(&left.diff.to_string())),
            Planned::Unknown { waits_for } => Err(internal(&format!(
                "{} was changed and now waits for {waits_for}",
                name(item)
            ))),
            Planned::Impossible { cause, hint } => Err(Failure::new(cause, hint).of(name(item))),
        }
    }
}

/// Says how far a run came that the user stopped.
fn stopped(item: &Item, changes: usize) -> Failure {
    let plural = if changes == 1 { "change" } else { "changes" };
    Failure::new(
        format!("stopped before {}, after {changes} {plural}", name(item)),
        "run the same command again: it goes on where this one stopped",
    )
}

/// How long another process that installs packages is waited for. apt waits by itself for one of its locks only:
/// neither for that of the package lists, nor does `dpkg --configure` wait.
const LOCKED: Duration = Duration::from_secs(600);

fn is_locked(output: &str) -> bool {
    output.contains("Could not get lock") || output.contains("locked by another process")
}

/// Hides the lines of an output that hold a secret.
///
/// A validator that does not like a file may quote the very line that holds a password. What would be shown is
/// searched here, line by line, and a line is hidden as a whole: no other word is touched by it.
pub(super) fn without_secrets(secrets: &[Secret], text: &str) -> String {
    let shown = |line: &str| {
        let parts = secrets.iter().flat_map(|secret| secret.expose().lines());
        // The quotation marks that a file needs are not repeated by everybody.
        let hidden = parts
            .map(|part| part.trim().trim_matches(['"', '\'']))
            .filter(|part| !part.is_empty())
            .any(|part| line.contains(part));
        if hidden {
            "<line hidden: it holds a secret>".to_owned()
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<_> = text.lines().map(shown).collect();
    lines.join("\n")
}

fn step_failed(item: &Item, output: &Output, secrets: &[Secret]) -> Failure {
    let text = without_secrets(secrets, &output.text);
    let full = [
        "No space left on device",
        "enough free space",
        "Disk quota exceeded",
    ];
    let hint = if full.iter().any(|words| text.contains(words)) {
        "free space on the host (`df -h`), then run the same command again"
    } else if is_locked(&text) {
        "another process installs packages on the host; run the same command again when it has ended"
    } else if text.contains("Packages need to be removed but remove is disabled") {
        "the package conflicts with one that is installed: declare that one absent"
    } else if text.contains("Unable to locate package") {
        "check the package's name and the host's /etc/apt/sources.list"
    } else if item.resource == "download" {
        "check the address, the digest, and that the host reaches the server"
    } else if text.contains("Failed to fetch")
        || text.contains("Could not resolve")
        || text.contains("Could not connect")
        || text.contains("Some index files failed to download")
    {
        "check that the host reaches the package archive named in its /etc/apt/sources.list"
    } else if text.contains("Read-only file system") {
        "the host's file system is read-only; look at its kernel log"
    } else if text.contains("invalid user") || text.contains("invalid group") {
        "declare the user or the group before what it owns"
    } else if item.resource == "service" {
        "look at the service's log (`journalctl -u` on a server, `docker logs` for a container), repair the cause, and run the same command again"
    } else {
        "read what the host answered, repair the cause, and run the same command again"
    };
    let cause = format!("the step failed with exit code {}", output.exit);
    Failure::new(cause, hint).of(name(item)).output(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_which_a_validator_quotes_a_secret_is_hidden_and_no_other_word_is_touched() {
        let secrets = ["\"s3cr\\\"et\"", "", " ", "\"\""].map(Secret::new);
        let output = "error in line 3\n  Password = s3cr\\\"et\nsecret \"service\"";
        assert_eq!(
            without_secrets(&secrets, output),
            "error in line 3\n<line hidden: it holds a secret>\nsecret \"service\""
        );
    }
}
