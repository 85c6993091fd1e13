//! `prov verify`: proves that services work, with real clients.

mod browser;
mod servers;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use serde_json::json;
use tasks::browse::Sites;
use tasks::promise::Promises;
use tasks::role::OwnRole;

pub(super) use servers::vantage_points;

use super::app::App;
use super::arguments::{Output, Verify};
use super::containers::Shown;
use super::reports;
use super::scope::Scopes;
use super::signals;
use crate::docker::{BROWSER, DockerError, archive_host};
use crate::engine::Failure;
use crate::report::checks::{self as report, failed};
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::verify::{
    Acceptance, Check, Client, EvidenceKind, Missing, NotChecked, OwnChecks, Results, SERVICES,
    Servers, Service, Surroundings, Sweep, Testbed, TestbedError, Writes,
};

/// Folder of the current one in which pictures of pages are kept.
const ARTEFACTS: &str = ".artefacts";

pub(super) async fn run(app: &App, options: &Verify) -> Result<u8, Problem> {
    options.reports.ready()?;
    let mut services = services(app, &options.names)?;
    services.all = options.all;
    let mut last = None;
    loop {
        let started = Instant::now();
        let upstream_name = options.upstream_name.as_deref();
        let made = match (results(app, &services, upstream_name).await, last) {
            // Whoever has watched has seen enough; the last whole look decides.
            (Err(_), Some(code)) if signals::asked() => return Ok(code),
            (made, _) => made?,
        };
        let (checks, without) = (made.checks, made.not_checked);
        let elapsed = started.elapsed();
        options
            .reports
            .write(app, (&checks, &without), elapsed, &[])?;
        let code = finish(app, &checks, &without, elapsed);
        let Some(seconds) = options.watch else {
            return Ok(code);
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            () = signals::asked_to_stop() => return Ok(code),
        }
        last = Some(code);
    }
}

/// The services to verify.
pub(super) struct Subjects {
    pub(super) services: Vec<&'static Service>,
    /// The roles of the estate's own to verify, by the words by which their checks are asked for.
    pub(super) own: Vec<String>,
    /// Whether they were asked for by their names.
    pub(super) by_name: bool,
    /// Whether checks that write were asked for on servers, too.
    pub(super) all: bool,
}

/// Selects the services to verify: those named, or all that have checks.
pub(super) fn services(app: &App, names: &[String]) -> Result<Subjects, Problem> {
    let known = |name: &str| app.estate.services().any(|service| service == name);
    let is_used = |role: &OwnRole| app.estate.hosts().iter().any(|host| role.is_on(host));
    let own: BTreeSet<_> = app
        .inputs
        .roles
        .own()
        .filter(|role| !role.is_shipped() || is_used(role))
        .filter_map(OwnRole::checked_as)
        .collect();
    let mut services = Vec::new();
    for name in names {
        match SERVICES.iter().find(|service| service.name == name) {
            Some(service) if known(name) => services.push(service),
            _ if own.contains(name.as_str()) => {}
            Some(_) | None => {
                let all = SERVICES.iter().map(|service| service.name);
                let all = all.filter(|service| known(service));
                let all: Vec<_> = all.chain(own.iter().copied()).collect();
                let is_one = SERVICES.iter().any(|service| service.name == name);
                let nearest = tasks::nearest(name, all.iter().copied());
                let every = SERVICES.iter().map(|service| service.name);
                let nearest = nearest.or_else(|| tasks::nearest(name, every));
                let hint = if is_one && !known(name) {
                    hint_to_declare(name)
                } else {
                    nearest.map_or_else(
                    || match all.as_slice() {
                        [] => "nothing of the estate has checks; docs/roles.md shows how a role gets them".to_owned(),
                        all => format!("what has checks: {}", all.join(", ")),
                    },
                    |nearest| format!("did you mean '{nearest}'?"),
                )
                };
                let what = if known(name) {
                    "has no acceptance checks yet"
                } else {
                    "is no service of the estate, and no role of its own that has checks"
                };
                return Err(Problem::usage(format!("'{name}' {what}"), hint));
            }
        }
    }
    let by_name = !names.is_empty();
    if !by_name {
        services.extend(SERVICES.iter().filter(|service| known(service.name)));
    }
    let own = own.into_iter();
    let own = own.filter(|role| !by_name || names.iter().any(|name| name == role));
    Ok(Subjects {
        services,
        own: own.map(str::to_owned).collect(),
        by_name,
        all: false,
    })
}

/// Runs the checks of services in containers, where all of them can be made.
pub(super) async fn checks(
    app: &App,
    subjects: &Subjects,
    upstream_name: Option<&str>,
) -> Result<Vec<Check>, Problem> {
    Ok(results(app, subjects, upstream_name).await?.checks)
}

/// Runs the checks of services, and says which were not made.
pub(super) async fn results(
    app: &App,
    subjects: &Subjects,
    upstream_name: Option<&str>,
) -> Result<Results, Problem> {
    // While this is held, Ctrl-C ends nothing by itself: clients that are being opened are closed again.
    let _stop = signals::tidy_up_when_asked();
    let scopes = Scopes::of(app);
    let ground = match app.estate.networks() {
        Some(_) => Ground::Containers,
        None => Ground::Servers(servers::gather(app).await?),
    };
    let shown = Shown::new(app);
    let results = on(app, &scopes, subjects, upstream_name, &ground, &shown).await;
    drop(shown);
    match ground {
        Ground::Containers => {}
        Ground::Servers(servers) => servers.close().await,
    }
    results
}

/// Where checks are made.
enum Ground {
    Containers,
    Servers(Arc<Servers>),
}

/// Runs the checks of services where the hosts are.
async fn on(
    app: &App,
    scopes: &Scopes<'_>,
    Subjects {
        services,
        own,
        by_name,
        all,
    }: &Subjects,
    upstream_name: Option<&str>,
    ground: &Ground,
    shown: &Shown,
) -> Result<Results, Problem> {
    let promises = scopes.promises()?;
    let upstream_name = upstream_name.map(str::to_owned).or_else(archive_host);
    let surroundings = Surroundings {
        stand_ins: app.estate.stand_ins(),
        upstream_name: upstream_name.as_deref(),
        writes: match ground {
            Ground::Containers => Writes::Everything,
            Ground::Servers(_) if *by_name || *all => Writes::Marked(app.estate.marks()),
            Ground::Servers(_) => Writes::Nothing(app.estate.marks()),
        },
    };
    let mut results = Results::default();
    if !by_name {
        for service in undeclared(app, promises, &surroundings) {
            results.append(service.into());
        }
    }
    let services = services.iter().map(|service| {
        let work = async move {
            if let (Ground::Servers(_), Some(why)) = (ground, service.not_on_servers) {
                return Ok(NotChecked {
                    service: service.name.to_owned(),
                    checks: None,
                    why: why.to_owned(),
                }
                .into());
            }
            match (service.checks)(promises, &surroundings) {
                Ok(acceptance) => {
                    let made = made(app, scopes, acceptance.as_ref(), ground, shown).await;
                    settled(service.name, made)
                }
                Err(missing) => Ok(missed(service.name, &missing, *by_name).into()),
            }
        };
        work.boxed()
    });
    let own = own.iter().map(|role| {
        let work = async move {
            let own = OwnChecks::of(role, promises);
            if !own.is_empty() {
                return settled(role, made(app, scopes, &own, ground, shown).await);
            }
            let missing = Missing::nothing_promised(
                format!("no host has a check of '{role}'"),
                "give a host the role, and see its `only` and `when`",
            );
            Ok(missed(role, &missing, *by_name).into())
        };
        work.boxed()
    });
    // One waits for cron, another for the delay after a wrong password, a third for a job: together they take as long as
    // the longest. Each is waited for, so that its clients are closed.
    let made: Vec<_> = futures_util::future::join_all(services.chain(own)).await;
    for made in made {
        results.append(made?);
    }
    Ok(results)
}

/// Finds the services that hosts promise and the estate does not name: nobody would notice that they are not checked.
fn undeclared(app: &App, promises: &Promises, surroundings: &Surroundings<'_>) -> Vec<NotChecked> {
    let is_known = |name: &str| app.estate.services().any(|service| service == name);
    let others = SERVICES.iter().filter(|service| !is_known(service.name));
    let served = others.filter(|service| (service.checks)(promises, surroundings).is_ok());
    let not_checked = served.map(|service| NotChecked {
        service: service.name.to_owned(),
        checks: None,
        why: hint_to_declare(service.name),
    });
    not_checked.collect()
}

fn hint_to_declare(service: &str) -> String {
    format!("say in estate.yml which host serves it: `services: {{{service}: HOST}}`")
}

/// Makes the images of the clients that the checks of services need, while hosts are at work. What keeps one from being made
/// is told by the checks.
pub(super) async fn make_clients(app: &App, subjects: &Subjects) -> Result<(), Problem> {
    let scopes = Scopes::of(app);
    let promises = scopes.promises()?;
    let surroundings = Surroundings {
        stand_ins: app.estate.stand_ins(),
        upstream_name: None,
        writes: Writes::Everything,
    };
    let services = subjects.services.iter();
    let services = services.filter_map(|service| (service.checks)(promises, &surroundings).ok());
    let own = subjects.own.iter();
    let own = own.map(|role| OwnChecks::of(role, promises).clients());
    let clients = services.map(|checks| checks.clients()).chain(own);
    let containers = app.containers().await?;
    let places = clients.flatten().map(|it| (it.name, it.location));
    for (client, location) in places.collect::<BTreeSet<_>>() {
        let scope = scopes.client(client, location)?;
        let engine = containers.engine();
        engine
            .ensure_client(client, &scope.release, &|_, _| {})
            .await?;
    }
    Ok(())
}

/// Takes the results of a service. One host that cannot be asked must not hide what is known of the others.
fn settled(service: &str, made: Result<Results, Unmade>) -> Result<Results, Problem> {
    match made {
        Ok(results) => Ok(results),
        Err(Unmade::NoVantage(why)) => Ok(NotChecked {
            service: service.to_owned(),
            checks: None,
            why,
        }
        .into()),
        Err(Unmade::Problem(problem)) => Ok(vec![not_made(service, problem)?].into()),
    }
}

/// Why the checks of a service were not made.
enum Unmade {
    /// No server is there to ask from; the text says so.
    NoVantage(String),
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Unmade {
    fn from(problem: E) -> Self {
        Self::Problem(problem.into())
    }
}

/// Turns what is missing for a service's checks into one that failed. Where nothing is promised, that is no failure for
/// whoever did not ask for the service by its name.
fn missed(service: &str, missing: &Missing, by_name: bool) -> Vec<Check> {
    let fails = by_name || !missing.nothing_promised;
    let failed = fails.then(|| Check::not_made(service, missing.to_string()));
    failed.into_iter().collect()
}

/// Makes the checks of a service with the clients that they need.
async fn made(
    app: &App,
    scopes: &Scopes<'_>,
    acceptance: &dyn Acceptance,
    ground: &Ground,
    shown: &Shown,
) -> Result<Results, Unmade> {
    let clients = acceptance.clients();
    let testbed = match ground {
        Ground::Containers => testbed(app, scopes, clients, shown).await?,
        Ground::Servers(servers) => {
            let standing = clients.iter();
            let standing = standing.map(|client| (*client, acceptance.stands_on(*client)));
            let mut testbed = Testbed::on_servers(servers, run_word(), standing.collect())?;
            for client in clients.into_iter().filter(|it| it.name == BROWSER) {
                let opened =
                    browser::open(app, servers, (client, Sites::of(scopes.promises()?)), shown)
                        .await;
                testbed.add_browser(client, opened);
            }
            testbed
        }
    };
    let results = unless_stopped(acceptance.make(&testbed)).await;
    let sweep = match &results {
        Ok(results) => (failed(&results.checks) > 0).then_some(Sweep::Failed),
        Err(_) => Some(Sweep::GivenUp),
    };
    let swept = match sweep {
        Some(why) => acceptance.sweep(&testbed, why).await,
        None => Ok(()),
    };
    // The clients' containers must go, also when the user has seen enough.
    let closed = testbed.close().await;
    let mut results = results?;
    swept.map_err(unmade)?;
    closed?;
    keep(app, &mut results.checks)?;
    Ok(results)
}

/// Opens clients to make checks with; whoever gets them closes them again.
pub(super) async fn testbed(
    app: &App,
    scopes: &Scopes<'_>,
    clients: Vec<Client>,
    shown: &Shown,
) -> Result<Testbed, Problem> {
    let standing = |client: Client| {
        let scope = scopes.client(client.name, client.location)?;
        Ok((client, scope))
    };
    let clients = clients.into_iter().map(standing);
    let clients = clients.collect::<Result<Vec<_>, Problem>>()?;
    let containers = app.containers().await?;
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    Ok(Testbed::in_containers(containers, run_word(), clients, &progress).await?)
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

/// Makes a word by which what this run leaves behind is known.
fn run_word() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("prov{:x}", since.unwrap_or_default().as_nanos())
}

/// Makes checks until the user has seen enough.
async fn unless_stopped(
    results: impl Future<Output = Result<Results, TestbedError>>,
) -> Result<Results, Unmade> {
    tokio::select! {
        results = results => results.map_err(unmade),
        () = signals::asked_to_stop() => Err(Unmade::Problem(Problem::Failed(Failure::new(
            "stopped before all checks were made",
            "run it again when you like",
        )))),
    }
}

/// Tells what cannot be seen from what went wrong.
fn unmade(error: TestbedError) -> Unmade {
    match error {
        TestbedError::NoVantage(_) => Unmade::NoVantage(error.to_string()),
        TestbedError::Docker(_) | TestbedError::Server { .. } => Unmade::Problem(error.into()),
    }
}

/// Keeps the pictures of pages as files.
fn keep(app: &App, checks: &mut [Check]) -> Result<(), Problem> {
    let failed = |path: &Path, error: &std::io::Error| {
        Problem::file(
            "write",
            path,
            error,
            "run prov in a folder in which you may write",
        )
    };
    for evidence in checks.iter_mut().flat_map(|check| &mut check.evidence) {
        let EvidenceKind::Png { bytes, file } = &mut evidence.kind else {
            continue;
        };
        let folder = Path::new(ARTEFACTS);
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let path = folder.join(format!("{}-{}.png", app.estate.name(), evidence.title));
        std::fs::write(&path, bytes).map_err(|error| failed(&path, &error))?;
        *file = Some(path.display().to_string());
    }
    Ok(())
}

/// Prints the results and gives the exit code.
fn finish(app: &App, checks: &[Check], without: &[NotChecked], elapsed: Duration) -> u8 {
    match app.global.output {
        Output::Json => {
            let mut results = json(checks, without, elapsed);
            if app.estate.networks().is_none() {
                results["not_checked"] = json!(without);
            }
            jsonln!("{results:#}");
        }
        Output::Prometheus => {
            let text = reports::metrics(app, (checks, without), elapsed);
            crate::report::print::raw(format_args!("{text}"));
        }
        Output::Text => print(app, checks, without, elapsed),
    }
    exit_code(checks)
}

/// Gives the exit code of checks; none prove nothing.
fn exit_code(checks: &[Check]) -> u8 {
    if checks.is_empty() || failed(checks) > 0 {
        exit::FAILED
    } else {
        exit::DONE
    }
}

/// Gives the results for a program.
pub(super) fn json(
    checks: &[Check],
    without: &[NotChecked],
    elapsed: Duration,
) -> serde_json::Value {
    let failed = failed(checks);
    let millis = crate::report::json::millis(elapsed);
    let mut results = json!({ "checks": checks, "passed": checks.len() - failed, "failed": failed, "elapsed_ms": millis });
    if !without.is_empty() {
        results["not_checked"] = json!(without);
    }
    results
}

/// Prints the results for a person.
pub(super) fn print(app: &App, checks: &[Check], without: &[NotChecked], elapsed: Duration) {
    if checks.is_empty() && without.is_empty() {
        outln!(
            "nothing was checked: nothing is promised of any service that has acceptance checks"
        );
    } else if !checks.is_empty() {
        let text = report::checks(checks, elapsed, app.detail());
        crate::report::print::out(format_args!("{text}"));
    }
    for one in without {
        outln!("{}", report::not_checked(one));
    }
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
    fn a_service_that_is_named_and_cannot_be_checked_fails_and_says_what_is_missing() {
        let yet = Missing::nothing_promised("no domain has a web site", "name one");
        let broken = Missing::new("no host answers", "give a host the role");
        for (missing, named) in [(&yet, true), (&broken, true), (&broken, false)] {
            let checks = missed("web", missing, named);
            assert_eq!(exit_code(&checks), exit::FAILED);
            assert_eq!(checks[0].came, missing.to_string());
        }
        assert_eq!(missed("web", &yet, false), []);
    }

    #[test]
    fn no_checks_are_no_success() {
        assert_eq!(exit_code(&[]), exit::FAILED);
    }

    #[test]
    fn a_mistake_in_what_was_typed_is_no_check() {
        assert!(not_made("web", Problem::usage("no such thing", "")).is_err());
    }
}
