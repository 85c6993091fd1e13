//! Replacing every match of a regular expression in a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edit::{Splice, Target, ending_at};
use super::{AtEnd, Former, Manage, Resource, State};
use crate::pattern::{Replacement, TextPattern};
use crate::plan::Planned;
use crate::probe::{Facts, NotAsked, Query};
use crate::value::{HostPath, Mode};

/// Manages that a regular expression is found nowhere in a file, by replacing whatever it matches.
///
/// Reads the whole file. `^` and `$` match at every line and `.` matches no line ending; write `(?s)` in front if it
/// should. Regular expressions are those of the `regex` crate, without look-around and back-references. A replacement
/// that would be replaced again at the next run is refused, as is an expression that finds emptiness everywhere. Lines of
/// `replace` end as those around them do; what files are refused, and what stays in others, is as for `line`. A link is
/// followed; the file must exist.
///
/// `after` and `before` narrow the part of the file that is looked at, from the end of the first match of `after` to
/// the beginning of the first match of `before` that follows; where one is given and not found, nothing changes.
///
/// ```yaml
/// replace: {path: /etc/default/bacula-fd, regexp: "^ARGS=.*$", replace: 'ARGS="-u bacula"'}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Replace {
    /// Absolute path of the file.
    pub path: HostPath,
    /// What is replaced, at every place where it matches.
    pub regexp: TextPattern,
    /// What it is replaced by; `\1` and `\g<name>` stand for groups of `regexp`. Empty removes what matches.
    #[serde(default)]
    pub replace: Replacement,
    /// Only what comes after this regular expression is looked at.
    #[serde(default)]
    pub after: Option<TextPattern>,
    /// Only what comes before this regular expression is looked at.
    #[serde(default)]
    pub before: Option<TextPattern>,
    /// Owner; when not given, kept.
    #[serde(default)]
    pub owner: Option<String>,
    /// Group; when not given, kept.
    #[serde(default)]
    pub group: Option<String>,
    /// Permission bits; when not given, kept.
    #[serde(default)]
    pub mode: Option<Mode>,
}

super::checked!(Replace);

impl Replace {
    /// Describes that whatever matches is replaced.
    #[must_use]
    pub fn new(path: HostPath, regexp: TextPattern, replace: Replacement) -> Self {
        Self {
            path,
            regexp,
            replace,
            after: None,
            before: None,
            owner: None,
            group: None,
            mode: None,
        }
    }

    fn target(&self) -> Target<'_> {
        Target {
            path: &self.path,
            owner: self.owner.as_deref(),
            group: self.group.as_deref(),
            mode: self.mode,
            create: None,
            state: State::Present,
            unsorted: true,
        }
    }

    /// Finds the part of a text that is looked at.
    fn region(&self, text: &str) -> Option<std::ops::Range<usize>> {
        let start = match &self.after {
            Some(after) => after.regex().find(text)?.end(),
            None => 0,
        };
        let end = match &self.before {
            Some(before) => before.regex().find_at(text, start)?.start(),
            None => text.len(),
        };
        Some(start..end)
    }

    fn decide(&self, text: &str, private: bool) -> Vec<Splice> {
        let Some(region) = self.region(text) else {
            return Vec::new();
        };
        // What lies before the region is still seen by `^` and `\b`; nothing matches beyond its end.
        let text = &text[..region.end];
        let mut splices = Vec::new();
        let mut at = region.start;
        while at <= text.len()
            && let Some(captures) = self.regexp.regex().captures_at(text, at)
            && let Some(found) = captures.get(0)
        {
            splices.push(Splice {
                range: found.range(),
                with: self
                    .replace
                    .expand(&captures, private, || ending_at(text, found.start())),
            });
            at = found.end();
            if found.is_empty() {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        splices
    }
}

impl Manage for Replace {
    fn kind(&self) -> &'static str {
        "replace"
    }

    fn id(&self) -> String {
        format!("{} '{}'", self.path, self.regexp.as_str())
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Followed))
    }

    fn check(&self) -> Result<(), String> {
        let emptiness = |field: &str, pattern: &TextPattern, remedy: &str| {
            Err(format!(
                "replace in {}: `{field}` '{}' finds emptiness, in any text and everywhere\n{remedy}",
                self.path,
                pattern.as_str()
            ))
        };
        let (regexp, replace) = (&self.regexp, self.replace.as_str());
        // With nothing in its place, what is there is taken away: `\s*$` is as good as `\s+$`.
        if regexp.finds_emptiness() && (!replace.is_empty() || regexp.as_str().is_empty()) {
            let remedy = "write what is to be replaced, with `+` in the place of `*`; to put something at the beginning or end of a line, match its text, too: `^(.+)$` with `x\\1`";
            return emptiness("regexp", regexp, remedy);
        }
        for (field, pattern) in [("after", &self.after), ("before", &self.before)] {
            if let Some(pattern) = pattern.as_ref().filter(|pattern| pattern.finds_emptiness()) {
                return emptiness(
                    field,
                    pattern,
                    "write the text that is meant, or leave it out",
                );
            }
        }
        self.replace.fits(regexp)
    }

    fn probe(&self) -> Vec<Query> {
        self.target().probe()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        self.target().plan(
            facts,
            &|text, private| Ok(self.decide(text, private)),
            "the regexp also matches its replacement; make it match only what is to be replaced",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        None
    }
}
