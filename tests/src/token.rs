//! A stand-in of an agent with a security token: keys of the kinds `sk-`, whose signatures say whether somebody touched the token
//! (OpenSSH's PROTOCOL.u2f and PROTOCOL.agent).

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};

use crate::must;

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const SIGN: u8 = 13;
const SIGNATURE: u8 = 14;
const FAILURE: u8 = 5;
const APPLICATION: &[u8] = b"ssh:";

/// What somebody does when the token waits to be touched.
#[derive(Debug, Clone, Copy)]
pub enum Touch {
    /// Touches it, after this time.
    After(Duration),
    /// Does not, and it signs nevertheless.
    Never,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// A key in a token.
pub struct Token {
    pair: Pair,
}

impl Token {
    /// Makes one of the kind `ed25519-sk` or `ecdsa-sk`.
    pub fn new(kind: &str) -> Self {
        let random = SystemRandom::new();
        let pair = if kind == "ed25519-sk" {
            let made = must(Ed25519KeyPair::generate_pkcs8(&random), "making a key");
            let pair = Ed25519KeyPair::from_pkcs8(made.as_ref());
            Pair::Ed25519(must(pair, "reading a key"))
        } else {
            let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let made = must(EcdsaKeyPair::generate_pkcs8(kind, &random), "making a key");
            let pair = EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random);
            Pair::Ecdsa(must(pair, "reading a key"))
        };
        Self { pair }
    }

    const fn kind(&self) -> &'static [u8] {
        match self.pair {
            Pair::Ed25519(_) => b"sk-ssh-ed25519@openssh.com",
            Pair::Ecdsa(_) => b"sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// Gives its public half, as a line of `authorized_keys`.
    pub fn public_line(&self) -> String {
        let kind = String::from_utf8_lossy(self.kind());
        format!("{kind} {}", STANDARD.encode(self.public()))
    }

    fn public(&self) -> Vec<u8> {
        let parts: &[&[u8]] = match &self.pair {
            Pair::Ed25519(pair) => &[self.kind(), pair.public_key().as_ref(), APPLICATION],
            Pair::Ecdsa(pair) => &[
                self.kind(),
                b"nistp256",
                pair.public_key().as_ref(),
                APPLICATION,
            ],
        };
        strings(parts)
    }

    fn sign(&self, data: &[u8], flags: u8) -> Vec<u8> {
        let counted = [&[flags][..], &7_u32.to_be_bytes()].concat();
        let (application, message) = (digest(&SHA256, APPLICATION), digest(&SHA256, data));
        let signed = [application.as_ref(), &counted, message.as_ref()].concat();
        let signature = match &self.pair {
            Pair::Ed25519(pair) => pair.sign(&signed).as_ref().to_vec(),
            Pair::Ecdsa(pair) => {
                let both = must(pair.sign(&SystemRandom::new(), &signed), "signing");
                let (one, other) = both.as_ref().split_at(32);
                strings(&[&positive(one), &positive(other)])
            }
        };
        [strings(&[self.kind(), &signature]), counted].concat()
    }

    /// Answers at a socket as an agent that holds this key, until the test ends.
    pub fn listen(self, socket: &Path, touch: Touch) {
        let _ = std::fs::remove_file(socket);
        let listener = must(UnixListener::bind(socket), "listening as an agent");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                self.answer(stream, touch);
            }
        });
    }

    fn answer(&self, mut stream: UnixStream, touch: Touch) {
        while let Some(asked) = message(&mut stream) {
            let answer = match asked.split_first() {
                Some((&REQUEST_IDENTITIES, _)) => {
                    let held = strings(&[&self.public(), b"token"]);
                    [&[IDENTITIES][..], &1_u32.to_be_bytes(), &held].concat()
                }
                Some((&SIGN, rest)) => {
                    let (_, rest) = string(rest);
                    let (data, _) = string(rest);
                    let flags = match touch {
                        Touch::After(time) => {
                            std::thread::sleep(time);
                            1
                        }
                        Touch::Never => 0,
                    };
                    let signed = strings(&[&self.sign(data, flags)]);
                    [&[SIGNATURE][..], &signed].concat()
                }
                _ => vec![FAILURE],
            };
            if stream.write_all(&strings(&[&answer])).is_err() {
                return;
            }
        }
    }
}

fn message(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; usize::try_from(u32::from_be_bytes(length)).ok()?];
    stream.read_exact(&mut message).ok()?;
    Some(message)
}

/// Writes strings of SSH: each with its length before it (RFC 4251, section 5).
fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let parts = parts.iter().map(|part| {
        let length = must(u32::try_from(part.len()), "a length");
        [&length.to_be_bytes()[..], part].concat()
    });
    parts.collect::<Vec<_>>().concat()
}

/// Reads one such string; gives it, and what follows.
fn string(from: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = from.split_at(4);
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    rest.split_at(length)
}

/// Writes a number that is not negative.
fn positive(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0);
    let number = &number[first.unwrap_or(number.len())..];
    match number.first() {
        Some(byte) if byte & 0x80 != 0 => [&[0], number].concat(),
        _ => number.to_vec(),
    }
}
