//! Verification of host keys and host certificates: strict, against pinned keys or files of known keys.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, DisconnectReason};
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::certificate;
use super::error::SshError;
use super::known_hosts::{self, Entry, KeyName, KnownKeys, Source};
use super::known_hosts_command::KnownHostsCommand;

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
        /// The files; those that do not exist are passed over. New keys belong into the first.
        files: Vec<PathBuf>,
        /// A list of keys that must not be used any more.
        revoked: Option<PathBuf>,
        /// What to look up.
        name: KeyName,
        /// A program that knows more (`KnownHostsCommand`).
        command: Option<KnownHostsCommand>,
        /// How `ssh-keyscan` reaches the host: its address and port. `None` if only another host or a program does.
        scanned_at: Option<(String, u16)>,
    },
}

impl HostKeys {
    /// Gives what may be known of the host before it shows a key, of which a program says more once it has shown one: by that
    /// it is asked for a key, and not judged.
    pub(super) async fn expected(&self, written: &KnownKeys) -> Result<KnownKeys, SshError> {
        let mut expected = written.clone();
        self.ask_command(&mut expected, None).await?;
        Ok(expected)
    }

    /// Gives what is written of the host.
    pub(super) fn written(&self) -> Result<KnownKeys, SshError> {
        match self {
            Self::Pinned { keys, .. } => {
                let entry = |key: &PublicKey| Entry {
                    key: key.clone(),
                    source: Source::File(PathBuf::new()),
                    line: 0,
                };
                Ok(KnownKeys {
                    keys: keys.iter().map(entry).collect(),
                    ..KnownKeys::default()
                })
            }
            Self::KnownHosts {
                files,
                revoked,
                name,
                ..
            } => {
                let mut known = known_hosts::look_up(files, name)?;
                if let Some(file) = revoked {
                    known.revoked.extend(known_hosts::revoked(file)?);
                }
                Ok(known)
            }
        }
    }

    /// Adds what a program knows of the host, which has shown this key, or none yet.
    async fn ask_command(
        &self,
        known: &mut KnownKeys,
        shown: Option<&PublicKey>,
    ) -> Result<(), SshError> {
        if let Self::KnownHosts {
            command: Some(command),
            name,
            ..
        } = self
        {
            let lines = command.run(name, shown).await?;
            let source = Source::Command(command.text().to_owned());
            known.read(&lines, &source, name);
        }
        Ok(())
    }

    /// Says how a key becomes known, in words that work when they are typed.
    fn how_to_learn(&self, key: &PublicKey) -> String {
        let Self::KnownHosts {
            files,
            name,
            scanned_at,
            ..
        } = self
        else {
            return "deploy the host anew".to_owned();
        };
        let kind = kind(&key.algorithm());
        let compare = format!(
            "compare the fingerprint with the host's own (there: `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub`)"
        );
        let Some(file) = files.first().map(|file| quoted(file)) else {
            return format!(
                "{compare}, and name a file for it as `UserKnownHostsFile` in ~/.ssh/config"
            );
        };
        let line = if let Some((address, port)) = scanned_at {
            let port = if *port == 22 {
                String::new()
            } else {
                format!("-p {port} ")
            };
            let scan = format!("ssh-keyscan -t {kind} {port}{address}");
            if name.port.is_some() {
                format!("{scan} >>{file}")
            } else {
                format!("{scan} | sed 's/^[^ ]*/{name}/' >>{file}")
            }
        } else {
            let key = key.to_openssh().unwrap_or_default();
            let words: Vec<_> = key.split(' ').take(2).collect();
            format!("echo '{name} {}' >>{file}", words.join(" "))
        };
        format!("{compare}, then add the key: `{line}`")
    }
}

/// Names a kind of key as `ssh-keyscan` and the files of `/etc/ssh` do.
fn kind(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rsa { .. } => "rsa",
        Algorithm::Ecdsa { .. } | Algorithm::SkEcdsaSha2NistP256 => "ecdsa",
        Algorithm::Dsa => "dsa",
        // What the library does not know cannot be negotiated.
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::Other(_) | _ => "ed25519",
    }
}

/// Quotes a file's name for a shell.
fn quoted(file: &Path) -> String {
    let name = file.display().to_string();
    shlex::try_quote(&name).map_or_else(|_| name.clone(), Cow::into_owned)
}

/// Gives the algorithms that host keys may have, those of known keys first, so that the host offers a key that can be
/// compared. Signatures with SHA-1 are not among them.
pub(super) fn preferred_algorithms(known: &KnownKeys) -> Vec<Algorithm> {
    let is_offered = |one: &&Algorithm| **one != Algorithm::Rsa { hash: None };
    let defaults: Vec<_> = russh::Preferred::DEFAULT
        .key
        .iter()
        .filter(is_offered)
        .collect();
    let keys = known.keys.iter().chain(&known.without_port);
    let mut order: Vec<Algorithm> = Vec::new();
    for known in keys.map(|entry| entry.key.algorithm()) {
        let fitting = defaults.iter().filter(|one| are_of_one_kind(one, &known));
        order.extend(fitting.map(|one| (*one).clone()));
    }
    order.extend(defaults.into_iter().cloned());
    let mut seen = Vec::new();
    order.retain(|one| {
        let is_new = !seen.contains(one);
        seen.push(one.clone());
        is_new
    });
    order
}

/// Tells whether keys of these algorithms are of one kind; of RSA there is one kind, whatever digest is signed.
fn are_of_one_kind(one: &Algorithm, other: &Algorithm) -> bool {
    let is_rsa = |one: &Algorithm| matches!(one, Algorithm::Rsa { .. });
    one == other || (is_rsa(one) && is_rsa(other))
}

/// Receives what the SSH library asks a client, above all whether a host key is the right one.
#[derive(Clone)]
pub(super) struct Verifier {
    keys: Arc<HostKeys>,
    known: Arc<KnownKeys>,
    address: String,
    refusal: Arc<Mutex<Option<SshError>>>,
    last_words: Arc<Mutex<String>>,
}

impl Verifier {
    pub(super) fn new(address: &str, keys: &HostKeys, known: KnownKeys) -> Self {
        Self {
            keys: Arc::new(keys.clone()),
            known: Arc::new(known),
            address: address.to_owned(),
            refusal: Arc::default(),
            last_words: Arc::default(),
        }
    }

    /// Gives the reason for which the host key was refused, if it was.
    pub(super) fn refusal(&self) -> Option<SshError> {
        self.refusal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Forgets what the host has said: it was no answer to what is tried next.
    pub(super) fn forget_words(&self) {
        self.last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Gives what the host said when it ended the session.
    pub(super) fn last_words(&self) -> String {
        self.last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn judge(&self, offered: &PublicKeyOrCertificate) -> Result<(), SshError> {
        let key = offered.public_key();
        self.refuse_revoked(&key)?;
        let Some(certificate) = offered.certificate() else {
            return self.judge_key(&key);
        };
        self.refuse_revoked(&PublicKey::from(certificate.signature_key().clone()))?;
        let HostKeys::KnownHosts { name, .. } = &*self.keys else {
            return self.judge_key(&key);
        };
        let known = &self.known.authorities;
        let Some(reason) = certificate::refusal(certificate, &name.name, known) else {
            return Ok(());
        };
        // Without its certificate the key may be known all the same.
        self.judge_key(&key).map_err(|error| {
            if matches!(error, SshError::HostKeyUnknown { .. }) {
                let name = name.to_string();
                SshError::HostCertificate { name, reason }
            } else {
                error
            }
        })
    }

    fn refuse_revoked(&self, key: &PublicKey) -> Result<(), SshError> {
        match self.known.revoked.iter().find(|entry| entry.is(key)) {
            None => Ok(()),
            Some(entry) => Err(SshError::HostKeyRevoked {
                name: self.name(),
                offered: shown(key),
                place: entry.place(),
            }),
        }
    }

    fn judge_key(&self, offered: &PublicKey) -> Result<(), SshError> {
        let KnownKeys {
            keys, without_port, ..
        } = &*self.known;
        // Where nothing is known of a port, the host's own key is good enough, as it is for OpenSSH.
        let without_port = if keys.is_empty() {
            without_port
        } else {
            &Vec::new()
        };
        if keys
            .iter()
            .chain(without_port)
            .any(|entry| entry.is(offered))
        {
            return Ok(());
        }
        let (name, shown) = (self.name(), shown(offered));
        let remedy = || self.keys.how_to_learn(offered);
        let is_same_kind = |entry: &&Entry| entry.key.algorithm() == offered.algorithm();
        let is_complete = matches!(&*self.keys, HostKeys::Pinned { .. });
        if let Some(entry) = keys
            .iter()
            .find(is_same_kind)
            .or(keys.first().filter(|_| is_complete))
        {
            let (place, forget) = match &*self.keys {
                HostKeys::Pinned { from, .. } => (from.clone(), "deploy the host anew".to_owned()),
                HostKeys::KnownHosts { .. } => (entry.place(), forget(entry, &name)),
            };
            return Err(SshError::HostKeyChanged {
                name,
                offered: shown,
                place,
                forget,
            });
        }
        if keys.is_empty() {
            return Err(SshError::HostKeyUnknown {
                name,
                offered: shown,
                remedy: remedy(),
            });
        }
        // A host has a key of each kind: that another kind is known says nothing about this one.
        let kinds: BTreeSet<_> = keys.iter().map(|entry| entry.key.algorithm()).collect();
        let kinds: Vec<_> = kinds.iter().map(Algorithm::as_str).collect();
        Err(SshError::HostKeyOfOtherKind {
            name,
            offered: shown,
            known: kinds.join(", "),
            remedy: remedy(),
        })
    }

    /// Gives the name by which the host's key is known.
    fn name(&self) -> String {
        match &*self.keys {
            HostKeys::Pinned { .. } => self.address.clone(),
            HostKeys::KnownHosts { name, .. } => name.to_string(),
        }
    }
}

fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// Says how a key that is known is forgotten.
fn forget(entry: &Entry, name: &str) -> String {
    match &entry.source {
        Source::File(file) => format!(
            "remove the old one, {}: `ssh-keygen -R '{name}' -f {}`",
            entry.place(),
            quoted(file)
        ),
        Source::Command(_) => format!("have the old one taken out, {}", entry.place()),
    }
}

/// Bytes of a host's banner that are kept.
const MOST_WORDS: usize = 300;

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        let mut words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                info.message.trim().clone_into(&mut words);
                Ok(())
            }
            DisconnectReason::Error(error) => Err(error),
        }
    }

    /// What PAM says of an account that it turns away comes as a banner before the connection is closed.
    async fn auth_banner(
        &mut self,
        banner: &str,
        _: &mut client::Session,
    ) -> Result<(), Self::Error> {
        let mut words = String::new();
        for word in banner.split_whitespace() {
            if words.len() + word.len() > MOST_WORDS {
                words.push_str(" …");
                break;
            }
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(word);
        }
        *self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = words;
        Ok(())
    }

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let mut known = KnownKeys::clone(&self.known);
        let asked = self
            .keys
            .ask_command(&mut known, Some(&offered.public_key()))
            .await;
        self.known = Arc::new(known);
        match asked.and_then(|()| self.judge(offered)) {
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

    /// Gives what a file with these lines says about the host `h` at a port.
    fn verifier(lines: &[&str], port: u16) -> (tempfile::NamedTempFile, Verifier) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let keys = HostKeys::KnownHosts {
            files: vec![file.path().to_owned()],
            revoked: None,
            command: None,
            name: KeyName::at("h", port),
            scanned_at: Some(("h".to_owned(), port)),
        };
        let known = keys.written().unwrap();
        (file, Verifier::new("h", &keys, known))
    }

    /// Judges an offered Ed25519 key by what a file with these entries says.
    fn judged(entries: &[&str]) -> Result<(), SshError> {
        let lines: Vec<_> = entries.iter().map(|key| format!("h {key}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        verifier(&lines, 22).1.judge(&key(ED25519).into())
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
    }

    #[test]
    fn a_revoked_key_is_refused_in_whichever_order() {
        let revoked = format!("@revoked * {ED25519}");
        let plain = format!("h {ED25519}");
        for lines in [[&revoked, &plain], [&plain, &revoked]] {
            let lines: Vec<_> = lines.iter().map(|line| line.as_str()).collect();
            let (file, verifier) = verifier(&lines, 22);
            let refused = verifier
                .judge(&key(ED25519).into())
                .unwrap_err()
                .to_string();
            let line = 1 + lines.iter().position(|line| line.starts_with('@')).unwrap();
            let place = format!("line {line} of {}", file.path().display());
            assert!(
                refused.contains("revoked") && refused.contains(&place),
                "{refused}"
            );
        }
        // Another key that is revoked is in nobody's way.
        let other = format!("@revoked * {OTHER_ED25519}");
        let (_file, verifier) = verifier(&[&other, &plain], 22);
        verifier.judge(&key(ED25519).into()).unwrap();
    }

    #[test]
    fn a_key_without_a_port_is_good_enough_where_nothing_is_known_of_the_port() {
        let judge = |lines: &[String]| {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            verifier(&lines, 2222).1.judge(&key(ED25519).into())
        };
        judge(&[format!("h {ED25519}")]).unwrap();
        let wrong = judge(&[format!("h {ED25519}"), format!("[h]:2222 {OTHER_ED25519}")]);
        assert!(
            matches!(wrong, Err(SshError::HostKeyChanged { .. })),
            "{wrong:?}"
        );
        let unknown = judge(&[format!("h {OTHER_ED25519}")]);
        assert!(
            matches!(unknown, Err(SshError::HostKeyUnknown { .. })),
            "{unknown:?}"
        );
    }

    #[test]
    fn the_remedy_for_an_unknown_key_can_be_typed() {
        let told = |name: KeyName, scanned_at: Option<(&str, u16)>| {
            let keys = HostKeys::KnownHosts {
                files: vec![PathBuf::from("/home/me/known hosts"), PathBuf::from("/b")],
                revoked: None,
                command: None,
                name,
                scanned_at: scanned_at.map(|(address, port)| (address.to_owned(), port)),
            };
            keys.how_to_learn(&key(ED25519))
        };
        let plain = told(KeyName::at("192.0.2.1", 22), Some(("192.0.2.1", 22)));
        assert!(
            plain.ends_with("`ssh-keyscan -t ed25519 192.0.2.1 >>'/home/me/known hosts'`"),
            "{plain}"
        );
        let port = told(KeyName::at("192.0.2.1", 2222), Some(("192.0.2.1", 2222)));
        assert!(
            port.contains("`ssh-keyscan -t ed25519 -p 2222 192.0.2.1 >>"),
            "{port}"
        );
        let alias = told(KeyName::alias("db"), Some(("192.0.2.1", 2222)));
        assert!(
            alias.contains("-p 2222 192.0.2.1 | sed 's/^[^ ]*/db/' >>"),
            "{alias}"
        );
        let behind = told(KeyName::at("192.0.2.1", 2222), None);
        assert!(
            behind.contains(&format!("`echo '[192.0.2.1]:2222 {ED25519}' >>")),
            "{behind}"
        );
    }

    #[test]
    fn of_a_container_all_keys_are_known() {
        let keys = HostKeys::Pinned {
            keys: vec![key(RSA)],
            from: "the container".to_owned(),
        };
        let known = keys.written().unwrap();
        let refused = Verifier::new("h", &keys, known).judge(&key(ED25519).into());
        assert!(matches!(refused, Err(SshError::HostKeyChanged { .. })));
    }
}
