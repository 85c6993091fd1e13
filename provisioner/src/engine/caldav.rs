//! Asks CalDAV servers about calendars, all with one run of curl on the host.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tasks::fact::{CalendarFact, Facts};
use tasks::query::CalendarRequest;

use super::probe::Sorted;
use super::script::{quote, quote_all};
use crate::ssh::SshError;

/// How often, with half a second between, a service that runs is asked until it listens.
const TRIES: usize = 12;

/// Adds to a script what answers the queries about calendars.
///
/// Passwords are in the script, which comes by standard input, and reach curl on its own standard input from `printf`,
/// which the shell does itself: no process has them in its arguments.
pub(super) fn compile(script: &mut String, sorted: &Sorted) {
    if sorted.calendars.is_empty() {
        return;
    }
    let requests: Vec<_> = sorted.calendars.iter().map(configuration).collect();
    let services: BTreeSet<_> = sorted.calendars.iter().flat_map(|it| &it.service).collect();
    let services = quote_all(services.iter().map(|name| name.as_str()));
    // Writing to a string cannot fail.
    let _ = writeln!(
        script,
        r#"caldav_up() {{ for s in {services}; do if [ -d /run/systemd/system ]; then systemctl -q is-active -- "$s"; else case $(sv status "$s" 2>/dev/null) in (run:*) ;; (*) false;; esac; fi && return; done; false; }}
if command -v curl >/dev/null; then t={TRIES}; while :; do
a=$(printf %s {requests} | curl -q -K - 2>/dev/null); t=$((t - 1))
case $a in (*"onnect to "*) [ $t -gt 0 ] && caldav_up && sleep 0.5 || break;; (*) break;; esac
done; printf '%s\n' "$a" | f calendars; fi"#,
        requests = quote(&requests.join("next\n"))
    );
}

/// Writes what curl is to do for one calendar.
fn configuration(request: &CalendarRequest) -> String {
    let login = request.login.as_ref().map(|(user, password)| {
        let login = format!("{user}:{}", password.expose());
        format!("user = {}\n", quoted(&login))
    });
    format!(
        "url = {}\nrequest = \"PROPFIND\"\nheader = \"Depth: 0\"\n{}output = \"/dev/null\"\n\
         write-out = \"%{{http_code}} %{{errormsg}}\\n\"\nsilent\nnoproxy = \"*\"\n\
         connect-timeout = 5\nmax-time = 20\n",
        quoted(request.url.as_str()),
        login.unwrap_or_default()
    )
}

/// Reads what curl wrote: a line for each calendar, the HTTP status (000 without an answer) and what was wrong.
pub(super) fn read(facts: &mut Facts, sorted: &Sorted, text: &str) -> Result<(), SshError> {
    let mut lines = text.lines();
    for request in &sorted.calendars {
        let fact = match lines.next() {
            None => CalendarFact::Unreachable("curl is not installed".to_owned()),
            Some(line) => {
                let (status, message) = line.split_once(' ').unwrap_or((line, ""));
                match status.parse() {
                    Ok(0) => CalendarFact::Unreachable(message.to_owned()),
                    Ok(status) => CalendarFact::of_status(status),
                    Err(_) => {
                        return Err(SshError::Answer(
                            "the answer about calendars has no HTTP status".to_owned(),
                        ));
                    }
                }
            }
        };
        facts.calendars.insert(request.url.clone(), fact);
    }
    Ok(())
}

/// Quotes a text for curl's configuration file (curl(1), --config).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
