//! Asking for a passphrase on the terminal, whatever standard input and output are.

use std::fs::File;
use std::io::{Read as _, Write as _};

use tasks::Secret;

use crate::report::progress;

/// Asks, without showing what is typed. `None` where there is no terminal, or if nothing is given.
pub(super) fn ask(question: &str) -> Option<Secret> {
    progress::without_lines(|| {
        let mut terminal = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()?;
        let _silence = Silence::enter(&terminal)?;
        terminal.write_all(question.as_bytes()).ok()?;
        let typed = read(&mut terminal);
        // The line that was typed did not end on the screen.
        let _ = terminal.write_all(b"\r\n");
        typed.map(Secret::new)
    })
}

/// Reads a line, key by key: Ctrl-C gives it up, where otherwise it would be waited for until the line ends.
fn read(terminal: &mut File) -> Option<String> {
    let mut typed = Vec::new();
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte).ok()? == 0 {
            return None;
        }
        match byte[0] {
            b'\r' | b'\n' => return String::from_utf8(typed).ok(),
            // Ctrl-C and Ctrl-D.
            3 | 4 => return None,
            // Backspace; Ctrl-U.
            8 | 127 => drop(typed.pop()),
            21 => typed.clear(),
            other => typed.push(other),
        }
    }
}

/// A terminal that shows nothing, until this is dropped.
struct Silence {
    terminal: File,
    before: rustix::termios::Termios,
}

impl Silence {
    fn enter(terminal: &File) -> Option<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal).ok()?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &silent).ok()?;
        let terminal = terminal.try_clone().ok()?;
        Some(Self { terminal, before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // There is nothing left to try if the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
