//! Public keys with which a user may log in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ssh_key::PublicKey;

use super::edit::{self, Splice};
use super::{Former, Manage, Resource, State};
use crate::content::Segment;
use crate::plan::{Action, Change, Diff, Planned, Reason};
use crate::probe::{
    Attributes, Facts, FileFact, NotAsked, PathFact, PathQuestion, Query, Read, UserQuestion,
};
use crate::step::Step;
use crate::value::{AccountName, HostPath, Mode};

/// Types of key that OpenSSH knows, as they begin a public key.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Manages public keys with which a user may log in, in `~/.ssh/authorized_keys` (its format is in sshd(8)).
///
/// Reads the account's line of `/etc/passwd`, `~/.ssh` and the file. Makes both if they are not there, and keeps them
/// owned by the user, with modes 0700 and 0600. A line with the same key but other options or another comment is
/// replaced. Links in the place of either are refused: the user could lead root anywhere by them.
///
/// ```yaml
/// authorized_key: {user: user1, key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl user1@client1"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct AuthorizedKey {
    /// The account.
    pub user: AccountName,
    /// The public key: options if any, type, key, comment. Several keys are written on several lines.
    pub key: String,
    /// Comment that replaces the one in `key`, if that is a single key.
    #[serde(default)]
    pub comment: Option<String>,
    /// The account's home, which must agree with the host; `/root` or `/home/NAME` when not given.
    #[serde(default)]
    pub home: Option<HostPath>,
    /// Whether all other keys are removed from the file.
    #[serde(default)]
    pub exclusive: bool,
    /// Whether the keys should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(AuthorizedKey);

/// One line of the file, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyLine<'a> {
    options: &'a str,
    kind: &'a str,
    material: &'a str,
    comment: &'a str,
}

impl<'a> KeyLine<'a> {
    fn parse(line: &'a str) -> Result<Self, &'static str> {
        let line = line.trim();
        let word = |text: &'a str| text.split_once([' ', '\t']).unwrap_or((text, ""));
        let (first, tail) = word(line);
        let (options, kind, rest) = if TYPES.contains(&first) {
            ("", first, tail)
        } else {
            let end = options_end(line).ok_or("its options have a quote that does not end")?;
            let (kind, rest) = word(line[end..].trim_start());
            (&line[..end], kind, rest)
        };
        if !TYPES.contains(&kind) {
            return Err("its type is none that OpenSSH knows");
        }
        let (material, comment) = word(rest.trim_start());
        PublicKey::from_openssh(&format!("{kind} {material}"))
            .map_err(|_| "the key is cut off, or of another type than it says")?;
        Ok(Self {
            options,
            kind,
            material,
            comment: comment.trim(),
        })
    }

    fn text(&self) -> String {
        let parts = [self.options, self.kind, self.material, self.comment];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    }
}

/// Finds where options end: at the first space outside of quotes.
fn options_end(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    (!quoted).then_some(line.len())
}

impl AuthorizedKey {
    /// Describes keys with which a user may log in.
    pub fn new(user: AccountName, key: impl Into<String>) -> Self {
        Self {
            user,
            key: key.into(),
            comment: None,
            home: None,
            exclusive: false,
            state: State::Present,
        }
    }

    fn keys(&self) -> Result<Vec<KeyLine<'_>>, String> {
        let lines = self.key.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| {
                let mut key = KeyLine::parse(line).map_err(|problem| {
                    format!("authorized key of {}: {problem}: '{line}'", self.user)
                })?;
                if let Some(comment) = &self.comment {
                    key.comment = comment.trim();
                }
                Ok(key)
            })
            .collect()
    }

    fn home(&self) -> HostPath {
        self.home
            .clone()
            .unwrap_or_else(|| HostPath::usual_home(&self.user))
    }

    /// Decides what changes in the text of the file.
    fn decide(&self, text: &str, wanted: &[KeyLine<'_>]) -> Vec<Splice> {
        let mut lacking: Vec<_> = wanted.iter().collect();
        let mut splices = Vec::new();
        for line in edit::lines_of(text) {
            let words = line.body.trim();
            if words.is_empty() || words.starts_with('#') {
                continue;
            }
            let key = KeyLine::parse(words);
            let same =
                |other: &KeyLine<'_>| key.as_ref().is_ok_and(|key| key.material == other.material);
            let keep = match self.state {
                State::Absent => !wanted.iter().any(same),
                State::Present => {
                    if let Some(at) = lacking.iter().position(|other| same(other)) {
                        let text = lacking.remove(at).text();
                        if text != words {
                            splices.push(Splice {
                                range: line.words(),
                                with: vec![Segment::Plain(text)],
                            });
                        }
                        true
                    } else {
                        // What is found again is there twice.
                        !self.exclusive && !wanted.iter().any(same)
                    }
                }
            };
            if !keep {
                splices.push(Splice::removal(line.start..line.end));
            }
        }
        if self.state == State::Present && !lacking.is_empty() {
            let ending = edit::ending_at(text, text.len());
            let lines: Vec<_> = lacking.iter().map(|key| key.text()).collect();
            let lines = vec![Segment::Plain(lines.join(ending))];
            splices.push(edit::insertion(text, text.len(), lines));
        }
        splices
    }

    fn plan_for(&self, facts: &Facts, group: &str) -> Result<Planned, NotAsked> {
        let home = self.home();
        let folder = home.child(".ssh");
        let path = folder.child("authorized_keys");
        let keys = match self.keys() {
            Ok(keys) => keys,
            Err(cause) => return Ok(super::invalid(&cause)),
        };
        let attributes =
            |mode| Attributes::new(self.user.to_string(), group.to_owned(), Mode::new(mode));
        let mut steps = Vec::new();
        let mut reasons = Vec::new();
        let mut differs: Vec<String> = Vec::new();
        let wanted = attributes(0o700);
        match facts.path(&folder)? {
            PathFact::Missing if self.state == State::Absent => return Ok(Planned::Unchanged),
            PathFact::Missing => {
                if *facts.path(&home)? == PathFact::Missing {
                    return Ok(Planned::Impossible {
                        cause: format!("{home}, the home of {}, does not exist", self.user),
                        hint: format!("declare a directory {home} owned by {}", self.user),
                    });
                }
                steps.push(Step::MakeDirectory {
                    path: folder.clone(),
                    attributes: wanted,
                });
            }
            PathFact::Directory(have) => {
                differs.extend(differing(&folder, have, &wanted));
                reasons = super::directory::attribute_reasons(have, &wanted);
                if !reasons.is_empty() {
                    steps.push(Step::SetAttributes {
                        path: folder.clone(),
                        attributes: wanted,
                    });
                }
            }
            PathFact::File(_) | PathFact::Link { .. } | PathFact::Other => {
                return Ok(refuse(&folder, "a directory"));
            }
        }
        let wanted = attributes(0o600);
        let empty = FileFact::of(wanted.clone(), b"");
        let (have, there) = match facts.path(&path)? {
            PathFact::Missing if self.state == State::Absent => return Ok(Planned::Unchanged),
            PathFact::Missing => (&empty, false),
            PathFact::File(file) => {
                if let Some(refused) = super::file::named_by_others(&path, file, facts.route(&path))
                {
                    return Ok(refused);
                }
                (file, true)
            }
            PathFact::Directory(_) | PathFact::Link { .. } | PathFact::Other => {
                return Ok(refuse(&path, "a file"));
            }
        };
        let text = match edit::readable(&path, have) {
            Ok(text) => text,
            Err(refused) => return Ok(refused),
        };
        differs.extend(differing(&path, &have.attributes(), &wanted));
        for reason in super::directory::attribute_reasons(&have.attributes(), &wanted) {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let content = edit::spliced(&text, self.decide(&text, &keys), false);
        let mut diff = Diff::default();
        let mut action = Action::Update;
        if content.expose() != *text {
            let (what, reason) = match (self.state, there) {
                (State::Absent, _) => (Action::Remove, Reason::Present),
                (State::Present, false) => (Action::Create, Reason::Missing),
                (State::Present, true) => (Action::Update, Reason::ContentDiffers),
            };
            action = what;
            reasons.insert(0, reason);
            diff = Diff::between(&text, &content);
            let replaces = have.sha256.clone().filter(|_| there);
            steps.push(Step::WriteFile {
                path,
                content,
                attributes: wanted,
                replaces,
            });
        } else if !have.attributes().are(&wanted) {
            steps.push(Step::SetAttributes {
                path,
                attributes: wanted,
            });
        }
        if steps.is_empty() {
            return Ok(Planned::Unchanged);
        }
        Ok(Change::new(action, reasons, steps)
            .detail(differs.join("   "))
            .diff(diff)
            .into())
    }
}

/// Says how the attributes of one of the paths differ, if they do.
fn differing(path: &HostPath, have: &Attributes, wanted: &Attributes) -> Option<String> {
    let change = super::directory::attribute_change(have, wanted);
    (!have.are(wanted)).then(|| format!("{path} {change}"))
}

fn refuse(path: &HostPath, what: &str) -> Planned {
    Planned::Impossible {
        cause: format!("{path} is not {what}"),
        hint: format!("look at {path} on the host and move it away if it is not needed"),
    }
}

impl Manage for AuthorizedKey {
    fn kind(&self) -> &'static str {
        "authorized_key"
    }

    fn id(&self) -> String {
        let name = |key: &KeyLine<'_>| {
            let tail = key.material.trim_end_matches('=');
            let tail = tail.get(tail.len().saturating_sub(8)..).unwrap_or(tail);
            let what = if key.comment.is_empty() {
                key.kind
            } else {
                key.comment
            };
            format!("{what} …{tail}")
        };
        let keys = self.keys().unwrap_or_default();
        let names: Vec<_> = keys.iter().map(name).collect();
        format!("{} {}", self.user, names.join(", "))
    }

    fn check(&self) -> Result<(), String> {
        let keys = self.keys()?;
        let refuse = |problem: &str| Err(format!("authorized key of {}: {problem}", self.user));
        if keys.is_empty() {
            return refuse("`key` is empty");
        }
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].iter().any(|k| k.material == key.material) {
                return refuse("`key` names a key twice");
            }
        }
        if self
            .key
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\t')
        {
            return refuse("`key` has a control character");
        }
        if let Some(comment) = &self.comment
            && (keys.len() != 1 || comment.chars().any(char::is_control))
        {
            return refuse("`comment` is one line, for a single key");
        }
        if self.exclusive && self.state == State::Absent {
            return refuse("`exclusive` means nothing for absent keys");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let home = self.home();
        let folder = home.child(".ssh");
        let path = |path, read| Query::Path(PathQuestion { path, read });
        vec![
            Query::User(UserQuestion {
                name: self.user.clone(),
                password: false,
            }),
            path(home, Read::Attributes),
            path(folder.child("authorized_keys"), Read::Body),
            path(folder, Read::Attributes),
        ]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let home = self.home();
        match facts.user(&self.user)? {
            Some(user) if user.home == home.as_str() => self.plan_for(facts, &user.group),
            Some(user) => Ok(Planned::Impossible {
                cause: format!(
                    "the home of {} is {} on the host, not {home}",
                    self.user, user.home
                ),
                hint: format!("give the key `home: {}`", user.home),
            }),
            None if self.state == State::Absent => Ok(Planned::Unchanged),
            None if !facts.coming.is_empty() => Ok(super::packages::waiting(facts)),
            None => Ok(Planned::Impossible {
                cause: format!("the user {} does not exist", self.user),
                hint: format!("declare a user {} before the key", self.user),
            }),
        }
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut gone = self.clone();
        gone.state = State::Absent;
        Some(Resource::AuthorizedKey(gone))
    }
}
