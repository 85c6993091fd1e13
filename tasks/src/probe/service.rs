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
    reason = "independent answers of the service manager"
)]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceFact {
    /// Whether the service manager knows it.
    pub known: bool,
    /// Whether it runs.
    pub running: bool,
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Whether it must not be started at all.
    pub masked: bool,
    /// Whether its mask, or what starts it at boot, lasts only until the next boot.
    pub runtime: bool,
    /// Whether it ends again and again, and is started again each time.
    pub looping: bool,
    /// Whether it does something and ends, and is not meant to keep running.
    pub ends: bool,
    /// Why it can be neither enabled nor disabled, where it cannot.
    pub fixed: Option<String>,
    /// Whether its definition was changed since the service manager has read it.
    pub outdated: bool,
    /// What is wrong with its definition, where that cannot be read.
    pub problem: Option<String>,
    /// Its own name, where it was asked for by another one.
    pub alias_of: Option<String>,
}

impl ServiceFact {
    /// Why a unit cannot be enabled that says of itself nothing about it.
    pub(crate) const WITHOUT_INSTALL: &str =
        "its unit file has no section [Install]: other units start it";
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
        let units: Vec<_> = names.iter().map(ServiceName::unit).collect();
        let units = quote::sh_all(units.iter().map(String::as_str));
        format!(
            "read -r init </proc/1/comm\n\
             prov_answer services; if [ \"$init\" = systemd ]; then echo systemd; systemctl show --property=Id,LoadState,LoadError,ActiveState,SubState,UnitFileState,Type,RemainAfterExit,WantedBy,RequiredBy,SourcePath,FragmentPath,NeedDaemonReload -- {units} 2>/dev/null && prov_complete\n\
             elif [ -d /run/service ]; then echo runit; sv status {services} 2>&1; [ $? -gt 99 ] || prov_complete\n\
             else prov_complete; fi\n"
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
                let pairs = names.iter().zip(blocks);
                let unit = |(name, block): (&ServiceName, &str)| {
                    (name.to_string(), systemd_unit(&name.unit(), block))
                };
                pairs.map(unit).collect()
            }
            "runit" => rest.lines().filter_map(runit_line).collect(),
            // Nothing looks after services there.
            _ => BTreeMap::new(),
        };
        let fact = |name: &ServiceName| {
            let fact = found.get(name.as_str()).cloned();
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

/// Reads one unit of `systemctl show` (systemctl(1), `is-enabled` for the states of unit files).
fn systemd_unit(asked: &str, block: &str) -> ServiceFact {
    let value = |key: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .unwrap_or_default()
    };
    let (load, active, sub) = (value("LoadState"), value("ActiveState"), value("SubState"));
    let looping = sub.starts_with("auto-restart");
    let (enabled, fixed) = boot(&value);
    let (id, state) = (value("Id"), value("UnitFileState"));
    ServiceFact {
        known: matches!(load, "loaded" | "masked" | "bad-setting" | "error"),
        // A daemon that ends again and again is activating, too, whenever systemd waits to start it again.
        running: matches!(active, "active" | "reloading" | "refreshing" | "activating") && !looping,
        enabled,
        masked: load == "masked",
        runtime: matches!(
            state,
            "enabled-runtime" | "masked-runtime" | "linked-runtime"
        ),
        looping,
        ends: value("Type") == "oneshot" && value("RemainAfterExit") != "yes",
        fixed,
        outdated: value("NeedDaemonReload") == "yes",
        problem: matches!(load, "bad-setting" | "error").then(|| {
            let said = value("LoadError");
            // In the words of D-Bus: `org.freedesktop.systemd1.BadUnitSetting "Unit x.service has a bad …"`.
            let said = said
                .split_once('"')
                .map_or(said, |(_, said)| said.trim_end_matches('"'));
            let file = value("FragmentPath");
            format!("{file}: {said}")
        }),
        alias_of: (!id.is_empty() && id != asked).then(|| id.to_owned()),
    }
}

/// Tells whether a unit starts at boot, and why that cannot be changed where it cannot.
fn boot<'a>(value: &impl Fn(&str) -> &'a str) -> (bool, Option<String>) {
    let wanted = !(value("WantedBy").is_empty() && value("RequiredBy").is_empty());
    let fixed = |why: &str| (wanted, Some(why.to_owned()));
    match value("UnitFileState") {
        "enabled" | "enabled-runtime" => (true, None),
        "static" => fixed(ServiceFact::WITHOUT_INSTALL),
        "indirect" => (
            false,
            Some(
                "it is enabled by way of other units, which its section [Install] names".to_owned(),
            ),
        ),
        "transient" => fixed("it was made by a program and is gone at the next boot"),
        // systemctl has the tools of init scripts do it.
        "generated" if value("SourcePath").starts_with("/etc/init.d/") => (wanted, None),
        "generated" => fixed(&format!("it is made from {}", value("SourcePath"))),
        "" if value("LoadState") == "loaded" => fixed("it has no unit file"),
        // disabled, linked, masked, bad, and what later releases may know.
        _ => (false, None),
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
        ..ServiceFact::default()
    };
    Some((name.to_owned(), fact))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(lines: &[&str]) -> ServiceFact {
        let mut block = vec!["Id=x.service", "LoadState=loaded"];
        block.extend(lines);
        systemd_unit("x.service", &block.join("\n"))
    }

    #[test]
    fn a_daemon_that_systemd_starts_again_and_again_does_not_run() {
        for (active, sub, running, looping) in [
            ("activating", "auto-restart", false, true),
            ("activating", "auto-restart-queued", false, true),
            ("activating", "start", true, false),
            ("active", "running", true, false),
            ("active", "exited", true, false),
            ("reloading", "reload", true, false),
            ("deactivating", "stop-sigterm", false, false),
            ("failed", "failed", false, false),
            ("inactive", "dead", false, false),
        ] {
            let active = format!("ActiveState={active}");
            let fact = unit(&[&active, &format!("SubState={sub}"), "UnitFileState=enabled"]);
            assert_eq!((fact.running, fact.looping), (running, looping), "{sub}");
        }
    }

    #[test]
    fn every_state_of_a_unit_file_says_whether_it_starts_at_boot_and_can_be_changed() {
        for (state, more, enabled, can) in [
            ("enabled", "", true, true),
            ("enabled-runtime", "", true, true),
            ("linked", "", false, true),
            ("linked-runtime", "", false, true),
            ("disabled", "", false, true),
            ("masked", "", false, true),
            ("static", "", false, false),
            ("static", "WantedBy=sysinit.target", true, false),
            ("indirect", "", false, false),
            ("transient", "", false, false),
            (
                "generated",
                "SourcePath=/etc/fstab\nRequiredBy=local-fs.target",
                true,
                false,
            ),
            (
                "generated",
                "SourcePath=/etc/init.d/x\nWantedBy=multi-user.target",
                true,
                true,
            ),
            ("generated", "SourcePath=/etc/init.d/x", false, true),
            ("", "", false, false),
        ] {
            let fact = unit(&[&format!("UnitFileState={state}"), more]);
            assert_eq!(
                (fact.enabled, fact.fixed.is_none()),
                (enabled, can),
                "{state} {more}"
            );
        }
        assert!(unit(&["UnitFileState=enabled-runtime"]).runtime);
    }

    #[test]
    fn aliases_bad_files_and_units_that_end_are_told() {
        let fact = systemd_unit("mysql.service", "Id=mariadb.service\nLoadState=loaded");
        assert_eq!(fact.alias_of.as_deref(), Some("mariadb.service"));
        let bad = "Id=x.service\nLoadState=bad-setting\nFragmentPath=/etc/systemd/system/x.service\n\
                   LoadError=org.freedesktop.systemd1.BadUnitSetting \"Unit x.service has a bad unit file setting.\"";
        let fact = systemd_unit("x.service", bad);
        assert_eq!(
            fact.problem.as_deref(),
            Some("/etc/systemd/system/x.service: Unit x.service has a bad unit file setting.")
        );
        assert!(unit(&["Type=oneshot", "RemainAfterExit=no"]).ends);
        assert!(!unit(&["Type=oneshot", "RemainAfterExit=yes"]).ends);
    }
}
