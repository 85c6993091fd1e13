//! `prov upgrade`: pending updates, or the next release of Debian, group by group.
//!
//! The hosts of a group are upgraded, then made as their roles of that release say, then whatever still runs what was
//! replaced is restarted. Every step finds out what is left to do, so an upgrade that was stopped anywhere is gone on with by
//! running it again. A group that does not come to its end is the last one.

use std::num::NonZeroUsize;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use tasks::domain::role::DomainWork;
use tasks::estate::Host;
use tasks::plan::Phase;
use tasks::probe::UpgradeQuestion;
use tasks::release::Release;
use tasks::resource::{Declared, Resource, Restarts, Upgrade};

use super::app::App;
use super::arguments::{Names, Waiting};
use super::jobs::{self, Jobs, Show};
use super::reboot::Reboots;
use super::rehearsal::Rehearsal;
use super::work::Work;
use super::{domains, reboot, signals, working};
use crate::engine::{Failure, Job, Previewed, RunOutcome};
use crate::report::json;
use crate::report::print::{errln, jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{self, Tense, counted, seconds};

/// What is to be upgraded, and how.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the options of a command line"
)]
pub(super) struct Options {
    #[command(flatten)]
    names: Names,
    /// Go to this release of Debian, the next one after the host's
    #[arg(long, value_name = "RELEASE", value_parser = release, conflicts_with = "security")]
    to: Option<Release>,
    /// Install security updates only
    #[arg(long)]
    security: bool,
    /// Preview only
    #[arg(long)]
    diff: bool,
    /// Upgrade this many hosts at once, whatever the estate says
    #[arg(long, value_name = "N", value_parser = hosts_at_once)]
    serial: Option<NonZeroUsize>,
    /// Start servers again that want it, and wait until they are back
    #[arg(long)]
    reboot: bool,
    /// Go on with the next hosts whatever the checks of those before say
    #[arg(long, conflicts_with = "rehearse")]
    without_checks: bool,
    /// Try it in the estate's containers: leave mail, events, posts and a backup, upgrade, verify, and look for them
    #[arg(long, requires = "to", conflicts_with_all = ["diff", "reboot"])]
    rehearse: bool,
    #[command(flatten)]
    waiting: Waiting,
}

fn hosts_at_once(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse();
    number.map_err(|_| "a number of hosts, at least 1".to_owned())
}

fn release(text: &str) -> Result<Release, String> {
    Release::of_codename(text).ok_or_else(|| {
        let known = Release::EVERY.map(Release::codename);
        format!("the releases that prov knows are: {}", known.join(", "))
    })
}

/// What everybody should know before a release is left.
const NO_WAY_BACK: &str = "There is no way back to the release before. Have a backup from which each host can be restored: its databases, mail, \
/etc and /home (`prov verify backup`), or a snapshot of its disk.";

pub(super) async fn run(mut app: App, options: &Options) -> Result<u8, Problem> {
    let chosen = app.named(&options.names)?;
    let names: Vec<_> = chosen.iter().map(|host| host.name().to_owned()).collect();
    let rehearsal = if options.rehearse {
        Some(Rehearsal::begin(&app, &chosen).await?)
    } else {
        None
    };
    if let Some(to) = options.to {
        app.estate.set_release(&names, to);
        app.check()?;
    }
    let app = &app;
    let chosen = app.named(&options.names)?;
    let upgrade = Upgrade {
        release: options.to,
        security: options.security,
    };
    let declared = [Declared::new("upgrade", Resource::Upgrade(upgrade))];
    if options.diff {
        let jobs = Jobs::gather(app, &chosen, Work::Upgrade(&declared)).await?;
        let (outcome, previews) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        jobs::print(app, &outcome, Tense::Would);
        if !app.json() {
            if options.to.is_some() {
                outln!("After that the roles are applied.");
            }
            if options.reboot {
                outln!("{}", starts_again(app, options, &previews));
            }
            let leaves = outcome.hosts.iter().any(|host| !host.changes.is_empty());
            if options.to.is_some() && leaves {
                outln!("{NO_WAY_BACK}");
            }
        }
        return Ok(jobs::code(&outcome));
    }
    if options.to.is_some() && domains::phase(app, &chosen).await? != Phase::Completion {
        return Err(Problem::usage(
            "containers in deploy mode are not upgraded: nothing would start their SSH server again",
            "write the new release in estate.yml and make them anew with `prov deploy`, or start them with `prov test` first",
        ));
    }
    if options.to.is_some() && !options.rehearse && !app.json() {
        errln!("{NO_WAY_BACK}");
    }
    let groups = app.estate.upgrade_groups(&chosen, options.serial);
    let mut run = Upgrading {
        app,
        options,
        declared: &declared,
        stages: Vec::new(),
        started: Instant::now(),
    };
    let mut code = exit::DONE;
    let mut left: Vec<&str> = groups.iter().flatten().map(|host| host.name()).collect();
    for group in groups {
        if signals::asked() {
            break;
        }
        let group = run.group(group).await?;
        left.retain(|name| group.hosts.iter().all(|host| host.name() != *name));
        code = group.code;
        if code != exit::DONE {
            break;
        }
    }
    if let Some(rehearsal) = rehearsal {
        return rehearsal.end(app, &left).await;
    }
    run.recap(&left, code);
    Ok(if code == exit::DONE && !left.is_empty() {
        exit::FAILED
    } else {
        code
    })
}

/// Says which servers would be started again, as far as that is known before packages are installed.
fn starts_again(app: &App, options: &Options, previews: &[(Job, Previewed)]) -> String {
    if app.estate.networks().is_some() {
        return reboot::NO_KERNEL.to_owned();
    }
    let mut certain = Vec::new();
    let mut pending = false;
    for (job, preview) in previews {
        let facts = preview.basis.as_ref().map(|basis| &basis.facts);
        let question = UpgradeQuestion { to: options.to };
        let fact = facts.and_then(|facts| facts.upgrades.get(&question));
        if fact.is_some_and(|fact| fact.reboot || options.to.is_some()) {
            certain.push(job.host.as_str());
        }
        pending |= fact.is_some_and(|fact| !fact.pending.is_empty());
    }
    let certain = certain.join(", ");
    match (certain.is_empty(), pending && options.to.is_none()) {
        (true, true) => {
            "Then those servers are started again that the new packages make want it.".to_owned()
        }
        (true, false) => "No server would be started again.".to_owned(),
        (false, true) => format!(
            "Then these servers are started again: {certain}; others if the new packages make them want it."
        ),
        (false, false) => format!("Then these servers are started again: {certain}."),
    }
}

/// An upgrade that is under way.
struct Upgrading<'a> {
    app: &'a App,
    options: &'a Options,
    declared: &'a [Declared],
    /// What was done so far, by the names of the stages.
    stages: Vec<(&'static str, RunOutcome)>,
    started: Instant,
}

/// Hosts of a group that have come to their end so far, and how the others ended.
struct Group<'h> {
    hosts: Vec<&'h Host>,
    code: u8,
}

impl Group<'_> {
    fn names(&self) -> Vec<&str> {
        self.hosts.iter().map(|host| host.name()).collect()
    }

    /// Takes note of hosts that have failed: they are left behind, and the others go on.
    fn fail(&mut self, code: u8, is_failed: impl Fn(&str) -> bool) {
        self.hosts.retain(|host| !is_failed(host.name()));
        // Of two reasons the one counts that more was done about.
        if code != exit::DONE && self.code != exit::FAILED {
            self.code = code;
        }
    }
}

impl Upgrading<'_> {
    /// Brings each host of a group to the end, or to where it fails. Without its roles a host of another release is left
    /// half-way, so whatever fails beside it is no reason not to apply them.
    async fn group<'h>(&mut self, hosts: Vec<&'h Host>) -> Result<Group<'h>, Problem> {
        let mut group = Group {
            hosts,
            code: exit::DONE,
        };
        if !self.app.json() {
            let names = group.names().join(", ");
            outln!("{}", paint(style::STRONG, &format!("== {names}")));
        }
        self.stage("upgrade", &mut group, Work::Upgrade(self.declared))
            .await?;
        if self.options.to.is_some() {
            self.roles(&mut group).await?;
        }
        let restarts = [Declared::new(
            "upgrade",
            Resource::Restarts(Restarts::default()),
        )];
        self.stage("restart", &mut group, Work::Upgrade(&restarts))
            .await?;
        if self.options.reboot {
            self.reboot(&mut group).await?;
        }
        // A rehearsal makes all checks at its end.
        if !self.options.rehearse && !self.options.without_checks {
            self.checks(&mut group).await?;
        }
        Ok(group)
    }

    /// Sees whether what should run on the hosts does, and in containers whether the services that they have a part in work.
    async fn checks(&self, group: &mut Group<'_>) -> Result<(), Problem> {
        if group.hosts.is_empty() {
            return Ok(());
        }
        let broken = working::broken(self.app, &group.hosts).await?;
        if broken.is_empty() {
            return Ok(());
        }
        if !self.app.json() {
            let failure = Failure::new(
                "checks fail after the upgrade",
                "repair what they tell; --without-checks goes on in spite of them",
            );
            let found = broken.iter().flat_map(|(host, found)| {
                found.iter().map(move |found| format!("{host}: {found}"))
            });
            let found: Vec<_> = found.collect();
            let failure = Problem::Failed(failure.output(&found.join("\n")));
            crate::report::print::err(format_args!("{}", failure.text()));
        }
        group.fail(exit::FAILED, |host| broken.contains_key(host));
        Ok(())
    }

    async fn roles(&mut self, group: &mut Group<'_>) -> Result<(), Problem> {
        let all = DomainWork::setup(&self.app.domains);
        let work = match domains::phase(self.app, &group.hosts).await? {
            Phase::Completion => Work::RolesAndDomains(Phase::Completion, &all),
            Phase::Apply => Work::Roles(Phase::Apply),
        };
        self.stage("roles", group, work).await
    }

    async fn reboot(&mut self, group: &mut Group<'_>) -> Result<(), Problem> {
        if self.app.estate.networks().is_some() {
            if !self.app.json() {
                outln!("{}", reboot::NO_KERNEL);
            }
            return Ok(());
        }
        let reboots = Reboots::of(self.app, &group.hosts, self.options.to.is_some()).await?;
        let failed = reboots.carry_out(self.app).await;
        for (host, failure) in &failed {
            let failure = Failure {
                cause: format!("{host}: {}", failure.cause),
                ..failure.clone()
            };
            crate::report::print::err(format_args!("{}", Problem::Failed(failure).text()));
        }
        if !failed.is_empty() {
            let is_failed = |name: &str| failed.iter().any(|(host, _)| host == name);
            group.fail(exit::FAILED, is_failed);
        }
        // What does not come up by itself is seen now, not at night.
        if self.options.to.is_some() {
            self.roles(group).await?;
        }
        Ok(())
    }

    /// Applies, takes note of what came of it, and leaves behind the hosts that failed.
    async fn stage(
        &mut self,
        name: &'static str,
        group: &mut Group<'_>,
        work: Work<'_>,
    ) -> Result<(), Problem> {
        if group.hosts.is_empty() {
            return Ok(());
        }
        let jobs = Jobs::gather(self.app, &group.hosts, work).await?;
        let outcome =
            jobs::apply(self.app, jobs, self.options.waiting.wait, None, Show::Later).await;
        if !self.app.json() {
            crate::report::print::out(format_args!(
                "{name}: {}",
                text::summary(&outcome, Tense::Did, self.app.detail())
            ));
            jobs::timings(self.app, &outcome.hosts);
        }
        let failed = outcome.hosts.iter().filter(|host| host.failed.is_some());
        let failed: Vec<_> = failed.map(|host| host.host.as_str()).collect();
        group.fail(jobs::code(&outcome), |name| failed.contains(&name));
        self.stages.push((name, outcome));
        Ok(())
    }

    fn recap(&self, left: &[&str], code: u8) {
        if self.app.json() {
            let stages = self.stages.iter();
            let stages: Vec<_> = stages
                .map(|(name, outcome)| json!({ "stage": name, "run": json::run(outcome) }))
                .collect();
            jsonln!(
                "{:#}",
                json!({ "stages": stages, "not_done": left, "elapsed_ms": json::millis(self.started.elapsed()) })
            );
            return;
        }
        if !left.is_empty() {
            let failure = Failure::new(
                format!("not upgraded, or not to the end: {}", left.join(", ")),
                if code == exit::DONE {
                    "run the same command again: it goes on where this one stopped"
                } else {
                    "repair what is said above, then run the same command again: it goes on where this one stopped"
                },
            );
            crate::report::print::err(format_args!("{}", Problem::Failed(failure).text()));
        }
        let hosts = self.stages.iter().filter(|(name, _)| *name == "upgrade");
        let hosts: usize = hosts.map(|(_, outcome)| outcome.hosts.len()).sum();
        outln!(
            "{} in {}.",
            counted(hosts, "host", "hosts"),
            seconds(self.started.elapsed())
        );
        if let Some(to) = self.options.to
            && left.is_empty()
        {
            outln!("Write `release: {to}` for them in estate.yml, so that it says what they run.");
        }
    }
}
