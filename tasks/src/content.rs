//! Text that is written to hosts, of which some parts may be secret.
//!
//! A [`Content`] remembers which of its parts are secret from the moment a template is rendered until the bytes
//! leave, so a diff can show everything else exactly. It refuses to guess: nothing is ever found by searching for
//! the text of a secret.

use std::borrow::Cow;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::input::{Input, InputTexts};
use crate::raw;
use crate::secret::{MASK, Secret, hex};

/// Names one part of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Text that anyone may read.
    Plain(String),
    /// Text that is masked wherever it is shown.
    Secret(Secret),
    /// Text that comes from another host and is not known yet.
    Input(Input),
}

/// Holds the bytes of a file or of a command's standard input: text, or what [`raw::text`] made of other bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    segments: Vec<Segment>,
    /// Whether it came as one text of which nobody has said what is secret in it.
    unsorted: bool,
}

/// Begins the stand-in for a secret while a template is rendered; a private-use character, refused in plain values.
const OPEN: char = '\u{F8F0}';
const CLOSE: char = '\u{F8F1}';

impl Content {
    /// Makes a content without secrets.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            segments: vec![Segment::Plain(text.into())],
            unsorted: false,
        }
    }

    /// Makes a content that is secret as a whole.
    #[must_use]
    pub fn secret(secret: Secret) -> Self {
        Self {
            segments: vec![Segment::Secret(secret)],
            unsorted: false,
        }
    }

    /// Joins parts.
    #[must_use]
    pub fn of(segments: Vec<Segment>) -> Self {
        Self {
            segments,
            unsorted: false,
        }
    }

    /// Tells whether nobody has said what in it is secret: it may be more than what is marked.
    #[must_use]
    pub const fn is_unsorted(&self) -> bool {
        self.unsorted
    }

    /// Splits rendered text at the stand-ins that [`Placeholders`] handed out.
    fn from_rendered(text: &str, hidden: &[Segment]) -> Self {
        let mut segments = Vec::new();
        let mut rest = text;
        while let Some((plain, tail)) = rest.split_once(OPEN) {
            let Some((index, tail)) = tail.split_once(CLOSE) else {
                break;
            };
            if !plain.is_empty() {
                segments.push(Segment::Plain(plain.to_owned()));
            }
            if let Some(part) = index.parse::<usize>().ok().and_then(|i| hidden.get(i)) {
                segments.push(part.clone());
            }
            rest = tail;
        }
        if !rest.is_empty() {
            segments.push(Segment::Plain(rest.to_owned()));
        }
        Self::of(segments)
    }

    /// Tells whether any part is secret.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::Secret(_)))
    }

    /// Gives the secrets among the parts.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Plain(_) | Segment::Input(_) => None,
                Segment::Secret(secret) => Some(secret.clone()),
            })
            .collect()
    }

    /// Gives what must be known of other hosts before there are bytes.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        self.segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Plain(_) | Segment::Secret(_) => None,
                Segment::Input(input) => Some(input.clone()),
            })
            .collect()
    }

    /// Puts in what is known of other hosts.
    #[must_use]
    pub fn with_inputs(&self, known: &InputTexts) -> Self {
        let filled = |segment: &Segment| match segment {
            Segment::Input(input) => known
                .get(input)
                .map_or_else(|| segment.clone(), |text| Segment::Plain(text.clone())),
            Segment::Plain(_) | Segment::Secret(_) => segment.clone(),
        };
        Self {
            segments: self.segments.iter().map(filled).collect(),
            unsorted: self.unsorted,
        }
    }

    /// Tells whether a person would see nothing in it: NUL bytes, or other bytes besides text and controls among them.
    #[must_use]
    pub fn is_binary(text: &str) -> bool {
        let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}');
        text.contains('\0') || (text.contains(|c| raw::byte_of(c).is_some()) && text.contains(odd))
    }

    /// Gives a part of it, by the bytes of its text, at whose ends characters begin.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let mut at = 0;
        let mut segments = Vec::new();
        for segment in &self.segments {
            let (text, secret) = match segment {
                Segment::Plain(text) => (text.as_str(), false),
                Segment::Secret(secret) => (secret.expose(), true),
                Segment::Input(_) => continue,
            };
            let within = |place: usize| place.saturating_sub(at).min(text.len());
            if let Some(part) = text.get(within(range.start)..within(range.end))
                && !part.is_empty()
            {
                segments.push(if secret {
                    Segment::Secret(Secret::new(part))
                } else {
                    Segment::Plain(part.to_owned())
                });
            }
            at += text.len();
        }
        Self {
            segments,
            unsorted: self.unsorted,
        }
    }

    /// Gives the parts in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Gives the text with its secrets, in which bytes that are no text are as [`raw`] has them; what is not known of other
    /// hosts is left out, so there must be no [`Self::inputs`] any more.
    #[must_use]
    pub fn expose(&self) -> String {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Plain(text) => text.as_str(),
                Segment::Secret(secret) => secret.expose(),
                Segment::Input(_) => "",
            })
            .collect()
    }

    /// Gives the text with every secret masked, for people.
    #[must_use]
    pub fn masked(&self) -> String {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Plain(text) => text.clone(),
                Segment::Secret(_) => MASK.to_owned(),
                Segment::Input(input) => format!("<{input}>"),
            })
            .collect()
    }

    /// Gives the bytes with their secrets, as they are sent to a host.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let text = self.expose();
        match raw::bytes(&text) {
            Cow::Owned(bytes) => bytes,
            Cow::Borrowed(_) => text.into_bytes(),
        }
    }

    /// Digests the bytes (SHA-256, hexadecimal), as `sha256sum` does on the host.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.bytes()))
    }

    /// Counts the bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Tells whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

/// Name under which a content asks for itself: whoever reads an estate's files hears by it that parts may be secret.
pub(crate) const CONTENT: &str = "Content";

impl Content {
    /// Packs the parts for a deserializer: no language that people write has bytes, so nobody else can say what is secret.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let parts = self.segments.iter().filter_map(|segment| match segment {
            Segment::Plain(text) => Some((false, text.as_str())),
            Segment::Secret(secret) => Some((true, secret.expose())),
            Segment::Input(_) => None,
        });
        serde_json::to_vec(&parts.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// Says that what is secret in it is marked, and nothing else is.
    pub(crate) const fn sorted(&mut self) {
        self.unsorted = false;
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(CONTENT, Reader)
    }
}

struct Reader;

impl<'de> serde::de::Visitor<'de> for Reader {
    type Value = Content;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_newtype_struct<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Content, D::Error> {
        deserializer.deserialize_string(self)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content {
            unsorted: true,
            ..Content::plain(text)
        })
    }

    fn visit_bytes<E: serde::de::Error>(self, packed: &[u8]) -> Result<Content, E> {
        let parts: Vec<(bool, String)> = serde_json::from_slice(packed)
            .map_err(|_| E::custom("internal error: a content was packed wrongly"))?;
        let parts = parts.into_iter().map(|(secret, text)| {
            if secret {
                Segment::Secret(Secret::new(text))
            } else {
                Segment::Plain(text)
            }
        });
        Ok(Content::of(parts.collect()))
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // Any bytes, where whoever reads them knows how to put them (see `raw`).
        schemars::json_schema!({ "type": "string", "contentMediaType": "application/octet-stream" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Hands out stand-ins for secrets and inputs while a template is rendered, and puts them in afterwards.
#[derive(Debug, Default)]
pub struct Placeholders {
    hidden: Vec<Segment>,
}

impl Placeholders {
    /// Gives the text to render in the place of a secret.
    pub fn hide(&mut self, secret: &Secret) -> String {
        self.keep(Segment::Secret(secret.clone()))
    }

    /// Gives the text to render in the place of what comes from another host.
    pub fn input(&mut self, input: Input) -> String {
        self.keep(Segment::Input(input))
    }

    fn keep(&mut self, segment: Segment) -> String {
        self.hidden.push(segment);
        format!("{OPEN}{}{CLOSE}", self.hidden.len() - 1)
    }

    /// Replaces the stand-ins in rendered text by what they stand for.
    #[must_use]
    pub fn reveal(&self, rendered: &str) -> Content {
        Content::from_rendered(rendered, &self.hidden)
    }

    /// Tells whether a plain value contains characters that mark a stand-in or stand for a byte, which no value may.
    #[must_use]
    pub fn is_forged(value: &str) -> bool {
        value.contains(|c| c == OPEN || c == CLOSE || raw::byte_of(c).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_secret_is_masked_for_people_and_present_for_the_host() {
        let mut places = Placeholders::default();
        let hidden = places.hide(&Secret::new("p\"w"));
        let content = places.reveal(&format!("Password = \"{hidden}\"\n"));
        assert_eq!(content.masked(), "Password = \"<secret>\"\n");
        assert_eq!(content.expose(), "Password = \"p\"w\"\n");
        assert!(!format!("{content:?}").contains("p\"w"));
    }

    #[test]
    fn a_secret_that_looks_like_a_stand_in_is_not_expanded_again() {
        let mut places = Placeholders::default();
        let first = places.hide(&Secret::new(format!("{OPEN}1{CLOSE}")));
        let _second = places.hide(&Secret::new("other"));
        assert_eq!(places.reveal(&first).expose(), format!("{OPEN}1{CLOSE}"));
    }
}
