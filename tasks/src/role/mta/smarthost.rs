//! The host that takes all mail which is not local: how it is reached, and how it is known.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AUTHORITY, yes};
use crate::Secret;
use crate::diagnostic::Diagnostic;
use crate::estate::Host;
use crate::quote::{exim_password, exim_user};
use crate::role::{Capability, HostContext};
use crate::value::DomainName;

/// Host that takes mail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::role) struct Smarthost {
    /// Its name.
    pub(in crate::role) hostname: DomainName,
    /// Its TCP port; on 465 TLS begins with the connection (RFC 8314).
    #[serde(default = "smtp")]
    pub(in crate::role) port: u16,
    /// User to authenticate as.
    #[serde(default)]
    pub(in crate::role) username: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub(in crate::role) userpass: Option<Secret>,
    /// Whether its certificate is verified. If it is not as it should be, mail without credentials is sent in the
    /// clear on other ports than 465, and everything else waits.
    #[serde(default = "yes")]
    verify: bool,
}

/// With whose help a smarthost's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::role) enum Verification {
    /// Not at all.
    None,
    /// The authorities that the system trusts.
    System,
    /// The estate's own authority.
    Estate,
}

impl Verification {
    /// Gives the list of authorities, as Exim's `tls_verify_certificates` takes it; nothing for no verification.
    pub(in crate::role) const fn list(self) -> &'static str {
        match self {
            Self::None => "",
            Self::System => "system",
            Self::Estate => AUTHORITY,
        }
    }
}

impl Smarthost {
    /// Decides how its certificate is verified: of the estate's own hosts, only those have one that says anything
    /// whose roles give it to them.
    pub(in crate::role) fn verification(&self, cx: &HostContext<'_>) -> Verification {
        if !self.verify {
            return Verification::None;
        }
        let Some(host) = self.host(cx) else {
            return Verification::System;
        };
        let mut offers = cx.roles.offers(host);
        let certified = offers.any(|offer| offer == Capability::MailCertificate);
        if cx.inputs.authority.is_some() && certified {
            Verification::Estate
        } else {
            Verification::None
        }
    }

    /// Refuses a login that is not whole, or that no file can hold.
    pub(in crate::role) fn check(&self, cx: &HostContext<'_>) -> Result<(), Vec<Diagnostic>> {
        let host = cx.host.name();
        let refuse = |problem: &str, hint: &str| {
            let message = format!("host {host}: 'mta_smarthost' {problem}");
            Err(vec![Diagnostic::new(message).hint(hint)])
        };
        let (user, password) = match (&self.username, &self.userpass) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                return refuse(
                    "has a 'username' and no 'userpass'",
                    "add 'userpass'; a private file must repeat the whole of 'mta_smarthost' for that, as maps are not merged",
                );
            }
            (None, Some(_)) => {
                return refuse(
                    "has a 'userpass' and no 'username'",
                    "add 'username', or take 'userpass' away",
                );
            }
            (Some(user), Some(password)) => (user, password),
        };
        // With credentials by the sender's domain they are in files that can hold anything but ends of lines.
        let in_client_file = !cx.offers(Capability::MailCredentials);
        let line = |text: &str| {
            if in_client_file || text.is_empty() || text.contains(char::is_control) {
                exim_password(text)
            } else {
                Ok(text.to_owned())
            }
        };
        let user = if in_client_file {
            exim_user(user)
        } else {
            line(user)
        };
        for (field, problem) in [
            ("username", user.err()),
            ("userpass", line(password.expose()).err()),
        ] {
            if let Some(problem) = problem {
                return refuse(
                    &format!("has a '{field}' that cannot be kept: {problem}"),
                    "have the smarthost give another one",
                );
            }
        }
        Ok(())
    }

    /// Finds it among the hosts of the estate, by its name or its name in a domain.
    pub(in crate::role) fn host<'e>(&self, cx: &HostContext<'e>) -> Option<&'e Host> {
        let name = self.hostname.as_str();
        let short = name.split('.').next().unwrap_or(name);
        cx.estate.host(short)
    }

    /// Tells whether TLS begins with the connection.
    pub(in crate::role) const fn is_smtps(&self) -> bool {
        self.port == 465
    }
}

const fn smtp() -> u16 {
    25
}
