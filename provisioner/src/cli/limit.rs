//! Which hosts a command is about: `--limit`, names, and lists of names in files.

use std::path::Path;

use tasks::Diagnostic;
use tasks::estate::{ALL, Host, StandIn};

use super::app::App;
use super::arguments::Names;
use crate::report::print::errln;
use crate::report::problem::Problem;

/// Where names stand that no option begins.
const NAMES: &str = "command line";

impl App {
    /// Selects the hosts of `--limit`, or all.
    pub(super) fn limited(&self) -> Result<Vec<&Host>, Problem> {
        self.chosen(self.global.limit.as_deref().unwrap_or(ALL), "--limit")
    }

    /// Selects the hosts of a pattern; `given` is where it was typed.
    pub(super) fn chosen(&self, pattern: &str, given: &str) -> Result<Vec<&Host>, Problem> {
        let pattern = expanded(pattern)?;
        let hosts = self.estate.limit(&pattern).map_err(|mut mistakes| {
            let places = mistakes.iter_mut().filter_map(|it| it.place.as_mut());
            places.for_each(|place| given.clone_into(&mut place.file));
            Problem::Usage(mistakes)
        })?;
        if !self.json() {
            for note in self.estate.limit_ambiguities(&pattern) {
                errln!("note: {note}");
            }
        }
        Ok(hosts)
    }

    /// Selects the hosts of services, groups, hosts and roles by name, then those of `--limit` among them.
    pub(super) fn named(&self, names: &Names) -> Result<Vec<&Host>, Problem> {
        if names.names.is_empty() {
            return self.limited();
        }
        let chosen = self.chosen(&names.names.join(","), NAMES)?;
        if self.global.limit.is_none() {
            return Ok(chosen);
        }
        let limited = self.limited()?;
        let both: Vec<_> = chosen
            .into_iter()
            .filter(|host| limited.iter().any(|other| other.name() == host.name()))
            .collect();
        if both.is_empty() {
            return Err(Problem::usage(
                format!(
                    "no host is in both '{}' and the limit",
                    names.names.join(" ")
                ),
                "leave out --limit, or the names",
            ));
        }
        Ok(both)
    }

    /// Selects as [`Self::named`] does, and stand-ins by their names; those that exist if nothing limits the choice.
    pub(super) fn named_with_stand_ins(
        &self,
        names: &Names,
    ) -> Result<(Vec<&Host>, Vec<&StandIn>), Problem> {
        let all = self.estate.stand_ins().iter();
        if names.names.is_empty() {
            let all = all.filter(|_| self.global.limit.is_none());
            return Ok((self.limited()?, all.collect()));
        }
        let is_named = |name: &str| names.names.iter().any(|other| other == name);
        let stand_ins: Vec<_> = all.filter(|one| is_named(one.name())).collect();
        let is_host = |name: &&String| stand_ins.iter().all(|one| one.name() != *name);
        let names = Names {
            names: names.names.iter().filter(is_host).cloned().collect(),
        };
        if names.names.is_empty() {
            return Ok((Vec::new(), stand_ins));
        }
        Ok((self.named(&names)?, stand_ins))
    }

    /// Finds the one host of a name: its own, or that of a group, service or role that has no other.
    pub(super) fn one_host(&self, name: &str) -> Result<&Host, Problem> {
        let hosts = match self.estate.host(name) {
            Some(host) => return Ok(host),
            None => self.chosen(name, NAMES)?,
        };
        match hosts.as_slice() {
            [host] => Ok(host),
            several => {
                let names: Vec<_> = several.iter().map(|host| host.name()).collect();
                Err(Problem::usage(
                    format!("'{name}' is {} hosts, not one", several.len()),
                    format!("name one of them: {}", names.join(", ")),
                ))
            }
        }
    }
}

/// Puts the names of files in the place of `@FILE` and `!@FILE`: one or more a line, `#` begins a comment.
pub(super) fn expanded(pattern: &str) -> Result<String, Problem> {
    if !pattern.contains('@') {
        return Ok(pattern.to_owned());
    }
    let parts = pattern.split(',').map(|part| {
        let (sign, rest) = match part.trim().strip_prefix('!') {
            Some(rest) => ("!", rest.trim_start()),
            None => ("", part.trim()),
        };
        match rest.strip_prefix('@') {
            Some(file) => of_file(sign, Path::new(file)),
            None => Ok(part.to_owned()),
        }
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(","))
}

fn of_file(sign: &str, file: &Path) -> Result<String, Problem> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| {
        Problem::Usage(vec![
            Diagnostic::new(format!("cannot read the list of hosts {shown}: {error}")).hint(
                "name a text file after @, with names of hosts, groups, services or roles in it",
            ),
        ])
    })?;
    let lines = text.lines().filter_map(|line| line.split('#').next());
    let names = lines.flat_map(|line| line.split([',', ' ', '\t']));
    let names: Vec<_> = names
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let is_plain = |name: &&str| name.starts_with(['!', '&', '@']);
    if let Some(odd) = names.iter().find(|name| is_plain(name)) {
        return Err(Problem::usage(
            format!("the list of hosts {shown} has '{odd}', which is no name"),
            "write names into it only; signs stand before the file: `!@FILE`",
        ));
    }
    if names.is_empty() {
        return Err(Problem::usage(
            format!("the list of hosts {shown} has no names"),
            "write a name a line into it",
        ));
    }
    let names: Vec<_> = names.iter().map(|name| format!("{sign}{name}")).collect();
    Ok(names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_for_the_names_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        let list = |text: &str, pattern: &str| {
            std::fs::write(&file, text).unwrap();
            let pattern = pattern.replace("FILE", &file.display().to_string());
            expanded(&pattern).map_err(|problem| problem.text())
        };
        assert_eq!(list("", "a,!b&c").unwrap(), "a,!b&c");
        let text = "# those of today\none\ntwo, three # late\r\n\n";
        assert_eq!(list(text, "@FILE").unwrap(), "one,two,three");
        assert_eq!(list("one\ntwo\n", "all,!@FILE").unwrap(), "all,!one,!two");
        assert!(
            list(" # none\n", "@FILE")
                .unwrap_err()
                .contains("has no names")
        );
        assert!(list("!one\n", "@FILE").unwrap_err().contains("'!one'"));
        let none = expanded("@/no/such/file").unwrap_err().text();
        assert!(
            none.contains("cannot read the list of hosts /no/such/file"),
            "{none}"
        );
    }
}
