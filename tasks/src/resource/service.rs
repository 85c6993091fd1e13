//! Services: daemons that a service manager looks after.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Manage, Resource};
use crate::plan::{Action, Change, Deferral, Planned, Reason, Remedy};
use crate::probe::{Becomes, Effect, Facts, MariaDbEffect, NotAsked, Query, ServiceManager};
use crate::step::Run;
use crate::value::ServiceName;

/// Manages a service: whether it runs, and whether it starts at boot.
///
/// Asks systemd on real servers and runit in containers in test mode. Where no service manager runs (a container in
/// deploy mode) the service is deferred. Under runit every service that is supervised starts at boot, so `enabled`
/// is not compared there.
///
/// ```yaml
/// service: {name: dnsmasq}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name of the systemd unit without `.service`, and of the runit service directory.
    pub name: ServiceName,
    /// Whether it should run.
    #[serde(default = "yes")]
    pub running: bool,
    /// Whether it should start at boot.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

impl Service {
    /// Describes a service that runs and starts at boot.
    #[must_use]
    pub const fn new(name: ServiceName) -> Self {
        Self {
            name,
            running: true,
            enabled: true,
        }
    }

    fn plan_systemd(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut fact = *facts.service(&self.name)?;
        if !fact.known && !facts.coming.is_empty() {
            // A Debian package enables and starts what it brings.
            return Ok(if self.running && self.enabled {
                Planned::Unchanged
            } else {
                super::packages::waiting(facts)
            });
        }
        if !fact.known && (self.running || self.enabled) {
            return Ok(self.not_known());
        }
        if fact.masked && (self.running || self.enabled) {
            return Ok(Planned::Impossible {
                cause: format!("the service {} is masked", self.name),
                hint: format!(
                    "run `systemctl unmask {}` on the host if it should run",
                    self.name
                ),
            });
        }
        let unit = format!("{}.service", self.name);
        let mut reasons = Vec::new();
        let mut steps = Vec::new();
        if fact.enabled != self.enabled {
            let verb = if self.enabled { "enable" } else { "disable" };
            reasons.push(if self.enabled {
                Reason::NotEnabled
            } else {
                Reason::Enabled
            });
            fact.enabled = self.enabled;
            steps.push(self.step(["systemctl", "-q", verb, "--", &unit], fact));
        }
        if fact.running != self.running {
            let verb = if self.running { "start" } else { "stop" };
            reasons.push(if self.running {
                Reason::NotRunning
            } else {
                Reason::Running
            });
            fact.running = self.running;
            steps.push(self.step(["systemctl", "-q", verb, "--", &unit], fact));
        }
        Ok(self.changed(reasons, steps))
    }

    fn plan_runit(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut fact = *facts.service(&self.name)?;
        if !fact.known {
            return Ok(if self.running {
                Planned::Deferred(Deferral::ServiceNotInContainer)
            } else {
                Planned::Unchanged
            });
        }
        if fact.running == self.running {
            return Ok(Planned::Unchanged);
        }
        let (verb, reason) = if self.running {
            ("start", Reason::NotRunning)
        } else {
            ("stop", Reason::Running)
        };
        fact.running = self.running;
        let step = self.step(["sv", "-w", "30", verb, self.name.as_str()], fact);
        Ok(self.changed(vec![reason], vec![step]))
    }

    fn step<const N: usize>(&self, argv: [&str; N], fact: crate::probe::ServiceFact) -> Run {
        let run = Run::new(argv).effect(Effect::Service(Becomes(self.name.clone(), fact)));
        if fact.running && super::mariadb::is_server(self.name.as_str()) {
            return run.effect(Effect::MariaDb(MariaDbEffect::Starts));
        }
        run
    }

    fn changed(&self, reasons: Vec<Reason>, steps: Vec<Run>) -> Planned {
        if steps.is_empty() {
            return Planned::Unchanged;
        }
        let action = if self.running {
            Action::Update
        } else {
            Action::Remove
        };
        Change::new(action, reasons, steps.into_iter().map(Into::into).collect()).into()
    }

    fn not_known(&self) -> Planned {
        Planned::Impossible {
            cause: format!(
                "the service manager does not know the service {}",
                self.name
            ),
            hint: format!(
                "check its name with `systemctl status {}` on the host, or declare the package that brings it",
                self.name
            ),
        }
    }
}

impl Manage for Service {
    fn kind(&self) -> &'static str {
        "service"
    }

    fn id(&self) -> String {
        self.name.to_string()
    }

    fn probe(&self) -> Vec<Query> {
        vec![Query::Service(self.name.clone())]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match facts.manager {
            ServiceManager::Systemd => self.plan_systemd(facts),
            ServiceManager::Runit => self.plan_runit(facts),
            ServiceManager::None if !self.running => Ok(Planned::Unchanged),
            ServiceManager::None => Ok(Planned::Deferred(Deferral::NoServiceManager)),
        }
    }

    fn absent(&self) -> Option<Resource> {
        None
    }

    fn remedy(&self, _: &str) -> Option<Remedy> {
        Some(Remedy::ServiceLog)
    }
}
