//! `prov secrets check`: what is in version control in the clear, and what is encrypted for others than it should be.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use tasks::estate::sealed::{self, Part};

use super::super::arguments::{Global, Output};
use super::found::{self, File};
use crate::authority;
use crate::engine::Failure;
use crate::files;
use crate::report::print::{jsonln, out, outln};
use crate::report::problem::{Problem, exit};
use crate::report::text::counted;
use crate::secrets::{self, Recipients, Shut};

/// What is wrong with secrets.
struct Finding {
    file: String,
    line: usize,
    problem: String,
    remedy: String,
}

pub(super) fn run(global: &Global) -> Result<u8, Problem> {
    let files = found::all(global)?;
    let mut findings = Vec::new();
    let mut folders = vec![global.estate.clone()];
    folders.extend(files::domains_folder(
        &global.estate,
        global.domains_folder.as_deref(),
    )?);
    let mut without_git = 0;
    for folder in &folders {
        match Tracked::of(folder)? {
            Some(tracked) => tracked.look(&files, &mut findings),
            None => without_git += 1,
        }
    }
    let sealed: Vec<&File> = files.iter().filter(|file| file.is_sealed()).collect();
    let mut unseen = 0;
    let mut values = 0;
    if !sealed.is_empty() {
        let recipients = Recipients::load(&global.estate)?;
        for file in sealed {
            look(
                global,
                file,
                &recipients,
                &mut findings,
                &mut values,
                &mut unseen,
            )?;
        }
    }
    let key = global.estate.join(authority::SEALED);
    if key.is_file() && !global.opener().keys()?.is_empty() {
        let recipients = Recipients::load(&global.estate)?;
        let (problem, remedy) = match authority::open(&key, global.opener()) {
            Ok(text) if authority::is_for(&text, &recipients) => (None, ""),
            Ok(_) => (
                Some("it is encrypted for others than recipients.txt names"),
                "run `prov secrets rekey`",
            ),
            Err(_) => (
                Some("it cannot be decrypted here"),
                "take it back from version control, or have a recipient run `prov secrets rekey`",
            ),
        };
        findings.extend(problem.map(|problem| Finding {
            file: found::shown(&key),
            line: 0,
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }));
    }
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings.dedup_by(|a, b| (&a.file, a.line, &a.problem) == (&b.file, b.line, &b.problem));
    report(
        global,
        &findings,
        values,
        unseen,
        without_git == folders.len(),
    );
    Ok(if findings.is_empty() {
        exit::DONE
    } else {
        exit::FAILED
    })
}

fn report(global: &Global, findings: &[Finding], values: usize, unseen: usize, without_git: bool) {
    if global.output == Output::Json {
        let found = findings.iter().map(|it| json!({ "file": it.file, "line": it.line, "problem": it.problem, "hint": it.remedy }));
        jsonln!(
            "{:#}",
            json!({ "findings": found.collect::<Vec<_>>(), "encrypted_values": values, "not_decrypted": unseen, "version_control": !without_git })
        );
        return;
    }
    for finding in findings {
        let place = if finding.line > 0 {
            format!("{}:{}", finding.file, finding.line)
        } else {
            finding.file.clone()
        };
        out(format_args!(
            "{}",
            Problem::usage(
                format!("{place}: {}", finding.problem),
                finding.remedy.clone()
            )
            .text()
        ));
    }
    if without_git {
        outln!(
            "note: the estate is in no git repository, so nothing could be looked for in version control"
        );
    }
    if unseen > 0 {
        outln!(
            "note: there is no key here for {}; whether they are whole and in their place is not known",
            counted(unseen, "value", "values")
        );
    }
    outln!(
        "{}, {}",
        counted(values, "encrypted value", "encrypted values"),
        if findings.is_empty() {
            "no mistakes".to_owned()
        } else {
            counted(findings.len(), "mistake", "mistakes")
        }
    );
}

/// Looks at the values of an encrypted file.
fn look(
    global: &Global,
    file: &File,
    recipients: &Recipients,
    findings: &mut Vec<Finding>,
    values: &mut usize,
    unseen: &mut usize,
) -> Result<(), Problem> {
    let bytes = file.read()?;
    let parts = sealed::parts(&file.shown(), &bytes).map_err(|mistake| vec![mistake])?;
    let keys = global.opener().keys()?;
    for part in parts
        .iter()
        .filter(|part| !part.is_comment() || part.is_sealed)
    {
        *values += usize::from(!part.is_comment());
        let mut found = |problem: String, remedy: &str| {
            findings.push(Finding {
                file: file.shown(),
                line: part.place.line,
                problem: format!("{}: {problem}", part.shown()),
                remedy: remedy.to_owned(),
            });
        };
        let rekey =
            "run `prov secrets rekey`; whoever is no recipient any more still knows the value";
        match secrets::open(&file.belongs, part, keys) {
            Ok(opened) if opened.recipients == recipients.digest() => {}
            Ok(_) => found(
                "it is encrypted for others than recipients.txt names".to_owned(),
                rekey,
            ),
            Err(Shut::Wrong(why)) => {
                let refused = secrets::refused(part, &why);
                found(why, &refused.hint.unwrap_or_default());
            }
            Err(Shut::Locked) => {
                *unseen += 1;
                if stanzas(part).is_some_and(|count| count != recipients.names().count()) {
                    found(
                        "it is encrypted for more or fewer than recipients.txt names".to_owned(),
                        rekey,
                    );
                }
            }
        }
    }
    Ok(())
}

/// Counts for whom a value is encrypted, which its ciphertext tells; what age adds so that programs get used to it does not count.
fn stanzas(part: &Part) -> Option<usize> {
    let bytes = secrets::bytes(part)?;
    let text = String::from_utf8_lossy(&bytes);
    let head = text.split("\n---").next()?;
    let lines = head.lines().filter_map(|line| line.strip_prefix("-> "));
    Some(
        lines
            .filter(|line| {
                !line
                    .split(' ')
                    .next()
                    .unwrap_or_default()
                    .ends_with("-grease")
            })
            .count(),
    )
}

/// The files of a folder that are in version control.
struct Tracked<'f> {
    folder: &'f Path,
    names: Vec<String>,
}

impl<'f> Tracked<'f> {
    /// Asks git; `None` where the folder is in no repository.
    fn of(folder: &'f Path) -> Result<Option<Self>, Problem> {
        let here = git(folder, &["rev-parse", "--is-inside-work-tree"])?;
        if here.is_none() {
            return Ok(None);
        }
        let index = git(folder, &["ls-files", "-z", "--", "."])?.unwrap_or_default();
        // Before the first commit there is none.
        let head = git(
            folder,
            &["ls-tree", "-r", "-z", "--name-only", "HEAD", "--", "."],
        )?
        .unwrap_or_default();
        let mut names: Vec<String> = index
            .split('\0')
            .chain(head.split('\0'))
            .map(str::to_owned)
            .collect();
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        Ok(Some(Self { folder, names }))
    }

    fn look(&self, files: &[File], findings: &mut Vec<Finding>) {
        for name in &self.names {
            let is_authority = name.ends_with(".private.pem");
            if !(is_authority || name.ends_with(".private.yml")) {
                continue;
            }
            findings.push(Finding {
                file: found::shown(&self.folder.join(name)),
                line: 0,
                problem: "is in version control in the clear".to_owned(),
                remedy: if is_authority {
                    "encrypt it with `prov secrets encrypt authority`, take it out with `git rm --cached`, and replace the authority: who has the repository has its key".to_owned()
                } else {
                    "encrypt it with `prov secrets encrypt`, take it out with `git rm --cached`, and change what was in it: the history keeps it".to_owned()
                },
            });
        }
        let mut clear: Vec<_> = files
            .iter()
            .filter(|file| !file.is_sealed())
            .map(|file| file.path().to_owned())
            .collect();
        clear.push(self.folder.join(authority::FILE));
        for path in clear.iter().filter(|path| path.is_file()) {
            let Ok(own) = path.strip_prefix(self.folder) else {
                continue;
            };
            let is_tracked = own
                .to_str()
                .is_some_and(|own| self.names.iter().any(|name| name == own));
            let Ok(ignored) = git(
                self.folder,
                &["check-ignore", "--quiet", "--", &own.display().to_string()],
            ) else {
                continue;
            };
            if ignored.is_none() && !is_tracked {
                findings.push(Finding {
                    file: found::shown(path),
                    line: 0,
                    problem: "is in the clear, and `git add` would take it into version control".to_owned(),
                    remedy: "encrypt it with `prov secrets encrypt`, or write *.private.yml and *.private.pem into .gitignore".to_owned(),
                });
            }
        }
    }
}

/// Asks git something about a folder; `None` where it says no.
fn git(folder: &Path, arguments: &[&str]) -> Result<Option<String>, Problem> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .output();
    let output = output.map_err(|error| {
        Problem::Failed(Failure::new(
            format!("cannot run git: {error}"),
            "install git, which knows what is in version control",
        ))
    })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(output.status.success().then_some(text))
}
