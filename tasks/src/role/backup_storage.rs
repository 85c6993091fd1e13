//! Bacula's storage daemon.

use schemars::JsonSchema;
use serde::Deserialize;

use super::backup::{self, ARCHIVE, SYNCHRONISED};
use super::{Declarations, HostContext, fixed};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::promise::{Audience, Promises, Protocol, STORAGE_DAEMON_PORT, StorageDaemon};
use crate::quote::{bacula, bacula_name};
use crate::resource::{Declared, Directory, File, Handler, Packages, Resource, Service};
use crate::value::{HostPath, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the estate's variables"
)]
pub(super) struct Variables {
    /// Name of the storage daemon, as in the director's configuration.
    backup_storage_name: String,
    /// Password with which the director identifies itself to the storage daemon.
    backup_storage_password: Secret,
    /// Name of the director, as in its own configuration.
    backup_director_name: String,
    /// Folder in the synchronised one that receives the copies, where the host has the role `backup_dropbox`.
    #[serde(default = "folder")]
    backup_copy_folder: String,
}

pub(super) fn folder() -> String {
    "bacula".to_owned()
}

const CONFIGURATION: &str = "/etc/bacula/bacula-sd.conf";

/// Drives over the archive: as many volumes can be in use at once.
const DRIVES: [&str; 4] = ["archive-1", "archive-2", "archive-3", "archive-4"];

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_storage")?;
    let mut role = Declarations::new("backup_storage");
    let restart =
        Handler::restart(fixed("bacula-sd")).validated_by(["bacula-sd", "-t", "-c", CONFIGURATION]);
    role.add(Resource::Packages(Packages::new([
        fixed("bacula-sd"),
        fixed("openssl"),
    ])));
    backup::certified(cx, &mut role, &restart);
    role.add(folder_of_bacula(fixed(ARCHIVE)));
    let mut copies = None;
    if cx.host.has_role("backup_dropbox") {
        copies = role.take(backup::copies(&variables.backup_copy_folder));
        role.add(folder_of_bacula(fixed(SYNCHRONISED)));
        if let Some(path) = &copies {
            role.add(folder_of_bacula(path.clone()));
        }
    }
    let quoted = copies
        .as_ref()
        .map(|path| bacula(path.as_str()))
        .transpose();
    let quoted = role.take(quoted.map_err(Into::into)).flatten();
    let content = cx
        .render("backup_storage/bacula-sd.conf")
        .set("port", &STORAGE_DAEMON_PORT)
        .set("tls", &backup::tls(cx.host.release()))
        .set("director_address", &backup::director(cx))
        .quoted("storage", bacula_name, &variables.backup_storage_name)
        .quoted("director", bacula_name, &variables.backup_director_name)
        .set("drives", &DRIVES)
        .quoted("archive", bacula, ARCHIVE)
        .set("copies", &quoted)
        .quoted_secret("password", bacula, &variables.backup_storage_password)
        .finish();
    if let Some(content) = role.take(content) {
        let mut file = File::new(fixed(CONFIGURATION), content);
        "bacula".clone_into(&mut file.group);
        file.mode = Mode::new(0o640);
        role.add(Resource::File(file)).notifies(&restart);
    }
    role.add(Resource::Service(Service::new(fixed("bacula-sd"))));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_storage")?;
    promises.storage_daemons.push(StorageDaemon {
        host: cx.host.name().to_owned(),
        address: cx.host.address(),
        name: variables.backup_storage_name,
    });
    let roles = ["backup_director", "backup_client"].into_iter();
    let daemons = Audience::hosts(roles.flat_map(|role| cx.estate.hosts_with_role(role)));
    promises.opens(
        (cx.host, "backup_storage"),
        &daemons,
        &[(Protocol::Tcp, STORAGE_DAEMON_PORT)],
    );
    Ok(())
}

/// Describes a folder that belongs to the daemons alone: what is backed up may be secret.
fn folder_of_bacula(path: HostPath) -> Resource {
    let mut folder = Directory::new(path);
    "bacula".clone_into(&mut folder.owner);
    "bacula".clone_into(&mut folder.group);
    folder.mode = Mode::new(0o700);
    Resource::Directory(folder)
}
