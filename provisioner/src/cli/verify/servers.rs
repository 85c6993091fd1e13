//! `prov verify` on servers: clients run on vantage points.

use std::collections::BTreeMap;

use tasks::estate::Location;

use super::{Subjects, missed, unless_stopped};
use crate::cli::app::App;
use crate::cli::scope::Scopes;
use crate::cli::signals;
use crate::report::problem::Problem;
use crate::verify::{Check, Missing, NotChecked, OwnChecks, Servers, VANTAGE};

/// Why the checks of a service that comes with prov are not made on servers.
const IN_CONTAINERS: &str =
    "its checks write, or look into containers; `prov up` proves it in an estate of containers";

/// Makes the checks that can be made, and says which cannot.
pub(super) async fn checks(
    app: &App,
    Subjects {
        services,
        own,
        by_name,
    }: &Subjects,
) -> Result<(Vec<Check>, Vec<NotChecked>), Problem> {
    let _stop = signals::stop_when_asked();
    let scopes = Scopes::of(app);
    let promises = scopes.promises()?;
    let hosts: Vec<_> = app.estate.hosts().iter().collect();
    let mut vantage: BTreeMap<Location, String> = BTreeMap::new();
    for host in app.estate.hosts_with_role(VANTAGE) {
        let name = host.name().to_owned();
        vantage.entry(host.location()).or_insert(name);
    }
    let trust = app.inputs.authority.as_ref();
    let trust = trust.map(tasks::authority::Authority::trust);
    let servers = Servers::new(app.targets(&hosts).await?, vantage, trust);
    let mut checks = Vec::new();
    let mut without: Vec<_> = services
        .iter()
        .map(|service| NotChecked {
            service: service.name.to_owned(),
            checks: None,
            why: IN_CONTAINERS.to_owned(),
        })
        .collect();
    let made = async {
        for role in own {
            let own = OwnChecks::of(role, promises);
            if own.is_empty() {
                let missing = Missing::nothing_promised(
                    format!("no host has a check of '{role}'"),
                    "give a host the role, and see its `only` and `when`",
                );
                checks.extend(missed(role, &missing, *by_name));
                continue;
            }
            let (made, not_made) = servers.make(&own).await;
            checks.extend(made);
            without.extend(not_made);
        }
        Ok(Vec::new())
    };
    let stopped = unless_stopped(made).await;
    servers.close().await;
    stopped?;
    Ok((checks, without))
}
