//! What `prov verify backup` must know of the estate, and its console.

use tasks::estate::Host;

use super::super::app::App;
use super::super::client;
use super::super::containers::Shown;
use super::unless_stopped;
use crate::docker::{HostState, Mode};
use crate::engine::Failure;
use crate::report::problem::Problem;
use crate::verify::{self, BackupExpectations, Check};

/// Runs the checks of the backup.
pub(super) async fn run(app: &App) -> Result<Vec<Check>, Problem> {
    let scope = client::console(app)?;
    let containers = app.containers().await?;
    let running: Vec<String> = containers
        .list()
        .await?
        .into_iter()
        .filter(|status| status.state == HostState::Running && status.mode == Mode::Test)
        .map(|status| status.host)
        .collect();
    let expectations = expectations(app, &running)?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let console = containers
        .open_client("bconsole", &scope, &progress)
        .await?;
    shown.clear();
    let checks = unless_stopped(verify::backup(&expectations, &console, &containers)).await;
    let closed = console.close().await;
    if checks.is_err() {
        verify::backup_sweep(&expectations, &containers).await?;
    }
    let checks = checks?;
    closed?;
    Ok(checks)
}

/// Gathers what is to be expected of the hosts that run: a service can be tried without all hosts of the estate.
fn expectations(app: &App, running: &[String]) -> Result<BackupExpectations, Problem> {
    let estate = &app.estate;
    let directors = estate.hosts_with_role("backup_director");
    let Some(director) = directors.first().copied() else {
        return Err(Problem::usage(
            "no host of the estate is the backup's director",
            "give a host the role backup_director",
        ));
    };
    let text = |name: &str| -> Result<String, Problem> {
        let value: Option<String> = estate
            .vars(director)
            .value(name)
            .map_err(|mistake| vec![mistake])?;
        Ok(value.unwrap_or_default())
    };
    let clients = estate.hosts_with_role("backup_client");
    let clients: Vec<String> = clients
        .into_iter()
        .map(|host: &Host| host.name().to_owned())
        .filter(|name| running.contains(name))
        .collect();
    // The host of the catalogue says most: its databases are dumped for the backup.
    let database = text("backup_database_host")?;
    let subject = clients
        .iter()
        .find(|name| **name == database)
        .or_else(|| clients.first());
    let Some(subject) = subject.cloned() else {
        return Err(Problem::Failed(Failure::new(
            "no host with a file daemon runs in test mode",
            "bring the service up with `prov up backup`",
        )));
    };
    Ok(BackupExpectations {
        director: text("backup_director_name")?,
        storage: text("backup_storage_name")?,
        clients,
        subject,
        copies: director.has_role("backup_dropbox"),
    })
}
