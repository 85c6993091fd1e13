//! The databases of web sites.
//!
//! The site's host learns from a file here ([`handed_over`]) that database and account are there, so that it installs
//! the site after that, in whatever order hosts are worked on.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::content::Content;
use crate::diagnostic::Diagnostic;
use crate::domain::Site;
use crate::promise::{Promises, Server, SiteAccount};
use crate::resource::{File, MariaDbDatabase, MariaDbUser, Resource};
use crate::role::{checked, database, fixed};
use crate::secret::Secret;
use crate::value::{DatabaseName, HostPath};

/// Variables of the role: none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    let sites = match cx.sites() {
        Ok(sites) => sites,
        Err(mistakes) => return made.refuse(mistakes),
    };
    for site in sites {
        if !cx.is_host(site.database.name()) {
            continue;
        }
        let passwords = &cx.domain.settings().database_passwords;
        let Some(password) = passwords.get(&site.label) else {
            continue;
        };
        let declared = declare(made, &site, password.clone());
        made.take(declared);
    }
}

pub(super) fn promises(
    cx: &DomainContext<'_>,
    promises: &mut Promises,
) -> Result<(), Vec<Diagnostic>> {
    for site in cx.sites()? {
        if cx.is_host(site.database.name()) {
            promises.site_accounts.push(SiteAccount {
                site: site.name.to_string(),
                server: Server::of(site.database),
                account: site.database_name(),
                from: site.account_from(),
            });
        }
    }
    Ok(())
}

fn declare(
    made: &mut DomainDeclarations,
    site: &Site<'_>,
    password: Secret,
) -> Result<(), Diagnostic> {
    let name: DatabaseName = checked(site.database_name())?;
    let account = checked(format!("{name}@{}", site.account_from()))?;
    made.data(Resource::MariaDbDatabase(MariaDbDatabase::new(
        name.clone(),
    )));
    made.add(Resource::MariaDbUser(MariaDbUser::owner(
        account,
        password,
        name.clone(),
    )));
    let file = File::new(handed_over(site), Content::plain(format!("{name}\n")));
    made.add(Resource::File(file));
    Ok(())
}

/// Gives the file that names a site's database once it and its account are there.
pub(super) fn handed_over(site: &Site<'_>) -> HostPath {
    fixed::<HostPath>(database::HANDED_OVER).join("", &site.name, "")
}
