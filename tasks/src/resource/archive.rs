//! Archives that are unpacked to a folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Former, Manage, Resource, State, download};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    ArchiveFact, ArchiveQuestion, Attributes, Facts, NotAsked, Owner, PathFact, PathQuestion,
    Query, Read,
};
use crate::step::{Step, Unpack};
use crate::value::{HostPath, HttpUrl, Mode, PackageName, fixed};

/// Manages a folder to which an archive is unpacked: a program that is no package, for instance.
///
/// The archive is fetched by the host from an address, with a digest, or comes from a file of the role's folder (`source: NAME`)
/// or of this machine (`content=@FILE`). It is unpacked once: the folder remembers from which archive (`.prov-archive`). Everything belongs
/// to `owner` and `group`, whatever the archive says; members outside of the folder and devices are refused. A new archive
/// is unpacked beside the folder, which is then replaced as a whole, so that at no time there is half of it. Files that came from
/// elsewhere would go with it, so they are named and the folder stays as it is, unless `discard` is set; so does a folder
/// that was there before. What becomes of a member's content later is not looked at. When absent, the folder goes.
///
/// ```yaml
/// archive:
///   url: https://example.org/tool-1.0.tar.gz
///   sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
///   path: /opt/tool
///   strip: 1
///   creates: bin/tool
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Archive {
    /// Absolute path of the folder.
    pub path: HostPath,
    /// Address of the archive.
    #[serde(default)]
    pub url: Option<HttpUrl>,
    /// Digest of what is at the address (SHA-256, 64 hexadecimal digits in lower case).
    #[serde(default)]
    pub sha256: Option<String>,
    /// The archive itself, where it has no address.
    #[serde(default)]
    pub content: Option<Content>,
    /// Its format; by the end of the address, or by its first bytes, when not given.
    #[serde(default)]
    pub format: Option<ArchiveFormat>,
    /// How many folders at the beginning of each name are left out; a leading `./` is none.
    #[serde(default)]
    pub strip: u8,
    /// What must be there in the folder, for instance `bin/tool`; where it is not, the archive is unpacked again.
    #[serde(default)]
    pub creates: Option<String>,
    /// Owner of everything.
    #[serde(default = "root")]
    pub owner: String,
    /// Group of everything.
    #[serde(default = "root")]
    pub group: String,
    /// Permission bits of the folder.
    #[serde(default = "enterable")]
    pub mode: Mode,
    /// Whether files that came from elsewhere go where the folder is replaced.
    #[serde(default)]
    pub discard: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Archive);

/// A format of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ArchiveFormat {
    /// Not compressed.
    #[serde(rename = "tar")]
    Tar,
    /// Compressed by gzip.
    #[serde(rename = "tar.gz")]
    Gzip,
    /// Compressed by bzip2.
    #[serde(rename = "tar.bz2")]
    Bzip2,
    /// Compressed by xz.
    #[serde(rename = "tar.xz")]
    Xz,
    /// Compressed by zstd.
    #[serde(rename = "tar.zst")]
    Zstd,
    /// Made by zip.
    #[serde(rename = "zip")]
    Zip,
}

/// How names of archives end.
const SUFFIXES: [(&str, ArchiveFormat); 10] = [
    (".tar", ArchiveFormat::Tar),
    (".tar.gz", ArchiveFormat::Gzip),
    (".tgz", ArchiveFormat::Gzip),
    (".tar.bz2", ArchiveFormat::Bzip2),
    (".tbz2", ArchiveFormat::Bzip2),
    (".tar.xz", ArchiveFormat::Xz),
    (".txz", ArchiveFormat::Xz),
    (".tar.zst", ArchiveFormat::Zstd),
    (".tzst", ArchiveFormat::Zstd),
    (".zip", ArchiveFormat::Zip),
];

/// How archives begin: gzip (RFC 1952), bzip2, xz, zstd (RFC 8878) and zip (APPNOTE.TXT).
const MAGIC: [(&[u8], ArchiveFormat); 5] = [
    (b"\x1f\x8b", ArchiveFormat::Gzip),
    (b"BZh", ArchiveFormat::Bzip2),
    (b"\xfd7zXZ\0", ArchiveFormat::Xz),
    (b"\x28\xb5\x2f\xfd", ArchiveFormat::Zstd),
    (b"PK\x03\x04", ArchiveFormat::Zip),
];

impl ArchiveFormat {
    /// Recognises an archive by the end of its address.
    pub(crate) fn named(url: &HttpUrl) -> Option<Self> {
        let path = url
            .as_str()
            .split('?')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let format = SUFFIXES.iter().find(|(end, _)| path.ends_with(end));
        format.map(|(_, format)| *format)
    }

    /// Recognises an archive by its first bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let tar = || (bytes.get(257..262) == Some(b"ustar")).then_some(Self::Tar);
        let format = MAGIC.iter().find(|(begin, _)| bytes.starts_with(begin));
        format.map(|(_, format)| *format).or_else(tar)
    }

    /// Gives the package without which a host cannot unpack it; what every host has is left out.
    pub(crate) fn package(self) -> Option<PackageName> {
        match self {
            Self::Tar | Self::Gzip => None,
            Self::Bzip2 => Some(fixed("bzip2")),
            Self::Xz => Some(fixed("xz-utils")),
            Self::Zstd => Some(fixed("zstd")),
            Self::Zip => Some(fixed("unzip")),
        }
    }
}

fn root() -> String {
    "root".to_owned()
}

fn enterable() -> Mode {
    Mode::new(0o755)
}

impl Archive {
    /// Describes a folder of root's to which an archive is unpacked that the host fetches.
    pub(crate) fn of_url(path: HostPath, url: HttpUrl, sha256: impl Into<String>) -> Self {
        Self {
            url: Some(url),
            sha256: Some(sha256.into()),
            ..Self::bare(path)
        }
    }

    /// Describes a folder of root's to which an archive is unpacked that is sent to the host.
    pub(crate) fn of_content(path: HostPath, content: Content) -> Self {
        Self {
            content: Some(content),
            ..Self::bare(path)
        }
    }

    fn bare(path: HostPath) -> Self {
        Self {
            path,
            url: None,
            sha256: None,
            content: None,
            format: None,
            strip: 0,
            creates: None,
            owner: root(),
            group: root(),
            mode: enterable(),
            discard: false,
            state: State::Present,
        }
    }

    pub(crate) fn format(&self) -> Option<ArchiveFormat> {
        let named = || ArchiveFormat::named(self.url.as_ref()?);
        let sent = || ArchiveFormat::of(&self.content.as_ref()?.bytes());
        self.format.or_else(named).or_else(sent)
    }

    fn digest(&self) -> String {
        let sent = || self.content.as_ref().map(Content::sha256);
        self.sha256.clone().or_else(sent).unwrap_or_default()
    }

    /// Gives what the folder remembers: all that decides what is in it.
    fn record(&self) -> String {
        match self.state {
            State::Present => format!(
                "sha256 {} strip {} owner {}:{}",
                self.digest(),
                self.strip,
                self.owner,
                self.group
            ),
            State::Absent => String::new(),
        }
    }

    fn created(&self) -> Option<HostPath> {
        let creates = self.creates.as_ref()?;
        HostPath::new(format!("{}/{creates}", self.path)).ok()
    }

    fn attributes(&self) -> Attributes {
        Attributes::new(self.owner.clone(), self.group.clone(), self.mode)
    }

    fn unpack(&self, action: Action, reason: Reason, strangers: &[String]) -> Planned {
        let zip = self.format() == Some(ArchiveFormat::Zip);
        let step = Step::Unpack(Unpack {
            path: self.path.clone(),
            url: self.url.clone(),
            content: self.content.clone(),
            sha256: self.digest(),
            form: if zip { "zip" } else { "tar" },
            strip: self.strip,
            record: self.record(),
            creates: self.creates.clone().unwrap_or_default(),
            attributes: self.attributes(),
        });
        let from = self
            .url
            .as_ref()
            .map_or_else(|| format!("SHA-256 {}", self.digest()), ToString::to_string);
        let attributes = super::directory::attribute_text(&self.attributes());
        Change::new(action, vec![reason], vec![step])
            .detail(format!("{attributes}   {from}"))
            .diff(lost(strangers))
            .into()
    }

    /// Refuses to lose what came from elsewhere.
    fn keeps(&self, strangers: &[String]) -> Option<Planned> {
        (!self.discard && !strangers.is_empty()).then(|| Planned::Impossible {
            cause: format!(
                "{} has files that came from elsewhere and would go: {}",
                self.path,
                strangers.join(", ")
            ),
            hint: "move away what is needed of them, or set `discard: true` to lose them"
                .to_owned(),
        })
    }

    fn foreign(&self) -> Planned {
        Planned::Impossible {
            cause: format!("{} is there, and prov has not unpacked it", self.path),
            hint: "move it away if it is not needed, or give another folder".to_owned(),
        }
    }

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if let Some(package) = self.format().and_then(ArchiveFormat::package)
            && !facts.package(&package)?.is_installed()
            && !facts.coming.contains(&package)
        {
            return Ok(Planned::Impossible {
                cause: format!("the host cannot unpack this archive without the package {package}"),
                hint: format!("declare `packages: {{names: [{package}]}}` before the archive"),
            });
        }
        let missing = super::file::missing_parent(&self.path, facts)?;
        let lacks = match self.created() {
            Some(path) => *facts.path(&path)? == PathFact::Missing,
            None => false,
        };
        Ok(match facts.archive(&self.path)? {
            ArchiveFact::Foreign => self.foreign(),
            ArchiveFact::Missing | ArchiveFact::Empty => match missing {
                Some(problem) => problem,
                None => self.unpack(Action::Create, Reason::Missing, &[]),
            },
            ArchiveFact::Unpacked { record, .. } if *record == self.record() && !lacks => {
                match facts.path(&self.path)? {
                    PathFact::Directory(have) => {
                        super::directory::set(&self.path, have, &self.attributes())
                    }
                    PathFact::Missing
                    | PathFact::File(_)
                    | PathFact::Link { .. }
                    | PathFact::Other => self.foreign(),
                }
            }
            ArchiveFact::Unpacked { record, strangers } => match self.keeps(strangers) {
                Some(refused) => refused,
                None if *record == self.record() => {
                    self.unpack(Action::Update, Reason::NotDone, strangers)
                }
                None => self.unpack(Action::Update, Reason::ContentDiffers, strangers),
            },
        })
    }

    fn remove(&self, strangers: &[String]) -> Planned {
        let path = self.path.clone();
        let steps = vec![Step::Remove { path }];
        Change::new(Action::Remove, vec![Reason::Present], steps)
            .diff(lost(strangers))
            .into()
    }

    fn plan_absent(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        Ok(match facts.archive(&self.path)? {
            ArchiveFact::Missing => Planned::Unchanged,
            ArchiveFact::Foreign => self.foreign(),
            ArchiveFact::Empty => self.remove(&[]),
            ArchiveFact::Unpacked { strangers, .. } => self
                .keeps(strangers)
                .unwrap_or_else(|| self.remove(strangers)),
        })
    }
}

/// Names what came from elsewhere and goes with the folder.
fn lost(strangers: &[String]) -> Diff {
    let strangers = strangers.iter();
    Diff::list(strangers.map(|name| {
        if name == "and more" {
            format!("({name})")
        } else {
            format!("(- {name}   came from elsewhere)")
        }
    }))
}

impl Manage for Archive {
    fn kind(&self) -> &'static str {
        "archive"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Replaced))
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("archive {}: {problem}", self.path));
        if self.path.as_str() == "/" {
            return refuse("this is the root of all files; give a folder of its own");
        }
        if let Some(creates) = &self.creates
            && HostPath::new(format!("/{creates}")).is_err()
        {
            return refuse("`creates` is a path in the folder, for instance bin/tool");
        }
        if self.state == State::Absent {
            return Ok(());
        }
        match (&self.url, &self.sha256, &self.content) {
            (Some(_), Some(sha256), None) if download::is_digest(sha256) => {}
            (Some(_), Some(_), None) => {
                return refuse(
                    "`sha256` is no digest; write its 64 hexadecimal digits in lower case",
                );
            }
            (Some(_), None, None) => return refuse("`sha256` is needed with `url`"),
            (None, None, Some(_)) => {}
            (_, _, _) => {
                return refuse(
                    "either `url` with `sha256` or `content` is needed; a role names a file of its folder by `source`",
                );
            }
        }
        if self
            .content
            .as_ref()
            .is_some_and(|it| !it.inputs().is_empty())
        {
            return refuse("an archive cannot come from another host");
        }
        match self.format() {
            Some(_) => Ok(()),
            None => refuse("which format it has cannot be told; give `format`"),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let path = |path| {
            Query::Path(PathQuestion {
                path,
                read: Read::Attributes,
            })
        };
        let places = [self.path.clone(), self.path.parent()].into_iter();
        let package = self.format().and_then(ArchiveFormat::package);
        let question = ArchiveQuestion {
            path: self.path.clone(),
            record: self.record(),
            creates: self
                .creates
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        places
            .chain(self.created())
            .map(path)
            .chain(package.map(Query::Package))
            .chain([Query::Archive(question)])
            .chain(Owner::queries(&self.owner, &self.group))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match self.state {
            State::Present => self.plan_present(facts),
            State::Absent => self.plan_absent(facts),
        }
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let path = &self.path;
        let fact = before.archive(path)?;
        // Only owner and mode of the folder were changed.
        let is_there = self.created().into_iter().all(|created| {
            let was = before.path(&created);
            was.is_ok_and(|was| after.path(&created).is_ok_and(|is| was == is))
        });
        if fact == after.archive(path)? && is_there {
            return Ok(Former::files());
        }
        Ok(match (self.state, fact) {
            (State::Present, ArchiveFact::Unpacked { .. } | ArchiveFact::Foreign) => {
                Former::stays(format!("what {path} held before is not kept"))
            }
            (State::Present, ArchiveFact::Empty) => {
                Former::stays(format!("what was unpacked to {path} stays"))
            }
            (State::Present, ArchiveFact::Missing) | (State::Absent, _) => Former::files(),
        })
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Archive(Self {
            discard: self.discard,
            state: State::Absent,
            ..Self::bare(self.path.clone())
        }))
    }

    fn contents(&self) -> Vec<&Content> {
        self.content.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.content.iter_mut().collect()
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let says = |words: &str| output.contains(words);
        if says("the archive has no ") {
            Some("correct `creates` or `strip`: nothing was put in place".into())
        } else if says("nothing of the archive is left") {
            Some("give a smaller `strip`: nothing was put in place".into())
        } else if says("the archive has a") {
            Some("such an archive is not unpacked: take another one, or unpack it by hand".into())
        } else if says("does not look like a tar archive")
            || says("cannot find zipfile")
            || says("End-of-central-directory")
        {
            Some(
                "what came is no archive of this format: correct the address, or give `format`"
                    .into(),
            )
        } else if self.url.is_some() && says("Failed to fetch") {
            Some(download::remedy(output))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_the_end_of_the_address_or_by_the_first_bytes() {
        let named = |url| ArchiveFormat::named(&HttpUrl::new(url).unwrap());
        assert_eq!(
            named("https://a/b.tar.gz?x=y.zip"),
            Some(ArchiveFormat::Gzip)
        );
        assert_eq!(named("https://a/B.ZIP"), Some(ArchiveFormat::Zip));
        assert_eq!(named("https://a/b"), None);
        assert_eq!(
            ArchiveFormat::of(b"PK\x03\x04..."),
            Some(ArchiveFormat::Zip)
        );
        assert_eq!(ArchiveFormat::of(b"\xfd7zXZ\0"), Some(ArchiveFormat::Xz));
        assert_eq!(ArchiveFormat::of(b"#!/bin/sh"), None);
    }
}
