//! Servers that are started again, and waited for.

use std::time::{Duration, Instant};

use tasks::estate::Host;
use tasks::probe::UpgradeQuestion;

use super::app::App;
use super::jobs::{self, Jobs, Show};
use super::packages;
use super::work::Work;
use crate::engine::{self, CommandSession, Failure};
use crate::report::print::outln;
use crate::report::problem::Problem;
use crate::report::text::seconds;
use crate::ssh::{Ended, Target};

/// What is said where there is nothing to be started again.
pub(super) const NO_KERNEL: &str =
    "containers have no kernel of their own: nothing is started again";

/// How long a server may take until it is back.
const PATIENCE: Duration = Duration::from_secs(900);

/// How long a server that is back may still start its services before it is gone on with all the same.
const SERVICES: Duration = Duration::from_secs(300);

/// How long one question to a server may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Servers that are to be started again.
pub(super) struct Reboots(Vec<(String, Target)>);

impl Reboots {
    /// Finds the servers that want it, or takes all of them.
    pub(super) async fn of(app: &App, hosts: &[&Host], all: bool) -> Result<Self, Problem> {
        let mut wanting: Vec<&Host> = hosts.to_vec();
        if !all {
            let jobs = Jobs::gather(app, hosts, Work::Upgrade(&packages::questions())).await?;
            let (_, previews) = jobs::preview(app, jobs, Show::Later).await;
            let wants = |name: &str| {
                let preview = previews.iter().find(|(job, _)| job.host == name);
                let basis = preview.and_then(|(_, preview)| preview.basis.as_ref());
                basis.is_some_and(|basis| {
                    let upgrade = basis.facts.upgrades.get(&UpgradeQuestion { to: None });
                    upgrade.is_some_and(|fact| fact.reboot)
                })
            };
            wanting.retain(|host| wants(host.name()));
        }
        let targets = app.targets(&wanting).await?;
        let targets = targets.into_iter();
        let reachable = targets.map(|(host, target)| Ok((host, target.map_err(Problem::Failed)?)));
        Ok(Self(reachable.collect::<Result<_, Problem>>()?))
    }

    /// Starts them again, all at once, and waits until each is back; gives those that are not, and why.
    pub(super) async fn carry_out(self, app: &App) -> Vec<(String, Failure)> {
        let results = engine::on_all(self.0, app.global.forks, |(host, target)| async move {
            let began = Instant::now();
            let result = restarted(&target).await.map(|()| began.elapsed());
            (host, result)
        })
        .await;
        let mut failed = Vec::new();
        for (host, result) in results {
            match result {
                Ok(_) if app.json() => {}
                Ok(took) => outln!("{host}   started again, back after {}", seconds(took)),
                Err(failure) => {
                    let failure = Failure::new(
                        failure.cause,
                        "look at the server's console; then run the same command again",
                    );
                    failed.push((host, failure));
                }
            }
        }
        failed
    }
}

async fn restarted(target: &Target) -> Result<(), Failure> {
    let before = boot(target).await?;
    // The session ends before the server does.
    ask(target, "systemd-run --quiet --on-active=1 systemctl reboot").await?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if let Ok(now) = boot(target).await
            && now != before
        {
            services_start(target).await;
            return Ok(());
        }
    }
    Err(Failure::new(
        format!(
            "the server is not back after {} minutes",
            PATIENCE.as_secs() / 60
        ),
        "",
    ))
}

/// Waits until systemd has begun all that belongs to its start: the SSH server is there long before a database is.
async fn services_start(target: &Target) {
    let began = Instant::now();
    while began.elapsed() < SERVICES {
        // A unit that failed is no reason to wait, and the exit code would be another one (systemctl(1)).
        let state = ask(target, "systemctl is-system-running || :").await;
        match state.as_deref() {
            Ok("initializing" | "starting") | Err(_) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Ok(_) => return,
        }
    }
}

/// Asks for what is another one after every start: the kernel's, and when the first process began, because a server that is
/// a container shares the kernel of others (proc(5)).
async fn boot(target: &Target) -> Result<String, Failure> {
    ask(
        target,
        "cat /proc/sys/kernel/random/boot_id && cut -d ' ' -f 22 /proc/1/stat",
    )
    .await
}

async fn ask(target: &Target, line: &str) -> Result<String, Failure> {
    let session = CommandSession::open(target).await?;
    let (sender, mut printed) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let argv = ["sh", "-c", line].map(str::to_owned);
    let ended = session
        .run(&argv, ANSWER, |bytes| {
            let sender = sender.clone();
            async move {
                // The receiver outlives the session.
                let _ = sender.send(bytes);
            }
        })
        .await?;
    let mut text = Vec::new();
    while let Ok(bytes) = printed.try_recv() {
        text.extend(bytes);
    }
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    match ended {
        Ended::Exit(0) => Ok(text),
        Ended::Exit(_) | Ended::Signal(_) => {
            Err(Failure::new(format!("`{line}` failed: {text}"), ""))
        }
    }
}
