//! The script that looks at a host, and what is read from its answers.
//!
//! What is asked and how it is answered is a matter of the kinds of questions (`tasks::probe`); here are the handlers that an
//! earlier run left on the host, and the way from frames to answers.

use tasks::probe::{self, Facts, QuerySet};
use tasks::resource::Handler;

use super::script::{STATE, stream};
use crate::ssh::{Frame, SshError};

/// What a host answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// The facts that were asked for.
    pub facts: Facts,
    /// Handlers that an earlier run left to be run.
    pub pending: Vec<Handler>,
    /// Whether the host had to put back what an earlier run changed, before this one could begin.
    pub put_back: bool,
}

/// Writes the read-only script that answers these queries, and those that every host is asked.
#[must_use]
pub fn script(queries: &QuerySet) -> String {
    let queries = asked(queries).script();
    format!("[ ! -s {STATE}/pending ] || prov_frame pending <{STATE}/pending\n") + &stream(&queries)
}

/// Reads the answers to these queries.
pub fn read(queries: &QuerySet, frames: Vec<Frame>) -> Result<Answers, SshError> {
    let mut answers = probe::Answers::default();
    let mut pending = Vec::new();
    let mut put_back = false;
    for frame in frames {
        if frame.name == "pending" {
            pending = handlers(&frame.bytes)?;
        } else if frame.name == "put_back" {
            put_back = true;
        } else {
            answers.insert(frame.name, frame.bytes, frame.whole);
        }
    }
    let facts = asked(queries).read(&answers);
    let facts = facts.map_err(|broken| SshError::Answer(broken.to_string()))?;
    Ok(Answers {
        facts,
        pending,
        put_back,
    })
}

fn asked(queries: &QuerySet) -> QuerySet {
    let mut asked = QuerySet::of_every_host();
    asked.extend(queries.queries());
    asked
}

fn handlers(bytes: &[u8]) -> Result<Vec<Handler>, SshError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| SshError::Answer(format!("{STATE}/pending is not UTF-8")))?;
    // A line that was cut short by a crash belongs to a change that was not made.
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}
