//! Ctrl-C and SIGTERM: the first asks to stop after the running step, the second ends the process.

use crate::report::print::errln;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit;

/// Ends once the user asks to stop, for work that can be given up at any point but leaves something to tidy up.
pub(super) async fn asked_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Gives a value that becomes true once the user asks to stop.
pub(super) fn stop_when_asked() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        for round in 0_u8.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = sender.closed() => return,
            }
            if round > 0 {
                std::process::exit(i32::from(exit::FAILED));
            }
            errln!("stopping after the running steps; once more to stop at once");
            sender.send_replace(true);
        }
    });
    receiver
}
