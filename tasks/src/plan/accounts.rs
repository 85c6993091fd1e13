//! The files of accounts and groups: whoever writes them by hand takes away no account that the host or prov stands on, as whoever
//! removes an account by its own resource does not ([`essential`]).
//!
//! It holds for every kind that writes a file, because it is decided by what would be in it. Forms: passwd(5), group(5), shadow(5).

use std::collections::BTreeMap;

use super::Planned;
use crate::content::Content;
use crate::probe::{Facts, PathFact};
use crate::resource::essential;
use crate::value::HostPath;

/// The lines of such a file by the name that each begins with.
struct Lines(BTreeMap<String, Vec<String>>);

impl Lines {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(|line| {
            let fields: Vec<_> = line.split(':').map(str::to_owned).collect();
            (fields[0].clone(), fields)
        });
        // The first line of a name is the one that is found.
        let mut known = BTreeMap::new();
        for (name, fields) in lines {
            known.entry(name).or_insert(fields);
        }
        Self(known)
    }

    fn field(&self, name: &str, number: usize) -> Option<&str> {
        let field = self.0.get(name)?.get(number)?;
        Some(field.as_str())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Finds an account or group of the base system that another version of the file does not have any more.
    fn of_system_without(&self, other: &Self) -> Option<&str> {
        let names = self.0.keys().map(String::as_str);
        let number = |name| self.field(name, 2).and_then(|id| id.parse().ok());
        names
            .filter(|name| !other.has(name))
            .find(|name| number(*name).is_some_and(|id| essential::is_of_system(name, id)))
    }
}

/// Refuses content that takes away who the host or prov cannot do without.
pub(super) fn taken_away(path: &HostPath, content: &Content, facts: &Facts) -> Option<Planned> {
    let judge = match path.as_str() {
        "/etc/passwd" => passwd,
        "/etc/group" => group,
        "/etc/shadow" => shadow,
        _ => return None,
    };
    let was = match facts.path(path) {
        Ok(PathFact::File(file)) => file.body.as_ref().map(|body| Lines::of(&body.0)),
        _ => None,
    };
    let cause = judge(&Lines::of(&content.bytes()), was.as_ref(), facts)?;
    Some(Planned::Impossible {
        cause: format!("{path} would be written so that {cause}"),
        hint:
            "leave these lines as they are; accounts and groups are managed by `user` and `group`"
                .to_owned(),
    })
}

fn login(facts: &Facts) -> &str {
    facts.login.as_ref().map_or("root", |login| &login.user)
}

fn passwd(new: &Lines, was: Option<&Lines>, facts: &Facts) -> Option<String> {
    if new.field("root", 2) != Some("0") || new.field("root", 6).is_none() {
        return Some("root is no account with the number 0 any more".to_owned());
    }
    if facts.insisted {
        return None;
    }
    let login = login(facts);
    // An account from elsewhere (nsswitch.conf(5)) has no line here.
    let is_here = was.is_none_or(|was| was.has(login));
    if is_here && new.field(login, 6).is_none() {
        return Some(format!(
            "{login}, as whom prov logs in on this host, is no account any more"
        ));
    }
    for name in ["root", login] {
        let before = |number| was.and_then(|was| was.field(name, number));
        for (number, what) in [(2, "number"), (3, "group"), (5, "home")] {
            let (old, new) = (before(number), new.field(name, number));
            if old.is_some() && old != new {
                return Some(format!(
                    "{name} gets the {what} {}",
                    new.unwrap_or_default()
                ));
            }
        }
        let shell = new.field(name, 6).unwrap_or_default();
        if essential::is_no_shell(shell) && before(6) != Some(shell) {
            return Some(format!(
                "{name} gets the shell {shell}, which lets nobody in"
            ));
        }
    }
    let gone = was?.of_system_without(new)?;
    Some(format!(
        "{gone}, an account of the base system or of its daemons, is missing"
    ))
}

fn group(new: &Lines, was: Option<&Lines>, facts: &Facts) -> Option<String> {
    if new.field("root", 2) != Some("0") {
        return Some("root is no group with the number 0 any more".to_owned());
    }
    if facts.insisted {
        return None;
    }
    let login = login(facts);
    let is_in = |lines: &Lines, name: &str| {
        let members = lines.field(name, 3).unwrap_or_default();
        members.split(',').any(|member| member == login)
    };
    let groups = facts.login.iter().flat_map(|login| &login.groups);
    for name in groups {
        let left = was.is_some_and(|was| is_in(was, name) && !is_in(new, name));
        if left || was.is_none_or(|was| was.has(name)) && !new.has(name) {
            return Some(format!(
                "{login}, as whom prov logs in on this host, is not in the group {name} any more, which may be what lets it become root"
            ));
        }
    }
    let gone = was?.of_system_without(new)?;
    Some(format!("{gone}, a group of the base system, is missing"))
}

fn shadow(new: &Lines, was: Option<&Lines>, facts: &Facts) -> Option<String> {
    if facts.insisted {
        return None;
    }
    let login = login(facts);
    let is_gone = |name: &&str| was.is_none_or(|was| was.has(name)) && !new.has(name);
    if let Some(name) = ["root", login].into_iter().find(is_gone) {
        return Some(format!(
            "{name} has no line any more, and could not log in with a password"
        ));
    }
    let is_locked = |lines: &Lines| {
        lines
            .field(login, 1)
            .is_none_or(|hash| hash.starts_with(['!', '*']))
    };
    (is_locked(new) && was.is_some_and(|was| !is_locked(was))).then(|| {
        format!(
            "{login}, as whom prov logs in on this host, loses its password, and with it may lose the way to become root"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Attributes, FileFact, LoginFact};
    use crate::value::Mode;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n\
                          admin:x:1000:1000::/home/admin:/bin/bash\neve:x:1001:1001::/home/eve:/bin/bash\n";
    const GROUP: &str = "root:x:0:\nsudo:x:27:admin\nadmin:x:1000:\ngames:x:60:\neve:x:1001:\n";
    const SHADOW: &str =
        "root:*:20000:0:99999:7:::\nadmin:$y$abc:20000:0:99999:7:::\neve:!:20000:0:99999:7:::\n";

    fn facts(path: &HostPath, text: Option<&str>) -> Facts {
        let file = |text: &str| {
            FileFact::of(
                Attributes::new("root", "root", Mode::new(0o644)),
                text.as_bytes(),
            )
        };
        let paths = text.map(|text| (path.clone(), PathFact::File(file(text))));
        Facts {
            login: Some(LoginFact {
                user: "admin".to_owned(),
                groups: ["admin", "sudo"].map(str::to_owned).into(),
                shells: std::collections::BTreeSet::new(),
            }),
            paths: paths.into_iter().collect(),
            ..Facts::default()
        }
    }

    fn cause(path: &str, facts: &Facts, new: &str) -> Option<String> {
        let path = HostPath::new(path).unwrap();
        let Planned::Impossible { cause, .. } = taken_away(&path, &Content::plain(new), facts)?
        else {
            panic!("it is done, or waits for something");
        };
        Some(cause)
    }

    /// A file, its text, what of it becomes what, and what is said.
    const WRITTEN_AWAY: [(&str, &str, &str, &str, &str); 16] = [
        (
            "/etc/passwd",
            PASSWD,
            "root:x:0:",
            "root:x:1:",
            "root is no account",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "root:x:",
            "toor:x:",
            "root is no account",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "admin:x:",
            "#admin:x:",
            "admin, as whom prov logs in",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "1000:1000::",
            "1000:1000:",
            "admin, as whom prov logs in",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "x:1000:",
            "x:1002:",
            "admin gets the number 1002",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "/home/admin:",
            "/srv/admin:",
            "admin gets the home /srv/admin",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "/home/admin:/bin/bash",
            "/home/admin:/bin/false",
            "admin gets the shell /bin/false",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "/root:/bin/bash",
            "/root:/usr/sbin/nologin",
            "root gets the shell",
        ),
        (
            "/etc/passwd",
            PASSWD,
            "www-data:x:33:33::/var/www:/usr/sbin/nologin\n",
            "",
            "www-data, an account of the base",
        ),
        ("/etc/group", GROUP, "root:x:0:\n", "", "root is no group"),
        (
            "/etc/group",
            GROUP,
            "27:admin",
            "27:",
            "not in the group sudo",
        ),
        (
            "/etc/group",
            GROUP,
            "admin:x:1000:\n",
            "",
            "not in the group admin",
        ),
        (
            "/etc/group",
            GROUP,
            "games:x:60:\n",
            "",
            "games, a group of the base system",
        ),
        (
            "/etc/shadow",
            SHADOW,
            "root:*",
            "# root:*",
            "root has no line",
        ),
        (
            "/etc/shadow",
            SHADOW,
            "admin:$y",
            "!admin:$y",
            "admin has no line",
        ),
        (
            "/etc/shadow",
            SHADOW,
            "admin:$y",
            "admin:!$y",
            "admin, as whom prov logs in on this host, loses its password",
        ),
    ];

    #[test]
    fn who_is_stood_on_is_not_written_away() {
        for (path, text, from, to, says) in WRITTEN_AWAY {
            let mut facts = facts(&HostPath::new(path).unwrap(), Some(text));
            let new = text.replacen(from, to, 1);
            assert_ne!(new, text, "{from}");
            let cause_is = cause(path, &facts, &new).unwrap_or_default();
            assert!(cause_is.contains(says), "{from}: {cause_is}");
            facts.insisted = true;
            let stays = says.starts_with("root is no");
            assert_eq!(cause(path, &facts, &new).is_some(), stays, "{from}");
        }
        let unknown = facts(&HostPath::new("/etc/passwd").unwrap(), None);
        assert!(cause("/etc/passwd", &unknown, "x").is_some());
        assert!(cause("/etc/group", &unknown, "").is_some());
        assert!(cause("/etc/shadow", &unknown, "").is_some());
    }

    #[test]
    fn everybody_else_may_be_written() {
        for (path, text, from, to) in [
            (
                "/etc/passwd",
                PASSWD,
                "eve:x:1001:1001::/home/eve:/bin/bash\n",
                "",
            ),
            (
                "/etc/passwd",
                PASSWD,
                "/home/admin:/bin/bash",
                "/home/admin:/bin/sh",
            ),
            ("/etc/group", GROUP, "eve:x:1001:\n", ""),
            ("/etc/group", GROUP, "27:admin", "27:admin,eve"),
            ("/etc/shadow", SHADOW, "eve:!", "eve:$y$def"),
            ("/etc/shadow", SHADOW, "$y$abc", "$y$def"),
        ] {
            let facts = facts(&HostPath::new(path).unwrap(), Some(text));
            let new = text.replacen(from, to, 1);
            assert_ne!(new, text, "{from}");
            assert_eq!(cause(path, &facts, &new), None, "{from}");
        }
        let unknown = facts(&HostPath::new("/etc/passwd").unwrap(), None);
        assert_eq!(cause("/srv/passwd", &unknown, ""), None);
        // prov logs in as somebody whom a directory server knows.
        for (path, text) in [
            ("/etc/passwd", PASSWD),
            ("/etc/group", GROUP),
            ("/etc/shadow", SHADOW),
        ] {
            let without: String = text
                .split_inclusive('\n')
                .filter(|line| !line.contains("admin"))
                .collect();
            let facts = facts(&HostPath::new(path).unwrap(), Some(&without));
            let new = format!("{without}zoe:x:2000:\n");
            assert_eq!(cause(path, &facts, &new), None, "{path}");
        }
    }
}
