//! Web sites as visitors see them: their names, TLS, and the way to where they are served.
//!
//! Outside, a site is served with TLS and plain HTTP leads there; inside it is plain. A bare domain leads to its `www`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::domain::{Site, SiteTls};
use crate::estate::Location;
use crate::promise::{Promises, Server, SiteFront};
use crate::release::Feature;
use crate::resource::{Command, Directory, File, Handler, Resource, TlsCertificate, TlsKey};
use crate::role::reverse_proxy::{CERTIFICATES, WEBROOT};
use crate::role::wordpress::UPLOAD;
use crate::role::{backup, fixed};
use crate::value::{AccountName, DomainName, HostPath};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Whether certificates of web sites come from Let's Encrypt instead of the estate's authority, where a site's `tls` does not say so.
    #[serde(default = "yes")]
    reverse_proxy_uses_ca: bool,
    /// Who is told by Let's Encrypt that a certificate ends: this user of the home domain.
    #[serde(default)]
    home_domain_admin_user: Option<AccountName>,
}

const fn yes() -> bool {
    true
}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let variables: Variables = match cx.on.vars.typed("domain_reverse_proxy") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let sites = match cx.sites() {
        Ok(sites) => sites,
        Err(mistakes) => return made.refuse(mistakes),
    };
    for site in sites {
        if cx.is_host(site.proxy.name())
            && let Err(mistake) = declare(cx, made, &site, &variables)
        {
            made.refuse([mistake]);
        }
    }
}

pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    for site in cx.sites()? {
        if cx.is_host(site.proxy.name()) {
            promises.site_fronts.push(SiteFront {
                domain: cx.domain.name().to_string(),
                name: site.name.to_string(),
                bare: site.bare.as_ref().map(ToString::to_string),
                title: cx.domain.settings().organisation.clone(),
                uses_ssl: site.uses_ssl,
                outside: site.proxy.location() == Location::External,
                proxy: Server::of(site.proxy),
            });
        }
    }
    Ok(())
}

/// The files of a certificate.
struct Certificate {
    chain: HostPath,
    key: HostPath,
}

fn declare(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    site: &Site<'_>,
    variables: &Variables,
) -> Result<(), Diagnostic> {
    let reload = Handler::reload(fixed("nginx")).validated_by(["nginx", "-t", "-q"]);
    let names: Vec<DomainName> = [&site.name]
        .into_iter()
        .chain(&site.bare)
        .cloned()
        .collect();
    let is_known_everywhere = match site.tls {
        Some(SiteTls::None | SiteTls::Authority) => false,
        Some(SiteTls::LetsEncrypt) => true,
        None => variables.reverse_proxy_uses_ca,
    };
    let certificate = if !site.uses_ssl {
        None
    } else if is_known_everywhere {
        Some(from_lets_encrypt(cx, made, site, &names, variables)?)
    } else {
        Some(from_authority(cx, made, site, &names, &reload))
    };
    let content = cx
        .on
        .render("domain_reverse_proxy/site.conf")
        .set("names", &names)
        .set("site", &site.name)
        .set("bare", &site.bare)
        .set("address", &site.address())
        .set("uses_ssl", &site.uses_ssl)
        .set(
            "http2_directive",
            &cx.on.host.release().has(Feature::NginxHttp2Directive),
        )
        .set("certificate", &certificate.as_ref().map(|it| &it.chain))
        .set("key", &certificate.as_ref().map(|it| &it.key))
        // A browser that remembers could not be told to forget a certificate that it does not know.
        .set("remember", &is_known_everywhere)
        .set("upload", &UPLOAD)
        .set("server", &backup::address(site.wordpress, site.proxy))
        .set("port", &site.port)
        .finish()?;
    let path = fixed::<HostPath>("/etc/nginx/sites-enabled").join("", &site.name, "");
    made.add(Resource::File(File::new(path, content)))
        .notifies(&reload);
    Ok(())
}

fn from_authority(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    site: &Site<'_>,
    names: &[DomainName],
    reload: &Handler,
) -> Certificate {
    let file = |end| fixed::<HostPath>(CERTIFICATES).join("", &site.name, end);
    let files = Certificate {
        chain: file(".pem"),
        key: file(".key"),
    };
    made.add(Resource::TlsKey(TlsKey::new(files.key.clone())))
        .notifies(reload);
    made.add(Resource::TlsCertificate(TlsCertificate::new(
        files.chain.clone(),
        files.key.clone(),
        names.to_vec(),
        cx.on.inputs.authority.clone(),
    )))
    .notifies(reload);
    files
}

/// Declares that certbot has been asked for the certificate, which it renews by itself from then on. The proof that the
/// names are this host's is served by what the role of the host has made.
fn from_lets_encrypt(
    cx: &DomainContext<'_>,
    made: &mut DomainDeclarations,
    site: &Site<'_>,
    names: &[DomainName],
    variables: &Variables,
) -> Result<Certificate, Diagnostic> {
    let Some(user) = &variables.home_domain_admin_user else {
        return Err(Diagnostic::new(format!(
            "host {}: 'home_domain_admin_user' is not set, and Let's Encrypt needs an address for messages",
            cx.on.host.name()
        ))
        .hint("set it in groups/all.yml"));
    };
    let name = site.name.as_str();
    let folder = fixed::<HostPath>("/etc/letsencrypt/live").join("", &site.name, "");
    let files = Certificate {
        chain: folder.child("fullchain.pem"),
        key: folder.child("privkey.pem"),
    };
    // What certbot keeps, as `certbot delete` takes it away.
    let renewal = fixed::<HostPath>("/etc/letsencrypt/renewal").join("", &site.name, ".conf");
    made.leftover(Resource::File(File::new(renewal, Content::default())));
    for kept in ["/etc/letsencrypt/archive", "/etc/letsencrypt/live"] {
        let kept = fixed::<HostPath>(kept).join("", &site.name, "");
        made.leftover(Resource::Directory(Directory::new(kept)));
    }
    let email = format!("{user}@{}", cx.home_domain);
    let mut argv = vec![
        "certbot",
        "certonly",
        "--non-interactive",
        "--agree-tos",
        "--no-eff-email",
        "--webroot",
        "-w",
        WEBROOT,
        "-m",
        &email,
        "--cert-name",
        name,
    ];
    for name in names {
        argv.extend(["-d", name.as_str()]);
    }
    made.once(Resource::Command(Command::creating(
        files.chain.clone(),
        argv,
    )));
    Ok(files)
}
