//! `prov secrets`: what the estate's private files hold, encrypted value by value. They are found and changed without the rest of
//! the estate, which may have mistakes.

mod check;
mod edit;
mod found;
mod tracked;

use std::io::{IsTerminal as _, Read as _};

use clap::Subcommand;
use serde_json::json;
use tasks::estate::sealed::{self, Part, quoted};
use tasks::{Diagnostic, Place, Secret};

use super::arguments::{Global, Output};
use super::passphrase;
use crate::authority::{self, Kept};
use crate::engine::Failure;
use crate::report::print::{jsonln, out, outln};
use crate::report::problem::{Problem, exit};
use crate::report::text::counted;
use crate::secrets::{self, Recipients, Shut};
use crate::state::write_private;
use found::{File, shown};

/// What is done with secrets.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Open the values of a private file in $VISUAL or $EDITOR, and encrypt those again that were changed
    Edit {
        /// Edit the secrets of this: all, estate, a group, a host, domains/NAME, or a file
        name: String,
    },
    /// Print what a private file holds, decrypted
    Show {
        /// Show the secrets of this: all, estate, a group, a host, domains/NAME, or a file
        name: String,
        /// Show the value of this key alone, as it is; keys in keys are joined by dots
        key: Option<String>,
    },
    /// Set one text, which comes by standard input or is asked for, in an encrypted private file
    Set {
        /// Set it for this: all, estate, a group, a host, domains/NAME, or a file
        name: String,
        /// Set the value of this key; keys in keys are joined by dots, and must be there already
        key: String,
    },
    /// Encrypt clear private files, and the authority's key in the estate's folder, for recipients.txt; the clear ones go
    Encrypt {
        /// Encrypt those of these; all when none is named
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// Encrypt anew what was encrypted for others than recipients.txt names now
    Rekey,
    /// Look for secrets in the clear where others may read them (version control, public files, file modes), and for values that are
    /// encrypted for others than recipients.txt says
    Check,
}

pub(super) async fn run(global: &Global, action: Action) -> Result<u8, Problem> {
    match action {
        Action::Edit { name } => edit::run(global, &name).await,
        Action::Show { name, key } => show(global, &name, key.as_deref()),
        Action::Set { name, key } => set(global, &name, &key),
        Action::Encrypt { names } => encrypt(global, &names),
        Action::Rekey => rekey(global),
        Action::Check => check::run(global),
    }
}

fn say(global: &Global, text: &str) {
    if global.output == Output::Text {
        outln!("{text}");
    }
}

/// The text of a file with its parts, and these decrypted.
struct Document {
    text: String,
    parts: Vec<Part>,
    /// What the parts hold, in the same order, and the recipients' digests of those that are encrypted.
    opened: Vec<(String, Option<String>)>,
}

/// Reads a file, encrypted or not, and decrypts all of it.
fn document(global: &Global, file: &File) -> Result<Document, Problem> {
    let bytes = file.read()?;
    let parts = sealed::parts(&file.shown(), &bytes).map_err(Diagnostic::alone)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let keys = global.opener().keys()?;
    let (mut opened, mut mistakes, mut locked) = (Vec::new(), Vec::new(), 0);
    for part in &parts {
        // A comment in the clear is one that somebody wrote into the encrypted file.
        if !file.is_sealed() || part.is_comment() && !part.is_sealed {
            opened.push((part.text.clone(), None));
            continue;
        }
        match secrets::open(&file.belongs, part, keys) {
            Ok(value) => opened.push((value.text, Some(value.recipients))),
            Err(Shut::Locked) => locked += 1,
            Err(Shut::Wrong(why)) => mistakes.push(secrets::refused(part, &why)),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    if locked > 0 {
        return Err(Problem::Failed(Failure::new(
            format!(
                "cannot decrypt {} in {}",
                counted(locked, "value", "values"),
                file.shown()
            ),
            super::app::whose_identity(global),
        )));
    }
    Ok(Document {
        text,
        parts,
        opened,
    })
}

impl Document {
    /// Gives the text with all values in the clear.
    fn clear(&self) -> Secret {
        let mut opened = self.opened.iter();
        Secret::new(sealed::replaced(&self.text, &self.parts, |_| {
            opened
                .next()
                .map_or_else(String::new, |(text, _)| text.clone())
        }))
    }
}

fn show(global: &Global, name: &str, key: Option<&str>) -> Result<u8, Problem> {
    let file = File::named(global, name)?;
    let document = document(global, &file)?;
    let Some(key) = key else {
        if global.output == Output::Json {
            return Err(Problem::usage(
                "a whole file is shown as YAML only",
                "name a key, or leave --output json out",
            ));
        }
        out(format_args!("{}", document.clear().expose()));
        return Ok(exit::DONE);
    };
    let at = position(&document.parts, key).ok_or_else(|| no_key(&file, &document.parts, key))?;
    let value = document.opened.get(at).map_or("", |(text, _)| text);
    let value = sealed::unquoted(value).unwrap_or_else(|| value.to_owned());
    if global.output == Output::Json {
        jsonln!(
            "{:#}",
            json!({ "file": file.shown(), "key": key, "value": value })
        );
    } else {
        outln!("{value}");
    }
    Ok(exit::DONE)
}

/// Finds the value of a key; of a list no single item can be named.
fn position(parts: &[Part], key: &str) -> Option<usize> {
    let mut all = parts.iter().enumerate();
    let found = all.find(|(_, part)| {
        !part.is_comment() && part.shown() == key && !part.shown().contains("[]")
    });
    found.map(|(at, _)| at)
}

fn no_key(file: &File, parts: &[Part], key: &str) -> Problem {
    let keys: Vec<String> = parts
        .iter()
        .filter(|part| !part.is_comment())
        .map(Part::shown)
        .collect();
    let near = tasks::nearest(key, keys.iter().map(String::as_str));
    Problem::usage(
        format!("{} has no single value '{key}'", file.shown()),
        match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("`prov secrets show {}` shows what there is", file.belongs),
        },
    )
}

fn set(global: &Global, name: &str, key: &str) -> Result<u8, Problem> {
    let file = File::named(global, name)?;
    if file.exists() && !file.is_sealed() {
        return Err(Problem::usage(
            format!("{} is not encrypted", file.shown()),
            format!(
                "write it there, or encrypt the file first: `prov secrets encrypt {}`",
                file.belongs
            ),
        ));
    }
    let recipients = Recipients::load(&global.estate)?;
    let value = value_for(key)?;
    let bytes = if file.exists() {
        file.read()?
    } else {
        Vec::new()
    };
    let parts = sealed::parts(&file.shown(), &bytes).map_err(Diagnostic::alone)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = position(&parts, key);
    let new = if let Some(at) = at {
        let part = Part {
            text: quoted(value.expose()),
            ..parts[at].clone()
        };
        let sealed = secrets::seal(&file.belongs, &part, &recipients)?;
        sealed::replaced(&text, &parts[at..=at], |_| sealed.clone())
    } else {
        appended(&file, &text, key, &value, &recipients)?
    };
    // What was put together must be what was meant, or nothing is written.
    let again = sealed::parts(&file.shown(), new.as_bytes());
    let expected = parts.len() + usize::from(at.is_none());
    if again.is_ok_and(|again| again.len() == expected && position(&again, key).is_some()) {
        file.write_sealed(new.as_bytes())?;
        say(
            global,
            &format!("set {key} in {}", shown(&file.sealed_path())),
        );
        return Ok(exit::DONE);
    }
    Err(Problem::usage(
        format!("'{key}' cannot be added to {}", file.shown()),
        format!("add it with `prov secrets edit {}`", file.belongs),
    ))
}

/// Adds a key at the end.
fn appended(
    file: &File,
    text: &str,
    key: &str,
    value: &Secret,
    recipients: &Recipients,
) -> Result<String, Problem> {
    if tasks::estate::variable(key).is_err() {
        return Err(Problem::usage(
            format!("{} has no value '{key}'", file.shown()),
            format!(
                "what is no plain name can be added with `prov secrets edit {}`",
                file.belongs
            ),
        ));
    }
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // A value in its place tells what it belongs to.
    let clear = format!("{text}{key}: {}\n", quoted(value.expose()));
    let parts = sealed::parts(&file.shown(), clear.as_bytes()).map_err(Diagnostic::alone)?;
    let Some(part) = position(&parts, key).map(|at| &parts[at]) else {
        return Ok(text);
    };
    let sealed = secrets::seal(&file.belongs, part, recipients)?;
    Ok(format!("{text}{key}: {sealed}\n"))
}

/// Reads a value: all of standard input but its last line break, or what is typed at the terminal.
fn value_for(key: &str) -> Result<Secret, Problem> {
    let unread = |cause: String| {
        Problem::usage(
            cause,
            "hand it over by standard input, or type it at a terminal",
        )
    };
    if std::io::stdin().is_terminal() {
        let typed = passphrase::ask(&format!("Value of {key}: "));
        let typed = typed.filter(|value| !value.expose().is_empty());
        return typed.ok_or_else(|| unread("no value was given".to_owned()));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| unread(format!("the value cannot be read: {error}")))?;
    if let Some(line) = text.strip_suffix('\n') {
        text.truncate(line.len());
    }
    if text.is_empty() {
        // A program that was to give it has failed.
        return Err(unread("no value was given".to_owned()));
    }
    Ok(Secret::new(text))
}

/// Gives a text with every value and comment encrypted.
fn sealed_text(
    file: &File,
    text: &str,
    parts: &[Part],
    recipients: &Recipients,
) -> Result<String, Problem> {
    let mut failed = None;
    let new = sealed::replaced(text, parts, |part| {
        secrets::seal(&file.belongs, part, recipients).unwrap_or_else(|problem| {
            failed = Some(problem);
            String::new()
        })
    });
    failed.map_or(Ok(new), Err)
}

/// Refuses recipients among which nobody here is: what is encrypted could not be read any more.
fn one_of_us(global: &Global, recipients: &Recipients) -> Result<(), Problem> {
    let tried = secrets::encrypt(b"", recipients)?;
    if secrets::decrypt(&tried, global.opener().keys()?).is_ok() {
        return Ok(());
    }
    Err(Problem::Failed(Failure::new(
        format!(
            "no key that is here belongs to a recipient in {}, so you could not read what was encrypted",
            recipients.file()
        ),
        "add your public key to it, or name your private one with --identity FILE (PROV_IDENTITY)",
    )))
}

fn encrypt(global: &Global, names: &[String]) -> Result<u8, Problem> {
    let recipients = Recipients::load(&global.estate)?;
    one_of_us(global, &recipients)?;
    let key = global.estate.join(authority::FILE);
    let sealed_key = global.estate.join(authority::SEALED);
    let wants_key = names.is_empty() || names.iter().any(|name| name == "authority");
    let files: Vec<File> = if names.is_empty() {
        found::all(global)?
            .into_iter()
            .filter(|file| !file.is_sealed())
            .collect()
    } else {
        let names = names.iter().filter(|name| *name != "authority");
        names
            .map(|name| File::named(global, name))
            .collect::<Result<_, _>>()?
    };
    let mut ready = Vec::new();
    let mut mistakes: Vec<Diagnostic> = Vec::new();
    for file in &files {
        if file.clear_path().exists() && file.sealed_path().exists() {
            let place = Place::file(shown(&file.clear_path()));
            let message = format!(
                "{} is beside it, and would be lost",
                shown(&file.sealed_path())
            );
            mistakes.push(Diagnostic::at(place, message).hint(format!(
                "put what is right of the clear one into the encrypted one with `prov secrets edit {}`, and remove the clear one",
                file.belongs
            )));
            continue;
        }
        if file.is_sealed() {
            continue;
        }
        let bytes = file.read()?;
        match sealed::parts(&file.shown(), &bytes) {
            Ok(parts) => {
                let text = String::from_utf8_lossy(&bytes);
                ready.push((file, sealed_text(file, &text, &parts, &recipients)?));
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    for (file, text) in &ready {
        file.write_sealed(text.as_bytes())?;
        remove(file.path())?;
        say(
            global,
            &format!(
                "encrypted {}, which is gone: {}",
                file.shown(),
                shown(&file.sealed_path())
            ),
        );
    }
    let mut count = ready.len();
    if wants_key && key.exists() && !sealed_key.exists() {
        let text = std::fs::read_to_string(&key)
            .map_err(|error| Problem::file("read", &key, &error, "check that you may read it"))?;
        Kept::read(&text, key.clone(), true)?;
        write_private(&sealed_key, &authority::sealed(&text, &recipients)?)?;
        remove(&key)?;
        say(
            global,
            &format!(
                "encrypted {}, which is gone: {}",
                shown(&key),
                shown(&sealed_key)
            ),
        );
        count += 1;
    }
    if count == 0 {
        say(global, "There is nothing in the clear.");
    } else {
        say(
            global,
            "What was in version control before stays in its history: change such secrets.",
        );
    }
    if global.output == Output::Json {
        jsonln!("{:#}", json!({ "encrypted": count }));
    }
    Ok(exit::DONE)
}

fn remove(path: &std::path::Path) -> Result<(), Problem> {
    std::fs::remove_file(path).map_err(|error| {
        Problem::file(
            "remove",
            path,
            &error,
            "remove it, as it is encrypted beside it",
        )
    })
}

fn rekey(global: &Global) -> Result<u8, Problem> {
    let recipients = Recipients::load(&global.estate)?;
    one_of_us(global, &recipients)?;
    let mut ready = Vec::new();
    for file in found::all(global)?.into_iter().filter(File::is_sealed) {
        let document = document(global, &file)?;
        let mut opened = document.opened.iter();
        let (mut count, mut failed) = (0, None);
        let new = sealed::replaced(&document.text, &document.parts, |part| {
            let written = document.text.get(part.at.clone()).unwrap_or_default();
            match opened.next() {
                Some((text, Some(digest))) if *digest != recipients.digest() => {
                    count += 1;
                    let part = Part {
                        text: text.clone(),
                        ..part.clone()
                    };
                    secrets::seal(&file.belongs, &part, &recipients).unwrap_or_else(|problem| {
                        failed = Some(problem);
                        String::new()
                    })
                }
                _ => written.to_owned(),
            }
        });
        if let Some(problem) = failed {
            return Err(problem);
        }
        if count > 0 {
            ready.push((file, new, count));
        }
    }
    let key = global.estate.join(authority::SEALED);
    let old = key
        .exists()
        .then(|| authority::open(&key, global.opener()))
        .transpose()?;
    let old = old.filter(|text| !authority::is_for(text, &recipients));
    let has_key = old.is_some();
    if let Some(text) = old {
        write_private(&key, &authority::sealed(text.expose(), &recipients)?)?;
        say(global, &format!("{}: encrypted anew", shown(&key)));
    }
    for (file, text, count) in &ready {
        file.write_sealed(text.as_bytes())?;
        let values = counted(*count, "value", "values");
        say(
            global,
            &format!("{}: {values} encrypted anew", file.shown()),
        );
    }
    if ready.is_empty() && !has_key {
        say(
            global,
            "Everything is encrypted for the recipients already.",
        );
    } else {
        say(
            global,
            "Whoever was a recipient before can still read old versions: change what they knew.",
        );
    }
    if global.output == Output::Json {
        let values: usize = ready.iter().map(|(_, _, count)| count).sum();
        jsonln!(
            "{:#}",
            json!({ "values": values, "files": ready.len(), "authority": has_key })
        );
    }
    Ok(exit::DONE)
}
