//! A resource as a role declares it for a host.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Handler, Resource, Service};
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
    /// Whether it goes only after what is declared is in place: something of that may be what takes its place.
    #[serde(skip)]
    pub goes_last: bool,
    /// Whether its role says that a change of it may lock people out: it is put back unless prov gets in again afterwards.
    #[serde(skip)]
    pub guarded: bool,
    /// Whether the user has said twice that it is meant: what stands on what it takes away is no reason to refuse it.
    #[serde(skip)]
    pub insisted: bool,
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
            goes_last: false,
            guarded: false,
            insisted: false,
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

    /// Tells whether an estate's containers have it only once their daemons run.
    fn waits_for_daemons(&self) -> bool {
        self.phase == Phase::Completion || self.resource.manage().asks_server()
    }
}

/// Marks the resources that are meant, by their names, although something stands on what they take away.
pub fn insist(resources: &mut [Declared], names: &[String]) {
    for declared in resources {
        declared.insisted = names.contains(&declared.name());
    }
}

/// Lists the services of a host, each with whether its role has something before it that waits for daemons in a container: such a service may
/// not be able to run before that.
#[must_use]
pub fn services(resources: &[Declared]) -> Vec<(&Service, bool)> {
    let mut waiting = BTreeSet::new();
    let mut services = Vec::new();
    for declared in resources {
        if declared.waits_for_daemons() {
            waiting.insert(declared.role.as_str());
        }
        if let Resource::Service(service) = &declared.resource {
            services.push((service, waiting.contains(declared.role.as_str())));
        }
    }
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_after_an_account_of_a_server_may_have_to_wait_for_it() {
        let declared = |role: &str, text: &str| {
            let resource =
                serde_yaml::from_str::<Resource>(text).unwrap_or_else(|error| panic!("{error}"));
            Declared::new(role, resource)
        };
        let resources = [
            declared("store", "service: {name: postgresql}"),
            declared("shop", "service: {name: early}"),
            declared("shop", "postgresql_user: {name: shop}"),
            declared("shop", "service: {name: shop}"),
            declared("page", "service: {name: nginx}"),
        ];
        let services = services(&resources);
        let services: Vec<_> = services
            .iter()
            .map(|(service, late)| (service.name.as_str(), *late))
            .collect();
        assert_eq!(
            services,
            [
                ("postgresql", false),
                ("early", false),
                ("shop", true),
                ("nginx", false)
            ]
        );
    }
}
