//! Waiting for containers by asking them, never by sleeping for a while and hoping.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use bollard::{
    errors::Error, models::ContainerInspectResponse, query_parameters::LogsOptionsBuilder,
};
use futures_util::StreamExt;
use tasks::estate::{Init, Location};
use tokio::{io::AsyncReadExt, net::TcpStream, time};

use super::{DockerError, EstateContainers, HostSpec, Progress, exec, systemd::Unit};

const SSH_DEADLINE: Duration = Duration::from_secs(60);

/// How often a port is tried; the SSH server of a fresh container is up after a few tries.
const POLL: Duration = Duration::from_millis(50);

/// How long services that may wait for others are given once those are ready.
const GRACE: Duration = Duration::from_secs(4);

/// How many lines of a log an error shows.
const TAIL: usize = 15;

impl EstateContainers {
    /// Waits until the SSH server of a host greets.
    pub(super) async fn wait_for_ssh(
        &self,
        host: &HostSpec,
        container: &str,
    ) -> Result<(), DockerError> {
        let started = Instant::now();
        while started.elapsed() < SSH_DEADLINE {
            // Nothing is sent to an address that is not known to be the container's: elsewhere it may be a stranger's.
            let state = self.inspect(&host.name, container).await?;
            if !is_running(&state) {
                return Err(self
                    .ended(&host.name, container, "its SSH server answered")
                    .await);
            }
            if self.has_address(&state, (host.side, host.address)) && greets(host.address).await {
                return Ok(());
            }
            time::sleep(POLL).await;
        }
        Err(DockerError::SshNotReady {
            host: host.name.clone(),
            address: host.address,
            waited: SSH_DEADLINE,
        })
    }

    /// Waits until every supervised service is ready: its check passes, or systemd says that it is active. Gives those of the late ones that
    /// are not soon after all others, and those that booting does not start.
    pub(super) async fn wait_for_services(
        &self,
        host: &HostSpec,
        container: &str,
        deadline: Duration,
        progress: &Progress<'_>,
    ) -> Result<Vec<String>, DockerError> {
        let services = host.supervised(self.init);
        let started = Instant::now();
        let mut others_ready: Option<Instant> = None;
        let mut said = String::new();
        loop {
            let Round {
                pending,
                not_begun,
                failed,
            } = match self.round(container, &services).await {
                Ok(round) => round,
                Err(error) => {
                    if !is_running(&self.inspect(&host.name, container).await?) {
                        return Err(self
                            .ended(&host.name, container, "its services were ready")
                            .await);
                    }
                    return Err(DockerError::request(format!(
                        "ask for the services of {}",
                        host.name
                    ))(error));
                }
            };
            let is_late = |service: &String| host.late.contains(service);
            let all_late = pending.iter().all(is_late);
            others_ready = others_ready
                .filter(|_| all_late)
                .or(all_late.then(Instant::now));
            if pending.is_empty() || others_ready.is_some_and(|since| since.elapsed() > GRACE) {
                return Ok([pending, not_begun].concat());
            }
            // Nobody starts again what has failed under systemd.
            let failed = failed.into_iter().find(|it| !is_late(it));
            if failed.is_some() || started.elapsed() >= deadline {
                let service = failed.or_else(|| pending.first().cloned());
                let service = service.unwrap_or_else(|| self.init.as_str().to_owned());
                return Err(DockerError::ServiceNotReady {
                    host: host.name.clone(),
                    output: self.last_words(container, &service).await,
                    service,
                    waited: started.elapsed(),
                });
            }
            let doing = format!("waiting for {}", pending.join(", "));
            if doing != said {
                progress(&host.name, &doing);
                said = doing;
            }
            time::sleep(2 * POLL).await;
        }
    }

    /// Asks once which services are not ready; a short while, so that progress can say what is missing.
    async fn round(&self, container: &str, services: &[String]) -> Result<Round, Error> {
        match self.init {
            Init::Runit => {
                let mut argv = vec!["sv", "-w", "2", "check"];
                argv.extend(services.iter().map(String::as_str));
                let answer = exec::run(self.docker(), container, &argv, b"").await?;
                // The exit code does not tell: to sv(8) a service that has just died is in order as well.
                Ok(Round {
                    pending: pending(services, &answer.text()),
                    ..Round::default()
                })
            }
            Init::Systemd => Ok(match self.units(container, services).await? {
                Some(units) => Round::of(units),
                None => Round {
                    pending: services.to_vec(),
                    ..Round::default()
                },
            }),
        }
    }

    /// Reads what a service has said last.
    async fn last_words(&self, container: &str, service: &str) -> String {
        match self.init {
            Init::Runit => self.last_lines(container, &format!("{service}: ")).await,
            Init::Systemd => self.journal(container, service).await,
        }
    }

    pub(super) async fn inspect(
        &self,
        host: &str,
        container: &str,
    ) -> Result<ContainerInspectResponse, DockerError> {
        self.docker()
            .inspect_container(container, None)
            .await
            .map_err(DockerError::request(format!(
                "look at the container of {host}"
            )))
    }

    async fn ended(&self, host: &str, container: &str, waiting_for: &str) -> DockerError {
        DockerError::Ended {
            host: host.to_owned(),
            waiting_for: waiting_for.to_owned(),
            output: self.last_lines(container, "").await,
        }
    }

    fn has_address(
        &self,
        state: &ContainerInspectResponse,
        (side, address): (Location, Ipv4Addr),
    ) -> bool {
        let networks = state
            .network_settings
            .as_ref()
            .and_then(|settings| settings.networks.as_ref());
        networks
            .and_then(|networks| {
                networks
                    .get(&self.network_name(side))?
                    .ip_address
                    .as_deref()
            })
            .is_some_and(|actual| actual == address.to_string())
    }

    /// Reads the last lines of a container's log that start with a prefix, for an error.
    pub(super) async fn last_lines(&self, container: &str, prefix: &str) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("500")
            .build();
        let mut log = self.docker().logs(container, Some(options));
        let mut text = String::new();
        while let Some(Ok(part)) = log.next().await {
            text.push_str(&part.to_string());
        }
        let lines: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix(prefix))
            .collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

/// What one look at the services has found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    /// Those that are not ready.
    pending: Vec<String>,
    /// Those that booting does not start.
    not_begun: Vec<String>,
    /// Those of the pending ones that nobody starts again.
    failed: Vec<String>,
}

impl Round {
    fn of(units: Vec<Unit>) -> Self {
        let mut round = Self::default();
        for unit in units.into_iter().filter(|unit| !unit.is_ready()) {
            if unit.is_not_begun() {
                round.not_begun.push(unit.name);
                continue;
            }
            if unit.has_failed() {
                round.failed.push(unit.name.clone());
            }
            round.pending.push(unit.name);
        }
        round
    }
}

pub(super) fn is_running(state: &ContainerInspectResponse) -> bool {
    state.state.as_ref().and_then(|state| state.running) == Some(true)
}

/// Picks the services that `sv check` has not reported as `ok: run: NAME: …`.
fn pending(services: &[String], answer: &str) -> Vec<String> {
    let ready: Vec<&str> = answer
        .lines()
        .filter_map(|line| line.strip_prefix("ok: run: ")?.split(':').next())
        .collect();
    services
        .iter()
        .filter(|service| !ready.contains(&service.as_str()))
        .cloned()
        .collect()
}

async fn greets(address: Ipv4Addr) -> bool {
    let greeting = async {
        let mut stream = TcpStream::connect((address, 22)).await?;
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).await?;
        Ok::<bool, std::io::Error>(&greeting == b"SSH-")
    };
    matches!(
        time::timeout(Duration::from_secs(2), greeting).await,
        Ok(Ok(true))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_pending_until_sv_says_that_it_runs() {
        let services = ["cron", "exim4", "ssh"].map(str::to_owned);
        let answer = "ok: run: cron: (pid 42) 1s\ntimeout: run: exim4: (pid 7) 2s\n";
        assert_eq!(pending(&services, answer), ["exim4", "ssh"]);
    }
}
