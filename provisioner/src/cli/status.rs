//! `prov status` and `prov logs`.

use crate::report::print::{self, jsonln, outln};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::json;

use super::app::App;
use super::arguments::{Logs, Names};
use crate::docker::{HostState, HostStatus, Mode, ServiceState, ServiceStatus};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{printable, seconds};

pub(super) async fn status(app: &App, options: &Names) -> Result<u8, Problem> {
    let (hosts, stand_ins) = app.named_with_stand_ins(options)?;
    let containers = app.containers().await?;
    let all = containers.list().await?;
    let looks = hosts.iter().map(|host| {
        let (containers, found) = (
            &containers,
            all.iter().find(|status| status.host == host.name()),
        );
        async move {
            let services = match found {
                Some(status) if status.state == HostState::Running && status.mode == Mode::Test => {
                    containers.services(host.name()).await?
                }
                Some(_) | None => Vec::new(),
            };
            Ok::<_, Problem>((host.name(), found, services))
        }
    });
    let mut rows = Vec::new();
    for look in join_all(looks).await {
        rows.push(look?);
    }
    if app.json() {
        let hosts: Vec<_> = rows
            .iter()
            .map(|(host, found, services)| {
                json!({
                    "host": host,
                    "mode": found.map(|status| status.mode.as_str()),
                    "running": found.is_some_and(|status| status.state == HostState::Running),
                    "address": found.and_then(|status| status.address),
                    "since": found.map(|status| status.since.clone()),
                    "services": services.iter().map(service_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        let stand_ins: Vec<_> = stand_ins
            .iter()
            .map(|stand_in| {
                let found = all.iter().find(|status| status.host == stand_in.name());
                json!({
                    "stand_in": stand_in.name(),
                    "running": found.is_some_and(|status| status.state == HostState::Running),
                    "address": found.and_then(|status| status.address),
                    "since": found.map(|status| status.since.clone()),
                })
            })
            .collect();
        jsonln!("{:#}", json!({ "hosts": hosts, "stand_ins": stand_ins }));
        return Ok(exit::DONE);
    }
    for (host, found, services) in rows {
        container(host, found);
        for service in services {
            let (style, word) = state(service.state);
            let since = seconds(service.since);
            outln!("    {:<20} {} {since}", service.name, paint(style, word));
        }
    }
    for stand_in in stand_ins {
        let found = all.iter().find(|status| status.host == stand_in.name());
        container(stand_in.name(), found);
    }
    Ok(exit::DONE)
}

/// Prints the line of a container.
fn container(name: &str, found: Option<&HostStatus>) {
    let Some(status) = found else {
        outln!("{name:<24} {}", paint(style::FAINT, "no container"));
        return;
    };
    let address = status
        .address
        .map(|address| address.to_string())
        .unwrap_or_default();
    let running = status.state == HostState::Running;
    let since = paint(
        if running { style::GOOD } else { style::BAD },
        &status.since,
    );
    outln!(
        "{} {:<8} {address:<13} {since}",
        paint(style::STRONG, &format!("{name:<24}")),
        status.mode.as_str()
    );
}

const fn state(state: ServiceState) -> (anstyle::Style, &'static str) {
    match state {
        ServiceState::Running { .. } => (style::GOOD, "running"),
        ServiceState::Down => (style::BAD, "down   "),
        ServiceState::Finishing => (style::CHANGE, "ending "),
    }
}

fn service_json(service: &ServiceStatus) -> serde_json::Value {
    json!({
        "name": service.name,
        "state": state(service.state).1.trim_end(),
        "since_s": service.since.as_secs(),
    })
}

pub(super) async fn logs(app: &App, options: &Logs) -> Result<u8, Problem> {
    let (hosts, stand_ins) = app.named_with_stand_ins(&options.names)?;
    let hosts = hosts.iter().map(|host| host.name().to_owned());
    let stand_ins = stand_ins.iter().map(|stand_in| stand_in.name().to_owned());
    let mut hosts: Vec<_> = hosts.chain(stand_ins).collect();
    let containers = app.containers().await?;
    if options.names.names.is_empty() && app.global.limit.is_none() {
        // Whoever names nobody means what there is.
        let all = containers.list().await?;
        hosts.retain(|host| all.iter().any(|status| status.host == *host));
    }
    let width = hosts.iter().map(String::len).max().unwrap_or(0);
    let mut lines = Box::pin(
        containers
            .logs(&hosts, options.follow, Some(options.tail))
            .await?,
    );
    while let Some(line) = lines.next().await {
        if print::closed() {
            break;
        }
        let line = line?;
        if app.json() {
            jsonln!("{}", json!({ "host": line.host, "line": line.line }));
        } else {
            let host = paint(style::FAINT, &format!("{:<width$}", line.host));
            outln!("{host} {}", printable(&line.line));
        }
    }
    Ok(exit::DONE)
}
