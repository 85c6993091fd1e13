//! What is wrong with the data of an estate, and where.
//!
//! A [`Diagnostic`] is a value; the shell renders it. Whatever reads estate files collects as many as it can, so
//! that one run of `prov check` shows everything there is to repair.

use serde::Serialize;

/// Points at a place in a file of the estate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Path of the file as the user knows it, for instance `estate/docker/groups/all.yml`.
    pub file: String,
    /// Line, counted from 1; 0 where only the file is known.
    pub line: usize,
    /// Column in characters, counted from 1; 0 where only the line is known.
    pub column: usize,
    /// The line's text, shown under the message.
    pub text: Option<String>,
}

impl Place {
    /// Points at a whole file.
    pub fn file(path: impl Into<String>) -> Self {
        Self {
            file: path.into(),
            line: 0,
            column: 0,
            text: None,
        }
    }
}

/// A variable that is not set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unset {
    /// Its name.
    pub(crate) variable: String,
    /// What to do where several hosts lack it.
    pub(crate) hint_for_many: String,
}

/// Describes one mistake: where it is, what it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Diagnostic {
    /// Where it is, if it is in one place.
    pub place: Option<Place>,
    /// What is wrong, naming the offending text, in one line without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The variable that is not set, if it is that; boxed, because it seldom is.
    #[serde(skip)]
    pub(crate) unset: Option<Box<Unset>>,
}

impl Diagnostic {
    /// Gives the mistakes of what has this one and no other.
    #[must_use]
    pub fn alone(self) -> Vec<Self> {
        vec![self]
    }

    /// Describes a mistake that is in no single place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
            hint: None,
            unset: None,
        }
    }

    /// Describes a mistake at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            message: message.into(),
            hint: None,
            unset: None,
        }
    }

    /// Describes what a check of a value has found: on its first line what is wrong, on a second one, if there is one, what
    /// to do about it.
    #[must_use]
    pub fn of_check(found: &str) -> Self {
        match found.split_once('\n') {
            Some((message, hint)) => Self::new(message).hint(hint),
            None => Self::new(found),
        }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Diagnostic {
    /// Names the private files in the place of the public ones, for a value that is secret.
    pub(crate) fn in_private_files(mut self) -> Self {
        let many = self.unset.as_mut().map(|unset| &mut unset.hint_for_many);
        for hint in self.hint.as_mut().into_iter().chain(many) {
            if !hint.contains(".private.yml") {
                *hint = hint.replace(".yml", ".private.yml");
            }
        }
        self
    }

    /// Parts the message into the host that it speaks of and what it says of it.
    fn by_host(&self) -> Option<(&str, &str)> {
        let (host, rest) = self.message.strip_prefix("host ")?.split_once(": ")?;
        let host = host.trim_matches('\'');
        let is_name = !host.contains([' ', ',']);
        is_name.then_some((host, rest))
    }
}

/// Puts mistakes into the order of their places. What is wrong at a place is told once, whatever hint it has where it was found again.
pub(crate) fn tidy(mistakes: &mut Vec<Diagnostic>) {
    mistakes.sort();
    mistakes.dedup_by(|one, other| {
        let is_there = one.place.is_some() && one.place == other.place;
        let is_told = one == other || is_there && one.message == other.message;
        if is_told && other.hint.is_none() {
            other.hint = one.hint.take();
        }
        is_told
    });
}

/// Puts mistakes that several hosts have in common into one each, for people: what they are, and whose.
#[must_use]
pub fn grouped(mistakes: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut groups: Vec<(Diagnostic, Vec<&str>)> = Vec::new();
    for mistake in mistakes {
        let found = mistake.by_host().and_then(|(host, rest)| {
            let same = |(other, hosts): &&mut (Diagnostic, Vec<&str>)| {
                !hosts.is_empty() && other.by_host().is_some_and(|(_, others)| others == rest)
            };
            groups.iter_mut().find(same).map(|group| (group, host))
        });
        match found {
            Some(((_, hosts), host)) if !hosts.contains(&host) => hosts.push(host),
            Some(_) => {}
            None => {
                let hosts = mistake.by_host().map(|(host, _)| host);
                groups.push((mistake.clone(), hosts.into_iter().collect()));
            }
        }
    }
    groups
        .into_iter()
        .map(|(one, hosts)| of_hosts(one, &hosts))
        .collect()
}

fn of_hosts(one: Diagnostic, hosts: &[&str]) -> Diagnostic {
    let rest = one.by_host().map(|(_, rest)| rest.to_owned());
    match (hosts, rest) {
        ([_, _, ..], Some(rest)) => Diagnostic {
            place: None,
            message: format!("{} hosts: {rest}: {}", hosts.len(), hosts.join(", ")),
            hint: match &one.unset {
                Some(unset) => Some(unset.hint_for_many.clone()),
                None => one.hint,
            },
            ..one
        },
        (_, _) => one,
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:", place.file)?;
            if place.line > 0 {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Finds the candidate nearest to a mistyped name, if one is near enough to be meant.
///
/// ```
/// assert_eq!(tasks::nearest("dns-intrnal", ["dns-internal", "caldav"]), Some("dns-internal"));
/// assert_eq!(tasks::nearest("DNS", ["mail", "dns"]), Some("dns"));
/// assert_eq!(tasks::nearest("xyz", ["dns-internal", "caldav"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let reach = (name.chars().count() / 3).max(1);
    let folded = name.to_lowercase();
    let distances = candidates.into_iter().map(|candidate| {
        let without_case = strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
        // Of names that differ in case alone, the one with fewer such letters.
        let with_case = strsim::damerau_levenshtein(name, candidate);
        (without_case, with_case, candidate)
    });
    let near = distances.filter(|(without_case, ..)| *without_case <= reach);
    near.min().map(|(.., candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_have_in_common_is_said_once_and_the_rest_stays() {
        let of = |host: &str, what: &str| {
            let mut one = Diagnostic::at(
                Place::file("e/estate.yml"),
                format!("host '{host}': {what}"),
            );
            one.unset = Some(Box::new(Unset {
                variable: "x".to_owned(),
                hint_for_many: "set it in groups/all.yml".to_owned(),
            }));
            one.hint(format!("set it in hosts/{host}.yml"))
        };
        let mistakes = [
            of("a", "x is not set"),
            of("b", "x is not set"),
            of("b", "x is not set"),
            of("b", "y is not set"),
            Diagnostic::new("host names: one thing"),
            Diagnostic::new("host a, b: other"),
        ];
        let told: Vec<_> = grouped(&mistakes)
            .into_iter()
            .map(|one| format!("{one} ({})", one.hint.clone().unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                "2 hosts: x is not set: a, b (set it in groups/all.yml)",
                "e/estate.yml: host 'b': y is not set (set it in hosts/b.yml)",
                "host names: one thing ()",
                "host a, b: other ()",
            ]
        );
    }
}
