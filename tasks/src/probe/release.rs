//! What operating system a host runs (os-release(5)), and what it calls itself.

use serde::{Deserialize, Serialize};

use super::{Answers, Broken, Kind};
use crate::Secret;
use crate::release::Release;

/// What a host says of its operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFact {
    /// Its `ID`, for instance `debian`.
    pub id: String,
    /// Its `VERSION_CODENAME`, for instance `trixie`; empty where it has none.
    pub codename: String,
    /// What its kernel calls it (hostname(7)); empty where that is not known.
    #[serde(default)]
    pub hostname: String,
}

impl ReleaseFact {
    /// Gives the release, if prov knows it.
    #[must_use]
    pub fn known(&self) -> Option<Release> {
        Release::of_codename(&self.codename).filter(|_| self.id == "debian")
    }

    /// Says that the host calls itself something else than the estate does, and what to do about it; `None` where it does not.
    #[must_use]
    pub fn other_name(&self, wanted: &str) -> Option<String> {
        let (own, _) = self
            .hostname
            .split_once('.')
            .unwrap_or((&self.hostname, ""));
        (!own.is_empty() && own != wanted).then(|| {
            format!(
                "the host calls itself {}; `hostname_managed: true` with the role dns_client, or `hostnamectl hostname {wanted}` there, \
                 gives it the estate's name",
                self.hostname
            )
        })
    }

    /// Says why a host that runs this is not one of a release, and what to do about it; `None` where it is.
    #[must_use]
    pub fn refusal(&self, wanted: Release) -> Option<(String, String)> {
        let known = self.known();
        if known == Some(wanted) {
            return None;
        }
        let runs = match (self.id.as_str(), self.codename.as_str()) {
            ("", _) => "says of no operating system that it runs it (/etc/os-release)".to_owned(),
            (id, "") => format!("runs {id} without the name of a release, as testing and sid do"),
            (id, codename) => format!("runs {id} {codename}"),
        };
        let cause = format!(
            "the host {runs}, and the estate says that it runs debian {}; nothing was changed",
            wanted.codename()
        );
        let hint = match known {
            Some(runs) => format!(
                "set `release: {}` for it in estate.yml if that is what it should run",
                runs.codename()
            ),
            None => "prov knows only the releases of Debian that `release` in estate.yml can name"
                .to_owned(),
        };
        Some((cause, hint))
    }
}

/// The kind of this module.
pub struct OfHost;

impl Kind for OfHost {
    type Question = ();
    type Known = Option<ReleaseFact>;

    fn key((): &()) {}

    fn script(_: &[()]) -> String {
        // The shell reads the file by itself: it is asked of every host, and a process costs more than all of this.
        "prov_answer release; { while IFS='=' read -r name value; do case $name in (ID|VERSION_CODENAME) printf '%s=%s\\n' \"$name\" \"$value\";; esac; \
         done </etc/os-release; read -r name </proc/sys/kernel/hostname && printf 'HOSTNAME=%s\\n' \"$name\"; prov_complete; } 2>/dev/null\n"
            .to_owned()
    }

    fn read(_: &[()], answers: &Answers) -> Result<Option<ReleaseFact>, Broken> {
        let text = answers.text("release")?;
        let value = |name: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        Ok(Some(ReleaseFact {
            id: value("ID"),
            codename: value("VERSION_CODENAME"),
            hostname: value("HOSTNAME"),
        }))
    }

    fn secrets(_: &Option<ReleaseFact>) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<()> {
        vec![()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_the_estates_is_said_and_a_domain_after_it_is_none() {
        let named = |hostname: &str| ReleaseFact {
            id: "debian".to_owned(),
            codename: "trixie".to_owned(),
            hostname: hostname.to_owned(),
        };
        let said = named("vps4711").other_name("cloud").unwrap();
        assert!(
            said.contains("vps4711") && said.contains("hostname cloud"),
            "{said}"
        );
        for same in ["cloud", "cloud.example.com", ""] {
            assert_eq!(named(same).other_name("cloud"), None, "{same}");
        }
    }

    #[test]
    fn a_host_of_another_release_is_refused_with_both_names() {
        let runs = |id: &str, codename: &str| ReleaseFact {
            id: id.to_owned(),
            codename: codename.to_owned(),
            hostname: String::new(),
        };
        assert_eq!(runs("debian", "bookworm").refusal(Release::Bookworm), None);
        let (cause, hint) = runs("debian", "trixie").refusal(Release::Bookworm).unwrap();
        assert!(
            cause.contains("trixie") && cause.contains("bookworm"),
            "{cause}"
        );
        assert!(hint.contains("`release: trixie`"), "{hint}");
        for (id, codename, words) in [
            ("ubuntu", "bookworm", "runs ubuntu bookworm"),
            ("debian", "forky", "runs debian forky"),
            ("debian", "", "testing and sid"),
            ("", "", "/etc/os-release"),
        ] {
            let (cause, hint) = runs(id, codename).refusal(Release::Trixie).unwrap();
            assert!(cause.contains(words), "{cause}");
            assert!(hint.contains("can name"), "{hint}");
        }
    }
}
