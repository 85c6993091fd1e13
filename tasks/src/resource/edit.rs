//! What `line`, `block` and `replace` share: finding the text of a file, putting other text into it, writing it back.
//!
//! A link is followed and its target edited. What is not text, or too large to be read, is refused; what text is, is said
//! in `text`. Text of a file that not everybody may read counts as secret: a diff shows only what prov puts into it.

mod anchor;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use super::State;
use crate::content::{Content, Segment};
use crate::plan::{Action, Awaited, Change, Diff, Planned, Reason};
use crate::probe::{
    Attributes, Facts, FileFact, Hidden, MOST_BODY, NotAsked, Owner, PathFact, PathQuestion, Query,
    Read, Route,
};
use crate::secret::Secret;
use crate::step::Step;
use crate::value::{HostPath, Mode};

pub use anchor::Anchor;
pub(super) use anchor::{is_a_place, pick, place, tells_lines_apart};
use text::text_of;
pub(super) use text::{LineOf, ending_at, insertion, lines_of};

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

enum CurrentFile<'a> {
    Missing,
    File(&'a HostPath, &'a FileFact, Cow<'a, str>),
    Stop(Planned),
}

impl Target<'_> {
    pub(super) fn probe(&self) -> Vec<Query> {
        let path = |path: HostPath, read| Query::Path(PathQuestion { path, read });
        let mut queries = vec![path(self.path.clone(), Read::Body)];
        if self.create == Some(true) {
            queries.push(path(self.path.parent(), Read::Attributes));
        }
        let [owner, group] = [self.owner, self.group].map(|name| name.unwrap_or("root"));
        queries.extend(Owner::queries(owner, group));
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
            CurrentFile::Stop(planned) => return Ok(planned),
            CurrentFile::Missing => (self.path, None, Cow::Borrowed("")),
            CurrentFile::File(path, file, text) => (path, Some(file), text),
        };
        let sha256 = have.and_then(|file| file.sha256.clone());
        let have = have.map(FileFact::attributes);
        let wanted = self.attributes(have.as_ref());
        let mut hidden = facts.hidden(self.path, have.as_ref(), &wanted);
        hidden.new &= self.unsorted;
        let private = hidden.old;
        let after = match edit(&text, private, decide) {
            Ok(after) => after,
            Err(refusal) => return Ok(refusal.into()),
        };
        if let Some(after) = &after {
            let after = after.expose();
            if let Some(line) = text::lone_return(after.as_bytes()) {
                return Ok(Planned::Impossible {
                    cause: format!(
                        "the edit would leave a carriage return without its line feed in line {line} of {path}"
                    ),
                    hint: "where a regexp matches a line feed, have it match `\\r?\\n`".to_owned(),
                });
            }
            match edit(&after, private, decide) {
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
                    text: &text,
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

    fn find<'f>(&'f self, facts: &'f Facts) -> Result<CurrentFile<'f>, NotAsked> {
        let stop = |cause: String, hint: &str| {
            CurrentFile::Stop(Planned::Impossible {
                cause,
                hint: hint.to_owned(),
            })
        };
        let path = self.path;
        Ok(match facts.path(path)? {
            PathFact::File(file) => found(path, file, facts.route(path)),
            PathFact::Link {
                file: Some(linked), ..
            } => found(&linked.0, &linked.1, facts.route(path)),
            PathFact::Missing if self.create == Some(true) && self.state == State::Present => {
                CurrentFile::Missing
            }
            PathFact::Missing | PathFact::Link { .. } if !facts.coming.is_empty() => {
                CurrentFile::Stop(super::packages::waiting(facts))
            }
            PathFact::Missing => match self.state {
                State::Absent => CurrentFile::Stop(Planned::Unchanged),
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

fn found<'f>(path: &'f HostPath, file: &'f FileFact, route: Option<&Route>) -> CurrentFile<'f> {
    if let Some(refused) = super::file::named_by_others(path, file, route) {
        return CurrentFile::Stop(refused);
    }
    match readable(path, file) {
        Ok(text) => CurrentFile::File(path, file, text),
        Err(refused) => CurrentFile::Stop(refused),
    }
}

/// Gives the text of a file, or says why it is not edited.
pub(super) fn readable<'f>(path: &HostPath, file: &'f FileFact) -> Result<Cow<'f, str>, Planned> {
    match &file.body {
        Some(body) => Ok(text_of(path, &body.0)?),
        // A preview knows that a command makes this file, not what it writes into it.
        None if file.size == 0 => Err(Planned::Unknown(Awaited::Made(path.clone()))),
        None if file.size <= MOST_BODY as u64 => Err(changing(path)),
        None => Err(Planned::Impossible {
            cause: format!(
                "{path} is too large to be edited here ({} bytes; up to {} MiB can be)",
                file.size,
                MOST_BODY >> 20
            ),
            hint: "manage the whole file, or a file of its own beside it".to_owned(),
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
    let (mark, rest) = text::unmarked(text);
    let mut splices = decide(rest, private)?;
    if splices.is_empty() {
        return Ok(None);
    }
    for Splice { range, .. } in &mut splices {
        *range = range.start + mark.len()..range.end + mark.len();
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
