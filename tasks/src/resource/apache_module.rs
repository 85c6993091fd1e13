//! Modules of Apache.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Becomes, Effect, Facts, NotAsked, PathFact, PathQuestion, Query, Read};
use crate::step::Run;
use crate::value::{ApacheModuleName, HostPath};

/// Manages whether Apache loads a module, as Debian's `a2enmod(8)` and `a2dismod(8)` do.
///
/// Reads whether `/etc/apache2/mods-enabled/NAME.load` is there, and the module in `mods-available`. Modules that this
/// one needs are enabled with it; a module that others need is disabled all the same. Apache must be restarted
/// afterwards.
///
/// ```yaml
/// apache_module: {name: rewrite}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApacheModule {
    /// Name, for instance `rewrite`.
    pub name: ApacheModuleName,
    /// Whether it should be loaded.
    #[serde(default)]
    pub state: State,
}

impl ApacheModule {
    /// Describes a module that is loaded.
    #[must_use]
    pub const fn new(name: ApacheModuleName) -> Self {
        Self {
            name,
            state: State::Present,
        }
    }

    fn path(&self, folder: &'static str) -> HostPath {
        HostPath::apache_module(folder, &self.name)
    }

    fn change(&self, action: Action, reason: Reason, program: &[&str], fact: PathFact) -> Planned {
        let argv = program.iter().copied().chain([self.name.as_str()]);
        let run = Run::new(argv).effect(Effect::Path(Becomes(self.path("mods-enabled"), fact)));
        Change::new(action, vec![reason], vec![run.into()]).into()
    }
}

impl Manage for ApacheModule {
    fn kind(&self) -> &'static str {
        "apache_module"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn probe(&self) -> Vec<Query> {
        ["mods-enabled", "mods-available"]
            .map(|folder| {
                Query::Path(PathQuestion {
                    path: self.path(folder),
                    read: Read::Attributes,
                })
            })
            .into()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let enabled = *facts.path(&self.path("mods-enabled"))? != PathFact::Missing;
        let available = *facts.path(&self.path("mods-available"))? != PathFact::Missing;
        Ok(match (self.state, enabled) {
            (State::Present, false) if available => {
                let target = format!("../mods-available/{}.load", self.name);
                let link = PathFact::Link { target, file: None };
                self.change(Action::Create, Reason::NotEnabled, &["a2enmod", "-q"], link)
            }
            // The package may enable by itself what it brings.
            (State::Present | State::Absent, false) if !available && !facts.coming.is_empty() => {
                super::packages::waiting(facts)
            }
            (State::Present, false) => Planned::Impossible {
                cause: format!("Apache has no module {}", self.name),
                hint: "correct its name, or declare the package that brings it".to_owned(),
            },
            (State::Present, true) | (State::Absent, false) => Planned::Unchanged,
            (State::Absent, true) => self.change(
                Action::Remove,
                Reason::Enabled,
                &["a2dismod", "-q", "-f"],
                PathFact::Missing,
            ),
        })
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let name = &self.name;
        let (state, stays) = match self.state {
            State::Present => (
                State::Absent,
                Some(format!(
                    "modules that {name} needs, which were enabled with it, stay enabled"
                )),
            ),
            State::Absent => (State::Present, None),
        };
        let mut former = Former::back([Resource::ApacheModule(Self {
            state,
            ..self.clone()
        })]);
        former.stays.extend(stays);
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        None
    }
}
