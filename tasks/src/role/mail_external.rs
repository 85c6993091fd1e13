//! The customers' mail server: Exim and Dovecot for any number of hosted domains, none to begin with.
//!
//! A hosted domain adds files of its own and touches none of this role's. They are read whenever they are needed, so
//! nothing has to be restarted, except Dovecot (reload) after the last two. For a domain `customer.com`:
//!
//! | path | owner, mode | holds |
//! | --- | --- | --- |
//! | `/etc/exim4/virtual.d/customer.com` | root, 0644 | a line for each name before the `@`: `NAME:` for a mailbox, `NAME: ADDRESS` for an alias |
//! | `/etc/dovecot/virtual.d/customer.com` | root:dovecot, 0640 | a line for each mailbox: `NAME@customer.com:HASH::::::`, the hash as `doveadm pw` writes it |
//! | `/etc/exim4/gateway.d/customer.com` | root:Debian-exim, 0640 | the gateway's credentials for the sender domain: `username: BASE64` and `password: BASE64` |
//! | `/etc/exim4/tls.d/smtp.customer.com` | link | leads to the folder with `fullchain.pem` and `privkey.pem` for that name |
//! | `/usr/local/etc/mail-certs/customer.com/` | mail-certs:Debian-exim, 0750 | that folder; mail-certificates writes it |
//! | `/etc/dovecot/domains.d/customer.com.conf` | root, 0644 | `local_name imap.customer.com { ssl_cert = <FILE; ssl_key = <FILE }` |
//!
//! The home domain is local to Exim and has accounts on the host; of the files above it has `gateway.d/home.com` and,
//! if it likes, the last three.

use schemars::JsonSchema;
use serde::Deserialize;

use base64::Engine as _;
use sha2::{Digest, Sha512};

use super::mta::{self, ConfigType, MailServer, Smarthost, Takes};
use super::{Declarations, HostContext, fixed, mail, mail_certificates};
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::input::Input;
use crate::promise::{HostedMail, Promises, Server};
use crate::resource::{
    Cron, Declared, Directory, File, Handler, Packages, Resource, Service, Special, User,
};
use crate::secret::Secret;
use crate::value::{AccountName, DomainName, HostPath, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm.
    home_domain: DomainName,
    /// The mail gateway, through which mail for the rest of the world leaves. Its user and password are for senders whose
    /// domain has no credentials of its own.
    mta_smarthost: Smarthost,
}

/// What the role needs of Exim.
pub(super) const SERVER: MailServer = MailServer {
    kinds: &[ConfigType::Smarthost],
    is_split: true,
    takes: Takes::HomeDomain,
    relays_for_office: false,
};

/// Exim's files: template, path.
const EXIM: [(&str, &str); 5] = [
    (
        "mail_external/main",
        "/etc/exim4/conf.d/main/00_mail_external",
    ),
    (
        "mail_external/acl",
        "/etc/exim4/conf.d/acl/25_mail_external",
    ),
    (
        "mail_external/router",
        "/etc/exim4/conf.d/router/160_mail_external",
    ),
    (
        "mail_external/transport",
        "/etc/exim4/conf.d/transport/25_mail_external",
    ),
    // update-exim4.conf(8) takes this file instead of Debian's authenticators, with which ours cannot be together.
    (
        "mail_external/auth",
        "/etc/exim4/conf.d/auth/30_exim4-config_examples.rul",
    ),
];

/// Dovecot's files: template, path. Users of hosted domains come before those of the system.
const DOVECOT: [(&str, &str); 2] = [
    (
        "mail_external/dovecot-passdb.conf",
        "/etc/dovecot/conf.d/05-mail_external.conf",
    ),
    (
        "mail_external/dovecot.conf",
        "/etc/dovecot/conf.d/95-mail_external.conf",
    ),
];

/// Folders in which hosted domains have files, and who may read them besides root.
const FOLDERS: [(&str, &str, u32); 5] = [
    ("/etc/exim4/virtual.d", "root", 0o755),
    ("/etc/exim4/tls.d", "root", 0o755),
    ("/etc/exim4/gateway.d", "Debian-exim", 0o750),
    ("/etc/dovecot/virtual.d", "dovecot", 0o750),
    ("/etc/dovecot/domains.d", "root", 0o755),
];

/// Account that owns the certificates, and their folder.
const KEEPER: &str = "mail-certs";
pub(crate) const CERTIFICATES: &str = "/usr/local/etc/mail-certs";

/// The account's home.
const HOME: &str = "/var/lib/mail-certs";

const SIEVE: &str = "/etc/dovecot/sieve-before.d/spam.sieve";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_external")?;
    cx.needs("mail_external", &["mta", "mail"])?;
    let relays = relays(cx)?;
    let mut role = Declarations::new("mail_external");
    role.add(Resource::Packages(Packages::new(
        [
            "dovecot-lmtpd",
            "dovecot-sieve",
            "openssl",
            // Of rsync, rrsync is a program in Python.
            "python3",
            "rsync",
        ]
        .map(fixed),
    )));
    let mut vmail = User::new(fixed("vmail"));
    vmail.system = true;
    vmail.comment = Some("Mailboxes of hosted domains".to_owned());
    vmail.create_home = false;
    role.add(Resource::User(vmail));
    let mut home = Directory::new(fixed("/home/vmail"));
    "vmail".clone_into(&mut home.owner);
    "vmail".clone_into(&mut home.group);
    home.mode = Mode::new(0o700);
    role.add(Resource::Directory(home));
    for (path, group, mode) in FOLDERS {
        let mut folder = Directory::new(fixed(path));
        group.clone_into(&mut folder.group);
        folder.mode = Mode::new(mode);
        role.add(Resource::Directory(folder));
    }
    mta::certificate(cx, &mut role, &variables.home_domain);
    certificates(cx, &mut role);
    exim(cx, &mut role, &variables, &relays);
    dovecot(cx, &mut role, &variables, &relays);
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_external")?;
    promises.hosted_mail.push(HostedMail {
        server: Server::of(cx.host),
        home_domain: variables.home_domain.to_string(),
        gateway_account: variables.mta_smarthost.username,
    });
    mta::takes_submissions(cx, "mail_external", promises);
    Ok(())
}

/// An account with which another host hands its mail to this one.
struct Relay {
    name: AccountName,
    hash: Secret,
    /// The host, and the password itself.
    of: (String, Secret),
}

/// Finds the hosts that name this one as their smarthost and have a user for it.
fn relays(cx: &HostContext<'_>) -> Result<Vec<Relay>, Vec<Diagnostic>> {
    let mut relays: Vec<Relay> = Vec::new();
    let mut mistakes = Vec::new();
    for host in cx.estate.hosts() {
        if host.name() == cx.host.name() {
            continue;
        }
        let smarthost = match cx.estate.vars(host).value::<Smarthost>("mta_smarthost") {
            Ok(smarthost) => smarthost,
            Err(mistake) => {
                mistakes.push(mistake);
                continue;
            }
        };
        let smarthost = smarthost.filter(|smarthost| {
            let leads = smarthost.host(cx);
            leads.is_some_and(|leads| leads.name() == cx.host.name())
        });
        let Some(Smarthost {
            username: Some(name),
            userpass: Some(password),
            ..
        }) = smarthost
        else {
            continue;
        };
        match AccountName::new(name) {
            Ok(name) => match relays.iter().find(|known| known.name == name) {
                None => {
                    let hash = password.map(|password| hash(host.name(), &name, password));
                    let of = (host.name().to_owned(), password);
                    relays.push(Relay { name, hash, of });
                }
                Some(known) if known.of.1 == password => {}
                Some(known) => mistakes.push(
                    Diagnostic::new(format!(
                        "hosts {} and {} send mail through {} as '{name}' with different passwords",
                        known.of.0,
                        host.name(),
                        cx.host.name()
                    ))
                    .hint("give each its own user in 'mta_smarthost', or both the same password"),
                ),
            },
            Err(problem) => mistakes.push(Diagnostic::new(format!(
                "host {}: the user in 'mta_smarthost': {problem}",
                host.name()
            ))),
        }
    }
    if mistakes.is_empty() {
        Ok(relays)
    } else {
        Err(mistakes)
    }
}

/// Hashes a password as Dovecot's scheme `SSHA512` does. The salt is made of names, so that the same password gives the
/// same hash the next time; such passwords are long and random.
fn hash(host: &str, name: &AccountName, password: &str) -> String {
    let salt = Sha512::digest(format!("{host} {name}"));
    let salt = &salt[..16];
    let mut digest = Sha512::new();
    digest.update(password.as_bytes());
    digest.update(salt);
    let mut bytes = digest.finalize().to_vec();
    bytes.extend_from_slice(salt);
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    format!("{{SSHA512}}{text}")
}

/// Declares who keeps the certificates of hosted domains, and with which keys they may be written.
fn certificates(cx: &HostContext<'_>, role: &mut Declarations) {
    let mut keeper = User::new(fixed(KEEPER));
    keeper.system = true;
    keeper.comment = Some("Certificates of hosted domains".to_owned());
    // The one command that it may run is given to a shell.
    keeper.create_home = false;
    // Exim must be able to read what the account writes.
    keeper.group = Some(fixed("Debian-exim"));
    keeper.home = Some(fixed(HOME));
    keeper.shell = Some(fixed("/bin/sh"));
    role.add(Resource::User(keeper));
    let mut folder = Directory::new(fixed(CERTIFICATES));
    KEEPER.clone_into(&mut folder.owner);
    "Debian-exim".clone_into(&mut folder.group);
    folder.mode = Mode::new(0o750);
    role.add(Resource::Directory(folder));
    // The account must not be able to change what its keys may do, so its home is not its own.
    let ssh = fixed::<HostPath>(HOME).child(".ssh");
    role.add(Resource::Directory(Directory::new(ssh.clone())));
    let mut lines = vec![Segment::Plain(
        "# Managed by prov (role mail_external): changes made here are overwritten.\n".to_owned(),
    )];
    for host in cx.estate.hosts_with_role("mail_certificates") {
        lines.push(Segment::Plain(format!(
            "restrict,command=\"/usr/bin/rrsync -wo {CERTIFICATES}\" "
        )));
        lines.push(Segment::Input(Input {
            host: host.name().to_owned(),
            path: fixed(mail_certificates::PUBLIC_KEY),
        }));
        lines.push(Segment::Plain("\n".to_owned()));
    }
    let keys = File::new(ssh.child("authorized_keys"), Content::of(lines));
    role.add(Resource::File(keys));
    // Exim reads a certificate whenever it needs it, Dovecot only when it is told to.
    let mut renewed = Cron::new("mail_external-certificates", renewal());
    renewed.special = Some(Special::Hourly);
    role.add(Resource::Cron(renewed));
}

/// Gives the job that has Dovecot read certificates which are newer than its processes' configuration.
fn renewal() -> String {
    let stamp = "/run/dovecot/certificates-read";
    format!(
        "test -S /run/dovecot/master || exit 0; test -e {stamp} || touch -r /run/dovecot/master.pid {stamp}; \
         find {CERTIFICATES} -name '*.pem' -newer {stamp} | grep -q . && touch {stamp} && doveadm reload"
    )
}

fn exim(cx: &HostContext<'_>, role: &mut Declarations, variables: &Variables, relays: &[Relay]) {
    let restart = mta::restart();
    let names: Vec<_> = relays.iter().map(|relay| relay.name.as_str()).collect();
    for (template, path) in EXIM {
        let content = cx
            .render(template)
            .set("relays", &names)
            .set("smtps", &variables.mta_smarthost.is_smtps())
            .set(
                "authorities",
                variables.mta_smarthost.verification(cx).list(),
            )
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(File::new(fixed(path), content)))
                .notifies(&restart);
        }
    }
    let gateway = &variables.mta_smarthost;
    let content = credentials(cx, gateway.username.as_deref(), gateway.userpass.as_ref());
    if let Some(content) = role.take(content) {
        role.add(Resource::File(readable_by(
            "Debian-exim",
            fixed("/etc/exim4/gateway-default"),
            content,
        )));
    }
}

/// Renders credentials in the form of `/etc/exim4/gateway.d`.
pub(crate) fn credentials(
    cx: &HostContext<'_>,
    username: Option<&str>,
    password: Option<&Secret>,
) -> Result<Content, Diagnostic> {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let rendering = cx.render("mail_external/credentials");
    match (username, password) {
        (Some(name), Some(password)) => rendering
            .set("username", &encode(name))
            .secret("password", &password.map(encode))
            .finish(),
        (None, _) | (_, None) => rendering.set("username", "").finish(),
    }
}

/// Describes a file that a group may read besides root.
pub(crate) fn readable_by(group: &str, path: HostPath, content: Content) -> File {
    let mut file = File::new(path, content);
    group.clone_into(&mut file.group);
    file.mode = Mode::new(0o640);
    file
}

fn dovecot(cx: &HostContext<'_>, role: &mut Declarations, variables: &Variables, relays: &[Relay]) {
    let restart = mail::restart();
    let script = cx.render("mail_external/spam.sieve").finish();
    role.add(Resource::Directory(Directory::new(
        fixed::<HostPath>(SIEVE).parent(),
    )));
    if let Some(content) = role.take(script) {
        // Who delivers may not write here, so the script is compiled beforehand.
        role.add(Resource::File(File::new(fixed(SIEVE), content)))
            .notifies(&Handler::run(["sievec", SIEVE]).validated_by([
                "sievec",
                "-d",
                SIEVE,
                "/dev/null",
            ]));
    }
    let mut lines = vec![Segment::Plain(
        "# Managed by prov (role mail_external): changes made here are overwritten.\n".to_owned(),
    )];
    for relay in relays {
        lines.push(Segment::Plain(format!("{}:", relay.name)));
        lines.push(Segment::Secret(relay.hash.clone()));
        lines.push(Segment::Plain("\n".to_owned()));
    }
    let file = readable_by("dovecot", fixed("/etc/dovecot/relays"), Content::of(lines));
    role.add(Resource::File(file));
    for (template, path) in DOVECOT {
        let content = cx
            .render(template)
            .set("domain", &variables.home_domain)
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(File::new(fixed(path), content)))
                .notifies(&restart);
        }
    }
    role.add(Resource::Service(Service::new(fixed("dovecot"))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_gives_the_hash_that_dovecot_expects() {
        let hash = hash("h", &fixed("relay"), "pass");
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(hash.strip_prefix("{SSHA512}").unwrap())
            .unwrap();
        let (digest, salt) = bytes.split_at(64);
        assert_eq!(salt.len(), 16);
        let again = Sha512::new().chain_update("pass").chain_update(salt);
        assert_eq!(digest, again.finalize().as_slice());
    }
}
