//! Finds the Debian archive that this machine uses, so that images are made from the same one.
//!
//! apt itself is asked. No address is invented: without a find, the bootstrap tool and the image keep their own.

use std::process::{Command, Stdio};

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
    let main = Archive::of_machine().main?;
    let (_, rest) = main.split_once("://")?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}

impl Archive {
    /// Asks apt where it gets packages from; a machine without apt has no archive.
    pub(super) fn of_machine() -> Self {
        // See "indextargets" in apt-get(8): a line for each index of packages that the configuration names, fetched or not.
        let answer = Command::new("apt-get")
            .args([
                "indextargets",
                "--format",
                "$(RELEASE) $(SITE) $(SIGNED_BY)",
            ])
            .args(["Created-By: Packages", "Component: main"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        answer.map_or_else(
            |_| Self::default(),
            |output| Self::choose(&String::from_utf8_lossy(&output.stdout)),
        )
    }

    /// Chooses the first of each kind from lines of release, address and key.
    fn choose(indexes: &str) -> Self {
        let first = |wanted: fn(&str) -> bool| {
            indexes.lines().find_map(|line| {
                let mut words = line.split(' ');
                let (release, uri) = (words.next()?, words.next()?);
                let key = words.next().unwrap_or_default();
                (wanted(release) && is_debian(uri, key)).then(|| uri.to_owned())
            })
        };
        Self {
            // Updates, backports and the like are named after their release and a dash.
            main: first(|release| !release.contains('-') && release != "experimental"),
            security: first(|release| release.ends_with("-security")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_archive_is_taken_and_third_parties_are_passed_over() {
        let indexes = "\
bookworm https://vendor.example/apt /usr/share/keyrings/vendor.gpg
bookworm cdrom://[Debian]/ $(SIGNED_BY)
bookworm-updates http://updates.example/debian $(SIGNED_BY)
bookworm http://mirror.example/debian $(SIGNED_BY)
trixie http://second.example/debian $(SIGNED_BY)
bookworm-security http://mirror.example/debian-security $(SIGNED_BY)
";
        let archive = Archive::choose(indexes);
        assert_eq!(
            archive.main.as_deref(),
            Some("http://mirror.example/debian")
        );
        assert_eq!(
            archive.security.as_deref(),
            Some("http://mirror.example/debian-security")
        );
    }

    #[test]
    fn an_archive_of_another_name_is_known_by_its_key() {
        let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let archive = Archive::choose(&format!("trixie https://mirror.example/pub {key}\n"));
        assert_eq!(archive.main.as_deref(), Some("https://mirror.example/pub"));
    }

    #[test]
    fn an_address_with_a_password_is_not_taken() {
        let indexes = "bookworm http://user:pw@mirror.example/debian $(SIGNED_BY)\n";
        assert_eq!(Archive::choose(indexes), Archive::default());
    }
}
