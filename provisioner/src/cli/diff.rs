//! `prov diff`: previews what apply would change.

use tasks::domain::role::DomainWork;

use super::app::App;
use super::arguments::Diff;
use super::jobs::{self, Jobs, Show};
use super::work::{Leave, Work};
use super::{domains, plans};
use crate::engine::{SavedScope, Status};
use crate::report::problem::{Problem, exit};
use crate::report::text::Tense;

pub(super) async fn run(app: &App, options: &Diff) -> Result<u8, Problem> {
    options.changes.ready()?;
    app.check_names()?;
    let hosts = app.named(&options.names)?;
    let all = DomainWork::setup(&app.domains);
    let mut scope = SavedScope::roles();
    let work = if options.domains {
        scope.domains = jobs::domains_of(app, &hosts);
        Work::RolesAndDomains(domains::phase(app, &hosts).await?, &all)
    } else {
        Work::Roles(app.phase())
    };
    let leave = Leave {
        purge: options.purge_data,
        ..Leave::default()
    };
    let jobs = Jobs::leaving(app, &hosts, work, &leave).await?;
    let (mut outcome, previews) = jobs::preview(app, jobs, Show::AsTheyCome).await;
    if !options.domains {
        outcome.other_domains = jobs::domains_of(app, &hosts);
    }
    options.changes.write(app, &outcome, Tense::Would)?;
    let code = plans::keep(app, options.out.as_deref(), scope, &outcome, &previews)?;
    let mut hosts = outcome.hosts.iter();
    let pending = hosts.any(|host| host.status() == Status::Changed);
    if code == exit::DONE && options.exit_code && pending {
        return Ok(exit::PENDING);
    }
    Ok(code)
}
