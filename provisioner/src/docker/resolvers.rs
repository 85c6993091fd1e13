//! The DNS resolvers of the machine that the containers run on.

use std::{fs, net::IpAddr};

use super::DockerError;

const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Lists the resolvers that this machine uses and that a container can use too, IPv4 first.
///
/// Reads `resolv.conf(5)`; where that names only a local stub, what systemd-resolved asks itself.
pub fn host_resolvers() -> Result<Vec<IpAddr>, DockerError> {
    FILES
        .iter()
        .map(|file| nameservers(&fs::read_to_string(file).unwrap_or_default()))
        .find(|found| !found.is_empty())
        .ok_or_else(|| DockerError::NoResolvers {
            looked_in: FILES.join(", "),
        })
}

fn nameservers(text: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next()? == "nameserver").then(|| words.next()?.parse().ok())?
        })
        .filter(|address: &IpAddr| !address.is_loopback() && !address.is_unspecified())
        .collect();
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_stubs_and_scoped_addresses_are_passed_over() {
        let text = "# x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\nnameserver 192.0.2.1\n";
        let found: Vec<String> = nameservers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1", "2001:db8::1"]);
    }
}
