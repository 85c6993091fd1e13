//! From `role.yml` to an [`OwnRole`]: every mistake that can be found without knowing any host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::compile::{Compiler, OF_EACH};
use super::engine::Engine;
use super::hosted::OF_DOMAIN;
use super::types::Type;
use super::{Acts, Item, Notified, On, OwnRole, Variable};
use crate::content::Placeholders;
use crate::diagnostic::{Diagnostic, Place};
use crate::estate::{
    Key, Mark, Node, Sources, Value, from_node, label, parse_bytes, shorten, suggest, variable,
};
use crate::foreign;

/// The file that describes a role.
const FILE: &str = "role.yml";

/// What a role says.
const SECTIONS: [&str; 9] = [
    "summary",
    "after",
    "domains_on",
    "replaces_builtin",
    "variables",
    "handlers",
    "resources",
    "checks",
    "backup",
];

/// What every expression may name besides the role's variables.
pub(super) const GIVEN: [&str; 3] = ["host", "release", "estate"];

/// Words of the language of templates.
const WORDS: [&str; 17] = [
    "true", "false", "loop", "self", "and", "or", "not", "is", "in", "if", "else", "for", "none",
    "null", "set", "continue", "break",
];

/// Reads every role below a folder, which is empty or ends with `/`.
pub(super) fn roles(sources: &Sources, folder: &str) -> Result<Vec<OwnRole>, Vec<Diagnostic>> {
    let mut folders: BTreeMap<&str, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (path, _) in sources.files() {
        let stray = path.strip_prefix(folder).filter(|rest| !rest.contains('/'));
        if let Some(stray) = stray.filter(|stray| *stray != "README.md" && !stray.starts_with('.'))
        {
            let mistake =
                Diagnostic::at(Place::file(sources.file(path)), "nothing reads this file");
            let name = stray.split('.').next().unwrap_or_default();
            mistakes.push(mistake.hint(format!("a role is a folder: {folder}{name}/{FILE}")));
        }
    }
    for (role, file, bytes) in sources.roles(folder) {
        folders
            .entry(role)
            .or_default()
            .insert(file.to_owned(), bytes.to_vec());
    }
    let mut roles = Vec::new();
    for (name, mut files) in folders {
        let file = sources.file(&format!("{folder}{name}/{FILE}"));
        let Some(bytes) = files.remove(FILE) else {
            let place = Place::file(sources.file(&format!("{folder}{name}")));
            let mistake = Diagnostic::at(place, format!("this role has no {FILE}"));
            mistakes.push(mistake.hint(if files.contains_key("role.yaml") {
                "name its role.yaml role.yml"
            } else if files.keys().any(|path| foreign::file(path).is_some()) {
                "it is a role of Ansible's; docs/from-ansible.md says what each part of it is called here"
            } else {
                "describe it there; docs/roles.md shows how"
            }));
            continue;
        };
        if let Err(reason) = label(name) {
            mistakes.push(Diagnostic::at(
                Place::file(file),
                format!("role '{}': {reason}", shorten(name)),
            ));
            continue;
        }
        let node = match parse_bytes(&file, &bytes, false) {
            Ok(node) => node,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        let beside = sources.file(&format!("{folder}{name}"));
        let mut reader = Reader::default();
        let role = reader.role(name, file, &beside, &node, files);
        match role {
            Some(role) if reader.mistakes.is_empty() => roles.push(role),
            Some(_) | None => mistakes.extend(reader.mistakes),
        }
    }
    if mistakes.is_empty() {
        Ok(roles)
    } else {
        crate::diagnostic::tidy(&mut mistakes);
        Err(mistakes)
    }
}

#[derive(Default)]
pub(super) struct Reader {
    pub(super) mistakes: Vec<Diagnostic>,
}

impl Reader {
    fn role(
        &mut self,
        name: &str,
        file: String,
        folder: &str,
        node: &Node,
        files: BTreeMap<String, Vec<u8>>,
    ) -> Option<OwnRole> {
        let entries = match node.entries() {
            Ok(entries) => entries,
            Err(mistake) => {
                self.mistakes.push(mistake.hint(
                    "a role has sections: begin with `summary: WHAT IT DOES`, and list what it does under `resources:`",
                ));
                return None;
            }
        };
        self.only_these("section", entries, &SECTIONS, |section| {
            foreign::hint(section, &SECTIONS)
        });
        let find = |section: &str| node.get(section);
        let summary = find("summary")
            .and_then(|node| self.text(node))
            .unwrap_or_default();
        if find("summary").is_none() {
            let mistake = Diagnostic::at(node.mark.place(), "missing section 'summary'");
            self.mistakes
                .push(mistake.hint("say in a sentence what the role does"));
        }
        let after = find("after")
            .map(|node| self.names(node))
            .unwrap_or_default();
        let replaces = find("replaces_builtin").and_then(|node| {
            let yes = self.keep(from_node::<bool>(node))?;
            yes.then(|| node.mark.clone())
        });
        let domains_on = find("domains_on").map(|node| self.domains_on(node));
        let given: Vec<&str> = GIVEN
            .into_iter()
            .chain(domains_on.as_ref().map(|_| OF_DOMAIN))
            .collect();
        let variables = self.variables(find("variables"), &given);
        let secret = variables.iter().filter(|(_, it)| it.kind.is_secret());
        let secret: BTreeSet<_> = secret.map(|(name, _)| name.clone()).collect();
        let handlers = self.handlers(find("handlers"));
        let items = self.items(find("resources"), &handlers);
        let checks = self.checks(find("checks"));
        self.nothing_left(folder, &files, &items);
        let backup = find("backup")
            .map_or(&[] as &[Node], |node| self.list(node))
            .to_vec();
        let own = variables.keys().cloned();
        let mut compiler = Compiler::new(&given, own, secret, &mut self.mistakes);
        for handler in handlers.values() {
            compiler.texts(&handler.node);
            if let Some(node) = &handler.validate {
                compiler.texts(node);
            }
        }
        for node in &backup {
            compiler.texts(node);
        }
        for item in &items {
            compiler.item(item, folder, &files);
        }
        for proved in &checks {
            compiler.check(proved);
        }
        let engine = compiler.finish();
        if domains_on.is_some() {
            self.of_domains(node, &items, &engine);
        }
        Some(OwnRole {
            name: name.to_owned(),
            on: domains_on.map_or(On::Role, On::Domains),
            is_shipped: false,
            file,
            summary,
            after,
            replaces,
            variables,
            handlers,
            items,
            checks,
            backup,
            files,
            engine,
            chosen: OnceLock::new(),
        })
    }

    /// Refuses files of a role of Ansible's that nothing here reads.
    fn nothing_left(&mut self, folder: &str, files: &BTreeMap<String, Vec<u8>>, items: &[Item]) {
        let left = files
            .keys()
            .filter_map(|path| Some((path, foreign::file(path)?)));
        for (path, hint) in left.filter(|(path, _)| !items.iter().any(|item| names(item, path))) {
            let place = Place::file(format!("{folder}/{path}"));
            let mistake = Diagnostic::at(place, "nothing reads this file of a role of Ansible's");
            self.mistakes
                .push(mistake.hint(format!("{hint}, and take it out of the role's folder")));
        }
    }

    /// Reads what stands beside the variables of hosts.
    pub(super) fn local(&mut self, on: On, file: String, node: &Node) -> OwnRole {
        let name = match &on {
            On::Role | On::Domains(_) | On::All => "all hosts".to_owned(),
            On::Group(group) => format!("group {group}"),
            On::Host(host) => format!("host {host}"),
        };
        let handlers = self.handlers(node.get("handlers"));
        let items = self.items(node.get("resources"), &handlers);
        let checks = self.checks(node.get("checks"));
        let mut compiler = Compiler::new(&GIVEN, [], BTreeSet::new(), &mut self.mistakes);
        for handler in handlers.values() {
            compiler.texts(&handler.node);
            if let Some(node) = &handler.validate {
                compiler.texts(node);
            }
        }
        let files = BTreeMap::new();
        for item in &items {
            compiler.item(item, "", &files);
        }
        for proved in &checks {
            compiler.check(proved);
        }
        let engine = compiler.finish();
        OwnRole {
            summary: format!("What {file} says beside variables."),
            name,
            on,
            is_shipped: false,
            file,
            after: Vec::new(),
            replaces: None,
            variables: BTreeMap::new(),
            handlers,
            items,
            checks,
            backup: Vec::new(),
            files,
            engine,
            chosen: OnceLock::new(),
        }
    }

    pub(super) fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    fn text(&mut self, node: &Node) -> Option<String> {
        self.keep(from_node::<String>(node))
    }

    pub(super) fn names(&mut self, node: &Node) -> Vec<(String, Mark)> {
        let (names, mistakes) = node.names();
        self.mistakes.extend(mistakes);
        names
            .into_iter()
            .map(|(name, mark)| (name.to_owned(), mark.clone()))
            .collect()
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        if let Value::Sequence(items) = &node.value {
            return items;
        }
        if !matches!(node.value, Value::Null) {
            self.mistakes
                .push(node.mismatch("a list").hint("begin each of them with '- '"));
        }
        &[]
    }

    fn entries<'n>(&mut self, node: Option<&'n Node>) -> &'n [(Key, Node)] {
        match node.map(Node::entries) {
            Some(Ok(entries)) => entries,
            Some(Err(mistake)) => {
                self.mistakes.push(mistake);
                &[]
            }
            None => &[],
        }
    }

    pub(super) fn only_known(&mut self, what: &str, entries: &[(Key, Node)], known: &[&str]) {
        self.only_these(what, entries, known, |_| None);
    }

    /// As [`Self::only_known`], with what somebody who comes from elsewhere may mean by a name; tells whether all are known.
    pub(super) fn only_these(
        &mut self,
        what: &str,
        entries: &[(Key, Node)],
        known: &[&str],
        meant: impl Fn(&str) -> Option<String>,
    ) -> bool {
        let before = self.mistakes.len();
        for (key, _) in entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.text.as_str()))
        {
            let mistake = Diagnostic::at(
                key.mark.place(),
                format!("unknown {what} '{}'", shorten(&key.text)),
            );
            self.mistakes.push(match meant(&key.text) {
                Some(hint) => mistake.hint(hint),
                None => suggest(mistake, &key.text, known.iter().copied()),
            });
        }
        self.mistakes.len() == before
    }

    /// Reads on which hosts a role works that domains have.
    fn domains_on(&mut self, node: &Node) -> Vec<(String, Mark)> {
        let on = self.names(node);
        if on.is_empty() {
            let mistake = Diagnostic::at(node.mark.place(), "'domains_on' names no role");
            self.mistakes
                .push(mistake.hint("name the roles on whose hosts it works, such as [web]"));
        }
        on
    }

    /// Finds what a role of domains cannot say: what belongs to all domains of a host is a host's.
    fn of_domains(&mut self, node: &Node, items: &[Item], engine: &Engine) {
        for (section, hint) in [
            ("replaces_builtin", "roles of prov for domains stay"),
            (
                "backup",
                "name a folder that holds what all domains have there in a role of the host",
            ),
        ] {
            if let Some(node) = node.get(section) {
                let message = format!("a role of domains has no '{section}'");
                self.mistakes
                    .push(Diagnostic::at(node.mark.place(), message).hint(hint));
            }
        }
        if engine.asks_open_ports() {
            let message = "a role of domains cannot ask for open_ports(), which are a host's";
            let mistake = Diagnostic::at(node.mark.place(), message);
            self.mistakes
                .push(mistake.hint("ask in a role of the host"));
        }
        for item in items.iter().filter(|item| item.kind.name == "packages") {
            let message = "packages are a host's, and not one domain's";
            let mistake = Diagnostic::at(item.said.mark.place(), message);
            self.mistakes.push(
                mistake
                    .hint("declare them in the role that 'domains_on' names, or in one beside it"),
            );
        }
    }

    fn variables(&mut self, node: Option<&Node>, given: &[&str]) -> BTreeMap<String, Variable> {
        let mut variables = BTreeMap::new();
        for (key, node) in self.entries(node) {
            if let Err(reason) = variable(&key.text) {
                let message = format!("variable '{}': {reason}", shorten(&key.text));
                self.mistakes
                    .push(Diagnostic::at(key.mark.place(), message));
            } else if let Some(taken) = [given, &OF_EACH, &WORDS]
                .concat()
                .iter()
                .find(|word| **word == key.text)
            {
                let message = format!(
                    "a variable cannot be called '{taken}', which means something in expressions"
                );
                self.mistakes
                    .push(Diagnostic::at(key.mark.place(), message));
            } else if let Some(read) = self.variable(key, node) {
                variables.insert(key.text.clone(), read);
            }
        }
        variables
    }

    fn variable(&mut self, key: &Key, node: &Node) -> Option<Variable> {
        // A type alone is enough.
        let kind = node
            .as_str()
            .map_or_else(|| node.get("type"), |_| Some(node));
        if node.as_str().is_none() {
            let typed =
                "give the type, and the value as its default: `{type: text, default: VALUE}`";
            let entries = self.keep(node.entries().map_err(|mistake| mistake.hint(typed)))?;
            self.only_known("field", entries, &["type", "default", "about"]);
        }
        let Some(kind) = kind else {
            let mistake = Diagnostic::at(
                key.mark.place(),
                format!("the variable '{}' has no type", key.text),
            );
            self.mistakes
                .push(mistake.hint("for instance {type: text}"));
            return None;
        };
        let text = self.text(kind)?;
        let kind = match Type::named(&text) {
            Ok(named) => named,
            Err((message, hint)) => {
                let mistake = Diagnostic::at(kind.mark.place(), message);
                self.mistakes.push(match hint {
                    Some(hint) => mistake.hint(hint),
                    None => mistake,
                });
                return None;
            }
        };
        let about = node
            .get("about")
            .and_then(|node| self.text(node))
            .unwrap_or_default();
        let read = Variable {
            kind,
            default: node.get("default").cloned(),
            about,
        };
        if let Some(default) = &read.default {
            let is_empty = match &default.value {
                Value::Null => true,
                Value::Sequence(items) => items.is_empty(),
                Value::Mapping(entries) => entries.is_empty(),
                Value::Bool(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::String(_)
                | Value::Filled(_)
                | Value::Either(..) => false,
            };
            if read.kind.is_secret() && !is_empty {
                let mistake =
                    Diagnostic::at(default.mark.place(), "a secret has no default but none");
                self.mistakes.push(mistake.hint(
                    "write `default: ~` (`[]` for a list, `{}` for a map) where it may be left out, and set it in a private file",
                ));
            } else {
                super::fill::default_of(
                    &read,
                    default,
                    &mut Placeholders::default(),
                    &mut self.mistakes,
                );
            }
        }
        Some(read)
    }

    fn handlers(&mut self, node: Option<&Node>) -> BTreeMap<String, Notified> {
        let mut handlers = BTreeMap::new();
        if let Some(list) = node.filter(|node| matches!(node.value, Value::Sequence(_))) {
            let named = "write each by its name, as in `handlers: {reload: {reload: nginx}}`";
            self.mistakes.push(list.mismatch("a mapping").hint(named));
            return handlers;
        }
        for (key, node) in self.entries(node) {
            let Some(entries) = self.keep(node.entries()) else {
                continue;
            };
            self.only_known("field", entries, &["restart", "reload", "run", "validate"]);
            let actions = [
                ("restart", Acts::Restart),
                ("reload", Acts::Reload),
                ("run", Acts::Run),
            ];
            let given: Vec<_> = actions
                .iter()
                .filter_map(|(name, acts)| Some((*acts, node.get(name)?)))
                .collect();
            let [(action, what)] = given.as_slice() else {
                let mistake = Diagnostic::at(
                    key.mark.place(),
                    format!(
                        "the handler '{}' does not say what it does",
                        shorten(&key.text)
                    ),
                );
                self.mistakes.push(mistake.hint(
                    "give it one of restart: SERVICE, reload: SERVICE, run: [PROGRAM, ARGUMENT]",
                ));
                continue;
            };
            let handler = Notified {
                action: *action,
                node: (*what).clone(),
                validate: node.get("validate").cloned(),
            };
            handlers.insert(key.text.clone(), handler);
        }
        handlers
    }
}

/// Tells whether a resource is made of a file in the role's folder, or of a folder above it.
fn names(item: &Item, path: &str) -> bool {
    let fields = item.said.fields.entries().unwrap_or_default();
    let mut texts = fields.iter().filter_map(|(_, node)| node.as_str());
    texts.any(|text| {
        let below = path.strip_prefix(text.trim_end_matches('/'));
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    })
}
