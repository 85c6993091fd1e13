//! What a web site has besides WordPress itself: plugins and themes, as its domain's file names them.
//!
//! Owns which archive each comes from, and what is wrong with that. Refuses an archive without a digest, and one that is not in
//! the domain's folder.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::value::{ArchiveDigest, ArchiveName};
use super::{Domain, HostLabel};
use crate::content::Content;
use crate::resource::{Archive, ArchiveFormat};
use crate::role::wordpress::THEME as OWN_THEME;
use crate::value::{HostPath, HttpUrl, WordPressPart};
use crate::{Diagnostic, nearest};

/// Plugins or themes of a site by name, in the order of the file: that is the order in which they are made active.
#[derive(Debug, Clone)]
pub struct Parts<T>(Vec<(WordPressPart, T)>);

impl<T> Parts<T> {
    /// Lists them.
    pub fn iter(&self) -> impl Iterator<Item = (&WordPressPart, &T)> {
        self.0.iter().map(|(name, part)| (name, part))
    }
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Parts<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
    type Value = Parts<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Parts<T>, A::Error> {
        let mut parts = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            parts.push(entry);
        }
        Ok(Parts(parts))
    }
}

impl<T: JsonSchema> JsonSchema for Parts<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("PartsOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        std::collections::BTreeMap::<WordPressPart, T>::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Where a plugin or theme comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'s> {
    archive: Option<&'s ArchiveName>,
    url: Option<&'s HttpUrl>,
    sha256: Option<&'s ArchiveDigest>,
}

/// A plugin of a web site.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SitePlugin {
    /// Name of a file in the folder `archives` beside `domain.yml`: one folder with everything, as WordPress.org gives it.
    #[serde(default)]
    pub archive: Option<ArchiveName>,
    /// Address from which the host fetches the archive instead.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Digest of what is at the address (SHA-256, 64 hexadecimal digits in lower case); needed with `url`.
    #[serde(default)]
    pub sha256: Option<ArchiveDigest>,
    /// Whether it is active.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A theme of a web site.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteTheme {
    /// Name of a file in the folder `archives` beside `domain.yml`: one folder with everything, as WordPress.org gives it.
    #[serde(default)]
    pub archive: Option<ArchiveName>,
    /// Address from which the host fetches the archive instead.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Digest of what is at the address (SHA-256, 64 hexadecimal digits in lower case); needed with `url`.
    #[serde(default)]
    pub sha256: Option<ArchiveDigest>,
    /// Whether it is the theme of the site; of one theme at most.
    #[serde(default)]
    pub active: bool,
}

const fn yes() -> bool {
    true
}

impl SitePlugin {
    /// Says where it comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin<'_> {
        Origin {
            archive: self.archive.as_ref(),
            url: self.url.as_ref(),
            sha256: self.sha256.as_ref(),
        }
    }
}

impl SiteTheme {
    /// Says where it comes from.
    #[must_use]
    pub const fn origin(&self) -> Origin<'_> {
        Origin {
            archive: self.archive.as_ref(),
            url: self.url.as_ref(),
            sha256: self.sha256.as_ref(),
        }
    }
}

impl Origin<'_> {
    /// Describes that the archive is unpacked to a folder; `None` where it has none.
    pub(crate) fn unpacked(
        &self,
        domain: &Domain,
        folder: HostPath,
        creates: Option<&str>,
    ) -> Option<Archive> {
        let archive = match (self.archive, self.url) {
            (Some(name), _) => {
                Archive::of_content(folder, domain.archives.get(name.as_str())?.clone())
            }
            (None, Some(url)) => {
                let digest = self.sha256.map_or("", ArchiveDigest::as_str);
                Archive::of_url(folder, url.clone(), digest)
            }
            (None, None) => return None,
        };
        Some(Archive {
            // Everything is in one folder, whatever that is called.
            strip: 1,
            creates: creates.map(str::to_owned),
            ..archive
        })
    }

    /// Says what is wrong with it: the setting, the problem, and the remedy.
    fn problem(&self, domain: &Domain) -> Option<(Option<&'static str>, String, String)> {
        match (self.archive, self.url, self.sha256) {
            (None, None, _) => Some((
                None,
                "has no archive".to_owned(),
                "give `archive`, a file in the folder 'archives' of the domain, or `url` with `sha256`".to_owned(),
            )),
            (Some(_), Some(_), _) => Some((
                Some("url"),
                "has both `archive` and `url`".to_owned(),
                "leave one of them out".to_owned(),
            )),
            (Some(_), None, Some(_)) => Some((
                Some("sha256"),
                "has a digest, which belongs to `url`".to_owned(),
                "leave `sha256` out: a file of the domain is what it is".to_owned(),
            )),
            (None, Some(_), None) => Some((
                Some("url"),
                "has an address and no digest".to_owned(),
                "set `sha256`, as `sha256sum` gives it for the file that you have looked at".to_owned(),
            )),
            (None, Some(url), Some(_)) => ArchiveFormat::named(url).is_none().then(|| {
                (
                    Some("url"),
                    "has an address that does not tell the archive's format".to_owned(),
                    "give one that ends with .zip, .tar.gz or the like, or fetch the file and name it by `archive`".to_owned(),
                )
            }),
            (Some(name), None, None) => match domain.archives.get(name.as_str()) {
                None => {
                    let names = domain.archives.keys().map(String::as_str);
                    let hint = match nearest(name.as_str(), names) {
                        Some(near) => format!("did you mean '{near}'?"),
                        None => format!("put it there: {}", domain.archive_file(name.as_str())),
                    };
                    Some((
                        Some("archive"),
                        format!("has an archive '{name}', which the domain does not have"),
                        hint,
                    ))
                }
                Some(content) => ArchiveFormat::of(&content.bytes()).is_none().then(|| {
                    (
                        Some("archive"),
                        format!("has an archive '{name}', which is none"),
                        "give a file made by zip or tar".to_owned(),
                    )
                }),
            },
        }
    }
}

impl Domain {
    /// Names a file among the domain's archives as the user would.
    fn archive_file(&self, name: &str) -> String {
        let folder = self.file.trim_end_matches(super::PUBLIC);
        format!("{folder}{}{name}", super::ARCHIVES)
    }

    /// Finds what is wrong with the plugins and themes of a site.
    pub(super) fn part_mistakes(
        &self,
        label: &HostLabel,
        plugins: &Parts<SitePlugin>,
        themes: &Parts<SiteTheme>,
    ) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let mut add = |kind: &'static str, name: &WordPressPart, what, key, problem, hint| {
            let keys = ["webhosts", label.as_str(), kind, name.as_str()];
            let keys: Vec<_> = keys.into_iter().chain(key).collect();
            let message = format!("the {what} '{name}' {problem}");
            mistakes.push(Diagnostic::at(self.place(&keys), message).hint(hint));
        };
        for (name, plugin) in plugins.iter() {
            if let Some((key, problem, hint)) = plugin.origin().problem(self) {
                add("plugins", name, "plugin", key, problem, hint);
            }
        }
        let mut active: Option<&WordPressPart> = None;
        for (name, theme) in themes.iter() {
            let origin = theme.origin();
            let is_own = name.as_str() == OWN_THEME;
            if is_own && (origin.archive.is_some() || origin.url.is_some()) {
                let problem = "comes with a package of the host".to_owned();
                let hint = "leave `archive` and `url` out".to_owned();
                add("themes", name, "theme", None, problem, hint);
            } else if let Some((key, problem, hint)) = origin.problem(self).filter(|_| !is_own) {
                add("themes", name, "theme", key, problem, hint);
            }
            if theme.active
                && let Some(other) = active.replace(name)
            {
                let problem = format!("is active, and so is '{other}'");
                let hint = "a site has one theme: leave `active` out of the others".to_owned();
                add("themes", name, "theme", Some("active"), problem, hint);
            }
        }
        mistakes
    }
}

/// Keeps an archive of a domain: bytes in which nothing is secret.
pub(super) fn kept(bytes: &[u8]) -> Content {
    Content::plain(crate::raw::text(bytes))
}
