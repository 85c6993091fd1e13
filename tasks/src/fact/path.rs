//! What is at a path: bytes, attributes, links.

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::secret::hex;
use crate::value::{HostPath, Mode};

/// The bytes of a file on a host, which may hold secrets: never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// Gives the text, if the bytes are UTF-8 without NUL.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0)
            .ok()
            .filter(|text| !text.contains('\0'))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&Sha256::digest(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("base64:") {
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .map(Self)
                .map_err(serde::de::Error::custom),
            None => Ok(Self(text.into_bytes())),
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PathFact {
    /// Nothing.
    Missing,
    /// A regular file.
    File(FileFact),
    /// A directory.
    Directory(Attributes),
    /// A symbolic link.
    Link {
        /// What the link says, which need not exist.
        target: String,
        /// Where it leads in the end and the file there, if it was asked for and is one.
        #[serde(default)]
        file: Option<Box<(HostPath, FileFact)>>,
    },
    /// A device, socket or pipe.
    Other,
}

/// Owner, group and permission bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Name of the owner; the number where it has no name.
    pub owner: String,
    /// Name of the group; the number where it has no name.
    pub group: String,
    /// Permission bits.
    pub mode: Mode,
}

impl Attributes {
    /// Gives what the missing parents of a new directory get.
    pub(crate) fn of_parents() -> Self {
        Self {
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: Mode::new(0o755),
        }
    }
}

/// Permission bit by which everybody may read.
const READABLE_BY_ALL: u32 = 0o004;

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFact {
    /// Name of the owner.
    pub owner: String,
    /// Name of the group.
    pub group: String,
    /// Permission bits.
    pub mode: Mode,
    /// Size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Digest of the bytes (SHA-256, hexadecimal), if it was asked for.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The bytes, if they were asked for, differ from what was expected, and are not too many.
    #[serde(default)]
    pub body: Option<Body>,
}

impl FileFact {
    /// Describes a file of these bytes.
    #[must_use]
    pub fn of(attributes: Attributes, bytes: &[u8]) -> Self {
        Self {
            owner: attributes.owner,
            group: attributes.group,
            mode: attributes.mode,
            size: bytes.len() as u64,
            sha256: Some(hex(&Sha256::digest(bytes))),
            body: Some(Body(bytes.to_vec())),
        }
    }

    /// Tells whether somebody may not read the file: what it holds may be secret.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        self.mode.bits() & READABLE_BY_ALL == 0
    }

    /// Gives owner, group and mode.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode,
        }
    }
}
