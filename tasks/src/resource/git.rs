//! Checkouts of git.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Former, Manage, Resource, State, packages};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason, Remedy};
use crate::probe::{
    Attributes, Becomes, Effect, Facts, GIT_FUNCTIONS, GitFact, GitQuestion, NotAsked, Owner,
    PathFact, PathQuestion, Query, Read,
};
use crate::secret::Secret;
use crate::step::{Run, Step};
use crate::value::{AccountName, GitUrl, HostPath, Mode};

/// Digits by which people know a commit.
const SHORT: usize = 10;

/// Fetches a commit if it is not there, and checks it out, as the account that the folder belongs to; the key is on standard input.
const UPDATE: &str = r#"user=$1 hosts=$2; shift 2; key=$(cat)
prov_git_as "$user" "$hosts" "$key" sh -euc 'cd -- "$1"; url=$2 commit=$3 submodules=$4 discard=$5
[ -d .git ] || git init -q
git config remote.origin.url "$url"; git config remote.origin.fetch "+refs/heads/*:refs/remotes/origin/*"
there() { git cat-file -e "$commit^{commit}" 2>/dev/null; }
there || git fetch -q --tags --force origin
there || { echo "the remote has no commit $commit on its branches and tags"; exit 1; }
git -c advice.detachedHead=false -c core.hooksPath=/dev/null checkout -q ${discard:+--force} --detach "$commit"
[ -z "$discard" ] || git clean -qffd
[ -z "$submodules" ] || git submodule -q update --init --recursive' sh "$@""#;

/// Manages a checkout of git at a branch, a tag or a commit, as it is at its remote.
///
/// Reads where the checkout is, and asks the remote where the branch or tag is (`git ls-remote`), unless a commit is given that is
/// checked out already. Git runs as the account that the checkout belongs to, with nobody's configuration and no hooks, and asks
/// nothing. A remote by SSH is recognised by `known_hosts` alone; the private key is in a file in memory for as long as git
/// needs it. Local changes are named and nothing is done, unless `discard_changes` is set: then they are lost, and so are
/// files that git does not know, but for ignored ones. HEAD is detached. The host needs the packages git and, as the remote may be,
/// ca-certificates or openssh-client.
///
/// ```yaml
/// git: {path: /srv/app, url: "https://git.example.org/app.git", version: v1.2, user: app}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Git {
    /// Absolute path of the folder.
    pub path: HostPath,
    /// Address of the repository.
    pub url: GitUrl,
    /// A branch, a tag, or the 40 digits of a commit; the remote's default branch when not given.
    #[serde(default = "head")]
    pub version: String,
    /// The account that the checkout belongs to.
    #[serde(default = "AccountName::root")]
    pub user: AccountName,
    /// Its group; the one with the account's name when not given.
    #[serde(default)]
    pub group: Option<AccountName>,
    /// Lines by which a remote is recognised that is reached by SSH, as in `known_hosts` (sshd(8)).
    #[serde(default)]
    pub known_hosts: String,
    /// The private key with which to log in at the remote, without a passphrase.
    #[serde(default)]
    pub key: Option<Secret>,
    /// Whether submodules are checked out, too.
    #[serde(default)]
    pub submodules: bool,
    /// Whether local changes are given up.
    #[serde(default)]
    pub discard_changes: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Git);

fn head() -> String {
    "HEAD".to_owned()
}

impl Git {
    fn question(&self) -> GitQuestion {
        GitQuestion {
            path: self.path.clone(),
            user: self.user.clone(),
            url: self.url.clone(),
            // What is to go is asked of nobody.
            version: match self.state {
                State::Present => self.version.clone(),
                State::Absent => String::new(),
            },
            known_hosts: self.known_hosts.clone(),
            key: self.key.clone(),
        }
    }

    /// Refuses to lose local changes.
    fn keeps(&self, fact: &GitFact) -> Option<Planned> {
        (!self.discard_changes && !fact.changes.is_empty()).then(|| Planned::Impossible {
            cause: format!(
                "{} has local changes: {}",
                self.path,
                fact.changes.join(", ")
            ),
            hint: "look at them with `git status` and `git diff` on the host, and commit them elsewhere; or set `discard_changes: true` to lose them".to_owned(),
        })
    }

    /// Refuses a checkout that git does not read: what is in it is not known, so it is neither changed nor removed.
    fn broken(&self, fact: &GitFact) -> Option<Planned> {
        let said = fact.broken.as_ref()?;
        let (user, path) = (&self.user, &self.path);
        let hint = if said.contains("dubious ownership") {
            format!(
                "it belongs to another account than {user}: set `user` to the one that `stat -c %U {path}` on the host shows, or give all of it to {user} there (`chown -R {user}: {path}`)"
            )
        } else {
            format!(
                "see what `runuser -u {user} -- git -C {path} status` says on the host and repair it, or move the folder away to have it fetched anew"
            )
        };
        Some(Planned::Impossible {
            cause: format!("git does not read the checkout {path} as {user}: {said}"),
            hint,
        })
    }

    fn foreign(&self) -> Planned {
        Planned::Impossible {
            cause: format!("{} is there, and is no checkout of git", self.path),
            hint: "move it away if it is not needed, or give another folder".to_owned(),
        }
    }

    fn update(&self, fact: &GitFact, wanted: &str) -> Planned {
        let group = self.group.as_ref().unwrap_or(&self.user);
        let attributes = Attributes::new(self.user.as_str(), group.as_str(), Mode::new(0o755));
        let path = self.path.clone();
        let flag = |is_set: bool| if is_set { "yes" } else { "" };
        let script = format!("{GIT_FUNCTIONS}{UPDATE}");
        let mut run = Run::new([
            "sh",
            "-c",
            &script,
            "sh",
            self.user.as_str(),
            &self.known_hosts,
        ]);
        run.argv.extend(
            [
                self.path.as_str(),
                self.url.as_str(),
                wanted,
                flag(self.submodules),
                flag(self.discard_changes),
            ]
            .map(str::to_owned),
        );
        let after = GitFact {
            foreign: false,
            url: Some(self.url.to_string()),
            commit: Some(wanted.to_owned()),
            changes: Vec::new(),
            ..fact.clone()
        };
        let run = run
            .stdin(Content::secret(self.key.clone().unwrap_or_default()))
            .effect(Effect::Git(Becomes(path.clone(), after)));
        let is_new = fact.url.is_none() && fact.commit.is_none();
        let mut steps = Vec::new();
        if is_new {
            steps.push(Step::MakeDirectory { path, attributes });
        }
        steps.push(run.into());
        let short = |commit: &str| commit.chars().take(SHORT).collect::<String>();
        let from = fact.commit.as_deref().map(short);
        let detail = format!(
            "{} → {} ({})",
            from.as_deref().unwrap_or("nothing"),
            short(wanted),
            self.version
        );
        let reasons = [
            (is_new, Reason::Missing),
            (
                !is_new && fact.url.as_deref() != Some(self.url.as_str()),
                Reason::TargetDiffers,
            ),
            (
                !is_new && (fact.commit.as_deref() != Some(wanted) || !fact.changes.is_empty()),
                Reason::ContentDiffers,
            ),
        ];
        let reasons = reasons
            .into_iter()
            .filter_map(|(is, reason)| is.then_some(reason));
        let action = if is_new {
            Action::Create
        } else {
            Action::Update
        };
        Change::new(action, reasons.collect(), steps)
            .detail(detail)
            .diff(lost(fact))
            .into()
    }

    fn plan_present(&self, fact: &GitFact, facts: &Facts) -> Result<Planned, NotAsked> {
        if !fact.git {
            return Ok(if facts.coming.is_empty() {
                Planned::Impossible {
                    cause: "git is not installed on this host".to_owned(),
                    hint: "declare `packages: {names: [git]}` before the checkout".to_owned(),
                }
            } else {
                packages::waiting(facts)
            });
        }
        if fact.foreign {
            return Ok(self.foreign());
        }
        if let Some(problem) = &fact.problem {
            return Ok(Planned::Impossible {
                cause: format!(
                    "the remote {} cannot be asked: {}",
                    self.url,
                    if problem.is_empty() {
                        "it does not answer"
                    } else {
                        problem
                    }
                ),
                hint: reach(problem).to_owned(),
            });
        }
        let Some(wanted) = &fact.wanted else {
            return Ok(Planned::Impossible {
                cause: format!(
                    "the remote {} has no branch and no tag {}",
                    self.url, self.version
                ),
                hint: format!(
                    "correct `version`; `git ls-remote {}` lists those that there are",
                    self.url
                ),
            });
        };
        let same =
            fact.url.as_deref() == Some(self.url.as_str()) && fact.commit.as_ref() == Some(wanted);
        if same && fact.changes.is_empty() {
            return Ok(Planned::Unchanged);
        }
        if let Some(refused) = self.keeps(fact) {
            return Ok(refused);
        }
        let parent = super::file::missing_parent(&self.path, facts)?;
        Ok(parent.unwrap_or_else(|| self.update(fact, wanted)))
    }
}

/// Names the local changes that are given up.
fn lost(fact: &GitFact) -> Diff {
    let changes = fact.changes.iter();
    Diff::list(changes.map(|change| {
        if change.starts_with("and more") {
            format!("({change})")
        } else {
            format!("(- {}   local change)", change.trim())
        }
    }))
}

/// Says what helps where a remote cannot be asked.
fn reach(problem: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|words| problem.contains(words));
    if says(&["Host key verification failed"]) {
        "put the line of the remote's host key into `known_hosts`, after comparing it with what the remote's owner publishes"
    } else if says(&[
        "Permission denied",
        "Authentication failed",
        "could not read Username",
        "invalid format",
        "error in libcrypto",
    ]) {
        "give a private key as `key` that the remote lets in (a deploy key), all of it and without a passphrase; or an address that needs none"
    } else if says(&["certificate"]) {
        "see that the host has ca-certificates, the right time, and the remote's authority"
    } else if says(&["cannot run ssh", "ssh: not found"]) {
        "declare the package openssh-client before the checkout"
    } else {
        "check the address, and that the host reaches the remote"
    }
}

impl Manage for Git {
    fn kind(&self) -> &'static str {
        "git"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Replaced))
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("git {}: {problem}", self.path));
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._/+-#@".contains(&b);
        let odd = self.version.starts_with(['-', '/']) || self.version.contains("..");
        if self.version.is_empty() || odd || !self.version.bytes().all(fits) {
            return refuse(
                "`version` is a branch, a tag or a commit; use letters, digits and '._/+-#@'",
            );
        }
        if self.path.parent().as_str() == "/" {
            return refuse("this is a folder of the system itself; give one below it");
        }
        if self.url.is_ssh() && self.known_hosts.trim().is_empty() && self.state == State::Present {
            return refuse(
                "`known_hosts` is needed: the remote must be recognised; compare what `ssh-keyscan HOST` prints with what its owner publishes",
            );
        }
        if self
            .known_hosts
            .chars()
            .any(|c| c.is_control() && !"\n\t".contains(c))
        {
            return refuse("`known_hosts` has a control character");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let path = |path| {
            Query::Path(PathQuestion {
                path,
                read: Read::Attributes,
            })
        };
        let places = [self.path.clone(), self.path.parent()].map(path);
        // A version that is none would be asked for.
        let question = self.check().is_ok().then(|| Query::Git(self.question()));
        let group = self.group.as_ref().unwrap_or(&self.user);
        places
            .into_iter()
            .chain(question)
            .chain(Owner::queries(self.user.as_str(), group.as_str()))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.git(&self.path)?;
        let there = *facts.path(&self.path)? != PathFact::Missing;
        if let Some(broken) = self.broken(fact).filter(|_| there) {
            return Ok(broken);
        }
        Ok(match self.state {
            State::Present => return self.plan_present(fact, facts),
            State::Absent if !there => Planned::Unchanged,
            State::Absent if fact.url.is_none() => self.foreign(),
            State::Absent => self.keeps(fact).unwrap_or_else(|| {
                let path = self.path.clone();
                Change::new(
                    Action::Remove,
                    vec![Reason::Present],
                    vec![Step::Remove { path }],
                )
                .diff(lost(fact))
                .into()
            }),
        })
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let path = &self.path;
        let commit = |facts: &Facts| {
            let fact = facts.git(path).ok();
            fact.and_then(|fact| fact.commit.clone())
        };
        let has_changes = before.git(path).is_ok_and(|fact| !fact.changes.is_empty());
        let url = |facts: &Facts| facts.git(path).ok().and_then(|fact| fact.url.clone());
        Ok(match (commit(before), commit(after)) {
            (None, Some(_)) => Former::stays(format!("the checkout {path} stays")),
            (Some(was), Some(is)) if was != is => Former::stays(format!(
                "the checkout {path} stays at {is}; it was at {was}, and changes that were given up are lost"
            )),
            (Some(_), Some(_)) if url(before) != url(after) => {
                let was = url(before).unwrap_or_default();
                Former::stays(format!(
                    "the checkout {path} stays one of {}; it was one of {was}",
                    self.url
                ))
            }
            (Some(_), Some(_)) if has_changes => Former::stays(format!(
                "changes in the checkout {path} that were given up are lost"
            )),
            (Some(_), Some(_)) | (Some(_) | None, None) => Former::files(),
        })
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Git(Self {
            key: None,
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn secrets(&self) -> Vec<Secret> {
        self.key.iter().cloned().collect()
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        if output.contains("would be overwritten by checkout") {
            Some("files that git does not know are in the way: move them away, or set `discard_changes: true`".into())
        } else if output.contains("has no commit") {
            Some("correct `version`: a commit must be on a branch or tag of the remote".into())
        } else {
            Some(reach(output).into())
        }
    }
}
