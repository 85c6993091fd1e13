//! `prov domain`: sets hosted domains up on top of the hosts, or takes them away again.

use std::io::{BufRead as _, IsTerminal as _};

use tasks::Diagnostic;
use tasks::domain::domain_name;
use tasks::domain::role::{DomainWork, Purpose, Selection, Tag};
use tasks::estate::Host;

use super::app::App;
use super::arguments::{Domain, DomainTag};
use super::jobs::{self, Jobs, Show, Work};
use crate::docker::Mode;
use crate::engine::Failure;
use crate::report::print::err;
use crate::report::problem::{Problem, exit};
use crate::report::text::Tense;

impl From<DomainTag> for Tag {
    fn from(tag: DomainTag) -> Self {
        match tag {
            DomainTag::DynamicDns => Self::DynamicDns,
            DomainTag::Mail => Self::Mail,
            DomainTag::Web => Self::Web,
        }
    }
}

pub(super) async fn run(app: &App, options: &Domain) -> Result<u8, Problem> {
    app.check()?;
    let work = work(app, options)?;
    let hosts = concerned(app, &work, &app.limited()?)?;
    if hosts.is_empty() {
        return Err(Problem::usage(
            format!(
                "nothing of {} is on the hosts of the limit",
                options.names.join(" and ")
            ),
            "leave out --limit, --tags or --hostname-filter",
        ));
    }
    run_in_test_mode(app, &hosts).await?;
    if options.diff || options.remove {
        let jobs = Jobs::gather(app, &hosts, Work::Domains(&work)).await?;
        let (outcome, _) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        let code = jobs::code(&outcome);
        // With JSON there is one document: what was done is printed instead of what would be.
        if options.diff || !app.json() || code != exit::DONE {
            jobs::print(app, &outcome, Tense::Would);
        }
        if options.diff || code != exit::DONE {
            return Ok(code);
        }
    }
    if work.purpose == Purpose::Purge {
        confirm(options)?;
    }
    let jobs = Jobs::gather(app, &hosts, Work::Domains(&work)).await?;
    let outcome = jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await;
    let code = jobs::code(&outcome);
    match jobs::still_deferred(&outcome) {
        Some(failure) if code == exit::DONE => {
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}

/// Finds the domains and what is to be done with them.
fn work<'a>(app: &'a App, options: &Domain) -> Result<DomainWork<'a>, Problem> {
    let mut domains = Vec::new();
    let mut mistakes = Vec::new();
    for name in &options.names {
        match app.domains.get(name) {
            Some(domain) => domains.push(domain),
            None => mistakes.push(unknown(app, name)),
        }
    }
    let tags = options.tags.iter().copied().map(Tag::from);
    let filter = options.hostname_filter.as_deref();
    let selection =
        Selection::new(tags, filter).map_err(|mistake| Problem::Usage(vec![mistake]))?;
    if !mistakes.is_empty() {
        return Err(Problem::Usage(mistakes));
    }
    if let Some(filter) = filter {
        let labels = domains.iter().flat_map(|it| it.settings().webhosts.keys());
        let labels: Vec<_> = labels.collect();
        if !labels.iter().any(|label| selection.has_webhost(label)) {
            let names: Vec<_> = labels.iter().map(|label| label.as_str()).collect();
            return Err(Problem::usage(
                format!(
                    "no web site of {} matches '{filter}'",
                    options.names.join(" or ")
                ),
                format!("there are: {}", names.join(", ")),
            ));
        }
    }
    Ok(DomainWork {
        domains,
        selection,
        purpose: match (options.remove, options.purge_data) {
            (false, _) => Purpose::Setup,
            (true, false) => Purpose::Removal,
            (true, true) => Purpose::Purge,
        },
    })
}

fn unknown(app: &App, name: &str) -> Diagnostic {
    if let Err(problem) = domain_name(name) {
        return Diagnostic::new(problem);
    }
    let mistake = Diagnostic::new(format!("there is no domain '{name}'"));
    match tasks::nearest(name, app.domains.names()) {
        Some(near) => mistake.hint(format!("did you mean '{near}'?")),
        None if app.domains.is_empty() => mistake.hint(
            "the estate has no domains: write domains/NAME/domain.yml, or name their folder with --domains DIR",
        ),
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

/// Refuses containers in deploy mode: they have no daemons that a domain could be given to.
async fn run_in_test_mode(app: &App, hosts: &[&Host]) -> Result<(), Problem> {
    if app.estate.network().is_none() {
        return Ok(());
    }
    let all = app.containers().await?.list().await?;
    let deployed = hosts.iter().filter(|host| {
        all.iter()
            .any(|status| status.host == host.name() && status.mode == Mode::Deploy)
    });
    let names: Vec<_> = deployed.map(|host| host.name()).collect();
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

/// Has the user say that data may go, by the names of the domains whose data it is.
fn confirm(options: &Domain) -> Result<(), Problem> {
    let names = options.names.join(" ");
    let said = match &options.confirm {
        Some(said) => said.clone(),
        None if std::io::stdin().is_terminal() => {
            err(format_args!(
                "This removes mailboxes, databases and files of web sites for ever. Type {names} to go on: "
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
        "--purge-data removes mailboxes, databases and files of web sites, and was not confirmed; nothing was changed",
        format!("confirm it with --confirm '{names}'"),
    ))
}
