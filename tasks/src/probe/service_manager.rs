//! What looks after daemons on a host.

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind, Known};
use crate::Secret;

/// What looks after daemons on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceManager {
    /// Nothing does: a container in deploy mode.
    #[default]
    None,
    /// systemd, on servers and in containers that boot it.
    Systemd,
    /// runit, in test mode otherwise.
    Runit,
}

impl ServiceManager {
    /// Gives the name that people know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Systemd => "systemd",
            Self::Runit => "runit",
        }
    }
}

impl Known for ServiceManager {
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

/// The kind of this module.
pub struct OfHost;

impl Kind for OfHost {
    type Question = ();
    type Known = ServiceManager;

    fn key((): &()) {}

    /// Later parts of the script find the name of the first process in `$init`.
    fn script(_: &[()]) -> String {
        "read -r init </proc/1/comm\n\
         prov_answer manager; printf '%s\\n' \"$init\"; [ ! -d /run/service ] || echo runit; prov_complete\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<ServiceManager, Broken> {
        // The sign of the containers' supervisor is its folder: the first process there may be anything.
        let mut lines = answers.text("manager")?.lines();
        Ok(match (lines.next(), lines.next()) {
            (Some("systemd"), _) => ServiceManager::Systemd,
            (_, Some("runit")) => ServiceManager::Runit,
            (_, _) => ServiceManager::None,
        })
    }

    fn secrets(_: &ServiceManager) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
