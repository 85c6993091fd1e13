//! Saved plans: what is kept of a preview, and what is done with it later.

use std::path::Path;

use tasks::domain::role::{DomainWork, Tag};
use tasks::estate::Host;

use super::app::App;
use super::arguments::Apply;
use super::domains::{self, Asked};
use super::jobs::{self, Jobs, Show};
use super::rollout::Applying;
use super::work::{Leave, Work};
use crate::engine::{Failure, Job, Previewed, RunOutcome, SavedPlan, SavedScope};
use crate::report::json;
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::Tense;

/// Shows a saved plan, which needs no estate.
pub(super) fn show(path: &Path) -> Result<u8, Problem> {
    let plan = SavedPlan::read(path)?;
    let shown: Vec<_> = plan.hosts.iter().map(|host| &host.shown).collect();
    let applied = plan.applied.as_deref().unwrap_or("not applied");
    jsonln!(
        "{:#}",
        serde_json::json!({
            "estate": plan.estate,
            "made": plan.made,
            "applied": applied,
            "scope": plan.scope,
            "hosts": shown,
        })
    );
    Ok(exit::DONE)
}

/// Prints a preview and saves it where that is asked for; gives the exit code.
pub(super) fn keep(
    app: &App,
    out: Option<&Path>,
    mut scope: SavedScope,
    outcome: &RunOutcome,
    previews: &[(Job, Previewed)],
) -> Result<u8, Problem> {
    let code = jobs::code(outcome);
    let Some(path) = out else {
        jobs::print(app, outcome, Tense::Would);
        return Ok(code);
    };
    if code != exit::DONE {
        let failure = Failure {
            unreachable: code == exit::UNREACHABLE,
            ..Failure::new(
                "the plan was not saved, because not every host could be looked at",
                "repair what is said above, or leave the hosts out with --limit",
            )
        };
        return Ok(jobs::print_failed(app, outcome, Tense::Would, failure));
    }
    scope.insisted.clone_from(&app.global.insist);
    let mut plan = SavedPlan::new(app.estate.name(), jobs::now(), key()?, scope);
    for (job, preview) in previews {
        if let Some(basis) = &preview.basis {
            let shown = json::host(&preview.outcome);
            plan.add(&job.host, basis, shown)?;
        }
    }
    plan.write(path)?;
    jobs::print(app, outcome, Tense::Would);
    if !app.json() {
        let path = path.display();
        outln!(
            "The plan is in {}; apply it with `prov apply --plan {path}`.",
            paint(style::STRONG, &path.to_string())
        );
    }
    Ok(code)
}

/// Makes the key under which a plan's digests are made.
fn key() -> Result<String, Problem> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problem::usage(
            format!("this machine gives no random numbers: {error}"),
            "check what its system log says about that",
        )
    })?;
    Ok(tasks::hex(&bytes))
}

/// Applies a saved plan.
pub(super) async fn apply(app: &App, path: &Path, options: &Apply) -> Result<u8, Problem> {
    if app.global.limit.is_some() {
        return Err(Problem::usage(
            "a plan is applied as a whole, so --plan and --limit do not go together",
            "limit the plan when you make it: `prov diff --limit LIMIT --out FILE`",
        ));
    }
    let mut plan = SavedPlan::read(path)?;
    let hosts = hosts(app, &plan)?;
    let domains = domains(app, &plan.scope)?;
    let work = match (plan.scope.roles, &domains) {
        (_, None) => Work::Roles(app.phase()),
        (true, Some(work)) => Work::RolesAndDomains(domains::phase(app, &hosts).await?, work),
        (false, Some(work)) => Work::Domains(work),
    };
    if domains.is_some() {
        domains::run_in_test_mode(app, &hosts).await?;
    }
    // A mistake in the estate ends the command before the plan is used up.
    let leave = Leave {
        insisted: plan.scope.insisted.clone(),
        ..Leave::default()
    };
    let jobs = Jobs::leaving(app, &hosts, work, &leave).await?;
    plan.claim(path, jobs::now())?;
    let saved = plan.clone();
    let how = Applying {
        work,
        leave: &leave,
        saved: Some(&saved),
        wait: options.waiting.wait,
        show: Show::Later,
    };
    let mut outcome = options.care.apply(app, &hosts, jobs, &how).await?;
    let failed = outcome.hosts.iter().any(|host| host.failed.is_some());
    let touched = outcome.hosts.iter().any(|host| host.touched);
    // A plan of which nothing was begun can still be applied; any other is used up, and what is left needs a new one.
    if failed && (touched || plan.withdraw(path).is_err()) {
        let failures = outcome.hosts.iter_mut().map(|host| &mut host.failed);
        failures.flatten().for_each(Failure::needs_new_plan);
    }
    let code = jobs::code(&outcome);
    if domains.is_none() {
        outcome.other_domains = jobs::domains_of(app, &hosts);
    }
    options.changes.write(app, &outcome, Tense::Did)?;
    match jobs::still_deferred(app, &outcome) {
        Some(failure) if code == exit::DONE && domains.is_some() => {
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}

/// Finds the hosts of a plan in the estate.
fn hosts<'a>(app: &'a App, plan: &SavedPlan) -> Result<Vec<&'a Host>, Problem> {
    if plan.estate != app.estate.name() {
        return Err(Problem::usage(
            format!(
                "the plan is for the estate '{}', not for '{}'",
                plan.estate,
                app.estate.name()
            ),
            "name the plan's estate with --estate DIR",
        ));
    }
    let find = |name: &String| {
        app.estate
            .host(name)
            .ok_or_else(|| gone(&format!("the host {name}, which the estate no longer has")))
    };
    plan.hosts.iter().map(|saved| find(&saved.host)).collect()
}

/// Finds what a plan does with domains; `None` where it is not about any.
fn domains<'a>(app: &'a App, scope: &SavedScope) -> Result<Option<DomainWork<'a>>, Problem> {
    if scope.domains.is_empty() {
        return Ok(None);
    }
    for name in &scope.domains {
        if app.domains.get(name).is_none() {
            return Err(gone(&format!(
                "the domain {name}, which is no longer there"
            )));
        }
    }
    let tag = |word: &String| {
        Tag::of_word(word).ok_or_else(|| gone(&format!("the unknown tag '{word}' of domains")))
    };
    let tags = scope.tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
    let asked = Asked {
        names: &scope.domains,
        tags: &tags,
        hostname_filter: scope.hostname_filter.as_deref(),
        purpose: domains::purpose(scope.removal, false),
    };
    domains::work(app, &asked).map(Some)
}

fn gone(what: &str) -> Problem {
    Problem::usage(
        format!("the plan has {what}"),
        "make a new plan in the same way as this one",
    )
}
