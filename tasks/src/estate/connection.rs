//! How a host is reached.
//!
//! Owns what estate files may say about connections and how the defaults of the estate and the settings of a host
//! combine. Refuses to know what is not said: a missing user, port or key is for `~/.ssh/config` and the shell to fill.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::Jump;
use crate::Secret;

/// Says how to become root after logging in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sudo {
    /// The user is root already: `sudo: false`.
    #[default]
    No,
    /// sudo asks for nothing: `sudo: true`.
    Free,
    /// sudo asks for the connection's password: `sudo: password`.
    Password,
}

impl<'de> Deserialize<'de> for Sudo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Sudo;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or password")
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Sudo, E> {
                Ok(if value { Sudo::Free } else { Sudo::No })
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Sudo, E> {
                if value == "password" {
                    Ok(Sudo::Password)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(value), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Sudo {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sudo".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": [false, true, "password"] })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Describes how a host is reached; what is `None` is decided elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Connection {
    /// Name of the user to log in as.
    pub user: Option<String>,
    /// Password for logging in and for sudo.
    pub password: Option<Secret>,
    /// TCP port of the SSH server.
    pub port: Option<u16>,
    /// How to become root.
    pub sudo: Sudo,
    /// Path of the file with the private key.
    pub identity: Option<String>,
    /// Host to go through.
    pub jump: Option<Jump>,
}

/// Holds a `connection:` block as written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    /// User to log in as; by default that of `~/.ssh/config`, else the name of who runs prov. In containers `root`.
    #[serde(default)]
    user: Option<Text>,
    /// Password of that user: for sudo, and for logging in where no key was accepted, or where the host wants both.
    #[serde(default)]
    password: Option<Secret>,
    /// TCP port of the SSH server; by default that of `~/.ssh/config`, else 22.
    #[serde(default)]
    port: Option<NonZeroU16>,
    /// How to become root: not at all, as the user is root (`false`, the default); by sudo that asks for nothing (`true`);
    /// by sudo that asks for the password (`password`).
    #[serde(default)]
    sudo: Option<Sudo>,
    /// File with the private key, also below `~/`, or with the public half of a key that the agent holds: Ed25519, ECDSA or
    /// RSA. A passphrase is asked for on the terminal, once for a run. It is offered before the agent's other keys. By default
    /// those of `~/.ssh/config`, else `~/.ssh/id_rsa`, `id_ecdsa` and `id_ed25519` after the agent's.
    #[serde(default)]
    identity: Option<Text>,
    /// Host to go through, `[USER@]HOST[:PORT]`; by default those of `~/.ssh/config`, where there may be several.
    #[serde(default)]
    jump: Option<Jump>,
}

impl Block {
    /// Fills what this block leaves open from another.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            user: self.user.or_else(|| other.user.clone()),
            password: self.password.or_else(|| other.password.clone()),
            port: self.port.or(other.port),
            sudo: self.sudo.or(other.sudo),
            identity: self.identity.or_else(|| other.identity.clone()),
            jump: self.jump.or_else(|| other.jump.clone()),
        }
    }

    /// Gives the user that the block names.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_ref().map(|text| text.0.as_str())
    }

    /// Tells whether the password could not be handed over as one line.
    pub(super) fn has_password_of_many_lines(&self) -> bool {
        let password = self.password.as_ref();
        password.is_some_and(|password| password.expose().contains(['\n', '\r', '\0']))
    }

    /// Decides what is still open and can be decided here.
    pub(super) fn finish(self) -> Connection {
        Connection {
            user: self.user.map(|text| text.0),
            password: self.password,
            port: self.port.map(NonZeroU16::get),
            sudo: self.sudo.unwrap_or_default(),
            identity: self.identity.map(|text| text.0),
            jump: self.jump,
        }
    }
}

/// Holds a text that says something: one line, neither empty nor with blanks around it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline)]
struct Text(String);

impl TryFrom<String> for Text {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.is_empty() {
            Err("this text is empty")
        } else if text.trim() != text || text.contains(char::is_control) {
            Err("this text has blanks around it or control characters in it")
        } else {
            Ok(Self(text))
        }
    }
}
