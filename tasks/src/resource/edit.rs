//! What `line`, `block` and `replace` share: finding the text of a file, putting other text into it, writing it back.
//!
//! A link is followed and its target edited. What is not text, or too large to be read, is refused. Text of a file
//! that not everybody may read counts as secret: a diff shows only what prov puts into it.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::State;
use crate::content::{Content, Segment};
use crate::pattern::LinePattern;
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason};
use crate::probe::{
    Attributes, Facts, FileFact, Hidden, MOST_BODY, NotAsked, PathFact, PathQuestion, Query, Read,
    Way,
};
use crate::secret::Secret;
use crate::step::Step;
use crate::value::{HostPath, Mode};

/// The file that is edited.
pub(super) struct Target<'a> {
    pub(super) path: &'a HostPath,
    pub(super) owner: Option<&'a str>,
    pub(super) group: Option<&'a str>,
    pub(super) mode: Option<Mode>,
    /// Whether a missing file is created; `None` where that would make no sense.
    pub(super) create: Option<bool>,
    pub(super) state: State,
    /// Whether nobody has said what is secret in the text that is put in.
    pub(super) unsorted: bool,
}

/// The file as it is before the edit.
struct Before<'a> {
    path: &'a HostPath,
    text: &'a str,
    sha256: Option<String>,
    have: &'a Attributes,
}

/// Text that is put in the place of a range of bytes.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) with: Vec<Segment>,
}

impl Splice {
    pub(super) fn removal(range: Range<usize>) -> Self {
        Self {
            range,
            with: Vec::new(),
        }
    }
}

/// Says why a file is not edited.
pub(super) struct Refusal {
    pub(super) cause: String,
    pub(super) hint: String,
}

impl From<Refusal> for Planned {
    fn from(Refusal { cause, hint }: Refusal) -> Self {
        Self::Impossible { cause, hint }
    }
}

/// Decides what changes in a text; told whether the text is private.
pub(super) type Decide<'a> = dyn Fn(&str, bool) -> Result<Vec<Splice>, Refusal> + 'a;

enum Found<'a> {
    Missing,
    File(&'a HostPath, &'a FileFact, &'a str),
    Stop(Planned),
}

impl Target<'_> {
    pub(super) fn probe(&self) -> Vec<Query> {
        let path = |path: HostPath, read| Query::Path(PathQuestion { path, read });
        let mut queries = vec![path(self.path.clone(), Read::Body)];
        if self.create == Some(true) {
            queries.push(path(self.path.parent(), Read::Attributes));
        }
        queries
    }

    /// Plans an edit. `unsteady` is the hint where the edited text would be edited again, and again.
    pub(super) fn plan(
        &self,
        facts: &Facts,
        decide: &Decide<'_>,
        unsteady: &str,
    ) -> Result<Planned, NotAsked> {
        let (path, have, text) = match self.find(facts)? {
            Found::Stop(planned) => return Ok(planned),
            Found::Missing => (self.path, None, ""),
            Found::File(path, file, text) => (path, Some(file), text),
        };
        let sha256 = have.and_then(|file| file.sha256.clone());
        let have = have.map(FileFact::attributes);
        let wanted = self.attributes(have.as_ref());
        let mut hidden = facts.hidden(self.path, have.as_ref(), &wanted);
        hidden.new &= self.unsorted;
        let private = hidden.old;
        let after = match edit(text, private, decide) {
            Ok(after) => after,
            Err(refusal) => return Ok(refusal.into()),
        };
        if let Some(after) = &after {
            match edit(&after.expose(), private, decide) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return Ok(Planned::Impossible {
                        cause: format!("{} would change again every time", self.path),
                        hint: unsteady.to_owned(),
                    });
                }
                Err(refusal) => return Ok(refusal.into()),
            }
        }
        Ok(match (have, after) {
            (None, None) => Planned::Unchanged,
            (None, Some(content)) => {
                if let Some(problem) = super::file::missing_parent(path, facts)? {
                    return Ok(problem);
                }
                let diff = Diff::of_text("", &content, hidden);
                let step = write(path, content, &wanted, None);
                Change::new(Action::Create, vec![Reason::Missing], vec![step])
                    .detail(super::directory::attribute_text(&wanted))
                    .diff(diff)
                    .into()
            }
            (Some(have), after) => {
                let before = Before {
                    path,
                    text,
                    sha256,
                    have: &have,
                };
                self.update(before, after, &wanted, hidden)
            }
        })
    }

    fn update(
        &self,
        before: Before<'_>,
        after: Option<Content>,
        wanted: &Attributes,
        hidden: Hidden,
    ) -> Planned {
        let Before {
            path,
            text,
            sha256,
            have,
        } = before;
        let mut reasons = super::directory::attribute_reasons(have, wanted);
        let detail = if reasons.is_empty() {
            String::new()
        } else {
            super::directory::attribute_change(have, wanted)
        };
        let Some(content) = after else {
            if reasons.is_empty() {
                return Planned::Unchanged;
            }
            let step = Step::SetAttributes {
                path: path.clone(),
                attributes: wanted.clone(),
            };
            return Change::new(Action::Update, reasons, vec![step])
                .detail(detail)
                .into();
        };
        let (action, reason) = match self.state {
            State::Present => (Action::Update, Reason::ContentDiffers),
            State::Absent => (Action::Remove, Reason::Present),
        };
        reasons.insert(0, reason);
        let diff = Diff::of_text(text, &content, hidden);
        Change::new(action, reasons, vec![write(path, content, wanted, sha256)])
            .detail(detail)
            .diff(diff)
            .into()
    }

    /// Gives the text that is put in, if it becomes part of a file that not everybody may read.
    pub(super) fn private<'c>(&self, facts: &Facts, text: Option<&'c Content>) -> Vec<&'c Content> {
        let have = match facts.path(self.path) {
            Ok(PathFact::File(file)) => Some(file.attributes()),
            Ok(PathFact::Link {
                file: Some(linked), ..
            }) => Some(linked.1.attributes()),
            Ok(
                PathFact::Missing
                | PathFact::Directory(_)
                | PathFact::Link { .. }
                | PathFact::Other,
            )
            | Err(_) => None,
        };
        let hidden = facts.hidden(self.path, None, &self.attributes(have.as_ref()));
        let text = text.into_iter();
        text.filter(|text| hidden.new && text.is_unsorted())
            .collect()
    }

    fn find<'f>(&'f self, facts: &'f Facts) -> Result<Found<'f>, NotAsked> {
        let stop = |cause: String, hint: &str| {
            Found::Stop(Planned::Impossible {
                cause,
                hint: hint.to_owned(),
            })
        };
        let path = self.path;
        Ok(match facts.path(path)? {
            PathFact::File(file) => readable(path, file, facts.way(path)),
            PathFact::Link {
                file: Some(linked), ..
            } => readable(&linked.0, &linked.1, facts.way(path)),
            PathFact::Missing if self.create == Some(true) && self.state == State::Present => {
                Found::Missing
            }
            PathFact::Missing | PathFact::Link { .. } if !facts.coming.is_empty() => {
                Found::Stop(super::packages::waiting(facts))
            }
            PathFact::Missing => match self.state {
                State::Absent => Found::Stop(Planned::Unchanged),
                State::Present => stop(
                    format!("{path} does not exist"),
                    match self.create {
                        None => "declare what brings the file before it",
                        Some(_) => "set `create: true`, or declare what brings the file before it",
                    },
                ),
            },
            PathFact::Link { target, .. } => stop(
                format!("{path} is a link to {target}, which is not a file"),
                "declare what brings the target, or remove the link",
            ),
            PathFact::Directory(_) => stop(
                format!("{path} is a directory, not a file"),
                "give the path of a file",
            ),
            PathFact::Other => stop(
                format!("{path} is a device, socket or pipe, not a file"),
                "give the path of a file",
            ),
        })
    }

    fn attributes(&self, have: Option<&Attributes>) -> Attributes {
        let kept = |given: Option<&str>, have: Option<&String>| {
            given
                .or(have.map(String::as_str))
                .unwrap_or("root")
                .to_owned()
        };
        Attributes::new(
            kept(self.owner, have.map(|have| &have.owner)),
            kept(self.group, have.map(|have| &have.group)),
            self.mode
                .or(have.map(|have| have.mode))
                .unwrap_or(Mode::new(0o644)),
        )
    }
}

fn readable<'f>(path: &'f HostPath, file: &'f FileFact, way: Option<&Way>) -> Found<'f> {
    if let Some(refused) = super::file::named_by_others(path, file, way) {
        return Found::Stop(refused);
    }
    let Some(body) = &file.body else {
        return Found::Stop(if file.size > 0 && file.size <= MOST_BODY as u64 {
            changing(path)
        } else if file.size > 0 {
            Planned::Impossible {
                cause: format!(
                    "{path} is too large to be edited here ({} bytes)",
                    file.size
                ),
                hint: "manage the whole file, or a file of its own beside it".to_owned(),
            }
        } else {
            // A preview knows that a command makes this file, not what it writes into it.
            Planned::Unknown(Awaited::Made(path.clone()))
        });
    };
    match body.text() {
        Some(text) => Found::File(path, file, text),
        None => Found::Stop(Planned::Impossible {
            cause: format!("{path} is not text in UTF-8"),
            hint: format!(
                "look at {path} on the host and convert it with `iconv`, or manage the whole file"
            ),
        }),
    }
}

fn write(
    path: &HostPath,
    content: Content,
    attributes: &Attributes,
    replaces: Option<String>,
) -> Step {
    Step::WriteFile {
        path: path.clone(),
        content,
        attributes: attributes.clone(),
        replaces,
    }
}

/// Refuses a file that was not what it had been when it was to be read.
pub(super) fn changing(path: &HostPath) -> Planned {
    Planned::Impossible {
        cause: format!("{path} was changed, or put elsewhere, while it was read"),
        hint: "look who else is at work there, and run the same command again".to_owned(),
    }
}

/// Gives the text after an edit, or nothing if it stays as it is.
fn edit(text: &str, private: bool, decide: &Decide<'_>) -> Result<Option<Content>, Refusal> {
    let splices = decide(text, private)?;
    if splices.is_empty() {
        return Ok(None);
    }
    let content = spliced(text, splices, private);
    Ok((content.expose() != text).then_some(content))
}

/// Puts splices, which are in order and do not overlap, into a text.
pub(super) fn spliced(text: &str, splices: Vec<Splice>, private: bool) -> Content {
    let mut segments = Vec::new();
    let keep = |segments: &mut Vec<Segment>, range: Range<usize>| {
        if let Some(kept) = text.get(range).filter(|kept| !kept.is_empty()) {
            segments.push(if private {
                Segment::Secret(Secret::new(kept))
            } else {
                Segment::Plain(kept.to_owned())
            });
        }
    };
    let mut at = 0;
    for Splice { range, with } in splices {
        keep(&mut segments, at..range.start);
        segments.extend(with);
        at = range.end;
    }
    keep(&mut segments, at..text.len());
    Content::of(segments)
}

/// One line of a text: its place, and its words without the line ending.
#[derive(Clone, Copy)]
pub(super) struct LineOf<'a> {
    pub(super) start: usize,
    pub(super) body: &'a str,
    /// Where the next line begins.
    pub(super) end: usize,
}

impl LineOf<'_> {
    /// Gives the place of the words.
    pub(super) const fn words(&self) -> Range<usize> {
        self.start..self.start + self.body.len()
    }
}

/// Splits a text into lines, which end with `\n` or `\r\n`; the last need not.
pub(super) fn lines_of(text: &str) -> Vec<LineOf<'_>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let from = start;
            start += line.len();
            LineOf {
                start: from,
                body: line.trim_end_matches(['\r', '\n']),
                end: start,
            }
        })
        .collect()
}

/// Gives the line ending of a text: that of its first line.
pub(super) fn ending_of(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}

/// Inserts whole lines, which end as the text does, ending the line before them if it has no end.
pub(super) fn insertion(text: &str, at: usize, mut lines: Vec<Segment>) -> Splice {
    if at > 0 && !text[..at].ends_with('\n') {
        let ending = if text.ends_with('\r') {
            "\n"
        } else {
            ending_of(text)
        };
        lines.insert(0, Segment::Plain(ending.to_owned()));
    }
    Splice {
        range: at..at,
        with: lines,
    }
}

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

/// Finds where something is inserted: at an anchor, or at the end where there is none or its pattern is not found.
pub(super) fn place(
    lines: &[LineOf<'_>],
    after: Option<&Anchor>,
    before: Option<&Anchor>,
    first: bool,
) -> usize {
    let end = lines.last().map_or(0, |line| line.end);
    let find = |pattern: &LinePattern| {
        pick(lines, first, |line| pattern.regex().is_match(line.body)).copied()
    };
    match (after, before) {
        (Some(Anchor::Beginning), _) | (None, Some(Anchor::Beginning)) => 0,
        (Some(Anchor::At(pattern)), _) => find(pattern).map_or(end, |line| line.end),
        (None, Some(Anchor::At(pattern))) => find(pattern).map_or(end, |line| line.start),
        (Some(Anchor::End), _) | (None, Some(Anchor::End) | None) => end,
    }
}

/// Picks the first or the last line of which something holds.
pub(super) fn pick<'l, 't>(
    lines: &'l [LineOf<'t>],
    first: bool,
    holds: impl Fn(&LineOf<'t>) -> bool,
) -> Option<&'l LineOf<'t>> {
    if first {
        lines.iter().find(|line| holds(line))
    } else {
        lines.iter().rev().find(|line| holds(line))
    }
}
