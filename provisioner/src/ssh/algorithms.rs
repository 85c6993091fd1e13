//! Which algorithms are offered to a host: those of the SSH library that are safe, limited by the configuration of ssh.

use std::borrow::Cow;

use russh::Preferred;
use russh::keys::Algorithm;

use super::error::SshError;
use super::host_key::preferred_algorithms;
use super::known_hosts::KnownKeys;

/// Limits from the configuration of ssh; `None` where it sets none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Algorithms {
    /// `HostKeyAlgorithms`.
    pub host_keys: Option<Vec<String>>,
    /// `KexAlgorithms`.
    pub kex: Option<Vec<String>>,
    /// `Ciphers`.
    pub ciphers: Option<Vec<String>>,
    /// `MACs`.
    pub macs: Option<Vec<String>>,
}

/// Gives what is offered to a host of which this is known.
pub(super) fn preferred(limits: &Algorithms, known: &KnownKeys) -> Result<Preferred, SshError> {
    let default = Preferred::DEFAULT;
    let keys = preferred_algorithms(known);
    // Asked for a certificate, a host shows no bare key: it is asked only where an authority is known.
    let certificates = if known.authorities.is_empty() {
        Vec::new()
    } else {
        keys.clone()
    };
    let allowed =
        |algorithm: &Algorithm, name: &dyn Fn(&Algorithm) -> String| match &limits.host_keys {
            None => true,
            Some(list) => list.contains(&name(algorithm)),
        };
    let plain = |algorithm: &Algorithm| algorithm.as_str().to_owned();
    let certified = Algorithm::to_certificate_type;
    let keys: Vec<_> = keys
        .into_iter()
        .filter(|one| allowed(one, &plain))
        .collect();
    let certificates: Vec<_> = certificates
        .into_iter()
        .filter(|one| allowed(one, &certified))
        .collect();
    if keys.is_empty() && certificates.is_empty() {
        return Err(nothing_left("HostKeyAlgorithms"));
    }
    // Extensions are no algorithms, and stay whatever the configuration says.
    let is_extension =
        |name: &str| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    Ok(Preferred {
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Owned(certificates),
        kex: limited(
            default.kex,
            limits.kex.as_ref(),
            "KexAlgorithms",
            is_extension,
        )?,
        cipher: limited(default.cipher, limits.ciphers.as_ref(), "Ciphers", |_| {
            false
        })?,
        mac: limited(default.mac, limits.macs.as_ref(), "MACs", |_| false)?,
        ..default
    })
}

/// Keeps those algorithms that the configuration allows, in its order.
fn limited<N: AsRef<str> + Copy>(
    ours: Cow<'static, [N]>,
    allowed: Option<&Vec<String>>,
    keyword: &str,
    is_extension: impl Fn(&str) -> bool,
) -> Result<Cow<'static, [N]>, SshError> {
    let Some(allowed) = allowed else {
        return Ok(ours);
    };
    let named = |name: &String| ours.iter().find(|one| one.as_ref() == name).copied();
    let mut left: Vec<_> = allowed.iter().filter_map(named).collect();
    if left.is_empty() {
        return Err(nothing_left(keyword));
    }
    left.extend(ours.iter().filter(|one| is_extension(one.as_ref())));
    Ok(Cow::Owned(left))
}

fn nothing_left(keyword: &str) -> SshError {
    SshError::Config {
        cause: format!("`{keyword}` names nothing that prov has"),
        remedy: format!(
            "add one that `ssh` and prov both have, or leave `{keyword}` out for this host"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_limits_and_orders() {
        let names = |limits: &Algorithms| {
            let preferred = preferred(limits, &KnownKeys::default()).unwrap();
            let names: Vec<_> = preferred
                .cipher
                .iter()
                .map(|one| one.as_ref().to_owned())
                .collect();
            names.join(",")
        };
        let list = |names: &str| Some(names.split(',').map(str::to_owned).collect());
        let mut limits = Algorithms::default();
        assert!(names(&limits).starts_with("chacha20-poly1305@openssh.com,"));
        limits.ciphers = list("aes128-cbc,aes256-ctr,aes256-gcm@openssh.com");
        assert_eq!(names(&limits), "aes256-ctr,aes256-gcm@openssh.com");
        limits.kex = list("curve25519-sha256");
        let kex = preferred(&limits, &KnownKeys::default()).unwrap().kex;
        let kex: Vec<_> = kex.iter().map(AsRef::as_ref).collect();
        assert_eq!(kex[0], "curve25519-sha256");
        assert!(kex.contains(&"kex-strict-c-v00@openssh.com"));
        assert!(!kex.contains(&"diffie-hellman-group14-sha256"));
        limits.macs = list("hmac-md5");
        let refused = preferred(&limits, &KnownKeys::default()).unwrap_err();
        assert!(refused.to_string().contains("`MACs`"), "{refused}");
    }

    #[test]
    fn signatures_with_sha1_are_not_offered() {
        let preferred = preferred(&Algorithms::default(), &KnownKeys::default()).unwrap();
        let names: Vec<_> = preferred.key.iter().map(Algorithm::as_str).collect();
        assert!(names.contains(&"rsa-sha2-512"));
        assert!(!names.contains(&"ssh-rsa"));
        assert!(preferred.host_key_certificates.is_empty());
    }
}
