//! What becomes of a resource in a database server that cannot be asked, whichever server it is.

use crate::plan::{Awaited, Deferral, Planned};
use crate::probe::{DatabaseServer, Facts, ServiceManager};

/// What is said of a server.
pub(super) struct About {
    /// What people call it.
    pub(super) name: &'static str,
    /// Its service.
    pub(super) service: &'static str,
    /// How a host gets it.
    pub(super) install: &'static str,
    /// Whom it must let in, and how Debian does that.
    pub(super) lets_in: (&'static str, &'static str),
}

/// Gives what becomes of a resource whose server cannot be asked; `None` where it can.
pub(super) fn cannot_be_asked(
    server: &DatabaseServer,
    about: &About,
    facts: &Facts,
) -> Option<Planned> {
    let About { name, service, .. } = about;
    let impossible = |cause: String, hint: String| Some(Planned::Impossible { cause, hint });
    match (server, facts.manager) {
        (DatabaseServer::Running, _) => None,
        // On a server the package starts what it brings, and a new server has nothing of its own.
        (DatabaseServer::Down | DatabaseServer::Silent(_), ServiceManager::Systemd)
            if !facts.coming.is_empty() =>
        {
            None
        }
        (DatabaseServer::Starting, ServiceManager::Systemd) => {
            Some(Planned::Unknown(Awaited::Service((*service).to_owned())))
        }
        (DatabaseServer::Down, ServiceManager::Systemd) => impossible(
            format!("{name}'s client is not installed on this host"),
            about.install.to_owned(),
        ),
        (DatabaseServer::Silent(answer), ServiceManager::Systemd) => impossible(
            format!("{name} does not answer on this host: {answer}"),
            format!(
                "start it with `systemctl start {service}` and look at `journalctl -u {service}`; a server that runs must listen at the socket that is named here"
            ),
        ),
        (
            DatabaseServer::Down | DatabaseServer::Silent(_) | DatabaseServer::Starting,
            ServiceManager::None,
        ) => Some(Planned::Deferred(Deferral::NoDatabaseServer(name))),
        (
            DatabaseServer::Down | DatabaseServer::Silent(_) | DatabaseServer::Starting,
            ServiceManager::Runit,
        ) => Some(Planned::Deferred(Deferral::DatabaseServerSilent(name))),
        (DatabaseServer::Failed(answer), _) => impossible(
            format!("{name} cannot be asked on this host: {answer}"),
            format!(
                "look at {name}'s log on the host, repair the cause, and run the same command again"
            ),
        ),
        (DatabaseServer::Refused(answer), _) => impossible(
            format!("{name} does not let {} in: {answer}", about.lets_in.0),
            about.lets_in.1.to_owned(),
        ),
    }
}
