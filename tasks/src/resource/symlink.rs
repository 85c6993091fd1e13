//! Symbolic links.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Former, Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Facts, NotAsked, PathFact, PathQuestion, Query, Read};
use crate::step::Step;
use crate::value::HostPath;

/// Manages a symbolic link: that it is there and what it says.
///
/// Reads what is at the path; whether the target exists is not asked. A file in its place is replaced only with
/// `force`, a directory never. When absent, only a link is removed.
///
/// ```yaml
/// symlink: {path: /etc/apache2/sites-enabled/estate.conf, target: ../sites-available/estate.conf}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Symlink {
    /// Absolute path of the link.
    pub path: HostPath,
    /// What the link says: an absolute path, or one relative to the link's folder. Needed when present.
    #[serde(default)]
    pub target: String,
    /// Whether a file in its place is replaced.
    #[serde(default)]
    pub force: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Symlink);

impl Symlink {
    /// Describes a link.
    pub fn new(path: HostPath, target: impl Into<String>) -> Self {
        Self {
            path,
            target: target.into(),
            force: false,
            state: State::Present,
        }
    }

    fn make(&self, action: Action, reason: Reason, detail: String) -> Planned {
        let step = Step::MakeLink {
            path: self.path.clone(),
            target: self.target.clone(),
        };
        Change::new(action, vec![reason], vec![step])
            .detail(detail)
            .into()
    }

    fn in_the_way(&self, what: &str, hint: String) -> Planned {
        Planned::Impossible {
            cause: format!("{} is {what}, not a link", self.path),
            hint,
        }
    }
}

impl Manage for Symlink {
    fn kind(&self) -> &'static str {
        "symlink"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Replaced))
    }

    fn check(&self) -> Result<(), String> {
        if self.state == State::Present && self.target.is_empty() {
            return Err(format!("the link {} has no target", self.path));
        }
        if self.target.chars().any(char::is_control) {
            return Err(format!(
                "the target {:?} of the link {} has a control character",
                self.target, self.path
            ));
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        [self.path.clone(), self.path.parent()]
            .map(|path| {
                Query::Path(PathQuestion {
                    path,
                    read: Read::Attributes,
                })
            })
            .into()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let look = || {
            format!(
                "look at {} on the host and move it away if it is not needed",
                self.path
            )
        };
        let leads = format!("→ {}", self.target);
        Ok(match (self.state, facts.path(&self.path)?) {
            (State::Absent, PathFact::Missing) => Planned::Unchanged,
            (State::Absent, PathFact::Link { .. }) => {
                let path = self.path.clone();
                Change::new(
                    Action::Remove,
                    vec![Reason::Present],
                    vec![Step::Remove { path }],
                )
                .into()
            }
            (State::Present, PathFact::Missing) => {
                match super::file::missing_parent(&self.path, facts)? {
                    Some(problem) => problem,
                    None => self.make(Action::Create, Reason::Missing, leads),
                }
            }
            (State::Present, PathFact::Link { target, .. }) if *target == self.target => {
                Planned::Unchanged
            }
            (State::Present, PathFact::Link { target, .. }) => self.make(
                Action::Update,
                Reason::TargetDiffers,
                format!("{target} {leads}"),
            ),
            (State::Present, PathFact::File(_)) if self.force => {
                self.make(Action::Create, Reason::KindDiffers, leads)
            }
            (State::Present, PathFact::File(_)) => self.in_the_way(
                "a file",
                "set `force: true` to replace it by the link".to_owned(),
            ),
            (State::Absent, PathFact::File(_)) => self.in_the_way("a file", look()),
            (_, PathFact::Directory(_)) => self.in_the_way("a directory", look()),
            (_, PathFact::Other) => self.in_the_way("a device, socket or pipe", look()),
        })
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut link = Self::new(self.path.clone(), "");
        link.state = State::Absent;
        Some(Resource::Symlink(link))
    }
}
