//! What the checks of DNS must know of hosted domains.

use std::net::IpAddr;

use super::super::app::App;
use crate::report::problem::Problem;

/// Preference with which a domain's mail server is announced.
const PREFERENCE: u16 = 50;

/// Names of hosted domains and what they stand for.
#[derive(Default)]
pub(super) struct Names {
    /// Names that only the office knows.
    pub(super) inside: Vec<(String, IpAddr)>,
    /// Names that everybody knows.
    pub(super) everywhere: Vec<(String, IpAddr)>,
    /// Domains with mail, and who takes it.
    pub(super) mail: Vec<(String, String)>,
}

/// Gathers the names that the servers should know once every domain is set up.
pub(super) fn names(app: &App) -> Result<Names, Problem> {
    let mut names = Names::default();
    let first = |role: &str| app.estate.hosts_with_role(role).first().copied();
    for domain in app.domains.iter() {
        if let (true, Some(server)) = (domain.has_mail(), first("mail_external")) {
            let vars = app.estate.vars(server);
            let home: Option<String> =
                vars.value("home_domain").map_err(|mistake| vec![mistake])?;
            let home = home.unwrap_or_default();
            for label in ["imap", "smtp"] {
                let name = format!("{label}.{}", domain.name());
                match first("mail_internal") {
                    // Inside, these are the office's own server.
                    Some(own) if domain.name().as_str() == home => {
                        names.inside.push((label.to_owned(), own.address()));
                    }
                    Some(_) | None => names.everywhere.push((name, server.address())),
                }
            }
            let target = format!("{PREFERENCE} {}.{home}", server.name());
            names.mail.push((domain.name().to_string(), target));
        }
        for (label, webhost) in &domain.settings().webhosts {
            let Some(proxy) = app.estate.host(&webhost.proxy) else {
                continue;
            };
            let site = domain.site(label).to_string();
            names.everywhere.push((site, proxy.address()));
            if label.as_str() == "www" {
                let bare = domain.name().to_string();
                names.everywhere.push((bare, proxy.address()));
            }
        }
    }
    Ok(names)
}
