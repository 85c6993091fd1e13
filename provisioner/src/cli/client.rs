//! `prov client`: a client inside the estate's network, where the names and routes are those of its hosts.

use std::net::{IpAddr, Ipv4Addr};

use tasks::role::HostContext;

use super::app::App;
use super::arguments::Client;
use super::containers::Shown;
use super::mail_client;
use crate::docker::{ClientFile, ClientScope};
use crate::report::problem::{Problem, exit};

/// Where a client can stand.
pub(super) const SCOPES: [&str; 2] = ["internal", "external"];

pub(super) async fn run(app: &App, options: &Client) -> Result<u8, Problem> {
    if options.name == "bconsole" {
        return attend(app, options, &options.arguments, &console(app)?).await;
    }
    if options.name == "cadaver" {
        let (scope, arguments) = calendar(app, &options.arguments)?;
        return attend(app, options, &arguments, &scope).await;
    }
    if options.name == "mutt" {
        let (scope, arguments) = mail_client::mutt(app, &options.arguments)?;
        return attend(app, options, &arguments, &scope).await;
    }
    if options.name == "swaks" {
        let (scope, arguments) = mail_client::swaks(app, &options.arguments)?;
        return attend(app, options, &arguments, &scope).await;
    }
    let Some((scope, arguments)) = options.arguments.split_first() else {
        return Err(Problem::usage(
            format!("{} needs to know from where to ask", options.name),
            format!(
                "`prov client {} internal NAME` or `prov client {} external NAME`",
                options.name, options.name
            ),
        ));
    };
    let scope = self::scope(app, scope)?;
    attend(app, options, arguments, &scope).await
}

async fn attend(
    app: &App,
    options: &Client,
    arguments: &[String],
    scope: &ClientScope,
) -> Result<u8, Problem> {
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let code = containers
        .run_client(&options.name, arguments, scope, &progress)
        .await?;
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}

/// Gives the scope of a client of the calendars, inside unless it is named, and its arguments: the estate's own server
/// where there are none.
fn calendar(app: &App, arguments: &[String]) -> Result<(ClientScope, Vec<String>), Problem> {
    let (scope, rest) = match arguments.split_first() {
        Some((first, rest)) if SCOPES.contains(&first.as_str()) => (first.as_str(), rest),
        Some(_) | None => ("internal", arguments),
    };
    let mut rest = rest.to_vec();
    if rest.is_empty() {
        rest.push(format!("{}/", super::verify::calendar_server(app)?));
    }
    Ok((self::scope(app, scope)?, rest))
}

/// Gives the scope of a console of the backup's director: inside, with the configuration that holds its password.
pub(super) fn console(app: &App) -> Result<ClientScope, Problem> {
    let Some(director) = app
        .estate
        .hosts_with_role("backup_director")
        .first()
        .copied()
    else {
        return Err(Problem::usage(
            "no host of the estate is the backup's director".to_owned(),
            "give a host the role backup_director",
        ));
    };
    let context = HostContext::new(&app.estate, director, &app.inputs, &app.templates);
    let mut scope = scope(app, "internal")?;
    scope.files.push(ClientFile {
        path: "/etc/bacula/bconsole.conf",
        mode: 0o600,
        content: tasks::role::backup_console(&context)?,
    });
    Ok(scope)
}

/// Finds the name server of a scope: the host that answers for the group of that name.
pub(super) fn scope(app: &App, group: &str) -> Result<ClientScope, Problem> {
    if !SCOPES.contains(&group) {
        let hint = tasks::nearest(group, SCOPES).map_or_else(
            || "a scope is internal or external".to_owned(),
            |nearest| format!("did you mean '{nearest}'?"),
        );
        return Err(Problem::usage(format!("there is no scope '{group}'"), hint));
    }
    for host in app.estate.hosts_with_role("dns") {
        let vars = app.estate.vars(host);
        let answers_for: Option<String> =
            vars.value("dns_group").map_err(|mistake| vec![mistake])?;
        if answers_for.as_deref().unwrap_or("internal") != group {
            continue;
        }
        let search: Option<String> = vars.value("home_domain").map_err(|mistake| vec![mistake])?;
        let nameserver: Ipv4Addr = match host.address() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => continue,
        };
        let mut scope = ClientScope {
            nameserver,
            search,
            release: host.release().codename().to_owned(),
            files: Vec::new(),
        };
        if let Some(authority) = &app.inputs.authority {
            scope.trust(&authority.certificate);
        }
        return Ok(scope);
    }
    Err(Problem::usage(
        format!("no host answers for the group '{group}'"),
        "give a host the role dns and set its 'dns_group'",
    ))
}
