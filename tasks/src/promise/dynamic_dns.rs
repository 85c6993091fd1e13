//! What the hosts promise that keep records at the DNS provider up to date.

use std::net::IpAddr;
use std::num::NonZeroU64;

use super::Server;
use crate::Secret;

/// An account at the API of the DNS provider, as a host has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiAccount {
    /// Name of the host.
    pub host: String,
    /// The token with which it identifies itself.
    pub token: Secret,
}

/// A host that points records at the address it is seen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKeeper {
    /// The host.
    pub server: Server,
    /// The address at which the provider sees it: its own, or that of the office's router.
    pub seen_at: IpAddr,
    /// Minutes between two checks; they begin with each hour.
    pub stride: u8,
    /// Where the provider's API has its domains, without a slash at its end.
    pub api: String,
}

/// Records of one domain that a host keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecords {
    /// Name of the host.
    pub host: String,
    /// The domain.
    pub domain: String,
    /// The domain's number at the provider.
    pub id: NonZeroU64,
    /// The records' numbers there.
    pub records: Vec<NonZeroU64>,
}
