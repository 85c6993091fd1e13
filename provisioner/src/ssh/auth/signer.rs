//! Signing what a host asks for, once it has said that it would accept the key.

use std::path::PathBuf;

use russh::keys::HashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_encoding::Encode as _;
use tokio::net::UnixStream;

use super::candidates::Holder;
use crate::ssh::clock::{Clock, PERSON};

/// Why there is no signature.
#[derive(Debug)]
pub(super) enum Unsigned {
    /// The connection is gone.
    Gone,
    /// The key is locked: its passphrase must be asked for, and the login begun anew.
    Locked(PathBuf),
    /// The host would take the key, but nobody signs with it.
    Unusable(PathBuf, String),
    /// The agent does not sign.
    Agent(String),
}

impl From<russh::SendError> for Unsigned {
    fn from(_: russh::SendError) -> Self {
        Self::Gone
    }
}

/// Signs with one key.
pub(super) struct Signer<'s> {
    pub(super) holder: &'s Holder,
    pub(super) agent: &'s mut Option<AgentClient<UnixStream>>,
    pub(super) clock: &'s Clock,
}

impl Signer<'_> {
    /// Has the agent sign, which may wait for a person to touch a security token, or to say yes.
    async fn ask_agent(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        let agent = self.agent.as_mut();
        let agent = agent.ok_or_else(|| Unsigned::Agent("it is gone".to_owned()))?;
        let signing = agent.sign_request(key, hash, data);
        if let Some(signed) = self.clock.with_person(signing).await {
            return signed.map_err(|error| Unsigned::Agent(error.to_string()));
        }
        // Its next answer would be this one.
        *self.agent = None;
        Err(Unsigned::Agent(format!(
            "nobody touched it, or said yes to the agent, for {} s",
            PERSON.as_secs()
        )))
    }
}

impl russh::Signer for Signer<'_> {
    type Error = Unsigned;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, Unsigned> {
        match self.holder {
            Holder::Locked(path) => Err(Unsigned::Locked(path.clone())),
            Holder::Nobody(path, cause) => Err(Unsigned::Unusable(path.clone(), cause.clone())),
            Holder::File(private) => {
                let blob = private.sign(&data, hash).map_err(Unsigned::Agent)?;
                blob.encode(&mut data)
                    .map_err(|error| Unsigned::Agent(error.to_string()))?;
                Ok(data)
            }
            Holder::Agent => {
                let public = match key {
                    // The agent knows the key by its bare public half if the certificate came from a file.
                    AgentIdentity::Certificate { certificate, .. } => AgentIdentity::from(
                        russh::keys::PublicKey::from(certificate.public_key().clone()),
                    ),
                    AgentIdentity::PublicKey { .. } => key.clone(),
                };
                let plain = self.ask_agent(&public, hash, data.clone()).await;
                match (plain, key) {
                    // It may hold the certificate alone.
                    (Err(_), AgentIdentity::Certificate { .. }) if self.agent.is_some() => {
                        self.ask_agent(key, hash, data).await
                    }
                    (signed, _) => signed,
                }
            }
        }
    }
}
