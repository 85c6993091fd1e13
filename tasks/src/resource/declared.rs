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
        let holds_data = matches!(
            resource,
            Resource::Group(_)
                | Resource::User(_)
                | Resource::Directory(_)
                | Resource::TlsKey(_)
                | Resource::MariaDbDatabase(_)
                | Resource::PostgresqlDatabase(_)
                // It may own what is kept.
                | Resource::PostgresqlUser(_)
        );
        if holds_data { Self::Data } else { Self::Goes }
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
    /// Whether its role says that a change of it may lock people out: it is put back unless prov gets in again afterwards.
    #[serde(skip)]
    pub guarded: bool,
    /// What must still be as a run left it, where this undoes that run.
    #[serde(skip)]
    pub since: Option<crate::history::Since>,
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
            guarded: false,
            since: None,
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
