//! Swap space, as the kernel uses it (`/proc/swaps`), and what a file or device holds (blkid(8)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::HostPath;

/// What is known of a file or device that should be swap space.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwapFact {
    /// With which priority the kernel uses it, if it does.
    pub used: Option<i32>,
    /// What it holds: `swap`, or a kind of file system; nothing that is known when empty.
    pub holds: String,
}

impl Facts {
    /// Tells what is known of a file or device that should be swap space.
    pub fn swap(&self, path: &HostPath) -> Result<&SwapFact, NotAsked> {
        self.swaps
            .get(path)
            .ok_or_else(|| NotAsked(format!("swap {path}")))
    }
}

/// The kind of this module.
pub struct Swaps;

impl Kind for Swaps {
    type Question = HostPath;
    type Known = BTreeMap<HostPath, SwapFact>;

    fn key(path: &HostPath) -> HostPath {
        path.clone()
    }

    /// blkid ends with 2 where it finds nothing.
    fn script(paths: &[HostPath]) -> String {
        let paths = quote::sh_all(paths.iter().map(HostPath::as_str));
        format!(
            "prov_answer swaps; ( swaps=$(swapon --show=NAME,PRIO --noheadings --raw) || exit\n\
             for path in {paths}; do holds=; if [ -f \"$path\" ] || [ -b \"$path\" ]; then\n\
             holds=$(blkid -p -s TYPE -o value -- \"$path\" 2>/dev/null); [ $? -le 2 ] || exit; fi\n\
             used=$(printf '%s\\n' \"$swaps\" | while read -r name priority; do [ -z \"$name\" ] || ! [ \"$name\" -ef \"$path\" ] || printf '%s' \"$priority\"; done)\n\
             printf '%s/%s\\n' \"$used\" \"$holds\"; done; prov_complete )\n"
        )
    }

    fn read(paths: &[HostPath], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("swaps")?).into_owned();
        let mut lines = text.lines();
        let mut known = BTreeMap::new();
        for path in paths {
            let line = lines.next().unwrap_or_default();
            let fact = line.split_once('/').and_then(|(used, holds)| {
                let used = match used {
                    "" => None,
                    number => Some(number.parse().ok()?),
                };
                let holds = holds.to_owned();
                Some(SwapFact { used, holds })
            });
            let fact = fact.ok_or_else(|| broken("swaps", format!("has a line {line:?}")))?;
            known.insert(path.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<HostPath> {
        vec![HostPath::known("/swapfile")]
    }
}
