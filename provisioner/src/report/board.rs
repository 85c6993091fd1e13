//! What hosts are doing, as lines for a terminal of any size. Nothing here knows of a terminal or a clock.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tasks::push;
use tasks::visible;

use super::columns::{filled, fitted, right, width};
use super::screen::Size;
use super::style::{self, paint};
use crate::engine::Event;

/// What hosts are doing.
#[derive(Debug)]
pub(super) struct Board {
    /// The hosts at work.
    hosts: BTreeMap<String, Line>,
    /// Those that have a line: one that has it keeps it for as long as it is busy, so that lines do not jump about.
    shown: Vec<String>,
    /// How many hosts there are, where that is known.
    all: Option<usize>,
    ended: usize,
    failed: usize,
    /// Changes of hosts that have ended: made, and planned.
    made: usize,
    planned: usize,
    started: Instant,
}

/// What one host is doing.
#[derive(Debug)]
struct Line {
    what: String,
    since: Instant,
    /// The change that is being made, and how many are planned.
    changes: Option<(usize, usize)>,
    /// What the running step has printed last.
    said: String,
}

impl Line {
    /// Says how much it has to do still; who has most is shown first.
    fn busy(&self) -> (bool, usize) {
        let left = self
            .changes
            .map(|(number, planned)| planned.saturating_sub(number));
        (left.is_some(), left.unwrap_or_default())
    }
}

/// Widths of the columns of hosts' lines.
struct Columns {
    name: usize,
    bar: usize,
    count: usize,
    clock: usize,
}

/// Columns that a terminal must have for bars in the lines of hosts, too.
const WIDE: usize = 120;

/// Columns of a host's bar.
const BAR: usize = 20;

/// Columns of the bar of all hosts, at least and at most.
const SHORT_BAR: usize = 4;
const LONG_BAR: usize = 40;

/// With fewer columns there is a place for names and what is done alone.
const NARROW: usize = 32;

/// Columns that must be left for what a step has printed to be shown, too.
const ROOM_TO_SAY: usize = 24;

impl Board {
    /// Begins; `all` is how many hosts will end.
    pub(super) fn new(all: Option<usize>, now: Instant) -> Self {
        Self {
            hosts: BTreeMap::new(),
            shown: Vec::new(),
            all,
            ended: 0,
            failed: 0,
            made: 0,
            planned: 0,
            started: now,
        }
    }

    /// Takes note of an event.
    pub(super) fn take(&mut self, host: &str, event: &Event, now: Instant) {
        match event {
            // An image that is built tells of each of its lines: that is one step.
            Event::Doing(said) if is_image(host) && self.hosts.contains_key(host) => {
                self.said(host, said);
            }
            Event::Doing(what) => self.begins(host, what, None, now),
            Event::Changing {
                number,
                planned,
                what,
            } => self.begins(host, what, Some((*number, *planned)), now),
            Event::Said(said) => self.said(host, said),
            Event::Finished(outcome) => {
                let line = self.hosts.remove(host);
                let planned = line.and_then(|line| line.changes);
                self.ended += 1;
                self.failed += usize::from(outcome.failed.is_some());
                if let Some((_, planned)) = planned {
                    self.made += outcome.changes.len().min(planned);
                    self.planned += planned;
                }
            }
        }
    }

    /// Takes note that nothing is done with a host any more.
    pub(super) fn ended(&mut self, host: &str) {
        if self.hosts.remove(host).is_some() {
            self.ended += 1;
        }
    }

    fn said(&mut self, host: &str, said: &str) {
        if let Some(line) = self.hosts.get_mut(host) {
            line.said = visible(said);
        }
    }

    fn begins(&mut self, host: &str, what: &str, changes: Option<(usize, usize)>, now: Instant) {
        let before = self.hosts.get(host);
        let begun = Line {
            what: visible(what),
            since: now,
            // Between two changes, those before count on.
            changes: changes.or(before.and_then(|line| line.changes)),
            said: String::new(),
        };
        self.hosts.insert(host.to_owned(), begun);
    }

    /// Tells whether anything is at work.
    pub(super) fn is_idle(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Gives the lines for a terminal: none is wider, and half of its rows are left to what was printed.
    pub(super) fn lines(&mut self, now: Instant, size: Size) -> Vec<String> {
        // What is printed into the last column makes some terminals wrap.
        let columns = size.columns.saturating_sub(1);
        let most = (size.rows / 2).max(2).min(size.rows.saturating_sub(1));
        if self.is_idle() || most == 0 || columns < 8 {
            return Vec::new();
        }
        let several = self.hosts.len() + self.ended > 1 || self.all.is_some_and(|all| all > 1);
        let mut lines = Vec::new();
        if several && most > 1 {
            lines.push(self.sum(now, columns));
        }
        let mut room = most - lines.len();
        if self.hosts.len() > room && room > 1 {
            room -= 1;
        }
        self.choose(room);
        let widths = self.widths(now, columns);
        for name in &self.shown {
            if let Some(line) = self.hosts.get(name) {
                lines.push(host(name, line, now, &widths, columns));
            }
        }
        let rest = self.hosts.len() - self.shown.len();
        if rest > 0 && lines.len() < most {
            let text = fitted(&format!(" … and {rest} more at work"), columns);
            lines.push(paint(style::FAINT, &text));
        }
        lines
    }

    /// Chooses the hosts that have a line: the busiest, but none loses its line to one that is as busy.
    fn choose(&mut self, room: usize) {
        let hosts = &self.hosts;
        self.shown.retain(|name| hosts.contains_key(name));
        let mut others: Vec<_> = hosts
            .keys()
            .filter(|name| !self.shown.contains(name))
            .collect();
        others.sort_by_key(|name| std::cmp::Reverse(hosts[*name].busy()));
        let mut others = others.into_iter().peekable();
        self.shown
            .sort_by_key(|name| std::cmp::Reverse(hosts[name].busy()));
        self.shown.truncate(room);
        while self.shown.len() < room
            && let Some(name) = others.next()
        {
            self.shown.push(name.clone());
        }
        // One that only waits makes room for one that makes changes.
        for name in self.shown.iter_mut().rev() {
            if !hosts[name].busy().0
                && let Some(other) = others.next_if(|other| hosts[*other].busy().0)
            {
                name.clone_from(other);
            }
        }
        self.shown.sort();
    }

    fn widths(&self, now: Instant, columns: usize) -> Columns {
        let shown = self.shown.iter();
        let lines: Vec<_> = shown
            .filter_map(|name| Some((name, self.hosts.get(name)?)))
            .collect();
        let most = |width: fn(&str, &Line, Instant) -> usize| {
            let all = lines.iter().map(|(name, line)| width(name, line, now));
            all.max().unwrap_or_default()
        };
        let count = most(|_, line, _| line.changes.map_or(0, |changes| width(&counted(changes))));
        Columns {
            name: most(|name, _, _| width(&visible(name))).min((columns / 4).max(12)),
            bar: if count > 0 && columns >= WIDE { BAR } else { 0 },
            count,
            clock: most(|_, line, now| width(&clock(now.saturating_duration_since(line.since)))),
        }
    }

    /// Says how far all hosts are together.
    fn sum(&self, now: Instant, columns: usize) -> String {
        let under_way = self.hosts.values().filter_map(|line| line.changes);
        let (made, planned) = under_way.fold(
            (self.made, self.planned),
            |(made, planned), (number, of)| (made + number.saturating_sub(1), planned + of),
        );
        let clock = clock(now.saturating_duration_since(self.started));
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let (long, short) = if let Some(all) = self.all {
            (
                format!("{} of {all} hosts", self.ended),
                format!("{}/{all} hosts", self.ended),
            )
        } else {
            let text = format!("{} at work, {} done", self.hosts.len(), self.ended);
            (text.clone(), text)
        };
        let (part, whole) = if planned > 0 {
            (made, planned)
        } else {
            (self.ended, self.all.unwrap_or_default())
        };
        let (long, short) = if planned > 0 {
            (
                format!("{made} of {planned} changes, {long}{failed}  {clock}"),
                format!("{made}/{planned}, {short}{failed}  {clock}"),
            )
        } else {
            (
                format!("{long}{failed}  {clock}"),
                format!("{short}{failed}  {clock}"),
            )
        };
        // The words come first; the bar gets what is left.
        let room = columns.saturating_sub(1);
        let is_long = width(&long) + 2 + SHORT_BAR <= room;
        let text = fitted(if is_long { &long } else { &short }, room);
        let left = room.saturating_sub(width(&text) + 2).min(LONG_BAR);
        if whole == 0 || left < SHORT_BAR {
            return format!(" {text}");
        }
        format!(" {}  {text}", bar(part, whole, left))
    }
}

/// Tells the name of an image from that of a host.
pub(super) fn is_image(name: &str) -> bool {
    name.contains('/')
}

/// Draws how much of a whole is done.
fn bar(part: usize, whole: usize, columns: usize) -> String {
    let full = (part * columns)
        .checked_div(whole)
        .unwrap_or_default()
        .min(columns);
    let done = paint(style::GOOD, &"━".repeat(full));
    let left = paint(style::FAINT, &"─".repeat(columns - full));
    format!("{done}{left}")
}

fn counted((number, planned): (usize, usize)) -> String {
    format!("{number}/{planned}")
}

/// Writes a time that goes on, as a clock shows it.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Renders what a host is doing: its name, how far it is, since when, what, and what that has printed last.
fn host(name: &str, line: &Line, now: Instant, widths: &Columns, columns: usize) -> String {
    if columns < NARROW {
        return fitted(&format!(" {}  {}", visible(name), line.what), columns);
    }
    let mut text = format!(
        " {}",
        paint(style::STRONG, &filled(&visible(name), widths.name))
    );
    let mut taken = 1 + widths.name;
    if widths.bar > 0 {
        let bar = match line.changes {
            Some((number, planned)) => bar(number.saturating_sub(1), planned, widths.bar),
            None => " ".repeat(widths.bar),
        };
        push!(text, "  {bar}");
        taken += 2 + widths.bar;
    }
    if widths.count > 0 {
        let count = line.changes.map(counted).unwrap_or_default();
        push!(text, " {}", right(&count, widths.count));
        taken += 1 + widths.count;
    }
    let clock = clock(now.saturating_duration_since(line.since));
    push!(text, "  {}  ", right(&clock, widths.clock));
    taken += 4 + widths.clock;
    let room = columns.saturating_sub(taken);
    if line.said.is_empty() || room < ROOM_TO_SAY {
        text.push_str(&fitted(&line.what, room));
        return text;
    }
    // What it says is worth more than the whole of a long name.
    let what = fitted(
        &line.what,
        (room / 3).max(room.saturating_sub(width(&line.said) + 2)),
    );
    let said = fitted(&line.said, room.saturating_sub(width(&what) + 2));
    push!(text, "{what}  {}", paint(style::FAINT, &said));
    text
}
