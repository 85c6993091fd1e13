//! Answers to debconf questions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, Stage};
use crate::content::{Content, Segment};
use crate::plan::{Action, Change, Diff, Planned, Reason};
use crate::probe::{Becomes, Effect, Facts, NotAsked, Query};
use crate::secret::Secret;
use crate::step::Run;
use crate::value::PackageName;

/// Manages the answer to a debconf question, which a package's installation or `dpkg-reconfigure` reads.
///
/// Reads the answer that the debconf database gives and compares it as text; declare it before the package. Answers
/// of type password are kept in `/var/cache/debconf/passwords.dat` and are often cleared once a package has used
/// them: the answer is then set again, so declare such questions only for packages that keep it. Set through
/// `debconf-set-selections` on its standard input, as debconf-set-selections(1) specifies.
///
/// ```yaml
/// debconf: {package: exim4-config, question: exim4/mailname, type: string, value: home.com}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Debconf {
    /// Package that owns the question.
    pub package: PackageName,
    /// The question, for instance `exim4/dc_eximconfig_configtype`.
    pub question: String,
    /// Type of the question, as the package's templates name it.
    #[serde(rename = "type")]
    pub kind: DebconfType,
    /// The answer: one line; `"true"` or `"false"` for a boolean. Never shown for a password.
    pub value: Content,
}

/// Type of a debconf question (debconf-devel(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DebconfType {
    /// One line of text.
    String,
    /// `true` or `false`.
    Boolean,
    /// One of several values.
    Select,
    /// Any of several values, separated by `, `.
    Multiselect,
    /// A password: never shown.
    Password,
    /// A text that is displayed; only whether it was seen matters.
    Note,
    /// A text that is displayed.
    Text,
}

impl DebconfType {
    const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Select => "select",
            Self::Multiselect => "multiselect",
            Self::Password => "password",
            Self::Note => "note",
            Self::Text => "text",
        }
    }
}

super::checked!(Debconf);

impl Debconf {
    /// Describes the answer to a question.
    pub fn new(
        package: PackageName,
        question: impl Into<String>,
        kind: DebconfType,
        value: Content,
    ) -> Self {
        Self {
            package,
            question: question.into(),
            kind,
            value,
        }
    }

    /// Tells whether two answers are the same: those with several values whatever their order.
    fn is_same(&self, one: &str, other: &str) -> bool {
        let values = |text: &str| -> std::collections::BTreeSet<String> {
            let values = text.split(',').map(str::trim);
            values
                .filter(|value| !value.is_empty())
                .map(str::to_owned)
                .collect()
        };
        one == other || self.kind == DebconfType::Multiselect && values(one) == values(other)
    }

    /// Gives the answer, masked as a whole if it is a password.
    fn answer(&self) -> Content {
        match self.kind {
            DebconfType::Password => Content::secret(Secret::new(self.value.expose())),
            DebconfType::String
            | DebconfType::Boolean
            | DebconfType::Select
            | DebconfType::Multiselect
            | DebconfType::Note
            | DebconfType::Text => self.value.clone(),
        }
    }
}

impl Manage for Debconf {
    fn kind(&self) -> &'static str {
        "debconf"
    }

    fn secrets(&self) -> Vec<crate::Secret> {
        self.answer().secrets()
    }

    fn id(&self) -> String {
        self.question.clone()
    }

    fn check(&self) -> Result<(), String> {
        let question = &self.question;
        let refuse = |problem: &str| Err(format!("debconf {question:?}: {problem}"));
        if !question.contains('/')
            || !question
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-_.+".contains(&b))
            || !question.starts_with(|c: char| c.is_ascii_alphanumeric())
        {
            return refuse("a question is written like exim4/mailname");
        }
        let value = self.value.expose();
        if value.chars().any(char::is_control) || value.trim() != value {
            return refuse("`value` is one line without spaces around it");
        }
        if self.kind == DebconfType::Boolean && !["true", "false"].contains(&value.as_str()) {
            return refuse("`value` of a boolean is \"true\" or \"false\"");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::Debconf(self.question.clone())]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let have = facts.debconf(&self.question)?;
        let wanted = self.value.expose();
        if have.is_some_and(|have| self.is_same(have, &wanted)) {
            return Ok(Planned::Unchanged);
        }
        let (action, reason) = match have {
            Some(_) => (Action::Update, Reason::ValueDiffers),
            None => (Action::Create, Reason::Missing),
        };
        let line = |text: String| Segment::Plain(text);
        let mut input = vec![line(format!(
            "{} {} {} ",
            self.package,
            self.question,
            self.kind.name()
        ))];
        let answer = self.answer();
        input.extend(answer.segments().iter().cloned());
        input.push(line("\n".to_owned()));
        let run = Run::new(["debconf-set-selections"])
            .stdin(Content::of(input))
            .effect(Effect::Debconf(Becomes(
                self.question.clone(),
                Some(Secret::new(wanted)),
            )));
        let mut after = answer.segments().to_vec();
        after.push(line("\n".to_owned()));
        let before = have.map_or_else(String::new, |have| format!("{have}\n"));
        Ok(Change::new(action, vec![reason], vec![run.into()])
            .diff(Diff::between(&before, &Content::of(after)))
            .into())
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let (question, package) = (&self.question, &self.package);
        Ok(Former::stays(format!(
            "the answer to {question} stays; `dpkg-reconfigure {package}` on the host asks for it again"
        )))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "debconf keeps another answer: compare `debconf-show PACKAGE` on the host with what the package's question takes; a package may clear the answer once it has used it",
        )
    }

    /// Packages are configured by the answers while they are installed.
    fn stage(&self) -> Stage {
        Stage::BeforePackages
    }

    fn contents(&self) -> Vec<&Content> {
        vec![&self.value]
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        vec![&mut self.value]
    }
}
