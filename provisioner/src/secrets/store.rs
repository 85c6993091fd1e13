//! Programs that give secrets, such as `pass` or `bw`: which the user allows for which estate, and how they are run.
//!
//! Only the user's own `secrets.yml` says what is run; an estate names a store and a name in it. So nobody's checkout can run a
//! program, and what it can ask for is what the user has let the program be asked for. No shell is involved. A program gets no input
//! and no key of prov's, begins in the user's home, and has a limited time and room to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tasks::estate::{Given, Reference, Source, Wanted, from_node, parse};
use tasks::{Diagnostic, Secret, without_private};

use super::identity::VARIABLE;
use crate::engine::Failure;
use crate::files::others_may_write;
use crate::report::problem::Problem;
use crate::report::text::{counted, printable};
use crate::state::home;

/// How long a program may take: somebody may have to type a passphrase.
const PATIENCE: Duration = Duration::from_secs(60);

/// Most bytes that a secret may have.
const MOST: u64 = 64 << 10;

/// Most bytes that are read of what a program says besides.
const MOST_SAID: u64 = 1 << 20;

/// Longest part of a program's last words that is shown, in characters.
const SHOWN: usize = 300;

/// Stands for the name in the words of a command.
const NAME: &str = "{name}";

/// The commands of stores, by the store's name: program and arguments.
type Commands = BTreeMap<String, Vec<String>>;

/// Gets what references ask for, each once.
pub(crate) fn ask(estate: &Path, references: &[Reference]) -> Result<Given, Problem> {
    let commands = allowed(&file(), estate)?;
    let stores: BTreeSet<&str> = references
        .iter()
        .map(|it| it.wanted.store.as_str())
        .filter(|store| !commands.contains_key(*store))
        .collect();
    if !stores.is_empty() {
        let unknown = references
            .iter()
            .filter(|it| stores.contains(it.wanted.store.as_str()));
        return Err(refused(estate, &stores, unknown));
    }
    let mut given = Given::new();
    let mut failed: BTreeMap<&Wanted, String> = BTreeMap::new();
    let mut said = Vec::new();
    for reference in references {
        let wanted = &reference.wanted;
        if given.contains_key(wanted) {
            continue;
        }
        if !failed.contains_key(wanted) {
            match get(&commands, wanted, PATIENCE) {
                Ok(secret) => {
                    given.insert(wanted.clone(), secret);
                    continue;
                }
                Err(why) => {
                    failed.insert(wanted, why);
                }
            }
        }
        if let Some(why) = failed.get(wanted) {
            said.push(format!("{}: {why}", shown(reference)));
        }
    }
    if said.is_empty() {
        return Ok(given);
    }
    let failure = Failure::new(
        format!(
            "cannot get {} from programs that give secrets",
            counted(said.len(), "value", "values")
        ),
        "run the command yourself to see what it needs; an agent may have to be unlocked first",
    );
    Err(Problem::Failed(failure.output(&said.join("\n"))))
}

fn shown(reference: &Reference) -> String {
    let place = &reference.place;
    format!("{}:{}: {}", place.file, place.line, reference.keys)
}

/// Says which stores an estate speaks of that nobody has allowed.
fn refused<'r>(
    estate: &Path,
    stores: &BTreeSet<&str>,
    references: impl Iterator<Item = &'r Reference>,
) -> Problem {
    let names: Vec<_> = stores.iter().map(|store| format!("'{store}'")).collect();
    let lines: Vec<_> = references
        .map(|it| format!("{} wants '{}'", shown(it), it.wanted.name))
        .collect();
    let first = stores.first().copied().unwrap_or("pass");
    let failure = Failure::new(
        format!(
            "the estate wants secrets from {}, and you have allowed it no such command",
            names.join(", ")
        ),
        format!(
            "if you trust the estate with them, write into {}: `{}: {{{first}: [PROGRAM, ARGUMENT, \"{NAME}\"]}}`; docs/secrets.md shows how",
            file().display(),
            real(estate).display()
        ),
    );
    Problem::Failed(failure.output(&lines.join("\n")))
}

/// Names the user's file.
fn file() -> PathBuf {
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let base = base.filter(|path| path.is_absolute());
    base.unwrap_or_else(|| home().join(".config"))
        .join("prov/secrets.yml")
}

fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

/// Reads which commands the user allows for an estate: those of its folder, wherever it was typed.
fn allowed(file: &Path, estate: &Path) -> Result<Commands, Problem> {
    if !file.exists() {
        return Ok(Commands::new());
    }
    if others_may_write(file) {
        return Err(Problem::usage(
            format!(
                "others may write {}, which says what prov runs",
                file.display()
            ),
            format!("run `chmod go-w {}`, once it is yours", file.display()),
        ));
    }
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::file("read", file, &error, "check that it is yours, and is UTF-8")
    })?;
    let source = Source::new(file.display().to_string(), text, false);
    let read = parse(&source).and_then(|node| {
        let folders: Option<BTreeMap<String, Commands>> = from_node(&node)?;
        Ok((node, folders.unwrap_or_default()))
    });
    let (node, folders) = read.map_err(|mistake| {
        vec![mistake.hint("write FOLDER OF THE ESTATE: {STORE: [PROGRAM, ARGUMENT, \"{name}\"]}")]
    })?;
    let mut mistakes = Vec::new();
    let mut found = Commands::new();
    for (folder, commands) in folders {
        for (store, words) in &commands {
            if let Err(why) = is_command(words) {
                let at = node.get(&folder).and_then(|node| node.get(store));
                let place = at.unwrap_or(&node).mark().place();
                mistakes.push(Diagnostic::at(place, why).hint(
                    "write a program and its arguments, for instance [pass, show, \"firm/{name}\"]",
                ));
            }
        }
        let path = match folder.strip_prefix("~/") {
            Some(rest) => home().join(rest),
            None => PathBuf::from(&folder),
        };
        if path.is_absolute() && real(&path) == real(estate) {
            found.extend(commands);
        }
    }
    if mistakes.is_empty() {
        Ok(found)
    } else {
        Err(mistakes.into())
    }
}

/// Refuses what is no command in which a name has its place.
fn is_command(words: &[String]) -> Result<(), &'static str> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("there is no program");
    };
    if program.is_empty() || program.contains('/') && !program.starts_with('/') {
        // It would be looked for where prov is run, which may be a checkout.
        return Err("a program is named, or has an absolute path");
    }
    if program.contains(NAME) || !arguments.iter().any(|word| word.contains(NAME)) {
        return Err("{name} must stand in an argument");
    }
    Ok(())
}

/// Finds a program by its name in folders that do not depend on where prov is run.
fn found(program: &str) -> Option<PathBuf> {
    if program.starts_with('/') {
        return Some(PathBuf::from(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program));
    paths.find(|path| {
        path.metadata()
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Runs the command of a store; what failed is said with the command and the end of what it said, never with what it gave.
fn get(commands: &Commands, wanted: &Wanted, patience: Duration) -> Result<Secret, String> {
    let words: Vec<String> = commands
        .get(&wanted.store)
        .into_iter()
        .flatten()
        .map(|word| word.replace(NAME, &wanted.name))
        .collect();
    let (program, arguments) = words.split_first().ok_or("there is no program")?;
    let line = format!("`{}`", words.join(" "));
    let path = found(program).ok_or_else(|| format!("there is no program {program} in PATH"))?;
    let mut child = Command::new(&path)
        .args(arguments)
        .current_dir(home())
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run {line}: {error}"))?;
    let until = Instant::now() + patience;
    let answer = reader(child.stdout.take(), MOST + 1);
    let words = reader(child.stderr.take(), MOST_SAID);
    let ended = ended(&mut child, until);
    // A child of it may hold the pipes, and is not waited for longer than for itself.
    let rest = |of: &Receiver<Vec<u8>>| {
        of.recv_timeout(until.saturating_duration_since(Instant::now()))
            .ok()
    };
    let Some((status, answer)) = ended.zip(rest(&answer)) else {
        return Err(format!(
            "{line} did not end within {} s",
            patience.as_secs_f32()
        ));
    };
    let answer = String::from_utf8(answer);
    if !status.success() {
        let said = rest(&words).unwrap_or_default();
        let private = answer.map(Secret::new).into_iter().collect::<Vec<_>>();
        let last = last_line(&without_private(&private, &String::from_utf8_lossy(&said)));
        return Err(format!("{line} {}{last}", ending(status)));
    }
    let Ok(text) = answer else {
        return Err(format!("{line} gives no UTF-8"));
    };
    if text.len() as u64 > MOST {
        return Err(format!("{line} gives more than {} KiB", MOST >> 10));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if text.is_empty() || text.contains('\0') {
        return Err(format!("{line} gives nothing that could be a secret"));
    }
    Ok(Secret::new(text))
}

fn ending(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ended with {code}"),
        // Without a code it was a signal.
        None => status.to_string(),
    }
}

/// Gives the last line of what a program said, with what leads to it.
fn last_line(said: &str) -> String {
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.map_or_else(String::new, |line| {
        let line: String = line.chars().take(SHOWN).collect();
        format!(": {}", printable(&line))
    })
}

/// Reads up to so many bytes, and passes the rest over so that nobody waits for room.
fn reader(from: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            // What cannot be read is as good as not there.
            let _ = (&mut from).take(most).read_to_end(&mut bytes);
            // Nobody may be there any more.
            let _ = sender.send(bytes);
            let _ = std::io::copy(&mut from, &mut std::io::sink());
        }
    });
    receiver
}

/// Waits for the end of a program; ends it when its time is over.
fn ended(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => break,
        }
    }
    // It may have ended this moment.
    let _ = child.kill();
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<Secret, String> {
        let words = ["/bin/sh", "-c", script, "sh", "x/{name}"].map(str::to_owned);
        let commands = Commands::from([("s".to_owned(), words.to_vec())]);
        let wanted = Wanted {
            store: "s".to_owned(),
            name: "a'; echo $(id)".to_owned(),
        };
        get(&commands, &wanted, Duration::from_secs(2))
    }

    #[test]
    fn a_program_gets_the_name_as_one_word_and_gives_one_text() {
        let got = sh("printf '%s\\n\\n' \"$1\"; [ $# = 1 ]").unwrap();
        assert_eq!(got.expose(), "x/a'; echo $(id)\n");
        // No input, in no checkout.
        let got = sh("cat; pwd").unwrap();
        assert_eq!(Path::new(got.expose()), real(&home()));
    }

    #[test]
    fn what_goes_wrong_is_said_without_what_was_given() {
        for (script, said) in [
            (
                "echo hunter2; echo first >&2; echo why >&2; exit 3",
                "ended with 3: why",
            ),
            (
                "echo hunter2; echo 'bad hunter2' >&2; exit 3",
                "ended with 3: <line hidden",
            ),
            ("echo hunter2; kill -9 $$", "signal: 9"),
            ("echo hunter2; sleep 9", "did not end within 2 s"),
            ("echo hunter2; sleep 9 &", "did not end within 2 s"),
            ("head -c 70000 /dev/zero | tr '\\0' x", "more than 64 KiB"),
            ("head -c 9000000 /dev/zero | tr '\\0' x", "more than 64 KiB"),
            ("printf '\\377'", "no UTF-8"),
            ("printf '\\0'", "nothing that could be"),
            ("echo", "nothing that could be"),
            ("printf '\\033[31mred\\n' >&2; exit 1", "red"),
        ] {
            let why = sh(script).unwrap_err();
            assert!(why.contains(said), "{script}: {why}");
            assert!(why.contains("x/a'; echo $(id)`"), "{script}: {why}");
            let quoted = why.replace(script, "");
            assert!(
                !quoted.contains("hunter2") && !quoted.contains('\u{1b}'),
                "{script}: {why}"
            );
        }
    }

    #[test]
    fn only_what_the_user_has_allowed_for_the_folder_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let estate = folder.path().join("firm");
        let other = folder.path().join("other");
        std::fs::create_dir(&estate).unwrap();
        std::fs::create_dir(&other).unwrap();
        let file = folder.path().join("secrets.yml");
        let write = |text: String| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        };
        let shown = estate.display();
        assert!(allowed(&file, &estate).unwrap().is_empty());
        write(format!(
            "{shown}: {{pass: [pass, show, \"firm/{{name}}\"]}}\n"
        ));
        assert_eq!(allowed(&file, &estate).unwrap().len(), 1);
        assert_eq!(allowed(&file, &estate.join("../firm")).unwrap().len(), 1);
        assert!(allowed(&file, &other).unwrap().is_empty());
        // A link to the folder is the folder; a folder by the name of a link is not.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&estate, &link).unwrap();
        assert_eq!(allowed(&file, &link).unwrap().len(), 1);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(allowed(&file, &estate).is_err());
        for bad in [
            "[./pass, \"{name}\"]",
            "[tools/pass, \"{name}\"]",
            "[\"{name}\"]",
            "[pass, show]",
            "[]",
            "pass show {name}",
        ] {
            write(format!("{shown}: {{pass: {bad}}}\n"));
            assert!(allowed(&file, &estate).is_err(), "{bad}");
        }
    }

    #[test]
    fn programs_are_not_looked_for_where_prov_is_run() {
        assert!(found("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(found("no-such-program"), None);
    }
}
