//! What operating system a host runs: os-release(5).

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind};
use crate::Secret;

/// What a host says of its operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFact {
    /// Its `ID`, for instance `debian`.
    pub id: String,
    /// Its `VERSION_CODENAME`, for instance `trixie`; empty where it has none.
    pub codename: String,
}

/// The kind of this module.
pub struct OfHost;

impl Kind for OfHost {
    type Question = ();
    type Known = Option<ReleaseFact>;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        // The shell reads the file by itself: it is asked of every host, and a process costs more than all of this.
        "{ while IFS='=' read -r name value; do case $name in (ID|VERSION_CODENAME) printf '%s=%s\\n' \"$name\" \"$value\";; esac; \
         done </etc/os-release; prov_complete; } 2>/dev/null | prov_answer release\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<ReleaseFact>, Broken> {
        let text = answers.text("release")?;
        let value = |name: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        Ok(Some(ReleaseFact {
            id: value("ID"),
            codename: value("VERSION_CODENAME"),
        }))
    }

    fn secrets(_: &Option<ReleaseFact>) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}
