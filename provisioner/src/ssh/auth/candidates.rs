//! The keys that can be offered, in the order in which they are: those that somebody named, then the agent's, then those that
//! ssh would try by itself. A host counts each, and soon has enough (`MaxAuthTries` of `sshd_config(5)`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, PublicKey};

use super::Credentials;
use super::keyring::{Keyring, Unlocked};
use super::private::{KeyFile, Private, with_suffix};

/// One key to offer.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// What it is called in messages.
    pub(super) name: String,
    /// The public half; `None` if it takes the passphrase to know it.
    pub(super) public: Option<PublicKey>,
    /// A certificate that is shown in its place.
    pub(super) certificate: Option<Certificate>,
    /// Who signs.
    pub(super) holder: Holder,
}

/// Who holds the private half.
#[derive(Debug, Clone)]
pub(super) enum Holder {
    Agent,
    File(Arc<Private>),
    /// A file whose passphrase is not known yet.
    Locked(PathBuf),
    /// Nobody that prov can reach: why.
    Nobody(PathBuf, String),
}

/// A key file that cannot be used, and why.
#[derive(Debug, Clone)]
pub(super) struct Unusable {
    pub(super) path: PathBuf,
    pub(super) cause: String,
}

/// Lists what can be offered, and what cannot.
pub(super) fn list(
    credentials: &Credentials,
    agent: &[AgentIdentity],
) -> (Vec<Candidate>, Vec<Unusable>) {
    let mut list = List {
        agent,
        keyring: &credentials.keyring,
        candidates: Vec::new(),
        unusable: Vec::new(),
    };
    for path in &credentials.identities {
        list.file(path, &credentials.certificates, true);
    }
    if credentials.identities.is_empty() && credentials.identities_only {
        list.files(&credentials.defaults, &credentials.certificates);
    }
    list.certificates(&credentials.certificates);
    if !credentials.identities_only {
        list.agents();
    }
    if credentials.identities.is_empty() {
        list.files(&credentials.defaults, &credentials.certificates);
    }
    (list.candidates, list.unusable)
}

struct List<'l> {
    agent: &'l [AgentIdentity],
    keyring: &'l Keyring,
    candidates: Vec<Candidate>,
    unusable: Vec<Unusable>,
}

impl List<'_> {
    fn files(&mut self, paths: &[PathBuf], certificates: &[PathBuf]) {
        for path in paths {
            self.file(path, certificates, false);
        }
    }

    /// Adds a key file, with its certificates before the bare key.
    fn file(&mut self, path: &Path, certificates: &[PathBuf], is_named: bool) {
        let unusable = |cause: String| Unusable {
            path: path.to_owned(),
            cause,
        };
        let (public, holder) = match KeyFile::read(path) {
            Ok(None) if is_named => {
                self.unusable
                    .push(unusable("there is no such file".to_owned()));
                return;
            }
            Ok(None) => return,
            Err(cause) => {
                self.unusable.push(unusable(cause));
                return;
            }
            Ok(Some(KeyFile::Open(public, private))) => (Some(public), Holder::File(private)),
            Ok(Some(KeyFile::Locked(public))) => match self.keyring.known(path) {
                Some(Unlocked::Open(public, private)) => (Some(public), Holder::File(private)),
                Some(Unlocked::Refused(cause)) => (public, Holder::Nobody(path.to_owned(), cause)),
                None => (public, Holder::Locked(path.to_owned())),
            },
            Ok(Some(KeyFile::Public(public))) => {
                let cause = "it is the public half of a key whose private half is not in the agent";
                (
                    Some(public),
                    Holder::Nobody(path.to_owned(), cause.to_owned()),
                )
            }
        };
        let holder = match &public {
            Some(public) if self.agent_holds(public) => Holder::Agent,
            _ => holder,
        };
        let Some(public) = public else {
            if let Holder::Nobody(path, cause) = holder {
                self.unusable.push(Unusable { path, cause });
            } else {
                self.add(path.display().to_string(), None, None, holder);
            }
            return;
        };
        let beside = with_suffix(path, "-cert.pub");
        for file in std::iter::once(&beside).chain(certificates) {
            let Some(certificate) =
                certificate(file).filter(|one| one.public_key() == public.key_data())
            else {
                continue;
            };
            let name = file.display().to_string();
            self.add(
                name,
                Some(public.clone()),
                Some(certificate),
                holder.clone(),
            );
        }
        self.add(path.display().to_string(), Some(public), None, holder);
    }

    /// Adds certificates of keys that the agent holds.
    fn certificates(&mut self, files: &[PathBuf]) {
        for file in files {
            match certificate(file) {
                None => self.unusable.push(Unusable {
                    path: file.clone(),
                    cause: "it is no certificate that can be read".to_owned(),
                }),
                Some(certificate) => {
                    let public = PublicKey::from(certificate.public_key().clone());
                    if self.agent_holds(&public) {
                        let name = file.display().to_string();
                        self.add(name, Some(public), Some(certificate), Holder::Agent);
                    }
                }
            }
        }
    }

    /// Adds everything that the agent holds.
    fn agents(&mut self) {
        for identity in self.agent {
            let (public, certificate, comment) = match identity {
                AgentIdentity::PublicKey { key, comment } => (key.clone(), None, comment),
                AgentIdentity::Certificate {
                    certificate,
                    comment,
                } => {
                    let public = PublicKey::from(certificate.public_key().clone());
                    (public, Some(certificate.clone()), comment)
                }
            };
            let name = format!("agent key {comment}");
            self.add(name, Some(public), certificate, Holder::Agent);
        }
    }

    fn agent_holds(&self, public: &PublicKey) -> bool {
        self.agent.iter().any(|identity| {
            matches!(identity, AgentIdentity::PublicKey { key, .. } if key.key_data() == public.key_data())
        })
    }

    /// Adds a key, unless it is there already.
    fn add(
        &mut self,
        name: String,
        public: Option<PublicKey>,
        certificate: Option<Certificate>,
        holder: Holder,
    ) {
        let is_same = |other: &Candidate| match (&public, &other.public) {
            (Some(one), Some(other_key)) => {
                one.key_data() == other_key.key_data() && other.certificate == certificate
            }
            _ => false,
        };
        if !self.candidates.iter().any(is_same) {
            self.candidates.push(Candidate {
                name,
                public,
                certificate,
                holder,
            });
        }
    }
}

fn certificate(file: &Path) -> Option<Certificate> {
    Certificate::from_openssh(std::fs::read_to_string(file).ok()?.trim()).ok()
}
