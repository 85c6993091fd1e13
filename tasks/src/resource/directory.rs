//! Directories, and how owner, group and mode are compared and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Attributes, Facts, NotAsked, PathFact, PathQuestion, Query, Read};
use crate::step::Step;
use crate::value::{HostPath, Mode};

/// Manages a directory: that it is there, with its owner, group and mode; or, when absent, that it is gone with all
/// it contains.
///
/// Missing parents are made, owned by root with mode 0755. A link to a directory counts as one. A file in its place
/// is an error.
///
/// ```yaml
/// directory: {path: /usr/local/etc/dnsmasq-hosts, mode: "0755"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// Absolute path.
    pub path: HostPath,
    /// Owner.
    #[serde(default = "root")]
    pub owner: String,
    /// Group.
    #[serde(default = "root")]
    pub group: String,
    /// Permission bits.
    #[serde(default = "enterable")]
    pub mode: Mode,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

fn root() -> String {
    "root".to_owned()
}

fn enterable() -> Mode {
    Mode::new(0o755)
}

impl Directory {
    /// Describes a directory owned by root that all may enter.
    #[must_use]
    pub fn new(path: HostPath) -> Self {
        Self {
            path,
            owner: root(),
            group: root(),
            mode: enterable(),
            state: State::Present,
        }
    }
}

impl Manage for Directory {
    fn kind(&self) -> &'static str {
        "directory"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::Path(PathQuestion {
            path: self.path.clone(),
            read: Read::Attributes,
        })]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let wanted = Attributes {
            owner: self.owner.clone(),
            group: self.group.clone(),
            mode: self.mode,
        };
        let path = || self.path.clone();
        let fact = facts.path(&self.path)?;
        Ok(match (self.state, fact) {
            (State::Absent, PathFact::Missing) | (State::Present, PathFact::Link { .. }) => {
                Planned::Unchanged
            }
            (State::Absent, PathFact::Directory(_)) => {
                let step = Step::Remove { path: path() };
                Change::new(Action::Remove, vec![Reason::Present], vec![step]).into()
            }
            (State::Present, PathFact::Missing) => {
                let step = Step::MakeDirectory {
                    path: path(),
                    attributes: wanted.clone(),
                };
                Change::new(Action::Create, vec![Reason::Missing], vec![step])
                    .detail(attribute_text(&wanted))
                    .into()
            }
            (State::Present, PathFact::Directory(have)) => {
                let reasons = attribute_reasons(have, &wanted);
                if reasons.is_empty() {
                    return Ok(Planned::Unchanged);
                }
                let step = Step::SetAttributes {
                    path: path(),
                    attributes: wanted.clone(),
                };
                Change::new(Action::Update, reasons, vec![step])
                    .detail(attribute_change(have, &wanted))
                    .into()
            }
            (State::Present, PathFact::File(_) | PathFact::Other)
            | (State::Absent, PathFact::File(_) | PathFact::Link { .. } | PathFact::Other) => {
                Planned::Impossible {
                    cause: format!("{} is not a directory", self.path),
                    hint: format!(
                        "look at {} on the host and move it away if it is not needed",
                        self.path
                    ),
                }
            }
        })
    }

    fn absent(&self) -> Option<Resource> {
        let mut folder = Self::new(self.path.clone());
        folder.state = State::Absent;
        Some(Resource::Directory(folder))
    }
}

/// Lists what differs between two sets of attributes.
pub(super) fn attribute_reasons(have: &Attributes, wanted: &Attributes) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if have.owner != wanted.owner {
        reasons.push(Reason::OwnerDiffers);
    }
    if have.group != wanted.group {
        reasons.push(Reason::GroupDiffers);
    }
    if have.mode != wanted.mode {
        reasons.push(Reason::ModeDiffers);
    }
    reasons
}

/// Shows attributes as `root:root 0644`.
pub(super) fn attribute_text(attributes: &Attributes) -> String {
    let Attributes { owner, group, mode } = attributes;
    format!("{owner}:{group} {mode}")
}

/// Shows attributes as `root:root 0600 → root:root 0644`, or once where nothing differs.
pub(super) fn attribute_change(have: &Attributes, wanted: &Attributes) -> String {
    if have == wanted {
        attribute_text(wanted)
    } else {
        format!("{} → {}", attribute_text(have), attribute_text(wanted))
    }
}
