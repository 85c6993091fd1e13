//! A resource as a role declares it for a host.

use serde::Serialize;

use super::{Handler, Resource};
use crate::InputTexts;
use crate::plan::Phase;

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
