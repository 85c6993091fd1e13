//! Ctrl-C and SIGTERM: the first asks to stop after the running step, the second ends the process.

use std::sync::OnceLock;

use crate::report::print::errln;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit;

/// One for the process: once a signal is listened to, it no longer ends the process by itself.
static STOP: OnceLock<watch::Sender<bool>> = OnceLock::new();

/// Gives a value that becomes true once the user asks to stop. At a time when nobody holds such a value, asking ends
/// the process at once.
pub(super) fn stop_when_asked() -> watch::Receiver<bool> {
    let begin = || {
        let sender = watch::Sender::new(false);
        tokio::spawn(listen(sender.clone()));
        sender
    };
    STOP.get_or_init(begin).subscribe()
}

/// Ends once the user asks to stop, for work that can be given up at any point but leaves something to tidy up.
pub(super) async fn asked_to_stop() {
    // The sender lives as long as the process, so waiting ends by being asked only.
    let _ = stop_when_asked().wait_for(|asked| *asked).await;
}

/// Tells whether the user has asked to stop.
pub(super) fn asked() -> bool {
    STOP.get().is_some_and(|sender| *sender.borrow())
}

async fn listen(stop: watch::Sender<bool>) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.receiver_count() == 0 || stop.send_replace(true) {
            std::process::exit(i32::from(exit::FAILED));
        }
        errln!("stopping after the running steps; once more to stop at once");
    }
}
