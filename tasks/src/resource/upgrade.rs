//! All packages of a host, brought up to date.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::packages::{self, apt, repair};
use super::{Former, Manage, Resource, essential};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    Becomes, Effect, Facts, Hidden, NotAsked, Query, ReleaseFact, UpgradeFact, UpgradeQuestion,
};
use crate::quote;
use crate::release::Release;
use crate::step::{Run, Step};

/// Manages all packages of a host: that none of them has a pending update, or that they are those of a release.
///
/// Within the host's release nothing is removed, as by `apt-get upgrade --with-new-pkgs` (apt-get(8)). To the next release, the
/// sources of packages and their pins are made to name it; an archive that does not have it stays as it is. Then packages
/// are upgraded in two steps, as Debian's release notes have it: first those that need no others to go, then all.
/// Questions of packages get their default answers, and configuration files that somebody has changed are kept
/// (`--force-confdef`, `--force-confold`). An interrupted upgrade is gone on with. A release is not skipped, and there is no
/// way back. A preview asks apt, with package lists of today.
///
/// ```yaml
/// upgrade: {security: true}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The release to go to; without it, that of the host.
    #[serde(default)]
    pub release: Option<Release>,
    /// Whether only security updates are installed, within the release.
    #[serde(default)]
    pub security: bool,
}

/// Runs command lines until they end, whatever becomes of the session.
const DETACHED: &str = include_str!("detached.sh");

/// Waits for those that an earlier session has left.
const WAIT: &str = "[ ! -e /run/prov-upgrade.pid ] || read -r pid </run/prov-upgrade.pid && while grep -qs apt-get /proc/\"$pid\"/cmdline; do sleep 1; done; :";

/// Bytes that are left free on a disk which packages are unpacked to.
const RESERVE: u64 = 100 << 20;

impl Upgrade {
    fn question(&self) -> UpgradeQuestion {
        UpgradeQuestion { to: self.release }
    }

    /// Gives the packages that are to be upgraded.
    fn wanted<'f>(&self, fact: &'f UpgradeFact) -> Vec<&'f crate::probe::PendingPackage> {
        let wanted = fact.pending.iter();
        wanted.filter(|it| it.security || !self.security).collect()
    }

    fn is_done(&self, fact: &UpgradeFact, release: Option<Release>) -> bool {
        self.release.is_none_or(|to| release == Some(to))
            && self.wanted(fact).is_empty()
            && (self.security || fact.removed.is_empty())
            && fact.sources.is_empty()
            && !fact.interrupted
    }

    /// Says why it cannot be done.
    fn refusal(&self, fact: &UpgradeFact, facts: &Facts) -> Option<Planned> {
        let refuse = |cause: String, hint: &str| {
            Some(Planned::Impossible {
                cause,
                hint: hint.to_owned(),
            })
        };
        let runs = facts.release.as_ref();
        let codename = runs.map_or("", |runs| runs.codename.as_str());
        let release = runs.and_then(ReleaseFact::known);
        if let Some(to) = self.release {
            let every = Release::EVERY;
            let at = |release| every.iter().position(|it| *it == release);
            let distance = release.and_then(at).zip(at(to));
            match distance {
                Some((from, to)) if from == to || from + 1 == to => {}
                Some((from, to)) if from > to => {
                    return refuse(
                        format!("the host runs {codename}, and Debian has no way back from there"),
                        "restore the host from its backup, or set it up anew",
                    );
                }
                Some(_) => {
                    return refuse(
                        format!("from {codename} a release would be skipped"),
                        "upgrade to the release in between first",
                    );
                }
                None => {
                    let runs = match codename {
                        "" => "a release without a name, as testing and sid have none",
                        codename => codename,
                    };
                    return refuse(
                        format!("the host runs {runs}: from there prov knows no way to {to}"),
                        "prov upgrades releases of Debian that `release` in estate.yml can name",
                    );
                }
            }
        }
        if self.security && self.release.is_some() {
            return refuse(
                "upgrade: `security` is for updates within a release".to_owned(),
                "leave one of them out",
            );
        }
        // Apt cannot tell before an interrupted installation is finished.
        if let Some(problem) = fact.problem.as_ref().filter(|_| !fact.interrupted) {
            let hint = packages::remedy(problem).map_or_else(|| "repair what apt says, then run the same command again: a source that is not there can be switched off by `Enabled: no`".to_owned(), |remedy| remedy.to_string());
            return refuse(format!("apt would refuse: {problem}"), &hint);
        }
        if self.release.is_some_and(|to| release != Some(to))
            && fact.sources.is_empty()
            && fact.pending.is_empty()
        {
            return refuse(
                format!(
                    "none of the host's package sources offers the new release{}",
                    match fact.staying.as_slice() {
                        [] => String::new(),
                        files => format!("; without it are archives in {}", files.join(", ")),
                    }
                ),
                "keep Debian's own archive in a file of its own, such as /etc/apt/sources.list.d/debian.sources",
            );
        }
        let mut removed = fact.removed.iter();
        if let Some(name) = removed.find(|name| essential::removing_package(name, facts).is_some())
        {
            return refuse(
                format!("apt would remove {name}, through which prov reaches this host"),
                "look at what it conflicts with: `apt-get -s full-upgrade` on the host",
            );
        }
        let needed = fact.fetch.saturating_add_signed(fact.growth.max(0));
        if fact.free > 0 && needed.saturating_add(RESERVE) > fact.free {
            return refuse(
                format!(
                    "there is not enough space: {} would be fetched and {} more stay on the disk, of which {} are free",
                    size(fact.fetch),
                    size(fact.growth.max(0).unsigned_abs()),
                    size(fact.free)
                ),
                "make room on the host (`apt-get clean`, `journalctl --vacuum-size=100M`, old kernels)",
            );
        }
        None
    }

    fn steps(&self, fact: &UpgradeFact) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for source in &fact.sources {
            steps.push(Step::WriteFile {
                path: source.path.clone(),
                content: Content::plain(source.after.clone()),
                attributes: source.attributes.clone(),
                replaces: Some(source.sha256.clone()),
            });
        }
        steps.push(Run::new(["sh", "-c", WAIT]).into());
        // Where packages wait for others that are not there yet, apt brings those afterwards.
        steps.push(if fact.interrupted {
            Run::new(["sh", "-c", "dpkg --configure -a --force-confold || :"]).into()
        } else {
            repair()
        });
        if fact.fetched || !fact.sources.is_empty() {
            steps.push(packages::update());
        }
        let mut runs = match (self.release, self.security) {
            (Some(_), _) => vec![
                apt(["upgrade", "--without-new-pkgs"]),
                apt(["full-upgrade"]),
            ],
            (None, false) => vec![apt(["upgrade", "--with-new-pkgs"])],
            (None, true) => {
                let mut run = apt(["install", "--only-upgrade", "--no-remove", "--"]);
                let wanted = self.wanted(fact).into_iter();
                run.argv.extend(wanted.map(|it| it.name.clone()));
                vec![run]
            }
        };
        let mut mend = apt(["--fix-broken", "install"]);
        if self.release.is_none() {
            mend.argv.push("--no-remove".to_owned());
        }
        let words = |run: &Run| quote::sh_all(run.argv.iter().map(String::as_str));
        // Only the daemons of another release may wait for their configuration.
        let goes_on = self.release.map(|_| words(&mend)).unwrap_or_default();
        if fact.interrupted {
            runs.insert(0, mend);
        }
        let lines = runs.iter().map(words);
        let lines = lines.collect::<Vec<_>>().join(" && ");
        let mut last = Run::new(["sh", "-c", DETACHED, "sh", &lines, &goes_on]);
        let mut after = UpgradeFact::default();
        if self.security {
            after.pending.clone_from(&fact.pending);
            after.pending.retain(|it| !it.security);
        }
        last.effects
            .push(Effect::Upgrade(Becomes(self.question(), after)));
        if let Some(to) = self.release {
            let runs = ReleaseFact {
                hostname: String::new(),
                id: "debian".to_owned(),
                codename: to.codename().to_owned(),
            };
            last.effects.push(Effect::Release(Becomes((), runs)));
        }
        steps.push(last.into());
        steps
    }

    fn detail(&self, fact: &UpgradeFact) -> String {
        let wanted = self.wanted(fact);
        let new = wanted.iter().filter(|it| it.from.is_none()).count();
        let mut parts = vec![format!("{} upgraded", wanted.len() - new)];
        for (count, what) in [
            (new, "new"),
            (
                if self.security { 0 } else { fact.removed.len() },
                "removed",
            ),
            (fact.kept_back.len(), "kept back"),
            (fact.held.len(), "on hold"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let growth = match fact.growth {
            0.. => format!("{} more on the disk", size(fact.growth.unsigned_abs())),
            _ => format!("{} less on the disk", size(fact.growth.unsigned_abs())),
        };
        format!(
            "{}; {} to fetch, {growth}, {} free",
            parts.join(", "),
            size(fact.fetch),
            size(fact.free)
        )
    }

    /// Shows files, then packages, then what stays as it is.
    fn diff(&self, fact: &UpgradeFact) -> Diff {
        let mut lines = Vec::new();
        for source in &fact.sources {
            lines.push(format!("({})", source.path));
            let private = source.attributes.mode.bits() & 0o004 == 0;
            let hidden = Hidden {
                old: private,
                new: private,
            };
            let after = Content::plain(source.after.clone());
            let diff = Diff::of_text(&source.before, &after, hidden);
            lines.extend(
                diff.lines()
                    .iter()
                    .filter(|line| line.starts_with(['+', '-']))
                    .cloned(),
            );
        }
        let wanted = self.wanted(fact);
        if !self.security {
            lines.extend(fact.removed.iter().map(|name| format!("-{name}")));
        }
        lines.extend(wanted.iter().map(|it| match &it.from {
            None => format!("+{} {}", it.name, it.to),
            Some(from) => format!(
                " {} {from} -> {}{}",
                it.name,
                it.to,
                if it.security { "   security" } else { "" }
            ),
        }));
        let notes = [
            ("kept back", &fact.kept_back),
            ("on hold", &fact.held),
            ("no such release in the archive of", &fact.staying),
            ("changed by hand and kept", &fact.edited),
        ];
        for (what, names) in notes.into_iter().filter(|(_, names)| !names.is_empty()) {
            lines.push(format!("({what}: {})", names.join(" ")));
        }
        if self.release.is_some() && brings_catalogue(fact) {
            lines.push(
                "(Bacula's director writes the tables of its catalogue anew: their server needs their size once more)"
                    .to_owned(),
            );
        }
        Diff::list(lines)
    }
}

/// Tells whether the director of Bacula comes in another version, for which the tables of its catalogue are written anew. Its
/// package would ask whether there is space for them (see `detached.sh`): the preview says it instead.
fn brings_catalogue(fact: &UpgradeFact) -> bool {
    let is = |name: &str| name.starts_with("bacula-director-");
    fact.pending
        .iter()
        .any(|package| is(&package.name) && package.from.is_some())
}

/// Writes a number of bytes as people read it.
fn size(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut rest = 0;
    let mut unit = 0;
    while value >= 1000 && unit + 1 < units.len() {
        rest = value % 1000 / 100;
        value /= 1000;
        unit += 1;
    }
    if unit > 1 && value < 10 {
        format!("{value}.{rest} {}", units[unit])
    } else {
        format!("{value} {}", units[unit])
    }
}

impl Manage for Upgrade {
    fn kind(&self) -> &'static str {
        "upgrade"
    }

    fn id(&self) -> String {
        match (self.release, self.security) {
            (Some(release), _) => format!("to {release}"),
            (None, true) => "security".to_owned(),
            (None, false) => "all".to_owned(),
        }
    }

    fn probe(&self) -> Vec<Query> {
        vec![
            Query::Upgrade(self.question()),
            Query::Release(()),
            Query::Login(()),
        ]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts
            .upgrades
            .get(&self.question())
            .ok_or_else(|| NotAsked("upgrade".to_owned()))?;
        let release = facts.release.as_ref().and_then(ReleaseFact::known);
        if (fact.problem.is_none() || fact.interrupted) && self.is_done(fact, release) {
            return Ok(Planned::Unchanged);
        }
        if let Some(refusal) = self.refusal(fact, facts) {
            return Ok(refusal);
        }
        let mut reasons = Vec::new();
        if self.release.is_some_and(|to| release != Some(to)) {
            reasons.push(Reason::OtherRelease);
        }
        if fact.interrupted {
            reasons.push(Reason::Interrupted);
        }
        if reasons.is_empty() {
            reasons.push(Reason::UpdatesPending);
        }
        Ok(Change::new(Action::Update, reasons, self.steps(fact))
            .detail(self.detail(fact))
            .diff(self.diff(fact))
            .into())
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "apt ended well, and still finds something to do: read what it says above, then run the same command again",
        )
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("an upgrade cannot be undone"))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        packages::remedy(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_apt_writes_them() {
        let sizes = [0, 999, 1_500, 9_876_543, 123_456_789, 6_100_000_000].map(size);
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1 kB", "9.8 MB", "123 MB", "6.1 GB"]
        );
    }
}
