//! MariaDB.
//!
//! A backup takes a dump, not the server's own files: of a running server those are consistent only together with its
//! log and only in an instant, which a file daemon that reads one file after the other does not see; a dump also fits
//! the next release. The director has each host of this role make one just before it is backed up ([`DUMP`]), so the
//! dump is never older than the backup, and a dump that fails fails the backup.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, backup, fixed};
use crate::Secret;
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::promise::{Audience, DatabaseServer, Promises, Protocol, Server};
use crate::quote::mariadb_option;
use crate::resource::{
    Declared, Directory, File, Handler, MariaDbDatabase, MariaDbUser, Packages, Resource, Service,
};
use crate::value::{DatabaseAccount, DatabaseName, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Whether the server listens on all interfaces instead of the loopback only.
    #[serde(default)]
    database_expose_externally: bool,
    /// Host whose server keeps the backup's catalogue.
    #[serde(default)]
    backup_database_host: Option<String>,
    /// Name of the catalogue's database.
    #[serde(default = "bacula")]
    backup_database_name: DatabaseName,
    /// Account with which the director uses the catalogue.
    #[serde(default = "bacula_account")]
    backup_database_username: String,
    /// Password of that account. Needed where the catalogue is.
    #[serde(default)]
    backup_database_password: Option<Secret>,
}

pub(super) fn bacula() -> DatabaseName {
    fixed("bacula")
}

pub(super) fn bacula_account() -> String {
    "bacula".to_owned()
}

/// The port that MariaDB listens on unless it is told another.
const PORT: u16 = 3306;

/// Writes all databases to a file in [`DUMPS`].
pub(super) const DUMP: &str = "/usr/local/sbin/dump-databases";

/// Folder of files that name the databases which are ready for other hosts, one for each web site.
pub(crate) const HANDED_OVER: &str = "/usr/local/etc/databases";

/// Folder of the dump.
pub(super) const DUMPS: &str = "/var/backups/mariadb";

/// Reads all configuration and fails where something is not known; the server has no other check of it.
const VALIDATION: [&str; 3] = ["mariadbd", "--help", "--verbose"];

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("database")?;
    let mut role = Declarations::new("database");
    let restart = Handler::restart(fixed("mariadb")).validated_by(VALIDATION);
    role.add(Resource::Packages(Packages::new([
        fixed("mariadb-client"),
        fixed("mariadb-server"),
    ])));
    let address = if variables.database_expose_externally {
        "*"
    } else {
        "127.0.0.1"
    };
    let settings = cx
        .render("database/estate.cnf")
        .set("address", address)
        .finish();
    if let Some(content) = role.take(settings) {
        let path = fixed("/etc/mysql/mariadb.conf.d/90-estate.cnf");
        role.add(Resource::File(File::new(path, content)))
            .notifies(&restart);
    }
    let mut dumps = Directory::new(fixed(DUMPS));
    dumps.mode = Mode::new(0o700);
    role.add(Resource::Directory(dumps));
    role.add(Resource::Directory(Directory::new(fixed(HANDED_OVER))));
    let dump = cx
        .render("database/dump-databases")
        .set("folder", DUMPS)
        .finish();
    if let Some(content) = role.take(dump) {
        let mut file = File::new(fixed(DUMP), content);
        file.mode = Mode::new(0o755);
        role.add(Resource::File(file));
    }
    role.add(Resource::Service(Service::new(fixed("mariadb"))));
    if variables.backup_database_host.as_deref() == Some(cx.host.name()) {
        let catalogue = catalogue(cx, &variables);
        for resource in role.take(catalogue).into_iter().flatten() {
            role.add(resource);
        }
    }
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("database")?;
    promises.database_servers.push(DatabaseServer {
        server: Server::of(cx.host),
        port: PORT,
        exposed: variables.database_expose_externally,
    });
    if variables.database_expose_externally {
        let roles = ["backup_director", "wordpress"].into_iter();
        let users = Audience::hosts(roles.flat_map(|role| cx.estate.hosts_with_role(role)));
        promises.opens((cx.host, "database"), &users, &[(Protocol::Tcp, PORT)]);
    }
    Ok(())
}

/// Gives the catalogue's database and its account, which may come from the director's address only.
fn catalogue(cx: &HostContext<'_>, variables: &Variables) -> Result<Vec<Resource>, Diagnostic> {
    let host = cx.host.name();
    let director = backup::host_of(cx, "backup_director")?;
    if director.name() != host && !variables.database_expose_externally {
        return Err(Diagnostic::new(format!(
            "host {host} keeps the catalogue of the director on {}, but its database listens on the loopback only",
            director.name()
        ))
        .hint(format!("set 'database_expose_externally: true' in hosts/{host}.yml")));
    }
    let Some(password) = &variables.backup_database_password else {
        return Err(Diagnostic::new(format!(
            "host {host} keeps the backup's catalogue, but 'backup_database_password' is not set"
        ))
        .hint("set it in groups/all.private.yml: the director needs it, too"));
    };
    let from = backup::address(director, cx.host);
    let account = DatabaseAccount::new(format!("{}@{from}", variables.backup_database_username))
        .map_err(|problem| Diagnostic::new(format!("'backup_database_username': {problem}")))?;
    let database = variables.backup_database_name.clone();
    Ok(vec![
        Resource::MariaDbDatabase(MariaDbDatabase::new(database.clone())),
        Resource::MariaDbUser(MariaDbUser::owner(account, password.clone(), database)),
    ])
}

/// Gives the option file with which a client finds its server and says who it is.
pub(super) fn options(
    cx: &HostContext<'_>,
    template: &'static str,
    address: &str,
    user: &str,
    password: &Secret,
) -> Result<Content, Diagnostic> {
    cx.render(template)
        .set("address", address)
        .quoted("user", mariadb_option, user)
        .quoted_secret("password", mariadb_option, password)
        .finish()
}
