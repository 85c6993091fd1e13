//! The name of a host.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::manage::InTurn;
use super::{Anchor, File, Former, Line, Manage, Resource};
use crate::content::Content;
use crate::pattern::LinePattern;
use crate::plan::{Action, Change, Planned, Reason, Remedy};
use crate::probe::{Becomes, Effect, Facts, NotAsked, Query, ServiceManager};
use crate::step::Run;
use crate::value::{DomainName, HostPath, SysctlKey, fixed};

/// Manages the name of the host: the one that it has now, `/etc/hostname` (hostname(5)), and its line in `/etc/hosts` (hosts(5)).
///
/// The first part of the name is what the host is called, as Debian has it; the whole of it stands before that in the line of 127.0.1.1, so that
/// `hostname --fqdn` finds it. That line is replaced, or put after the one of localhost; all others stay. The kernel is asked first: a
/// name that may not be set is kept nowhere. In an estate's containers without systemd, which have the name that they were made with, it is kept
/// for the next boot. Programs that run keep the name they have read: notify a restart of those that log or mail by it. A host keeps
/// a name when nothing declares one any more.
///
/// ```yaml
/// hostname: {name: www.example.com}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Hostname {
    /// Name, with its domain if it has one: `www.example.com`.
    pub name: DomainName,
    /// Whether `/etc/hosts` has the name at 127.0.1.1. A host with a fixed address may have it there instead.
    #[serde(default = "yes")]
    pub hosts: bool,
    /// Whether the host has the name at once, and not only from the next boot on.
    #[serde(default = "yes")]
    pub running: bool,
}

super::checked!(Hostname);

const fn yes() -> bool {
    true
}

impl Hostname {
    fn short(&self) -> &str {
        let name = self.name.as_str();
        name.split_once('.').map_or(name, |(short, _)| short)
    }

    fn file(&self) -> File {
        let text = Content::plain(format!("{}\n", self.short()));
        File::new(HostPath::known("/etc/hostname"), text)
    }

    /// Gives the line of `/etc/hosts`.
    fn line(&self) -> Result<Line, String> {
        let (name, short) = (self.name.as_str(), self.short());
        let names = if name == short {
            name.to_owned()
        } else {
            format!("{name}\t{short}")
        };
        let line = Content::plain(format!("127.0.1.1\t{names}"));
        let mut line = Line::new(HostPath::known("/etc/hosts"), line);
        line.create = true;
        line.insert_after = Some(Anchor::At(LinePattern::new(r"^127\.0\.0\.1[ \t]")?));
        Ok(line.replacing(LinePattern::new(r"^127\.0\.1\.1[ \t]")?))
    }

    fn key() -> SysctlKey {
        fixed("kernel.hostname")
    }

    /// Decides what is asked of the kernel.
    fn now(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.sysctl(&Self::key())?.cloned().unwrap_or_default();
        let short = self.short();
        if !self.running
            || facts.manager != ServiceManager::Systemd
            || fact.value.as_deref() == Some(short)
        {
            return Ok(Planned::Unchanged);
        }
        let mut set = fact;
        set.value = Some(short.to_owned());
        let run = Run::new(["hostname", short]);
        let run = run.effect(Effect::Sysctl(Becomes(Self::key(), Some(set))));
        let reasons = vec![Reason::ValueDiffers];
        Ok(Change::new(Action::Update, reasons, vec![run.into()]).into())
    }
}

impl Manage for Hostname {
    fn kind(&self) -> &'static str {
        "hostname"
    }

    /// A host has one.
    fn id(&self) -> String {
        "of the host".to_owned()
    }

    fn check(&self) -> Result<(), String> {
        let short = self.short();
        let refuse = |problem: &str| Err(format!("hostname {}: {problem}", self.name));
        if short.eq_ignore_ascii_case("localhost") {
            return refuse("every host is localhost to itself, and none is called so");
        }
        if short.bytes().all(|b| b.is_ascii_digit()) {
            return refuse("a number would be taken for an address");
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        let mut queries = self.file().probe();
        queries.push(Query::Sysctl(Self::key()));
        queries.extend(self.line().iter().flat_map(Line::probe));
        queries
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let line = match self.line() {
            Ok(line) => line,
            Err(problem) => return Ok(super::invalid(&problem)),
        };
        let mut parts = InTurn::new(facts);
        parts.then(|facts| self.now(facts))?;
        parts.then(|facts| self.file().plan(facts))?;
        if self.hosts {
            parts.then(|facts| line.plan(facts))?;
        }
        let mut planned = parts.planned();
        let fact = facts.sysctl(&Self::key())?;
        let have = fact
            .and_then(|fact| fact.value.as_deref())
            .unwrap_or_default();
        if let Planned::Change(change) = &mut planned {
            change.detail = if !self.running || have == self.short() {
                String::new()
            } else if facts.manager == ServiceManager::Systemd {
                format!("{have} → {}", self.short())
            } else {
                "for the next boot: this container has the name that it was made with".to_owned()
            };
        }
        Ok(planned)
    }

    fn former(&self, before: &Facts, after: &Facts) -> Result<Former, NotAsked> {
        let name = |facts: &Facts| {
            let fact = facts.sysctl(&Self::key()).ok().flatten();
            fact.and_then(|fact| fact.value.clone()).unwrap_or_default()
        };
        let (was, is) = (name(before), name(after));
        if was == is {
            return Ok(Former::files());
        }
        let former = DomainName::new(was.as_str()).map(|name| {
            Resource::Hostname(Self {
                name,
                hosts: false,
                running: true,
            })
        });
        Ok(Former::back(former).otherwise(format!(
            "the host is called {is} until it is started again; it was {was} (`hostname {was}` on the host)"
        )))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let words = ["must be root", "not permitted", "ermission denied"];
        let refused = words.iter().any(|words| output.contains(words));
        refused.then(|| {
            Remedy::from(
                "the host may not change its name, as in a container: name the container where it is made, or say `running: false`; nothing was kept",
            )
        })
    }
}
