//! Problems that end a command: one place that renders all of them, as text or JSON, and gives the exit code.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::json;
use tasks::pushln;
use tasks::{Diagnostic, Place};

use super::style::{self, paint};
use crate::docker::DockerError;
use crate::engine::{Failure, RunOutcome};
use crate::verify::TestbedError;

/// Exit codes, which are documented API.
pub mod exit {
    /// Done.
    pub const DONE: u8 = 0;
    /// Something failed.
    pub const FAILED: u8 = 1;
    /// Changes are pending; only with `--exit-code`.
    pub const PENDING: u8 = 2;
    /// A host was unreachable, and nothing else failed.
    pub const UNREACHABLE: u8 = 3;
    /// The command line or the estate is not valid.
    pub const USAGE: u8 = 64;
}

/// Why a command ended before it could report on hosts.
#[derive(Debug)]
pub enum Problem {
    /// The estate has mistakes.
    Estate(Vec<Diagnostic>),
    /// The command line asks for something that cannot be.
    Usage(Vec<Diagnostic>),
    /// Something failed.
    Failed(Failure),
    /// The container engine, or something in it, failed.
    Docker(Box<DockerError>),
    /// Hosts failed in a run of which people have read already, and programs have not.
    Hosts(Box<RunOutcome>, Failure),
}

impl From<Vec<Diagnostic>> for Problem {
    fn from(mistakes: Vec<Diagnostic>) -> Self {
        Self::Estate(mistakes)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<DockerError> for Problem {
    fn from(error: DockerError) -> Self {
        Self::Docker(Box::new(error))
    }
}

impl From<TestbedError> for Problem {
    fn from(error: TestbedError) -> Self {
        match error {
            TestbedError::Docker(error) => error.into(),
            TestbedError::Server { host, mut failure } => {
                failure.cause = format!("{host}: {}", failure.cause);
                Self::Failed(*failure)
            }
            TestbedError::NoVantage(_) => Self::usage(
                error.to_string(),
                "give a host at that location the role, and apply it",
            ),
        }
    }
}

impl Failure {
    /// Gives the exit code of a command that it ends.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        if self.unreachable {
            exit::UNREACHABLE
        } else {
            exit::FAILED
        }
    }
}

impl Problem {
    /// Describes something wrong with what was typed.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage(vec![Diagnostic::new(message).hint(hint)])
    }

    /// Describes one mistake in what was typed.
    #[must_use]
    pub fn mistake(mistake: Diagnostic) -> Self {
        Self::Usage(mistake.alone())
    }

    /// Describes a file that could not be read or written.
    #[must_use]
    pub fn file(doing: &str, path: &Path, error: &std::io::Error, hint: &str) -> Self {
        Self::Failed(Failure::new(
            format!("cannot {doing} {}: {error}", path.display()),
            hint,
        ))
    }

    /// Gives the exit code.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Estate(_) | Self::Usage(_) => exit::USAGE,
            Self::Failed(failure) | Self::Hosts(_, failure) => failure.exit_code(),
            Self::Docker(_) => exit::FAILED,
        }
    }

    /// Renders the problem for a person.
    #[must_use]
    pub fn text(&self) -> String {
        self.text_with(false)
    }

    /// Renders the problem for a person, who may want every mistake by itself.
    #[must_use]
    pub fn text_with(&self, verbose: bool) -> String {
        let mut text = String::new();
        match self {
            Self::Estate(mistakes) => estate(&mut text, mistakes, verbose),
            Self::Usage(mistakes) => {
                for mistake in mistakes {
                    diagnostic(&mut text, mistake);
                }
            }
            Self::Failed(failure) | Self::Hosts(_, failure) => {
                let what = failure
                    .resource
                    .as_ref()
                    .map_or_else(String::new, |name| format!("{name}: "));
                error(
                    &mut text,
                    &format!("{what}{}", failure.cause),
                    &failure.output,
                    Some(&failure.remedy.to_string()),
                );
            }
            Self::Docker(problem) => {
                error(
                    &mut text,
                    &problem.to_string(),
                    &causes(problem.as_ref()),
                    problem.hint().as_deref(),
                );
            }
        }
        text
    }

    /// Renders the problem for a program.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Estate(mistakes) => json!({ "error": "estate", "mistakes": mistakes }),
            Self::Usage(mistakes) => json!({ "error": "usage", "mistakes": mistakes }),
            Self::Failed(failure) => json!({ "error": "failed", "failed": failure }),
            Self::Hosts(outcome, failure) => super::json::failed_run(outcome, failure),
            Self::Docker(problem) => json!({
                "error": "docker",
                "failed": { "cause": problem.to_string(), "output": causes(problem.as_ref()), "hint": problem.hint() },
            }),
        }
    }
}

/// Mistakes that fit on a screen or two.
const MOST_MISTAKES: usize = 20;

/// Renders the mistakes of an estate: what hosts have in common once, and no more than can be read; or each by itself.
fn estate(text: &mut String, mistakes: &[Diagnostic], verbose: bool) {
    let shown = if verbose {
        mistakes.to_vec()
    } else {
        tasks::grouped(mistakes)
    };
    let most = if verbose { shown.len() } else { MOST_MISTAKES };
    for mistake in shown.iter().take(most) {
        diagnostic(text, mistake);
    }
    if shown.len() > most {
        pushln!(text, "… and {} more; `-v` shows all", shown.len() - most);
    } else if shown.len() < mistakes.len() {
        pushln!(text, "`-v` shows them host by host");
    }
    let count = super::text::counted(mistakes.len(), "mistake", "mistakes");
    pushln!(text, "{count} in the estate; nothing was done");
}

/// Gives the causes below an error, one a line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut lines = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        lines.push(error.to_string());
        cause = error.source();
    }
    lines.join("\n")
}

fn error(text: &mut String, message: &str, output: &str, hint: Option<&str>) {
    // What a program has said may be part of the message, on lines of its own.
    let (message, said) = message.split_once('\n').unwrap_or((message, ""));
    let message = super::text::printable(message);
    pushln!(text, "{} {message}", paint(style::BAD, "error:"));
    for line in said.lines().chain(output.lines()) {
        pushln!(
            text,
            "  {} {}",
            paint(style::FAINT, "|"),
            super::text::printable(line)
        );
    }
    if let Some(hint) = hint.filter(|hint| !hint.is_empty()) {
        let hint = super::text::printable(hint);
        pushln!(text, "{} {hint}", paint(style::WAIT, "hint:"));
    }
}

/// Renders one mistake with its place, the line it is in and a mark below the column.
fn diagnostic(text: &mut String, mistake: &Diagnostic) {
    pushln!(text, "{} {}", paint(style::BAD, "error:"), mistake.message);
    if let Some(place) = &mistake.place {
        pushln!(text, "{}", pointed_out(place));
    }
    if let Some(hint) = &mistake.hint {
        pushln!(text, "{} {hint}", paint(style::WAIT, "hint:"));
    }
}

/// Renders a place, with its line where that is known. Long lines are cut around the mark; tabs and what cannot be seen have a width.
fn pointed_out(place: &Place) -> String {
    const RENDERER: Renderer = Renderer::styled()
        .error(style::BAD)
        .line_num(style::FAINT)
        .context(style::FAINT);
    let group = Group::with_level(Level::ERROR);
    let Some(line) = place.text.as_deref().filter(|_| place.line > 0) else {
        let mut origin = Origin::path(&place.file);
        if place.line > 0 {
            origin = origin.line(place.line).char_column(place.column);
        }
        return RENDERER.render(&[group.element(origin)]);
    };
    let ends = |number: usize| {
        let end = line.char_indices().map(|(at, _)| at).nth(number);
        end.unwrap_or(line.len())
    };
    let column = place.column.saturating_sub(1);
    let mark = AnnotationKind::Primary.span(ends(column)..ends(column + 1));
    let snippet = Snippet::source(line)
        .path(&place.file)
        .line_start(place.line)
        .annotation(mark);
    RENDERER.render(&[group.element(snippet)])
}
