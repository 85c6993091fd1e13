//! Settings of the kernel.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{File, Former, Manage, Resource, State};
use crate::content::Content;
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{Becomes, Effect, Facts, NotAsked, Query, SysctlFact};
use crate::step::Run;
use crate::value::{HostPath, SysctlKey};

/// Manages a setting of the kernel (sysctl(8)): its value now, and the one that it gets at boot.
///
/// Reads `/proc/sys` and the setting's own file in `/etc/sysctl.d` (sysctl.d(5)), which comes after those of packages and after
/// `/etc/sysctl.conf`. The kernel is asked first: a value that it does not take is kept nowhere. Values are compared with each run of
/// blanks as one. When absent, the file is removed, and the kernel keeps the value until the next boot. A container has the
/// kernel of its machine: in an estate's containers what may not be set is only kept, and another host under systemd that may not set it
/// is told so; `running: false` leaves the kernel alone.
///
/// ```yaml
/// sysctl: {key: net.ipv4.ip_forward, value: 1}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Sysctl {
    /// Name, as sysctl(8) writes it, for instance `vm.swappiness`; with slashes where a part has a dot.
    pub key: SysctlKey,
    /// Its value: a number or a text of one line. Needed when present.
    #[serde(default)]
    pub value: SysctlValue,
    /// Whether the kernel has it at once, and not only from the next boot on.
    #[serde(default = "yes")]
    pub running: bool,
    /// Whether it should be set.
    #[serde(default)]
    pub state: State,
}

super::checked!(Sysctl);

const fn yes() -> bool {
    true
}

/// The value of a setting, each run of blanks as one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct SysctlValue(String);

impl<'de> Deserialize<'de> for SysctlValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a number or a text of one line; put others in quotes"
        )]
        enum Either {
            Number(i64),
            Unsigned(u64),
            Text(String),
        }
        Either::deserialize(deserializer).map(|value| match value {
            Either::Number(number) => Self(number.to_string()),
            Either::Unsigned(number) => Self(number.to_string()),
            Either::Text(text) => {
                let words: Vec<_> = text
                    .split([' ', '\t'])
                    .filter(|it| !it.is_empty())
                    .collect();
                Self(words.join(" "))
            }
        })
    }
}

impl Sysctl {
    fn file(&self) -> File {
        let (key, value) = (self.key.dotted(), &self.value.0);
        let text = format!("# Managed by prov.\n{key} = {value}\n");
        File {
            state: self.state,
            ..File::new(HostPath::sysctl(&self.key), Content::plain(text))
        }
    }

    /// Decides what is asked of the kernel.
    fn now(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.sysctl(&self.key)?;
        let is_server = facts.has_own_kernel();
        Ok(match fact {
            _ if !self.running => Planned::Unchanged,
            None if !is_server => Planned::Unchanged,
            None if !facts.coming.is_empty() => super::packages::waiting(facts),
            None => Planned::Impossible {
                cause: format!("the kernel has no setting {}", self.key),
                hint: "correct its name, load the module that brings it before it, or set `running: false` if the kernel of the next boot has it".to_owned(),
            },
            Some(fact) if fact.value.as_ref() == Some(&self.value.0) => Planned::Unchanged,
            Some(SysctlFact { value: None, .. }) => Planned::Impossible {
                cause: format!("{} has no value that could be read", self.key),
                hint: "it has the kernel do something, and sets nothing: use a `command`".to_owned(),
            },
            Some(SysctlFact { fixed: true, value: Some(value), .. }) => Planned::Impossible {
                cause: format!("nobody can set {}: the kernel tells by it that it is {value}", self.key),
                hint: "leave it out".to_owned(),
            },
            Some(fact) if fact.settable => self.set(fact),
            Some(_) if !is_server => Planned::Unchanged,
            Some(SysctlFact { value: Some(value), .. }) => Planned::refused(
                format!(
                    "{} is {value}, and may not be set on this host: /proc/sys is read-only, as in a container",
                    self.key
                ),
                "set it on the machine that runs the container, or let the container set it, and otherwise say `running: false`",
            ),
        })
    }

    /// Tells whether the kernel has another value and is left alone, as it is not the host's own.
    fn is_only_kept(&self, facts: &Facts) -> Result<bool, NotAsked> {
        let fact = facts.sysctl(&self.key)?;
        let has_it =
            |fact: &SysctlFact| fact.settable || fact.value.as_ref() == Some(&self.value.0);
        let is_server = facts.has_own_kernel();
        Ok(self.running && !is_server && !fact.is_some_and(has_it))
    }

    fn set(&self, fact: &SysctlFact) -> Planned {
        let value = &self.value.0;
        let set = SysctlFact {
            value: Some(value.clone()),
            ..fact.clone()
        };
        // The kernel takes what comes in one piece.
        let path = format!("of=/proc/sys/{}", self.key.slashed());
        let run = Run::new(["dd", "status=none", "bs=64K", "iflag=fullblock", &path])
            .stdin(Content::plain(value.clone() + "\n"))
            .effect(Effect::Sysctl(Becomes(self.key.clone(), Some(set))));
        let before = fact.value.as_deref().unwrap_or_default();
        Change::new(Action::Update, vec![Reason::ValueDiffers], vec![run.into()])
            .detail(format!("{before} → {value}"))
            .into()
    }
}

impl Manage for Sysctl {
    fn kind(&self) -> &'static str {
        "sysctl"
    }

    fn id(&self) -> String {
        self.key.dotted()
    }

    fn check(&self) -> Result<(), String> {
        let refuse = |problem: &str| Err(format!("sysctl {}: {problem}", self.key));
        let value = &self.value.0;
        match self.state {
            State::Present if value.is_empty() => refuse("`value` is needed"),
            State::Present if value.contains(char::is_control) => {
                refuse("`value` has more than one line, or a control character")
            }
            State::Present | State::Absent => Ok(()),
        }
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.file().probe();
        queries.push(Query::Sysctl(self.key.clone()));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let kept = self.file().plan_with_folder(facts)?;
        if self.state == State::Absent {
            return Ok(kept);
        }
        let mut planned = Planned::together([self.now(facts)?, kept]);
        if let Planned::Change(change) = &mut planned
            && self.is_only_kept(facts)?
        {
            change
                .detail
                .push_str("   for the next boot: this container has the kernel of its machine");
        }
        Ok(planned)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let value = |facts: &Facts| {
            let fact = facts.sysctl(&self.key).ok().flatten();
            fact.and_then(|fact| fact.value.clone()).unwrap_or_default()
        };
        let (was, is, key) = (value(before), value(after), self.key.dotted());
        if was == is {
            return Ok(Former::files());
        }
        let shown = crate::quote::sh(&format!("{key}={was}"));
        let former = Former::back([Resource::Sysctl(Self {
            value: SysctlValue(was.clone()),
            state: State::Present,
            ..self.clone()
        })]);
        Ok(former.otherwise(format!(
            "the kernel keeps {key} = {is} until the host is started again; it was {was} (`sysctl -w {shown}` on the host)"
        )))
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Sysctl(Self {
            value: SysctlValue::default(),
            state: State::Absent,
            ..self.clone()
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let refused = ["Invalid argument", "out of range", "Permission denied"];
        let says = |words: &&str| output.contains(*words);
        refused.iter().find(|words| says(words)).map(|_| {
            Remedy::from(
                "give a value that the kernel takes (sysctl(8), proc_sys(5)); nothing was kept of this one",
            )
        })
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "the kernel made another value of it: see with `sysctl KEY` on the host, and declare that one",
        )
    }
}
