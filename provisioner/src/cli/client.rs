//! `prov client`: a client inside the estate's network, where the names and routes are those of its hosts.

use tasks::estate::Location;

use super::app::App;
use super::arguments::Client;
use super::containers::Shown;
use super::mail_client;
use super::scope::{self, Scopes};
use crate::docker::ClientScope;
use crate::report::problem::{Problem, exit};

pub(super) async fn run(app: &App, options: &Client) -> Result<u8, Problem> {
    if app.estate.network().is_none() {
        return Err(app.not_containers(&instead(&options.name)));
    }
    let scopes = Scopes::of(app);
    let arguments = options.arguments.as_slice();
    let (scope, arguments) = match options.name.as_str() {
        "bconsole" => {
            let scope = scopes.client(&options.name, Location::Internal)?;
            (scope, arguments.to_vec())
        }
        "cadaver" => calendar(&scopes, options)?,
        "mutt" => mail_client::mutt(app, &scopes, arguments)?,
        "swaks" => mail_client::swaks(&scopes, arguments)?,
        name => {
            let Some((word, rest)) = arguments.split_first() else {
                return Err(Problem::usage(
                    format!("{name} needs to know from where to ask"),
                    format!(
                        "`prov client {name} internal NAME` or `prov client {name} external NAME`"
                    ),
                ));
            };
            let scope = scopes.client(name, scope::location(word)?)?;
            (scope, rest.to_vec())
        }
    };
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let code = containers
        .run_client(&options.name, &arguments, &scope, &progress)
        .await?;
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}

/// Says how to run a client where there are servers.
fn instead(name: &str) -> String {
    match name {
        "vantage" => "`prov ssh HOST` opens a shell on a server".to_owned(),
        _ => format!(
            "`prov ssh HOST -- {name} ...` runs the {name} of a server, where it is installed"
        ),
    }
}

/// Gives the scope of a client of the calendars, inside unless it is named, and its arguments: the estate's own server
/// where there are none.
fn calendar(scopes: &Scopes<'_>, options: &Client) -> Result<(ClientScope, Vec<String>), Problem> {
    let (location, rest) = scope::split_location(&options.arguments, Location::Internal);
    let mut rest = rest.to_vec();
    if rest.is_empty() {
        rest.push(format!("{}/", scopes.calendar_server()?));
    }
    Ok((scopes.client(&options.name, location)?, rest))
}
