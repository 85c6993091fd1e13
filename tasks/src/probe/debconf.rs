//! Answers to the questions of packages, from debconf's database: debconf-devel(7).

use std::collections::BTreeMap;

use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::push;
use crate::quote;

impl Facts {
    /// Tells the answer to a debconf question.
    pub fn debconf(&self, question: &str) -> Result<Option<&str>, NotAsked> {
        self.debconf
            .get(question)
            .map(|answer| answer.as_ref().map(Secret::expose))
            .ok_or_else(|| NotAsked(format!("debconf question {question}")))
    }
}

/// The kind of this module.
pub struct Questions;

impl Kind for Questions {
    type Question = String;
    type Known = BTreeMap<String, Option<Secret>>;

    fn key(question: &String) -> String {
        question.clone()
    }

    fn script(questions: &[String]) -> String {
        let mut script = String::from("prov_answer debconf; sed -n");
        for question in questions {
            let pattern = format!("/^Name: {}$/,/^$/p", quote::sed(question));
            push!(script, " -e {}", quote::sh(&pattern));
        }
        // One of the two files may be missing, of which sed says nothing but its exit code.
        script.push_str(
            " /var/cache/debconf/config.dat /var/cache/debconf/passwords.dat 2>/dev/null; [ $? -gt 2 ] || prov_complete\n",
        );
        script
    }

    /// Reads `Name:` and `Value:` lines; an empty line ends an entry.
    fn read(questions: &[String], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut found: BTreeMap<&str, &str> = BTreeMap::new();
        let mut name = "";
        // What was answered long ago may be in another encoding.
        let text = String::from_utf8_lossy(answers.bytes("debconf")?);
        for line in text.lines() {
            if let Some(question) = line.strip_prefix("Name: ") {
                name = question;
            } else if let Some(value) = line.strip_prefix("Value:") {
                found.insert(name, value.strip_prefix(' ').unwrap_or(value));
            }
        }
        let fact = |question: &String| {
            let value = found.get(question.as_str());
            (question.clone(), value.map(|value| Secret::new(*value)))
        };
        Ok(questions.iter().map(fact).collect())
    }

    /// Some answers are passwords.
    fn secrets(known: &Self::Known) -> Vec<&Secret> {
        known.values().flatten().collect()
    }

    fn samples() -> Vec<String> {
        vec!["a/b".to_owned()]
    }
}
