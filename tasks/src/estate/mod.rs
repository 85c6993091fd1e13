//! The estate: its hosts, groups, services, roles and variables, as its files say.
//!
//! Owns the model that everything else asks ("which hosts", "which variables") and the checks of the files behind it:
//! every mistake is collected, with its place and a remedy. Refuses to read files (it is handed their texts), and to
//! know any role: a catalogue of them is handed to [`Estate::check`]. The files are described in [`load`](Estate::load).

mod check;
mod connection;
mod de;
mod fault;
mod init;
mod inventory;
mod jump;
mod limit;
mod load;
mod name;
mod network;
mod networks;
mod node;
mod schema;
pub mod sealed;
mod sources;
mod stand_in;
mod store;
mod table;
mod upgrades;
mod variables;
mod verify;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use check::KnownRole;
pub use connection::{Connection, Sudo};
pub use de::{from_node, is_misplaced_secret};
pub(crate) use fault::suggest;
pub use init::Init;
pub use inventory::CONTAINER_PROGRAMS;
pub use jump::Jump;
pub use load::{KNOWN_HOSTS, RECIPIENTS};
pub use name::{ALL, host_name, label, variable};
pub use network::ContainerNetwork;
pub use networks::{Forward, Networks, ROUTER, Router, Sides};
pub(crate) use node::shorten;
pub use node::{Key, Node, Value};
pub use schema::inventory_schema;
pub use sources::{Given, Mark, Source, Sources, Wanted};
pub use stand_in::{STAND_INS, StandIn};
pub use store::Reference;
pub(crate) use table::from_mapping;
pub use variables::{LOCAL_SECTIONS, Layer, Origin, Variable, Vars};
pub use verify::Marks;
pub(crate) use yaml::parse_bytes;
pub use yaml::{MAX_BYTES, MAX_DEPTH, parse};

use crate::release::Release;
use crate::value::HostPath;
use sources::Folder;

/// Holds everything that the files of an estate say, checked.
#[derive(Debug, Clone)]
pub struct Estate {
    name: String,
    release: Release,
    folder: Folder,
    networks: Option<Networks>,
    init: Init,
    stand_ins: Vec<StandIn>,
    upgrades: upgrades::Upgrades,
    marks: verify::Marks,
    hosts: Vec<Host>,
    groups: Vec<Group>,
    services: Vec<Service>,
    assignments: Vec<Assignment>,
    all: Layer,
    command_line: Layer,
    names: HashMap<String, Named>,
}

/// Describes one host.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    address: IpAddr,
    location: Location,
    release: Release,
    volumes: Vec<HostPath>,
    connection: Connection,
    groups: Vec<String>,
    services: Vec<String>,
    roles: Vec<String>,
    memberships: Vec<usize>,
    layer: Layer,
    mark: Mark,
}

/// Says on which side of the firm's router a host is; also names the group of the hosts there.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// In the office.
    Internal,
    /// On the Internet.
    External,
}

impl Location {
    /// Lists the locations in the order in which their groups come.
    pub const EVERY: [Self; 2] = [Self::Internal, Self::External];

    /// Names the location and its group.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::External => "external",
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names hosts that share variables.
#[derive(Debug, Clone)]
struct Group {
    name: String,
    hosts: Vec<usize>,
    layer: Layer,
}

/// Names hosts that people handle together.
#[derive(Debug, Clone)]
struct Service {
    name: String,
    hosts: Vec<usize>,
}

/// Says which hosts have a role.
#[derive(Debug, Clone)]
struct Assignment {
    role: String,
    mark: Mark,
    hosts: Vec<usize>,
}

/// Says what a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Host(usize),
    Group(usize),
    Service(usize),
}

impl Host {
    /// Gives the name, a DNS label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Says where the host is.
    #[must_use]
    pub fn location(&self) -> Location {
        self.location
    }

    /// Says which release of Debian the host runs.
    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// Lists the folders of the host's container that outlive it.
    #[must_use]
    pub fn volumes(&self) -> &[HostPath] {
        &self.volumes
    }

    /// Says how the host is reached.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Lists the groups that the host is in, in the order of precedence, that of its location first; without `all`.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Lists the services that the host is part of, in the order of `estate.yml`.
    #[must_use]
    pub fn services(&self) -> &[String] {
        &self.services
    }

    /// Lists the roles of the host, in the order of `estate.yml`; whoever applies them sorts them by the catalogue.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Tells whether the host has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|name| name == role)
    }

    /// Points at the host's name in `estate.yml`.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Estate {
    /// Gives the name of the estate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says of which release the programs of a client or a stand-in are: that of the host whose own protocol they must speak, such as a console
    /// and its director, which understand each other for certain only within a release; or else that of hosts which name
    /// none, because what speaks a public protocol depends on no host.
    #[must_use]
    pub fn client_release(&self, speaks_to: Option<&Host>) -> Release {
        speaks_to.map_or(self.release, Host::release)
    }

    /// Gives the networks of the containers, if the hosts are containers on this machine.
    #[must_use]
    pub const fn networks(&self) -> Option<&Networks> {
        self.networks.as_ref()
    }

    /// Gives both networks and the router between them, where containers have two.
    #[must_use]
    pub fn sides(&self) -> Option<&Sides> {
        self.networks()?.sides()
    }

    /// Gives the address at which one side reaches a host, as far as is known here: between two networks of containers, what is outside
    /// reaches the office at its router alone, and only a host to which that forwards a port.
    #[must_use]
    pub fn address_from(&self, side: Location, host: &Host) -> Option<IpAddr> {
        match (self.sides(), host.location(), side) {
            (Some(Sides { router, .. }), Location::Internal, Location::External) => router
                .leads_to(host.name())
                .then_some(IpAddr::V4(router.external)),
            (None, ..) | (Some(_), _, _) => Some(host.address()),
        }
    }

    /// Gives the address that one side sees where a host asks it: between two networks, that of the router where it is the office that asks.
    #[must_use]
    pub fn seen_from(&self, side: Location, host: &Host) -> IpAddr {
        match (self.sides(), host.location(), side) {
            (Some(Sides { router, .. }), Location::Internal, Location::External) => {
                IpAddr::V4(router.external)
            }
            (None, ..) | (Some(_), _, _) => host.address(),
        }
    }

    /// Lists the hosts that one side knows by their names, with the addresses at which it reaches them: the office knows all, what is
    /// outside knows what is outside, and what the router leads to.
    pub fn known_from(&self, side: Location) -> impl Iterator<Item = (&Host, IpAddr)> {
        let is_known = move |host: &&Host| match side {
            Location::Internal => true,
            Location::External => host.location() == Location::External || self.sides().is_some(),
        };
        let known = self.hosts.iter().filter(is_known);
        known.filter_map(move |host| Some((host, self.address_from(side, host)?)))
    }

    /// Says what looks after daemons in the containers' test mode.
    #[must_use]
    pub const fn init(&self) -> Init {
        self.init
    }

    /// Lists the stand-ins for services beyond the estate, in the order of `estate.yml`.
    #[must_use]
    pub fn stand_ins(&self) -> &[StandIn] {
        &self.stand_ins
    }

    /// Lists the hosts in the order of `estate.yml`.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Finds a host by its name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        match self.names.get(name)? {
            Named::Host(index) => self.hosts.get(*index),
            Named::Group(_) | Named::Service(_) => None,
        }
    }

    /// Lists the groups: those of the locations first, then those of `estate.yml` in their order; without `all`.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }

    /// Lists the services in the order of `estate.yml`.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.as_str())
    }

    /// Lists the hosts that a host, a group, a service or `all` stands for; `None` if it is none of these.
    #[must_use]
    pub fn members(&self, name: &str) -> Option<Vec<&Host>> {
        if name == ALL {
            return Some(self.hosts.iter().collect());
        }
        let indices = self.indices(*self.names.get(name)?);
        Some(
            indices
                .iter()
                .filter_map(|index| self.hosts.get(*index))
                .collect(),
        )
    }

    /// Lists the hosts that have a role.
    #[must_use]
    pub fn hosts_with_role(&self, role: &str) -> Vec<&Host> {
        let assignment = self.assignments.iter().find(|found| found.role == role);
        let indices = assignment.map_or(&[] as &[usize], |found| &found.hosts);
        indices
            .iter()
            .filter_map(|index| self.hosts.get(*index))
            .collect()
    }

    /// Shows the variables of a host.
    #[must_use]
    pub fn vars<'e>(&'e self, host: &'e Host) -> Vars<'e> {
        let groups = host
            .memberships
            .iter()
            .filter_map(|index| self.groups.get(*index));
        Vars {
            host,
            folder: &self.folder,
            layers: std::iter::once(&self.all)
                .chain(groups.map(|group| &group.layer))
                .chain(std::iter::once(&host.layer))
                .collect(),
            command_line: &self.command_line,
        }
    }

    fn indices(&self, named: Named) -> Vec<usize> {
        match named {
            Named::Host(index) => Some(vec![index]),
            Named::Group(index) => self.groups.get(index).map(|group| group.hosts.clone()),
            Named::Service(index) => self
                .services
                .get(index)
                .map(|service| service.hosts.clone()),
        }
        .unwrap_or_default()
    }
}
