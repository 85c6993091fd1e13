//! The types that a role of an estate gives its variables.
//!
//! Owns what each type accepts, and how it is described in the reference. Refuses to convert: a number is not a text.

use std::net::IpAddr;
use std::num::NonZeroU16;

use serde_json::{Map, Value as Json, json};

use crate::Secret;
use crate::content::Placeholders;
use crate::diagnostic::{Diagnostic, nearest};
use crate::estate::{Node, Value, from_node};
use crate::value::{AccountName, DomainName, HostPath, Network, Timespan};

/// Longest text that a variable may hold.
const LONGEST: usize = 64 << 10;

/// A type of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Line,
    Word,
    Number,
    Bool,
    Domain,
    Address,
    Network,
    Path,
    Account,
    Port,
    Duration,
    Time,
    Secret,
    List(Box<Type>),
    Map(Box<Type>),
    OneOf(Vec<String>),
}

/// The types that consist of one word.
const WORDS: [(&str, Type); 14] = [
    ("text", Type::Text),
    ("line", Type::Line),
    ("word", Type::Word),
    ("number", Type::Number),
    ("bool", Type::Bool),
    ("domain", Type::Domain),
    ("address", Type::Address),
    ("network", Type::Network),
    ("path", Type::Path),
    ("account", Type::Account),
    ("port", Type::Port),
    ("duration", Type::Duration),
    ("time", Type::Time),
    ("secret", Type::Secret),
];

impl Type {
    /// Reads the name of a type; gives what is wrong with it, and the nearest word.
    pub(super) fn named(text: &str) -> Result<Self, (String, Option<String>)> {
        Self::nested(text.trim(), 0)
    }

    fn nested(text: &str, depth: usize) -> Result<Self, (String, Option<String>)> {
        if depth > 4 {
            return Err(("a type is nested at most four times".to_owned(), None));
        }
        if let Some((_, found)) = WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(found.clone());
        }
        if let Some(inner) = text.strip_prefix("list of ") {
            return Ok(Self::List(Box::new(Self::nested(inner.trim(), depth + 1)?)));
        }
        if let Some(inner) = text.strip_prefix("map of ") {
            return Ok(Self::Map(Box::new(Self::nested(inner.trim(), depth + 1)?)));
        }
        if let Some(words) = text.strip_prefix("one of ") {
            let words = words.split([',', ' ', '|']).map(str::trim);
            let words: Vec<_> = words
                .filter(|word| !word.is_empty() && *word != "or")
                .collect();
            if words.len() > 1 {
                return Ok(Self::OneOf(words.into_iter().map(str::to_owned).collect()));
            }
            return Err((
                "'one of' names the words between which there is a choice".to_owned(),
                Some(
                    "for instance: one of low or high (a comma would end it inside of braces)"
                        .to_owned(),
                ),
            ));
        }
        let words = WORDS.iter().map(|(word, _)| *word);
        let hint = match nearest(text, words.clone().chain(["list of text", "map of text"])) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!(
                "the types are: {}, list of TYPE, map of TYPE, one of WORD or WORD",
                words.collect::<Vec<_>>().join(", ")
            ),
        };
        Err((
            format!("there is no type '{}'", crate::estate::shorten(text)),
            Some(hint),
        ))
    }

    /// Tells whether values of the type are secret, or hold secrets.
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Self::Secret => true,
            Self::List(inner) | Self::Map(inner) => inner.is_secret(),
            Self::Text
            | Self::Line
            | Self::Word
            | Self::Number
            | Self::Bool
            | Self::Domain
            | Self::Address
            | Self::Network
            | Self::Path
            | Self::Account
            | Self::Port
            | Self::Duration
            | Self::Time
            | Self::OneOf(_) => false,
        }
    }

    /// Reads a value for expressions; secrets are replaced by what stands for them.
    pub(super) fn read(
        &self,
        node: &Node,
        places: &mut Placeholders,
        mistakes: &mut Vec<Diagnostic>,
    ) -> Json {
        let read = match self {
            Self::List(inner) => {
                if let Value::Sequence(items) = &node.value {
                    return items
                        .iter()
                        .map(|item| inner.read(item, places, mistakes))
                        .collect();
                }
                Err(node
                    .mismatch("a list")
                    .hint("write [a, b], or one '- item' on each line"))
            }
            Self::Map(inner) => match node.entries() {
                Ok(entries) if !matches!(node.value, Value::Null) => {
                    let read = entries.iter().map(|(key, node)| {
                        if Placeholders::is_forged(&key.text) {
                            mistakes.push(forged(node));
                        }
                        (key.text.clone(), inner.read(node, places, mistakes))
                    });
                    return Json::Object(read.collect::<Map<_, _>>());
                }
                Ok(_) => Err(node.mismatch("a mapping")),
                Err(mistake) => Err(mistake),
            },
            Self::Text => text(node).map(Json::from),
            Self::Line => of_form(node, is_line, LINE).map(Json::from),
            Self::Word => of_form(node, is_word, WORD).map(Json::from),
            Self::Number => number(node),
            Self::Bool => from_node::<bool>(node).map(Json::from),
            Self::Domain => from_node::<DomainName>(node).map(|it| it.to_string().into()),
            Self::Address => from_node::<IpAddr>(node).map(|it| it.to_string().into()),
            Self::Network => from_node::<Network>(node).map(|it| it.to_string().into()),
            Self::Path => from_node::<HostPath>(node).map(|it| it.to_string().into()),
            Self::Account => from_node::<AccountName>(node).map(|it| it.to_string().into()),
            Self::Port => from_node::<NonZeroU16>(node).map(|it| it.get().into()),
            Self::Duration => duration(node).map(Json::from),
            Self::Time => of_form(node, is_time, TIME).map(Json::from),
            Self::Secret => from_node::<Secret>(node).map(|secret| places.hide(&secret).into()),
            Self::OneOf(words) => one_of(node, words).map(Json::from),
        };
        read.unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            Json::Null
        })
    }

    /// Describes the type for the reference and for editors.
    pub(super) fn schema(&self) -> Json {
        let format = |format: &str| json!({ "type": "string", "format": format });
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": "number" }),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Domain => format("domain"),
            Self::Address => format("ip"),
            Self::Network => format("network"),
            Self::Path => format("path"),
            Self::Account => format("account"),
            Self::Port => {
                json!({ "type": "integer", "minimum": 1, "maximum": 65535, "format": "port" })
            }
            Self::Duration => format("duration"),
            Self::Line => format("line"),
            Self::Word => format("word"),
            Self::Time => format("time"),
            Self::Secret => format("secret"),
            Self::List(inner) => json!({ "type": "array", "items": inner.schema() }),
            Self::Map(inner) => json!({ "type": "object", "additionalProperties": inner.schema() }),
            Self::OneOf(words) => json!({ "type": "string", "enum": words }),
        }
    }
}

fn forged(node: &Node) -> Diagnostic {
    Diagnostic::at(
        node.mark.place(),
        "this has a private-use character that prov uses itself",
    )
    .hint("remove the characters U+F8F0 and U+F8F1 from it")
}

fn number(node: &Node) -> Result<Json, Diagnostic> {
    if let Value::Float(number) = &node.value {
        return Ok(json!(number));
    }
    let Value::Integer(number) = &node.value else {
        return Err(node.mismatch("a number"));
    };
    let number = i64::try_from(*number).map(Json::from);
    number.map_err(|_| node.mismatch("a number of reasonable size"))
}

fn text(node: &Node) -> Result<String, Diagnostic> {
    let text: String = from_node(node)?;
    if Placeholders::is_forged(&text) {
        return Err(forged(node));
    }
    if text.len() > LONGEST {
        return Err(Diagnostic::at(
            node.mark.place(),
            format!("a variable holds at most {} KiB", LONGEST >> 10),
        )
        .hint("make it a file of the role"));
    }
    Ok(text)
}

/// What a text must be that is put into a line of a configuration.
const LINE: &str = "one line: no line breaks and no other control characters";
/// What a text must be that nothing of a configuration can take for more than a word.
const WORD: &str =
    "a word: letters, digits and any of . _ - + @ : / , = ~ *, and no - at its beginning";
/// What a time of day is.
const TIME: &str = "a time of day, for instance 04:30";

fn is_line(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

fn is_word(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || "._-+@:/,=~*".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(word)
}

fn is_time(text: &str) -> bool {
    let below = |part: &str, most: u8| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits && part.parse().is_ok_and(|number: u8| number < most)
    };
    text.split_once(':')
        .is_some_and(|(hours, minutes)| below(hours, 24) && below(minutes, 60))
}

/// Reads a text that must be of a form, which is said where it is not.
fn of_form(node: &Node, is: fn(&str) -> bool, form: &str) -> Result<String, Diagnostic> {
    let given = text(node)?;
    if is(&given) {
        return Ok(given);
    }
    Err(node.mismatch(form))
}

fn duration(node: &Node) -> Result<String, Diagnostic> {
    let given = text(node)?;
    match Timespan::new(&given) {
        Ok(_) => Ok(given),
        Err(found) => Err(Diagnostic {
            place: Some(node.mark.place()),
            ..Diagnostic::of_check(&found)
        }),
    }
}

fn one_of(node: &Node, words: &[String]) -> Result<String, Diagnostic> {
    let given = text(node)?;
    if words.contains(&given) {
        return Ok(given);
    }
    let shown = crate::estate::shorten(&given);
    Err(crate::estate::suggest(
        Diagnostic::at(
            node.mark.place(),
            format!("'{shown}' is none of the words that it may be"),
        ),
        &given,
        words.iter().map(String::as_str),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::{Source, parse};

    fn read(kind: &str, text: &str) -> Result<Json, String> {
        let node = parse(&Source::new("r", text, false)).unwrap();
        let mut mistakes = Vec::new();
        let value =
            Type::named(kind)
                .unwrap()
                .read(&node, &mut Placeholders::default(), &mut mistakes);
        match mistakes.first() {
            None => Ok(value),
            Some(mistake) => Err(mistake.to_string()),
        }
    }

    #[test]
    fn every_type_accepts_its_own_and_refuses_the_rest() {
        for (kind, good, bad) in [
            ("text", "a b", "1"),
            ("line", "a 'b' # c", "\"a\\nb\""),
            ("word", "0.debian.pool.ntp.org", "a#b"),
            ("number", "1.5", "x"),
            ("bool", "true", "yes"),
            ("domain", "a.example", "a b"),
            ("address", "192.0.2.1", "192.0.2"),
            ("network", "10.0.0.0/8", "10.0.0.0/99"),
            ("path", "/etc/x", "etc/x"),
            ("account", "me", "-me"),
            ("port", "443", "70000"),
            ("duration", "5min", "5 parsecs"),
            ("time", "'04:30'", "'24:00'"),
            ("secret", "hunter2", "[a]"),
            ("list of port", "[1, 2]", "[1, x]"),
            ("map of text", "{a: b}", "[a]"),
            ("one of low, high", "low", "hgih"),
        ] {
            assert!(read(kind, good).is_ok(), "{kind}: {good}");
            let mistake = read(kind, bad).unwrap_err();
            assert!(mistake.starts_with("r:1:"), "{kind}: {mistake}");
            assert!(Type::named(kind).unwrap().schema()["type"].is_string());
        }
    }

    #[test]
    fn a_type_that_there_is_not_is_answered_with_the_nearest() {
        let (message, hint) = Type::named("adress").unwrap_err();
        assert_eq!(
            (message.as_str(), hint.as_deref()),
            ("there is no type 'adress'", Some("did you mean 'address'?"))
        );
        assert!(Type::named("list of nothing").is_err());
        assert!(Type::named("one of x").is_err());
        assert!(Type::named(&"list of ".repeat(1000)).is_err());
    }
}
