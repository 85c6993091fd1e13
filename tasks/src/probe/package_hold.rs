//! Which packages are held: dpkg-query(1), apt-mark(8).

use std::collections::{BTreeMap, BTreeSet};

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::value::PackageName;

impl Facts {
    /// Tells whether a package is held: neither upgraded nor removed.
    pub fn is_held(&self, name: &PackageName) -> Result<bool, NotAsked> {
        let held = self.held.get(name).copied();
        held.ok_or_else(|| NotAsked(format!("hold of package {name}")))
    }
}

/// The kind of this module.
pub struct Holds;

impl Kind for Holds {
    type Question = PackageName;
    type Known = BTreeMap<PackageName, bool>;

    fn key(name: &PackageName) -> PackageName {
        name.clone()
    }

    /// What dpkg-query said is in `$packages` by then: whether a package is installed must be asked for, too. The first letter
    /// of the status is what is wanted.
    fn script(_: &[PackageName]) -> String {
        "prov_answer package_holds; printf '%s\\n' \"$packages\" | awk -F '\\t' 'substr($2, 1, 1) == \"h\"{print $1}'; prov_complete\n"
            .to_owned()
    }

    fn read(names: &[PackageName], answers: &Answers) -> Result<Self::Known, Broken> {
        let held: BTreeSet<_> = answers.text("package_holds")?.lines().collect();
        let fact = |name: &PackageName| (name.clone(), held.contains(name.as_str()));
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<PackageName> {
        PackageName::new("pkg").into_iter().collect()
    }
}
