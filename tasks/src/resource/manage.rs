//! What every resource can tell of itself.

use std::borrow::Cow;

use super::Resource;
use crate::content::Content;
use crate::plan::{Planned, Remedy};
use crate::probe::{Facts, NotAsked, Query};
use crate::value::HostPath;
use crate::{Input, InputTexts, Secret};

/// What every resource can tell.
pub trait Manage {
    /// Gives the kind's name, as in [`super::KINDS`].
    fn kind(&self) -> &'static str;

    /// Gives what tells this resource from others of its kind on the same host, for instance a path.
    fn id(&self) -> String;

    /// Gives the same for people, without what not everybody may read on the host.
    fn shown(&self, facts: &Facts) -> String {
        let _ = facts;
        self.id()
    }

    /// Says which of its fields cannot be, or do not go together. It is asked offline and before everything else.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Says what must be read before the resource can be planned.
    fn probe(&self) -> Vec<Query>;

    /// Decides what must change.
    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked>;

    /// Says how a change that makes these facts of those is undone beside the files that its steps name.
    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked>;

    /// Gives what has the resource be gone; `None` where it leaves nothing that could be taken away.
    fn absent(&self) -> Option<Resource>;

    /// Gives the path that it manages, if it is a path, and what becomes of a link there.
    fn place(&self) -> Option<(&HostPath, AtEnd)> {
        None
    }

    /// Says when the resource has its turn on a host.
    fn stage(&self) -> Stage {
        Stage::InOrder
    }

    /// Tells whether it asks a server that must run on the host, for which it waits where none can.
    fn asks_server(&self) -> bool {
        false
    }

    /// Gives the texts that the resource brings to the host.
    fn contents(&self) -> Vec<&Content> {
        Vec::new()
    }

    /// Gives the same texts, to put in what is known of other hosts.
    fn contents_mut(&mut self) -> Vec<&mut Content> {
        Vec::new()
    }

    /// Gives what must be known of other hosts before the resource can be planned.
    fn inputs(&self) -> Vec<Input> {
        let contents = self.contents().into_iter();
        contents.flat_map(Content::inputs).collect()
    }

    /// Puts in what is known of other hosts.
    fn fill(&mut self, known: &InputTexts) {
        for content in self.contents_mut() {
            *content = content.with_inputs(known);
        }
    }

    /// Gives the secrets that the resource carries to the host, so that what a program on the host says about them
    /// can be kept from being shown.
    fn secrets(&self) -> Vec<Secret> {
        let contents = self.contents().into_iter();
        contents.flat_map(Content::secrets).collect()
    }

    /// Says where to look when the steps went well and the host is still not as it should be, where the kind knows.
    fn unsettled(&self) -> Option<&'static str> {
        None
    }

    /// Gives the texts that it brings to the host and that not everybody may read there, though nobody has said what in them is
    /// secret: a program that quotes them is not quoted.
    fn private(&self, facts: &Facts) -> Vec<&Content> {
        let _ = facts;
        Vec::new()
    }

    /// Says what to do after a step failed whose program said this, where the kind knows better than anybody.
    fn remedy(&self, output: &str) -> Option<Remedy> {
        let _ = output;
        None
    }
}

/// How a change is undone beside the files that its steps name, which are brought back whatever this says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Former {
    /// What has the host be as it was, in this order. It counts only if it leaves the files as they were, too.
    pub back: Vec<Resource>,
    /// What stays where `back` does not count.
    pub otherwise: Option<String>,
    /// What stays in any case.
    pub stays: Vec<String>,
    /// Paths of the steps that `back` looks after, or that are gone once the change is made.
    pub covers: Vec<HostPath>,
}

impl Former {
    /// The files are all that there is to be brought back.
    pub(super) fn files() -> Self {
        Self::default()
    }

    /// Something stays.
    pub(super) fn stays(what: impl Into<String>) -> Self {
        Self {
            stays: vec![what.into()],
            ..Self::default()
        }
    }

    /// These bring it back.
    pub(super) fn back(resources: impl IntoIterator<Item = Resource>) -> Self {
        Self {
            back: resources.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds what stays where they cannot bring it back.
    pub(super) fn otherwise(mut self, what: String) -> Self {
        self.otherwise = Some(what);
        self
    }

    /// Adds paths that they look after, or that are gone once the change is made.
    pub(super) fn covering(mut self, paths: impl IntoIterator<Item = HostPath>) -> Self {
        self.covers.extend(paths);
        self
    }
}

/// Plans the parts of one resource, each against what those before it leave.
pub(super) struct InTurn<'a> {
    facts: Cow<'a, Facts>,
    parts: Vec<Planned>,
}

impl<'a> InTurn<'a> {
    pub(super) const fn new(facts: &'a Facts) -> Self {
        Self {
            facts: Cow::Borrowed(facts),
            parts: Vec::new(),
        }
    }

    /// Adds what becomes of the next part.
    pub(super) fn then(
        &mut self,
        plan: impl FnOnce(&Facts) -> Result<Planned, NotAsked>,
    ) -> Result<(), NotAsked> {
        let planned = plan(&self.facts)?;
        if let Planned::Change(change) = &planned {
            let facts = self.facts.to_mut();
            change.steps.iter().for_each(|step| facts.apply(step));
        }
        self.parts.push(planned);
        Ok(())
    }

    /// Tells whether something changes so far.
    pub(super) fn changes(&self) -> bool {
        let is_change = |part: &Planned| matches!(part, Planned::Change(_));
        self.parts.iter().any(is_change)
    }

    /// Gives them as one.
    pub(super) fn planned(self) -> Planned {
        Planned::together(self.parts)
    }
}

/// What becomes of a link at the path that a resource manages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// It is followed, if only root could have made it.
    Followed,
    /// It is replaced, or refused as not being what is managed.
    Replaced,
    /// The same; and as programs write there by themselves, only root may make names in the folder.
    RootsOnly,
}

/// When a resource has its turn on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Before packages are installed: it says how.
    BeforePackages,
    /// After the packages, in the order in which roles declare it.
    InOrder,
}
