//! The networks of an estate's containers: one for all, or one for each side with a router between them.
//!
//! Owns what lies in which network, and what the router lets through, as rules of nftables. Knows nothing of Docker itself,
//! and makes no container.

use std::net::Ipv4Addr;

use super::{ContainerNetwork, Location};
use crate::pushln;
use crate::value::Port;

/// Name of the router, of its container, and of its line among the hosts.
pub const ROUTER: &str = "router";

/// Says in which networks the containers of an estate are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// Everything is in one.
    One(ContainerNetwork),
    /// What is in the office is in one, everything else in another.
    Sides(Sides),
}

/// The networks of both sides, and what is between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// That of the office.
    pub internal: ContainerNetwork,
    /// That of the Internet.
    pub external: ContainerNetwork,
    /// What is between them.
    pub router: Router,
}

/// The office's router. What is outside sees the office at its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// Its address in the office, by which everything there leaves.
    pub internal: Ipv4Addr,
    /// Its address on the Internet.
    pub external: Ipv4Addr,
    /// The ports of its outer address that lead to hosts in the office, in the order of the estate's file.
    pub forwards: Vec<Forward>,
}

/// A port of the router's outer address that leads to the same port of a host in the office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Name of the host.
    pub host: String,
    /// The host's address.
    pub address: Ipv4Addr,
    /// The port.
    pub port: Port,
}

impl Networks {
    /// Gives the network of a side.
    #[must_use]
    pub const fn of(&self, side: Location) -> ContainerNetwork {
        match (self, side) {
            (Self::One(network), _) => *network,
            (Self::Sides(sides), Location::Internal) => sides.internal,
            (Self::Sides(sides), Location::External) => sides.external,
        }
    }

    /// Gives both networks and their router, where there are two.
    #[must_use]
    pub const fn sides(&self) -> Option<&Sides> {
        match self {
            Self::One(_) => None,
            Self::Sides(sides) => Some(sides),
        }
    }

    /// Says in words which networks there are: `10.0.0.0/24`, or `10.0.1.0/24 (internal) and 10.0.2.0/24 (external)`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::One(network) => network.to_string(),
            Self::Sides(sides) => format!(
                "{} (internal) and {} (external)",
                sides.internal, sides.external
            ),
        }
    }
}

impl From<ContainerNetwork> for Networks {
    fn from(network: ContainerNetwork) -> Self {
        Self::One(network)
    }
}

impl Router {
    /// Tells whether a port of its outer address leads to a host.
    #[must_use]
    pub fn leads_to(&self, host: &str) -> bool {
        self.forwards.iter().any(|forward| forward.host == host)
    }
}

impl Sides {
    /// Gives the address in the network outside to which everything there sends what is for neither side. It is the first after that of
    /// the machine, in the clients' share; no client gets it.
    #[must_use]
    pub fn uplink(&self) -> Ipv4Addr {
        let first = u32::from(self.external.gateway());
        Ipv4Addr::from(first.saturating_add(1))
    }

    /// Writes what the router does as rules of nftables (nft(8)). They name its interfaces by the variables `inside`, `outside` and
    /// `uplink`; the last one leads to this machine, and from there to whatever that reaches.
    ///
    /// Everything in them is an address, a network or a number, so nothing has to be quoted.
    #[must_use]
    pub fn rules(&self) -> String {
        let (office, world) = (self.internal, self.external);
        let outer = self.router.external;
        let mut forwards = String::new();
        for Forward { address, port, .. } in &self.router.forwards {
            let (protocol, number) = (port.protocol, port.number);
            pushln!(
                forwards,
                "\t\tiifname $outside ip daddr {outer} {protocol} dport {number} dnat ip to {address}"
            );
        }
        format!(
            "table inet prov-router
delete table inet prov-router
table inet prov-router {{
\tchain arriving {{
\t\ttype nat hook prerouting priority dstnat; policy accept;
{forwards}\t}}
\tchain leaving {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\toifname $uplink masquerade
\t\toifname $outside ip saddr {office} snat ip to {outer}
\t}}
\tchain passing {{
\t\ttype filter hook forward priority filter; policy drop;
\t\tct state established,related accept
\t\tiifname $inside ip saddr {office} accept
\t\tiifname $outside oifname $uplink ip saddr {world} accept
\t\tiifname $outside oifname $inside ip saddr {world} ct status dnat accept
\t}}
\tchain own {{
\t\ttype filter hook input priority filter; policy drop;
\t\tct state established,related accept
\t\tiifname lo accept
\t\tip protocol icmp icmp type echo-request accept
\t}}
}}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(ports: &[&str]) -> Sides {
        let forward = |port: &&str| Forward {
            host: "hub".to_owned(),
            address: Ipv4Addr::new(10, 0, 1, 101),
            port: Port::new(port).unwrap(),
        };
        Sides {
            internal: "10.0.1.0/24".parse().unwrap(),
            external: "10.0.2.0/24".parse().unwrap(),
            router: Router {
                internal: Ipv4Addr::new(10, 0, 1, 100),
                external: Ipv4Addr::new(10, 0, 2, 100),
                forwards: ports.iter().map(forward).collect(),
            },
        }
    }

    #[test]
    fn each_side_has_its_network() {
        let sides = sides(&[]);
        let (internal, external) = (sides.internal, sides.external);
        assert_eq!(sides.uplink(), Ipv4Addr::new(10, 0, 2, 2));
        let both = Networks::Sides(sides);
        assert_eq!(both.of(Location::Internal), internal);
        assert_eq!(both.of(Location::External), external);
        let one = Networks::from(internal);
        assert_eq!(one.of(Location::External), internal);
        assert!(one.sides().is_none());
    }

    #[test]
    fn the_router_forwards_what_is_named_and_drops_what_nobody_asked_for() {
        insta::assert_snapshot!(sides(&["9103", "53/udp"]).rules(), @r#"
    table inet prov-router
    delete table inet prov-router
    table inet prov-router {
    	chain arriving {
    		type nat hook prerouting priority dstnat; policy accept;
    		iifname $outside ip daddr 10.0.2.100 tcp dport 9103 dnat ip to 10.0.1.101
    		iifname $outside ip daddr 10.0.2.100 udp dport 53 dnat ip to 10.0.1.101
    	}
    	chain leaving {
    		type nat hook postrouting priority srcnat; policy accept;
    		oifname $uplink masquerade
    		oifname $outside ip saddr 10.0.1.0/24 snat ip to 10.0.2.100
    	}
    	chain passing {
    		type filter hook forward priority filter; policy drop;
    		ct state established,related accept
    		iifname $inside ip saddr 10.0.1.0/24 accept
    		iifname $outside oifname $uplink ip saddr 10.0.2.0/24 accept
    		iifname $outside oifname $inside ip saddr 10.0.2.0/24 ct status dnat accept
    	}
    	chain own {
    		type filter hook input priority filter; policy drop;
    		ct state established,related accept
    		iifname lo accept
    		ip protocol icmp icmp type echo-request accept
    	}
    }
    "#);
    }

    #[test]
    fn without_forwards_nothing_from_outside_enters() {
        assert!(!sides(&[]).rules().contains("dnat ip"));
    }
}
