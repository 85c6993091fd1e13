//! What an upgrade of a host's packages would do, within its release or to the next: apt-get(8), sources.list(5).
//!
//! Package lists that are old, or those of another release, are fetched into a folder in memory that goes again: a host
//! that is only looked at keeps its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Attributes, Broken, Kind};
use crate::Secret;
use crate::pushln;
use crate::quote;
use crate::release::Release;
use crate::value::{HostPath, Mode};

/// Asks what an upgrade would do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct UpgradeQuestion {
    /// The release to go to; `None` stays within the host's own.
    pub to: Option<Release>,
}

impl From<UpgradeQuestion> for String {
    fn from(question: UpgradeQuestion) -> Self {
        question.to.map_or("", Release::codename).to_owned()
    }
}

impl TryFrom<String> for UpgradeQuestion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), Release::of_codename(&text)) {
            ("", _) => Ok(Self { to: None }),
            (_, Some(to)) => Ok(Self { to: Some(to) }),
            (_, None) => Err(format!("{text} is no release")),
        }
    }
}

/// What an upgrade would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeFact {
    /// Packages that would be installed in other versions, or come new; by name.
    pub pending: Vec<PendingPackage>,
    /// Packages that would be removed.
    pub removed: Vec<String>,
    /// Packages that would stay as they are though newer ones exist.
    pub kept_back: Vec<String>,
    /// Packages on hold (apt-mark(8)).
    pub held: Vec<String>,
    /// Why apt would refuse, or could not fetch, in its words.
    pub problem: Option<String>,
    /// Files of sources and preferences that would name the new release.
    pub sources: Vec<SourceFile>,
    /// Files of sources that stay as they are, as their archive has no such release.
    pub staying: Vec<String>,
    /// Configuration files of packages that somebody has changed: they are kept.
    pub edited: Vec<String>,
    /// Bytes that would be fetched, as far as apt says.
    pub fetch: u64,
    /// Bytes by which the disk would become fuller.
    pub growth: i64,
    /// Bytes that are free where packages are stored.
    pub free: u64,
    /// Whether an earlier installation was interrupted.
    pub interrupted: bool,
    /// Whether the host's own lists were too old, so that it must fetch them.
    pub fetched: bool,
    /// Whether packages that were upgraded want the host to be started again.
    pub reboot: bool,
}

/// A package that would be installed in another version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PendingPackage {
    /// Its name, with its architecture where that is a foreign one.
    pub name: String,
    /// The version that is installed; `None` where it comes new.
    pub from: Option<String>,
    /// The version that would be.
    pub to: String,
    /// Whether the new one comes from an archive of security updates.
    pub security: bool,
}

/// A file of sources or preferences of apt's, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The file.
    pub path: HostPath,
    /// Its owner, group and mode.
    pub attributes: Attributes,
    /// Digest of what it holds (SHA-256, hexadecimal).
    pub sha256: String,
    /// What it holds.
    pub before: String,
    /// What it would hold.
    pub after: String,
}

/// The kind of this module.
pub struct Upgrades;

/// The functions that answer.
const SCRIPT: &str = concat!(include_str!("reboot.sh"), include_str!("upgrade.sh"));

impl Kind for Upgrades {
    type Question = UpgradeQuestion;
    type Known = BTreeMap<UpgradeQuestion, UpgradeFact>;

    fn key(question: &UpgradeQuestion) -> UpgradeQuestion {
        *question
    }

    fn script(questions: &[UpgradeQuestion]) -> String {
        let mut script = SCRIPT.to_owned();
        for (index, UpgradeQuestion { to }) in questions.iter().enumerate() {
            let earlier: Vec<_> = Release::EVERY
                .into_iter()
                .filter(|release| to.is_some_and(|to| *release < to))
                .map(Release::codename)
                // A name that another release has one day is none to stay with.
                .chain(["oldstable", "stable"])
                .collect();
            pushln!(
                script,
                "prov_upgrade {index} {} {}",
                quote::sh(to.map_or("", Release::codename)),
                quote::sh(&earlier.join("|"))
            );
        }
        script
    }

    fn read(questions: &[UpgradeQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            known.insert(*question, fact(&format!("upgrade:{index}"), answers)?);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<UpgradeQuestion> {
        [None, Some(Release::Trixie)]
            .map(|to| UpgradeQuestion { to })
            .into()
    }
}

fn fact(name: &str, answers: &Answers) -> Result<UpgradeFact, Broken> {
    let mut fact = UpgradeFact::default();
    let mut problems = Vec::new();
    let mut number = 0;
    let mut lines = answers.text(name)?.lines();
    while let Some(line) = lines.next() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "Inst" => fact.pending.push(pending(rest)),
            "Remv" | "Purg" => fact.removed.push(first(rest)),
            "kept" => fact
                .kept_back
                .extend(rest.split_whitespace().map(str::to_owned)),
            "held" => fact.held.push(rest.to_owned()),
            "E:" | "problem" => problems.push(rest.to_owned()),
            "stays" => fact.staying.push(rest.to_owned()),
            "edited" => fact.edited.push(rest.to_owned()),
            "space" => space(rest, &mut fact),
            "free" => {
                let blocks: u64 = rest
                    .trim()
                    .parse()
                    .map_err(|_| broken(name, "has no number of free blocks"))?;
                fact.free = blocks.saturating_mul(1024);
            }
            "interrupted" => fact.interrupted = true,
            "fetched" => fact.fetched = true,
            "reboot" => fact.reboot = true,
            "source" => {
                let source = source(name, number, rest, [lines.next(), lines.next()], answers)?;
                fact.sources.push(source);
                number += 1;
            }
            // Nothing else is asked to be printed; what is, says nothing about packages.
            _ => {}
        }
    }
    fact.pending.sort();
    fact.removed.sort();
    fact.problem = (!problems.is_empty()).then(|| problems.join("; "));
    Ok(fact)
}

fn first(text: &str) -> String {
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Reads `NAME [OLD] (NEW ORIGIN:VERSION/SUITE, … [ARCHITECTURE])`.
pub(super) fn pending(text: &str) -> PendingPackage {
    let between = |open: &str, close: char| {
        let (_, rest) = text.split_once(open)?;
        Some(rest.split(close).next().unwrap_or_default())
    };
    let (_, archives) = text.split_once('(').unwrap_or_default();
    PendingPackage {
        name: first(text),
        from: between(" [", ']')
            // A new package has its architecture in brackets, and that comes later.
            .filter(|_| text.find(" [") < text.find('('))
            .map(str::to_owned),
        to: between("(", ' ').unwrap_or_default().to_owned(),
        security: archives.contains("-security") || archives.contains("Debian-Security"),
    }
}

/// Reads `Need to get 1,234 kB/5,678 kB of archives.` and `After this operation, 1,234 kB of additional disk space …`.
fn space(text: &str, fact: &mut UpgradeFact) {
    let mut words = text.split_whitespace();
    let number = words.find_map(|word| {
        let number: String = word.chars().filter(|c| *c != ',').collect();
        number.parse::<f64>().ok()
    });
    let unit = words.next().unwrap_or_default();
    let unit = match unit.split('/').next() {
        Some("kB") => 1e3,
        Some("MB") => 1e6,
        Some("GB") => 1e9,
        Some(_) | None => 1.0,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "apt rounds to three digits, and no disk has 2^63 bytes"
    )]
    let bytes = (number.unwrap_or_default() * unit) as i64;
    if text.starts_with("Need") {
        fact.fetch = bytes.unsigned_abs();
    } else if text.contains("freed") {
        fact.growth = -bytes;
    } else {
        fact.growth = bytes;
    }
}

/// Reads `NUMBER OWNER GROUP MODE`, and the two lines after it.
fn source(
    name: &str,
    number: usize,
    text: &str,
    more: [Option<&str>; 2],
    answers: &Answers,
) -> Result<SourceFile, Broken> {
    let wrong = || broken(name, "describes no file of sources");
    let fields: Vec<_> = text.split(' ').collect();
    let [at, owner, group, bits] = fields.as_slice() else {
        return Err(wrong());
    };
    let bits = u32::from_str_radix(bits, 8).map_err(|_| wrong())?;
    let [digest, path] = more;
    let digest = digest.and_then(|line| line.strip_prefix("digest "));
    let path = path.and_then(|line| line.strip_prefix("path "));
    let path = path.and_then(|path| HostPath::new(path).ok());
    let (Some(digest), Some(path)) = (digest, path) else {
        return Err(wrong());
    };
    if *at != number.to_string() {
        return Err(wrong());
    }
    let text = |half: &str| {
        let text = answers.text(&format!("{name}:{half}:{number}"))?;
        Ok(text.to_owned())
    };
    Ok(SourceFile {
        path,
        attributes: Attributes::new(*owner, *group, Mode::new(bits)),
        sha256: digest.to_owned(),
        before: text("old")?,
        after: text("new")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_says_of_packages_and_space_is_read() {
        let text = "fetched\nInst base-files [12.4+deb12u5] (13.8+deb13u1 Debian:13.1/stable [amd64])\n\
            Inst libnew (1.0-1 Debian-Security:13/stable-security [amd64])\nRemv old [1]\nkept a b\nheld c\n\
            space Need to get 12.3 MB/45.6 MB of archives.\n\
            space After this operation, 1,234 kB disk space will be freed.\nfree 2048\nedited /etc/x y\n";
        let mut answers = Answers::default();
        answers.insert("upgrade:0".to_owned(), text.as_bytes().to_vec(), true);
        let fact = fact("upgrade:0", &answers).unwrap();
        let names: Vec<_> = fact
            .pending
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.from.as_deref(),
                    it.to.as_str(),
                    it.security,
                )
            })
            .collect();
        assert_eq!(
            names,
            [
                ("base-files", Some("12.4+deb12u5"), "13.8+deb13u1", false),
                ("libnew", None, "1.0-1", true)
            ]
        );
        assert_eq!(
            (fact.fetch, fact.growth, fact.free),
            (12_300_000, -1_234_000, 2_097_152)
        );
        assert_eq!(fact.kept_back, ["a", "b"]);
        assert_eq!(fact.edited, ["/etc/x y"]);
        assert!(fact.fetched && !fact.interrupted);
    }
}
