//! What is in folders, at any depth: find(1).

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::pushln;
use crate::quote;
use crate::raw;
use crate::secret::Secret;
use crate::value::HostPath;

/// More names than these are nobody's folder of configuration; the answer must stay small.
const MOST: usize = 20_000;

impl Facts {
    /// Lists what is in a folder, at any depth, by paths from there; nothing where there is no folder.
    pub fn listing(&self, path: &HostPath) -> Result<&BTreeSet<String>, NotAsked> {
        let listing = self.listings.get(path);
        listing.ok_or_else(|| NotAsked(format!("listing of {path}")))
    }
}

/// The kind of this module.
pub struct Listings;

impl Kind for Listings {
    type Question = HostPath;
    type Known = BTreeMap<HostPath, BTreeSet<String>>;

    fn key(path: &HostPath) -> HostPath {
        path.clone()
    }

    /// What is mounted there belongs to somebody else.
    fn script(paths: &[HostPath]) -> String {
        let mut script = String::new();
        for (index, path) in paths.iter().enumerate() {
            let path = quote::sh(path.as_str());
            pushln!(
                script,
                "prov_answer listing:{index}; ( [ -d {path} ] || exit 0; cd -P -- {path} || exit; set --
  while read -r _ _ _ _ at _; do case $at in (\"$PWD\"/*) set -- \"$@\" ! -path \".${{at#\"$PWD\"}}\" ! -path \".${{at#\"$PWD\"}}/*\";; esac; done </proc/self/mountinfo
  find . -xdev -mindepth 1 \"$@\" -printf '%P\\0' | head -z -n {MOST} ) && prov_complete"
            );
        }
        script
    }

    fn read(paths: &[HostPath], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, path) in paths.iter().enumerate() {
            // A file may have any name.
            let text = raw::text(answers.bytes(&format!("listing:{index}"))?);
            let names = text.split_terminator('\0').map(str::to_owned);
            known.insert(path.clone(), names.collect());
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(path: &HostPath, written: &Written<'_>) -> bool {
        let near =
            |place: &&HostPath| **place == *path || place.is_below(path) || path.is_below(place);
        written.paths.iter().any(near)
    }

    fn samples() -> Vec<HostPath> {
        HostPath::new("/listed").into_iter().collect()
    }
}
