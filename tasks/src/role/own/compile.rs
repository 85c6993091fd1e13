//! Compiles what a role of an estate says in expressions and templates, before any host is known.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::{Engine, Names, Stands};
use super::guard;
use super::{Item, Proved, Said, TEMPLATE, below};
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::estate::{Mark, Node, Value, shorten};

/// What an expression of a resource with `each` may name besides.
pub(super) const OF_EACH: [&str; 3] = ["item", "key", "value"];

/// Gives the name by which the text at a place is known to the engine.
pub(super) fn text_name(mark: &Mark) -> String {
    format!("{mark:?}")
}

/// Gives the name by which a template of the folder is known to the engine.
pub(super) fn template_name(file: &str) -> String {
    format!("template {file}")
}

/// What texts are compiled with.
pub(super) struct Compiler<'c> {
    engine: Engine,
    known: BTreeSet<String>,
    secret: BTreeSet<String>,
    mistakes: &'c mut Vec<Diagnostic>,
}

impl<'c> Compiler<'c> {
    /// Begins with what every expression of the role may name: what prov gives, and the role's variables.
    pub(super) fn new(
        given: &[&str],
        variables: impl IntoIterator<Item = String>,
        secret: BTreeSet<String>,
        mistakes: &'c mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            engine: Engine::new(given),
            known: given
                .iter()
                .copied()
                .map(str::to_owned)
                .chain(variables)
                .collect(),
            secret,
            mistakes,
        }
    }

    /// Gives the engine with everything that was compiled.
    pub(super) fn finish(self) -> Engine {
        self.engine
    }

    fn names(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        (self.known.clone(), self.secret.clone())
    }

    /// Compiles every text in a value that has tags.
    pub(super) fn texts(&mut self, node: &Node) {
        if let Value::Sequence(items) = &node.value {
            for item in items {
                self.texts(item);
            }
        } else if let Value::Mapping(entries) = &node.value {
            for (_, node) in entries {
                self.texts(node);
            }
        } else if let Some(text) = node.as_str().filter(|text| guard::has_tags(text)) {
            let (known, secret) = self.names();
            let names = Names {
                known: &known,
                secret: &secret,
            };
            let (name, stands) = (text_name(&node.mark), Stands::At(node.mark.clone()));
            let mistakes = match guard::alone(text) {
                Some(expression) => self.engine.expression(&name, expression, stands, &names),
                None => self.engine.text(&name, text, stands, &names),
            };
            self.mistakes.extend(mistakes);
        }
    }

    pub(super) fn item(&mut self, item: &Item, folder: &str, files: &BTreeMap<String, Vec<u8>>) {
        let before = self.names();
        self.beside(&item.said);
        let mut decided = !item.is_certified();
        for (key, node) in item.said.fields.entries().unwrap_or_default() {
            if item.becomes(&key.text).is_some() {
                decided = false;
                if item.kind.name == "tree" {
                    self.tree(node, folder, files);
                } else {
                    self.file(&key.text, node, folder, files);
                }
            } else {
                self.texts(node);
            }
        }
        // What no host has a say in can be judged now, also where no host has the role.
        if decided && !has_tags(&item.said.fields) {
            let read = (item.kind.read)(&item.said.fields, &item.said.mark);
            self.judged(read.map(|_| ()), &item.said.mark);
        }
        (self.known, self.secret) = before;
    }

    pub(super) fn check(&mut self, proved: &Proved) {
        let before = self.names();
        self.beside(&proved.said);
        self.texts(&proved.said.fields);
        for node in proved.beside() {
            self.texts(node);
        }
        let open = proved.beside().chain([&proved.said.fields]).any(has_tags);
        if !open {
            let read = super::prove::judged(proved);
            self.judged(read, &proved.said.mark);
        }
        (self.known, self.secret) = before;
    }

    fn judged(&mut self, read: Result<(), Vec<Diagnostic>>, mark: &Mark) {
        let found = read.err().unwrap_or_default().into_iter();
        self.mistakes
            .extend(found.map(|mistake| placed(mistake, mark)));
    }

    /// Compiles what says on which hosts something is there how often; what it may name from there on, is known.
    fn beside(&mut self, said: &Said) {
        if let Some(node) = &said.each {
            self.each(node);
        }
        if let Some(node) = &said.when
            && let Some(text) = node.as_str()
        {
            let names = Names {
                known: &self.known,
                secret: &self.secret,
            };
            let mistakes = self.engine.condition(
                &text_name(&node.mark),
                text,
                Stands::At(node.mark.clone()),
                &names,
            );
            self.mistakes.extend(mistakes);
        }
    }

    fn each(&mut self, node: &Node) {
        let names = OF_EACH.map(str::to_owned);
        if let Some(text) = node.as_str() {
            let text = guard::alone(text).unwrap_or(text);
            let names = Names {
                known: &self.known,
                secret: &self.secret,
            };
            let mistakes = self.engine.expression(
                &text_name(&node.mark),
                text,
                Stands::At(node.mark.clone()),
                &names,
            );
            self.mistakes.extend(mistakes);
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let mut words = text.split(|c| !word(c));
            if words.any(|word| self.secret.contains(word)) {
                self.secret.extend(OF_EACH.map(str::to_owned));
            }
        } else if matches!(node.value, Value::Sequence(_) | Value::Mapping(_)) {
            self.texts(node);
        } else {
            self.mistakes
                .push(node.mismatch("a list, a map, or the variable that holds one"));
        }
        self.known.extend(names);
    }

    /// Finds a file of the role's folder, and compiles it if it is a template.
    fn file(&mut self, what: &str, node: &Node, folder: &str, files: &BTreeMap<String, Vec<u8>>) {
        let Some(wanted) = node.as_str() else {
            self.mistakes
                .push(node.mismatch("the name of a file in the role's folder"));
            return;
        };
        let is_open = guard::has_tags(wanted);
        if is_open {
            self.texts(node);
        } else if !files.contains_key(wanted) {
            self.mistakes.push(missing(node, wanted, files));
        }
        if what != "template" {
            return;
        }
        // Which one it is, a host decides: each of them may be.
        let chosen = files.iter().filter(|(name, _)| is_open || *name == wanted);
        for (name, bytes) in chosen {
            self.template(name, bytes, is_open, folder);
        }
    }

    /// Finds a folder in the role's, and compiles the templates in it.
    fn tree(&mut self, node: &Node, folder: &str, files: &BTreeMap<String, Vec<u8>>) {
        let Some(wanted) = node.as_str().filter(|text| !guard::has_tags(text)) else {
            let expected = "the name of a folder in the role's folder, as it is";
            self.mistakes.push(node.mismatch(expected));
            return;
        };
        let mut names = BTreeSet::new();
        for (file, name) in below(wanted, files) {
            if !names.insert(name) {
                let message = format!("'{name}' is there twice, as a file and as a template");
                self.mistakes
                    .push(Diagnostic::at(node.mark.place(), message));
            }
            if let Some(bytes) = files.get(file).filter(|_| file.ends_with(TEMPLATE)) {
                self.template(file, bytes, false, folder);
            }
        }
        if names.is_empty() {
            self.mistakes.push(missing(node, wanted, files));
        }
    }

    /// Compiles a file that is a template, or may be one.
    fn template(&mut self, name: &str, bytes: &[u8], maybe: bool, folder: &str) {
        let stands = format!("{folder}/{name}");
        let key = template_name(name);
        match std::str::from_utf8(bytes) {
            Ok(text) if !self.engine.has(&key) => {
                let names = Names {
                    known: &self.known,
                    secret: &self.secret,
                };
                let stands = Stands::File(stands);
                if maybe {
                    self.engine.maybe(&key, text, stands, &names);
                } else {
                    let mistakes = self.engine.text(&key, text, stands, &names);
                    self.mistakes.extend(mistakes);
                }
            }
            Ok(_) => {}
            Err(_) if maybe => {}
            Err(_) => self.mistakes.push(not_text(&stands)),
        }
    }
}

/// Says that a file is not text.
fn not_text(file: &str) -> Diagnostic {
    Diagnostic::at(Place::file(file), "the file is not UTF-8").hint("save it as UTF-8 text")
}

/// Says that the role's folder has no such file.
pub(super) fn missing(node: &Node, named: &str, files: &BTreeMap<String, Vec<u8>>) -> Diagnostic {
    let message = format!("the role's folder has no file '{}'", shorten(named));
    let mistake = Diagnostic::at(node.mark.place(), message);
    let known = files.keys().map(String::as_str);
    match nearest(named, known.clone()) {
        Some(near) => mistake.hint(format!("did you mean '{near}'?")),
        None if files.is_empty() => mistake.hint("put it beside role.yml"),
        None => mistake.hint(format!(
            "there are: {}",
            known.take(12).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Gives a mistake a place, if it has none.
pub(super) fn placed(mistake: Diagnostic, mark: &Mark) -> Diagnostic {
    let place = mistake.place.clone().or_else(|| Some(mark.place()));
    Diagnostic { place, ..mistake }
}

fn has_tags(node: &Node) -> bool {
    if let Value::Sequence(items) = &node.value {
        items.iter().any(has_tags)
    } else if let Value::Mapping(entries) = &node.value {
        entries.iter().any(|(_, node)| has_tags(node))
    } else {
        node.as_str().is_some_and(guard::has_tags)
    }
}
