//! Dropbox's headless daemon, which brings the copies of the backups out of the office.
//!
//! The daemon belongs to the account bacula. Linking it to an account of Dropbox is done by hand (`prov dropbox link`);
//! from then on it is started at boot, and stopped while a copy is written (see `backup_director`).

use schemars::JsonSchema;
use serde::Deserialize;

use super::backup::{COMMANDS, HOME};
use super::backup_storage;
use super::{Declarations, HostContext, backup, fixed};
use crate::diagnostic::Diagnostic;
use crate::promise::{NeedKind, Needed, Promises};
use crate::quote;
use crate::resource::{
    Command, Cron, Declared, Directory, Download, File, Packages, Resource, Special,
};
use crate::value::{HostPath, HttpUrl, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the estate's variables"
)]
pub(super) struct Variables {
    /// Address of the daemon's archive (`.tar.gz`), in a certain version.
    backup_dropbox_url: HttpUrl,
    /// Digest of that archive (SHA-256).
    backup_dropbox_sha256: String,
    /// Address of Dropbox's command line script `dropbox.py`.
    backup_dropbox_script_url: HttpUrl,
    /// Digest of that script (SHA-256).
    backup_dropbox_script_sha256: String,
    /// Folder in the synchronised one that receives the copies; the others of the account are left out.
    #[serde(default = "backup_storage::folder")]
    backup_copy_folder: String,
}

/// The service that the daemon speaks to, whatever its archive is fetched from.
const SERVICE: &str = "Dropbox";

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let _: Variables = cx.vars.typed("backup_dropbox")?;
    let service = Needed::Outside(SERVICE.to_owned());
    promises.relies((cx.host, "backup_dropbox"), NeedKind::Service, [service]);
    Ok(())
}

const ARCHIVE: &str = "/usr/local/src/dropbox.tar.gz";
const SCRIPT: &str = "/usr/local/lib/bacula/dropbox.py";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_dropbox")?;
    let mut role = Declarations::new("backup_dropbox");
    for other in ["backup_director", "backup_storage"] {
        if !cx.host.has_role(other) {
            role.mistakes.push(
                Diagnostic::new(format!(
                    "host {} has the role backup_dropbox but not {other}: who writes the copies must be able to stop \
                     their synchronisation",
                    cx.host.name()
                ))
                .hint("give backup_director, backup_storage and backup_dropbox to the same host"),
            );
        }
    }
    // It is a word of a script and a folder's name; the check is that of the folder.
    role.take(backup::copies(&variables.backup_copy_folder));
    let folder = quote::sh(&variables.backup_copy_folder);
    role.add(Resource::Packages(Packages::new([fixed("python3")])));
    role.add(Resource::Directory(Directory::new(fixed(COMMANDS))));
    let archive = Download::new(
        variables.backup_dropbox_url,
        fixed(ARCHIVE),
        variables.backup_dropbox_sha256,
    );
    role.add(Resource::Download(archive));
    // Once only: later versions are the daemon's own business, it keeps itself up to date.
    role.add(Resource::Command(Command::creating(
        fixed("/var/lib/bacula/.dropbox-dist/dropboxd"),
        [
            "runuser", "-u", "bacula", "--", "tar", "-xzf", ARCHIVE, "-C", HOME,
        ],
    )));
    let mut script = Download::new(
        variables.backup_dropbox_script_url,
        fixed(SCRIPT),
        variables.backup_dropbox_script_sha256,
    );
    script.mode = Mode::new(0o755);
    role.add(Resource::Download(script));
    let command = fixed::<HostPath>(COMMANDS).child("synchronisation");
    let content = cx
        .render("backup_dropbox/synchronisation")
        .set("home", HOME)
        .set("script", SCRIPT)
        .set("folder", &folder)
        .finish();
    if let Some(content) = role.take(content) {
        let mut file = File::new(command.clone(), content);
        file.mode = Mode::new(0o755);
        role.add(Resource::File(file));
    }
    let mut start = Cron::new(
        "backup-dropbox",
        format!("[ ! -e {HOME}/.dropbox ] || {command} start >/dev/null"),
    );
    start.user = fixed("bacula");
    start.special = Some(Special::Reboot);
    role.add(Resource::Cron(start));
    role.finish()
}
