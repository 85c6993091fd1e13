//! Locales of a host: those that programs can use (`locale -a`), and the character sets of those that can be made
//! (`/usr/share/i18n/SUPPORTED`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::LocaleName;

/// A locale on a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocaleFact {
    /// Whether programs can use it.
    pub generated: bool,
    /// The character set with which the host can make it; `None` where it does not know how.
    pub charset: Option<String>,
}

impl Facts {
    /// Tells what is known of a locale.
    pub fn locale(&self, name: &LocaleName) -> Result<&LocaleFact, NotAsked> {
        self.locales
            .get(name)
            .ok_or_else(|| NotAsked(format!("locale {name}")))
    }
}

/// The kind of this module.
pub struct Locales;

impl Kind for Locales {
    type Question = LocaleName;
    type Known = BTreeMap<LocaleName, LocaleFact>;

    fn key(name: &LocaleName) -> LocaleName {
        name.clone()
    }

    fn script(names: &[LocaleName]) -> String {
        let names: Vec<_> = names.iter().map(|name| quote::sh(name.as_str())).collect();
        format!(
            "prov_answer locales; locale -a 2>/dev/null && {{ for file in /usr/share/i18n/SUPPORTED /usr/local/share/i18n/SUPPORTED; do [ ! -f \"$file\" ] || while read -r name charset; do \
             case $name in ({}) printf '%s %s\\n' \"$name\" \"$charset\";; esac; done <\"$file\"; done; prov_complete; }}\n",
            names.join("|")
        )
    }

    /// What can be used is one word a line, what can be made two.
    fn read(names: &[LocaleName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("locales")?);
        let fact = |name: &LocaleName| {
            let listed = name.listed();
            let charset = text.lines().find_map(|line| {
                let charset = line.strip_prefix(name.as_str())?.strip_prefix(' ')?.trim();
                (!charset.is_empty()).then(|| charset.to_owned())
            });
            let generated = text
                .lines()
                .any(|line| line == listed || line == name.as_str());
            (name.clone(), LocaleFact { generated, charset })
        };
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<LocaleName> {
        LocaleName::new("de_DE.UTF-8").into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_used_and_what_can_be_made_are_told_apart() {
        let names = ["C.UTF-8", "de_DE.UTF-8", "hi_IN", "xx_XX"];
        let names = names.map(|name| LocaleName::new(name).unwrap());
        let text = "C\nC.utf8\nPOSIX\nde_DE.utf8\nC.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\nhi_IN UTF-8\n";
        let mut answers = Answers::default();
        answers.insert("locales".to_owned(), text.into(), true);
        let known = Locales::read(&names, &answers).unwrap();
        let told: Vec<_> = names
            .iter()
            .map(|name| (known[name].generated, known[name].charset.as_deref()))
            .collect();
        let utf8 = Some("UTF-8");
        assert_eq!(
            told,
            [(true, utf8), (true, utf8), (false, utf8), (false, None)]
        );
    }
}
