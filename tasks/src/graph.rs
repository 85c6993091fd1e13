//! The estate as a graph: hosts with their roles, and who relies on whom for what.
//!
//! It is made of the inventory alone: of what roles and domain roles promise, of the lines of other hosts' files that
//! resources ask for, and of the ports that roles of an estate's own open for hosts by name or ask from their own host. It
//! knows no role, and does not say how it is drawn.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::domain::Domains;
use crate::domain::role::DomainWork;
use crate::estate::{Estate, Host, Location, Networks};
use crate::promise::{Need, NeedKind, Needed, OpenPort, Promises};
use crate::role::{HostContext, Inputs, resources};
use crate::template::Templates;
use crate::value::Network;

/// An estate as a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Graph {
    /// Name of the estate.
    pub estate: String,
    /// The network of its containers; none where the hosts are servers.
    pub network: Option<String>,
    /// Its hosts, in the order of the inventory.
    pub hosts: Vec<GraphHost>,
    /// What the roles of these hosts do: name and summary, in the order in which they are applied.
    pub roles: Vec<(String, String)>,
    /// Who relies on whom, each said once, in an order of their own.
    pub needs: Vec<Need>,
}

/// A host of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphHost {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Where it is.
    pub location: Location,
    /// Its release of Debian.
    pub release: String,
    /// Its roles, in the order in which they are applied.
    pub roles: Vec<String>,
}

impl Graph {
    /// Makes the graph of an estate and its domains, beside the mistakes that kept some of it from being known.
    #[must_use]
    pub fn of(
        estate: &Estate,
        domains: &Domains,
        templates: &Templates,
        inputs: &Inputs,
    ) -> (Self, Vec<Diagnostic>) {
        let (promises, mut mistakes) = Promises::collect(estate, domains, templates, inputs);
        let mut needs = promises.needs.clone();
        needs.extend(of_sites(&promises));
        for host in estate.hosts() {
            match of_inputs(estate, host, domains, templates, inputs) {
                Ok(more) => needs.extend(more),
                Err(found) => mistakes.extend(found),
            }
        }
        for check in &promises.own_checks {
            if let Some((other, port)) = check.asks(estate) {
                needs.push(Need {
                    host: check.host.name.clone(),
                    of: Needed::host(other),
                    kind: NeedKind::Port,
                    detail: format!("{}: port {port}", check.role),
                });
            }
            match check.opens(estate) {
                Ok(ports) => needs.extend(ports.iter().flat_map(|port| of_port(estate, port))),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        needs.sort();
        needs.dedup();
        crate::diagnostic::tidy(&mut mistakes);
        let used = inputs.roles.iter();
        let used = used.filter(|role| estate.hosts().iter().any(|host| role.is_on(host)));
        let graph = Self {
            estate: estate.name().to_owned(),
            network: estate.networks().map(Networks::in_words),
            hosts: estate
                .hosts()
                .iter()
                .map(|host| node(host, inputs))
                .collect(),
            roles: used
                .map(|role| (role.name().to_owned(), role.summary().to_owned()))
                .collect(),
            needs,
        };
        (graph, mistakes)
    }
}

fn node(host: &Host, inputs: &Inputs) -> GraphHost {
    let roles = inputs.roles.of(host);
    GraphHost {
        name: host.name().to_owned(),
        address: host.address().to_string(),
        location: host.location(),
        release: host.release().to_string(),
        roles: roles.map(|role| role.name().to_owned()).collect(),
    }
}

/// Web sites: who is in front relies on the site's host, and that one on the host of its database.
fn of_sites(promises: &Promises) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut relies = |host: &str, of: &str, kind, site: &str| {
        if host != of {
            needs.push(Need {
                host: host.to_owned(),
                of: Needed::Host(of.to_owned()),
                kind,
                detail: site.to_owned(),
            });
        }
    };
    for site in &promises.site_servers {
        let database = &site.database.name;
        relies(&site.server.name, database, NeedKind::Database, &site.name);
        let fronts = promises.site_fronts.iter();
        for front in fronts.filter(|front| front.name == site.name) {
            relies(
                &front.proxy.name,
                &site.server.name,
                NeedKind::Web,
                &site.name,
            );
        }
    }
    needs
}

/// What the configuration of a host has from files of other hosts.
fn of_inputs(
    estate: &Estate,
    host: &Host,
    domains: &Domains,
    templates: &Templates,
    inputs: &Inputs,
) -> Result<Vec<Need>, Vec<Diagnostic>> {
    let mut declared = resources(&HostContext::new(estate, host, inputs, templates))?;
    let work = DomainWork::setup(domains);
    declared.extend(work.resources(estate, host, inputs, templates)?);
    let asked = declared.iter();
    let asked = asked.flat_map(|it| it.resource.manage().inputs());
    let others = asked.filter(|input| input.host != host.name());
    Ok(others
        .map(|input| Need {
            host: host.name().to_owned(),
            of: Needed::Host(input.host),
            kind: NeedKind::File,
            detail: input.path.to_string(),
        })
        .collect())
}

/// The hosts for which a port is open by name or address.
fn of_port(estate: &Estate, port: &OpenPort) -> Vec<Need> {
    let users = estate.hosts().iter().filter(|host| {
        host.name() != port.host && port.to.networks.contains(&Network::from(host.address()))
    });
    users
        .map(|user| Need {
            host: user.name().to_owned(),
            of: Needed::Host(port.host.clone()),
            kind: NeedKind::Port,
            detail: format!("{}: {}/{}", port.role, port.protocol, port.port),
        })
        .collect()
}
