//! Web sites made with Debian's `WordPress`.
//!
//! The program is the package's, shared by all sites. A site has a virtual host at a port of its own, a configuration
//! that nobody but the web server reads, a folder for what is its own, and a job that does what is due. It is installed
//! once: whatever is in it from then on is its users'.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::wordpress_database::handed_over;
use super::{DomainContext, DomainDeclarations, wordpress_parts};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::domain::{AskedHost, Site, Webhost};
use crate::input::Input;
use crate::probe::SITE_ACCOUNT;
use crate::promise::{Promises, Server, SiteServer};
use crate::quote::php;
use crate::resource::{Command, Cron, Directory, File, Handler, Resource, Symlink, TimeField};
use crate::role::wordpress::{PROGRAM, THEME, THEMES, UPLOAD};
use crate::role::{backup, checked, fixed};
use crate::value::{HostPath, Mode, WordPressLocale};

/// Variables of the role: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {}

/// The account of the web server.
const SERVER: &str = SITE_ACCOUNT;

/// Runs the program that sets sites up, as the web server.
const AS_SERVER: [&str; 5] = ["runuser", "-u", SERVER, "--", PROGRAM];

/// Permission bits of files that the web server alone may read.
const PRIVATE: u32 = 0o640;

/// Says whether what Apache and PHP are about to read can be read.
const VALIDATION: &str = "apache2ctl -t && for file in /etc/wordpress/config-*.php; do \
    [ ! -e \"$file\" ] || php -l \"$file\" || exit; done";

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let sites = match cx.sites() {
        Ok(sites) => sites,
        Err(mistakes) => return made.refuse(mistakes),
    };
    for site in sites {
        if cx.is_host(site.wordpress.name())
            && let Err(mistake) = declare(cx, made, &site)
        {
            made.refuse([mistake]);
        }
    }
}

fn declare(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    site: &Site<'_>,
) -> Result<(), Diagnostic> {
    let reload = Handler::reload(fixed("apache2")).validated_by(["sh", "-c", VALIDATION]);
    folders(made, site)?;
    let webhost = cx.domain.settings().webhosts.get(&site.label);
    if let Some(webhost) = webhost {
        wordpress_parts::packages(made, webhost, &reload)?;
        wordpress_parts::files(made, cx.domain, site, webhost, &reload)?;
    }
    configuration(cx, made, site, &reload)?;
    install(cx, made, site);
    if let Some(webhost) = webhost {
        wordpress_parts::choices(made, site, webhost);
    }
    made.add(Resource::Cron(job(site)));
    let virtual_host = cx
        .on
        .render("domain_wordpress/apache.conf")
        .set("site", &site.name)
        .set("address", &site.address())
        .set("folder", &site.folder())
        .set("port", &site.port)
        .set("proxy", &backup::address(site.proxy, site.wordpress))
        .set("upload", &UPLOAD)
        .set("htaccess", &webhost.is_some_and(|webhost| webhost.htaccess))
        .finish()?;
    let path = fixed::<HostPath>("/etc/apache2/sites-enabled").join("", &site.name, ".conf");
    made.add(Resource::File(File::new(path, virtual_host)))
        .notifies(&reload);
    Ok(())
}

pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    for site in cx.sites()? {
        if !cx.is_host(site.wordpress.name()) {
            continue;
        }
        let program = |word| {
            let words = AS_SERVER.into_iter().chain([word, site.name.as_str()]);
            words.map(str::to_owned).collect()
        };
        promises.site_servers.push(SiteServer {
            name: site.name.to_string(),
            server: Server::of(site.wordpress),
            port: site.port,
            database: Server::of(site.database),
            private_files: vec![site.configuration(), site.keys()],
            private_access: format!("root:{SERVER} {PRIVATE:o}"),
            installed: program("installed"),
            visitor: program("visitor"),
            gone: program("gone"),
            mails: site.wordpress.has_role("mta"),
        });
    }
    Ok(())
}

/// Declares the folder of what is the site's own; the server writes into that of uploads only.
fn folders(made: &mut DomainDeclarations, site: &Site<'_>) -> Result<(), Diagnostic> {
    let folder = site.folder();
    for part in ["", "/themes", "/plugins"] {
        let path = checked(format!("{folder}{part}"))?;
        made.data(Resource::Directory(Directory::new(path)));
    }
    // What an import has replaced, until it is confirmed.
    made.leftover_data(Resource::Directory(Directory::new(checked(site.kept())?)));
    let theme = checked(format!("{folder}/themes/{THEME}"))?;
    made.data(Resource::Symlink(Symlink::new(
        theme,
        format!("{THEMES}/{THEME}"),
    )));
    let mut uploads = Directory::new(checked(format!("{folder}/uploads"))?);
    SERVER.clone_into(&mut uploads.owner);
    SERVER.clone_into(&mut uploads.group);
    made.data(Resource::Directory(uploads));
    Ok(())
}

/// Declares the files that only the web server reads.
fn configuration(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    site: &Site<'_>,
    reload: &Handler,
) -> Result<(), Diagnostic> {
    let passwords = &cx.domain.settings().database_passwords;
    let Some(password) = passwords.get(&site.label) else {
        // The check of domains tells it.
        return Ok(());
    };
    let same_host = site.database.name() == site.wordpress.name();
    // Given as text that PHP reads, so that another host can say nothing but a name.
    let database = cx.on.render("domain_wordpress/database");
    let database = if same_host {
        database.set("name", &site.database_name())
    } else {
        database.input(
            "name",
            Input {
                host: site.database.name().to_owned(),
                path: handed_over(site),
            },
        )
    };
    let name_file = fixed::<HostPath>("/etc/wordpress").join("database-", &site.name, "");
    made.add(Resource::File(private(
        name_file.clone(),
        database.finish()?,
    )));
    let keys: HostPath = checked(site.keys())?;
    made.leftover(Resource::File(File::new(keys.clone(), Content::default())));
    made.once(Resource::Command(Command::creating(
        keys.clone(),
        [PROGRAM, "keys", site.name.as_str()],
    )));
    let server = if same_host {
        "localhost".to_owned()
    } else {
        site.database.address().to_string()
    };
    let webhost = cx.domain.settings().webhosts.get(&site.label);
    let asked = webhost.into_iter().flat_map(|webhost| &webhost.allow_http);
    let asked: Vec<_> = asked.map(AskedHost::as_str).collect();
    let content = cx
        .on
        .render("domain_wordpress/config.php")
        .set("asked", &asked.join(","))
        .set("translated", &translated(webhost).is_some())
        .set("database", &name_file)
        .set("user", &php(&site.database_name()))
        .secret("password", &password.map(php))
        .set("server", &php(&server))
        .set("keys", &keys)
        .set("address", &site.address())
        .set("folder", &site.folder())
        .set("theme", THEME)
        .set("uses_ssl", &site.uses_ssl)
        .finish()?;
    made.add(Resource::File(private(
        checked(site.configuration())?,
        content,
    )))
    .notifies(reload);
    Ok(())
}

fn private(path: HostPath, content: Content) -> File {
    let mut file = File::new(path, content);
    SERVER.clone_into(&mut file.group);
    file.mode = Mode::new(PRIVATE);
    file
}

/// Declares that the site is installed: that its database has its tables and its administrator.
fn install(cx: &DomainContext<'_>, made: &mut DomainDeclarations, site: &Site<'_>) {
    let settings = cx.domain.settings();
    let (Some(admin), Some(password)) = (
        &settings.wordpress_admin,
        &settings.wordpress_admin_password,
    ) else {
        return;
    };
    let name = site.name.as_str();
    let webhost = settings.webhosts.get(&site.label);
    let guard = AS_SERVER.into_iter().chain(["installed", name]);
    let command = AS_SERVER.into_iter().chain([
        "install",
        name,
        settings.organisation.as_str(),
        admin.name.as_str(),
        admin.email.as_str(),
    ]);
    let command = command.chain(translated(webhost));
    let mut command = Command::unless(guard, command);
    command.stdin = Some(Content::secret(password.clone()));
    made.once(Resource::Command(command));
}

/// Gives the language of a site, where it is not WordPress' own.
fn translated(webhost: Option<&Webhost>) -> Option<&str> {
    let locale = webhost?.locale.as_ref();
    let locale = locale.filter(|locale| wordpress_parts::is_translated(locale));
    locale.map(WordPressLocale::as_str)
}

/// Gives the job that does what is due in the site, which else its visitors would have to start.
fn job(site: &Site<'_>) -> Cron {
    // cron ignores files with dots; no name of a host has '_'.
    let name = format!("wordpress-{}", site.name.as_str().replace('.', "_"));
    // What it prints is a page for browsers.
    let mut job = Cron::new(name, "php /usr/share/wordpress/wp-cron.php >/dev/null");
    job.user = fixed(SERVER);
    job.minute = TimeField::new("*/5");
    job.env = BTreeMap::from([("HTTP_HOST".to_owned(), site.name.to_string())]);
    job
}
