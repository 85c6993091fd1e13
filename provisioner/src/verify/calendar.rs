//! The `calendar` service: cadaver, as a user's program would ask.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::Secret;
use tasks::promise::{Calendar, CalendarServer, Promises};
use tasks::resource::Component;

use super::{
    Acceptance, Bench, BenchError, Check, Checks, Client, Missing, Open, Results, Seat,
    Surroundings, Sweep,
};

pub(super) const SERVICE: &str = "calendar";

pub(super) const CADAVER: Client = Client::inside("cadaver");

pub(super) fn checks(promises: &Promises, _: &Surroundings<'_>) -> Checks {
    match promises.calendar_servers.first() {
        Some(server) => Ok(Box::new(server.clone())),
        None => Err(Missing::new(
            "no host of the estate has calendars",
            "give a host the role calendar",
        )),
    }
}

impl Acceptance for CalendarServer {
    fn clients(&self) -> Vec<Client> {
        vec![CADAVER]
    }

    fn make<'b>(&'b self, bench: &'b Bench) -> BoxFuture<'b, Result<Results, BenchError>> {
        async {
            let user = User::of(self, bench)?;
            let mut checks = Vec::new();
            if self.open {
                checks.push(user.collections(&self.calendars).await?);
            } else {
                checks.push(user.strangers(&self.calendars).await?);
            }
            for calendar in &self.calendars {
                user.log_in(&calendar.user, calendar.password.as_ref())
                    .await?;
                checks.push(user.properties(calendar).await?);
                checks.push(user.event(&calendar.user).await?);
            }
            Ok(checks.into())
        }
        .boxed()
    }

    /// Takes away the events that checks which were given up have left.
    fn sweep<'b>(&'b self, bench: &'b Bench, why: Sweep) -> BoxFuture<'b, Result<(), BenchError>> {
        async move {
            match why {
                Sweep::Failed => return Ok(()),
                Sweep::GivenUp => {}
            }
            let user = User::of(self, bench)?;
            for calendar in &self.calendars {
                user.log_in(&calendar.user, calendar.password.as_ref())
                    .await?;
                let path = user.path(&calendar.user);
                user.ask(&format!("delete {path}")).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// What a new calendar has, by the end of the name of the property: cadaver writes the namespace before it, in some releases
/// without a blank between.
fn properties(calendar: &Calendar) -> [(&'static str, Vec<String>); 5] {
    let component = |component: &Component| format!("comp name='{}'", component.name());
    [
        (
            "resourcetype",
            vec!["urn:ietf:params:xml:ns:caldavcalendar".to_owned()],
        ),
        ("displayname", vec![calendar.display_name.clone()]),
        ("calendar-description", vec![calendar.description.clone()]),
        ("calendar-color", vec![calendar.color.clone()]),
        (
            "supported-calendar-component-set",
            calendar.components.iter().map(component).collect(),
        ),
    ]
}

/// Finds the value of a property in what cadaver printed: `- DAV: displayname = x`, or `- DAV:displayname = x`.
fn value<'p>(printed: &'p str, name: &str) -> Option<&'p str> {
    printed.lines().find_map(|line| {
        let (property, value) = line.split_once(" = ")?;
        property.trim_end().ends_with(name).then(|| value.trim())
    })
}

/// Somebody with cadaver.
pub(super) struct User<'s> {
    server: &'s str,
    session: &'s Seat,
    run: &'s str,
}

impl<'s> User<'s> {
    pub(super) fn of(server: &'s CalendarServer, bench: &'s Bench) -> Result<Self, BenchError> {
        Ok(Self {
            server: &server.url,
            session: bench.client(CADAVER)?,
            run: &bench.run,
        })
    }

    /// Gives cadaver one command; returns what it printed, without the echo of the command.
    async fn ask(&self, command: &str) -> Result<String, BenchError> {
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
    async fn log_in(&self, user: &str, password: Option<&Secret>) -> Result<(), BenchError> {
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

    async fn collections(&self, calendars: &[Calendar]) -> Result<Check, BenchError> {
        let names: Vec<&str> = calendars.iter().map(|it| it.user.as_str()).collect();
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

    async fn strangers(&self, calendars: &[Calendar]) -> Result<Check, BenchError> {
        let user = calendars.first().map_or("", |it| it.user.as_str());
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

    async fn properties(&self, calendar: &Calendar) -> Result<Check, BenchError> {
        let user = &calendar.user;
        let wanted = properties(calendar);
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
        let wrong: Vec<_> = wanted
            .iter()
            .filter(|(name, values)| {
                let found = value(&printed, name).unwrap_or_default();
                // One property holds one text exactly; the others hold XML.
                match values.as_slice() {
                    [text] if !text.starts_with("urn:") => found != text,
                    texts => !texts.iter().all(|text| found.contains(text.as_str())),
                }
            })
            .map(|(name, _)| format!("{name} = {}", value(&printed, name).unwrap_or("(none)")))
            .collect();
        let came = match (printed.contains("displayname"), wrong.is_empty()) {
            (true, true) => "as expected".to_owned(),
            (true, false) => wrong.join(", "),
            (false, _) => said(&printed),
        };
        Ok(open.close(came, wrong.is_empty()))
    }

    /// Stores an event under a name and leaves it there.
    pub(super) async fn leave(&self, calendar: &Calendar, name: &str) -> Result<(), BenchError> {
        self.log_in(&calendar.user, calendar.password.as_ref())
            .await?;
        self.session
            .other(
                &["sh", "-c", "cat >/tmp/event.ics"],
                event(name).1.as_bytes(),
            )
            .await?;
        let put = format!("put /tmp/event.ics {}/calendar/{name}.ics", calendar.user);
        self.ask(&put).await.map(drop)
    }

    /// Reads the event of a name; the error is what came instead.
    pub(super) async fn read(
        &self,
        calendar: &Calendar,
        name: &str,
    ) -> Result<Result<String, String>, BenchError> {
        self.log_in(&calendar.user, calendar.password.as_ref())
            .await?;
        let path = format!("{}/calendar/{name}.ics", calendar.user);
        let printed = self.ask(&format!("cat {path}")).await?;
        // A refusal names the path, and so the event.
        let (summary, _) = event(name);
        Ok(if printed.contains(&summary) {
            Ok(summary)
        } else {
            Err(said(&printed))
        })
    }

    /// Stores an event, reads it back, removes it, and sees that it is gone.
    async fn event(&self, user: &str) -> Result<Check, BenchError> {
        let uid = self.uid();
        let (summary, event) = event(&uid);
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

/// Gives the summary of an event, and the event.
fn event(uid: &str) -> (String, String) {
    let summary = format!("SUMMARY:Acceptance check {uid}");
    let event = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//prov//verify//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20300101T090000Z\r\nDTSTART:20300101T090000Z\r\nDTEND:20300101T100000Z\r\n{summary}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    (summary, event)
}

/// Shortens what cadaver printed to one line.
fn said(printed: &str) -> String {
    let words: Vec<_> = printed.split_whitespace().collect();
    words.join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_found_in_the_forms_of_old_and_new_cadavers() {
        let old = "- DAV: displayname = office\n- urn:ietf:params:xml:ns:caldav calendar-description = A B\n";
        let new = "- DAV:displayname = office\n- urn:ietf:params:xml:ns:caldavcalendar-description = A B\n";
        for printed in [old, new] {
            assert_eq!(value(printed, "displayname"), Some("office"));
            assert_eq!(value(printed, "calendar-description"), Some("A B"));
            assert_eq!(value(printed, "calendar-color"), None);
        }
    }
}
