//! Asks CalDAV servers about calendars, all with one run of curl on the host.

use std::fmt::Write as _;

use tasks::fact::{CalendarFact, Facts};

use super::probe::Sorted;
use super::script::quote;
use crate::ssh::SshError;

/// Adds to a script what answers the queries about calendars.
///
/// Passwords are in the script, which comes by standard input, and reach curl on its own standard input from `printf`,
/// which the shell does itself: no process has them in its arguments. A daemon that has just been started takes a
/// moment to listen, so where daemons run a refused connection is tried again for a few seconds.
pub(super) fn compile(script: &mut String, sorted: &Sorted) {
    if sorted.calendars.is_empty() {
        return;
    }
    let requests: Vec<_> = sorted
        .calendars
        .iter()
        .map(|request| {
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
        })
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        script,
        r#"if command -v curl >/dev/null; then
t=1; if [ -d /run/service ] || [ -d /run/systemd/system ]; then t=12; fi
while :; do
a=$(printf %s {} | curl -q -K - 2>/dev/null)
t=$((t - 1))
case $a in (*"onnect to "*) [ $t = 0 ] || {{ sleep 0.5; continue; }};; esac
break; done
printf '%s\n' "$a" | f calendars; fi"#,
        quote(&requests.join("next\n"))
    );
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
