//! Checkouts of git, and where the branches and tags of their remotes are: git-status(1), git-ls-remote(1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::pushln;
use crate::quote;
use crate::secret::Secret;
use crate::value::{AccountName, GitUrl, HostPath};

/// The local change in place of which it is told that there are more.
const TOO_MANY: usize = 11;

/// Seconds for which a remote may be silent.
const PATIENCE: u32 = 20;

/// Asks for a checkout and for what its remote has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitQuestion {
    /// The folder.
    pub path: HostPath,
    /// The account that it belongs to, and as which git is run.
    pub user: AccountName,
    /// Where it comes from.
    pub url: GitUrl,
    /// A branch, a tag or a commit.
    pub version: String,
    /// Lines for `known_hosts` by which the remote is recognised.
    pub known_hosts: String,
    /// The private key with which to log in there, if one is needed.
    pub key: Option<Secret>,
}

/// A checkout and its remote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitFact {
    /// Whether git is on the host.
    pub git: bool,
    /// Whether there is a folder with something in it that is no checkout.
    pub foreign: bool,
    /// Where the checkout comes from; `None` where there is none.
    pub url: Option<String>,
    /// The commit that it is at; `None` where there is none yet.
    pub commit: Option<String>,
    /// Why git does not read it, in its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Some of its local changes, as `git status --porcelain` has them.
    pub changes: Vec<String>,
    /// The commit of the version that is wanted, as the remote says.
    pub wanted: Option<String>,
    /// Why the remote cannot be asked, in its words or git's.
    pub problem: Option<String>,
}

impl Facts {
    /// Tells what is known of a checkout.
    pub fn git(&self, path: &HostPath) -> Result<&GitFact, NotAsked> {
        let fact = self.git.get(path);
        fact.ok_or_else(|| NotAsked(format!("git {path}")))
    }
}

/// Tells whether a version is a commit: then nobody need be asked which one it is.
pub(crate) fn is_commit(version: &str) -> bool {
    version.len() == 40
        && version
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Functions by which root runs git as the account that the checkout belongs to, with nobody's configuration, and with the
/// key in a file in memory for as long as that takes. Git is given the key's file even where there is no key.
pub(crate) const GIT_FUNCTIONS: &str = r#"prov_git_as() ( # user known_hosts key command…
  user=$1 hosts=$2 key=$3; shift 3
  folder=$(mktemp -d /run/prov.XXXXXXXXXX) || exit; trap 'rm -rf -- "$folder"' EXIT; trap 'exit 129' HUP INT TERM PIPE
  printf '%s\n' "$hosts" >"$folder/hosts" && printf '%s\n' "$key" >"$folder/key" &&
    chmod 0600 "$folder/hosts" "$folder/key" && chown -R -- "$user:" "$folder" &&
    runuser -u "$user" -- env HOME=/nonexistent GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
      "GIT_SSH_COMMAND=ssh -F /dev/null -o BatchMode=yes -o IdentitiesOnly=yes -i $folder/key -o UserKnownHostsFile=$folder/hosts -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes -o ConnectTimeout=10" "$@" 3>&- 9>&- )
"#;

/// The kind of this module.
pub struct Checkouts;

impl Kind for Checkouts {
    type Question = GitQuestion;
    type Known = BTreeMap<HostPath, GitFact>;

    fn key(question: &GitQuestion) -> HostPath {
        question.path.clone()
    }

    /// The remote is asked only where a commit is not enough to know that all is as it should be. The key is in the script,
    /// which comes by standard input, and in no argument: the shell writes it itself.
    fn script(questions: &[GitQuestion]) -> String {
        let mut script = format!(
            r#"{GIT_FUNCTIONS}prov_git() {{ # path user url version known_hosts key
  command -v git >/dev/null || return 0; echo git
  # An account that is yet to be made has nothing; its remote can be asked by root as well.
  id -u -- "$2" >/dev/null 2>&1 || set -- "$1" root "$3" "$4" "$5" "$6"
  if [ -e "$1" ] || [ -L "$1" ]; then
    if [ ! -d "$1" ] || [ -L "$1" ] || {{ [ ! -d "$1/.git" ] && [ -n "$(ls -A -- "$1")" ]; }}; then echo foreign
    elif [ -d "$1/.git" ]; then
      prov_git_as "$2" '' '' git -C "$1" config --get remote.origin.url | sed 's/^/url /'
      prov_git_as "$2" '' '' git -C "$1" rev-parse -q --verify 'HEAD^{{commit}}' 2>/dev/null | sed 's/^/commit /'
      # What git says itself of a checkout that it does not read, is no change of somebody's.
      if changes=$(prov_git_as "$2" '' '' git --no-optional-locks -C "$1" status --porcelain 2>/dev/null); then [ -z "$changes" ] || printf '%s\n' "$changes" | sed -n -e '{TOO_MANY}{{s/.*/change and more/p;q}}' -e 's/^/change /p'
      else prov_git_as "$2" '' '' git -C "$1" status --porcelain 2>&1 >/dev/null | grep -m 1 . | sed 's/^/broken /'; fi
      # What nobody else has is lost with the checkout, too.
      prov_git_as "$2" '' '' git -C "$1" log --format='commit %h %s' HEAD --branches --not --remotes --tags 2>/dev/null | sed -n -e '{TOO_MANY}{{s/.*/change and more commits/p;q}}' -e 's/^/change /p'
    fi
  fi
  [ -n "$4" ] || return 0
  remote=$(prov_git_as "$2" "$5" "$6" timeout {PATIENCE} git ls-remote -- "$3" "$4" "$4^{{}}" 2>&1) || {{ echo "problem $(printf %s "$remote" | tr '\n' ' ')"; return 0; }}
  printf '%s\n' "$remote" | awk -v v="$4" '$2 == "refs/heads/" v || (v == "HEAD" && $2 == v){{branch = $1}} $2 == "refs/tags/" v{{tag = $1}} $2 == "refs/tags/" v "^{{}}"{{peeled = $1}}
    END{{found = branch; if (tag != "") found = tag; if (peeled != "") found = peeled; if (found != "") print "wanted " found}}'
}}
"#
        );
        for (index, question) in questions.iter().enumerate() {
            let version = if is_commit(&question.version) {
                ""
            } else {
                question.version.as_str()
            };
            let key = question.key.as_ref().map_or("", Secret::expose);
            let (path, user, url) = (&question.path, &question.user, &question.url);
            let words = [
                path.as_str(),
                user.as_str(),
                url.as_str(),
                version,
                &question.known_hosts,
                key,
            ];
            pushln!(
                script,
                "prov_answer git:{index}; ( prov_git {} ) && prov_complete",
                quote::sh_all(words)
            );
        }
        script
    }

    fn read(questions: &[GitQuestion], answers: &Answers) -> Result<Self::Known, Broken> {
        let mut known = BTreeMap::new();
        for (index, question) in questions.iter().enumerate() {
            let name = format!("git:{index}");
            // A file may have any name.
            let text = String::from_utf8_lossy(answers.bytes(&name)?).into_owned();
            let mut fact = GitFact::default();
            for line in text.lines() {
                let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
                let rest = rest.to_owned();
                match word {
                    "git" => fact.git = true,
                    "foreign" => fact.foreign = true,
                    "url" => fact.url = Some(rest),
                    "commit" => fact.commit = Some(rest),
                    "broken" => fact.broken = Some(rest),
                    "change" => fact.changes.push(rest),
                    "wanted" => fact.wanted = Some(rest),
                    "problem" => fact.problem = Some(rest.trim().to_owned()),
                    "" => {}
                    _ => return Err(broken(&name, "has a line that is none of its own")),
                }
            }
            if is_commit(&question.version) {
                fact.wanted = Some(question.version.clone());
            }
            known.insert(question.path.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn follows(question: &GitQuestion, written: &Written<'_>) -> bool {
        let near = |path: &&HostPath| {
            **path == question.path || path.is_below(&question.path) || question.path.is_below(path)
        };
        written.paths.iter().any(near)
    }

    fn samples() -> Vec<GitQuestion> {
        let parts = (HostPath::new("/checkout"), GitUrl::new("/nowhere.git"));
        let (Ok(path), Ok(url)) = parts else {
            return Vec::new();
        };
        vec![GitQuestion {
            path,
            user: AccountName::root(),
            url,
            version: "main".to_owned(),
            known_hosts: String::new(),
            key: None,
        }]
    }
}
