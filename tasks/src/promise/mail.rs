//! What mail servers promise, and who has mail.

use std::net::IpAddr;

use super::Server;
use crate::Secret;

/// What the server is called that people read mail at, in the office or before the name of their domain.
pub const IMAP_NAME: &str = "imap";

/// What the server is called that people hand mail to, in the same way.
pub const SMTP_NAME: &str = "smtp";

/// Port of IMAP, in which a password is taken from the office alone (RFC 9051).
pub const IMAP: u16 = 143;

/// Port of IMAP with TLS from the beginning (RFC 8314).
pub const IMAPS: u16 = 993;

/// Port at which servers take each other's mail (RFC 5321).
pub const SMTP: u16 = 25;

/// Port at which users hand in mail after STARTTLS (RFC 6409).
pub const SUBMISSION: u16 = 587;

/// Port at which users hand in mail with TLS from the beginning (RFC 8314).
pub const SUBMISSIONS: u16 = 465;

/// The office's mail server, without TLS; it takes what the office sends, whoever sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeMail {
    /// The host.
    pub server: Server,
    /// The name by which people read mail there.
    pub imap: String,
    /// The name by which they send it.
    pub smtp: String,
    /// The address that the server of hosted domains sees when it hands mail on: its own, or that of the office's router.
    pub seen_at: IpAddr,
}

/// The mail server of hosted domains. Users log in with TLS and send as their own domain only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedMail {
    /// The host.
    pub server: Server,
    /// The firm's own domain, of which the mail is fetched into the office.
    pub home_domain: String,
    /// Account at the gateway with which mail leaves whose domain has none of its own.
    pub gateway_account: Option<String>,
}

/// A server that takes mail from its clients and hands it on: the paid gateway and everybody else's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailGateway {
    /// The host.
    pub server: Server,
    /// Its own domain.
    pub domain: String,
    /// Somebody with mail there, where a password is known.
    pub somebody: Option<Mailbox>,
}

/// A domain with mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailDomain {
    /// Its name.
    pub name: String,
    /// Whether it is the firm's own, whose mail is read inside only.
    pub home: bool,
    /// The name by which its users read mail from anywhere.
    pub imap: String,
    /// The name by which they send it.
    pub smtp: String,
    /// Its users, at least one.
    pub mailboxes: Vec<Mailbox>,
    /// Account at the gateway with which its mail leaves, where it has one of its own.
    pub gateway_account: Option<String>,
}

/// Somebody's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The address.
    pub address: String,
    /// The name to log in with.
    pub login: String,
    /// The password; empty where none is known.
    pub password: Secret,
}

/// Who issues certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// The estate's own authority.
    Estate,
    /// An authority that the world trusts.
    Public,
}

/// The certificate of a domain's mail servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCertificate {
    /// The domain.
    pub domain: String,
    /// The names by which users call the servers.
    pub names: Vec<String>,
    /// Who issues it.
    pub issuer: Issuer,
}
