//! Releases of Debian.
//!
//! Owns which releases there are, what they are called, and what their packages can do: roles ask for a feature, and never
//! compare releases. Refuses any other code name: what prov decides has been tried on these only.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names a release of Debian.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Deserialize,
    Serialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    #[default]
    Trixie,
}

/// Names what the packages of some releases can do and those of others cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Bacula's daemons agree on TLS by their passwords alone, unless they are told not to (Bacula 11).
    BaculaPsk,
    /// nginx has the directive `http2`, and warns of `listen … http2` (nginx 1.25.1).
    NginxHttp2Directive,
    /// The host's locale is in `/etc/locale.conf` (locale.conf(5)), and `/etc/default/locale` leads there.
    LocaleConf,
}

impl Release {
    /// Lists what the release's packages can do.
    const fn features(self) -> &'static [Feature] {
        match self {
            Self::Bookworm => &[],
            Self::Trixie => &[
                Feature::BaculaPsk,
                Feature::NginxHttp2Directive,
                Feature::LocaleConf,
            ],
        }
    }

    /// Tells whether the release's packages can do something.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self.features().contains(&feature)
    }

    /// Lists the releases, the oldest first.
    pub const EVERY: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// Gives the code name, as in `VERSION_CODENAME` of `/etc/os-release` (os-release(5)).
    #[must_use]
    pub const fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// Finds the release with a code name; `None` if prov does not know it.
    ///
    /// ```
    /// use tasks::release::Release;
    ///
    /// assert_eq!(Release::of_codename("trixie"), Some(Release::Trixie));
    /// assert_eq!(Release::of_codename("sid"), None);
    /// ```
    #[must_use]
    pub fn of_codename(codename: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|release| release.codename() == codename)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.codename())
    }
}
