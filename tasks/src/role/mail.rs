//! Dovecot: mailboxes in the homes of their owners, read by IMAP.
//!
//! What is true of every mail server is here; `mail_external` and `mail_internal` add files of their own to
//! `/etc/dovecot/conf.d`, which Dovecot reads in the order of their names.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Capability, Declarations, HostContext, fixed, mta};
use crate::diagnostic::Diagnostic;
use crate::promise::{Audience, IMAP, IMAPS, Promises, Protocol};
use crate::resource::{
    Declared, File, Handler, Packages, Resource, Service, TlsCertificate, TlsKey,
};
use crate::value::DomainName;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm.
    home_domain: DomainName,
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let Variables { home_domain } = cx.vars.typed("mail")?;
    let mut role = Declarations::new("mail");
    role.add(Resource::Packages(Packages::new(
        ["dovecot-imapd", "openssl"].map(fixed),
    )));
    let key = TlsKey::new(fixed("/etc/dovecot/private/mail.key"));
    let certificate = TlsCertificate::new(
        fixed("/etc/dovecot/private/mail.pem"),
        key.path.clone(),
        names(cx, &home_domain),
        cx.inputs.authority.clone(),
    );
    role.add(Resource::TlsKey(key));
    role.add(Resource::TlsCertificate(certificate))
        .notifies(&restart());
    let settings = cx.render("mail/dovecot.conf").finish();
    if let Some(content) = role.take(settings) {
        let file = File::new(fixed("/etc/dovecot/conf.d/90-mail.conf"), content);
        role.add(Resource::File(file)).notifies(&restart());
    }
    role.add(Resource::Service(Service::new(fixed("dovecot"))));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let _: Variables = cx.vars.typed("mail")?;
    promises.opens(
        (cx.host, "mail"),
        &Audience::around(cx.host),
        &[(Protocol::Tcp, IMAP), (Protocol::Tcp, IMAPS)],
    );
    Ok(())
}

/// Gives the names by which clients call the server.
fn names(cx: &HostContext<'_>, domain: &DomainName) -> Vec<DomainName> {
    let mut names = mta::names(cx, domain);
    let more = cx.roles.offers(cx.host).flat_map(|offer| match offer {
        Capability::MailNames(names) => names,
        Capability::Authority
        | Capability::MailCertificate
        | Capability::HeavyMailDaemon
        | Capability::MailCredentials
        | Capability::MailServer(_)
        | Capability::Maildirs
        | Capability::MailRecipients(_) => &[],
    });
    let more = more.flat_map(|name| [(*name).to_owned(), format!("{name}.{domain}")]);
    names.extend(more.flat_map(DomainName::new));
    names
}

/// Restarts Dovecot, in every role that configures it.
pub(super) fn restart() -> Handler {
    Handler::restart(fixed("dovecot")).validated_by(["doveconf", "-n"])
}
