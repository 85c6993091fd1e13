//! Commands that say by themselves whether they are needed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, FileFact, NotAsked, PathFact, PathQuestion, Query, Read,
};
use crate::step::Run;
use crate::value::{HostPath, Mode};

/// Exit code of a shell for a program that does not exist.
const NO_SUCH_PROGRAM: i32 = 127;

/// Manages that a command has been run, judged by what it leaves behind.
///
/// At least one of `creates`, `removes`, `unless` and `only_if` is needed, so that it can be told beforehand whether
/// the command will run; it runs if all that are given ask for it. Guards are run whenever a plan is made, in `/` and
/// without `env`: they must only read. No shell is involved; write `[sh, -c, …]` where one is needed. Secrets belong
/// on standard input, never among the arguments.
///
/// A guard whose program a package is about to bring counts as asking for the command. After a command that has
/// nothing but `only_if`, that guard is expected to fail.
///
/// ```yaml
/// command: {argv: [make-ssl-cert, generate-default-snakeoil], creates: /etc/ssl/certs/ssl-cert-snakeoil.pem}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Command {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// A path that the command makes: it runs only if nothing is there.
    #[serde(default)]
    pub creates: Option<HostPath>,
    /// A path that the command takes away: it runs only if something is there.
    #[serde(default)]
    pub removes: Option<HostPath>,
    /// A command that reads: the command runs only if this one exits with another code than 0.
    #[serde(default)]
    pub unless: Option<Vec<String>>,
    /// A command that reads: the command runs only if this one exits with 0.
    #[serde(default)]
    pub only_if: Option<Vec<String>>,
    /// The folder in which it runs; `/` when not given.
    #[serde(default)]
    pub chdir: Option<HostPath>,
    /// What it reads on standard input; nothing when not given.
    #[serde(default)]
    pub stdin: Option<Content>,
    /// Variables added to its environment; not secret.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

super::checked!(Command);

impl Command {
    /// Describes a command that makes a path.
    pub fn creating<S: Into<String>>(path: HostPath, argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            creates: Some(path),
            ..Self::bare(argv)
        }
    }

    /// Describes a command that runs unless another exits with 0.
    pub fn unless<S: Into<String>, G: Into<String>>(
        guard: impl IntoIterator<Item = G>,
        argv: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            unless: Some(guard.into_iter().map(Into::into).collect()),
            ..Self::bare(argv)
        }
    }

    fn bare<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            creates: None,
            removes: None,
            unless: None,
            only_if: None,
            chdir: None,
            stdin: None,
            env: BTreeMap::new(),
        }
    }

    /// Tells whether every guard asks for the command; `Err` where that cannot be told.
    fn is_needed(&self, facts: &Facts) -> Result<Result<bool, Planned>, NotAsked> {
        if let Some(path) = &self.creates
            && *facts.path(path)? != PathFact::Missing
        {
            return Ok(Ok(false));
        }
        for (guard, asks_on_success) in [(&self.unless, false), (&self.only_if, true)] {
            let Some(argv) = guard else { continue };
            let exit = facts.guard(argv)?;
            if exit == NO_SUCH_PROGRAM {
                if facts.coming.is_empty() {
                    return Ok(Err(Planned::Impossible {
                        cause: format!("the guard `{}` does not exist on the host", argv.join(" ")),
                        hint: "correct its name, or declare the package that brings it".to_owned(),
                    }));
                }
            } else if (exit == 0) != asks_on_success {
                return Ok(Ok(false));
            }
        }
        if let Some(path) = &self.removes
            && *facts.path(path)? == PathFact::Missing
        {
            return Ok(if facts.coming.is_empty() {
                Ok(false)
            } else {
                Err(super::packages::waiting(facts))
            });
        }
        Ok(Ok(true))
    }

    fn effects(&self) -> Vec<Effect> {
        let guard = |argv: &Vec<String>, exit| Effect::Guard(Becomes(argv.clone(), exit));
        let mut effects = Vec::new();
        if let Some(path) = &self.creates {
            // What it is and holds is not known; no digest says so.
            let fact = PathFact::File(FileFact {
                sha256: None,
                body: None,
                ..FileFact::of(Attributes::new("root", "root", Mode::new(0o644)), b"")
            });
            effects.push(Effect::Path(Becomes(path.clone(), fact)));
        }
        if let Some(path) = &self.removes {
            effects.push(Effect::Path(Becomes(path.clone(), PathFact::Missing)));
        }
        if let Some(argv) = &self.unless {
            effects.push(guard(argv, 0));
        }
        if let Some(argv) = &self.only_if
            && effects.is_empty()
        {
            effects.push(guard(argv, 1));
        }
        effects
    }
}

/// A command may make the accounts and groups that those after it name, and take away those that have their numbers.
fn changes_accounts(facts: &Facts) -> impl Iterator<Item = Effect> {
    let missing = facts
        .owners
        .iter()
        .filter(|(_, there)| **there == Some(false));
    let numbers = facts.numbers.clone();
    let numbers = numbers.map(|numbers| Effect::Numbers(Becomes((), numbers.doubted())));
    missing
        .map(|(name, _)| Effect::Owner(Becomes(name.clone(), None)))
        .chain(numbers)
}

impl Manage for Command {
    fn kind(&self) -> &'static str {
        "command"
    }

    fn id(&self) -> String {
        self.argv.join(" ")
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("command {:?}: {problem}", self.id()));
        let guards = [&self.unless, &self.only_if];
        if self.creates.is_none()
            && self.removes.is_none()
            && guards.iter().all(|guard| guard.is_none())
        {
            return refuse("one of `creates`, `removes`, `unless` and `only_if` is needed");
        }
        for argv in guards.into_iter().flatten().chain([&self.argv]) {
            if argv.first().is_none_or(String::is_empty) {
                return refuse("an argument vector names no program");
            }
            if argv.iter().any(|argument| argument.contains('\0')) {
                return refuse("an argument contains NUL");
            }
        }
        if self.unless.is_some() && self.unless == self.only_if {
            return refuse("`unless` and `only_if` are the same command");
        }
        if self.creates.is_some() && self.creates == self.removes {
            return refuse("`creates` and `removes` are the same path");
        }
        for (name, value) in &self.env {
            if !super::is_variable(name) || value.contains('\0') {
                return refuse("a name in `env` has other characters than letters, digits and '_'");
            }
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        // A guard with NUL could not be run: it would end the questions to the host as a whole.
        if self.check().is_err() {
            return Vec::new();
        }
        let paths = [&self.creates, &self.removes].into_iter().flatten();
        let guards = [&self.unless, &self.only_if].into_iter().flatten();
        let paths = paths.map(|path| {
            Query::Path(PathQuestion {
                path: path.clone(),
                read: Read::Attributes,
            })
        });
        paths.chain(guards.cloned().map(Query::Guard)).collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match self.is_needed(facts)? {
            Err(planned) => return Ok(planned),
            Ok(false) => return Ok(Planned::Unchanged),
            Ok(true) => {}
        }
        let run = Run {
            argv: self.argv.clone(),
            stdin: self.stdin.clone(),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            explained_by: None,
            directory: self.chdir.clone(),
            effects: self
                .effects()
                .into_iter()
                .chain(changes_accounts(facts))
                .collect(),
        };
        Ok(Change::new(Action::Run, vec![Reason::NotDone], vec![run.into()]).into())
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("nothing is known of what its command did"))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn private(&self, facts: &Facts) -> Vec<&Content> {
        let stdin = self.stdin.iter();
        stdin
            .filter(|stdin| stdin.is_unsorted() && !facts.reveal)
            .collect()
    }

    fn contents(&self) -> Vec<&Content> {
        self.stdin.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.stdin.iter_mut().collect()
    }
}
