//! Text that must never be seen: passwords, keys, tokens.
//!
//! A [`Secret`] masks itself wherever it could be printed or serialised. The only way to its text is
//! [`Secret::expose`], which is called where bytes leave for a host and nowhere else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::push;

/// What stands in for a secret in anything a person or a machine reads.
pub const MASK: &str = "<secret>";

/// Holds a text that masks itself in `Debug`, `Display` and when serialised.
///
/// ```
/// let password = tasks::Secret::new("hunter2");
/// assert_eq!(format!("{password} {password:?}"), "<secret> <secret>");
/// assert_eq!(serde_json::to_string(&password).unwrap(), "\"<secret>\"");
/// ```
// Not `serde(transparent)`: estate files are read by a deserializer that must hear the name of this type, so that it
// quotes neither the value nor its line when something is wrong with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text itself, for the bytes that are sent to a host.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Derives another secret from this one, such as its form quoted for a configuration file.
    #[must_use]
    pub fn map(&self, f: impl FnOnce(&str) -> String) -> Self {
        Self(f(&self.0))
    }

    /// Derives another secret from this one, where that can fail.
    pub fn try_map<E>(&self, f: impl FnOnce(&str) -> Result<String, E>) -> Result<Self, E> {
        f(&self.0).map(Self)
    }

    /// Digests the text under a key (SHA-256, hexadecimal), so that two can be compared without either being kept.
    #[must_use]
    pub fn digest(&self, key: &[u8]) -> String {
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update(self.0.as_bytes());
        hex(&hash.finalize())
    }
}

/// Writes bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            push!(text, "{byte:02x}");
            text
        })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "secret" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Hides the lines of an output that hold a secret.
///
/// A validator that does not like a file may quote the very line that holds a password. What would be shown is
/// searched here, line by line, and a line is hidden as a whole: no other word is touched by it.
#[must_use]
pub fn without_secrets(secrets: &[Secret], text: &str) -> String {
    let shown = |line: &str| {
        let parts = secrets.iter().flat_map(|secret| secret.expose().lines());
        // The quotation marks that a file needs are not repeated by everybody.
        let hidden = parts
            .map(|part| part.trim().trim_matches(['"', '\'']))
            .filter(|part| !part.is_empty())
            .any(|part| line.contains(part));
        if hidden {
            "<line hidden: it holds a secret>".to_owned()
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<_> = text.lines().map(shown).collect();
    lines.join("\n")
}

/// Letters that a line must have to be told from what any program says by itself.
const LEAST_LINE: usize = 4;

/// Letters that a value must have for the same.
const LEAST_VALUE: usize = 6;

/// What programs put around what they quote.
const QUOTES: [char; 7] = ['\'', '"', '`', '‘', '’', '“', '”'];

/// Gives what a line gives a name, however that is written; the whole line where it is one word.
fn value(line: &str) -> &str {
    let line = line.trim();
    let given = line.split_once(['=', ':']);
    let given = given.or_else(|| line.split_once(char::is_whitespace));
    given.map_or(line, |(_, value)| value.trim())
}

/// Hides the lines of an output that quote a private text, of which nobody has said what is secret in it: those that hold a
/// line of it, or what such a line gives a name, and those that quote a part of that, as programs cut off what is long.
#[must_use]
pub fn without_private(texts: &[Secret], output: &str) -> String {
    let mut parts = Vec::new();
    for line in texts.iter().flat_map(|text| text.expose().lines()) {
        let line = line.trim();
        if line.chars().count() >= LEAST_LINE {
            parts.push(line);
        }
        if let Some((_, value)) = line.split_once(['=', ':']) {
            let value = value.trim().trim_matches(['"', '\'', ';', ',']);
            if value.chars().count() >= LEAST_VALUE {
                parts.push(value);
            }
        }
    }
    let whole = |line: &str| {
        let words = line.trim();
        texts.iter().any(|text| {
            let text = text.expose();
            !words.is_empty() && text.lines().any(|own| own.trim() == words) && words.len() > 1
        })
    };
    let values: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.expose().lines())
        .map(value)
        .collect();
    let cut = |line: &str| {
        line.split(QUOTES).chain([line]).any(|piece| {
            let piece = piece.trim().trim_end_matches('…').trim_end_matches("...");
            piece.chars().count() >= LEAST_VALUE && values.iter().any(|it| it.contains(piece))
        })
    };
    let shown = |line: &str| {
        if parts.iter().any(|part| line.contains(part)) || whole(line) || cut(line) {
            "<line hidden: it quotes what is private>".to_owned()
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<_> = output.lines().map(shown).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_quotes_its_private_input_is_not_quoted() {
        let private = [Secret::new("[client]\npassword = \"hunter22\"\n}\nyes\n")];
        let output =
            "bad line: password = \"hunter22\"\ndenied for hunter22\n}\nyes\nline 3: unknown }\nok";
        assert_eq!(
            without_private(&private, output),
            "<line hidden: it quotes what is private>\n<line hidden: it quotes what is private>\n}\n<line hidden: it quotes what is private>\nline 3: unknown }\nok"
        );
    }

    #[test]
    fn a_part_of_private_input_is_not_quoted_either() {
        let private = [Secret::new(
            "password = \"hunter2222\"\nlistne 443 ssl;\ntopsecret\n",
        )];
        let hidden = "<line hidden: it quotes what is private>";
        for (said, shown) in [
            ("near 'hunter22' at line 1", hidden),
            ("near `hunter22...` at line 1", hidden),
            ("topsec", hidden),
            (
                "unknown directive \"listne\" in line 2",
                "unknown directive \"listne\" in line 2",
            ),
            ("unknown option 'password'", "unknown option 'password'"),
            ("near 'hun'", "near 'hun'"),
        ] {
            assert_eq!(without_private(&private, said), shown, "{said}");
        }
    }

    #[test]
    fn a_line_in_which_a_validator_quotes_a_secret_is_hidden_and_no_other_word_is_touched() {
        let secrets = ["\"s3cr\\\"et\"", "", " ", "\"\""].map(Secret::new);
        let output = "error in line 3\n  Password = s3cr\\\"et\nsecret \"service\"";
        assert_eq!(
            without_secrets(&secrets, output),
            "error in line 3\n<line hidden: it holds a secret>\nsecret \"service\""
        );
    }
}
