//! Reads YAML text into [`Node`]s.
//!
//! The parser is granit-parser, which serde-saphyr re-exports: its events carry positions. Owns what a plain scalar
//! means (YAML 1.2 core schema). Refuses what configuration does not need and what makes hostile files dangerous:
//! anchors and aliases, tags, directives, further documents, duplicate keys, keys that are not plain names, more than
//! [`MAX_BYTES`] or [`MAX_DEPTH`]. Numbers with leading zeros stay texts: `007` is a password more often than a seven.

use std::collections::HashSet;
use std::sync::Arc;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, options};

use super::node::{Key, Node, Value, shorten};
use super::sources::{Mark, Source};
use crate::{Diagnostic, Place, raw};

/// Largest file that is read.
pub const MAX_BYTES: usize = 8 << 20;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 32;

/// Reads bytes that claim to be UTF-8, and says where they are not.
pub(super) fn text(name: &str, bytes: &[u8]) -> Result<String, Diagnostic> {
    if bytes.len() > MAX_BYTES {
        return Err(Diagnostic::at(
            Place::file(name),
            format!(
                "is {} bytes long, at most {MAX_BYTES} are read",
                bytes.len()
            ),
        ));
    }
    std::str::from_utf8(bytes)
        .map(ToOwned::to_owned)
        .map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let last = before.rsplit('\n').next().unwrap_or_default();
            let place = Place {
                file: name.to_owned(),
                line: before.matches('\n').count() + 1,
                column: last.chars().count() + 1,
                text: None,
            };
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            Diagnostic::at(place, format!("is not UTF-8 here: found byte 0x{byte:02x}"))
                .hint("save the file as UTF-8")
        })
}

/// Parses the bytes of a file; of a private one, mistakes show no values.
pub(crate) fn parse_bytes(name: &str, bytes: &[u8], private: bool) -> Result<Node, Diagnostic> {
    let text = text(name, bytes)?;
    parse(&Source::new(name, text, private))
}

/// Reads a document. An empty one is [`Value::Null`].
pub fn parse(source: &Arc<Source>) -> Result<Node, Diagnostic> {
    let options = options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut reader = Reader {
        source,
        parser: Parser::new_from_str_with_options(source.text(), options),
    };
    let document = reader.document();
    // A word of one's own helps more than the position of the parser's despair.
    document.map_err(|mistake| explain(source, mistake))
}

/// Walks through the parser's events.
struct Reader<'s> {
    source: &'s Arc<Source>,
    parser: Parser<'s, StrInput<'s>>,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's events may become more; what is not known here is refused"
)]
impl<'s> Reader<'s> {
    fn document(&mut self) -> Result<Node, Diagnostic> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.refuse(&span, "a file holds one document, found another"));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                node => root = Some(self.node(node, &span, 0)?),
            }
        }
        Ok(root.unwrap_or_else(|| Node {
            value: Value::Null,
            mark: Mark::new(self.source, 1, 1),
        }))
    }

    fn next(&mut self) -> Result<Option<(Event<'s>, Span)>, Diagnostic> {
        match self.parser.next_event() {
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => Err(self.scan_error(&error)),
            None => Ok(None),
        }
    }

    fn node(&mut self, event: Event<'s>, span: &Span, depth: usize) -> Result<Node, Diagnostic> {
        let mark = self.mark(span);
        if depth > MAX_DEPTH {
            return Err(self.refuse(span, &format!("nested deeper than {MAX_DEPTH} levels")));
        }
        if event.tag().is_some() {
            let at = span.tag_start.unwrap_or(span.start);
            let mistake = self.refuse(&Span::empty(at), "tags ('!...') are not supported");
            return Err(mistake.hint("a text that begins with '!' needs quotes"));
        }
        if event.anchor_id().is_some_and(|id| id != 0) {
            return Err(self.refuse(span, "anchors ('&...') are not supported"));
        }
        let value = match event {
            Event::Scalar(text, ..) if text.contains(|c| raw::byte_of(c).is_some()) => {
                return Err(self
                    .refuse(span, "the characters from U+10FF80 on are prov's own")
                    .hint("remove them; they are for private use and mean nothing to others"));
            }
            Event::Scalar(text, style, ..) => scalar(&text, style),
            Event::SequenceStart(..) => self.sequence(depth)?,
            Event::MappingStart(..) => self.mapping(depth)?,
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                return Err(self
                    .refuse(span, "aliases ('*...') are not supported")
                    .hint("a text that begins with '*' needs quotes"));
            }
            _ => return Err(self.refuse(span, "expected a value")),
        };
        Ok(Node { value, mark })
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
        Ok(Value::Sequence(items))
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Diagnostic> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.key(event, &span)?;
            if !seen.insert(key.text.clone()) {
                let first = entries.iter().find(|(first, _)| first.text == key.text);
                let mistake =
                    self.refuse(&span, &format!("duplicate key '{}'", shorten(&key.text)));
                return Err(match first {
                    Some((first, _)) => mistake.hint(format!("first set at {}", first.mark)),
                    None => mistake,
                });
            }
            let Some((event, span)) = self.next()? else {
                break;
            };
            let node = self.node(event, &span, depth + 1)?;
            entries.push((key, node));
        }
        Ok(Value::Mapping(entries))
    }

    fn key(&self, event: Event<'s>, span: &Span) -> Result<Key, Diagnostic> {
        let plain = event.tag().is_none() && event.anchor_id().is_none_or(|id| id == 0);
        match event {
            Event::Scalar(text, ..) if text == "<<" => {
                Err(self.refuse(span, "merge keys ('<<') are not supported"))
            }
            Event::Scalar(text, ..) if plain && !text.is_empty() => Ok(Key {
                text: text.into_owned(),
                mark: self.mark(span),
            }),
            _ => Err(self
                .refuse(span, "a key must be a name")
                .hint("a text that begins with '{' or '[' needs quotes")),
        }
    }

    fn mark(&self, span: &Span) -> Mark {
        Mark::new(self.source, span.start.line(), span.start.col() + 1)
    }

    fn refuse(&self, span: &Span, message: &str) -> Diagnostic {
        Diagnostic::at(self.mark(span).place(), message)
    }

    fn scan_error(&self, error: &ScanError) -> Diagnostic {
        let at = error.marker();
        let mark = Mark::new(self.source, at.line(), at.col() + 1);
        Diagnostic::at(mark.place(), format!("not valid YAML: {}", error.info()))
    }
}

/// Adds a hint where the cause of a syntax error is a well-known one.
fn explain(source: &Source, mistake: Diagnostic) -> Diagnostic {
    if mistake.hint.is_some() || !mistake.message.starts_with("not valid YAML") {
        return mistake;
    }
    let Some(place) = &mistake.place else {
        return mistake;
    };
    // The parser may notice a tab only on the line after it.
    let lines = source
        .text()
        .lines()
        .skip(place.line.saturating_sub(2))
        .take(2);
    let tab = lines
        .map(|line| line.split(|c: char| c != ' ' && c != '\t').next())
        .any(|indent| indent.is_some_and(|indent| indent.contains('\t')));
    if tab {
        mistake.hint("indent with spaces, YAML does not allow tabs")
    } else {
        mistake.hint(
            "check the indentation, the colons and the quotes on this line and the one before",
        )
    }
}

/// Decides what a scalar means.
pub(super) fn scalar(text: &str, style: ScalarStyle) -> Value {
    match style {
        ScalarStyle::Plain => plain(text),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Value::String(text.to_owned()),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hex) = text.strip_prefix("0x") {
        // A sign after the prefix is Rust's idea of a number, not YAML's.
        let all = hex.chars().all(|c| c.is_ascii_hexdigit());
        return i128::from_str_radix(hex, 16)
            .ok()
            .filter(|_| all)
            .map(Value::Integer);
    }
    if digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") {
        return None;
    }
    if digits.chars().all(|c| c.is_ascii_digit()) {
        return text.parse().ok().map(Value::Integer);
    }
    let fractional = digits
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let value: f64 = text.parse().ok().filter(|_| fractional)?;
    value.is_finite().then_some(Value::Float(value))
}
