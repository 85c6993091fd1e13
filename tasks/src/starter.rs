//! The first files of an estate, of a role and of a host, for whoever begins.
//!
//! Owns their texts; whoever writes them to a disk replaces nothing.

use crate::diagnostic::Diagnostic;
use crate::secret::Secret;

/// What an estate's hosts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Containers on this machine.
    Containers,
    /// Servers that are reached over SSH.
    Servers,
}

/// A file to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstFile {
    /// Its path in the estate's folder.
    pub path: String,
    /// What it holds.
    pub text: String,
    /// Whether only its owner may read it.
    pub is_private: bool,
}

impl FirstFile {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            is_private: path.ends_with(".private.yml"),
            path,
            text: text.into(),
        }
    }

    /// Tells whether a text is what this file holds; of two passwords that were made, one is as good as the other.
    #[must_use]
    pub fn is_as(&self, text: &str) -> bool {
        let made = |line: &str| self.is_private && line.starts_with(PASSWORD);
        let lines = |text: &str| -> Vec<String> {
            let shown = |line: &str| {
                let line = if made(line) { PASSWORD } else { line };
                line.to_owned()
            };
            text.split('\n').map(shown).collect()
        };
        lines(&self.text) == lines(text)
    }
}

const CONTAINERS: &str = "\
# The estate: which hosts there are, and which roles they have. `prov check` says whether it is right, `prov up` makes it.
name: NAME
# Debian 13; a host may name another one.
release: trixie

# The hosts are containers on this machine, on a network of their own. Without this section they are servers.
containers:
  network: 10.42.0.0/24

# prov logs in to the containers with this account, and becomes root by sudo. Its password is in estate.private.yml.
connection:
  user: admin
  sudo: password

hosts:
  # `internal` is the office, `external` is the Internet; checks can be made from either.
  web1: {address: 10.42.0.101, location: internal}

# The hosts and groups that have a role. `hello` is the estate's own, in the folder roles/hello.
roles:
  hello: [web1]
";

const SERVERS: &str = "\
# The estate: which hosts there are, and which roles they have. `prov check` says whether it is right, `prov diff` what it
# would change, `prov apply` changes it.
name: NAME
# Debian 13; a host may name another one.
release: trixie

# How servers are reached that do not say it themselves; what ~/.ssh/config says of a host counts, too. An account that is not
# root becomes root by sudo: `sudo: password` asks for the password.
connection:
  user: root

hosts:
  # Put your server's address here. `internal` is the office, `external` is the Internet.
  web1: {address: 192.0.2.10, location: external}

# The hosts and groups that have a role. `hello` is the estate's own, in the folder roles/hello.
roles:
  hello: [web1]
";

const VARIABLES: &str = "\
# Variables of all hosts. groups/NAME.yml has those of a group, hosts/NAME.yml those of a host; the nearest one wins.
# What is secret belongs into all.private.yml beside this file, which is in no version control; or encrypted into it, by
# `prov secrets set all KEY`, for whom recipients.txt beside estate.yml names.
hello_text: Hello from prov
";

const HELLO: &str = "\
summary: A page that says hello, served by nginx.
variables:
  hello_text: {type: text, about: What the page says.}
handlers:
  reload: {reload: nginx, validate: [nginx, -t]}
resources:
  - packages: {names: [nginx-light]}
  - file: {path: /etc/nginx/sites-enabled/default, template: site.conf}
    notify: reload
  - file: {path: /var/www/html/index.html, template: index.html}
  - service: {name: nginx}
checks:
  - http: {body: '<h1>'}
backup: [/var/www/html]
";

const SITE: &str = "\
server {
    listen 80 default_server;
    server_name {{ host.name }};
    root /var/www/html;
}
";

const PAGE: &str = "\
<!doctype html>
<title>{{ host.name }}</title>
<h1>{{ hello_text }}</h1>
";

const IGNORED: &str = "\
# Passwords and keys stay out of version control; encrypted ones (*.private.yml.age, by `prov secrets`) may be in it.
*.private.yml*
*.private.pem*
!*.age
";

const ROLE: &str = "\
summary: What NAME does, in a sentence.
# What hosts, groups and `--set` can set. All roles share the names, so they begin with the role's.
variables:
  PREFIX_packages: {type: list of text, default: [rsync], about: What is installed.}
resources:
  - packages: {names: '{{ PREFIX_packages }}'}
# What `prov verify NAME` proves.
checks:
  - command: {argv: [rsync, --version], stdout: '^rsync'}
";

/// What stands before the containers' password.
const PASSWORD: &str = "  password: ";

/// Gives the files of a new estate in the order in which they are written; `password` is the containers' account's.
///
/// What keeps secrets out of version control comes first, and the inventory last: a folder without it is no estate, so that whatever
/// ended before it is begun again.
#[must_use]
pub fn estate(name: &str, hosts: Hosts, password: &Secret) -> Vec<FirstFile> {
    let inventory = match hosts {
        Hosts::Containers => CONTAINERS,
        Hosts::Servers => SERVERS,
    };
    let mut files = vec![
        FirstFile::new(IGNORING, IGNORED),
        FirstFile::new("groups/all.yml", VARIABLES),
        FirstFile::new("roles/hello/role.yml", HELLO),
        FirstFile::new("roles/hello/site.conf", SITE),
        FirstFile::new("roles/hello/index.html", PAGE),
    ];
    if hosts == Hosts::Containers {
        let password = password.expose();
        let text =
            format!("# Made for these containers alone.\nconnection:\n{PASSWORD}'{password}'\n");
        files.push(FirstFile::new("estate.private.yml", text));
    }
    let inventory = inventory.replace("NAME", &format!("'{name}'"));
    files.push(FirstFile::new("estate.yml", inventory));
    files
}

/// The file that keeps others out of version control, as it is called in an estate's folder.
pub const IGNORING: &str = ".gitignore";

/// Adds to such a file what keeps secrets out of version control; `None` where all of it is there.
#[must_use]
pub fn with_secrets_ignored(before: &str) -> Option<String> {
    let is_there = |line: &str| before.lines().any(|other| other.trim() == line);
    let mut rules = IGNORED.lines().filter(|line| !line.starts_with('#'));
    // What follows takes back what comes before, so their order counts, too: all of them come again.
    if rules.all(is_there) {
        return None;
    }
    let end = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Some(format!("{before}{end}{IGNORED}"))
}

/// Makes a name for an estate of the name of a folder; nothing where that has no letter.
#[must_use]
pub fn name_of(folder: &str) -> Option<String> {
    let word = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
        _ => '-',
    };
    let name: String = folder.chars().map(word).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let name = name.trim_end_matches(['-', '_']);
    (!name.is_empty()).then(|| name.chars().take(40).collect())
}

/// Gives the files of a new role.
pub fn role(name: &str) -> Result<Vec<FirstFile>, String> {
    crate::estate::label(name)?;
    let text = ROLE
        .replace("NAME", name)
        .replace("PREFIX", &name.replace('-', "_"));
    Ok(vec![FirstFile::new(format!("roles/{name}/role.yml"), text)])
}

/// Adds a host to the text of an `estate.yml` whose hosts stand on a line each, after the last one of them, with all else as it
/// was.
pub fn with_host(inventory: &str, name: &str, fields: &str) -> Result<String, Diagnostic> {
    let line = format!("  {name}: {fields}");
    let by_hand = || {
        Diagnostic::new("the hosts of estate.yml do not stand on a line each below `hosts:`")
            .hint(format!("add it yourself: {}", line.trim_start()))
    };
    let lines: Vec<&str> = inventory.lines().collect();
    let is_comment = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let start = lines
        .iter()
        .position(|line| line.trim_end() == "hosts:")
        .ok_or_else(by_hand)?;
    let below = lines[start + 1..].iter();
    let held = below
        .take_while(|line| line.starts_with(' ') || is_comment(line))
        .count();
    let last = lines[start + 1..=start + held]
        .iter()
        .rposition(|line| !is_comment(line))
        .ok_or_else(by_hand)?;
    let mut all: Vec<&str> = lines;
    all.insert(start + 2 + last, &line);
    Ok(all.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_a_folders() {
        assert_eq!(name_of("My Estate!").as_deref(), Some("my-estate"));
        assert_eq!(name_of("2026-shop").as_deref(), Some("shop"));
        assert_eq!(name_of("123"), None);
    }

    #[test]
    fn secrets_are_ignored_beside_what_is_ignored_already() {
        assert_eq!(with_secrets_ignored("").as_deref(), Some(IGNORED));
        for before in ["*.swp", "*.swp\n", "*.private.yml*\n"] {
            let with = with_secrets_ignored(before).unwrap();
            assert_eq!(with, format!("{}\n{IGNORED}", before.trim_end()));
            assert_eq!(with_secrets_ignored(&with), None);
        }
    }

    #[test]
    fn a_host_comes_after_the_last_one_and_all_else_stays() {
        let text = "name: x\nhosts:\n  # one\n  a: {address: 10.0.0.1}\n  b:\n    address: 10.0.0.2\n\n# roles\nroles: {}\n";
        let with = with_host(text, "c", "{address: 10.0.0.3}").unwrap();
        let added = "    address: 10.0.0.2\n  c: {address: 10.0.0.3}\n";
        assert_eq!(with, text.replace("    address: 10.0.0.2\n", added));
        for other in ["hosts: {a: {}}\n", "name: x\n", "hosts:\nroles: {}\n"] {
            assert!(with_host(other, "c", "{}").is_err(), "{other}");
        }
    }
}
