//! Dynamic DNS: records at Linode that follow the address of the office.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, dns_api, fixed};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::estate::{Location, Vars};
use crate::promise::{KeptRecords, NeedKind, Needed, Promises, RecordKeeper, Server};
use crate::quote::word;
use crate::resource::{Cron, Declared, Directory, File, Packages, Resource, TimeField};
use crate::value::{DomainName, HostPath, HttpUrl, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(
    clippy::struct_field_names,
    reason = "the names are those of the variables"
)]
pub(super) struct Variables {
    /// Minutes between two checks, 1 to 59; they begin with each hour.
    #[serde(default = "quarter")]
    dynamic_dns_crontab_stride: Minutes,
    /// Folder of the domains, one file for each.
    #[serde(default = "folder")]
    dynamic_dns_domains_dir: HostPath,
    /// Services that answer with nothing but the address that they see the host at, asked one after the other where Linode
    /// refuses to take the one that it sees, as for an AAAA record over IPv4.
    #[serde(default)]
    dynamic_dns_address_urls: Vec<HttpUrl>,
    /// Domains whose records are kept up to date besides those of the domain files.
    #[serde(default)]
    dynamic_dns_domains: BTreeMap<DomainName, LinodeDomain>,
}

/// A domain at Linode.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LinodeDomain {
    /// Its number.
    id: NonZeroU64,
    /// The numbers of the records that are to point at the host.
    records: Vec<NonZeroU64>,
}

/// A number of minutes that cron can count within an hour.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
struct Minutes(#[schemars(range(min = 1, max = 59))] u8);

impl TryFrom<u8> for Minutes {
    type Error = String;

    fn try_from(minutes: u8) -> Result<Self, String> {
        if (1..=59).contains(&minutes) {
            Ok(Self(minutes))
        } else {
            Err(format!("{minutes} is not a number of minutes from 1 to 59"))
        }
    }
}

const SCRIPT: &str = "/usr/local/sbin/dynamic-dns";

const fn quarter() -> Minutes {
    Minutes(15)
}

/// Gives the folder of the domains, unless another is named.
pub(crate) fn folder() -> HostPath {
    fixed("/usr/local/etc/dynamic-dns-domains")
}

/// Gives the file of a domain, with the numbers of the domain and of its records at the provider.
pub(crate) fn domain(
    cx: &HostContext<'_>,
    name: &DomainName,
    id: NonZeroU64,
    records: &[NonZeroU64],
) -> Result<Content, Diagnostic> {
    cx.render("dynamic_dns/domain.conf")
        .set("domain", name)
        .set("id", &id)
        .set("records", records)
        .finish()
}

/// Describes the records of a domain that a host keeps.
pub(crate) fn kept(
    cx: &HostContext<'_>,
    domain: &DomainName,
    id: NonZeroU64,
    records: &[NonZeroU64],
) -> KeptRecords {
    KeptRecords {
        host: cx.host.name().to_owned(),
        domain: domain.to_string(),
        id,
        records: records.to_vec(),
    }
}

/// Gives what is worth a backup: the settings, and the folder of the domains.
pub(super) fn backup(vars: &Vars<'_>) -> Result<Vec<HostPath>, Diagnostic> {
    let folder_of_domains: Option<HostPath> = vars.value("dynamic_dns_domains_dir")?;
    Ok(vec![
        fixed("/usr/local/etc/dynamic-dns.conf"),
        folder_of_domains.unwrap_or_else(folder),
    ])
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dynamic_dns")?;
    let Minutes(stride) = variables.dynamic_dns_crontab_stride;
    let api = dns_api::address(cx, "dynamic_dns")?;
    let provider = Needed::Outside(api.clone());
    promises.relies((cx.host, "dynamic_dns"), NeedKind::Service, [provider]);
    promises.record_keepers.push(RecordKeeper {
        server: Server::of(cx.host),
        seen_at: cx.estate.seen_from(Location::External, cx.host),
        stride,
        api,
    });
    let domains = variables.dynamic_dns_domains.iter();
    promises
        .kept_records
        .extend(domains.map(|(name, domain)| kept(cx, name, domain.id, &domain.records)));
    Ok(())
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dynamic_dns")?;
    let api = dns_api::address(cx, "dynamic_dns")?;
    let mut role = Declarations::new("dynamic_dns");
    // Perl has everything but TLS.
    let packages = ["ca-certificates", "cron", "libio-socket-ssl-perl", "perl"];
    role.add(Resource::Packages(Packages::new(packages.map(fixed))));
    let folder = &variables.dynamic_dns_domains_dir;
    role.add(Resource::Directory(Directory::new(folder.clone())));
    let configuration = cx
        .render("dynamic_dns/dynamic-dns.conf")
        .set("base_url", &api)
        .set("credentials", dns_api::CREDENTIALS)
        .set("address_urls", &variables.dynamic_dns_address_urls)
        .quoted("domains_dir", word, folder.as_str())
        .finish();
    if let Some(content) = role.take(configuration) {
        let path = fixed("/usr/local/etc/dynamic-dns.conf");
        role.add(Resource::File(File::new(path, content)));
    }
    for (name, domain) in &variables.dynamic_dns_domains {
        let content = self::domain(cx, name, domain.id, &domain.records);
        if let Some(content) = role.take(content) {
            let path = folder.join("", name, ".conf");
            role.add(Resource::File(File::new(path, content)));
        }
    }
    let script = cx.render("dynamic_dns/dynamic-dns").finish();
    if let Some(content) = role.take(script) {
        let mut file = File::new(fixed(SCRIPT), content);
        file.mode = Mode::new(0o755);
        role.add(Resource::File(file));
    }
    // Last, so that cron never runs half of it.
    let mut cron = Cron::new("dynamic-dns", SCRIPT);
    let Minutes(stride) = variables.dynamic_dns_crontab_stride;
    cron.minute = TimeField::new(format!("*/{stride}"));
    role.add(Resource::Cron(cron));
    role.finish()
}
