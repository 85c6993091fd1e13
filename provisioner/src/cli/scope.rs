//! Where a client stands, and what it is given there: the DNS server, the authority that it trusts, its configuration.
//!
//! Everything comes from what the estate promises; a client's container is made of it by the container engine.

use std::net::{IpAddr, Ipv4Addr};

use tasks::Diagnostic;
use tasks::estate::{Host, Location};
use tasks::promise::{Director, MailGateway, NameServer, Promises};

use super::app::App;
use crate::docker::{ClientFile, ClientScope};
use crate::report::problem::Problem;

/// The client that speaks the director's own protocol, in which it finds its password in a file.
const CONSOLE: &str = "bconsole";

/// The clients that are of use without a name server, too: the one with the programs for checks of roles of an estate's own, and the
/// one that shows the way to an address.
const NAMELESS: [&str; 2] = ["vantage", "traceroute"];

/// The clients that nobody has any use for without a name server; those of mail need to know more of the estate, and ask for it.
const NAMED: [&str; 1] = ["dig"];

/// What an estate promises, as far as it can be told.
pub(super) struct Scopes<'a> {
    app: &'a App,
    promises: Promises,
    /// What kept some promises from being made.
    mistakes: Vec<Diagnostic>,
}

impl<'a> Scopes<'a> {
    pub(super) fn of(app: &'a App) -> Self {
        let (promises, mistakes) =
            Promises::collect(&app.estate, &app.domains, &app.templates, &app.inputs);
        Self {
            app,
            promises,
            mistakes,
        }
    }

    /// Gives all promises; an error where a mistake of the estate leaves some out.
    pub(super) fn promises(&self) -> Result<&Promises, Problem> {
        if self.mistakes.is_empty() {
            Ok(&self.promises)
        } else {
            Err(self.mistakes.clone().into())
        }
    }

    /// Describes where a client stands that a person uses, who can call hosts by their names where nobody answers for others.
    pub(super) fn by_hand(&self, client: &str, location: Location) -> Result<ClientScope, Problem> {
        if client == CONSOLE || NAMED.contains(&client) || self.name_server(location).is_some() {
            self.client(client, location)
        } else {
            Ok(self.without_names(location))
        }
    }

    /// Describes where a client stands.
    pub(super) fn client(&self, client: &str, location: Location) -> Result<ClientScope, Problem> {
        match client {
            CONSOLE => self.console(location),
            _ if NAMELESS.contains(&client) && self.name_server(location).is_none() => {
                Ok(self.without_names(location))
            }
            _ => self.scope(location, None),
        }
    }

    /// Gives the address of the estate's CalDAV server.
    pub(super) fn calendar_server(&self) -> Result<&str, Problem> {
        let server = self.promises.calendar_servers.first();
        let missing = (
            "no host of the estate has calendars",
            "give a host the role calendar, or name another server",
        );
        Ok(&self.found(server, missing)?.url)
    }

    /// Finds the server that stands for everybody else's mail.
    pub(super) fn mail_gateway(&self) -> Result<&MailGateway, Problem> {
        let missing = (
            "no host of the estate stands for everybody else's mail",
            "give a host the role mail_gateway",
        );
        self.found(self.promises.mail_gateways.first(), missing)
    }

    /// Finds the server of somebody else's domain, if the estate has one.
    pub(super) fn mail_gateway_of(&self, domain: &str) -> Option<&MailGateway> {
        let mut gateways = self.promises.mail_gateways.iter();
        gateways.find(|gateway| gateway.domain == domain)
    }

    /// Lists the domains of somebody else's that the estate has a server for.
    pub(super) fn mail_gateway_domains(&self) -> impl Iterator<Item = &str> {
        let gateways = self.promises.mail_gateways.iter();
        gateways.map(|gateway| gateway.domain.as_str())
    }

    /// Finds the backup's director.
    pub(super) fn director(&self) -> Result<&Director, Problem> {
        let missing = (
            "no host of the estate is the backup's director",
            "give a host the role backup_director",
        );
        self.found(self.promises.directors.first(), missing)
    }

    /// Describes where a console of the backup's director stands, with the configuration that holds its password.
    fn console(&self, location: Location) -> Result<ClientScope, Problem> {
        let director = self.director()?;
        let mut scope = self.scope(location, self.app.estate.host(&director.host))?;
        scope.files.push(ClientFile {
            path: "/etc/bacula/bconsole.conf",
            mode: 0o600,
            content: director.console.clone(),
        });
        Ok(scope)
    }

    /// Describes where a client stands that may speak a host's own protocol.
    fn scope(&self, location: Location, speaks_to: Option<&Host>) -> Result<ClientScope, Problem> {
        let missing = format!("no host answers for the group '{location}'");
        let hint = "give a host the role dns and set its 'dns_group'";
        let server = self.name_server(location);
        let (server, nameserver) = self.found(server, (&missing, hint))?;
        let mut scope = self.bare(location, speaks_to);
        scope.nameserver = Some(nameserver);
        scope.search = Some(server.home_domain.clone());
        Ok(scope)
    }

    /// Describes where a client stands that knows hosts by their names alone, those of its own side and of the Internet.
    fn without_names(&self, location: Location) -> ClientScope {
        let known = self.app.estate.known_from(location);
        let hosts = known.map(|(host, address)| (host.name().to_owned(), address));
        ClientScope {
            hosts: hosts.collect(),
            ..self.bare(location, None)
        }
    }

    /// Finds the name server of a side.
    fn name_server(&self, location: Location) -> Option<(&NameServer, Ipv4Addr)> {
        let mut servers = self.promises.name_servers.iter().filter_map(|server| {
            let address = match server.server.address {
                IpAddr::V4(address) => address,
                IpAddr::V6(_) => return None,
            };
            (server.group == location.as_str()).then_some((server, address))
        });
        servers.next()
    }

    /// Describes a client that knows no names, and trusts the estate's authority.
    fn bare(&self, location: Location, speaks_to: Option<&Host>) -> ClientScope {
        let release = self.app.estate.client_release(speaks_to);
        let mut scope = ClientScope {
            side: location,
            nameserver: None,
            hosts: Vec::new(),
            search: None,
            release: release.codename().to_owned(),
            files: Vec::new(),
        };
        if let Some(authority) = &self.app.inputs.authority {
            scope.trust(&authority.trust());
        }
        scope
    }

    /// Gives what is promised; the mistakes of the estate, which may be why it is not, are told as well.
    fn found<T>(&self, found: Option<T>, (missing, hint): (&str, &str)) -> Result<T, Problem> {
        found.ok_or_else(|| {
            let mut told = vec![Diagnostic::new(missing).hint(hint)];
            told.extend(self.mistakes.iter().cloned());
            Problem::Usage(told)
        })
    }
}

/// The words that say where a client stands: those of the estate, and of the checks of its roles.
const PLACES: [(&str, Location); 4] = [
    ("internal", Location::Internal),
    ("external", Location::External),
    ("inside", Location::Internal),
    ("outside", Location::External),
];

/// Tells whether a word says where a client stands.
pub(super) fn is_location(word: &str) -> bool {
    PLACES.iter().any(|(known, _)| *known == word)
}

/// Reads where a client stands.
pub(super) fn location(word: &str) -> Result<Location, Problem> {
    let found = PLACES.iter().find(|(known, _)| *known == word);
    found.map(|(_, location)| *location).ok_or_else(|| {
        let hint = tasks::nearest(word, PLACES.map(|(known, _)| known)).map_or_else(
            || "a scope is internal or external".to_owned(),
            |nearest| format!("did you mean '{nearest}'?"),
        );
        Problem::usage(format!("there is no scope '{word}'"), hint)
    })
}

/// Takes where a client stands from the beginning of its arguments, if they say so.
pub(super) fn split_location(arguments: &[String], usual: Location) -> (Location, &[String]) {
    match arguments.split_first() {
        Some((first, rest)) => match location(first) {
            Ok(location) => (location, rest),
            Err(_) => (usual, arguments),
        },
        None => (usual, arguments),
    }
}
