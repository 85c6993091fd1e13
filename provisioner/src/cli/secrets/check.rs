//! `prov secrets check`: what stands in the clear where others may read it, and what is encrypted for others than it should be.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use tasks::Diagnostic;
use tasks::estate::sealed::{self, Part};
use tasks::estate::{RECIPIENTS, Sources};
use tasks::exposed::{self, Belongs, Exposed};
use tasks::role::Catalogue;

use super::super::app;
use super::super::arguments::{Global, Output};
use super::found::{self, File};
use super::tracked::Tracked;
use crate::authority;
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

impl Finding {
    /// Describes what is wrong with a whole file.
    fn of_file(path: &Path, problem: &str, remedy: &str) -> Self {
        Self {
            file: found::shown(path),
            line: 0,
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

/// What was found, and what could not be looked at.
#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    /// Encrypted values.
    values: usize,
    /// Those of them that there is no key for.
    unseen: usize,
    notes: Vec<String>,
    is_in_git: bool,
}

pub(super) fn run(global: &Global) -> Result<u8, Problem> {
    let files = found::all(global)?;
    let mut found = Found::default();
    let (estate, mistakes) = files::look_at_estate(&global.estate)?;
    let mut wrong = mistakes;
    let libraries = app::libraries(global)?;
    let roles = Catalogue::load(&estate, &libraries).unwrap_or_else(|_| {
        found.notes.push(
            "roles of the estate have mistakes, which `prov check` shows: which of their variables are secret is not known".to_owned(),
        );
        Catalogue::default()
    });
    let mut folders = vec![(global.estate.clone(), exposed::Folder::Estate, estate)];
    if let Some(folder) = files::domains_folder(&global.estate, global.domains_folder.as_deref())? {
        let (domains, mistakes) = files::look(&folder, None)?;
        wrong.extend(mistakes);
        folders.push((folder, exposed::Folder::Domains, domains));
    }
    for (folder, library) in global.roles.iter().zip(libraries) {
        folders.push((folder.clone(), exposed::Folder::Roles, library));
    }
    found.findings.extend(wrong.into_iter().map(|mistake| {
        Finding {
            file: mistake
                .place
                .map_or_else(String::new, |place| found::shown(Path::new(&place.file))),
            line: 0,
            problem: mistake.message,
            remedy: mistake.hint.unwrap_or_default(),
        }
    }));
    for (folder, kind, sources) in &folders {
        let tracked = Tracked::of(folder)?;
        found.is_in_git |= tracked.is_some();
        if let Some(tracked) = &tracked {
            in_git(tracked, &mut found.findings);
        }
        for exposed in exposed::exposed(*kind, sources, &roles) {
            let finding = in_public(global, exposed, tracked.as_ref());
            found.findings.push(finding);
        }
        twins(global, *kind, sources, &mut found.findings)?;
    }
    let sealed: Vec<&File> = files.iter().filter(|file| file.is_sealed()).collect();
    if !sealed.is_empty() {
        let recipients = Recipients::load(&global.estate)?;
        for file in &sealed {
            look(global, file, &recipients, &mut found)?;
        }
    }
    of_authority(global, !sealed.is_empty(), &mut found.findings)?;
    let findings = &mut found.findings;
    findings.sort_by(|a, b| (&a.file, a.line, &a.problem).cmp(&(&b.file, b.line, &b.problem)));
    findings.dedup_by(|a, b| (&a.file, a.line, &a.problem) == (&b.file, b.line, &b.problem));
    report(global, &found);
    Ok(if found.findings.is_empty() {
        exit::DONE
    } else {
        exit::FAILED
    })
}

/// What is in version control in the clear, and what would be by the next `git add`.
fn in_git(tracked: &Tracked, findings: &mut Vec<Finding>) {
    for (path, is_authority) in tracked.clear() {
        findings.push(Finding::of_file(
            &path,
            "is in version control in the clear",
            if is_authority {
                "encrypt it with `prov secrets encrypt authority`, take it out with `git rm --cached`, and replace the authority: who has the repository has its key"
            } else {
                "encrypt it with `prov secrets encrypt`, take it out with `git rm --cached`, and change what was in it: the history keeps it"
            },
        ));
    }
    for path in tracked.would_be() {
        findings.push(Finding::of_file(
            &path,
            "is in the clear, and `git add` would take it into version control",
            "encrypt it with `prov secrets encrypt`, or write *.private.yml* and *.private.pem* into .gitignore, and !*.age after them",
        ));
    }
}

/// A secret that stands in a public file.
fn in_public(global: &Global, exposed: Exposed, tracked: Option<&Tracked>) -> Finding {
    let file = found::shown(Path::new(&exposed.place.file));
    let is_tracked = tracked.is_some_and(|tracked| tracked.has(Path::new(&exposed.place.file)));
    let mut remedy = match exposed.belongs {
        Belongs::Sibling(own) if global.estate.join(RECIPIENTS).is_file() => format!(
            "move it into {} with `prov secrets edit {}`",
            file.replace(".yml", ".private.yml.age"),
            if file.ends_with("/domain.yml") {
                format!("{}{own}", secrets::DOMAINS)
            } else {
                own
            }
        ),
        Belongs::Sibling(_) => format!(
            "move it into {}, which is for your eyes only (mode 0600) and stays out of version control",
            file.replace(".yml", ".private.yml")
        ),
        Belongs::Variable => {
            "make it a variable of a role, of the type secret, and set that in a private file"
                .to_owned()
        }
        Belongs::Elsewhere => "move it out of the estate's folder".to_owned(),
    };
    if is_tracked {
        remedy.push_str("; then change it, because the history of version control keeps it");
    }
    let what = if exposed.keys.is_empty() {
        "a private key stands here in the clear".to_owned()
    } else {
        format!("{}: a secret stands in a public file", exposed.keys)
    };
    Finding {
        file,
        line: exposed.place.line,
        problem: what,
        remedy,
    }
}

/// Finds clear files beside the encrypted ones, and tells whether they say the same.
fn twins(
    global: &Global,
    kind: exposed::Folder,
    sources: &Sources,
    findings: &mut Vec<Finding>,
) -> Result<(), Problem> {
    let keys = global.opener().keys()?;
    for (path, bytes) in sources.files().filter(|(path, _)| files::has_values(path)) {
        let Some((clear, clear_bytes)) = files::beside(sources, path) else {
            continue;
        };
        let prefix = if kind == exposed::Folder::Domains {
            secrets::DOMAINS
        } else {
            ""
        };
        let belongs = format!("{prefix}{}", secrets::stem(path));
        let (Ok(sealed), Ok(open)) = (
            sealed::parts(path, bytes),
            sealed::parts(clear, clear_bytes),
        ) else {
            // What is no YAML is said elsewhere.
            continue;
        };
        let opened = sealed.into_iter().filter(|part| !part.is_comment());
        let opened: Option<Vec<Part>> = opened
            .map(|part| {
                let text = secrets::open(&belongs, &part, keys).ok()?.text;
                Some(Part { text, ..part })
            })
            .collect();
        let (problem, remedy) = match opened.map(|opened| different(&opened, &open)) {
            Some(keys) if keys.is_empty() => (
                format!("holds in the clear what {} holds, too", sources.file(path)),
                "remove the clear one".to_owned(),
            ),
            Some(keys) => (
                format!(
                    "is in the clear, and differs from {} beside it in {}",
                    sources.file(path),
                    keys.join(", ")
                ),
                format!(
                    "put what is right of it into the encrypted one with `prov secrets edit {belongs}`, and remove the clear one"
                ),
            ),
            None => (
                format!("is in the clear, and {} is beside it", sources.file(path)),
                format!(
                    "have who has a key compare them (`prov secrets show {belongs}`), and remove the clear one"
                ),
            ),
        };
        findings.push(Finding::of_file(
            Path::new(&sources.file(clear)),
            &problem,
            &remedy,
        ));
    }
    Ok(())
}

/// Names the keys whose values differ.
fn different(one: &[Part], other: &[Part]) -> Vec<String> {
    let mut keys: BTreeMap<String, [Vec<&str>; 2]> = BTreeMap::new();
    for (index, parts) in [one, other].into_iter().enumerate() {
        for part in parts.iter().filter(|part| !part.is_comment()) {
            keys.entry(part.shown()).or_default()[index].push(&part.text);
        }
    }
    let differ = keys.into_iter().filter(|(_, [one, other])| one != other);
    differ.map(|(key, _)| key).collect()
}

/// What is wrong with the key of the authority in the estate's folder.
fn of_authority(
    global: &Global,
    others_are_sealed: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), Problem> {
    let (clear, key) = (
        global.estate.join(authority::FILE),
        global.estate.join(authority::SEALED),
    );
    if clear.is_file() && key.is_file() {
        findings.push(Finding::of_file(
            &clear,
            &format!("is in the clear, and {} is beside it", found::shown(&key)),
            "remove the one that is not the estate's authority",
        ));
    } else if clear.is_file() && others_are_sealed {
        findings.push(Finding::of_file(
            &clear,
            "the authority's key is in the clear, though other secrets of the estate are encrypted",
            "encrypt it with `prov secrets encrypt authority`",
        ));
    }
    if !key.is_file() || global.opener().keys()?.is_empty() {
        return Ok(());
    }
    let recipients = Recipients::load(&global.estate)?;
    let found = match authority::open(&key, global.opener()) {
        Ok(text) if authority::is_for(&text, &recipients) => return Ok(()),
        Ok(_) => (
            "it is encrypted for others than recipients.txt names",
            "run `prov secrets rekey`",
        ),
        Err(_) => (
            "it cannot be decrypted here",
            "take it back from version control, or have a recipient run `prov secrets rekey`",
        ),
    };
    findings.push(Finding::of_file(&key, found.0, found.1));
    Ok(())
}

fn report(global: &Global, found: &Found) {
    let Found {
        findings,
        values,
        unseen,
        notes,
        is_in_git,
    } = found;
    if global.output == Output::Json {
        let found = findings.iter().map(|it| json!({ "file": it.file, "line": it.line, "problem": it.problem, "hint": it.remedy }));
        jsonln!(
            "{:#}",
            json!({ "findings": found.collect::<Vec<_>>(), "encrypted_values": values, "not_decrypted": unseen, "version_control": is_in_git, "notes": notes })
        );
        return;
    }
    let shown = findings.iter().enumerate().map(|(index, finding)| {
        let place = if finding.line > 0 {
            format!("{}:{}", finding.file, finding.line)
        } else {
            finding.file.clone()
        };
        let shown = Diagnostic::new(format!("{place}: {}", finding.problem));
        // What is done about several in one file is said after the last of them.
        let same = |next: &Finding| (&next.file, &next.remedy) == (&finding.file, &finding.remedy);
        if findings.get(index + 1).is_some_and(same) {
            shown
        } else {
            shown.hint(finding.remedy.clone())
        }
    });
    out(format_args!("{}", Problem::Usage(shown.collect()).text()));
    for note in notes {
        outln!("note: {note}");
    }
    if !is_in_git {
        outln!(
            "note: the estate is in no git repository, so nothing could be looked for in version control"
        );
    }
    if *unseen > 0 {
        outln!(
            "note: there is no key here for {}; whether they are whole and in their place is not known",
            counted(*unseen, "value", "values")
        );
    }
    outln!(
        "{}, {}",
        counted(*values, "encrypted value", "encrypted values"),
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
    all: &mut Found,
) -> Result<(), Problem> {
    let bytes = file.read()?;
    let parts = sealed::parts(&file.shown(), &bytes).map_err(Diagnostic::alone)?;
    let keys = global.opener().keys()?;
    for part in parts
        .iter()
        .filter(|part| !part.is_comment() || part.is_sealed)
    {
        all.values += usize::from(!part.is_comment());
        let mut found = |problem: String, remedy: &str| {
            all.findings.push(Finding {
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
                all.unseen += 1;
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
