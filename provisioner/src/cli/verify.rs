//! `prov verify`: proves that services work, with real clients.

mod backup;

use crate::report::print::outln;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tasks::estate::Location;

use super::app::App;
use super::arguments::{Names, Verify};
use super::client;
use super::containers::Shown;
use super::signals;
use crate::docker::archive_host;
use crate::engine::Failure;
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{counted, seconds};
use crate::verify::{self, Check, DnsExpectations};

/// Services that have acceptance checks.
const SERVICES: [&str; 2] = ["backup", "dns"];

pub(super) async fn run(app: &App, options: &Verify) -> Result<u8, Problem> {
    let started = Instant::now();
    let services = services(app, &options.names)?;
    let checks = checks(app, &services, options.upstream_name.as_deref()).await?;
    finish(app, &checks, options.junit.as_deref(), started.elapsed())
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
    let mut checks = Vec::new();
    for service in services {
        match *service {
            "backup" => checks.extend(backup::run(app).await?),
            "dns" => checks.extend(dns(app, upstream_name).await?),
            _ => {}
        }
    }
    Ok(checks)
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
    let expectations = DnsExpectations {
        home_domain: inside.search.clone().unwrap_or_default(),
        upstream_name,
        aliases: aliases(app, &internal)?,
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
    let checks = tokio::select! {
        checks = verify::dns(&expectations, &inside, &outside) => Some(checks),
        () = signals::asked_to_stop() => None,
    };
    let closed = (inside.close().await, outside.close().await);
    let checks = checks.ok_or_else(|| {
        Problem::Failed(Failure::new(
            "stopped before all checks were made",
            "run it again when you like",
        ))
    })??;
    closed.0?;
    closed.1?;
    Ok(checks)
}

/// Finds the aliases that the internal server should know.
fn aliases(
    app: &App,
    internal: &[(String, std::net::IpAddr)],
) -> Result<Vec<(String, std::net::IpAddr)>, Problem> {
    let mut found = Vec::new();
    for host in app.estate.hosts_with_role("dns") {
        let vars = app.estate.vars(host);
        let aliases: Option<std::collections::BTreeMap<String, String>> =
            vars.value("dns_aliases").map_err(|mistake| vec![mistake])?;
        for (alias, host) in aliases.into_iter().flatten() {
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

/// Prints the results, writes the report, gives the exit code.
fn finish(
    app: &App,
    checks: &[Check],
    junit: Option<&Path>,
    elapsed: Duration,
) -> Result<u8, Problem> {
    write_junit(checks, junit)?;
    if app.json() {
        outln!("{:#}", json(checks, elapsed));
    } else if checks.is_empty() {
        outln!("what was named has no acceptance checks");
    } else {
        print(app, checks, elapsed);
    }
    Ok(if failed(checks) == 0 {
        exit::DONE
    } else {
        exit::FAILED
    })
}

/// Writes the report, if one is asked for.
pub(super) fn write_junit(checks: &[Check], path: Option<&Path>) -> Result<(), Problem> {
    let Some(path) = path else { return Ok(()) };
    let xml = verify::junit(checks).map_err(|error| {
        Problem::Failed(Failure::new(
            format!("cannot make JUnit XML: {error}"),
            "this is a defect of prov: please report it",
        ))
    })?;
    std::fs::write(path, xml)
        .map_err(|error| Problem::file("write", path, &error, "choose another file with --junit"))
}

fn failed(checks: &[Check]) -> usize {
    checks.iter().filter(|check| !check.passed).count()
}

/// Gives the results for a program.
pub(super) fn json(checks: &[Check], elapsed: Duration) -> serde_json::Value {
    let failed = failed(checks);
    let millis = crate::report::json::millis(elapsed);
    json!({ "checks": checks, "passed": checks.len() - failed, "failed": failed, "elapsed_ms": millis })
}

/// Prints the results for a person.
pub(super) fn print(app: &App, checks: &[Check], elapsed: Duration) {
    let failed = failed(checks);
    table(checks, app.global.verbose > 0);
    let passed = counted(checks.len() - failed, "check passed", "checks passed");
    let style = if failed == 0 { style::GOOD } else { style::BAD };
    outln!(
        "{}   {}",
        paint(style, &format!("{passed}, {failed} failed")),
        seconds(elapsed)
    );
}

fn table(checks: &[Check], verbose: bool) {
    let width = |text: fn(&Check) -> &str| {
        checks
            .iter()
            .map(|check| text(check).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (shows, asked) = (width(|check| &check.shows), width(|check| &check.asked));
    for check in checks {
        let (style, word) = if check.passed {
            (style::GOOD, "pass")
        } else {
            (style::BAD, "FAIL")
        };
        outln!(
            "{} {:<8} {:<shows$}  {:<asked$}  {}",
            paint(style, word),
            check.service,
            check.shows,
            check.asked,
            paint(style::FAINT, &check.came)
        );
        if !check.passed || verbose {
            outln!("              expected: {}", check.expected);
            outln!("              came:     {}", check.came);
        }
    }
}
