//! What a host answered, by the names under which its script sent it.

use std::collections::BTreeMap;

/// Says what is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer about {answer} {how}")]
pub struct Broken {
    /// The answer's name.
    pub answer: String,
    /// What is wrong with it.
    pub how: String,
}

/// Answers by name.
#[derive(Debug, Clone, Default)]
pub struct Answers(BTreeMap<String, Answer>);

#[derive(Debug, Clone)]
struct Answer {
    bytes: Vec<u8>,
    whole: bool,
}

impl Answers {
    /// Adds an answer; `whole` says whether it ended with its mark.
    pub fn insert(&mut self, name: String, bytes: Vec<u8>, whole: bool) {
        self.0.insert(name, Answer { bytes, whole });
    }

    /// Gives the bytes of an answer that need not be there, but is whole if it is.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&[u8]>, Broken> {
        match self.0.get(name) {
            None => Ok(None),
            Some(answer) if answer.whole => Ok(Some(&answer.bytes)),
            Some(_) => Err(broken(name, "ends half-way")),
        }
    }

    /// Gives the bytes of an answer that must be there, and whole.
    pub(super) fn bytes(&self, name: &str) -> Result<&[u8], Broken> {
        self.optional(name)?
            .ok_or_else(|| broken(name, "is missing"))
    }

    /// Gives the text of an answer that must be there, and whole.
    pub(super) fn text(&self, name: &str) -> Result<&str, Broken> {
        text(name, self.bytes(name)?)
    }

    /// Gives the text of an answer that need not be there.
    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&str>, Broken> {
        self.optional(name)?
            .map(|bytes| text(name, bytes))
            .transpose()
    }
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Broken> {
    std::str::from_utf8(bytes).map_err(|_| broken(name, "is not UTF-8"))
}

pub(super) fn broken(answer: &str, how: impl Into<String>) -> Broken {
    Broken {
        answer: answer.to_owned(),
        how: how.into(),
    }
}
