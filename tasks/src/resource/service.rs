//! Services: daemons that a service manager looks after.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, essential};
use crate::plan::{Action, Change, Deferral, Planned, Reason, Remedy};
use crate::probe::{
    Becomes, Effect, Facts, MariaDbEffect, NotAsked, PostgresEffect, Query, ServiceFact,
    ServiceManager,
};
use crate::step::Run;
use crate::value::ServiceName;

/// Manages a service: whether it runs, whether it starts at boot, and whether it is masked.
///
/// Asks systemd on servers and in containers that boot it, and runit in other containers in test mode. Where no service manager runs (a container in
/// deploy mode) the service is deferred. Under runit every service that is supervised starts at boot, so `enabled`
/// is not compared there, and timers, sockets and the like are left out. Sockets, timers, paths, mounts, slices and targets are named in full: `apt-daily.timer`. A unit that
/// cannot be enabled, because others start it, is as it should be with `enabled: false` and refused otherwise; so is one
/// that does something and ends (`Type=oneshot` without `RemainAfterExit`), with `running`. A service that does not start is
/// an error with its exit code or signal and the last lines of its journal. What a host boots, is reached or brings its network up by is
/// not stopped, disabled or masked, unless what takes its place runs and starts at boot; nor is a target started that ends what runs.
/// What else is refused here keeps nothing else on the host from being done.
///
/// ```yaml
/// service: {name: dnsmasq}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name of the systemd unit, without its suffix if that is `.service`, and of the runit service directory.
    pub name: ServiceName,
    /// Whether it should run.
    #[serde(default = "yes")]
    pub running: bool,
    /// Whether it should start at boot.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether nothing may start it (systemctl(1), `mask`): it is stopped then, whatever else is said. A mask that is there is
    /// taken away with `false`; when not given, a masked service that should run is refused.
    #[serde(default)]
    pub masked: Option<bool>,
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
            masked: None,
        }
    }

    fn planned(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        match facts.manager {
            ServiceManager::Systemd => self.plan_systemd(facts),
            ServiceManager::Runit => self.plan_runit(facts),
            ServiceManager::None if !self.running || self.masked == Some(true) => {
                Ok(Planned::Unchanged)
            }
            ServiceManager::None => Ok(Planned::Deferred(Deferral::NoServiceManager)),
        }
    }

    fn plan_systemd(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let fact = facts.service(&self.name)?;
        if self.masked == Some(true) {
            return Ok(self.mask(fact));
        }
        if !fact.known && !facts.coming.is_empty() {
            // A Debian package enables and starts what it brings.
            return Ok(if self.running && self.enabled {
                Planned::Unchanged
            } else {
                super::packages::waiting(facts)
            });
        }
        if let Some(refused) = self.refusal(fact) {
            return Ok(refused);
        }
        let mut fact = fact.clone();
        let unit = fact.alias_of.clone().unwrap_or_else(|| self.name.unit());
        let mut reasons = Vec::new();
        let mut steps = Vec::new();
        if fact.masked && self.masked == Some(false) {
            reasons.push(Reason::Masked);
            fact.masked = false;
            steps.push(self.step(&Self::at_boot("unmask", fact.runtime, &unit), &fact));
        }
        if fact.enabled != self.enabled && fact.fixed.is_none() || self.enabled && fact.runtime {
            let verb = if self.enabled { "enable" } else { "disable" };
            let runtime = fact.runtime && !self.enabled;
            reasons.push(if self.enabled {
                Reason::NotEnabled
            } else {
                Reason::Enabled
            });
            (fact.enabled, fact.runtime) = (self.enabled, false);
            steps.push(self.step(&Self::at_boot(verb, runtime, &unit), &fact));
        }
        if fact.running != self.running || fact.looping {
            reasons.push(if fact.looping {
                Reason::EndsAgainAndAgain
            } else if self.running {
                Reason::NotRunning
            } else {
                Reason::Running
            });
            (fact.running, fact.looping) = (self.running, false);
            let verb = if self.running { "start" } else { "stop" };
            let run = self.step(&["systemctl", "-q", verb, "--", &unit], &fact);
            if self.running {
                steps.push(run.explained_by(super::handler::why(&unit)));
                steps.push(super::handler::stays_up(&unit));
            } else {
                steps.push(run);
            }
        }
        Ok(self.changed(reasons, steps))
    }

    /// Gives the command that changes what is kept of a unit for the next boot, or for this one.
    fn at_boot<'a>(verb: &'a str, runtime: bool, unit: &'a str) -> Vec<&'a str> {
        let mut argv = vec!["systemctl", "-q", verb];
        if runtime {
            argv.push("--runtime");
        }
        argv.extend(["--", unit]);
        argv
    }

    fn mask(&self, fact: &ServiceFact) -> Planned {
        let unit = self.name.unit();
        let mut fact = fact.clone();
        let mut reasons = Vec::new();
        let mut steps = Vec::new();
        if !fact.masked || fact.runtime {
            reasons.push(Reason::NotMasked);
            (fact.known, fact.masked, fact.runtime, fact.enabled) = (true, true, false, false);
            steps.push(self.step(&["systemctl", "-q", "mask", "--", &unit], &fact));
        }
        if fact.running || fact.looping {
            reasons.push(Reason::Running);
            (fact.running, fact.looping) = (false, false);
            steps.push(self.step(&["systemctl", "-q", "stop", "--", &unit], &fact));
        }
        if steps.is_empty() {
            return Planned::Unchanged;
        }
        Change::new(
            Action::Remove,
            reasons,
            steps.into_iter().map(Into::into).collect(),
        )
        .into()
    }

    /// Refuses what systemd cannot do with this unit.
    fn refusal(&self, fact: &ServiceFact) -> Option<Planned> {
        let name = &self.name;
        let refused = |cause: String, hint: String| Some(Planned::refused(cause, hint));
        if let Some(problem) = &fact.problem {
            return refused(
                format!("systemd cannot read the unit {}: {problem}", name.unit()),
                format!(
                    "correct that file, as `systemd-analyze verify {}` on the host says, and run `systemctl daemon-reload`",
                    name.unit()
                ),
            );
        }
        if !fact.known && (self.running || self.enabled) {
            return Some(self.not_known());
        }
        if fact.masked && self.masked.is_none() && (self.running || self.enabled) {
            return refused(
                format!("the service {name} is masked"),
                format!(
                    "run `systemctl unmask {name}` on the host if it should run, or set `masked: false`; otherwise set `masked: true`"
                ),
            );
        }
        if let Some(why) = &fact.fixed
            && self.enabled
            && !fact.enabled
        {
            return refused(
                format!("{} cannot be enabled: {why}", name.unit()),
                "set `enabled: false` if it is started by others, or give its unit file a section [Install]".to_owned(),
            );
        }
        if fact.ends && self.running {
            return refused(
                format!(
                    "{} does something and ends (Type=oneshot): it is not a service that keeps running",
                    name.unit()
                ),
                "set `running: false`, and declare the timer that starts it, if there is one (`NAME.timer`)".to_owned(),
            );
        }
        None
    }

    fn plan_runit(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let mut fact = facts.service(&self.name)?.clone();
        if !self.name.is_service() {
            return Ok(Planned::Unchanged);
        }
        let wanted = self.running && self.masked != Some(true);
        if !fact.known {
            return Ok(if wanted {
                Planned::Deferred(Deferral::ServiceNotInContainer)
            } else {
                Planned::Unchanged
            });
        }
        if fact.running == wanted {
            return Ok(Planned::Unchanged);
        }
        let (verb, reason) = if wanted {
            ("start", Reason::NotRunning)
        } else {
            ("stop", Reason::Running)
        };
        fact.running = wanted;
        let step = self.step(&["sv", "-w", "30", verb, self.name.as_str()], &fact);
        Ok(self.changed(vec![reason], vec![step]))
    }

    fn step(&self, argv: &[&str], fact: &ServiceFact) -> Run {
        let effect = Effect::Service(Becomes(self.name.clone(), fact.clone()));
        let run = Run::new(argv.iter().copied()).effect(effect);
        if fact.running && super::mariadb::is_server(self.name.as_str()) {
            return run.effect(Effect::MariaDb(MariaDbEffect::Starts));
        }
        if fact.running && super::postgresql::is_server(self.name.as_str()) {
            return run.effect(Effect::PostgreSql(PostgresEffect::Starts));
        }
        run
    }

    fn changed(&self, reasons: Vec<Reason>, steps: Vec<Run>) -> Planned {
        if steps.is_empty() {
            return Planned::Unchanged;
        }
        let action = if self.running || self.enabled {
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
                "check its name with `systemctl status {}` on the host (a timer or socket is named in full), or declare the package that brings it",
                self.name.unit()
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
        let mut names = essential::stand_ins(&self.name);
        names.insert(0, self.name.clone());
        names.into_iter().map(Query::Service).collect()
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        let planned = self.planned(facts)?;
        let wanted = self.masked != Some(true);
        let left = essential::Left {
            running: self.running && wanted,
            enabled: self.enabled && wanted,
        };
        // One that is as it should be already is nobody's business.
        if matches!(planned, Planned::Change(_))
            && let Some(refused) = essential::leaving_service(&self.name, left, facts)
        {
            return Ok(refused);
        }
        Ok(planned)
    }

    fn unsettled(&self) -> Option<&'static str> {
        Some(
            "the service manager was told and did not keep to it: see `systemctl status` and `journalctl -u` of the unit on the host, or `docker logs` of a container",
        )
    }

    fn former(&self, before: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        let fact = before.service(&self.name)?;
        let mut former = Former::back([Resource::Service(Self {
            name: self.name.clone(),
            running: fact.running,
            enabled: fact.enabled,
            masked: Some(fact.masked),
        })]);
        if fact.looping {
            let name = &self.name;
            former.stays.push(format!(
                "{name} ended again and again, and is not started again"
            ));
        }
        Ok(former)
    }

    fn absent(&self) -> Option<Resource> {
        Some(Resource::Service(Self {
            name: self.name.clone(),
            running: false,
            enabled: false,
            masked: None,
        }))
    }

    fn remedy(&self, output: &str) -> Option<Remedy> {
        let said = |words| output.contains(words);
        Some(if said("Failed to mask unit") && said("already exists") {
            Remedy::from(
                "its unit file is in /etc/systemd/system, where the mask would be: remove that file first",
            )
        } else {
            Remedy::ServiceLog
        })
    }
}
