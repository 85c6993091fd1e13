//! What a resource waits for, as data: people read its words, programs its code.

use std::fmt;

use serde::Serialize;

use crate::Input;
use crate::value::{HostPath, PackageName};

/// What must be applied before anything can be told of a resource; only in previews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// What packages bring that are yet to be installed.
    Packages(Vec<PackageName>),
    /// A file that a command is about to make.
    Made(HostPath),
    /// A private key that is about to be made.
    Key(HostPath),
    /// A line of a file of another host.
    Input(Input),
    /// A service that is about to be started.
    Service(String),
}

impl Awaited {
    /// Gives the word by which programs know it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Packages(_) => "packages",
            Self::Made(_) => "command",
            Self::Key(_) => "tls_key",
            Self::Input(_) => "other_host",
            Self::Service(_) => "service",
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(names) => {
                let names: Vec<_> = names.iter().map(PackageName::as_str).collect();
                write!(f, "packages {}", names.join(" "))
            }
            Self::Made(path) => write!(f, "the command that makes {path}"),
            Self::Key(path) => write!(f, "tls_key {path}"),
            Self::Input(input) => write!(f, "{input}"),
            Self::Service(name) => write!(f, "the service {name}, which is to be started"),
        }
    }
}

/// Why a change is left to a later phase or run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferral {
    /// A new container would lose it.
    LostByContainer,
    /// Nothing looks after services on the host.
    NoServiceManager,
    /// The container does not run the service.
    ServiceNotInContainer,
    /// No database server of this name runs on the host yet.
    NoDatabaseServer(&'static str),
    /// The database server of this name does not answer.
    DatabaseServerSilent(&'static str),
    /// No CalDAV server runs on the host yet.
    NoCalendarServer,
    /// The CalDAV server does not answer; why, in the client's words.
    CalendarServerSilent(String),
    /// The CalDAV server does not let this user in, with this HTTP status.
    CalendarServerRefuses {
        /// The user.
        user: String,
        /// The HTTP status.
        status: u16,
    },
    /// The CalDAV server fails with this HTTP status.
    CalendarServerFails(u16),
    /// Another host does not have what is needed from it.
    OtherHost(Input),
}

impl Deferral {
    /// Gives the word by which programs know it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LostByContainer => "lost_by_container",
            Self::NoServiceManager => "no_service_manager",
            Self::ServiceNotInContainer => "service_not_in_container",
            Self::NoDatabaseServer(_) => "no_database_server",
            Self::DatabaseServerSilent(_) => "database_server_silent",
            Self::NoCalendarServer => "no_calendar_server",
            Self::CalendarServerSilent(_) => "calendar_server_silent",
            Self::CalendarServerRefuses { .. } => "calendar_server_refuses",
            Self::CalendarServerFails(_) => "calendar_server_fails",
            Self::OtherHost(_) => "other_host",
        }
    }
}

impl fmt::Display for Deferral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LostByContainer => {
                f.write_str("a container would lose it; `prov complete` does it")
            }
            Self::NoServiceManager => {
                f.write_str("no service manager runs here; `prov test` starts it")
            }
            Self::ServiceNotInContainer => {
                f.write_str("this container does not run it yet; `prov test` adds it")
            }
            Self::NoDatabaseServer(name) => {
                write!(f, "{name} does not run here yet; `prov complete` does it once it does")
            }
            Self::DatabaseServerSilent(name) => {
                write!(f, "{name} does not answer on this host; look at its log")
            }
            Self::NoCalendarServer => f.write_str(
                "no CalDAV server runs here yet; `prov test` starts it, `prov complete` makes the calendar",
            ),
            Self::CalendarServerSilent(why) => write!(
                f,
                "the CalDAV server does not answer ({why}); see why in its log, start it, and run this again"
            ),
            Self::CalendarServerRefuses { user, status } => write!(
                f,
                "the CalDAV server does not let '{user}' in (HTTP status {status}); check the password, and run this again once the server has been restarted"
            ),
            Self::CalendarServerFails(status) => write!(
                f,
                "the CalDAV server fails (HTTP status {status}); see why in its log, and run this again"
            ),
            Self::OtherHost(input) => {
                write!(f, "needs {input}, which is not there; apply that host too")
            }
        }
    }
}
