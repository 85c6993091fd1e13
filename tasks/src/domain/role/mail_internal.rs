//! The firm's own mail in the office: what has come in outside is fetched from there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::estate::Host;
use crate::promise::{NeedKind, Needed, Promises};
use crate::quote::fetchmail;
use crate::resource::{File, Handler, Resource};
use crate::role::{fixed, mta};
use crate::value::Mode;

/// Variables of the role: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {}

/// Its configuration, without which Fetchmail does not run.
const FETCHMAILRC: &str = "/etc/fetchmailrc";

/// Reads the configuration as the daemon does; it must be the daemon's own.
const VALIDATION: [&str; 3] = [
    "sh",
    "-c",
    "[ ! -e /etc/fetchmailrc ] || runuser -u fetchmail -- fetchmail --version --fetchmailrc /etc/fetchmailrc",
];

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    if !cx.is_home() || !cx.domain.has_mail() {
        return;
    }
    let Some(content) = made.take(configuration(cx)) else {
        return;
    };
    let mut file = File::new(fixed(FETCHMAILRC), content);
    "fetchmail".clone_into(&mut file.owner);
    "nogroup".clone_into(&mut file.group);
    file.mode = Mode::new(0o600);
    made.add(Resource::File(file))
        .notifies(&Handler::restart(fixed("fetchmail")).validated_by(VALIDATION));
}

/// Names the server from which the mail is fetched.
fn server<'e>(cx: &DomainContext<'e>) -> Option<&'e Host> {
    let outside = cx.on.estate.hosts_with_role("mail_external");
    outside.first().copied()
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of the registry's rows"
)]
pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    if cx.is_home() && cx.domain.has_mail() {
        let fetched = format!("mail of {}", cx.domain.name());
        let from = server(cx).map(Needed::host);
        promises.relies((cx.on.host, &fetched), NeedKind::Mail, from);
    }
    Ok(())
}

fn configuration(cx: &DomainContext<'_>) -> Result<Content, Diagnostic> {
    let Some(server) = server(cx) else {
        return Err(Diagnostic::new(format!(
            "mail of {} is fetched from outside, but no host of the estate has the role mail_external",
            cx.domain.name()
        ))
        .hint("give a host the role mail_external"));
    };
    let head = cx
        .on
        .render("domain_mail_internal/fetchmailrc")
        .set("domain", cx.domain.name())
        .set("server", server.name())
        .finish()?;
    let mut segments = head.segments().to_vec();
    for user in &cx.domain.settings().users {
        let Some(account) = &user.account else {
            continue;
        };
        let password = cx.domain.settings().user_passwords.get(&user.name);
        let password = password.cloned().unwrap_or_default();
        segments.push(Segment::Plain(format!(
            "    user {} there with password ",
            fetchmail(account.as_str())?
        )));
        segments.push(Segment::Secret(password.try_map(fetchmail)?));
        segments.push(Segment::Plain(format!(
            " is {} here ssl sslcertck sslcertfile {}\n",
            fetchmail(account.as_str())?,
            fetchmail(mta::AUTHORITY)?
        )));
    }
    Ok(Content::of(segments))
}
