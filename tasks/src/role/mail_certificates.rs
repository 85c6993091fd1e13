//! Where the certificates of mail are obtained, and from where they are handed to the servers of hosted domains.
//!
//! Let's Encrypt is asked by certbot, which proves names by records at Linode: a hook of our own makes them, because
//! Debian 13 has no plugin of certbot's for Linode (its predecessor had `python3-certbot-dns-linode`).
//!
//! A domain has a folder of its own, `/usr/local/etc/certs/DOMAIN` (root, 0700) with `fullchain.pem` and `privkey.pem`,
//! and runs `hand-over-mail-certificate DOMAIN`. The servers take them from the key that is made here, into one folder,
//! and let it do nothing else.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, dns_api, fixed};
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::estate::Host;
use crate::input::Input;
use crate::resource::{Command, Declared, Directory, File, Packages, Resource};
use crate::value::Mode;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Whether Let's Encrypt issues the certificates of mail servers, asked by way of the DNS provider; otherwise the
    /// estate's own authority does.
    #[serde(default = "yes")]
    mail_uses_ca: bool,
    /// Seconds until Linode's name servers have a record that was made by its API.
    #[serde(default = "propagation")]
    dns_linode_propagation: u16,
}

const fn yes() -> bool {
    true
}

/// As long as certbot's plugin for Linode waits.
const fn propagation() -> u16 {
    120
}

/// Folder of the certificates, one for each domain.
pub(crate) const CERTIFICATES: &str = "/usr/local/etc/certs";
/// Copies certificates to the servers; with `--check` it says whether they have them.
pub(crate) const HAND_OVER: &str = "/usr/local/sbin/hand-over-mail-certificate";
/// Makes and removes the records that certbot wants to see.
pub(crate) const CHALLENGE: &str = "/usr/local/sbin/dns-challenge";
/// Takes over what certbot has obtained.
pub(crate) const RENEWED: &str = "/etc/letsencrypt/renewal-hooks/deploy/mail_certificates";
/// Folder of the key pair.
const FOLDER: &str = "/usr/local/etc/mail-certificates";
/// The private key.
const KEY: &str = "/usr/local/etc/mail-certificates/id_ed25519";
/// The public key, which the servers accept.
pub(super) const PUBLIC_KEY: &str = "/usr/local/etc/mail-certificates/id_ed25519.pub";
/// The servers' keys.
const KNOWN_HOSTS: &str = "/usr/local/etc/mail-certificates/known_hosts";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("mail_certificates")?;
    let mut role = Declarations::new("mail_certificates");
    let mut packages = vec!["openssh-client", "openssl", "rsync"];
    if variables.mail_uses_ca {
        packages.push("certbot");
    }
    let packages = packages.into_iter().map(fixed);
    role.add(Resource::Packages(Packages::new(packages)));
    // Without it no domain of the host has mail, or that is a mistake of its own.
    if variables.mail_uses_ca && cx.host.has_role("dns_api") {
        let address = dns_api::address(cx, "mail_certificates")?;
        let content = cx
            .render("mail_certificates/dns-challenge")
            .set("base_url", &address)
            .set("credentials", dns_api::CREDENTIALS)
            .set("propagation", &variables.dns_linode_propagation)
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(script(CHALLENGE, content)));
        }
    }
    for path in [CERTIFICATES, FOLDER] {
        let mut folder = Directory::new(fixed(path));
        folder.mode = Mode::new(0o700);
        role.add(Resource::Directory(folder));
    }
    for command in key_pair(cx.host) {
        role.add(Resource::Command(command));
    }
    let servers = cx.estate.hosts_with_role("mail_external");
    role.add(Resource::File(File::new(
        fixed(KNOWN_HOSTS),
        known_hosts(&servers),
    )));
    let servers: Vec<_> = servers.into_iter().map(Host::name).collect();
    role.add(Resource::Directory(Directory::new(fixed(
        "/etc/letsencrypt/renewal-hooks/deploy",
    ))));
    let scripts = [
        ("mail_certificates/hand-over", HAND_OVER),
        ("mail_certificates/renewed", RENEWED),
    ];
    for (template, path) in scripts {
        let content = cx
            .render(template)
            .set("servers", &servers)
            .set("folder", CERTIFICATES)
            .set("key", KEY)
            .set("known_hosts", KNOWN_HOSTS)
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(script(path, content)));
        }
    }
    role.finish()
}

fn script(path: &'static str, content: Content) -> File {
    let mut script = File::new(fixed(path), content);
    script.mode = Mode::new(0o755);
    script
}

/// Gives the commands that make the key pair, and the public half of a private key that has lost it.
fn key_pair(host: &Host) -> [Command; 2] {
    let comment = format!("mail-certificates@{}", host.name());
    let pair = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        &comment,
        "-f",
        KEY,
    ];
    let half =
        format!("ssh-keygen -y -f {KEY} >{PUBLIC_KEY}.new && mv {PUBLIC_KEY}.new {PUBLIC_KEY}");
    let mut half = Command::creating(fixed(PUBLIC_KEY), ["sh", "-c", &half]);
    half.only_if = Some(["test", "-s", KEY].map(str::to_owned).to_vec());
    [Command::creating(fixed(KEY), pair), half]
}

/// Says by which key each server is known (sshd(8), "`SSH_KNOWN_HOSTS` file format").
fn known_hosts(servers: &[&Host]) -> Content {
    let mut lines = vec![Segment::Plain(
        "# Managed by prov (role mail_certificates): changes made here are overwritten.\n"
            .to_owned(),
    )];
    for server in servers {
        lines.push(Segment::Plain(format!("{} ", server.name())));
        lines.push(Segment::Input(Input {
            host: server.name().to_owned(),
            path: fixed("/etc/ssh/ssh_host_ed25519_key.pub"),
        }));
        lines.push(Segment::Plain("\n".to_owned()));
    }
    Content::of(lines)
}
