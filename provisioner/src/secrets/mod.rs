//! Secrets at rest: private files whose values are encrypted one by one with age (<https://age-encryption.org/v1>), and the
//! authority's key as a whole.
//!
//! Owns what an encrypted value is: base64 of an age file, which holds as JSON what it belongs to, for whom it was meant, and the
//! value. So a value that was put below another key or into another file is refused. Which part of a file is a value is the
//! business of `tasks::estate::sealed`.

mod identity;
mod recipients;
pub(crate) mod store;

use std::io::{Read as _, Write as _};

use age::{DecryptError, Decryptor, Encryptor};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde_json::json;
use tasks::Diagnostic;
use tasks::estate::sealed::{self, MARK, Part, UNSEEN};

pub(crate) use identity::{Keys, Opener};
pub(crate) use recipients::Recipients;

use crate::report::problem::Problem;

/// What the paths of domains' files begin with, wherever their folder is.
pub(crate) const DOMAINS: &str = "domains/";

/// Ciphertexts tell lengths: those of values are rounded up to this many bytes.
const ROUND: usize = 64;

/// Why a value cannot be read.
pub(crate) enum Shut {
    /// It is not encrypted for any key that there is here.
    Locked,
    /// It is not what it should be.
    Wrong(String),
}

/// What an encrypted value holds.
pub(crate) struct Decrypted {
    /// The value on one line.
    pub(crate) text: String,
    /// The recipients it was encrypted for, as a digest.
    pub(crate) recipients: String,
}

/// Encrypts bytes.
pub(crate) fn encrypt(bytes: &[u8], recipients: &Recipients) -> Result<Vec<u8>, Problem> {
    let failed = |error: String| {
        Problem::usage(
            format!("cannot encrypt for {}: {error}", recipients.file()),
            "take the recipient out that this speaks of",
        )
    };
    let encryptor =
        Encryptor::with_recipients(recipients.keys()).map_err(|error| failed(error.to_string()))?;
    let mut all = Vec::new();
    let mut writer = encryptor
        .wrap_output(&mut all)
        .map_err(|error| failed(error.to_string()))?;
    let written = writer.write_all(bytes).and_then(|()| writer.finish());
    written.map_err(|error| failed(error.to_string()))?;
    Ok(all)
}

/// Decrypts bytes.
pub(crate) fn decrypt(bytes: &[u8], keys: &Keys) -> Result<Vec<u8>, Shut> {
    let wrong = |error: DecryptError| match error {
        DecryptError::NoMatchingKeys => Shut::Locked,
        error @ (DecryptError::DecryptionFailed
        | DecryptError::ExcessiveWork { .. }
        | DecryptError::InvalidHeader
        | DecryptError::InvalidMac
        | DecryptError::Io(_)
        | DecryptError::KeyDecryptionFailed
        | DecryptError::UnknownFormat) => Shut::Wrong(format!("it is damaged: {error}")),
    };
    let decryptor = Decryptor::new_buffered(bytes).map_err(wrong)?;
    let mut reader = decryptor.decrypt(keys.all()).map_err(wrong)?;
    let mut all = Vec::new();
    reader
        .read_to_end(&mut all)
        .map_err(|error| Shut::Wrong(format!("it is damaged: {error}")))?;
    Ok(all)
}

/// Encrypts a value or a comment of a file; gives what stands in its place.
pub(crate) fn seal(file: &str, part: &Part, recipients: &Recipients) -> Result<String, Problem> {
    let of = json!([file, part.belongs]);
    let mut text = json!({ "of": of, "for": recipients.digest(), "is": part.text }).to_string();
    let rest = text.len().next_multiple_of(ROUND) - text.len();
    text.extend(std::iter::repeat_n(' ', rest));
    let bytes = encrypt(text.as_bytes(), recipients)?;
    let begin = if part.is_comment() { "# " } else { "" };
    Ok(format!(
        "{begin}{MARK}{}",
        BASE64_STANDARD_NO_PAD.encode(bytes)
    ))
}

/// Decrypts a value or a comment of a file.
pub(crate) fn open(file: &str, part: &Part, keys: &Keys) -> Result<Decrypted, Shut> {
    let wrong = |what: &str| Shut::Wrong(what.to_owned());
    let sealed = part
        .sealed()
        .ok_or_else(|| wrong("this value is not encrypted"))?;
    let bytes = BASE64_STANDARD_NO_PAD
        .decode(sealed)
        .map_err(|_| wrong("it is damaged: what follows 'age:' is not base64"))?;
    let plain = decrypt(&bytes, keys)?;
    let known: serde_json::Value = serde_json::from_slice(&plain)
        .map_err(|_| wrong("it holds no value that prov has encrypted"))?;
    if known["of"] != json!([file, part.belongs]) {
        return Err(wrong("it was encrypted for another place"));
    }
    match (known["is"].as_str(), known["for"].as_str()) {
        (Some(text), Some(recipients)) => Ok(Decrypted {
            text: text.to_owned(),
            recipients: recipients.to_owned(),
        }),
        _ => Err(wrong("it holds no value that prov has encrypted")),
    }
}

/// Gives the ciphertext of a value.
pub(crate) fn bytes(part: &Part) -> Option<Vec<u8>> {
    BASE64_STANDARD_NO_PAD.decode(part.sealed()?).ok()
}

/// Describes a value that cannot be read for another reason than a missing key.
pub(crate) fn refused(part: &Part, why: &str) -> Diagnostic {
    let mistake = Diagnostic::at(part.place.clone(), format!("{}: {why}", part.shown()));
    mistake.hint(if part.is_sealed {
        "take the line back from version control, or set it anew with `prov secrets set`"
    } else {
        "set it with `prov secrets set`, which encrypts it; if somebody else could read it here, take a new one"
    })
}

/// What was found in an encrypted file.
pub(crate) struct Text {
    /// The text with values in the place of their ciphertexts, line by line where they were.
    pub(crate) bytes: Vec<u8>,
    /// Values that are not encrypted for any key that there is here.
    pub(crate) unseen: Vec<Part>,
}

/// Reads an encrypted file for the core. Comments are of no concern to it.
pub(crate) fn read(
    file: &str,
    name: &str,
    bytes: &[u8],
    keys: &Keys,
) -> Result<Text, Vec<Diagnostic>> {
    let parts = sealed::parts(name, bytes).map_err(Diagnostic::alone)?;
    let text = String::from_utf8_lossy(bytes);
    let (mut mistakes, mut unseen) = (Vec::new(), Vec::new());
    let opened = sealed::replaced(&text, &parts, |part| {
        if part.is_comment() {
            return "#".to_owned();
        }
        match open(file, part, keys) {
            Ok(opened) => opened.text,
            Err(Shut::Locked) => {
                unseen.push(part.clone());
                UNSEEN.to_owned()
            }
            Err(Shut::Wrong(why)) => {
                mistakes.push(refused(part, &why));
                UNSEEN.to_owned()
            }
        }
    });
    if mistakes.is_empty() {
        Ok(Text {
            bytes: opened.into_bytes(),
            unseen,
        })
    } else {
        Err(mistakes)
    }
}

/// Names a file as what its values belong to: its path in the folder of the estate or of the domains, without its ending.
pub(crate) fn stem(path: &str) -> &str {
    let path = path.strip_suffix(".age").unwrap_or(path);
    path.strip_suffix(".private.yml").unwrap_or(path)
}
