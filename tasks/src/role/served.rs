//! Which services the roles of a host have run.

use std::collections::{BTreeMap, BTreeSet};

use super::HostContext;
use crate::diagnostic::Diagnostic;
use crate::resource::Resource;
use crate::value::ServiceName;

/// Services by name, with the roles that have them run. One that several roles share is told of each.
pub type Served = BTreeMap<ServiceName, BTreeSet<String>>;

/// Gathers the services that the roles of a host have run.
pub fn served(context: &HostContext<'_>) -> Result<Served, Vec<Diagnostic>> {
    let mut served = Served::new();
    for role in context.roles.of(context.host) {
        for declared in role.resources(context)? {
            if let Resource::Service(service) = declared.resource
                && service.running
                && service.masked != Some(true)
            {
                let roles = served.entry(service.name).or_default();
                roles.insert(role.name().to_owned());
            }
        }
    }
    Ok(served)
}
