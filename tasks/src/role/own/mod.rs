//! Roles that are described by files, an estate's own and those of prov: `roles/NAME/role.yml`, with templates and files beside it.
//!
//! Owns what such a role says and that all of it is decided before any host is asked: every mistake has its file, line and
//! column. To everything above, it is a role like one that is part of prov. Refuses to run anything while it decides:
//! expressions and templates have bounds ([`engine`]), and what a host says never becomes a template.

mod certified;
mod compile;
mod engine;
mod fill;
mod guard;
mod hosted;
mod inventory;
mod listed;
mod local;
mod ports;
mod prove;
mod read;
mod shipped;
mod toll;
mod types;

pub(crate) use hosted::{For, Hosted};
pub(in crate::role) use inventory::KnownVariables;
pub(crate) use listed::{BESIDE, BESIDE_CHECK};
pub(crate) use shipped::shipped;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use serde_json::{Value as Json, json};

use crate::authority::Authority;
use crate::content::Placeholders;
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Host, KnownRole, Mark, Node, Sources};
use crate::promise::OpenPort;
use crate::promise::check::{CheckKind, OwnCheck};
use crate::resource::{Declared, Kind};
use crate::value::HostPath;
use engine::Engine;
use types::Type;

/// A role of an estate.
#[derive(Debug)]
pub struct OwnRole {
    name: String,
    on: On,
    /// Whether it is part of prov.
    is_shipped: bool,
    /// Where it is described, as the user would name it.
    file: String,
    summary: String,
    after: Vec<(String, Mark)>,
    /// Where it says that it takes the place of a role that is part of prov.
    replaces: Option<Mark>,
    variables: BTreeMap<String, Variable>,
    handlers: BTreeMap<String, Notified>,
    items: Vec<Item>,
    checks: Vec<Proved>,
    backup: Vec<Node>,
    /// The other files of its folder.
    files: BTreeMap<String, Vec<u8>>,
    engine: Engine,
    /// The hosts on which each `only` leaves something, by its text; found once.
    chosen: OnceLock<BTreeMap<String, BTreeSet<String>>>,
}

/// Which hosts have a role.
#[derive(Debug, Clone)]
enum On {
    /// Those that `estate.yml` gives it to.
    Role,
    /// Those with one of these roles, once for each domain that has this one.
    Domains(Vec<(String, Mark)>),
    /// All of them.
    All,
    /// Those of a group.
    Group(String),
    /// One.
    Host(String),
}

/// A variable of a role.
#[derive(Debug)]
struct Variable {
    kind: Type,
    /// What it is where nobody sets it; `None` where somebody must.
    default: Option<Node>,
    about: String,
}

/// A handler of a role, as it is written.
#[derive(Debug)]
struct Notified {
    action: Acts,
    node: Node,
    validate: Option<Node>,
}

/// What a handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acts {
    Restart,
    Reload,
    Run,
}

/// What a role says of one thing: its fields, and on which hosts it is there how often.
#[derive(Debug)]
struct Said {
    /// Where its kind is named.
    mark: Mark,
    fields: Node,
    only: Option<Node>,
    when: Option<Node>,
    each: Option<Node>,
}

/// A resource of a role, as it is written.
#[derive(Debug)]
struct Item {
    kind: &'static Kind,
    said: Said,
    notify: Vec<(String, Mark)>,
    /// Whether a change of it may lock people out.
    guarded: bool,
}

/// Fields that name a file of the role's folder: the kind, the field, and the field that gets what the file holds.
const FROM_FOLDER: [(&str, &str, &str); 8] = [
    ("file", "template", "content"),
    ("file", "source", "content"),
    ("unit", "template", "content"),
    ("unit", "source", "content"),
    ("apt_repository", "key_source", "key"),
    ("archive", "source", "content"),
    ("nftables", "template", "content"),
    ("tree", "source", "files"),
];

/// How the names of files in the folder of a `tree` end that are templates.
const TEMPLATE: &str = ".tera";

/// Lists the files below a folder of the role, with the names that they have in the `tree`.
fn below<'f>(
    folder: &'f str,
    files: &'f BTreeMap<String, Vec<u8>>,
) -> impl Iterator<Item = (&'f str, &'f str)> {
    let folder = folder.trim_end_matches('/');
    files.keys().filter_map(move |file| {
        let name = file.strip_prefix(folder)?.strip_prefix('/')?;
        Some((file.as_str(), name.strip_suffix(TEMPLATE).unwrap_or(name)))
    })
}

/// Lists the fields of a kind that name a file of the role's folder, each with the field that it stands for.
pub(crate) fn from_folder(kind: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_kind = FROM_FOLDER.into_iter().filter(move |row| row.0 == kind);
    of_kind.map(|(_, field, becomes)| (field, becomes))
}

impl Item {
    /// Gives the field that gets what a file of the role's folder holds, if this one names such a file.
    fn becomes(&self, field: &str) -> Option<&'static str> {
        let mut fields = from_folder(self.kind.name);
        fields
            .find(|(name, _)| *name == field)
            .map(|(_, becomes)| becomes)
    }
}

/// A check of a role, as it is written.
#[derive(Debug)]
struct Proved {
    kind: &'static CheckKind,
    said: Said,
    from: Option<Node>,
    to: Option<Node>,
    within: Option<Node>,
    timeout: Option<Node>,
    shows: Option<Node>,
}

impl Proved {
    /// Lists what stands beside it and may have expressions.
    fn beside(&self) -> impl Iterator<Item = &Node> {
        let all = [
            &self.from,
            &self.to,
            &self.within,
            &self.timeout,
            &self.shows,
        ];
        all.into_iter().flatten()
    }
}

impl OwnRole {
    /// Gives the role's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether a host has the role.
    #[must_use]
    pub fn is_on(&self, host: &Host) -> bool {
        match &self.on {
            On::Role => host.has_role(&self.name),
            On::Domains(_) => false,
            On::All => true,
            On::Group(group) => host.groups().contains(group),
            On::Host(name) => host.name() == name,
        }
    }

    /// Tells whether the role has a name of its own; else it stands beside the variables of hosts.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        matches!(self.on, On::Role | On::Domains(_))
    }

    /// Lists the roles on whose hosts it works for domains, and where it says so; `None` where hosts have it themselves.
    pub(crate) fn domains_on(&self) -> Option<&[(String, Mark)]> {
        match &self.on {
            On::Domains(on) => Some(on),
            On::Role | On::All | On::Group(_) | On::Host(_) => None,
        }
    }

    /// Tells whether it works on a host for the domains that have it.
    pub(crate) fn works_on(&self, host: &Host) -> bool {
        let mut on = self.domains_on().into_iter().flatten();
        on.any(|(role, _)| host.has_role(role))
    }

    /// Tells whether the role is part of prov, and not an estate's own.
    #[must_use]
    pub const fn is_shipped(&self) -> bool {
        self.is_shipped
    }

    /// Learns of the variables of all roles.
    pub(super) fn learn(&self, known: &Arc<KnownVariables>) {
        self.engine.inventory().learn_variables(known);
    }

    /// Says what the role does.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Names the file in which it is described.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Lists the roles after which it comes, and where it says so.
    pub(super) fn after(&self) -> &[(String, Mark)] {
        &self.after
    }

    /// Points at where it says that it takes the place of a role that is part of prov.
    pub(super) const fn replaces(&self) -> Option<&Mark> {
        self.replaces.as_ref()
    }

    /// Describes the role's variables, as a JSON schema.
    #[must_use]
    pub fn schema(&self) -> Json {
        let mut needed = Vec::new();
        let mut fields = serde_json::Map::new();
        for (name, variable) in &self.variables {
            let mut field = variable.kind.schema();
            if !variable.about.is_empty() {
                field["description"] = json!(variable.about);
            }
            match &variable.default {
                None => needed.push(name.as_str()),
                Some(_) if variable.kind.is_secret() => {}
                Some(default) => {
                    let mut places = Placeholders::default();
                    let value = fill::default_of(variable, default, &mut places, &mut Vec::new());
                    field["default"] = value;
                }
            }
            fields.insert(name.clone(), field);
        }
        json!({ "type": "object", "properties": fields, "required": needed })
    }

    /// Lists the names of its variables.
    pub(crate) fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Tells whether it asks which ports the other roles of a host serve.
    pub(super) const fn asks_open_ports(&self) -> bool {
        self.engine.asks_open_ports()
    }

    /// Gives the resources that a host needs for this role.
    pub(crate) fn resources(
        &self,
        whom: For<'_>,
        authority: Option<&Authority>,
        open_ports: &[OpenPort],
    ) -> Result<Vec<Declared>, Vec<Diagnostic>> {
        fill::resources(self, whom, authority, open_ports)
    }

    /// Tells whether it has certificates from the estate's authority, or trusts it.
    pub(super) fn is_certified(&self) -> bool {
        self.items.iter().any(Item::is_certified)
    }

    /// Gives what of the role's files is worth a backup.
    pub(super) fn backup(&self, whom: For<'_>) -> Result<Vec<HostPath>, Vec<Diagnostic>> {
        fill::backup(self, whom)
    }

    /// Gives what of a host is to be proved.
    pub(crate) fn checks(
        &self,
        whom: For<'_>,
        open_ports: &[OpenPort],
    ) -> Result<Vec<OwnCheck>, Vec<Diagnostic>> {
        prove::checks(self, whom, open_ports)
    }

    /// Lists how test mode runs the role's services, where the role says so: paths `NAME/run` and `NAME/check`, and the scripts.
    pub fn definitions(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.files.iter().filter_map(|(path, bytes)| {
            let path = path.strip_prefix("services/")?;
            let script = std::str::from_utf8(bytes).ok()?;
            Some((path.to_owned(), script.to_owned()))
        })
    }

    /// Gives the word by which its checks are asked for.
    #[must_use]
    pub fn checked_as(&self) -> Option<&str> {
        let name = match &self.on {
            On::Role | On::Domains(_) => &self.name,
            On::All => crate::estate::ALL,
            On::Group(name) | On::Host(name) => name,
        };
        (!self.checks.is_empty()).then_some(name)
    }

    /// Lists everything that it says of hosts.
    fn said(&self) -> impl Iterator<Item = &Said> {
        let items = self.items.iter().map(|item| &item.said);
        items.chain(self.checks.iter().map(|proved| &proved.said))
    }

    /// Finds the hosts on which each `only` leaves something; what is wrong with one was said when it was checked.
    fn chosen(&self, estate: &Estate) -> &BTreeMap<String, BTreeSet<String>> {
        self.chosen.get_or_init(|| {
            let only = self.said().filter_map(|said| said.only.as_ref()?.as_str());
            let hosts = |pattern: &str| {
                let hosts = estate.only(pattern, |_| true).unwrap_or_default();
                hosts
                    .into_iter()
                    .map(|host| host.name().to_owned())
                    .collect()
            };
            only.map(|pattern| (pattern.to_owned(), hosts(pattern)))
                .collect()
        })
    }

    /// Finds what is wrong with the limits, which nobody knows without the estate.
    pub(super) fn check(&self, estate: &Estate, known: &[KnownRole<'_>]) -> Vec<Diagnostic> {
        let is_role = |name: &str| known.iter().any(|role| role.name == name);
        let only = self.said().filter_map(|said| said.only.as_ref());
        let wrong = only.flat_map(|node| {
            let mistakes = node
                .as_str()
                .map(|pattern| estate.only(pattern, is_role).err().unwrap_or_default());
            let here = |mut mistake: Diagnostic| {
                mistake.place = Some(node.mark.place());
                mistake
            };
            mistakes
                .unwrap_or_default()
                .into_iter()
                .map(here)
                .collect::<Vec<_>>()
        });
        wrong.collect()
    }
}

/// Reads every role of an estate's folder and of libraries; of several with one name, the first.
pub(super) fn load(
    estate: &Sources,
    libraries: &[Sources],
) -> Result<Vec<OwnRole>, Vec<Diagnostic>> {
    let mut roles: Vec<OwnRole> = Vec::new();
    let mut mistakes = Vec::new();
    let of_libraries = libraries.iter().map(|library| read::roles(library, ""));
    for read in std::iter::once(read::roles(estate, "roles/")).chain(of_libraries) {
        match read {
            Ok(more) => {
                let news = |role: &OwnRole| roles.iter().all(|known| known.name != role.name);
                let more: Vec<_> = more.into_iter().filter(news).collect();
                roles.extend(more);
            }
            Err(found) => mistakes.extend(found),
        }
    }
    match local::roles(estate) {
        Ok(more) => roles.extend(more),
        Err(found) => mistakes.extend(found),
    }
    if mistakes.is_empty() {
        Ok(roles)
    } else {
        Err(mistakes)
    }
}
