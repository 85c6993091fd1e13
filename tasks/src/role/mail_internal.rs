//! The office's mail server: what `mta` and `mail` do not do already.
//!
//! It takes the firm's mail and relays for the office; through whom it sends, the estate says (`mta_smarthost`). The home domain adds
//! accounts, aliases and `/etc/fetchmailrc`, with which Fetchmail begins to run.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mta::{ConfigType, MailServer, Takes};
use super::{Declarations, HostContext, fixed, mail, mta};
use crate::diagnostic::Diagnostic;
use crate::estate::Location;
use crate::promise::{IMAP_NAME, OfficeMail, Promises, SMTP_NAME, Server};
use crate::resource::{Declared, File, Handler, Packages, Resource, Service};
use crate::value::Network;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Network of the office, from which people read their mail without TLS, and send it to anywhere unless `mta_relay_nets`
    /// says otherwise.
    office_subnet: Network,
}

/// What the role needs of Exim.
pub(super) const SERVER: MailServer = MailServer {
    kinds: &[ConfigType::Smarthost, ConfigType::Internet],
    is_split: false,
    takes: Takes::HomeDomain,
    relays_for_office: true,
};

/// Says which recipients Exim takes mail for; the configuration of the role `mta` names it.
pub(super) const ACL: &str = "/etc/exim4/mail_internal.acl";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_internal")?;
    cx.needs("mail_internal", &["mta", "mail"])?;
    let mut role = Declarations::new("mail_internal");
    role.add(Resource::Packages(Packages::new([fixed("fetchmail")])));
    // Fetchmail knows the server outside by it, however Exim's own smarthost is known.
    mta::trusted(cx, &mut role);
    let settings = cx
        .render("mail_internal/dovecot.conf")
        .set("office_subnet", &variables.office_subnet)
        .finish();
    if let Some(content) = role.take(settings) {
        let file = File::new(fixed("/etc/dovecot/conf.d/95-mail_internal.conf"), content);
        role.add(Resource::File(file)).notifies(&mail::restart());
    }
    role.add(Resource::Service(Service::new(fixed("dovecot"))));
    let list = cx.render("mail_internal/acl").finish();
    if let Some(content) = role.take(list) {
        // Exim reads it for every connection.
        role.add(Resource::File(File::new(fixed(ACL), content)));
    }
    let settings = cx.render("mail_internal/fetchmail").finish();
    if let Some(content) = role.take(settings) {
        let file = File::new(fixed("/etc/default/fetchmail"), content);
        role.add(Resource::File(file)).notifies(
            &Handler::restart(fixed("fetchmail")).validated_by([
                "sh",
                "-n",
                "/etc/default/fetchmail",
            ]),
        );
    }
    role.add(Resource::Service(Service::new(fixed("fetchmail"))));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let _: Variables = cx.vars.typed("mail_internal")?;
    let hosted = cx.estate.hosts_with_role("mail_external");
    let world = hosted
        .first()
        .map_or(Location::External, |host| host.location());
    promises.office_mail.push(OfficeMail {
        server: Server::of(cx.host),
        imap: IMAP_NAME.to_owned(),
        smtp: SMTP_NAME.to_owned(),
        seen_at: cx.estate.seen_from(world, cx.host),
    });
    Ok(())
}
