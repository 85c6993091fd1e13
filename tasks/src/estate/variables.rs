//! Variables: in which file they are set, which setting wins, and how a role reads them.
//!
//! A [`Layer`] holds what one level of precedence says; [`Vars`] looks through a host's layers from the highest to the
//! lowest, so that nothing is copied per host. A value replaces the one below it as a whole: mappings are not merged,
//! since one could not see from a file what its value will be. Defaults belong to the role's struct.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::node::Node;
use super::sources::{Folder, Mark, Source};
use super::{Host, from_node, name, table, yaml};
use crate::diagnostic::Unset;
use crate::{Diagnostic, Place};

/// What may stand beside the variables of hosts and groups; whoever reads roles reads it.
pub const LOCAL_SECTIONS: [&str; 3] = ["checks", "handlers", "resources"];

/// Names a level of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Every host: `groups/all.yml`.
    All,
    /// One group's hosts: `groups/NAME.yml`.
    Group(String),
    /// One host: `hosts/NAME.yml`.
    Host(String),
    /// One domain's file.
    Domain(String),
    /// `--set` on the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("every host"),
            Self::Group(name) => write!(f, "group '{name}'"),
            Self::Host(name) => write!(f, "host '{name}'"),
            Self::Domain(name) => write!(f, "domain '{name}'"),
            Self::CommandLine => f.write_str("the command line"),
        }
    }
}

/// Holds a variable's value and the place of its name.
#[derive(Debug, Clone)]
pub struct Variable {
    pub(super) mark: Mark,
    pub(super) node: Node,
}

impl Variable {
    /// Points at the variable's name where it is set.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Gives the value.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }
}

/// Holds the variables of one level of precedence.
#[derive(Debug, Clone)]
pub struct Layer {
    origin: Origin,
    variables: BTreeMap<String, Variable>,
    /// Settings in a public file that the private one replaces; kept so that they are checked too.
    replaced: Vec<(String, Mark)>,
}

impl Layer {
    /// Starts a layer without variables.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            variables: BTreeMap::new(),
            replaced: Vec::new(),
        }
    }

    /// Adds the variables of a mapping; they win over those that are there.
    pub fn add(&mut self, node: &Node) -> Result<(), Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        for (key, node) in node.entries().map_err(Diagnostic::alone)? {
            if self.has_sections() && LOCAL_SECTIONS.contains(&key.text.as_str()) {
                continue;
            }
            if let Err(reason) = name::variable(&key.text) {
                let message = format!("variable '{}': {reason}", super::node::shorten(&key.text));
                mistakes.push(Diagnostic::at(key.mark.place(), message));
                continue;
            }
            let variable = Variable {
                mark: key.mark.clone(),
                node: node.clone(),
            };
            if let Some(old) = self.variables.insert(key.text.clone(), variable) {
                self.replaced.push((key.text.clone(), old.mark));
            }
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes)
        }
    }

    /// Tells whether other things than variables may stand in the layer's files.
    fn has_sections(&self) -> bool {
        match self.origin {
            Origin::All | Origin::Group(_) | Origin::Host(_) => true,
            Origin::Domain(_) | Origin::CommandLine => false,
        }
    }

    /// Reads the settings of the command line, each of the form `key=value`; the value is YAML.
    pub fn command_line(settings: &[String]) -> Result<Self, Vec<Diagnostic>> {
        let mut layer = Self::new(Origin::CommandLine);
        let mut mistakes = Vec::new();
        for setting in settings {
            if let Err(more) = layer.set(setting) {
                mistakes.extend(more);
            }
        }
        if mistakes.is_empty() {
            Ok(layer)
        } else {
            Err(mistakes)
        }
    }

    fn set(&mut self, setting: &str) -> Result<(), Vec<Diagnostic>> {
        let file = |key: &str| format!("--set {key}");
        let Some((key, value)) = setting.split_once('=') else {
            let mistake = Diagnostic::at(Place::file("--set"), "expected key=value, found no '='");
            return Err(vec![
                mistake.hint("for instance --set mta_hide_mailname=false"),
            ]);
        };
        if let Err(reason) = name::variable(key) {
            let key = super::node::shorten(key);
            let place = Place::file(file(&key));
            return Err(vec![Diagnostic::at(
                place,
                format!("variable '{key}': {reason}"),
            )]);
        }
        // Private: what is given on a command line may be a password, and is on the screen already if it is not.
        let source = Source::new(file(key), value, true);
        let node = yaml::parse(&source).map_err(Diagnostic::alone)?;
        let mark = node.mark.clone();
        self.variables
            .insert(key.to_owned(), Variable { mark, node });
        Ok(())
    }

    /// Reads a struct from the variables that it has fields for; `unset` words that one is needed and not there.
    pub(crate) fn typed<'e, T: Deserialize<'e>>(
        &'e self,
        unset: impl Fn(&str) -> Diagnostic,
    ) -> Result<T, Vec<Diagnostic>> {
        let entries = |fields: &[&'static str]| {
            let variables = fields.iter().filter_map(|field| {
                let variable = self.get(field)?;
                Some((*field, &variable.mark, &variable.node))
            });
            variables.collect()
        };
        table::read(entries, unset)
    }

    /// Says whose variables these are.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Finds a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// Lists every place that sets a variable, those included that a private file replaces.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &Mark)> {
        let variables = self.variables.iter();
        let replaced = self.replaced.iter();
        variables
            .map(|(name, variable)| (name.as_str(), &variable.mark))
            .chain(replaced.map(|(name, mark)| (name.as_str(), mark)))
    }
}

/// Shows the variables of one host; cheap to make and to copy.
#[derive(Debug, Clone)]
pub struct Vars<'e> {
    pub(super) host: &'e Host,
    pub(super) folder: &'e Folder,
    /// Lowest first; the command line is kept apart so that a domain can come between.
    pub(super) layers: Vec<&'e Layer>,
    pub(super) command_line: &'e Layer,
}

impl<'e> Vars<'e> {
    /// Adds the variables of a domain: above the host's, below the command line's.
    #[must_use]
    pub fn with_domain(mut self, domain: &'e Layer) -> Self {
        self.layers.push(domain);
        self
    }

    /// Gives the host.
    #[must_use]
    pub fn host(&self) -> &'e Host {
        self.host
    }

    /// Finds the value that wins.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'e Node> {
        self.find(name).map(|(_, variable)| &variable.node)
    }

    /// Finds the setting that wins, and whose it is.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&'e Origin, &'e Variable)> {
        let highest_first =
            std::iter::once(self.command_line).chain(self.layers.iter().rev().copied());
        highest_first
            .into_iter()
            .find_map(|layer| Some((&layer.origin, layer.get(name)?)))
    }

    /// Merges all layers: each variable with the setting that wins.
    #[must_use]
    pub fn merged(&self) -> BTreeMap<&'e str, (&'e Origin, &'e Variable)> {
        let lowest_first = self
            .layers
            .iter()
            .copied()
            .chain(std::iter::once(self.command_line));
        lowest_first
            .flat_map(|layer| {
                let variables = layer.variables.iter();
                variables.map(|(name, variable)| (name.as_str(), (&layer.origin, variable)))
            })
            .collect()
    }

    /// Reads one variable; `None` where it is not set.
    pub fn value<T: Deserialize<'e>>(&self, name: &str) -> Result<Option<T>, Diagnostic> {
        self.get(name).map(from_node).transpose()
    }

    /// Reads the variables of a role: those that its struct has fields for.
    ///
    /// Every mistake is reported where the value is set; a variable that is required and not set is reported with the
    /// role's name and the files in which one would set it.
    pub fn typed<T: Deserialize<'e>>(&self, role: &str) -> Result<T, Vec<Diagnostic>> {
        let entries = |fields: &[&'static str]| {
            if fields.is_empty() {
                let merged = self.merged().into_iter();
                return merged
                    .map(|(name, (_, variable))| (name, &variable.mark, &variable.node))
                    .collect();
            }
            let fields = fields.iter();
            fields
                .filter_map(|field| {
                    let (_, variable) = self.find(field)?;
                    Some((*field, &variable.mark, &variable.node))
                })
                .collect()
        };
        table::read(entries, |field| self.unset(role, field))
    }

    /// Says that a variable is not set which a role needs, and where one would set it.
    pub(crate) fn unset(&self, role: &str, variable: &str) -> Diagnostic {
        let host = &self.host.name;
        let own = self.folder.file(&format!("hosts/{host}.yml"));
        let groups = self.host.groups.first().map_or(name::ALL, String::as_str);
        let group = self.folder.file(&format!("groups/{groups}.yml"));
        let all = self.folder.file("groups/all.yml");
        let mistake = Diagnostic::at(
            self.host.mark.place(),
            format!(
                "host '{host}': role '{role}' needs the variable '{variable}', which is not set"
            ),
        )
        .hint(format!(
            "set it in {own}, or for more hosts in {group} or {all}"
        ));
        Diagnostic {
            unset: Some(Box::new(Unset {
                variable: variable.to_owned(),
                hint_for_many: format!("set it in {all}, or in the files of groups or hosts"),
            })),
            ..mistake
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde::Deserialize;

    use super::super::tests::sample::{render, sample};
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors are of interest")]
    struct Role {
        text: String,
        number: u16,
        #[serde(default)]
        flag: bool,
        address: std::net::IpAddr,
        secret: Secret,
        list: Vec<String>,
        nested: Option<Nested>,
        choice: Choice,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are of interest")]
    struct Nested {
        hostname: String,
        port: Option<u16>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Satellite,
        Internet,
    }

    #[test]
    fn every_wrong_variable_of_a_role_is_reported_where_it_is_set() {
        let estate = sample(&[
            (
                "groups/all.yml",
                "text: 8080\nnumber: 70000\nflag: yes\nunrelated: 1\n",
            ),
            (
                "hosts/dns-internal.yml",
                "address: 10.0.0\nsecret: 12345\nlist: one\nchoice: satelite\n",
            ),
            ("groups/internal.yml", "nested:\n  hostname: a\n  prot: 1\n"),
        ]);
        let vars = estate.vars(estate.host("dns-internal").unwrap());
        assert_snapshot!(render(&vars.typed::<Role>("sample").unwrap_err()), @r#"
        e/groups/all.yml:1:7: expected a string, found number 8080
        | text: 8080
        |       ^
        hint: put it in quotes
        e/groups/all.yml:2:9: expected a number from 0 to 65535, found number 70000
        | number: 70000
        |         ^
        e/groups/all.yml:3:7: expected true or false, found string 'yes'
        | flag: yes
        |       ^
        hint: write true or false
        e/hosts/dns-internal.yml:1:10: invalid IP address syntax: '10.0.0'
        | address: 10.0.0
        |          ^
        e/hosts/dns-internal.yml:2:9: expected a string, found a number
        | secret: <secret>
        |         ^
        hint: put it in quotes
        e/hosts/dns-internal.yml:3:7: expected a list, found string 'one'
        | list: one
        |       ^
        hint: write [a, b], or one '- item' on each line
        e/groups/internal.yml:3:3: unknown field 'prot'
        |   prot: 1
        |   ^
        hint: did you mean 'port'?
        e/hosts/dns-internal.yml:4:9: unknown value 'satelite'
        | choice: satelite
        |         ^
        hint: did you mean 'satellite'?
        "#);
    }

    #[test]
    fn every_missing_variable_is_reported_with_where_to_set_it() {
        let estate = sample(&[("groups/all.yml", "text: a\nnested: {port: x}\nnumber: ~\n")]);
        let vars = estate.vars(estate.host("dns-internal").unwrap());
        assert_snapshot!(render(&vars.typed::<Role>("sample").unwrap_err()), @r#"
        e/groups/all.yml:3:9: expected a number, found nothing
        | number: ~
        |         ^
        e/groups/all.yml:2:16: expected a number, found string 'x'
        | nested: {port: x}
        |                ^
        e/estate.yml:5:3: host 'dns-internal': role 'sample' needs the variable 'address', which is not set
        |   dns-internal: {address: 10.0.0.106, location: internal}
        |   ^
        hint: set it in e/hosts/dns-internal.yml, or for more hosts in e/groups/internal.yml or e/groups/all.yml
        e/estate.yml:5:3: host 'dns-internal': role 'sample' needs the variable 'secret', which is not set
        |   dns-internal: {address: 10.0.0.106, location: internal}
        |   ^
        hint: set it in e/hosts/dns-internal.yml, or for more hosts in e/groups/internal.yml or e/groups/all.yml
        e/estate.yml:5:3: host 'dns-internal': role 'sample' needs the variable 'list', which is not set
        |   dns-internal: {address: 10.0.0.106, location: internal}
        |   ^
        hint: set it in e/hosts/dns-internal.yml, or for more hosts in e/groups/internal.yml or e/groups/all.yml
        e/estate.yml:5:3: host 'dns-internal': role 'sample' needs the variable 'choice', which is not set
        |   dns-internal: {address: 10.0.0.106, location: internal}
        |   ^
        hint: set it in e/hosts/dns-internal.yml, or for more hosts in e/groups/internal.yml or e/groups/all.yml
        "#);
    }
}
