//! systemd as the first process of containers in test mode: what it needs, whether the engine gives it, and what it says of units.
//!
//! Whether an engine can do it is tried, not guessed: a container with the same rights does what systemd would do first, and says
//! what is in the way. That comes before anything of the estate is changed.

use std::time::Duration;

use bollard::{
    errors::Error,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tasks::estate::Init;

use super::{
    DockerError, EstateContainers, HostSpec, ServiceState, ServiceStatus,
    container::LANG,
    engine::{label, labels},
    exec,
    rights::{boot, with_rights},
};

/// What systemd says of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Unit {
    /// Its name, without the suffix of services.
    pub(super) name: String,
    load: String,
    active: String,
    sub: String,
    file: String,
    kind: String,
    pid: u32,
    since: Duration,
}

/// How long a service that does not tell when it is ready has to run before it is believed to stay: systemd calls it active from its first
/// moment, also one that is about to fail.
const STAYS: Duration = Duration::from_secs(5);

impl Unit {
    fn read(name: &str, block: &str, uptime: Duration) -> Self {
        let value = |key: &str| {
            let mut lines = block.lines();
            let line = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        let changed = value("StateChangeTimestampMonotonic").parse().unwrap_or(0);
        Self {
            name: name.to_owned(),
            load: value("LoadState"),
            active: value("ActiveState"),
            sub: value("SubState"),
            file: value("UnitFileState"),
            kind: value("Type"),
            pid: value("MainPID").parse().unwrap_or(0),
            since: uptime.saturating_sub(Duration::from_micros(changed)),
        }
    }

    fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Tells whether it is as it should be, and stays so.
    pub(super) fn is_ready(&self) -> bool {
        let tells = !matches!(self.kind.as_str(), "simple" | "exec" | "idle");
        self.is_active() && (tells || self.sub == "exited" || self.since >= STAYS)
    }

    /// Tells whether booting does not start it: `prov complete` has still to enable it.
    pub(super) fn is_not_begun(&self) -> bool {
        let is_off = matches!(self.file.as_str(), "disabled" | "masked" | "");
        self.load != "loaded" || is_off && self.active == "inactive"
    }

    /// Tells whether it has ended and nobody starts it again.
    pub(super) fn has_failed(&self) -> bool {
        self.active == "failed"
    }

    fn state(&self) -> ServiceState {
        match self.active.as_str() {
            _ if self.sub.starts_with("auto-restart") => ServiceState::Down,
            "deactivating" => ServiceState::Finishing,
            "activating" => ServiceState::Running { pid: self.pid },
            _ if self.is_active() => ServiceState::Running { pid: self.pid },
            _ => ServiceState::Down,
        }
    }
}

impl From<Unit> for ServiceStatus {
    fn from(unit: Unit) -> Self {
        Self {
            state: unit.state(),
            since: unit.since,
            name: unit.name,
        }
    }
}

/// Reads what `systemctl show` says of units, after the machine's seconds since it was booted.
fn read(names: &[String], text: &str) -> Option<Vec<Unit>> {
    let (uptime, rest) = text.split_once('\n')?;
    let uptime = uptime.split(' ').next()?.parse().ok()?;
    let uptime = Duration::try_from_secs_f64(uptime).ok()?;
    let blocks: Vec<_> = rest.trim_end().split("\n\n").collect();
    (blocks.len() == names.len()).then(|| {
        let pairs = names.iter().zip(blocks);
        let read = |(name, block): (&String, &str)| Unit::read(name, block, uptime);
        pairs.map(read).collect()
    })
}

const SHOW: &str = "cat /proc/uptime; exec systemctl show \
--property=LoadState,ActiveState,SubState,UnitFileState,Type,MainPID,StateChangeTimestampMonotonic -- \"$@\"";

/// What a process has written when it ended may still be on its way to the journal.
const LAST_WORDS: &str = "journalctl --sync >/dev/null 2>&1; \
exec journalctl --quiet --no-pager --output=cat --lines=15 --unit=\"$1\"";

impl EstateContainers {
    /// Asks systemd in a container for units; nothing while it does not answer yet.
    pub(super) async fn units(
        &self,
        container: &str,
        names: &[String],
    ) -> Result<Option<Vec<Unit>>, Error> {
        let units: Vec<_> = names.iter().map(|name| format!("{name}.service")).collect();
        let mut argv = vec!["sh", "-c", SHOW, "sh"];
        argv.extend(units.iter().map(String::as_str));
        let answer = exec::run(self.docker(), container, &argv, b"").await?;
        Ok(read(names, &answer.text()).filter(|_| answer.code == 0))
    }

    /// Gives the last lines of a unit's journal, for an error.
    pub(super) async fn journal(&self, container: &str, unit: &str) -> String {
        let unit = format!("{unit}.service");
        let argv = ["sh", "-c", LAST_WORDS, "sh", &unit];
        let said = exec::run(self.docker(), container, &argv, b"").await;
        said.map(|said| said.text().trim_end().to_owned())
            .unwrap_or_default()
    }

    /// Finds out whether containers from these images can boot what the estate says; changes nothing that lasts.
    pub(super) async fn try_init(&self, images: &[&str]) -> Result<(), DockerError> {
        if self.init == Init::Runit {
            return Ok(());
        }
        for image in images {
            if let Err(cause) = self.trial(image).await? {
                return Err(DockerError::CannotBoot {
                    cause,
                    engine: self.engine_in_words().await,
                });
            }
        }
        Ok(())
    }

    /// Refuses hosts whose containers were made for another supervisor than the estate says.
    pub async fn refuse_other_init(&self, hosts: &[HostSpec]) -> Result<(), DockerError> {
        let all = self.containers(&[]).await?;
        let made_for = |host: &HostSpec| {
            let mut labels = all.iter().filter_map(|summary| summary.labels.as_ref());
            let labels = labels.find(|labels| labels.get(label::HOST) == Some(&host.name))?;
            // Before there was a choice, there was one supervisor.
            let init = labels.get(label::INIT).and_then(|word| Init::parse(word));
            Some(init.unwrap_or_default())
        };
        let others = hosts.iter().filter_map(|host| {
            let have = made_for(host).filter(|have| *have != self.init)?;
            Some((host.name.clone(), have))
        });
        let (hosts, had): (Vec<_>, Vec<_>) = others.unzip();
        match had.first() {
            None => Ok(()),
            Some(&have) => Err(DockerError::OtherInit {
                hosts,
                have,
                want: self.init,
            }),
        }
    }

    /// Tries it in a container of its own; gives what is in the way.
    async fn trial(&self, image: &str) -> Result<Result<(), String>, DockerError> {
        // No host can have this name.
        let name = self.container_name("-trial");
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            env: Some(vec![LANG.to_owned()]),
            entrypoint: Some(vec![boot(), "try".to_owned()]),
            labels: Some(labels([
                (label::ROLE, "container"),
                (label::ESTATE, &self.estate),
            ])),
            host_config: Some(with_rights(HostConfig {
                network_mode: Some("none".to_owned()),
                ..HostConfig::default()
            })),
            ..ContainerCreateBody::default()
        };
        let container = match self.create_named(&name, body).await {
            Ok(container) => container,
            Err(DockerError::Request { source, .. }) if is_refusal(&source) => {
                return Ok(Err(source.to_string()));
            }
            Err(error) => return Err(error),
        };
        let tried = self.tried(&container).await;
        self.remove(&container).await?;
        tried
    }

    async fn tried(&self, container: &str) -> Result<Result<(), String>, DockerError> {
        match self.docker().start_container(container, None).await {
            Ok(()) => {}
            Err(error) if is_refusal(&error) => return Ok(Err(error.to_string())),
            Err(error) => {
                return Err(DockerError::request("try to boot systemd in a container")(
                    error,
                ));
            }
        }
        let options = WaitContainerOptionsBuilder::new().build();
        let mut ended = self.docker().wait_container(container, Some(options));
        match ended.next().await {
            Some(Ok(_)) => Ok(Ok(())),
            Some(Err(Error::DockerContainerWaitError { code, .. })) => {
                let said = self.last_lines(container, "").await;
                let said = said.trim();
                Ok(Err(if said.is_empty() {
                    format!("the trial ended with exit code {code}")
                } else {
                    said.to_owned()
                }))
            }
            Some(Err(error)) => Err(DockerError::request("try to boot systemd in a container")(
                error,
            )),
            None => Ok(Err("the engine did not say how the trial ended".to_owned())),
        }
    }

    async fn engine_in_words(&self) -> String {
        let Ok(info) = self.docker().info().await else {
            return "an engine that does not tell its version".to_owned();
        };
        let mut words = vec![format!(
            "version {}",
            info.server_version.unwrap_or_default()
        )];
        if let Some(version) = info.cgroup_version {
            words.push(format!("cgroup version {version}"));
        }
        let options = info.security_options.unwrap_or_default();
        for known in ["rootless", "userns"] {
            let mut names = options.iter().flat_map(|option| option.split(','));
            if names.any(|name| name == format!("name={known}")) {
                words.push(known.to_owned());
            }
        }
        words.join(", ")
    }
}

/// Tells whether an engine has understood what is wanted, and does not want to.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError { status_code, .. } if *status_code != 404
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str, sub: &str, file: &str) -> Unit {
        let block = format!(
            "LoadState=loaded\nActiveState={active}\nSubState={sub}\nUnitFileState={file}\nMainPID=7\n\
             StateChangeTimestampMonotonic=1500000"
        );
        Unit::read("x", &block, Duration::from_secs(8))
    }

    #[test]
    fn each_unit_gets_its_own_block_and_its_age() {
        let names = ["cron", "gone"].map(str::to_owned);
        let text = "104.50 200.00\nLoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nMainPID=42\n\
                    StateChangeTimestampMonotonic=4500000\n\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n";
        let units = read(&names, text).unwrap();
        assert!(units[0].is_ready() && !units[0].is_not_begun());
        assert!(!units[1].is_ready() && units[1].is_not_begun());
        let status = ServiceStatus::from(units[0].clone());
        assert_eq!(status.name, "cron");
        assert_eq!(status.state, ServiceState::Running { pid: 42 });
        assert_eq!(status.since, Duration::from_secs(100));
        // An answer of a systemd that does not run yet.
        assert_eq!(read(&names, "104.50 200.00\n"), None);
        assert_eq!(read(&names, ""), None);
    }

    #[test]
    fn what_does_not_tell_when_it_is_ready_has_to_stay_first() {
        let block = |kind: &str| {
            format!(
                "ActiveState=active\nSubState=running\nType={kind}\nStateChangeTimestampMonotonic=1500000"
            )
        };
        for (kind, millis, ready) in [
            ("simple", 100, false),
            ("exec", 4999, false),
            ("idle", 100, false),
            ("simple", 5000, true),
            ("notify", 0, true),
            ("forking", 0, true),
            ("dbus", 0, true),
        ] {
            let uptime = Duration::from_millis(1500 + millis);
            let unit = Unit::read("x", &block(kind), uptime);
            assert_eq!(unit.is_ready(), ready, "{kind} {millis}");
            assert_eq!(unit.state(), ServiceState::Running { pid: 0 }, "{kind}");
        }
        let done = block("simple").replace("running", "exited");
        assert!(Unit::read("x", &done, Duration::from_millis(1500)).is_ready());
    }

    #[test]
    fn what_booting_does_not_start_is_told_from_what_has_failed() {
        for (active, sub, file, ready, not_begun, failed) in [
            ("active", "running", "enabled", true, false, false),
            ("active", "exited", "static", true, false, false),
            ("activating", "start", "enabled", false, false, false),
            ("activating", "auto-restart", "enabled", false, false, false),
            ("failed", "failed", "enabled", false, false, true),
            ("inactive", "dead", "enabled", false, false, false),
            ("inactive", "dead", "disabled", false, true, false),
            ("inactive", "dead", "masked", false, true, false),
            ("active", "running", "disabled", true, false, false),
        ] {
            let unit = unit(active, sub, file);
            assert_eq!(
                (unit.is_ready(), unit.is_not_begun(), unit.has_failed()),
                (ready, not_begun, failed),
                "{active} {sub} {file}"
            );
        }
        let looping = unit("activating", "auto-restart", "enabled");
        assert_eq!(looping.state(), ServiceState::Down);
    }
}
