//! What a server of calendars promises.

use std::collections::BTreeSet;

use crate::Secret;
use crate::resource::Component;

/// A CalDAV server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarServer {
    /// Its address as people type it, without a slash at its end.
    pub url: String,
    /// Whether everybody may read and write everything; otherwise nobody gets anything without a password.
    pub open: bool,
    /// Its calendars, one for each user.
    pub calendars: Vec<Calendar>,
}

/// A calendar as it is when it is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Whose it is; also its folder on the server.
    pub user: String,
    /// The user's password, where one is asked for.
    pub password: Option<Secret>,
    /// The name that programs show.
    pub display_name: String,
    /// A sentence about it.
    pub description: String,
    /// Its colour, as `#rrggbbaa`.
    pub color: String,
    /// What it may hold.
    pub components: BTreeSet<Component>,
}
