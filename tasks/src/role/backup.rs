//! What the roles of the backup service have in common: where things are.

use std::net::IpAddr;

use super::{HostContext, checked};
use crate::diagnostic::Diagnostic;
use crate::estate::Host;
use crate::value::HostPath;

/// Folder of the backups' volumes.
pub(super) const ARCHIVE: &str = "/var/local/bacula";

/// Home of the account bacula, in which the synchronisation keeps its folder.
pub(super) const HOME: &str = "/var/lib/bacula";

/// Folder that is synchronised.
pub(super) const SYNCHRONISED: &str = "/var/lib/bacula/Dropbox";

/// Folder that is backed up on every host: apt's configuration, so that the same packages can be had again.
pub(super) const COMMON_FOLDER: &str = "/etc/apt";

/// Gives the name of a host's file daemon.
pub(super) fn file_daemon(host: &Host) -> String {
    format!("{}-fd", host.name())
}

/// Commands of the roles.
pub(super) const COMMANDS: &str = "/usr/local/lib/bacula";

/// Gives the folder of the copies: `backup_copy_folder` in the synchronised one.
pub(super) fn copies(folder: &str) -> Result<HostPath, Diagnostic> {
    if folder.is_empty() || folder == "." || folder == ".." || folder.contains(['/', '\\', '"']) {
        return Err(Diagnostic::new(format!(
            "'backup_copy_folder' is '{folder}', which is no name of a folder"
        ))
        .hint("give a single name, such as bacula"));
    }
    checked(format!("{SYNCHRONISED}/{folder}"))
}

/// Finds the one host of a role that another host's configuration needs.
pub(super) fn host_of<'e>(cx: &HostContext<'e>, role: &str) -> Result<&'e Host, Diagnostic> {
    let hosts = cx.estate.hosts_with_role(role);
    match hosts.as_slice() {
        [host] => Ok(host),
        [] => Err(Diagnostic::new(format!(
            "host {}: its backup needs a host with the role {role}, and there is none",
            cx.host.name()
        ))
        .hint(format!("give a host the role {role} in estate.yml"))),
        several => {
            let names: Vec<_> = several.iter().map(|host| host.name()).collect();
            Err(Diagnostic::new(format!(
                "the role {role} is on {}, but there can be one only",
                names.join(" and ")
            ))
            .hint(format!("leave one of them with the role {role}")))
        }
    }
}

/// Gives the address at which one host reaches another: by the loopback where they are the same.
pub(crate) fn address(of: &Host, from: &Host) -> IpAddr {
    if of.name() == from.name() {
        IpAddr::from([127, 0, 0, 1])
    } else {
        of.address()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_in_the_synchronised_folder() {
        assert_eq!(
            copies("bacula").unwrap().as_str(),
            "/var/lib/bacula/Dropbox/bacula"
        );
        for folder in ["", "..", "../x", "a/b", "a\nb"] {
            assert!(copies(folder).is_err(), "{folder}");
        }
    }
}
