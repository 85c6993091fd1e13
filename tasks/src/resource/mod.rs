//! Resources: each describes one thing on a host and decides what must change to make it so.
//!
//! One resource is one file here, one row of [`KINDS`] and one folder of cases. A resource decides from facts alone;
//! it asks for every fact it decides by, and refuses to touch what it does not understand.

mod apache_module;
mod authorized_key;
mod block;
mod caldav_calendar;
mod command;
mod cron;
mod debconf;
mod directory;
mod download;
mod edit;
mod file;
mod group;
mod handler;
mod line;
mod mariadb;
mod mariadb_database;
mod mariadb_user;
mod packages;
mod replace;
mod service;
mod symlink;
mod tls_certificate;
mod tls_key;
mod user;

use schemars::Schema;
use serde::{Deserialize, Serialize};

pub use apache_module::ApacheModule;
pub use authorized_key::AuthorizedKey;
pub use block::Block;
pub use caldav_calendar::{CaldavCalendar, Component, percent_encoded};
pub use command::Command;
pub use cron::{Cron, Special, TimeField};
pub use debconf::{Debconf, DebconfType};
pub use directory::Directory;
pub use download::Download;
pub use edit::Anchor;
pub use file::File;
pub use group::Group;
pub use handler::{Handler, HandlerAction, Handling};
pub use line::Line;
pub use mariadb_database::MariaDbDatabase;
pub use mariadb_user::MariaDbUser;
pub use packages::Packages;
pub use replace::Replace;
pub use service::Service;
pub use symlink::Symlink;
pub use tls_certificate::TlsCertificate;
pub use tls_key::TlsKey;
pub use user::User;

use crate::plan::{Phase, Planned};
use crate::probe::{Facts, NotAsked, Query};
use crate::{Input, InputTexts, Secret};

/// What every resource can tell.
pub trait Manage {
    /// Gives the kind's name, as in [`KINDS`].
    fn kind(&self) -> &'static str;

    /// Gives what tells this resource from others of its kind on the same host, for instance a path.
    fn id(&self) -> String;

    /// Says what must be read before the resource can be planned.
    fn probe(&self) -> Vec<Query>;

    /// Decides what must change.
    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked>;

    /// Gives what must be known of other hosts before the resource can be planned.
    fn inputs(&self) -> Vec<Input> {
        Vec::new()
    }

    /// Gives the secrets that the resource carries to the host, so that what a program on the host says about them
    /// can be kept from being shown.
    fn secrets(&self) -> Vec<Secret> {
        Vec::new()
    }
}

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

/// Refuses a resource that a role made without it being checked.
fn invalid(cause: String) -> Planned {
    Planned::Impossible {
        cause,
        hint: "correct the variables that this resource is made of".to_owned(),
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

/// Any resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// See [`Packages`].
    Packages(Packages),
    /// See [`Debconf`].
    Debconf(Debconf),
    /// See [`Group`].
    Group(Group),
    /// See [`User`].
    User(User),
    /// See [`AuthorizedKey`].
    AuthorizedKey(AuthorizedKey),
    /// See [`Directory`].
    Directory(Directory),
    /// See [`File`].
    File(File),
    /// See [`Download`].
    Download(Download),
    /// See [`Symlink`].
    Symlink(Symlink),
    /// See [`Line`].
    Line(Line),
    /// See [`Block`].
    Block(Block),
    /// See [`Replace`].
    Replace(Replace),
    /// See [`Cron`].
    Cron(Cron),
    /// See [`ApacheModule`].
    ApacheModule(ApacheModule),
    /// See [`Command`].
    Command(Command),
    /// See [`TlsKey`].
    TlsKey(TlsKey),
    /// See [`TlsCertificate`].
    TlsCertificate(TlsCertificate),
    /// See [`MariaDbDatabase`].
    #[serde(rename = "mariadb_database")]
    MariaDbDatabase(MariaDbDatabase),
    /// See [`MariaDbUser`].
    #[serde(rename = "mariadb_user")]
    MariaDbUser(MariaDbUser),
    /// See [`CaldavCalendar`].
    CaldavCalendar(CaldavCalendar),
    /// See [`Service`].
    Service(Service),
}

impl Resource {
    /// Gives what every resource can tell.
    #[must_use]
    pub fn manage(&self) -> &dyn Manage {
        match self {
            Self::Packages(resource) => resource,
            Self::Debconf(resource) => resource,
            Self::Group(resource) => resource,
            Self::User(resource) => resource,
            Self::AuthorizedKey(resource) => resource,
            Self::Directory(resource) => resource,
            Self::File(resource) => resource,
            Self::Download(resource) => resource,
            Self::Symlink(resource) => resource,
            Self::Line(resource) => resource,
            Self::Block(resource) => resource,
            Self::Replace(resource) => resource,
            Self::Cron(resource) => resource,
            Self::ApacheModule(resource) => resource,
            Self::Command(resource) => resource,
            Self::TlsKey(resource) => resource,
            Self::TlsCertificate(resource) => resource,
            Self::MariaDbDatabase(resource) => resource,
            Self::MariaDbUser(resource) => resource,
            Self::CaldavCalendar(resource) => resource,
            Self::Service(resource) => resource,
        }
    }
}

/// A row of the registry.
pub struct Kind {
    /// Name, as on the command line and in YAML.
    pub name: &'static str,
    /// The schema of its fields, with their documentation.
    pub schema: fn() -> Schema,
    /// Makes one of a JSON object of its fields.
    pub build: fn(serde_json::Value) -> Result<Resource, serde_json::Error>,
}

/// Every kind of resource, in the order of the reference.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "packages",
        schema: || schemars::schema_for!(Packages),
        build: |fields| serde_json::from_value(fields).map(Resource::Packages),
    },
    Kind {
        name: "debconf",
        schema: || schemars::schema_for!(Debconf),
        build: |fields| serde_json::from_value(fields).map(Resource::Debconf),
    },
    Kind {
        name: "group",
        schema: || schemars::schema_for!(Group),
        build: |fields| serde_json::from_value(fields).map(Resource::Group),
    },
    Kind {
        name: "user",
        schema: || schemars::schema_for!(User),
        build: |fields| serde_json::from_value(fields).map(Resource::User),
    },
    Kind {
        name: "authorized_key",
        schema: || schemars::schema_for!(AuthorizedKey),
        build: |fields| serde_json::from_value(fields).map(Resource::AuthorizedKey),
    },
    Kind {
        name: "directory",
        schema: || schemars::schema_for!(Directory),
        build: |fields| serde_json::from_value(fields).map(Resource::Directory),
    },
    Kind {
        name: "file",
        schema: || schemars::schema_for!(File),
        build: |fields| serde_json::from_value(fields).map(Resource::File),
    },
    Kind {
        name: "download",
        schema: || schemars::schema_for!(Download),
        build: |fields| serde_json::from_value(fields).map(Resource::Download),
    },
    Kind {
        name: "symlink",
        schema: || schemars::schema_for!(Symlink),
        build: |fields| serde_json::from_value(fields).map(Resource::Symlink),
    },
    Kind {
        name: "line",
        schema: || schemars::schema_for!(Line),
        build: |fields| serde_json::from_value(fields).map(Resource::Line),
    },
    Kind {
        name: "block",
        schema: || schemars::schema_for!(Block),
        build: |fields| serde_json::from_value(fields).map(Resource::Block),
    },
    Kind {
        name: "replace",
        schema: || schemars::schema_for!(Replace),
        build: |fields| serde_json::from_value(fields).map(Resource::Replace),
    },
    Kind {
        name: "cron",
        schema: || schemars::schema_for!(Cron),
        build: |fields| serde_json::from_value(fields).map(Resource::Cron),
    },
    Kind {
        name: "apache_module",
        schema: || schemars::schema_for!(ApacheModule),
        build: |fields| serde_json::from_value(fields).map(Resource::ApacheModule),
    },
    Kind {
        name: "command",
        schema: || schemars::schema_for!(Command),
        build: |fields| serde_json::from_value(fields).map(Resource::Command),
    },
    Kind {
        name: "tls_key",
        schema: || schemars::schema_for!(TlsKey),
        build: |fields| serde_json::from_value(fields).map(Resource::TlsKey),
    },
    Kind {
        name: "tls_certificate",
        schema: || schemars::schema_for!(TlsCertificate),
        build: |fields| serde_json::from_value(fields).map(Resource::TlsCertificate),
    },
    Kind {
        name: "mariadb_database",
        schema: || schemars::schema_for!(MariaDbDatabase),
        build: |fields| serde_json::from_value(fields).map(Resource::MariaDbDatabase),
    },
    Kind {
        name: "mariadb_user",
        schema: || schemars::schema_for!(MariaDbUser),
        build: |fields| serde_json::from_value(fields).map(Resource::MariaDbUser),
    },
    Kind {
        name: "caldav_calendar",
        schema: || schemars::schema_for!(CaldavCalendar),
        build: |fields| serde_json::from_value(fields).map(Resource::CaldavCalendar),
    },
    Kind {
        name: "service",
        schema: || schemars::schema_for!(Service),
        build: |fields| serde_json::from_value(fields).map(Resource::Service),
    },
];

/// A resource as a role declares it for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Declared {
    /// The role that declares it.
    pub role: String,
    /// The resource.
    pub resource: Resource,
    /// What runs after it changed.
    pub notify: Vec<Handler>,
    /// From which phase on it is applied.
    pub phase: Phase,
}

impl Declared {
    /// Declares a resource that is applied at once and notifies nobody.
    pub fn new(role: impl Into<String>, resource: Resource) -> Self {
        Self {
            role: role.into(),
            resource,
            notify: Vec::new(),
            phase: Phase::Apply,
        }
    }

    /// Puts in what is known of other hosts.
    #[must_use]
    pub fn with_inputs(&self, known: &InputTexts) -> Self {
        let mut filled = self.clone();
        if let Resource::File(file) = &mut filled.resource
            && let Some(content) = &mut file.content
        {
            *content = content.with_inputs(known);
        }
        filled
    }

    /// Gives kind and id, for instance `file /etc/aliases`.
    #[must_use]
    pub fn name(&self) -> String {
        let manage = self.resource.manage();
        format!("{} {}", manage.kind(), manage.id())
    }
}
