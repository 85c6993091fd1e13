//! `prov verify`: proves that services work, with real clients.

mod backup;
mod calendar;
mod dns;
mod dynamic_dns;
mod mail;
mod web;

use std::error::Error as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tasks::estate::Location;

use super::app::App;
use super::arguments::{Names, Verify};
use super::client;
use super::containers::Shown;
use super::signals;
use crate::docker::{ClientSession, DockerError, EstateContainers, archive_host};
use crate::engine::Failure;
use crate::report::checks::{self as report, failed};
use crate::report::print::outln;
use crate::report::problem::{Problem, exit};
use crate::verify::{self, Check, DnsExpectations};

pub(super) use calendar::server as calendar_server;

/// Services that have acceptance checks.
const SERVICES: [&str; 6] = ["backup", "calendar", "dns", "dynamic_dns", "mail", "web"];

pub(super) async fn run(app: &App, options: &Verify) -> Result<u8, Problem> {
    let started = Instant::now();
    options.reports.ready()?;
    let services = services(app, &options.names)?;
    let checks = checks(app, &services, options.upstream_name.as_deref()).await?;
    let elapsed = started.elapsed();
    options.reports.write(app, &checks, elapsed, &[])?;
    Ok(finish(app, &checks, elapsed))
}

/// Selects the services to verify: those named, or all that have checks.
pub(super) fn services(app: &App, names: &Names) -> Result<Vec<&'static str>, Problem> {
    let mut chosen = Vec::new();
    for name in &names.names {
        let known = app.estate.services().any(|service| service == name);
        match SERVICES.iter().find(|service| *service == name) {
            Some(service) if known => chosen.push(*service),
            Some(_) | None => {
                let hint = tasks::nearest(name, SERVICES).map_or_else(
                    || format!("services with checks are: {}", SERVICES.join(", ")),
                    |nearest| format!("did you mean '{nearest}'?"),
                );
                let what = if known {
                    "has no acceptance checks yet"
                } else {
                    "is no service of the estate"
                };
                return Err(Problem::usage(format!("'{name}' {what}"), hint));
            }
        }
    }
    if names.names.is_empty() {
        let known = |service: &&&str| app.estate.services().any(|name| name == **service);
        chosen.extend(SERVICES.iter().filter(known));
    }
    Ok(chosen)
}

/// Runs the checks of services.
pub(super) async fn checks(
    app: &App,
    services: &[&str],
    upstream_name: Option<&str>,
) -> Result<Vec<Check>, Problem> {
    // While this is held, Ctrl-C ends nothing by itself: clients that are being opened are closed again.
    let _stop = signals::stop_when_asked();
    let mut checks = Vec::new();
    for service in services {
        let made = match *service {
            "backup" => backup::run(app).await,
            "calendar" => calendar(app).await,
            "dns" => dns(app, upstream_name).await,
            "dynamic_dns" => dynamic_dns(app).await,
            "mail" => mail::run(app).await,
            "web" => web::run(app).await,
            _ => Ok(Vec::new()),
        };
        match made {
            Ok(made) => checks.extend(made),
            // One container that does not run must not hide what is known of the others.
            Err(problem) => checks.push(not_made(service, problem)?),
        }
    }
    Ok(checks)
}

/// Turns what kept a service's checks from being made into one that failed, unless it keeps all others, too.
fn not_made(service: &str, problem: Problem) -> Result<Check, Problem> {
    let came = match &problem {
        Problem::Docker(error) => match (&**error, error.hint()) {
            (DockerError::EngineUnreachable { .. }, _) => return Err(problem),
            (error, Some(hint)) => format!("{error}; {hint}"),
            (error, None) => match error.source() {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
        },
        Problem::Failed(failure) if !signals::asked() => {
            format!("{}; {}", failure.cause, failure.remedy)
        }
        Problem::Failed(_) | Problem::Estate(_) | Problem::Usage(_) | Problem::Hosts(..) => {
            return Err(problem);
        }
    };
    Ok(Check::not_made(service, came))
}

async fn dns(app: &App, upstream_name: Option<&str>) -> Result<Vec<Check>, Problem> {
    let (inside, outside) = (
        client::scope(app, "internal")?,
        client::scope(app, "external")?,
    );
    let upstream_name = match upstream_name {
        Some(name) => name.to_owned(),
        None => archive_host().ok_or_else(|| {
            Problem::Failed(Failure::new(
                "this machine's apt configuration names no package archive",
                "name a host that your upstream servers know with --upstream-name NAME",
            ))
        })?,
    };
    let hosts = |location: Location| {
        let hosts = app
            .estate
            .hosts()
            .iter()
            .filter(move |host| host.location() == location);
        hosts
            .map(|host| (host.name().to_owned(), host.address()))
            .collect::<Vec<_>>()
    };
    let internal = hosts(Location::Internal);
    let names = dns::names(app)?;
    let expectations = DnsExpectations {
        home_domain: inside.search.clone().unwrap_or_default(),
        upstream_name,
        aliases: aliases(app, &internal)?,
        inside: names.inside,
        everywhere: names.everywhere,
        mail: names.mail,
        internal,
        external: hosts(Location::External),
    };
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let inside = containers.open_client("dig", &inside, &progress).await?;
    let outside = match containers.open_client("dig", &outside, &progress).await {
        Ok(outside) => outside,
        Err(error) => {
            inside.close().await?;
            return Err(error.into());
        }
    };
    shown.clear();
    // The clients' containers must go, also when the user has seen enough.
    let checks = unless_stopped(verify::dns(&expectations, &inside, &outside)).await;
    let closed = (inside.close().await, outside.close().await);
    let checks = checks?;
    closed.0?;
    closed.1?;
    Ok(checks)
}

async fn calendar(app: &App) -> Result<Vec<Check>, Problem> {
    let expectations = calendar::expectations(app)?;
    let (_, cadaver) = inside(app, "cadaver").await?;
    let run = run_word();
    let checks = unless_stopped(verify::calendar(&expectations, &cadaver, &run)).await;
    let swept = match checks {
        Ok(_) => Ok(()),
        Err(_) => verify::calendar_sweep(&expectations, &cadaver, &run).await,
    };
    let closed = cadaver.close().await;
    let checks = checks?;
    swept?;
    closed?;
    Ok(checks)
}

async fn dynamic_dns(app: &App) -> Result<Vec<Check>, Problem> {
    let expectations = dynamic_dns::expectations(app)?;
    let (containers, curl) = inside(app, "curl").await?;
    let checks = unless_stopped(verify::dynamic_dns(&expectations, &containers, &curl)).await;
    curl.close().await?;
    checks
}

/// Opens a client inside.
async fn inside(app: &App, client: &str) -> Result<(EstateContainers, ClientSession), Problem> {
    let scope = client::scope(app, "internal")?;
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let session = containers.open_client(client, &scope, &progress).await;
    shown.clear();
    Ok((containers, session?))
}

/// Makes a word by which what this run leaves behind is known.
fn run_word() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("prov{:x}", since.unwrap_or_default().as_nanos())
}

/// Makes checks until the user has seen enough.
async fn unless_stopped(
    checks: impl Future<Output = Result<Vec<Check>, DockerError>>,
) -> Result<Vec<Check>, Problem> {
    tokio::select! {
        checks = checks => Ok(checks?),
        () = signals::asked_to_stop() => Err(Problem::Failed(Failure::new(
            "stopped before all checks were made",
            "run it again when you like",
        ))),
    }
}

/// Finds the aliases that the internal server should know.
fn aliases(
    app: &App,
    internal: &[(String, std::net::IpAddr)],
) -> Result<Vec<(String, std::net::IpAddr)>, Problem> {
    let mut found = Vec::new();
    for host in app.estate.hosts_with_role("dns") {
        let vars = app.estate.vars(host);
        let aliases = tasks::role::aliases(&app.estate, &vars).map_err(|mistake| vec![mistake])?;
        for (alias, host) in aliases {
            let address = internal.iter().find(|(name, _)| *name == host);
            if let Some((_, address)) = address {
                let entry = (alias, *address);
                let is_host = internal.iter().any(|(name, _)| *name == entry.0);
                if !is_host && !found.contains(&entry) {
                    found.push(entry);
                }
            }
        }
    }
    Ok(found)
}

/// Prints the results and gives the exit code.
fn finish(app: &App, checks: &[Check], elapsed: Duration) -> u8 {
    if app.json() {
        outln!("{:#}", json(checks, elapsed));
    } else if checks.is_empty() {
        outln!("what was named has no acceptance checks");
    } else {
        print(app, checks, elapsed);
    }
    if failed(checks) == 0 {
        exit::DONE
    } else {
        exit::FAILED
    }
}

/// Gives the results for a program.
pub(super) fn json(checks: &[Check], elapsed: Duration) -> serde_json::Value {
    let failed = failed(checks);
    let millis = crate::report::json::millis(elapsed);
    json!({ "checks": checks, "passed": checks.len() - failed, "failed": failed, "elapsed_ms": millis })
}

/// Prints the results for a person.
pub(super) fn print(app: &App, checks: &[Check], elapsed: Duration) {
    let text = report::checks(checks, elapsed, app.global.verbose > 0);
    crate::report::print::out(format_args!("{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_does_not_run_is_a_check_that_failed_and_says_what_to_do() {
        let host = "proxy".to_owned();
        let problem = DockerError::NotRunning { host }.into();
        let check = not_made("web", problem).unwrap();
        assert!(!check.passed);
        assert_eq!(check.service, "web");
        assert!(check.came.contains("does not run"), "{}", check.came);
        assert!(check.came.contains("`prov test proxy`"), "{}", check.came);
    }

    #[test]
    fn a_mistake_in_what_was_typed_is_no_check() {
        assert!(not_made("web", Problem::usage("no such thing", "")).is_err());
    }
}
