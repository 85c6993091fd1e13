//! The certificate of a domain's mail servers, for `imap.` and `smtp.` before its name.
//!
//! It is obtained on the host that has the key with which the mail server accepts certificates, and handed over from
//! there; a note says that it has arrived, for which the mail server waits before it configures what needs it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::diagnostic::Diagnostic;
use crate::promise::{IMAP_NAME, Issuer, MailCertificate, Promises, SMTP_NAME};
use crate::resource::{Command, Directory, Handler, Resource, TlsCertificate, TlsKey};
use crate::role::{dns_api, fixed, mail_certificates};
use crate::value::{AccountName, DomainName, HostPath, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Whether Let's Encrypt issues the certificates of mail servers, asked by way of the DNS provider; otherwise the
    /// estate's own authority does.
    #[serde(default = "yes")]
    mail_uses_ca: bool,
    /// Account of the firm's administrator, to whom Let's Encrypt writes.
    home_domain_admin_user: AccountName,
}

const fn yes() -> bool {
    true
}

/// Gives the note that the certificate has arrived at the server, whose one line is the name of its folder there.
pub(super) fn note(domain: &DomainName) -> HostPath {
    of_domain(domain).child("handed-over")
}

/// Gives the folder of a domain's certificate.
fn of_domain(domain: &DomainName) -> HostPath {
    fixed::<HostPath>(mail_certificates::CERTIFICATES).join("", domain, "")
}

/// Gives the names by which users call the domain's mail servers.
fn names(cx: &DomainContext<'_>) -> [DomainName; 2] {
    [IMAP_NAME, SMTP_NAME].map(|label| cx.domain.sub(label))
}

pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    if !cx.domain.has_mail() {
        return Ok(());
    }
    let variables: Variables = cx.on.vars.typed("domain_mail_certificate")?;
    promises.mail_certificates.push(MailCertificate {
        domain: cx.domain.name().to_string(),
        names: names(cx).map(|name| name.to_string()).to_vec(),
        issuer: if variables.mail_uses_ca {
            Issuer::Public
        } else {
            Issuer::Estate
        },
    });
    Ok(())
}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    if !cx.domain.has_mail() {
        return;
    }
    let variables: Variables = match cx.on.vars.typed("domain_mail_certificate") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let domain = cx.domain.name();
    let path = |name| of_domain(domain).child(name);
    let mut folder = Directory::new(of_domain(domain));
    folder.mode = Mode::new(0o700);
    made.add(Resource::Directory(folder));
    let names = names(cx);
    let hand_over = [mail_certificates::HAND_OVER, domain.as_str()];
    if variables.mail_uses_ca {
        if let Err(mistakes) = dns_api::address(&cx.on, "domain_mail_certificate") {
            return made.refuse(mistakes);
        }
        let email = format!("{}@{}", variables.home_domain_admin_user, cx.home_domain);
        let live = fixed::<HostPath>("/etc/letsencrypt/live").join("", domain, "");
        let [imap, smtp] = &names;
        let hook = |what| format!("{} {what}", mail_certificates::CHALLENGE);
        let (add, remove) = (hook("add"), hook("remove"));
        // One that was obtained in another way, such as by a plugin that a release no longer has, is obtained anew, as
        // certbot renews as it once obtained.
        let known = fixed::<HostPath>("/etc/letsencrypt/renewal").join("", domain, ".conf");
        made.once(Resource::Command(Command::unless(
            ["grep", "-qsF", mail_certificates::CHALLENGE, known.as_str()],
            [
                "certbot",
                "certonly",
                "--non-interactive",
                "--agree-tos",
                "--email",
                &email,
                "--manual",
                "--preferred-challenges",
                "dns",
                "--manual-auth-hook",
                &add,
                "--manual-cleanup-hook",
                &remove,
                "--force-renewal",
                "--cert-name",
                domain.as_str(),
                "--domain",
                imap.as_str(),
                "--domain",
                smtp.as_str(),
            ],
        )));
        // certbot itself runs this for renewed certificates only, and another one may be there from before.
        let [ours, theirs] = [
            path("fullchain.pem").to_string(),
            format!("{live}/fullchain.pem"),
        ];
        let mut take = Command::unless(["cmp", "-s", &theirs, &ours], [mail_certificates::RENEWED]);
        take.env
            .insert("RENEWED_LINEAGE".to_owned(), live.to_string());
        made.once(Resource::Command(take));
        let mut delete = Command::creating(
            of_domain(domain),
            [
                "certbot",
                "delete",
                "--non-interactive",
                "--cert-name",
                domain.as_str(),
            ],
        );
        delete.creates = None;
        delete.removes = Some(live);
        made.at_the_end(Resource::Command(delete));
    } else {
        let key = TlsKey::new(path("privkey.pem"));
        let certificate = TlsCertificate::new(
            path("fullchain.pem"),
            key.path.clone(),
            names.to_vec(),
            cx.on.inputs.authority.clone(),
        );
        made.once(Resource::TlsKey(key));
        made.once(Resource::TlsCertificate(certificate));
    }
    let [program, name] = hand_over;
    made.once(Resource::Command(Command::unless(
        [program, "--check", name],
        [program, name],
    )));
}

/// Reads certificates again.
pub(super) fn reload() -> Handler {
    Handler::reload(fixed("dovecot")).validated_by(["doveconf", "-n"])
}
