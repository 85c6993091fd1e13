//! `prov domain`: sets hosted domains up on top of the hosts, or takes them away again.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};

use tasks::domain::role::{Purpose, Tag};

use super::app::App;
use super::arguments::{Domain, DomainTag};
use super::domains::{Asked, NO_DOMAINS, concerned, purpose, run_in_test_mode, work};
use super::jobs::{self, Jobs, Show, Work};
use super::plans;
use crate::engine::SavedScope;
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
    let names = names(app, options)?;
    let tags: Vec<_> = options.tags.iter().copied().map(Tag::from).collect();
    let asked = Asked {
        names: &names,
        tags: &tags,
        hostname_filter: options.hostname_filter.as_deref(),
        purpose: purpose(options.remove, options.purge_data),
    };
    let work = work(app, &asked)?;
    let hosts = concerned(app, &work, &app.limited()?)?;
    if hosts.is_empty() {
        return Err(Problem::usage(
            format!(
                "nothing of {} is on the hosts of the limit",
                names.join(" and ")
            ),
            "leave out --limit, --tags or --hostname-filter",
        ));
    }
    run_in_test_mode(app, &hosts).await?;
    if options.diff || options.remove {
        let jobs = Jobs::gather(app, &hosts, Work::Domains(&work)).await?;
        let (outcome, previews) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        if options.diff {
            let scope = SavedScope {
                roles: false,
                domains: names.clone(),
                tags: tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
                hostname_filter: options.hostname_filter.clone(),
                removal: options.remove,
            };
            return plans::keep(app, options.out.as_deref(), scope, &outcome, &previews);
        }
        let code = jobs::code(&outcome);
        // With JSON there is one document: what was done is printed instead of what would be.
        if !app.json() || code != exit::DONE {
            jobs::print(app, &outcome, Tense::Would);
        }
        if code != exit::DONE {
            return Ok(code);
        }
    }
    if work.purpose == Purpose::Purge {
        confirm(options, &names)?;
    }
    let jobs = Jobs::gather(app, &hosts, Work::Domains(&work)).await?;
    let outcome = jobs::apply(app, jobs, options.waiting.wait, None, Show::AsTheyCome).await;
    let code = jobs::code(&outcome);
    match jobs::still_deferred(app, &outcome) {
        Some(failure) if code == exit::DONE => {
            Ok(jobs::print_failed(app, &outcome, Tense::Did, failure))
        }
        Some(_) | None => {
            jobs::print(app, &outcome, Tense::Did);
            Ok(code)
        }
    }
}

/// Gives the names of the domains that are asked for, each once.
fn names(app: &App, options: &Domain) -> Result<Vec<String>, Problem> {
    if !options.all && options.names.is_empty() {
        return Err(Problem::usage(
            "no domain is named",
            "name domains, or all of them with --all",
        ));
    }
    if !options.all {
        let mut seen = BTreeSet::new();
        let names = options.names.iter().filter(|name| seen.insert(*name));
        return Ok(names.cloned().collect());
    }
    if app.domains.is_empty() {
        return Err(Problem::usage("the estate has no domains", NO_DOMAINS));
    }
    Ok(app.domains.names().map(str::to_owned).collect())
}

/// Has the user say that data may go, by the names of the domains whose data it is.
fn confirm(options: &Domain, names: &[String]) -> Result<(), Problem> {
    let names = names.join(" ");
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
