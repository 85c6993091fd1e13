//! Promises: what a role or a domain role promises its users, as typed data.
//!
//! Where a service is, under which names, what it answers, with whose certificates, whom it refuses, and by when. A role
//! makes its promises from the variables of which it makes its resources, in the same file, so a port, a name or a default
//! stands in one place. Who executes promises (`prov verify`) or leads people to a service (`prov client`) knows no role and
//! reads no variable.

mod backup;
mod calendar;
pub mod check;
mod collect;
mod dns;
mod dynamic_dns;
mod mail;
mod muttrc;
mod need;
mod port;
mod web;

use std::net::IpAddr;
use std::sync::Arc;

/// Where the clients of checks find the certificate of the estate's authority.
pub const CLIENT_AUTHORITY: &str = "/etc/ssl/estate/authority.pem";

pub use backup::{
    Copies, DIRECTOR_PORT, Director, FILE_DAEMON_PORT, FileDaemon, STORAGE_DAEMON_PORT,
    StorageDaemon,
};
pub use calendar::{Calendar, CalendarServer};
pub use dns::{KnownFrom, MailExchanger, NameServer, PublishedName};
pub use dynamic_dns::{ApiAccount, KeptRecords, RecordKeeper};
pub use mail::{
    HostedMail, IMAP, IMAP_NAME, IMAPS, Issuer, MailCertificate, MailDomain, MailGateway, Mailbox,
    OfficeMail, SMTP, SMTP_NAME, SUBMISSION, SUBMISSIONS,
};
pub use muttrc::{MailClient, MailRoute};
pub use need::{Need, NeedKind, Needed, Told};
pub(crate) use port::is_exposed;
pub use port::{Audience, DNS, HTTP, HTTPS, OpenPort};
pub use web::{DatabaseServer, SiteAccount, SiteFront, SiteServer};

use crate::estate::Host;
pub use crate::value::Protocol;
use check::OwnCheck;

/// A host that serves something, as its users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl Server {
    /// Describes a host.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        Self {
            name: host.name().to_owned(),
            address: host.address(),
        }
    }
}

/// Everything that an estate and its domains promise, by kind, in the order of the hosts and then of the domains; web sites in
/// the order of their domains and names.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    /// Name servers.
    pub name_servers: Vec<NameServer>,
    /// Names of hosted domains.
    pub published_names: Vec<PublishedName>,
    /// Who takes mail for hosted domains.
    pub mail_exchangers: Vec<MailExchanger>,
    /// Servers of calendars.
    pub calendar_servers: Vec<CalendarServer>,
    /// Accounts at the API of the DNS provider.
    pub api_accounts: Vec<ApiAccount>,
    /// Hosts that keep records at the DNS provider up to date.
    pub record_keepers: Vec<RecordKeeper>,
    /// The records that they keep.
    pub kept_records: Vec<KeptRecords>,
    /// Directors of backups.
    pub directors: Vec<Director>,
    /// Where backups are stored.
    pub storage_daemons: Vec<StorageDaemon>,
    /// Hosts that are backed up.
    pub file_daemons: Vec<FileDaemon>,
    /// Mail servers of the office.
    pub office_mail: Vec<OfficeMail>,
    /// Mail servers of hosted domains.
    pub hosted_mail: Vec<HostedMail>,
    /// Mail servers that stand for everybody else's.
    pub mail_gateways: Vec<MailGateway>,
    /// Domains with mail.
    pub mail_domains: Vec<MailDomain>,
    /// Certificates of mail servers by the names of hosted domains.
    pub mail_certificates: Vec<MailCertificate>,
    /// Web sites as visitors see them.
    pub site_fronts: Vec<SiteFront>,
    /// Web sites as their own hosts serve them.
    pub site_servers: Vec<SiteServer>,
    /// Accounts of web sites' databases.
    pub site_accounts: Vec<SiteAccount>,
    /// Database servers.
    pub database_servers: Vec<DatabaseServer>,
    /// Ports at which roles that are part of prov serve somebody; those of other roles follow from what they have checked.
    pub open_ports: Vec<OpenPort>,
    /// On whom hosts rely.
    pub needs: Vec<Need>,
    /// By what hosts are told to reach others.
    pub told: Vec<Told>,
    /// What roles of the estate's own have checked.
    pub own_checks: Vec<Arc<OwnCheck>>,
}

impl Promises {
    /// Finds the name server that a group of hosts asks.
    #[must_use]
    pub fn name_server(&self, group: &str) -> Option<&NameServer> {
        let mut servers = self.name_servers.iter();
        servers.find(|server| server.group == group)
    }
}
