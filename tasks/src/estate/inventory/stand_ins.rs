//! Stand-ins: which an estate has, and at which addresses.
//!
//! Owns the field `stand_ins` of the section `containers`. Refuses names that no stand-in has or that stand for something
//! else, and addresses that a host has.

use std::net::IpAddr;

use super::super::node::{Node, shorten};
use super::super::{Location, STAND_INS, StandIn, fault, from_node};
use super::{Inventory, Places, SSH_PORT};
use crate::Diagnostic;

impl<'n> Inventory<'n, '_> {
    /// Reads the stand-ins, once the hosts and their addresses are known.
    pub(super) fn stand_ins(&mut self, root: &'n Node, mut addresses: Places<'n>) -> Vec<StandIn> {
        let node = root.get("containers");
        let Some(node) = node.and_then(|node| node.get("stand_ins")) else {
            return Vec::new();
        };
        let mut stand_ins = Vec::new();
        for (key, node) in self.keep(node.entries()).unwrap_or_default() {
            let name = key.text.as_str();
            if !STAND_INS.contains(&name) {
                let message = format!("there is no stand-in '{}'", shorten(name));
                let mistake = Diagnostic::at(key.mark.place(), message);
                self.mistakes.push(fault::suggest(mistake, name, STAND_INS));
            }
            self.claim(key, "stand-in", None);
            let Some(address): Option<IpAddr> = self.keep(from_node(node)) else {
                continue;
            };
            self.address(address, Location::External, &node.mark);
            self.unique(&mut addresses, (address, SSH_PORT), name, &node.mark);
            if let IpAddr::V4(address) = address {
                stand_ins.push(StandIn {
                    name: name.to_owned(),
                    address,
                });
            }
        }
        stand_ins
    }
}
