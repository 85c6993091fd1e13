//! Keys that were opened by a passphrase, for all hosts of a run: each is asked for once.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PublicKey;
use tasks::Secret;

use super::private::{Private, unlock};

/// How often a passphrase is asked for before a key is given up.
const TRIES: usize = 3;

/// Asks the user for a passphrase. `None` where nobody can be asked, or gives none.
pub type Ask = fn(question: &str) -> Option<Secret>;

/// What came of asking for the passphrase of a key.
#[derive(Debug, Clone)]
pub(super) enum Unlocked {
    /// It was the right one.
    Open(PublicKey, Arc<Private>),
    /// It was not given, and why.
    Refused(String),
}

/// Keys that were opened, or were not, by their files.
#[derive(Default)]
pub struct Keyring {
    ask: Option<Ask>,
    known: Mutex<HashMap<PathBuf, Unlocked>>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    /// Makes an empty one that asks like this.
    #[must_use]
    pub fn new(ask: Ask) -> Self {
        Self {
            ask: Some(ask),
            ..Self::default()
        }
    }

    /// Gives what is known about a key that needs a passphrase.
    pub(super) fn known(&self, path: &Path) -> Option<Unlocked> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).cloned()
    }

    /// Asks for the passphrase of a key, unless that has been done.
    pub(in crate::ssh) async fn ask(&self, path: &Path) {
        let _turn = self.asking.lock().await;
        if self.known(path).is_some() {
            return;
        }
        let (file, ask) = (path.to_owned(), self.ask);
        let unlocked = tokio::task::spawn_blocking(move || question(&file, ask)).await;
        let unlocked = unlocked.unwrap_or_else(|_| Unlocked::Refused(String::new()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_owned(), unlocked);
    }
}

fn question(path: &Path, ask: Option<Ask>) -> Unlocked {
    let mut question = format!("Passphrase for {}: ", path.display());
    let mut reason = "it needs a passphrase, and there is no terminal to ask for it".to_owned();
    for _ in 0..TRIES {
        let Some(passphrase) = ask.and_then(|ask| ask(&question)) else {
            break;
        };
        match unlock(path, passphrase.expose()) {
            Ok((public, private)) => return Unlocked::Open(public, Arc::new(private)),
            Err(cause) => reason = cause,
        }
        question = format!("That is not it. Passphrase for {}: ", path.display());
    }
    Unlocked::Refused(reason)
}
