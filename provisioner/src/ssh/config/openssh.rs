//! OpenSSH's client, which says what its configuration means (`ssh -G`).
//!
//! It knows its user's home directory from the account, prov from `$HOME`. Where these differ, it is given copies of
//! the files in which everything that depends on the home directory is written out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tasks::pushln;

use tempfile::TempDir;
use tokio::process::Command;

use super::Question;
use super::files::{keyword, place, words};

/// How long an answer may take: commands of `Match exec` are run for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How deep files may include each other.
const DEPTH: usize = 16;

/// The client, and the configuration that it is told to read.
#[derive(Debug)]
pub(super) struct OpenSsh {
    program: PathBuf,
    user: PathBuf,
    /// The copies of the files; `None` where the client finds the originals by itself.
    copies: Option<Result<Copies, String>>,
}

#[derive(Debug)]
struct Copies {
    /// Holds the files; they go when it is dropped.
    folder: TempDir,
    /// The originals' names, by those of the copies.
    names: HashMap<String, String>,
}

impl OpenSsh {
    /// Finds the client in `$PATH`.
    pub(super) fn find(home: &Path, user: &Path, system: &Path) -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let mut programs = std::env::split_paths(&path).map(|folder| folder.join("ssh"));
        let program = programs.find(|program| program.is_file())?;
        let is_elsewhere = crate::state::account_home().is_some_and(|known| known != home);
        let copies = is_elsewhere.then(|| Copies::make(home, user, system));
        Some(Self {
            program,
            user: user.to_owned(),
            copies,
        })
    }

    #[cfg(test)]
    pub(super) fn at(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            user: PathBuf::new(),
            copies: None,
        }
    }

    /// Asks what holds for a name.
    pub(super) async fn ask(&self, question: &Question) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.arg("-G");
        match &self.copies {
            None => {}
            Some(Ok(copies)) => {
                // The client checks this itself where it finds the file itself.
                check(&self.user)?;
                command.arg("-F").arg(copies.folder.path().join("config"));
            }
            Some(Err(reason)) => return Err(reason.clone()),
        }
        if let Some(user) = &question.user {
            command.args(["-l", user]);
        }
        if let Some(port) = question.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", &question.name]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .map_err(|_| {
                format!(
                    "`ssh -G {}` did not end within {} s",
                    question.name,
                    PATIENCE.as_secs()
                )
            })?
            .map_err(|error| format!("cannot run {}: {error}", self.program.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said
            .lines()
            .filter(|line| !line.starts_with("Pseudo-terminal"))
            .collect();
        Err(format!(
            "ssh refuses it: {}",
            self.original(&lines.join("; "))
        ))
    }

    /// Names the files that the user knows in place of their copies.
    fn original(&self, said: &str) -> String {
        let mut said = said.to_owned();
        if let Some(Ok(copies)) = &self.copies {
            for (copy, original) in &copies.names {
                said = said.replace(copy, original);
            }
        }
        said
    }
}

/// Refuses a file that others could have written, as OpenSSH's client does.
fn check(path: &Path) -> Result<(), String> {
    if !crate::files::others_may_write(path) {
        return Ok(());
    }
    Err(format!(
        "others may write {}: `chmod go-w` it, as ssh would refuse it, too",
        path.display()
    ))
}

impl Copies {
    fn make(home: &Path, user: &Path, system: &Path) -> Result<Self, String> {
        let failed =
            |error: std::io::Error| format!("cannot copy the configuration of ssh: {error}");
        let mut copies = Self {
            folder: TempDir::with_prefix("prov-ssh-").map_err(failed)?,
            names: HashMap::new(),
        };
        let mut top = String::new();
        for (file, folder) in [
            (user, home.join(".ssh")),
            (system, PathBuf::from("/etc/ssh")),
        ] {
            if file.exists() {
                let copy = copies.copy(file, home, &folder, 0).map_err(failed)?;
                pushln!(top, "Include {copy}");
            }
        }
        let known = home.join(".ssh/known_hosts").display().to_string();
        pushln!(top, "Host *\nUserKnownHostsFile \"{known}\" \"{known}2\"");
        std::fs::write(copies.folder.path().join("config"), top).map_err(failed)?;
        Ok(copies)
    }

    /// Copies a file and what it includes; gives the copy's name. Lines keep their numbers.
    fn copy(
        &mut self,
        file: &Path,
        home: &Path,
        folder: &Path,
        depth: usize,
    ) -> std::io::Result<String> {
        let bytes = std::fs::read(file)?;
        let mut text = String::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            match keyword(line) {
                Some((word, rest)) if word == "include" && depth < DEPTH => {
                    text.push_str(&self.include(rest, home, folder, depth)?);
                }
                // Commands are run by a shell, which knows `$HOME`.
                Some((word, _)) if word.ends_with("command") || word == "match" => {
                    text.push_str(line);
                }
                Some(_) => text.push_str(&at_home(line, home)),
                None => text.push_str(line),
            }
            text.push('\n');
        }
        let copy = self.folder.path().join(format!("{:04}", self.names.len()));
        std::fs::write(&copy, text)?;
        let name = copy.display().to_string();
        self.names.insert(name.clone(), file.display().to_string());
        Ok(name)
    }

    fn include(
        &mut self,
        rest: &str,
        home: &Path,
        folder: &Path,
        depth: usize,
    ) -> std::io::Result<String> {
        let mut line = String::new();
        for word in words(rest) {
            let pattern = place(&word, home, folder);
            let Some(pattern) = pattern.as_deref().and_then(Path::to_str) else {
                // The client knows what it means, or says that it does not.
                return Ok(format!("Include {rest}"));
            };
            for file in glob::glob(pattern).into_iter().flatten().flatten() {
                line.push(' ');
                line.push_str(&self.copy(&file, home, folder, depth + 1)?);
            }
        }
        Ok(if line.is_empty() {
            String::new()
        } else {
            format!("Include{line}")
        })
    }
}

/// Writes out the home directory in a line: `~/` where a word begins, and `%d`.
fn at_home(line: &str, home: &Path) -> String {
    let home = home.display().to_string();
    let mut text = String::new();
    let mut before = ' ';
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let begins = matches!(before, ' ' | '\t' | '=' | '"' | '\'');
        let (taken, put) = match c {
            '~' if begins && rest.starts_with("~/") => (1, home.as_str()),
            '%' if rest.starts_with("%d") => (2, home.as_str()),
            '%' if rest.starts_with("%%") => (2, "%%"),
            c => (c.len_utf8(), &rest[..c.len_utf8()]),
        };
        text.push_str(put);
        before = c;
        rest = &rest[taken..];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_written_out_where_it_is_meant() {
        let home = |line| at_home(line, Path::new("/h"));
        assert_eq!(
            home("IdentityFile ~/.ssh/a~/b"),
            "IdentityFile /h/.ssh/a~/b"
        );
        assert_eq!(
            home("IdentityFile=\"~/k\" %d/x %%d"),
            "IdentityFile=\"/h/k\" /h/x %%d"
        );
        assert_eq!(home("HostName ünï~/x"), "HostName ünï~/x");
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let mode = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(0o600);
        check(file.path()).unwrap();
        mode(0o620);
        check(file.path()).unwrap_err();
    }
}
