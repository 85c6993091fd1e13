//! Lengths of time, as estates write them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// Units, and how many milliseconds they have.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Holds a length of time: a whole number with its unit, `500ms`, `30s`, `5min`, `2h` or `7d`.
///
/// ```
/// use std::time::Duration;
/// let span = tasks::value::Timespan::new("5min").unwrap();
/// assert_eq!(span.duration(), Duration::from_secs(300));
/// assert!(tasks::value::Timespan::new("5 parsecs").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Timespan(Duration);

impl Timespan {
    /// Reads a length of time.
    pub fn new(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let whole =
            !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit());
        let unit = UNITS.iter().find(|(name, _)| whole && *name == unit);
        let number = digits.parse::<u64>().ok();
        match unit.zip(number) {
            Some(((_, millis), number)) => Ok(Self(Duration::from_millis(number * millis))),
            None => Err(format!(
                "'{}' is not a duration\nwrite a whole number with its unit: 500ms, 30s, 5min, 2h or 7d",
                crate::estate::shorten(text)
            )),
        }
    }

    /// Gives the length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl TryFrom<String> for Timespan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl JsonSchema for Timespan {
    fn schema_name() -> Cow<'static, str> {
        "Timespan".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "duration" })
    }

    fn inline_schema() -> bool {
        true
    }
}
