//! What special roles offer general ones, which do not know who offers it.

use super::mta::server::MailServer;

/// What a role brings that a more general role must reckon with, without knowing who brings it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// It has certificates of the estate's authority, or trusts it.
    Authority,
    /// Its Exim presents a certificate of the estate's authority.
    MailCertificate,
    /// It needs what only Exim's heavy daemon can do.
    HeavyMailDaemon,
    /// It keeps the credentials with which Exim sends, in files of its own.
    MailCredentials,
    /// Exim takes mail for whom the access list in this file says.
    MailRecipients(&'static str),
    /// Clients call the mail server by these names, too.
    MailNames(&'static [&'static str]),
    /// It makes the host a mail server, with these settings of Exim.
    MailServer(MailServer),
    /// It reads mail that is delivered to Maildirs in the homes of accounts.
    Maildirs,
}

impl Capability {
    /// Gives the settings of Exim that it brings.
    pub(super) const fn mail_server(self) -> Option<MailServer> {
        match self {
            Self::MailServer(server) => Some(server),
            Self::Authority
            | Self::MailCertificate
            | Self::HeavyMailDaemon
            | Self::MailCredentials
            | Self::MailRecipients(_)
            | Self::MailNames(_)
            | Self::Maildirs => None,
        }
    }
}
