//! Exit codes of commands that are run to look, and do not write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Becomes, Broken, Facts, Kind, Known, NotAsked, Written};
use crate::Secret;
use crate::pushln;
use crate::quote;

/// Exit codes by command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<GuardFact>", into = "Vec<GuardFact>")]
pub struct Guards(BTreeMap<Vec<String>, i32>);

/// The exit code of a command that was run to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardFact {
    /// The command.
    pub argv: Vec<String>,
    /// Its exit code.
    pub exit: i32,
}

impl From<Vec<GuardFact>> for Guards {
    fn from(facts: Vec<GuardFact>) -> Self {
        let facts = facts.into_iter();
        Self(facts.map(|fact| (fact.argv, fact.exit)).collect())
    }
}

impl From<Guards> for Vec<GuardFact> {
    fn from(guards: Guards) -> Self {
        let guards = guards.0.into_iter();
        guards
            .map(|(argv, exit)| GuardFact { argv, exit })
            .collect()
    }
}

impl Known for Guards {
    type Key = Vec<String>;
    type Effect = Becomes<Vec<String>, i32>;

    fn update(&mut self, newer: Self) {
        self.0.update(newer.0);
    }

    fn select<'a>(&self, keys: impl Iterator<Item = &'a Vec<String>>) -> Self {
        Self(self.0.select(keys))
    }

    fn carry_out(&mut self, effect: Self::Effect) {
        self.0.carry_out(effect);
    }
}

impl Facts {
    /// Tells the exit code of a command that was run to look.
    pub fn guard(&self, argv: &[String]) -> Result<i32, NotAsked> {
        self.guards
            .0
            .get(argv)
            .copied()
            .ok_or_else(|| NotAsked(format!("command {argv:?}")))
    }
}

/// The kind of this module.
pub struct Commands;

impl Kind for Commands {
    type Question = Vec<String>;
    type Known = Guards;

    fn key(argv: &Vec<String>) -> Vec<String> {
        argv.clone()
    }

    fn script(commands: &[Vec<String>]) -> String {
        let mut script = String::new();
        for (index, argv) in commands.iter().enumerate() {
            let command = quote::sh_all(argv.iter().map(String::as_str));
            // What the command starts does not inherit the host's lock.
            pushln!(
                script,
                "prov_answer guard:{index}; ( {command} ) </dev/null >/dev/null 2>&1 3>&- 9>&-; printf %s $?; prov_complete"
            );
        }
        script
    }

    fn read(commands: &[Vec<String>], answers: &Answers) -> Result<Guards, Broken> {
        let mut known = BTreeMap::new();
        for (index, argv) in commands.iter().enumerate() {
            let name = format!("guard:{index}");
            let exit = answers.text(&name)?.trim().parse();
            let exit = exit.map_err(|_| broken(&name, "is not a number"))?;
            known.insert(argv.clone(), exit);
        }
        Ok(Guards(known))
    }

    fn secrets(_: &Guards) -> Vec<&Secret> {
        Vec::new()
    }

    /// A command may look at any file.
    fn follows(_: &Vec<String>, _: &Written<'_>) -> bool {
        true
    }

    fn samples() -> Vec<Vec<String>> {
        vec![vec!["true".to_owned()]]
    }
}
