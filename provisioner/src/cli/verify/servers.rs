//! The servers of an estate, and which of them are vantage points.

use std::collections::BTreeMap;
use std::sync::Arc;

use tasks::estate::Location;

use crate::cli::app::App;
use crate::report::problem::Problem;
use crate::verify::{Servers, VANTAGE};

/// Gathers the servers; none is connected to yet.
pub(super) async fn gather(app: &App) -> Result<Arc<Servers>, Problem> {
    let hosts: Vec<_> = app.estate.hosts().iter().collect();
    let mut vantage: BTreeMap<Location, String> = BTreeMap::new();
    for host in app.estate.hosts_with_role(VANTAGE) {
        let name = host.name().to_owned();
        vantage.entry(host.location()).or_insert(name);
    }
    let trust = app.inputs.authority.as_ref();
    let trust = trust.map(tasks::authority::Authority::trust);
    let targets = app.targets(&hosts).await?;
    Ok(Arc::new(Servers::new(targets, vantage, trust)))
}
