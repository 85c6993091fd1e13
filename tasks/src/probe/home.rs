//! What is at the homes of accounts: what would go if they were removed with them (userdel(8)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::lines_of;
use super::answers::broken;
use super::numbers::accounts_written;
use super::{Answers, Broken, Facts, Kind, NotAsked, UNKNOWN_ID, Written};
use crate::Secret;
use crate::value::{AccountName, HostPath};

/// What is at the home of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HomeFact {
    /// Nothing, or the account is not there.
    #[default]
    Missing,
    /// Something that is no folder.
    Other,
    /// What nobody knows: something is mounted there that lets nobody look, or it cannot be entered.
    Hidden,
    /// A folder.
    Folder {
        /// Where it is, without links.
        place: String,
        /// The number of its owner, or [`super::UNKNOWN_ID`].
        uid: u32,
        /// Whether a link stands in its place, and leads there.
        #[serde(default)]
        linked: bool,
        /// Whether something is mounted there or below.
        #[serde(default)]
        mounted: bool,
    },
}

impl Facts {
    /// Tells what is at the home of an account.
    pub fn home(&self, name: &AccountName) -> Result<&HomeFact, NotAsked> {
        let home = self.homes.get(name);
        home.ok_or_else(|| NotAsked(format!("home of {name}")))
    }

    /// Gives the path of an account's home, where that is known.
    fn home_path(&self, name: &AccountName) -> Option<HostPath> {
        let known = self.users.get(name)?.as_ref()?;
        HostPath::new(known.home.as_str()).ok()
    }

    /// Takes over that nothing is at a path any more, nor below it.
    pub(crate) fn note_no_homes(&mut self, path: &HostPath) {
        let gone = |home: &HostPath| home == path || home.is_below(path);
        let there = |(name, fact): &(&AccountName, &HomeFact)| {
            let place = match fact {
                HomeFact::Folder { place, .. } => HostPath::new(place.as_str()).ok(),
                HomeFact::Missing | HomeFact::Other | HomeFact::Hidden => None,
            };
            place
                .into_iter()
                .chain(self.home_path(name))
                .any(|home| gone(&home))
        };
        let names: Vec<_> = self
            .homes
            .iter()
            .filter(there)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.homes.insert(name, HomeFact::Missing);
        }
    }

    /// Takes over that something is mounted at a path, or not any more; what that hides or hid is not known.
    pub(crate) fn note_mount(&mut self, at: &HostPath, is_there: bool) {
        let homes: Vec<_> = self.homes.keys().cloned().collect();
        for name in homes {
            let path = self.home_path(&name);
            let Some(fact) = self.homes.get_mut(&name) else {
                continue;
            };
            match fact {
                HomeFact::Folder {
                    place,
                    uid,
                    mounted,
                    ..
                } => {
                    let Ok(place) = HostPath::new(place.as_str()) else {
                        continue;
                    };
                    if place == *at || place.is_below(at) {
                        *uid = UNKNOWN_ID;
                    }
                    if place == *at || at.is_below(&place) {
                        *mounted = is_there;
                    }
                }
                HomeFact::Hidden => {
                    let uncovered = path.filter(|path| {
                        !is_there && (path == at || path.is_below(at) || at.is_below(path))
                    });
                    if let Some(path) = uncovered {
                        *fact = HomeFact::Folder {
                            place: path.to_string(),
                            uid: UNKNOWN_ID,
                            linked: false,
                            mounted: false,
                        };
                    }
                }
                HomeFact::Missing | HomeFact::Other => {}
            }
        }
    }
}

/// The kind of this module.
pub struct Homes;

impl Kind for Homes {
    type Question = AccountName;
    type Known = BTreeMap<AccountName, HomeFact>;

    fn key(name: &AccountName) -> AccountName {
        name.clone()
    }

    fn script(names: &[AccountName]) -> String {
        let names = lines_of(names.iter());
        // Missing is only what the kernel says is not there: of a mount of its user's, root may learn nothing at all. So the way is gone
        // part by part, and where it ends, what is mounted there is looked for before anything else.
        format!(
            r#"prov_mounts() {{ while read -r _ _ _ _ at _; do case $at in (*\\*) at=$(printf %b. "$at") && at=${{at%.}};; esac; case $at in ("$1"|"${{1%/}}"/*) return 0;; esac; done </proc/self/mountinfo; return 1; }}
prov_home() {{ # account home
  [ -n "$2" ] || {{ printf '%s missing\n' "$1"; return; }}
  cd / && rest=${{2#/}}/ linked=no
  while [ -n "$rest" ]; do
    part=${{rest%%/*}} rest=${{rest#*/}}; while [ "${{rest#/}}" != "$rest" ]; do rest=${{rest#/}}; done
    case $part in (''|.) continue;; esac
    [ -n "$rest" ] || [ ! -L "./$part" ] || linked=yes
    cd -P "./$part" 2>/dev/null && continue
    what=hidden
    if prov_mounts "${{PWD%/}}/$part"; then :
    elif [ -e "./$part" ]; then [ -d "./$part" ] || {{ what=missing; [ -n "$rest" ] || what=other; }}
    elif [ -L "./$part" ]; then [ -n "$rest" ] || what=other
    else case $(LC_ALL=C stat "./$part" 2>&1) in (*': No such file or directory') what=missing;; esac; fi
    printf '%s %s\n' "$1" "$what"; return
  done
  # A link's maker chooses where it leads, and is not to write the answer.
  case $PWD in (*'
'*) printf '%s hidden\n' "$1"; return;; esac
  mounted=no; if prov_mounts "$PWD"; then mounted=yes; fi
  uid=$(stat -c %u .) && printf '%s folder %s %s %s %s\n' "$1" "$uid" "$mounted" "$linked" "$PWD"; }}
prov_answer homes; ( while IFS= read -r line || [ -n "$line" ]; do case $line in ({names})
home=${{line%:*}}; prov_home "${{line%%:*}}" "${{home##*:}}" || exit;; esac; done </etc/passwd ) && prov_complete
"#
        )
    }

    fn read(names: &[AccountName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = String::from_utf8_lossy(answers.bytes("homes")?);
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<_> = line.splitn(6, ' ').collect();
            let (name, fact) = match fields[..] {
                [name, "missing"] => (name, HomeFact::Missing),
                [name, "other"] => (name, HomeFact::Other),
                [name, "hidden"] => (name, HomeFact::Hidden),
                [
                    name,
                    "folder",
                    uid,
                    mounted @ ("yes" | "no"),
                    linked @ ("yes" | "no"),
                    place,
                ] => {
                    let uid = uid.parse();
                    let fact = HomeFact::Folder {
                        place: place.to_owned(),
                        uid: uid.map_err(|_| broken("homes", "has no number of an owner"))?,
                        linked: linked == "yes",
                        mounted: mounted == "yes",
                    };
                    (name, fact)
                }
                _ => return Err(broken("homes", format!("has a line {line:?}"))),
            };
            // The first line of a name is the one that is found.
            found.entry(name.to_owned()).or_insert(fact);
        }
        let fact = |name: &AccountName| {
            let fact = found.get(name.as_str()).cloned();
            (name.clone(), fact.unwrap_or_default())
        };
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(name: &AccountName, written: &Written<'_>) -> bool {
        let home = written.facts.home_path(name);
        written.paths.iter().any(|path| {
            let near =
                |home: &HostPath| home == *path || home.is_below(path) || path.is_below(home);
            home.as_ref().is_none_or(near)
        }) || accounts_written(written)
    }

    fn samples() -> Vec<AccountName> {
        AccountName::new("leaver").into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_missing_only_where_its_way_ends() {
        let script = Homes::script(&[]);
        let functions = script.split("prov_answer").next().unwrap();
        let found = |home: &str| {
            #[expect(
                clippy::disallowed_methods,
                reason = "a test has a shell run what is written for one"
            )]
            let mut shell = std::process::Command::new("sh");
            let script = format!("{functions}\nprov_home a \"$1\"");
            let output = shell.args(["-c", &script, "sh", home]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            // What is mounted is another machine's matter.
            text.replace("folder 0 yes", "folder 0 no")
        };
        for (home, is) in [
            ("/nonexistent/of/prov", "missing"),
            ("", "missing"),
            ("/dev/null/x", "missing"),
            ("/dev/null", "other"),
            ("/proc//sys/kernel/../", "folder 0 no no /proc/sys"),
            ("/proc/1/../sys/kernel", "folder 0 no no /proc/sys/kernel"),
        ] {
            assert_eq!(found(home), format!("a {is}\n"), "{home}");
        }
        let linked = found("/proc/self/");
        assert!(
            linked.starts_with("a folder ") && linked.contains(" yes /"),
            "{linked}"
        );
    }
}
