//! What is at paths: bytes, attributes, links; by stat(1), sha256sum(1) and readlink(1).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::quote;
use crate::secret::{Secret, hex};
use crate::value::{HostPath, Mode};

/// Bytes of a file beyond which its content does not travel.
pub const MOST_BODY: usize = 1024 * 1024;

/// Bits of a file's kind, and their values (inode(7)).
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

/// Asks what is at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathQuestion {
    /// The path.
    pub path: HostPath,
    /// How much of it.
    pub read: Read,
}

/// Says how much of a path is read. The order is by how much: a later kind includes the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    /// Kind, owner, group, mode, size, target of a link.
    Attributes,
    /// Also the digest (SHA-256, hexadecimal).
    Digest,
    /// Also the digest; and the bytes if the digest is another than the one given (SHA-256, hexadecimal).
    BodyUnless(String),
    /// Also the bytes. A link is followed: the bytes and attributes of its final target come too.
    Body,
}

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

impl Facts {
    /// Tells what is at a path.
    pub fn path(&self, path: &HostPath) -> Result<&PathFact, NotAsked> {
        self.paths
            .get(path)
            .ok_or_else(|| NotAsked(format!("path {path}")))
    }
}

/// The kind of this module.
pub struct Paths;

impl Kind for Paths {
    type Question = PathQuestion;
    type Known = BTreeMap<HostPath, PathFact>;

    fn key(question: &PathQuestion) -> HostPath {
        question.path.clone()
    }

    fn widen(question: &mut PathQuestion, other: PathQuestion) {
        question.read = match (&question.read, other.read) {
            // Two resources expect different bytes: only the bytes themselves serve both.
            (Read::BodyUnless(one), Read::BodyUnless(other)) if *one != other => Read::Body,
            (have, read) => have.clone().max(read),
        };
    }

    fn script(questions: &[PathQuestion]) -> String {
        let all = quote::sh_all(questions.iter().map(|question| question.path.as_str()));
        // Programs end with 1 where a path is missing, which is an answer.
        let mut script = format!(
            r#"prov_attributes() {{ stat --printf '%n\0%f\0%U\0%u\0%G\0%g\0%s\0' -- "$@" 2>/dev/null; [ $? -gt 1 ] || prov_complete; }}
prov_body() {{ {{ head -c {limit} -- "$2" && prov_complete; }} | prov_answer "paths:body:$1"; }}
set -- {all}
prov_attributes "$@" | prov_answer paths
{{ for path do [ -L "$path" ] && {{ printf '%s\0' "$path"; readlink -z -- "$path"; }}; done; prov_complete; }} | prov_answer paths:links
"#,
            limit = MOST_BODY + 1
        );
        digests(&mut script, questions);
        for (index, question) in questions.iter().enumerate() {
            if question.read == Read::Body {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    script,
                    r#"path={}; if [ -L "$path" ]; then path=$(readlink -f -- "$path") && [ -f "$path" ] && {{ prov_attributes "$path" | prov_answer paths:target:{index}; prov_body {index} "$path"; }}
elif [ -f "$path" ]; then prov_body {index} "$path"; fi"#,
                    quote::sh(question.path.as_str())
                );
            }
        }
        script
    }

    fn read(questions: &[PathQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let stats = stats(answers, "paths")?;
        let links = String::from_utf8_lossy(answers.bytes("paths:links")?).into_owned();
        let mut words = links.split_terminator('\0');
        let mut links = BTreeMap::new();
        while let (Some(path), Some(target)) = (words.next(), words.next()) {
            links.insert(path, target);
        }
        let digested = if questions.iter().any(is_digested) {
            answers.text("paths:sha256")?
        } else {
            ""
        };
        let digests: BTreeMap<_, _> = digested
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, path)| (path, digest))
            .collect();
        let mut known = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            let path = question.path.as_str();
            let fact = match stats.get(path) {
                None => PathFact::Missing,
                Some(stat) => match stat.bits {
                    REGULAR => {
                        let digest = digests.get(path).copied();
                        PathFact::File(file(stat, index, &question.read, digest, answers)?)
                    }
                    DIRECTORY => PathFact::Directory(stat.attributes.clone()),
                    LINK => PathFact::Link {
                        target: (*links.get(path).unwrap_or(&"")).to_owned(),
                        file: link_target(index, answers)?,
                    },
                    _ => PathFact::Other,
                },
            };
            known.insert(question.path.clone(), fact);
        }
        Ok(known)
    }

    /// Bodies may hold secrets, and serialise as their digests.
    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    /// A link may lead to what was written, and a new directory brings its parents along.
    fn follows(question: &PathQuestion, written: &Written<'_>) -> bool {
        let path = &question.path;
        let near =
            |place: &&HostPath| path == *place || path.is_below(place) || place.is_below(path);
        matches!(written.facts.path(path), Ok(PathFact::Link { .. }))
            || written.paths.iter().any(near)
    }

    fn samples() -> Vec<PathQuestion> {
        let reads = [
            ("/a", Read::Attributes),
            ("/b", Read::Digest),
            ("/c", Read::BodyUnless("00".to_owned())),
            ("/d", Read::Body),
        ];
        let question = |(path, read)| {
            let path = HostPath::new(path).ok()?;
            Some(PathQuestion { path, read })
        };
        reads.into_iter().filter_map(question).collect()
    }
}

fn is_digested(question: &PathQuestion) -> bool {
    match question.read {
        Read::BodyUnless(_) | Read::Digest => true,
        Read::Attributes | Read::Body => false,
    }
}

/// Adds the commands that digest files, and send the bytes of those whose digest is not the expected one.
fn digests(script: &mut String, questions: &[PathQuestion]) {
    let paths: Vec<_> = questions
        .iter()
        .filter(|question| is_digested(question))
        .map(|question| question.path.as_str())
        .collect();
    if paths.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        script,
        r#"set --; for path in {}; do [ -f "$path" ] && [ ! -L "$path" ] && set -- "$@" "$path"; done
digests=; exit=0; [ $# -eq 0 ] || {{ digests=$(sha256sum -- "$@" 2>/dev/null); exit=$?; }}
{{ printf '%s\n' "$digests"; [ $exit -gt 1 ] || prov_complete; }} | prov_answer paths:sha256
printf '%s\n' "$digests" | while read -r digest path; do case $path in"#,
        quote::sh_all(paths)
    );
    for (index, question) in questions.iter().enumerate() {
        if let Read::BodyUnless(digest) = &question.read {
            let (path, digest) = (quote::sh(question.path.as_str()), quote::sh(digest));
            let _ = writeln!(
                script,
                "({path}) [ $digest = {digest} ] || prov_body {index} \"$path\";;"
            );
        }
    }
    script.push_str("esac; done\n");
}

struct Stat {
    bits: u32,
    attributes: Attributes,
    size: u64,
}

/// Splits what stat(1) printed: name, raw mode, user, uid, group, gid, size, each ended by NUL.
fn stats(answers: &Answers, name: &str) -> Result<BTreeMap<String, Stat>, Broken> {
    let text = answers.text(name)?;
    let mut fields = text.split_terminator('\0');
    let mut stats = BTreeMap::new();
    while let Some(path) = fields.next() {
        let mut next = || fields.next().ok_or_else(|| broken(name, "is cut short"));
        let raw = u32::from_str_radix(next()?, 16).map_err(|_| broken(name, "has no mode"))?;
        let (owner, uid, group, gid) = (next()?, next()?, next()?, next()?);
        let size = next()?.parse().map_err(|_| broken(name, "has no size"))?;
        let named = |name: &str, number: &str| {
            let shown = if name == "UNKNOWN" { number } else { name };
            shown.to_owned()
        };
        let attributes = Attributes {
            owner: named(owner, uid),
            group: named(group, gid),
            mode: Mode::new(raw),
        };
        let stat = Stat {
            bits: raw & KIND,
            attributes,
            size,
        };
        stats.insert(path.to_owned(), stat);
    }
    Ok(stats)
}

fn file(
    stat: &Stat,
    index: usize,
    read: &Read,
    digest: Option<&str>,
    answers: &Answers,
) -> Result<FileFact, Broken> {
    let name = format!("paths:body:{index}");
    let body = answers.optional(&name)?;
    let mut fact = match body {
        Some(bytes) if bytes.len() <= MOST_BODY => FileFact::of(stat.attributes.clone(), bytes),
        Some(_) | None => FileFact {
            owner: stat.attributes.owner.clone(),
            group: stat.attributes.group.clone(),
            mode: stat.attributes.mode,
            size: stat.size,
            sha256: None,
            body: None,
        },
    };
    let digest = digest.ok_or_else(|| broken("paths:sha256", "lacks a file"));
    match read {
        Read::Digest => fact.sha256 = Some(digest?.to_owned()),
        Read::BodyUnless(expected) => {
            let digest = digest?;
            if body.is_none() && digest != expected {
                return Err(broken(&name, "is missing"));
            }
            fact.sha256 = Some(digest.to_owned());
        }
        Read::Body if body.is_none() => return Err(broken(&name, "is missing")),
        Read::Attributes | Read::Body => {}
    }
    Ok(fact)
}

fn link_target(
    index: usize,
    answers: &Answers,
) -> Result<Option<Box<(HostPath, FileFact)>>, Broken> {
    let name = format!("paths:target:{index}");
    if answers.optional(&name)?.is_none() {
        return Ok(None);
    }
    let Some((path, stat)) = stats(answers, &name)?.into_iter().next() else {
        return Ok(None);
    };
    let path = HostPath::new(path).map_err(|cause| broken(&name, cause))?;
    let file = file(&stat, index, &Read::Body, None, answers)?;
    Ok(Some(Box::new((path, file))))
}
