//! Web sites of domains: where each is served, under which names, and whether the estate can serve it.
//!
//! Owns what the roles of a site's hosts must agree on: names, ports, addresses, paths. What each host makes of it is the
//! business of the roles.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Domain, Domains, HostLabel, SiteTls, Webhost};
use crate::estate::{Estate, Host};
use crate::secret::hex;
use crate::value::{DatabaseName, DomainName};
use crate::{Diagnostic, nearest};

/// Longest name of a database (MariaDB, "Identifier Names").
const LONGEST_DATABASE: usize = 64;

/// Longest name of a site: names of files have 255 bytes, of which it is a part.
const LONGEST_SITE: usize = 200;

/// Digits of the digest with which a name is shortened.
const DIGITS: usize = 12;

/// A web site of a domain, with the hosts that serve it.
#[derive(Debug, Clone)]
pub struct Site<'e> {
    /// First part of its name.
    pub label: HostLabel,
    /// Full name.
    pub name: DomainName,
    /// The other name that leads to it: the domain itself, where the site is its `www`.
    pub bare: Option<DomainName>,
    /// Host in front.
    pub proxy: &'e Host,
    /// Host of the site itself.
    pub wordpress: &'e Host,
    /// Host of its database.
    pub database: &'e Host,
    /// Port at which the site itself is served.
    pub port: u16,
    /// Whether visitors come with TLS.
    pub uses_ssl: bool,
    /// Where its certificate is from, if its domain's file says so.
    pub tls: Option<SiteTls>,
}

impl<'e> Site<'e> {
    /// Finds the hosts of a web site of a domain.
    pub fn find(
        estate: &'e Estate,
        domain: &Domain,
        label: &HostLabel,
        webhost: &Webhost,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut mistakes = Vec::new();
        let mut host = |part: &str, name: &str, role: &str| {
            found(estate, domain, label, [part, name, role])
                .map_err(|mistake| mistakes.push(mistake))
                .ok()
        };
        let proxy = host("proxy", &webhost.proxy, "reverse_proxy");
        let wordpress = host("wordpress", &webhost.wordpress, "wordpress");
        let database = host("database", &webhost.database, "database");
        let port = webhost.port.or(domain.settings().reverse_proxy_port);
        if port.is_none() {
            let place = domain.place(&["webhosts", label.as_str()]);
            let mistake = Diagnostic::at(place, format!("the web site '{label}' has no port"));
            mistakes.push(mistake.hint(
                "give it one of the 'wordpress_ports' of its host, by 'port' or the domain's 'reverse_proxy_port'",
            ));
        }
        let uses_ssl = proxy.map(|proxy| estate.vars(proxy).value("reverse_proxy_uses_ssl"));
        let uses_ssl = match uses_ssl.transpose() {
            Ok(uses_ssl) => uses_ssl.flatten().unwrap_or(true),
            Err(mistake) => {
                mistakes.push(mistake);
                true
            }
        };
        if let (false, Some(SiteTls::Authority | SiteTls::LetsEncrypt), Some(proxy)) =
            (uses_ssl, webhost.tls, proxy)
        {
            let name = proxy.name();
            let place = domain.place(&["webhosts", label.as_str(), "tls"]);
            let message = format!("{name}, the proxy of the web site '{label}', has no TLS");
            mistakes.push(Diagnostic::at(place, message).hint(format!(
                "set 'reverse_proxy_uses_ssl: true' in hosts/{name}.yml, and 'tls: none' for its sites that stay without"
            )));
        }
        if let (Some(proxy), Some(wordpress), Some(database), Some(port)) =
            (proxy, wordpress, database, port)
            && mistakes.is_empty()
        {
            return Ok(Self {
                label: label.clone(),
                name: domain.site(label),
                bare: (label.as_str() == "www").then(|| domain.name().clone()),
                proxy,
                wordpress,
                database,
                port,
                uses_ssl: uses_ssl && webhost.tls != Some(SiteTls::None),
                tls: webhost.tls,
            });
        }
        Err(mistakes)
    }

    /// Gives the address at which visitors find the site, without a slash at its end.
    #[must_use]
    pub fn address(&self) -> String {
        let scheme = if self.uses_ssl { "https" } else { "http" };
        format!("{scheme}://{}", self.name)
    }

    /// Gives the name of the database and its account: that of the site, with `_` in the place of dots. Where that is
    /// too long, the end gives way to a digest of the whole.
    #[must_use]
    pub fn database_name(&self) -> String {
        let name = self.name.as_str().replace('.', "_");
        if name.len() <= LONGEST_DATABASE && DatabaseName::new(name.as_str()).is_ok() {
            return name;
        }
        let digest = hex(&Sha256::digest(&name));
        let kept = name.get(..LONGEST_DATABASE - DIGITS - 1).unwrap_or(&name);
        format!("{kept}_{}", digest.get(..DIGITS).unwrap_or(&digest))
    }

    /// Gives from where that account may be used: from the site's host alone.
    #[must_use]
    pub fn account_from(&self) -> String {
        if self.wordpress.name() == self.database.name() {
            "localhost".to_owned()
        } else {
            self.wordpress.address().to_string()
        }
    }

    /// Gives the folder of what is the site's own: themes, plugins, uploads.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("/var/lib/wordpress/sites/{}", self.name)
    }

    /// Gives the folder of what an import has replaced, until that is confirmed.
    #[must_use]
    pub fn kept(&self) -> String {
        format!("/var/lib/wordpress/sites/.{}.old", self.name)
    }

    /// Gives the file of the site's configuration, which Debian's `WordPress` finds by the name that a visitor asks for.
    #[must_use]
    pub fn configuration(&self) -> String {
        format!("/etc/wordpress/config-{}.php", self.name)
    }

    /// Gives the file of the keys with which the site signs, which are made on its host.
    #[must_use]
    pub fn keys(&self) -> String {
        format!("/etc/wordpress/keys-{}.php", self.name)
    }
}

fn found<'e>(
    estate: &'e Estate,
    domain: &Domain,
    label: &HostLabel,
    [part, name, role]: [&str; 3],
) -> Result<&'e Host, Diagnostic> {
    let place = || domain.place(&["webhosts", label.as_str(), part]);
    let serving = || {
        let hosts = estate.hosts_with_role(role);
        let names: Vec<_> = hosts.into_iter().map(Host::name).collect();
        if names.is_empty() {
            format!("give a host the role {role} in estate.yml")
        } else {
            format!("hosts with the role {role} are: {}", names.join(", "))
        }
    };
    let Some(host) = estate.host(name) else {
        let mistake = Diagnostic::at(place(), format!("there is no host '{name}'"));
        let names = estate.hosts().iter().map(Host::name);
        return Err(match nearest(name, names) {
            Some(near) => mistake.hint(format!("did you mean '{near}'?")),
            None => mistake.hint(serving()),
        });
    };
    if host.has_role(role) {
        return Ok(host);
    }
    let message = format!("the host {name} does not have the role {role}");
    Err(Diagnostic::at(place(), message).hint(serving()))
}

/// Finds the mistakes in where web sites are served: among the settings of each, against the hosts, and against each
/// other.
pub(super) fn mistakes(domains: &Domains, estate: &Estate) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let mut ports = BTreeMap::new();
    for domain in domains.iter() {
        mistakes.extend(domain.site_mistakes());
        for (label, webhost) in &domain.settings.webhosts {
            let at = |part: Option<&str>| {
                let keys = ["webhosts", label.as_str()].into_iter().chain(part);
                domain.place(&keys.collect::<Vec<_>>())
            };
            let site = match Site::find(estate, domain, label, webhost) {
                Ok(site) => site,
                Err(found) => {
                    mistakes.extend(found);
                    continue;
                }
            };
            let found = site.unfit(estate).into_iter();
            mistakes.extend(
                found.map(|(part, message, hint)| Diagnostic::at(at(part), message).hint(hint)),
            );
            let key = (site.wordpress.name(), site.port);
            if let Some(other) = ports.insert(key, site.name.clone()) {
                let message = format!(
                    "{other} has port {} of {}, too",
                    site.port,
                    site.wordpress.name()
                );
                mistakes.push(
                    Diagnostic::at(at(None), message)
                        .hint("give one of them another of the host's 'wordpress_ports'"),
                );
            }
        }
    }
    mistakes
}

/// A mistake in a site: the part of its settings where it is, what it is, and the remedy.
type Unfit = (Option<&'static str>, String, String);

impl Site<'_> {
    /// Says what keeps the site's hosts from serving it.
    fn unfit(&self, estate: &Estate) -> Vec<Unfit> {
        let mut found = Vec::new();
        if self.name.as_str().len() > LONGEST_SITE {
            let message = format!(
                "the name {} is longer than {LONGEST_SITE} characters: files could not be named after it",
                self.name
            );
            found.push((None, message, "choose a shorter one".to_owned()));
        }
        let wordpress = self.wordpress.name();
        // What is wrong with these variables themselves is told where the host's roles read them.
        let ports = estate.vars(self.wordpress).value("wordpress_ports");
        let ports: Vec<u16> = ports.ok().flatten().unwrap_or_default();
        if !ports.contains(&self.port) {
            let open: Vec<_> = ports.iter().map(ToString::to_string).collect();
            let message = format!("{wordpress} does not listen on port {}", self.port);
            let hint = format!(
                "add it to 'wordpress_ports' in hosts/{wordpress}.yml, or choose one of: {}",
                open.join(", ")
            );
            found.push((None, message, hint));
        }
        let far = [
            (
                self.proxy.name(),
                self.wordpress,
                "wordpress_expose_externally",
                "wordpress",
            ),
            (
                wordpress,
                self.database,
                "database_expose_externally",
                "database",
            ),
        ];
        for (from, host, variable, part) in far {
            let exposed = estate.vars(host).value::<bool>(variable);
            let exposed = exposed.ok().flatten().unwrap_or(false);
            if from != host.name() && !exposed {
                let name = host.name();
                let message =
                    format!("{from} cannot reach {name}, which listens on its loopback only");
                let hint = format!("set '{variable}: true' in hosts/{name}.yml");
                found.push((Some(part), message, hint));
            }
        }
        found
    }
}

impl Domain {
    /// Finds what a web site needs of its domain's file and does not have.
    fn site_mistakes(&self) -> Vec<Diagnostic> {
        let settings = &self.settings;
        let private = self.file.replace(super::PUBLIC, super::PRIVATE);
        let mut mistakes = Vec::new();
        for (label, webhost) in &settings.webhosts {
            mistakes.extend(self.part_mistakes(label, &webhost.plugins, &webhost.themes));
            if !settings.database_passwords.contains_key(label) {
                let place = self.place(&["webhosts", label.as_str()]);
                let message = format!("the database of the web site '{label}' has no password");
                let hint = format!("set 'database_passwords: {{{label}: …}}' in {private}");
                mistakes.push(Diagnostic::at(place, message).hint(hint));
            }
        }
        for label in settings.database_passwords.keys() {
            if !settings.webhosts.contains_key(label) {
                let place = self.place(&["database_passwords", label.as_str()]);
                let mistake = Diagnostic::at(place, format!("there is no web site '{label}'"));
                let labels = settings.webhosts.keys().map(HostLabel::as_str);
                mistakes.push(match nearest(label.as_str(), labels) {
                    Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                    None => mistake.hint("add the web site to 'webhosts'"),
                });
            }
        }
        if settings.webhosts.is_empty() {
            return mistakes;
        }
        let place = self.place(&["webhosts"]);
        if settings.wordpress_admin.is_none() {
            let message = "the web sites have no administrator".to_owned();
            let hint = format!(
                "set 'wordpress_admin: {{name: …, email: …}}' in {}",
                self.file
            );
            mistakes.push(Diagnostic::at(place.clone(), message).hint(hint));
        }
        if settings.wordpress_admin_password.is_none() {
            let message = "the administrator of the web sites has no password".to_owned();
            let hint = format!("set 'wordpress_admin_password' in {private}");
            mistakes.push(Diagnostic::at(place, message).hint(hint));
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::Sources;

    const INVENTORY: &str = "\
name: sample
hosts:
  front: {address: 192.0.2.1, location: external}
  sites: {address: 192.0.2.2, location: external}
  data: {address: 192.0.2.3, location: external}
  stack: {address: 192.0.2.4, location: internal}
roles:
  reverse_proxy: [front, stack]
  wordpress: [sites, stack]
  database: [data, stack]
";
    const DOMAIN: &str = "\
organisation: Sample
reverse_proxy_port: 8080
webhosts:
  www: {proxy: front, wordpress: sites, database: data}
  test: {proxy: stack, wordpress: stack, database: stack}
database_passwords: {www: a, test: b}
wordpress_admin: {name: admin, email: admin@sample.test}
wordpress_admin_password: c
";

    fn estate(files: &[(&str, &str)]) -> Estate {
        let usual = [
            ("estate.yml", INVENTORY),
            (
                "hosts/sites.yml",
                "wordpress_ports: [8080]\nwordpress_expose_externally: true\n",
            ),
            (
                "hosts/stack.yml",
                "wordpress_ports: [8080]\nreverse_proxy_uses_ssl: false\n",
            ),
            ("hosts/data.yml", "database_expose_externally: true\n"),
        ];
        let mut sources = Sources::new("e");
        for (path, text) in usual.iter().chain(files) {
            sources.insert(*path, *text);
        }
        Estate::load(&sources, &[]).unwrap()
    }

    fn domains(files: &[(&str, &str)]) -> Domains {
        let mut sources = Sources::new("domains");
        for (path, text) in files {
            sources.insert(*path, *text);
        }
        Domains::load(&sources).unwrap()
    }

    fn told(estate: &Estate, domains: &Domains) -> Vec<String> {
        let told = |it: Diagnostic| {
            let line = it.place.map_or(0, |place| place.line);
            format!("{line}: {} ({})", it.message, it.hint.unwrap_or_default())
        };
        mistakes(domains, estate).into_iter().map(told).collect()
    }

    fn sample(text: &str) -> Domains {
        domains(&[("sample.test/domain.yml", text)])
    }

    #[test]
    fn a_site_knows_its_names_and_its_hosts() {
        let (estate, domains) = (estate(&[]), sample(DOMAIN));
        assert_eq!(told(&estate, &domains), Vec::<String>::new());
        let domain = domains.get("sample.test").unwrap();
        let sites: Vec<_> = domain
            .settings()
            .webhosts
            .iter()
            .map(|(label, webhost)| Site::find(&estate, domain, label, webhost).unwrap())
            .collect();
        assert_eq!(sites[0].address(), "http://test.sample.test");
        assert!(sites[0].bare.is_none());
        assert_eq!(sites[1].address(), "https://www.sample.test");
        assert_eq!(sites[1].bare.as_ref().unwrap().as_str(), "sample.test");
        assert_eq!(sites[1].database_name(), "www_sample_test");
    }

    #[test]
    fn a_site_may_do_without_tls_and_has_none_where_its_proxy_has_none() {
        let estate = estate(&[]);
        let with = |label: &str, tls: &str| {
            let text = DOMAIN.replace(
                &format!("  {label}: {{"),
                &format!("  {label}: {{tls: {tls}, "),
            );
            let domains = sample(&text);
            let told = told(&estate, &domains);
            let domain = domains.get("sample.test").unwrap();
            let label = HostLabel::new(label).unwrap();
            let webhost = &domain.settings().webhosts[&label];
            let site = Site::find(&estate, domain, &label, webhost);
            (told, site.ok().map(|site| site.address()))
        };
        let plain = |address: &str| (Vec::new(), Some(address.to_owned()));
        assert_eq!(with("www", "none"), plain("http://www.sample.test"));
        assert_eq!(with("www", "authority"), plain("https://www.sample.test"));
        assert_eq!(with("test", "none"), plain("http://test.sample.test"));
        let (told, _) = with("test", "letsencrypt");
        assert_eq!(
            told,
            [
                "5: stack, the proxy of the web site 'test', has no TLS (set 'reverse_proxy_uses_ssl: true' in hosts/stack.yml, \
                 and 'tls: none' for its sites that stay without)"
            ]
        );
    }

    #[test]
    fn a_long_name_gives_a_short_database_and_no_other_site_the_same() {
        let (estate, long) = (estate(&[]), "a".repeat(63));
        let name = |label: &str| {
            let domains = domains(&[(
                &format!("{long}.test/domain.yml"),
                &DOMAIN.replace("www", label),
            )]);
            let domain = domains.iter().next().unwrap();
            let (label, webhost) = domain.settings().webhosts.iter().next_back().unwrap();
            let site = Site::find(&estate, domain, label, webhost).unwrap();
            site.database_name()
        };
        let (one, other) = (name(&"w".repeat(63)), name(&format!("{}x", "w".repeat(62))));
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
        assert!(DatabaseName::new(one).is_ok());
    }

    #[test]
    fn what_does_not_fit_the_hosts_is_told_with_its_line_and_a_remedy() {
        let usual = estate(&[]);
        let cases = [
            (
                DOMAIN.replace("proxy: front", "proxy: fromt"),
                "4: there is no host 'fromt' (did you mean 'front'?)",
            ),
            (
                DOMAIN.replace("wordpress: sites", "wordpress: data"),
                "4: the host data does not have the role wordpress (hosts with the role wordpress are: sites, stack)",
            ),
            (
                DOMAIN.replace("reverse_proxy_port: 8080\n", "reverse_proxy_port: 8081\n"),
                "4: sites does not listen on port 8081 (add it to 'wordpress_ports' in hosts/sites.yml, or choose one of: 8080)",
            ),
            (
                DOMAIN.replace("reverse_proxy_port: 8080\n", ""),
                "3: the web site 'www' has no port (give it one of the 'wordpress_ports' of its host, by 'port' or the \
                 domain's 'reverse_proxy_port')",
            ),
            (
                DOMAIN.replace("{www: a, test: b}", "{test: b}"),
                "4: the database of the web site 'www' has no password (set 'database_passwords: {www: …}' in \
                 domains/sample.test/domain.private.yml)",
            ),
            (
                DOMAIN.replace("{www: a, ", "{www: a, tset: c, "),
                "6: there is no web site 'tset' (did you mean 'test'?)",
            ),
            (
                DOMAIN.replace(
                    "wordpress_admin: {name: admin, email: admin@sample.test}\n",
                    "",
                ),
                "3: the web sites have no administrator (set 'wordpress_admin: {name: …, email: …}' in \
                 domains/sample.test/domain.yml)",
            ),
            (
                DOMAIN.replace("wordpress_admin_password: c\n", ""),
                "3: the administrator of the web sites has no password (set 'wordpress_admin_password' in \
                 domains/sample.test/domain.private.yml)",
            ),
            (
                DOMAIN.replace(
                    "wordpress: sites, database: data",
                    "wordpress: sites, database: stack",
                ),
                "4: sites cannot reach stack, which listens on its loopback only (set 'database_expose_externally: true' in \
                 hosts/stack.yml)",
            ),
            (
                DOMAIN.replace("front, wordpress: sites", "front, wordpress: stack"),
                "4: front cannot reach stack, which listens on its loopback only (set 'wordpress_expose_externally: true' in \
                 hosts/stack.yml)",
            ),
        ];
        for (text, expected) in cases {
            let told = told(&usual, &sample(&text));
            assert!(
                told.iter().any(|it| it == expected),
                "{expected}\n{told:#?}"
            );
        }
    }

    #[test]
    fn two_sites_cannot_have_one_port_of_a_host() {
        let texts = [
            ("other.test/domain.yml", DOMAIN),
            ("sample.test/domain.yml", DOMAIN),
        ];
        let told = told(&estate(&[]), &domains(&texts));
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told[0].starts_with("5: test.other.test has port 8080 of stack, too"));
    }
}
