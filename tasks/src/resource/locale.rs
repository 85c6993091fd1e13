//! Locales: in which languages and conventions programs of a host can speak, and in which they do.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{File, Former, Line, Manage, Resource, State, Symlink};
use crate::content::Content;
use crate::pattern::LinePattern;
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{
    Becomes, Effect, Facts, LocaleFact, NotAsked, PathFact, PathQuestion, Query, Read,
};
use crate::release::Feature;
use crate::step::Run;
use crate::value::{HostPath, LocaleName};

/// Manages a locale (locale(7)): that programs can use it, and whether they do where nobody says otherwise.
///
/// Reads `locale -a`, its line in `/etc/locale.gen` (locale.gen(5), of the package `locales`), and has `locale-gen` make what is missing. With
/// `default`, `/etc/locale.conf` holds it and nothing else, or `/etc/default/locale` before Debian 13; sessions that begin afterwards
/// have it. Where all locales come with the package `locales-all`, there is nothing to be made. When absent, the line becomes a
/// comment, and the locale is gone; a default leaves the host without one, and any other that is used by default is refused.
///
/// ```yaml
/// locale: {name: de_DE.UTF-8, default: true, variables: {LC_MESSAGES: C.UTF-8}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Locale {
    /// Name, for instance `de_DE.UTF-8`, as `/usr/share/i18n/SUPPORTED` on the host lists it.
    pub name: LocaleName,
    /// Whether programs use it where nobody says otherwise (`LANG`). A host has one default.
    #[serde(default)]
    pub default: bool,
    /// Other locales for some purposes, beside the default: `LC_TIME`, `LC_MESSAGES` and so on, and `LANGUAGE`, a list with colons.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Locale);

/// Purposes for which there can be a locale of its own (locale(7)).
const PURPOSES: [&str; 12] = [
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
];

/// Locales that are part of the C library.
const BUILT_IN: [&str; 3] = ["C", "C.utf8", "POSIX"];

fn is_built_in(name: &LocaleName) -> bool {
    BUILT_IN.contains(&name.listed().as_str())
}

impl Locale {
    /// Lists the other locales that are used by default.
    fn others(&self) -> impl Iterator<Item = LocaleName> {
        let purposes = self
            .variables
            .iter()
            .filter(|(name, _)| *name != "LANGUAGE");
        purposes.filter_map(|(_, value)| LocaleName::new(value.as_str()).ok())
    }

    /// Gives the line by which the locale is made, or that line as a comment.
    fn line(&self, charset: &str) -> Result<Line, String> {
        let name = regex::escape(self.name.as_str());
        let (mark, line) = match self.state {
            State::Present => ("[# \\t]*", format!("{} {charset}", self.name)),
            State::Absent => ("[ \\t]*", format!("# {} {charset}", self.name)),
        };
        let pattern = LinePattern::new(format!(
            "^{mark}{name}[ \\t]+{}[ \\t]*$",
            regex::escape(charset)
        ))?;
        let mut line = Line::new(list(), Content::plain(line)).replacing(pattern);
        line.backrefs = self.state == State::Absent;
        Ok(line)
    }

    /// Decides how the locale becomes usable.
    fn made(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.locale(&self.name)?;
        if is_built_in(&self.name) {
            return Ok(Planned::Unchanged);
        }
        if *facts.path(&list())? == PathFact::Missing {
            return Ok(if fact.generated {
                Planned::Unchanged
            } else if facts.coming.is_empty() {
                Planned::Impossible {
                    cause: format!(
                        "the host cannot make the locale {}: the package locales is not installed",
                        self.name
                    ),
                    hint: "declare the package locales before it".to_owned(),
                }
            } else {
                super::packages::waiting(facts)
            });
        }
        let Some(charset) = &fact.charset else {
            return Ok(Planned::Impossible {
                cause: format!("the host does not know how to make the locale {}", self.name),
                hint: "write it as /usr/share/i18n/SUPPORTED on the host lists it, for instance de_DE.UTF-8".to_owned(),
            });
        };
        let line = match self.line(charset) {
            Ok(line) => line.plan(facts)?,
            Err(problem) => return Ok(super::invalid(&problem)),
        };
        let make = (!fact.generated).then(|| {
            let run = self.generating(&["locale-gen", "--keep-existing"], true, charset);
            Change::new(Action::Create, vec![Reason::NotGenerated], vec![run.into()]).into()
        });
        Ok(Planned::together([Some(line), make].into_iter().flatten()))
    }

    fn generating(&self, argv: &[&str], generated: bool, charset: &str) -> Run {
        let charset = Some(charset.to_owned());
        let fact = LocaleFact { generated, charset };
        let effect = Effect::Locale(Becomes(self.name.clone(), fact));
        Run::new(argv.iter().copied()).effect(effect)
    }

    /// Decides how the locale becomes the default.
    fn chosen(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        for other in self.others() {
            if !is_built_in(&other) && !facts.locale(&other)?.generated {
                return Ok(Planned::Impossible {
                    cause: format!("the host has no locale {other}, which `variables` name"),
                    hint: format!("declare a locale {other} before this one"),
                });
            }
        }
        let mut text = format!("LANG={}\n", self.name);
        for (name, value) in &self.variables {
            text.extend([name, "=", value, "\n"]);
        }
        let release = facts
            .release
            .as_ref()
            .and_then(crate::probe::ReleaseFact::known);
        let file = |path| File::new(path, Content::plain(text));
        if release.unwrap_or_default().has(Feature::LocaleConf) {
            let link = Symlink {
                force: true,
                ..Symlink::new(legacy(), "../locale.conf")
            };
            let link = link.plan(facts)?;
            return Ok(Planned::together([file(current()).plan(facts)?, link]));
        }
        file(legacy()).plan(facts)
    }

    /// Decides how the locale goes.
    fn gone(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut parts = Vec::new();
        let mut used = None;
        for path in [legacy(), current()] {
            let fact = facts.path(&path)?;
            if self.default && matches!(fact, PathFact::File(_)) && self.is_named(fact, "LANG") {
                parts.push(File::new(path, Content::default()).plan(facts)?);
            } else if !self.default && self.is_named(fact, "L") {
                used = Some(path);
            }
        }
        let fact = facts.locale(&self.name)?;
        if let Some(charset) = &fact.charset
            && *facts.path(&list())? != PathFact::Missing
        {
            let line = match self.line(charset) {
                Ok(line) => line.plan(facts)?,
                Err(problem) => return Ok(super::invalid(&problem)),
            };
            let is_made = matches!(line, Planned::Change(_));
            if let Some(path) = used.filter(|_| is_made) {
                return Ok(Planned::refused(
                    format!("{} is used by default on the host ({path})", self.name),
                    "declare a locale with `default: true` first",
                ));
            }
            parts.push(line);
            if is_made {
                let run = self.generating(&["locale-gen"], false, charset);
                parts.push(Change::new(Action::Remove, Vec::new(), vec![run.into()]).into());
            }
        }
        let mut planned = Planned::together(parts);
        if let Planned::Change(change) = &mut planned {
            change.action = Action::Remove;
            change.reasons = vec![Reason::Present];
        }
        Ok(planned)
    }

    /// Tells whether a file of defaults names the locale in a variable that begins like this.
    fn is_named(&self, fact: &PathFact, variable: &str) -> bool {
        let file = match fact {
            PathFact::File(file) => file,
            PathFact::Link {
                file: Some(linked), ..
            } => &linked.1,
            PathFact::Missing
            | PathFact::Directory(_)
            | PathFact::Link { .. }
            | PathFact::Other => {
                return false;
            }
        };
        let text = file.body.as_ref().and_then(|body| body.text());
        text.unwrap_or_default().lines().any(|line| {
            let value = line
                .trim_start()
                .split_once('=')
                .filter(|(name, _)| name.starts_with(variable));
            value.is_some_and(|(_, value)| {
                value.trim_matches(['"', '\'', ' ']) == self.name.as_str()
            })
        })
    }
}

/// The locales that are made.
fn list() -> HostPath {
    HostPath::known("/etc/locale.gen")
}

/// Where the default is.
fn current() -> HostPath {
    HostPath::known("/etc/locale.conf")
}

/// Where the default is before Debian 13.
fn legacy() -> HostPath {
    HostPath::known("/etc/default/locale")
}

impl Manage for Locale {
    fn kind(&self) -> &'static str {
        "locale"
    }

    /// A host has one default.
    fn id(&self) -> String {
        if self.default {
            "of the host".to_owned()
        } else {
            self.name.to_string()
        }
    }

    fn shown(&self, _: &Facts) -> String {
        if self.default {
            format!("{} (default)", self.name)
        } else {
            self.id()
        }
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: String| Err(format!("locale {}: {problem}", self.name));
        if !self.default && !self.variables.is_empty() {
            return refuse("`variables` need `default: true`".to_owned());
        }
        for (name, value) in &self.variables {
            let is_list = |list: &str| list.split(':').all(|one| LocaleName::new(one).is_ok());
            if name == "LANGUAGE" {
                if !is_list(value) {
                    return refuse(format!(
                        "LANGUAGE is a list such as de_AT:de, and not {value:?}"
                    ));
                }
            } else if !PURPOSES.contains(&name.as_str()) {
                return refuse(format!(
                    "{name:?} is no purpose of a locale; write LANGUAGE or one of {}",
                    PURPOSES.join(", ")
                ));
            } else if let Err(problem) = LocaleName::new(value.as_str()) {
                return refuse(format!("{name}: {problem}"));
            }
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let path = |path: HostPath, read| Query::Path(PathQuestion { path, read });
        let mut queries = vec![path(list(), Read::Body), Query::Locale(self.name.clone())];
        queries.extend(self.others().map(Query::Locale));
        if self.default || self.state == State::Absent {
            queries.push(Query::Release(()));
            for default in [legacy(), current()] {
                queries.push(path(default.parent(), Read::Attributes));
                queries.push(path(default, Read::Body));
            }
        }
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        if self.state == State::Absent {
            return self.gone(facts);
        }
        let made = self.made(facts)?;
        Ok(if self.default {
            Planned::together([made, self.chosen(facts)?])
        } else {
            made
        })
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let name = &self.name;
        let made = |facts: &Facts| facts.locale(name).map(|fact| fact.generated);
        Ok(match (made(before)?, made(after)?) {
            (false, true) => Former::stays(format!(
                "the locale {name} stays generated until `locale-gen` runs on the host"
            )),
            (true, false) => {
                let former = Resource::Locale(Self {
                    default: false,
                    variables: BTreeMap::new(),
                    state: State::Present,
                    name: name.clone(),
                });
                Former::back([former]).otherwise(format!(
                    "the locale {name} is not generated again until `locale-gen` runs on the host"
                ))
            }
            (true, true) | (false, false) => Former::files(),
        })
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Locale(Self {
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "locale-gen went well and made no such locale: run it on the host and see what it says of it",
        )
    }
}
