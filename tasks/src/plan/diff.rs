//! Unified diffs that never show a secret.
//!
//! Lines are compared by their real bytes and shown masked. What a file on the host held before is not ours to
//! know: where the new content holds secrets, an old line is shown only if it can be told that it holds none.

use std::ops::Range;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use similar::{ChangeTag, DiffOp, TextDiff};

use crate::content::{Content, Segment};
use crate::probe::{FileFact, Hidden};
use crate::raw;
use crate::secret::{MASK, hex};
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
    /// secret, and no new line unless it was said what in it is secret. What is no text is shown by size and digest.
    #[must_use]
    pub fn of_text(before: &str, after: &Content, hidden: Hidden) -> Self {
        let text = after.expose();
        if Content::is_binary(&text) || Content::is_binary(before) {
            let old = (!before.is_empty()).then(|| Bytes::of(&raw::bytes(before)));
            return Self::of_bytes(old, after, hidden);
        }
        let Some(window) = Window::of(before, &text) else {
            return Self::of_bytes(Some(Bytes::of(&raw::bytes(before))), after, hidden);
        };
        let guarded = hidden.old || after.has_secrets();
        let shown = after.part(window.new.clone());
        Self::of_lines(
            (&before[window.old], &text[window.new]),
            &MaskedLine::split(&shown),
            window.lines,
            (guarded, hidden.new),
        )
    }

    /// Compares lines, of which those before have this many more before them.
    fn of_lines(
        (before, after): (&str, &str),
        after_lines: &[MaskedLine],
        skipped: usize,
        (guarded, hide_new): (bool, bool),
    ) -> Self {
        let diff = TextDiff::from_lines(before, after);
        let mut lines = Vec::new();
        for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
            lines.push(header(hunk.ops(), skipped));
            let mut hidden = HiddenLines::default();
            for change in hunk.iter_changes() {
                let shown = match (change.tag(), change.new_index()) {
                    (ChangeTag::Delete, _) | (_, None) => {
                        let Some(shown) = old_line(change.value(), after_lines, guarded) else {
                            hidden.add('-', &mut lines);
                            continue;
                        };
                        ('-', shown)
                    }
                    (ChangeTag::Insert, Some(_)) if hide_new => {
                        hidden.add('+', &mut lines);
                        continue;
                    }
                    (ChangeTag::Insert, Some(index)) => ('+', masked(after_lines, index)),
                    (ChangeTag::Equal, Some(index)) => (' ', masked(after_lines, index)),
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
        if let Some(body) = &before.body {
            return Self::of_text(&raw::text(&body.0), after, hidden);
        }
        let old = Bytes {
            size: before.size,
            sha256: before.sha256.clone(),
        };
        Self::of_bytes(Some(old), after, hidden)
    }

    /// Says how large something is, and its digest unless that would help to guess a secret.
    fn of_bytes(before: Option<Bytes>, after: &Content, hidden: Hidden) -> Self {
        let guarded = after.has_secrets();
        let old = before.map(|bytes| bytes.shown('-', hidden.old || guarded));
        let new = Bytes::of(&after.bytes()).shown('+', hidden.new || guarded);
        Self(old.into_iter().chain([new]).collect())
    }

    /// Shows lines that are no text of a file, each beginning with `+` or `-`.
    pub fn list(lines: impl IntoIterator<Item = String>) -> Self {
        Self(lines.into_iter().map(|line| visible(&line)).collect())
    }

    /// Puts the differences of several files together, each after the name of its file.
    pub fn joined(parts: impl IntoIterator<Item = (String, Self)>) -> Self {
        let parts = parts.into_iter().flat_map(|(name, Self(lines))| {
            let name = (!name.is_empty() && !lines.is_empty()).then(|| format!("({name})"));
            name.into_iter().chain(lines)
        });
        Self(parts.collect())
    }

    /// Says something in the place of a diff.
    #[must_use]
    pub fn note(text: &str) -> Self {
        Self(vec![format!("({text})")])
    }

    /// Adds the lines of another comparison.
    pub(super) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
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

/// What is said of bytes that are not shown.
struct Bytes {
    size: u64,
    sha256: Option<String>,
}

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha256: Some(hex(&Sha256::digest(bytes))),
        }
    }

    fn shown(&self, sign: char, hide: bool) -> String {
        let Self { size, sha256 } = self;
        let plural = if *size == 1 { "byte" } else { "bytes" };
        match sha256 {
            _ if hide => format!("{sign}<{size} {plural} {HIDDEN}"),
            Some(digest) => format!("{sign}<{size} {plural}, SHA-256 {digest}>"),
            None => format!("{sign}<{size} {plural}>"),
        }
    }
}

/// Bytes beyond which texts are compared only where they differ, and not at all where that is as much.
const LARGE: usize = 1 << 20;

/// The lines that are compared: all of them, or those of a large text that differ, with some around them.
struct Window {
    old: Range<usize>,
    new: Range<usize>,
    /// How many lines come before.
    lines: usize,
}

impl Window {
    fn of(before: &str, after: &str) -> Option<Self> {
        if before.len().max(after.len()) <= LARGE {
            return Some(Self {
                old: 0..before.len(),
                new: 0..after.len(),
                lines: 0,
            });
        }
        let (old, new) = (before.as_bytes(), after.as_bytes());
        let equal = old.iter().zip(new).take_while(|(old, new)| old == new);
        let start = lines_back(&old[..equal.count()]);
        let (old_rest, new_rest) = (old[start..].iter().rev(), new[start..].iter().rev());
        let equal = old_rest.zip(new_rest).take_while(|(old, new)| old == new);
        let end = lines_on(&old[old.len() - equal.count()..]);
        let window = Self {
            old: start..old.len() - end,
            new: start..new.len() - end,
            lines: before[..start].matches('\n').count(),
        };
        (window.old.len().max(window.new.len()) <= LARGE).then_some(window)
    }
}

/// Gives where the lines begin that are shown before a difference.
fn lines_back(equal: &[u8]) -> usize {
    let ends = equal
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(CONTEXT).unwrap_or(0)
}

/// Gives how many bytes come after the lines that are shown after a difference, of the equal bytes at the end.
fn lines_on(equal: &[u8]) -> usize {
    let mut ends = equal.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(CONTEXT).map_or(0, |(at, _)| equal.len() - at - 1)
}

/// Writes the line that begins a hunk (diffutils, "Detailed Description of Unified Format").
fn header(ops: &[DiffOp], skipped: usize) -> String {
    let range = |all: fn(&DiffOp) -> Range<usize>| {
        let (first, last) = (ops.first().map(all), ops.last().map(all));
        let start = first.map_or(0, |range| range.start) + skipped;
        let end = last.map_or(0, |range| range.end) + skipped;
        match end.saturating_sub(start) {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            count => format!("{},{count}", start + 1),
        }
    };
    format!(
        "@@ -{} +{} @@",
        range(DiffOp::old_range),
        range(DiffOp::new_range)
    )
}

/// Counts lines of one kind that follow each other and are not shown.
#[derive(Default)]
struct HiddenLines {
    sign: char,
    count: usize,
}

impl HiddenLines {
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
    fn what_is_no_text_is_shown_by_its_size_and_digest() {
        let key = Content::plain(raw::text(b"\x7fELF\0\xff\n"));
        let diff = Diff::between("old\n", &key).to_string();
        let lines: Vec<_> = diff.lines().collect();
        assert!(lines[0].starts_with("-<4 bytes, SHA-256 "), "{diff}");
        assert_eq!(
            lines[1],
            format!("+<7 bytes, SHA-256 {}>", key.sha256()),
            "{diff}"
        );
        let hidden = Hidden {
            old: true,
            new: true,
        };
        assert_eq!(
            Diff::of_text("old\n", &key, hidden).to_string(),
            "-<4 bytes hidden: may hold a secret>\n+<7 bytes hidden: may hold a secret>\n"
        );
        // Letters of another encoding are no reason to hide the lines.
        let latin = Content::plain(raw::text(b"caf\xe9\n"));
        assert_eq!(
            Diff::between("", &latin).to_string(),
            "@@ -0,0 +1 @@\n+caf\\xe9\n"
        );
    }

    #[test]
    fn of_a_large_text_only_what_differs_is_compared() {
        use crate::pushln;
        let text = |changed: &str| {
            (0..200_000).fold(String::new(), |mut text, n| {
                let line = if n == 100_000 { changed } else { "same" };
                pushln!(text, "{line} {n}");
                text
            })
        };
        let (before, after) = (text("old"), text("new"));
        assert!(before.len() > LARGE);
        assert_eq!(
            Diff::plain(&before, &after).to_string(),
            "@@ -99998,7 +99998,7 @@\n same 99997\n same 99998\n same 99999\n-old 100000\n+new 100000\n same 100001\n same 100002\n same 100003\n"
        );
        let more = Diff::plain(&before, &(before.clone() + "end\n")).to_string();
        assert_eq!(
            more,
            "@@ -199998,3 +199998,4 @@\n same 199997\n same 199998\n same 199999\n+end\n"
        );
        let first = Diff::plain(&before, &("new\n".to_owned() + &before)).to_string();
        assert_eq!(first, "@@ -1,3 +1,4 @@\n+new\n same 0\n same 1\n same 2\n");
        let all = Diff::plain(&before, &before.replace("same", "other")).to_string();
        assert!(all.starts_with("-<") && all.lines().count() == 2, "{all}");
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
