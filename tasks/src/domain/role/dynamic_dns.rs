//! The records of a domain that follow the office's address.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::diagnostic::Diagnostic;
use crate::promise::Promises;
use crate::resource::{File, Resource};
use crate::role::dynamic_dns;
use crate::value::HostPath;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Folder of the domains, one file for each.
    #[serde(default = "dynamic_dns::folder")]
    dynamic_dns_domains_dir: HostPath,
}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let Some(records) = &cx.domain.settings().dynamic_dns else {
        return;
    };
    let variables: Variables = match cx.on.vars.typed("domain_dynamic_dns") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let content = dynamic_dns::domain(&cx.on, cx.domain.name(), records.id, &records.records);
    if let Some(content) = made.take(content) {
        let folder = &variables.dynamic_dns_domains_dir;
        let path = folder.join("", cx.domain.name(), ".conf");
        made.add(Resource::File(File::new(path, content)));
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of the registry's rows"
)]
pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    if let Some(records) = &cx.domain.settings().dynamic_dns {
        let kept = dynamic_dns::kept(&cx.on, cx.domain.name(), records.id, &records.records);
        promises.kept_records.push(kept);
    }
    Ok(())
}
