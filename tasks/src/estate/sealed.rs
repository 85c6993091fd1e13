//! Encrypted private files: which parts of a text are encrypted, what each belongs to, and what stands there when it is
//! open.
//!
//! Such a file is YAML with the keys and the structure of the file that it is made of; in the place of each value, and of each
//! comment, stands `age:` and base64. Owns finding and replacing these parts; whoever has the keys encrypts and decrypts.

use std::ops::Range;

use serde_json::json;
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::node::Value;
use super::sources::{Mark, Source};
use super::yaml::{self, MAX_DEPTH};
use crate::{Diagnostic, Place};

/// What a private file's name ends with when its values are encrypted.
pub const SEALED: &str = ".private.yml.age";

/// What begins an encrypted value.
pub const MARK: &str = "age:";

/// Stands for a value that cannot be decrypted here, wherever only its presence matters: long, and valid base64 of 32 bytes,
/// so that most fields take it.
pub const UNSEEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Tells whether a file is private, encrypted or not.
#[must_use]
pub fn is_private(path: &str) -> bool {
    path.ends_with(".private.yml") || path.ends_with(SEALED)
}

/// A value or a comment in the text of a private file.
#[derive(Clone)]
pub struct Part {
    /// Its bytes in the text.
    pub at: Range<usize>,
    /// Where it stands, without what stands there.
    pub place: Place,
    /// The keys that lead to it, as JSON; an item of a list has an empty list in the place of its number, so that items before it
    /// can come and go. A comment has `null`.
    pub belongs: serde_json::Value,
    /// The value on one line: what is plain as it is written, a text as JSON; or the comment with its `#`.
    pub text: String,
    /// Whether it is written as an encrypted value.
    pub is_sealed: bool,
}

impl Part {
    /// Gives the keys that lead to a value, as a person writes them.
    #[must_use]
    pub fn shown(&self) -> String {
        let Some(keys) = self.belongs.as_array() else {
            return "a comment".to_owned();
        };
        let keys = keys.iter().map(|key| key.as_str().unwrap_or("[]"));
        keys.collect::<Vec<_>>().join(".")
    }

    /// Tells whether it is a comment.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.belongs.is_null()
    }

    /// Gives the ciphertext in base64, if it is written as an encrypted value.
    #[must_use]
    pub fn sealed(&self) -> Option<&str> {
        let text = if self.is_comment() {
            self.text.strip_prefix('#')?.trim()
        } else {
            self.text.trim_matches('"')
        };
        text.strip_prefix(MARK).filter(|_| self.is_sealed)
    }
}

/// Writes a text as a value on one line, in a form that YAML and JSON share.
#[must_use]
pub fn quoted(text: &str) -> String {
    use crate::push;
    let mut all = String::with_capacity(text.len() + 2);
    all.push('"');
    for c in text.chars() {
        match c {
            '"' => all.push_str("\\\""),
            '\\' => all.push_str("\\\\"),
            '\n' => all.push_str("\\n"),
            '\t' => all.push_str("\\t"),
            // What YAML does not take as it is, or takes for the end of a line.
            c if c.is_control()
                || matches!(
                    c,
                    '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                push!(all, "\\u{:04x}", u32::from(c));
            }
            c => all.push(c),
        }
    }
    all.push('"');
    all
}

/// Reads a value that was written on one line.
#[must_use]
pub fn unquoted(text: &str) -> Option<String> {
    let source = Source::new("value", text, true);
    match yaml::parse(&source).ok()?.value {
        Value::String(text) => Some(text),
        Value::Null => Some(String::new()),
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Some(text.to_owned()),
        Value::Sequence(_) | Value::Mapping(_) | Value::Filled(_) | Value::Either(..) => None,
    }
}

/// Finds the values and comments of a private file, in their order. An empty value has nothing to hide and is left out.
pub fn parts(name: &str, bytes: &[u8]) -> Result<Vec<Part>, Diagnostic> {
    let text = yaml::text(name, bytes)?;
    let source = Source::new(name, text, true);
    // Refuses what a file of an estate may not hold.
    yaml::parse(&source)?;
    let options = options! {
        emit_comments: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let parser = Parser::new_from_str_with_options(source.text(), options);
    let mut found = Vec::new();
    let mut above: Vec<Above> = Vec::new();
    let mut before = 0;
    for event in parser {
        let (event, span) = event.map_err(|error| {
            let mark = Mark::new(&source, error.marker().line(), error.marker().col() + 1);
            Diagnostic::at(mark.place(), format!("not valid YAML: {}", error.info()))
        })?;
        step(&source, &event, &span, before, &mut above, &mut found);
        before = before.max(passed(&event, &span));
    }
    found.sort_by_key(|part: &Part| part.at.start);
    // A comment in the head of a block of text goes with the text.
    let mut end = 0;
    found.retain(|part| {
        let apart = part.at.start >= end;
        end = end.max(part.at.end);
        apart
    });
    Ok(found)
}

/// Says how much of the text is certainly before what comes next.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a comment, or the end of something, may come before what is in front of it"
)]
fn passed(event: &Event<'_>, span: &Span) -> usize {
    let bytes = span.byte_range().unwrap_or_default();
    match event {
        Event::Scalar(..) => bytes.end,
        Event::SequenceStart(..) | Event::MappingStart(..) => bytes.start,
        _ => 0,
    }
}

/// Finds `|` or `>`, with which a block of text begins: its span begins with the text.
fn head(text: &str, before: usize, start: usize) -> usize {
    let mut is_comment = false;
    let mut last = ' ';
    for (at, c) in text.get(before..start).unwrap_or_default().char_indices() {
        is_comment = c != '\n' && (is_comment || c == '#' && last.is_whitespace());
        if matches!(c, '|' | '>') && !is_comment {
            return before + at;
        }
        last = c;
    }
    start
}

/// What a value is in.
enum Above {
    List,
    /// A mapping, and the key whose value comes next.
    Mapping(Option<String>),
}

fn step(
    source: &std::sync::Arc<Source>,
    event: &Event<'_>,
    span: &Span,
    before: usize,
    above: &mut Vec<Above>,
    found: &mut Vec<Part>,
) {
    let part = |belongs, text: String, is_sealed| {
        let mut at = span.byte_range()?;
        let is_block =
            |style: &ScalarStyle| matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if matches!(event, Event::Scalar(_, style, ..) if is_block(style)) {
            at.start = head(source.text(), before, at.start);
        }
        let written = source.text().get(at.clone())?.trim_end();
        let at = at.start..at.start + written.len();
        let place = Mark::new(source, span.start.line(), span.start.col() + 1).place();
        Some(Part {
            at,
            place,
            belongs,
            text,
            is_sealed,
        })
        .filter(|part| !part.at.is_empty())
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what else there is has no value, or was refused before"
    )]
    match event {
        Event::Comment(text, _) => {
            let is_sealed = text.trim().starts_with(MARK);
            found.extend(part(serde_json::Value::Null, format!("#{text}"), is_sealed));
        }
        Event::Scalar(text, style, ..) => {
            if let Some(Above::Mapping(key @ None)) = above.last_mut() {
                *key = Some(text.to_string());
                return;
            }
            let keys = above.iter().map(|above| match above {
                Above::List => json!([]),
                Above::Mapping(key) => json!(key),
            });
            let value = match yaml::scalar(text, *style) {
                Value::String(text) => quoted(&text),
                _ => text.to_string(),
            };
            let is_sealed = *style == ScalarStyle::Plain && text.starts_with(MARK);
            found.extend(part(keys.collect(), value, is_sealed));
            ended(above);
        }
        Event::SequenceStart(..) => above.push(Above::List),
        Event::MappingStart(..) => above.push(Above::Mapping(None)),
        Event::SequenceEnd | Event::MappingEnd => {
            above.pop();
            ended(above);
        }
        _ => {}
    }
}

/// Notes that the value of a key is over.
fn ended(above: &mut [Above]) {
    if let Some(Above::Mapping(key)) = above.last_mut() {
        *key = None;
    }
}

/// Writes a text anew with other words in the place of parts.
pub fn replaced(text: &str, parts: &[Part], mut other: impl FnMut(&Part) -> String) -> String {
    let mut all = String::with_capacity(text.len());
    let mut from = 0;
    for part in parts {
        all.push_str(text.get(from..part.at.start).unwrap_or_default());
        all.push_str(&other(part));
        from = part.at.end;
    }
    all.push_str(text.get(from..).unwrap_or_default());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWKWARD: &str = "# why: hunter2\nplain: word # note\n'quoted key': 'it''s'\nempty:\nnil: ~\nnumber: 007\nport: 25\nhex: 0x1F\n\
        lists: [a, {b: \"c\\n\\u0007\"}]\ndeep:\n  list:\n    - one\n    - two: |\n        line 1\n\n        line 2\n    -\n      - folded\n        text\n\
        fold: >-\n  a\n  b\nlast: \"ü ☃ : # \\\"\"";

    fn values(text: &str) -> Vec<(String, String)> {
        let parts = parts("x", text.as_bytes()).unwrap();
        let values = parts.iter().filter(|part| !part.is_comment());
        values
            .map(|part| (part.belongs.to_string(), part.text.clone()))
            .collect()
    }

    #[test]
    fn values_on_one_line_mean_the_same_and_belong_to_the_same_keys() {
        let all = parts("x", AWKWARD.as_bytes()).unwrap();
        let opened = replaced(AWKWARD, &all, |part| part.text.clone());
        assert_eq!(values(&opened), values(AWKWARD));
        assert_eq!(opened.lines().next(), Some("# why: hunter2"));
        insta::assert_snapshot!(opened);
    }

    #[test]
    fn nothing_but_keys_is_left_of_a_text_whose_parts_are_replaced() {
        let all = parts("x", AWKWARD.as_bytes()).unwrap();
        let hidden = replaced(AWKWARD, &all, |part| {
            format!("{}age:AAAA", if part.is_comment() { "# " } else { "" })
        });
        let again = parts("x", hidden.as_bytes()).unwrap();
        assert_eq!(again.len(), all.len());
        assert!(
            again.iter().all(|part| part.sealed() == Some("AAAA")),
            "{hidden}"
        );
        assert!(all.iter().zip(&again).all(|(a, b)| a.belongs == b.belongs));
        for secret in [
            "hunter2", "word", "note", "it'", "007", "25", "line", "folded", "☃",
        ] {
            assert!(!hidden.contains(secret), "{secret}: {hidden}");
        }
    }

    #[test]
    fn texts_survive_being_written_on_one_line() {
        for text in [
            "",
            " ",
            "a: b",
            "'\"\\",
            "\u{7f}\u{85}\u{2028}\u{feff}\r\n\t",
            "age:x",
            "true",
            "☃ ü",
        ] {
            assert_eq!(unquoted(&quoted(text)).as_deref(), Some(text));
        }
    }
}
