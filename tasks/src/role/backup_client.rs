//! Bacula's file daemon.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, backup, fixed};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::estate::Vars;
use crate::promise::{
    Audience, FILE_DAEMON_PORT, FileDaemon, NeedKind, Needed, Promises, Protocol,
};
use crate::quote::{bacula, bacula_name};
use crate::resource::{Declared, File, Handler, Packages, Resource, Service};
use crate::value::{HostPath, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the estate's variables"
)]
pub(super) struct Variables {
    /// Password with which the director identifies itself to this host's file daemon.
    backup_client_director_password: Secret,
    /// Password with which the monitor identifies itself to this host's file daemon; it may only ask for the status.
    backup_client_monitor_password: Secret,
    /// Name of the director, as in its own configuration.
    backup_director_name: String,
    /// Name of the monitor, as in its own configuration.
    backup_monitor_name: String,
    /// Files and folders that are backed up besides those of the host's roles.
    #[expect(dead_code, reason = "described here, read by `backup`")]
    #[serde(default)]
    backup_client_paths: Vec<HostPath>,
    /// Whether the host is backed up by itself, by the director's schedules; otherwise when somebody asks for it.
    #[serde(default = "yes")]
    backup_client_scheduled: bool,
}

const fn yes() -> bool {
    true
}

/// Gives what is worth a backup beside what the other roles of the host name: its own configuration, and what an estate adds.
pub(super) fn backup(vars: &Vars<'_>) -> Result<Vec<HostPath>, Diagnostic> {
    let own: Option<Vec<HostPath>> = vars.value("backup_client_paths")?;
    let mut paths = own.unwrap_or_default();
    paths.push(fixed(CONFIGURATION));
    Ok(paths)
}

/// Tells whether a host is backed up by itself.
pub(super) fn is_scheduled(vars: &Vars<'_>) -> Result<bool, Diagnostic> {
    let scheduled: Option<_> = vars.value("backup_client_scheduled")?;
    Ok(scheduled.unwrap_or_else(yes))
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_client")?;
    promises.file_daemons.push(FileDaemon {
        scheduled: variables.backup_client_scheduled,
        host: cx.host.name().to_owned(),
        address: cx.host.address(),
        name: backup::file_daemon(cx.host),
    });
    let directors = cx.estate.hosts_with_role("backup_director");
    let by = directors.iter().map(|host| Needed::host(host));
    promises.relies((cx.host, "backup_client"), NeedKind::Backup, by);
    let directors = Audience::hosts(directors);
    promises.opens(
        (cx.host, "backup_client"),
        &directors,
        &[(Protocol::Tcp, FILE_DAEMON_PORT)],
    );
    Ok(())
}

/// Refuses a file daemon that is newer than those that it serves: it takes their answers for mistakes (Bacula 15 those of
/// Bacula 9).
fn understood(cx: &HostContext<'_>) -> Result<(), Diagnostic> {
    let roles = ["backup_director", "backup_storage"];
    let mut hosts = roles
        .iter()
        .flat_map(|role| cx.estate.hosts_with_role(role));
    let (own, release) = (cx.host.name(), cx.host.release());
    match hosts.find(|host| host.release() < release) {
        None => Ok(()),
        Some(older) => Err(Diagnostic::new(format!(
            "host {own}: its file daemon of {release} does not understand the backup's daemons on {}, which are of {}",
            older.name(),
            older.release()
        ))
        .hint(format!("bring {} to {release} first", older.name()))),
    }
}

const CONFIGURATION: &str = "/etc/bacula/bacula-fd.conf";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_client")?;
    let mut role = Declarations::new("backup_client");
    role.take(understood(cx));
    let restart =
        Handler::restart(fixed("bacula-fd")).validated_by(["bacula-fd", "-t", "-c", CONFIGURATION]);
    role.add(Resource::Packages(Packages::new([
        fixed("bacula-fd"),
        fixed("openssl"),
    ])));
    backup::certified(cx, &mut role, &restart);
    let content = cx
        .render("backup_client/bacula-fd.conf")
        .set("host", cx.host.name())
        .set("port", &FILE_DAEMON_PORT)
        .set("tls", &backup::tls(cx.host.release()))
        .set("director_address", &backup::director(cx))
        .quoted("director", bacula_name, &variables.backup_director_name)
        .quoted("monitor", bacula_name, &variables.backup_monitor_name)
        .quoted_secret(
            "director_password",
            bacula,
            &variables.backup_client_director_password,
        )
        .quoted_secret(
            "monitor_password",
            bacula,
            &variables.backup_client_monitor_password,
        )
        .finish();
    if let Some(content) = role.take(content) {
        let mut file = File::new(fixed(CONFIGURATION), content);
        file.mode = Mode::new(0o600);
        role.add(Resource::File(file)).notifies(&restart);
    }
    role.add(Resource::Service(Service::new(fixed("bacula-fd"))));
    role.finish()
}
