//! This process's standard streams as a terminal: raw mode, size, and what is typed.

use std::io::{self, IsTerminal, Read, Write};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Stands for the standard streams of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    tty: bool,
}

/// Gives the terminal back as it was, however a session ends.
pub(crate) struct RawMode(());

impl Drop for RawMode {
    fn drop(&mut self) {
        // There is nothing left to try if the terminal is gone.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

impl Terminal {
    /// Looks whether input and output are a terminal.
    #[must_use]
    pub(crate) fn of_process() -> Self {
        Self {
            tty: io::stdin().is_terminal() && io::stdout().is_terminal(),
        }
    }

    /// Tells whether they are.
    #[must_use]
    pub(crate) const fn is_tty(self) -> bool {
        self.tty
    }

    /// Has every key handed over as it is pressed, until what is given is dropped.
    pub(crate) fn raw_mode(self) -> io::Result<Option<RawMode>> {
        if !self.tty {
            return Ok(None);
        }
        crossterm::terminal::enable_raw_mode()?;
        Ok(Some(RawMode(())))
    }

    /// Gives columns and rows.
    #[must_use]
    pub(crate) fn size() -> (u16, u16) {
        crossterm::terminal::size().unwrap_or((80, 24))
    }

    /// Gives a stream of changes of the size; it never says anything where there is no terminal.
    #[must_use]
    pub(crate) fn resized(self) -> Resized {
        let changes = signal(SignalKind::window_change());
        Resized(changes.ok().filter(|_| self.tty))
    }
}

/// Waits for changes of the terminal's size.
pub(crate) struct Resized(Option<Signal>);

impl Resized {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) {
        let change = match &mut self.0 {
            Some(changes) => changes.recv().await,
            None => None,
        };
        if change.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Reads standard input. The reading thread is left behind: a read cannot be cancelled, and a thread of the runtime
/// that hangs in one would keep the process from ending.
#[must_use]
pub(crate) fn typed() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(4);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = [0; 16 * 1024];
        while let Ok(read @ 1..) = stdin.read(&mut chunk) {
            if sender.blocking_send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits for Ctrl-C, SIGTERM, or the end of the terminal. In a terminal's raw mode Ctrl-C goes to the client as a character instead.
pub(crate) async fn interrupted() {
    let (Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Writes at once.
pub(crate) fn write_now(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
