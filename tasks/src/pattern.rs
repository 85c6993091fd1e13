//! Regular expressions and the replacements that refer to their groups, as estates write them.
//!
//! Syntax is that of the `regex` crate: matching takes time linear in the text, and therefore look-around and
//! back-references inside a pattern do not exist. Patterns and replacements are checked when an estate is read; what the
//! check finds has its remedy on a line of its own.

use std::borrow::Cow;
use std::fmt;

use regex::{Captures, Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content::Segment;
use crate::secret::Secret;

/// Bytes that a compiled pattern may take.
const COMPILED_LIMIT: usize = 10 << 20;

/// Bytes that the text of a pattern may have.
const TEXT_LIMIT: usize = 10_000;

/// Holds a regular expression. With `LINES`, `^` and `$` match at every line of a text, and `.` matches neither `\n`
/// nor `\r`.
///
/// ```
/// use tasks::pattern::LinePattern;
/// assert!(LinePattern::new("^root:").unwrap().regex().is_match("root: admin"));
/// assert_eq!(
///     LinePattern::new("a(?=b)").unwrap_err().lines().next(),
///     Some("the regular expression 'a(?=b)' is not valid: look-around, including look-ahead and look-behind, is not supported")
/// );
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern<const LINES: bool>(Regex);

/// A pattern that is searched for in one line at a time, without its line ending.
pub type LinePattern = Pattern<false>;

/// A pattern that is searched for in a whole text.
pub type TextPattern = Pattern<true>;

impl<const LINES: bool> Pattern<LINES> {
    /// Checks a pattern.
    pub fn new(text: impl AsRef<str>) -> Result<Self, String> {
        let text = text.as_ref();
        if text.len() > TEXT_LIMIT {
            return Err(format!(
                "a regular expression has {} bytes; {TEXT_LIMIT} are allowed",
                text.len()
            ));
        }
        RegexBuilder::new(text)
            .multi_line(LINES)
            .crlf(LINES)
            .size_limit(COMPILED_LIMIT)
            .build()
            .map(Self)
            .map_err(|error| {
                let error = error.to_string();
                let cause = error
                    .rsplit_once("error: ")
                    .map_or(error.as_str(), |(_, cause)| cause);
                let cause = cause.trim();
                format!(
                    "the regular expression '{text}' is not valid: {cause}\n{}",
                    remedy(text, cause)
                )
            })
    }

    /// Tells whether the pattern is found in every line, the empty one included.
    #[must_use]
    pub fn is_in_every_line(&self) -> bool {
        let ascii: String = (' '..='~').collect();
        let each = ascii.chars().map(String::from);
        // No pattern is made for the first of these.
        ["\u{e000}".to_owned(), String::new(), ascii.repeat(100)]
            .into_iter()
            .chain(each)
            .all(|line| self.0.is_match(&line))
    }

    /// Tells whether the pattern finds emptiness in any text whatever.
    #[must_use]
    pub fn finds_emptiness(&self) -> bool {
        let found = self.0.find("\u{e000}");
        found.is_some_and(|found| found.is_empty())
    }

    /// Gives the pattern's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Gives the compiled pattern.
    #[must_use]
    pub const fn regex(&self) -> &Regex {
        &self.0
    }
}

/// Says what to write in the place of what the syntax does not have.
fn remedy(text: &str, cause: &str) -> &'static str {
    if cause.starts_with("look-around") {
        "match what is around, too, as a group, and put it back: `(a)b` with `\\1c` is what `(?<=a)b` with `c` would be; of words, `\\b` finds the ends"
    } else if cause.starts_with("backreferences") {
        "write out what may stand there twice; in a replacement `\\1` is the first group"
    } else if text.contains(r"\Z") && cause.contains("escape") {
        r"write `\z` for the end of the text, or `$`"
    } else {
        "the syntax is that of https://docs.rs/regex/latest/regex/#syntax; a character that means something there is written after a backslash"
    }
}

impl<const LINES: bool> PartialEq for Pattern<LINES> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl<const LINES: bool> Eq for Pattern<LINES> {}

impl<const LINES: bool> fmt::Debug for Pattern<LINES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}

impl<const LINES: bool> TryFrom<String> for Pattern<LINES> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(text)
    }
}

impl<const LINES: bool> From<Pattern<LINES>> for String {
    fn from(pattern: Pattern<LINES>) -> Self {
        pattern.as_str().to_owned()
    }
}

impl<const LINES: bool> JsonSchema for Pattern<LINES> {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "regex" })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Holds a replacement in Python's notation: `\1` and `\g<1>` stand for numbered groups, `\g<name>` for named ones,
/// `\g<0>` for the whole match, `\n`, `\r` and `\t` for those characters, `\\` for a backslash.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Replacement {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number(usize),
    Name(String),
}

impl Replacement {
    /// Checks a replacement.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some((before, tail)) = rest.split_once('\\') {
            plain.push_str(before);
            let (escape, tail) = Self::escape(tail)
                .ok_or_else(|| format!("the replacement '{text}' has a backslash before something else than a group, n, r, t or a backslash; write a backslash as '\\\\'"))?;
            match escape {
                Part::Text(text) => plain.push_str(&text),
                group @ (Part::Number(_) | Part::Name(_)) => {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                    parts.push(group);
                }
            }
            rest = tail;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { text, parts })
    }

    /// Reads what follows a backslash.
    fn escape(tail: &str) -> Option<(Part, &str)> {
        let first = tail.chars().next()?;
        let rest = &tail[first.len_utf8()..];
        let text = |text: &str| Some((Part::Text(text.to_owned()), rest));
        match first {
            '\\' => text("\\"),
            'n' => text("\n"),
            'r' => text("\r"),
            't' => text("\t"),
            'g' => {
                let (name, rest) = rest.strip_prefix('<')?.split_once('>')?;
                let group = match name.parse() {
                    Ok(number) => Part::Number(number),
                    Err(_) if name.is_empty() => return None,
                    Err(_) => Part::Name(name.to_owned()),
                };
                Some((group, rest))
            }
            '1'..='9' => {
                let two = rest.starts_with(|c: char| c.is_ascii_digit());
                let (digits, rest) = tail.split_at(1 + usize::from(two));
                Some((Part::Number(digits.parse().ok()?), rest))
            }
            _ => None,
        }
    }

    /// Checks that a pattern has every group that the replacement refers to.
    pub fn fits<const LINES: bool>(&self, pattern: &Pattern<LINES>) -> Result<(), String> {
        let regex = pattern.regex();
        let lacking = self.parts.iter().find_map(|part| match part {
            Part::Number(number) if *number >= regex.captures_len() => Some(number.to_string()),
            Part::Name(name) if !regex.capture_names().flatten().any(|n| n == name) => {
                Some(name.clone())
            }
            Part::Text(_) | Part::Number(_) | Part::Name(_) => None,
        });
        match lacking {
            None => Ok(()),
            Some(group) => Err(format!(
                "the replacement '{}' refers to group {group}, which the regular expression '{}' does not have",
                self.text,
                pattern.as_str()
            )),
        }
    }

    /// Puts in what a pattern matched; with `private`, what comes from the matched text is secret. Lines of the replacement
    /// itself end as `ending` says.
    #[must_use]
    pub fn expand(
        &self,
        captures: &Captures<'_>,
        private: bool,
        ending: impl Fn() -> &'static str,
    ) -> Vec<Segment> {
        let matched = |found: Option<regex::Match<'_>>| {
            let text = found.map_or("", |found| found.as_str());
            if private && !text.is_empty() {
                Segment::Secret(Secret::new(text))
            } else {
                Segment::Plain(text.to_owned())
            }
        };
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) if text.contains('\n') && ending() == "\r\n" => {
                    Segment::Plain(text.replace("\r\n", "\n").replace('\n', "\r\n"))
                }
                Part::Text(text) => Segment::Plain(text.clone()),
                Part::Number(number) => matched(captures.get(*number)),
                Part::Name(name) => matched(captures.name(name)),
            })
            .collect()
    }

    /// Gives the replacement's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Replacement {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(text)
    }
}

impl From<Replacement> for String {
    fn from(template: Replacement) -> Self {
        template.text
    }
}

impl JsonSchema for Replacement {
    fn schema_name() -> Cow<'static, str> {
        "Replacement".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;

    fn expand(pattern: &str, template: &str, text: &str) -> String {
        let pattern = LinePattern::new(pattern).unwrap();
        let template = Replacement::new(template).unwrap();
        template.fits(&pattern).unwrap();
        let captures = pattern.regex().captures(text).unwrap();
        Content::of(template.expand(&captures, false, || "\n")).expose()
    }

    #[test]
    fn groups_are_referred_to_as_in_python() {
        assert_eq!(expand("(a)(b)?", r"\2\1$1\\", "a"), r"a$1\");
        assert_eq!(
            expand("(?P<k>[a-z]+)=", r"\g<k>1 \g<0>\t", "key="),
            "key1 key=\t"
        );
        let ten = "(.)".repeat(10);
        assert_eq!(expand(&ten, r"\10\g<1>0", "abcdefghij"), "ja0");
    }

    #[test]
    fn a_replacement_that_means_nothing_is_refused() {
        for bad in [r"\", r"\0", r"\q", r"\g", r"\g<", r"\g<>"] {
            assert!(Replacement::new(bad).is_err(), "{bad} was accepted");
        }
        let pattern = LinePattern::new("(a)").unwrap();
        for bad in [r"\2", r"\g<name>", r"\g<7>"] {
            let error = Replacement::new(bad).unwrap().fits(&pattern);
            assert!(error.unwrap_err().contains("does not have"), "{bad}");
        }
    }

    #[test]
    fn a_pattern_that_would_grow_without_bound_is_refused() {
        assert!(LinePattern::new("a{1000}{1000}{1000}").is_err());
        assert!(LinePattern::new("a".repeat(TEXT_LIMIT + 1)).is_err());
        let error = LinePattern::new("a(").unwrap_err();
        assert_eq!(
            error.lines().next(),
            Some("the regular expression 'a(' is not valid: unclosed group")
        );
    }

    #[test]
    fn what_the_syntax_does_not_have_is_told_with_what_to_write_instead() {
        for (text, remedy) in [
            ("a(?!b)", "as a group"),
            ("(?<=a)b", "as a group"),
            (r"(.)\1", "write out"),
            (r"a\Z", r"`\z`"),
            ("a[", "docs.rs/regex"),
            ("*", "docs.rs/regex"),
        ] {
            let error = LinePattern::new(text).unwrap_err();
            let (_, hint) = error.split_once('\n').unwrap();
            assert!(hint.contains(remedy), "{error}");
        }
    }

    #[test]
    fn patterns_that_tell_nothing_are_told_from_those_that_do() {
        let is = |text: &str| {
            let pattern = LinePattern::new(text).unwrap();
            (pattern.is_in_every_line(), pattern.finds_emptiness())
        };
        for text in [
            "", "^", "$", "x*", "(a|)", "a?", r"\s*", "^ *", " *$", "(^|x)", "()", r"\A", r"x{0}",
        ] {
            assert_eq!(is(text), (true, true), "{text}");
        }
        for text in [".*", "^.*$", "(?s).*", r"^[\s\S]*"] {
            assert_eq!(is(text), (true, false), "{text}");
        }
        for text in [
            "a",
            "^$",
            r"^\s*$",
            ".",
            "^.+$",
            "^[^#]*$",
            "^#?$",
            "^.{0,200}$",
            "[0-9]",
        ] {
            assert_eq!(is(text), (false, false), "{text}");
        }
    }
}
