//! What archives were unpacked to: the folder, what it remembers, and what is in it besides; by find(1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::pushln;
use crate::quote;
use crate::secret::Secret;
use crate::value::HostPath;

/// The file by which a folder remembers what was unpacked to it: a line for the archive, and one for each member.
pub(crate) const RECORD: &str = ".prov-archive";

/// The other file in place of which it is told that there are more.
const TOO_MANY: usize = 11;

/// Asks what is in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveQuestion {
    /// The folder.
    pub path: HostPath,
    /// What it remembers if all is as it should be; otherwise it is told what else is in it.
    pub record: String,
    /// What of it must be there besides, by its path in the folder; nothing where that does not matter.
    pub creates: String,
}

/// What is at the place of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveFact {
    /// Nothing.
    Missing,
    /// An empty folder.
    Empty,
    /// A folder with files that come from no archive, or something that is no folder.
    Foreign,
    /// A folder to which an archive was unpacked.
    Unpacked {
        /// What it remembers.
        record: String,
        /// Some of the files that came from elsewhere, if the record is another one than was asked for.
        #[serde(default)]
        strangers: Vec<String>,
    },
}

impl Facts {
    /// Tells what is at the place of an archive.
    pub fn archive(&self, path: &HostPath) -> Result<&ArchiveFact, NotAsked> {
        let fact = self.archives.get(path);
        fact.ok_or_else(|| NotAsked(format!("archive {path}")))
    }
}

/// The kind of this module.
pub struct Folders;

impl Kind for Folders {
    type Question = ArchiveQuestion;
    type Known = BTreeMap<HostPath, ArchiveFact>;

    fn key(question: &ArchiveQuestion) -> HostPath {
        question.path.clone()
    }

    fn script(questions: &[ArchiveQuestion]) -> String {
        let mut script = format!(
            r#"prov_archive() {{ # folder record creates
  [ -e "$1" ] || [ -L "$1" ] || {{ echo missing; return; }}
  [ -d "$1" ] && [ ! -L "$1" ] || {{ echo foreign; return; }}
  cd -P -- "$1" && found=$(ls -A) || return
  [ -n "$found" ] || {{ echo empty; return; }}
  [ -f {RECORD} ] && [ ! -L {RECORD} ] || {{ echo foreign; return; }}
  record=$(head -n 1 {RECORD} | head -c 1000) && printf 'record %s\n' "$record"
  {{ [ "$record" = "$2" ] && {{ [ -z "$3" ] || [ -e "./$3" ] || [ -L "./$3" ]; }}; }} || {{ find . -mindepth 1 -printf '%P\n' | grep -aFxv -e {RECORD} -f {RECORD} | sed -n -e '{TOO_MANY}{{s/.*/beside and more/p;q}}' -e 's/^/beside /p'; :; }}; }}
"#
        );
        for (index, question) in questions.iter().enumerate() {
            let words =
                quote::sh_all([question.path.as_str(), &question.record, &question.creates]);
            pushln!(
                script,
                "prov_answer archive:{index}; ( prov_archive {words} ) && prov_complete"
            );
        }
        script
    }

    fn read(questions: &[ArchiveQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            let name = format!("archive:{index}");
            // A file may have any name.
            let text = String::from_utf8_lossy(answers.bytes(&name)?).into_owned();
            let mut lines = text.lines();
            let fact = match lines.next().unwrap_or_default() {
                "missing" => ArchiveFact::Missing,
                "empty" => ArchiveFact::Empty,
                "foreign" => ArchiveFact::Foreign,
                first => ArchiveFact::Unpacked {
                    record: first
                        .strip_prefix("record ")
                        .ok_or_else(|| broken(&name, "does not say what is there"))?
                        .to_owned(),
                    strangers: lines
                        .filter_map(|line| line.strip_prefix("beside "))
                        .map(str::to_owned)
                        .collect(),
                },
            };
            known.insert(question.path.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(question: &ArchiveQuestion, written: &Written<'_>) -> bool {
        let near = |path: &&HostPath| {
            **path == question.path || path.is_below(&question.path) || question.path.is_below(path)
        };
        written.paths.iter().any(near)
    }

    fn samples() -> Vec<ArchiveQuestion> {
        let question = |path| ArchiveQuestion {
            path,
            record: "x".to_owned(),
            creates: String::new(),
        };
        HostPath::new("/archive")
            .map(question)
            .into_iter()
            .collect()
    }
}
