//! Authentication: what a host offers, step by step, with the right key first and a password as the last resort.
//!
//! A host says which methods it offers before anything is tried, and after each step which remain. Keys are shown before they
//! sign, so a passphrase is asked for only if the host would take the key. A password is never used in place of a key
//! that the host would have taken, or that somebody named, and that could not be used.

mod candidates;
mod keyring;
mod private;
mod signer;

pub use keyring::{Ask, Keyring};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg};
use russh::{MethodKind, MethodSet};
use tasks::Secret;
use tokio::net::UnixStream;

use super::Target;
use super::clock::Clock;
use super::error::SshError;
use super::host_key::Verifier;
use candidates::{Candidate, Holder, Unusable};
use signer::{Signer, Unsigned};

/// What one can log in with.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Key files that somebody named.
    pub identities: Vec<PathBuf>,
    /// Key files that are tried where nobody named one.
    pub defaults: Vec<PathBuf>,
    /// Files with certificates, beside those that lie beside their keys.
    pub certificates: Vec<PathBuf>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// Whether the agent is asked for the keys above alone.
    pub identities_only: bool,
    /// The password.
    pub password: Option<Secret>,
    /// Methods in order, where the configuration of ssh limits them.
    pub methods: Option<Vec<String>>,
    /// Keys that were opened by a passphrase.
    pub keyring: Arc<Keyring>,
}

/// How often a host may ask for more in one step of `keyboard-interactive`.
const QUESTIONS: usize = 3;

/// How long an agent may take to say which keys it holds.
const AGENT: Duration = Duration::from_secs(5);

/// Logs in.
pub(super) async fn authenticate(
    session: &mut Handle<Verifier>,
    verifier: &Verifier,
    target: &Target,
    clock: &Clock,
) -> Result<(), SshError> {
    let mut notes = Vec::new();
    let (mut agent, mut held) = (None, Vec::new());
    if let Some(socket) = &target.credentials.agent {
        match tokio::time::timeout(AGENT, ask_agent(session, socket)).await {
            Ok(Some(asked)) => (agent, held) = (Some(asked.0), asked.1),
            Ok(None) => {}
            Err(_) => notes.push(format!(
                "the agent at {} does not say which keys it holds",
                socket.display()
            )),
        }
    }
    let (candidates, unusable) = candidates::list(&target.credentials, &held);
    let mut login = Login {
        session,
        verifier,
        target,
        clock,
        agent,
        candidates: candidates.into_iter(),
        unusable,
        offered: MethodSet::empty(),
        password: Password::Unused,
        tried: Vec::new(),
        accepted: Vec::new(),
        notes,
        trying: None,
        rsa: None,
    };
    login.run().await
}

/// Connects to an agent, and asks for the keys that it holds.
async fn ask_agent(
    session: &Handle<Verifier>,
    socket: &Path,
) -> Option<(AgentClient<UnixStream>, Vec<AgentIdentity>)> {
    let mut agent = AgentClient::connect_uds(socket).await.ok()?;
    if let Some(binding) = session.agent_session_binding() {
        // Agents that do not know of sessions hold no keys that are bound to some.
        let _ = agent.bind_session(binding, false).await;
    }
    let held = agent.request_identities().await.unwrap_or_default();
    Some((agent, held))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Password {
    Unused,
    Refused,
    Accepted(MethodKind),
}

/// How a host takes signatures of RSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha2(HashAlg),
    Sha1Alone,
}

/// What came of one attempt.
enum Outcome {
    LoggedIn,
    /// The step is done, and another one is needed.
    Step,
    Refused,
}

struct Login<'l> {
    session: &'l mut Handle<Verifier>,
    verifier: &'l Verifier,
    target: &'l Target,
    clock: &'l Clock,
    agent: Option<AgentClient<UnixStream>>,
    candidates: std::vec::IntoIter<Candidate>,
    unusable: Vec<Unusable>,
    /// What the host offers now.
    offered: MethodSet,
    password: Password,
    /// For messages: what was refused, and what was accepted but not enough.
    tried: Vec<String>,
    accepted: Vec<String>,
    notes: Vec<String>,
    /// What the host answers to now.
    trying: Option<String>,
    /// How the host takes signatures of RSA, once it is known.
    rsa: Option<Digest>,
}

impl Login<'_> {
    async fn run(&mut self) -> Result<(), SshError> {
        let user = self.target.user.clone();
        let first = self.session.authenticate_none(user).await?;
        if let Outcome::LoggedIn = self.take(first).await? {
            return Ok(());
        }
        while let Some(method) = self.next_method() {
            let outcome = match method {
                MethodKind::PublicKey => match self.candidates.next() {
                    Some(candidate) => self.key(candidate).await?,
                    None => break,
                },
                MethodKind::Password => self.by_password().await?,
                MethodKind::KeyboardInteractive => self.by_answers().await?,
                MethodKind::None | MethodKind::HostBased | MethodKind::GssapiWithMic => break,
            };
            if let Outcome::LoggedIn = outcome {
                return Ok(());
            }
        }
        Err(self.failure())
    }

    /// Chooses what to try next: of what the configuration allows and the host offers, the first with which something is left.
    fn next_method(&self) -> Option<MethodKind> {
        let usual = [
            MethodKind::PublicKey,
            MethodKind::Password,
            MethodKind::KeyboardInteractive,
        ];
        let order = match &self.target.credentials.methods {
            None => usual.to_vec(),
            Some(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        };
        let mut order = order.into_iter();
        order.find(|method| {
            self.offered.contains(method)
                && match method {
                    MethodKind::PublicKey => !self.candidates.as_slice().is_empty(),
                    MethodKind::Password | MethodKind::KeyboardInteractive => {
                        self.target.credentials.password.is_some()
                            && self.unusable.is_empty()
                            && match self.password {
                                Password::Unused => true,
                                Password::Refused => false,
                                Password::Accepted(before) => before != *method,
                            }
                    }
                    MethodKind::None | MethodKind::HostBased | MethodKind::GssapiWithMic => false,
                }
        })
    }

    /// Takes over what the host says about an attempt.
    async fn take(&mut self, result: AuthResult) -> Result<Outcome, SshError> {
        match result {
            AuthResult::Success => Ok(Outcome::LoggedIn),
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => self.remain(remaining_methods, partial_success).await,
        }
    }

    async fn remain(&mut self, methods: MethodSet, partial: bool) -> Result<Outcome, SshError> {
        // Without any method left the library ends the session, and it names none if the host has ended it.
        if methods.is_empty() {
            return Err(self.ended().await);
        }
        self.offered = methods;
        Ok(if partial {
            Outcome::Step
        } else {
            Outcome::Refused
        })
    }

    /// Tries a key.
    async fn key(&mut self, candidate: Candidate) -> Result<Outcome, SshError> {
        let Some(public) = candidate.public.clone() else {
            let Holder::Locked(path) = candidate.holder else {
                return Ok(Outcome::Refused);
            };
            // It takes the passphrase to know whether the host would take it.
            return Err(SshError::Locked { path });
        };
        let mut hash = None;
        if matches!(public.algorithm(), Algorithm::Rsa { .. }) {
            hash = match self.digest().await {
                Digest::Sha2(hash) => Some(hash),
                Digest::Sha1Alone => {
                    self.notes.push(format!(
                        "{}: the host takes signatures of RSA with SHA-1 alone, which are not made",
                        candidate.name
                    ));
                    return Ok(Outcome::Refused);
                }
            };
        }
        self.begin(candidate.name.clone());
        let user = self.target.user.as_str();
        let mut signer = Signer {
            holder: &candidate.holder,
            agent: &mut self.agent,
            clock: self.clock,
        };
        let result = match candidate.certificate.clone() {
            None => {
                self.session
                    .authenticate_publickey_with(user, public, hash, &mut signer)
                    .await
            }
            Some(certificate) => {
                self.session
                    .authenticate_certificate_with(user, certificate, hash, &mut signer)
                    .await
            }
        };
        let outcome = match result {
            Ok(result) => self.take(result).await,
            Err(Unsigned::Gone) => Err(self.ended().await),
            Err(Unsigned::Locked(path)) => return Err(SshError::Locked { path }),
            Err(Unsigned::Unusable(path, cause)) => {
                let cause = format!("{} would take it, but {cause}", self.target.address);
                self.unusable.push(Unusable { path, cause });
                return Ok(Outcome::Refused);
            }
            Err(Unsigned::Agent(reason)) => {
                self.notes
                    .push(format!("{} did not sign: {reason}", candidate.name));
                return Ok(Outcome::Refused);
            }
        }?;
        self.note(candidate.name, &outcome);
        Ok(outcome)
    }

    fn note(&mut self, name: String, outcome: &Outcome) {
        self.trying = None;
        match outcome {
            Outcome::LoggedIn => {}
            Outcome::Step => self.accepted.push(name),
            Outcome::Refused => self.tried.push(name),
        }
    }

    /// Finds out how the host takes signatures of RSA.
    async fn digest(&mut self) -> Digest {
        if let Some(known) = self.rsa {
            return known;
        }
        let known = match self.session.best_supported_rsa_hash().await {
            Ok(Some(Some(best))) => Digest::Sha2(best),
            Ok(Some(None)) => Digest::Sha1Alone,
            // Those that do not say what they take are old, and know SHA-256 if any.
            Ok(None) | Err(_) => Digest::Sha2(HashAlg::Sha256),
        };
        self.rsa = Some(known);
        known
    }

    async fn by_password(&mut self) -> Result<Outcome, SshError> {
        let Some(password) = self.target.credentials.password.clone() else {
            return Ok(Outcome::Refused);
        };
        let name = "password";
        self.begin(name.to_owned());
        let user = self.target.user.as_str();
        let result = self.session.authenticate_password(user, password.expose());
        let Ok(result) = result.await else {
            return Err(self.ended().await);
        };
        let outcome = self.take(result).await?;
        self.used(MethodKind::Password, name, &outcome);
        Ok(outcome)
    }

    fn used(&mut self, method: MethodKind, name: &str, outcome: &Outcome) {
        self.password = match outcome {
            Outcome::Step | Outcome::LoggedIn => Password::Accepted(method),
            Outcome::Refused => Password::Refused,
        };
        self.note(name.to_owned(), outcome);
    }

    /// Answers the one question that PAM asks where plain passwords are switched off. Other questions are not for a
    /// password.
    async fn by_answers(&mut self) -> Result<Outcome, SshError> {
        let Some(password) = self.target.credentials.password.clone() else {
            return Ok(Outcome::Refused);
        };
        let name = "password (keyboard-interactive)";
        self.begin(name.to_owned());
        let user = self.target.user.as_str();
        let mut answer = self
            .session
            .authenticate_keyboard_interactive_start(user, None::<String>)
            .await;
        let mut is_used = false;
        for _ in 0..QUESTIONS {
            let replies = match answer {
                Err(_) => return Err(self.ended().await),
                Ok(Answer::Success) => return Ok(Outcome::LoggedIn),
                Ok(Answer::Failure {
                    remaining_methods,
                    partial_success,
                }) => {
                    let outcome = self.remain(remaining_methods, partial_success).await?;
                    self.used(MethodKind::KeyboardInteractive, name, &outcome);
                    return Ok(outcome);
                }
                Ok(Answer::InfoRequest { prompts, .. }) => match prompts.as_slice() {
                    [] => Vec::new(),
                    [prompt] if !prompt.echo && !is_used => {
                        is_used = true;
                        vec![password.expose().to_owned()]
                    }
                    [prompt, ..] => {
                        self.notes.push(format!(
                            "the host asks for {:?}, which prov cannot answer",
                            prompt.prompt.trim()
                        ));
                        prompts.iter().map(|_| String::new()).collect()
                    }
                },
            };
            answer = self
                .session
                .authenticate_keyboard_interactive_respond(replies)
                .await;
        }
        self.used(MethodKind::KeyboardInteractive, name, &Outcome::Refused);
        Err(self.failure())
    }

    fn begin(&mut self, trying: String) {
        self.trying = Some(trying);
        self.verifier.forget_words();
    }

    /// Says that the host has ended the login, and why.
    async fn ended(&mut self) -> SshError {
        // What the host says last arrives with the end of the session.
        let _ = tokio::time::timeout(Duration::from_secs(1), &mut *self.session).await;
        let answer = self.verifier.last_words();
        let (user, address) = (self.target.user.clone(), self.target.address.clone());
        self.tried.extend(self.trying.take());
        let tried = self.tried_so_far();
        if answer.contains("Too many authentication failures") {
            return SshError::TooManyTries {
                user,
                address,
                tries: self.tried.len(),
                tried,
            };
        }
        SshError::LoginEnded {
            user,
            address,
            tried,
            answer,
        }
    }

    fn tried_so_far(&self) -> String {
        let mut tried = if self.tried.is_empty() && self.accepted.is_empty() {
            "nothing".to_owned()
        } else {
            self.tried.join(", ")
        };
        if !self.accepted.is_empty() {
            let accepted = self.accepted.join(", ");
            tried = if tried.is_empty() {
                format!("{accepted}, which was accepted and not enough")
            } else {
                format!("{tried}; accepted, and not enough: {accepted}")
            };
        }
        for note in &self.notes {
            tried.push_str("; ");
            tried.push_str(note);
        }
        tried
    }

    /// Says why nobody was let in.
    fn failure(&mut self) -> SshError {
        if let Some(Unusable { path, cause }) = self.unusable.first().cloned() {
            return SshError::Identity { path, cause };
        }
        let names: Vec<&str> = self.offered.iter().map(Into::into).collect();
        let nothing = self.tried.is_empty() && self.accepted.is_empty();
        let allowed = self.target.credentials.methods.as_ref();
        let forbidden =
            |name: &&&str| allowed.is_some_and(|allowed| !allowed.iter().any(|one| one == *name));
        let forbidden: Vec<&str> = names.iter().filter(forbidden).copied().collect();
        SshError::NotAuthenticated {
            forbidden: forbidden.join(", "),
            nothing,
            user: self.target.user.clone(),
            address: self.target.address.clone(),
            tried: self.tried_so_far(),
            offered: names.join(", "),
            takes_key: self.offered.contains(&MethodKind::PublicKey),
            takes_password: self.offered.contains(&MethodKind::Password)
                || self.offered.contains(&MethodKind::KeyboardInteractive),
            has_password: self.target.credentials.password.is_some(),
        }
    }
}
