//! What is mounted where, as findmnt(8) tells it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::HostPath;

/// Asks what is mounted at a path, and whether it is this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MountQuestion {
    /// Where.
    pub path: HostPath,
    /// What should be mounted there: a device, a tag such as `UUID=…`, or what a kind of file system calls it.
    pub source: String,
}

/// A file system that is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MountFact {
    /// Whether it is what was asked about.
    pub same: bool,
    /// What is mounted; empty in a preview.
    pub source: String,
    /// Kind of file system; empty in a preview where it will have another name than it is mounted by.
    pub fstype: String,
    /// Its options, as the kernel has them; empty in a preview.
    pub options: String,
    /// The options of the file system that a folder is in which is mounted a second time: it has them, too, unless others are given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub inherited: String,
}

impl Facts {
    /// Tells what is mounted at a path, if anything is.
    pub fn mount(&self, path: &HostPath) -> Result<Option<&MountFact>, NotAsked> {
        self.mounts
            .get(path)
            .map(Option::as_ref)
            .ok_or_else(|| NotAsked(format!("mount {path}")))
    }
}

/// The kind of this module.
pub struct Mounts;

impl Kind for Mounts {
    type Question = MountQuestion;
    type Known = BTreeMap<HostPath, Option<MountFact>>;

    fn key(question: &MountQuestion) -> HostPath {
        question.path.clone()
    }

    /// Of what is mounted over each other, the last counts. A device has several names; of a folder that is mounted a second time, both
    /// places are the same.
    fn script(questions: &[MountQuestion]) -> String {
        let each = |question: &MountQuestion| {
            let source = quote::sh(&question.source);
            format!(
                "prov_mounted {} {source}\n",
                quote::sh(question.path.as_str())
            )
        };
        let each: Vec<_> = questions.iter().map(each).collect();
        format!(
            "prov_mounted() {{ at=$(findmnt -n -r -v -o SOURCE,FSTYPE,OPTIONS --mountpoint \"$1\" | tail -n 1); have=${{at%% *}}\n\
             case $2 in (*UUID=*|*LABEL=*) want=$(findfs \"$2\" 2>/dev/null);; (*) want=$2;; esac\n\
             of=; [ -z \"$at\" ] || case $want in (/*) [ ! -d \"$want\" ] || of=$(findmnt -n -r -o OPTIONS -T \"$want\" | tail -n 1);; esac\n\
             if [ -z \"$at\" ]; then printf 'none\\n'; elif [ \"$have\" = \"$want\" ] || [ \"$have\" -ef \"$want\" ] || [ \"$1\" -ef \"$want\" ]; then printf 'same %s %s\\n' \"$at\" \"$of\"; else printf 'other %s %s\\n' \"$at\" \"$of\"; fi; }}\n\
             prov_answer mounts; ! command -v findmnt >/dev/null || {{ {}prov_complete; }}\n",
            each.concat()
        )
    }

    fn read(questions: &[MountQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("mounts")?).into_owned();
        let mut lines = text.lines();
        let mut known = BTreeMap::new();
        for question in questions {
            let line = lines.next().unwrap_or_default();
            let fields: Vec<_> = line.split(' ').collect();
            let fact = match fields[..] {
                ["none"] => None,
                [
                    mark @ ("same" | "other"),
                    source,
                    fstype,
                    options,
                    inherited,
                ] => Some(MountFact {
                    same: mark == "same",
                    source: source.replace("\\x20", " "),
                    fstype: fstype.to_owned(),
                    options: options.to_owned(),
                    inherited: inherited.to_owned(),
                }),
                _ => return Err(broken("mounts", format!("has a line {line:?}"))),
            };
            known.insert(question.path.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<MountQuestion> {
        let path = HostPath::known("/srv/data");
        let source = "UUID=0123".to_owned();
        vec![MountQuestion { path, source }]
    }
}
