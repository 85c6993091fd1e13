//! Alternatives: names that several programs can have, of which one is chosen (update-alternatives(1)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::AlternativeName;

/// What is known of one name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlternativeFact {
    /// The link by which programs find it.
    pub link: String,
    /// What that link says: nothing where there is none, `None` where something else is in its place.
    pub says: Option<String>,
    /// Whether what has the highest priority is chosen.
    pub auto: bool,
    /// What is chosen, if anything is.
    pub value: Option<String>,
    /// Links that change with it, by their names.
    pub slaves: BTreeMap<String, String>,
    /// What can be chosen, by its path.
    pub choices: BTreeMap<String, ChoiceFact>,
}

/// One thing that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChoiceFact {
    /// Its priority.
    pub priority: i32,
    /// Where the links lead that change with it, by their names.
    pub slaves: BTreeMap<String, String>,
}

impl AlternativeFact {
    /// Gives what the link says where it is in order.
    #[must_use]
    pub fn proper(name: &AlternativeName) -> String {
        format!("/etc/alternatives/{name}")
    }

    /// Gives what has the highest priority; of several the one that is chosen already.
    #[must_use]
    pub fn best(&self) -> Option<&String> {
        let value = self.value.as_ref();
        let of = |(path, choice): &(&String, &ChoiceFact)| (choice.priority, Some(*path) == value);
        self.choices.iter().max_by_key(of).map(|(path, _)| path)
    }
}

impl Facts {
    /// Tells what is known of a name that several programs can have; `None` where none has registered for it.
    pub fn alternative(
        &self,
        name: &AlternativeName,
    ) -> Result<Option<&AlternativeFact>, NotAsked> {
        self.alternatives
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("alternatives {name}")))
    }
}

/// The kind of this module.
pub struct Alternatives;

impl Kind for Alternatives {
    type Question = AlternativeName;
    type Known = BTreeMap<AlternativeName, Option<AlternativeFact>>;

    fn key(name: &AlternativeName) -> AlternativeName {
        name.clone()
    }

    /// The program ends in the same way for a name that nobody has registered for as for any failure, so it is looked first whether
    /// it keeps anything of that name.
    fn script(names: &[AlternativeName]) -> String {
        let names = quote::sh_all(names.iter().map(AlternativeName::as_str));
        format!(
            "prov_answer alternatives; ( for name in {names}; do [ -e \"/var/lib/dpkg/alternatives/$name\" ] || continue\n\
             told=$(update-alternatives --query \"$name\") || exit; printf '%s\\n' \"$told\"\n\
             link=$(printf '%s\\n' \"$told\" | sed -n 's/^Link: //p')\n\
             if [ -L \"$link\" ]; then says=$(readlink -- \"$link\") || exit; printf 'Says: %s\\n' \"$says\"\n\
             elif [ -e \"$link\" ]; then printf 'Other:\\n'; fi; done; prov_complete )\n"
        )
    }

    fn read(names: &[AlternativeName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("alternatives")?).into_owned();
        let mut known: Self::Known = names.iter().map(|name| (name.clone(), None)).collect();
        let begins = text.match_indices("Name: ").map(|(at, _)| at);
        let begins: Vec<_> = begins
            .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
            .collect();
        for (index, begin) in begins.iter().enumerate() {
            let end = begins.get(index + 1).copied().unwrap_or(text.len());
            let one = &text[*begin..end];
            let name = one.lines().next().unwrap_or_default();
            let name = name.trim_start_matches("Name: ").trim();
            let fact = one_of(one)
                .ok_or_else(|| broken("alternatives", format!("has no sense for {name:?}")))?;
            let place = known.iter_mut().find(|(asked, _)| asked.as_str() == name);
            let Some((_, place)) = place else {
                return Err(broken("alternatives", "names something that was not asked"));
            };
            *place = Some(fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<AlternativeName> {
        AlternativeName::new("editor").into_iter().collect()
    }
}

/// Reads what `update-alternatives --query` tells of one name, and what was added to it.
fn one_of(text: &str) -> Option<AlternativeFact> {
    let mut fact = AlternativeFact {
        says: Some(String::new()),
        ..AlternativeFact::default()
    };
    let (mut status, mut path) = (None, None);
    for line in text.lines() {
        if let Some(slave) = line.strip_prefix(' ') {
            let (name, place) = slave.split_once(' ')?;
            let slaves = match &path {
                Some(path) => &mut fact.choices.get_mut(path)?.slaves,
                None => &mut fact.slaves,
            };
            slaves.insert(name.to_owned(), place.to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "Link" => value.clone_into(&mut fact.link),
            "Status" => status = Some(value),
            "Value" => fact.value = (value != "none").then(|| value.to_owned()),
            "Alternative" => {
                path = Some(value.to_owned());
                let choice = ChoiceFact::default();
                fact.choices.insert(value.to_owned(), choice);
            }
            "Priority" => {
                fact.choices.get_mut(path.as_ref()?)?.priority = value.parse().ok()?;
            }
            "Says" => fact.says = Some(value.to_owned()),
            "Other" => fact.says = None,
            _ => {}
        }
    }
    fact.auto = status? == "auto";
    (!fact.link.is_empty()).then_some(fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_tells_of_several_names_is_told_apart() {
        let names = ["pager", "java", "none"].map(|name| AlternativeName::new(name).unwrap());
        let text = "Name: pager\nLink: /usr/bin/pager\nSlaves:\n pager.1.gz /usr/share/man/man1/pager.1.gz\n\
                    Status: auto\nBest: /usr/bin/less\nValue: /usr/bin/less\n\nAlternative: /bin/more\nPriority: 50\n\
                    Slaves:\n pager.1.gz /usr/share/man/man1/more.1.gz\n\nAlternative: /usr/bin/less\nPriority: 77\n\
                    Says: /etc/alternatives/pager\n\
                    Name: java\nLink: /usr/bin/java\nStatus: manual\nBest: /opt/java\nValue: none\n\n\
                    Alternative: /opt/java\nPriority: -1\nOther:\n";
        let mut answers = Answers::default();
        answers.insert("alternatives".to_owned(), text.into(), true);
        let known = Alternatives::read(&names, &answers).unwrap();
        let pager = known[&names[0]].clone().unwrap();
        assert!(pager.auto);
        assert_eq!(pager.value.as_deref(), Some("/usr/bin/less"));
        assert_eq!(pager.best().unwrap(), "/usr/bin/less");
        assert_eq!(pager.says.as_deref(), Some("/etc/alternatives/pager"));
        assert_eq!(pager.slaves["pager.1.gz"], "/usr/share/man/man1/pager.1.gz");
        let more = &pager.choices["/bin/more"];
        assert_eq!(more.priority, 50);
        assert_eq!(more.slaves["pager.1.gz"], "/usr/share/man/man1/more.1.gz");
        let java = known[&names[1]].clone().unwrap();
        assert!(!java.auto && java.value.is_none() && java.says.is_none());
        assert_eq!(java.choices["/opt/java"].priority, -1);
        assert_eq!(known[&names[2]], None);

        answers.insert(
            "alternatives".to_owned(),
            "Name: pager\nLink: /x\n".into(),
            true,
        );
        assert!(Alternatives::read(&names, &answers).is_err());
    }
}
