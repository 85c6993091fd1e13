//! What goes wrong while a node becomes a typed value.
//!
//! Serde reports errors without knowing where it is. A [`Fault`] therefore keeps what serde said, and the deserializer
//! that hears of it first turns that into a [`Diagnostic`] at its own node. Owns the wording of all type errors.

use std::fmt;

use serde::de;

use super::node::{Node, shorten};
use super::sources::Mark;
use crate::{Diagnostic, foreign, nearest};

/// Most mistakes for which a nearest name is searched; beyond it a hostile file would cost the square of its size.
pub(super) const HINTED: usize = 50;

/// Most names that a hint lists.
const LISTED: usize = 12;

/// Holds an error of deserialisation, first as serde said it, then as a placed diagnostic.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Box<Kind>,
    /// The entry of the outermost struct that the error is in.
    pub(super) entry: Option<String>,
}

#[derive(Debug)]
enum Kind {
    Custom(String),
    Mismatch(String),
    UnknownField(String, &'static [&'static str]),
    UnknownVariant(String, &'static [&'static str]),
    Missing(&'static str),
    Placed(Diagnostic),
}

impl Fault {
    fn of(kind: Kind) -> Self {
        Self {
            kind: Box::new(kind),
            entry: None,
        }
    }

    /// Names the field that is missing or unknown in the struct that is being read, if that is what is wrong.
    pub(super) fn missing(&self) -> Option<&'static str> {
        if let Kind::Missing(field) = *self.kind {
            Some(field)
        } else {
            None
        }
    }

    /// Says that the error is about the value at a node, unless its place is known more exactly.
    pub(super) fn at(self, node: &Node, hide: bool) -> Self {
        let place = || {
            if hide {
                node.mark.masked()
            } else {
                node.mark.place()
            }
        };
        let hide = hide || node.mark.source().is_private();
        let diagnostic = match *self.kind {
            Kind::Placed(diagnostic) => diagnostic,
            Kind::Custom(_) | Kind::Mismatch(_) if hide && self.is_custom() => Diagnostic::at(
                place(),
                format!("this value is not acceptable: {}", node.describe(true)),
            ),
            Kind::Custom(message) => {
                let found = Diagnostic::of_check(&message);
                Diagnostic {
                    place: Some(place()),
                    message: quote(found.message, node),
                    ..found
                }
            }
            Kind::Mismatch(expected) => {
                let found = node.describe(hide);
                let diagnostic =
                    Diagnostic::at(place(), format!("expected {expected}, found {found}"));
                match remedy(&expected, node) {
                    Some(hint) => diagnostic.hint(hint),
                    None => diagnostic,
                }
            }
            Kind::UnknownField(field, known) => unknown(&node.mark, "field", &field, known),
            Kind::UnknownVariant(variant, known) => unknown(&node.mark, "value", &variant, known),
            Kind::Missing(field) => Diagnostic::at(place(), format!("missing field '{field}'")),
        };
        Self {
            kind: Box::new(Kind::Placed(diagnostic)),
            entry: self.entry,
        }
    }

    /// Says that the error is about a name.
    pub(super) fn at_key(self, mark: &Mark) -> Self {
        let diagnostic = match *self.kind {
            Kind::Placed(diagnostic) => diagnostic,
            Kind::UnknownField(field, known) => unknown(mark, "field", &field, known),
            Kind::UnknownVariant(variant, known) => unknown(mark, "value", &variant, known),
            Kind::Custom(message) => Diagnostic {
                place: Some(mark.place()),
                ..Diagnostic::of_check(&message)
            },
            Kind::Mismatch(expected) => {
                Diagnostic::at(mark.place(), format!("expected {expected}, found a name"))
            }
            Kind::Missing(field) => {
                Diagnostic::at(mark.place(), format!("missing field '{field}'"))
            }
        };
        Self {
            kind: Box::new(Kind::Placed(diagnostic)),
            entry: self.entry,
        }
    }

    /// Attributes the error to an entry of the struct that is being read.
    pub(super) fn within(mut self, entry: &str) -> Self {
        self.entry = Some(entry.to_owned());
        self
    }

    /// Gives what is to be shown.
    pub(super) fn into_diagnostic(self) -> Diagnostic {
        match *self.kind {
            Kind::Placed(diagnostic) => diagnostic,
            Kind::Custom(message) => Diagnostic::of_check(&message),
            Kind::Mismatch(expected) => Diagnostic::new(format!("expected {expected}")),
            Kind::UnknownField(name, _) | Kind::UnknownVariant(name, _) => {
                Diagnostic::new(format!("unknown name '{name}'"))
            }
            Kind::Missing(field) => Diagnostic::new(format!("missing field '{field}'")),
        }
    }

    fn is_custom(&self) -> bool {
        matches!(*self.kind, Kind::Custom(_))
    }
}

/// Adds what was found to a message that does not quote it yet.
fn quote(message: String, node: &Node) -> String {
    match node.as_str() {
        Some(text) if !message.contains(&shorten(text)) => {
            format!("{message}: '{}'", shorten(text))
        }
        _ => message,
    }
}

fn unknown(mark: &Mark, what: &str, name: &str, known: &'static [&'static str]) -> Diagnostic {
    let diagnostic = Diagnostic::at(mark.place(), format!("unknown {what} '{}'", shorten(name)));
    let meant = match what {
        "value" => foreign::value(name).map(str::to_owned),
        _ => foreign::variable(name),
    };
    if let Some(hint) = meant {
        return diagnostic.hint(hint);
    }
    suggest(diagnostic, name, known.iter().copied())
}

/// Adds the nearest of the known names as a hint, or lists them if there are few.
pub(crate) fn suggest<'a>(
    diagnostic: Diagnostic,
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Diagnostic {
    if let Some(near) = nearest(name, known.clone()) {
        return diagnostic.hint(format!("did you mean '{near}'?"));
    }
    let known: Vec<&str> = known.into_iter().take(LISTED + 1).collect();
    if known.is_empty() || known.len() > LISTED {
        return diagnostic;
    }
    diagnostic.hint(format!("known are: {}", known.join(", ")))
}

/// Translates serde's and Rust's words for what was expected into those of a person who writes YAML.
fn expectation(expected: &str, range: bool) -> String {
    let limits = match expected {
        "u8" => Some("from 0 to 255"),
        "u16" => Some("from 0 to 65535"),
        "a nonzero u16" => Some("from 1 to 65535"),
        "u32" | "u64" | "u128" | "usize" => Some("that is not negative"),
        "i8" => Some("from -128 to 127"),
        "i16" | "i32" | "i64" | "i128" | "isize" => Some("of reasonable size"),
        _ => None,
    };
    match (expected, limits) {
        (_, Some(limits)) if range => format!("a number {limits}"),
        (_, Some(_)) | ("f32" | "f64", None) => "a number".to_owned(),
        ("a boolean", None) => "true or false".to_owned(),
        ("a string" | "a borrowed string" | "str", None) => "a string".to_owned(),
        ("a sequence" | "a set", None) => "a list".to_owned(),
        ("IP address" | "IPv4 address" | "IPv6 address", None) => format!("an {expected}"),
        ("a map", None) => "a mapping".to_owned(),
        (other, None) if other.starts_with("struct ") => "a mapping".to_owned(),
        (other, None) => other.to_owned(),
    }
}

fn remedy(expected: &str, node: &Node) -> Option<&'static str> {
    use super::node::Value;
    match (&node.value, expected) {
        (Value::String(text), "true or false")
            if matches!(text.to_lowercase().as_str(), "yes" | "no" | "on" | "off") =>
        {
            Some("write true or false")
        }
        (Value::Bool(_) | Value::Integer(_) | Value::Float(_), "a string") => {
            Some("put it in quotes")
        }
        (Value::String(_), "a list") => Some("write [a, b], or one '- item' on each line"),
        (
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_)
            | Value::Mapping(_)
            | Value::Filled(_)
            | Value::Either(..),
            _,
        ) => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            Kind::Custom(message) => f.write_str(message),
            Kind::Mismatch(expected) => write!(f, "expected {expected}"),
            Kind::UnknownField(name, _) => write!(f, "unknown field '{name}'"),
            Kind::UnknownVariant(name, _) => write!(f, "unknown value '{name}'"),
            Kind::Missing(field) => write!(f, "missing field '{field}'"),
            Kind::Placed(diagnostic) => diagnostic.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::of(Kind::Custom(message.to_string()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Mismatch(expectation(&expected.to_string(), false)))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Mismatch(expectation(&expected.to_string(), true)))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Self::of(Kind::Custom(format!(
            "expected {expected}, found {length} items"
        )))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Kind::UnknownVariant(variant.to_owned(), expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Kind::UnknownField(field.to_owned(), expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Kind::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Kind::Custom(format!(
            "field '{field}' is given under two names"
        )))
    }
}
