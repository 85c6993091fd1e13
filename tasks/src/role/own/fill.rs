//! From a role of an estate to the resources of one host: expressions become values, values become resources.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tera::Context;

use super::certified::{AUTHORITY, authority};
use super::compile::{OF_EACH, missing, placed, template_name, text_name};
use super::guard;
use super::hosted::OF_DOMAIN;
use super::ports::OPEN_PORTS;
use super::{Acts, For, Item, Notified, OwnRole, Said, TEMPLATE, Variable, below};
use crate::authority::Authority;
use crate::content::{Content, Placeholders};
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Host, Key, Mark, Node, Value, from_node};
use crate::promise::OpenPort;
use crate::raw;
use crate::resource::{Declared, Handler};
use crate::value::{HostPath, ServiceName};

/// Fields that hold any text.
const FREE: [&str; 5] = ["block", "content", "line", "replace", "stdin"];

/// Port of SSH servers (RFC 4253).
const SSH: u16 = 22;

/// Most resources that one role may declare for a host.
pub(super) const MOST: usize = 10_000;

/// Reads the default of a variable.
pub(super) fn default_of(
    variable: &Variable,
    default: &Node,
    places: &mut Placeholders,
    mistakes: &mut Vec<Diagnostic>,
) -> Json {
    if matches!(default.value, Value::Null) {
        Json::Null
    } else {
        variable.kind.read(default, places, mistakes)
    }
}

/// What the texts of a role are filled with, for one host.
pub(super) struct Filling<'r> {
    role: &'r OwnRole,
    context: Context,
    places: Placeholders,
    /// The estate's authority for certificates; nobody needs it while an estate is only checked.
    authority: Option<&'r Authority>,
    pub(super) mistakes: Vec<Diagnostic>,
}

/// Gives the resources of a host.
pub(super) fn resources(
    role: &OwnRole,
    whom: For<'_>,
    authority: Option<&Authority>,
    open_ports: &[OpenPort],
) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let mut filling = Filling::new(role, whom, Some(open_ports))?;
    filling.authority = authority;
    let handlers: BTreeMap<&str, Handler> = role
        .handlers
        .iter()
        .filter_map(|(name, handler)| Some((name.as_str(), filling.handler(handler)?)))
        .collect();
    let mut declared = Vec::new();
    for item in &role.items {
        if !is_chosen(role, &item.said, whom) {
            continue;
        }
        let notify = item
            .notify
            .iter()
            .filter_map(|(name, _)| handlers.get(name.as_str()));
        let notify: Vec<_> = notify.cloned().collect();
        filling.each(&item.said, |filling| {
            declared.extend(filling.resource(item, &notify));
            declared.len() <= MOST
        });
        if declared.len() > MOST {
            let message = format!("the role declares more than {MOST} resources for one host");
            let place = item.said.mark.place();
            filling.mistakes.push(Diagnostic::at(place, message));
            break;
        }
    }
    filling.finish(declared)
}

/// Tells whether a host has something at all.
pub(super) fn is_chosen(role: &OwnRole, said: &Said, whom: For<'_>) -> bool {
    let only = said.only.as_ref().and_then(Node::as_str);
    only.is_none_or(|pattern| {
        let hosts = role.chosen(whom.estate).get(pattern);
        hosts.is_some_and(|hosts| hosts.contains(whom.vars.host().name()))
    })
}

/// Gives what of the role's files is worth a backup.
pub(super) fn backup(role: &OwnRole, whom: For<'_>) -> Result<Vec<HostPath>, Vec<Diagnostic>> {
    let mut filling = Filling::new(role, whom, None)?;
    let nodes: Vec<_> = role.backup.iter().map(|node| filling.fill(node)).collect();
    let paths = nodes
        .iter()
        .filter_map(|node| filling.keep(from_node(node)))
        .collect();
    filling.finish(paths)
}

impl<'r> Filling<'r> {
    /// Reads the variables of a host.
    pub(super) fn new(
        role: &'r OwnRole,
        whom: For<'_>,
        open_ports: Option<&[OpenPort]>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let For {
            estate,
            vars,
            domain,
        } = whom;
        role.engine.learn(estate);
        let mut filling = Self {
            role,
            context: Context::new(),
            places: Placeholders::default(),
            authority: None,
            mistakes: Vec::new(),
        };
        for (name, variable) in &role.variables {
            let value = match (vars.get(name), &variable.default) {
                (Some(node), default) => {
                    let may_be_left_out = default
                        .as_ref()
                        .is_some_and(|it| matches!(it.value, Value::Null));
                    if may_be_left_out && matches!(node.value, Value::Null) {
                        Json::Null
                    } else {
                        variable
                            .kind
                            .read(node, &mut filling.places, &mut filling.mistakes)
                    }
                }
                (None, Some(default)) => default_of(
                    variable,
                    default,
                    &mut filling.places,
                    &mut filling.mistakes,
                ),
                (None, None) => {
                    let is_secret = variable.kind.is_secret();
                    filling.mistakes.push(match domain {
                        Some(domain) => domain.unset(&role.name, name, is_secret),
                        None if is_secret => vars.unset(&role.name, name).in_private_files(),
                        None => vars.unset(&role.name, name),
                    });
                    Json::Null
                }
            };
            filling.context.insert(name.clone(), &value);
        }
        let host = vars.host();
        filling.context.insert("host", &host_json(estate, host));
        if let Some(domain) = domain {
            filling.context.insert(OF_DOMAIN, domain);
        }
        filling.context.insert("release", host.release().codename());
        filling.context.insert("estate", estate.name());
        if let Some(open_ports) = open_ports.filter(|_| role.asks_open_ports()) {
            filling.context.insert(OPEN_PORTS, open_ports);
        }
        if filling.mistakes.is_empty() {
            Ok(filling)
        } else {
            Err(filling.mistakes)
        }
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Vec<Diagnostic>> {
        if self.mistakes.is_empty() {
            Ok(value)
        } else {
            Err(self.mistakes)
        }
    }

    fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    fn handler(&mut self, handler: &Notified) -> Option<Handler> {
        let node = self.fill(&handler.node);
        let made = match handler.action {
            Acts::Restart => from_node::<ServiceName>(&node).map(Handler::restart),
            Acts::Reload => from_node::<ServiceName>(&node).map(Handler::reload),
            Acts::Run => argv(&node).map(Handler::run),
        };
        let mut made = self.keep(made)?;
        if let Some(node) = &handler.validate {
            let node = self.fill(node);
            let command = self.keep(argv(&node))?;
            made = made.validated_by(command);
        }
        Some(made)
    }

    /// Takes each turn of what is said of a host, until it is told to stop.
    pub(super) fn each(&mut self, said: &Said, mut turn: impl FnMut(&mut Self) -> bool) {
        let Some(each) = &said.each else {
            if self.holds(said) {
                turn(self);
            }
            return;
        };
        let value = if each.as_str().is_some() {
            self.role
                .engine
                .value(&text_name(&each.mark), &self.context)
        } else {
            let filled = self.fill(each);
            Ok(self.json(&filled))
        };
        let turns: Vec<[(&str, Json); 3]> = match self.keep(value) {
            Some(Json::Array(items)) => items
                .into_iter()
                .enumerate()
                .map(|(at, item)| [("item", item.clone()), ("key", at.into()), ("value", item)])
                .collect(),
            Some(Json::Object(entries)) => entries
                .into_iter()
                .map(|(key, value)| {
                    [
                        ("item", Json::from(key.clone())),
                        ("key", key.into()),
                        ("value", value),
                    ]
                })
                .collect(),
            Some(Json::Null) => Vec::new(),
            Some(Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
                self.mistakes.push(Diagnostic::at(
                    each.mark.place(),
                    "expected a list or a map to take each of",
                ));
                return;
            }
            None => return,
        };
        for values in turns {
            for (name, value) in &values {
                self.context.insert(*name, value);
            }
            let before = self.mistakes.len();
            let goes_on = !self.holds(said) || turn(self);
            // What is wrong in one turn is wrong in most.
            if self.mistakes.len() > before || !goes_on {
                break;
            }
        }
        for name in OF_EACH {
            self.context.remove(name);
        }
    }

    fn holds(&mut self, said: &Said) -> bool {
        let Some(when) = &said.when else {
            return true;
        };
        let holds = self
            .role
            .engine
            .holds(&text_name(&when.mark), &self.context);
        self.keep(holds) == Some(true)
    }

    fn resource(&mut self, item: &Item, notify: &[Handler]) -> Option<Declared> {
        if item.kind.name == "tls_authority" && item.is_certified() && self.authority.is_none() {
            return None;
        }
        let before = self.mistakes.len();
        let fields = self.fields(item);
        if self.mistakes.len() > before {
            return None;
        }
        let read = (item.kind.read)(&fields, &item.said.mark);
        let mut resource = self.read(read, &item.said.mark)?;
        for content in resource.manage_mut().contents_mut() {
            content.sorted();
        }
        let mut one = Declared::new(self.role.name.as_str(), resource);
        one.notify = notify.to_vec();
        one.guarded = item.guarded;
        Some(one)
    }

    pub(super) fn read<T>(&mut self, read: Result<T, Vec<Diagnostic>>, mark: &Mark) -> Option<T> {
        let found = read.map_err(|found| found.into_iter().map(|mistake| placed(mistake, mark)));
        found.map_err(|found| self.mistakes.extend(found)).ok()
    }

    /// Fills the fields of a resource; what a file holds comes from the role's folder, where it says so.
    fn fields(&mut self, item: &Item) -> Node {
        let entries = item.said.fields.entries().unwrap_or_default();
        let entries = entries.iter().filter_map(|(key, node)| {
            if item.is_certified() && key.text == AUTHORITY {
                return Some((key.clone(), authority(self.authority?, &node.mark)));
            }
            let Some(field) = item.becomes(&key.text) else {
                return Some((key.clone(), self.field(key, node)));
            };
            let content = if item.kind.name == "tree" {
                self.tree(node)?
            } else {
                self.content(&key.text, node)?
            };
            let key = Key {
                text: field.to_owned(),
                mark: key.mark.clone(),
            };
            Some((key, content))
        });
        Node {
            value: Value::Mapping(entries.collect()),
            mark: item.said.fields.mark.clone(),
        }
    }

    fn content(&mut self, what: &str, node: &Node) -> Option<Node> {
        let filled = self.fill(node);
        let name: String = self.keep(from_node(&filled))?;
        self.held(&name, what == "template", node)
    }

    /// Gives what the files of a folder in the role's folder hold, by their names there.
    fn tree(&mut self, node: &Node) -> Option<Node> {
        let files = &self.role.files;
        let mut entries = Vec::new();
        for (file, name) in below(node.as_str()?, files) {
            let key = Key {
                text: name.to_owned(),
                mark: node.mark.clone(),
            };
            entries.push((key, self.held(file, file.ends_with(TEMPLATE), node)?));
        }
        Some(Node {
            value: Value::Mapping(entries),
            mark: node.mark.clone(),
        })
    }

    /// Gives what a file of the role's folder holds, as it is or as it is filled.
    fn held(&mut self, name: &str, is_template: bool, node: &Node) -> Option<Node> {
        let Some(bytes) = self.role.files.get(name) else {
            self.mistakes.push(missing(node, name, &self.role.files));
            return None;
        };
        if is_template {
            let rendered = self.role.engine.render(&template_name(name), &self.context);
            let text = self.keep(rendered)?;
            return Some(self.text(text, &node.mark));
        }
        // Any bytes, also such as no text that people write may have.
        let content = Content::plain(raw::text(bytes));
        Some(Node {
            value: Value::Filled(content),
            mark: node.mark.clone(),
        })
    }

    /// Fills a field.
    fn field(&mut self, key: &Key, node: &Node) -> Node {
        self.filled(node, FREE.contains(&key.text.as_str()))
    }

    /// Fills every text of a value.
    pub(super) fn fill(&mut self, node: &Node) -> Node {
        self.filled(node, false)
    }

    /// Fills every text of a value. Blanks around an expression alone are part of a text that is `free`, and of nothing else.
    fn filled(&mut self, node: &Node, free: bool) -> Node {
        let value = if let Value::Sequence(items) = &node.value {
            Value::Sequence(items.iter().map(|item| self.fill(item)).collect())
        } else if let Value::Mapping(entries) = &node.value {
            Value::Mapping(
                entries
                    .iter()
                    .map(|(key, node)| (key.clone(), self.field(key, node)))
                    .collect(),
            )
        } else if let Some(text) = node.as_str().filter(|text| guard::has_tags(text)) {
            let name = text_name(&node.mark);
            if guard::alone(text).is_some() {
                let value = self.role.engine.value(&name, &self.context);
                return match self.keep(value) {
                    Some(value) if free => self.spaced(value, guard::around(text), &node.mark),
                    Some(value) => self.node(value, &node.mark),
                    None => node.clone(),
                };
            }
            let rendered = self.role.engine.render(&name, &self.context);
            return match self.keep(rendered) {
                Some(text) => self.text(text, &node.mark),
                None => node.clone(),
            };
        } else {
            node.value.clone()
        };
        Node {
            value,
            mark: node.mark.clone(),
        }
    }

    /// Makes a text of what an expression gave, with the blanks around it.
    fn spaced(&self, value: Json, (before, after): (&str, &str), mark: &Mark) -> Node {
        let around = |text: &str| format!("{before}{text}{after}");
        if let Json::String(text) = value {
            return self.text(around(&text), mark);
        }
        let mut node = self.node(value, mark);
        if let Value::Either(_, text) = &mut node.value {
            *text = around(text);
        }
        node
    }

    /// Makes a value of what an expression gave.
    fn node(&self, value: Json, mark: &Mark) -> Node {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Either(Box::new(Value::Bool(value)), value.to_string()),
            Json::Number(number) => {
                let text = number.to_string();
                let value = number.as_i64().map_or_else(
                    || Value::Float(number.as_f64().unwrap_or_default()),
                    |number| Value::Integer(number.into()),
                );
                Value::Either(Box::new(value), text)
            }
            Json::String(text) => return self.text(text, mark),
            Json::Array(items) => Value::Sequence(
                items
                    .into_iter()
                    .map(|item| self.node(item, mark))
                    .collect(),
            ),
            Json::Object(entries) => {
                let entries = entries.into_iter().map(|(text, value)| {
                    let key = Key {
                        text,
                        mark: mark.clone(),
                    };
                    (key, self.node(value, mark))
                });
                Value::Mapping(entries.collect())
            }
        };
        Node {
            value,
            mark: mark.clone(),
        }
    }

    fn text(&self, text: String, mark: &Mark) -> Node {
        let value = if Placeholders::is_forged(&text) {
            Value::Filled(self.places.reveal(&text))
        } else {
            Value::String(text)
        };
        Node {
            value,
            mark: mark.clone(),
        }
    }

    /// Gives a value to expressions again; what is secret in it stays hidden.
    fn json(&mut self, node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => (*value).into(),
            Value::Integer(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
            Value::Float(number) => json!(number),
            Value::String(text) => text.as_str().into(),
            Value::Sequence(items) => items.iter().map(|item| self.json(item)).collect(),
            Value::Mapping(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, node)| (key.text.clone(), self.json(node)));
                Json::Object(entries.collect())
            }
            Value::Either(value, _) => {
                let node = Node {
                    value: (**value).clone(),
                    mark: node.mark.clone(),
                };
                self.json(&node)
            }
            Value::Filled(content) => {
                let secret = crate::Secret::new(content.expose());
                self.places.hide(&secret).into()
            }
        }
    }
}

/// Gives what expressions may ask of a host ([`hosted::FIELDS`](super::hosted::FIELDS)).
fn host_json(estate: &Estate, host: &Host) -> Json {
    json!({
        "name": host.name(),
        "address": host.address(),
        "location": host.location().as_str(),
        "groups": host.groups(),
        "services": host.services(),
        "roles": host.roles(),
        "is_container": estate.networks().is_some(),
        "port": host.connection().port.unwrap_or(SSH),
    })
}

/// Reads a command: a program with its arguments.
fn argv(node: &Node) -> Result<Vec<String>, Diagnostic> {
    let argv: Vec<String> = from_node(node)?;
    if argv.is_empty() {
        return Err(Diagnostic::at(
            node.mark.place(),
            "a command is a program with its arguments, and this is empty",
        ));
    }
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Sources;
    use crate::role::own::hosted::{FIELDS, Hosted};

    #[test]
    fn hosts_and_domains_have_the_fields_that_may_be_asked_of_them() {
        let inventory = "name: e\nhosts: {web: {address: 10.0.0.8, location: internal}}\n";
        let sources = Sources::new("e").with("estate.yml", inventory);
        let estate = Estate::load(&sources, &[]).unwrap();
        let domain = Hosted {
            name: String::new(),
            organisation: String::new(),
            is_home: false,
            file: String::new(),
        };
        let domain = serde_json::to_value(domain).unwrap();
        for (of, value) in [
            ("host", host_json(&estate, &estate.hosts()[0])),
            (OF_DOMAIN, domain),
        ] {
            let has: BTreeMap<_, _> = value.as_object().unwrap().iter().collect();
            let (_, may) = FIELDS.iter().find(|(name, _)| *name == of).unwrap();
            let mut may = may.to_vec();
            may.sort_unstable();
            assert_eq!(has.keys().copied().collect::<Vec<_>>(), may, "{of}");
        }
    }
}
