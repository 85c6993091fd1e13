//! Bacula's file daemon.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, backup, fixed};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::promise::{FileDaemon, Promises};
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
        name: backup::file_daemon(cx.host),
    });
    Ok(())
}

const CONFIGURATION: &str = "/etc/bacula/bacula-fd.conf";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_client")?;
    let mut role = Declarations::new("backup_client");
    let restart =
        Handler::restart(fixed("bacula-fd")).validated_by(["bacula-fd", "-t", "-c", CONFIGURATION]);
    role.add(Resource::Packages(Packages::new([fixed("bacula-fd")])));
    let content = cx
        .render("backup_client/bacula-fd.conf")
        .set("host", cx.host.name())
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
