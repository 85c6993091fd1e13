//! What web sites promise their visitors, and what their hosts keep from them.

use super::Server;

/// A site as visitors see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFront {
    /// The hosted domain.
    pub domain: String,
    /// The site's full name.
    pub name: String,
    /// The domain itself, where it leads to the site.
    pub bare: Option<String>,
    /// The title that it is installed with.
    pub title: String,
    /// Whether it is served with TLS; plain HTTP then leads there, and the certificate has both names.
    pub uses_ssl: bool,
    /// Whether it is for the world, and not for the office alone.
    pub outside: bool,
    /// The host in front.
    pub proxy: Server,
}

/// A site as its own host serves it: to the proxy alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteServer {
    /// The site's full name.
    pub name: String,
    /// The host.
    pub server: Server,
    /// The port at which it is served to the proxy.
    pub port: u16,
    /// The host of its database.
    pub database: Server,
    /// Files that nobody but the web server may read.
    pub private_files: Vec<String>,
    /// Owner, group and mode of these files, as `stat -c '%U:%G %a'` prints them.
    pub private_access: String,
    /// The command on the host that succeeds when the site reaches its database and is installed.
    pub installed: Vec<String>,
    /// The command on the host that makes an account without rights, after it the account's name and its address.
    pub visitor: Vec<String>,
    /// The command that takes such accounts away, after it how their names begin.
    pub gone: Vec<String>,
    /// Whether the host has mail sent.
    pub mails: bool,
}

/// The account of a site's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteAccount {
    /// The site's full name.
    pub site: String,
    /// The database server.
    pub server: Server,
    /// Name of the account.
    pub account: String,
    /// The one host from which it may be used, as the server knows it.
    pub from: String,
}

/// A database server. It turns away who comes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseServer {
    /// The host.
    pub server: Server,
    /// The port that it listens on.
    pub port: u16,
    /// Whether it listens to other hosts at all.
    pub exposed: bool,
}
