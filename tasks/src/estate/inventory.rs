//! Reads `estate.yml`: which hosts there are, how they are grouped, which roles they have.
//!
//! Owns the shape of that file and every check of it. Continues after each mistake, and keeps the names of what was
//! wrong, so that one mistake is not reported again wherever its name is used.

mod membership;
mod networks;
mod stand_ins;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::connection::Block;
use super::node::{Key, Node, Value, shorten};
use super::sources::{Folder, Mark};
use super::upgrades::Upgrades;
use super::verify::Marks;
use super::{
    Assignment, ContainerNetwork, Estate, Group, Host, Init, Layer, Location, Named, Networks,
    Origin, Service, StandIn, fault, from_node, name, table,
};
use crate::Diagnostic;
use crate::foreign;
use crate::release::Release;
use crate::value::{AccountName, HostPath};
use networks::{RouterEntry, SideNetworks};

pub(super) const SECTIONS: [&str; 10] = [
    "name",
    "release",
    "connection",
    "containers",
    "hosts",
    "groups",
    "services",
    "roles",
    "upgrades",
    "verify",
];

/// Folders that make up the system: a volume in the place of one would keep what an image or a start must bring.
const SYSTEM: [&str; 13] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp",
    "/usr", "/var",
];

/// Folders that the kernel or the start of a container fills, with everything below them.
const KERNEL: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Where prov's own programs are in a container.
pub const CONTAINER_PROGRAMS: &str = "/usr/local/lib/prov";

/// Holds an entry of `hosts:`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HostEntry {
    /// Where other hosts reach it. So does prov, unless `~/.ssh/config` has a `HostName` for a server of this name.
    address: IpAddr,
    /// Where it is: in the office, or on the Internet. It is in the group of that name.
    location: Location,
    /// Release of Debian; by default that of the estate.
    #[serde(default)]
    release: Option<Release>,
    /// Folders that outlive the host's container; only containers have any.
    #[serde(default)]
    volumes: Vec<HostPath>,
    // Read by itself, so that each mistake in it is reported.
    /// How it is reached; fields that are left out are those of the estate.
    #[serde(default, rename = "connection")]
    #[schemars(with = "Block")]
    _connection: IgnoredAny,
}

/// Holds an entry of `hosts:` in the private file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrivateEntry {
    connection: Block,
}

/// Holds the section `containers:`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Containers {
    /// Network of the containers, for instance `10.0.0.0/24`, where there is one for all. Its lowest quarter is for
    /// clients, the addresses above are for hosts.
    #[serde(default)]
    network: Option<ContainerNetwork>,
    // Both are read by themselves, so that each mistake in them is reported.
    /// In the place of `network`: two networks, of which each is divided in the same way. What is outside reaches the office by the router
    /// alone, as on the Internet.
    #[serde(default, rename = "networks")]
    #[schemars(with = "Option<SideNetworks>")]
    _networks: IgnoredAny,
    /// What is between the two networks. The office leaves by it under its outer address.
    #[serde(default, rename = "router")]
    #[schemars(with = "Option<RouterEntry>")]
    _router: IgnoredAny,
    /// What looks after daemons in test mode: `runit`, a supervisor that runs everywhere and knows services by definitions of prov's own
    /// and by the units of packages, or `systemd`, which is booted as on a server. That takes an engine which gives a container a cgroup
    /// namespace of its own and the capabilities `SYS_ADMIN`, `NET_ADMIN` and `SYS_PTRACE`; `prov deploy` tries it before it changes anything.
    #[serde(default)]
    init: Init,
    // Read by itself, once the addresses of the hosts are known.
    /// Containers that behave like services of the outside world, with their addresses: `dropbox`, `linode`.
    #[serde(default, rename = "stand_ins")]
    #[schemars(with = "BTreeMap<String, Ipv4Addr>")]
    _stand_ins: IgnoredAny,
}

/// The TCP port of an SSH server that nothing is said about.
const SSH_PORT: u16 = 22;

/// Where hosts are reached, each with the host's name.
type Places<'n> = HashMap<(IpAddr, u16), (&'n str, &'n Mark)>;

/// Holds what was read so far.
pub(super) struct Inventory<'n, 'm> {
    mistakes: &'m mut Vec<Diagnostic>,
    /// Every name that was used, also of what could not be read; for that, without what it stands for.
    names: HashMap<&'n str, (Option<Named>, &'static str, Option<&'n Mark>)>,
    name: Option<String>,
    release: Release,
    networks: Option<Networks>,
    init: Init,
    stand_ins: Vec<StandIn>,
    upgrades: Upgrades,
    marks: Marks,
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
            release: Release::default(),
            networks: None,
            init: Init::default(),
            stand_ins: Vec::new(),
            upgrades: Upgrades::default(),
            marks: Marks::default(),
            hosts: Vec::new(),
            groups: Vec::new(),
            services: Vec::new(),
            assignments: Vec::new(),
        };
        inventory.sections(root, &SECTIONS);
        inventory.header(root);
        let mut addresses = inventory.hosts(root, private);
        inventory.groups(root);
        inventory.services(root);
        inventory.router(root, &mut addresses);
        inventory.stand_ins = inventory.stand_ins(root, addresses);
        inventory.roles(root);
        inventory
    }

    /// Makes the estate, unless something without which there is none could not be read.
    pub(super) fn into_estate(self, folder: Folder, command_line: Layer) -> Option<Estate> {
        let names = self.names.into_iter();
        Some(Estate {
            release: self.release,
            name: self.name?,
            folder,
            networks: self.networks,
            init: self.init,
            stand_ins: self.stand_ins,
            upgrades: self.upgrades,
            marks: self.marks,
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
                self.mistakes.push(match foreign::play(&key.text) {
                    Some(hint) => mistake.hint(hint),
                    None => fault::suggest(mistake, &key.text, known.iter().copied()),
                });
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
            if let Some(containers) = containers {
                self.networks = self.networks(node, containers.network);
                self.init = containers.init;
            }
        }
        if let Some(node) = root.get("upgrades") {
            let upgrades = self.keep_all(table::from_mapping(node, &node.mark));
            self.upgrades = upgrades.unwrap_or_default();
        }
        if let Some(node) = root.get("verify") {
            let marks = self.keep_all(table::from_mapping(node, &node.mark));
            self.marks = marks.unwrap_or_default();
        }
    }

    fn connection(&mut self, node: &'n Node) -> Block {
        let Some(node) = node.get("connection") else {
            return Block::default();
        };
        let block = self.keep_all(table::from_mapping(node, &node.mark));
        let block = block.unwrap_or_default();
        self.login(&block, node);
        block
    }

    /// Refuses with what nobody could log in, or what could not be set up in a container.
    fn login(&mut self, block: &Block, node: &'n Node) {
        let mark = |field| node.get(field).map_or(&node.mark, |node| &node.mark);
        if block.has_password_of_many_lines() {
            self.mistakes.push(
                Diagnostic::at(
                    mark("password").place(),
                    "the password holds a line break or a NUL",
                )
                .hint("use a password of one line"),
            );
        }
        if self.networks.is_some()
            && let Some(Err(reason)) = block.user().map(AccountName::new)
        {
            self.mistake(mark("user"), reason);
        }
    }

    /// Reads the hosts; gives the addresses that are taken.
    fn hosts(&mut self, root: &'n Node, private: Option<&'n Node>) -> Places<'n> {
        if let Some(private) = private {
            self.sections(private, &["connection", "hosts"]);
        }
        let release = root
            .get("release")
            .and_then(|node| self.keep(from_node(node)));
        let release: Release = release.unwrap_or_default();
        self.release = release;
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
        let mut addresses = HashMap::new();
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
            self.address(entry.address, entry.location, mark);
            if let Some(volumes) = node.get("volumes") {
                self.volumes(&entry.volumes, volumes);
            }
            let secret = secrets.get(key.text.as_str()).cloned().unwrap_or_default();
            let own = secret.or(&connection);
            let connection = own.or(&defaults).finish();
            // Servers behind one address, such as that of a router, are told apart by their ports.
            let port = match self.networks {
                None => connection.port.unwrap_or(SSH_PORT),
                Some(_) => SSH_PORT,
            };
            self.unique(&mut addresses, (entry.address, port), &key.text, mark);
            self.hosts.push(Host {
                name: key.text.clone(),
                address: entry.address,
                location: entry.location,
                release: entry.release.unwrap_or(release),
                volumes: entry.volumes,
                connection,
                groups: Vec::new(),
                services: Vec::new(),
                roles: Vec::new(),
                memberships: Vec::new(),
                layer: Layer::new(Origin::Host(key.text.clone())),
                mark: key.mark.clone(),
            });
        }
        addresses
    }

    /// Takes an address; says so if it is taken already.
    fn unique(
        &mut self,
        taken: &mut Places<'n>,
        place: (IpAddr, u16),
        name: &'n str,
        mark: &'n Mark,
    ) {
        if let Some((other, first)) = taken.insert(place, (name, mark)) {
            let message = format!("address {} is that of host '{other}' already", place.0);
            let mistake = Diagnostic::at(mark.place(), message);
            let behind = match self.networks {
                None => {
                    "; servers behind one address have each a `port` of its own under `connection`"
                }
                Some(_) => "",
            };
            self.mistakes
                .push(mistake.hint(format!("first used at {first}{behind}")));
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
            if let Some(entry) = entry {
                self.login(&entry.connection, node.get("connection").unwrap_or(node));
                blocks.insert(key.text.as_str(), entry.connection);
            }
        }
        blocks
    }

    /// Refuses volumes where there are no containers, and those that would hide each other or what prov puts there.
    fn volumes(&mut self, volumes: &[HostPath], node: &'n Node) {
        if self.networks.is_none() && !volumes.is_empty() {
            let mistake = Diagnostic::at(node.mark.place(), "only containers have volumes");
            self.mistakes.push(mistake.hint(
                "remove 'volumes', or make the hosts containers: 'containers: {network: ...}'",
            ));
        }
        let places = match node.value() {
            Value::Sequence(items) => items.as_slice(),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Mapping(_)
            | Value::Filled(_)
            | Value::Either(..) => &[],
        };
        for (index, (volume, place)) in volumes.iter().zip(places).enumerate() {
            let lies_below = |folder: &&str| {
                let rest = volume.as_str().strip_prefix(folder);
                rest.is_some_and(|rest| rest.starts_with('/'))
            };
            let programs = CONTAINER_PROGRAMS;
            if volume.as_str() == programs
                || lies_below(&programs)
                || programs.starts_with(&format!("{volume}/")) && !SYSTEM.contains(&volume.as_str())
            {
                let message = format!("{volume} would hide prov's own programs in {programs}");
                self.mistakes.push(
                    Diagnostic::at(place.mark.place(), message)
                        .hint("name the folder that is to survive, for instance /var/lib/bacula"),
                );
            }
            if volume.as_str() == "/"
                || SYSTEM.contains(&volume.as_str())
                || KERNEL.iter().any(lies_below)
            {
                let message = format!("{volume} belongs to the system and cannot be a volume");
                self.mistakes.push(
                    Diagnostic::at(place.mark.place(), message)
                        .hint("name the folder that is to survive, for instance /var/lib/bacula"),
                );
            }
            let before = volumes.iter().take(index);
            if let Some(other) = before
                .into_iter()
                .find(|other| *other == volume || other.is_below(volume) || volume.is_below(other))
            {
                let message = format!("the volumes {other} and {volume} lie in each other");
                self.mistakes.push(
                    Diagnostic::at(place.mark.place(), message).hint("keep the upper one only"),
                );
            }
        }
    }

    fn address(&mut self, address: IpAddr, side: Location, mark: &Mark) {
        let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
        if address.is_unspecified() || address.is_multicast() || broadcast {
            self.mistake(mark, format!("{address} is not the address of one host"));
        } else if let Some(networks) = &self.networks
            && let Some(reason) = networks.of(side).refusal(address)
        {
            let mistake = Diagnostic::at(mark.place(), reason);
            let sides = networks.sides().map(|_| networks.in_words());
            self.mistakes.push(match sides {
                Some(networks) => mistake.hint(format!(
                    "it is {side}, and the containers' networks are {networks}"
                )),
                None => mistake,
            });
        }
    }
}
