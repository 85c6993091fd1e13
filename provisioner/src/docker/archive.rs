//! Finds the Debian archive that this machine uses, so that images are made from the same one.
//!
//! Reads apt's own configuration in both of its forms: one-line (`sources.list(5)`) and deb822. It never invents an
//! address: without a find, the bootstrap tool and the image keep their own.

use std::{fs, path::Path};

const RELEASES: &[&str] = &[
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Holds the addresses of a Debian archive; empty where apt's configuration names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Archive {
    /// The archive proper, such as `http://archive.example/debian`.
    pub(super) main: Option<String>,
    /// The archive of security updates.
    pub(super) security: Option<String>,
}

/// Gives the name of the host that this machine fetches Debian packages from, as images made here do too.
#[must_use]
pub fn archive_host() -> Option<String> {
    let main = Archive::of_machine(Path::new("/etc/apt")).main?;
    let (_, rest) = main.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    keyring: String,
}

impl Archive {
    /// Reads apt's configuration under a folder, normally `/etc/apt`.
    pub(super) fn of_machine(apt: &Path) -> Self {
        let mut entries = Vec::new();
        if let Ok(text) = fs::read_to_string(apt.join("sources.list")) {
            entries.extend(one_line(&text));
        }
        let mut files: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
            .map(|folder| folder.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.sort();
        for file in files {
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => entries.extend(one_line(&text)),
                Some("sources") => entries.extend(deb822(&text)),
                _ => {}
            }
        }
        Self::choose(&entries)
    }

    fn choose(entries: &[Entry]) -> Self {
        let first = |wanted: fn(&str) -> bool| {
            entries
                .iter()
                .filter(|entry| entry.components.iter().any(|component| component == "main"))
                .filter(|entry| entry.suites.iter().any(|suite| wanted(suite)))
                .find_map(|entry| {
                    entry
                        .uris
                        .iter()
                        .find(|uri| is_debian(uri, &entry.keyring))
                        .cloned()
                })
        };
        Self {
            main: first(|suite| RELEASES.contains(&suite)),
            security: first(|suite| {
                suite
                    .strip_suffix("-security")
                    .is_some_and(|release| RELEASES.contains(&release))
            }),
        }
    }
}

/// Tells Debian's archive from those of third parties, which also call their component `main`.
fn is_debian(uri: &str, keyring: &str) -> bool {
    let Some(rest) = uri
        .strip_prefix("http://")
        .or_else(|| uri.strip_prefix("https://"))
    else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // An address that carries a password must not end up in an image.
    !host.contains('@')
        && (keyring.contains("debian-archive")
            || path
                .split('/')
                .any(|part| matches!(part, "debian" | "debian-security")))
}

fn one_line(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let rest = line
            .strip_prefix("deb")?
            .strip_prefix([' ', '\t'])?
            .trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some(Entry {
            uris: vec![words.next()?],
            suites: vec![words.next()?],
            components: words.collect(),
            keyring: options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="))
                .unwrap_or_default()
                .to_owned(),
        })
    })
}

fn deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let mut entry = Entry::default();
        let (mut types, mut enabled, mut field) = (Vec::new(), true, String::new());
        for line in stanza {
            let value = if line.starts_with([' ', '\t']) {
                line
            } else if let Some((name, value)) = line.split_once(':') {
                field = name.trim().to_ascii_lowercase();
                value
            } else {
                continue;
            };
            let words = value.split_whitespace().map(str::to_owned);
            match field.as_str() {
                "types" => types.extend(words),
                "uris" => entry.uris.extend(words),
                "suites" => entry.suites.extend(words),
                "components" => entry.components.extend(words),
                "signed-by" => entry.keyring.push_str(value.trim()),
                "enabled" => enabled = !matches!(value.trim(), "no" | "false" | "0" | "off"),
                _ => {}
            }
        }
        if enabled && types.iter().any(|kind| kind == "deb") {
            entries.push(entry);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
# Debian
Types: deb deb-src
URIs: http://archive.example/debian
# a comment inside
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
";

    #[test]
    fn deb822_gives_both_archives_and_passes_over_disabled_ones() {
        let archive = Archive::choose(&deb822(DEB822));
        assert_eq!(
            archive.main.as_deref(),
            Some("http://archive.example/debian")
        );
        assert_eq!(
            archive.security.as_deref(),
            Some("http://archive.example/debian-security")
        );
    }

    #[test]
    fn one_line_form_passes_over_third_parties() {
        let text = "\
deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example/apt bookworm main
deb cdrom:[Debian]/ bookworm main
#deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64] http://mirror.example/debian/ bookworm main contrib # ours
deb http://mirror.example/debian-security bookworm-security main
";
        let archive = Archive::choose(&one_line(text).collect::<Vec<_>>());
        assert_eq!(
            archive.main.as_deref(),
            Some("http://mirror.example/debian/")
        );
        assert_eq!(
            archive.security.as_deref(),
            Some("http://mirror.example/debian-security")
        );
    }

    #[test]
    fn an_address_with_a_password_is_not_taken() {
        let entries: Vec<_> =
            one_line("deb http://user:pw@mirror.example/debian bookworm main").collect();
        assert_eq!(Archive::choose(&entries), Archive::default());
    }

    #[test]
    fn a_machine_without_apt_has_no_archive() {
        assert_eq!(
            Archive::of_machine(Path::new("/nonexistent")),
            Archive::default()
        );
    }
}
