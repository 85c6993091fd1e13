//! Whether what was changed still works, before more hosts are changed in the same way.

use std::collections::BTreeMap;

use tasks::estate::Host;
use tasks::plan::Phase;

use super::app::App;
use super::jobs::{self, Jobs, Show};
use super::work::Work;
use super::{domains, verify};
use crate::report::problem::Problem;

/// Finds what does not work, by host: services that should run and do not, and in containers in test mode the checks of the services
/// and roles that the hosts have a part in.
pub(super) async fn broken(
    app: &App,
    hosts: &[&Host],
) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let phase = domains::phase(app, hosts).await?;
    let jobs = Jobs::gather(app, hosts, Work::Roles(phase)).await?;
    let (outcome, _) = jobs::preview(app, jobs, Show::Later).await;
    let mut broken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for host in &outcome.hosts {
        let services = host.changes.iter().filter(|it| it.resource == "service");
        let services = services.map(|it| format!("service {}: {}", it.id, it.reason));
        let failed = host.failed.as_ref().map(|failure| failure.cause.clone());
        let found: Vec<_> = services.chain(failed).collect();
        if !found.is_empty() {
            broken.insert(host.host.clone(), found);
        }
    }
    if app.estate.networks().is_none() || phase != Phase::Completion {
        return Ok(broken);
    }
    let concerned = |subject: &str| -> Vec<&str> {
        let members = app.estate.limit(subject).unwrap_or_default();
        let members = members.into_iter().map(Host::name);
        members
            .filter(|member| hosts.iter().any(|host| host.name() == *member))
            .collect()
    };
    let mut subjects = verify::services(app, &[])?;
    subjects
        .services
        .retain(|service| !concerned(service.name).is_empty());
    subjects.own.retain(|role| !concerned(role).is_empty());
    for check in verify::checks(app, &subjects, None).await? {
        // A role of the estate's own is checked host by host: what was broken elsewhere before says nothing about these.
        let is_elsewhere = subjects.own.contains(&check.service)
            && !check.hosts.is_empty()
            && !hosts
                .iter()
                .any(|host| check.hosts.iter().any(|of| of == host.name()));
        if !check.passed && !is_elsewhere {
            for host in concerned(&check.service) {
                let found = format!("{}: {}: {}", check.service, check.shows, check.came);
                broken.entry(host.to_owned()).or_default().push(found);
            }
        }
    }
    Ok(broken)
}
