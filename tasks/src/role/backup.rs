//! What the roles of the backup service have in common: where things are.

use std::net::IpAddr;

use super::{Declarations, HostContext, checked, fixed};
use crate::diagnostic::Diagnostic;
use crate::estate::Host;
use crate::release::{Feature, Release};
use crate::resource::{Directory, Handler, Resource, TlsAuthority, TlsCertificate, TlsKey};
use crate::value::{DomainName, HostPath, Mode};

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

/// By what a daemon knows the certificates of the others.
pub(super) const AUTHORITY: &str = "/etc/bacula/tls/authority.pem";
const CERTIFICATE: &str = "/etc/bacula/tls/certificate.pem";
const KEY: &str = "/etc/bacula/tls/key.pem";

/// The name at which a console reaches the director on the same host.
pub(super) const OWN: &str = "localhost";

/// Declares with what the host's daemons show who they are and know each other: all of a host are one party.
///
/// Daemons compare the certificate with what they connect to: mostly an address, for the storage daemon what
/// `backup_storage_host` says.
pub(super) fn certified(cx: &HostContext<'_>, role: &mut Declarations, restart: &Handler) {
    let mut folder = Directory::new(fixed("/etc/bacula/tls"));
    "bacula".clone_into(&mut folder.group);
    folder.mode = Mode::new(0o750);
    role.add(Resource::Directory(folder));
    let mut key = TlsKey::new(fixed(KEY));
    key.group = fixed("bacula");
    key.mode = Mode::new(0o640);
    let authority = cx.inputs.authority.clone();
    let mut certificate = TlsCertificate::new(
        fixed(CERTIFICATE),
        key.path.clone(),
        vec![fixed(OWN)],
        authority.clone(),
    );
    certificate.addresses = vec![cx.host.address()];
    if cx.host.has_role("backup_storage")
        && let Some(name) = role.take(storage_name(cx)).flatten()
    {
        match name.parse() {
            Ok(address) if address == cx.host.address() => {}
            Ok(address) => certificate.addresses.push(address),
            Err(_) => certificate
                .names
                .extend(role.take(checked::<DomainName>(name))),
        }
    }
    role.add(Resource::TlsKey(key)).notifies(restart);
    role.add(Resource::TlsCertificate(certificate))
        .notifies(restart);
    if let Some(authority) = authority {
        let path = fixed(AUTHORITY);
        role.add(Resource::TlsAuthority(TlsAuthority { path, authority }))
            .notifies(restart);
    }
}

/// Gives the address of the director, by which daemons know its certificate, if there is one.
pub(super) fn director(cx: &HostContext<'_>) -> Option<IpAddr> {
    let directors = cx.estate.hosts_with_role("backup_director");
    directors.first().map(|host| host.address())
}

/// Gives the name by which all daemons reach the storage daemon, as the director says.
fn storage_name(cx: &HostContext<'_>) -> Result<Option<String>, Diagnostic> {
    match cx.estate.hosts_with_role("backup_director").first() {
        Some(director) => cx.estate.vars(director).value("backup_storage_host"),
        None => Ok(None),
    }
}

/// Gives the lines by which a daemon of a release encrypts a connection and shows who it is.
pub(super) fn tls(release: Release) -> String {
    let own = format!("\n  TLS Certificate = {CERTIFICATE}\n  TLS Key = {KEY}");
    tls_of_console(release, AUTHORITY) + &own
}

/// Gives the lines by which a console encrypts a connection and knows the director: it shows who it is by its password.
pub(super) fn tls_of_console(release: Release, authority: &str) -> String {
    let mut lines = vec!["TLS Enable = yes", "TLS Require = yes"];
    if release.has(Feature::BaculaPsk) {
        lines.push("TLS PSK Enable = no");
    }
    let file = format!("TLS CA Certificate File = {authority}");
    lines.push(&file);
    lines.join("\n  ")
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
