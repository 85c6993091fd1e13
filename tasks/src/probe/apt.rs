//! What apt would do, without doing it: apt-get(8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::package::is_installed;
use super::{Answers, Broken, Kind};
use crate::Secret;
use crate::pushln;
use crate::quote;
use crate::value::{PackageName, PackageVersion};

/// Asks apt what it would do. Whether its packages are installed must be asked for, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AptRequest {
    /// What it would be asked to do.
    pub verb: AptVerb,
    /// With these packages.
    pub names: Vec<PackageName>,
    /// Those of them that are meant in a version.
    pub versions: BTreeMap<PackageName, PackageVersion>,
    /// Whether an older version may take the place of a newer one.
    pub downgrades: bool,
    /// Whether packages that are held may change, as their hold is taken away first.
    pub held: bool,
    /// Packages that would have to go if they are installed.
    pub replaces: Vec<PackageName>,
    /// Whether recommended packages would be installed too.
    pub recommends: bool,
}

impl AptRequest {
    /// Gives the text by which the answer is found among the facts.
    #[must_use]
    pub fn key(&self) -> String {
        let names = self.names.iter().map(|name| self.word(name));
        let replaces = self.replaces.iter().map(|name| format!("{name}-"));
        let names: Vec<_> = names.chain(replaces).collect();
        format!("{} {}", self.verb.word(), names.join(" "))
    }
}

impl AptRequest {
    /// Writes a package as apt takes it: `nginx`, or `nginx=1.26*`.
    #[must_use]
    pub fn word(&self, name: &PackageName) -> String {
        match self.versions.get(name) {
            Some(version) => format!("{name}={version}"),
            None => name.to_string(),
        }
    }
}

/// How many dependencies are told that are not met.
const MOST_UNMET: usize = 5;

/// What apt is asked to do with packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AptVerb {
    /// Install them.
    Install,
    /// Remove them, but not their configuration.
    Remove,
    /// Remove them with their configuration.
    Purge,
}

impl AptVerb {
    /// Gives the word for `apt-get(8)`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Remove => "remove",
            Self::Purge => "purge",
        }
    }
}

/// What apt would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AptFact {
    /// Packages that would be installed or upgraded, with their versions: `dnsmasq 2.90-4~deb12u2`.
    pub install: Vec<String>,
    /// Packages that would be removed.
    pub remove: Vec<String>,
    /// Why it would refuse, in apt's words.
    pub problem: Option<String>,
}

/// The function with which apt is asked.
pub(super) const APT_FUNCTIONS: &str = include_str!("apt.sh");

/// The kind of this module.
pub struct Simulations;

impl Kind for Simulations {
    type Question = AptRequest;
    type Known = BTreeMap<String, AptFact>;

    /// It costs a host a second.
    const FOR_PREVIEWS: bool = true;

    fn key(request: &AptRequest) -> String {
        request.key()
    }

    fn script(requests: &[AptRequest]) -> String {
        let mut script = APT_FUNCTIONS.to_owned();
        for (index, request) in requests.iter().enumerate() {
            // A simulation, too, writes a log of what it planned, unless it is told not to. Apt is asked
            // only where a package is not as it should be; the shell can tell that by itself. Refusals end with 100.
            let wanted = match request.verb {
                AptVerb::Install => "prov_is_installed \"$name\"",
                AptVerb::Remove | AptVerb::Purge => "! prov_is_installed \"$name\"",
            };
            let words: Vec<_> = request
                .names
                .iter()
                .map(|name| request.word(name))
                .collect();
            let versions = request.versions.iter();
            let others: Vec<_> = versions
                .map(|(name, version)| format!("{} || ask=yes\n", is_installed(name, version)))
                .collect();
            let others = others.concat();
            pushln!(
                script,
                r#"ask=; for name in {names}; do {wanted} || ask=yes; done
{others}may_remove={removes} remove=; for name in {replaces}; do if prov_is_installed "$name"; then may_remove=true ask=yes remove="$remove $name-"; fi; done
prov_simulate() {{ apt-get $caches -s -q -y -o Dir::Log::Planner=/dev/null -o APT::Install-Recommends={recommends} -o APT::Get::Remove=$may_remove{flags} {verb} -- {words} $remove 2>&1 </dev/null; }}
[ -z "$ask" ] || {{ prov_answer apt:{index}; prov_apt prov_simulate
printf '%s\n' "$answer" | sed -n '/^\(Inst\|Remv\|Purg\|E:\) /p; /^The following packages have unmet dependencies:/,/^[^ ]/s/^ \+/Unmet /p'; [ $exit -gt 100 ] || prov_complete; }}"#,
                names = quote::sh_all(request.names.iter().map(PackageName::as_str)),
                verb = request.verb.word(),
                words = quote::sh_all(words.iter().map(String::as_str)),
                flags = [
                    (request.downgrades, " --allow-downgrades"),
                    (request.held, " --allow-change-held-packages")
                ]
                .into_iter()
                .filter_map(|(is_set, flag)| is_set.then_some(flag))
                .collect::<String>(),
                recommends = request.recommends,
                removes = request.verb != AptVerb::Install,
                replaces = quote::sh_all(request.replaces.iter().map(PackageName::as_str)),
            );
        }
        script
    }

    /// Reads `Inst NAME [OLD] (NEW …)`, `Remv NAME [OLD]`, `E: WHY`, and `Unmet NAME : WHY`, which says more than apt's last word. There is nothing where all is as it should be.
    fn read(requests: &[AptRequest], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, request) in requests.iter().enumerate() {
            let Some(text) = answers.optional_text(&format!("apt:{index}"))? else {
                continue;
            };
            let mut fact = AptFact::default();
            let mut unmet = Vec::new();
            for (word, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
                let package = rest.split(' ').next().unwrap_or_default();
                match word {
                    "Inst" => {
                        let versions = rest.split_once('(').map(|(_, versions)| versions);
                        let version = versions.and_then(|versions| versions.split(' ').next());
                        let version = version.unwrap_or_default();
                        fact.install.push(format!("{package} {version}"));
                    }
                    "Remv" | "Purg" => fact.remove.push(package.to_owned()),
                    "E:" => {
                        fact.problem.get_or_insert_with(|| rest.to_owned());
                    }
                    "Unmet" => unmet.push(rest),
                    // Nothing else is asked to be printed; what is, says nothing about packages.
                    _ => {}
                }
            }
            if fact.problem.is_some() && !unmet.is_empty() {
                unmet.truncate(MOST_UNMET);
                fact.problem = Some(format!("unmet dependencies: {}", unmet.join("; ")));
            }
            fact.install.sort();
            known.insert(request.key(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<AptRequest> {
        let request = |name| AptRequest {
            verb: AptVerb::Install,
            names: vec![name],
            versions: BTreeMap::new(),
            downgrades: false,
            held: false,
            replaces: Vec::new(),
            recommends: false,
        };
        PackageName::new("pkg").map(request).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_that_are_not_met_are_told_in_place_of_apts_last_word() {
        let text = "Unmet nginx : Depends: nginx-common (= 1.26) but it is not installable\n\
            E: Unable to correct problems, you have held broken packages.\n";
        let mut answers = Answers::default();
        answers.insert("apt:0".to_owned(), text.as_bytes().to_vec(), true);
        let requests = Simulations::samples();
        let known = Simulations::read(&requests, &answers).unwrap();
        let problem = known[&requests[0].key()].problem.as_deref();
        assert_eq!(
            problem,
            Some(
                "unmet dependencies: nginx : Depends: nginx-common (= 1.26) but it is not installable"
            )
        );
    }

    /// Asks as a look does, with lists that were parsed before or without, a program in the place of apt that answers as `apt` says;
    /// gives the answer, the exit code and how often it was asked.
    fn asked(has_parsed: bool, apt: &str) -> String {
        let functions = APT_FUNCTIONS.replace(
            "/var/cache/apt/srcpkgcache.bin",
            if has_parsed { "/dev/null" } else { "/nowhere" },
        );
        let script = format!(
            "{functions}\nfake() {{ case $caches in (*fd/6) printf p >&2;; (*) printf w >&2;; esac; {apt}; }}\n\
             prov_apt fake; printf '|%s|%s' \"$answer\" $exit"
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has a shell run what is written for one"
        )]
        let mut shell = std::process::Command::new("sh");
        let output = shell
            .args(["-c", &script])
            .env_remove("TMPDIR")
            .output()
            .unwrap();
        [output.stderr, output.stdout]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .concat()
    }

    #[test]
    fn lists_that_apt_has_parsed_are_read_as_long_as_they_are_right() {
        let old = "case $caches in (*fd/6) echo 'E: The package lists or status file could not be parsed or opened.'; return 100;; esac; echo yes";
        for (has_parsed, apt, asked_so) in [
            (true, "echo yes", "p|yes|0"),
            (false, "echo yes", "w|yes|0"),
            (true, old, "pw|yes|0"),
            // What it refuses stays refused: it is not asked again.
            (true, "echo 'E: no'; return 100", "p|E: no|100"),
            (false, "echo 'E: no'; return 100", "w|E: no|100"),
            // Whoever says nothing may lack room in memory.
            (true, "[ -z \"$TMPDIR\" ] && echo yes", "pww|yes|0"),
            (true, "return 7", "pww||7"),
        ] {
            assert_eq!(asked(has_parsed, apt), asked_so, "{apt}");
        }
    }
}
