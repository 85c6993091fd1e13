//! Bacula's director.
//!
//! Owns its configuration, a job for each host that has a file daemon, and how it starts: only once its catalogue can
//! be used, by a command that both service managers run. What is backed up when, kept for how long and copied to where is
//! in [`plan`].

mod plan;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use plan::Retention;

use super::backup::{self, COMMANDS, COMMON_FOLDER, HOME, file_daemon};
use super::{Declarations, HostContext, backup_client, backup_storage, database, fixed};
use crate::Secret;
use crate::content::{Content, Segment};
use crate::diagnostic::Diagnostic;
use crate::estate::{Host, Location};
use crate::probe::Catalogue;
use crate::promise::{
    Audience, CLIENT_AUTHORITY, Copies, DIRECTOR_PORT, Director, FILE_DAEMON_PORT, NeedKind,
    Needed, Promises, Protocol, STORAGE_DAEMON_PORT, Told,
};
use crate::quote::{self, bacula, bacula_name};
use crate::resource::{
    Command, Debconf, DebconfType, Declared, Directory, File, Handler, Packages, Resource, Service,
};
use crate::value::{DatabaseName, DomainName, HostPath, Mode, Port};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Name of the director.
    backup_director_name: String,
    /// Password with which a console identifies itself to the director.
    backup_director_console_password: Secret,
    /// Whether jobs run by themselves, by their schedules; otherwise they run only when somebody asks for it.
    #[serde(default = "yes")]
    backup_director_schedules_active: bool,
    /// Password with which the director identifies itself to the storage daemon.
    backup_storage_password: Secret,
    /// Name or address at which the director and all file daemons reach the storage daemon; by default the address of
    /// the host with the role `backup_storage`.
    #[serde(default)]
    backup_storage_host: Option<String>,
    /// How long backups and their copies are kept.
    #[serde(default)]
    backup_director_retention: Retention,
    /// Whether only jobs that fail are told by mail to root; otherwise all are.
    #[serde(default)]
    backup_director_mails_errors_only: bool,
    /// Name of the monitor, as the file daemons know it.
    #[serde(default)]
    backup_monitor_name: Option<String>,
    /// Password with which the monitor identifies itself to the director: it may ask for the status there, and nothing else.
    /// Without it, the director knows no monitor.
    #[serde(default)]
    backup_monitor_director_password: Option<Secret>,
    /// Folder in the synchronised one that receives the copies, where the host has the role `backup_dropbox`.
    #[serde(default = "backup_storage::folder")]
    backup_copy_folder: String,
    /// Host whose database server keeps the catalogue; it has the role `database`.
    backup_database_host: String,
    /// Name of the catalogue's database.
    #[serde(default = "database::bacula")]
    backup_database_name: DatabaseName,
    /// Account with which the director uses the catalogue.
    #[serde(default = "database::bacula_account")]
    backup_database_username: String,
    /// Password of that account.
    backup_database_password: Secret,
    /// What stands in `/etc/mailname`, for the sender of reports; by default the home domain.
    #[serde(default)]
    mta_mailname: Option<DomainName>,
    /// Domain of the firm.
    #[serde(default)]
    home_domain: Option<DomainName>,
}

impl Variables {
    /// Gives the domain of the address that sends reports. A mail server refuses addresses without one.
    fn mail_domain(&self) -> &str {
        let known = self.mta_mailname.as_ref().or(self.home_domain.as_ref());
        known.map_or("localhost", DomainName::as_str)
    }
}

const fn yes() -> bool {
    true
}

const CONFIGURATION: &str = "/etc/bacula/bacula-dir.conf";
const CONSOLE: &str = "/etc/bacula/bconsole.conf";
const CATALOGUE: &str = "/etc/bacula/catalogue.cnf";
const WAITING: &str = "/run/bacula/waiting-for-catalogue";

/// Seconds for which completion waits for the director, whose database may be made on another host at the same time.
const PATIENCE: &str = "120";

/// What `bacula-dir -t` checks, but without asking the catalogue, which need not be there yet.
const VALIDATION: [&str; 4] = ["bdirjson", "-t", "-c", CONFIGURATION];

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_director")?;
    let mut role = Declarations::new("backup_director");
    let restart = Handler::restart(fixed("bacula-director")).validated_by(VALIDATION);
    let reload = Handler::reload(fixed("bacula-director")).validated_by(VALIDATION);
    // Systemd reads units again only when it is told to; in a container there is none.
    let units = Handler::run([
        "sh",
        "-c",
        "[ ! -d /run/systemd/system ] || systemctl daemon-reload",
    ]);
    // The package would make the database itself, with a password that it asks for.
    role.add(Resource::Debconf(Debconf::new(
        fixed("bacula-director-mysql"),
        "bacula-director-mysql/dbconfig-install",
        DebconfType::Boolean,
        Content::plain("false"),
    )));
    role.add(Resource::Packages(Packages::new([
        // Reads volumes into a catalogue that was lost.
        fixed("bacula-bscan"),
        fixed("bacula-console"),
        fixed("bacula-director"),
        fixed("bacula-director-mysql"),
        fixed("mariadb-client"),
        fixed("openssl"),
    ])));
    ownership(&mut role);
    backup::certified(cx, &mut role, &restart);
    role.add(Resource::Directory(Directory::new(fixed(COMMANDS))));
    let catalogue = catalogue_address(cx, &variables).and_then(|address| {
        let content = database::options(
            cx,
            "backup_director/catalogue.cnf",
            &address.to_string(),
            &variables.backup_database_username,
            &variables.backup_database_password,
        )?;
        Ok((address, content))
    });
    let Some((database_address, options)) = role.take(catalogue) else {
        return role.finish();
    };
    role.add(private(CATALOGUE, options)).notifies(&restart);
    commands(cx, &variables, &mut role, &restart, database_address);
    let unit = cx
        .render("backup_director/service.conf")
        .set("director", &format!("{COMMANDS}/director"))
        .finish();
    if let Some(content) = role.take(unit) {
        let folder: HostPath = fixed("/etc/systemd/system/bacula-director.service.d");
        let file = File::new(folder.child("catalogue.conf"), content);
        role.add(Resource::Directory(Directory::new(folder)));
        role.add(Resource::File(file))
            .notifies(&units)
            .notifies(&restart);
        role.add(Resource::Command(known_to_systemd()));
    }
    let console = console_of(cx, &variables, backup::OWN, backup::AUTHORITY);
    if let Some(content) = role.take(console) {
        role.add(private(CONSOLE, content));
    }
    match configuration(cx, &variables, database_address) {
        Ok(content) => {
            role.add(private(CONFIGURATION, content)).notifies(&reload);
        }
        Err(mistakes) => role.mistakes.extend(mistakes),
    }
    role.add(Resource::Service(Service::new(fixed("bacula-director"))));
    let answers = format!("{COMMANDS}/director-answers");
    role.add(Resource::Command(Command::unless(
        [answers.as_str()],
        [answers.as_str(), PATIENCE],
    )))
    .on_completion();
    role.finish()
}

/// Gives the command that makes systemd read the drop-in before the director is started for the first time: without
/// it the start fails until the catalogue is there, and a handler would come too late.
fn known_to_systemd() -> Command {
    let guard = "[ ! -d /run/systemd/system ] || { systemctl show -P DropInPaths bacula-director | grep -q /catalogue.conf \
                 && [ \"$(systemctl show -P NeedDaemonReload bacula-director)\" = no ]; }";
    Command::unless(["sh", "-c", guard], ["systemctl", "daemon-reload"])
}

/// Gives the name or the address by which daemons reach the storage daemon.
fn storage_address(variables: &Variables, storage: &Host) -> String {
    let given = variables.backup_storage_host.clone();
    given.unwrap_or_else(|| storage.address().to_string())
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("backup_director")?;
    let address = cx.host.address().to_string();
    let console = console_of(cx, &variables, &address, CLIENT_AUTHORITY);
    let console = console.map_err(Diagnostic::alone)?;
    // File daemons are told where to bring what they read.
    for storage in cx.estate.hosts_with_role("backup_storage") {
        let clients = cx.estate.hosts_with_role("backup_client").into_iter();
        promises.told.extend(clients.map(|client| Told {
            host: client.name().to_owned(),
            of: storage.name().to_owned(),
            by: storage_address(&variables, storage),
            port: Port {
                protocol: Protocol::Tcp,
                number: STORAGE_DAEMON_PORT,
            },
            role: "backup_director",
            variable: "backup_storage_host",
        }));
    }
    promises.directors.push(Director {
        host: cx.host.name().to_owned(),
        name: variables.backup_director_name,
        console,
        catalogue_host: variables.backup_database_host.clone(),
        catalogue: Catalogue {
            options: fixed(CATALOGUE),
            database: variables.backup_database_name,
        },
        archive: plan::ARCHIVE,
        catalogue_job: plan::CATALOGUE,
        copies: cx.host.has_role("backup_dropbox").then_some(Copies {
            storage: plan::COPIES_STORAGE,
            catalogue_job: plan::COPY_CATALOGUE,
        }),
        common_folder: COMMON_FOLDER,
    });
    let role = (cx.host, "backup_director");
    let port = (Protocol::Tcp, DIRECTOR_PORT);
    promises.opens(role, &Audience::inside(), &[port]);
    let storage = cx.estate.hosts_with_role("backup_storage").into_iter();
    promises.relies(role, NeedKind::Backup, storage.map(Needed::host));
    let database = cx.estate.host(&variables.backup_database_host);
    promises.relies(role, NeedKind::Database, database.map(Needed::host));
    Ok(())
}

fn console_of(
    cx: &HostContext<'_>,
    variables: &Variables,
    address: &str,
    authority: &str,
) -> Result<Content, Diagnostic> {
    cx.render("backup_director/bconsole.conf")
        .set("port", &DIRECTOR_PORT)
        .set("tls", &backup::tls_of_console(cx.host.release(), authority))
        .quoted("director", bacula_name, &variables.backup_director_name)
        .set("address", address)
        .quoted_secret(
            "password",
            bacula,
            &variables.backup_director_console_password,
        )
        .finish()
}

/// Gives what a volume from an earlier container holds back to the account, whose number may be another now. The file
/// daemon, which is root, keeps its state there, too.
fn ownership(role: &mut Declarations) {
    let mut home = Directory::new(fixed(HOME));
    "bacula".clone_into(&mut home.owner);
    "bacula".clone_into(&mut home.group);
    home.mode = Mode::new(0o700);
    role.add(Resource::Directory(home));
    role.add(Resource::Command(Command::unless(
        [
            "sh",
            "-c",
            &format!(
                "[ -z \"$(find {HOME} -maxdepth 2 ! -user bacula ! -user root -print -quit)\" ]"
            ),
        ],
        ["chown", "-R", "-h", "bacula:bacula", HOME],
    )));
}

/// Describes a file that only root and the daemons may read.
fn private(path: &'static str, content: Content) -> Resource {
    let mut file = File::new(fixed(path), content);
    "bacula".clone_into(&mut file.group);
    file.mode = Mode::new(0o640);
    Resource::File(file)
}

/// Finds the address of the host with the catalogue.
fn catalogue_address(cx: &HostContext<'_>, variables: &Variables) -> Result<IpAddr, Diagnostic> {
    let name = &variables.backup_database_host;
    let databases = cx.estate.hosts_with_role("database");
    if let Some(host) = databases.iter().find(|host| host.name() == name) {
        return Ok(backup::address(host, cx.host));
    }
    let mistake = Diagnostic::new(format!(
        "'backup_database_host' names '{name}', which is no host with the role database"
    ));
    let names = databases.iter().map(|host| host.name());
    Err(match crate::nearest(name, names) {
        Some(near) => mistake.hint(format!("did you mean '{near}'?")),
        None => mistake.hint("name the host that is to keep the catalogue"),
    })
}

/// Declares the commands that start the director, wait for it, dump the catalogue, and have it outlive the director.
fn commands(
    cx: &HostContext<'_>,
    variables: &Variables,
    role: &mut Declarations,
    restart: &Handler,
    catalogue: IpAddr,
) {
    // The name of a database has no character that ends these quotes.
    let database = format!("'{}'", variables.backup_database_name);
    let mut templates = vec![
        ("director", "backup_director/director"),
        ("director-answers", "backup_director/director-answers"),
        ("dump-catalogue", "backup_director/dump-catalogue"),
    ];
    let mut folder = String::new();
    if cx.host.has_role("backup_dropbox") {
        templates.extend([
            ("bootstrap", "backup_director/bootstrap"),
            ("read-copies", "backup_director/read-copies"),
        ]);
        let copies = role.take(backup::copies(&variables.backup_copy_folder));
        folder = copies.map_or(folder, |path| quote::sh(path.as_str()));
    }
    for (name, template) in templates {
        let content = cx
            .render(template)
            .set("options", CATALOGUE)
            .set("waiting", WAITING)
            .set("database", &database)
            .set("address", &catalogue)
            .set("user", &quote::sh(&variables.backup_database_username))
            .set("folder", &folder)
            .set("dump", &dump(variables))
            .finish();
        if let Some(content) = role.take(content) {
            let mut file = File::new(fixed::<HostPath>(COMMANDS).child(name), content);
            file.mode = Mode::new(0o755);
            let declared = role.add(Resource::File(file));
            if name == "director" {
                declared.notifies(restart);
            }
        }
    }
}

/// Names the file that the catalogue is dumped to. A '$' in a name would mean something to a shell.
fn dump(variables: &Variables) -> String {
    let name = variables.backup_database_name.as_str().replace('$', "-");
    format!("{HOME}/{name}.sql")
}

fn configuration(
    cx: &HostContext<'_>,
    variables: &Variables,
    database: IpAddr,
) -> Result<Content, Vec<Diagnostic>> {
    let storage = backup::host_of(cx, "backup_storage").map_err(Diagnostic::alone)?;
    let copied = cx.host.has_role("backup_dropbox");
    if copied && storage.name() != cx.host.name() {
        return Err(vec![
            Diagnostic::new(format!(
                "host {} synchronises copies, but they are written on {}",
                cx.host.name(),
                storage.name()
            ))
            .hint("give backup_director, backup_storage and backup_dropbox to the same host"),
        ]);
    }
    if !cx.host.has_role("backup_client") {
        return Err(vec![
            Diagnostic::new(format!(
                "host {} cannot back up the catalogue, because it has no file daemon",
                cx.host.name()
            ))
            .hint("give it the role backup_client"),
        ]);
    }
    // Also what the file daemons are told to connect to, so never the loopback.
    let storage_address = storage_address(variables, storage);
    let dump = dump(variables);
    let scheduled = variables.backup_director_schedules_active;
    let plan = plan::Plan::new(copied, scheduled, &variables.backup_director_retention);
    let plan = plan.map_err(|problem| vec![problem.into()])?;
    let monitor = monitor(cx, variables).map_err(Diagnostic::alone)?;
    let main = cx
        .render("backup_director/bacula-dir.conf")
        .set("port", &DIRECTOR_PORT)
        .set("storage_port", &STORAGE_DAEMON_PORT)
        .set("tls", &backup::tls(cx.host.release()))
        .quoted("director", bacula_name, &variables.backup_director_name)
        .quoted_secret(
            "console_password",
            bacula,
            &variables.backup_director_console_password,
        )
        .quoted("database_address", bacula, &database.to_string())
        .quoted(
            "database_name",
            bacula,
            variables.backup_database_name.as_str(),
        )
        .quoted("database_user", bacula, &variables.backup_database_username)
        .quoted_secret(
            "database_password",
            bacula,
            &variables.backup_database_password,
        )
        .quoted("storage_address", bacula, &storage_address)
        .quoted_secret(
            "storage_password",
            bacula,
            &variables.backup_storage_password,
        )
        .quoted("client", bacula, &file_daemon(cx.host))
        .quoted("own_file_set", bacula, cx.host.name())
        .quoted("dump", bacula, &dump)
        .quoted(
            "dump_command",
            bacula,
            &format!("{COMMANDS}/dump-catalogue"),
        )
        .quoted("delete_command", bacula, &format!("rm -f {dump}"))
        .quoted(
            "status_command",
            bacula,
            &format!("{COMMANDS}/synchronisation status"),
        )
        .set("pools", &plan.pools)
        .set("schedules", &plan.schedules)
        .set("sites", &plan::SITES)
        .set("copies", &plan.copies)
        .set("scheduled", &scheduled)
        .set("errors_only", &variables.backup_director_mails_errors_only)
        .set("mail_domain", variables.mail_domain())
        .quoted("bootstrap", bacula, &bootstrap(copied))
        .finish();
    let mut mistakes = Vec::new();
    let mut segments: Vec<Segment> = Vec::new();
    let clients = cx.estate.hosts_with_role("backup_client");
    let clients = clients.into_iter().map(|host| client(cx, variables, host));
    for part in std::iter::once(main).chain(monitor.map(Ok)).chain(clients) {
        match part {
            Ok(content) => segments.extend(content.segments().iter().cloned()),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() {
        Ok(Content::of(segments))
    } else {
        Err(mistakes)
    }
}

/// Says where a job writes down which parts of which volumes hold what it has saved: `%n` is its name (Bacula, "Job Resource").
fn bootstrap(copied: bool) -> String {
    if copied {
        format!("|{COMMANDS}/bootstrap %n")
    } else {
        format!("{HOME}/%n.bsr")
    }
}

/// Gives the console of the monitor, if it has one.
fn monitor(cx: &HostContext<'_>, variables: &Variables) -> Result<Option<Content>, Diagnostic> {
    let Some(password) = &variables.backup_monitor_director_password else {
        return Ok(None);
    };
    let Some(name) = &variables.backup_monitor_name else {
        return Err(Diagnostic::new(
            "'backup_monitor_director_password' is set, but 'backup_monitor_name' is not",
        )
        .hint("name the monitor, or leave out its password"));
    };
    cx.render("backup_director/monitor.conf")
        .set("tls", &backup::tls(cx.host.release()))
        .quoted("monitor", bacula_name, name)
        .quoted_secret("password", bacula, password)
        .finish()
        .map(Some)
}

/// Gives the client, the file set and the job of a host.
fn client(cx: &HostContext<'_>, variables: &Variables, host: &Host) -> Result<Content, Diagnostic> {
    let variable = "backup_client_director_password";
    let password: Option<Secret> = cx.estate.vars(host).value(variable)?;
    let Some(password) = password else {
        return Err(Diagnostic::new(format!(
            "host {}: '{variable}' is not set, so the director cannot back it up",
            host.name()
        ))
        .hint(format!("set it in hosts/{}.private.yml", host.name())));
    };
    let site = match host.location() {
        Location::Internal => plan::SITES[0],
        Location::External => plan::SITES[1],
    };
    let scheduled = variables.backup_director_schedules_active
        && backup_client::is_scheduled(&cx.estate.vars(host))?;
    let before = host.has_role("database").then(|| bacula(database::DUMP));
    cx.render("backup_director/client.conf")
        .set("port", &FILE_DAEMON_PORT)
        .set("tls", &backup::tls(cx.host.release()))
        .quoted("host", bacula, host.name())
        .quoted("client", bacula, &file_daemon(host))
        .quoted("address", bacula, &host.address().to_string())
        .quoted("site", bacula, site)
        .set("paths", &paths(cx, host)?)
        .set("scheduled", &scheduled)
        .set("days", &variables.backup_director_retention.longest())
        .set("before", &before.transpose()?)
        .quoted_secret("password", bacula, &password)
        .finish()
}

/// Gives what of a host is backed up: the common folder, and what its roles name; nothing twice.
fn paths(cx: &HostContext<'_>, host: &Host) -> Result<Vec<String>, Diagnostic> {
    let of_host = cx.of(host);
    let mut all: Vec<HostPath> = vec![fixed(COMMON_FOLDER)];
    for role in cx.roles.of(host) {
        // Of several mistakes, the host's own resources show the rest.
        let paths = role.backup(&of_host);
        all.extend(paths.map_err(|mistakes| {
            let first = mistakes.into_iter().next();
            first.unwrap_or_else(|| Diagnostic::new("internal error: a mistake without words"))
        })?);
    }
    all.sort();
    all.dedup();
    let upper = all.iter().filter(|path| {
        let below = |folder: &&HostPath| path.is_below(folder);
        !all.iter().any(|folder| below(&folder))
    });
    let quoted: Result<_, _> = upper.map(|path| bacula(path.as_str())).collect();
    Ok(quoted?)
}
