//! What a change altered: what was there before it, and what it has left.
//!
//! Owns what of that is kept, and what of it is secret. Refuses to bring anything back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{AtAccount, MOST_KEPT, UNDIGESTED};
use crate::plan::Diff;
use crate::probe::{Attributes, PathFact};
use crate::resource::Resource;
use crate::value::{HostPath, PackageName, ServiceName};

/// What was at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// Nothing.
    Missing,
    /// A file.
    File {
        /// Digest of its bytes, or another name under which they are kept; `None` where only its attributes are known, as nothing else changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        /// Its size in bytes.
        size: u64,
        /// Owner, group and mode.
        attributes: Attributes,
    },
    /// A link.
    Link {
        /// What it says.
        target: String,
    },
    /// A folder.
    Directory {
        /// Owner, group and mode.
        attributes: Attributes,
    },
}

impl Was {
    pub(super) fn of(fact: &PathFact) -> Option<Self> {
        match fact {
            PathFact::Missing => Some(Self::Missing),
            PathFact::File(file) => Some(Self::File {
                sha256: file.sha256.clone(),
                size: file.size,
                attributes: bare(&file.attributes()),
            }),
            PathFact::Directory(attributes) => Some(Self::Directory {
                attributes: bare(attributes),
            }),
            PathFact::Link { target, .. } => Some(Self::Link {
                target: target.clone(),
            }),
            PathFact::Other => None,
        }
    }

    /// Gives the digest under which the host keeps the bytes.
    pub(super) fn kept(&self) -> Option<&str> {
        match self {
            Self::File { sha256, size, .. } if *size <= MOST_KEPT => sha256.as_deref(),
            Self::File { .. } | Self::Missing | Self::Link { .. } | Self::Directory { .. } => None,
        }
    }

    /// Gives a file that goes a name for its bytes, where nobody has asked for their digest.
    pub(super) fn is_kept_before(&mut self, after: &Self, name: &str) {
        if let Self::File { sha256, .. } = self
            && sha256.is_none()
            && !matches!(after, Self::File { .. })
        {
            *sha256 = Some(name.to_owned());
        }
    }

    /// Tells whether it is known to the last byte what it was.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::File { sha256, .. } => sha256
                .as_ref()
                .is_some_and(|sha256| !sha256.starts_with(UNDIGESTED)),
            Self::Missing | Self::Link { .. } | Self::Directory { .. } => true,
        }
    }

    /// Tells whether it may hold what not everybody may read.
    pub(super) const fn is_private(&self) -> bool {
        match self {
            Self::File { attributes, .. } => attributes.mode.bits() & 0o004 == 0,
            Self::Missing | Self::Link { .. } | Self::Directory { .. } => false,
        }
    }
}

/// Numbers and names say the same; only names are compared.
fn bare(attributes: &Attributes) -> Attributes {
    Attributes::new(&attributes.owner, &attributes.group, attributes.mode)
}

/// What a change did to a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtPath {
    /// The path.
    pub(super) path: HostPath,
    /// What was there.
    pub(super) before: Was,
    /// What the change has put there.
    pub(super) after: Was,
    /// Whether either may hold what not everybody may read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) private: bool,
    /// Whether either holds a secret of the estate: neither is kept then, as a secret is in its place and nowhere else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) secret: bool,
}

/// One thing that a change altered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Altered {
    /// What is at a path.
    Path(Box<AtPath>),
    /// A service.
    Service {
        /// Its name.
        name: ServiceName,
        /// Whether it ran.
        running: bool,
        /// Whether it started at boot.
        enabled: bool,
        /// Whether it was masked.
        masked: bool,
    },
    /// What a command did, which is brought back by having this be so.
    #[serde(alias = "made")]
    Former(Box<Resource>),
    /// An account that was there: brought back with the resources, unless somebody has changed it since.
    Account(Box<AtAccount>),
    /// Packages that were not installed.
    Installed(BTreeSet<PackageName>),
    /// Packages that were installed.
    Removed(BTreeSet<PackageName>),
    /// Whether packages were held.
    Held(BTreeMap<PackageName, bool>),
}

impl Altered {
    /// Gives the path, where it is one.
    pub(super) fn path(&self) -> Option<&AtPath> {
        if let Self::Path(at) = self {
            Some(at)
        } else {
            None
        }
    }

    /// Gives what became of an account.
    pub(super) fn account(&self) -> Option<&AtAccount> {
        if let Self::Account(account) = self {
            Some(account)
        } else {
            None
        }
    }

    /// Gives the packages that were installed for it.
    pub(super) const fn installed(&self) -> Option<&BTreeSet<PackageName>> {
        if let Self::Installed(names) = self {
            Some(names)
        } else {
            None
        }
    }

    /// Gives the packages that were removed for it.
    pub(super) const fn removed(&self) -> Option<&BTreeSet<PackageName>> {
        if let Self::Removed(names) = self {
            Some(names)
        } else {
            None
        }
    }

    /// Tells whether a package was held, where that was changed.
    pub(super) fn held(&self, name: &PackageName) -> Option<bool> {
        if let Self::Held(all) = self {
            all.get(name).copied()
        } else {
            None
        }
    }
}

/// Why something is left as it is, which a run has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedSince {
    /// What was changed, and by whom if that is known.
    pub cause: String,
    /// What is to be done first.
    pub hint: String,
    /// What was changed.
    pub diff: Diff,
}
