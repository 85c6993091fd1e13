//! The order of roles on a host: those that are part of prov as the registry has them, those of an estate where they say.

use std::sync::Arc;

use super::catalogue::{Catalogue, Entry, Role};
use super::own::{self, OwnRole};
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::estate::Sources;

impl Catalogue {
    /// Gathers the roles that are part of prov: the rows of the registry, and those that are described by files.
    #[expect(
        clippy::expect_used,
        reason = "no estate has a say in it: the tests read every one of these roles"
    )]
    pub(super) fn of_prov(built_in: &'static [Role]) -> Self {
        let rows = built_in.iter().map(Entry::BuiltIn).collect();
        let entries = own::shipped().and_then(|shipped| placed(rows, shipped));
        Self::of_entries(entries.expect("the roles of prov are right"))
    }

    /// Gathers the roles that are part of prov, those in the folder `roles` of an estate, and those of libraries, which are
    /// folders of roles.
    ///
    /// One of these takes its place after those that it names, else the last. It takes the place of one that is part of prov
    /// only where it says so. Of several that have the same name, that of the estate counts, else that of the first library.
    pub fn load(estate: &Sources, libraries: &[Sources]) -> Result<Self, Vec<Diagnostic>> {
        let own = own::load(estate, libraries)?;
        let (named, beside): (Vec<_>, Vec<_>) = own.into_iter().partition(OwnRole::is_named);
        let mut entries = placed(Self::default().into_entries(), named)?;
        entries.extend(beside.into_iter().map(Arc::new).map(Entry::Own));
        let roles = Self::of_entries(entries);
        let known = Arc::new(roles.known_variables());
        for role in roles.own() {
            role.learn(&known);
        }
        Ok(roles)
    }
}

/// Puts the roles of an estate into their places among the others.
fn placed(built_in: Vec<Entry>, own: Vec<OwnRole>) -> Result<Vec<Entry>, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let mut entries = built_in;
    let mut waiting = Vec::new();
    let names: Vec<String> = entries
        .iter()
        .map(Entry::name)
        .chain(own.iter().map(OwnRole::name))
        .map(str::to_owned)
        .collect();
    for role in own {
        for (name, mark) in role.after() {
            let mistake = |message: &str| Diagnostic::at(mark.place(), message);
            if name == role.name() {
                mistakes.push(mistake("a role cannot come after itself"));
            } else if !names.contains(name) {
                let known = names.iter().map(String::as_str);
                let mistake = mistake(&format!(
                    "there is no role '{}'",
                    crate::estate::shorten(name)
                ));
                mistakes.push(match nearest(name, known) {
                    Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                    None => mistake.hint("name a role of the estate, or one that is part of prov (docs/reference.md)"),
                });
            }
        }
        let place = entries.iter().position(|entry| entry.name() == role.name());
        match (place, role.replaces()) {
            (Some(place), Some(_)) if role.after().is_empty() => {
                entries[place] = Entry::Own(Arc::new(role));
            }
            (Some(place), Some(_)) => {
                entries.remove(place);
                waiting.push(role);
            }
            (Some(_), None) => {
                let message = format!("the role '{}' is part of prov", role.name());
                mistakes.push(Diagnostic::at(Place::file(role.file()), message).hint(
                    "choose another name, or say `replaces_builtin: true` to take its place",
                ));
            }
            (None, Some(mark)) => {
                let message = format!("no role that is part of prov is called '{}'", role.name());
                mistakes.push(
                    Diagnostic::at(mark.place(), message).hint("leave `replaces_builtin` out"),
                );
            }
            (None, None) => waiting.push(role),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|role| {
            let is_placed = |name: &str| entries.iter().any(|entry| entry.name() == name);
            role.after().iter().all(|(name, _)| is_placed(name))
        });
        let Some(ready) = ready else {
            let circle = |role: &OwnRole| {
                let mark = role.after().first().map(|(_, mark)| mark.place());
                let message = format!(
                    "the role '{}' comes after itself by way of others",
                    role.name()
                );
                let place = mark.unwrap_or_else(|| Place::file(role.file()));
                Diagnostic::at(place, message)
                    .hint("take one of the roles out of the circle of `after`")
            };
            return Err(waiting.iter().map(circle).collect());
        };
        let role = waiting.remove(ready);
        let after = |entry: &Entry| role.after().iter().any(|(name, _)| entry.name() == name);
        let place = match entries.iter().rposition(after) {
            Some(last) => last + 1,
            None => entries.len(),
        };
        entries.insert(place, Entry::Own(Arc::new(role)));
    }
    Ok(entries)
}
