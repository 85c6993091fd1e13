//! Applying to many hosts with care: in groups, some hosts before all others, and no further once too much has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use clap::Args;
use tasks::estate::Host;
use tasks::plan::rollout::{Member, Rollout, Share};
use tasks::role::name_servers;

use super::app::App;
use super::jobs::{self, Jobs, Show};
use super::reboot::Reboots;
use super::work::{Leave, Work};
use super::{signals, working};
use crate::engine::{Failure, HostOutcome, RunOutcome, SavedPlan};
use crate::report::print::outln;
use crate::report::problem::Problem;
use crate::report::style::{self, paint};

/// In which order hosts are applied, and when that ends before all of them are.
#[derive(Debug, Args)]
pub(super) struct Care {
    /// Apply to this many hosts at once, for instance 3 or 25%; those that others depend on come first
    #[arg(long, value_name = "N|P%", value_parser = size)]
    serial: Option<Share>,
    /// Apply to these hosts first, and to the others only where everything works there
    #[arg(long, value_name = "LIMIT")]
    canary: Option<String>,
    /// Begin no further host once more than this many have failed, for instance 0 or 10%; without this, none that has the role
    /// which failed
    #[arg(long, value_name = "N|P%")]
    max_fail: Option<Share>,
    /// Start servers again that want it, and wait until they are back
    #[arg(long)]
    reboot: bool,
}

fn size(text: &str) -> Result<Share, String> {
    match text.parse()? {
        Share::Hosts(0) | Share::Percent(0) => Err("a group has one host or more".to_owned()),
        share @ (Share::Hosts(_) | Share::Percent(_)) => Ok(share),
    }
}

/// What is applied to hosts.
pub(super) struct Applying<'a> {
    pub(super) work: Work<'a>,
    pub(super) leave: &'a Leave,
    pub(super) saved: Option<&'a SavedPlan>,
    pub(super) wait: u64,
    pub(super) show: Show,
}

impl Care {
    /// Does the jobs of hosts: all at once where nothing else is asked for.
    pub(super) async fn apply(
        &self,
        app: &App,
        hosts: &[&Host],
        jobs: Jobs,
        how: &Applying<'_>,
    ) -> Result<RunOutcome, Problem> {
        let canaries = self.canaries(app, hosts)?;
        let lock = jobs::lock(app, how.wait).await;
        if self.serial.is_none() && self.max_fail.is_none() && canaries.is_empty() && !self.reboot {
            return Ok(jobs::apply_under(app, jobs, lock, how.saved.cloned(), how.show).await);
        }
        let started = Instant::now();
        let members = members(app, hosts, &jobs);
        let roles = roles(&jobs);
        let all = members.len();
        let size = self.serial.map(|share| share.of(all).max(1));
        // Failures can only be counted where not everything has begun.
        let size = size.or(self.max_fail.map(|_| app.global.forks));
        let most = self.max_fail.map(|share| share.of(all));
        let mut rollout = Rollout::new(members, canaries, size, most);
        let mut outcomes = Vec::new();
        while !signals::asked()
            && let Some(names) = rollout.next_group()
        {
            let group: Vec<_> = names
                .iter()
                .filter_map(|name| app.estate.host(name))
                .collect();
            if app.tells() {
                let names = names.join(", ");
                let begun = outcomes.len() + group.len();
                outln!(
                    "{}",
                    paint(style::STRONG, &format!("== {names} ({begun} of {all})"))
                );
            }
            // What hosts give each other is looked for anew: those before have made some of it.
            let jobs = Jobs::leaving(app, &group, how.work, how.leave).await?;
            let saved = how.saved.cloned();
            let outcome = jobs::apply_under(app, jobs, lock.clone(), saved, how.show).await;
            let mut done = outcome.hosts;
            // What was done is reported whatever comes after it.
            if let Err(problem) = self.afterwards(app, &rollout, &mut done).await {
                let well = done.iter_mut().filter(|outcome| outcome.failed.is_none());
                well.for_each(|outcome| outcome.failed = Some(not_seen(&problem)));
            }
            for outcome in &done {
                if let Some(failure) = &outcome.failed {
                    let resource = failure.resource.clone().unwrap_or_default();
                    let role = roles.get(&(outcome.host.clone(), resource));
                    rollout.failed(&outcome.host, role.map(String::as_str));
                }
            }
            outcomes.extend(done);
        }
        rollout.stop();
        let names: Vec<_> = hosts.iter().map(|host| host.name().to_owned()).collect();
        Ok(RunOutcome {
            hosts: jobs::ordered(&names, outcomes),
            elapsed: started.elapsed(),
            shown: how.show == Show::AsTheyCome,
            other_domains: Vec::new(),
            not_begun: rollout.not_begun().to_vec(),
        })
    }

    /// Finds the hosts on which the change is tried first.
    fn canaries(&self, app: &App, hosts: &[&Host]) -> Result<Vec<String>, Problem> {
        let Some(pattern) = &self.canary else {
            return Ok(Vec::new());
        };
        let chosen = app.chosen(pattern, "--canary")?;
        let is_among = |canary: &&Host| hosts.iter().any(|host| host.name() == canary.name());
        let canaries: Vec<_> = chosen.into_iter().filter(is_among).collect();
        if canaries.is_empty() {
            return Err(Problem::usage(
                format!("no host of '{pattern}' is among those that are applied"),
                "name a canary among them, or choose more hosts",
            ));
        }
        Ok(canaries.iter().map(|host| host.name().to_owned()).collect())
    }

    /// Starts servers again, and sees whether everything works on canaries; what does not makes them fail.
    async fn afterwards(
        &self,
        app: &App,
        rollout: &Rollout,
        done: &mut [HostOutcome],
    ) -> Result<(), Problem> {
        let well: Vec<String> = done
            .iter()
            .filter(|outcome| outcome.failed.is_none())
            .map(|outcome| outcome.host.clone())
            .collect();
        let well: Vec<_> = well
            .iter()
            .filter_map(|name| app.estate.host(name))
            .collect();
        let mut fail = |host: &str, failure: Failure| {
            let outcome = done.iter_mut().find(|outcome| outcome.host == host);
            if let Some(outcome) = outcome {
                outcome.failed.get_or_insert(failure);
            }
        };
        if self.reboot && app.estate.networks().is_none() && !well.is_empty() {
            let reboots = Reboots::of(app, &well, false).await?;
            for (host, failure) in reboots.carry_out(app).await {
                fail(&host, failure);
            }
        }
        let canaries = well
            .into_iter()
            .filter(|host| rollout.is_canary(host.name()));
        let canaries: Vec<_> = canaries.collect();
        if canaries.is_empty() {
            return Ok(());
        }
        for (host, found) in working::broken(app, &canaries).await? {
            let failure = Failure::new(
                "not everything works after the change",
                "repair what is said above, or take the change out of the estate; then run the same command again",
            );
            let failure = failure.output(&found.join("\n"));
            if !app.json() {
                let problem = Problem::Failed(Failure {
                    cause: format!("{host}: {}", failure.cause),
                    ..failure.clone()
                });
                crate::report::print::err(format_args!("{}", problem.text()));
            }
            fail(&host, failure);
        }
        Ok(())
    }
}

/// Says why nobody knows whether everything works.
fn not_seen(problem: &Problem) -> Failure {
    let failure = Failure::new(
        "it was applied, but whether everything works could not be found out",
        "repair what is said here, then run the same command again",
    );
    failure.output(&problem.text())
}

/// Says of each host what it depends on.
fn members(app: &App, hosts: &[&Host], jobs: &Jobs) -> Vec<Member> {
    let member = |host: &&Host| {
        let job = jobs.ready.iter().find(|job| job.host == host.name());
        let inputs = job.map(crate::engine::Job::inputs).unwrap_or_default();
        let resources = job.map(|job| job.resources.as_slice()).unwrap_or_default();
        Member {
            host: host.name().to_owned(),
            needs: inputs.into_iter().map(|input| input.host).collect(),
            uses: name_servers(&app.estate, host),
            roles: resources
                .iter()
                .map(|one| one.role.clone())
                .collect::<BTreeSet<_>>(),
        }
    };
    hosts.iter().map(member).collect()
}

/// Gives the roles of resources and handlers, by host and name.
fn roles(jobs: &Jobs) -> BTreeMap<(String, String), String> {
    let mut roles = BTreeMap::new();
    for job in &jobs.ready {
        for declared in &job.resources {
            let handlers = declared.notify.iter();
            let handlers = handlers.map(|handler| format!("handler {}", handler.name));
            for name in handlers.chain([declared.name()]) {
                roles.insert((job.host.clone(), name), declared.role.clone());
            }
        }
    }
    roles
}
