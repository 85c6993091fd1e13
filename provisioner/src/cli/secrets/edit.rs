//! `prov secrets edit`: values in the clear for as long as an editor runs, in memory where only this user may look.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use tasks::Secret;
use tasks::estate::sealed::{self, Part};
use tokio::signal::unix::{SignalKind, signal};

use super::super::arguments::Global;
use super::found::File;
use super::{Document, document, say};
use crate::engine::Failure;
use crate::report::print;
use crate::report::problem::{Problem, exit};
use crate::report::text::counted;
use crate::secrets::{self, Recipients};

/// Folders that are in memory.
const IN_MEMORY: &str = "/dev/shm";

pub(super) async fn run(global: &Global, name: &str) -> Result<u8, Problem> {
    let file = File::named(global, name)?;
    if file.exists() && !file.is_sealed() {
        return Err(Problem::usage(
            format!("{} is not encrypted", file.shown()),
            format!(
                "edit it as it is, or encrypt it first: `prov secrets encrypt {}`",
                file.belongs
            ),
        ));
    }
    let recipients = Recipients::load(&global.estate)?;
    super::one_of_us(global, &recipients)?;
    let document = if file.exists() {
        document(global, &file)?
    } else {
        Document {
            text: String::new(),
            parts: Vec::new(),
            opened: Vec::new(),
        }
    };
    let before = document.clear();
    let place = Place::make(&file, &before)?;
    loop {
        place.edit().await?;
        let after = place.read()?;
        if after == before {
            say(global, "Nothing was changed.");
            return Ok(exit::DONE);
        }
        let shown = super::shown(&file.sealed_path());
        let parts = match sealed::parts(&shown, after.expose().as_bytes()) {
            Ok(parts) => parts,
            Err(mistake) => {
                print::err(format_args!("{}", Problem::Estate(vec![mistake]).text()));
                if again() {
                    continue;
                }
                return Err(Problem::usage(
                    "the text was not kept",
                    "edit it again, and mend what is said above",
                ));
            }
        };
        let (text, count) = encrypted(&file, &document, &after, &parts, &recipients)?;
        file.write_sealed(text.as_bytes())?;
        say(
            global,
            &format!(
                "{shown}: {} encrypted, the others are as they were",
                counted(count, "value", "values")
            ),
        );
        return Ok(exit::DONE);
    }
}

/// Asks whether a text with a mistake is to be edited again.
fn again() -> bool {
    let answer =
        super::passphrase::ask("Edit it again? Enter for yes, n to give up what was written: ");
    answer.is_some_and(|answer| !answer.expose().trim().eq_ignore_ascii_case("n"))
}

/// Encrypts what is new, and takes what was there before as it was.
fn encrypted(
    file: &File,
    old: &Document,
    after: &Secret,
    parts: &[Part],
    recipients: &Recipients,
) -> Result<(String, usize), Problem> {
    let mut known: BTreeMap<(String, String), VecDeque<&str>> = BTreeMap::new();
    for (part, (value, _)) in old.parts.iter().zip(&old.opened) {
        let written = old.text.get(part.at.clone()).unwrap_or_default();
        let known = known
            .entry((part.belongs.to_string(), value.clone()))
            .or_default();
        known.push_back(written);
    }
    let (mut count, mut failed) = (0, None);
    let text = sealed::replaced(after.expose(), parts, |part| {
        let known = known.get_mut(&(part.belongs.to_string(), part.text.clone()));
        if let Some(written) = known.and_then(VecDeque::pop_front) {
            return written.to_owned();
        }
        count += 1;
        secrets::seal(&file.belongs, part, recipients).unwrap_or_else(|problem| {
            failed = Some(problem);
            String::new()
        })
    });
    failed.map_or(Ok((text, count)), Err)
}

/// A folder with one file, which are gone when this is.
struct Place {
    folder: PathBuf,
    file: PathBuf,
}

impl Place {
    fn make(file: &File, text: &Secret) -> Result<Self, Problem> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = [runtime, Some(PathBuf::from(IN_MEMORY))]
            .into_iter()
            .flatten()
            .find(|folder| is_memory(folder));
        let Some(base) = base else {
            return Err(Problem::Failed(Failure::new(
                format!(
                    "neither XDG_RUNTIME_DIR nor {IN_MEMORY} is a folder in memory that you may write to"
                ),
                "set XDG_RUNTIME_DIR to a tmpfs, or use `prov secrets set`, which writes no clear text",
            )));
        };
        let mut random = [0; 8];
        // Where there are no random numbers, a folder that is there already is refused.
        let _ = getrandom::fill(&mut random);
        let folder = base.join(format!("prov-secrets-{:016x}", u64::from_ne_bytes(random)));
        let failed = |path: &Path, error: &std::io::Error| {
            Problem::file(
                "make",
                path,
                error,
                "check that there is room, and that you may write there",
            )
        };
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| failed(&folder, &error))?;
        let own = file.belongs.replace('/', "-");
        let place = Self {
            file: folder.join(format!("{own}.yml")),
            folder,
        };
        let mut options = OpenOptions::new();
        let opened = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&place.file);
        opened
            .and_then(|mut file| file.write_all(text.expose().as_bytes()))
            .map_err(|error| failed(&place.file, &error))?;
        Ok(place)
    }

    fn read(&self) -> Result<Secret, Problem> {
        let text = std::fs::read(&self.file).map_err(|error| {
            Problem::file(
                "read",
                &self.file,
                &error,
                "save the text under the name that it had",
            )
        })?;
        String::from_utf8(text).map(Secret::new).map_err(|_| {
            Problem::usage(
                "what was written is not UTF-8",
                "have the editor save it as UTF-8",
            )
        })
    }

    /// Runs the editor until it ends. Ctrl-C is the editor's; any other signal ends it, and the clear text is removed.
    async fn edit(&self) -> Result<(), Problem> {
        let wish = ["VISUAL", "EDITOR"].iter().find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|words| !words.trim().is_empty())
        });
        let wish = wish.unwrap_or_else(|| "vi".to_owned());
        let hint = "set VISUAL or EDITOR to an editor that waits until the file is closed";
        let words = shlex::split(&wish).filter(|words| !words.is_empty());
        let Some((program, arguments)) = words.as_deref().and_then(<[String]>::split_first) else {
            return Err(Problem::usage(format!("'{wish}' is no command"), hint));
        };
        let failed = |error: &std::io::Error| {
            Problem::Failed(Failure::new(
                format!("cannot run the editor {program}: {error}"),
                hint,
            ))
        };
        let listen = |kind| signal(kind).map_err(|error| failed(&error));
        let (mut interrupt, mut terminate, mut hang_up, mut quit) = (
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
            listen(SignalKind::quit())?,
        );
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).arg(&self.file).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        loop {
            tokio::select! {
                ended = child.wait() => {
                    let status = ended.map_err(|error| failed(&error))?;
                    if status.success() {
                        return Ok(());
                    }
                    return Err(Problem::Failed(Failure::new(
                        format!("the editor {program} failed ({status}); nothing was changed"),
                        hint,
                    )));
                }
                _ = interrupt.recv() => {}
                _ = async { tokio::select! {
                    it = terminate.recv() => it,
                    it = hang_up.recv() => it,
                    it = quit.recv() => it,
                } } => {
                    let _ = child.kill().await;
                    return Err(Problem::Failed(Failure::new(
                        "ended by a signal; nothing was changed",
                        "edit it again",
                    )));
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Backups and other leftovers of the editor, too.
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            print::errln!(
                "warning: {} holds secrets and cannot be removed: {error}",
                self.folder.display()
            );
        }
    }
}

/// Tells whether a folder is in memory: what was in it is in no disk's old blocks.
fn is_memory(folder: &Path) -> bool {
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    folder.is_absolute()
        && rustix::fs::statfs(folder).is_ok_and(|found| found.f_type == TMPFS)
        && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}
