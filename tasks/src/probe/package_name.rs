//! What names of packages that are not installed stand for: apt-cache(8), dpkg-query(1).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked, apt::APT_FUNCTIONS};
use crate::Secret;
use crate::quote;
use crate::value::PackageName;

/// Asks what a name stands for. Whether a package of that name is installed must be asked for, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameQuestion {
    /// The name.
    pub name: PackageName,
    /// Whether apt is asked what it could install by that name; otherwise only installed packages count.
    pub wanted: bool,
}

/// What a name stands for that is of no installed package.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NameFact {
    /// Whether a package of just that name can be installed, as far as apt knows.
    pub real: bool,
    /// Packages that provide the name.
    pub providers: BTreeSet<String>,
}

impl Facts {
    /// Tells what a name stands for.
    pub fn package_name(&self, name: &PackageName) -> Result<&NameFact, NotAsked> {
        self.package_names
            .get(name)
            .ok_or_else(|| NotAsked(format!("package name {name}")))
    }
}

/// The kind of this module.
pub struct Names;

impl Kind for Names {
    type Question = NameQuestion;
    type Known = BTreeMap<PackageName, NameFact>;

    fn key(question: &NameQuestion) -> PackageName {
        question.name.clone()
    }

    fn widen(question: &mut NameQuestion, other: NameQuestion) {
        question.wanted |= other.wanted;
    }

    /// apt is asked only about names of which no package is installed.
    fn script(questions: &[NameQuestion]) -> String {
        let names = |wanted| {
            let names = questions.iter().filter(|it| it.wanted == wanted);
            quote::sh_all(names.map(|it| it.name.as_str()))
        };
        format!(
            r#"{APT_FUNCTIONS}prov_answer package_names; names=; for name in {wanted}; do prov_is_installed "$name" || names="$names $name"; done
prov_show() {{ apt-cache $caches showpkg -- $names 2>/dev/null; }}
[ -z "$names" ] || {{ prov_apt prov_show; printf '%s\n' "$answer"; }} |
awk '/^Package: /{{print "name " $2; part = ""; next}} /^[A-Z][A-Za-z ]*: *$/{{part = $1 $2; next}} part == "Versions:" && /^[0-9]/{{print "real"}} part == "ReverseProvides:" && NF{{print "by " $1}}'
names=; for name in {unwanted}; do prov_is_installed "$name" || names="$names $name"; done
[ -z "$names" ] || dpkg-query -W -f='${{db:Status-Abbrev}}\t${{Package}}\t${{Provides}}\n' 2>/dev/null |
awk -F '\t' -v names="$names" 'substr($1, 2, 1) == "i" && $3 != "" {{gsub(/ *\([^)]*\)/, "", $3); n = split($3, provided, /, */); m = split(names, wanted, " "); for (i = 1; i <= n; i++) for (j = 1; j <= m; j++) if (provided[i] == wanted[j]) print "name " wanted[j] "\nby " $2}}'
prov_complete
"#,
            wanted = names(true),
            unwanted = names(false),
        )
    }

    /// Reads `name NAME` and after it `real`, or `by PROVIDER`, for each version and provider.
    fn read(questions: &[NameQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut found: BTreeMap<&str, NameFact> = BTreeMap::new();
        let mut name = "";
        for line in answers.text("package_names")?.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "name" => name = rest,
                "real" => found.entry(name).or_default().real = true,
                "by" => {
                    let fact = found.entry(name).or_default();
                    fact.providers.insert(rest.to_owned());
                }
                // Nothing else is printed.
                _ => {}
            }
        }
        let fact = |question: &NameQuestion| {
            let fact = found.get(question.name.as_str()).cloned();
            (question.name.clone(), fact.unwrap_or_default())
        };
        Ok(questions.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<NameQuestion> {
        let question = |(name, wanted)| {
            let name = PackageName::new(name).ok()?;
            Some(NameQuestion { name, wanted })
        };
        [("pkg", true), ("other-pkg", false)]
            .into_iter()
            .filter_map(question)
            .collect()
    }
}
