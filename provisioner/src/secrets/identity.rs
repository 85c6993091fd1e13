//! The keys that decrypt secrets here: from the file of `--identity`, from the environment of a CI job, or from `~/.ssh`.
//!
//! They are read when something is to be decrypted, once for a process, and a passphrase is asked for once.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use age::Identity;
use age::secrecy::SecretString;
use tasks::Secret;
use tasks::estate::RECIPIENTS;

use crate::engine::Failure;
use crate::report::problem::Problem;
use crate::state::home;

/// Variable of the environment that holds a key itself.
pub(super) const VARIABLE: &str = "PROV_IDENTITY_KEY";

/// Keys of SSH that are tried where no identity is named.
const OWN: [&str; 2] = ["id_ed25519", "id_rsa"];

/// Asks for a passphrase.
type Ask = fn(&str) -> Option<Secret>;

enum Key {
    Age(age::x25519::Identity),
    Ssh(age::ssh::Identity),
}

/// Where keys may come from, and those that were read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opener<'a> {
    pub(crate) keys: &'a Keys,
    /// The folder of the estate.
    pub(crate) estate: &'a Path,
    /// The file that was named.
    pub(crate) identity: Option<&'a Path>,
    pub(crate) ask: Ask,
}

impl<'a> Opener<'a> {
    /// Gives the keys, which are read the first time.
    pub(crate) fn keys(&self) -> Result<&'a Keys, Problem> {
        self.keys.unlock(self.estate, self.identity, self.ask)?;
        Ok(self.keys)
    }
}

/// What decrypts.
#[derive(Default)]
pub(crate) struct Keys {
    found: OnceLock<Found>,
}

#[derive(Default)]
struct Found {
    keys: Vec<Key>,
    /// Why keys of `~/.ssh` that recipients name could not be taken.
    unusable: Vec<Failure>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Reads the keys, if that was not done yet. A file that was named must hold one; of `~/.ssh` only what the estate's
    /// `recipients.txt` names is taken, so that nobody is asked for a passphrase in vain.
    fn unlock(&self, estate: &Path, named: Option<&Path>, ask: Ask) -> Result<(), Problem> {
        if self.found.get().is_some() {
            return Ok(());
        }
        let mut found = Found::default();
        let keys = &mut found.keys;
        if let Some(file) = named {
            let text = std::fs::read(file).map_err(|error| {
                Problem::file(
                    "read",
                    file,
                    &error,
                    "name the file of your private key with --identity or PROV_IDENTITY",
                )
            })?;
            keys.extend(read(&text, &file.display().to_string(), ask)?);
        }
        if let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
            keys.extend(read(text.as_encoded_bytes(), VARIABLE, ask)?);
        }
        if keys.is_empty() {
            let recipients = std::fs::read_to_string(estate.join(RECIPIENTS)).unwrap_or_default();
            for file in OWN.map(|name| home().join(".ssh").join(name)) {
                if is_named(&recipients, &file) {
                    let Ok(text) = std::fs::read(&file) else {
                        continue;
                    };
                    // What needs no key goes on without; what does says why.
                    match read(&text, &file.display().to_string(), ask) {
                        Ok(read) => found.keys.extend(read),
                        Err(Problem::Failed(failure)) => found.unusable.push(failure),
                        Err(problem) => return Err(problem),
                    }
                }
            }
        }
        // Somebody else may have been quicker with the same.
        let _ = self.found.set(found);
        Ok(())
    }

    /// Lists the keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = &dyn Identity> {
        let found = self.found.get();
        let keys = found.into_iter().flat_map(|found| &found.keys);
        keys.map(|key| match key {
            Key::Age(key) => key as &dyn Identity,
            Key::Ssh(key) => key as &dyn Identity,
        })
    }

    /// Tells whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Says why a key that may be the right one could not be taken.
    pub(crate) fn unusable(&self) -> Option<&Failure> {
        self.found.get()?.unusable.first()
    }

    /// Gives no keys, and reads none.
    pub(crate) fn none() -> Self {
        let keys = Self::default();
        // It was made this moment.
        let _ = keys.found.set(Found::default());
        keys
    }
}

/// Tells whether the public half of a key is among the recipients.
fn is_named(recipients: &str, file: &Path) -> bool {
    let mut public = file.as_os_str().to_owned();
    public.push(".pub");
    let Ok(public) = std::fs::read_to_string(PathBuf::from(public)) else {
        // Without its public half only trying tells.
        return file.is_file() && !recipients.is_empty();
    };
    let half = public.split_whitespace().nth(1).unwrap_or_default();
    !half.is_empty() && recipients.split_whitespace().any(|word| word == half)
}

/// Reads what a file of keys holds: of age, one key a line; or one of SSH; either may need a passphrase.
fn read(text: &[u8], name: &str, ask: Ask) -> Result<Vec<Key>, Problem> {
    let wrong = |what: &str| {
        Problem::Failed(Failure::new(
            format!("{name}: {what}"),
            "an identity is a file of age-keygen (AGE-SECRET-KEY-1…), or an OpenSSH private key of the kind ed25519 or rsa; `ssh-keygen -p -f FILE` writes one anew",
        ))
    };
    if text.starts_with(b"age-encryption.org/") || text.starts_with(b"-----BEGIN AGE ENCRYPTED") {
        let passphrase = asked(name, ask)?;
        let identity = age::scrypt::Identity::new(passphrase);
        let open = || -> Result<Vec<u8>, String> {
            let reader = age::armor::ArmoredReader::new(text);
            let decryptor =
                age::Decryptor::new_buffered(reader).map_err(|error| error.to_string())?;
            let keys = std::iter::once(&identity as &dyn Identity);
            let mut reader = decryptor.decrypt(keys).map_err(|error| error.to_string())?;
            let mut all = Vec::new();
            std::io::Read::read_to_end(&mut reader, &mut all).map_err(|error| error.to_string())?;
            Ok(all)
        };
        let opened = open()
            .map_err(|_| wrong("the passphrase is not the right one, or the file is damaged"))?;
        return of_age(&opened).ok_or_else(|| wrong("it holds no key of age"));
    }
    if let Some(keys) = of_age(text) {
        return Ok(keys);
    }
    let key = age::ssh::Identity::from_buffer(text, Some(name.to_owned()))
        .map_err(|_| wrong("it is no private key in a form that prov decrypts with"))?;
    let key = match key {
        age::ssh::Identity::Encrypted(key) => {
            let passphrase = asked(name, ask)?;
            let key = key.decrypt(passphrase);
            age::ssh::Identity::from(key.map_err(|_| wrong("the passphrase is not the right one"))?)
        }
        age::ssh::Identity::Unsupported(_) => {
            return Err(wrong("it is of a kind that cannot decrypt"));
        }
        key @ age::ssh::Identity::Unencrypted(_) => key,
    };
    Ok(vec![Key::Ssh(key)])
}

fn asked(name: &str, ask: Ask) -> Result<SecretString, Problem> {
    let passphrase = ask(&format!("Passphrase of {name}: ")).ok_or_else(|| {
        Problem::Failed(Failure::new(
            format!("{name} needs a passphrase, and nobody can be asked for it"),
            format!("run it at a terminal, or hand over the key itself in the variable {VARIABLE} of the environment"),
        ))
    })?;
    Ok(SecretString::from(passphrase.expose().to_owned()))
}

/// Reads keys of age; `None` if there is anything else, or nothing.
fn of_age(text: &[u8]) -> Option<Vec<Key>> {
    let text = std::str::from_utf8(text).ok()?;
    let lines = text.lines().map(str::trim);
    let keys = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.parse().ok().map(Key::Age))
        .collect::<Option<Vec<_>>>()?;
    (!keys.is_empty()).then_some(keys)
}
