//! Permission bits.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Holds permission bits, written in octal as a string: `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(u32);

impl Mode {
    /// Makes a mode of its twelve bits; higher ones are dropped.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// Gives the twelve bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (3..=5).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_digit())
            && let Ok(bits @ ..=0o7777) = u32::from_str_radix(&text, 8)
        {
            return Ok(Self(bits));
        }
        Err(format!(
            "'{text}' is not a mode; write three or four octal digits in quotes, like \"0644\""
        ))
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "mode" })
    }

    fn inline_schema() -> bool {
        true
    }
}
