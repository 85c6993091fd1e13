//! A light Exim; on a host with a mail role, the one that the role needs.

use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) mod server;
mod settings;
mod smarthost;

use server::LocalDelivery;
pub use server::{ConfigType, MailServer, Takes};
use settings::Settings;
pub(super) use smarthost::{Smarthost, Verification};

use super::{Capability, Declarations, HostContext, fixed};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::promise::{
    Audience, NeedKind, Needed, Promises, Protocol, SMTP, SUBMISSION, SUBMISSIONS, Told, is_exposed,
};
use crate::quote::{exim_password, exim_user};
use crate::resource::{
    Block, Declared, File, Handler, Line, Packages, Resource, Service, TlsAuthority,
    TlsCertificate, TlsKey,
};
use crate::value::{AccountName, DomainName, Mode, Network, Port};

/// Variables of the role. Most have the meaning of a setting of `/etc/exim4/update-exim4.conf.conf`
/// (update-exim4.conf(8)).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Domain of the firm.
    home_domain: DomainName,
    /// Account of the firm's administrator, who receives mail to root.
    home_domain_admin_user: AccountName,
    /// Kind of configuration; by default what the host's mail role needs, else `satellite`.
    #[serde(default)]
    mta_configtype: Option<ConfigType>,
    /// Domains whose mail is local; by default the one of the host's mail role, else none. The mail name is so only if it is
    /// named here, too; `@` stands for the host's own name in Exim and is always local.
    #[serde(default)]
    mta_other_hostnames: Option<Vec<DomainName>>,
    /// Addresses to listen on for incoming connections, `[]` for all; by default all on a host with a mail role, else
    /// `[127.0.0.1]`.
    #[serde(default)]
    mta_local_interfaces: Option<Vec<IpAddr>>,
    /// Domain that a satellite shows as the sender's and to which it sends local mail; by default the home domain.
    #[serde(default)]
    mta_readhost: Option<DomainName>,
    /// Networks from which mail is relayed to anywhere; by default `office_subnet` on the office's mail server, else none.
    #[serde(default)]
    mta_relay_nets: Option<Vec<Network>>,
    /// Whether the configuration is made from the files in `/etc/exim4/conf.d`; by default where a role of the host has files
    /// there.
    #[serde(default)]
    mta_use_split_config: Option<bool>,
    /// Whether the host's own name is hidden behind `mta_readhost` in outgoing mail.
    #[serde(default = "yes")]
    mta_hide_mailname: bool,
    /// How local mail is delivered; by default `maildir_home` on a host with the role `mail`, which reads that, else
    /// `mail_spool`.
    #[serde(default)]
    mta_localdelivery: Option<LocalDelivery>,
    /// What stands in `/etc/mailname`; by default the home domain.
    #[serde(default)]
    mta_mailname: Option<DomainName>,
    /// Host that takes all mail which is not local; needed for `satellite` and `smarthost`.
    #[serde(default)]
    mta_smarthost: Option<Smarthost>,
    /// Seconds for which mail waits at most once the server is back that it waits for: how often the queue is looked through, and how
    /// long a server that has failed is left alone. By default 15 where the smarthost is another host of the estate, else as
    /// Debian has it, whose runs are half an hour apart.
    #[serde(default)]
    mta_retry_seconds: Option<NonZeroU16>,
}

impl Variables {
    /// Gives how long mail waits at most, in seconds, where that is not left to Debian.
    fn retry(&self, cx: &HostContext<'_>, settings: &Settings) -> Option<u16> {
        let smarthost = self.mta_smarthost.as_ref();
        let asks_own = settings.kind.needs_smarthost()
            && smarthost.is_some_and(|host| host.host(cx).is_some());
        let given = self.mta_retry_seconds.map(NonZeroU16::get);
        given.or(asks_own.then_some(RETRY))
    }
}

const fn yes() -> bool {
    true
}

/// Certificate of the estate's authority.
pub(crate) const AUTHORITY: &str = "/etc/exim4/authority.pem";

/// How many seconds mail that waits for another host of the estate waits at most once that is back. Anybody else's server is asked as
/// seldom as Debian has it, unless the estate wants it otherwise.
const RETRY: u16 = 15;

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mta")?;
    let settings = Settings::of(cx, &variables)?;
    let mut role = Declarations::new("mta");
    if settings.kind.needs_smarthost() && variables.mta_smarthost.is_none() {
        let mistake = Diagnostic::new(format!(
            "host {}: role mta is a {} and has no 'mta_smarthost'",
            cx.host.name(),
            settings.kind.name()
        ));
        return Err(vec![mistake.hint("set 'mta_smarthost: {hostname: NAME}' for the host or its group, or another 'mta_configtype'")]);
    }
    if let Some(smarthost) = &variables.mta_smarthost {
        smarthost.check(cx)?;
    }
    let restart = restart();
    // The two conflict; a server of mailboxes needs what only the second can do.
    let [daemon, other] = if cx.offers(Capability::HeavyMailDaemon) {
        ["exim4-daemon-heavy", "exim4-daemon-light"]
    } else {
        ["exim4-daemon-light", "exim4-daemon-heavy"]
    };
    let mut packages = Packages::new([fixed(daemon)]);
    packages.replaces.insert(fixed(other));
    role.add(Resource::Packages(packages));
    let mailname = mailname(variables.mta_mailname.as_ref(), &variables.home_domain);
    let file = File::new(
        fixed("/etc/mailname"),
        Content::plain(format!("{mailname}\n")),
    );
    // Other programs than Exim read it, too.
    role.add(Resource::File(file)).notifies(&restart).stays();
    let configuration = configuration(cx, &variables, &settings);
    if let Some(content) = role.take(configuration) {
        let file = File::new(fixed("/etc/exim4/update-exim4.conf.conf"), content);
        role.add(Resource::File(file)).notifies(&restart);
    }
    authority(cx, &mut role, variables.mta_smarthost.as_ref());
    let retry = variables.retry(cx, &settings);
    if let Some(seconds) = retry {
        // Debian 12 takes the first, from 13 on its unit takes the second and its init script the third.
        let lines = format!(
            "QUEUEINTERVAL='{seconds}s'\nEXIMSERVICE='-bdf -q{seconds}s'\nEXIMDAEMONOPTS='-bd -q{seconds}s'\n"
        );
        let mut block = Block::new(fixed("/etc/default/exim4"), Content::plain(lines));
        block.name = Some("queue".to_owned());
        block.create = true;
        role.add(Resource::Block(block)).notifies(&restart);
    }
    let macros = macros(cx, &variables, retry);
    if let Some(content) = role.take(macros) {
        let path = if settings.is_split {
            "/etc/exim4/conf.d/main/00_mta"
        } else {
            "/etc/exim4/exim4.conf.localmacros"
        };
        role.add(Resource::File(File::new(fixed(path), content)))
            .notifies(&restart);
    }
    let credentials = credentials(cx, &variables, settings.kind);
    if let Some(content) = role.take(credentials) {
        let mut file = File::new(fixed("/etc/exim4/passwd.client"), content);
        file.group = String::from("Debian-exim");
        file.mode = Mode::new(0o640);
        role.add(Resource::File(file));
    }
    let mut alias = Line::new(
        fixed("/etc/aliases"),
        Content::plain(format!("root: {}", variables.home_domain_admin_user)),
    );
    alias.regexp = Some(fixed("^root:"));
    alias.create = true;
    role.add(Resource::Line(alias));
    let accounts = SYSTEM_ACCOUNTS.map(|account| format!("{account}: root\n"));
    let mut block = Block::new(fixed("/etc/aliases"), Content::plain(accounts.concat()));
    block.name = Some("system accounts".to_owned());
    block.create = true;
    role.add(Resource::Block(block));
    role.add(Resource::Service(Service::new(fixed("exim4"))));
    role.finish()
}

/// Accounts of daemons, whose mail, such as what their cron jobs print, nobody would read: those of Debian's base-passwd and of
/// the roles' packages. Exim takes the first line for a name, so what Debian or a domain says of one before this counts.
const SYSTEM_ACCOUNTS: [&str; 22] = [
    "_apt",
    "backup",
    "bacula",
    "bin",
    "daemon",
    "dnsmasq",
    "dovecot",
    "fetchmail",
    "games",
    "irc",
    "list",
    "lp",
    "mail",
    "man",
    "mysql",
    "nobody",
    "proxy",
    "radicale",
    "sync",
    "sys",
    "uucp",
    "www-data",
];

fn configuration(
    cx: &HostContext<'_>,
    variables: &Variables,
    settings: &Settings,
) -> Result<Content, Diagnostic> {
    let smarthost = variables.mta_smarthost.as_ref();
    let smarthost = smarthost.map(|host| format!("{}::{}", host.hostname, host.port));
    let read_host = variables
        .mta_readhost
        .as_ref()
        .unwrap_or(&variables.home_domain);
    cx.render("mta/update-exim4.conf.conf")
        .set("configtype", settings.kind.name())
        .set("other_hostnames", &joined(&settings.other_hostnames, ":"))
        // A list with addresses of both families is separated by semicolons (update-exim4.conf(8)).
        .set(
            "local_interfaces",
            &joined(&settings.local_interfaces, " ; "),
        )
        .set("readhost", read_host)
        .set("relay_nets", &joined(&settings.relay_nets, " ; "))
        .set("smarthost", smarthost.as_deref().unwrap_or_default())
        .set("use_split_config", &settings.is_split)
        .set("hide_mailname", &variables.mta_hide_mailname)
        .set("localdelivery", settings.local_delivery.name())
        .finish()
}

/// Restarts Exim, in every role that configures it.
///
/// `update-exim4.conf` checks what it has made with `exim4 -bV` and keeps the previous configuration if that fails.
pub(super) fn restart() -> Handler {
    Handler::restart(fixed("exim4")).validated_by(["update-exim4.conf"])
}

/// Renders what Debian's templates take from macros only (README.Debian of exim4-base).
fn macros(
    cx: &HostContext<'_>,
    variables: &Variables,
    retry: Option<u16>,
) -> Result<Content, Diagnostic> {
    let smarthost = variables.mta_smarthost.as_ref();
    // A file can be named in place of a list of Debian's.
    let recipients = cx.roles.offers(cx.host).find_map(|offer| match offer {
        Capability::MailRecipients(list) => Some(list),
        Capability::Authority
        | Capability::MailCertificate
        | Capability::HeavyMailDaemon
        | Capability::MailCredentials
        | Capability::MailServer(_)
        | Capability::Maildirs
        | Capability::MailNames(_) => None,
    });
    cx.render("mta/macros")
        .set("smtps", &smarthost.is_some_and(Smarthost::is_smtps))
        .set(
            "authorities",
            smarthost
                .map_or(Verification::System, |host| host.verification(cx))
                .list(),
        )
        .set("recipients", recipients.unwrap_or_default())
        .set(
            "retry",
            &retry
                .map(|seconds| format!("{seconds}s"))
                .unwrap_or_default(),
        )
        .finish()
}

/// Declares the certificate of the estate's authority, where a smarthost is verified with it.
fn authority(cx: &HostContext<'_>, role: &mut Declarations, smarthost: Option<&Smarthost>) {
    if smarthost.is_some_and(|host| host.verification(cx) == Verification::Estate) {
        trusted(cx, role);
    }
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mta")?;
    let settings = Settings::of(cx, &variables)?;
    if is_exposed(&settings.local_interfaces) {
        let around = Audience::around(cx.host);
        promises.opens((cx.host, "mta"), &around, &[(Protocol::Tcp, SMTP)]);
    }
    let through = variables.mta_smarthost.as_ref();
    let through = through.filter(|_| settings.kind.needs_smarthost());
    promises.told.extend(through.and_then(|smarthost| {
        let host = smarthost.host(cx)?;
        Some(Told {
            host: cx.host.name().to_owned(),
            of: host.name().to_owned(),
            by: smarthost.hostname.to_string(),
            port: Port {
                protocol: Protocol::Tcp,
                number: smarthost.port,
            },
            role: "mta",
            variable: "mta_smarthost",
        })
    }));
    let through = through.map(|smarthost| match smarthost.host(cx) {
        Some(host) => Needed::host(host),
        None => Needed::Outside(smarthost.hostname.to_string()),
    });
    promises.relies((cx.host, "mta"), NeedKind::Mail, through);
    Ok(())
}

/// Promises that users hand in mail at the ports for that, in every role that has Exim listen there.
pub(super) fn takes_submissions(cx: &HostContext<'_>, role: &str, promises: &mut Promises) {
    promises.opens(
        (cx.host, role),
        &Audience::around(cx.host),
        &[(Protocol::Tcp, SUBMISSIONS), (Protocol::Tcp, SUBMISSION)],
    );
}

/// Declares the certificate of the estate's authority, for whatever verifies other hosts' mail servers with it.
pub(super) fn trusted(cx: &HostContext<'_>, role: &mut Declarations) {
    if let Some(authority) = &cx.inputs.authority {
        role.add(Resource::TlsAuthority(TlsAuthority {
            path: fixed(AUTHORITY),
            authority: authority.clone(),
        }));
    }
}

/// Declares the key and the certificate that Exim presents to clients.
pub(super) fn certificate(cx: &HostContext<'_>, role: &mut Declarations, domain: &DomainName) {
    let path = fixed("/etc/exim4/exim.key");
    let mut key = TlsKey::new(path);
    key.group = fixed("Debian-exim");
    key.mode = Mode::new(0o640);
    let certificate = TlsCertificate::new(
        fixed("/etc/exim4/exim.crt"),
        key.path.clone(),
        names(cx, domain),
        cx.inputs.authority.clone(),
    );
    role.add(Resource::TlsKey(key));
    // Exim reads it for every connection.
    role.add(Resource::TlsCertificate(certificate));
}

/// Gives the domain of a host's own mail.
pub(super) fn mailname<'v>(given: Option<&'v DomainName>, home: &'v DomainName) -> &'v DomainName {
    given.unwrap_or(home)
}

/// Gives the names by which other hosts call this one.
pub(super) fn names(cx: &HostContext<'_>, domain: &DomainName) -> Vec<DomainName> {
    let name = cx.host.name();
    let names = [name.to_owned(), format!("{name}.{domain}")];
    names.into_iter().flat_map(DomainName::new).collect()
}

fn joined(parts: &[impl ToString], separator: &str) -> String {
    let parts: Vec<_> = parts.iter().map(ToString::to_string).collect();
    parts.join(separator)
}

fn credentials(
    cx: &HostContext<'_>,
    variables: &Variables,
    kind: ConfigType,
) -> Result<Content, Diagnostic> {
    let rendering = cx.render("mta/passwd.client");
    let smarthost = variables.mta_smarthost.as_ref();
    // Who sends directly needs none. With MailCredentials, they belong to the sender's domain and are in files of another format.
    let smarthost =
        smarthost.filter(|_| kind.needs_smarthost() && !cx.offers(Capability::MailCredentials));
    let login = smarthost.and_then(|host| {
        Some((
            &host.hostname,
            host.username.as_ref()?,
            host.userpass.as_ref()?,
        ))
    });
    match login {
        // The password is whatever follows the second colon (exim4-config_files(5)).
        Some((host, user, password)) => rendering
            .set("host", host)
            .quoted("username", exim_user, user)
            .quoted_secret("password", exim_password, password)
            .finish(),
        None => rendering.set("host", "").finish(),
    }
}
