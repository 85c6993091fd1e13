//! A client of an estate of servers: nobody's program on a vantage point, and a console on its director.

use tasks::authority::Authority;
use tasks::estate::Location;

use super::{ended, standing};
use crate::cli::app::App;
use crate::cli::arguments::Client;
use crate::cli::scope::{self, Scopes};
use crate::cli::ssh;
use crate::cli::verify::vantage_points;
use crate::docker::client_program;
use crate::engine::{Asker, at_terminal};
use crate::report::problem::Problem;
use crate::verify::TestbedError;

/// Runs a client with this process's standard streams; gives its exit code.
pub(super) async fn run(app: &App, options: &Client) -> Result<u8, Problem> {
    let scopes = Scopes::of(app);
    let name = options.name.as_str();
    if let Some((why, instead)) = in_containers(name) {
        return Err(Problem::usage(
            format!(
                "{name} {why}, and the hosts of the estate '{}' are servers",
                app.estate.name()
            ),
            instead,
        ));
    }
    let mut argv = client_program(name)?;
    if name == "bconsole" {
        // Its password is on the director, and stays there.
        let director = &scopes.director()?.host;
        argv.extend(options.arguments.iter().map(String::as_str));
        let host = app.one_host(director)?;
        let command = at_terminal(&argv, Asker::Root);
        return ssh::handed_through(app, host, Some(command), true).await;
    }
    let (location, arguments) = match name {
        // Whom it writes to, and by which server, is the user's to say: nobody stands for the rest of the world.
        "swaks" => {
            let (location, rest) = scope::split_location(&options.arguments, Location::External);
            if rest.is_empty() {
                // It would ask, and never tire of it where nobody answers.
                return Err(Problem::usage(
                    "swaks needs to know whom to write to, and by which server".to_owned(),
                    "`prov client swaks [inside|outside] --server HOST --to ADDRESS`",
                ));
            }
            (location, rest.to_vec())
        }
        _ => standing(&scopes, options)?,
    };
    argv.extend(arguments.iter().map(String::as_str));
    let points = vantage_points(app);
    let Some(host) = points.get(&location) else {
        return Err(Problem::usage(
            TestbedError::NoVantage(location).to_string(),
            format!("give a host whose location is {location} the role, and `prov apply`"),
        ));
    };
    let trust = app.inputs.authority.as_ref().map(Authority::trust);
    let command = at_terminal(&argv, Asker::Nobody(trust.as_deref()));
    let code = ssh::handed_through(app, host, Some(command), true).await?;
    ended(name, code.into(), location);
    Ok(code)
}

/// Tells why a client runs in a container alone, if so, and what to do instead.
fn in_containers(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "chromium" => Some((
            "needs a container around it",
            "`prov client lynx` and `prov client curl` look at pages from a vantage point",
        )),
        "mutt" => Some((
            "needs a file with somebody's password",
            "`prov verify mail` reads mail of the accounts that are marked for checks",
        )),
        _ => None,
    }
}
