//! Changes that may lock prov out: put back by a process on the host unless a new session gets in after them.
//!
//! Owns how that ends, and what is told of it; the scripts are those of `switch`. Which changes they are is decided in the core.

use std::time::Duration;

use tasks::plan::{Lockout, Remedy};
use tokio::time::{Instant, sleep, timeout};

use super::outcome::{Failure, HostOutcome};
use super::session::{WriteSession, confirm};
use super::switch::seconds;
use super::{Event, Progress};
use crate::ssh::{SshError, Target};

/// What waits to be confirmed on a host.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    /// The change that it began with.
    pub name: String,
    /// What that touches.
    pub lockout: Lockout,
    /// The name of the run.
    pub run: String,
    /// How many changes were made before it.
    pub before: usize,
}

/// Pauses before each attempt to get in: a server that is restarted takes a moment.
const ATTEMPTS: [u64; 3] = [0, 1, 2];

/// What a new session found.
enum Verdict {
    /// Prov has got in, and what was changed stays.
    Confirmed,
    /// What was there before is there again: these places.
    PutBack(String),
    /// Prov has got in, but something does not work any more.
    Broken(String),
}

async fn look(target: &Target, run: &str) -> Result<Verdict, SshError> {
    let output = confirm(target, run).await?;
    Ok(match output.exit {
        0 => Verdict::Confirmed,
        3 => Verdict::PutBack(output.text),
        _ => Verdict::Broken(output.text.trim().to_owned()),
    })
}

/// Logs in anew; `broke` is what went wrong with the session that made the changes, if anything did. Where that does not work, has the host put back what was changed, and says so.
pub(super) async fn settle(
    target: &Target,
    session: WriteSession,
    unconfirmed: &Unconfirmed,
    broke: Option<&str>,
    outcome: &mut HostOutcome,
    progress: &Progress,
) -> Result<(), Failure> {
    let doing = "logging in anew, as the change may lock prov out".to_owned();
    progress.send(&target.host, Event::Doing(doing));
    let mut cause = broke.unwrap_or("no new login came in time").to_owned();
    for pause in ATTEMPTS {
        sleep(Duration::from_secs(pause)).await;
        match look(target, &unconfirmed.run).await {
            Ok(Verdict::Confirmed) => {
                session.close().await;
                return Ok(());
            }
            Ok(Verdict::PutBack(places)) => {
                return Err(put_back(unconfirmed, &cause, &places, outcome));
            }
            Ok(Verdict::Broken(what)) => cause = what,
            Err(error) => cause = format!("prov did not get in any more: {error}"),
        }
    }
    progress.send(
        &target.host,
        Event::Doing("putting back what has locked prov out".to_owned()),
    );
    // The session that made the change may still be there; without it, the host puts it back when its time has come.
    let _ = timeout(Duration::from_secs(5), session.give_up()).await;
    let limit = Instant::now() + Duration::from_secs(seconds(target) + 120);
    let mut last = cause.clone();
    while Instant::now() < limit {
        sleep(Duration::from_secs(1)).await;
        match look(target, &unconfirmed.run).await {
            // It works after all, for instance because the address that prov connects to has come back.
            Ok(Verdict::Confirmed) => return Ok(()),
            Ok(Verdict::PutBack(places)) => {
                return Err(put_back(unconfirmed, &cause, &places, outcome));
            }
            Ok(Verdict::Broken(what)) => last = what,
            Err(error) => last = error.to_string(),
        }
    }
    Err(Failure {
        unreachable: true,
        ..Failure::new(
            format!(
                "prov does not get in any more after {} ({}): {last}; the host should have put it back by itself",
                unconfirmed.name,
                unconfirmed.lockout.text()
            ),
            Remedy::Words(
                "look at the host's console; what was there before is in /var/lib/prov/guard, and `sh /var/lib/prov/guard/rollback now` puts it back"
                    .to_owned(),
            ),
        )
    })
}

fn put_back(
    unconfirmed: &Unconfirmed,
    cause: &str,
    places: &str,
    outcome: &mut HostOutcome,
) -> Failure {
    outcome.changes.truncate(unconfirmed.before);
    outcome.handlers.clear();
    Failure::new(
        format!(
            "the change touches {} and was put back, with everything after it: {cause}",
            unconfirmed.lockout.text()
        ),
        Remedy::LockedOut,
    )
    .of(unconfirmed.name.clone())
    .output(places)
}
