//! What hosts of one run tell each other: each says what is in the files that others need, as soon as it is there.
//!
//! A host waits only where it cannot go on, and only for a host that may still bring what it waits for. While it waits
//! another host has its turn, so that few forks cannot make hosts wait for each other for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use tasks::probe::{Facts, PathFact};
use tasks::value::HostPath;
use tasks::{Input, InputTexts};
use tokio::sync::{Semaphore, watch};

use super::job::Job;

/// What is known of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum InputState {
    /// The other host has been looked at; it is not there, and may still come.
    NotYet,
    /// It says this.
    There(String),
    /// It will not come in this run.
    Never,
}

/// Where hosts leave and find what others need.
#[derive(Debug, Clone)]
pub struct Exchange {
    known: Arc<watch::Sender<BTreeMap<Input, InputState>>>,
    limit: Arc<Semaphore>,
}

impl Exchange {
    /// Makes an exchange for the hosts of these jobs, of which `limit` says how many work at once. What a host that is
    /// not among them has not given beforehand will not come.
    pub(super) fn new(limit: Arc<Semaphore>, jobs: &[Job], beforehand: &InputTexts) -> Self {
        let inputs = jobs.iter().flat_map(Job::inputs);
        let others = inputs.filter(|input| jobs.iter().all(|job| job.host != input.host));
        let known = others.map(|input| {
            let there = beforehand.get(&input).cloned();
            let state = there.map_or(InputState::Never, InputState::There);
            (input, state)
        });
        Self {
            known: Arc::new(watch::Sender::new(known.collect())),
            limit,
        }
    }

    /// Leaves what a host's files say, as far as they are there.
    pub(super) fn leave(&self, host: &str, files: &[HostPath], facts: &Facts) {
        if files.is_empty() {
            return;
        }
        self.known.send_modify(|known| {
            for path in files {
                let input = input(host, path);
                let state = text(&input, facts).map_or(InputState::NotYet, InputState::There);
                known.insert(input, state);
            }
        });
    }

    /// Says that a host's run has ended: what it has not left by now will not come.
    pub(super) fn ended(&self, host: &str, files: &[HostPath]) {
        if files.is_empty() {
            return;
        }
        self.known.send_modify(|known| {
            for path in files {
                let state = known.entry(input(host, path)).or_insert(InputState::Never);
                if *state == InputState::NotYet {
                    *state = InputState::Never;
                }
            }
        });
    }

    /// Waits until the hosts that these come from have been looked at; gives what is there.
    pub(super) async fn looked(&self, inputs: &[Input]) -> InputTexts {
        self.wait(inputs, |_| true).await
    }

    /// Waits until these are there, or will not come; gives what is there.
    pub(super) async fn settled(&self, inputs: &[Input]) -> InputTexts {
        self.wait(inputs, |known| *known != InputState::NotYet)
            .await
    }

    /// Puts into a job what other hosts have left by now.
    pub(super) async fn fill(&self, job: &Job) -> Job {
        let mut filled = job.clone();
        let inputs = job.inputs();
        if !inputs.is_empty() {
            let known = self.looked(&inputs).await;
            for declared in &mut filled.resources {
                *declared = declared.with_inputs(&known);
            }
        }
        filled
    }

    async fn wait(&self, inputs: &[Input], enough: fn(&InputState) -> bool) -> InputTexts {
        let is_enough = |known: &BTreeMap<Input, InputState>| {
            inputs
                .iter()
                .all(|input| known.get(input).is_some_and(enough))
        };
        let mut changes = self.known.subscribe();
        if !is_enough(&changes.borrow()) {
            self.limit.add_permits(1);
            // The sender lives as long as this value, so waiting cannot fail.
            let _ = changes.wait_for(is_enough).await;
            if let Ok(permit) = self.limit.acquire().await {
                permit.forget();
            }
        }
        let known = changes.borrow();
        let there = |input: &Input| match known.get(input) {
            Some(InputState::There(text)) => Some((input.clone(), text.clone())),
            Some(InputState::NotYet | InputState::Never) | None => None,
        };
        inputs.iter().filter_map(there).collect()
    }
}

fn input(host: &str, path: &HostPath) -> Input {
    Input {
        host: host.to_owned(),
        path: path.clone(),
    }
}

/// Gives what a file says, if it is there and fit to be used on another host.
pub(super) fn text(input: &Input, facts: &Facts) -> Option<String> {
    let file = match facts.paths.get(&input.path)? {
        PathFact::File(file) => file,
        PathFact::Link {
            file: Some(linked), ..
        } => &linked.1,
        PathFact::Missing
        | PathFact::Directory(_)
        | PathFact::Link { file: None, .. }
        | PathFact::Other => return None,
    };
    let text = file.body.as_ref()?.text()?;
    match input.accept(text) {
        Ok(line) => Some(line),
        Err(cause) => {
            tracing::warn!("{cause}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tasks::probe::{Attributes, FileFact};
    use tasks::value::Mode;

    fn facts(text: &str) -> Facts {
        let attributes = Attributes::new("root", "root", Mode::new(0o644));
        let mut facts = Facts::default();
        let file = PathFact::File(FileFact::of(attributes, text.as_bytes()));
        facts.paths.insert(path(), file);
        facts
    }

    fn path() -> HostPath {
        HostPath::new("/etc/key.pub").unwrap()
    }

    #[tokio::test]
    async fn a_host_waits_for_what_another_is_about_to_make() {
        let exchange = Exchange::new(Arc::new(Semaphore::new(1)), &[], &InputTexts::new());
        let wanted = [input("a", &path())];
        let waiting = exchange.clone();
        exchange.leave("a", &[path()], &Facts::default());
        assert!(exchange.looked(&wanted).await.is_empty());
        let found = tokio::spawn(async move { waiting.settled(&[input("a", &path())]).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!found.is_finished());
        exchange.leave("a", &[path()], &facts("key\n"));
        assert_eq!(found.await.unwrap()[&wanted[0]], "key");
    }

    #[tokio::test]
    async fn nobody_waits_for_a_host_whose_run_has_ended() {
        let exchange = Exchange::new(Arc::new(Semaphore::new(1)), &[], &InputTexts::new());
        exchange.leave("a", &[path()], &facts("two\nlines\n"));
        exchange.ended("a", &[path()]);
        assert!(exchange.settled(&[input("a", &path())]).await.is_empty());
    }
}
