//! What one host must know of another: the text of a public file there.
//!
//! A role writes an [`Input`] into a content; the shell finds the text out from the other host, and waits for it only
//! where that host is about to make it. Nothing secret travels this way, and nothing with more than one line: a host
//! cannot slip another one lines of configuration.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::value::HostPath;

/// Names a file of another host whose one line is needed here, for instance a public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Input {
    /// The other host.
    pub host: String,
    /// The file there.
    pub path: HostPath,
}

/// The inputs that are known, with their texts.
pub type InputTexts = BTreeMap<Input, String>;

/// Length beyond which a text is not taken for a key, in bytes; the longest public keys have about 3,000.
const MOST: usize = 16 * 1024;

impl Input {
    /// Checks the text of a file of another host: one line of printable characters, given without its end.
    pub fn accept(&self, text: &str) -> Result<String, String> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        if line.is_empty() || line.len() > MOST || line.chars().any(char::is_control) {
            return Err(format!(
                "{self} is not one line of text, as it should be to be used on another host"
            ));
        }
        Ok(line.to_owned())
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.path, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_give_another_more_than_one_line() {
        let input = Input {
            host: "a".to_owned(),
            path: HostPath::new("/etc/key.pub").unwrap(),
        };
        assert_eq!(
            input.accept("ssh-ed25519 AAAA a\n").unwrap(),
            "ssh-ed25519 AAAA a"
        );
        for text in ["", "\n", "a\nb\n", "a\0", "a\rb"] {
            assert!(input.accept(text).is_err(), "{text:?}");
        }
    }
}
