//! Values that remember where they were written.
//!
//! A [`Node`] is what YAML says, nothing more: it knows no types of the estate (`de` gives it those) and no variables.
//! Neither a node nor anything in it can be printed by accident: `Debug` shows kind and place, never the value, since
//! one cannot see from a value whether it is a password.

use std::fmt;

use super::sources::Mark;
use crate::Diagnostic;
use crate::content::Content;

/// Longest value that a message quotes in full.
const QUOTED: usize = 60;

/// What a text is called of which parts are secret.
pub(super) const FILLED: &str = "a text with a secret";

/// Holds a value and the place where it was written.
#[derive(Clone)]
pub struct Node {
    pub(crate) value: Value,
    pub(crate) mark: Mark,
}

/// Holds what a YAML document says at one place.
#[derive(Clone)]
pub enum Value {
    /// Nothing: an empty value, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in the order in which it was written.
    Mapping(Vec<(Key, Node)>),
    /// A text that a role of an estate made, of which parts are secret; only fields that are made for it take it.
    Filled(Content),
    /// A truth value or a number that a role of an estate made, and the same as a text: the field decides.
    Either(Box<Value>, String),
}

/// Names an entry of a mapping and the place of the name.
#[derive(Clone)]
pub struct Key {
    pub(crate) text: String,
    pub(crate) mark: Mark,
}

impl Key {
    /// Gives the name.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Points at the name.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Node {
    /// Gives the value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Points at the value.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Gives the text, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// Finds an entry of a mapping.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entries()
            .ok()?
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, node)| node)
    }

    /// Lists the entries of a mapping; nothing counts as an empty one.
    pub(crate) fn entries(&self) -> Result<&[(Key, Self)], Diagnostic> {
        match &self.value {
            Value::Mapping(entries) => Ok(entries),
            Value::Null => Ok(&[]),
            Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Filled(_)
            | Value::Either(..) => Err(self.mismatch("a mapping")),
        }
    }

    /// Lists names: a list of texts, or one text alone. A mistake in one does not hide the others.
    pub(crate) fn names(&self) -> (Vec<(&str, &Mark)>, Vec<Diagnostic>) {
        let items = match &self.value {
            Value::Sequence(items) => items.as_slice(),
            Value::Null => &[],
            Value::String(_)
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Mapping(_)
            | Value::Filled(_)
            | Value::Either(..) => std::slice::from_ref(self),
        };
        let (mut names, mut mistakes) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match item.as_str() {
                Some(name) => names.push((name, &item.mark)),
                None => mistakes.push(item.mismatch("a name or a list of names")),
            }
        }
        (names, mistakes)
    }

    /// Describes a value of another kind than was expected.
    pub(crate) fn mismatch(&self, expected: &str) -> Diagnostic {
        Diagnostic::at(
            self.mark.place(),
            format!("expected {expected}, found {}", self.describe(false)),
        )
    }

    /// Describes the value for a message; quotes it unless it must stay hidden.
    pub(crate) fn describe(&self, hide: bool) -> String {
        let hide = hide || self.mark.source().is_private();
        match &self.value {
            Value::Filled(_) => FILLED.to_owned(),
            Value::Either(_, _) if hide => "a value".to_owned(),
            Value::Either(_, text) => format!("'{}'", shorten(text)),
            Value::Null => "nothing".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Bool(_) if hide => "a truth value".to_owned(),
            Value::Integer(_) | Value::Float(_) if hide => "a number".to_owned(),
            Value::String(_) if hide => "a string".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => format!("number {value}"),
            Value::Float(value) => format!("number {value}"),
            Value::String(text) => format!("string '{}'", shorten(text)),
        }
    }
}

/// Cuts a text to what one line can show.
pub(crate) fn shorten(text: &str) -> String {
    let line = text
        .escape_debug()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"");
    if line.chars().count() <= QUOTED {
        return line;
    }
    let mut short: String = line.chars().take(QUOTED).collect();
    short.push('…');
    short
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.describe(true), self.mark)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::MASK)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.text, self.mark)
    }
}
