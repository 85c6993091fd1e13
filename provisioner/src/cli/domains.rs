//! Which domains a command is about, on which hosts they are, and whether those can have them.

use std::io::{BufRead as _, IsTerminal as _};

use tasks::Diagnostic;
use tasks::domain::domain_name;
use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::estate::Host;
use tasks::plan::Phase;

use super::app::App;
use crate::docker::Mode;
use crate::engine::Failure;
use crate::report::print::{err, outln};
use crate::report::problem::Problem;

/// What is asked of which domains.
pub(super) struct Asked<'o> {
    pub(super) names: &'o [String],
    pub(super) tags: &'o [Tag],
    pub(super) hostname_filter: Option<&'o str>,
    pub(super) purpose: Purpose,
}

/// Gives what is to become of domains.
pub(super) const fn purpose(remove: bool, purge_data: bool) -> Purpose {
    match (remove, purge_data) {
        (false, _) => Purpose::Setup,
        (true, false) => Purpose::Removal,
        (true, true) => Purpose::Purge,
    }
}

/// Finds the domains and what is to be done with them.
pub(super) fn work<'a>(app: &'a App, asked: &Asked<'_>) -> Result<DomainWork<'a>, Problem> {
    let mut domains = Vec::new();
    let mut mistakes = Vec::new();
    for name in asked.names {
        match app.domains.get(name) {
            Some(domain) => domains.push(domain),
            None => mistakes.push(unknown(app, name)),
        }
    }
    let filter = asked.hostname_filter;
    let selection = Selection::new(asked.tags.iter().copied(), filter);
    let selection = selection.map_err(Problem::mistake)?;
    if !mistakes.is_empty() {
        return Err(Problem::Usage(mistakes));
    }
    let work = DomainWork {
        domains,
        selection,
        purpose: asked.purpose,
    };
    let sites = work.filtered().map_err(Problem::mistake)?;
    if let Some(filter) = filter.filter(|_| app.tells()) {
        outln!("web sites with '{filter}': {}", sites.join(", "));
    }
    Ok(work)
}

/// What to do where there is no domain at all.
pub(super) const NO_DOMAINS: &str =
    "write domains/NAME/domain.yml, or name the folder of the domains with --domains-folder DIR";

/// Tells whether a name is one of a domain that the estate does not have (any more).
pub(super) fn is_gone(app: &App, name: &str) -> bool {
    domain_name(name).is_ok() && app.domains.get(name).is_none()
}

pub(super) fn unknown(app: &App, name: &str) -> Diagnostic {
    if app.estate.limit(name).is_ok() && !["*", "all"].contains(&name) {
        let mistake = Diagnostic::new(format!("there is no domain '{name}'"));
        return mistake.hint(format!(
            "to work on some hosts only, name domains and write --limit {name}"
        ));
    }
    if ["*", "all"].contains(&name) {
        let mistake = Diagnostic::new(format!("'{name}' is not the name of a domain"));
        return mistake.hint("name all domains with --all");
    }
    if let Err(problem) = domain_name(name) {
        return Diagnostic::new(problem);
    }
    let mistake = Diagnostic::new(format!("there is no domain '{name}'"));
    match tasks::nearest(name, app.domains.names()) {
        Some(near) => mistake.hint(format!("did you mean '{near}'?")),
        None if app.domains.is_empty() => {
            mistake.hint(format!("the estate has no domains: {NO_DOMAINS}"))
        }
        None => mistake.hint(format!(
            "there are: {}",
            app.domains.names().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// Selects the hosts on which something belongs to the domains.
pub(super) fn concerned<'h>(
    app: &App,
    work: &DomainWork<'_>,
    hosts: &[&'h Host],
) -> Result<Vec<&'h Host>, Problem> {
    let mut concerned = Vec::new();
    for host in hosts {
        let resources = work.resources(&app.estate, host, &app.inputs, &app.templates)?;
        if !resources.is_empty() {
            concerned.push(*host);
        }
    }
    Ok(concerned)
}

/// Gives the phase of roles and domains together: domains need daemons, so that of completion, but for containers that
/// have none yet.
pub(super) async fn phase(app: &App, hosts: &[&Host]) -> Result<Phase, Problem> {
    let deployed = in_deploy_mode(app, hosts).await?;
    Ok(if deployed.is_empty() {
        Phase::Completion
    } else {
        Phase::Apply
    })
}

/// Names the containers in deploy mode.
async fn in_deploy_mode<'h>(app: &App, hosts: &[&'h Host]) -> Result<Vec<&'h str>, Problem> {
    if app.estate.networks().is_none() {
        return Ok(Vec::new());
    }
    let all = app.containers().await?.list().await?;
    let deployed = hosts.iter().filter(|host| {
        all.iter()
            .any(|status| status.host == host.name() && status.mode == Mode::Deploy)
    });
    Ok(deployed.map(|host| host.name()).collect())
}

/// Refuses containers in deploy mode: they have no daemons that a domain could be given to.
pub(super) async fn run_in_test_mode(app: &App, hosts: &[&Host]) -> Result<(), Problem> {
    let names = in_deploy_mode(app, hosts).await?;
    if names.is_empty() {
        return Ok(());
    }
    Err(Problem::Failed(Failure::new(
        format!(
            "in deploy mode, without the daemons that a domain needs: {}",
            names.join(", ")
        ),
        format!(
            "run `prov apply`, `prov test {}` and `prov complete` before",
            names.join(" ")
        ),
    )))
}

/// Has the user say that data may go, by the names of those whose data it is.
pub(super) fn confirm(said: Option<&str>, names: &str) -> Result<(), Problem> {
    let said = match said {
        Some(said) => said.to_owned(),
        None if std::io::stdin().is_terminal() => {
            err(format_args!(
                "This removes mailboxes, databases, files of web sites and other data for ever. Type {names} to go on: "
            ));
            let mut line = String::new();
            // Nothing read is no confirmation.
            let _ = std::io::stdin().lock().read_line(&mut line);
            line.trim().to_owned()
        }
        None => String::new(),
    };
    if said == names {
        return Ok(());
    }
    Err(Problem::usage(
        "--purge-data removes mailboxes, databases and other data, and was not confirmed; nothing was changed",
        format!("confirm it with --confirm '{names}'"),
    ))
}
