//! The clock of a host.

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;

impl Facts {
    /// Tells the host's time in seconds since 1970.
    pub fn now(&self) -> Result<u64, NotAsked> {
        self.time.ok_or_else(|| NotAsked("time".to_owned()))
    }
}

/// The kind of this module.
pub struct Clock;

impl Kind for Clock {
    type Question = ();
    type Known = Option<u64>;

    const LASTS: bool = false;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        "prov_answer time; printf '%s\\n' \"${prov_now:=$(date +%s)}\"; prov_complete\n".to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<u64>, Broken> {
        let seconds = answers.text("time")?.trim().parse();
        seconds
            .map(Some)
            .map_err(|_| broken("time", "is not a number"))
    }

    fn secrets(_: &Option<u64>) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
