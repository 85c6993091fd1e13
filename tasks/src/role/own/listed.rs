//! The lists of a role: its resources and its checks, each item one thing with words beside it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::Schema;

use super::read::Reader;
use super::{Item, Notified, Proved, Said, from_folder};
use crate::diagnostic::Diagnostic;
use crate::estate::{Key, Node, Value, shorten, suggest};
use crate::foreign;
use crate::promise::check::CHECK_KINDS;
use crate::resource::KINDS;

/// What stands beside a resource.
pub(crate) const BESIDE: [&str; 5] = ["only", "when", "each", "notify", "guarded"];

/// What stands beside a check.
pub(crate) const BESIDE_CHECK: [&str; 8] = [
    "only", "when", "each", "from", "to", "within", "timeout", "shows",
];

impl Reader {
    pub(super) fn items(
        &mut self,
        node: Option<&Node>,
        handlers: &BTreeMap<String, Notified>,
    ) -> Vec<Item> {
        let nodes = node.map_or(&[] as &[Node], |node| self.list(node));
        nodes
            .iter()
            .filter_map(|node| self.item(node, handlers))
            .collect()
    }

    fn item(&mut self, node: &Node, handlers: &BTreeMap<String, Notified>) -> Option<Item> {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        let example = "`- packages: {names: [ntpsec]}`";
        let (key, fields) = self.named(node, &names, ("resource", &BESIDE, example))?;
        let kind = KINDS.iter().find(|kind| kind.name == key.text)?;
        let more: Vec<_> = from_folder(kind.name).collect();
        let names: Vec<_> = more.iter().map(|(field, _)| *field).collect();
        if !self.fields(kind.name, (kind.schema)(), &names, fields) {
            // What is said to be missing then may be there by another name.
            return None;
        }
        for becomes in more
            .iter()
            .map(|(_, becomes)| *becomes)
            .collect::<BTreeSet<_>>()
        {
            let others = more.iter().filter(|(_, other)| *other == becomes);
            let names: Vec<_> = [becomes]
                .into_iter()
                .chain(others.map(|(field, _)| *field))
                .collect();
            let given = fields.entries().unwrap_or_default().iter();
            let mut given = given.filter(|(key, _)| names.contains(&key.text.as_str()));
            if let Some((second, _)) = given.nth(1) {
                let message = format!("{} has one of {}", kind.name, names.join(", "));
                self.mistakes
                    .push(Diagnostic::at(second.mark.place(), message));
            }
        }
        let notify = node
            .get("notify")
            .map(|node| self.names(node))
            .unwrap_or_default();
        for (name, mark) in notify
            .iter()
            .filter(|(name, _)| !handlers.contains_key(name))
        {
            let mistake = Diagnostic::at(
                mark.place(),
                format!("there is no handler '{}'", shorten(name)),
            );
            let known: Vec<_> = handlers.keys().map(String::as_str).collect();
            self.mistakes.push(if known.is_empty() {
                mistake.hint("describe it under `handlers` of the role")
            } else {
                suggest(mistake, name, known)
            });
        }
        let guarded = node.get("guarded").is_some_and(|node| {
            if !matches!(node.value, Value::Bool(_)) {
                self.mistakes.push(node.mismatch("true or false"));
            }
            matches!(node.value, Value::Bool(true))
        });
        Some(Item {
            kind,
            said: self.said(node, key, fields),
            notify,
            guarded,
        })
    }

    pub(super) fn checks(&mut self, node: Option<&Node>) -> Vec<Proved> {
        let nodes = node.map_or(&[] as &[Node], |node| self.list(node));
        nodes.iter().filter_map(|node| self.check(node)).collect()
    }

    fn check(&mut self, node: &Node) -> Option<Proved> {
        let names: Vec<_> = CHECK_KINDS.iter().map(|kind| kind.name).collect();
        let example = "`- tcp: {port: 80}`";
        let (key, fields) = self.named(node, &names, ("check", &BESIDE_CHECK, example))?;
        let kind = CHECK_KINDS.iter().find(|kind| kind.name == key.text)?;
        if !self.fields(kind.name, (kind.schema)(), &[], fields) {
            return None;
        }
        let beside = |word: &str| node.get(word).cloned();
        Some(Proved {
            kind,
            said: self.said(node, key, fields),
            from: beside("from"),
            to: beside("to"),
            within: beside("within"),
            timeout: beside("timeout"),
            shows: beside("shows"),
        })
    }

    /// Finds the one thing that an item of a list names, among words that may stand beside it.
    fn named<'n>(
        &mut self,
        node: &'n Node,
        names: &[&str],
        (what, beside, example): (&str, &[&str], &str),
    ) -> Option<(&'n Key, &'n Node)> {
        let entries = self.keep(node.entries())?;
        let of_kind = |(key, _): &&(Key, Node)| names.contains(&key.text.as_str());
        let kinds: Vec<_> = entries.iter().filter(of_kind).collect();
        let known: Vec<&str> = names.iter().chain(beside).copied().collect();
        self.only_these(&format!("{what} or word"), entries, &known, |word| {
            foreign::hint(word, &known)
        });
        if let [(key, fields)] = kinds.as_slice() {
            return Some((key, fields));
        }
        let all_known = entries
            .iter()
            .all(|(key, _)| known.contains(&key.text.as_str()));
        if all_known {
            let message = if kinds.is_empty() {
                format!("this names no {what}")
            } else {
                format!("this names more than one {what}")
            };
            let mistake = Diagnostic::at(node.mark.place(), message);
            self.mistakes.push(mistake.hint(format!(
                "begin each {what} with '- ', for instance {example}"
            )));
        }
        None
    }

    fn said(&mut self, node: &Node, key: &Key, fields: &Node) -> Said {
        for word in ["only", "when"] {
            if let Some(node) = node.get(word).filter(|node| node.as_str().is_none()) {
                let mistake = node.mismatch("a text");
                let is_list = word == "when" && matches!(node.value, Value::Sequence(_));
                self.mistakes.push(if is_list {
                    mistake.hint("join the conditions, as in `when: FIRST and SECOND`")
                } else {
                    mistake
                });
            }
        }
        Said {
            mark: key.mark.clone(),
            fields: fields.clone(),
            only: node.get("only").cloned(),
            when: node.get("when").cloned(),
            each: node.get("each").cloned(),
        }
    }

    /// Refuses fields that a kind has not, before anybody knows their values; tells whether it has all.
    fn fields(&mut self, kind: &str, schema: Schema, more: &[&str], fields: &Node) -> bool {
        let schema = schema.to_value();
        let entries = match fields.entries() {
            Ok(entries) => entries,
            Err(mistake) if kind == "block" && matches!(fields.value, Value::Sequence(_)) => {
                self.mistakes.push(mistake.hint(
                    "`block` is lines within a file here; write each resource by itself, with 'when' beside it",
                ));
                return false;
            }
            Err(mistake) => {
                let required = schema["required"].as_array().into_iter().flatten();
                let mut required = required.filter_map(|name| name.as_str());
                let described = schema["properties"].as_object().into_iter().flatten();
                let first = required.next();
                let first = first.or_else(|| described.map(|(name, _)| name.as_str()).next());
                self.mistakes.push(mistake.hint(format!(
                    "write its fields by their names, such as `{kind}: {{{}: …}}`",
                    first.unwrap_or("name")
                )));
                return false;
            }
        };
        let described = schema["properties"].as_object().into_iter().flatten();
        let known: Vec<_> = described.map(|(name, _)| name.as_str()).collect();
        let known = [known.as_slice(), more].concat();
        self.only_these("field", entries, &known, |name| {
            foreign::field_hint(name, &known)
        })
    }
}
