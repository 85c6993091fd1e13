//! `prov client`: a client inside the estate's network, where the names and routes are those of its hosts: in a container of its
//! own, or on a vantage point.

mod servers;

use tasks::estate::Location;

use super::app::App;
use super::arguments::Client;
use super::containers::Shown;
use super::mail_client;
use super::scope::{self, Scopes};
use crate::report::problem::{Problem, exit};

pub(super) async fn run(app: &App, options: &Client) -> Result<u8, Problem> {
    if app.estate.networks().is_none() {
        return servers::run(app, options).await;
    }
    let scopes = Scopes::of(app);
    let arguments = options.arguments.as_slice();
    let name = options.name.as_str();
    let (scope, arguments) = match name {
        "mutt" => mail_client::mutt(app, &scopes, arguments)?,
        "swaks" => mail_client::swaks(&scopes, arguments)?,
        _ => {
            let (location, arguments) = standing(&scopes, options)?;
            (scopes.client(name, location)?, arguments)
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

/// Tells where a client stands, and its arguments. A client of the calendars is inside unless that is said, and asks the estate's own
/// server unless another one is named.
fn standing(scopes: &Scopes<'_>, options: &Client) -> Result<(Location, Vec<String>), Problem> {
    let arguments = options.arguments.as_slice();
    let (location, rest) = match (options.name.as_str(), arguments.split_first()) {
        ("bconsole", _) => (Location::Internal, arguments),
        ("cadaver", _) => scope::split_location(arguments, Location::Internal),
        (_, Some((word, rest))) => (scope::location(word)?, rest),
        (name, None) => {
            return Err(Problem::usage(
                format!("{name} needs to know from where to ask"),
                format!("`prov client {name} internal NAME` or `prov client {name} external NAME`"),
            ));
        }
    };
    let mut rest = rest.to_vec();
    if options.name == "lynx" {
        // A site that one logs in to is of no use without them.
        rest.insert(0, "-accept_all_cookies".to_owned());
    }
    if options.name == "cadaver" && rest.is_empty() {
        rest.push(format!("{}/", scopes.calendar_server()?));
    }
    Ok((location, rest))
}
