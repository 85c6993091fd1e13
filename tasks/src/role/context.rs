//! What a role decides from: the estate, the host with its variables, and what comes from outside.

use std::net::IpAddr;

use super::{Capability, Catalogue};
use crate::authority::Authority;
use crate::estate::{Estate, Host, Vars};
use crate::template::{Rendering, Templates};

/// What a role may know from outside the estate's files.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The roles that there are.
    pub roles: Catalogue,
    /// The resolvers that the machine uses on which the estate's containers run.
    pub container_host_resolvers: Vec<IpAddr>,
    /// The estate's authority for certificates, where [`Catalogue::needs_authority`] says that there must be one.
    pub authority: Option<Authority>,
}

/// Everything that a role decides from, for one host.
pub struct HostContext<'e> {
    /// The estate.
    pub estate: &'e Estate,
    /// The host.
    pub host: &'e Host,
    /// Its variables.
    pub vars: Vars<'e>,
    /// The roles that there are.
    pub roles: &'e Catalogue,
    /// What comes from outside.
    pub inputs: &'e Inputs,
    templates: &'e Templates,
}

impl<'e> HostContext<'e> {
    /// Gathers what the roles of a host decide from.
    #[must_use]
    pub fn new(
        estate: &'e Estate,
        host: &'e Host,
        inputs: &'e Inputs,
        templates: &'e Templates,
    ) -> Self {
        Self {
            estate,
            host,
            vars: estate.vars(host),
            roles: &inputs.roles,
            inputs,
            templates,
        }
    }

    /// Begins the rendering of a template, in its variant for the host's release where there is one.
    #[must_use]
    pub fn render(&self, name: &'static str) -> Rendering<'e> {
        self.templates.render(name, self.host.release())
    }

    /// Tells whether a role of the host brings something.
    pub(crate) fn offers(&self, capability: Capability) -> bool {
        self.roles
            .offers(self.host)
            .any(|offer| offer == capability)
    }
}
