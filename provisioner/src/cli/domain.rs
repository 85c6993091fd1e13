//! `prov domain`: sets hosted domains up on top of the hosts, or takes them away again.

use std::collections::BTreeSet;

use tasks::domain::role::{Purpose, Tag};

use super::app::App;
use super::arguments::{Domain, DomainTag};
use super::domains::{
    self, Asked, NO_DOMAINS, concerned, confirm, purpose, run_in_test_mode, work,
};
use super::jobs::{self, Jobs, Show};
use super::plans;
use super::work::{Leave, Work};
use crate::engine::SavedScope;
use crate::report::problem::{Problem, exit};
use crate::report::text::Tense;

impl From<DomainTag> for Tag {
    fn from(tag: DomainTag) -> Self {
        match tag {
            DomainTag::DynamicDns => Self::DynamicDns,
            DomainTag::Mail => Self::Mail,
            DomainTag::Roles => Self::Roles,
            DomainTag::Web => Self::Web,
        }
    }
}

pub(super) async fn run(app: &App, options: &Domain) -> Result<u8, Problem> {
    app.check()?;
    let names = names(app, options)?;
    let tags: Vec<_> = options.tags.iter().copied().map(Tag::from).collect();
    // What hosts remember of a domain is enough to take it away.
    let is_gone = |name: &&String| options.remove && domains::is_gone(app, name);
    let gone: BTreeSet<_> = names.iter().filter(is_gone).cloned().collect();
    let known: Vec<_> = names
        .iter()
        .filter(|name| !gone.contains(*name))
        .cloned()
        .collect();
    let asked = Asked {
        names: &known,
        tags: &tags,
        hostname_filter: options.hostname_filter.as_deref(),
        purpose: purpose(options.remove, options.purge_data),
    };
    let work = work(app, &asked)?;
    let limited = app.limited()?;
    let hosts = if gone.is_empty() {
        concerned(app, &work, &limited)?
    } else {
        limited
    };
    if let (Some(name), Some(_)) = (gone.first(), &options.out) {
        return Err(Problem::usage(
            format!("the estate has no domain '{name}', so no plan can be saved for it"),
            "leave out --out",
        ));
    }
    let leave = Leave {
        domains: gone.clone(),
        ..Leave::default()
    };
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
        let jobs = Jobs::leaving(app, &hosts, Work::Domains(&work), &leave).await?;
        let (outcome, previews) = jobs::preview(app, jobs, Show::AsTheyCome).await;
        let left = outcome.hosts.iter().flat_map(|host| &host.left);
        let left: BTreeSet<_> = left.map(|left| left.name.as_str()).collect();
        if let Some(name) = gone
            .iter()
            .find(|name| !left.contains(&*format!("domain {name}")))
        {
            let unknown = domains::unknown(app, name);
            return Err(Problem::Usage(vec![unknown]));
        }
        if options.diff {
            let scope = SavedScope {
                roles: false,
                domains: names.clone(),
                tags: tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
                hostname_filter: options.hostname_filter.clone(),
                removal: options.remove,
                ..SavedScope::default()
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
        confirm(options.confirm.as_deref(), &names.join(" "))?;
    }
    let jobs = Jobs::leaving(app, &hosts, Work::Domains(&work), &leave).await?;
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
