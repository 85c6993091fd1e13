//! What runs: hosts, their services, their logs.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use bollard::{
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::LogsOptionsBuilder,
};
use futures_util::{Stream, StreamExt, stream};

use tasks::estate::Init;

use super::{DockerError, EstateContainers, HostSpec, Mode, engine::label};

/// Tells the state of a host's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// It runs.
    Running,
    /// It was created, but never started.
    Created,
    /// It has ended.
    Stopped,
    /// It is frozen, as during a commit.
    Paused,
    /// Something else: restarting, being removed, dead.
    Other,
}

/// Describes a host's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostStatus {
    /// The host's name.
    pub host: String,
    /// The container's state.
    pub state: HostState,
    /// What it runs.
    pub mode: Mode,
    /// Its address on the estate's network; that of a router on the outer one.
    pub address: Option<Ipv4Addr>,
    /// Docker's wording with the time: `Up 5 minutes`, `Exited (0) 2 hours ago`.
    pub since: String,
    /// When it was created, in seconds since 1970.
    pub created: i64,
}

/// Tells what a supervised service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// It runs.
    Running {
        /// Its process.
        pid: u32,
    },
    /// It does not run; the supervisor starts it again unless it was told not to.
    Down,
    /// Its `finish` script runs.
    Finishing,
}

/// Describes a supervised service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The service's name.
    pub name: String,
    /// What it does.
    pub state: ServiceState,
    /// For how long.
    pub since: Duration,
}

/// Holds one line of a host's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The host's name.
    pub host: String,
    /// The line; in test mode it starts with the service's name and a colon.
    pub line: String,
}

impl EstateContainers {
    /// Lists the estate's hosts that have a container, by name. One request to the engine.
    pub async fn list(&self) -> Result<Vec<HostStatus>, DockerError> {
        let networks = self.network_names();
        let mut hosts: Vec<HostStatus> = self
            .containers(&[])
            .await?
            .into_iter()
            .filter_map(|summary| host_status(summary, &networks))
            .collect();
        // A successor that has not taken over yet comes after the container that it is to replace.
        hosts.sort_by(|a, b| (&a.host, a.created).cmp(&(&b.host, b.created)));
        hosts.dedup_by(|later, first| later.host == first.host);
        Ok(hosts)
    }

    /// Lists the supervised services of a host in test mode; empty in deploy mode. What it should run is asked only where systemd has
    /// other services, too.
    pub async fn services(
        &self,
        host: &str,
        should_run: Option<&HostSpec>,
    ) -> Result<Vec<ServiceStatus>, DockerError> {
        if let (Init::Systemd, Some(should_run)) = (self.init, should_run) {
            let names = should_run.supervised(self.init);
            let container = self.running(host).await?;
            let doing = || format!("ask for the services of {host}");
            let units = self.units(&container, &names).await;
            let units = units.map_err(DockerError::request(doing()))?;
            return Ok(units.into_iter().flatten().map(Into::into).collect());
        }
        let answer = self
            .exec(
                host,
                &[
                    "sh",
                    "-c",
                    "[ ! -d /run/service ] || sv status /run/service/*",
                ],
                b"",
            )
            .await?;
        Ok(answer.text().lines().filter_map(service_status).collect())
    }

    /// Streams the logs of hosts; all hosts of the estate if none are named. With `follow` it ends only with them. From when on, in
    /// seconds since 1970, is said for each host; from its beginning where it is not.
    pub async fn logs(
        &self,
        hosts: &[String],
        follow: bool,
        tail: Option<usize>,
        since: &HashMap<String, u64>,
    ) -> Result<impl Stream<Item = Result<LogLine, DockerError>> + Send + 'static, DockerError>
    {
        let mut containers: HashMap<String, String> = self
            .containers(&[])
            .await?
            .into_iter()
            .filter_map(|summary| Some((summary.labels?.remove(label::HOST)?, summary.id?)))
            .collect();
        let chosen: Vec<(String, String)> = if hosts.is_empty() {
            let mut all: Vec<_> = containers.into_iter().collect();
            all.sort();
            all
        } else {
            let mut chosen = Vec::with_capacity(hosts.len());
            for host in hosts {
                let (host, id) = containers
                    .remove_entry(host)
                    .ok_or_else(|| DockerError::NoContainer { host: host.clone() })?;
                chosen.push((host, id));
            }
            chosen
        };
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let streams: Vec<_> = chosen
            .into_iter()
            .map(|(host, id)| {
                let since = since.get(&host).copied().unwrap_or(0);
                self.log_of(host, &id, follow, &tail, since).boxed()
            })
            .collect();
        Ok(stream::select_all(streams))
    }

    fn log_of(
        &self,
        host: String,
        container: &str,
        follow: bool,
        tail: &str,
        since: u64,
    ) -> impl Stream<Item = Result<LogLine, DockerError>> + Send + 'static + use<> {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(follow)
            .since(i32::try_from(since).unwrap_or(i32::MAX))
            .tail(tail)
            .build();
        let docker = self.docker().clone();
        let log = docker.logs(container, Some(options));
        log.map(Some)
            .chain(stream::iter([None]))
            .scan(Vec::new(), move |rest: &mut Vec<u8>, part| {
                let lines = match part {
                    Some(Ok(part)) => {
                        rest.extend_from_slice(part.as_ref());
                        complete_lines(rest)
                    }
                    Some(Err(error)) => {
                        let doing = format!("read the log of {host}");
                        return std::future::ready(Some(vec![Err(DockerError::request(doing)(
                            error,
                        ))]));
                    }
                    None if rest.is_empty() => Vec::new(),
                    None => vec![String::from_utf8_lossy(rest).into_owned()],
                };
                let lines = lines.into_iter().map(|line| {
                    Ok(LogLine {
                        host: host.clone(),
                        line,
                    })
                });
                std::future::ready(Some(lines.collect()))
            })
            .flat_map(stream::iter)
    }
}

pub(super) fn host_status(summary: ContainerSummary, ours: &[String]) -> Option<HostStatus> {
    let labels = summary.labels?;
    let address = summary
        .network_settings
        .and_then(|settings| settings.networks)
        .and_then(|mut networks| ours.iter().find_map(|network| networks.remove(network)))
        .and_then(|endpoint| {
            let fixed = endpoint.ipam_config.and_then(|config| config.ipv4_address);
            endpoint
                .ip_address
                .filter(|address| !address.is_empty())
                .or(fixed)
        });
    Some(HostStatus {
        host: labels.get(label::HOST)?.clone(),
        mode: Mode::parse(labels.get(label::MODE)?)?,
        state: match summary.state? {
            ContainerSummaryStateEnum::RUNNING => HostState::Running,
            ContainerSummaryStateEnum::CREATED => HostState::Created,
            ContainerSummaryStateEnum::EXITED => HostState::Stopped,
            ContainerSummaryStateEnum::PAUSED => HostState::Paused,
            ContainerSummaryStateEnum::EMPTY
            | ContainerSummaryStateEnum::RESTARTING
            | ContainerSummaryStateEnum::REMOVING
            | ContainerSummaryStateEnum::STOPPING
            | ContainerSummaryStateEnum::DEAD => HostState::Other,
        },
        address: address.and_then(|address| address.parse().ok()),
        since: summary.status.unwrap_or_default(),
        created: summary.created.unwrap_or_default(),
    })
}

/// Reads a line of sv(8): `run: /run/service/ssh: (pid 44) 1s; run: log: …` or `down: NAME: 3s, normally up`.
fn service_status(line: &str) -> Option<ServiceStatus> {
    let line = line.split(';').next()?;
    let (state, rest) = line.split_once(": ")?;
    let (path, rest) = rest.split_once(": ")?;
    let mut words = rest.split([' ', ',']).filter(|word| !word.is_empty());
    let mut word = words.next()?;
    let mut pid = 0;
    if word == "(pid" {
        pid = words.next()?.trim_end_matches(')').parse().ok()?;
        word = words.next()?;
    }
    Some(ServiceStatus {
        name: path.rsplit('/').next()?.to_owned(),
        state: match state {
            "run" => ServiceState::Running { pid },
            "down" => ServiceState::Down,
            "finish" => ServiceState::Finishing,
            _ => return None,
        },
        since: Duration::from_secs(word.strip_suffix('s')?.parse().ok()?),
    })
}

/// Takes the complete lines out of a buffer.
fn complete_lines(buffer: &mut Vec<u8>) -> Vec<String> {
    let Some(end) = buffer.iter().rposition(|&byte| byte == b'\n') else {
        return Vec::new();
    };
    let rest = buffer.split_off(end + 1);
    let lines = std::mem::replace(buffer, rest);
    String::from_utf8_lossy(&lines)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_service_has_a_process_and_a_duration() {
        let status =
            service_status("run: /run/service/bacula-fd: (pid 41) 125s; run: log: (pid 40) 125s")
                .unwrap();
        assert_eq!(status.name, "bacula-fd");
        assert_eq!(status.state, ServiceState::Running { pid: 41 });
        assert_eq!(status.since, Duration::from_secs(125));
    }

    #[test]
    fn a_service_that_is_down_has_only_a_duration() {
        let status = service_status(
            "down: /run/service/exim4: 1s, normally up, want up; run: log: (pid 3) 9s",
        )
        .unwrap();
        assert_eq!(
            (status.state, status.since),
            (ServiceState::Down, Duration::from_secs(1))
        );
    }

    #[test]
    fn what_is_not_a_status_is_passed_over() {
        assert_eq!(
            service_status("fail: ssh: unable to change to service directory: file does not exist"),
            None
        );
    }

    #[test]
    fn lines_wait_for_their_end() {
        let mut buffer = b"one\ntwo\nthr".to_vec();
        assert_eq!(complete_lines(&mut buffer), ["one", "two"]);
        assert_eq!(buffer, b"thr");
    }
}
