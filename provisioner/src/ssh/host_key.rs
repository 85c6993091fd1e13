//! Verification of host keys: strict, against pinned keys or `known_hosts` files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::error::SshError;

/// What a host's key is compared with.
#[derive(Debug, Clone)]
pub enum HostKeys {
    /// These keys, which came over a way that is trusted already (the container engine).
    Pinned {
        /// The keys.
        keys: Vec<PublicKey>,
        /// Where they came from, for messages.
        from: String,
    },
    /// The entries for the host in these files (sshd(8)).
    KnownHosts {
        /// The files; those that do not exist are passed over.
        files: Vec<PathBuf>,
        /// The name or address to look up.
        name: String,
        /// The port to look up.
        port: u16,
    },
}

impl HostKeys {
    /// Gives the keys that are known for the host.
    pub(super) fn known(&self) -> Result<Vec<PublicKey>, SshError> {
        match self {
            Self::Pinned { keys, .. } => Ok(keys.clone()),
            Self::KnownHosts { files, name, port } => {
                let mut keys = Vec::new();
                for file in files.iter().filter(|file| file.exists()) {
                    let found = russh::keys::known_hosts::known_host_keys_path(name, *port, file)
                        .map_err(|error| SshError::KnownHosts {
                        path: file.clone(),
                        cause: error.to_string(),
                    })?;
                    keys.extend(found.into_iter().map(|(_, key)| key));
                }
                Ok(keys)
            }
        }
    }

    fn origin(&self) -> String {
        match self {
            Self::Pinned { from, .. } => from.clone(),
            Self::KnownHosts { files, .. } => {
                let files: Vec<_> = files
                    .iter()
                    .map(|file| file.display().to_string())
                    .collect();
                files.join(" or ")
            }
        }
    }
}

/// Gives key algorithms with those of known keys first, so that the host offers a key that can be compared.
pub(super) fn preferred_algorithms(known: &[PublicKey]) -> Vec<Algorithm> {
    let defaults = russh::Preferred::DEFAULT.key;
    let mut order: Vec<Algorithm> = Vec::new();
    let known = known.iter().map(PublicKey::algorithm);
    for algorithm in known.chain(defaults.iter().cloned()) {
        if defaults.contains(&algorithm) && !order.contains(&algorithm) {
            order.push(algorithm);
        }
    }
    order
}

/// Receives what the SSH library asks a client, above all whether a host key is the right one.
#[derive(Clone)]
pub(super) struct Verifier {
    address: String,
    known: Arc<Vec<PublicKey>>,
    /// Whether the host has no other keys than those that are known.
    complete: bool,
    origin: String,
    refusal: Arc<Mutex<Option<SshError>>>,
}

impl Verifier {
    pub(super) fn new(address: &str, keys: &HostKeys, known: Vec<PublicKey>) -> Self {
        Self {
            address: address.to_owned(),
            known: Arc::new(known),
            complete: matches!(keys, HostKeys::Pinned { .. }),
            origin: keys.origin(),
            refusal: Arc::default(),
        }
    }

    /// Gives the reason for which the host key was refused, if it was.
    pub(super) fn refusal(&self) -> Option<SshError> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn judge(&self, offered: &PublicKey) -> Result<(), SshError> {
        if self
            .known
            .iter()
            .any(|known| known.key_data() == offered.key_data())
        {
            return Ok(());
        }
        let shown = format!(
            "{} {}",
            offered.algorithm(),
            offered.fingerprint(HashAlg::Sha256)
        );
        let address = self.address.clone();
        let kinds: BTreeSet<_> = self.known.iter().map(PublicKey::algorithm).collect();
        Err(if kinds.is_empty() {
            SshError::HostKeyUnknown {
                address,
                offered: shown,
                looked_in: self.origin.clone(),
            }
        } else if self.complete || kinds.contains(&offered.algorithm()) {
            SshError::HostKeyChanged {
                address,
                offered: shown,
                known_in: self.origin.clone(),
            }
        } else {
            // A host has a key of each kind: that another kind is known says nothing about this one.
            let kinds: Vec<_> = kinds.iter().map(Algorithm::as_str).collect();
            SshError::HostKeyOfOtherKind {
                address,
                offered: shown,
                known: kinds.join(", "),
                looked_in: self.origin.clone(),
            }
        })
    }
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        match self.judge(&offered.public_key()) {
            Ok(()) => Ok(true),
            Err(error) => {
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE4T1MLU5FOXMVLj74LbISn/9Gdqiqnrx7VqMS7qtxKE";
    const OTHER_ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq0t4Vrla5aq/qzMf6iyNnnQiKMBn16fEwSGLzcNcvg";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCesnZbIrQwvcl2WHAut7lRKJkzybcyBA45utqoV+HYBP5BmTwUDm7FzPK1ld/v3lKCp2cuzoE3SfgDJdEHX5hOqCbM1l2azPEu5yyq4PaybLU88R60FObNyxvZPYKLw4/4YDsL9Gh62uQC1yVrbZoKJK5eeDLdkT0Xrj4wlGEzwIWvyVtK0rb44hNdXDZI4Ef3XkVVdEljq55/z4vV5G5TlCj6F7dkGzCZD/BhpKegSvvRBUiVxKBnBU5REanLfvpiEuyzdbg8GuK7gVxcgS4fMucWL2B1VQ8s186+xjWi7PXGocv04zRDjkfM+X0sldQgQgWSPBwWZm+ab1ggZxav";

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    /// Judges an offered Ed25519 key by what a file with these entries says.
    fn judged(entries: &[&str]) -> Result<(), SshError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines: Vec<_> = entries.iter().map(|key| format!("h {key}\n")).collect();
        std::fs::write(file.path(), lines.concat()).unwrap();
        let keys = HostKeys::KnownHosts {
            files: vec![file.path().to_owned()],
            name: "h".to_owned(),
            port: 22,
        };
        let known = keys.known().unwrap();
        Verifier::new("h", &keys, known).judge(&key(ED25519))
    }

    #[test]
    fn a_key_that_is_known_is_taken_whatever_else_is_known() {
        for entries in [&[ED25519][..], &[RSA, ED25519], &[OTHER_ED25519, ED25519]] {
            judged(entries).unwrap();
        }
    }

    #[test]
    fn only_another_key_of_the_same_kind_means_that_the_key_changed() {
        let refused = |entries| judged(entries).unwrap_err();
        assert!(matches!(refused(&[]), SshError::HostKeyUnknown { .. }));
        for entries in [&[OTHER_ED25519][..], &[RSA, OTHER_ED25519]] {
            assert!(matches!(refused(entries), SshError::HostKeyChanged { .. }));
        }
        let other = refused(&[RSA]);
        assert!(
            matches!(&other, SshError::HostKeyOfOtherKind { known, .. } if known == "ssh-rsa"),
            "{other:?}"
        );
        assert!(
            other.remedy().to_string().contains("UpdateHostKeys"),
            "{}",
            other.remedy()
        );
    }

    #[test]
    fn of_a_container_all_keys_are_known() {
        let keys = HostKeys::Pinned {
            keys: vec![key(RSA)],
            from: "the container".to_owned(),
        };
        let known = keys.known().unwrap();
        let refused = Verifier::new("h", &keys, known).judge(&key(ED25519));
        assert!(matches!(refused, Err(SshError::HostKeyChanged { .. })));
    }
}
