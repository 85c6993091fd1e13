//! Reads `estate.yml`: which hosts there are, how they are grouped, which roles they have.
//!
//! Owns the shape of that file and every check of it. Continues after each mistake, and keeps the names of what was
//! wrong, so that one mistake is not reported again wherever its name is used.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::connection::Block;
use super::node::{Key, Node, shorten};
use super::sources::{Folder, Mark};
use super::{
    ALL, Assignment, Estate, Group, Host, Layer, Location, Named, Network, Origin, Release,
    Service, fault, from_node, name, table,
};
use crate::Diagnostic;

const SECTIONS: [&str; 8] = [
    "name",
    "release",
    "connection",
    "containers",
    "hosts",
    "groups",
    "services",
    "roles",
];

/// Holds an entry of `hosts:`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    address: IpAddr,
    location: Location,
    #[serde(default)]
    release: Option<Release>,
    /// Read by itself, so that each mistake in it is reported.
    #[serde(default, rename = "connection")]
    _connection: IgnoredAny,
}

/// Holds an entry of `hosts:` in the private file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateEntry {
    connection: Block,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Containers {
    network: Network,
}

/// Holds what was read so far.
pub(super) struct Inventory<'n, 'm> {
    mistakes: &'m mut Vec<Diagnostic>,
    /// Every name that was used, also of what could not be read; for that, without what it stands for.
    names: HashMap<&'n str, (Option<Named>, &'static str, Option<&'n Mark>)>,
    name: Option<String>,
    network: Option<Network>,
    hosts: Vec<Host>,
    groups: Vec<Group>,
    services: Vec<Service>,
    assignments: Vec<Assignment>,
}

impl<'n, 'm> Inventory<'n, 'm> {
    /// Reads the file and its private sibling; adds to the mistakes.
    pub(super) fn read(
        root: &'n Node,
        private: Option<&'n Node>,
        mistakes: &'m mut Vec<Diagnostic>,
    ) -> Self {
        let mut inventory = Self {
            mistakes,
            names: HashMap::new(),
            name: None,
            network: None,
            hosts: Vec::new(),
            groups: Vec::new(),
            services: Vec::new(),
            assignments: Vec::new(),
        };
        inventory.sections(root, &SECTIONS);
        inventory.header(root);
        inventory.hosts(root, private);
        inventory.groups(root);
        inventory.services(root);
        inventory.roles(root);
        inventory
    }

    /// Makes the estate, unless something without which there is none could not be read.
    pub(super) fn into_estate(self, folder: Folder, command_line: Layer) -> Option<Estate> {
        let names = self.names.into_iter();
        Some(Estate {
            name: self.name?,
            folder,
            network: self.network,
            hosts: self.hosts,
            groups: self.groups,
            services: self.services,
            assignments: self.assignments,
            all: Layer::new(Origin::All),
            command_line,
            names: names
                .filter_map(|(name, (named, ..))| Some((name.to_owned(), named?)))
                .collect(),
        })
    }

    fn mistake(&mut self, mark: &Mark, message: impl Into<String>) {
        self.mistakes.push(Diagnostic::at(mark.place(), message));
    }

    fn keep<T>(&mut self, result: Result<T, Diagnostic>) -> Option<T> {
        result.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    fn keep_all<T>(&mut self, result: Result<T, Vec<Diagnostic>>) -> Option<T> {
        result
            .map_err(|mistakes| self.mistakes.extend(mistakes))
            .ok()
    }

    fn entries(&mut self, root: &'n Node, section: &str) -> &'n [(Key, Node)] {
        let Some(node) = root.get(section) else {
            return &[];
        };
        self.keep(node.entries()).unwrap_or_default()
    }

    fn sections(&mut self, root: &'n Node, known: &[&'static str]) {
        for (key, _) in self.keep(root.entries()).unwrap_or_default() {
            if !known.contains(&key.text.as_str()) {
                let message = format!("unknown section '{}'", shorten(&key.text));
                let mistake = Diagnostic::at(key.mark.place(), message);
                self.mistakes
                    .push(fault::suggest(mistake, &key.text, known.iter().copied()));
            }
        }
    }

    fn header(&mut self, root: &'n Node) {
        match root.get("name") {
            None => {
                let mistake = Diagnostic::at(root.mark.place(), "this estate has no name");
                self.mistakes.push(mistake.hint("begin with 'name: NAME'"));
            }
            Some(node) => {
                let text: Option<String> = self.keep(from_node(node));
                if let Some(Err(reason)) = text.as_deref().map(name::label) {
                    self.mistake(&node.mark, format!("name of the estate: {reason}"));
                }
                // Without a usable name the rest is still worth reading.
                self.name = Some(text.unwrap_or_default());
            }
        }
        if let Some(node) = root.get("containers") {
            let containers: Option<Containers> =
                self.keep_all(table::from_mapping(node, &node.mark));
            self.network = containers.map(|containers| containers.network);
        }
    }

    fn connection(&mut self, node: &'n Node) -> Block {
        let node = node.get("connection");
        node.and_then(|node| self.keep_all(table::from_mapping(node, &node.mark)))
            .unwrap_or_default()
    }

    fn hosts(&mut self, root: &'n Node, private: Option<&'n Node>) {
        if let Some(private) = private {
            self.sections(private, &["connection", "hosts"]);
        }
        let release = root
            .get("release")
            .and_then(|node| self.keep(from_node(node)));
        let release: Release = release.unwrap_or_default();
        let public = self.connection(root);
        let defaults = private.map(|private| self.connection(private));
        let defaults = defaults.unwrap_or_default().or(&public);
        let entries = self.entries(root, "hosts");
        let secrets = self.secrets(private, entries);
        if entries.is_empty() {
            let mistake = Diagnostic::at(root.mark.place(), "this estate has no hosts");
            self.mistakes.push(
                mistake.hint("list them: 'hosts:' and 'NAME: {address: ..., location: ...}'"),
            );
        }
        let mut addresses: HashMap<IpAddr, (&str, &Mark)> = HashMap::new();
        for (key, node) in entries {
            if let Err(reason) = name::host_name(&key.text) {
                self.mistake(
                    &key.mark,
                    format!("host '{}': {reason}", shorten(&key.text)),
                );
            }
            let entry: Option<HostEntry> = self.keep_all(table::from_mapping(node, &key.mark));
            let connection = self.connection(node);
            let index = entry.as_ref().map(|_| Named::Host(self.hosts.len()));
            self.names
                .insert(&key.text, (index, "host", Some(&key.mark)));
            let Some(entry) = entry else {
                continue;
            };
            let mark = node.get("address").map_or(&key.mark, |node| &node.mark);
            self.address(entry.address, mark);
            if let Some((other, first)) = addresses.insert(entry.address, (&key.text, mark)) {
                let message = format!(
                    "address {} is that of host '{other}' already",
                    entry.address
                );
                let mistake = Diagnostic::at(mark.place(), message);
                self.mistakes
                    .push(mistake.hint(format!("first used at {first}")));
            }
            let secret = secrets.get(key.text.as_str()).cloned().unwrap_or_default();
            let own = secret.or(&connection);
            self.hosts.push(Host {
                name: key.text.clone(),
                address: entry.address,
                location: entry.location,
                release: entry.release.unwrap_or(release),
                connection: own.or(&defaults).finish(),
                groups: Vec::new(),
                services: Vec::new(),
                roles: Vec::new(),
                memberships: Vec::new(),
                layer: Layer::new(Origin::Host(key.text.clone())),
                mark: key.mark.clone(),
            });
        }
    }

    /// Reads what the private file says of single hosts.
    fn secrets(
        &mut self,
        private: Option<&'n Node>,
        hosts: &'n [(Key, Node)],
    ) -> HashMap<&'n str, Block> {
        let known: HashSet<&str> = hosts.iter().map(|(key, _)| key.text.as_str()).collect();
        let entries = private.map_or(&[] as &[_], |private| self.entries(private, "hosts"));
        let mut blocks = HashMap::new();
        for (key, node) in entries {
            if !known.contains(key.text.as_str()) {
                let message = format!("there is no host '{}'", shorten(&key.text));
                let mistake = Diagnostic::at(key.mark.place(), message);
                let names = hosts.iter().map(|(key, _)| key.text.as_str());
                let names = names.filter(|_| self.mistakes.len() < fault::HINTED);
                let names: Vec<&str> = names.collect();
                self.mistakes
                    .push(fault::suggest(mistake, &key.text, names));
            }
            let entry: Option<PrivateEntry> = self.keep_all(table::from_mapping(node, &key.mark));
            blocks.extend(entry.map(|entry| (key.text.as_str(), entry.connection)));
        }
        blocks
    }

    fn address(&mut self, address: IpAddr, mark: &Mark) {
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            self.mistake(mark, format!("{address} is not the address of one host"));
        } else if let Some(reason) = self.network.and_then(|network| network.refusal(address)) {
            self.mistake(mark, reason);
        }
    }

    /// Claims a name for a group or service; says so if it is taken or not allowed.
    fn claim(&mut self, key: &'n Key, kind: &'static str, named: Named) {
        if let Err(reason) = name::label(&key.text) {
            self.mistake(
                &key.mark,
                format!("{kind} '{}': {reason}", shorten(&key.text)),
            );
        }
        let entry = (Some(named), kind, Some(&key.mark));
        match self.names.get(key.text.as_str()) {
            None => {
                self.names.insert(&key.text, entry);
            }
            Some((_, "location", _)) => {
                let message = format!("group '{}' arises from the location of the hosts", key.text);
                let mistake = Diagnostic::at(key.mark.place(), message);
                self.mistakes
                    .push(mistake.hint("set 'location:' of its hosts instead"));
            }
            Some((_, other, first)) => {
                let message = format!("'{}' is the name of a {other} already", key.text);
                let mistake = Diagnostic::at(key.mark.place(), message);
                self.mistakes.push(match first {
                    Some(first) => mistake.hint(format!("first used at {first}")),
                    None => mistake,
                });
            }
        }
    }

    fn groups(&mut self, root: &'n Node) {
        for location in Location::EVERY {
            let named = Named::Group(self.groups.len());
            self.names
                .insert(location.as_str(), (Some(named), "location", None));
            let hosts = self.hosts.iter().enumerate();
            let hosts = hosts.filter(|(_, host)| host.location == location);
            let hosts = hosts.map(|(index, _)| index).collect();
            self.group(location.as_str(), hosts);
        }
        for (key, node) in self.entries(root, "groups") {
            self.claim(key, "group", Named::Group(self.groups.len()));
            let hosts = self.members(key, node, "group", &["host"]);
            self.group(&key.text, hosts);
        }
    }

    fn group(&mut self, name: &str, hosts: Vec<usize>) {
        for index in &hosts {
            if let Some(host) = self.hosts.get_mut(*index) {
                host.groups.push(name.to_owned());
                host.memberships.push(self.groups.len());
            }
        }
        self.groups.push(Group {
            name: name.to_owned(),
            hosts,
            layer: Layer::new(Origin::Group(name.to_owned())),
        });
    }

    fn services(&mut self, root: &'n Node) {
        for (key, node) in self.entries(root, "services") {
            self.claim(key, "service", Named::Service(self.services.len()));
            let hosts = self.members(key, node, "service", &["host"]);
            for index in &hosts {
                if let Some(host) = self.hosts.get_mut(*index) {
                    host.services.push(key.text.clone());
                }
            }
            self.services.push(Service {
                name: key.text.clone(),
                hosts,
            });
        }
    }

    fn roles(&mut self, root: &'n Node) {
        for (key, node) in self.entries(root, "roles") {
            if let Err(reason) = name::label(&key.text) {
                self.mistake(
                    &key.mark,
                    format!("role '{}': {reason}", shorten(&key.text)),
                );
            }
            let hosts = self.members(key, node, "role", &["host", "group", "location"]);
            for index in &hosts {
                if let Some(host) = self.hosts.get_mut(*index) {
                    host.roles.push(key.text.clone());
                }
            }
            self.assignments.push(Assignment {
                role: key.text.clone(),
                mark: key.mark.clone(),
                hosts,
            });
        }
    }

    /// Resolves the list behind a group, service or role; only names of the given kinds may be in it.
    fn members(&mut self, key: &Key, node: &'n Node, owner: &str, kinds: &[&str]) -> Vec<usize> {
        let (listed, mistakes) = node.names();
        if listed.is_empty() && mistakes.is_empty() {
            self.mistake(&key.mark, format!("{owner} '{}' has no hosts", key.text));
        }
        self.mistakes.extend(mistakes);
        let mut seen = HashSet::new();
        let mut hosts = Vec::new();
        for (name, mark) in listed {
            if !seen.insert(name) {
                self.mistake(
                    mark,
                    format!("'{name}' is listed twice in {owner} '{}'", key.text),
                );
                continue;
            }
            if name == ALL && kinds.contains(&"group") {
                hosts.extend(0..self.hosts.len());
                continue;
            }
            match self.names.get(name) {
                Some((named, kind, _)) if kinds.contains(kind) => match *named {
                    Some(Named::Host(index)) => hosts.push(index),
                    Some(Named::Group(index)) => {
                        let group = self.groups.get(index);
                        hosts.extend(group.into_iter().flat_map(|group| group.hosts.iter()));
                    }
                    // It stands for nothing because of a mistake that was reported.
                    Some(Named::Service(_)) | None => {}
                },
                _ => self.stranger(name, mark, kinds),
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }

    fn stranger(&mut self, name: &str, mark: &Mark, kinds: &[&str]) {
        let groups = kinds.contains(&"group");
        let wanted = if groups { "host or group" } else { "host" };
        let message = format!("there is no {wanted} '{}'", shorten(name));
        let mistake = Diagnostic::at(mark.place(), message);
        self.mistakes.push(match self.names.get(name) {
            Some((_, kind, _)) => {
                let kind = if *kind == "location" { "group" } else { kind };
                mistake.hint(format!("'{name}' is a {kind}, list its hosts"))
            }
            None if name == ALL => mistake.hint("list the hosts"),
            None if self.mistakes.len() >= fault::HINTED => mistake,
            None => {
                let names = self.names.iter();
                let names = names.filter(|(_, (_, kind, _))| kinds.contains(kind));
                let mut names: Vec<&str> = names.map(|(name, _)| *name).collect();
                names.sort_unstable();
                fault::suggest(mistake, name, names)
            }
        });
    }
}
