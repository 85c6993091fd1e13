//! `prov up`: the whole life cycle in one go.
//!
//! Every phase finds out by itself what is left to do and is quick where that is nothing, so a run that was stopped
//! is gone on with by running it again; nothing is remembered that could be wrong.

use crate::report::print::{jsonln, outln};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use serde_json::json;
use tasks::domain::role::DomainWork;
use tasks::estate::Host;
use tasks::plan::Phase;
use tokio::sync::Notify;

use super::app::App;
use super::arguments::{Names, Up};
use super::jobs::{self, Jobs, Show};
use super::verify::Subjects;
use super::work::Work;
use super::{containers, domains, signals, verify};
use crate::docker::HostState;
use crate::engine::{Failure, RunOutcome, Status};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{self, Tense, seconds};
use crate::verify::{Check, NotChecked, Results};

/// Seconds for which services may take to be ready.
const DEADLINE: u64 = 120;

/// The phases with the time each took.
struct Phases<'a> {
    app: &'a App,
    done: Vec<(&'static str, Duration)>,
    started: Instant,
}

impl Phases<'_> {
    fn begin(&mut self, phase: &'static str, what: &str) {
        self.started = Instant::now();
        if self.app.tells() {
            outln!("{} {what}", paint(style::STRONG, &format!("== {phase}")));
        }
    }

    fn end(&mut self, phase: &'static str) {
        self.done.push((phase, self.started.elapsed()));
    }
}

pub(super) async fn run(app: &App, options: &Up) -> Result<u8, Problem> {
    options.reports.ready()?;
    app.check()?;
    let hosts = app.named(&options.names)?;
    let services = services(app, &options.names)?;
    let deployed = Notify::new();
    tokio::select! {
        code = Box::pin(phases(app, options, &hosts, &services, &deployed)) => code,
        never = made_meanwhile(app, &services, &deployed) => match never {},
    }
}

/// Makes what the checks need as soon as hosts are at work, and never ends. Not before: what it made would be missing among what
/// is shown of deploying.
async fn made_meanwhile(app: &App, services: &Subjects, deployed: &Notify) -> Infallible {
    deployed.notified().await;
    // The checks tell why, as they need it.
    let _ = verify::make_clients(app, services).await;
    std::future::pending().await
}

async fn phases(
    app: &App,
    options: &Up,
    hosts: &[&Host],
    services: &Subjects,
    deployed: &Notify,
) -> Result<u8, Problem> {
    let started = Instant::now();
    let mut phases = Phases {
        app,
        done: Vec::new(),
        started,
    };

    phases.begin(
        "deploy",
        "containers that run an SSH server and nothing else",
    );
    let containers = app
        .containers_or(
            "on servers `prov apply`, `prov domain --all` and `prov verify` do what it does",
        )
        .await?;
    let all = containers.list().await?;
    if !options.fresh {
        let specs = self::containers::specs(app, hosts)?;
        containers.refuse_other_init(&specs).await?;
    }
    let missing: Vec<&Host> = hosts
        .iter()
        .filter(|host| options.fresh || all.iter().all(|status| status.host != host.name()))
        .copied()
        .collect();
    say(app, missing.len(), hosts.len(), "made anew");
    // Stand-ins are looked after also where no host is missing.
    let results = self::containers::deploy_hosts(app, &missing, options.fresh).await?;
    self::containers::all_well(results)?;
    // What a machine that was switched off has stopped goes on from where it was.
    let stopped = all
        .iter()
        .filter(|status| status.state != HostState::Running);
    let stopped: Vec<String> = stopped
        .map(|status| status.host.clone())
        .filter(|name| hosts.iter().any(|host| host.name() == name))
        .collect();
    containers.start(&stopped).await?;
    phases.end("deploy");
    deployed.notify_one();

    phases.begin("apply", "what the roles say");
    applied(app, hosts, Work::Roles(Phase::Apply), "applying").await?;
    phases.end("apply");

    phases.begin("test", "the same hosts with real daemons");
    containers::all_well(containers::test_hosts(app, hosts, false, DEADLINE).await?)?;
    phases.end("test");

    phases.begin("complete", "what had to wait");
    completed(app, hosts, Work::Roles(Phase::Completion), "completing").await?;
    phases.end("complete");

    let work = DomainWork::setup(&app.domains);
    let on = domains::concerned(app, &work, hosts)?;
    if !on.is_empty() {
        let names: Vec<_> = app.domains.names().collect();
        phases.begin("domains", &names.join(", "));
        completed(app, &on, Work::Domains(&work), "setting domains up").await?;
        phases.end("domains");
    }

    phases.begin("converged", "planning once more must find nothing");
    let roles = (hosts, Work::Roles(Phase::Completion));
    for (hosts, work) in [roles, (on.as_slice(), Work::Domains(&work))] {
        if let Some((outcome, failure)) = converged(app, hosts, work).await? {
            return Ok(jobs::print_failed(app, &outcome, Tense::Would, failure));
        }
    }
    phases.end("converged");

    phases.begin("verify", "with real clients");
    let Results {
        checks,
        not_checked,
    } = verify::results(app, services, None).await?;
    phases.end("verify");
    let took = phases.started.elapsed();
    options
        .reports
        .write(app, (&checks, &not_checked), took, &phases.done)?;
    recap(
        app,
        &phases,
        hosts.len(),
        started.elapsed(),
        (&checks, &not_checked),
        took,
    );
    let passed = checks.iter().all(|check| check.passed);
    Ok(if passed { exit::DONE } else { exit::FAILED })
}

/// Selects what to verify: the services that were named; all that have checks if none was.
fn services(app: &App, names: &Names) -> Result<Subjects, Problem> {
    let mut all = verify::services(app, &[])?;
    if !names.names.is_empty() {
        all.services
            .retain(|service| names.names.iter().any(|name| name == service.name));
        all.own.retain(|role| names.names.contains(role));
    }
    Ok(all)
}

/// Applies and sums it up for a person; hosts that failed end the command.
async fn applied(
    app: &App,
    hosts: &[&Host],
    work: Work<'_>,
    doing: &str,
) -> Result<RunOutcome, Problem> {
    let jobs = Jobs::gather(app, hosts, work).await?;
    let outcome = jobs::apply(app, jobs, 0, None, Show::Later).await;
    if !app.json() {
        let detail = app.detail();
        crate::report::print::out(format_args!(
            "{}",
            text::summary(&outcome, Tense::Did, detail)
        ));
        jobs::timings(app, &outcome.hosts);
    }
    let failure = jobs::failure(&outcome, doing).or_else(|| {
        // A host that had nothing left to change when the user asked to stop did not fail.
        signals::asked().then(|| {
            Failure::new(
                format!("stopped after {doing}"),
                "run the same command again: it goes on where this one stopped",
            )
        })
    });
    match failure {
        Some(failure) => Err(Problem::Hosts(Box::new(outcome), failure)),
        None => Ok(outcome),
    }
}

/// Applies what nothing may be left of.
async fn completed(app: &App, hosts: &[&Host], work: Work<'_>, doing: &str) -> Result<(), Problem> {
    let outcome = applied(app, hosts, work, doing).await?;
    match jobs::still_deferred(app, &outcome) {
        Some(failure) => Err(Problem::Hosts(Box::new(outcome), failure)),
        None => Ok(()),
    }
}

/// Plans once more; gives what was found and a failure if anything would still change.
async fn converged(
    app: &App,
    hosts: &[&Host],
    work: Work<'_>,
) -> Result<Option<(RunOutcome, Failure)>, Problem> {
    let jobs = Jobs::gather(app, hosts, work).await?;
    let (outcome, _) = jobs::preview(app, jobs, Show::Later).await;
    let left: Vec<_> = outcome
        .hosts
        .iter()
        .filter(|host| host.status() != Status::UpToDate || !host.deferred.is_empty())
        .map(|host| host.host.as_str())
        .collect();
    if left.is_empty() {
        return Ok(None);
    }
    let failure = Failure::new(
        format!(
            "planning again still finds something to change on {}",
            left.join(", ")
        ),
        "something on the host changes it back, or a role contradicts itself; the diff above says what",
    );
    Ok(Some((outcome, failure)))
}

fn say(app: &App, count: usize, of: usize, what: &str) {
    if app.tells() {
        outln!(
            "   {count} of {} {what}",
            text::counted(of, "host", "hosts")
        );
    }
}

fn recap(
    app: &App,
    phases: &Phases<'_>,
    hosts: usize,
    elapsed: Duration,
    (checks, without): (&[Check], &[NotChecked]),
    took: Duration,
) {
    if app.json() {
        let millis = crate::report::json::millis;
        let phases: Vec<_> = phases
            .done
            .iter()
            .map(|(phase, took)| json!({ "phase": phase, "elapsed_ms": millis(*took) }))
            .collect();
        jsonln!(
            "{:#}",
            json!({
                "hosts": hosts,
                "phases": phases,
                "verify": verify::json(checks, without, took),
                "elapsed_ms": millis(elapsed),
            })
        );
        return;
    }
    verify::print(app, checks, without, took);
    let took: Vec<_> = phases
        .done
        .iter()
        .map(|(phase, took)| format!("{phase} {}", seconds(*took)))
        .collect();
    outln!(
        "{}: {}. Together {}.",
        text::counted(hosts, "host", "hosts"),
        took.join(", "),
        seconds(elapsed)
    );
}
