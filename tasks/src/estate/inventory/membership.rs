//! Groups, services and roles: who belongs to what.
//!
//! Owns the sections of `estate.yml` that list hosts, and the rule that a name stands for one thing. Refuses lists that
//! name what does not exist, name it twice, or come to nothing.

use std::collections::HashSet;

use super::super::node::{Key, Node, shorten};
use super::super::sources::Mark;
use super::super::{ALL, Assignment, Group, Layer, Location, Named, Origin, Service, fault, name};
use super::Inventory;
use crate::Diagnostic;

impl<'n> Inventory<'n, '_> {
    /// Claims a name for a group, a service or a stand-in; says so if it is taken or not allowed.
    pub(super) fn claim(&mut self, key: &'n Key, kind: &'static str, named: Option<Named>) {
        if let Err(reason) = name::label(&key.text) {
            self.mistake(
                &key.mark,
                format!("{kind} '{}': {reason}", shorten(&key.text)),
            );
        }
        let entry = (named, kind, Some(&key.mark));
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

    pub(super) fn groups(&mut self, root: &'n Node) {
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
            self.claim(key, "group", Some(Named::Group(self.groups.len())));
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

    pub(super) fn services(&mut self, root: &'n Node) {
        for (key, node) in self.entries(root, "services") {
            self.claim(key, "service", Some(Named::Service(self.services.len())));
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

    pub(super) fn roles(&mut self, root: &'n Node) {
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
        let before = self.mistakes.len();
        self.mistakes.extend(mistakes);
        let mut seen = HashSet::new();
        let mut hosts = Vec::new();
        // What stands for nothing because of a mistake was reported already.
        let mut broken = false;
        for (name, mark) in listed {
            if !seen.insert(name) {
                let message = format!("'{name}' is listed twice in {owner} '{}'", key.text);
                self.mistake(mark, message);
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
                    Some(Named::Service(_)) | None => broken = true,
                },
                _ => self.stranger(name, mark, kinds),
            }
        }
        if hosts.is_empty() && !broken && self.mistakes.len() == before {
            self.mistake(&key.mark, format!("{owner} '{}' has no hosts", key.text));
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
