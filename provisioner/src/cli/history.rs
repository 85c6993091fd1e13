//! `prov history` and `prov undo`: what runs have changed on hosts, and taking it back.

use serde_json::{Value, json};
use tasks::estate::Host;
use tasks::history::{self, Altered, Record};
use tasks::{push, pushln};

use super::app::App;
use super::arguments::{History, HistoryAction, Undo};
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use crate::engine::{self, Failure, HostOutcome, Remembered};
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::text::{Tense, printable};
use crate::ssh::SshError;

/// What the hosts remember, or why they do not say.
async fn remembered(
    app: &App,
    hosts: &[&Host],
    only: Option<&str>,
    most: usize,
) -> Result<Vec<(String, Result<Vec<Remembered>, Failure>)>, Problem> {
    let targets = app.targets(hosts).await?;
    let only = only.map(str::to_owned);
    let found = engine::on_all(targets, app.global.forks, move |(host, target)| {
        let only = only.clone();
        async move {
            let runs = match target {
                Ok(target) => {
                    let runs = engine::runs(&target, only.as_deref(), most).await;
                    runs.map_err(Failure::from)
                }
                Err(failure) => Err(failure),
            };
            (host, runs)
        }
    });
    Ok(found.await)
}

fn code(failures: &[&Failure]) -> u8 {
    match failures {
        [] => exit::DONE,
        some if some.iter().any(|failure| !failure.unreachable) => exit::FAILED,
        _ => exit::UNREACHABLE,
    }
}

/// Says what undoing a change leaves as it is, in one text.
fn stays(record: &Record) -> Option<String> {
    (!record.stays.is_empty()).then(|| record.stays.join("; "))
}

fn described(one: &Remembered) -> Value {
    let changes = one.changes.records.iter().map(|record| {
        json!({
            "number": record.number,
            "resource": record.resource,
            "id": record.id,
            "role": record.role,
            "action": record.action,
            "reason": record.reason,
            "diff": record.diff,
            "done": one.changes.done.contains(&record.number),
            "stays": stays(record),
        })
    });
    json!({
        "run": one.run.run,
        "who": one.run.who,
        "command": one.run.command,
        "estate": one.run.estate,
        "commit": one.run.commit,
        "modified": one.run.modified,
        "put_back": one.changes.put_back,
        "changes": changes.collect::<Vec<_>>(),
    })
}

pub(super) async fn run(app: &App, options: &History) -> Result<u8, Problem> {
    let (names, only) = match &options.action {
        Some(HistoryAction::Show { run, names }) => (names, Some(named(run)?)),
        None => (&options.names, None),
    };
    let hosts = app.named(names)?;
    let found = remembered(app, &hosts, only, options.last).await?;
    let failures: Vec<_> = found
        .iter()
        .filter_map(|(_, runs)| runs.as_ref().err())
        .collect();
    let mut code = code(&failures);
    let any = found
        .iter()
        .any(|(_, runs)| runs.as_ref().is_ok_and(|runs| !runs.is_empty()));
    if app.json() {
        let hosts: Vec<_> = found
            .iter()
            .map(|(host, runs)| match runs {
                Ok(runs) => json!({ "host": host, "failed": null, "runs": runs.iter().map(described).collect::<Vec<_>>() }),
                Err(failure) => json!({ "host": host, "failed": failure, "runs": [] }),
            })
            .collect();
        jsonln!("{:#}", json!({ "hosts": hosts }));
    } else {
        for (host, runs) in &found {
            match runs {
                Ok(runs) if only.is_some() => {
                    for one in runs {
                        outln!("{}", shown(host, one));
                    }
                }
                Ok(runs) if runs.is_empty() => outln!("{host}: remembers no run"),
                Ok(runs) => outln!("{}", listed(host, runs)),
                Err(failure) => {
                    crate::report::print::err(format_args!(
                        "{}",
                        Problem::Failed(failure.clone().of(host.clone())).text()
                    ));
                }
            }
        }
    }
    if let Some(run) = only.filter(|_| !any && code == exit::DONE) {
        if !app.json() {
            let failure = Failure::new(
                format!("no host remembers the run {run}"),
                "`prov history` lists the runs that hosts remember",
            );
            crate::report::print::err(format_args!("{}", Problem::Failed(failure).text()));
        }
        code = exit::FAILED;
    }
    Ok(code)
}

/// Refuses what cannot be the name of a run.
fn named(run: &str) -> Result<&str, Problem> {
    if history::is_run(run) {
        return Ok(run);
    }
    Err(Problem::usage(
        format!("'{}' is not the name of a run", printable(run)),
        "`prov history` lists runs by their names, such as 20260131-174502-3f9a",
    ))
}

fn header(one: &Remembered) -> String {
    let run = &one.run;
    let back = if one.changes.put_back {
        ", put back by the host"
    } else {
        ""
    };
    let commit = match (&run.commit, run.modified) {
        (Some(commit), true) => format!(", commit {commit} and changes that are not in it"),
        (Some(commit), false) => format!(", commit {commit}"),
        (None, _) => String::new(),
    };
    let who = run.who.split(", process").next().unwrap_or_default();
    format!(
        "{}  by {}{}{back}\n    {}",
        run.run,
        printable(who),
        printable(&commit),
        printable(&run.command)
    )
}

fn listed(host: &str, runs: &[Remembered]) -> String {
    let mut text = format!("{host}\n");
    for one in runs {
        let names: Vec<_> = one.changes.records.iter().map(Record::name).collect();
        let more = names.len().saturating_sub(3);
        let mut what = names.into_iter().take(3).collect::<Vec<_>>().join(", ");
        if more > 0 {
            push!(what, " and {more} more");
        }
        pushln!(text, "  {}\n    {}", header(one), printable(&what));
    }
    text.trim_end().to_owned()
}

fn shown(host: &str, one: &Remembered) -> String {
    let mut text = format!("{host}  {}\n", header(one));
    for record in &one.changes.records {
        let state = if one.changes.done.contains(&record.number) {
            ""
        } else {
            ", not made to its end"
        };
        pushln!(
            text,
            "  {} {:<9} {}   {}{state}",
            record.action.glyph(),
            record.resource,
            printable(&record.id),
            record.reason
        );
        for line in record.diff.lines() {
            pushln!(text, "      {}", printable(line));
        }
        for why in &record.stays {
            pushln!(
                text,
                "      stays when the run is undone: {}",
                printable(why)
            );
        }
        for altered in &record.altered {
            let (what, names) = match altered {
                Altered::Installed(names) => ("installed", names),
                Altered::Removed(names) => ("removed", names),
                Altered::Path(_)
                | Altered::Service { .. }
                | Altered::Former(_)
                | Altered::Account(_)
                | Altered::Held(_) => continue,
            };
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            pushln!(text, "      {what}: {}", names.join(", "));
        }
    }
    text.trim_end().to_owned()
}

/// Picks a run, and what the runs after it have changed, the first one first. What the host has put back by itself is as it was.
fn chosen(run: &str, runs: Vec<Remembered>) -> (Option<Remembered>, Vec<(String, Vec<Record>)>) {
    let mut later = Vec::new();
    for one in runs {
        if one.run.run == run {
            later.reverse();
            return (Some(one), later);
        }
        if !one.changes.put_back {
            later.push((one.run.run, one.changes.records));
        }
    }
    (None, Vec::new())
}

pub(super) async fn undo(app: &App, options: &Undo) -> Result<u8, Problem> {
    let run = named(&options.run)?;
    let hosts = app.named(&options.names)?;
    let found = remembered(app, &hosts, None, history::MOST_RUNS).await?;
    let mut jobs: Option<Jobs> = None;
    let mut stays = Vec::new();
    let mut failed = Vec::new();
    for (host, (name, runs)) in hosts.iter().zip(found) {
        let (one, later) = match runs {
            Ok(runs) => chosen(run, runs),
            Err(failure) => {
                let mut outcome = HostOutcome::new(&name);
                outcome.failed = Some(failure);
                failed.push(outcome);
                continue;
            }
        };
        let Some(one) = one else { continue };
        let needed = history::needed(&one.changes.records);
        let target = app.targets(&[host]).await?.into_iter().next();
        let kept = match target {
            Some((_, Ok(target))) => engine::kept(&target, run, needed).await,
            Some((_, Err(failure))) => return Err(Problem::Failed(failure)),
            None => Ok(std::collections::BTreeMap::new()),
        };
        let kept =
            kept.map_err(|error: SshError| Problem::Failed(Failure::from(error).of(name.clone())))?;
        let undoing = history::undo(run, &one.changes.records, &later, &kept, options.packages);
        stays.extend(undoing.stays.iter().map(|why| format!("{name}: {why}")));
        let more = Jobs::gather(app, &[host], Work::Resources(&undoing.declared)).await?;
        match &mut jobs {
            None => jobs = Some(more),
            Some(jobs) => jobs.join(more),
        }
    }
    let Some(mut jobs) = jobs else {
        if let Some(failure) = failed.into_iter().find_map(|outcome| outcome.failed) {
            return Err(Problem::Failed(failure));
        }
        return Err(Problem::Failed(Failure::new(
            format!("no host remembers the run {run}"),
            "`prov history` lists the runs that hosts remember",
        )));
    };
    jobs.failed(failed);
    let tense = if options.diff {
        Tense::Would
    } else {
        Tense::Did
    };
    let outcome = if options.diff {
        jobs::preview(app, jobs, Show::AsTheyCome).await.0
    } else {
        jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await
    };
    jobs::print(app, &outcome, tense);
    if !app.json() {
        for why in stays {
            outln!("stays  {}", printable(&why));
        }
    }
    Ok(jobs::code(&outcome))
}
