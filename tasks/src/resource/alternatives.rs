//! Alternatives: which of several programs a name stands for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, State};
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{
    AlternativeFact, Becomes, ChoiceFact, Effect, Facts, NotAsked, PathFact, PathQuestion, Query,
    Read,
};
use crate::step::{Run, Step};
use crate::value::{AlternativeName, HostPath};

/// Manages which of several programs a name stands for (update-alternatives(1)), and registers one.
///
/// Reads `update-alternatives --query`. With `path` that one is chosen, whatever is installed later; without it the name follows the
/// highest priority. With `link` and `priority` the path is registered first, as a program is that no package brings; what is there
/// in place of the link is not touched. Links that change with it, such as manual pages, stay as they are registered. When absent, a
/// path with a priority is taken out, and any other that is chosen leaves the choice to the priorities.
///
/// ```yaml
/// alternatives: {name: editor, path: /usr/bin/vim.basic}
/// alternatives: {name: java, path: /opt/jdk/bin/java, link: /usr/bin/java, priority: 100}
/// alternatives: {name: pager}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Alternatives {
    /// Name, for instance `editor`; `update-alternatives --get-selections` lists them.
    pub name: AlternativeName,
    /// Absolute path of what is chosen; what has the highest priority when not given.
    #[serde(default)]
    pub path: Option<HostPath>,
    /// Absolute path of the link by which programs find it, where `path` is registered. Needs `priority`.
    #[serde(default)]
    pub link: Option<HostPath>,
    /// Priority of `path`, where it is registered: the highest wins where nothing is chosen. Needs `link`.
    #[serde(default)]
    pub priority: Option<i32>,
    /// Whether `path` is chosen, and not only registered.
    #[serde(default = "yes")]
    pub selected: bool,
    /// Whether it should be there.
    #[serde(default)]
    pub state: State,
}

super::checked!(Alternatives);

const fn yes() -> bool {
    true
}

/// The steps so far, and what is known after them.
struct Course<'a> {
    name: &'a AlternativeName,
    fact: Option<AlternativeFact>,
    reasons: Vec<Reason>,
    steps: Vec<Step>,
}

impl Course<'_> {
    /// Adds what makes the facts these.
    fn run(&mut self, reason: Reason, argv: &[&str], fact: Option<AlternativeFact>) {
        let run = Run::new(["update-alternatives"].iter().chain(argv).copied());
        let effect = Effect::Alternative(Becomes(self.name.clone(), fact.clone()));
        self.steps.push(run.effect(effect).into());
        self.reasons.push(reason);
        self.fact = fact;
    }
}

impl Alternatives {
    /// Registers what is to be chosen, with the links that change with it as they are.
    fn register(&self, course: &mut Course<'_>) {
        let (Some(path), Some(link), Some(priority)) = (&self.path, &self.link, self.priority)
        else {
            return;
        };
        let mut fact = course.fact.clone().unwrap_or_else(|| AlternativeFact {
            auto: true,
            ..AlternativeFact::default()
        });
        let have = fact.choices.get(path.as_str());
        let reason = match have {
            None => Reason::Missing,
            Some(have) if have.priority != priority => Reason::ValueDiffers,
            Some(_) if fact.link != link.as_str() => Reason::TargetDiffers,
            Some(_) if fact.says.as_ref() != Some(&AlternativeFact::proper(&self.name)) => {
                Reason::TargetDiffers
            }
            Some(_) => return,
        };
        let slaves = have.map(|have| have.slaves.clone()).unwrap_or_default();
        let number = priority.to_string();
        let (name, place) = (self.name.as_str(), path.as_str());
        let mut argv = vec!["--install", link.as_str(), name, place, &number];
        let links = fact.slaves.clone();
        for (slave, target) in &slaves {
            if let Some(link) = links.get(slave) {
                argv.extend(["--slave", link, slave, target]);
            }
        }
        let choice = ChoiceFact {
            priority,
            slaves: slaves.clone(),
        };
        link.as_str().clone_into(&mut fact.link);
        fact.says = Some(AlternativeFact::proper(&self.name));
        fact.choices.insert(place.to_owned(), choice);
        if fact.auto {
            fact.value = fact.best().cloned();
        }
        course.run(reason, &argv, Some(fact));
    }

    /// Chooses the path, or leaves it to the priorities.
    fn choose(&self, course: &mut Course<'_>) {
        let Some(mut fact) = course.fact.clone() else {
            return;
        };
        let wanted = self.path.as_ref().map(|path| path.as_str().to_owned());
        let wanted = wanted.or_else(|| fact.best().cloned());
        let (auto, proper) = (self.path.is_none(), AlternativeFact::proper(&self.name));
        let is_placed = fact.says.as_ref() == Some(&proper);
        let reason = if fact.value != wanted || !is_placed {
            Reason::TargetDiffers
        } else if fact.auto != auto {
            Reason::ValueDiffers
        } else {
            return;
        };
        (fact.auto, fact.value, fact.says) = (auto, wanted, Some(proper));
        let name = self.name.as_str();
        match &self.path {
            Some(path) => course.run(reason, &["--set", name, path.as_str()], Some(fact)),
            None => course.run(reason, &["--auto", name], Some(fact)),
        }
    }

    fn take_out(&self, path: &HostPath, course: &mut Course<'_>) {
        let Some(mut fact) = course.fact.clone() else {
            return;
        };
        let (name, place) = (self.name.as_str(), path.as_str());
        let is_chosen = fact.value.as_deref() == Some(place);
        if self.priority.is_some() {
            if fact.choices.remove(place).is_none() {
                return;
            }
            if is_chosen {
                fact.auto = true;
            }
            if fact.auto {
                fact.value = fact.best().cloned();
            }
            let left = (!fact.choices.is_empty()).then_some(fact);
            course.run(Reason::Present, &["--remove", name, place], left);
        } else if is_chosen && !fact.auto {
            (fact.auto, fact.value) = (true, fact.best().cloned());
            course.run(Reason::Present, &["--auto", name], Some(fact));
        }
    }

    /// Says why nothing is done, where that is so.
    fn refusal(&self, facts: &Facts) -> Result<Option<Planned>, NotAsked> {
        let fact = facts.alternative(&self.name)?;
        let name = &self.name;
        let impossible =
            |cause: String, hint: String| Ok(Some(Planned::Impossible { cause, hint }));
        let in_the_way = |link: &str| {
            impossible(
                format!("{link} is no link, which update-alternatives would not replace"),
                format!("look at {link} on the host and move it away if it is not needed"),
            )
        };
        if let Some(fact) = fact
            && fact.says.is_none()
        {
            return in_the_way(&fact.link);
        }
        if let Some(link) = &self.link
            && !matches!(facts.path(link)?, PathFact::Missing | PathFact::Link { .. })
        {
            return in_the_way(link.as_str());
        }
        let coming = !facts.coming.is_empty();
        let Some(path) = &self.path else {
            return match fact {
                Some(_) => Ok(None),
                None if coming => Ok(Some(super::packages::waiting(facts))),
                None => impossible(
                    format!("the host has no alternatives {name}"),
                    "correct the name (`update-alternatives --get-selections` on the host lists them), or declare the package that brings it".to_owned(),
                ),
            };
        };
        if *facts.path(path)? == PathFact::Missing {
            return if coming {
                Ok(Some(super::packages::waiting(facts)))
            } else {
                impossible(
                    format!("{path} is not there"),
                    format!("correct the path, or declare what brings {path} before it"),
                )
            };
        }
        let choices = fact.map(|fact| &fact.choices);
        let is_known = choices.is_some_and(|choices| choices.contains_key(path.as_str()));
        if is_known || self.link.is_some() {
            return Ok(None);
        }
        if coming {
            return Ok(Some(super::packages::waiting(facts)));
        }
        let known = choices.into_iter().flatten().map(|(path, _)| path.as_str());
        let known: Vec<_> = known.collect();
        let known = if known.is_empty() {
            format!("nothing is registered for {name}")
        } else {
            format!("there are {}", known.join(", "))
        };
        impossible(
            format!("{path} is not registered for {name}: {known}"),
            "correct the path, or register it with `link` and `priority`".to_owned(),
        )
    }
}

impl Manage for Alternatives {
    fn kind(&self) -> &'static str {
        "alternatives"
    }

    /// A name stands for one of them; what is only registered is one of several.
    fn id(&self) -> String {
        match &self.path {
            Some(path) if !self.selected => format!("{} {path}", self.name),
            Some(_) | None => self.name.to_string(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("alternatives {}: {problem}", self.name));
        if self.link.is_some() != self.priority.is_some() {
            return refuse("`link` and `priority` are given together: they register `path`");
        }
        match (&self.path, self.state) {
            (None, _) if self.link.is_some() => refuse("`path` is needed to register it"),
            (None, _) if !self.selected => refuse("`path` is needed with `selected: false`"),
            (None, State::Absent) => refuse("`path` is needed: a name always stands for something"),
            (Some(path), _) if path.as_str().contains(char::is_whitespace) => {
                refuse("`path` has a blank, which update-alternatives does not take")
            }
            (Some(_), _) if !self.selected && self.link.is_none() => refuse(
                "`selected: false` needs `link` and `priority`: nothing else would be left to do",
            ),
            (Some(path), _) if self.link.as_ref() == Some(path) => {
                refuse("`link` and `path` are the same")
            }
            (_, State::Present | State::Absent) => Ok(()),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let paths = self.path.iter().chain(&self.link);
        let paths = paths.map(|path| {
            Query::Path(PathQuestion {
                path: path.clone(),
                read: Read::Attributes,
            })
        });
        let alternative = Query::Alternative(self.name.clone());
        paths.chain([alternative]).collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let before = facts.alternative(&self.name)?;
        let mut course = Course {
            name: &self.name,
            fact: before.cloned(),
            reasons: Vec::new(),
            steps: Vec::new(),
        };
        let action = match (self.state, &self.path) {
            (State::Absent, Some(path)) => {
                self.take_out(path, &mut course);
                Action::Remove
            }
            (State::Absent, None) => return Ok(Planned::Unchanged),
            (State::Present, _) => {
                if let Some(refused) = self.refusal(facts)? {
                    return Ok(refused);
                }
                self.register(&mut course);
                if self.selected {
                    self.choose(&mut course);
                }
                match before {
                    None => Action::Create,
                    Some(_) => Action::Update,
                }
            }
        };
        if course.steps.is_empty() {
            return Ok(Planned::Unchanged);
        }
        let (was, is) = (chosen(before), chosen(course.fact.as_ref()));
        let detail = if was == is {
            is
        } else {
            format!("{was} → {is}")
        };
        Ok(Change::new(action, course.reasons, course.steps)
            .detail(detail)
            .into())
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let (was, is) = (
            before.alternative(&self.name)?,
            after.alternative(&self.name)?,
        );
        let registered = self.path.iter().filter_map(|path| {
            let priority = |fact: Option<&AlternativeFact>| {
                fact.and_then(|fact| fact.choices.get(path.as_str()))
                    .map(|choice| choice.priority)
            };
            let (then, now) = (priority(was), priority(is));
            let link = HostPath::new(&was.or(is)?.link).ok()?;
            (then != now).then(|| Self {
                path: Some(path.clone()),
                link: Some(link),
                priority: then.or(now),
                selected: false,
                state: then.map_or(State::Absent, |_| State::Present),
                name: self.name.clone(),
            })
        });
        let choice = |fact: &AlternativeFact| (fact.auto, fact.value.clone());
        let chosen = was.filter(|was| is.map(choice) != Some(choice(was)));
        let chosen = chosen.map(|was| Self {
            path: (was.value.as_ref().filter(|_| !was.auto))
                .and_then(|value| HostPath::new(value).ok()),
            link: None,
            priority: None,
            selected: true,
            state: State::Present,
            name: self.name.clone(),
        });
        let back = registered.chain(chosen).map(Resource::Alternatives);
        let mut former = Former::back(back);
        let links = was.zip(is).filter(|(was, is)| {
            let places = |fact: &AlternativeFact| (fact.link.clone(), fact.says.clone());
            places(was) != places(is)
        });
        let links = links.map(|(_, is)| format!("the link {} stays as the run left it", is.link));
        former.stays.extend(links);
        let choice = |fact: Option<&AlternativeFact>| {
            let path = self.path.as_ref()?;
            fact?.choices.get(path.as_str()).cloned()
        };
        let slaves = choice(was).filter(|choice| !choice.slaves.is_empty());
        if let Some(slaves) = slaves.filter(|_| choice(is).is_none()) {
            let names: Vec<_> = slaves.slaves.into_keys().collect();
            former.stays.push(format!(
                "the links that changed with it are not registered again: {}",
                names.join(", ")
            ));
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        self.path.as_ref()?;
        Some(Resource::Alternatives(Self {
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        output.contains("update-alternatives:").then(|| {
            Remedy::again_after(format!(
                "see what `update-alternatives --display {}` on the host says of it, and repair that",
                self.name
            ))
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "update-alternatives went well and left it otherwise: see with `update-alternatives --display NAME` on the host what it says of it",
        )
    }
}

/// Says what is chosen, and how.
fn chosen(fact: Option<&AlternativeFact>) -> String {
    let value = fact.and_then(|fact| fact.value.as_deref());
    let auto = fact.is_some_and(|fact| fact.auto);
    match value {
        Some(value) if auto => format!("{value} (by priority)"),
        Some(value) => value.to_owned(),
        None => "nothing".to_owned(),
    }
}
