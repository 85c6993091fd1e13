//! Ctrl-C and SIGTERM: the first asks work on hosts to stop after its running step and ends what only looks, the second ends the
//! process.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::report::print::errln;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit;
use crate::engine::Event;
use crate::report::progress::no_more_lines;

/// Who is told that the user asks to stop. All are told at once; those who wait are counted.
#[derive(Clone, Default)]
struct Stop {
    /// Work that ends with its running step.
    after_step: watch::Sender<bool>,
    /// Work that is given up where it is, and then tidied up.
    after_tidying: watch::Sender<bool>,
    /// Work that is given up where it is.
    at_once: watch::Sender<bool>,
}

/// One for the process: once a signal is listened to, it no longer ends the process by itself.
static STOP: OnceLock<Stop> = OnceLock::new();

/// Begins to listen, unless that has been done.
fn stop() -> &'static Stop {
    STOP.get_or_init(|| {
        let stop = Stop::default();
        tokio::spawn(listen(stop.clone()));
        stop
    })
}

/// Gives a value that becomes true once the user asks to stop, for work that goes on until its running step has ended. At a time
/// when nobody waits, asking ends the process at once.
pub(super) fn stop_when_asked() -> watch::Receiver<bool> {
    stop().after_step.subscribe()
}

/// Gives a value that becomes true once the user asks to stop, to be held by work that can be given up at any point but leaves
/// something to tidy up.
pub(super) fn tidy_up_when_asked() -> watch::Receiver<bool> {
    stop().after_tidying.subscribe()
}

/// Ends once the user asks to stop, for work that can be given up at any point.
pub(super) async fn asked_to_stop() {
    // The sender lives as long as the process, so waiting ends by being asked only.
    let mut asked = stop().at_once.subscribe();
    let _ = asked.wait_for(|asked| *asked).await;
}

/// Tells whether the user has asked to stop.
pub(super) fn asked() -> bool {
    STOP.get().is_some_and(Stop::asked)
}

impl Stop {
    fn asked(&self) -> bool {
        *self.after_step.borrow()
    }

    /// Tells everybody who waits. False where nobody does, or all have been told before.
    fn ask(&self) -> bool {
        let all = [&self.after_step, &self.after_tidying, &self.at_once];
        let awaited = all.iter().any(|it| it.receiver_count() > 0);
        let again = self.asked();
        for one in all {
            one.send_replace(true);
        }
        awaited && !again
    }

    /// Gives what the user is told while something is still to be done. What only looks ends before anybody could read it.
    fn words(&self) -> Option<&'static str> {
        if self.after_step.receiver_count() > 0 {
            Some("stopping after the running steps; once more to stop at once")
        } else if self.after_tidying.receiver_count() > 0 {
            Some("stopping, and tidying up; once more to stop at once")
        } else {
            None
        }
    }
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

async fn listen(stop: Stop) {
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
        let words = stop.words();
        if !stop.ask() {
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
        if let Some(words) = words {
            errln!("{words}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_once_tells_who_waits_and_asking_again_ends() {
        assert!(!Stop::default().ask(), "nobody waits");
        let stop = Stop::default();
        let (looks, works) = (stop.at_once.subscribe(), stop.after_step.subscribe());
        assert!(!stop.asked() && stop.ask());
        assert!(*looks.borrow() && *works.borrow() && stop.asked());
        assert!(!stop.ask());
    }

    #[test]
    fn what_only_looks_ends_without_words() {
        let stop = Stop::default();
        let _looks = stop.at_once.subscribe();
        assert_eq!(stop.words(), None);
        assert!(stop.ask());
        let stop = Stop::default();
        let _checks = stop.after_tidying.subscribe();
        assert!(stop.words().unwrap().contains("tidying up"));
        let _works = stop.after_step.subscribe();
        assert!(stop.words().unwrap().contains("after the running steps"));
    }
}
