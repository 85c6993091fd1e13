//! Progress on long work: lines on a terminal that are drawn again and again, elsewhere a line now and then about what takes
//! long, and nothing when the work is short.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle as Thread;
use std::time::{Duration, Instant};

use tasks::visible;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::board::{Board, is_image};
use super::print::errln;
use super::screen::{self, Drawer};
pub use super::screen::{no_more_lines, without_lines};
use super::style::{self, paint};
use super::text::{Detail, Tense};
use crate::engine::{Event, HostOutcome};

/// What of the events of a run is shown.
#[derive(Debug, Default)]
pub struct Shown {
    /// How much is told of what hosts are doing; nothing where there is none.
    pub progress: Option<Detail>,
    /// How many hosts will end.
    pub hosts: usize,
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
    tokio::spawn(async move {
        let lines = shown
            .progress
            .map(|detail| Lines::new(detail, Some(shown.hosts)));
        loop {
            let Ok(event) = tokio::time::timeout(IN_ORDER, events.recv()).await else {
                results(shown.results.as_mut(), false);
                continue;
            };
            let Some((host, event)) = event else { break };
            if let Some(told) = shown.told {
                told(&host, &event);
            }
            if let Some(lines) = &lines {
                lines.take(&host, &event);
            }
            if let (Some(results), Event::Finished(outcome)) = (&mut shown.results, event) {
                results.waiting.push((Instant::now(), *outcome));
            }
            results(shown.results.as_mut(), false);
        }
        drop(lines);
        results(shown.results.as_mut(), true);
    })
}

/// Prints results that are to be shown by now.
fn results(results: Option<&mut Results>, all: bool) {
    let Some(results) = results else { return };
    while let Some(text) = results.next(all) {
        super::print::out(format_args!("{text}"));
    }
}

/// Results of hosts, which are shown in the order of the estate as long as nobody waits for that.
#[derive(Debug)]
pub struct Results {
    order: VecDeque<String>,
    waiting: Vec<(Instant, HostOutcome)>,
    tense: Tense,
    detail: Detail,
}

impl Results {
    /// Waits for the results of these hosts.
    #[must_use]
    pub fn new(order: Vec<String>, tense: Tense, detail: Detail) -> Self {
        Self {
            order: order.into(),
            waiting: Vec::new(),
            tense,
            detail,
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
        Some(super::text::one_host(&outcome, self.tense, self.detail))
    }
}

/// Shows what hosts are doing until it is dropped.
pub struct Lines {
    shared: Arc<Shared>,
    drawer: Option<Thread<()>>,
}

/// What who tells and who draws have in common.
struct Shared {
    told: Mutex<Told>,
    /// Wakes who draws when it is to end.
    ends: Condvar,
}

struct Told {
    board: Board,
    /// What hosts are doing, where lines stay.
    steps: Steps,
    over: bool,
}

/// How often the lines are drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// Work that is done sooner than this is not worth lines that vanish again.
const PATIENCE: Duration = Duration::from_millis(400);

impl Lines {
    /// Begins; `hosts` is how many will end, where that is known.
    #[must_use]
    pub fn new(detail: Detail, hosts: Option<usize>) -> Self {
        let started = Instant::now();
        let shared = Arc::new(Shared {
            told: Mutex::new(Told {
                board: Board::new(hosts, started),
                steps: Steps::new(detail, started),
                over: false,
            }),
            ends: Condvar::new(),
        });
        let drawer = (detail != Detail::Quiet).then(|| {
            let shared = Arc::clone(&shared);
            let live = screen::is_live();
            std::thread::spawn(move || draw(&shared, live.then(Drawer::new)))
        });
        Self { shared, drawer }
    }

    /// Takes note of one event.
    pub fn take(&self, host: &str, event: &Event) {
        let mut told = self.shared.told();
        let now = Instant::now();
        told.board.take(host, event, now);
        told.steps.take(host, event, now);
    }

    /// Takes note that nothing is done with a host any more.
    pub fn ended(&self, host: &str) {
        let mut told = self.shared.told();
        told.board.ended(host);
        told.steps.under_way.remove(host);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.shared.told().over = true;
        self.shared.ends.notify_all();
        if let Some(drawer) = self.drawer.take() {
            // Should it have failed, only lines are lost.
            let _ = drawer.join();
        }
    }
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws the lines, or tells of what takes long, until there is nothing to tell any more.
fn draw(shared: &Shared, drawer: Option<Drawer>) {
    let started = Instant::now();
    let mut told = shared.told();
    while !told.over {
        let waited = shared.ends.wait_timeout(told, TICK);
        told = waited.unwrap_or_else(PoisonError::into_inner).0;
        if told.over || started.elapsed() < PATIENCE {
            continue;
        }
        let now = Instant::now();
        if let Some(drawer) = drawer {
            let size = screen::size();
            let lines = told.board.lines(now, size);
            // Who tells does not wait for a slow terminal.
            drop(told);
            screen::draw(drawer, lines, size);
        } else {
            let due = told.steps.due(now);
            drop(told);
            for line in due {
                errln!("{line}");
            }
        }
        told = shared.told();
    }
    if let Some(drawer) = drawer {
        drawer.end();
    } else {
        let rest = std::mem::take(&mut told.steps.at_once);
        drop(told);
        for line in rest {
            errln!("{line}");
        }
    }
}

/// What hosts are doing where lines stay: told of once it takes long, and again from time to time.
struct Steps {
    detail: Detail,
    started: Instant,
    under_way: BTreeMap<String, Step>,
    /// Lines that are told at once.
    at_once: Vec<String>,
}

struct Step {
    what: String,
    since: Instant,
    said: String,
    next: Duration,
}

/// A step that takes as long as this is told of.
const LONG: Duration = Duration::from_secs(10);

impl Steps {
    fn new(detail: Detail, started: Instant) -> Self {
        Self {
            detail,
            started,
            under_way: BTreeMap::new(),
            at_once: Vec::new(),
        }
    }

    fn take(&mut self, host: &str, event: &Event, now: Instant) {
        match event {
            Event::Doing(what) => self.begins(host, what, now),
            Event::Changing {
                number,
                planned,
                what,
            } => self.begins(host, &format!("{number}/{planned} {what}"), now),
            Event::Said(said) => {
                if let Some(step) = self.under_way.get_mut(host) {
                    step.said = visible(said);
                }
            }
            Event::Finished(_) => drop(self.under_way.remove(host)),
        }
    }

    fn begins(&mut self, host: &str, what: &str, now: Instant) {
        // An image that is built tells of each of its lines: that is one step.
        let what = visible(what);
        if is_image(host)
            && let Some(step) = self.under_way.get_mut(host)
        {
            step.said = what;
            return;
        }
        if self.detail == Detail::Full {
            let line = self.line(now, host, &what);
            self.at_once.push(line);
        }
        let step = Step {
            what,
            since: now,
            said: String::new(),
            next: LONG,
        };
        self.under_way.insert(host.to_owned(), step);
    }

    /// Gives the lines that are due.
    fn due(&mut self, now: Instant) -> Vec<String> {
        let mut due = std::mem::take(&mut self.at_once);
        let mut long = Vec::new();
        for (host, step) in &mut self.under_way {
            let elapsed = now.saturating_duration_since(step.since);
            if elapsed >= step.next {
                step.next *= 3;
                let mut what = format!("{} for {}", step.what, super::text::seconds(elapsed));
                if !step.said.is_empty() {
                    what = format!("{what}: {}", step.said);
                }
                long.push((host.clone(), what));
            }
        }
        due.extend(long.iter().map(|(host, what)| self.line(now, host, what)));
        due
    }

    fn line(&self, now: Instant, host: &str, what: &str) -> String {
        let elapsed = super::text::seconds(now.saturating_duration_since(self.started));
        let elapsed = paint(style::FAINT, &format!("{elapsed:>8}"));
        format!("{elapsed} {}: {what}", visible(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> Vec<String> {
        let lines = lines.iter();
        lines
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect()
    }

    #[test]
    fn where_lines_stay_what_takes_long_is_told_of_and_more_and_more_seldom() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut steps = Steps::new(Detail::Usual, now);
        let changing = |number| Event::Changing {
            number,
            planned: 2,
            what: "packages nginx".to_owned(),
        };
        steps.take("web1", &changing(1), now);
        assert!(steps.due(after(9)).is_empty());
        steps.take("web1", &changing(2), after(9));
        assert!(steps.due(after(18)).is_empty());
        steps.take(
            "web1",
            &Event::Said("Unpacking\u{1b}[2J".to_owned()),
            after(18),
        );
        assert_eq!(
            plain(&steps.due(after(19))),
            ["  19.0 s web1: 2/2 packages nginx for 10.0 s: Unpacking\\u{1b}[2J"]
        );
        assert!(steps.due(after(38)).is_empty());
        assert_eq!(steps.due(after(39)).len(), 1);
        assert!(steps.due(after(98)).is_empty());
        assert_eq!(steps.due(after(99)).len(), 1);
        let outcome = HostOutcome::new("web1");
        steps.take("web1", &Event::Finished(Box::new(outcome)), after(100));
        assert!(steps.due(after(1000)).is_empty());
    }

    #[test]
    fn an_image_that_is_built_is_one_step() {
        let now = Instant::now();
        let mut steps = Steps::new(Detail::Usual, now);
        for second in 0..10 {
            let line = Event::Doing(format!("Setting up package {second}"));
            steps.take("prov/base", &line, now + Duration::from_secs(second));
        }
        let due = plain(&steps.due(now + LONG));
        assert_eq!(
            due,
            ["  10.0 s prov/base: Setting up package 0 for 10.0 s: Setting up package 9"]
        );
    }

    #[test]
    fn who_wants_to_see_more_sees_every_step() {
        let now = Instant::now();
        let mut steps = Steps::new(Detail::Full, now);
        steps.take("web1", &Event::Doing("looking at 10.0.0.1".to_owned()), now);
        assert_eq!(
            plain(&steps.due(now)),
            ["   0.0 s web1: looking at 10.0.0.1"]
        );
    }
}
