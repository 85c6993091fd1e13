//! Single lines of files that are otherwise not managed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edit::{self, Anchor, Splice, Target};
use super::{AtEnd, Former, Manage, Resource, State};
use crate::content::Content;
use crate::pattern::{LinePattern, Replacement};
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, Query};
use crate::secret::MASK;
use crate::value::{HostPath, Mode};

/// Manages one line of a file and leaves all others as they are.
///
/// Reads the whole file. With `regexp`, the last line in which it is found is replaced (the first with
/// `first_match`); if it is found in none and the line is not there yet, the line is inserted. When absent, every
/// line in which `regexp` is found is removed, or without it every line that equals `line`. Lines keep their endings
/// (`\n` or `\r\n`), and a new one gets that of the line before it; a byte-order mark stays and is no part of the first
/// line; bytes that are no UTF-8 stay as they are. Files in UTF-16, with NUL bytes, or with lines that end with `\r` alone are
/// refused. A link is followed. Regular expressions are those of the `regex` crate, without look-around and
/// back-references; one that is found in every line is refused. So is a replacement after which `regexp` would replace
/// another line at the next run.
///
/// ```yaml
/// line: {path: /etc/aliases, regexp: "^root:", line: "root: admin@home.com"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Line {
    /// Absolute path of the file.
    pub path: HostPath,
    /// The line, without a line ending. Needed when present.
    #[serde(default)]
    pub line: Option<Content>,
    /// Tells which line is replaced or removed; searched for anywhere in a line unless it begins with `^`.
    #[serde(default)]
    pub regexp: Option<LinePattern>,
    /// Where a new line goes: after the last line in which this regular expression is found, or at the end (`EOF`,
    /// the default, also where it is found nowhere).
    #[serde(default)]
    pub insert_after: Option<Anchor>,
    /// Where a new line goes: before the last line in which this regular expression is found, or at the beginning
    /// (`BOF`).
    #[serde(default)]
    pub insert_before: Option<Anchor>,
    /// Whether the first line in which an expression is found counts, and not the last.
    #[serde(default)]
    pub first_match: bool,
    /// Whether `\1` and `\g<name>` in `line` stand for groups of `regexp`; if `regexp` is not found, nothing changes.
    #[serde(default)]
    pub backrefs: bool,
    /// Whether the file is created if it does not exist.
    #[serde(default)]
    pub create: bool,
    /// Owner; when not given, kept, and root for a new file.
    #[serde(default)]
    pub owner: Option<String>,
    /// Group; when not given, kept, and root for a new file.
    #[serde(default)]
    pub group: Option<String>,
    /// Permission bits; when not given, kept, and `"0644"` for a new file.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Whether the line should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Line);

impl Line {
    /// Describes a line that should be in a file.
    #[must_use]
    pub fn new(path: HostPath, line: Content) -> Self {
        Self {
            path,
            line: Some(line),
            regexp: None,
            insert_after: None,
            insert_before: None,
            first_match: false,
            backrefs: false,
            create: false,
            owner: None,
            group: None,
            mode: None,
            state: State::Present,
        }
    }

    /// Adds what tells which line is replaced.
    #[must_use]
    pub fn replacing(mut self, regexp: LinePattern) -> Self {
        self.regexp = Some(regexp);
        self
    }

    fn template(&self) -> Result<Option<Replacement>, String> {
        let line = self.line.as_ref().filter(|_| self.backrefs);
        line.map(|line| Replacement::new(line.expose())).transpose()
    }

    fn target(&self) -> Target<'_> {
        Target {
            path: &self.path,
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode,
            create: Some(self.create),
            state: self.state,
            unsorted: self.line.as_ref().is_some_and(Content::is_unsorted),
        }
    }

    fn put(&self, text: &str, private: bool, template: Option<&Replacement>) -> Vec<Splice> {
        let Some(wanted) = &self.line else {
            return Vec::new();
        };
        let found = self.regexp.as_ref().and_then(|regexp| {
            let found = edit::pick(text, self.first_match, |line| {
                regexp.regex().is_match(line.body)
            })?;
            regexp
                .regex()
                .captures(found.body)
                .map(|captures| (found, captures))
        });
        if let Some((line, captures)) = found {
            return vec![Splice {
                range: line.words(),
                with: match template {
                    Some(template) => template.expand(&captures, private, || "\n"),
                    None => wanted.segments().to_vec(),
                },
            }];
        }
        let exposed = wanted.expose();
        if self.backrefs || edit::lines_of(text).any(|line| line.body == exposed) {
            return Vec::new();
        }
        let at = edit::place(
            text,
            self.insert_after.as_ref(),
            self.insert_before.as_ref(),
            self.first_match,
        );
        vec![edit::insertion(text, at, wanted.segments().to_vec())]
    }

    fn take_away(&self, text: &str) -> Vec<Splice> {
        let exact = self.line.as_ref().map(Content::expose);
        edit::lines_of(text)
            .filter(|line| match &self.regexp {
                Some(regexp) => regexp.regex().is_match(line.body),
                None => exact.as_deref() == Some(line.body),
            })
            .map(|line| Splice::removal(line.start..line.end))
            .collect()
    }
}

impl Manage for Line {
    fn kind(&self) -> &'static str {
        "line"
    }

    fn id(&self) -> String {
        let which = match (&self.regexp, &self.line) {
            (Some(regexp), _) => regexp.as_str().to_owned(),
            (None, Some(line)) => line.masked(),
            (None, None) => String::new(),
        };
        format!("{} '{which}'", self.path)
    }

    fn shown(&self, facts: &Facts) -> String {
        if self.regexp.is_none() && !self.private(facts).is_empty() {
            format!("{} '{MASK}'", self.path)
        } else {
            self.id()
        }
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Followed))
    }

    fn check(&self) -> Result<(), String> {
        let path = &self.path;
        let problem = match (&self.line, &self.regexp, self.state) {
            (None, _, State::Present) => "`line` is needed",
            (None, None, State::Absent) => "`line` or `regexp` is needed",
            (_, None, _) if self.backrefs => "`backrefs` needs `regexp`",
            (_, _, State::Absent) if self.backrefs => "`backrefs` means nothing for an absent line",
            _ if self.insert_after.is_some() && self.insert_before.is_some() => {
                "`insert_after` and `insert_before` exclude each other"
            }
            (Some(line), _, _) if line.expose().contains(['\n', '\r', '\0']) => {
                "`line` has more than one line; use a block"
            }
            (Some(line), _, _) if self.backrefs && line.has_secrets() => {
                "a `line` with a secret cannot have `backrefs`"
            }
            _ => "",
        };
        if !problem.is_empty() {
            return Err(format!("line of {path}: {problem}"));
        }
        if let Some(regexp) = &self.regexp {
            edit::tells_lines_apart("regexp", regexp)
                .map_err(|cause| format!("line of {path}: {cause}"))?;
        }
        for (name, anchor) in [
            ("insert_after", &self.insert_after),
            ("insert_before", &self.insert_before),
        ] {
            edit::is_a_place(name, anchor.as_ref())
                .map_err(|cause| format!("line of {path}: {cause}"))?;
        }
        if let (Some(template), Some(regexp)) = (self.template()?, &self.regexp) {
            template.fits(regexp)?;
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        self.target().probe()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let template = match self.template() {
            Ok(template) => template,
            Err(cause) => return Ok(super::invalid(&cause)),
        };
        self.target().plan(
            facts,
            &|text, private| {
                Ok(match self.state {
                    State::Present => self.put(text, private, template.as_ref()),
                    State::Absent => self.take_away(text),
                })
            },
            "make `regexp` match the line that it puts in, and no other line",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        gone.backrefs = false;
        // What the line is found by is enough.
        if gone.regexp.is_some() {
            gone.line = None;
        }
        Some(Resource::Line(gone))
    }

    fn private(&self, facts: &Facts) -> Vec<&Content> {
        self.target().private(facts, self.line.as_ref())
    }

    fn contents(&self) -> Vec<&Content> {
        self.line.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.line.iter_mut().collect()
    }
}
