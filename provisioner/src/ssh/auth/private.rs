//! Private keys from files: what of a file is known without its passphrase, and what is signed with it.
//!
//! RSA is `ring`'s, whose operations with private keys run in constant time; other kinds are the SSH library's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use crypto_bigint::{BoxedUint, NonZero};
use ring::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKeyComponents};
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::{KeypairData, RsaKeypair};
use russh::keys::ssh_key::public::{KeyData, RsaPublicKey};
use russh::keys::ssh_key::{Mpint, Signature};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

/// What a key file is, as far as that can be told without a passphrase.
#[derive(Debug, Clone)]
pub(super) enum KeyFile {
    /// A private key that can be used.
    Open(PublicKey, Arc<Private>),
    /// A private key that needs a passphrase; the public half is known where the file, or one beside it, shows it.
    Locked(Option<PublicKey>),
    /// Of a key only the public half is here: the agent may hold the other one, or a security token through it.
    Public(PublicKey),
}

/// A private key.
#[derive(Debug)]
pub(super) enum Private {
    Rsa(Box<RsaKeyPair>),
    Other(Box<PrivateKey>),
}

impl KeyFile {
    /// Reads a file. `None` if there is none, and no public half either.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(beside(path).map(Self::Public));
            }
            Err(error) => return Err(error.to_string()),
        };
        if let Ok(public) = PublicKey::from_openssh(&text) {
            return Ok(Some(Self::Public(public)));
        }
        if let Ok(key) = PrivateKey::from_openssh(&text) {
            let public = key.public_key().clone();
            if public.algorithm().as_str().starts_with("sk-") {
                return Ok(Some(Self::Public(public)));
            }
            if key.is_encrypted() {
                return Ok(Some(Self::Locked(Some(public))));
            }
        }
        if is_locked(&text) {
            return Ok(Some(Self::Locked(beside(path))));
        }
        let (public, private) = open(&text, None)?;
        Ok(Some(Self::Open(public, Arc::new(private))))
    }
}

/// Reads a private key by its passphrase.
pub(super) fn unlock(path: &Path, passphrase: &str) -> Result<(PublicKey, Private), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    open(&text, Some(passphrase))
}

/// Tells whether a key in one of the older forms needs a passphrase.
fn is_locked(text: &str) -> bool {
    let marks = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "Proc-Type: 4,ENCRYPTED",
    ];
    text.lines().any(|line| marks.contains(&line.trim()))
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("Encryption: none"))
}

/// Reads the public half from the file beside a key.
fn beside(path: &Path) -> Option<PublicKey> {
    let text = std::fs::read_to_string(with_suffix(path, ".pub")).ok()?;
    PublicKey::from_openssh(&text).ok()
}

/// Gives the name of a file beside another.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn open(text: &str, passphrase: Option<&str>) -> Result<(PublicKey, Private), String> {
    if let Some(pair) = older_rsa(text) {
        let pair = pair?;
        return Ok((public_half(&pair)?, Private::Rsa(Box::new(pair))));
    }
    let is_openssh = PrivateKey::from_openssh(text);
    let key = match (is_openssh, passphrase) {
        (Ok(key), Some(passphrase)) if key.is_encrypted() => key.decrypt(passphrase).map_err(|_| "the passphrase is not the right one".to_owned())?,
        (Ok(key), _) => key,
        (Err(_), _) => russh::keys::decode_secret_key(text, passphrase).map_err(|error| match passphrase {
            Some(_) => format!("the passphrase is not the right one, or the form of the file is not known ({error}); `ssh-keygen -p -f FILE` writes it anew"),
            None => format!("it is no private key in a form that prov reads ({error}); `ssh-keygen -p -f FILE` writes it anew"),
        })?,
    };
    let public = key.public_key().clone();
    let private = if let KeypairData::Rsa(pair) = key.key_data() {
        Private::Rsa(Box::new(rsa(pair)?))
    } else {
        Private::Other(Box::new(key))
    };
    Ok((public, private))
}

/// Reads RSA keys in the forms that came before OpenSSH's own: PKCS#1 and PKCS#8; `None` if it is neither.
fn older_rsa(text: &str) -> Option<Result<RsaKeyPair, String>> {
    let der = |kind: &str| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {kind}-----"))?;
        let (body, _) = rest.split_once("-----END ")?;
        let body: String = body.split_whitespace().collect();
        BASE64_STANDARD.decode(body).ok()
    };
    if let Some(der) = der("RSA PRIVATE KEY") {
        return Some(RsaKeyPair::from_der(&der).map_err(|reason| unfit(&reason)));
    }
    match RsaKeyPair::from_pkcs8(&der("PRIVATE KEY")?) {
        Ok(pair) => Some(Ok(pair)),
        // Whatever it is, it may be a key of another kind.
        Err(_) => None,
    }
}

fn unfit(reason: &ring::error::KeyRejected) -> String {
    format!(
        "RSA keys in files have 2048 to 4096 bits here ({reason}); load it into ssh-agent, which takes others, too"
    )
}

/// Hands an RSA key to `ring`, which wants the exponents of both primes.
fn rsa(pair: &RsaKeypair) -> Result<RsaKeyPair, String> {
    let malformed = || "the parts of the RSA key do not fit".to_owned();
    let bytes = |number: &Mpint| {
        number
            .as_positive_bytes()
            .map(<[u8]>::to_vec)
            .ok_or_else(malformed)
    };
    let (public, private) = (pair.public(), pair.private());
    let (d, p, q) = (
        bytes(private.d())?,
        bytes(private.p())?,
        bytes(private.q())?,
    );
    let exponent = |prime: &[u8]| {
        let bits = u32::try_from(d.len().max(prime.len()) * 8).map_err(|_| malformed())?;
        let number = |bytes: &[u8]| {
            let mut padded = vec![0; d.len().max(prime.len()) - bytes.len()];
            padded.extend_from_slice(bytes);
            BoxedUint::from_be_slice(&padded, bits).map_err(|_| malformed())
        };
        let less = number(prime)?.wrapping_sub(BoxedUint::one_with_precision(bits));
        let less = Option::<NonZero<_>>::from(NonZero::new(less)).ok_or_else(malformed)?;
        let exponent = number(&d)?.rem(&less).to_be_bytes().to_vec();
        let first = exponent
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(exponent.len());
        Ok::<_, String>(exponent[first..].to_vec())
    };
    let components = KeyPairComponents {
        public_key: PublicKeyComponents {
            n: bytes(public.n())?,
            e: bytes(public.e())?,
        },
        dP: exponent(&p)?,
        dQ: exponent(&q)?,
        qInv: bytes(private.iqmp())?,
        d,
        p,
        q,
    };
    RsaKeyPair::from_components(&components).map_err(|reason| unfit(&reason))
}

fn public_half(pair: &RsaKeyPair) -> Result<PublicKey, String> {
    let components: PublicKeyComponents<Vec<u8>> = PublicKeyComponents::from(pair.public());
    let number = |bytes: &[u8]| Mpint::from_positive_bytes(bytes);
    RsaPublicKey::new(number(&components.e), number(&components.n))
        .map(|key| PublicKey::from(KeyData::Rsa(key)))
        .map_err(|error| error.to_string())
}

impl Private {
    /// Signs; gives the signature as it is sent, with the name of its algorithm.
    pub(super) fn sign(&self, data: &[u8], hash: Option<HashAlg>) -> Result<Vec<u8>, String> {
        let signature = match self {
            Self::Other(key) => key.try_sign(data).map_err(|error| error.to_string())?,
            Self::Rsa(pair) => {
                let padding: &dyn ring::signature::RsaEncoding = match hash {
                    Some(HashAlg::Sha256) => &ring::signature::RSA_PKCS1_SHA256,
                    Some(HashAlg::Sha512) => &ring::signature::RSA_PKCS1_SHA512,
                    _ => return Err("signatures with SHA-1 are not made".to_owned()),
                };
                let mut signed = vec![0; pair.public().modulus_len()];
                let random = ring::rand::SystemRandom::new();
                pair.sign(padding, &random, data, &mut signed)
                    .map_err(|_| "the RSA key cannot sign".to_owned())?;
                Signature::new(Algorithm::Rsa { hash }, signed)
                    .map_err(|error| error.to_string())?
            }
        };
        let mut blob = Vec::new();
        signature
            .encode(&mut blob)
            .map_err(|error| error.to_string())?;
        Ok(blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::signature::Verifier as _;
    use russh::keys::ssh_encoding::Decode as _;

    /// Makes a key as OpenSSH does.
    fn keygen(folder: &Path, arguments: &[&str]) -> PathBuf {
        let path = folder.join("key");
        for old in [path.clone(), with_suffix(&path, ".pub")] {
            let _ = std::fs::remove_file(old);
        }
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-C", "", "-f"])
            .arg(&path)
            .args(arguments)
            .output()
            .unwrap();
        assert!(made.status.success(), "{arguments:?} {made:?}");
        path
    }

    fn signs(public: &PublicKey, private: &Private) {
        for hash in [HashAlg::Sha256, HashAlg::Sha512] {
            let blob = private.sign(b"data", Some(hash)).unwrap();
            let signature = Signature::decode(&mut blob.as_slice()).unwrap();
            public.key_data().verify(b"data", &signature).unwrap();
            public.key_data().verify(b"other", &signature).unwrap_err();
        }
    }

    #[test]
    fn keys_of_every_form_sign() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [
            &["-t", "ed25519"][..],
            &["-t", "ecdsa"],
            &["-t", "rsa", "-b", "2048"],
            &["-t", "rsa", "-b", "3072"],
            &["-t", "ecdsa", "-m", "PKCS8"],
            &["-t", "rsa", "-b", "2048", "-m", "PEM"],
            &["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        ] {
            let path = keygen(folder.path(), &[kind, &["-N", ""]].concat());
            let expected = beside(&path).unwrap();
            let Some(KeyFile::Open(public, private)) = KeyFile::read(&path).unwrap() else {
                panic!("{kind:?}");
            };
            assert_eq!(public.key_data(), expected.key_data(), "{kind:?}");
            signs(&public, &private);
        }
    }

    #[test]
    fn locked_keys_show_their_public_half_and_open_by_the_passphrase_alone() {
        let folder = tempfile::tempdir().unwrap();
        for kind in [
            &["-t", "ed25519"][..],
            &["-t", "rsa", "-b", "2048"],
            &["-t", "ecdsa", "-m", "PKCS8"],
        ] {
            let path = keygen(folder.path(), &[kind, &["-N", "secret"]].concat());
            let expected = beside(&path).unwrap();
            let Some(KeyFile::Locked(Some(public))) = KeyFile::read(&path).unwrap() else {
                panic!("{kind:?}");
            };
            assert_eq!(public.key_data(), expected.key_data(), "{kind:?}");
            unlock(&path, "wrong").unwrap_err();
            let (public, private) = unlock(&path, "secret").unwrap();
            signs(&public, &private);
        }
    }

    #[test]
    fn the_public_half_of_a_key_is_enough_for_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = keygen(folder.path(), &["-t", "ed25519", "-N", ""]);
        let public = with_suffix(&path, ".pub");
        for only in [&public, &path] {
            if *only == path {
                std::fs::remove_file(&path).unwrap();
            }
            let read = KeyFile::read(only).unwrap();
            assert!(matches!(read, Some(KeyFile::Public(_))), "{read:?}");
        }
        std::fs::remove_file(&public).unwrap();
        assert!(KeyFile::read(&path).unwrap().is_none());
        std::fs::write(&path, "nonsense").unwrap();
        assert!(KeyFile::read(&path).is_err());
    }

    #[test]
    fn signatures_with_sha1_are_neither_made_nor_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = keygen(folder.path(), &["-t", "rsa", "-b", "2048", "-N", ""]);
        let Some(KeyFile::Open(public, private)) = KeyFile::read(&path).unwrap() else {
            panic!("{}", path.display());
        };
        private.sign(b"data", None).unwrap_err();
        let blob = private.sign(b"data", Some(HashAlg::Sha256)).unwrap();
        let signature = Signature::decode(&mut blob.as_slice()).unwrap();
        let sha1 = Algorithm::Rsa { hash: None };
        let claimed = Signature::new(sha1, signature.as_bytes().to_vec()).unwrap();
        public.key_data().verify(b"data", &claimed).unwrap_err();
    }
}
