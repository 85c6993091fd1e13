//! What the checks of the calendars must know of the estate.

use std::collections::BTreeMap;

use tasks::Secret;

use super::super::app::App;
use crate::report::problem::Problem;
use crate::verify::CalendarExpectations;

/// The port that the role listens on unless told otherwise.
const PORT: u16 = 5232;

/// Gives the address of the estate's CalDAV server by the name that people use: the alias `caldav`, or the host's own.
pub(in crate::cli) fn server(app: &App) -> Result<String, Problem> {
    let Some(host) = app.estate.hosts_with_role("calendar").first().copied() else {
        return Err(Problem::usage(
            "no host of the estate has calendars".to_owned(),
            "give a host the role calendar, or name another server",
        ));
    };
    let vars = app.estate.vars(host);
    let port: Option<u16> = vars
        .value("calendar_port")
        .map_err(|mistake| vec![mistake])?;
    let aliases = tasks::role::aliases(&app.estate, &vars).map_err(|mistake| vec![mistake])?;
    let name = match aliases.get("caldav") {
        Some(target) if target == host.name() => "caldav",
        Some(_) | None => host.name(),
    };
    Ok(format!("http://{name}:{}", port.unwrap_or(PORT)))
}

/// Gathers what to expect.
pub(super) fn expectations(app: &App) -> Result<CalendarExpectations, Problem> {
    let server = server(app)?;
    let mut users = vec!["office".to_owned()];
    let mut passwords = BTreeMap::new();
    if let Some(host) = app.estate.hosts_with_role("calendar").first().copied() {
        let vars = app.estate.vars(host);
        let staff: Option<Vec<String>> = vars
            .value("office_users")
            .map_err(|mistake| vec![mistake])?;
        users.extend(staff.into_iter().flatten());
        let access: Option<String> = vars
            .value("calendar_access")
            .map_err(|mistake| vec![mistake])?;
        let known: Option<BTreeMap<String, Secret>> = vars
            .value("calendar_users")
            .map_err(|mistake| vec![mistake])?;
        if access.as_deref() != Some("open") {
            passwords = known.unwrap_or_default();
        }
    }
    let users = users.into_iter().map(|user| {
        let password = passwords.remove(&user);
        (user, password)
    });
    Ok(CalendarExpectations {
        server,
        users: users.collect(),
    })
}
