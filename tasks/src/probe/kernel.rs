//! Whose kernel a host runs on.

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, Known, ServiceManager};
use crate::Secret;

/// Whose kernel a host runs on, as far as prov knows: the containers that it boots say that they are the estate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Its own, as a server does.
    #[default]
    Own,
    /// That of the machine that runs the estate's containers.
    OfTheMachine,
}

/// What a container of an estate that boots systemd has, from its start to its end.
pub const CONTAINER_SIGN: &str = "/run/prov-container";

impl Known for Kernel {
    type Key = ();
    type Effect = Self;

    fn update(&mut self, newer: Self) {
        *self = newer;
    }

    fn select<'a>(&self, _: impl Iterator<Item = &'a ()>) -> Self {
        *self
    }

    fn carry_out(&mut self, effect: Self) {
        *self = effect;
    }
}

impl Facts {
    /// Tells whether what the kernel is told is the host's own business. A container of the estate is there to rehearse a
    /// server, which has a kernel of its own.
    #[must_use]
    pub fn has_own_kernel(&self) -> bool {
        self.manager == ServiceManager::Systemd && self.kernel == Kernel::Own
    }
}

/// The kind of this module.
pub struct OfHost;

impl Kind for OfHost {
    type Question = ();
    type Known = Kernel;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        format!("prov_answer kernel; [ ! -e {CONTAINER_SIGN} ] || echo machine; prov_complete\n")
    }

    fn read(_: &[()], answers: &Answers) -> Result<Kernel, Broken> {
        Ok(match answers.text("kernel")? {
            "machine\n" | "machine" => Kernel::OfTheMachine,
            _ => Kernel::Own,
        })
    }

    fn secrets(_: &Kernel) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
