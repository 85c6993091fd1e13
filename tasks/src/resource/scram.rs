//! Verifiers of passwords as PostgreSQL keeps them (SCRAM-SHA-256, RFC 5802 and 7677; `scram-common.c`).
//!
//! Only the verifier reaches the server, so no log of it ever holds a password. Refuses characters that clients and servers
//! write in another form before they hash them (SASLprep): only of ASCII it is certain that they do not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const NAME: &str = "SCRAM-SHA-256";

/// Rounds that the server takes itself unless it is told otherwise (`scram_iterations`).
const ROUNDS: u32 = 4096;

/// More rounds than these are nobody's setting; they would keep prov busy.
const MOST_ROUNDS: u32 = 1_000_000;

const SALT: usize = 16;

/// Makes the verifier of a password. The salt need not be random, but differ from all others: it is made of what tells this
/// account and its former password from those of all servers.
pub(super) fn verifier(password: &str, distinct: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in distinct {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    written(password, &hash.finalize()[..SALT], ROUNDS)
}

/// Tells whether a verifier is that of a password.
pub(super) fn is_of(verifier: &str, password: &str) -> bool {
    let same = || {
        let (rounds, salt) = verifier
            .strip_prefix(NAME)?
            .strip_prefix('$')?
            .split_once(':')?;
        let rounds = rounds
            .parse()
            .ok()
            .filter(|rounds| (1..=MOST_ROUNDS).contains(rounds))?;
        let salt = STANDARD.decode(salt.split_once('$')?.0).ok()?;
        Some(written(password, &salt, rounds) == verifier)
    };
    same().unwrap_or(false)
}

fn written(password: &str, salt: &[u8], rounds: u32) -> String {
    let salted: [u8; 32] =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt, rounds);
    let stored = Sha256::digest(keyed(&salted, "Client Key"));
    let server = keyed(&salted, "Server Key");
    let [salt, stored, server] =
        [salt, stored.as_slice(), &server].map(|bytes| STANDARD.encode(bytes));
    format!("{NAME}${rounds}:{salt}${stored}:{server}")
}

fn keyed(key: &[u8; 32], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mac = mac.map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec());
    // A key of any length is taken.
    mac.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3, in PostgreSQL's form: its keys were computed from that password, salt and count.
    const OF_RFC: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn a_verifier_is_that_of_its_password_alone() {
        assert!(is_of(OF_RFC, "pencil"));
        let made = verifier("pencil", &["1", "shop", ""]);
        assert!(is_of(&made, "pencil") && !is_of(&made, "pencil "));
        assert_ne!(made, verifier("pencil", &["2", "shop", ""]));
        assert_ne!(made, verifier("pencil", &["1sh", "op", ""]));
        for other in [
            "",
            "md5abc",
            "SCRAM-SHA-256$0:AA==$x:y",
            "SCRAM-SHA-256$99999999:AA==$x:y",
        ] {
            assert!(!is_of(other, "pencil"), "{other}");
        }
    }
}
