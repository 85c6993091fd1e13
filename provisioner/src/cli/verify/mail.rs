//! What the checks of mail must know of the estate and its domains.

use serde::Deserialize;
use tasks::domain::{Domain, MailUser};
use tasks::estate::Host;

use super::super::app::App;
use super::super::client;
use super::super::containers::Shown;
use super::{run_word, unless_stopped};
use crate::engine::Failure;
use crate::report::checks::failed;
use crate::report::problem::Problem;
use crate::verify::{self, Check, MailDomain, MailExpectations, MailServer, Mailbox};

/// The client's image.
const CLIENT: &str = "mail";

/// Runs the checks.
pub(super) async fn run(app: &App) -> Result<Vec<Check>, Problem> {
    let expectations = expectations(app)?;
    let scopes = (
        client::scope(app, "internal")?,
        client::scope(app, "external")?,
    );
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let inside = containers.open_client(CLIENT, &scopes.0, &progress).await?;
    let outside = match containers.open_client(CLIENT, &scopes.1, &progress).await {
        Ok(outside) => outside,
        Err(error) => {
            inside.close().await?;
            return Err(error.into());
        }
    };
    shown.clear();
    let run = run_word();
    let checks = verify::mail(&expectations, &inside, &outside, &run);
    let checks = unless_stopped(checks).await;
    // The clients' containers must go, also when the user has seen enough.
    let closed = (inside.close().await, outside.close().await);
    if checks.as_ref().map_or(true, |checks| failed(checks) > 0) {
        verify::mail_sweep(&expectations, &containers, &run).await?;
    }
    let checks = checks?;
    closed.0?;
    closed.1?;
    Ok(checks)
}

/// Gathers what to expect.
fn expectations(app: &App) -> Result<MailExpectations, Problem> {
    let external = host(app, "mail_external")?;
    let other = host(app, "mail_gateway")?;
    let home_domain: Option<String> = value(app, external, "home_domain")?;
    let home_domain = home_domain.unwrap_or_default();
    let other_domain: Option<String> = value(app, other, "mta_mailname")?;
    let other_domain = other_domain.unwrap_or_else(|| other.name().to_owned());
    let account = default_account(app, external)?;
    let with_mail = || app.domains.iter().filter(|domain| domain.has_mail());
    let is_home = |domain: &&Domain| domain.name().as_str() == home_domain;
    let home = with_mail().find(is_home);
    let customer = with_mail().find(|domain| !is_home(domain));
    let domains: Vec<_> = home
        .into_iter()
        .chain(customer)
        .map(|domain| mail_domain(domain, is_home(&domain), account.as_deref()))
        .collect();
    if domains.is_empty() {
        return Err(Problem::Failed(Failure::new(
            "no domain of the estate has mail",
            "name 'users' in a domain's file, and set it up with `prov domain NAME`",
        )));
    }
    let somebody = somebody(other, &other_domain)?;
    Ok(MailExpectations {
        internal: server(host(app, "mail_internal")?),
        external: server(external),
        other: server(other),
        home_domain,
        domains,
        other_domain,
        somebody,
        authority: app.inputs.authority.is_some(),
    })
}

/// Finds the host with a role.
fn host<'a>(app: &'a App, role: &str) -> Result<&'a Host, Problem> {
    let hosts = app.estate.hosts_with_role(role);
    hosts.first().copied().ok_or_else(|| {
        Problem::Failed(Failure::new(
            format!("no host of the estate has the role {role}"),
            "the checks of mail need servers with the roles mail_internal, mail_external and mail_gateway",
        ))
    })
}

fn value<T: serde::de::DeserializeOwned>(
    app: &App,
    host: &Host,
    name: &str,
) -> Result<Option<T>, Problem> {
    let value = app.estate.vars(host).value(name);
    Ok(value.map_err(|mistake| vec![mistake])?)
}

/// Gives the account at the gateway with which mail leaves whose domain has none of its own.
fn default_account(app: &App, external: &Host) -> Result<Option<String>, Problem> {
    #[derive(Deserialize)]
    struct Gateway {
        #[serde(default)]
        username: Option<String>,
    }
    let gateway: Option<Gateway> = value(app, external, "mta_smarthost")?;
    Ok(gateway.and_then(|gateway| gateway.username))
}

fn server(host: &Host) -> MailServer {
    MailServer {
        name: host.name().to_owned(),
        address: host.address(),
    }
}

fn mail_domain(domain: &Domain, home: bool, default_account: Option<&str>) -> MailDomain {
    let settings = domain.settings();
    let own = settings.mail_gateway.as_ref();
    let account = own.map_or(default_account, |gateway| Some(&*gateway.username));
    // Whoever checks `has_mail` knows that there are users.
    let mailbox = |user: Option<&MailUser>| {
        let name = user.map(|user| user.name.to_string()).unwrap_or_default();
        let address = format!("{name}@{}", domain.name());
        let account = user.and_then(|user| user.account.as_ref());
        let password = user.and_then(|user| settings.user_passwords.get(&user.name));
        Mailbox {
            login: account.map_or_else(|| address.clone(), ToString::to_string),
            address,
            password: password.cloned().unwrap_or_default(),
        }
    };
    MailDomain {
        name: domain.name().to_string(),
        home,
        sender: mailbox(settings.users.first()),
        recipient: mailbox(settings.users.last()),
        gateway_account: account.map(str::to_owned),
    }
}

/// Gives the mailbox of the account that every host in a container has.
fn somebody(other: &Host, domain: &str) -> Result<Mailbox, Problem> {
    let connection = other.connection();
    match (&connection.user, &connection.password) {
        (Some(user), Some(password)) => Ok(Mailbox {
            address: format!("{user}@{domain}"),
            login: user.clone(),
            password: password.clone(),
        }),
        _ => Err(Problem::Failed(Failure::new(
            format!(
                "host {}: no password of an account is known whose mail could be read",
                other.name()
            ),
            "set 'user' and 'password' in 'connection' of the estate",
        ))),
    }
}
