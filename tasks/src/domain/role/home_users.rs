//! Accounts and mail aliases of the firm's staff, on both mail servers.
//!
//! Mail needs an account and its password, nothing else. What a role of the host says of an account comes before that, and the
//! administrator's password is left alone unless the estate has it follow the mailbox's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DomainContext, DomainDeclarations};
use crate::content::Content;
use crate::pushln;
use crate::resource::{Block, Resource, State, User};
use crate::role::{self, fixed};
use crate::value::{AccountName, HostPath};

/// Variables of the role.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Variables {
    /// Account of the firm's administrator, which is never taken away.
    home_domain_admin_user: AccountName,
    /// Login shell of the staff's accounts. The administrator's, that of the account with which prov logs in, and those that a role
    /// of the host declares (such as `staff`) are left alone.
    #[serde(default = "no_shell")]
    mail_staff_shell: HostPath,
    /// Whether the administrator's account, and the one with which prov logs in, get the password of their mailbox
    /// (`user_passwords`), which sudo and the console then take, too. If not, they keep the one they have, and that is to be
    /// the mailbox's.
    #[serde(default)]
    mail_sets_admin_password: bool,
}

fn no_shell() -> HostPath {
    fixed("/usr/sbin/nologin")
}

pub(super) fn resources(cx: &DomainContext<'_>, made: &mut DomainDeclarations) {
    if !cx.is_home() || !cx.domain.has_mail() {
        return;
    }
    let variables: Variables = match cx.on.vars.typed("home_domain_users") {
        Ok(variables) => variables,
        Err(mistakes) => return made.refuse(mistakes),
    };
    let roles = declared_by_roles(cx);
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
            pushln!(aliases, "{}: {account}", user.name);
        }
        let mut person = User::new(account.clone());
        person.password_hash = Some(cx.domain.password_hash(&user.name));
        let of_role = roles.iter().find(|it| it.name == *account);
        if let Some(of_role) = of_role {
            if of_role.password_hash.is_some() {
                person.password_hash = None;
            }
            made.once(Resource::User(person));
        } else if *account == variables.home_domain_admin_user || is_login(cx, account) {
            if variables.mail_sets_admin_password {
                made.refuse(locked_out(cx, &user.name, account));
            } else {
                person.password_hash = None;
            }
            made.once(Resource::User(person));
        } else {
            person.shell = Some(variables.mail_staff_shell.clone());
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

/// Gives the accounts that the host's roles declare. Mistakes of roles are told where the roles are.
fn declared_by_roles(cx: &DomainContext<'_>) -> Vec<User> {
    let declared = role::resources(&cx.on).unwrap_or_default();
    let mut users = Vec::new();
    for it in declared {
        if let Resource::User(user) = it.resource
            && user.state == State::Present
        {
            users.push(user);
        }
    }
    users
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
