//! Texts that are mutated at random: each run is made of its number alone, so that one that fails can be repeated with
//! `PROV_HOSTILE_FIRST`. `PROV_HOSTILE_RUNS` says how many there are. A run that hangs ends the process and names its number;
//! [`told`] says how long the slowest took and how much memory the process had at most.

#![allow(dead_code, reason = "not every test mutates texts")]

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// No run may take longer than this; most take milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the process may need at most, with everything that its tests keep besides (kB): a run that needs more than it gives back shows here
/// after many, and one that needs far too much by itself.
const MOST_MEMORY: u64 = 1_000_000;

/// What a thread is at.
#[derive(Clone)]
struct Under {
    run: u64,
    since: Instant,
    slowest: Duration,
    is_over: bool,
}

static UNDER_WAY: LazyLock<Mutex<HashMap<ThreadId, Under>>> = LazyLock::new(Mutex::default);

fn under_way() -> MutexGuard<'static, HashMap<ThreadId, Under>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process when a run has taken too long: a test could not.
fn watch() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        thread::spawn(|| {
            loop {
                thread::sleep(Duration::from_secs(1));
                let hangs = |under: &&Under| !under.is_over && under.since.elapsed() > DEADLINE;
                if let Some(under) = under_way().values().find(hangs) {
                    eprintln!(
                        "run {} hangs: it has taken {DEADLINE:?} and is not over",
                        under.run
                    );
                    std::process::abort();
                }
            }
        });
    });
}

/// Gives the numbers of the runs.
pub(crate) fn runs(usual: u64) -> Range<u64> {
    let first = number("PROV_HOSTILE_FIRST", 1);
    first..first + count(usual)
}

/// Gives how many runs there are.
pub(crate) fn count(usual: u64) -> u64 {
    number("PROV_HOSTILE_RUNS", usual)
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Makes a run, which may neither panic nor hang; `shown` is what it was made of.
pub(crate) fn make<T>(run: u64, shown: &[&str], of: impl FnOnce() -> T) -> T {
    watch();
    let thread = thread::current().id();
    let since = Instant::now();
    let slowest = under_way().get(&thread).map(|under| under.slowest);
    let mut under = Under {
        run,
        since,
        slowest: slowest.unwrap_or_default(),
        is_over: false,
    };
    under_way().insert(thread, under.clone());
    let made = catch_unwind(AssertUnwindSafe(of));
    let took = since.elapsed();
    under.is_over = true;
    under.slowest = under.slowest.max(took);
    under_way().insert(thread, under);
    assert!(took < DEADLINE, "run {run} took {took:?}");
    made.unwrap_or_else(|_| panic!("run {run} panicked\n{}", shown.join("\n")))
}

/// Says how the runs of this thread went, and refuses that the process needed too much memory.
pub(crate) fn told(what: &str, runs: u64) {
    let thread = thread::current().id();
    let slowest = under_way().remove(&thread).map(|under| under.slowest);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    let peak = peak.unwrap();
    println!(
        "{what}: {runs} mutated inputs, 0 panics, 0 hangs, the slowest {:?}, at most {} MB of memory",
        slowest.unwrap_or_default(),
        peak / 1000
    );
    assert!(peak < MOST_MEMORY, "{what} needed {peak} kB of memory");
}

/// A generator that is made of a number (xorshift).
pub(crate) struct Chance(u64);

impl Chance {
    /// Begins with the number of a run.
    pub(crate) fn of(run: u64) -> Self {
        Self(run.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Gives a number from 0 up to, and without, `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end.max(1) as u64)).unwrap()
    }

    /// Changes a text at a few places: something is taken away, repeated, put in or replaced by one of `parts`.
    pub(crate) fn mutated(&mut self, text: &str, parts: &[&str]) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(4) {
            let at = self.below(letters.len() + 1);
            let end = (at + self.below(12)).min(letters.len());
            match self.below(4) {
                0 => drop(letters.drain(at..end)),
                1 => {
                    let part: Vec<char> = letters[at..end].to_vec();
                    let to = self.below(letters.len() + 1);
                    letters.splice(to..to, part);
                }
                2 => {
                    let part = parts[self.below(parts.len())];
                    letters.splice(at..at, part.chars());
                }
                _ => {
                    let part = parts[self.below(parts.len())];
                    letters.splice(at..end, part.chars());
                }
            }
        }
        letters.into_iter().collect()
    }
}
