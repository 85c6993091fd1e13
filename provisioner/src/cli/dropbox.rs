//! `prov dropbox`: what must be done by hand, once, for copies to leave the office.

use super::app::App;
use super::arguments::Dropbox;
use crate::engine::Failure;
use crate::engine::script::quote_all;
use crate::report::problem::{Problem, exit};
use crate::ssh::{AtTerminal, connect, interactive};

const COMMAND: &str = "/usr/local/lib/bacula/synchronisation";

pub(super) async fn run(app: &App, options: &Dropbox) -> Result<u8, Problem> {
    let hosts = app.estate.hosts_with_role("backup_dropbox");
    let Some(host) = hosts.first().copied() else {
        return Err(Problem::usage(
            "no host of the estate synchronises copies",
            "give the backup's director the role backup_dropbox",
        ));
    };
    let command = [COMMAND, options.action.word()];
    let code = if app.estate.networks().is_some() {
        let argv = command.map(str::to_owned);
        let containers = app.containers().await?;
        containers.exec_interactive(host.name(), &argv).await?
    } else {
        let targets = app.targets(&[host]).await?;
        let Some((name, target)) = targets.into_iter().next() else {
            return Ok(exit::FAILED);
        };
        let target = target?;
        let connection = connect(&target).await.map_err(Failure::from)?;
        let session = AtTerminal::as_root(Some(quote_all(command)), &target.sudo);
        let session = session.map_err(Failure::from)?;
        let code = interactive(&connection, session, target.timeout)
            .await
            .map_err(|error| Failure::from(error).of(format!("ssh {name}")))?;
        i64::from(code)
    };
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}
