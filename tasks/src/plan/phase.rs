//! How far the life of a host has come.

use serde::Serialize;

/// Says how far the host's life has come, which decides what is deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// `prov apply` on a container: what a new container would lose again is left to completion.
    Apply,
    /// `prov complete`, and everything on real servers.
    Completion,
}
