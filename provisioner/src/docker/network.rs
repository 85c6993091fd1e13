//! The estate's networks: bridges with fixed addresses for hosts and a low range of dynamic ones for clients; one for all, or one for
//! each side.
//!
//! The engine's own rules let nothing pass between two of its bridges, so between two sides there is what the router forwards. It is the
//! gateway of both by the option `DefaultGatewayIPv4` of the engine's bridges: their own first address stays this machine's, which
//! reaches every host by it. Both do without the engine's masquerading. On a machine that has `br_netfilter` that would
//! rewrite what the router forwards into the office, too, as if it came from this machine.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::{
    models::{Ipam, IpamConfig, Network, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptionsBuilder, ListNetworksOptionsBuilder},
};

use ipnet::Ipv4Net;
use tasks::estate::{ContainerNetwork, Location};

use super::{
    DockerError, EstateContainers, Progress,
    engine::{label, labels},
    image::missing_is_none,
};

const MTU: &str = "com.docker.network.driver.mtu";

/// Whether the engine gives what leaves a bridge this machine's address.
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";

/// What the engine calls the gateway of a bridge's containers where it is not the bridge itself.
const GATEWAY: &str = "DefaultGatewayIPv4";

/// A network as the estate asks for it.
struct Wanted {
    name: String,
    subnet: ContainerNetwork,
    /// The router's address in it, where there is one.
    gateway: Option<Ipv4Addr>,
}

impl EstateContainers {
    /// Names the network of a side; where there is one for all, that.
    #[must_use]
    pub fn network_name(&self, side: Location) -> String {
        match self.networks.sides() {
            None => format!("prov-{}", self.estate),
            Some(_) => format!("prov-{}-{side}", self.estate),
        }
    }

    /// Names all networks, that of the Internet first.
    pub(super) fn network_names(&self) -> Vec<String> {
        let mut names = [Location::External, Location::Internal]
            .map(|side| self.network_name(side))
            .to_vec();
        names.dedup();
        names
    }

    /// Makes sure that the estate's networks exist with their subnets, and runs the router between two.
    pub async fn ensure_networks(&self, progress: &Progress<'_>) -> Result<(), DockerError> {
        let Some(sides) = self.networks.sides() else {
            let wanted = Wanted {
                name: self.network_name(Location::Internal),
                subnet: self.networks.of(Location::Internal),
                gateway: None,
            };
            return self.ensure_network(&wanted).await;
        };
        for (side, gateway) in [
            (Location::Internal, sides.router.internal),
            (Location::External, sides.uplink()),
        ] {
            let wanted = Wanted {
                name: self.network_name(side),
                subnet: self.networks.of(side),
                gateway: Some(gateway),
            };
            self.ensure_network(&wanted).await?;
        }
        self.run_router(sides, progress).await
    }

    async fn ensure_network(&self, wanted: &Wanted) -> Result<(), DockerError> {
        let _alone = self.engine.alone_with(&wanted.name).await;
        let all = ListNetworksOptionsBuilder::new().build();
        let networks = self
            .docker()
            .list_networks(Some(all))
            .await
            .map_err(DockerError::request("list networks"))?;
        if let Some(existing) = networks
            .iter()
            .find(|network| network.name.as_deref() == Some(&wanted.name))
        {
            return self.accept(existing, wanted);
        }
        self.refuse_others(&networks, wanted)?;
        let reserved = wanted.gateway.map(|address| address.to_string());
        let config = IpamConfig {
            subnet: Some(wanted.subnet.to_string()),
            ip_range: Some(wanted.subnet.clients().to_string()),
            gateway: Some(wanted.subnet.gateway().to_string()),
            auxiliary_addresses: reserved.map(|address| [(GATEWAY.to_owned(), address)].into()),
        };
        let mut options = self.default_mtu().await?;
        if wanted.gateway.is_some() {
            options.insert(MASQUERADE.to_owned(), "false".to_owned());
        }
        let request = NetworkCreateRequest {
            name: wanted.name.clone(),
            driver: Some("bridge".to_owned()),
            ipam: Some(Ipam {
                config: Some(vec![config]),
                ..Ipam::default()
            }),
            options: Some(options),
            labels: Some(labels([
                (label::ROLE, "network"),
                (label::ESTATE, &self.estate),
            ])),
            ..NetworkCreateRequest::default()
        };
        self.docker()
            .create_network(request)
            .await
            .map(drop)
            .map_err(DockerError::request(format!(
                "create the network {} ({})",
                wanted.name, wanted.subnet
            )))
    }

    /// Refuses a network whose addresses are another network's, and one beside what the estate had before it had others.
    fn refuse_others(&self, networks: &[Network], wanted: &Wanted) -> Result<(), DockerError> {
        let ours = self.network_names();
        let former = networks.iter().find(|network| {
            let name = network.name.as_ref();
            owner(network) == Some(&self.estate) && name.is_none_or(|name| !ours.contains(name))
        });
        if let Some(former) = former {
            return Err(DockerError::NetworkDiffers {
                network: former.name.clone().unwrap_or_default(),
                expected: self.networks.in_words(),
                actual: in_words(former),
            });
        }
        for network in networks {
            if let Some(other) = subnets(network).find(|other| overlap(*other, wanted.subnet.net()))
            {
                return Err(DockerError::SubnetTaken {
                    estate: self.estate.clone(),
                    subnet: wanted.subnet.to_string(),
                    network: network.name.clone().unwrap_or_default(),
                    other_subnet: other.to_string(),
                });
            }
        }
        Ok(())
    }

    fn accept(&self, existing: &Network, wanted: &Wanted) -> Result<(), DockerError> {
        if owner(existing) != Some(&self.estate) {
            return Err(DockerError::Foreign {
                kind: "network",
                name: wanted.name.clone(),
                estate: self.estate.clone(),
            });
        }
        let differs = |expected: String, actual: String| {
            Err(DockerError::NetworkDiffers {
                network: wanted.name.clone(),
                expected,
                actual,
            })
        };
        let actual: Vec<Ipv4Net> = subnets(existing).collect();
        if actual != [wanted.subnet.net()] {
            return differs(wanted.subnet.to_string(), in_words(existing));
        }
        let gateway = gateway(existing);
        let expected = wanted.gateway.map(|address| address.to_string());
        if gateway != expected {
            let through = |gateway: Option<String>| match gateway {
                Some(address) => format!("{} with the router {address}", wanted.subnet),
                None => format!("{} without a router", wanted.subnet),
            };
            return differs(through(expected), through(gateway));
        }
        Ok(())
    }

    /// Copies the default bridge's MTU, which the engine does not apply to other networks: on a machine whose uplink
    /// carries less than 1,500 bytes, large packets would silently get lost.
    async fn default_mtu(&self) -> Result<HashMap<String, String>, DockerError> {
        let options = InspectNetworkOptionsBuilder::new().build();
        let bridge = missing_is_none(self.docker().inspect_network("bridge", Some(options)).await)
            .map_err(DockerError::request("look at the network bridge"))?;
        let mtu = bridge
            .and_then(|bridge| bridge.options)
            .and_then(|mut options| options.remove(MTU));
        Ok(mtu.map(|mtu| (MTU.to_owned(), mtu)).into_iter().collect())
    }
}

/// Gives the estate for which prov has made a network.
fn owner(network: &Network) -> Option<&String> {
    network.labels.as_ref()?.get(label::ESTATE)
}

/// Gives the gateway of a network's containers, where it is not this machine.
fn gateway(network: &Network) -> Option<String> {
    let mut configs = network.ipam.as_ref()?.config.as_deref()?.iter();
    configs.find_map(|config| config.auxiliary_addresses.as_ref()?.get(GATEWAY).cloned())
}

fn in_words(network: &Network) -> String {
    let subnets: Vec<String> = subnets(network).map(|subnet| subnet.to_string()).collect();
    subnets.join(", ")
}

fn subnets(network: &Network) -> impl Iterator<Item = Ipv4Net> + '_ {
    let configs = network
        .ipam
        .as_ref()
        .and_then(|ipam| ipam.config.as_deref())
        .unwrap_or_default();
    // IPv6 subnets do not parse, and cannot clash.
    configs
        .iter()
        .filter_map(|config| config.subnet.as_deref()?.parse().ok())
}

/// Tells whether two networks have addresses in common: one is then part of the other.
fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other) || other.contains(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_symmetric_and_sees_containment() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(overlap(one, other), overlap(other, one));
            overlap(one, other)
        };
        assert!(overlap("10.0.0.0/8", "10.1.0.0/16"));
        assert!(overlap("10.0.0.0/24", "10.0.0.4/30"));
        assert!(!overlap("10.0.0.0/24", "10.0.1.0/24"));
    }
}
