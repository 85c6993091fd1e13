//! What can go wrong between here and a root shell, and what to do about it.

use std::path::PathBuf;
use tasks::plan::Remedy;

use thiserror::Error;

/// Says why a host could not be worked on.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum SshError {
    #[error("{address}:{port} refused the connection")]
    Refused { address: String, port: u16 },
    #[error("{address}:{port} did not answer within {seconds} s")]
    Timeout {
        address: String,
        port: u16,
        seconds: u64,
    },
    #[error("{address}:{port} cannot be reached: {cause}")]
    Unreachable {
        address: String,
        port: u16,
        cause: String,
    },
    #[error("the host key of {address} is not the one that is known: {offered}")]
    HostKeyChanged {
        address: String,
        offered: String,
        known_in: String,
    },
    #[error("the host key of {address} is not known: {offered}")]
    HostKeyUnknown {
        address: String,
        offered: String,
        looked_in: String,
    },
    #[error(
        "the host key of {address} is not known: {offered}; of it only keys of other kinds are known: {known}"
    )]
    HostKeyOfOtherKind {
        address: String,
        offered: String,
        known: String,
        looked_in: String,
    },
    #[error("cannot read {}: {cause}", path.display())]
    KnownHosts { path: PathBuf, cause: String },
    #[error("the key file {} cannot be used: {cause}", path.display())]
    Identity { path: PathBuf, cause: String },
    #[error("{user}@{address} was not let in; tried: {tried}")]
    NotAuthenticated {
        user: String,
        address: String,
        tried: String,
        has_password: bool,
    },
    #[error("sudo did not accept the password of {user}")]
    SudoPassword { user: String },
    #[error("sudo asks for the password of {user}, and none is set")]
    SudoNeedsPassword { user: String },
    #[error("{user} may not use sudo: {answer}")]
    SudoRefused { user: String, answer: String },
    #[error("the host closed the session{}", said(answer))]
    Closed { answer: String },
    #[error("the host's answer makes no sense: {0}")]
    Answer(String),
    #[error("the host did not answer for {seconds} s while {doing}")]
    Silent { doing: String, seconds: u64 },
    #[error("SSH: {0}")]
    Protocol(#[from] russh::Error),
}

fn said(answer: &str) -> String {
    if answer.is_empty() {
        String::new()
    } else {
        format!(", saying: {answer}")
    }
}

impl SshError {
    /// Tells whether the host was never reached, as opposed to reached and failing.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Timeout { .. } | Self::Unreachable { .. } => true,
            Self::HostKeyChanged { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyOfOtherKind { .. }
            | Self::KnownHosts { .. }
            | Self::Identity { .. }
            | Self::NotAuthenticated { .. }
            | Self::SudoPassword { .. }
            | Self::SudoNeedsPassword { .. }
            | Self::SudoRefused { .. }
            | Self::Closed { .. }
            | Self::Answer(_)
            | Self::Silent { .. }
            | Self::Protocol(_) => false,
        }
    }

    /// Gives the remedy.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let words = match self {
            Self::Refused { port, .. } => {
                format!("check that sshd runs on the host and listens on port {port}")
            }
            Self::Timeout { .. } | Self::Unreachable { .. } => {
                "check that the host is up, its address in estate.yml, and the network between".into()
            }
            Self::HostKeyChanged { known_in, .. } => format!(
                "somebody may be listening in: find out why the key changed, and only then remove the old one from {known_in}"
            ),
            Self::HostKeyUnknown { looked_in, .. } => format!(
                "compare the fingerprint with the host's own (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then add the key to {looked_in}, for instance with `ssh-keyscan`"
            ),
            Self::HostKeyOfOtherKind { address, looked_in, .. } => format!(
                "prov uses Ed25519 and ECDSA keys, not RSA; ssh adds them to {looked_in} by the key that it knows: `ssh -o UpdateHostKeys=yes {address} true`"
            ),
            Self::KnownHosts { path, .. } => {
                format!("repair the permissions or contents of {}", path.display())
            }
            Self::Identity { .. } => {
                "check that it is an OpenSSH private key (Ed25519 or ECDSA) that you may read; load a key with a passphrase into ssh-agent".into()
            }
            Self::NotAuthenticated {
                has_password: true, ..
            } => "check user and password under `connection` in estate.yml".into(),
            Self::NotAuthenticated { .. } => {
                "load the key into ssh-agent, or name it as `identity` under `connection` in estate.yml".into()
            }
            Self::SudoPassword { .. } | Self::SudoNeedsPassword { .. } => {
                "check `connection` in estate.yml: `sudo: password` needs the user's password as `password`, and `sudo: true` a host where sudo asks for none".into()
            }
            Self::SudoRefused { user, .. } => format!(
                "give {user} the right to run `sudo sh` on the host (on Debian: `adduser {user} sudo`)"
            ),
            Self::Closed { .. } | Self::Silent { .. } | Self::Protocol(_) => {
                return Remedy::again(": what was done is kept, and the rest is made up for");
            }
            Self::Answer(_) => {
                "check what the login shell of the user prints, and that /bin/sh on the host is a POSIX shell".into()
            }
        };
        Remedy::Words(words)
    }
}
