//! The networks of the containers: one, or one for each side with a router between them.
//!
//! Owns the fields `network`, `networks` and `router` of the section `containers`. Refuses networks that share addresses or leave clients
//! none, a router whose addresses are somebody else's, and forwarded ports that lead nowhere or to two hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::super::node::{Key, Node, shorten};
use super::super::{
    ContainerNetwork, Forward, Location, Networks, ROUTER, Router, Sides, fault, from_node, table,
};
use super::{Inventory, Mark, Places, SSH_PORT};
use crate::Diagnostic;
use crate::value::Port;

/// The longest prefix of the office's network: its lowest quarter has an address for the machine and one that the engine gives the
/// router, and clients need more than one.
const LONGEST: u8 = 27;

/// Holds `networks:` of the section `containers:`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::estate) struct SideNetworks {
    /// Network of what is in the office: hosts with `location: internal`, and clients there.
    internal: ContainerNetwork,
    /// Network of everything else: hosts with `location: external`, clients there, and stand-ins.
    external: ContainerNetwork,
}

/// Holds `router:` of the section `containers:`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::estate) struct RouterEntry {
    /// Its address in the network `internal`.
    internal: Ipv4Addr,
    /// Its address in the network `external`: what is outside sees the office there.
    external: Ipv4Addr,
    // Read by itself, once the hosts are known.
    /// Ports of the outer address that lead to hosts in the office, by the host's name: `{hub: [9103, 53/udp]}`. Name servers of the
    /// group `external` know such a host by the outer address. Nothing else from outside enters the office.
    #[serde(default, rename = "forwards")]
    #[schemars(with = "BTreeMap<String, Vec<Port>>")]
    _forwards: IgnoredAny,
}

impl<'n> Inventory<'n, '_> {
    /// Reads which networks there are; `one` is what `network` says. Ports are forwarded once the hosts are known.
    pub(super) fn networks(
        &mut self,
        containers: &'n Node,
        one: Option<ContainerNetwork>,
    ) -> Option<Networks> {
        let (two, router) = (containers.get("networks"), containers.get(ROUTER));
        let mut refuse = |node: &Node, message: &str, hint: &str| {
            let mistake = Diagnostic::at(node.mark.place(), message);
            self.mistakes.push(mistake.hint(hint));
        };
        let Some(two) = two else {
            if let Some(router) = router {
                refuse(
                    router,
                    "a router stands between two networks, and there is one",
                    "say 'networks: {internal: ..., external: ...}' in the place of 'network', or remove 'router'",
                );
            }
            if one.is_none() {
                refuse(
                    containers,
                    "the containers have no network",
                    "say 'network: 10.0.0.0/24', or 'networks: {internal: ..., external: ...}' with a 'router' between them",
                );
            }
            return one.map(Networks::One);
        };
        if one.is_some() {
            let network = containers.get("network").unwrap_or(containers);
            refuse(
                network,
                "the containers have one network or two, and here are both",
                "remove 'network', or remove 'networks' and 'router'",
            );
        }
        let Some(router) = router else {
            refuse(
                two,
                "nothing is between the two networks",
                "say 'router: {internal: ADDRESS, external: ADDRESS}', with an address of it in each",
            );
            return None;
        };
        let networks: Option<SideNetworks> = self.keep_all(table::from_mapping(two, &two.mark));
        let entry: Option<RouterEntry> = self.keep_all(table::from_mapping(router, &router.mark));
        let (SideNetworks { internal, external }, entry) = (networks?, entry?);
        self.divided(two, internal, external);
        let networks = Networks::Sides(Sides {
            internal,
            external,
            router: Router {
                internal: entry.internal,
                external: entry.external,
                forwards: Vec::new(),
            },
        });
        for (side, address) in [
            (Location::Internal, entry.internal),
            (Location::External, entry.external),
        ] {
            if let Some(reason) = networks.of(side).refusal(address.into()) {
                let node = router.get(side.as_str()).unwrap_or(router);
                self.mistake(&node.mark, reason);
            }
        }
        Some(networks)
    }

    /// Refuses networks that share addresses, and one of the office that has none for clients.
    fn divided(&mut self, node: &Node, internal: ContainerNetwork, external: ContainerNetwork) {
        let (one, other) = (internal.net(), external.net());
        if one.contains(&other) || other.contains(&one) {
            let mistake = Diagnostic::at(
                node.mark.place(),
                format!("the networks {internal} and {external} have addresses in common"),
            );
            self.mistakes
                .push(mistake.hint("give each side a network of its own"));
        }
        if one.prefix_len() > LONGEST {
            let node = node.get(Location::Internal.as_str()).unwrap_or(node);
            let mistake = Diagnostic::at(
                node.mark.place(),
                format!("{internal} is too small for hosts, clients and a router"),
            );
            self.mistakes
                .push(mistake.hint(format!("take a network of /{LONGEST} or larger")));
        }
    }

    /// Reads what the router forwards, once the hosts are known; takes its addresses and its name.
    pub(super) fn router(&mut self, root: &'n Node, addresses: &mut Places<'n>) {
        let Some(containers) = root.get("containers") else {
            return;
        };
        let Some(Networks::Sides(sides)) = self.networks.clone() else {
            return;
        };
        let entries = containers.entries().unwrap_or_default();
        let Some((key, node)) = entries.iter().find(|(key, _)| key.text == ROUTER) else {
            return;
        };
        self.claim(key, ROUTER, None);
        for (side, address) in [
            (Location::Internal, sides.router.internal),
            (Location::External, sides.router.external),
        ] {
            let mark = node.get(side.as_str()).map_or(&node.mark, |it| &it.mark);
            let place = (IpAddr::V4(address), SSH_PORT);
            self.unique(addresses, place, ROUTER, mark);
        }
        let forwards = self.entries(node, "forwards");
        let mut all: Vec<Forward> = Vec::new();
        for (host, ports) in forwards {
            let Some(address) = self.behind_router(host) else {
                continue;
            };
            let list: Option<Vec<Port>> = self.keep(from_node(ports));
            for port in list.unwrap_or_default() {
                if let Some(other) = all.iter().find(|forward| forward.port == port) {
                    let message = format!("port {port} leads to host '{}' already", other.host);
                    let mistake = Diagnostic::at(ports.mark.place(), message);
                    self.mistakes.push(
                        mistake.hint("a port of the router's outer address leads to one host"),
                    );
                    continue;
                }
                all.push(Forward {
                    host: host.text.clone(),
                    address,
                    port,
                });
            }
        }
        if let Some(Networks::Sides(sides)) = &mut self.networks {
            sides.router.forwards = all;
        }
    }

    /// Finds a host in the office to which ports are to lead.
    fn behind_router(&mut self, key: &'n Key) -> Option<Ipv4Addr> {
        let found = self.hosts.iter().find(|host| host.name == key.text);
        let Some(host) = found else {
            // What could not be read has been told.
            if !self.names.contains_key(key.text.as_str()) {
                let message = format!("there is no host '{}'", shorten(&key.text));
                let mistake = Diagnostic::at(key.mark.place(), message);
                let hosts = self.hosts.iter().map(|host| host.name.as_str());
                let mistake = fault::suggest(mistake, &key.text, hosts);
                self.mistakes.push(mistake);
            }
            return None;
        };
        match (host.location, host.address) {
            (Location::Internal, IpAddr::V4(address)) => Some(address),
            // Refused where the host is.
            (Location::Internal, IpAddr::V6(_)) => None,
            (Location::External, _) => {
                let message = format!("host '{}' is outside and needs no router", host.name);
                self.refuse_forward(&key.mark, message);
                None
            }
        }
    }

    fn refuse_forward(&mut self, mark: &Mark, message: String) {
        let mistake = Diagnostic::at(mark.place(), message);
        self.mistakes.push(
            mistake.hint("remove it: the router forwards ports to hosts with 'location: internal'"),
        );
    }
}
