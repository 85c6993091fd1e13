//! What the file of a domain says.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::Deserialize;

use super::parts::{Parts, SitePlugin, SiteTheme};
use super::value::{AskedHost, HostLabel, LocalPart, MailAddress, PhpModule};
use crate::Secret;
use crate::value::{AccountName, WordPressLocale};

/// Settings of a domain: the keys of `domain.yml` and `domain.private.yml` that only a domain can have. Besides them a
/// domain may set the variables of domain roles.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Settings {
    /// Name of the organisation; the title of its web sites.
    pub organisation: String,
    /// Port at which `WordPress` serves those of the domain's web sites that have no port of their own.
    #[serde(default)]
    pub reverse_proxy_port: Option<u16>,
    /// Web sites: the name below the domain, and where each is served. `www` has the bare domain, too.
    #[serde(default)]
    pub webhosts: BTreeMap<HostLabel, Webhost>,
    /// Password of the database of each web site. Secret.
    #[serde(default)]
    pub database_passwords: BTreeMap<HostLabel, Secret>,
    /// Who administers the web sites; needed where there are any.
    #[serde(default)]
    pub wordpress_admin: Option<WordPressAdmin>,
    /// The administrator's password when a site is installed; what is changed in the site later stays. Secret.
    #[serde(default)]
    pub wordpress_admin_password: Option<Secret>,
    /// Who has mail in the domain; without users it has none.
    #[serde(default)]
    pub users: Vec<MailUser>,
    /// Password of each user. Secret.
    #[serde(default)]
    pub user_passwords: BTreeMap<LocalPart, Secret>,
    /// Account at the mail gateway through which mail of senders in this domain leaves; without it, that of the
    /// mail server itself.
    #[serde(default)]
    pub mail_gateway: Option<MailGateway>,
    /// Password of that account. Secret.
    #[serde(default)]
    pub mail_gateway_password: Option<Secret>,
    /// Records at the DNS provider that follow the office's address.
    #[serde(default)]
    pub dynamic_dns: Option<DynamicDns>,
    /// The estate's own roles that the domain has, of those that say `domains_on`; it may set what they read.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// Where a web site has its certificate from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SiteTls {
    /// It has none, and is served without TLS.
    None,
    /// From the estate's authority.
    Authority,
    /// From Let's Encrypt.
    LetsEncrypt,
}

/// Where a web site is served.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhost {
    /// Host in front, with the role `reverse_proxy`.
    pub proxy: String,
    /// Host of the site itself, with the role `wordpress`.
    pub wordpress: String,
    /// Host of its database, with the role `database`.
    pub database: String,
    /// Port at which the site itself is served; by default the domain's `reverse_proxy_port`.
    #[serde(default)]
    pub port: Option<u16>,
    /// Where its certificate is from: `authority` (the estate's), `letsencrypt`, or `none`, without TLS. By default as the variables of the
    /// host in front say, `reverse_proxy_uses_ssl` and `reverse_proxy_uses_ca`; a host without TLS has no sites with it.
    #[serde(default)]
    pub tls: Option<SiteTls>,
    /// Its plugins, by the names of their folders, in the order in which they are made active.
    #[serde(default)]
    pub plugins: Parts<SitePlugin>,
    /// Its themes, by the names of their folders. `twentytwentythree`, which sites begin with, comes with the host and needs no
    /// archive. Where none is active, the theme is chosen in the site.
    #[serde(default)]
    pub themes: Parts<SiteTheme>,
    /// Its language, as WordPress calls it, for instance `de_DE`; the texts are those of Debian's package `wordpress-l10n`. Without it
    /// the language is chosen in the site, which begins with `en_US`.
    #[serde(default)]
    pub locale: Option<WordPressLocale>,
    /// Modules of PHP that it needs, by the names of Debian's packages without `php-`. All sites of a host have those of each.
    #[serde(default)]
    pub php_modules: BTreeSet<PhpModule>,
    /// Hosts that the site may ask by HTTP; `*.example.com` stands for all names below it. Without any, it asks nobody but itself.
    #[serde(default)]
    pub allow_http: BTreeSet<AskedHost>,
    /// Whether Apache takes settings from files `.htaccess` in the site's plugins and themes. In the folder of uploads it never does.
    #[serde(default)]
    pub htaccess: bool,
}

/// Who administers web sites.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WordPressAdmin {
    /// Name to log in with.
    pub name: AccountName,
    /// Address for messages of the site.
    pub email: MailAddress,
}

/// Who has mail.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailUser {
    /// What stands before the `@`.
    pub name: LocalPart,
    /// In the home domain, the account on both mail hosts whose mail this is.
    #[serde(default)]
    pub account: Option<AccountName>,
}

/// An account at the mail gateway.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailGateway {
    /// Name to log in with.
    pub username: String,
}

/// A domain at the DNS provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DynamicDns {
    /// Its number.
    pub id: NonZeroU64,
    /// The numbers of the records that are to follow the office's address.
    pub records: Vec<NonZeroU64>,
}
