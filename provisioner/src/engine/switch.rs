//! The scripts of a dead man's switch on a host: it is armed, put off, told what to keep, and confirmed.

use std::net::IpAddr;

use tasks::plan::{Change, lockout};
use tasks::resource::Declared;
use tasks::step::Step;

use super::script::{STATE, UNCONFIRMED, encode, environment, quote};
use crate::ssh::Target;

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

/// Writes the functions, and the command that begins; `hosts` are those of the estate, of which one may be a name server that comes
/// up in the same run.
#[must_use]
pub(super) fn arming(seconds: u64, holder: &str, run: &str, hosts: &[IpAddr]) -> (String, String) {
    let rollback = format!(
        "{}prov_state={STATE}\n{UNCONFIRMED}{SWITCH}prov_guard_watch \"$1\"\n",
        environment()
    );
    let rollback = encode(rollback.as_bytes());
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let [holder, run, hosts] = [holder, run, &hosts.join(" ")].map(quote);
    (
        format!("{SWITCH}rollback={rollback}\n"),
        format!("prov_guard_arm {seconds} {holder} {run} {hosts}"),
    )
}

/// Writes the functions with which a new session confirms, and the command.
#[must_use]
pub(super) fn confirming(run: &str) -> (String, String) {
    (
        format!("prov_state={STATE}\n{UNCONFIRMED}{SWITCH}"),
        format!("prov_guard_confirm {}", quote(run)),
    )
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
