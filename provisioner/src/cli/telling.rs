//! How much a command tells people of what it does.

use clap::Args;

use super::app::App;
use crate::report::text::Detail;

/// The options that say so.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Telling {
    /// Show more; twice for a log of what happens, three times for all of it
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Show no progress, and of results only what failed and how it ended
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// List at the end which hosts, and which of their steps, took longest
    #[arg(long, global = true)]
    pub(super) timings: bool,
}

impl Telling {
    /// Says how much is told of results.
    pub(super) const fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (false, 0) => Detail::Usual,
            (false, 1..) => Detail::Full,
        }
    }
}

impl App {
    /// Says how much is told of results.
    pub(super) const fn detail(&self) -> Detail {
        self.global.telling.detail()
    }

    /// Tells whether people are told what is begun.
    pub(super) fn tells(&self) -> bool {
        self.for_people() && self.detail() != Detail::Quiet
    }

    /// Says how much is told of what hosts are doing; nothing where programs read.
    pub(super) fn progress(&self) -> Option<Detail> {
        // Beside a log of everything, lines that are drawn again would be in its way.
        let is_told = self.tells() && self.global.telling.verbose < 2;
        is_told.then_some(self.detail())
    }
}
