//! What hosts remember of the run of this process: who, when, which command, which commit of the estate.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tasks::history::RecordedRun;
use tokio::process::Command;

use super::app::App;

/// How long git may take to say what is checked out.
const GIT: Duration = Duration::from_secs(5);

/// Describes the run of this process, for the hosts that it changes.
pub(super) async fn described(app: &App, holder: &str) -> RecordedRun {
    let letters = std::process::id();
    let now = jiff::Timestamp::now();
    let random = now.subsec_nanosecond().unsigned_abs() ^ letters;
    let time = now.strftime("%Y%m%d-%H%M%S");
    let folder = &app.global.estate;
    let commit = git(folder, &["rev-parse", "--short=12", "HEAD"]).await;
    let status = match &commit {
        Some(_) => {
            git(
                folder,
                &[
                    "status",
                    "--porcelain",
                    "--untracked-files=normal",
                    "--",
                    ".",
                ],
            )
            .await
        }
        None => None,
    };
    RecordedRun {
        run: format!("{time}-{:04x}", random & 0xffff),
        who: holder.to_owned(),
        command: command(std::env::args().skip(1)),
        estate: app.estate.name().to_string(),
        commit,
        modified: status.is_some_and(|status| !status.is_empty()),
    }
}

/// Gives the command without what may be secret: the values of fields and variables.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["prov".to_owned()];
    for argument in arguments {
        let word = match argument.split_once('=') {
            Some((name, _)) => format!("{name}=…"),
            None => argument,
        };
        words.push(tasks::quote::sh(&word));
    }
    words.join(" ")
}

async fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::from(super::git::command(folder));
    command
        .args(arguments)
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(GIT, command.output())
        .await
        .ok()?
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
