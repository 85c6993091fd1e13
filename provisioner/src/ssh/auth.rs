//! Authentication: keys from the agent, key files, and a password as the last resort.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey};

use super::error::SshError;
use super::host_key::Verifier;
use super::{Auth, Target};

/// What was tried so far.
#[derive(Default)]
struct Tried {
    /// For the message.
    ways: Vec<String>,
    /// Keys, which are not offered twice: a host counts each, and soon has enough (`MaxAuthTries` of `sshd_config(5)`).
    keys: Vec<PublicKey>,
}

impl Tried {
    fn has(&self, key: &PublicKey) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|tried| tried.key_data() == key.key_data())
    }
}

/// Tries each way in order until one is accepted.
pub(super) async fn authenticate(
    session: &mut Handle<Verifier>,
    target: &Target,
) -> Result<(), SshError> {
    let mut tried = Tried::default();
    let mut unusable = None;
    for auth in &target.auth {
        let accepted = match auth {
            Auth::Agent(_) => by_agent(session, target, None, &mut tried).await,
            Auth::Identity { path, named } => match russh::keys::load_secret_key(path, None) {
                Ok(key) => by_key(session, &target.user, path, key, &mut tried).await?,
                Err(error) => {
                    let locked = public_half(path);
                    let only = locked.as_ref();
                    let accepted =
                        only.is_some() && by_agent(session, target, only, &mut tried).await;
                    // A default key that is missing or locked is no reason to fail; the next way may work.
                    if *named {
                        unusable.get_or_insert_with(|| SshError::Identity {
                            path: path.clone(),
                            cause: error.to_string(),
                        });
                    }
                    accepted
                }
            },
            // Another key may do in place of one that the user named, but that one is missed before a password is used.
            Auth::Password(_) if unusable.is_some() => false,
            Auth::Password(password) => {
                tried.ways.push("password".to_owned());
                by_password(session, &target.user, password.expose()).await?
            }
        };
        if accepted {
            return Ok(());
        }
    }
    Err(unusable.unwrap_or_else(|| refused(target, &tried)))
}

fn refused(target: &Target, tried: &Tried) -> SshError {
    let mut auth = target.auth.iter();
    SshError::NotAuthenticated {
        user: target.user.clone(),
        address: target.address.clone(),
        tried: if tried.ways.is_empty() {
            "nothing, as there is no agent, key or password".to_owned()
        } else {
            tried.ways.join(", ")
        },
        has_password: auth.any(|auth| matches!(auth, Auth::Password(_))),
    }
}

/// Reads the public half of a key file that needs a passphrase: OpenSSH's form has it in the clear, and the agent may
/// hold the other half.
fn public_half(path: &Path) -> Option<PublicKey> {
    let key = PrivateKey::from_openssh(std::fs::read(path).ok()?).ok()?;
    Some(key.public_key().clone())
}

async fn by_key(
    session: &mut Handle<Verifier>,
    user: &str,
    path: &Path,
    key: PrivateKey,
    tried: &mut Tried,
) -> Result<bool, SshError> {
    if tried.has(key.public_key()) {
        return Ok(false);
    }
    tried.ways.push(path.display().to_string());
    tried.keys.push(key.public_key().clone());
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    Ok(session.authenticate_publickey(user, key).await?.success())
}

/// Offers the keys that the agent holds, or only this one of them.
async fn by_agent(
    session: &mut Handle<Verifier>,
    target: &Target,
    only: Option<&PublicKey>,
    tried: &mut Tried,
) -> bool {
    let socket = target.auth.iter().find_map(|auth| match auth {
        Auth::Agent(socket) => Some(socket),
        Auth::Identity { .. } | Auth::Password(_) => None,
    });
    let Some(socket) = socket else {
        return false;
    };
    let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
        return false;
    };
    let Ok(identities) = agent.request_identities().await else {
        return false;
    };
    for identity in identities {
        let AgentIdentity::PublicKey { key, comment } = identity else {
            continue;
        };
        let wanted = only.is_none_or(|only| only.key_data() == key.key_data());
        if !wanted || tried.has(&key) {
            continue;
        }
        tried.ways.push(format!("agent key {comment}"));
        tried.keys.push(key.clone());
        let answer = session
            .authenticate_publickey_with(target.user.as_str(), key, None, &mut agent)
            .await;
        if matches!(answer, Ok(AuthResult::Success)) {
            return true;
        }
    }
    false
}

/// Sends the password, and also answers the one question that PAM asks where plain passwords are switched off.
async fn by_password(
    session: &mut Handle<Verifier>,
    user: &str,
    password: &str,
) -> Result<bool, SshError> {
    use russh::client::KeyboardInteractiveAuthResponse as Answer;
    match session.authenticate_password(user, password).await? {
        AuthResult::Success => return Ok(true),
        AuthResult::Failure {
            remaining_methods, ..
        } => {
            if !remaining_methods.contains(&russh::MethodKind::KeyboardInteractive)
                || remaining_methods.contains(&russh::MethodKind::Password)
            {
                return Ok(false);
            }
        }
    }
    let mut answer = session
        .authenticate_keyboard_interactive_start(user, None::<String>)
        .await?;
    for _ in 0..3 {
        answer = match answer {
            Answer::Success => return Ok(true),
            Answer::Failure { .. } => return Ok(false),
            Answer::InfoRequest { prompts, .. } => {
                let replies = prompts.iter().map(|_| password.to_owned()).collect();
                session
                    .authenticate_keyboard_interactive_respond(replies)
                    .await?
            }
        };
    }
    Ok(matches!(answer, Answer::Success))
}
