//! Where something is inserted into a text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::{LineOf, lines_of};
use crate::pattern::LinePattern;

/// Says where something is inserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Anchor {
    /// At the beginning of the file: `BOF`.
    Beginning,
    /// At the end of the file: `EOF`.
    End,
    /// At a line in which a regular expression is found.
    At(LinePattern),
}

impl TryFrom<String> for Anchor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            "BOF" => Self::Beginning,
            "EOF" => Self::End,
            pattern => Self::At(LinePattern::new(pattern)?),
        })
    }
}

impl From<Anchor> for String {
    fn from(anchor: Anchor) -> Self {
        match anchor {
            Anchor::Beginning => "BOF".to_owned(),
            Anchor::End => "EOF".to_owned(),
            Anchor::At(pattern) => pattern.into(),
        }
    }
}

impl JsonSchema for Anchor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Anchor".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Refuses a pattern that is found in every line, and so would pick one that nobody meant.
pub(in crate::resource) fn tells_lines_apart(
    field: &str,
    pattern: &LinePattern,
) -> Result<(), String> {
    if !pattern.is_in_every_line() {
        return Ok(());
    }
    Err(format!(
        "`{field}` '{}' is found in every line, also in an empty one, so it tells none from the others\n\
         write what only the line that is meant has; `^$` is an empty line, `^.+$` any other, `file` is for whole files",
        pattern.as_str()
    ))
}

/// The same for where something is inserted.
pub(in crate::resource) fn is_a_place(field: &str, anchor: Option<&Anchor>) -> Result<(), String> {
    match anchor {
        Some(Anchor::At(pattern)) => tells_lines_apart(field, pattern),
        Some(Anchor::Beginning | Anchor::End) | None => Ok(()),
    }
}

/// Finds where something is inserted: at an anchor, or at the end where there is none or its pattern is not found.
pub(in crate::resource) fn place(
    text: &str,
    after: Option<&Anchor>,
    before: Option<&Anchor>,
    first: bool,
) -> usize {
    let end = text.len();
    let find =
        |pattern: &LinePattern| pick(text, first, |line| pattern.regex().is_match(line.body));
    match (after, before) {
        (Some(Anchor::Beginning), _) | (None, Some(Anchor::Beginning)) => 0,
        (Some(Anchor::At(pattern)), _) => find(pattern).map_or(end, |line| line.end),
        (None, Some(Anchor::At(pattern))) => find(pattern).map_or(end, |line| line.start),
        (Some(Anchor::End), _) | (None, Some(Anchor::End) | None) => end,
    }
}

/// Picks the first or the last line of which something holds.
pub(in crate::resource) fn pick<'t>(
    text: &'t str,
    first: bool,
    holds: impl Fn(&LineOf<'t>) -> bool,
) -> Option<LineOf<'t>> {
    let mut lines = lines_of(text);
    if first {
        lines.find(|line| holds(line))
    } else {
        lines.rfind(|line| holds(line))
    }
}
