//! What the daemons of the backup promise.

use std::net::IpAddr;

use crate::content::Content;
use crate::probe::Catalogue;

/// Port of directors (IANA).
pub const DIRECTOR_PORT: u16 = 9101;

/// Port of file daemons (IANA).
pub const FILE_DAEMON_PORT: u16 = 9102;

/// Port of storage daemons (IANA).
pub const STORAGE_DAEMON_PORT: u16 = 9103;

/// A director, which answers consoles and starts jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Director {
    /// Name of its host.
    pub host: String,
    /// Its name, with which it answers.
    pub name: String,
    /// Configuration with which a console on another host reaches it (bconsole.conf), with a password.
    pub console: Content,
    /// Name of the host with the catalogue's database.
    pub catalogue_host: String,
    /// Where it remembers its jobs.
    pub catalogue: Catalogue,
    /// What it calls the storage of backups.
    pub archive: &'static str,
    /// The job that backs the catalogue up.
    pub catalogue_job: &'static str,
    /// Copies for outside the office, where they are made.
    pub copies: Option<Copies>,
    /// A folder that is backed up on every host.
    pub common_folder: &'static str,
}

/// Copies of backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// What the director calls their storage.
    pub storage: &'static str,
    /// The job that copies the catalogue's backups.
    pub catalogue_job: &'static str,
}

/// A storage daemon. It speaks to nobody without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageDaemon {
    /// Name of its host.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// Its name, with which it answers.
    pub name: String,
}

/// A file daemon, with which a host is backed up by the job that has the host's name. It speaks to nobody without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDaemon {
    /// Name of its host.
    pub host: String,
    /// Its address.
    pub address: IpAddr,
    /// Its name, with which it answers.
    pub name: String,
    /// Whether its host is backed up by itself, and not only when somebody asks for it.
    pub scheduled: bool,
}
