//! What the stand-ins of an estate must know of it, gathered from its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use serde_json::json;
use tasks::Secret;

use super::app::App;
use super::scope::Scopes;
use crate::docker::{EstateContainers, Progress, StandInSpec};
use crate::report::problem::Problem;

/// What the records point at before anybody asks for another target (RFC 5737).
const NOWHERE: &str = "192.0.2.1";

/// Makes sure that the estate's stand-ins run.
pub(super) async fn ensure(
    app: &App,
    containers: &EstateContainers,
    progress: &Progress<'_>,
) -> Result<(), Problem> {
    let specs = app
        .estate
        .stand_ins()
        .iter()
        .map(|stand_in| {
            Ok(StandInSpec {
                name: stand_in.name().to_owned(),
                address: stand_in.address(),
                release: app.estate.client_release(None).codename().to_owned(),
                input: input(app, stand_in.name())?,
            })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    Ok(containers.ensure_stand_ins(&specs, progress).await?)
}

fn input(app: &App, stand_in: &str) -> Result<Secret, Problem> {
    match stand_in {
        "linode" => linode(app),
        _ => Ok(Secret::new("{}\n")),
    }
}

/// Tells the stand-in of Linode's API which tokens are good, and of the domains and records that the estate declares.
fn linode(app: &App) -> Result<Secret, Problem> {
    let scopes = Scopes::of(app);
    let promises = scopes.promises()?;
    let tokens: BTreeSet<&str> = promises
        .api_accounts
        .iter()
        .map(|account| account.token.expose())
        .collect();
    let domains: BTreeMap<String, _> = promises
        .kept_records
        .iter()
        .map(|kept| {
            let records: BTreeMap<String, _> = kept
                .records
                .iter()
                .enumerate()
                .map(|(index, record)| {
                    let fields = json!({ "name": label(index, *record), "target": NOWHERE });
                    (record.to_string(), fields)
                })
                .collect();
            let domain = json!({ "domain": kept.domain, "records": records });
            (kept.id.to_string(), domain)
        })
        .collect();
    let told = json!({ "tokens": tokens, "domains": domains });
    Ok(Secret::new(told.to_string()))
}

/// Names a record of a domain; the first one is the domain itself, which Linode gives no name.
fn label(index: usize, record: NonZeroU64) -> String {
    match index {
        0 => String::new(),
        1 => "www".to_owned(),
        _ => format!("record-{record}"),
    }
}
