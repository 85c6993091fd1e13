//! `prov ssh`: a root shell on a host, over the same verified connection as everything else.

use tasks::estate::Host;

use super::app::App;
use super::arguments::Ssh;
use super::run::line_or_words;
use crate::engine::Failure;
use crate::engine::script::quote_all;
use crate::report::problem::{Problem, exit};
use crate::ssh::{AtTerminal, connect, interactive};

pub(super) async fn run(app: &App, options: &Ssh) -> Result<u8, Problem> {
    let host = app.one_host(&options.host)?;
    let words = line_or_words(&options.command);
    let command = (!words.is_empty()).then(|| quote_all(words.iter().map(String::as_str)));
    handed_through(app, host, command, !options.no_sudo).await
}

/// Runs a command on a host, or a shell, with this process's standard streams; gives its exit code.
pub(super) async fn handed_through(
    app: &App,
    host: &Host,
    command: Option<String>,
    as_root: bool,
) -> Result<u8, Problem> {
    let targets = app.targets(&[host]).await?;
    let Some((name, target)) = targets.into_iter().next() else {
        return Ok(exit::FAILED);
    };
    let target = target?;
    let connection = connect(&target).await.map_err(Failure::from)?;
    let session = if as_root {
        AtTerminal::as_root(command, &target.sudo).map_err(Failure::from)?
    } else {
        AtTerminal::as_user(command)
    };
    let code = interactive(&connection, session, target.timeout)
        .await
        .map_err(|error| Failure::from(error).of(format!("ssh {name}")))?;
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}
