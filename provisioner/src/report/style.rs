//! Colours, by meaning. They vanish where the output is not a terminal, with `--no-color` and with `NO_COLOR`.

use anstyle::{AnsiColor, Style};
use tasks::plan::Action;

use crate::engine::Status;

/// Headings and names.
pub const STRONG: Style = Style::new().bold();
/// What is of less interest.
pub const FAINT: Style = Style::new().dimmed();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What changes.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// What is wrong, or goes away.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What waits.
pub const WAIT: Style = AnsiColor::Cyan.on_default();

/// Gives the colour of an action.
#[must_use]
pub const fn of_action(action: Action) -> Style {
    match action {
        Action::Create => GOOD,
        Action::Update | Action::Run => CHANGE,
        Action::Remove => BAD,
    }
}

/// Gives the colour of a host's state.
#[must_use]
pub const fn of_status(status: Status) -> Style {
    match status {
        Status::UpToDate => GOOD,
        Status::Changed => CHANGE,
        Status::Failed | Status::Unreachable => BAD,
    }
}

/// Colours a text.
#[must_use]
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
