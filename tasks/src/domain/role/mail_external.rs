//! A domain on the customers' mail server. The formats of the files are those of the host role `mail_external`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::mail_certificate::{note, reload};
use super::{DomainContext, DomainDeclarations};
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::domain::LocalPart;
use crate::domain::MailUser;
use crate::estate::Host;
use crate::input::Input;
use crate::promise::{self, IMAP_NAME, MailDomain, Promises, SMTP_NAME};
use crate::pushln;
use crate::resource::{Directory, File, Resource, Service, Symlink};
use crate::role::fixed;
use crate::role::mail_external::{CERTIFICATES, credentials, readable_by};
use crate::value::{DomainName, FileName, HostPath};

/// Variables of the role: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    if !cx.domain.has_mail() {
        return;
    }
    let domain = cx.domain.name();
    let settings = cx.domain.settings();
    // Of the home domain, the system's accounts are the mailboxes.
    if !cx.is_home() {
        mailboxes(cx, made);
    }
    if let Some(gateway) = &settings.mail_gateway {
        let password = settings.mail_gateway_password.as_ref();
        let content = credentials(&cx.on, Some(&gateway.username), password);
        if let Some(content) = made.take(content) {
            let path = fixed::<HostPath>("/etc/exim4/gateway.d").join("", domain, "");
            made.add(Resource::File(readable_by("Debian-exim", path, content)));
        }
    }
    let Some(keeper) = made.take(keeper(cx)) else {
        return;
    };
    let folder = fixed::<HostPath>(CERTIFICATES).join("", domain, "");
    // Another host writes it.
    made.leftover(Resource::Directory(Directory::new(folder.clone())));
    let link = fixed::<HostPath>("/etc/exim4/tls.d").join("", &cx.domain.sub("smtp"), "");
    made.add(Resource::Symlink(Symlink::new(link, folder.as_str())));
    let content = cx
        .on
        .render("domain_mail_external/dovecot.conf")
        .set("domain", domain)
        .set("imap", &cx.domain.sub("imap"))
        .set("folder", CERTIFICATES)
        .input(
            "name",
            Input {
                host: keeper.name().to_owned(),
                path: note(domain),
            },
        )
        .finish();
    if let Some(content) = made.take(content) {
        let path = fixed::<HostPath>("/etc/dovecot/domains.d").join("", domain, ".conf");
        made.add(Resource::File(File::new(path, content)))
            .notifies(&reload());
    }
    // Together with the roles of the host it waits for this file.
    made.once(Resource::Service(Service::new(fixed("dovecot"))));
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of the registry's rows"
)]
pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let settings = cx.domain.settings();
    let mailbox = |user: &MailUser| {
        let address = format!("{}@{}", user.name, cx.domain.name());
        let account = user.account.as_ref();
        let password = settings.user_passwords.get(&user.name);
        promise::Mailbox {
            login: account.map_or_else(|| address.clone(), ToString::to_string),
            address,
            password: password.cloned().unwrap_or_default(),
        }
    };
    if cx.domain.has_mail() {
        promises.mail_domains.push(MailDomain {
            name: cx.domain.name().to_string(),
            home: cx.is_home(),
            imap: cx.domain.sub(IMAP_NAME).to_string(),
            smtp: cx.domain.sub(SMTP_NAME).to_string(),
            mailboxes: settings.users.iter().map(mailbox).collect(),
            gateway_account: settings.mail_gateway.as_ref().map(|it| it.username.clone()),
        });
    }
    Ok(())
}

fn mailboxes(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let domain = cx.domain.name();
    let head = format!("# Managed by prov (domain {domain}): changes made here are overwritten.\n");
    let mut names = head.clone();
    let mut accounts = vec![Segment::Plain(head)];
    for user in &cx.domain.settings().users {
        if user.account.is_some() {
            made.refuse([cx.domain.mistake(
                &["users"],
                format!(
                    "the user '{}' has an account, which only users of the home domain have",
                    user.name
                ),
            )]);
        }
        pushln!(names, "{}:", user.name);
        accounts.push(Segment::Plain(format!("{}@{domain}:", user.name)));
        let hash = cx.domain.password_hash(&user.name);
        accounts.push(Segment::Secret(
            hash.map(|hash| format!("{{BLF-CRYPT}}{hash}")),
        ));
        accounts.push(Segment::Plain("::::::\n".to_owned()));
        let mailbox = Mailbox(&user.name, domain);
        let mailbox = fixed::<HostPath>("/home/vmail").join("", &mailbox, "");
        made.leftover_data(Resource::Directory(Directory::new(mailbox)));
    }
    // Who has a password comes before who gets mail, and goes after.
    let path = fixed::<HostPath>("/etc/dovecot/virtual.d").join("", domain, "");
    made.add(Resource::File(readable_by(
        "dovecot",
        path,
        Content::of(accounts),
    )));
    let path = fixed::<HostPath>("/etc/exim4/virtual.d").join("", domain, "");
    made.add(Resource::File(File::new(path, Content::plain(names))));
}

/// The name of a mailbox.
struct Mailbox<'a>(&'a LocalPart, &'a DomainName);

impl std::fmt::Display for Mailbox<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.0, self.1)
    }
}

impl FileName for Mailbox<'_> {}

/// Finds the host from which the certificate comes.
fn keeper<'e>(cx: &DomainContext<'e>) -> Result<&'e Host, Diagnostic> {
    let hosts = cx.on.estate.hosts_with_role("mail_certificates");
    hosts.first().copied().ok_or_else(|| {
        Diagnostic::new(format!(
            "the domain {} has mail, but no host of the estate has the role mail_certificates, from which its certificate would come",
            cx.domain.name()
        ))
        .hint("give a host the role mail_certificates")
    })
}
