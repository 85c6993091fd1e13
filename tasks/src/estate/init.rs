//! What looks after the daemons of containers in test mode.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names what looks after daemons in test mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// A supervisor that needs no more rights than any program in a container, with definitions of services of prov's own.
    #[default]
    Runit,
    /// systemd, as on a server.
    Systemd,
}

impl Init {
    /// Gives the word for it, as in `estate.yml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runit => "runit",
            Self::Systemd => "systemd",
        }
    }

    /// Finds what has a word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Runit, Self::Systemd]
            .into_iter()
            .find(|init| init.as_str() == text)
    }
}
