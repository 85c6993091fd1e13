//! Whether packages are installed: dpkg-query(1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::PackageName;

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageFact {
    /// Not installed (it may have left configuration files behind).
    Absent,
    /// Unpacked but not configured: an installation was interrupted.
    Broken,
    /// Installed, in this version.
    Installed(String),
}

impl Facts {
    /// Tells the state of a package.
    pub fn package(&self, name: &PackageName) -> Result<&PackageFact, NotAsked> {
        self.packages
            .get(name)
            .ok_or_else(|| NotAsked(format!("package {name}")))
    }
}

/// The kind of this module.
pub struct Packages;

impl Kind for Packages {
    type Question = PackageName;
    type Known = BTreeMap<PackageName, PackageFact>;

    fn key(name: &PackageName) -> PackageName {
        name.clone()
    }

    /// Later parts of the script find what dpkg-query said in `$packages`.
    fn script(names: &[PackageName]) -> String {
        // It ends with 1 where a package is not known, and with 2 where it could not do its work.
        format!(
            "packages=$(dpkg-query -W -f='${{Package}}\\t${{db:Status-Abbrev}}\\t${{Version}}\\n' -- {} 2>/dev/null); exit=$?\n\
             {{ printf '%s\\n' \"$packages\"; [ $exit -gt 1 ] || prov_complete; }} | prov_answer packages\n",
            quote::sh_all(names.iter().map(PackageName::as_str))
        )
    }

    fn read(names: &[PackageName], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut found = BTreeMap::new();
        let text = answers.text("packages")?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let mut fields = line.split('\t');
            let (Some(name), Some(status), Some(version)) =
                (fields.next(), fields.next(), fields.next())
            else {
                return Err(broken("packages", "has a line without three fields"));
            };
            // The second letter is the state on the disk: i installed; n, c not; the rest in between.
            let fact = match status.chars().nth(1) {
                Some('i') => PackageFact::Installed(version.to_owned()),
                Some('n' | 'c') => PackageFact::Absent,
                Some(_) | None => PackageFact::Broken,
            };
            // Another architecture's package of the same name may have left its configuration behind.
            if !matches!(found.get(name), Some(PackageFact::Installed(_))) {
                found.insert(name, fact);
            }
        }
        let fact = |name: &PackageName| {
            let fact = found.get(name.as_str()).cloned();
            (name.clone(), fact.unwrap_or(PackageFact::Absent))
        };
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<PackageName> {
        PackageName::new("pkg").into_iter().collect()
    }
}
