//! The texts an estate is read from, and the places in them.
//!
//! Owns the files as they were handed in, and turns a line and column into a [`Place`] when something is wrong there.
//! Refuses to read anything itself: whoever loads an estate passes every file's bytes. Shows nothing of a private
//! file but its keys, because a diagnostic may end up in a log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::{MASK, Place, Secret};

/// Longest part of a line that is shown; what comes after it is of no help to a person.
const SHOWN: usize = 240;

/// Collects the files of one estate folder.
///
/// ```
/// let sources = tasks::estate::Sources::new("estate/docker").with("estate.yml", "name: docker\n");
/// assert_eq!(sources.folder(), "estate/docker");
/// ```
#[derive(Clone, Default)]
pub struct Sources {
    folder: Folder,
    files: BTreeMap<String, Vec<u8>>,
    unseen: BTreeSet<(String, usize)>,
    given: Given,
}

/// What is asked of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The store, as the user calls it: a label.
    pub store: String,
    /// The secret's name there: no control characters, no `-` at its beginning, and as a path it leads nowhere else.
    pub name: String,
}

/// What stores have given.
pub type Given = BTreeMap<Wanted, Secret>;

/// Names the folder of an estate as the user typed it.
#[derive(Debug, Clone, Default)]
pub(super) struct Folder(String);

impl Folder {
    /// Names a file of the folder as the user would.
    pub(super) fn file(&self, path: &str) -> String {
        match self.0.as_str() {
            "" | "." => path.to_owned(),
            folder => format!("{}/{path}", folder.trim_end_matches('/')),
        }
    }
}

impl Sources {
    /// Starts an empty collection for a folder, named as the user typed it.
    pub fn new(folder: impl Into<String>) -> Self {
        let mut folder = folder.into();
        while folder.len() > 1 && folder.ends_with('/') {
            folder.pop();
        }
        Self {
            folder: Folder(folder),
            files: BTreeMap::new(),
            unseen: BTreeSet::new(),
            given: Given::new(),
        }
    }

    /// Adds a file: its path relative to the folder, with `/` between the parts, and its bytes.
    #[must_use]
    pub fn with(mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.insert(path, bytes);
        self
    }

    /// Adds a file to a collection that is being filled.
    pub fn insert(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    /// Notes that a value of a file could not be decrypted: what stands in its place means nothing.
    pub fn leave_unseen(&mut self, place: &Place) {
        self.unseen.insert((place.file.clone(), place.line));
    }

    /// Lists files and lines of values that could not be decrypted.
    #[must_use]
    pub fn unseen(&self) -> &BTreeSet<(String, usize)> {
        &self.unseen
    }

    /// Hands over what stores have given for the references in the files.
    pub fn give(&mut self, given: Given) {
        self.given = given;
    }

    /// Gives what stores have given.
    pub(super) fn given(&self) -> &Given {
        &self.given
    }

    /// Names the folder as the user typed it.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder.0
    }

    /// Lists the templates by which the estate overrides built-in ones: name below `templates/`, and bytes.
    pub fn templates(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files()
            .filter_map(|(path, bytes)| Some((path.strip_prefix("templates/")?, bytes)))
            .filter(|(name, _)| !name.split('/').any(|part| part.starts_with('.')))
    }

    /// Lists the files of the roles below a folder: the role's name, the path in its folder, and bytes; what is hidden is left
    /// out.
    pub(crate) fn roles<'s>(
        &'s self,
        folder: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'s str, &'s [u8])> {
        self.files()
            .filter_map(move |(path, bytes)| {
                let (role, file) = path.strip_prefix(folder)?.split_once('/')?;
                Some((role, file, bytes))
            })
            .filter(|(role, file, _)| {
                let mut parts = file.split('/').chain([*role]);
                !parts.any(|part| part.starts_with('.'))
            })
    }

    /// Names a file of the folder as the user would.
    #[must_use]
    pub fn file(&self, path: &str) -> String {
        self.folder.file(path)
    }

    /// Keeps the name of the folder apart from the files.
    pub(super) fn place(&self) -> &Folder {
        &self.folder
    }

    /// Lists the files by path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Paths only: the texts hold passwords.
        let paths = self.files.keys();
        write!(f, "{}: ", self.folder.0)?;
        f.debug_list().entries(paths).finish()
    }
}

/// Holds one text and what it is called; shared by every [`Mark`] in it.
pub struct Source {
    name: String,
    text: String,
    private: bool,
    starts: OnceLock<Vec<usize>>,
}

impl Source {
    /// Names a text. Of a private one, diagnostics show no values.
    pub fn new(name: impl Into<String>, text: impl Into<String>, private: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            private,
            starts: OnceLock::new(),
        })
    }

    /// Names the file, for instance `estate/docker/groups/all.yml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives the whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Says whether values of this text must not be shown.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private
    }

    fn line(&self, line: usize) -> Option<&str> {
        // Found once and kept: a file with many mistakes is not searched from its beginning for each of them.
        let starts = self.starts.get_or_init(|| {
            let breaks = self.text.bytes().enumerate();
            std::iter::once(0)
                .chain(
                    breaks
                        .filter(|(_, byte)| *byte == b'\n')
                        .map(|(at, _)| at + 1),
                )
                .collect()
        });
        let start = *starts.get(line.checked_sub(1)?)?;
        self.text.get(start..)?.lines().next()
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Points at a character of a [`Source`]; cheap to copy and to keep.
#[derive(Clone)]
pub struct Mark {
    source: Arc<Source>,
    line: u32,
    column: u32,
}

impl Mark {
    /// Points at a line and column, both counted from 1.
    pub(super) fn new(source: &Arc<Source>, line: usize, column: usize) -> Self {
        Self {
            source: Arc::clone(source),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    /// Gives the text that this points into.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Shows the place with its line; values of a private file are masked.
    #[must_use]
    pub fn place(&self) -> Place {
        self.show(self.source.private)
    }

    /// Shows the place with any value on its line masked.
    pub(crate) fn masked(&self) -> Place {
        self.show(true)
    }

    fn show(&self, mask: bool) -> Place {
        let (line, column) = (self.line as usize, self.column as usize);
        let text = self.source.line(line).map(|text| {
            if mask {
                keep_key(text)
            } else {
                text.chars().take(SHOWN).collect()
            }
        });
        Place {
            file: self.source.name.clone(),
            line,
            column,
            text: text.filter(|_| column <= SHOWN),
        }
    }
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line, self.column)
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line, self.column)
    }
}

/// Leaves of a line its indentation and key.
fn keep_key(line: &str) -> String {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    match line.split_once(':') {
        Some((key, value)) if key.chars().all(named) && key.len() < SHOWN => {
            if value.trim().is_empty() {
                format!("{key}:")
            } else {
                format!("{key}: {MASK}")
            }
        }
        _ if line.trim().is_empty() => String::new(),
        _ => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_shows_the_line() {
        let source = Source::new("a.yml", "one: 1\ntwo: 2\r\nthree: 3", false);
        assert_eq!(
            Mark::new(&source, 2, 6).place().text.as_deref(),
            Some("two: 2")
        );
        assert_eq!(
            Mark::new(&source, 3, 1).place().text.as_deref(),
            Some("three: 3")
        );
        assert_eq!(Mark::new(&source, 9, 1).place().text, None);
        assert_eq!(Mark::new(&source, 3, 8).to_string(), "a.yml:3:8");
    }

    #[test]
    fn private_places_show_keys_only() {
        let source = Source::new("a.private.yml", "  key: hunter2\n- hunter2\nopen:\n", true);
        let text = |line| Mark::new(&source, line, 1).place().text.unwrap();
        assert_eq!(text(1), "  key: <secret>");
        assert_eq!(text(2), "<secret>");
        assert_eq!(text(3), "open:");
        let sources = Sources::new("e").with("a.private.yml", "key: hunter2");
        assert_eq!(
            format!("{source:?} {sources:?}"),
            "a.private.yml e: [\"a.private.yml\"]"
        );
    }

    #[test]
    fn very_long_lines_are_cut() {
        let source = Source::new("a.yml", "x".repeat(5000), false);
        assert_eq!(Mark::new(&source, 1, 3).place().text.unwrap().len(), SHOWN);
        assert_eq!(Mark::new(&source, 1, 4000).place().text, None);
    }

    #[test]
    fn names_are_those_the_user_typed() {
        assert_eq!(
            Sources::new("estate/docker/").place().file("estate.yml"),
            "estate/docker/estate.yml"
        );
        assert_eq!(Sources::new(".").place().file("estate.yml"), "estate.yml");
        assert_eq!(Sources::new("/").place().file("estate.yml"), "/estate.yml");
    }
}
