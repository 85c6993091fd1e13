//! `prov status`: what containers and their services do, and how servers are.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;
use tasks::domain::role::DomainWork;
use tasks::estate::{Host, Init, ROUTER};
use tasks::health::{Watched, backup_of};
use tasks::probe::{BackupFact, Catalogue, Facts, Query, QuerySet};
use tasks::promise::{Director, Promises};
use tasks::role::HostContext;

use super::app::App;
use super::arguments::{Names, Status};
use super::containers::specs;
use crate::docker::{HostState, HostStatus, Mode, ServiceState, ServiceStatus};
use crate::engine::{self, Failure};
use crate::report::health::{self, Row, ServerHealth};
use crate::report::print::{jsonln, out, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::seconds;

pub(super) async fn run(app: &App, options: &Status) -> Result<u8, Problem> {
    if app.estate.networks().is_some() {
        return containers(app, &options.names).await;
    }
    let hosts = app.named(&options.names)?;
    let rows = servers(app, &hosts).await?;
    if app.json() {
        let hosts: Vec<_> = rows.iter().map(health::json).collect();
        jsonln!("{:#}", json!({ "hosts": hosts }));
    } else {
        for row in &rows {
            out(format_args!("{}", health::host(row)));
        }
        outln!("{}", health::closing(&rows));
    }
    Ok(code(&rows, options.exit_code))
}

fn code(rows: &[Row], counts: bool) -> u8 {
    let failures = || rows.iter().filter_map(|row| row.known.as_ref().err());
    let is_found = |row: &Row| row.findings().is_some_and(|findings| !findings.is_empty());
    if failures().any(|failure| !failure.unreachable) || counts && rows.iter().any(is_found) {
        exit::FAILED
    } else if failures().next().is_some() {
        exit::UNREACHABLE
    } else {
        exit::DONE
    }
}

/// Asks servers how they are, all at once. A director of backups is asked about them where it is none of them.
async fn servers(app: &App, hosts: &[&Host]) -> Result<Vec<Row>, Problem> {
    let work = DomainWork::setup(&app.domains);
    let (promises, _) = Promises::collect(&app.estate, &app.domains, &app.templates, &app.inputs);
    let director = promises.directors.first();
    let mut watched = Vec::new();
    for host in hosts {
        let context = HostContext::new(&app.estate, host, &app.inputs, &app.templates);
        let domains = work.resources(&app.estate, host, &app.inputs, &app.templates)?;
        let mut one = Watched::of(&context, &domains)?;
        let mut backed_up = promises.file_daemons.iter();
        one.is_backed_up = backed_up.any(|it| it.scheduled && it.host == host.name());
        one.catalogue = catalogue(director, host);
        watched.push(one);
    }
    let mut asked: Vec<_> = hosts.iter().copied().zip(watched.iter().cloned()).collect();
    let far = director.filter(|it| hosts.iter().all(|host| host.name() != it.host));
    if watched.iter().any(|one| one.is_backed_up)
        && let Some(host) = far.and_then(|it| app.estate.host(&it.host))
    {
        let catalogue = catalogue(director, host);
        let only = Watched {
            catalogue,
            ..Watched::default()
        };
        asked.push((host, only));
    }
    let names: Vec<_> = asked.iter().map(|(host, _)| *host).collect();
    let targets = app.targets(&names).await?;
    let questions = asked.iter().map(|(_, watched)| {
        let asked = [Query::Health(watched.question())];
        asked
            .into_iter()
            .chain(QuerySet::of_every_host().queries())
            .collect::<QuerySet>()
    });
    let work: Vec<_> = targets.into_iter().zip(questions).collect();
    let facts = engine::on_all(
        work,
        app.global.forks,
        |((_, target), queries)| async move {
            let facts = engine::ask(&target?, &queries).await;
            facts.map_err(Failure::from)
        },
    );
    let facts = facts.await;
    let jobs = asked.iter().zip(&facts).find_map(|((host, _), facts)| {
        let is_director = director.is_some_and(|it| it.host == host.name());
        let fact = facts
            .as_ref()
            .ok()
            .filter(|_| is_director)?
            .health
            .as_ref()?;
        fact.backups.clone()
    });
    let rows = hosts.iter().zip(watched).zip(facts);
    let rows = rows.map(|((host, watched), facts)| Row {
        host: host.name().to_owned(),
        known: facts.and_then(|facts| known(host, watched, &facts, jobs.as_ref())),
    });
    Ok(rows.collect())
}

/// Says where a host remembers the jobs of backups, if it is the director's.
fn catalogue(director: Option<&Director>, host: &Host) -> Option<Catalogue> {
    let director = director.filter(|it| it.host == host.name())?;
    Some(director.catalogue.clone())
}

fn known(
    host: &Host,
    watched: Watched,
    facts: &Facts,
    jobs: Option<&BTreeMap<String, BackupFact>>,
) -> Result<ServerHealth, Failure> {
    let Some(fact) = facts.health.clone() else {
        return Err(Failure::new(
            "internal error: it was not asked how it is",
            "report this",
        ));
    };
    let backup = jobs.filter(|_| watched.is_backed_up);
    let backup = backup.map(|jobs| backup_of(jobs, host.name()));
    let release = facts.release.as_ref();
    Ok(ServerHealth {
        release: release.map_or_else(String::new, |it| format!("{} {}", it.id, it.codename)),
        findings: watched.findings(&fact, facts.manager, backup.as_ref()),
        services: watched.services,
        backup,
        fact,
    })
}

async fn containers(app: &App, options: &Names) -> Result<u8, Problem> {
    let (hosts, stand_ins) = app.named_with_stand_ins(options)?;
    let containers = app.containers().await?;
    let all = containers.list().await?;
    let is_everything = options.names.is_empty() && app.global.limit.is_none();
    let router = app.estate.sides().filter(|_| is_everything);
    let router = router.map(|_| all.iter().find(|status| status.mode == Mode::Router));
    let specs = match app.estate.init() {
        Init::Runit => Vec::new(),
        Init::Systemd => specs(app, &hosts)?,
    };
    let looks = hosts.iter().enumerate().map(|(index, host)| {
        let spec = specs.get(index);
        let (containers, found) = (
            &containers,
            all.iter().find(|status| status.host == host.name()),
        );
        async move {
            let services = match found {
                Some(status) if status.state == HostState::Running && status.mode == Mode::Test => {
                    containers.services(host.name(), spec).await?
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
        let mut told = json!({ "hosts": hosts, "stand_ins": stand_ins });
        if let Some(found) = router {
            told["router"] = json!({
                "running": found.is_some_and(|status| status.state == HostState::Running),
                "address": found.and_then(|status| status.address),
                "since": found.map(|status| status.since.clone()),
            });
        }
        jsonln!("{told:#}");
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
    if let Some(found) = router {
        container(ROUTER, found);
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
