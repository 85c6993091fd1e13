//! Dovecot: mailboxes in the homes of their owners, read by IMAP.
//!
//! What is true of every mail server is here; `mail_external` and `mail_internal` add files of their own to
//! `/etc/dovecot/conf.d`, which Dovecot reads in the order of their names.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, fixed};
use crate::diagnostic::Diagnostic;
use crate::resource::{Declared, File, Handler, Packages, Resource, Service};

/// Variables of the role: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let Variables {} = cx.vars.typed("mail")?;
    let mut role = Declarations::new("mail");
    role.add(Resource::Packages(Packages::new([fixed("dovecot-imapd")])));
    let settings = cx.render("mail/dovecot.conf").finish();
    if let Some(content) = role.take(settings) {
        let file = File::new(fixed("/etc/dovecot/conf.d/90-mail.conf"), content);
        role.add(Resource::File(file)).notifies(&restart());
    }
    role.add(Resource::Service(Service::new(fixed("dovecot"))));
    role.finish()
}

/// Restarts Dovecot, in every role that configures it.
pub(super) fn restart() -> Handler {
    Handler::restart(fixed("dovecot")).validated_by(["doveconf", "-n"])
}
