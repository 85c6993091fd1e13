//! Handlers: what runs once after something changed, however many changes asked for it.

use serde::{Deserialize, Serialize};

use crate::probe::{Facts, ServiceManager};
use crate::step::Run;
use crate::value::ServiceName;

/// Runs after the resources of a host, if one that notifies it changed.
///
/// A handler can name a validation. If the validation fails, the files that were changed on the way to this handler
/// are put back, the handler does not run, and the host fails with what the validator said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Name that tells it from others on the host, for instance `restart dnsmasq`.
    pub name: String,
    /// What it does.
    pub action: HandlerAction,
    /// A command that fails if the new configuration is not valid, for instance `dnsmasq --test`.
    #[serde(default)]
    pub validate: Option<Vec<String>>,
}

/// What a handler does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandlerAction {
    /// Restarts a service, if a service manager runs and the service does.
    Restart(ServiceName),
    /// Makes a service read its configuration again, under the same conditions.
    Reload(ServiceName),
    /// Runs a command, whether or not a service manager runs.
    Run(Vec<String>),
}

impl Handler {
    /// Restarts a service.
    #[must_use]
    pub fn restart(service: ServiceName) -> Self {
        Self {
            name: format!("restart {service}"),
            action: HandlerAction::Restart(service),
            validate: None,
        }
    }

    /// Makes a service read its configuration again.
    #[must_use]
    pub fn reload(service: ServiceName) -> Self {
        Self {
            name: format!("reload {service}"),
            action: HandlerAction::Reload(service),
            validate: None,
        }
    }

    /// Runs a command.
    pub fn run<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        let argv: Vec<String> = argv.into_iter().map(Into::into).collect();
        Self {
            name: format!("run {}", argv.join(" ")),
            action: HandlerAction::Run(argv),
            validate: None,
        }
    }

    /// Adds the command that checks the new configuration.
    #[must_use]
    pub fn validated_by<S: Into<String>>(mut self, argv: impl IntoIterator<Item = S>) -> Self {
        self.validate = Some(argv.into_iter().map(Into::into).collect());
        self
    }
}

/// What is done for a handler on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handling {
    /// These commands, in order.
    Run(Vec<Run>),
    /// Nothing: the service is not there to be restarted, and will start with the new configuration.
    Nothing,
}

impl HandlerAction {
    /// Decides what is done, by what looks after services on the host and what is known of the service: one that does
    /// not run is not started by a change of its configuration.
    #[must_use]
    pub fn handling(&self, facts: &Facts) -> Handling {
        if let Self::Restart(service) | Self::Reload(service) = self
            && let Ok(fact) = facts.service(service)
            && !fact.running
            // What systemd does not know yet comes with a package, which starts it.
            && (fact.known || facts.manager == ServiceManager::Runit)
        {
            return Handling::Nothing;
        }
        let commands = match (self, facts.manager) {
            (Self::Run(argv), _) => vec![Run::new(argv.iter())],
            (Self::Restart(_) | Self::Reload(_), ServiceManager::None) => return Handling::Nothing,
            (Self::Restart(service), ServiceManager::Systemd) => systemd("restart", service),
            (Self::Reload(service), ServiceManager::Systemd) => {
                systemd("reload-or-restart", service)
            }
            (Self::Restart(service), ServiceManager::Runit) => {
                vec![Run::new(["sv", "-w", "60", "restart", service.as_str()])]
            }
            (Self::Reload(service), ServiceManager::Runit) => {
                vec![Run::new(["sv", "-w", "60", "reload", service.as_str()])]
            }
        };
        Handling::Run(commands)
    }
}

/// Gives the commands that do something with a unit and see to it that it runs afterwards.
fn systemd(verb: &str, service: &ServiceName) -> Vec<Run> {
    let unit = service.unit();
    let run = Run::new(["systemctl", verb, "--", &unit]).explained_by(why(&unit));
    vec![run, stays_up(&unit)]
}

/// Sees whether a unit that was started still runs a moment later: a simple daemon counts as started before it has looked
/// at its configuration.
pub(super) fn stays_up(unit: &str) -> Run {
    const SCRIPT: &str = "for moment in 1 2 3; do sleep 0.2; \
case $(systemctl show --property=ActiveState,SubState --value -- \"$1\" | tr '\\n' ' ') in \
(*auto-restart*) exit 1;; (active*|reloading*|refreshing*|activating*) ;; (*) exit 1;; esac; done";
    Run::new(["sh", "-c", SCRIPT, "sh", unit]).explained_by(why(unit))
}

/// Gives the command that says why a unit does not run: how its process ended, and the last lines of its journal.
pub(super) fn why(unit: &str) -> Vec<String> {
    const SCRIPT: &str = r#"value() { systemctl show --property="$1" --value -- "$unit"; }
unit=$1; code=$(value ExecMainCode) status=$(value ExecMainStatus) result=$(value Result)
case $result in (exit-code) ;; (signal|core-dump) ;; (success|'') result=;; esac
case $code/$status in (1/0|0/*|/*) said=;; (1/*) said="its process ended with exit code $status";;
(2/*|3/*) said="its process was ended by signal $(kill -l "$status" 2>/dev/null || echo "$status")";; (*) said=;; esac
[ -z "$said$result" ] || printf '%s: %s
' "$unit" "${said:+$said, }systemd says ${result:-success}"
journalctl --quiet --no-pager --output=cat --lines=8 --since=-5min --unit="$unit" 2>/dev/null"#;
    ["sh", "-c", SCRIPT, "sh", unit].map(str::to_owned).into()
}
