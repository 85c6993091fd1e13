//! Progress on long work: a line per host on a terminal, plain lines elsewhere, nothing when the work is short.

use crate::report::print::errln;
use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::style::{self, paint};
use super::text::Tense;
use crate::engine::{Event, HostOutcome};

/// What of the events of a run is shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// Whether it is told what hosts are doing.
    pub progress: bool,
    /// The results of hosts, as they come.
    pub results: Option<Results>,
    /// Who else is told what hosts are doing.
    pub told: Option<fn(&str, &Event)>,
}

/// How long a result is held back so that it comes in its place.
const IN_ORDER: Duration = Duration::from_secs(2);

/// Shows what hosts are doing, and their results, until the last sender of the channel is gone.
#[must_use]
pub fn show(mut events: UnboundedReceiver<(String, Event)>, mut shown: Shown) -> JoinHandle<()> {
    let terminal = std::io::stderr().is_terminal();
    tokio::spawn(async move {
        let mut lines = Lines::new(terminal);
        loop {
            let Ok(event) = tokio::time::timeout(IN_ORDER, events.recv()).await else {
                lines.results(shown.results.as_mut(), false);
                continue;
            };
            let Some((host, event)) = event else { break };
            if let Some(told) = shown.told {
                told(&host, &event);
            }
            if shown.progress {
                lines.take(&host, &event);
            }
            if let (Some(results), Event::Finished(outcome)) = (&mut shown.results, event) {
                results.waiting.push((Instant::now(), *outcome));
            }
            lines.results(shown.results.as_mut(), false);
        }
        lines.clear();
        lines.results(shown.results.as_mut(), true);
    })
}

/// Results of hosts, which are shown in the order of the estate as long as nobody waits for that.
#[derive(Debug)]
pub struct Results {
    order: VecDeque<String>,
    waiting: Vec<(Instant, HostOutcome)>,
    tense: Tense,
    verbose: bool,
}

impl Results {
    /// Waits for the results of these hosts.
    #[must_use]
    pub fn new(order: Vec<String>, tense: Tense, verbose: bool) -> Self {
        Self {
            order: order.into(),
            waiting: Vec::new(),
            tense,
            verbose,
        }
    }

    /// Adds results that are there from the beginning.
    #[must_use]
    pub fn with(mut self, outcomes: &[HostOutcome]) -> Self {
        let outcomes = outcomes.iter().cloned();
        self.waiting
            .extend(outcomes.map(|outcome| (Instant::now(), outcome)));
        self
    }

    /// Takes the next result that is to be shown by now.
    fn next(&mut self, all: bool) -> Option<String> {
        let is_next = |name: &String| Some(name) == self.order.front();
        let by_order = self
            .waiting
            .iter()
            .position(|(_, outcome)| is_next(&outcome.host));
        let overdue = || {
            let due = |(since, _): &(Instant, _)| all || since.elapsed() > IN_ORDER;
            self.waiting.iter().position(due)
        };
        let (_, outcome) = self.waiting.remove(by_order.or_else(overdue)?);
        self.order.retain(|name| *name != outcome.host);
        Some(super::text::one_host(&outcome, self.tense, self.verbose))
    }
}

/// Shows progress that comes by calls.
pub struct Lines {
    terminal: bool,
    bars: MultiProgress,
    hosts: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, Instant>,
    started: Instant,
}

/// The lines that are on the terminal now.
static SHOWN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Does something that needs the terminal for itself.
pub fn without_lines<T>(work: impl FnOnce() -> T) -> T {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match shown {
        Some(bars) => bars.suspend(work),
        None => work(),
    }
}

/// How often a line about an image being built is shown where lines stay.
const SAMPLE: Duration = Duration::from_secs(10);

/// Work that is done sooner than this is not worth a line that vanishes again.
const PATIENCE: Duration = Duration::from_millis(200);

impl Lines {
    /// Begins.
    #[must_use]
    pub fn new(terminal: bool) -> Self {
        let bars = MultiProgress::new();
        *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bars.clone());
        Self {
            terminal,
            bars,
            hosts: BTreeMap::new(),
            said: BTreeMap::new(),
            started: Instant::now(),
        }
    }

    /// Shows one event.
    pub fn take(&mut self, host: &str, event: &Event) {
        match event {
            Event::Doing(what) if self.terminal => {
                let bar = self.hosts.entry(host.to_owned()).or_insert_with(|| {
                    let bar = self.bars.add(ProgressBar::new_spinner());
                    let style = ProgressStyle::with_template(
                        "{spinner} {prefix:24!} {elapsed:>4}  {wide_msg}",
                    );
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                    bar.set_prefix(host.to_owned());
                    bar.enable_steady_tick(PATIENCE);
                    bar
                });
                bar.set_message(tasks::visible(what));
            }
            // Where lines stay, only work that takes a while is worth one, and of an image being built a sample.
            Event::Doing(what) if !what.starts_with("looking") && self.is_due(host) => {
                let elapsed = super::text::seconds(self.started.elapsed());
                errln!(
                    "{} {host}: {}",
                    paint(style::FAINT, &format!("{elapsed:>8}")),
                    tasks::visible(what)
                );
            }
            Event::Doing(_) => {}
            Event::Finished(_) => {
                if let Some(bar) = self.hosts.remove(host) {
                    bar.finish_and_clear();
                }
            }
        }
    }

    /// Tells whether a line about this is due: always for a host, now and then for an image, which has a lot to say.
    fn is_due(&mut self, host: &str) -> bool {
        if !host.contains('/') {
            return true;
        }
        let due = self
            .said
            .get(host)
            .is_none_or(|last| last.elapsed() > SAMPLE);
        if due {
            self.said.insert(host.to_owned(), Instant::now());
        }
        due
    }

    /// Prints results that are to be shown by now.
    fn results(&self, results: Option<&mut Results>, all: bool) {
        let Some(results) = results else { return };
        while let Some(text) = results.next(all) {
            self.bars
                .suspend(|| super::print::out(format_args!("{text}")));
        }
    }

    /// Takes the lines away.
    pub fn clear(&mut self) {
        for bar in std::mem::take(&mut self.hosts).into_values() {
            bar.finish_and_clear();
        }
        // A terminal that went away cannot be cleared.
        let _ = self.bars.clear();
    }
}
