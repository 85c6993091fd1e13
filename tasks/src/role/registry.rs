//! Every role that is written in Rust, as a table: names, summaries, variables, what of it is worth a backup, and in which order they are applied.

use super::{
    Capability, Catalogue, HostContext, Role, backup_client, backup_director, backup_dropbox,
    backup_storage, calendar, database, dns, dns_api, dns_client, dynamic_dns, fixed, mail,
    mail_certificates, mail_external, mail_gateway, mail_internal, mta, reverse_proxy, wordpress,
};
use crate::diagnostic::Diagnostic;
use crate::promise::Promises;
use crate::release::Release;
use crate::value::HostPath;

impl Default for Catalogue {
    /// Gives the roles that are part of prov.
    fn default() -> Self {
        Self::of_prov(BUILT_IN)
    }
}

/// Every role, in the order in which they are applied on a host.
const BUILT_IN: &[Role] = &[
    Role {
        name: "backup_client",
        summary: "Bacula's file daemon, which lets the director read and restore the host's files.",
        offers: &[Capability::Authority],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(backup_client::Variables),
        backup: backup_client::backup,
        resources: backup_client::resources,
        promises: backup_client::promises,
    },
    Role {
        name: "mta",
        summary: "A light Exim that hands the host's own mail on, mail to root to the firm's admin user.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mta::Variables),
        backup: |_| Ok(paths(&["/etc/exim4", "/etc/aliases", "/etc/mailname"])),
        resources: mta::resources,
        promises: mta::promises,
    },
    Role {
        name: "database",
        summary: "MariaDB; on the host that keeps it also the database of the backup's catalogue.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(database::Variables),
        backup: |_| Ok(paths(&["/etc/mysql", database::DUMPS])),
        resources: database::resources,
        promises: database::promises,
    },
    Role {
        name: "dns",
        summary: "dnsmasq: names of the estate's hosts and services, everything else from upstream servers.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(dns::Variables),
        backup: |_| Ok(paths(&["/etc/dnsmasq.d", "/etc/dnsmasq-hosts.d"])),
        resources: dns::resources,
        promises: dns::promises,
    },
    Role {
        name: "dns_api",
        summary: "The token for the API of the DNS provider (Linode), readable for root alone.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(dns_api::Variables),
        backup: |_| Ok(paths(&[dns_api::CREDENTIALS])),
        resources: dns_api::resources,
        promises: dns_api::promises,
    },
    Role {
        name: "dynamic_dns",
        summary: "A job that keeps DNS records at Linode pointed at the address that the host is seen at.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(dynamic_dns::Variables),
        backup: dynamic_dns::backup,
        resources: dynamic_dns::resources,
        promises: dynamic_dns::promises,
    },
    Role {
        name: "calendar",
        summary: "Radicale: a CalDAV server with a calendar of the office and one of each member of its staff.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(calendar::Variables),
        backup: |_| Ok(paths(&["/etc/radicale", "/var/lib/radicale"])),
        resources: calendar::resources,
        promises: calendar::promises,
    },
    Role {
        name: "mail",
        summary: "Dovecot: mailboxes in their owners' homes, read by IMAP.",
        offers: &[Capability::Authority, Capability::Maildirs],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mail::Variables),
        backup: |_| Ok(paths(&["/etc/dovecot", "/home"])),
        resources: mail::resources,
        promises: mail::promises,
    },
    Role {
        name: "mail_certificates",
        summary: "certbot, and a key with which certificates are handed to the servers of hosted domains.",
        offers: &[Capability::Authority],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mail_certificates::Variables),
        backup: |_| {
            Ok(paths(&[
                "/etc/letsencrypt",
                "/usr/local/etc/certs",
                "/usr/local/etc/mail-certificates",
            ]))
        },
        resources: mail_certificates::resources,
        promises: nothing,
    },
    Role {
        name: "mail_external",
        summary: "Exim and Dovecot for hosted domains: submission, delivery to virtual users, sending through the gateway.",
        offers: &[
            Capability::Authority,
            Capability::MailCertificate,
            Capability::HeavyMailDaemon,
            Capability::MailCredentials,
            Capability::MailServer(mail_external::SERVER),
        ],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mail_external::Variables),
        backup: |_| Ok(paths(&["/usr/local/etc/mail-certs"])),
        resources: mail_external::resources,
        promises: mail_external::promises,
    },
    Role {
        name: "mail_internal",
        summary: "The office's mail server: takes the firm's mail, relays for the office, lets it log in without TLS; Fetchmail.",
        offers: &[
            Capability::Authority,
            Capability::MailRecipients(mail_internal::ACL),
            Capability::MailNames(&["imap", "smtp"]),
            Capability::MailServer(mail_internal::SERVER),
        ],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mail_internal::Variables),
        backup: |_| Ok(paths(&["/etc/default/fetchmail"])),
        resources: mail_internal::resources,
        promises: mail_internal::promises,
    },
    Role {
        name: "mail_gateway",
        summary: "Takes mail from authenticated clients and delivers it: a stand-in for a paid gateway.",
        offers: &[
            Capability::Authority,
            Capability::MailCertificate,
            Capability::MailServer(mail_gateway::SERVER),
        ],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(mail_gateway::Variables),
        backup: |_| Ok(paths(&[])),
        resources: mail_gateway::resources,
        promises: mail_gateway::promises,
    },
    Role {
        name: "reverse_proxy",
        summary: "Nginx, in front of web sites.",
        offers: &[Capability::Authority],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(reverse_proxy::Variables),
        backup: reverse_proxy::backup,
        resources: reverse_proxy::resources,
        promises: reverse_proxy::promises,
    },
    Role {
        name: "wordpress",
        summary: "Apache with PHP, for WordPress sites.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(wordpress::Variables),
        backup: |_| {
            Ok(paths(&[
                "/etc/apache2",
                "/etc/wordpress",
                "/var/lib/wordpress",
            ]))
        },
        resources: wordpress::resources,
        promises: wordpress::promises,
    },
    Role {
        name: "backup_director",
        summary: "Bacula's director: what is backed up when, kept for how long and copied to where.",
        offers: &[Capability::Authority],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(backup_director::Variables),
        backup: |_| Ok(paths(&["/etc/bacula", "/usr/local/lib/bacula"])),
        resources: backup_director::resources,
        promises: backup_director::promises,
    },
    Role {
        name: "backup_storage",
        summary: "Bacula's storage daemon, with the archive and the folder of the off-site copies.",
        offers: &[Capability::Authority],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(backup_storage::Variables),
        backup: |_| Ok(paths(&["/etc/bacula"])),
        resources: backup_storage::resources,
        promises: backup_storage::promises,
    },
    Role {
        name: "backup_dropbox",
        summary: "Dropbox's headless daemon, which brings the copies of the backups out of the office.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(backup_dropbox::Variables),
        backup: |_| Ok(paths(&["/usr/local/lib/bacula"])),
        resources: backup_dropbox::resources,
        promises: backup_dropbox::promises,
    },
    Role {
        name: "dns_client",
        summary: "The host's own name in /etc/hosts, and its resolvers in /etc/resolv.conf.",
        offers: &[],
        releases: &Release::EVERY,
        variables: || schemars::schema_for!(dns_client::Variables),
        backup: |_| Ok(paths(&["/etc/hosts", "/etc/resolv.conf"])),
        resources: dns_client::resources,
        promises: dns_client::promises,
    },
];

/// The promises of a role that only serves other roles.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the signature is that of the registry's rows"
)]
const fn nothing(_: &HostContext<'_>, _: &mut Promises) -> Result<(), Vec<Diagnostic>> {
    Ok(())
}

fn paths(paths: &[&'static str]) -> Vec<HostPath> {
    paths.iter().map(|path| fixed(path)).collect()
}
