//! Whether packages are installed: dpkg-query(1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::{PackageName, PackageVersion};

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageFact {
    /// Not installed.
    Absent,
    /// Not installed, and it has left configuration files behind.
    Residue,
    /// Unpacked but not configured: an installation was interrupted.
    Broken,
    /// Installed, in this version.
    Installed(String),
    /// Installed, in this version, and marked as installed for others alone: `apt-get autoremove` may take it away.
    Automatic(String),
}

impl PackageFact {
    /// Tells whether it is installed.
    #[must_use]
    pub const fn is_installed(&self) -> bool {
        matches!(self, Self::Installed(_) | Self::Automatic(_))
    }

    /// Tells whether it is installed in a version that is meant.
    #[must_use]
    pub fn is_installed_in(&self, version: &PackageVersion) -> bool {
        match self {
            Self::Installed(have) | Self::Automatic(have) => version.is_met_by(have),
            Self::Absent | Self::Residue | Self::Broken => false,
        }
    }
}

impl Facts {
    /// Tells the state of a package.
    pub fn package(&self, name: &PackageName) -> Result<&PackageFact, NotAsked> {
        self.packages
            .get(name)
            .ok_or_else(|| NotAsked(format!("package {name}")))
    }
}

/// What stands before a package that apt has marked; no package has such a name.
const AUTOMATIC: &str = "@automatic";

/// The kind of this module.
pub struct Packages;

impl Kind for Packages {
    type Question = PackageName;
    type Known = BTreeMap<PackageName, PackageFact>;

    fn key(name: &PackageName) -> PackageName {
        name.clone()
    }

    /// Later parts of the script find what dpkg-query said in `$packages`. Which of them apt has marked as automatic is in
    /// a file of its own (apt-mark(8)).
    fn script(names: &[PackageName]) -> String {
        let names = quote::sh_all(names.iter().map(PackageName::as_str));
        // dpkg-query ends with 1 where a package is not known, and with 2 where it could not do its work.
        format!(
            "prov_answer packages; packages=$(dpkg-query -W -f='${{Package}}\\t${{db:Status-Abbrev}}\\t${{Version}}\\t${{Architecture}}\\n' -- {names} 2>/dev/null); exit=$?\n\
             prov_is_installed() {{ case \"\n$packages\" in (*\"\n$1\t\"?i*) ;; (*) false;; esac; }}\n\
             printf '%s\\n' \"$packages\"; [ ! -r /var/lib/apt/extended_states ] || awk -v names={} \
             '/^Package: /{{name = $2}} /^Architecture: /{{on = $2}} /^Auto-Installed: 1/ && index(names, \" \" name \" \"){{print \"@automatic\\t\" name \"\\t\" on}}' /var/lib/apt/extended_states\n\
             [ $exit -gt 1 ] || prov_complete\n",
            quote::sh(&format!(" {names} "))
        )
    }

    fn read(names: &[PackageName], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut found = BTreeMap::new();
        let mut automatic = BTreeSet::new();
        let text = answers.text("packages")?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let fields: Vec<_> = line.split('\t').collect();
            let &[name, status, version, ref more @ ..] = fields.as_slice() else {
                return Err(broken("packages", "has a line without three fields"));
            };
            if name == AUTOMATIC {
                automatic.insert((status, version));
                continue;
            }
            // The second letter is the state on the disk: i installed; n, c not; the rest in between.
            let fact = match status.chars().nth(1) {
                Some('i') => PackageFact::Installed(version.to_owned()),
                Some('n') => PackageFact::Absent,
                Some('c') => PackageFact::Residue,
                Some(_) | None => PackageFact::Broken,
            };
            // Another architecture's package of the same name may have left its configuration behind.
            if !matches!(found.get(name), Some((PackageFact::Installed(_), _))) {
                found.insert(name, (fact, more.first().copied().unwrap_or("all")));
            }
        }
        let fact = |name: &PackageName| {
            let marked = |on: &str| {
                let mut marks = automatic.iter().filter(|mark| mark.0 == name.as_str());
                // What is for all architectures is kept by apt under the host's own.
                marks.any(|mark| on == "all" || mark.1 == on)
            };
            let fact = match found.get(name.as_str()) {
                None => PackageFact::Absent,
                Some((PackageFact::Installed(version), on)) if marked(on) => {
                    PackageFact::Automatic(version.clone())
                }
                Some((fact, _)) => fact.clone(),
            };
            (name.clone(), fact)
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

/// Writes the test whether a package is installed in a version that is meant, by what dpkg-query said.
pub(super) fn is_installed(name: &PackageName, version: &PackageVersion) -> String {
    let begin = match version.prefix() {
        Some(prefix) => prefix.to_owned(),
        None => format!("{version}\t"),
    };
    format!(
        "case \"\n$packages\" in (*\"\n{name}\t\"?i?\"\t\"{}*) ;; (*) false;; esac",
        quote::sh(&begin)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_other_architectures_are_those_of_other_packages() {
        let names: Vec<_> = ["acl", "libc6", "tzdata", "old"]
            .map(|name| PackageName::new(name).unwrap())
            .into();
        let text = "acl\tii \t1\tamd64\nlibc6\tii \t2\tamd64\ntzdata\tii \t3\tall\nold\trc \t4\tamd64\n\
            @automatic\tacl\tamd64\n@automatic\tlibc6\ti386\n@automatic\ttzdata\tamd64\n";
        let mut answers = Answers::default();
        answers.insert("packages".to_owned(), text.as_bytes().to_vec(), true);
        let known = Packages::read(&names, &answers).unwrap();
        let facts: Vec<_> = names.iter().map(|name| known[name].clone()).collect();
        assert_eq!(
            facts,
            [
                PackageFact::Automatic("1".to_owned()),
                PackageFact::Installed("2".to_owned()),
                PackageFact::Automatic("3".to_owned()),
                PackageFact::Residue,
            ]
        );
    }
}
