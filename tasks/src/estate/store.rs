//! Secrets that a program on this machine gives: `{secret_from: STORE, name: NAME}` in the place of a value.
//!
//! Owns what such a reference is, and puts what was got in its place. A file of an estate names a store and what is asked of it, never
//! a program: which program that is, the user says for an estate, and whoever runs it is the shell. What was got may stand only
//! where secrets may.

use super::node::{Key, Node, Value, shorten};
use super::sealed::{UNSEEN, is_private};
use super::sources::Wanted;
use super::{LOCAL_SECTIONS, Sources, label, yaml};
use crate::content::Content;
use crate::{Diagnostic, Place, Secret};

/// What makes a mapping a reference.
const FROM: &str = "secret_from";

/// What is asked of the store.
const NAME: &str = "name";

/// Longest name that is asked for, in characters.
const LONGEST: usize = 200;

/// A reference in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Where it stands.
    pub place: Place,
    /// The keys that lead to it, joined by dots.
    pub keys: String,
    /// What is asked.
    pub wanted: Wanted,
}

impl Sources {
    /// Finds the references in files with variables, connections or settings of domains; not what is wrong with them.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for (path, bytes) in self.files() {
            if path.starts_with("templates/") || path.starts_with("roles/") || !speaks(bytes) {
                continue;
            }
            let Ok(mut node) = yaml::parse_bytes(&self.file(path), bytes, is_private(path)) else {
                continue;
            };
            let mut take = |reference: Reference| {
                found.push(reference);
                None
            };
            Search::new(&mut take).top(&mut node);
        }
        // What stands there could not be decrypted.
        found.retain(|it| {
            !self
                .unseen()
                .contains(&(it.place.file.clone(), it.place.line))
        });
        found.sort();
        found
    }

    /// Puts what stores have given in the place of references; what they have not, something that means nothing.
    pub(crate) fn filled(&self, bytes: &[u8], node: &mut Node) -> Vec<Diagnostic> {
        if !speaks(bytes) {
            return Vec::new();
        }
        let mut give = |reference: Reference| self.given().get(&reference.wanted).cloned();
        let mut search = Search::new(&mut give);
        search.top(node);
        search.mistakes
    }
}

/// Tells whether a file may have references: most have none.
fn speaks(bytes: &[u8]) -> bool {
    bytes
        .windows(FROM.len())
        .any(|window| window == FROM.as_bytes())
}

struct Search<'s> {
    give: &'s mut dyn FnMut(Reference) -> Option<Secret>,
    keys: Vec<String>,
    mistakes: Vec<Diagnostic>,
}

impl<'s> Search<'s> {
    fn new(give: &'s mut dyn FnMut(Reference) -> Option<Secret>) -> Self {
        Self {
            give,
            keys: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// Searches a file; resources and checks beside variables are read elsewhere, and have no secrets of their own.
    fn top(&mut self, node: &mut Node) {
        if let Value::Mapping(entries) = &mut node.value {
            let others = |key: &str| !LOCAL_SECTIONS.contains(&key);
            let entries = entries.iter_mut().filter(|(key, _)| others(&key.text));
            for (key, node) in entries {
                self.below(&key.text, node);
            }
        }
    }

    fn below(&mut self, key: &str, node: &mut Node) {
        self.keys.push(key.to_owned());
        self.node(node);
        self.keys.pop();
    }

    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Mapping(entries) if entries.iter().any(|(key, _)| key.text == FROM) => {
                let wanted = wanted(entries).map_err(|mistake| self.mistakes.push(mistake));
                let reference = wanted.ok().map(|wanted| Reference {
                    place: node.mark.place(),
                    keys: self.keys.join("."),
                    wanted,
                });
                let given = reference.and_then(|reference| (self.give)(reference));
                let secret = given.unwrap_or_else(|| Secret::new(UNSEEN));
                node.value = Value::Filled(Content::secret(secret));
            }
            Value::Mapping(entries) => {
                for (key, node) in entries {
                    self.below(&key.text, node);
                }
            }
            Value::Sequence(items) => {
                for item in items {
                    self.below("[]", item);
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Filled(_)
            | Value::Either(..) => {}
        }
    }
}

/// Reads a reference.
fn wanted(entries: &[(Key, Node)]) -> Result<Wanted, Diagnostic> {
    let hint = "write {secret_from: STORE, name: NAME}";
    let (mut store, mut name) = (None, None);
    for (key, node) in entries {
        let place = match key.text.as_str() {
            FROM => &mut store,
            NAME => &mut name,
            other => {
                let message = format!("unknown field '{}'", shorten(other));
                return Err(Diagnostic::at(key.mark.place(), message).hint(hint));
            }
        };
        let text = node.as_str().ok_or_else(|| node.mismatch("a string"))?;
        *place = Some((text, node));
    }
    let missing = |field: &str| {
        let first = entries.first().map(|(key, _)| key.mark.place());
        Diagnostic {
            place: first,
            ..Diagnostic::new(format!("missing field '{field}'")).hint(hint)
        }
    };
    let (store, at) = store.ok_or_else(|| missing(FROM))?;
    label(store).map_err(|reason| {
        Diagnostic::at(at.mark.place(), format!("name of the store: {reason}"))
    })?;
    let (name, at) = name.ok_or_else(|| missing(NAME))?;
    is_name(name).map_err(|reason| {
        Diagnostic::at(at.mark.place(), format!("name of the secret: {reason}"))
    })?;
    Ok(Wanted {
        store: store.to_owned(),
        name: name.to_owned(),
    })
}

/// Refuses what a program could take for something else than a name below what its user has written before it.
fn is_name(text: &str) -> Result<(), &'static str> {
    if text.chars().count() > LONGEST {
        return Err("it is too long");
    }
    if text.starts_with('-') {
        return Err("it begins with '-', like an option");
    }
    if text.chars().any(char::is_control) {
        return Err("it has control characters in it");
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("a part of it is empty, '.' or '..'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample::render;
    use super::super::{Estate, from_node};
    use super::*;

    const INVENTORY: &str = "name: e\nconnection: {user: me, password: {secret_from: pass, name: sudo}}\nhosts:\n  a: {address: 192.0.2.1, location: external}\n";

    fn sources(all: &str) -> Sources {
        Sources::new("e")
            .with("estate.yml", INVENTORY)
            .with("groups/all.yml", all)
    }

    fn wanted(store: &str, name: &str) -> Wanted {
        Wanted {
            store: store.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn what_a_store_gives_stands_where_it_was_asked_for_and_is_seen_nowhere() {
        let mut sources = sources(
            "key: {secret_from: pass, name: firm/a key}\nkeys: [{secret_from: bw, name: x}, plain]\nresources: [{secret_from: pass, name: no}]\n",
        );
        let references = sources.references();
        let found: Vec<_> = references
            .iter()
            .map(|it| {
                (
                    it.place.file.as_str(),
                    it.place.line,
                    it.keys.as_str(),
                    &it.wanted,
                )
            })
            .collect();
        let (sudo, key, x) = (
            wanted("pass", "sudo"),
            wanted("pass", "firm/a key"),
            wanted("bw", "x"),
        );
        assert_eq!(
            found,
            [
                ("e/estate.yml", 2, "connection.password", &sudo),
                ("e/groups/all.yml", 1, "key", &key),
                ("e/groups/all.yml", 2, "keys.[]", &x),
            ]
        );
        let given = [(sudo, "hunter1"), (key, "hunter2"), (x, "hunter3")];
        sources.give(
            given
                .map(|(wanted, text)| (wanted, Secret::new(text)))
                .into(),
        );
        let estate = Estate::load(&sources, &[]).unwrap();
        let host = estate.host("a").unwrap();
        let password = host.connection().password.as_ref();
        assert_eq!(password.map(Secret::expose), Some("hunter1"));
        let vars = estate.vars(host);
        let key: Secret = vars.value("key").unwrap().unwrap();
        assert_eq!(key.expose(), "hunter2");
        let keys: Vec<Secret> = vars.value("keys").unwrap().unwrap();
        assert_eq!(
            keys.iter().map(Secret::expose).collect::<Vec<_>>(),
            ["hunter3", "plain"]
        );
        // Not where it could be shown.
        let mistake = vars.value::<String>("key").unwrap_err();
        assert!(mistake.message.contains("a secret may not stand here"));
        assert!(!format!("{mistake:?} {sources:?} {estate:?}").contains("hunter"));
        assert!(from_node::<Vec<String>>(vars.get("keys").unwrap()).is_err());
    }

    #[test]
    fn what_no_store_has_given_stands_for_nothing() {
        let estate = Estate::load(&sources("key: {secret_from: pass, name: x}\n"), &[]).unwrap();
        let vars = estate.vars(estate.host("a").unwrap());
        let key: Secret = vars.value("key").unwrap().unwrap();
        assert_eq!(key.expose(), UNSEEN);
    }

    #[test]
    fn a_reference_is_a_store_and_a_name_and_nothing_that_a_program_could_take_for_more() {
        let long = "x".repeat(LONGEST + 1);
        let text = format!(
            "a: {{secret_from: pass}}\nb: {{secret_from: pass, name: -x}}\nc: {{secret_from: pass, name: a/../b}}\n\
             d: {{secret_from: pass, name: /etc/shadow}}\ne: {{secret_from: Pass!, name: x}}\nf: {{secret_from: [sh, -c, x], name: x}}\n\
             g: {{secret_from: pass, name: x, command: y}}\nh: {{secret_from: pass, name: \"a\\nb\"}}\ni: {{secret_from: pass, name: {long}}}\n"
        );
        let sources = sources(&text);
        assert_eq!(sources.references().len(), 1);
        insta::assert_snapshot!(render(&Estate::load(&sources, &[]).unwrap_err()));
    }
}
