//! What is wrong with domains, as far as that can be told without hosts.
//!
//! Owns the questions that concern a domain's settings among themselves, those of other domains, and the estate. Whether
//! a value is well-formed was asked when it was read.

use std::collections::{BTreeMap, BTreeSet};

use super::role::{self, DOMAIN_ROLES};
use super::{Domain, Domains, LocalPart, Settings, site};
use crate::estate::{Estate, KnownRole};
use crate::role::{Inputs, variable_names};
use crate::secret::Secret;
use crate::template::Templates;
use crate::value::DomainName;
use crate::{Diagnostic, nearest};

/// Gives the variables that domain roles read of hosts, by the host role on whose hosts they work.
pub(crate) fn variables() -> Vec<(&'static str, Vec<String>)> {
    let of = |role: &'static role::DomainRole| {
        let names = variable_names(&(role.variables)());
        role.on.iter().map(move |on| (*on, names.clone()))
    };
    DOMAIN_ROLES.iter().flat_map(of).collect()
}

impl Domains {
    /// Finds the mistakes in every domain: unknown settings, what does not fit the estate or another domain, and what
    /// the roles refuse. `known` are the roles of hosts, whose variables a domain cannot set.
    #[must_use]
    pub fn check(
        &self,
        estate: &Estate,
        known: &[KnownRole<'_>],
        templates: &Templates,
        inputs: &Inputs,
    ) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        for domain in self.iter() {
            mistakes.extend(domain.unknown(known, inputs));
            mistakes.extend(domain.mail_mistakes());
            mistakes.extend(domain.text_mistakes());
        }
        mistakes.extend(role::own_mistakes(self, estate, inputs));
        mistakes.extend(self.names_twice());
        mistakes.extend(site::mistakes(self, estate));
        // What roles say of settings that are wrong by themselves would be said twice.
        if mistakes.is_empty() {
            mistakes.extend(role::mistakes(self, estate, inputs, templates));
        }
        crate::diagnostic::tidy(&mut mistakes);
        mistakes
    }

    /// Finds names that two domains would both give to a web site.
    fn names_twice(&self) -> Vec<Diagnostic> {
        let mut seen: BTreeMap<DomainName, &DomainName> = BTreeMap::new();
        let mut mistakes = Vec::new();
        for domain in self.iter() {
            let sites = domain.settings.webhosts.keys();
            let mut names: Vec<_> = sites
                .map(|label| (label.as_str(), domain.site(label)))
                .collect();
            if names.iter().any(|(label, _)| *label == "www") {
                names.push(("www", domain.name.clone()));
            }
            for (label, name) in names {
                if let Some(other) = seen.insert(name.clone(), &domain.name) {
                    let mistake = Diagnostic::at(
                        domain.place(&["webhosts", label]),
                        format!("the domain {other} serves {name}, too"),
                    );
                    mistakes.push(mistake.hint("leave it to one of them"));
                }
            }
        }
        mistakes
    }
}

impl Domain {
    fn unknown(&self, known: &[KnownRole<'_>], inputs: &Inputs) -> Vec<Diagnostic> {
        let own = variable_names(&schemars::schema_for!(Settings));
        let roles = variables().into_iter().flat_map(|(_, names)| names);
        let mut readable: BTreeSet<String> = own.into_iter().chain(roles).collect();
        let mut elsewhere: BTreeMap<String, &str> = BTreeMap::new();
        for role in inputs.roles.of_domains() {
            let names = role.variable_names().map(str::to_owned);
            if self.settings.roles.iter().any(|name| name == role.name()) {
                readable.extend(names);
            } else {
                elsewhere.extend(names.map(|name| (name, role.name())));
            }
        }
        let mistake = |(name, mark): (&str, &crate::estate::Mark)| {
            if readable.contains(name) {
                return None;
            }
            if let Some(role) = elsewhere.get(name) {
                let message = format!(
                    "'{name}' is read by the role '{role}' alone, which the domain does not have"
                );
                let mistake = Diagnostic::at(mark.place(), message);
                return Some(mistake.hint(format!("add {role} to the domain's 'roles'")));
            }
            let mistake = Diagnostic::at(mark.place(), format!("unknown setting '{name}'"));
            let of_hosts = known
                .iter()
                .any(|role| role.variables.iter().any(|known| known == name));
            if let Some(hint) = crate::foreign::variable(name) {
                return Some(mistake.hint(hint));
            }
            Some(if of_hosts {
                mistake.hint("it is a variable of hosts, which a domain cannot set; see groups/ and hosts/ of the estate")
            } else {
                match nearest(name, readable.iter().map(String::as_str)) {
                    Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                    None => mistake.hint("no role of domains reads it"),
                }
            })
        };
        self.layer.settings().filter_map(mistake).collect()
    }

    fn text_mistakes(&self) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let settings = &self.settings;
        let line = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        let texts = [
            (Some(&settings.organisation), ["organisation", ""]),
            (
                settings.mail_gateway.as_ref().map(|it| &it.username),
                ["mail_gateway", "username"],
            ),
        ];
        for (text, keys) in texts {
            if text.is_some_and(|text| !line(text)) {
                let keys: Vec<_> = keys.into_iter().filter(|key| !key.is_empty()).collect();
                mistakes.push(Diagnostic::at(
                    self.place(&keys),
                    format!("'{}' is not one line of text", keys.join(".")),
                ));
            }
        }
        // bcrypt looks at no more of a password.
        let long = |(_, secret): &(&LocalPart, &Secret)| secret.expose().len() > BCRYPT;
        mistakes.extend(
            settings
                .user_passwords
                .iter()
                .filter(long)
                .map(|(name, _)| {
                    let place = self.place(&["user_passwords", name.as_str()]);
                    Diagnostic::at(place, format!("the password is longer than {BCRYPT} bytes"))
                }),
        );
        let users = settings.user_passwords.iter();
        let users = users.map(|(name, secret)| (vec!["user_passwords", name.as_str()], secret));
        let sites = settings.database_passwords.iter();
        let sites = sites.map(|(name, secret)| (vec!["database_passwords", name.as_str()], secret));
        let others = [
            (
                "wordpress_admin_password",
                &settings.wordpress_admin_password,
            ),
            ("mail_gateway_password", &settings.mail_gateway_password),
        ];
        let others = others
            .into_iter()
            .filter_map(|(name, secret)| Some((vec![name], secret.as_ref()?)));
        for (keys, secret) in users.chain(sites).chain(others) {
            if let Some(problem) = password(secret) {
                let place = self.place(&keys);
                mistakes.push(Diagnostic::at(place, format!("the password {problem}")));
            }
        }
        mistakes
    }

    fn mail_mistakes(&self) -> Vec<Diagnostic> {
        let settings = &self.settings;
        let mut mistakes = Vec::new();
        let mut seen: BTreeSet<&LocalPart> = BTreeSet::new();
        for user in &settings.users {
            if !seen.insert(&user.name) {
                mistakes.push(Diagnostic::at(
                    self.place(&["users"]),
                    format!("the user '{}' is named twice", user.name),
                ));
            }
            if !settings.user_passwords.contains_key(&user.name) {
                let mistake = Diagnostic::at(
                    self.place(&["users"]),
                    format!("the user '{}' has no password", user.name),
                );
                mistakes.push(mistake.hint(format!(
                    "set 'user_passwords: {{{}: …}}' in {}",
                    user.name,
                    self.file.replace(super::PUBLIC, super::PRIVATE)
                )));
            }
        }
        let stray = settings.user_passwords.keys();
        for name in stray.filter(|name| !seen.contains(name)) {
            let mistake = Diagnostic::at(
                self.place(&["user_passwords", name.as_str()]),
                format!("there is no user '{name}'"),
            );
            let users = settings.users.iter().map(|user| user.name.as_str());
            mistakes.push(match nearest(name.as_str(), users) {
                Some(near) => mistake.hint(format!("did you mean '{near}'?")),
                None => mistake.hint("add the user to 'users'"),
            });
        }
        if settings.mail_gateway.is_some() != settings.mail_gateway_password.is_some() {
            let mistake = Diagnostic::at(
                self.place(&["mail_gateway"]),
                "an account at the mail gateway needs both 'mail_gateway' and 'mail_gateway_password'",
            );
            mistakes.push(mistake);
        }
        mistakes
    }
}

/// Longest password of a user, in bytes.
const BCRYPT: usize = 72;

/// Says why something cannot be a password everywhere that it is needed.
fn password(secret: &Secret) -> Option<&'static str> {
    let text = secret.expose();
    if text.is_empty() {
        Some("is empty")
    } else if text.chars().any(char::is_control) {
        Some("has a control character, which no program would let a person type")
    } else if text.len() > 255 {
        Some("is longer than 255 bytes")
    } else {
        None
    }
}
