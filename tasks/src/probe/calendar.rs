//! Calendars on CalDAV servers, asked for with one run of curl on the host.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answers::broken;
use super::{Answers, Broken, Facts, Kind, NotAsked, Written};
use crate::Secret;
use crate::quote;
use crate::value::{HttpUrl, ServiceName};

/// How often, with half a second between, a service that runs is asked until it listens.
const TRIES: usize = 12;

/// Asks a CalDAV server for a calendar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarRequest {
    /// Address of the calendar's collection.
    pub url: HttpUrl,
    /// The service on the host that answers there; if it runs, but does not listen yet, it is waited for.
    pub service: Option<ServiceName>,
    /// User and password, where the server is asked in somebody's name.
    pub login: Option<(String, Secret)>,
}

/// Tells what a CalDAV server answers about a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalendarFact {
    /// It is there.
    Present,
    /// It is not there.
    Missing,
    /// Nobody answers; why, in the client's words.
    Unreachable(String),
    /// The server does not let the user in, with this HTTP status.
    Refused(u16),
    /// The server answers with another HTTP status.
    Failed(u16),
}

impl CalendarFact {
    /// Reads an HTTP status as the answer to PROPFIND (RFC 4918, section 9.1).
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Present,
            404 => Self::Missing,
            401 | 403 => Self::Refused(status),
            _ => Self::Failed(status),
        }
    }
}

impl Facts {
    /// Tells whether a calendar exists.
    pub fn calendar(&self, url: &HttpUrl) -> Result<&CalendarFact, NotAsked> {
        self.calendars
            .get(url)
            .ok_or_else(|| NotAsked(format!("calendar {url}")))
    }
}

/// The kind of this module.
pub struct Calendars;

impl Kind for Calendars {
    type Question = CalendarRequest;
    type Known = BTreeMap<HttpUrl, CalendarFact>;

    fn key(request: &CalendarRequest) -> HttpUrl {
        request.url.clone()
    }

    /// Passwords are in the script, which comes by standard input, and reach curl on its own standard input from
    /// `printf`, which the shell does itself: no process has them in its arguments.
    fn script(requests: &[CalendarRequest]) -> String {
        let configurations: Vec<_> = requests.iter().map(configuration).collect();
        let services: BTreeSet<_> = requests.iter().flat_map(|it| &it.service).collect();
        let services = quote::sh_all(services.iter().map(|name| name.as_str()));
        // Without an answer curl ends with the code of its last transfer; above 127 it was killed.
        format!(
            r#"prov_calendar_service_runs() {{ for service in {services}; do
if [ -d /run/systemd/system ]; then systemctl -q is-active -- "$service"; else case $(sv status "$service" 2>/dev/null) in (run:*) ;; (*) false;; esac; fi && return
done; false; }}
if command -v curl >/dev/null; then prov_answer calendars; tries={TRIES}; while :; do
calendars=$(printf %s {configuration} | curl -q -K - 2>/dev/null); exit=$?; tries=$((tries - 1))
case $calendars in (*"onnect to "*) [ $tries -gt 0 ] && prov_calendar_service_runs && sleep 0.5 || break;; (*) break;; esac
done; printf '%s\n' "$calendars"; [ $exit -gt 127 ] || prov_complete; fi
"#,
            configuration = quote::sh(&configurations.join("next\n"))
        )
    }

    /// Reads a line for each calendar: the HTTP status (000 without an answer) and what was wrong.
    fn read(requests: &[CalendarRequest], answers: &Answers) -> Result<Self::Known, Broken> {
        let text = answers.optional_text("calendars")?;
        let mut lines = text.map(str::lines);
        let mut known = BTreeMap::new();
        for request in requests {
            let fact = match &mut lines {
                None => CalendarFact::Unreachable("curl is not installed".to_owned()),
                Some(lines) => {
                    let line = lines.next();
                    let line = line.ok_or_else(|| broken("calendars", "lacks a calendar"))?;
                    let (status, message) = line.split_once(' ').unwrap_or((line, ""));
                    match status.parse() {
                        Ok(0) => CalendarFact::Unreachable(message.to_owned()),
                        Ok(status) => CalendarFact::of_status(status),
                        Err(_) => return Err(broken("calendars", "has no HTTP status")),
                    }
                }
            };
            known.insert(request.url.clone(), fact);
        }
        Ok(known)
    }

    fn secrets(_: &Self::Known) -> Vec<&Secret> {
        Vec::new()
    }

    /// What a server answers may depend on any file: a password, a setting.
    fn follows(_: &CalendarRequest, _: &Written<'_>) -> bool {
        true
    }

    fn samples() -> Vec<CalendarRequest> {
        let url = HttpUrl::new("http://127.0.0.1:9/a/calendar/").ok();
        let request = |url| CalendarRequest {
            url,
            service: None,
            login: None,
        };
        url.into_iter().map(request).collect()
    }
}

/// Writes what curl is to do for one calendar (curl(1), --config).
fn configuration(request: &CalendarRequest) -> String {
    let login = request.login.as_ref().map(|(user, password)| {
        let login = format!("{user}:{}", password.expose());
        format!("user = {}\n", curl(&login))
    });
    format!(
        "url = {}\nrequest = \"PROPFIND\"\nheader = \"Depth: 0\"\n{}output = \"/dev/null\"\n\
         write-out = \"%{{http_code}} %{{errormsg}}\\n\"\nsilent\nnoproxy = \"*\"\n\
         connect-timeout = 5\nmax-time = 20\n",
        curl(request.url.as_str()),
        login.unwrap_or_default()
    )
}

/// Quotes a text for curl. Resources ask for nothing that it cannot express.
fn curl(text: &str) -> String {
    quote::curl(text).unwrap_or_default()
}
