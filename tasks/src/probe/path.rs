//! What is at paths: bytes, attributes, links; by stat(1), sha256sum(1) and readlink(1).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::pushln;
use crate::quote;
use crate::secret::{Secret, hex};
use crate::value::{HostPath, Mode};

/// Bytes of a file beyond which its content does not travel to be edited.
pub const MOST_BODY: usize = 64 * PART;

/// Bytes of a file beyond which its content does not travel to be shown.
pub const MOST_SHOWN: usize = PART;

/// Bytes of a file that come in one answer; only so much does a host hold in memory.
const PART: usize = 1024 * 1024;

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

/// The bytes of a file on a host, which may hold secrets: never printed. They are shared, as they may be many.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Body(pub Arc<Vec<u8>>);

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }
}

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
        serializer.serialize_str(&hex(&Sha256::digest(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("base64:") {
            Some(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .map(Self::from)
                .map_err(serde::de::Error::custom),
            None => Ok(Self::from(text.into_bytes())),
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
    /// Number of the owner, where the host told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Number of the group, where the host told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
}

impl Attributes {
    /// Describes attributes by names, or by numbers written as text.
    pub fn new(owner: impl Into<String>, group: impl Into<String>, mode: Mode) -> Self {
        Self {
            owner: owner.into(),
            group: group.into(),
            mode,
            uid: None,
            gid: None,
        }
    }

    /// Gives what the missing parents of a new directory get.
    pub(crate) fn of_parents() -> Self {
        Self::new("root", "root", Mode::new(0o755))
    }

    /// Tells whether this owner of a host's file is the one that is wanted, by name or by number.
    #[must_use]
    pub fn is_owned_by(&self, wanted: &str) -> bool {
        is_named(&self.owner, self.uid, wanted)
    }

    /// Tells whether this group of a host's file is the one that is wanted, by name or by number.
    #[must_use]
    pub fn is_of_group(&self, wanted: &str) -> bool {
        is_named(&self.group, self.gid, wanted)
    }

    /// Tells whether a file of a host with these attributes has the wanted ones.
    #[must_use]
    pub fn are(&self, wanted: &Self) -> bool {
        self.is_owned_by(&wanted.owner)
            && self.is_of_group(&wanted.group)
            && self.mode == wanted.mode
    }
}

fn is_named(name: &str, number: Option<u32>, wanted: &str) -> bool {
    name == wanted
        || wanted
            .parse::<u32>()
            .is_ok_and(|wanted| number == Some(wanted) || name.parse() == Ok(wanted))
}

impl std::fmt::Display for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            owner, group, mode, ..
        } = self;
        write!(f, "{owner}:{group} {mode}")
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
    /// Number of the owner, where the host told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Number of the group, where the host told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// How many other names the file has (hard links).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_names: u64,
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl FileFact {
    /// Describes a file of these bytes.
    #[must_use]
    pub fn of(attributes: Attributes, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            owner: attributes.owner,
            group: attributes.group,
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
            other_names: 0,
            size: bytes.len() as u64,
            sha256: Some(hex(&Sha256::digest(&bytes))),
            body: Some(Body::from(bytes)),
        }
    }

    /// Gives owner, group and mode.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        Attributes {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
        }
    }

    /// Tells whether another one is known to hold the same.
    pub(crate) fn holds_as(&self, other: &Self) -> bool {
        let is_known = self.sha256.is_some() || self.body.is_some();
        is_known && self.sha256 == other.sha256 && self.body == other.body
    }

    /// Takes over other attributes.
    pub(crate) fn dress(&mut self, attributes: &Attributes) {
        self.owner.clone_from(&attributes.owner);
        self.group.clone_from(&attributes.group);
        self.mode = attributes.mode;
        (self.uid, self.gid) = (attributes.uid, attributes.gid);
    }
}

/// Which lines of a file are not shown, because not everybody may read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden {
    /// Those that it holds.
    pub old: bool,
    /// Those that it is to hold.
    pub new: bool,
}

impl Facts {
    /// Tells what of a file is private: before, if there is one, and as it is wanted. What lies below a folder that not
    /// everybody may enter is private whatever its own mode.
    #[must_use]
    pub fn hidden(
        &self,
        path: &HostPath,
        before: Option<&Attributes>,
        wanted: &Attributes,
    ) -> Hidden {
        let closed = self.is_closed(path);
        let private = |attributes: &Attributes| {
            !self.reveal && (closed || attributes.mode.bits() & READABLE_BY_ALL == 0)
        };
        Hidden {
            old: before.is_some_and(private),
            new: private(wanted),
        }
    }

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
        // Programs end with 1 where a path is missing, which is an answer. Bytes are read as they are written: by a way on which
        // nobody else puts a link, and never from what somebody has put in the place meanwhile.
        let mut script = format!(
            r#"prov_stat() {{ stat --printf '%f\0%U\0%u\0%G\0%g\0%s\0%h\0' -- "$1"; }}
prov_bytes() {{ # index, most; of the file $name in this folder. How many whole parts were read, dd says itself.
  prov_answer "paths:body:$1"
  {{ first=$(dd "if=./$name" iflag=nofollow,nonblock,fullblock bs={PART} count=1 2>&1 >&4) && case $first in (1+0*) prov_rest "$2";; esac; }} 4>&1
  case $? in (0) prov_complete;; (3) prov_answer "paths:large:$1"; prov_complete;; (*) prov_unread "$1";; esac; }}
prov_rest() {{ # most
  size=$(stat -c %s -- "./$name") || return; [ "$size" -le "$1" ] || return 3
  dd "if=./$name" iflag=nofollow,nonblock,fullblock bs={PART} skip=1 count={parts} status=none 2>/dev/null; }}
prov_body() {{ {{ prov_enter_folder "$2" >/dev/null && [ -f "./$name" ] && [ ! -L "./$name" ] && prov_bytes "$1" "$3"; }} || prov_unread "$1"; cd /; }}
prov_linked_body() {{ {{ prov_enter_end "$2" >/dev/null && [ -f "./$name" ] && prov_answer "paths:target:$1" && printf '%s\0' "${{PWD%/}}/$name" && prov_stat "./$name" && prov_complete && prov_bytes "$1" {MOST_BODY}; }} || prov_unread "$1"; cd /; }}
prov_unread() {{ prov_answer "paths:unread:$1"; prov_complete; }}
set -- {all}
prov_answer paths; stat --printf '%n\0%f\0%U\0%u\0%G\0%g\0%s\0%h\0' -- "$@" 2>/dev/null; [ $? -gt 1 ] || prov_complete
prov_answer paths:links; for path do [ -L "$path" ] && {{ printf '%s\0' "$path"; readlink -z -- "$path"; }}; done; prov_complete
"#,
            parts = MOST_BODY / PART
        );
        digests(&mut script, questions);
        for (index, question) in questions.iter().enumerate() {
            if question.read == Read::Body {
                pushln!(
                    script,
                    r#"path={}; if [ -L "$path" ]; then prov_linked_body {index} "$path"
elif [ -f "$path" ]; then prov_body {index} "$path" {MOST_BODY}; fi"#,
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
    pushln!(
        script,
        r#"prov_answer paths:sha256; set --; for path in {}; do [ -f "$path" ] && [ ! -L "$path" ] && set -- "$@" "$path"; done
digests=; exit=0; [ $# -eq 0 ] || {{ digests=$(sha256sum -- "$@" 2>/dev/null); exit=$?; }}
printf '%s\n' "$digests"; [ $exit -gt 1 ] || prov_complete
IFS='
'; set -f; set -- $digests; unset IFS; set +f
for line do digest=${{line%%  *}} path=${{line#*  }}; case $path in"#,
        quote::sh_all(paths)
    );
    for (index, question) in questions.iter().enumerate() {
        if let Read::BodyUnless(digest) = &question.read {
            let (path, digest) = (quote::sh(question.path.as_str()), quote::sh(digest));
            pushln!(
                script,
                "({path}) [ $digest = {digest} ] || prov_body {index} \"$path\" {MOST_SHOWN};;"
            );
        }
    }
    script.push_str("esac; done\n");
}

struct Stat {
    bits: u32,
    attributes: Attributes,
    size: u64,
    other_names: u64,
}

/// Splits what stat(1) printed: name, raw mode, user, uid, group, gid, size, names, each ended by NUL.
fn stats(answers: &Answers, name: &str) -> Result<BTreeMap<String, Stat>, Broken> {
    let text = answers.text(name)?;
    let mut fields = text.split_terminator('\0');
    let mut stats = BTreeMap::new();
    while let Some(path) = fields.next() {
        let mut next = || fields.next().ok_or_else(|| broken(name, "is cut short"));
        let raw = u32::from_str_radix(next()?, 16).map_err(|_| broken(name, "has no mode"))?;
        let (owner, uid, group, gid) = (next()?, next()?, next()?, next()?);
        let mut number = |what| next()?.parse::<u64>().map_err(|_| broken(name, what));
        let (size, links) = (number("has no size")?, number("has no number of names")?);
        let named = |name: &str, number: &str| {
            let shown = if name == "UNKNOWN" { number } else { name };
            shown.to_owned()
        };
        let attributes = Attributes {
            uid: uid.parse().ok(),
            gid: gid.parse().ok(),
            ..Attributes::new(named(owner, uid), named(group, gid), Mode::new(raw))
        };
        let stat = Stat {
            bits: raw & KIND,
            attributes,
            size,
            other_names: links.saturating_sub(1),
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
    // Somebody has put something else in its place meanwhile, or a link on the way to it.
    let unread = is_unread(index, answers)?;
    let large = answers.optional(&format!("paths:large:{index}"))?.is_some();
    let name = format!("paths:body:{index}");
    let body = if unread || large {
        None
    } else {
        answers.optional(&name)?
    };
    let answered = large || body.is_some();
    let most = match read {
        Read::Body => MOST_BODY,
        Read::BodyUnless(_) | Read::Digest | Read::Attributes => MOST_SHOWN,
    };
    let mut fact = match body {
        Some(bytes) if bytes.len() <= most => FileFact::of(stat.attributes.clone(), bytes),
        Some(_) | None => FileFact {
            size: stat.size,
            sha256: None,
            body: None,
            ..FileFact::of(stat.attributes.clone(), b"")
        },
    };
    fact.other_names = stat.other_names;
    let digest = digest.ok_or_else(|| broken("paths:sha256", "lacks a file"));
    match read {
        Read::Digest => fact.sha256 = Some(digest?.to_owned()),
        Read::BodyUnless(expected) => {
            let digest = digest?;
            if !answered && digest != expected && !unread {
                return Err(broken(&name, "is missing"));
            }
            fact.sha256 = Some(digest.to_owned());
        }
        Read::Body if !answered && !unread => return Err(broken(&name, "is missing")),
        Read::Attributes | Read::Body => {}
    }
    Ok(fact)
}

fn is_unread(index: usize, answers: &Answers) -> Result<bool, Broken> {
    let answer = answers.optional(&format!("paths:unread:{index}"))?;
    Ok(answer.is_some())
}

fn link_target(
    index: usize,
    answers: &Answers,
) -> Result<Option<Box<(HostPath, FileFact)>>, Broken> {
    let name = format!("paths:target:{index}");
    if is_unread(index, answers)? || answers.optional(&name)?.is_none() {
        return Ok(None);
    }
    let Some((path, stat)) = stats(answers, &name)?.into_iter().next() else {
        return Ok(None);
    };
    let Ok(path) = HostPath::new(path) else {
        return Ok(None);
    };
    if stat.bits != REGULAR {
        return Ok(None);
    }
    let file = file(&stat, index, &Read::Body, None, answers)?;
    Ok(Some(Box::new((path, file))))
}
