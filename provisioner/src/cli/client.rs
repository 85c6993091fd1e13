//! `prov client`: a client inside the estate's network, where the names and routes are those of its hosts: in a container of its
//! own, or on a vantage point.

mod servers;

use tasks::client::{first_words, remedy};
use tasks::estate::Location;

use super::app::App;
use super::arguments::Client;
use super::containers::Shown;
use super::mail_client;
use super::scope::{self, Scopes};
use crate::report::print::errln;
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};

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
            (scopes.by_hand(name, location)?, arguments)
        }
    };
    let containers = app.containers().await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let code = containers
        .run_client(&options.name, &arguments, &scope, &progress)
        .await?;
    ended(name, code, scope.side);
    Ok(u8::try_from(code).unwrap_or(exit::FAILED))
}

/// Says what to do about a client that has ended.
fn ended(name: &str, code: i64, side: Location) {
    if let Some(remedy) = remedy(name, code, side) {
        errln!("{} {remedy}", paint(style::WAIT, "hint:"));
    }
}

/// Refuses what stands before the scope, and writes the line as it is meant.
fn scope_first(name: &str, word: &str, arguments: &[String]) -> Problem {
    let at = arguments.iter().position(|word| scope::is_location(word));
    let place = at.map_or("internal", |at| &arguments[at]);
    let others = arguments.iter().enumerate();
    let others = others.filter(|(index, _)| Some(*index) != at);
    let others: Vec<_> = others.map(|(_, word)| word.as_str()).collect();
    Problem::usage(
        format!("{name} needs to know from where to ask, before '{word}'"),
        format!("`prov client {name} {place} {}`", others.join(" ")),
    )
}

/// Tells where a client stands, and its arguments. A client of the calendars is inside unless that is said, and asks the estate's own
/// server unless another one is named.
fn standing(scopes: &Scopes<'_>, options: &Client) -> Result<(Location, Vec<String>), Problem> {
    let arguments = options.arguments.as_slice();
    let (location, rest) = match (options.name.as_str(), arguments.split_first()) {
        ("bconsole", _) => (Location::Internal, arguments),
        ("cadaver", _) => scope::split_location(arguments, Location::Internal),
        (name, Some((word, _))) if !scope::is_location(word) && word.starts_with(['-', '+']) => {
            return Err(scope_first(name, word, arguments));
        }
        (_, Some((word, rest))) => (scope::location(word)?, rest),
        (name, None) => {
            return Err(Problem::usage(
                format!("{name} needs to know from where to ask"),
                format!("`prov client {name} internal NAME` or `prov client {name} external NAME`"),
            ));
        }
    };
    let first = first_words(&options.name).iter();
    let mut rest: Vec<_> = first
        .map(|&word| word.to_owned())
        .chain(rest.iter().cloned())
        .collect();
    if options.name == "cadaver" && rest.is_empty() {
        rest.push(format!("{}/", scopes.calendar_server()?));
    }
    Ok((location, rest))
}
