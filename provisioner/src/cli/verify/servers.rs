//! The servers of an estate, and which of them are vantage points.

use std::collections::BTreeMap;
use std::sync::Arc;

use tasks::estate::{Host, Location};

use crate::cli::app::App;
use crate::report::problem::Problem;
use crate::verify::{Servers, VANTAGE};

/// Finds the vantage point of each side: the first host there with the role.
pub(in crate::cli) fn vantage_points(app: &App) -> BTreeMap<Location, &Host> {
    let mut points = BTreeMap::new();
    for host in app.estate.hosts_with_role(VANTAGE) {
        points.entry(host.location()).or_insert(host);
    }
    points
}

/// Gathers the servers; none is connected to yet.
pub(super) async fn gather(app: &App) -> Result<Arc<Servers>, Problem> {
    let hosts: Vec<_> = app.estate.hosts().iter().collect();
    let vantage = vantage_points(app).into_iter();
    let vantage = vantage.map(|(location, host)| (location, host.name().to_owned()));
    let trust = app.inputs.authority.as_ref();
    let trust = trust.map(tasks::authority::Authority::trust);
    let targets = app.targets(&hosts).await?;
    Ok(Arc::new(Servers::new(targets, vantage.collect(), trust)))
}
