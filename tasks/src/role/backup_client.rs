//! Bacula's file daemon.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, backup, fixed};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::promise::{
    Audience, FILE_DAEMON_PORT, FileDaemon, NeedKind, Needed, Promises, Protocol,
};
use crate::quote::{bacula, bacula_name};
use crate::resource::{Declared, File, Handler, Packages, Resource, Service};
use crate::value::Mode;

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
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let _: Variables = cx.vars.typed("backup_client")?;
    promises.file_daemons.push(FileDaemon {
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
