//! Public keys of private keys, as `openssl pkey -pubout` gives them (openssl-pkey(1)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::Secret;
use crate::pushln;
use crate::quote;
use crate::value::HostPath;

/// The public key that belongs to a private key on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicKeyFact {
    /// There is no private key, or none that can be read.
    Unusable,
    /// The host has a file there, and no openssl to read it with.
    Unread,
    /// A plan has the private key made, and only the host will know it.
    Coming,
    /// This one (PEM).
    There(String),
}

impl Facts {
    /// Tells the public key of a private key.
    pub fn public_key(&self, path: &HostPath) -> Result<&PublicKeyFact, NotAsked> {
        self.public_keys
            .get(path)
            .ok_or_else(|| NotAsked(format!("public key of {path}")))
    }
}

/// What is answered where openssl is missing.
const UNREAD: &str = "no-openssl";

/// The kind of this module.
pub struct Keys;

impl Kind for Keys {
    type Question = HostPath;
    type Known = BTreeMap<HostPath, PublicKeyFact>;

    fn key(path: &HostPath) -> HostPath {
        path.clone()
    }

    fn script(paths: &[HostPath]) -> String {
        let mut script = String::new();
        for (index, path) in paths.iter().enumerate() {
            let path = quote::sh(path.as_str());
            // A file that holds no key is told by what is not printed.
            pushln!(
                script,
                "prov_answer public_key:{index}; [ ! -f {path} ] || if command -v openssl >/dev/null; then openssl pkey -in {path} -passin pass: -pubout 2>/dev/null; else printf %s {UNREAD}; fi; [ $? -gt 1 ] || prov_complete"
            );
        }
        script
    }

    fn read(paths: &[HostPath], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, path) in paths.iter().enumerate() {
            let fact = match answers.text(&format!("public_key:{index}"))? {
                "" => PublicKeyFact::Unusable,
                UNREAD => PublicKeyFact::Unread,
                pem => PublicKeyFact::There(pem.to_owned()),
            };
            known.insert(path.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    /// The private key is a file like any other.
    fn follows(path: &HostPath, written: &Written<'_>) -> bool {
        written.paths.contains(path)
    }

    fn samples() -> Vec<HostPath> {
        HostPath::new("/key.pem").into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the script where there is no program at all.
    #[test]
    fn a_key_that_nothing_can_read_is_told_as_such() {
        let key = HostPath::new("/proc/self/status").unwrap();
        let missing = HostPath::new("/proc/self/nothing").unwrap();
        let both = [key.clone(), missing.clone()];
        let script = format!(
            "PATH=/nowhere; prov_answer() {{ printf '<%s>' \"$1\"; }}; prov_complete() {{ printf .; }}\n{}",
            Keys::script(&both)
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has a shell run what is written for one"
        )]
        let mut shell = std::process::Command::new("/bin/sh");
        let output = shell.args(["-c", &script]).output().unwrap().stdout;
        assert_eq!(
            String::from_utf8(output).unwrap(),
            format!("<public_key:0>{UNREAD}.<public_key:1>.")
        );
        let mut answers = Answers::default();
        answers.insert("public_key:0".to_owned(), UNREAD.as_bytes().to_vec(), true);
        answers.insert("public_key:1".to_owned(), Vec::new(), true);
        let known = Keys::read(&both, &answers).unwrap();
        assert_eq!(known[&key], PublicKeyFact::Unread);
        assert_eq!(known[&missing], PublicKeyFact::Unusable);
    }
}
