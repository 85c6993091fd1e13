//! IPv4 subnets: parsing, overlap, and the share of one that Docker may hand out by itself.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use super::DockerError;

/// Describes an IPv4 subnet in CIDR form.
///
/// ```
/// let subnet: prov::docker::Subnet = "10.0.0.0/24".parse().unwrap();
/// assert!(subnet.contains("10.0.0.101".parse().unwrap()));
/// assert_eq!(subnet.dynamic().to_string(), "10.0.0.0/26");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    network: u32,
    prefix: u8,
}

impl Subnet {
    /// Gives the quarter with the lowest addresses, from which clients get theirs.
    #[must_use]
    pub fn dynamic(self) -> Self {
        Self {
            network: self.network,
            prefix: self.prefix + 2,
        }
    }

    /// Gives the first address, which the bridge itself gets.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network + 1)
    }

    /// Tells whether an address belongs to the subnet.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network
    }

    /// Tells whether a host may have this fixed address: inside, not dynamic, not the broadcast address.
    #[must_use]
    pub fn is_fixed(self, address: Ipv4Addr) -> bool {
        let broadcast = self.network | !mask(self.prefix);
        self.contains(address)
            && !self.dynamic().contains(address)
            && address.to_bits() != broadcast
    }

    /// Tells whether two subnets have addresses in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let mask = mask(self.prefix.min(other.prefix));
        self.network & mask == other.network & mask
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = DockerError;

    fn from_str(text: &str) -> Result<Self, DockerError> {
        let wrong = |reason| DockerError::Subnet {
            text: text.to_owned(),
            reason,
        };
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| wrong("the prefix length is missing"))?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong("not an IPv4 address"))?;
        let prefix: u8 = prefix
            .parse()
            .map_err(|_| wrong("the prefix length is not a number"))?;
        if !(8..=28).contains(&prefix) {
            return Err(wrong("the prefix length must be between 8 and 28"));
        }
        let network = address.to_bits();
        if network & mask(prefix) != network {
            return Err(wrong("it does not start at the first address of the range"));
        }
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.network), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn hosts_have_addresses_above_the_dynamic_ones() {
        let estate = subnet("10.0.0.0/24");
        assert!(estate.is_fixed(Ipv4Addr::new(10, 0, 0, 101)));
        assert!(!estate.is_fixed(Ipv4Addr::new(10, 0, 0, 63)));
        assert!(!estate.is_fixed(Ipv4Addr::new(10, 0, 0, 255)));
        assert!(!estate.is_fixed(Ipv4Addr::new(10, 0, 1, 101)));
    }

    #[test]
    fn overlap_is_symmetric_and_sees_containment() {
        assert!(subnet("10.0.0.0/8").overlaps(subnet("10.1.0.0/16")));
        assert!(subnet("10.1.0.0/16").overlaps(subnet("10.0.0.0/8")));
        assert!(!subnet("10.0.0.0/24").overlaps(subnet("10.0.1.0/24")));
    }

    #[test]
    fn what_is_not_a_subnet_is_refused() {
        for text in [
            "10.0.0.0",
            "10.0.0.1/24",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "a/24",
            "10.0.0.0/30",
        ] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
    }
}
