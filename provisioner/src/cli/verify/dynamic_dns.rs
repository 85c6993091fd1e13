//! What the checks of dynamic DNS must know of the estate.

use tasks::Secret;

use super::super::app::App;
use super::super::stand_ins;
use crate::engine::Failure;
use crate::report::problem::Problem;
use crate::verify::DynamicDnsExpectations;

/// Minutes between two checks unless told otherwise.
const STRIDE: u64 = 15;

/// The stand-in that the checks need.
const STAND_IN: &str = "linode";

/// Gathers what to expect. Refuses where the API is not the stand-in: the checks change a record.
pub(super) fn expectations(app: &App) -> Result<DynamicDnsExpectations, Problem> {
    let refuse = |cause: String, hint: &str| Problem::Failed(Failure::new(cause, hint));
    let hosts = app.estate.hosts_with_role("dynamic_dns");
    let Some(host) = hosts.first().copied() else {
        return Err(refuse(
            "no host of the estate keeps DNS records up to date".to_owned(),
            "give a host the role dynamic_dns",
        ));
    };
    let vars = app.estate.vars(host);
    let base: Option<String> = vars
        .value("dns_linode_base_url")
        .map_err(|mistake| vec![mistake])?;
    let base = base.unwrap_or_default();
    let stand_in = app.estate.stand_ins().iter();
    let mut stand_in = stand_in.filter(|stand_in| {
        let own = format!("http://{}/", stand_in.address());
        stand_in.name() == STAND_IN && base.starts_with(&own)
    });
    if stand_in.next().is_none() {
        return Err(refuse(
            format!(
                "host {}: 'dns_linode_base_url' is not that of the stand-in '{STAND_IN}'",
                host.name()
            ),
            "the checks change a record, so they are made at a stand-in alone: give the estate's containers one",
        ));
    }
    let token: Option<Secret> = vars
        .value("dns_linode_key")
        .map_err(|mistake| vec![mistake])?;
    let stride: Option<u64> = vars
        .value("dynamic_dns_crontab_stride")
        .map_err(|mistake| vec![mistake])?;
    let domains = stand_ins::domains(app, host)?;
    let first = domains.into_iter().find_map(|(name, domain)| {
        let record = domain.records.first()?;
        Some((name, domain.id, *record))
    });
    let Some((domain, id, record)) = first else {
        return Err(refuse(
            format!("host {}: no domain has a record that it keeps", host.name()),
            "declare 'dynamic_dns' in a domain's file; the stand-in then has it, too",
        ));
    };
    Ok(DynamicDnsExpectations {
        host: host.name().to_owned(),
        address: host.address(),
        stride: stride.unwrap_or(STRIDE),
        domain,
        record: format!("{}/{id}/records/{record}", base.trim_end_matches('/')),
        token: token.unwrap_or_default(),
    })
}
