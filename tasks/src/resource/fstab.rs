//! One line of `/etc/fstab` (fstab(5)), among others that stay as they are.

use super::State;
use super::edit::{self, Refusal, Splice, Target};
use crate::content::Segment;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Facts, NotAsked, PathFact, Query, ServiceManager};
use crate::step::Run;
use crate::value::HostPath;

/// What stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) source: String,
    /// Where it is mounted; `none` for swap space.
    pub(super) place: String,
    pub(super) fstype: String,
    pub(super) options: String,
    pub(super) dump: u8,
    pub(super) pass: u8,
}

impl Entry {
    /// Reads a line; `None` for a comment, or what is no entry.
    fn of(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if line.starts_with('#') {
            return None;
        }
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty());
        let (source, place) = (plain(fields.next()?), plain(fields.next()?));
        let number = |fields: &mut dyn Iterator<Item = &str>| match fields.next() {
            None => Some(0),
            Some(number) => number.parse().ok(),
        };
        let fstype = plain(fields.next()?);
        let options = fields.next().map_or_else(|| "defaults".to_owned(), plain);
        Some(Self {
            source,
            place,
            fstype,
            options,
            dump: number(&mut fields)?,
            pass: number(&mut fields)?,
        })
    }

    /// Tells whether two lines are about the same: swap space by what it is, others by where they are mounted.
    fn is_about(&self, other: &Self) -> bool {
        if self.fstype == "swap" {
            other.fstype == "swap" && self.source == other.source
        } else {
            self.place == other.place
        }
    }

    fn line(&self) -> String {
        let Self { dump, pass, .. } = self;
        let texts = [&self.source, &self.place, &self.fstype, &self.options];
        let texts = texts.map(|text| escaped(text));
        format!("{}\t{dump}\t{pass}", texts.join("\t"))
    }

    fn target(path: &HostPath, state: State) -> Target<'_> {
        Target {
            path,
            owner: None,
            group: None,
            mode: None,
            create: Some(true),
            state,
            unsorted: false,
        }
    }

    /// Says what must be read.
    pub(super) fn probe() -> Vec<Query> {
        Self::target(&table(), State::Present).probe()
    }

    /// Gives what the file says of it now.
    pub(super) fn found(&self, facts: &Facts) -> Result<Option<Self>, NotAsked> {
        let PathFact::File(file) = facts.path(&table())? else {
            return Ok(None);
        };
        let text = file.body.as_ref().and_then(|body| body.text());
        let mut entries = text.unwrap_or_default().lines().filter_map(Self::of);
        Ok(entries.find(|entry| self.is_about(entry)))
    }

    /// Decides what becomes of the line; systemd makes its units of the file anew.
    pub(super) fn plan(&self, state: State, facts: &Facts) -> Result<Planned, NotAsked> {
        let decide = |text: &str, _: bool| {
            let mut lines = edit::lines_of(text)
                .filter_map(|line| Some((line, Self::of(line.body)?)))
                .filter(|(_, entry)| self.is_about(entry));
            let found = lines.next();
            if let (Some((_, first)), Some(_)) = (&found, lines.next()) {
                return Err(Refusal {
                    cause: format!("{} has several lines for {}", table(), first.place),
                    hint: "leave the one of them that is meant".to_owned(),
                });
            }
            let wanted = || vec![Segment::Plain(self.line())];
            Ok(match (state, found) {
                (State::Present, Some((_, entry))) if entry == *self => Vec::new(),
                (State::Present, Some((line, _))) => vec![Splice {
                    range: line.words(),
                    with: wanted(),
                }],
                (State::Present, None) => vec![edit::insertion(text, text.len(), wanted())],
                (State::Absent, Some((line, _))) => vec![Splice::removal(line.start..line.end)],
                (State::Absent, None) => Vec::new(),
            })
        };
        let path = table();
        let target = Self::target(&path, state);
        let planned = target.plan(facts, &decide, "look at the file on the host")?;
        let Planned::Change(mut change) = planned else {
            return Ok(planned);
        };
        if facts.manager == ServiceManager::Systemd {
            let reload = Run::new(["systemctl", "daemon-reload"]);
            change.steps.push(reload.into());
        }
        Ok(change.into())
    }
}

/// The table of file systems.
fn table() -> HostPath {
    HostPath::known("/etc/fstab")
}

/// Blanks are written by their codes.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\134").replace(' ', "\\040");
    text.replace('\t', "\\011")
}

/// Reads back such codes (three octal digits).
fn plain(field: &str) -> String {
    let mut text = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let code = after
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        if let Some(code) = code.filter(u8::is_ascii) {
            text.push(char::from(code));
            rest = &after[3..];
        } else {
            text.push('\\');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

/// Makes a change of one command.
pub(super) fn step(action: Action, reason: Reason, run: Run) -> Planned {
    Change::new(action, vec![reason], vec![run.into()]).into()
}

/// Refuses texts that cannot stand in a field.
pub(super) fn checked(field: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.starts_with(['#', '-']) || text.chars().any(char::is_control) {
        return Err(format!("`{field}` {text:?} is no text for /etc/fstab"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written_and_comments_are_none() {
        let entry = Entry {
            source: "/dev/my disk".to_owned(),
            place: "/srv/a b".to_owned(),
            fstype: "ext4".to_owned(),
            options: "defaults,noatime".to_owned(),
            dump: 0,
            pass: 2,
        };
        assert_eq!(
            entry.line(),
            "/dev/my\\040disk\t/srv/a\\040b\text4\tdefaults,noatime\t0\t2"
        );
        assert_eq!(Entry::of(&entry.line()), Some(entry));
        let short = Entry::of("  tmpfs /run/x   tmpfs").unwrap();
        assert_eq!((short.options.as_str(), short.pass), ("defaults", 0));
        for none in ["", "# /dev/sda1 / ext4", "one", "a b c d x"] {
            assert_eq!(Entry::of(none), None, "{none}");
        }
    }
}
