//! Whole files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AtEnd, Former, Manage, Resource, State};
use crate::content::Content;
use crate::plan::{Action, Change, Diff, Planned, Reason};
use crate::probe::{
    Attributes, Facts, FileFact, Hidden, Maker, NotAsked, Owner, PathFact, PathQuestion, Query,
    Read, Route,
};
use crate::step::Step;
use crate::value::{HostPath, Mode};

/// Manages a whole file: its bytes, owner, group and mode.
///
/// Reads the file's attributes and digest; its bytes travel only if they differ. A symbolic link in its place is
/// replaced by the file; a directory in its place is an error. Without `content` only the attributes of an existing
/// file are managed. The file is replaced atomically; one that has other names (hard links) or is a mount point keeps these and is written in
/// place, once a copy of what it held is beside it, which is put back if writing fails. What it has besides, such as an access list (acl(5)), stays:
/// the bits of `mode` for the group are then the most that the group and whoever is named in the list may do. Only a list that another owner than root
/// has made is no list for other bytes of another owner: that is refused. What a file that not everybody may read held before is not shown.
///
/// ```yaml
/// file: {path: /etc/mailname, content: "home.com\n"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Absolute path.
    pub path: HostPath,
    /// The bytes it holds; when not given, the bytes are left as they are.
    #[serde(default)]
    pub content: Option<Content>,
    /// Owner.
    #[serde(default = "root")]
    pub owner: String,
    /// Group.
    #[serde(default = "root")]
    pub group: String,
    /// Permission bits.
    #[serde(default = "readable")]
    pub mode: Mode,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

fn root() -> String {
    "root".to_owned()
}

fn readable() -> Mode {
    Mode::new(0o644)
}

impl File {
    /// Describes a file of these bytes, owned by root and readable by all.
    #[must_use]
    pub fn new(path: HostPath, content: Content) -> Self {
        Self {
            path,
            content: Some(content),
            owner: root(),
            group: root(),
            mode: readable(),
            state: State::Present,
        }
    }

    /// Describes that there is no file.
    #[must_use]
    pub fn gone(path: HostPath) -> Self {
        Self {
            content: None,
            state: State::Absent,
            ..Self::new(path, Content::default())
        }
    }

    fn attributes(&self) -> Attributes {
        Attributes::new(self.owner.clone(), self.group.clone(), self.mode)
    }

    fn write(&self, content: &Content) -> Step {
        Step::WriteFile {
            path: self.path.clone(),
            content: content.clone(),
            attributes: self.attributes(),
            replaces: None,
        }
    }

    fn plan_present(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let wanted = self.attributes();
        let fact = facts.path(&self.path)?;
        let (content, have) = match (fact, &self.content) {
            (PathFact::Directory(_) | PathFact::Other, _) => {
                return Ok(in_the_way(&self.path, fact));
            }
            (PathFact::Missing | PathFact::Link { .. }, None) => {
                return Ok(if facts.coming.is_empty() {
                    Planned::Impossible {
                        cause: format!("{} is not a file, and its content is not given", self.path),
                        hint: "give its content, or declare what brings it before it".to_owned(),
                    }
                } else {
                    super::packages::waiting(facts)
                });
            }
            (PathFact::Missing, Some(content)) => {
                return match missing_parent(&self.path, facts)? {
                    Some(problem) => Ok(problem),
                    None => Ok(self.create(Reason::Missing, content, facts, "").into()),
                };
            }
            (PathFact::Link { target, .. }, Some(content)) => {
                let replaced = format!("   in place of a link to {target}");
                return Ok(self
                    .create(Reason::KindDiffers, content, facts, &replaced)
                    .into());
            }
            (PathFact::File(file), content) => (content, file),
        };
        if let Some(refused) = named_by_others(&self.path, have, facts.route(&self.path)) {
            return Ok(refused);
        }
        let mut reasons = super::directory::attribute_reasons(&have.attributes(), &wanted);
        let digest = have.sha256.as_deref();
        let Some(content) = content
            .as_ref()
            .filter(|content| digest != Some(&content.sha256()))
        else {
            if reasons.is_empty() {
                return Ok(Planned::Unchanged);
            }
            let step = Step::SetAttributes {
                path: self.path.clone(),
                attributes: wanted.clone(),
            };
            return Ok(Change::new(Action::Update, reasons, vec![step])
                .detail(super::directory::attribute_change(
                    &have.attributes(),
                    &wanted,
                ))
                .into());
        };
        reasons.insert(0, Reason::ContentDiffers);
        Ok(
            Change::new(Action::Update, reasons, vec![self.write(content)])
                .detail(super::directory::attribute_change(
                    &have.attributes(),
                    &wanted,
                ))
                .diff(Diff::of_file(
                    have,
                    content,
                    self.hidden(facts, Some(have), content),
                ))
                .into(),
        )
    }

    /// Plans a file in a folder that is made, too, where no package brings it.
    pub(super) fn plan_with_folder(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let folder = self.path.parent();
        let is_missing = *facts.path(&folder)? == PathFact::Missing
            && *facts.path(&self.path)? == PathFact::Missing
            && facts.coming.is_empty();
        match &self.content {
            Some(content) if is_missing && self.state == State::Present => {
                let mut change = self.create(Reason::Missing, content, facts, "");
                let make = Step::MakeDirectory {
                    path: folder,
                    attributes: Attributes::of_parents(),
                };
                change.steps.insert(0, make);
                Ok(change.into())
            }
            _ => self.plan(facts),
        }
    }

    fn create(&self, reason: Reason, content: &Content, facts: &Facts, besides: &str) -> Change {
        let hidden = self.hidden(facts, None, content);
        Change::new(Action::Create, vec![reason], vec![self.write(content)])
            .detail(super::directory::attribute_text(&self.attributes()) + besides)
            .diff(Diff::of_text("", content, hidden))
    }

    /// Tells what of its bytes is not shown.
    fn hidden(&self, facts: &Facts, have: Option<&FileFact>, content: &Content) -> Hidden {
        let have = have.map(FileFact::attributes);
        let hidden = facts.hidden(&self.path, have.as_ref(), &self.attributes());
        Hidden {
            new: hidden.new && content.is_unsorted(),
            ..hidden
        }
    }
}

impl Manage for File {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn id(&self) -> String {
        self.path.to_string()
    }

    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        Some((&self.path, AtEnd::Replaced))
    }

    fn probe(&self) -> Vec<Query> {
        let read = match (&self.content, self.state) {
            // What the file should hold is not known yet, so neither is its digest.
            (Some(content), State::Present) if !content.inputs().is_empty() => Read::Body,
            (Some(content), State::Present) => Read::BodyUnless(content.sha256()),
            (None, _) | (_, State::Absent) => Read::Attributes,
        };
        let path = |path: HostPath, read| Query::Path(PathQuestion { path, read });
        let owners = Owner::queries(&self.owner, &self.group);
        [
            path(self.path.clone(), read),
            path(self.path.parent(), Read::Attributes),
        ]
        .into_iter()
        .chain(owners.filter(|_| self.state == State::Present))
        .collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match (self.state, facts.path(&self.path)?) {
            (State::Present, _) => self.plan_present(facts),
            (State::Absent, PathFact::Missing) => Ok(Planned::Unchanged),
            (State::Absent, fact @ PathFact::Directory(_)) => Ok(in_the_way(&self.path, fact)),
            (State::Absent, PathFact::File(_) | PathFact::Link { .. } | PathFact::Other) => {
                let step = Step::Remove {
                    path: self.path.clone(),
                };
                Ok(Change::new(Action::Remove, vec![Reason::Present], vec![step]).into())
            }
        }
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::files())
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::File(File::gone(self.path.clone())))
    }

    fn private(&self, facts: &Facts) -> Vec<&Content> {
        let content = self.content.iter();
        content
            .filter(|content| self.hidden(facts, None, content).new)
            .collect()
    }

    fn contents(&self) -> Vec<&Content> {
        self.content.iter().collect()
    }

    fn contents_mut(&mut self) -> Vec<&mut Content> {
        self.content.iter_mut().collect()
    }
}

/// Refuses to put a file where something else is that may hold data.
pub(super) fn in_the_way(path: &HostPath, fact: &PathFact) -> Planned {
    let what = match fact {
        PathFact::Directory(_) => "a directory",
        PathFact::Missing | PathFact::File(_) | PathFact::Link { .. } | PathFact::Other => {
            "a device, socket or pipe"
        }
    };
    Planned::Impossible {
        cause: format!("{path} is {what}, not a file"),
        hint: format!("look at {path} on the host and move it away if it is not needed"),
    }
}

/// Refuses a file that has other names (hard links) where others could have made them: root's file could be among them.
pub(super) fn named_by_others(
    path: &HostPath,
    file: &FileFact,
    route: Option<&Route>,
) -> Option<Planned> {
    let Maker::Writers { folder, attributes } = route?.shared.as_ref()? else {
        return None;
    };
    (file.other_names > 0).then(|| Planned::Impossible {
        cause: format!(
            "{path} has {} other names (hard links), and not only root makes names in {folder} ({attributes})",
            file.other_names
        ),
        hint: format!(
            "find the other names with `find / -xdev -samefile {path}`, and remove those that should not be"
        ),
    })
}

/// Finds out beforehand that a file could not be written because its folder is not there.
pub(super) fn missing_parent(path: &HostPath, facts: &Facts) -> Result<Option<Planned>, NotAsked> {
    let parent = path.parent();
    Ok(match facts.path(&parent)? {
        PathFact::Link { target, .. }
            if facts
                .route(&parent)
                .is_some_and(|route| route.leads.is_some() && route.directory.is_none()) =>
        {
            Some(Planned::Impossible {
                cause: format!("the folder {parent} is a link to {target}, where there is none"),
                hint: format!("declare the folder that it leads to before {path}"),
            })
        }
        PathFact::Directory(_) | PathFact::Link { .. } => None,
        // A package that is yet to come usually brings its folder.
        PathFact::Missing if !facts.coming.is_empty() => None,
        PathFact::Missing | PathFact::File(_) | PathFact::Other => Some(Planned::Impossible {
            cause: format!("the folder {parent} does not exist"),
            hint: format!("declare a directory {parent} before {path}"),
        }),
    })
}
