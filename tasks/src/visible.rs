//! Text of hosts and of others, so that it can be shown to people: nothing of it moves the cursor, turns the direction of what
//! follows, or is there without being seen.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::raw;

/// What is written out: controls (Cc), formats such as direction, zero-width and tags (Cf), separators of lines and paragraphs,
/// whatever else is shown as nothing, and what stands for a byte. Blanks and tabs are seen.
static UNSEEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\x{10ff80}-\x{10ffff}]--[\t]]").ok()
});

/// Writes characters that cannot be seen, or that would draw on the terminal, as `\u{…}`, and bytes that are no text in
/// UTF-8 (see [`raw`]) as `\xff`.
///
/// ```
/// assert_eq!(tasks::visible("a\u{202e}b\u{1b}[31m"), "a\\u{202e}b\\u{1b}[31m");
/// assert_eq!(tasks::visible("tab\tä→"), "tab\tä→");
/// ```
#[must_use]
pub fn visible(text: &str) -> String {
    let Some(unseen) = UNSEEN.as_ref() else {
        return text.escape_default().to_string();
    };
    let written = |found: &Captures<'_>| match found[0].chars().next().and_then(raw::byte_of) {
        Some(byte) => format!("\\x{byte:02x}"),
        None => found[0].escape_default().to_string(),
    };
    unseen.replace_all(text, written).into_owned()
}

/// The same for several lines: ends of lines stay.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| visible(line.strip_suffix('\r').unwrap_or(line)))
        .collect();
    lines.join("\n")
}

/// The same for bytes.
#[must_use]
pub fn visible_bytes(bytes: &[u8]) -> String {
    visible(&raw::text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_out() {
        for c in [
            '\u{0}',
            '\u{7}',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{feff}',
            '\u{fff9}',
            '\u{110bd}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
        ] {
            let shown = visible(&format!("a{c}b"));
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        assert_eq!(visible("a\r\nb"), "a\\r\\nb");
        assert_eq!(visible_bytes(b"caf\xe9 \xff"), "caf\\xe9 \\xff");
        assert_eq!(visible_lines("a\r\nb\u{202e}\n"), "a\nb\\u{202e}\n");
    }

    #[test]
    fn what_can_be_seen_stays() {
        let text = "Grüße, 世界 → ✓\t{}[] Ελληνικά עברית";
        assert_eq!(visible(text), text);
    }
}
