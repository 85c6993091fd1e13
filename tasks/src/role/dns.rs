//! dnsmasq.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Declarations, HostContext, fixed};
use crate::diagnostic::Diagnostic;
use crate::estate::{Estate, Host, Location, Vars};
use crate::promise::{Audience, DNS, NameServer, NeedKind, Needed, Promises, Protocol, Server};
use crate::resource::{Declared, Directory, File, Handler, Packages, Resource, Service};
use crate::value::{DomainName, HostPath};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm, with which short names are completed.
    home_domain: DomainName,
    /// Group whose hosts this server answers for. Where containers have two networks, that of the group `external` also knows the hosts in
    /// the office to which the router forwards ports, by the router's address.
    #[serde(default = "internal")]
    dns_group: String,
    /// Servers that are asked for everything else. `container-host` stands for the resolvers of the machine on which
    /// the estate's containers run.
    dns_upstream_nameservers: Vec<Upstream>,
    /// Other names of hosts: alias to host, in addition to those of services: `bacula-dir`, `bacula-sd`, `caldav` and
    /// `smtp`, which are names of the first hosts with the roles `backup_director`, `backup_storage`, `calendar` and
    /// `mail_internal` unless they are given here or are names of hosts. An alias is served where its host is.
    #[serde(default)]
    dns_aliases: BTreeMap<String, String>,
    /// Domains about which no other server is asked.
    #[serde(default)]
    dns_local_domains: Vec<DomainName>,
}

/// A server to ask: an address, or `container-host`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected an IP address or 'container-host'")]
enum Upstream {
    /// This address.
    Address(IpAddr),
    /// The word.
    ResolverWord(ResolverWord),
}

/// A word in the place of an address.
#[derive(Debug, Deserialize, JsonSchema)]
enum ResolverWord {
    /// The resolvers of the machine on which the containers run.
    #[serde(rename = "container-host")]
    ContainerHost,
}

/// Name of the server of calendars.
pub(super) const CALDAV: &str = "caldav";

/// Names of services, and the roles of the hosts that are called so.
const SERVICES: [(&str, &str); 4] = [
    ("bacula-dir", "backup_director"),
    ("bacula-sd", "backup_storage"),
    (CALDAV, "calendar"),
    ("smtp", "mail_internal"),
];

/// Gives the name by which people call a service of a host: the alias, where it leads there, or else the host's own.
pub(super) fn name_of<'n>(
    estate: &Estate,
    vars: &Vars<'_>,
    alias: &'n str,
    host: &'n Host,
) -> Result<&'n str, Diagnostic> {
    let given: Option<BTreeMap<String, String>> = vars.value("dns_aliases")?;
    let aliases = aliases(estate, &given.unwrap_or_default());
    let leads = aliases
        .get(alias)
        .is_some_and(|target| target == host.name());
    Ok(if leads { alias } else { host.name() })
}

fn aliases(estate: &Estate, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let service = |(alias, role): (&str, &str)| {
        let host = *estate.hosts_with_role(role).first()?;
        let free = estate.host(alias).is_none();
        free.then(|| (alias.to_owned(), host.name().to_owned()))
    };
    let mut aliases: BTreeMap<_, _> = SERVICES.into_iter().filter_map(service).collect();
    aliases.extend(given.clone());
    aliases
}

/// A line of the additional hosts file.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    address: IpAddr,
    names: Vec<&'a str>,
}

/// Gives the group that a server answers for, unless another is named.
pub(crate) fn internal() -> String {
    "internal".to_owned()
}

/// Debian's init script names the drop-in folder on the command line; without it dnsmasq reads no file of it.
const VALIDATION: [&str; 3] = [
    "dnsmasq",
    "--test",
    "--conf-dir=/etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new",
];

/// Folder of the additional hosts files; each file belongs to one role or domain.
pub(crate) const HOSTS: &str = "/etc/dnsmasq-hosts.d";

/// Restarts dnsmasq, which reads its configuration only when it starts.
pub(crate) fn restart() -> Handler {
    Handler::restart(fixed("dnsmasq")).validated_by(VALIDATION)
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns")?;
    let mut role = Declarations::new("dns");
    let aliases = aliases(cx.estate, &variables.dns_aliases);
    let entries = entries(cx, &variables, &aliases)?;
    let upstream = upstream(cx, &variables.dns_upstream_nameservers)?;
    let restart = restart();
    let reload = Handler::reload(fixed("dnsmasq"));
    role.add(Resource::Packages(Packages::new([fixed("dnsmasq")])));
    role.add(Resource::Directory(Directory::new(fixed(HOSTS))));
    let hosts = cx.render("dns/hosts").set("entries", &entries).finish();
    if let Some(content) = role.take(hosts) {
        let file = File::new(fixed::<HostPath>(HOSTS).child("estate"), content);
        role.add(Resource::File(file)).notifies(&reload);
    }
    // Another server of the estate completes short names itself; the Internet must not be asked about them.
    let to_the_internet = upstream.iter().any(|server| {
        cx.estate
            .hosts()
            .iter()
            .all(|host| host.address() != *server)
    });
    let configuration = cx
        .render("dns/estate.conf")
        .set("domain", &variables.home_domain)
        .set("upstream", &upstream)
        .set("local_domains", &variables.dns_local_domains)
        .set("hosts_folder", HOSTS)
        .set("to_the_internet", &to_the_internet)
        .finish();
    if let Some(content) = role.take(configuration) {
        let file = File::new(fixed("/etc/dnsmasq.d/estate.conf"), content);
        role.add(Resource::File(file)).notifies(&restart);
    }
    role.add(Resource::Service(Service::new(fixed("dnsmasq"))));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("dns")?;
    let aliases = aliases(cx.estate, &variables.dns_aliases);
    let mut server = NameServer {
        server: Server::of(cx.host),
        group: variables.dns_group.clone(),
        home_domain: variables.home_domain.to_string(),
        hosts: Vec::new(),
        aliases: Vec::new(),
        behind_router: Vec::new(),
    };
    let router = cx.estate.sides().map(|sides| sides.router.external);
    for entry in entries(cx, &variables, &aliases)? {
        let mut names = entry.names.into_iter().map(str::to_owned);
        if router.is_some_and(|router| entry.address == IpAddr::V4(router)) {
            let known = names.map(|name| (name, entry.address));
            server.behind_router.extend(known);
            continue;
        }
        let host = names.next().map(|name| (name, entry.address));
        server.hosts.extend(host);
        server
            .aliases
            .extend(names.map(|name| (name, entry.address)));
    }
    server.aliases.sort();
    promises.name_servers.push(server);
    promises.opens(
        (cx.host, "dns"),
        &Audience::around(cx.host),
        &[(Protocol::Udp, DNS), (Protocol::Tcp, DNS)],
    );
    let asked = variables.dns_upstream_nameservers.iter();
    let asked = asked.filter_map(|server| match server {
        Upstream::Address(address) => Needed::at(cx.estate, *address),
        Upstream::ResolverWord(ResolverWord::ContainerHost) => Some(Needed::Outside(
            "resolvers of the containers' machine".to_owned(),
        )),
    });
    promises.relies((cx.host, "dns"), NeedKind::Names, asked);
    Ok(())
}

fn entries<'e>(
    cx: &HostContext<'e>,
    variables: &Variables,
    aliases: &'e BTreeMap<String, String>,
) -> Result<Vec<Entry<'e>>, Vec<Diagnostic>> {
    let group = &variables.dns_group;
    let Some(members) = cx.estate.members(group) else {
        let mut mistake = Diagnostic::new(format!(
            "host {}: 'dns_group' names '{group}', but the estate has no such group",
            cx.host.name()
        ));
        if let Some(nearest) = crate::nearest(group, cx.estate.groups()) {
            mistake = mistake.hint(format!("did you mean '{nearest}'?"));
        }
        return Err(vec![mistake]);
    };
    let mut mistakes = Vec::new();
    for (alias, host) in &variables.dns_aliases {
        if cx.estate.host(host).is_none() {
            let names = cx.estate.hosts().iter().map(crate::estate::Host::name);
            let mut mistake = Diagnostic::new(format!(
                "'dns_aliases' calls '{host}' also '{alias}', but there is no such host"
            ));
            if let Some(nearest) = crate::nearest(host, names) {
                mistake = mistake.hint(format!("did you mean '{nearest}'?"));
            }
            mistakes.push(mistake);
        }
        if let Err(problem) = crate::estate::host_name(alias) {
            mistakes.push(Diagnostic::new(format!("'dns_aliases': {problem}")));
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let members = members.into_iter().map(|host| (host, host.address()));
    Ok(members
        .chain(behind_router(cx.estate, group))
        .map(|(host, address)| {
            let aliases = aliases
                .iter()
                .filter(|(alias, of)| *of == host.name() && *alias != host.name());
            let names =
                std::iter::once(host.name()).chain(aliases.map(|(alias, _)| alias.as_str()));
            Entry {
                address,
                names: names.collect(),
            }
        })
        .collect())
}

/// Lists the hosts in the office that the Internet knows, too, because its router forwards ports to them; with the router's address.
fn behind_router<'e>(
    estate: &'e Estate,
    group: &str,
) -> impl Iterator<Item = (&'e Host, IpAddr)> + use<'e> {
    let is_external = group == Location::External.as_str();
    let known = estate.known_from(Location::External);
    known.filter(move |(host, _)| is_external && host.location() == Location::Internal)
}

/// Gives the servers that a name server asks for everything else; none where that cannot be told, which its own role says.
pub(super) fn upstream_of(cx: &HostContext<'_>) -> Vec<IpAddr> {
    let servers = cx.vars.value::<Vec<Upstream>>("dns_upstream_nameservers");
    let servers = servers.ok().flatten().unwrap_or_default();
    upstream(cx, &servers).unwrap_or_default()
}

fn upstream(cx: &HostContext<'_>, given: &[Upstream]) -> Result<Vec<IpAddr>, Vec<Diagnostic>> {
    let mut servers = Vec::new();
    for server in given {
        match server {
            Upstream::Address(address) => servers.push(*address),
            Upstream::ResolverWord(ResolverWord::ContainerHost)
                if cx.estate.networks().is_none() =>
            {
                return Err(vec![
                    Diagnostic::new(format!(
                        "host {}: 'dns_upstream_nameservers' says 'container-host', but the hosts are not containers",
                        cx.host.name()
                    ))
                    .hint("name the addresses of the servers to ask"),
                ]);
            }
            Upstream::ResolverWord(ResolverWord::ContainerHost) => {
                servers.extend(&cx.inputs.container_host_resolvers);
            }
        }
    }
    Ok(servers)
}
