//! What can go wrong between here and a root shell, and what to do about it.

use std::path::PathBuf;
use tasks::plan::Remedy;

use thiserror::Error;

use super::obstacle::Obstacle;

/// Says why a host could not be worked on.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "the message of each variant says what its fields are"
)]
pub enum SshError {
    #[error("the configuration of ssh: {cause}")]
    Config { cause: String, remedy: String },
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
    #[error("{address}:{port} cannot be reached through `{command}`: {cause}")]
    ProxyCommand {
        address: String,
        port: u16,
        command: String,
        cause: String,
    },
    #[error("{address}:{port} is no SSH server: it says {said}")]
    NotSsh {
        address: String,
        port: u16,
        said: String,
    },
    #[error("{address}:{port} turns this machine away for now: it says {said}")]
    TurnedAway {
        address: String,
        port: u16,
        said: String,
    },
    #[error("{address}:{port} took the connection and closed it without a word")]
    ClosedAtOnce { address: String, port: u16 },
    #[error("{address}:{port} is an SSH server, but no session with it begins: {cause}")]
    NotBegun {
        address: String,
        port: u16,
        cause: russh::Error,
    },
    #[error("{address} and prov have no {kind} in common; prov has {ours}; the host has {theirs}")]
    NothingInCommon {
        address: String,
        kind: &'static str,
        keyword: &'static str,
        ours: String,
        theirs: String,
    },
    #[error("the host key of {name} is not the one that is known from {place}: {offered}")]
    HostKeyChanged {
        name: String,
        offered: String,
        place: String,
        forget: String,
    },
    #[error("the host key of {name} is revoked in {place}: {offered}")]
    HostKeyRevoked {
        name: String,
        offered: String,
        place: String,
    },
    #[error("the host key of {name} is not known: {offered}")]
    HostKeyUnknown {
        name: String,
        offered: String,
        remedy: String,
    },
    #[error(
        "the host key of {name} is not known: {offered}; of it only keys of other kinds are known: {known}"
    )]
    HostKeyOfOtherKind {
        name: String,
        offered: String,
        known: String,
        remedy: String,
    },
    #[error("the host key of {name} is not known, and its certificate does not count: {reason}")]
    HostCertificate { name: String, reason: String },
    #[error("cannot read {}: {cause}", path.display())]
    KnownHosts { path: PathBuf, cause: String },
    #[error("`KnownHostsCommand {command}` does not tell the host's key: {cause}")]
    KnownHostsCommand { command: String, cause: String },
    #[error("the key file {} cannot be used: {cause}", path.display())]
    Identity { path: PathBuf, cause: String },
    #[error("the key file {} needs a passphrase", path.display())]
    Locked { path: PathBuf },
    #[error("{user}@{address} was not let in; tried: {tried}; the host offers: {offered}")]
    NotAuthenticated {
        user: String,
        address: String,
        tried: String,
        offered: String,
        /// What of that the configuration of ssh does not allow.
        forbidden: String,
        /// Whether nothing was tried.
        nothing: bool,
        takes_key: bool,
        takes_password: bool,
        has_password: bool,
    },
    #[error(
        "{address} ended the login of {user} after {tries} tries, as that is enough for it; tried: {tried}"
    )]
    TooManyTries {
        user: String,
        address: String,
        tries: usize,
        tried: String,
    },
    #[error("{address} ended the login of {user}{}; tried: {tried}", said(answer))]
    LoginEnded {
        user: String,
        address: String,
        tried: String,
        answer: String,
    },
    #[error("sudo did not accept the password of {user}")]
    SudoPassword { user: String },
    #[error("sudo asks for the password of {user}, and none is set")]
    SudoNeedsPassword { user: String },
    #[error("{user} may not use sudo: {answer}")]
    SudoRefused { user: String, answer: String },
    #[error("{user} is not root on {host} (user number {uid})")]
    NotRoot {
        user: String,
        host: String,
        uid: u32,
    },
    #[error("{user} did not become root: {obstacle}{}", said(answer))]
    NoRootShell {
        user: String,
        obstacle: Obstacle,
        answer: String,
    },
    #[error("the host closed the session{}", said(answer))]
    Closed { answer: String },
    #[error("the host's answer cannot be read: {0}")]
    Answer(String),
    #[error("the host did not answer for {seconds} s while {doing}")]
    Silent { doing: String, seconds: u64 },
    #[error("the host was not done after {seconds} s while {doing}")]
    TooLong { doing: String, seconds: u64 },
    #[error("a file of this machine cannot be read or written: {cause}")]
    Local { cause: String },
    #[error("SSH: {0}")]
    Protocol(#[from] russh::Error),
}

pub(super) fn said(answer: &str) -> String {
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
            Self::Refused { .. }
            | Self::Timeout { .. }
            | Self::Unreachable { .. }
            | Self::ProxyCommand { .. } => true,
            Self::Config { .. }
            | Self::NotSsh { .. }
            | Self::TurnedAway { .. }
            | Self::ClosedAtOnce { .. }
            | Self::NotBegun { .. }
            | Self::NothingInCommon { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyOfOtherKind { .. }
            | Self::HostCertificate { .. }
            | Self::KnownHosts { .. }
            | Self::KnownHostsCommand { .. }
            | Self::Identity { .. }
            | Self::Locked { .. }
            | Self::NotAuthenticated { .. }
            | Self::TooManyTries { .. }
            | Self::LoginEnded { .. }
            | Self::SudoPassword { .. }
            | Self::SudoNeedsPassword { .. }
            | Self::SudoRefused { .. }
            | Self::Closed { .. }
            | Self::Answer(_)
            | Self::Silent { .. }
            | Self::TooLong { .. }
            | Self::Local { .. }
            | Self::NotRoot { .. }
            | Self::NoRootShell { .. }
            | Self::Protocol(_) => false,
        }
    }

    /// Says what to do where nobody was let in.
    fn not_let_in(&self) -> String {
        const LOAD: &str = "load the key into ssh-agent, or name it as `identity` under `connection` in estate.yml; its public half belongs into ~/.ssh/authorized_keys of that user on the host";
        let Self::NotAuthenticated {
            forbidden,
            nothing,
            takes_key,
            takes_password,
            has_password,
            ..
        } = self
        else {
            return String::new();
        };
        if *nothing && !forbidden.is_empty() {
            return format!(
                "the configuration of ssh does not allow {forbidden}: see `PreferredAuthentications` and `…Authentication` in ~/.ssh/config; `ssh -G NAME` shows what holds for a name"
            );
        }
        match (takes_key, takes_password, has_password) {
            (false, _, false) => {
                "the host takes no key: set `password` under `connection` in estate.private.yml"
                    .to_owned()
            }
            (true, _, false) => LOAD.to_owned(),
            (_, false, true) => format!("the host takes no password: {LOAD}"),
            (_, true, true) => {
                "check user and password under `connection` in estate.yml, and what the host offers"
                    .to_owned()
            }
        }
    }

    /// Gives the remedy.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let words = match self {
            Self::Config { remedy, .. }
            | Self::HostKeyUnknown { remedy, .. }
            | Self::HostKeyOfOtherKind { remedy, .. } => remedy.clone(),
            Self::Refused { port, .. } => {
                format!("check that sshd runs on the host and listens on port {port}")
            }
            Self::Timeout { .. } | Self::Unreachable { .. } => {
                "check that the host is up, its address in estate.yml, and the network between".into()
            }
            Self::ProxyCommand { .. } => {
                "run that program by itself; it is the `ProxyCommand` of ssh's configuration, and a connection is what goes in and comes out of it".into()
            }
            Self::NotSsh { .. } => {
                "check the host's address, and the port of its SSH server: `port` under `connection` in estate.yml, or `Port` in ~/.ssh/config".into()
            }
            Self::TurnedAway { .. } => {
                "wait some minutes, then run the same command again: the SSH server refuses an address for a while after logins that failed (`PerSourcePenalties`), or has too many connections (`MaxStartups`); its log says which (`journalctl -u ssh`)".into()
            }
            Self::ClosedAtOnce { .. } => {
                "look at the log of sshd on the host (`journalctl -u ssh`): it may have too many connections (`MaxStartups`), or turn this address away".into()
            }
            Self::NotBegun { .. } => {
                "look at the log of sshd on the host (`journalctl -u ssh`), and at what `ssh -v` says about it".into()
            }
            Self::NothingInCommon { keyword, .. } => format!(
                "allow one of those that prov has in /etc/ssh/sshd_config on the host (`{keyword}`), or bring its SSH server up to date"
            ),
            Self::HostKeyChanged { forget, .. } => format!(
                "somebody may be listening in: find out why the key changed, and only then {forget}"
            ),
            Self::HostKeyRevoked { place, .. } => format!(
                "a key is revoked because somebody else may have it: give the host a new one (there: `ssh-keygen -A`, once the old files are gone); {place} stays"
            ),
            Self::HostCertificate { .. } => {
                "have the host's certificate made anew (`ssh-keygen -s CA -h -n NAME`), or add the key of its authority to ~/.ssh/known_hosts as a line that begins with `@cert-authority`".into()
            }
            Self::KnownHosts { path, .. } => {
                format!("repair the permissions or contents of {}", path.display())
            }
            Self::KnownHostsCommand { .. } => {
                "start it by hand and mend what it says, or write `KnownHostsCommand none` for the host in ~/.ssh/config".into()
            }
            Self::Identity { path, .. } => format!(
                "make it an OpenSSH private key that you may read (Ed25519, ECDSA or RSA), or load it into ssh-agent: `ssh-add {}`",
                path.display()
            ),
            Self::Locked { path } => {
                format!("load it into ssh-agent: `ssh-add {}`", path.display())
            }
            Self::TooManyTries { .. } => {
                "name the right key as `identity` under `connection` in estate.yml: it is offered first".into()
            }
            Self::LoginEnded { user, answer, .. } => {
                let log = "the log of sshd on the host (`journalctl -u ssh`)";
                if answer.contains("expired") {
                    format!("ask the host's administrator: `chage -l {user}` shows there what has expired, and `chage` changes it")
                } else if answer.is_empty() {
                    format!("look at {log}, which says why")
                } else {
                    format!("what it says comes from its rules for logins (`Account` in PAM); while /etc/nologin is there, for instance, nobody but root is let in; {log} says more")
                }
            }
            Self::NotAuthenticated { .. } => self.not_let_in(),
            Self::SudoPassword { .. } | Self::SudoNeedsPassword { .. } => {
                "check `connection` in estate.yml: `sudo: password` needs the user's password as `password`, and `sudo: true` a host where sudo asks for none".into()
            }
            Self::SudoRefused { user, .. } => format!(
                "give {user} the right to run `sudo sh` on the host (on Debian: `adduser {user} sudo`)"
            ),
            Self::NotRoot { .. } => {
                "set `sudo: true`, or `sudo: password` with the user's `password`, under `connection` in the estate".into()
            }
            Self::NoRootShell { user, obstacle, .. } => obstacle.remedy(user),
            Self::Silent { .. } | Self::TooLong { .. } => {
                return Remedy::Again {
                    first: "see what keeps the host (its load, memory and disks); a longer --timeout gives it more time".to_owned(),
                    note: ": what was done is kept, and the rest is made up for".to_owned(),
                };
            }
            Self::Closed { .. } | Self::Protocol(_) => {
                return Remedy::again(": what was done is kept, and the rest is made up for");
            }
            Self::Local { .. } => "see that there is space left where it is (`df -h`)".into(),
            Self::Answer(_) => {
                "check what the login shell of the user prints, that /bin/sh on the host is a POSIX shell, and that the host has its essential programs (awk, base64, sed, stat)".into()
            }
        };
        Remedy::Words(words)
    }
}
