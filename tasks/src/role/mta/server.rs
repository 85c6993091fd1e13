//! What a role says which makes its host a mail server, and the words of Debian's configuration of Exim.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of Exim configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConfigType {
    /// Sends and receives directly.
    Internet,
    /// Receives directly, sends through the smarthost.
    Smarthost,
    /// Sends through the smarthost, receives nothing for itself.
    #[default]
    Satellite,
    /// Local mail only.
    Local,
    /// No configuration.
    None,
}

/// How local mail is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LocalDelivery {
    /// In mbox format, to `/var/mail`.
    #[default]
    MailSpool,
    /// In Maildir format, to `~/Maildir`.
    MaildirHome,
}

/// Settings that a role brings which makes its host a mail server. It listens at all addresses, unless the estate says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailServer {
    /// Kinds of configuration with which the role works; the first is what it brings.
    pub kinds: &'static [ConfigType],
    /// Whether the role has files in `/etc/exim4/conf.d`.
    pub is_split: bool,
    /// Whose mail is local.
    pub takes: Takes,
    /// Whether mail of the office (`office_subnet`) is relayed to anywhere.
    pub relays_for_office: bool,
}

/// Whose mail a mail server takes as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// The firm's, `home_domain`.
    HomeDomain,
    /// That of the domain by which the host names its own mail, `mta_mailname`.
    MailName,
}

impl ConfigType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Internet => "internet",
            Self::Smarthost => "smarthost",
            Self::Satellite => "satellite",
            Self::Local => "local",
            Self::None => "none",
        }
    }

    pub(super) const fn needs_smarthost(self) -> bool {
        match self {
            Self::Smarthost | Self::Satellite => true,
            Self::Internet | Self::Local | Self::None => false,
        }
    }
}

impl LocalDelivery {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::MailSpool => "mail_spool",
            Self::MaildirHome => "maildir_home",
        }
    }
}
