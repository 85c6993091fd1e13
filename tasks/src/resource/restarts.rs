//! Services that still run what an upgrade has replaced.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, HandlerAction, Handling, Manage, Resource};
use crate::plan::{Action, Change, Planned, Reason};
use crate::probe::{Becomes, Effect, Facts, NotAsked, Query, ReplacedFact, ServiceManager};
use crate::step::{Run, Step};
use crate::value::ServiceName;

/// Manages that no service runs a program or a library that was replaced since it started, as an upgrade leaves them, and
/// that what ran before an upgrade to another release runs again.
///
/// Such services are restarted; systemd executes itself anew. What cannot be restarted without ending somebody's session or
/// the host's own work (`dbus`, `systemd-logind`, consoles, sessions) is left to a reboot.
///
/// ```yaml
/// restarts: {except: [mariadb]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restarts {
    /// Services that are left alone, for somebody to restart at a better time.
    #[serde(default)]
    pub except: BTreeSet<ServiceName>,
}

/// Tells whether a service stays as it is until the host is started again.
fn waits_for_reboot(name: &str) -> bool {
    let instances = ["user@", "getty@", "serial-getty@", "user-runtime-dir@"];
    matches!(name, "dbus" | "dbus-broker" | "systemd-logind")
        || instances.iter().any(|prefix| name.starts_with(prefix))
}

impl ReplacedFact {
    /// Lists the services that can be restarted.
    pub fn to_restart(&self) -> impl Iterator<Item = &String> {
        self.services.iter().filter(|name| !waits_for_reboot(name))
    }

    /// Lists what runs replaced programs until the host is started again.
    pub fn until_reboot(&self) -> impl Iterator<Item = &String> {
        let services = self.services.iter().filter(|name| waits_for_reboot(name));
        services.chain(&self.processes)
    }
}

impl Manage for Restarts {
    fn kind(&self) -> &'static str {
        "restarts"
    }

    fn id(&self) -> String {
        "of replaced programs".to_owned()
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::Replaced(())]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts
            .replaced
            .as_ref()
            .ok_or_else(|| NotAsked("replaced programs".to_owned()))?;
        let is_left = |name: &String| self.except.iter().any(|left| left.as_str() == name);
        let names: Vec<_> = fact.to_restart().filter(|name| !is_left(name)).collect();
        if facts.manager == ServiceManager::None || (names.is_empty() && !fact.manager) {
            return Ok(Planned::Unchanged);
        }
        let mut steps = Vec::new();
        if fact.manager {
            steps.push(Run::new(["systemctl", "daemon-reexec"]));
        }
        for name in &names {
            let Ok(service) = ServiceName::new(name.as_str()) else {
                continue;
            };
            if let Handling::Run(runs) = HandlerAction::Restart(service).handling(facts) {
                steps.extend(runs);
            }
        }
        let rest = ReplacedFact {
            services: fact
                .services
                .iter()
                .filter(|name| waits_for_reboot(name) || is_left(name))
                .cloned()
                .collect(),
            processes: fact.processes.clone(),
            manager: false,
        };
        // What had to run again does by now.
        if facts.manager == ServiceManager::Systemd {
            steps.push(Run::new(["rm", "-f", "/run/prov-upgrade.ran"]));
        }
        if let Some(last) = steps.last_mut() {
            last.effects.push(Effect::Replaced(Becomes((), rest)));
        }
        let names = names.into_iter().map(String::as_str);
        let detail: Vec<_> = fact
            .manager
            .then_some("systemd")
            .into_iter()
            .chain(names)
            .collect();
        let steps = steps.into_iter().map(Step::from).collect();
        Ok(Change::new(Action::Run, vec![Reason::RunsReplaced], steps)
            .detail(detail.join(" "))
            .into())
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("what was started again cannot be undone"))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }
}
