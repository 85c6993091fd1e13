//! Progress on long work: a line per host on a terminal, plain lines elsewhere, nothing when the work is short.

use crate::report::print::errln;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

use super::style::{self, paint};
use crate::engine::Event;

/// Shows what hosts are doing until the last sender of the channel is gone.
#[must_use]
pub fn show(mut events: UnboundedReceiver<(String, Event)>, quiet: bool) -> JoinHandle<()> {
    let terminal = std::io::stderr().is_terminal();
    tokio::spawn(async move {
        let mut lines = Lines::new(terminal);
        while let Some((host, event)) = events.recv().await {
            if !quiet {
                lines.take(&host, &event);
            }
        }
        lines.clear();
    })
}

/// Shows progress that comes by calls.
pub struct Lines {
    terminal: bool,
    bars: MultiProgress,
    hosts: BTreeMap<String, ProgressBar>,
    said: BTreeMap<String, Instant>,
    started: Instant,
}

/// How often a line about an image being built is shown where lines stay.
const SAMPLE: Duration = Duration::from_secs(10);

/// Work that is done sooner than this is not worth a line that vanishes again.
const PATIENCE: Duration = Duration::from_millis(200);

impl Lines {
    /// Begins.
    #[must_use]
    pub fn new(terminal: bool) -> Self {
        Self {
            terminal,
            bars: MultiProgress::new(),
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
                bar.set_message(what.clone());
            }
            // Where lines stay, only work that takes a while is worth one, and of an image being built a sample.
            Event::Doing(what) if !what.starts_with("looking") && self.is_due(host) => {
                let elapsed = super::text::seconds(self.started.elapsed());
                errln!(
                    "{} {host}: {what}",
                    paint(style::FAINT, &format!("{elapsed:>8}"))
                );
            }
            Event::Doing(_) => {}
            Event::Finished => {
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

    /// Takes the lines away.
    pub fn clear(&mut self) {
        for bar in std::mem::take(&mut self.hosts).into_values() {
            bar.finish_and_clear();
        }
        // A terminal that went away cannot be cleared.
        let _ = self.bars.clear();
    }
}
