//! Checks an estate against the roles that exist.
//!
//! Owns the question whether every role that is assigned and every variable that is set means something. Refuses to
//! know any role: the caller hands over a catalogue. Whether a value fits is the business of the role's own struct.

use std::collections::{HashMap, HashSet};

use super::{Estate, Layer, Origin, fault};
use crate::Diagnostic;
use crate::foreign;
use crate::release::Release;

/// Describes a role as far as the check needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownRole<'a> {
    /// Name of the role.
    pub name: &'a str,
    /// Names of the variables that it reads.
    pub variables: Vec<String>,
    /// The releases of Debian on which it works.
    pub releases: &'a [Release],
    /// Whether domains have it, and not hosts.
    pub is_of_domains: bool,
}

/// Most hosts that a hint lists.
const LISTED: usize = 4;

/// What is wrong with roles and variables by their names.
#[derive(Default)]
struct Found {
    /// Nobody knows them.
    unknown: Vec<Diagnostic>,
    /// They are known, and nothing reads them where they are set.
    unread: Vec<Diagnostic>,
}

impl Estate {
    /// Finds containers into which nobody could log in: their account is made with the connection's password, and Debian's SSH server lets
    /// root in by a key alone.
    #[must_use]
    pub fn closed_containers(&self) -> Vec<Diagnostic> {
        let hosts = self.hosts.iter().filter(|_| self.networks.is_some());
        let closed = hosts.filter_map(|host| {
            let connection = host.connection();
            let problem = match (connection.user.as_deref(), &connection.password) {
                (None | Some("root"), _) => "its user would be root, whom no password lets in",
                (Some(_), None) => "there is no password, with which prov makes its account",
                (Some(_), Some(_)) => return None,
            };
            let message = format!("nobody can log in to the container {}: {problem}", host.name());
            Some(Diagnostic::at(host.mark.place(), message).hint(
                "say how: 'connection: {user: admin, password: ..., sudo: password}', for all hosts or for this one; the password may stand in estate.private.yml",
            ))
        });
        closed.collect()
    }

    /// Finds roles that do not exist and variables that no role reads.
    ///
    /// A variable that no role of the catalogue knows is unknown. One that is known but set on a host or a group where
    /// no host has a role that reads it is a mistake too: it looks as if it had an effect. For every host and on the
    /// command line it is enough that the catalogue knows it, so that such settings can be shared by estates.
    #[must_use]
    pub fn check(&self, catalogue: &[KnownRole<'_>]) -> Vec<Diagnostic> {
        let Found {
            mut unknown,
            unread,
        } = self.found(catalogue);
        unknown.extend(unread);
        unknown.sort();
        unknown
    }

    /// Finds the same, but lets pass what is known and not read here: a role that leaves a host may leave its variables there.
    #[must_use]
    pub fn unknown(&self, catalogue: &[KnownRole<'_>]) -> Vec<Diagnostic> {
        self.found(catalogue).unknown
    }

    fn found(&self, catalogue: &[KnownRole<'_>]) -> Found {
        let mut found = Found::default();
        let mistakes = &mut found.unknown;
        let (of_domains, of_hosts): (Vec<_>, Vec<_>) =
            catalogue.iter().partition(|role| role.is_of_domains);
        let is_of_domains = |name: &str| of_domains.iter().any(|role| role.name == name);
        let roles: HashSet<&str> = of_hosts.iter().map(|role| role.name).collect();
        for assignment in &self.assignments {
            if is_of_domains(&assignment.role) {
                let message = format!(
                    "the role '{}' is one of domains, not of hosts",
                    assignment.role
                );
                let hint = format!(
                    "name it in 'roles' of a domain's file: roles: [{}]",
                    assignment.role
                );
                mistakes.push(Diagnostic::at(assignment.mark.place(), message).hint(hint));
                continue;
            }
            if !roles.contains(assignment.role.as_str()) {
                let message = format!("there is no role '{}'", assignment.role);
                let mistake = Diagnostic::at(assignment.mark.place(), message);
                let known = of_hosts.iter().map(|role| role.name);
                let hint = crate::nearest(&assignment.role, known.clone()).map_or_else(
                    || format!("the roles are: {}", known.collect::<Vec<_>>().join(", ")),
                    |near| format!("did you mean '{near}'?"),
                );
                mistakes.push(mistake.hint(hint));
            }
        }
        mistakes.extend(self.unsupported(catalogue));
        let mut readers: HashMap<&str, Vec<&str>> = HashMap::new();
        for role in catalogue {
            for variable in &role.variables {
                readers.entry(variable).or_default().push(role.name);
            }
        }
        let every: HashSet<&str> = self
            .assignments
            .iter()
            .map(|found| found.role.as_str())
            .collect();
        self.settings(&self.all, &readers, &every, &mut found);
        self.settings(&self.command_line, &readers, &every, &mut found);
        for group in &self.groups {
            let hosts = group
                .hosts
                .iter()
                .filter_map(|index| self.hosts.get(*index));
            let there = hosts.flat_map(|host| host.roles.iter().map(String::as_str));
            self.settings(&group.layer, &readers, &there.collect(), &mut found);
        }
        for host in &self.hosts {
            let there = host.roles.iter().map(String::as_str).collect();
            self.settings(&host.layer, &readers, &there, &mut found);
        }
        found.unknown.sort();
        found
    }

    /// Finds hosts with roles that do not work on their releases.
    fn unsupported(&self, catalogue: &[KnownRole<'_>]) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for host in &self.hosts {
            let release = host.release;
            let roles = catalogue.iter().filter(|role| host.has_role(role.name));
            for role in roles.filter(|role| !role.releases.contains(&release)) {
                let works: Vec<_> = role.releases.iter().map(|it| it.codename()).collect();
                let message = format!(
                    "host {}: role '{}' does not work on {release} yet",
                    host.name, role.name
                );
                mistakes.push(Diagnostic::at(host.mark.place(), message).hint(format!(
                    "give it to a host with 'release: {}'",
                    works.join("' or 'release: ")
                )));
            }
        }
        mistakes
    }

    fn settings(
        &self,
        layer: &Layer,
        readers: &HashMap<&str, Vec<&str>>,
        there: &HashSet<&str>,
        found: &mut Found,
    ) {
        let local = match layer.origin() {
            Origin::Group(_) | Origin::Host(_) => true,
            Origin::All | Origin::Domain(_) | Origin::CommandLine => false,
        };
        for (name, mark) in layer.settings() {
            let Some(roles) = readers.get(name) else {
                let mistake = Diagnostic::at(mark.place(), format!("unknown variable '{name}'"));
                if let Some(hint) = foreign::variable(name) {
                    found.unknown.push(mistake.hint(hint));
                    continue;
                }
                let known = readers.keys().copied();
                let known = known.filter(|_| found.unknown.len() < fault::HINTED);
                let mut known: Vec<&str> = known.collect();
                known.sort_unstable();
                found.unknown.push(match crate::nearest(name, known) {
                    Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                    None => mistake.hint("no role reads it"),
                });
                continue;
            };
            if local && !roles.iter().any(|role| there.contains(role)) {
                let message = format!("nothing reads variable '{name}' on {}", layer.origin());
                let mistake = Diagnostic::at(mark.place(), message);
                found.unread.push(mistake.hint(self.where_read(roles)));
            }
        }
    }

    fn where_read(&self, roles: &[&str]) -> String {
        let role = roles.join("' or '");
        let hosts = roles.iter().flat_map(|role| self.hosts_with_role(role));
        let mut hosts: Vec<&str> = hosts.map(|host| host.name.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        match hosts.as_slice() {
            [] => format!("role '{role}' reads it, which no host has"),
            few if few.len() <= LISTED => format!("role '{role}' reads it, on {}", few.join(", ")),
            many => format!("role '{role}' reads it, on {} hosts", many.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::tests::sample::{render, sample};
    use super::*;
    use crate::estate::Sources;

    fn role(name: &'static str, variables: &[&str]) -> KnownRole<'static> {
        KnownRole {
            name,
            variables: variables.iter().copied().map(str::to_owned).collect(),
            releases: &Release::EVERY,
            is_of_domains: false,
        }
    }

    fn catalogue() -> [KnownRole<'static>; 2] {
        [
            role("mta", &["mta_configtype", "home_domain"]),
            role("dns", &["dns_group", "home_domain"]),
        ]
    }

    #[test]
    fn a_container_has_an_administrator_with_a_password() {
        let found = |network: &str, connection: &str| {
            let inventory = format!(
                "name: e\n{network}{connection}hosts: {{web: {{address: 10.0.0.107, location: internal}}}}\n"
            );
            let estate = Estate::load(&Sources::new("e").with("estate.yml", inventory), &[]);
            let mistakes = estate.unwrap().closed_containers();
            mistakes
                .iter()
                .map(|it| it.message.clone())
                .collect::<Vec<_>>()
        };
        let network = "containers: {network: 10.0.0.0/24}\n";
        let root = [
            "nobody can log in to the container web: its user would be root, whom no password lets in",
        ];
        assert_eq!(found(network, ""), root);
        assert_eq!(
            found(network, "connection: {user: root, password: x}\n"),
            root
        );
        assert_eq!(
            found(network, "connection: {user: admin}\n"),
            [
                "nobody can log in to the container web: there is no password, with which prov makes its account"
            ]
        );
        let admin = "connection: {user: admin, password: x, sudo: password}\n";
        assert!(found(network, admin).is_empty());
        // Servers let in whom they want.
        assert!(found("", "").is_empty());
    }

    #[test]
    fn variables_of_a_role_that_has_left_pass_and_unknown_ones_do_not() {
        let sources = Sources::new("e")
            .with(
                "estate.yml",
                "name: e\nhosts: {web: {address: 10.0.0.107, location: internal}}\nroles: {mta: [web]}\n".to_owned(),
            )
            .with("hosts/web.yml", "dns_group: one\ndns_grop: two\n".to_owned());
        let estate = Estate::load(&sources, &[]).unwrap();
        let messages = |mistakes: Vec<Diagnostic>| {
            let messages = mistakes.into_iter().map(|it| it.message);
            messages.collect::<Vec<_>>()
        };
        let unknown = "unknown variable 'dns_grop'";
        assert_eq!(messages(estate.unknown(&catalogue())), [unknown]);
        assert_eq!(
            messages(estate.check(&catalogue())),
            ["nothing reads variable 'dns_group' on host 'web'", unknown]
        );
    }

    #[test]
    fn a_role_is_refused_on_a_release_where_it_does_not_work() {
        let mut catalogue = catalogue();
        catalogue[1].releases = &[Release::Trixie];
        assert_snapshot!(render(&sample(&[]).check(&catalogue)), @r#"
    e/estate.yml:6:3: host dns-external: role 'dns' does not work on bookworm yet
    |   dns-external: {address: 10.0.0.105, location: external, release: bookworm}
    |   ^
    hint: give it to a host with 'release: trixie'
    "#);
    }

    #[test]
    fn unknown_roles_are_refused() {
        let catalogue = [catalogue()[1].clone(), role("mtx", &[])];
        assert_snapshot!(render(&sample(&[]).check(&catalogue)), @r#"
        e/estate.yml:14:3: there is no role 'mta'
        |   mta: all
        |   ^
        hint: did you mean 'mtx'?
        "#);
    }

    #[test]
    fn a_role_like_no_other_is_answered_with_all() {
        let catalogue = [catalogue()[1].clone(), role("web", &[])];
        let told = render(&sample(&[]).check(&catalogue));
        assert!(told.contains("hint: the roles are: dns, web"), "{told}");
    }

    #[test]
    fn variables_that_nothing_reads_are_refused() {
        let estate = sample(&[
            ("groups/all.yml", "home_domian: x\ndns_group: y\n"),
            ("groups/external.yml", "dns_group: z\n"),
            (
                "hosts/mail-internal.yml",
                "dns_group: x\nhome_domain: y\nmta_confgtype: z\n",
            ),
            (
                "hosts/mail-internal.private.yml",
                "mta_confgtype: hunter2\nwholly_other: hunter2\n",
            ),
        ]);
        assert_snapshot!(render(&estate.check(&catalogue())), @r#"
        e/groups/all.yml:1:1: unknown variable 'home_domian'
        | home_domian: x
        | ^
        hint: did you mean 'home_domain'?
        e/hosts/mail-internal.private.yml:1:1: unknown variable 'mta_confgtype'
        | mta_confgtype: <secret>
        | ^
        hint: did you mean 'mta_configtype'?
        e/hosts/mail-internal.private.yml:2:1: unknown variable 'wholly_other'
        | wholly_other: <secret>
        | ^
        hint: no role reads it
        e/hosts/mail-internal.yml:1:1: nothing reads variable 'dns_group' on host 'mail-internal'
        | dns_group: x
        | ^
        hint: role 'dns' reads it, on dns-external, dns-internal
        e/hosts/mail-internal.yml:3:1: unknown variable 'mta_confgtype'
        | mta_confgtype: z
        | ^
        hint: did you mean 'mta_configtype'?
        "#);
    }
}
