//! What is known of a calendar on a CalDAV server.

use serde::{Deserialize, Serialize};

/// Tells what a CalDAV server answers about a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFact {
    /// It is there.
    Present,
    /// It is not there.
    Missing,
    /// Nobody answers; why, in the client's words.
    Unreachable(String),
    /// The server does not let the user in, with this HTTP status.
    Refused(u16),
    /// The server answers with another HTTP status.
    Failed(u16),
}

impl CalendarFact {
    /// Reads an HTTP status as the answer to PROPFIND (RFC 4918, section 9.1).
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Present,
            404 => Self::Missing,
            401 | 403 => Self::Refused(status),
            _ => Self::Failed(status),
        }
    }
}
