//! Exim's settings on a host: what the estate says of them, else what the host's mail roles bring, else a satellite's.
//!
//! Owns which of the estate's settings a mail role cannot work with. Refuses to know the roles: each says in its row what it brings.

use std::net::IpAddr;

use super::server::{ConfigType, LocalDelivery, MailServer, Takes};
use super::{Variables, mailname};
use crate::diagnostic::Diagnostic;
use crate::role::{Capability, HostContext};
use crate::value::{DomainName, Network};

/// Settings that hold for a host.
pub(super) struct Settings {
    pub(super) kind: ConfigType,
    pub(super) other_hostnames: Vec<DomainName>,
    pub(super) local_interfaces: Vec<IpAddr>,
    pub(super) relay_nets: Vec<Network>,
    pub(super) is_split: bool,
    pub(super) local_delivery: LocalDelivery,
}

impl Settings {
    /// Decides the settings; refuses those of the estate that keep a role of the host from working.
    pub(super) fn of(cx: &HostContext<'_>, variables: &Variables) -> Result<Self, Vec<Diagnostic>> {
        let mut roles = Roles::of(cx, variables);
        let kind = roles.kind();
        let local_delivery = roles.local_delivery();
        let is_split = roles.is_split();
        let other_hostnames = roles.other_hostnames();
        if !roles.mistakes.is_empty() {
            return Err(roles.mistakes);
        }
        let everywhere = !roles.servers.is_empty();
        let local_interfaces = variables.mta_local_interfaces.clone();
        let relay_nets = variables.mta_relay_nets.clone();
        Ok(Self {
            kind,
            other_hostnames,
            local_interfaces: local_interfaces.unwrap_or_else(|| {
                let loopback = IpAddr::from([127, 0, 0, 1]);
                if everywhere {
                    Vec::new()
                } else {
                    vec![loopback]
                }
            }),
            relay_nets: relay_nets.unwrap_or_else(|| roles.office()),
            is_split,
            local_delivery,
        })
    }
}

/// The mail roles of a host, beside what the estate says.
struct Roles<'r, 'e> {
    cx: &'r HostContext<'e>,
    variables: &'r Variables,
    servers: Vec<(&'r str, MailServer)>,
    mistakes: Vec<Diagnostic>,
}

impl<'r, 'e> Roles<'r, 'e> {
    fn of(cx: &'r HostContext<'e>, variables: &'r Variables) -> Self {
        let servers = cx.roles.of(cx.host).flat_map(|role| {
            let offers = role.offers().iter();
            offers.filter_map(|offer| Some((role.name(), offer.mail_server()?)))
        });
        Self {
            cx,
            variables,
            servers: servers.collect(),
            mistakes: Vec::new(),
        }
    }

    /// Keeps that the value of a variable does not fit a role.
    fn refuse(&mut self, variable: &str, role: &str, problem: &str, remedy: &str) {
        let host = self.cx.host.name();
        let message =
            format!("host {host}: '{variable}' does not fit the role {role}, which {problem}");
        let mistake = match self.cx.vars.find(variable) {
            Some((_, set)) => Diagnostic::at(set.mark().place(), message),
            None => Diagnostic::new(message),
        };
        self.mistakes.push(mistake.hint(format!(
            "leave it out here, so that the role decides, or set '{variable}: {remedy}' for the host"
        )));
    }

    fn kind(&mut self) -> ConfigType {
        let fits = |kind: &ConfigType| {
            let mut servers = self.servers.iter();
            servers.all(|(_, server)| server.kinds.contains(kind))
        };
        let Some((first, server)) = self.servers.first().copied() else {
            return self.variables.mta_configtype.unwrap_or_default();
        };
        let Some(usual) = server.kinds.iter().find(|kind| fits(kind)).copied() else {
            let names: Vec<_> = self.servers.iter().map(|(role, _)| *role).collect();
            let message = format!(
                "host {}: the roles {} need different kinds of Exim's configuration",
                self.cx.host.name(),
                names.join(" and ")
            );
            let mistake = Diagnostic::new(message);
            self.mistakes
                .push(mistake.hint("give them to different hosts"));
            return server.kinds.first().copied().unwrap_or_default();
        };
        let Some(kind) = self.variables.mta_configtype else {
            return usual;
        };
        if fits(&kind) {
            return kind;
        }
        let refused = self
            .servers
            .iter()
            .find(|(_, it)| !it.kinds.contains(&kind));
        let (role, server) = refused.copied().unwrap_or((first, server));
        let works: Vec<_> = server.kinds.iter().map(|it| it.name()).collect();
        let problem = format!("works with {} only", works.join(" or "));
        self.refuse("mta_configtype", role, &problem, usual.name());
        usual
    }

    fn is_split(&mut self) -> bool {
        let needed = self.servers.iter().find(|(_, server)| server.is_split);
        let needed = needed.map(|(role, _)| *role);
        match (self.variables.mta_use_split_config, needed) {
            (Some(false), Some(role)) => {
                let problem = "has files in /etc/exim4/conf.d";
                self.refuse("mta_use_split_config", role, problem, "true");
                true
            }
            (Some(given), _) => given,
            (None, needed) => needed.is_some(),
        }
    }

    fn local_delivery(&mut self) -> LocalDelivery {
        let mut roles = self.cx.roles.of(self.cx.host);
        let reader = roles.find(|role| role.offers().contains(&Capability::Maildirs));
        let reader = reader.map(|role| role.name().to_owned());
        match (self.variables.mta_localdelivery, reader) {
            (Some(LocalDelivery::MailSpool), Some(role)) => {
                let problem = "reads Maildirs, so that nobody would see the mail";
                let remedy = LocalDelivery::MaildirHome.name();
                self.refuse("mta_localdelivery", &role, problem, remedy);
                LocalDelivery::MaildirHome
            }
            (Some(given), _) => given,
            (None, Some(_)) => LocalDelivery::MaildirHome,
            (None, None) => LocalDelivery::default(),
        }
    }

    fn other_hostnames(&mut self) -> Vec<DomainName> {
        let home = &self.variables.home_domain;
        let own = mailname(self.variables.mta_mailname.as_ref(), home);
        let mut needed: Vec<(&str, &DomainName)> = Vec::new();
        for (role, server) in &self.servers {
            let domain = match server.takes {
                Takes::HomeDomain => home,
                Takes::MailName => own,
            };
            if !needed.iter().any(|(_, known)| *known == domain) {
                needed.push((role, domain));
            }
        }
        let Some(given) = self.variables.mta_other_hostnames.clone() else {
            return needed
                .into_iter()
                .map(|(_, domain)| domain.clone())
                .collect();
        };
        let missing = needed
            .into_iter()
            .filter(|(_, domain)| !given.contains(domain));
        for (role, domain) in missing.collect::<Vec<_>>() {
            let all = given.iter().chain([domain]).map(ToString::to_string);
            let all: Vec<_> = all.collect();
            let problem = format!("takes the mail of {domain}");
            let remedy = format!("[{}]", all.join(", "));
            self.refuse("mta_other_hostnames", role, &problem, &remedy);
        }
        given
    }

    /// Gives the networks from which mail is relayed to anywhere. A role that does so needs `office_subnet` itself, and says so
    /// where it is not set.
    fn office(&self) -> Vec<Network> {
        let relays = |(_, server): &(&str, MailServer)| server.relays_for_office;
        if !self.servers.iter().any(relays) {
            return Vec::new();
        }
        let office = self.cx.vars.value("office_subnet").ok().flatten();
        office.into_iter().collect()
    }
}
