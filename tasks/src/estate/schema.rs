//! What `estate.yml` may say, described for the reference.
//!
//! Owns nothing but words: `inventory` reads the file, section by section, so that every mistake in it is reported at
//! once. A test keeps the two together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::connection::Block;
use super::inventory::{Containers, HostEntry};
use super::upgrades::Upgrades;
use super::verify::Marks;
use crate::release::Release;

/// Gives the schema of `estate.yml`, with its documentation.
#[must_use]
pub fn inventory_schema() -> Schema {
    schemars::schema_for!(Inventory)
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "described here, read by `inventory`")]
struct Inventory {
    /// Name of the estate, of `a-z`, `0-9`, `-` and `_`. Its containers and prov's state on this machine are named after it.
    name: String,
    /// Release of Debian on hosts that do not name their own.
    #[serde(default)]
    release: Release,
    /// How hosts are reached that do not say it themselves.
    #[serde(default)]
    connection: Block,
    /// Makes the hosts containers on this machine; without it they are servers.
    #[serde(default)]
    containers: Option<Containers>,
    /// The hosts, by name: a DNS label in lower case.
    hosts: BTreeMap<String, HostEntry>,
    /// Hosts that share variables, by the group's name. Besides them there are `internal` and `external`, which arise from
    /// the hosts' locations, and `all`.
    #[serde(default)]
    groups: BTreeMap<String, Names>,
    /// Hosts that people handle together, by the service's name. `prov verify` knows `backup`, `calendar`, `dns`,
    /// `dynamic_dns`, `mail` and `web`.
    #[serde(default)]
    services: BTreeMap<String, Names>,
    /// The hosts and groups that have a role, by the role's name.
    #[serde(default)]
    roles: BTreeMap<String, Names>,
    /// In which order `prov upgrade` takes the hosts, and how many at once.
    #[serde(default)]
    upgrades: Upgrades,
    /// What checks that write may use on servers.
    #[serde(default)]
    verify: Marks,
}

/// One name, or a list of them.
#[expect(dead_code, reason = "described here, read by `inventory`")]
struct Names(Vec<String>);

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "format": "name or list of names" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::inventory::SECTIONS;
    use super::*;

    #[test]
    fn every_section_that_is_read_is_described_and_no_other() {
        let schema = inventory_schema().to_value();
        let described = schema["properties"].as_object().unwrap().keys();
        let described: BTreeSet<_> = described.map(String::as_str).collect();
        assert_eq!(described, BTreeSet::from(SECTIONS));
    }
}
