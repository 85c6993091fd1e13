//! What the stand-ins of an estate must know of it, gathered from its variables.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;
use tasks::Secret;
use tasks::estate::Host;
use tasks::release::Release;

use super::app::App;
use crate::docker::{EstateContainers, Progress, StandInSpec};
use crate::report::problem::Problem;

/// The numbers of a domain at the provider.
#[derive(Deserialize)]
pub(super) struct Domain {
    pub(super) id: u64,
    pub(super) records: Vec<u64>,
}

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
                // Its programs are prov's own: they are tried on one release, whatever the hosts run.
                release: Release::default().codename().to_owned(),
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
    let mut tokens = BTreeSet::new();
    let mut domains = BTreeMap::new();
    for host in app.estate.hosts() {
        let vars = app.estate.vars(host);
        let token: Option<Secret> = vars
            .value("dns_linode_key")
            .map_err(|mistake| vec![mistake])?;
        tokens.extend(token);
        for (name, Domain { id, records }) in self::domains(app, host)? {
            let records: BTreeMap<String, _> = (records.into_iter().enumerate())
                .map(|(index, record)| {
                    let fields = json!({ "name": label(index, record), "target": NOWHERE });
                    (record.to_string(), fields)
                })
                .collect();
            domains.insert(
                id.to_string(),
                json!({ "domain": name, "records": records }),
            );
        }
    }
    let tokens: Vec<&str> = tokens.iter().map(Secret::expose).collect();
    let told = json!({ "tokens": tokens, "domains": domains });
    Ok(Secret::new(told.to_string()))
}

/// Gives the domains whose records a host keeps up to date: those that its variables name and those of domain files.
pub(super) fn domains(app: &App, host: &Host) -> Result<BTreeMap<String, Domain>, Problem> {
    let vars = app.estate.vars(host);
    let declared: Option<BTreeMap<String, Domain>> = vars
        .value("dynamic_dns_domains")
        .map_err(|mistake| vec![mistake])?;
    let mut domains = declared.unwrap_or_default();
    if host.has_role("dynamic_dns") {
        let hosted = app.domains.iter().filter_map(|domain| {
            let records = domain.settings().dynamic_dns.as_ref()?;
            let numbers = Domain {
                id: records.id.get(),
                records: records.records.iter().map(|it| it.get()).collect(),
            };
            Some((domain.name().to_string(), numbers))
        });
        domains.extend(hosted);
    }
    Ok(domains)
}

/// Names a record of a domain; the first one is the domain itself, which Linode gives no name.
fn label(index: usize, record: u64) -> String {
    match index {
        0 => String::new(),
        1 => "www".to_owned(),
        _ => format!("record-{record}"),
    }
}
