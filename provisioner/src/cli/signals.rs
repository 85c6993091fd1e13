//! Ctrl-C and SIGTERM: the first asks to stop after the running step, the second ends the process.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::report::print::errln;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit;
use crate::engine::Event;
use crate::report::progress::no_more_lines;

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

/// Hosts that are being changed.
static AT_WORK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Takes note of what a host that is being changed is doing.
pub(super) fn told(host: &str, event: &Event) {
    let mut at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        Event::Doing(_) | Event::Changing { .. } | Event::Said(_) => {
            at_work.insert(host.to_owned())
        }
        Event::Finished(_) => at_work.remove(host),
    };
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
            no_more_lines();
            let at_work = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner);
            if !at_work.is_empty() {
                let hosts: Vec<_> = at_work.iter().map(String::as_str).collect();
                errln!(
                    "stopped at once: what was running goes on on {}, locked until it has ended",
                    hosts.join(", ")
                );
            }
            std::process::exit(i32::from(exit::FAILED));
        }
        errln!("stopping after the running steps; once more to stop at once");
    }
}
