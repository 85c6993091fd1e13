//! Verification of host keys: strict, against pinned keys or `known_hosts` files.

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
    origin: String,
    refusal: Arc<Mutex<Option<SshError>>>,
}

impl Verifier {
    pub(super) fn new(address: &str, keys: &HostKeys, known: Vec<PublicKey>) -> Self {
        Self {
            address: address.to_owned(),
            known: Arc::new(known),
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
        Err(if self.known.is_empty() {
            SshError::HostKeyUnknown {
                address,
                offered: shown,
                looked_in: self.origin.clone(),
            }
        } else {
            SshError::HostKeyChanged {
                address,
                offered: shown,
                known_in: self.origin.clone(),
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
