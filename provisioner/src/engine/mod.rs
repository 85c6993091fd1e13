//! The engine: carries plans to many hosts at once and reports what became of each.
//!
//! It schedules, looks, applies, runs handlers, holds locks. What should change is decided in the crate `tasks`.

pub mod answers;
mod asking;
#[cfg(test)]
#[path = "../../../tasks/tests/chance/mod.rs"]
mod chance;
mod exchange;
mod handlers;
mod history;
mod host;
mod job;
mod last_line;
mod lockout;
mod outcome;
mod run;
mod saved;
pub mod script;
mod session;
mod steps;
mod switch;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use tasks::InputTexts;
use tasks::probe::{Facts, QuerySet};
use tasks::value::HostPath;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::ssh::{SshError, Target};

pub use asking::{AskSession, Asker, Said, TRUSTED, at_terminal};
pub use exchange::Exchange;
pub use history::{Remembered, kept, runs};
pub use host::Previewed;
pub use job::{Basis, Job};
pub use outcome::{
    ChangeOutcome, Failure, HostOutcome, RunOutcome, Status, Summary, Took, Waiting,
};
pub use saved::{SavedHost, SavedPlan, SavedScope};
pub use session::{CommandSession, Lock, OpenOutcome, Output, ReadSession, Stepped, WriteSession};
pub use steps::recording;

/// What a host is doing, for progress.
#[derive(Debug, Clone)]
pub enum Event {
    /// It does this.
    Doing(String),
    /// It makes a change.
    Changing {
        /// Which it is, counted from one.
        number: usize,
        /// How many are planned.
        planned: usize,
        /// What is changed.
        what: String,
    },
    /// What it does has printed this line last, in which nothing is secret.
    Said(String),
    /// It has ended, and this came of it.
    Finished(Box<HostOutcome>),
}

/// Where hosts report what they are doing.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::UnboundedSender<(String, Event)>);

impl Progress {
    /// Makes a channel; the other end is read by whoever shows progress.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<(String, Event)>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells how a host's run ended.
    fn finished(&self, outcome: &HostOutcome) {
        self.send(&outcome.host, Event::Finished(Box::new(outcome.clone())));
    }

    fn send(&self, host: &str, event: Event) {
        // Nobody watching is no reason to stop.
        let _ = self.0.send((host.to_owned(), event));
    }
}

/// Previews all hosts at once, at most `forks` at a time; `beforehand` is what is known of hosts that are not among them.
/// Once `stop` becomes true, hosts that have not been looked at yet are given up.
pub async fn preview_all(
    jobs: Vec<Job>,
    forks: usize,
    beforehand: InputTexts,
    stop: watch::Receiver<bool>,
    progress: Progress,
) -> Vec<Previewed> {
    let limit = turns(forks);
    let exchange = Exchange::new(limit.clone(), &jobs, &beforehand);
    on_all_within(jobs, limit, move |job| {
        let (progress, exchange, mut stop) = (progress.clone(), exchange.clone(), stop.clone());
        async move {
            tokio::select! {
                previewed = host::preview(&job, &exchange, &progress) => previewed,
                // The sender lives as long as the process, so waiting ends by being asked only.
                _ = stop.wait_for(|asked| *asked) => host::given_up(&job, &exchange, &progress),
            }
        }
    })
    .await
}

/// Reads the files of hosts that others need; gives those that are there. A host that cannot be reached has none.
pub async fn look_for_inputs(
    hosts: Vec<(String, Target, Vec<HostPath>)>,
    forks: usize,
) -> InputTexts {
    let found = on_all(hosts, forks, |(host, target, files)| async move {
        host::read_files(&host, &target, &files).await
    });
    found.await.into_iter().flatten().collect()
}

/// Asks one host, in one round trip, and lets go of it.
pub async fn ask(target: &Target, queries: &QuerySet) -> Result<Facts, SshError> {
    let mut session = ReadSession::open(target).await?;
    let answers = session.look(queries).await?;
    session.close().await;
    Ok(answers.facts)
}

/// Applies all hosts at once, at most `forks` at a time.
pub async fn apply_all(
    jobs: Vec<Job>,
    forks: usize,
    lock: Lock,
    saved: Option<SavedPlan>,
    beforehand: InputTexts,
    stop: watch::Receiver<bool>,
    progress: Progress,
) -> RunOutcome {
    let started = Instant::now();
    let saved = Arc::new(saved);
    let limit = turns(forks);
    let exchange = Exchange::new(limit.clone(), &jobs, &beforehand);
    let hosts = on_all_within(jobs, limit, move |job| {
        let (progress, stop, lock, saved, exchange) = (
            progress.clone(),
            stop.clone(),
            lock.clone(),
            saved.clone(),
            exchange.clone(),
        );
        async move {
            let saved = saved
                .as_ref()
                .as_ref()
                .and_then(|plan| plan.hosts.iter().find(|host| host.host == job.host));
            let how = run::Applying {
                lock: &lock,
                saved,
                exchange: &exchange,
                stop,
            };
            host::apply(&job, &how, &progress).await
        }
    })
    .await;
    RunOutcome {
        hosts,
        elapsed: started.elapsed(),
        shown: false,
        other_domains: Vec::new(),
        not_begun: Vec::new(),
    }
}

/// Runs something for each item on a task of its own, at most `forks` at a time, and keeps the order.
pub async fn on_all<T, R, F, Fut>(items: Vec<T>, forks: usize, work: F) -> Vec<R>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    on_all_within(items, turns(forks), work).await
}

fn turns(forks: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(forks.max(1)))
}

async fn on_all_within<T, R, F, Fut>(items: Vec<T>, limit: Arc<Semaphore>, work: F) -> Vec<R>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> Fut,
    Fut: Future<Output = R> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (index, item) in items.into_iter().enumerate() {
        let limit = limit.clone();
        let future = work(item);
        tasks.spawn(async move {
            // The semaphore is never closed; were it, running without it would do no harm.
            let _permit = limit.acquire_owned().await;
            (index, future.await)
        });
    }
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
