//! Services, as the service manager of the host sees them: systemctl(1) or sv(8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked};
use crate::Secret;
use crate::quote;
use crate::value::ServiceName;

/// A service, as the service manager sees it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent answers of the service manager"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFact {
    /// Whether the service manager knows it.
    pub known: bool,
    /// Whether it runs.
    pub running: bool,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Whether it must not be started at all.
    #[serde(default)]
    pub masked: bool,
}

impl Facts {
    /// Tells the state of a service.
    pub fn service(&self, name: &ServiceName) -> Result<&ServiceFact, NotAsked> {
        self.services
            .get(name)
            .ok_or_else(|| NotAsked(format!("service {name}")))
    }
}

/// The kind of this module.
pub struct Services;

impl Kind for Services {
    type Question = ServiceName;
    type Known = BTreeMap<ServiceName, ServiceFact>;

    fn key(name: &ServiceName) -> ServiceName {
        name.clone()
    }

    /// The first line says who answers. runit's program ends with the number of services that it does not know.
    fn script(names: &[ServiceName]) -> String {
        let services = quote::sh_all(names.iter().map(ServiceName::as_str));
        let units: Vec<_> = names.iter().map(|name| format!("{name}.service")).collect();
        let units = quote::sh_all(units.iter().map(String::as_str));
        format!(
            "read -r init </proc/1/comm\n\
             {{ if [ \"$init\" = systemd ]; then echo systemd; systemctl show --property=LoadState,ActiveState,SubState,UnitFileState -- {units} 2>/dev/null && prov_complete\n\
             elif [ -d /run/service ]; then echo runit; sv status {services} 2>&1; [ $? -gt 99 ] || prov_complete\n\
             else prov_complete; fi; }} | prov_answer services\n"
        )
    }

    fn read(names: &[ServiceName], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = answers.text("services")?;
        let (manager, rest) = text.split_once('\n').unwrap_or((text, ""));
        let found: BTreeMap<String, ServiceFact> = match manager {
            "systemd" => {
                let blocks: Vec<_> = rest.trim_end().split("\n\n").collect();
                if blocks.len() != names.len() {
                    return Err(broken("services", "does not cover every service"));
                }
                let names = names.iter().map(ToString::to_string);
                names.zip(blocks.into_iter().map(systemd_unit)).collect()
            }
            "runit" => rest.lines().filter_map(runit_line).collect(),
            // Nothing looks after services there.
            _ => BTreeMap::new(),
        };
        let fact = |name: &ServiceName| {
            let fact = found.get(name.as_str()).copied();
            (name.clone(), fact.unwrap_or_default())
        };
        Ok(names.iter().map(fact).collect())
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    fn samples() -> Vec<ServiceName> {
        ServiceName::new("svc").into_iter().collect()
    }
}

/// Reads one unit of `systemctl show`.
fn systemd_unit(block: &str) -> ServiceFact {
    let value = |key: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let load = value("LoadState");
    ServiceFact {
        known: matches!(load, "loaded" | "masked"),
        // A daemon that ends again and again is activating, too, whenever systemd waits to start it again.
        running: matches!(value("ActiveState"), "active" | "reloading" | "activating")
            && value("SubState") != "auto-restart",
        // Units that cannot be enabled, such as those made from init scripts, count as enabled.
        enabled: !matches!(value("UnitFileState"), "disabled" | "masked" | "" | "bad"),
        masked: load == "masked",
    }
}

/// Reads one line of `sv status`: `run: NAME: (pid 7) 3s` or `down: NAME: 3s, normally up`.
fn runit_line(line: &str) -> Option<(String, ServiceFact)> {
    let mut words = line.split(": ");
    let state = words.next()?;
    let name = words.next()?;
    let name = name.rsplit('/').next()?.trim_end_matches(':');
    let fact = ServiceFact {
        known: matches!(state, "run" | "down" | "finish"),
        running: state == "run",
        enabled: true,
        masked: false,
    };
    Some((name.to_owned(), fact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_systemd_starts_again_and_again_does_not_run() {
        for (sub, running) in [("auto-restart", false), ("start", true)] {
            let block = format!(
                "LoadState=loaded\nActiveState=activating\nSubState={sub}\nUnitFileState=enabled"
            );
            assert_eq!(systemd_unit(&block).running, running, "{sub}");
        }
    }
}
