//! Nginx, in front of web sites.
//!
//! A site is a file of its own in `/etc/nginx/sites-enabled`, followed by a reload. It can include
//! `snippets/reverse_proxy.conf` beside its `proxy_pass` and, in plain HTTP of a host with TLS,
//! `snippets/acme-challenge.conf`, with which certbot's `--webroot -w /var/www/acme` gets its certificate.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Declarations, HostContext, fixed};
use crate::diagnostic::Diagnostic;
use crate::estate::Vars;
use crate::promise::{Audience, HTTP, HTTPS, Promises, Protocol};
use crate::resource::{
    Declared, Directory, File, Handler, Packages, Resource, Service, State, Symlink,
};
use crate::value::{HostPath, Mode};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Whether the sites are served with TLS.
    #[serde(default = "yes")]
    reverse_proxy_uses_ssl: bool,
}

const fn yes() -> bool {
    true
}

/// Folder of the certificates of sites that are not from certbot, and their keys.
pub(crate) const CERTIFICATES: &str = "/etc/nginx/certificates";

/// Folder from which certbot's proofs are served.
pub(crate) const WEBROOT: &str = "/var/www/acme";

/// Gives what is worth a backup: with TLS also what certbot keeps.
pub(super) fn backup(vars: &Vars<'_>) -> Result<Vec<HostPath>, Diagnostic> {
    let uses_ssl: Option<bool> = vars.value("reverse_proxy_uses_ssl")?;
    let mut paths = vec![fixed("/etc/nginx")];
    if uses_ssl.unwrap_or_else(yes) {
        paths.push(fixed("/etc/letsencrypt"));
    }
    Ok(paths)
}

pub(super) fn resources(cx: &HostContext<'_>) -> Result<Vec<Declared>, Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("reverse_proxy")?;
    let mut role = Declarations::new("reverse_proxy");
    let reload = Handler::reload(fixed("nginx")).validated_by(["nginx", "-t", "-q"]);
    let mut packages = vec![fixed("nginx")];
    if variables.reverse_proxy_uses_ssl {
        packages.extend([fixed("certbot"), fixed("openssl")]);
    }
    role.add(Resource::Packages(Packages::new(packages)));
    let mut welcome = Symlink::new(fixed("/etc/nginx/sites-enabled/default"), "");
    welcome.state = State::Absent;
    role.add(Resource::Symlink(welcome)).notifies(&reload);
    if variables.reverse_proxy_uses_ssl {
        role.add(Resource::Directory(Directory::new(fixed(WEBROOT))));
        let mut certificates = Directory::new(fixed(CERTIFICATES));
        certificates.mode = Mode::new(0o700);
        role.add(Resource::Directory(certificates));
    }
    let mut files = vec![(
        "reverse_proxy/proxy.conf",
        "/etc/nginx/snippets/reverse_proxy.conf",
    )];
    if variables.reverse_proxy_uses_ssl {
        files.push((
            "reverse_proxy/acme-challenge.conf",
            "/etc/nginx/snippets/acme-challenge.conf",
        ));
    }
    files.push((
        "reverse_proxy/nginx.conf",
        "/etc/nginx/conf.d/reverse_proxy.conf",
    ));
    for (template, path) in files {
        let content = cx
            .render(template)
            .set("uses_ssl", &variables.reverse_proxy_uses_ssl)
            .finish();
        if let Some(content) = role.take(content) {
            role.add(Resource::File(File::new(fixed(path), content)))
                .notifies(&reload);
        }
    }
    if variables.reverse_proxy_uses_ssl
        && let Some(content) = role.take(cx.render("reverse_proxy/renewed").finish())
    {
        let mut hook = File::new(
            fixed("/etc/letsencrypt/renewal-hooks/deploy/reverse_proxy"),
            content,
        );
        hook.mode = Mode::new(0o755);
        role.add(Resource::Directory(Directory::new(hook.path.parent())));
        role.add(Resource::File(hook));
    }
    role.add(Resource::Service(Service::new(fixed("nginx"))));
    role.finish()
}

pub(super) fn promises(
    cx: &HostContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    let variables: Variables = cx.vars.typed("reverse_proxy")?;
    let ports = [(Protocol::Tcp, HTTP), (Protocol::Tcp, HTTPS)];
    let ports = &ports[..if variables.reverse_proxy_uses_ssl {
        2
    } else {
        1
    }];
    promises.opens(
        (cx.host, "reverse_proxy"),
        &Audience::around(cx.host),
        ports,
    );
    Ok(())
}
