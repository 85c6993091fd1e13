//! Files of known host keys (`sshd(8)`, "`SSH_KNOWN_HOSTS` FILE FORMAT").
//!
//! Owns how a line is read and whether it speaks of a host. Lines are bytes: what other people's lines hold, in whatever
//! encoding and of whatever kind, is passed over. Refuses to know a host by a line that it cannot read in full.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use russh::keys::PublicKey;

use super::config::pattern::in_list;
use super::error::SshError;

/// The port that is not written beside a name.
const DEFAULT_PORT: u16 = 22;

/// What names a host in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyName {
    /// The name or address; of an alias its text.
    pub name: String,
    /// The port, unless the name is an alias, which stands for itself.
    pub port: Option<u16>,
}

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(PathBuf),
    /// A program (`KnownHostsCommand`), as it is written.
    Command(String),
}

/// A key with its place.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: PublicKey,
    pub(super) source: Source,
    pub(super) line: usize,
}

/// What the files say about a host.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownKeys {
    /// Keys of the host.
    pub(super) keys: Vec<Entry>,
    /// Keys of the host by its name without the port, if that is another name.
    pub(super) without_port: Vec<Entry>,
    /// Keys of authorities whose certificates are good for the host.
    pub(super) authorities: Vec<Entry>,
    /// Keys that must not be used any more.
    pub(super) revoked: Vec<Entry>,
}

impl Entry {
    /// Tells whether this is that key.
    pub(super) fn is(&self, key: &PublicKey) -> bool {
        self.key.key_data() == key.key_data()
    }

    /// Says where it stands.
    pub(super) fn place(&self) -> String {
        match &self.source {
            Source::File(file) => format!("line {} of {}", self.line, file.display()),
            Source::Command(command) => {
                format!("line {} of what `{command}` prints", self.line)
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Authority,
    Revoked,
}

impl KeyName {
    /// Names a host by an address and its port.
    #[must_use]
    pub fn at(name: &str, port: u16) -> Self {
        Self {
            name: name.to_lowercase(),
            port: Some(port),
        }
    }

    /// Names a host by an alias (`HostKeyAlias`).
    #[must_use]
    pub fn alias(name: &str) -> Self {
        Self {
            name: name.to_lowercase(),
            port: None,
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if port != DEFAULT_PORT => write!(f, "[{}]:{port}", self.name),
            _ => f.write_str(&self.name),
        }
    }
}

/// Looks a host up in some files; those that do not exist are passed over.
pub(super) fn look_up(files: &[PathBuf], name: &KeyName) -> Result<KnownKeys, SshError> {
    let mut known = KnownKeys::default();
    for file in files {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(SshError::KnownHosts {
                    path: file.clone(),
                    cause: error.to_string(),
                });
            }
        };
        known.read(&bytes, &Source::File(file.clone()), name);
    }
    Ok(known)
}

impl KnownKeys {
    /// Adds what lines say of a host.
    pub(super) fn read(&mut self, bytes: &[u8], source: &Source, name: &KeyName) {
        let written = name.to_string();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let Some((mark, names, rest)) = split(line) else {
                continue;
            };
            let is_named = speaks_of(names, &written);
            let is_named_elsewhere = written != name.name && speaks_of(names, &name.name);
            if !is_named && !is_named_elsewhere {
                continue;
            }
            let Some(key) = key(rest) else {
                continue;
            };
            let entry = Entry {
                key,
                source: source.clone(),
                line: index + 1,
            };
            match mark {
                Mark::Revoked => self.revoked.push(entry),
                Mark::Authority if is_named => self.authorities.push(entry),
                Mark::None if is_named => self.keys.push(entry),
                Mark::None => self.without_port.push(entry),
                Mark::Authority => {}
            }
        }
    }
}

/// Reads a list of keys that must not be used any more (`RevokedHostKeys`), one a line.
pub(super) fn revoked(file: &Path) -> Result<Vec<Entry>, SshError> {
    let failed = |cause: String| SshError::KnownHosts {
        path: file.to_owned(),
        cause,
    };
    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    if bytes.starts_with(b"SSHKRL\n") {
        return Err(failed(
            "prov does not read binary revocation lists; name a list of public keys as `RevokedHostKeys`".into(),
        ));
    }
    let mut entries = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        // A key that is not known cannot be told from others, so it might be any.
        let key =
            key(line).ok_or_else(|| failed(format!("line {} is not a public key", index + 1)))?;
        entries.push(Entry {
            key,
            source: Source::File(file.to_owned()),
            line: index + 1,
        });
    }
    Ok(entries)
}

/// Splits a line into its marker, its names and the rest; `None` if it holds no key.
fn split(line: &[u8]) -> Option<(Mark, &[u8], &[u8])> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let (mark, line) = match word(line) {
        (b"@cert-authority", rest) => (Mark::Authority, rest),
        (b"@revoked", rest) => (Mark::Revoked, rest),
        (marker, _) if marker.starts_with(b"@") => return None,
        _ => (Mark::None, line),
    };
    let (names, rest) = word(line);
    Some((mark, names, rest))
}

/// Splits off the first word.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_ascii_start())
}

/// Tells whether the names of a line are those of a host.
fn speaks_of(names: &[u8], host: &str) -> bool {
    if let Some(hashed) = names.strip_prefix(b"|1|") {
        return is_hash_of(hashed, host).unwrap_or(false);
    }
    let names = names.to_ascii_lowercase();
    let names: Vec<_> = names.split(|byte| *byte == b',').collect();
    in_list(&names, host)
}

/// Tells whether a hashed name, `SALT|HASH`, is that of a host; `None` if it makes no sense.
fn is_hash_of(hashed: &[u8], host: &str) -> Option<bool> {
    let at = hashed.iter().position(|byte| *byte == b'|')?;
    let salt = BASE64_STANDARD.decode(&hashed[..at]).ok()?;
    let hash = BASE64_STANDARD.decode(&hashed[at + 1..]).ok()?;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(ring::hmac::verify(&key, host.as_bytes(), &hash).is_ok())
}

/// Reads kind and key; a comment may follow.
fn key(text: &[u8]) -> Option<PublicKey> {
    let (kind, rest) = word(text);
    let (blob, _) = word(rest);
    let blob = BASE64_STANDARD.decode(blob).ok()?;
    let key = russh::keys::key::parse_public_key(&blob).ok()?;
    (key.algorithm().as_str().as_bytes() == kind).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE4T1MLU5FOXMVLj74LbISn/9Gdqiqnrx7VqMS7qtxKE";
    const TWO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBq0t4Vrla5aq/qzMf6iyNnnQiKMBn16fEwSGLzcNcvg";

    fn known(text: &[u8], name: &KeyName) -> KnownKeys {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        look_up(&[file.path().to_owned()], name).unwrap()
    }

    /// Gives how many keys, authorities and revoked keys a file has for a host.
    fn count(text: &str, host: &str, port: u16) -> [usize; 3] {
        let known = known(text.as_bytes(), &KeyName::at(host, port));
        [
            known.keys.len(),
            known.authorities.len(),
            known.revoked.len(),
        ]
    }

    #[test]
    fn lines_are_read_as_sshd_describes_them() {
        for line in [
            format!("10.0.31.101 {ONE}"),
            format!("10.0.31.101  {ONE}"),
            format!("  \t10.0.31.101\t\t{ONE} a comment"),
            format!("10.0.31.101 {ONE}\r"),
            format!("10.0.31.* {ONE}"),
            format!("10.0.31.10? {ONE}"),
            format!("web,10.0.31.101 {ONE}"),
            format!("*,!10.0.31.102 {ONE}"),
        ] {
            assert_eq!(count(&line, "10.0.31.101", 22), [1, 0, 0], "{line}");
        }
        for line in [
            format!("# 10.0.31.101 {ONE}"),
            format!("*,!10.0.31.101 {ONE}"),
            format!("!10.0.31.101,* {ONE}"),
            format!("10.0.31.10 {ONE}"),
            format!("[10.0.31.101]:2222 {ONE}"),
            format!("@unknown 10.0.31.101 {ONE}"),
            "10.0.31.101".to_owned(),
            "10.0.31.101 ssh-ed25519".to_owned(),
            format!("10.0.31.101 {}", ONE.replace("ssh-ed25519", "ssh-rsa")),
        ] {
            assert_eq!(count(&line, "10.0.31.101", 22), [0; 3], "{line}");
        }
        assert_eq!(
            count(&format!("WEB.example.com {ONE}"), "web.Example.com", 22),
            [1, 0, 0]
        );
    }

    #[test]
    fn other_peoples_lines_are_passed_over() {
        let mut text = b"h\xefllo ssh-ed25519 AAAA\nh ssh-dss AAAAB3NzaC1kc3MAAACB\nh 1024 35 1446 me@old\nh ssh-future AAAAC3NzaC1lZDI1NTE5\n|1|x\n|1|!|! ssh-rsa A\n\n\xff\xfe\n".to_vec();
        text.extend(format!("h {ONE} caf\u{e9}\n").as_bytes());
        let found = known(&text, &KeyName::at("h", 22));
        assert_eq!(found.keys.len(), 1);
        assert_eq!(found.keys[0].line, 9);
    }

    #[test]
    fn markers_are_heeded_in_whichever_order() {
        let revoked = format!("@revoked * {ONE}");
        let plain = format!("h {ONE}");
        assert_eq!(count(&format!("{revoked}\n{plain}\n"), "h", 22), [1, 0, 1]);
        assert_eq!(
            count(&format!("{plain}\n \t{revoked}\n"), "h", 22),
            [1, 0, 1]
        );
        // A key that is revoked for a host is revoked at each of its ports.
        assert_eq!(count(&format!("@revoked h {ONE}"), "h", 2222), [0, 0, 1]);
        assert_eq!(count(&format!("@revoked other {ONE}"), "h", 22), [0; 3]);
        let authority = format!("@cert-authority\t*.example.com {TWO}");
        assert_eq!(count(&authority, "h.example.com", 22), [0, 1, 0]);
        assert_eq!(count(&authority, "h.example.org", 22), [0; 3]);
    }

    #[test]
    fn another_port_is_another_name() {
        let text = format!("[h]:2222 {ONE}\nh {TWO}\n");
        let at = |port| {
            let known = known(text.as_bytes(), &KeyName::at("h", port));
            known
                .keys
                .iter()
                .map(|entry| entry.line)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(2222), [1]);
        assert_eq!(at(22), [2]);
        assert_eq!(at(2223), [0; 0]);
        let known = known(text.as_bytes(), &KeyName::at("h", 2223));
        assert_eq!(known.without_port[0].line, 2);
        let wild = format!("[10.0.31.*]:2222 {ONE}\n[::1]:22 {TWO}\n");
        assert_eq!(count(&wild, "10.0.31.101", 2222), [1, 0, 0]);
        assert_eq!(KeyName::at("::1", 22).to_string(), "::1");
        let alias = self::known(format!("alias {ONE}").as_bytes(), &KeyName::alias("Alias"));
        assert_eq!(alias.keys.len(), 1);
    }

    #[test]
    fn hashed_names_are_known() {
        // ssh-keygen -H of `example.org` and `[example.org]:2222`.
        let salt = BASE64_STANDARD.encode([7_u8; 20]);
        let hash = |name: &str| {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[7; 20]);
            BASE64_STANDARD.encode(ring::hmac::sign(&key, name.as_bytes()))
        };
        let text = format!(
            "|1|{salt}|{} {ONE}\n|1|{salt}|{} {TWO}\n",
            hash("example.org"),
            hash("[example.org]:2222")
        );
        let line = |port| known(text.as_bytes(), &KeyName::at("Example.org", port)).keys[0].line;
        assert_eq!((line(22), line(2222)), (1, 2));
        assert_eq!(count(&text, "example.com", 22), [0; 3]);
    }

    #[test]
    fn a_list_of_revoked_keys_is_read_whole_or_not_at_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &[u8]| {
            std::fs::write(file.path(), text).unwrap();
            revoked(file.path()).map(|entries| entries.len())
        };
        assert_eq!(
            read(format!("# no more\n{ONE} me\n\n{TWO}\n").as_bytes()).unwrap(),
            2
        );
        assert!(read(b"SSHKRL\n\0binary").is_err());
        assert!(read(b"nothing\n").is_err());
    }
}
