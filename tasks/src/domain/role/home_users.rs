//! Accounts and mail aliases of the firm's staff, on both mail servers.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::content::Content;
use crate::resource::{Block, Resource, User};
use crate::role::fixed;
use crate::value::AccountName;

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Account of the firm's administrator, which is never taken away.
    home_domain_admin_user: AccountName,
}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    if !cx.is_home() || !cx.domain.has_mail() {
        return;
    }
    let variables: Variables = match cx.on.vars.typed("home_domain_users") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let mut aliases = String::new();
    for user in &cx.domain.settings().users {
        let Some(account) = &user.account else {
            made.refuse([cx
                .domain
                .mistake(
                    &["users"],
                    format!("the user '{}' of the home domain has no account", user.name),
                )
                .hint(format!("write '{{name: {}, account: NAME}}'", user.name))]);
            continue;
        };
        if user.name.as_str() != account.as_str() {
            // Writing to a string cannot fail.
            let _ = writeln!(aliases, "{}: {account}", user.name);
        }
        let mut person = User::new(account.clone());
        person.password_hash = Some(cx.domain.password_hash(&user.name));
        if *account == variables.home_domain_admin_user || is_login(cx, account) {
            if let Some(mistake) = locked_out(cx, &user.name, account) {
                made.refuse([mistake]);
            }
            made.once(Resource::User(person));
        } else {
            // They have mail here, and nothing else to do.
            person.shell = Some(fixed("/usr/sbin/nologin"));
            made.data(Resource::User(person));
        }
    }
    let mut block = Block::new(fixed("/etc/aliases"), Content::plain(aliases));
    block.name = Some(cx.domain.name().to_string());
    block.create = true;
    // Exim takes the first line for a name: what the firm says of its own addresses comes before Debian's defaults.
    block.insert_before = Some(fixed("BOF"));
    made.add(Resource::Block(block));
}

/// Tells whether prov itself logs in with an account.
fn is_login(cx: &DomainContext<'_>, account: &AccountName) -> bool {
    cx.on.host.connection().user.as_deref() == Some(account.as_str())
}

/// Refuses a password with which prov would not be let in the next time.
fn locked_out(
    cx: &DomainContext<'_>,
    name: &super::super::LocalPart,
    account: &AccountName,
) -> Option<crate::Diagnostic> {
    let own = cx.on.host.connection().password.as_ref()?;
    let new = cx.domain.settings().user_passwords.get(name)?;
    (is_login(cx, account) && own.expose() != new.expose()).then(|| {
        cx.domain
            .mistake(
                &["user_passwords", name.as_str()],
                format!(
                    "with this password for {account}, prov would no longer get into the host {}",
                    cx.on.host.name()
                ),
            )
            .hint("it logs in with that account: set the same password in 'connection' of the estate, or log in with a key")
    })
}
