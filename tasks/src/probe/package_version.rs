//! Which versions of a package there are: apt-cache(8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::package::is_installed;
use super::{Answers, Broken, Facts, Kind, NotAsked, apt::APT_FUNCTIONS};
use crate::Secret;
use crate::pushln;
use crate::value::{PackageName, PackageVersion};

/// Asks which versions there are of a package, unless one that is meant is installed. Whether it is must be asked for, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionQuestion {
    /// The package.
    pub name: PackageName,
    /// The version that is meant.
    pub version: PackageVersion,
}

/// The versions of a package that apt knows, the newest first; none where one that is meant is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VersionsFact {
    /// Those that can be installed, and the one that is.
    pub known: Vec<String>,
}

impl Facts {
    /// Tells which versions there are of a package.
    pub fn package_versions(&self, name: &PackageName) -> Result<&VersionsFact, NotAsked> {
        self.package_versions
            .get(name)
            .ok_or_else(|| NotAsked(format!("versions of package {name}")))
    }
}

/// The kind of this module.
pub struct Versions;

impl Kind for Versions {
    type Question = VersionQuestion;
    type Known = BTreeMap<PackageName, VersionsFact>;

    fn key(question: &VersionQuestion) -> PackageName {
        question.name.clone()
    }

    /// apt is asked only where another version is installed, or none. It gives the newest version first.
    fn script(questions: &[VersionQuestion]) -> String {
        let mut script = format!("{APT_FUNCTIONS}prov_answer package_versions; names=\n");
        for VersionQuestion { name, version } in questions {
            pushln!(
                script,
                "{} || names=\"$names {name}\"",
                is_installed(name, version)
            );
        }
        script
            + r#"prov_show() { apt-cache $caches showpkg -- $names 2>/dev/null; }
[ -z "$names" ] || { prov_apt prov_show; printf '%s\n' "$answer"; } |
awk '/^Package: /{print "name " $2; part = ""; next} /^[A-Z][A-Za-z ]*: *$/{part = $1 $2; next} part == "Versions:" && /^[0-9]/{print "version " $1}'
prov_complete
"#
    }

    /// Reads `name NAME` and after it `version VERSION` for each of them.
    fn read(questions: &[VersionQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known: BTreeMap<_, _> = questions
            .iter()
            .map(|question| (question.name.clone(), VersionsFact::default()))
            .collect();
        let mut name = None;
        for line in answers.text("package_versions")?.lines() {
            match line.split_once(' ') {
                Some(("name", text)) => name = PackageName::new(text).ok(),
                Some(("version", version)) => {
                    if let Some(fact) = name.as_ref().and_then(|name| known.get_mut(name)) {
                        fact.known.push(version.to_owned());
                    }
                }
                // Nothing else is printed.
                Some(_) | None => {}
            }
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<VersionQuestion> {
        let name = PackageName::new("pkg").ok();
        let version = PackageVersion::new("1.2*").ok();
        let question = name.zip(version);
        let question = question.map(|(name, version)| VersionQuestion { name, version });
        question.into_iter().collect()
    }
}
