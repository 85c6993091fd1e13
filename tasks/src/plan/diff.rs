//! Unified diffs that never show a secret.
//!
//! Lines are compared by their real bytes and shown masked. What a file on the host held before is not ours to
//! know: where the new content holds secrets, an old line is shown only if it can be told that it holds none.

use serde::{Serialize, Serializer};
use similar::{ChangeTag, TextDiff};

use crate::content::{Content, Segment};
use crate::probe::{FileFact, Hidden};
use crate::secret::MASK;
use crate::visible;

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 3;

/// What ends a line that stands for those that are not shown.
pub const HIDDEN: &str = "hidden: may hold a secret>";

/// Holds the lines of a unified diff, without the file header; empty where nothing textual differs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff(Vec<String>);

impl Diff {
    /// Compares two texts that hold no secrets.
    #[must_use]
    pub fn plain(before: &str, after: &str) -> Self {
        Self::between(before, &Content::plain(after))
    }

    /// Compares what is there with what should be.
    #[must_use]
    pub fn between(before: &str, after: &Content) -> Self {
        Self::of_text(before, after, Hidden::default())
    }

    /// Compares the text of a file with what it becomes. Where it is private, no old line is shown that is not known to hold no
    /// secret, and no new line unless it was said what in it is secret.
    #[must_use]
    pub fn of_text(before: &str, after: &Content, hidden_lines: Hidden) -> Self {
        let text = after.expose();
        let after_lines = MaskedLine::split(after);
        let guarded = hidden_lines.old || after.has_secrets();
        let diff = TextDiff::from_lines(before, &text);
        let mut lines = Vec::new();
        for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
            lines.push(hunk.header().to_string().trim_end().to_owned());
            let mut hidden = Run::default();
            for change in hunk.iter_changes() {
                let shown = match (change.tag(), change.new_index()) {
                    (ChangeTag::Delete, _) | (_, None) => {
                        let Some(shown) = old_line(change.value(), &after_lines, guarded) else {
                            hidden.add('-', &mut lines);
                            continue;
                        };
                        ('-', shown)
                    }
                    (ChangeTag::Insert, Some(_)) if hidden_lines.new => {
                        hidden.add('+', &mut lines);
                        continue;
                    }
                    (ChangeTag::Insert, Some(index)) => ('+', masked(&after_lines, index)),
                    (ChangeTag::Equal, Some(index)) => (' ', masked(&after_lines, index)),
                };
                hidden.flush(&mut lines);
                lines.push(format!("{}{}", shown.0, visible(&shown.1)));
                if change.missing_newline() {
                    lines.push("\\ No newline at end of file".to_owned());
                }
            }
            hidden.flush(&mut lines);
        }
        Self(lines)
    }

    /// Compares a file on a host, if its bytes are known, with what should be there.
    #[must_use]
    pub fn of_file(before: &FileFact, after: &Content, hidden: Hidden) -> Self {
        match &before.body {
            None => Self::note("the file on the host is too large to be compared here"),
            Some(body) => match body.text() {
                Some(text) => Self::of_text(text, after, hidden),
                None => Self::note("the file on the host is not text"),
            },
        }
    }

    /// Shows lines that are no text of a file, each beginning with `+` or `-`.
    pub fn list(lines: impl IntoIterator<Item = String>) -> Self {
        Self(lines.into_iter().map(|line| visible(&line)).collect())
    }

    /// Says something in the place of a diff.
    #[must_use]
    pub fn note(text: &str) -> Self {
        Self(vec![format!("({text})")])
    }

    /// Gives the lines, each beginning with ` `, `+`, `-`, `@`, `\` or, for a note, `(`.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Tells whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Diff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Serialize for Diff {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Counts lines of one kind that follow each other and are not shown.
#[derive(Default)]
struct Run {
    sign: char,
    count: usize,
}

impl Run {
    fn add(&mut self, sign: char, lines: &mut Vec<String>) {
        if self.sign != sign {
            self.flush(lines);
        }
        self.sign = sign;
        self.count += 1;
    }

    fn flush(&mut self, lines: &mut Vec<String>) {
        let Self { sign, count } = std::mem::take(self);
        if count > 0 {
            let plural = if count == 1 { "line" } else { "lines" };
            lines.push(format!("{sign}<{count} {plural} {HIDDEN}"));
        }
    }
}

fn masked(lines: &[MaskedLine], index: usize) -> String {
    // A line that cannot be told from its index must not be shown.
    lines
        .get(index)
        .map_or_else(|| MASK.to_owned(), MaskedLine::shown)
}

/// Shows an old line if it is known to hold no secret; `None` hides it.
fn old_line(line: &str, after: &[MaskedLine], guarded: bool) -> Option<String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    if !guarded {
        return Some(line.to_owned());
    }
    if line.trim().is_empty()
        || after
            .iter()
            .any(|new| !new.has_secret() && new.text() == line)
    {
        return Some(line.to_owned());
    }
    after
        .iter()
        .find(|new| new.has_secret() && new.has_shape_of(line))
        .map(MaskedLine::shown)
}

/// One line of a content, in parts of which some are secret.
struct MaskedLine(Vec<Segment>);

impl MaskedLine {
    fn split(content: &Content) -> Vec<Self> {
        let mut lines = vec![Self(Vec::new())];
        for segment in content.segments() {
            let (text, secret) = match segment {
                Segment::Plain(text) => (text.as_str(), false),
                Segment::Secret(secret) => (secret.expose(), true),
                // Resources with inputs are planned when these are known.
                Segment::Input(_) => continue,
            };
            for (index, part) in text.split('\n').enumerate() {
                if index > 0 {
                    lines.push(Self(Vec::new()));
                }
                let segment = if secret && part.is_empty() && text.contains('\n') {
                    // The end of a secret line, not a secret before or after it.
                    continue;
                } else if secret {
                    Segment::Secret(crate::Secret::new(part))
                } else {
                    Segment::Plain(part.to_owned())
                };
                if let Some(line) = lines.last_mut() {
                    line.0.push(segment);
                }
            }
        }
        lines
    }

    fn has_secret(&self) -> bool {
        self.0
            .iter()
            .any(|segment| matches!(segment, Segment::Secret(_)))
    }

    fn text(&self) -> String {
        Content::of(self.0.clone()).expose()
    }

    fn shown(&self) -> String {
        Content::of(self.0.clone()).masked()
    }

    /// Tells whether a line is this one with other secrets in the same places, and with something plain to know it by.
    fn has_shape_of(&self, line: &str) -> bool {
        let mut rest = line;
        let mut plain_seen = false;
        let mut open = false;
        for segment in &self.0 {
            match segment {
                Segment::Secret(_) | Segment::Input(_) => open = true,
                Segment::Plain(text) if text.is_empty() => {}
                Segment::Plain(text) => {
                    let at = if open {
                        rest.find(text.as_str())
                    } else {
                        rest.starts_with(text.as_str()).then_some(0)
                    };
                    let Some(at) = at else { return false };
                    rest = &rest[at + text.len()..];
                    plain_seen |= !text.trim().is_empty();
                    open = false;
                }
            }
        }
        plain_seen && (open || rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn config(password: &str) -> Content {
        Content::of(vec![
            Segment::Plain("Director {\n  Name = dir\n  Password = \"".into()),
            Segment::Secret(Secret::new(password)),
            Segment::Plain("\"\n}\n".into()),
        ])
    }

    #[test]
    fn a_changed_password_shows_neither_the_old_nor_the_new() {
        let diff = Diff::between(&config("old-one").expose(), &config("new-one")).to_string();
        assert_eq!(
            diff,
            "@@ -1,4 +1,4 @@\n Director {\n   Name = dir\n-  Password = \"<secret>\"\n+  Password = \"<secret>\"\n }\n"
        );
    }

    #[test]
    fn an_old_line_of_another_shape_is_hidden_where_secrets_are() {
        let before = "Director {\n  Passwd old-one\n  Name = dir\n}\n";
        let diff = Diff::between(before, &config("new-one")).to_string();
        assert!(!diff.contains("old-one"), "{diff}");
        assert!(
            diff.contains("-<1 line hidden: may hold a secret>"),
            "{diff}"
        );
    }

    #[test]
    fn a_secret_of_several_lines_is_masked_on_each() {
        let key = Content::of(vec![
            Segment::Plain("key: ".into()),
            Segment::Secret(Secret::new("AAA\nBBB\nCCC")),
            Segment::Plain(";\nend\n".into()),
        ]);
        let diff = Diff::between("", &key).to_string();
        assert_eq!(
            diff,
            "@@ -0,0 +1,4 @@\n+key: <secret>\n+<secret>\n+<secret>;\n+end\n"
        );
    }

    #[test]
    fn a_missing_final_newline_is_said() {
        assert_eq!(
            Diff::plain("a\nb", "a\nb\n").to_string(),
            "@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"
        );
    }

    #[test]
    fn control_characters_cannot_draw_on_the_terminal() {
        assert!(
            Diff::plain("", "\u{1b}[31mred\n")
                .to_string()
                .contains("+\\u{1b}[31mred")
        );
    }
}
