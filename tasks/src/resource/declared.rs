//! A resource as a role declares it for a host.

use serde::Serialize;

use super::{Handler, Resource};
use crate::InputTexts;
use crate::plan::Phase;

/// What becomes of a resource once nothing on its host declares it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    /// It goes.
    Goes,
    /// It holds what people or programs have made, and goes only when that is asked for.
    Data,
    /// It stays: the host needs it whatever its roles are, or nothing of it remains.
    Stays,
}

impl Leaves {
    /// Says what becomes of a kind of which nobody says more.
    const fn of(resource: &Resource) -> Self {
        match resource {
            Resource::Group(_)
            | Resource::User(_)
            | Resource::Directory(_)
            | Resource::TlsKey(_)
            | Resource::MariaDbDatabase(_) => Self::Data,
            Resource::Packages(_)
            | Resource::Debconf(_)
            | Resource::AuthorizedKey(_)
            | Resource::File(_)
            | Resource::Download(_)
            | Resource::Symlink(_)
            | Resource::Line(_)
            | Resource::Block(_)
            | Resource::Replace(_)
            | Resource::Cron(_)
            | Resource::ApacheModule(_)
            | Resource::Command(_)
            | Resource::TlsAuthority(_)
            | Resource::TlsCertificate(_)
            | Resource::MariaDbUser(_)
            | Resource::CaldavCalendar(_)
            | Resource::Service(_) => Self::Goes,
        }
    }
}

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
    /// What becomes of it once nothing declares it any more.
    #[serde(skip)]
    pub leaves: Leaves,
}

impl Declared {
    /// Declares a resource that is applied at once and notifies nobody.
    pub fn new(role: impl Into<String>, resource: Resource) -> Self {
        Self {
            role: role.into(),
            leaves: Leaves::of(&resource),
            resource,
            notify: Vec::new(),
            phase: Phase::Apply,
        }
    }

    /// Puts in what is known of other hosts.
    #[must_use]
    pub fn with_inputs(&self, known: &InputTexts) -> Self {
        let mut filled = self.clone();
        filled.resource.manage_mut().fill(known);
        filled
    }

    /// Gives kind and id, for instance `file /etc/aliases`.
    #[must_use]
    pub fn name(&self) -> String {
        let manage = self.resource.manage();
        format!("{} {}", manage.kind(), manage.id())
    }
}
