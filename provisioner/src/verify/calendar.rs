//! The `calendar` service: cadaver, as a user's program would ask.

use tasks::Secret;

use super::{Check, Open};
use crate::docker::{ClientSession, DockerError};

const SERVICE: &str = "calendar";

/// What the checks must know of the estate.
#[derive(Debug, Clone)]
pub struct CalendarExpectations {
    /// Address of the server, without a slash at its end.
    pub server: String,
    /// Who has a calendar, and the password where the server asks for one.
    pub users: Vec<(String, Option<Secret>)>,
}

/// What every calendar that prov makes has, by the end of the name of the property as cadaver shows it.
fn properties(user: &str) -> [(&'static str, Vec<String>); 5] {
    let one = |text: &str| vec![text.to_owned()];
    let component = |name: &&str| format!("comp name='{name}'");
    let components = ["VEVENT", "VJOURNAL", "VTODO"];
    [
        ("resourcetype", one("urn:ietf:params:xml:ns:caldavcalendar")),
        ("displayname", one(user)),
        ("calendar-description", vec![format!("Calendar for {user}")]),
        ("calendar-color", one("#2c8323ff")),
        (
            "supported-calendar-component-set",
            components.iter().map(component).collect(),
        ),
    ]
}

/// Runs the checks with a cadaver inside. `run` is a word of letters and digits by which the events of this run are known.
pub async fn calendar(
    expectations: &CalendarExpectations,
    cadaver: &ClientSession,
    run: &str,
) -> Result<Vec<Check>, DockerError> {
    let client = Client {
        server: &expectations.server,
        session: cadaver,
        run,
    };
    let mut checks = Vec::new();
    let open = expectations
        .users
        .iter()
        .all(|(_, password)| password.is_none());
    if open {
        checks.push(client.collections(&expectations.users).await?);
    } else {
        checks.push(client.strangers(&expectations.users).await?);
    }
    for (user, password) in &expectations.users {
        client.log_in(user, password.as_ref()).await?;
        checks.push(client.properties(user).await?);
        checks.push(client.event(user).await?);
    }
    Ok(checks)
}

/// Takes away the events that checks which were given up have left.
pub async fn calendar_sweep(
    expectations: &CalendarExpectations,
    cadaver: &ClientSession,
    run: &str,
) -> Result<(), DockerError> {
    let client = Client {
        server: &expectations.server,
        session: cadaver,
        run,
    };
    for (user, password) in &expectations.users {
        client.log_in(user, password.as_ref()).await?;
        client.ask(&format!("delete {}", client.path(user))).await?;
    }
    Ok(())
}

struct Client<'s> {
    server: &'s str,
    session: &'s ClientSession,
    run: &'s str,
}

impl Client<'_> {
    /// Gives cadaver one command; returns what it printed, without the echo of the command.
    async fn ask(&self, command: &str) -> Result<String, DockerError> {
        let input = format!("{command}\nquit\n");
        let url = format!("{}/", self.server);
        let output = self
            .session
            .run_with_input(&[url.as_str()], input.as_bytes())
            .await?;
        let printed = output.text().replace('\0', "") + &output.errors();
        let lines = printed
            .lines()
            .filter(|line| !line.starts_with("dav:") && !line.starts_with("Connection to"));
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }

    fn uid(&self) -> String {
        format!("prov-verify-{}", self.run)
    }

    /// Gives the place of the event in a user's calendar.
    fn path(&self, user: &str) -> String {
        format!("{user}/calendar/{}.ics", self.uid())
    }

    fn asked(&self, command: &str) -> String {
        format!("cadaver {}/: {command}", self.server)
    }

    /// Writes the file from which cadaver takes names and passwords (netrc(5)); without a password there is none.
    async fn log_in(&self, user: &str, password: Option<&Secret>) -> Result<(), DockerError> {
        let login = password.map_or_else(String::new, |password| {
            format!("default login {user} password {}\n", password.expose())
        });
        let write = "umask 077; cat >/root/.netrc";
        // The line break keeps the input from being empty, which would not be one.
        let input = login + "\n";
        self.session
            .other(&["sh", "-c", write], input.as_bytes())
            .await
            .map(drop)
    }

    async fn collections(&self, users: &[(String, Option<Secret>)]) -> Result<Check, DockerError> {
        let names: Vec<&str> = users.iter().map(|(user, _)| user.as_str()).collect();
        let open = Open::new(
            SERVICE,
            "the office and each of the staff have a collection".to_owned(),
            self.asked("ls"),
            names.join(", "),
        );
        let listed = self.ask("ls").await?;
        let found: Vec<&str> = listed
            .lines()
            .filter_map(|line| line.strip_prefix("Coll:")?.split_whitespace().next())
            .collect();
        let passed = names.iter().all(|name| found.contains(name));
        let came = if found.is_empty() {
            said(&listed)
        } else {
            found.join(", ")
        };
        Ok(open.close(came, passed))
    }

    async fn strangers(&self, users: &[(String, Option<Secret>)]) -> Result<Check, DockerError> {
        let user = users.first().map_or("", |(user, _)| user.as_str());
        let command = format!("propget {user}/calendar");
        let open = Open::new(
            SERVICE,
            "a calendar is not shown without a password".to_owned(),
            self.asked(&command),
            "401 Unauthorized".to_owned(),
        );
        self.log_in("", None).await?;
        let printed = self.ask(&command).await?;
        let passed = !printed.contains("displayname") && printed.contains("uthenti");
        Ok(open.close(said(&printed), passed))
    }

    async fn properties(&self, user: &str) -> Result<Check, DockerError> {
        let wanted = properties(user);
        let command = format!("propget {user}/calendar");
        let expected: Vec<_> = wanted
            .iter()
            .map(|(name, values)| format!("{name} = {}", values.join(" ")))
            .collect();
        let open = Open::new(
            SERVICE,
            format!("the calendar of {user} has its properties"),
            self.asked(&command),
            expected.join(", "),
        );
        let printed = self.ask(&command).await?;
        let value = |name: &str| {
            let mut lines = printed.lines();
            lines.find_map(|line| {
                let (property, value) = line.split_once(" = ")?;
                (property.split(' ').next_back() == Some(name)).then(|| value.trim())
            })
        };
        let wrong: Vec<_> = wanted
            .iter()
            .filter(|(name, values)| {
                let found = value(name).unwrap_or_default();
                // One property holds one text exactly; the others hold XML.
                match values.as_slice() {
                    [text] if !text.starts_with("urn:") => found != text,
                    texts => !texts.iter().all(|text| found.contains(text.as_str())),
                }
            })
            .map(|(name, _)| format!("{name} = {}", value(name).unwrap_or("(none)")))
            .collect();
        let came = match (printed.contains("displayname"), wrong.is_empty()) {
            (true, true) => "as expected".to_owned(),
            (true, false) => wrong.join(", "),
            (false, _) => said(&printed),
        };
        Ok(open.close(came, wrong.is_empty()))
    }

    /// Stores an event, reads it back, removes it, and sees that it is gone.
    async fn event(&self, user: &str) -> Result<Check, DockerError> {
        let uid = self.uid();
        let summary = format!("SUMMARY:Acceptance check {uid}");
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//prov//verify//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
             DTSTAMP:20300101T090000Z\r\nDTSTART:20300101T090000Z\r\nDTEND:20300101T100000Z\r\n{summary}\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        let path = self.path(user);
        let open = Open::new(
            SERVICE,
            format!("the calendar of {user} keeps an event until it is removed"),
            self.asked(&format!("put, cat, delete {user}/calendar/UID.ics")),
            format!("{summary}, then 404 Not Found"),
        );
        self.session
            .other(&["sh", "-c", "cat >/tmp/event.ics"], event.as_bytes())
            .await?;
        let put = self.ask(&format!("put /tmp/event.ics {path}")).await?;
        let stored = self.ask(&format!("cat {path}")).await?;
        let deleted = self.ask(&format!("delete {path}")).await?;
        let after = self.ask(&format!("cat {path}")).await?;
        let kept = stored.contains(&summary) && stored.contains(&format!("UID:{uid}"));
        let gone = after.contains("404 Not Found") && !after.contains(&summary);
        let came = match (kept, gone) {
            (true, true) => "as expected".to_owned(),
            (true, false) => format!("it stays: {}; {}", said(&deleted), said(&after)),
            (false, _) => format!("not stored: {}; {}", said(&put), said(&stored)),
        };
        Ok(open.close(came, kept && gone))
    }
}

/// Shortens what cadaver printed to one line.
fn said(printed: &str) -> String {
    let words: Vec<_> = printed.split_whitespace().collect();
    words.join(" ").chars().take(200).collect()
}
