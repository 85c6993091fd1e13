//! Resources: each describes one thing on a host and decides what must change to make it so.
//!
//! One resource is one file here, one row of [`KINDS`] and one folder of cases. A resource decides from facts alone;
//! it asks for every fact it decides by, and refuses to touch what it does not understand.

mod alternatives;
mod apache_module;
mod apt_repository;
mod archive;
mod authorized_key;
mod block;
mod caldav_calendar;
mod command;
mod cron;
mod database_server;
mod debconf;
mod declared;
mod directory;
mod download;
mod edit;
pub(crate) mod essential;
mod file;
mod fstab;
mod git;
mod group;
mod handler;
mod home;
mod hostname;
mod kernel_module;
mod line;
mod locale;
mod manage;
mod mariadb;
mod mariadb_database;
mod mariadb_user;
mod mount;
mod nftables;
mod packages;
mod postgresql;
mod postgresql_database;
mod postgresql_user;
mod replace;
mod restarts;
mod scram;
mod service;
mod swap;
mod symlink;
mod sysctl;
mod timezone;
mod tls_authority;
mod tls_certificate;
mod tls_key;
mod tree;
mod unit;
mod upgrade;
mod user;
mod wordpress;

use schemars::Schema;
use serde::{Deserialize, Serialize};

pub use alternatives::Alternatives;
pub use apache_module::ApacheModule;
pub use apt_repository::{AptRepository, SourceType};
pub use archive::{Archive, ArchiveFormat};
pub use authorized_key::AuthorizedKey;
pub use block::Block;
pub use caldav_calendar::{CaldavCalendar, Component, percent_encoded};
pub use command::Command;
pub use cron::{Cron, Special, TimeField};
pub use debconf::{Debconf, DebconfType};
pub use declared::{Declared, Leaves, insist, services};
pub use directory::Directory;
pub use download::Download;
pub use edit::Anchor;
pub use file::File;
pub use git::Git;
pub use group::Group;
pub use handler::{Handler, HandlerAction, Handling};
pub use hostname::Hostname;
pub use kernel_module::{KernelModule, ModuleState};
pub use line::Line;
pub use locale::Locale;
pub use manage::{AtEnd, Former, Manage, Stage};
pub use mariadb_database::MariaDbDatabase;
pub use mariadb_user::MariaDbUser;
pub use mount::{Mount, MountState};
pub use nftables::Nftables;
pub use packages::{Names, Packages, Terms};
pub use postgresql_database::PostgresqlDatabase;
pub use postgresql_user::PostgresqlUser;
pub use replace::Replace;
pub use restarts::Restarts;
pub use service::Service;
pub use swap::{Swap, SwapSize};
pub use symlink::Symlink;
pub use sysctl::{Sysctl, SysctlValue};
pub use timezone::Timezone;
pub use tls_authority::TlsAuthority;
pub use tls_certificate::TlsCertificate;
pub use tls_key::TlsKey;
pub use tree::Tree;
pub use unit::Unit;
pub use upgrade::Upgrade;
pub use user::User;
pub use wordpress::WordPress;

use crate::Diagnostic;
use crate::estate::{Mark, Node, from_mapping};
use crate::plan::Planned;

/// Makes a resource's `check` part of reading one: its fields are derived with `#[serde(remote = "Self")]`.
macro_rules! checked {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Self::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let resource = Self::deserialize(deserializer)?;
                resource.check().map_err(serde::de::Error::custom)?;
                Ok(resource)
            }
        }
    };
}
use checked;

/// Tells whether a text can name an environment variable.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Refuses a resource that cannot be as it is described.
pub(crate) fn invalid(found: &str) -> Planned {
    let Diagnostic { message, hint, .. } = Diagnostic::of_check(found);
    Planned::Impossible {
        cause: message,
        hint: hint
            .unwrap_or_else(|| "correct the variables that this resource is made of".to_owned()),
    }
}

/// Whether something should be there.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It should be there.
    #[default]
    Present,
    /// It should not be there.
    Absent,
}

/// A row of the registry.
#[derive(Debug)]
pub struct Kind {
    /// Name, as on the command line and in YAML.
    pub name: &'static str,
    /// The schema of its fields, with their documentation.
    pub schema: fn() -> Schema,
    /// Makes one of a JSON object of its fields.
    pub build: fn(serde_json::Value) -> Result<Resource, serde_json::Error>,
    /// Makes one of a mapping in a file of an estate, or gives every mistake in it.
    pub(crate) read: fn(&Node, &Mark) -> Result<Resource, Vec<Diagnostic>>,
}

macro_rules! kinds {
    ($($name:literal $kind:ident,)+) => {
        /// Any resource.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Resource {
            $(
                #[doc = concat!("What is called `", $name, "`.")]
                #[serde(rename = $name)]
                $kind($kind),
            )+
        }

        impl Resource {
            /// Gives what every resource can tell.
            #[must_use]
            pub fn manage(&self) -> &dyn Manage {
                match self {
                    $(Self::$kind(resource) => resource,)+
                }
            }

            /// Gives the same, to put in what is known of other hosts.
            pub(crate) fn manage_mut(&mut self) -> &mut dyn Manage {
                match self {
                    $(Self::$kind(resource) => resource,)+
                }
            }
        }

        /// Every kind of resource, in the order of the reference.
        pub const KINDS: &[Kind] = &[$(
            Kind {
                name: $name,
                schema: || schemars::schema_for!($kind),
                build: |fields| serde_json::from_value(fields).map(Resource::$kind),
                read: |node, owner| from_mapping::<$kind>(node, owner).map(Resource::$kind),
            },
        )+];
    };
}

kinds! {
    "apt_repository" AptRepository,
    "packages" Packages,
    "upgrade" Upgrade,
    "restarts" Restarts,
    "debconf" Debconf,
    "group" Group,
    "user" User,
    "authorized_key" AuthorizedKey,
    "directory" Directory,
    "file" File,
    "tree" Tree,
    "download" Download,
    "archive" Archive,
    "git" Git,
    "symlink" Symlink,
    "line" Line,
    "block" Block,
    "replace" Replace,
    "cron" Cron,
    "apache_module" ApacheModule,
    "alternatives" Alternatives,
    "sysctl" Sysctl,
    "hostname" Hostname,
    "kernel_module" KernelModule,
    "mount" Mount,
    "swap" Swap,
    "timezone" Timezone,
    "locale" Locale,
    "unit" Unit,
    "nftables" Nftables,
    "command" Command,
    "tls_key" TlsKey,
    "tls_authority" TlsAuthority,
    "tls_certificate" TlsCertificate,
    "mariadb_database" MariaDbDatabase,
    "mariadb_user" MariaDbUser,
    "postgresql_user" PostgresqlUser,
    "postgresql_database" PostgresqlDatabase,
    "caldav_calendar" CaldavCalendar,
    "wordpress" WordPress,
    "service" Service,
}
