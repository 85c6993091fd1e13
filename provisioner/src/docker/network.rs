//! The estate's network: one bridge with fixed addresses for hosts and a low range of dynamic ones for clients.

use std::collections::HashMap;

use bollard::{
    models::{Ipam, IpamConfig, Network, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptionsBuilder, ListNetworksOptionsBuilder},
};

use ipnet::Ipv4Net;

use super::{
    DockerError, EstateContainers,
    engine::{label, labels},
    image::missing_is_none,
};

const MTU: &str = "com.docker.network.driver.mtu";

impl EstateContainers {
    /// Names the estate's network.
    #[must_use]
    pub fn network_name(&self) -> String {
        format!("prov-{}", self.estate)
    }

    /// Makes sure that the estate's network exists with its subnet.
    pub async fn ensure_network(&self) -> Result<(), DockerError> {
        let name = self.network_name();
        let _alone = self.engine.alone_with(&name).await;
        let all = ListNetworksOptionsBuilder::new().build();
        let networks = self
            .docker()
            .list_networks(Some(all))
            .await
            .map_err(DockerError::request("list networks"))?;
        if let Some(existing) = networks
            .iter()
            .find(|network| network.name.as_deref() == Some(&name))
        {
            return self.accept(existing, name);
        }
        for network in &networks {
            if let Some(other) = subnets(network).find(|other| overlap(*other, self.subnet.net())) {
                return Err(DockerError::SubnetTaken {
                    estate: self.estate.clone(),
                    subnet: self.subnet.to_string(),
                    network: network.name.clone().unwrap_or_default(),
                    other_subnet: other.to_string(),
                });
            }
        }
        let config = IpamConfig {
            subnet: Some(self.subnet.to_string()),
            ip_range: Some(self.subnet.clients().to_string()),
            gateway: Some(self.subnet.gateway().to_string()),
            auxiliary_addresses: None,
        };
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            ipam: Some(Ipam {
                config: Some(vec![config]),
                ..Ipam::default()
            }),
            options: Some(self.default_mtu().await?),
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
                "create the network {name} ({})",
                self.subnet
            )))
    }

    fn accept(&self, existing: &Network, name: String) -> Result<(), DockerError> {
        let owner = existing
            .labels
            .as_ref()
            .and_then(|labels| labels.get(label::ESTATE));
        if owner != Some(&self.estate) {
            return Err(DockerError::Foreign {
                kind: "network",
                name,
                estate: self.estate.clone(),
            });
        }
        let actual: Vec<Ipv4Net> = subnets(existing).collect();
        if actual != [self.subnet.net()] {
            let actual: Vec<String> = actual.iter().map(ToString::to_string).collect();
            return Err(DockerError::NetworkDiffers {
                network: name,
                expected: self.subnet.to_string(),
                actual: actual.join(", "),
            });
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
