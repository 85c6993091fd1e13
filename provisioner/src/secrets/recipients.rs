//! Whom secrets are encrypted for: `recipients.txt` in the estate's folder, one public key a line, as age's tools read it.

use std::path::{Path, PathBuf};

use age::Recipient;
use tasks::content::Content;
use tasks::estate::RECIPIENTS;
use tasks::{Diagnostic, Place};

use crate::report::problem::Problem;

/// The recipients of an estate.
pub(crate) struct Recipients {
    path: PathBuf,
    /// Each without its comment, its comment, and what encrypts.
    keys: Vec<(String, String, Box<dyn Recipient + Send>)>,
}

impl Recipients {
    /// Reads the file of an estate.
    pub(crate) fn load(folder: &Path) -> Result<Self, Problem> {
        let path = folder.join(RECIPIENTS);
        let hint = "write into it whom secrets are encrypted for, one a line: what ~/.ssh/id_ed25519.pub holds, or age1… of age-keygen";
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Problem::file("read", &path, &error, hint))?;
        let recipients = Self::read(&path, &text)?;
        if recipients.keys.is_empty() {
            let place = Place::file(path.display().to_string());
            let mistake = Diagnostic::at(place, "there is no recipient in it");
            return Err(Problem::Estate(vec![mistake.hint(hint)]));
        }
        Ok(recipients)
    }

    fn read(path: &Path, text: &str) -> Result<Self, Problem> {
        let (mut keys, mut mistakes) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match recipient(line) {
                Ok(key) => keys.push((named(line), comment(line), key)),
                Err(why) => {
                    let place = Place {
                        file: path.display().to_string(),
                        line: number + 1,
                        column: 1,
                        text: (!is_secret(line)).then(|| line.chars().take(120).collect()),
                    };
                    let mistake = Diagnostic::at(place, why);
                    mistakes.push(mistake.hint("a recipient is age1…, `ssh-ed25519 …` or `ssh-rsa …`, one a line; comments begin with #"));
                }
            }
        }
        if mistakes.is_empty() {
            let path = path.to_owned();
            Ok(Self { path, keys })
        } else {
            Err(Problem::Estate(mistakes))
        }
    }

    /// Names the file.
    pub(crate) fn file(&self) -> String {
        self.path.display().to_string()
    }

    /// Lists what can be encrypted for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &dyn Recipient> {
        self.keys
            .iter()
            .map(|(_, _, key)| key.as_ref() as &dyn Recipient)
    }

    /// Lists the recipients without comments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(name, _, _)| name.as_str())
    }

    /// Names each for a person: by its kind and its comment, if it has one.
    pub(crate) fn shown(&self) -> impl Iterator<Item = String> {
        self.keys
            .iter()
            .map(|(name, comment, _)| match name.split_once(' ') {
                Some((kind, _)) if !comment.is_empty() => format!("{kind} of {comment}"),
                _ => name.chars().take(70).collect(),
            })
    }

    /// Tells one set of recipients from another.
    pub(crate) fn digest(&self) -> String {
        let mut names: Vec<_> = self.names().collect();
        names.sort_unstable();
        names.dedup();
        let mut digest = Content::plain(names.join("\n")).sha256();
        digest.truncate(16);
        digest
    }
}

/// Tells whether somebody has put the private half there.
fn is_secret(line: &str) -> bool {
    line.to_ascii_uppercase().contains("SECRET-KEY") || line.contains("PRIVATE KEY")
}

/// Leaves the comment of an SSH key out.
fn named(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().take(2).collect();
    words.join(" ")
}

fn comment(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().skip(2).collect();
    words.join(" ")
}

fn recipient(line: &str) -> Result<Box<dyn Recipient + Send>, String> {
    if is_secret(line) {
        return Err(
            "this is a private key, which belongs to its owner alone: replace it everywhere"
                .to_owned(),
        );
    }
    if line.starts_with("age1") {
        let key: Result<age::x25519::Recipient, _> = line.parse();
        return key
            .map(|key| Box::new(key) as _)
            .map_err(|error| format!("this is no key of age: {error}"));
    }
    let key: Result<age::ssh::Recipient, _> = named(line).parse();
    match key {
        Ok(key) => Ok(Box::new(key)),
        Err(_) if line.starts_with("ssh-") => {
            Err("this SSH key cannot be encrypted for, or is not whole".to_owned())
        }
        Err(_) => Err("this is no recipient".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_shown_with_their_lines_and_private_keys_are_not() {
        let text = "# us\n\nage1x\nssh-ed25519 AAAA me\nhello\nAGE-SECRET-KEY-1HUNTER2\necdsa-sha2-nistp256 AAAA\n";
        let Err(problem) = Recipients::read(Path::new("e/recipients.txt"), text) else {
            panic!("they were taken");
        };
        let shown = problem.text();
        for line in 3..=7 {
            assert!(
                shown.contains(&format!("e/recipients.txt:{line}:1")),
                "{shown}"
            );
        }
        assert!(!shown.contains("HUNTER2"), "{shown}");
    }

    #[test]
    fn the_order_of_recipients_and_their_comments_do_not_matter() {
        let one = age::x25519::Identity::generate().to_public().to_string();
        let two = age::x25519::Identity::generate().to_public().to_string();
        let digest = |text: String| {
            Recipients::read(Path::new("r"), &text)
                .ok()
                .map(|it| it.digest())
        };
        assert_eq!(
            digest(format!("{one}\n{two}\n")),
            digest(format!("# x\n {two}\n{one}"))
        );
        assert_ne!(digest(format!("{one}\n{two}\n")), digest(one));
    }
}
