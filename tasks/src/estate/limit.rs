//! Limit patterns: which hosts a command is about.
//!
//! Owns the language of `--limit`: names of hosts, groups, services and roles, `all`, globs and `~regex`, separated by `,`
//! or `:`. A host, group or service wins over a role of its name; `role=NAME` is the role for certain. Globs and regexes
//! match no roles: `mail*` would otherwise mean hosts that only a role's name speaks of. What is named is united first, then each `&part` keeps only its hosts, then each `!part` takes its hosts away.
//! Where only `&` and `!` parts are given, all hosts are the beginning. `a&b` is `a,&b`, and `a!b` is `a,!b`. Separators count only outside of `()`, `[]` and
//! `{}`, so that `~(dns|mail)-.*`, `~a{1,2}` and `~(?:dns|web)` are one part each; where a regex needs a bare `,` or
//! `:`, write `[,]`. A regex must match from the beginning of a name, not to its end. Refuses parts without any host.

use glob::Pattern;
use regex::RegexBuilder;

use super::{ALL, Estate, Host, Location, Named};
use crate::{Diagnostic, Place, nearest};

/// Largest compiled regex; nobody needs more to name hosts.
const REGEX_BYTES: usize = 1 << 20;

/// Says that a name is that of a role.
const ROLE: &str = "role=";

/// Says what a part of the pattern does with its hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartEffect {
    Add,
    Keep,
    Remove,
}

struct Part<'p> {
    effect: PartEffect,
    text: &'p str,
    /// Where the part begins in the pattern, in characters from 1.
    column: usize,
}

impl Estate {
    /// Lists the hosts that a limit pattern names, in the order of the estate.
    ///
    /// ```
    /// # use tasks::estate::{Estate, Sources};
    /// # let text = "name: tiny\nhosts:\n  web: {address: 192.0.2.7, location: external}\n  dns: {address: 192.0.2.8, location: internal}\n";
    /// # let estate = Estate::load(&Sources::new("tiny").with("estate.yml", text), &[]).unwrap();
    /// let hosts = estate.limit("all,!external").unwrap();
    /// assert_eq!(hosts[0].name(), "dns");
    /// ```
    pub fn limit(&self, pattern: &str) -> Result<Vec<&Host>, Vec<Diagnostic>> {
        let hosts = self.choice(pattern, &|_| false)?;
        if hosts.is_empty() {
            let mistake = Diagnostic::at(
                place(pattern, 1),
                format!("limit '{pattern}' leaves no host"),
            );
            return Err(vec![mistake]);
        }
        Ok(hosts)
    }

    /// Finds the hosts on which a role has something. A role is written for more than one estate: that there is no such host is no mistake
    /// where a location, a role or a pattern is named.
    pub(crate) fn only(
        &self,
        pattern: &str,
        is_role: impl Fn(&str) -> bool,
    ) -> Result<Vec<&Host>, Vec<Diagnostic>> {
        self.choice(pattern, &|text| {
            [Location::Internal, Location::External]
                .iter()
                .any(|it| it.as_str() == text)
                || text.starts_with('~')
                || is_glob(text)
                || is_role(text.strip_prefix(ROLE).unwrap_or(text))
        })
    }

    /// Finds the hosts that a pattern leaves; `may_be_none` says of a part whether it may name no host.
    fn choice(
        &self,
        pattern: &str,
        may_be_none: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<&Host>, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let parts = split(pattern);
        let mut adding = vec![false; self.hosts.len()];
        let mut keeping = vec![true; self.hosts.len()];
        for part in &parts {
            let hosts = match self.part(part.text) {
                Ok(hosts) if hosts.contains(&true) || may_be_none(part.text) => hosts,
                found => {
                    let (message, hint) = found.err().unwrap_or_else(|| {
                        let message = format!("no host matches '{}'", part.text);
                        (message, Some(self.hint_for(part.text)))
                    });
                    let mistake = Diagnostic::at(place(pattern, part.column), message);
                    mistakes.push(match hint {
                        Some(hint) => mistake.hint(hint),
                        None => mistake,
                    });
                    continue;
                }
            };
            for (index, inside) in hosts.into_iter().enumerate() {
                match part.effect {
                    PartEffect::Add => adding[index] |= inside,
                    PartEffect::Keep => keeping[index] &= inside,
                    PartEffect::Remove => keeping[index] &= !inside,
                }
            }
        }
        if parts.is_empty() {
            let mistake = Diagnostic::at(place(pattern, 1), "this limit names no host");
            mistakes.push(mistake.hint("leave --limit out for all hosts"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let from_all = parts.iter().all(|part| part.effect != PartEffect::Add);
        let chosen = self.hosts.iter().zip(adding.iter().zip(&keeping));
        let chosen = chosen.filter(|(_, (add, keep))| (from_all || **add) && **keep);
        Ok(chosen.map(|(host, _)| host).collect())
    }

    /// Says of each host whether a part names it; else what is wrong with the part, and what to do.
    fn part(&self, text: &str) -> Result<Vec<bool>, (String, Option<String>)> {
        let mut chosen = vec![false; self.hosts.len()];
        if text.is_empty() {
            return Err(("a name is missing here".to_owned(), None));
        }
        if let Some(regex) = text.strip_prefix('~') {
            let matcher = RegexBuilder::new(regex).size_limit(REGEX_BYTES).build();
            let matcher = matcher.map_err(|error| invalid_regex(regex, &error))?;
            let starts = |name: &str| matcher.find(name).is_some_and(|found| found.start() == 0);
            self.choose(starts, &mut chosen);
        } else if is_glob(text) {
            let glob = Pattern::new(text)
                .map_err(|error| (format!("invalid pattern '{text}': {}", error.msg), None))?;
            if text == "*" {
                chosen.fill(true);
            }
            self.choose(|name| glob.matches(name), &mut chosen);
        } else if text == ALL {
            chosen.fill(true);
        } else if let Some(indices) = self.named_exactly(text) {
            for index in indices {
                chosen[index] = true;
            }
        }
        Ok(chosen)
    }

    /// Finds the hosts of a host, group or service of this name, else those of a role.
    fn named_exactly(&self, text: &str) -> Option<Vec<usize>> {
        let role = match text.strip_prefix(ROLE) {
            Some(role) => role,
            None => match self.names.get(text) {
                Some(named) => return Some(self.indices(*named)),
                None => text,
            },
        };
        let assignment = self.assignments.iter().find(|found| found.role == role);
        assignment.map(|found| found.hosts.clone())
    }

    /// Says what could be named instead of something that names no host.
    fn hint_for(&self, text: &str) -> String {
        let odd = |c: char| c.is_whitespace() || [';', '|', '+'].contains(&c);
        if !text.starts_with('~') && text.contains(odd) {
            return "separate names by ','".to_owned();
        }
        let roles = || self.assignments.iter().map(|found| found.role.as_str());
        if let Some(role) = text.strip_prefix(ROLE) {
            return match nearest(role, roles()) {
                Some(near) => format!("did you mean '{ROLE}{near}'?"),
                None => format!(
                    "the roles of this estate are: {}",
                    roles().collect::<Vec<_>>().join(", ")
                ),
            };
        }
        let names = self.hosts.iter().map(|host| host.name.as_str());
        let names = names
            .chain(self.groups())
            .chain(self.services())
            .chain(roles())
            .chain([ALL]);
        match nearest(text, names) {
            Some(near) if near != text => format!("did you mean '{near}'?"),
            Some(_) | None => {
                let services: Vec<&str> = self.services().collect();
                if services.is_empty() {
                    "name hosts, groups or roles of this estate".to_owned()
                } else {
                    format!(
                        "name hosts, groups, roles or services: {}",
                        services.join(", ")
                    )
                }
            }
        }
    }

    /// Says of which names in a limit a role is called, too, and has other hosts than those that are meant.
    #[must_use]
    pub fn limit_ambiguities(&self, pattern: &str) -> Vec<String> {
        let mut told = Vec::new();
        for part in split(pattern) {
            let Some(named) = self.names.get(part.text) else {
                continue;
            };
            let role = self.assignments.iter().find(|it| it.role == part.text);
            let Some(role) = role else { continue };
            let mut meant = self.indices(*named);
            let mut others = role.hosts.clone();
            meant.sort_unstable();
            others.sort_unstable();
            let kind = match named {
                Named::Host(_) => "host",
                Named::Group(_) => "group",
                Named::Service(_) => "service",
            };
            let name = part.text;
            let note = format!(
                "'{name}' is taken for the {kind}; `{ROLE}{name}` names the hosts with the role"
            );
            if meant != others && !told.contains(&note) {
                told.push(note);
            }
        }
        told
    }

    fn choose(&self, matches: impl Fn(&str) -> bool, chosen: &mut [bool]) {
        for (host, chosen) in self.hosts.iter().zip(chosen.iter_mut()) {
            *chosen |= matches(&host.name);
        }
        let groups = self.groups.iter().map(|group| (&group.name, &group.hosts));
        let services = self
            .services
            .iter()
            .map(|service| (&service.name, &service.hosts));
        for (name, hosts) in groups.chain(services) {
            if matches(name) {
                for index in hosts {
                    chosen[*index] = true;
                }
            }
        }
    }
}

fn invalid_regex(regex: &str, error: &regex::Error) -> (String, Option<String>) {
    // The crate draws the regex with carets over several lines; its last line is the reason.
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    let reason = reason
        .strip_prefix("error: ")
        .unwrap_or(reason)
        .trim_end_matches('.');
    (format!("invalid regex '{regex}': {reason}"), None)
}

/// Tells whether a name of a limit is a pattern as the shell knows it.
fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn place(pattern: &str, column: usize) -> Place {
    Place {
        file: "--limit".to_owned(),
        line: 1,
        column,
        text: Some(pattern.to_owned()),
    }
}

fn split(pattern: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut depth = 0_usize;
    let mut escaped = false;
    let ends = pattern.char_indices().chain([(pattern.len(), ',')]);
    for (at, c) in ends {
        let end = at == pattern.len();
        if !end && std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            _ if end => parts.extend(part(pattern, start, at)),
            '\\' => escaped = true,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' | ':' if depth == 0 => {
                parts.extend(part(pattern, start, at));
                start = at + 1;
            }
            // `a&b`: what stands before it is a part of its own, unless that is a sign only.
            '&' | '!' if depth == 0 => {
                let before = pattern.get(start..at).unwrap_or_default().trim();
                if !["", "&", "!"].contains(&before) {
                    parts.extend(part(pattern, start, at));
                    start = at;
                }
            }
            _ => {}
        }
    }
    parts
}

fn part(pattern: &str, start: usize, end: usize) -> Option<Part<'_>> {
    let raw = pattern.get(start..end)?;
    let text = raw.trim();
    if text.is_empty() {
        return None;
    }
    let begin = start + (raw.len() - raw.trim_start().len());
    let (effect, rest) = match text.split_at_checked(1) {
        Some(("!", rest)) => (PartEffect::Remove, rest),
        Some(("&", rest)) => (PartEffect::Keep, rest),
        Some(_) | None => (PartEffect::Add, text),
    };
    Some(Part {
        effect,
        text: rest.trim_start(),
        column: pattern[..begin].chars().count() + 1,
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::tests::sample::{render, sample};

    fn names(pattern: &str) -> String {
        let estate = sample(&[]);
        match estate.limit(pattern) {
            Ok(hosts) => {
                let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
                names.join(" ")
            }
            Err(mistakes) => render(&mistakes),
        }
    }

    #[test]
    fn names_of_hosts_groups_and_services_are_united_in_the_order_of_the_estate() {
        assert_eq!(names("mail-internal"), "mail-internal");
        assert_eq!(names("dns"), "dns-internal dns-external");
        assert_eq!(
            names("servers,dns-external"),
            "dns-internal dns-external mail-internal"
        );
        assert_eq!(
            names("mail-internal:dns-internal"),
            "dns-internal mail-internal"
        );
        assert_eq!(
            names(" mail-internal , dns-external,"),
            "dns-external mail-internal"
        );
        assert_eq!(names("all"), "dns-internal dns-external mail-internal");
    }

    #[test]
    fn intersection_comes_after_union_and_exclusion_last() {
        assert_eq!(names("dns,&internal"), "dns-internal");
        assert_eq!(names("&internal,dns"), "dns-internal");
        assert_eq!(names("!dns-external:dns"), "dns-internal");
        assert_eq!(names("all,&servers,!dns"), "mail-internal");
    }

    #[test]
    fn what_a_role_is_for_may_be_missing_in_an_estate_and_a_name_may_not() {
        let estate = sample(&[]);
        let count = |pattern: &str| {
            let hosts = estate.only(pattern, |role| role == "proxy");
            hosts.map(|hosts| hosts.len()).map_err(|found| found.len())
        };
        for none in [
            "zzz*",
            "~zzz",
            "proxy",
            "role=proxy",
            "all,!dns,!servers",
            "external,&internal",
        ] {
            assert_eq!(count(none), Ok(0), "{none}");
        }
        assert_eq!(count("all,!proxy"), Ok(3));
        assert_eq!(count("proxi"), Err(1));
        assert_eq!(count("all,!role=proxi"), Err(1));
    }

    #[test]
    fn patterns_that_add_nothing_start_from_all_hosts() {
        assert_eq!(names("!external"), "dns-internal mail-internal");
        assert_eq!(names("&internal"), "dns-internal mail-internal");
        assert_eq!(names("! external,!mail"), "dns-internal");
    }

    #[test]
    fn signs_within_a_part_begin_a_new_one() {
        assert_eq!(names("dns&internal"), "dns-internal");
        assert_eq!(names("all & servers ! dns"), "mail-internal");
        assert_eq!(names("servers!mail"), "dns-internal");
        assert_eq!(names("~(dns|mail)&internal"), "dns-internal mail-internal");
        assert_eq!(names("[!m]*-internal"), "dns-internal");
        assert_snapshot!(names("dns&intrnal"), @r#"
        --limit:1:4: no host matches 'intrnal'
        | dns&intrnal
        |    ^
        hint: did you mean 'internal'?
        "#);
        for odd in ["dns mail", "dns;mail", "dns|mail", "dns+mail"] {
            assert!(names(odd).contains("separate names by ','"), "{odd}");
        }
    }

    #[test]
    fn a_role_names_its_hosts_unless_something_else_has_its_name() {
        assert_eq!(names("mta"), "dns-internal dns-external mail-internal");
        assert_eq!(names("mta,!dns"), "mail-internal");
        assert_eq!(names("role=mta&external"), "dns-external");
        assert_snapshot!(names("mtb"), @r#"
        --limit:1:1: no host matches 'mtb'
        | mtb
        | ^
        hint: did you mean 'mta'?
        "#);
        assert_snapshot!(names("role=mtb"), @r#"
        --limit:1:1: no host matches 'role=mtb'
        | role=mtb
        | ^
        hint: did you mean 'role=mta'?
        "#);
        assert!(names("mt*").contains("no host matches"));
        let text = "name: e\nhosts:\n  dns: {address: 192.0.2.7, location: external}\n  \
                    web: {address: 192.0.2.8, location: internal}\nroles: {dns: [web], web: [web]}\n";
        let sources = super::super::Sources::new("e").with("estate.yml", text);
        let estate = super::super::Estate::load(&sources, &[]).unwrap();
        let of = |pattern: &str| estate.limit(pattern).unwrap()[0].name().to_owned();
        assert_eq!((of("dns"), of("role=dns")), ("dns".into(), "web".into()));
        assert_eq!(
            estate.limit_ambiguities("dns,!web"),
            ["'dns' is taken for the host; `role=dns` names the hosts with the role"]
        );
        assert!(estate.limit_ambiguities("role=dns").is_empty());
    }

    #[test]
    fn globs_match_whole_names() {
        assert_eq!(names("dns-*"), "dns-internal dns-external");
        assert_eq!(names("*-internal,!mail-?nternal"), "dns-internal");
        assert_eq!(names("[dm]*-internal"), "dns-internal mail-internal");
        assert_eq!(names("serv*"), "dns-internal mail-internal");
        assert_eq!(names("*"), "dns-internal dns-external mail-internal");
    }

    #[test]
    fn regexes_match_from_the_beginning_and_keep_bracketed_separators() {
        assert_eq!(
            names("~(dns|mail)-.*"),
            "dns-internal dns-external mail-internal"
        );
        assert_eq!(names("~(?:dns|web)-e"), "dns-external");
        assert_eq!(names("~d.{1,3}-i,mail"), "dns-internal mail-internal");
        assert_eq!(names("!~.*-external"), "dns-internal mail-internal");
        assert_snapshot!(names("~ternal"), @r#"
        --limit:1:1: no host matches '~ternal'
        | ~ternal
        | ^
        hint: did you mean 'external'?
        "#);
    }

    #[test]
    fn parts_that_match_nothing_are_refused_with_the_nearest_name() {
        assert_snapshot!(names("dns,mail-intrnal"), @r#"
        --limit:1:5: no host matches 'mail-intrnal'
        | dns,mail-intrnal
        |     ^
        hint: did you mean 'mail-internal'?
        "#);
        assert_snapshot!(names("dns,!extrnal,web-*"), @r#"
        --limit:1:5: no host matches 'extrnal'
        | dns,!extrnal,web-*
        |     ^
        hint: did you mean 'external'?
        --limit:1:14: no host matches 'web-*'
        | dns,!extrnal,web-*
        |              ^
        hint: name hosts, groups, roles or services: dns, mail
        "#);
        assert_snapshot!(names("!"), @r#"
        --limit:1:1: a name is missing here
        | !
        | ^
        "#);
    }

    #[test]
    fn patterns_that_leave_no_host_are_refused() {
        assert_snapshot!(names("dns,!dns"), @r#"
        --limit:1:1: limit 'dns,!dns' leaves no host
        | dns,!dns
        | ^
        "#);
        assert_snapshot!(names(""), @r#"
        --limit:1:1: this limit names no host
        | 
        | ^
        hint: leave --limit out for all hosts
        "#);
        assert_snapshot!(names(" ,:"), @r#"
        --limit:1:1: this limit names no host
        |  ,:
        | ^
        hint: leave --limit out for all hosts
        "#);
    }

    #[test]
    fn invalid_regexes_and_globs_are_shown_with_the_reason() {
        assert_snapshot!(names("~(dns,caldav"), @r#"
        --limit:1:1: invalid regex '(dns,caldav': unclosed group
        | ~(dns,caldav
        | ^
        "#);
        assert_snapshot!(names("mail,~a{999999}{999}"), @r#"
        --limit:1:6: invalid regex 'a{999999}{999}': Compiled regex exceeds size limit of 1048576 bytes
        | mail,~a{999999}{999}
        |      ^
        "#);
        assert_snapshot!(names("dns[a"), @r#"
        --limit:1:1: invalid pattern 'dns[a': invalid range pattern
        | dns[a
        | ^
        "#);
    }
}
