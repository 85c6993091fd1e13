//! Directories, and how owner, group and mode are compared and shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Former, Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Attributes, Facts, NotAsked, Owner, PathFact, PathQuestion, Query, Read};
use crate::step::Step;
use crate::value::{HostPath, Mode};

/// Manages a directory: that it is there, with its owner, group and mode; or, when absent, that it is gone with all
/// it contains.
///
/// Missing parents are made, owned by root with mode 0755. A link to a directory counts as one, if nobody but root could
/// have made it, and owner, group and mode are those of the directory. Bits for the user and the group (setuid, setgid) that
/// `mode` does not name are taken away. A file in its place is an error.
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

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Followed))
    }

    fn probe(&self) -> Vec<Query> {
        let place = Query::Path(PathQuestion {
            path: self.path.clone(),
            read: Read::Attributes,
        });
        let owners = Owner::queries(&self.owner, &self.group);
        std::iter::once(place)
            .chain(owners.filter(|_| self.state == State::Present))
            .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let wanted = Attributes::new(self.owner.clone(), self.group.clone(), self.mode);
        let path = || self.path.clone();
        let fact = facts.path(&self.path)?;
        Ok(match (self.state, fact) {
            (State::Absent, PathFact::Missing) => Planned::Unchanged,
            // Of what has such a name, nothing is known.
            (State::Present, PathFact::Link { target, .. })
                if target.contains(|c: char| c.is_control() || c == '\\') =>
            {
                Planned::Impossible {
                    cause: format!(
                        "{} is a link to {target:?}, whose name has a control character or a backslash",
                        self.path
                    ),
                    hint: "give the directory another name, or remove the link".to_owned(),
                }
            }
            (State::Present, PathFact::Link { target, .. }) => {
                let route = facts.route(&self.path);
                match route.and_then(|route| Some((route.leads.as_ref()?, &route.directory))) {
                    // An earlier change makes the link; where it leads is found out then.
                    None => Planned::Unchanged,
                    Some((leads, Some(have))) => set(leads, have, &wanted),
                    Some((_, None)) => Planned::Impossible {
                        cause: format!(
                            "{} is a link to {target}, which is not a directory",
                            self.path
                        ),
                        hint:
                            "declare the directory that it leads to before it, or remove the link"
                                .to_owned(),
                    },
                }
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
            (State::Present, PathFact::Directory(have)) => set(&self.path, have, &wanted),
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

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        let mut folder = Self::new(self.path.clone());
        folder.state = State::Absent;
        Some(Resource::Directory(folder))
    }
}

/// Gives the change that sets attributes, if they differ.
pub(super) fn set(path: &HostPath, have: &Attributes, wanted: &Attributes) -> Planned {
    let reasons = attribute_reasons(have, wanted);
    if reasons.is_empty() {
        return Planned::Unchanged;
    }
    let step = Step::SetAttributes {
        path: path.clone(),
        attributes: wanted.clone(),
    };
    Change::new(Action::Update, reasons, vec![step])
        .detail(attribute_change(have, wanted))
        .into()
}

/// Lists what differs between two sets of attributes.
pub(super) fn attribute_reasons(have: &Attributes, wanted: &Attributes) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !have.is_owned_by(&wanted.owner) {
        reasons.push(Reason::OwnerDiffers);
    }
    if !have.is_of_group(&wanted.group) {
        reasons.push(Reason::GroupDiffers);
    }
    if have.mode != wanted.mode {
        reasons.push(Reason::ModeDiffers);
    }
    reasons
}

/// Shows attributes as `root:root 0644`.
pub(super) fn attribute_text(attributes: &Attributes) -> String {
    attributes.to_string()
}

/// Shows attributes as `root:root 0600 → root:root 0644`, or once where nothing differs.
pub(super) fn attribute_change(have: &Attributes, wanted: &Attributes) -> String {
    if have.are(wanted) {
        attribute_text(have)
    } else {
        format!("{} → {}", attribute_text(have), attribute_text(wanted))
    }
}
