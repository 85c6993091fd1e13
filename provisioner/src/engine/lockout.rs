//! Changes that may lock prov out: kept back by a process on the host unless a new session gets in after them.
//!
//! Owns the scripts of that, when it begins, how it ends, and what is told of it. Which changes they are is decided in the core.

use std::time::Duration;

use tasks::plan::{Change, Lockout, Remedy, lockout};
use tasks::resource::Declared;
use tasks::step::Step;
use tokio::time::{Instant, sleep, timeout};

use super::outcome::{Failure, HostOutcome};
use super::script::{STATE, encode, environment, quote};
use super::session::{WriteSession, confirm};
use super::{Event, Progress};
use crate::ssh::{SshError, Target};

/// What every session that writes knows of a change that nobody has confirmed.
pub(super) const UNCONFIRMED: &str = include_str!("unconfirmed.sh");

/// The functions that keep, put back and confirm.
const SWITCH: &str = include_str!("lockout.sh");

/// Seconds for which the host waits while it carries a script out; as long as it may be at work at all.
pub(super) const AT_WORK: u64 = 3600;

/// How long a host may take from the end of its script to the login that confirms it.
#[must_use]
pub(super) fn seconds(target: &Target) -> u64 {
    // Connecting and becoming root have this much time each.
    (target.timeout.as_secs() * 3).max(30)
}

/// Writes the functions, and the command that begins.
#[must_use]
pub(super) fn arming(seconds: u64, holder: &str) -> (String, String) {
    let rollback = format!(
        "{}prov_state={STATE}\n{UNCONFIRMED}{SWITCH}prov_guard_watch \"$1\"\n",
        environment()
    );
    let rollback = encode(rollback.as_bytes());
    (
        format!("{SWITCH}rollback={rollback}\n"),
        format!("prov_guard_arm {seconds} {}", quote(holder)),
    )
}

/// Writes the functions with which a new session confirms.
#[must_use]
pub(super) fn confirming() -> String {
    format!("prov_state={STATE}\n{UNCONFIRMED}{SWITCH}")
}

/// Has the host wait for this many seconds from now on.
#[must_use]
pub(super) fn holding(seconds: u64) -> String {
    format!("prov_guard_hold {seconds}\n")
}

/// Writes the command that keeps what a change is about to replace, and notes the services that it sets going.
#[must_use]
pub(super) fn keeping(declared: &Declared, change: &Change) -> String {
    let mut commands = Vec::new();
    for step in &change.steps {
        let whole = match step {
            Step::Remove { .. } | Step::Unpack(_) => " whole",
            Step::WriteFile { .. }
            | Step::Fetch { .. }
            | Step::SetAttributes { .. }
            | Step::MakeDirectory { .. }
            | Step::MakeLink { .. }
            | Step::Run(_) => "",
        };
        let path = step.path();
        commands
            .extend(path.map(|path| format!("prov_guard_keep {}{whole}", quote(path.as_str()))));
    }
    if let tasks::resource::Resource::Command(command) = &declared.resource {
        let paths = [&command.creates, &command.removes];
        let paths = paths.into_iter().flatten();
        commands
            .extend(paths.map(|path| format!("prov_guard_keep {} whole", quote(path.as_str()))));
    }
    let units = lockout::units(declared);
    commands.extend(
        units
            .iter()
            .map(|unit| format!("prov_guard_touch {}", quote(unit))),
    );
    commands.join(" && ")
}

/// What waits to be confirmed on a host.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    /// The change that it began with.
    pub name: String,
    /// What that touches.
    pub lockout: Lockout,
    /// How many changes were made before it.
    pub before: usize,
}

/// Pauses before each attempt to get in: a server that is restarted takes a moment.
const ATTEMPTS: [u64; 3] = [0, 1, 2];

/// What a new session found.
enum Found {
    /// Prov has got in, and what was changed stays.
    Confirmed,
    /// What was there before is there again: these places.
    PutBack(String),
    /// Prov has got in, but something does not work any more.
    Broken(String),
}

async fn look(target: &Target) -> Result<Found, SshError> {
    let output = confirm(target).await?;
    Ok(match output.exit {
        0 => Found::Confirmed,
        3 => Found::PutBack(output.text),
        _ => Found::Broken(output.text.trim().to_owned()),
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
        match look(target).await {
            Ok(Found::Confirmed) => {
                session.close().await;
                return Ok(());
            }
            Ok(Found::PutBack(places)) => {
                return Err(put_back(unconfirmed, &cause, &places, outcome));
            }
            Ok(Found::Broken(what)) => cause = what,
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
        match look(target).await {
            // It works after all, for instance because the address that prov connects to has come back.
            Ok(Found::Confirmed) => return Ok(()),
            Ok(Found::PutBack(places)) => {
                return Err(put_back(unconfirmed, &cause, &places, outcome));
            }
            Ok(Found::Broken(what)) => last = what,
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
