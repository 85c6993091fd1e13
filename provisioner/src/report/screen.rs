//! The lines at the end of the terminal that are drawn again and again while something runs.
//!
//! The cursor rests at the beginning of the first of them. So they are taken away by clearing what is below the cursor, whatever
//! the size of the terminal has become: terminals that wrap lines anew move the cursor along with the line that it is in. Everything
//! that prov prints takes them away first, in one lock with being printed; they come back with the next drawing.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tasks::push;

use anstream::{AutoStream, ColorChoice};

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What is on the screen.
struct Screen {
    /// The lines as they were drawn last, and for which size; nothing where they were taken away.
    drawn: Option<(Vec<String>, Size)>,
    /// How many are at work that need the terminal for themselves.
    held: usize,
    /// Who would draw: the first of them does, and the others after it.
    drawers: Vec<Drawer>,
    next: u64,
}

/// Somebody who draws lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Drawer(u64);

impl Drawer {
    /// Begins.
    pub(super) fn new() -> Self {
        let mut screen = screen();
        let drawer = Self(screen.next);
        screen.next += 1;
        screen.drawers.push(drawer);
        drawer
    }

    /// Ends, and takes its lines away.
    pub(super) fn end(self) {
        let mut screen = screen();
        if screen.drawers.first() == Some(&self) {
            clear(&mut screen);
        }
        screen.drawers.retain(|drawer| *drawer != self);
    }
}

static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    drawn: None,
    held: 0,
    drawers: Vec::new(),
    next: 0,
});

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether lines can be drawn again here: on a terminal that knows how to, and where it is no machine that keeps what is printed.
pub(super) fn is_live() -> bool {
    std::io::stderr().is_terminal() && is_capable(|name| std::env::var(name).ok())
}

/// Takes the colours out of lines where none are wanted (`--no-color`, `NO_COLOR`), which says nothing about drawing them again.
fn coloured(mut lines: Vec<String>) -> Vec<String> {
    if AutoStream::choice(&std::io::stderr()) == ColorChoice::Never {
        for line in &mut lines {
            *line = anstream::adapter::strip_str(line).to_string();
        }
    }
    lines
}

/// Tells what the environment says about that.
fn is_capable(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_dumb = variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let is_machine =
        variable("CI").is_some_and(|value| !["", "0", "false"].contains(&value.as_str()));
    !is_dumb && !is_machine
}

/// Gives the size of the terminal; that of the smallest that people use where it does not know.
pub(super) fn size() -> Size {
    let known = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    let known = known.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or(
        Size {
            columns: 80,
            rows: 24,
        },
        |size| Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        },
    )
}

/// Draws lines in the place of those before. None may be wider than the terminal, nor may there be more than it has rows.
pub(super) fn draw(drawer: Drawer, lines: Vec<String>, size: Size) {
    let mut screen = screen();
    let frame = (coloured(lines), size);
    let is_first = screen.drawers.first() == Some(&drawer);
    if screen.held > 0 || !is_first || screen.drawn.as_ref() == Some(&frame) {
        return;
    }
    if frame.0.is_empty() {
        clear(&mut screen);
        return;
    }
    // In one piece, or the terminal would show what is half-way. A terminal that went away cannot be drawn on.
    let _ = std::io::stderr().write_all(drawing(&frame.0).as_bytes());
    screen.drawn = Some(frame);
}

/// Gives what draws lines from where the cursor is, and takes it back there (ECMA-48). Nothing is wrapped meanwhile, should a
/// terminal count columns in another way.
fn drawing(lines: &[String]) -> String {
    let mut text = String::from("\u{1b}[?7l\r");
    text.push_str(&lines.join("\u{1b}[K\r\n"));
    text.push_str("\u{1b}[K\u{1b}[J\r");
    if lines.len() > 1 {
        push!(text, "\u{1b}[{}A", lines.len() - 1);
    }
    text.push_str("\u{1b}[?7h");
    text
}

/// Takes the lines away.
fn clear(screen: &mut Screen) {
    if screen.drawn.take().is_some() {
        let _ = std::io::stderr().write_all(b"\r\x1b[J");
    }
}

/// Takes the lines away for good, because the process is about to end.
pub fn no_more_lines() {
    let mut screen = screen();
    clear(&mut screen);
    screen.held += 1;
}

/// Prints something where the lines are.
pub(super) fn printing<T>(print: impl FnOnce() -> T) -> T {
    let mut screen = screen();
    clear(&mut screen);
    print()
}

/// Does something that needs the terminal for itself.
pub fn without_lines<T>(work: impl FnOnce() -> T) -> T {
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            screen().held -= 1;
        }
    }
    let held = {
        let mut screen = screen();
        clear(&mut screen);
        screen.held += 1;
        Held
    };
    let result = work();
    drop(held);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_drawn_only_where_a_person_watches() {
        let capable = |set: &[(&str, &str)]| {
            is_capable(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(capable(&[("TERM", "xterm")]));
        assert!(capable(&[
            ("TERM", "xterm"),
            ("CI", "false"),
            ("NO_COLOR", "1")
        ]));
        for not in [
            &[][..],
            &[("TERM", "")],
            &[("TERM", "dumb")],
            &[("TERM", "xterm"), ("CI", "true")],
        ] {
            assert!(!capable(not), "{not:?}");
        }
    }

    #[test]
    fn the_cursor_is_back_where_it_was() {
        let lines = ["one".to_owned(), "two".to_owned(), "three".to_owned()];
        let text = drawing(&lines);
        assert_eq!(text.matches("\r\n").count(), 2);
        assert!(text.ends_with("\r\u{1b}[2A\u{1b}[?7h"), "{text:?}");
        assert!(!drawing(&lines[..1]).contains('A'));
    }
}
