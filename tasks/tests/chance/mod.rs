//! Texts that are mutated at random: each run is made of its number alone, so that one that fails can be repeated with
//! `PROV_HOSTILE_FIRST`. `PROV_HOSTILE_RUNS` says how many there are.

#![allow(dead_code, reason = "not every test mutates texts")]

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// No run may take longer than this; most take milliseconds.
const DEADLINE: Duration = Duration::from_secs(20);

/// Gives the numbers of the runs.
pub(crate) fn runs(usual: u64) -> Range<u64> {
    let first = number("PROV_HOSTILE_FIRST", 1);
    first..first + number("PROV_HOSTILE_RUNS", usual)
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// Makes a run, which may neither panic nor hang; `shown` is what it was made of.
pub(crate) fn make<T>(run: u64, shown: &[&str], of: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let made = catch_unwind(AssertUnwindSafe(of));
    let took = started.elapsed();
    assert!(took < DEADLINE, "run {run} took {took:?}");
    made.unwrap_or_else(|_| panic!("run {run} panicked\n{}", shown.join("\n")))
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
