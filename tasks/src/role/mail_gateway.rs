//! A mail gateway: takes mail from clients that prove who they are, and delivers it.
//!
//! In the sample estate it stands in for the paid gateway and for everybody else's mail server. What it hands on
//! says in a header whose credentials it came with, so that a check can tell.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::mta::{ConfigType, MailServer, Takes};
use super::{Declarations, HostContext, fixed, mta};
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::promise::{MailGateway, Mailbox, Promises, Server};
use crate::resource::{Declared, File, Packages, Resource};
use crate::secret::{Secret, hex};
use crate::value::{AccountName, DomainName, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm.
    home_domain: DomainName,
    /// Clients: name and password.
    #[serde(default)]
    mail_gateway_accounts: BTreeMap<AccountName, Secret>,
    /// What stands in `/etc/mailname`; by default the home domain.
    #[serde(default)]
    mta_mailname: Option<DomainName>,
}

/// What the role needs of Exim.
pub(super) const SERVER: MailServer = MailServer {
    kinds: &[ConfigType::Internet, ConfigType::Smarthost],
    is_split: true,
    takes: Takes::MailName,
    relays_for_office: false,
};

/// Exim's files: template, path.
const FILES: [(&str, &str); 3] = [
    (
        "mail_gateway/main",
        "/etc/exim4/conf.d/main/00_mail_gateway",
    ),
    (
        "mail_gateway/auth",
        "/etc/exim4/conf.d/auth/20_mail_gateway",
    ),
    ("mail_gateway/acl", "/etc/exim4/mail_gateway.acl"),
];

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_gateway")?;
    cx.needs("mail_gateway", &["mta"])?;
    for (name, password) in &variables.mail_gateway_accounts {
        let password = password.expose();
        if password.is_empty() || password.contains(char::is_control) {
            let message = format!(
                "host {}: the password of '{name}' in 'mail_gateway_accounts' cannot be used",
                cx.host.name()
            );
            return Err(vec![
                Diagnostic::new(message)
                    .hint("take one that is not empty and has no control characters"),
            ]);
        }
    }
    let restart = mta::restart();
    let mut role = Declarations::new("mail_gateway");
    role.add(Resource::Packages(Packages::new([fixed("openssl")])));
    mta::certificate(cx, &mut role, &variables.home_domain);
    for (template, path) in FILES {
        let content = cx.render(template).finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(File::new(fixed(path), content)))
                .notifies(&restart);
        }
    }
    let mut lines = vec![Segment::Plain(
        "# Managed by prov (role mail_gateway): changes made here are overwritten.\n".to_owned(),
    )];
    for (name, password) in &variables.mail_gateway_accounts {
        lines.push(Segment::Plain(format!("{name}: ")));
        lines.push(Segment::Secret(password.map(|password| {
            hex(&Sha256::digest(format!("{name}:{password}")))
        })));
        lines.push(Segment::Plain("\n".to_owned()));
    }
    let mut file = File::new(fixed("/etc/exim4/gateway-accounts"), Content::of(lines));
    "Debian-exim".clone_into(&mut file.group);
    file.mode = Mode::new(0o640);
    role.add(Resource::File(file));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_gateway")?;
    let domain = mta::mailname(variables.mta_mailname.as_ref(), &variables.home_domain);
    // The account that prov logs in with has mail like every other one.
    let connection = cx.host.connection();
    let somebody = match (&connection.user, &connection.password) {
        (Some(user), Some(password)) => Some(Mailbox {
            address: format!("{user}@{domain}"),
            login: user.clone(),
            password: password.clone(),
        }),
        (Some(_) | None, _) => None,
    };
    promises.mail_gateways.push(MailGateway {
        server: Server::of(cx.host),
        domain: domain.to_string(),
        somebody,
    });
    mta::takes_submissions(cx, "mail_gateway", promises);
    Ok(())
}
