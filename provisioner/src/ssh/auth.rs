//! Authentication: keys from the agent, key files, and a password as the last resort.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::PrivateKeyWithHashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;

use super::error::SshError;
use super::host_key::Verifier;
use super::{Auth, Target};

/// Tries each way in order until one is accepted.
pub(super) async fn authenticate(
    session: &mut Handle<Verifier>,
    target: &Target,
) -> Result<(), SshError> {
    let mut tried = Vec::new();
    for auth in &target.auth {
        let accepted = match auth {
            Auth::Agent => by_agent(session, &target.user, &mut tried).await?,
            Auth::Identity { path, named } => match load(path, *named)? {
                Some(key) => {
                    tried.push(path.display().to_string());
                    session
                        .authenticate_publickey(&target.user, key)
                        .await?
                        .success()
                }
                None => false,
            },
            Auth::Password(password) => {
                tried.push("password".to_owned());
                by_password(session, &target.user, password.expose()).await?
            }
        };
        if accepted {
            return Ok(());
        }
    }
    Err(SshError::NotAuthenticated {
        user: target.user.clone(),
        address: target.address.clone(),
        tried: if tried.is_empty() {
            "nothing, as there is no agent, key or password".to_owned()
        } else {
            tried.join(", ")
        },
        has_password: target
            .auth
            .iter()
            .any(|auth| matches!(auth, Auth::Password(_))),
    })
}

fn load(path: &Path, named: bool) -> Result<Option<PrivateKeyWithHashAlg>, SshError> {
    match russh::keys::load_secret_key(path, None) {
        Ok(key) => Ok(Some(PrivateKeyWithHashAlg::new(Arc::new(key), None))),
        // A default key that is missing or locked is no reason to fail; the next way may work.
        Err(_) if !named => Ok(None),
        Err(error) => Err(SshError::Identity {
            path: path.to_owned(),
            cause: error.to_string(),
        }),
    }
}

async fn by_agent(
    session: &mut Handle<Verifier>,
    user: &str,
    tried: &mut Vec<String>,
) -> Result<bool, SshError> {
    let Ok(mut agent) = AgentClient::connect_env().await else {
        return Ok(false);
    };
    let Ok(identities) = agent.request_identities().await else {
        return Ok(false);
    };
    for identity in identities {
        let AgentIdentity::PublicKey { key, comment } = identity else {
            continue;
        };
        tried.push(format!("agent key {comment}"));
        let answer = session
            .authenticate_publickey_with(user, key, None, &mut agent)
            .await;
        if matches!(answer, Ok(AuthResult::Success)) {
            return Ok(true);
        }
    }
    Ok(false)
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
