//! Apache with PHP, for WordPress sites.
//!
//! A site is a virtual host of its own in `/etc/apache2/sites-enabled`, for one of the ports that are open here,
//! followed by a reload. WordPress itself is Debian's package, in `/usr/share/wordpress`, shared by the sites.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, fixed};
use crate::diagnostic::Diagnostic;
use crate::promise::{Audience, Promises, Protocol};
use crate::resource::{
    ApacheModule, Declared, Directory, File, Handler, Packages, Resource, Service, State, Symlink,
};
use crate::value::Mode;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Ports to listen on, one for each site.
    wordpress_ports: Vec<u16>,
    /// Whether the ports are open to other hosts.
    #[serde(default)]
    wordpress_expose_externally: bool,
}

/// Sets sites up; its text says how.
pub(crate) const PROGRAM: &str = crate::probe::SITE_PROGRAM;

/// Takes sites from one place to another; its text says how.
pub const COPIER: &str = "/usr/local/sbin/wordpress-copy";

/// Folder of the themes that come with packages.
pub(crate) const THEMES: &str = "/usr/share/wordpress/wp-content/themes";

/// The theme that comes with a package of its own, and that sites begin with.
pub(crate) const THEME: &str = crate::probe::SITE_THEME;

/// Largest file that a site takes, in MiB.
pub(crate) const UPLOAD: u16 = 64;

/// Folder of what sites have of their own, a folder for each.
const SITES: &str = "/var/lib/wordpress/sites";

/// Folder in which there is nothing to be found.
const NOTHING: &str = "/usr/local/share/empty";

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("wordpress")?;
    check(cx, &variables.wordpress_ports)?;
    let mut role = Declarations::new("wordpress");
    let restart = Handler::restart(fixed("apache2")).validated_by(["apache2ctl", "-t"]);
    role.add(Resource::Packages(Packages::new(
        [
            "apache2",
            "cron",
            "libapache2-mod-php",
            "php-cli",
            "php-mbstring",
            "php-mysql",
            "php-xml",
            "wordpress",
            "wordpress-theme-twentytwentythree",
        ]
        .map(fixed),
    )));
    let mut welcome = Symlink::new(fixed("/etc/apache2/sites-enabled/000-default.conf"), "");
    welcome.state = State::Absent;
    role.add(Resource::Symlink(welcome)).notifies(&restart);
    role.add(Resource::Directory(Directory::new(fixed(NOTHING))));
    let address = if variables.wordpress_expose_externally {
        ""
    } else {
        "127.0.0.1:"
    };
    // The package's own file says only that port 80 is to be listened on.
    let files = [
        ("wordpress/ports.conf", "/etc/apache2/ports.conf"),
        (
            "wordpress/apache.conf",
            "/etc/apache2/conf-enabled/wordpress.conf",
        ),
    ];
    for (template, path) in files {
        let content = cx
            .render(template)
            .set("host", cx.host.name())
            .set("nothing", NOTHING)
            .set("address", address)
            .set("ports", &variables.wordpress_ports)
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(File::new(fixed(path), content)))
                .notifies(&restart);
        }
    }
    for module in ["remoteip", "rewrite"] {
        role.add(Resource::ApacheModule(ApacheModule::new(fixed(module))))
            .notifies(&restart);
    }
    role.add(Resource::Directory(Directory::new(fixed(SITES))));
    for (template, path) in [
        ("wordpress/wordpress-site", PROGRAM),
        ("wordpress/wordpress-copy", COPIER),
    ] {
        if let Some(content) = role.take(cx.render(template).finish()) {
            let mut program = File::new(fixed(path), content);
            program.mode = Mode::new(0o755);
            role.add(Resource::File(program));
        }
    }
    role.add(Resource::Service(Service::new(fixed("apache2"))));
    role.finish()
}

/// Promises the ports to the hosts in front of sites: the server believes what they say of visitors.
pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("wordpress")?;
    if variables.wordpress_expose_externally {
        let proxies = Audience::hosts(cx.estate.hosts_with_role("reverse_proxy"));
        let ports = variables.wordpress_ports.iter();
        let ports: Vec<_> = ports.map(|port| (Protocol::Tcp, *port)).collect();
        promises.opens((cx.host, "wordpress"), &proxies, &ports);
    }
    Ok(())
}

/// Refuses ports that cannot be listened on together.
fn check(cx: &HostContext<'_>, ports: &[u16]) -> Result<(), Vec<Diagnostic>> {
    let host = cx.host.name();
    let mut seen = BTreeSet::new();
    let mut mistakes = Vec::new();
    if ports.is_empty() {
        mistakes.push(
            Diagnostic::new(format!("host {host}: 'wordpress_ports' is empty"))
                .hint("name a port for each site; Apache does not start without any"),
        );
    }
    for port in ports {
        if !seen.insert(port) {
            mistakes.push(Diagnostic::new(format!(
                "host {host}: 'wordpress_ports' has {port} twice"
            )));
        }
        if matches!(port, 80 | 443) && cx.host.has_role("reverse_proxy") {
            mistakes.push(
                Diagnostic::new(format!(
                    "host {host}: 'wordpress_ports' has {port}, which is the reverse proxy's"
                ))
                .hint("choose another, for instance 8080"),
            );
        }
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}
