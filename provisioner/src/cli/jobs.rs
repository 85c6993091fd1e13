//! Previews and applications of many hosts, with progress; what diff, apply, complete, up and task share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use tasks::InputTexts;
use tasks::domain::role::DomainWork;
use tasks::estate::Host;
use tasks::plan::Phase;
use tasks::resource::insist;
use tasks::role::HostContext;
use tasks::value::HostPath;

use super::app::App;
use super::signals;
use super::this_run;
use super::work::{self, Leave, Work};
use crate::engine::{
    self, Failure, HostOutcome, Job, Lock, Previewed, Progress, RunOutcome, SavedPlan, Status,
};
use crate::report::print::jsonln;
use crate::report::problem::{Problem, exit};
use crate::report::progress::{self, Results, Shown};
use crate::report::text::{self, Tense};
use crate::report::{self, json};
use crate::ssh::Target;

/// The jobs of hosts that can be reached, and what to report of the others.
pub(super) struct Jobs {
    pub(super) ready: Vec<Job>,
    pub(super) unreachable: Vec<HostOutcome>,
    /// What is known of hosts that are not among them.
    beforehand: InputTexts,
    order: Vec<String>,
}

/// Gives what is to be done on a host, and how it is reached.
fn job(
    app: &App,
    host: &Host,
    target: Target,
    work: Work<'_>,
    leave: &Leave,
) -> Result<Job, Problem> {
    let context = HostContext::new(&app.estate, host, &app.inputs, &app.templates);
    let roles = tasks::role::resources(&context);
    let domains =
        |work: &DomainWork<'_>| work.resources(&app.estate, host, &app.inputs, &app.templates);
    // A mistake in what this is not about is no reason to refuse it.
    let mut others = domains(&DomainWork::setup(&app.domains)).ok();
    if !matches!(work, Work::Roles(_)) {
        let roles = roles.as_ref().ok();
        others = others.zip(roles).map(|(mut others, roles)| {
            others.extend(roles.iter().cloned());
            others
        });
    }
    let memory = work::memory(app, host, work, &roles, leave)?;
    let (mut resources, phase) = match work {
        Work::Roles(phase) => (roles?, phase),
        Work::Domains(work) => (domains(work)?, Phase::Completion),
        Work::RolesAndDomains(phase, work) => {
            let mut both = roles?;
            both.extend(domains(work)?);
            (tasks::role::arrange(host.name(), both)?, phase)
        }
        Work::Resources(resources) | Work::Upgrade(resources) => {
            (resources.to_vec(), Phase::Completion)
        }
    };
    let insisted = [&app.global.insist[..], &leave.insisted].concat();
    insist(&mut resources, &insisted);
    if !matches!(work, Work::Domains(_) | Work::RolesAndDomains(..)) {
        let others = others.as_deref().unwrap_or_default();
        let mistakes = tasks::role::taken_from_under(host.name(), &resources, others);
        if !mistakes.is_empty() {
            return Err(mistakes.into());
        }
    }
    let declared = resources.iter().chain(others.iter().flatten());
    let secrets = declared.flat_map(|one| one.resource.manage().secrets());
    let secrets: BTreeSet<_> = secrets.chain(host.connection().password.clone()).collect();
    Ok(Job {
        host: host.name().to_owned(),
        target,
        memory,
        resources,
        others,
        phase,
        release: (!matches!(work, Work::Upgrade(_))).then(|| host.release()),
        exports: Vec::new(),
        secrets: secrets.into_iter().collect(),
        insisted,
        guards: app.estate.networks().is_none() && !app.global.unguarded,
        show_private: app.global.show_private,
    })
}

impl Jobs {
    /// Gathers the jobs of hosts. Mistakes in the estate end the command here, before any host is touched.
    pub(super) async fn gather(
        app: &App,
        hosts: &[&Host],
        work: Work<'_>,
    ) -> Result<Self, Problem> {
        Self::leaving(app, hosts, work, &Leave::default()).await
    }

    /// Does the same, and says what becomes of that which nothing declares any more.
    pub(super) async fn leaving(
        app: &App,
        hosts: &[&Host],
        work: Work<'_>,
        leave: &Leave,
    ) -> Result<Self, Problem> {
        let targets = app.targets(hosts).await?;
        let mut jobs = Self {
            ready: Vec::new(),
            unreachable: Vec::new(),
            beforehand: InputTexts::new(),
            order: hosts.iter().map(|host| host.name().to_owned()).collect(),
        };
        for (host, (name, target)) in hosts.iter().zip(targets) {
            match target {
                Ok(target) => jobs.ready.push(job(app, host, target, work, leave)?),
                Err(failure) => {
                    let mut outcome = HostOutcome::new(&name);
                    outcome.failed = Some(failure);
                    jobs.unreachable.push(outcome);
                }
            }
        }
        jobs.connect(app).await?;
        Ok(jobs)
    }

    /// Adds the jobs of other hosts, which need nothing of these.
    pub(super) fn join(&mut self, more: Self) {
        self.ready.extend(more.ready);
        self.unreachable.extend(more.unreachable);
        self.beforehand.extend(more.beforehand);
        self.order.extend(more.order);
    }

    /// Adds hosts that have failed already.
    pub(super) fn failed(&mut self, outcomes: Vec<HostOutcome>) {
        let names = outcomes.iter().map(|outcome| outcome.host.clone());
        self.order.extend(names);
        self.unreachable.extend(outcomes);
    }

    /// Tells each host what others need of it, and reads that of hosts which are not among these.
    async fn connect(&mut self, app: &App) -> Result<(), Problem> {
        let mut wanted: BTreeMap<String, BTreeSet<HostPath>> = BTreeMap::new();
        for input in self.ready.iter().flat_map(Job::inputs) {
            wanted.entry(input.host).or_default().insert(input.path);
        }
        for job in &mut self.ready {
            let exports = wanted.remove(&job.host).unwrap_or_default();
            job.exports = exports.into_iter().collect();
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let others = wanted.keys().filter_map(|name| app.estate.host(name));
        let targets = app.targets(&others.collect::<Vec<_>>()).await?;
        let reachable = targets.into_iter().filter_map(|(host, target)| {
            let files = wanted.remove(&host)?.into_iter().collect();
            Some((host, target.ok()?, files))
        });
        self.beforehand = engine::look_for_inputs(reachable.collect(), app.global.forks).await;
        Ok(())
    }
}

/// Names the domains of hosts, for a run that is not about them.
pub(super) fn domains_of(app: &App, hosts: &[&Host]) -> Vec<String> {
    let domains = DomainWork::concerning(
        &app.domains,
        &app.estate,
        hosts,
        &app.inputs,
        &app.templates,
    );
    let names = domains.iter().map(|domain| domain.name().to_string());
    names.collect()
}

/// Puts hosts back in the order of the estate.
pub(super) fn ordered(order: &[String], mut hosts: Vec<HostOutcome>) -> Vec<HostOutcome> {
    hosts.sort_by_key(|host| order.iter().position(|name| *name == host.host));
    hosts
}

/// Whether hosts' results are printed as they come, or by whoever gets the outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// As they come.
    AsTheyCome,
    /// Later.
    Later,
}

impl Show {
    fn of(self, app: &App, jobs: &Jobs, tense: Tense) -> Shown {
        let results = (self == Self::AsTheyCome && !app.json()).then(|| {
            let results = Results::new(jobs.order.clone(), tense, app.detail());
            results.with(&jobs.unreachable)
        });
        Shown {
            progress: app.progress(),
            hosts: jobs.ready.len(),
            results,
            told: (tense == Tense::Did).then_some(signals::told),
        }
    }
}

/// Previews; with the previews themselves for whoever saves them.
pub(super) async fn preview(
    app: &App,
    jobs: Jobs,
    show: Show,
) -> (RunOutcome, Vec<(Job, Previewed)>) {
    let started = Instant::now();
    let (sender, events) = Progress::channel();
    let shown = progress::show(events, show.of(app, &jobs, Tense::Would));
    let ready = jobs.ready.clone();
    let stop = signals::stop_when_asked();
    let previews =
        engine::preview_all(jobs.ready, app.global.forks, jobs.beforehand, stop, sender).await;
    // The task ends by itself once every sender is gone; should it have failed, only progress is lost.
    let _ = shown.await;
    let mut hosts = jobs.unreachable;
    hosts.extend(previews.iter().map(|preview| preview.outcome.clone()));
    let outcome = RunOutcome {
        hosts: ordered(&jobs.order, hosts),
        elapsed: started.elapsed(),
        shown: show == Show::AsTheyCome,
        other_domains: Vec::new(),
        not_begun: Vec::new(),
    };
    (outcome, ready.into_iter().zip(previews).collect())
}

/// Applies.
pub(super) async fn apply(
    app: &App,
    jobs: Jobs,
    wait: u64,
    saved: Option<SavedPlan>,
    show: Show,
) -> RunOutcome {
    let lock = lock(app, wait).await;
    apply_under(app, jobs, lock, saved, show).await
}

/// Says who changes hosts, for their locks and for what they remember of the run; `wait` is in seconds.
pub(super) async fn lock(app: &App, wait: u64) -> Lock {
    let holder = holder();
    Lock {
        run: this_run::described(app, &holder).await,
        holder,
        wait,
        hosts: app.estate.hosts().iter().map(Host::address).collect(),
    }
}

/// Applies under locks of these words, as a part of one run.
pub(super) async fn apply_under(
    app: &App,
    jobs: Jobs,
    lock: Lock,
    saved: Option<SavedPlan>,
    show: Show,
) -> RunOutcome {
    let (sender, events) = Progress::channel();
    let shown = progress::show(events, show.of(app, &jobs, Tense::Did));
    let stop = signals::stop_when_asked();
    let mut outcome = engine::apply_all(
        jobs.ready,
        app.global.forks,
        lock,
        saved,
        jobs.beforehand,
        stop,
        sender,
    )
    .await;
    let _ = shown.await;
    let mut hosts = jobs.unreachable;
    hosts.append(&mut outcome.hosts);
    outcome.hosts = ordered(&jobs.order, hosts);
    outcome.shown = show == Show::AsTheyCome;
    outcome
}

/// Words by which another person can find out who holds a lock.
fn holder() -> String {
    let user = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| format!("user {}", rustix::process::getuid()));
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy().into_owned();
    let now = now();
    format!(
        "{user}@{machine}, process {}, since {now}",
        std::process::id()
    )
}

/// Gives the time, to the second.
pub(super) fn now() -> String {
    jiff::Zoned::now()
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

/// Prints an outcome in the form that was asked for.
pub(super) fn print(app: &App, outcome: &RunOutcome, tense: Tense) {
    if app.json() {
        jsonln!("{:#}", json::run(outcome));
    } else {
        crate::report::print::out(format_args!("{}", text::run(outcome, tense, app.detail())));
        timings(app, &outcome.hosts);
    }
}

/// Prints which hosts and which of their steps took longest, if that is asked for.
pub(super) fn timings(app: &App, hosts: &[HostOutcome]) {
    if app.global.telling.timings && app.for_people() {
        crate::report::print::out(format_args!("{}", report::timings::timings(hosts)));
    }
}

/// Prints an outcome and why it is not what was asked for; gives the exit code.
pub(super) fn print_failed(app: &App, outcome: &RunOutcome, tense: Tense, failure: Failure) -> u8 {
    let code = failure.exit_code();
    if app.json() {
        jsonln!("{:#}", json::failed_run(outcome, &failure));
    } else {
        print(app, outcome, tense);
        crate::report::print::err(format_args!("{}", Problem::Failed(failure).text()));
    }
    code
}

/// Gives the exit code of an outcome.
pub(super) fn code(outcome: &RunOutcome) -> u8 {
    let any = |status| outcome.hosts.iter().any(|host| host.status() == status);
    if any(Status::Failed) || !outcome.not_begun.is_empty() {
        exit::FAILED
    } else if any(Status::Unreachable) {
        exit::UNREACHABLE
    } else {
        exit::DONE
    }
}

/// Turns the hosts that failed into one failure, for commands that must not go on.
pub(super) fn failure(outcome: &RunOutcome, doing: &str) -> Option<Failure> {
    let failed: Vec<_> = outcome
        .hosts
        .iter()
        .filter(|host| host.failed.is_some())
        .map(|host| host.host.as_str())
        .collect();
    (!failed.is_empty()).then(|| Failure {
        unreachable: code(outcome) == exit::UNREACHABLE,
        ..Failure::new(
            format!("{doing} failed on {}", failed.join(", ")),
            "repair what is said above, then run the same command again: it goes on where this one stopped",
        )
    })
}

/// Says what is still deferred once everything should be there.
pub(super) fn still_deferred(app: &App, outcome: &RunOutcome) -> Option<Failure> {
    let left: Vec<_> = outcome
        .hosts
        .iter()
        .flat_map(|host| {
            let deferred = host.deferred.iter();
            deferred.map(|waiting| {
                format!(
                    "{}: {} {}: {}",
                    host.host, waiting.resource, waiting.id, waiting.reason
                )
            })
        })
        .collect();
    let failure = Failure::new(
        "some things are still deferred",
        if app.estate.networks().is_some() {
            "start the services with `prov test`, then run `prov complete` again"
        } else {
            "see to what each of them waits for, then run the same command again"
        },
    );
    (!left.is_empty()).then(|| failure.output(&left.join("\n")))
}
