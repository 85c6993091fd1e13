//! The `calendar` service: cadaver, as a user's program would ask.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::Marks;
use tasks::promise::{Calendar, CalendarServer, Promises};
use tasks::resource::Component;

use super::round::Round;
use super::{
    Acceptance, Check, Checks, Client, Missing, Open, Results, Seat, Surroundings, Sweep, Testbed,
    TestbedError, Writes,
};

pub(super) const SERVICE: &str = "calendar";

/// How many checks are under way at once.
const AT_ONCE: usize = 4;

pub(super) const CADAVER: Client = Client::inside("cadaver");

/// A server of calendars, and what of it may be written to.
struct Calendars {
    server: CalendarServer,
    /// For each calendar, why it must not be written to, if so, and whether it is as a new one.
    marks: Vec<(Option<String>, bool)>,
}

/// Why the properties of a calendar are not looked at.
const CHANGED: &str = "people may have changed their calendars since they were new";

fn marked(marks: &Marks) -> &[String] {
    &marks.calendars
}

pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    let Some(server) = promises.calendar_servers.first() else {
        return Err(Missing::new(
            "no host of the estate has calendars",
            "give a host the role calendar",
        ));
    };
    let writes = surroundings.writes;
    if let Writes::Marked(marks) | Writes::Nothing(marks) = writes {
        let known = |user: &&String| server.calendars.iter().any(|it| it.user == **user);
        if let Some(unknown) = marks.calendars.iter().find(|user| !known(user)) {
            let users = server.calendars.iter().map(|it| it.user.as_str());
            return Err(Missing::new(
                format!(
                    "the estate marks the calendar of '{unknown}' for checks, and there is none"
                ),
                format!(
                    "correct `verify` in estate.yml; there are those of {}",
                    users.collect::<Vec<_>>().join(", ")
                ),
            ));
        }
    }
    let calendars = server.calendars.iter();
    let marks = calendars.map(|calendar| {
        let refusal = writes.refusal(&calendar.user, "calendars", marked);
        (refusal, writes.is_new(&calendar.user, marked))
    });
    Ok(Box::new(Calendars {
        marks: marks.collect(),
        server: server.clone(),
    }))
}

impl Acceptance for Calendars {
    fn clients(&self) -> Vec<Client> {
        vec![CADAVER]
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let Self { server, marks } = self;
            let run = testbed.run.as_str();
            let mut round = Round::new(SERVICE, testbed);
            let user = move |seat| User {
                server: &server.url,
                session: seat,
                run,
            };
            round.ask(CADAVER, move |seat| async move {
                if server.open {
                    user(seat).collections(&server.calendars).await
                } else {
                    user(seat).strangers(&server.calendars).await
                }
            });
            for (calendar, (refusal, is_new)) in server.calendars.iter().zip(marks) {
                if *is_new {
                    round.ask(CADAVER, move |seat| async move {
                        user(seat).properties(calendar).await
                    });
                } else {
                    round.leave(CHANGED, 1);
                }
                match refusal {
                    None => round.ask(CADAVER, move |seat| async move {
                        user(seat).event(calendar).await
                    }),
                    Some(refusal) => round.leave(refusal, 1),
                }
            }
            round.make(AT_ONCE).await
        }
        .boxed()
    }

    /// Takes away the events that checks which were given up have left.
    fn sweep<'b>(
        &'b self,
        testbed: &'b Testbed,
        why: Sweep,
    ) -> BoxFuture<'b, Result<(), TestbedError>> {
        async move {
            match why {
                Sweep::Failed => return Ok(()),
                Sweep::GivenUp => {}
            }
            if testbed.find(CADAVER).is_none() {
                return Ok(());
            }
            let user = User::of(&self.server, testbed)?;
            for (calendar, (refusal, _)) in self.server.calendars.iter().zip(&self.marks) {
                if refusal.is_none() {
                    let delete = format!("delete {}", user.path(&calendar.user));
                    user.ask(Some(calendar), &delete).await?;
                }
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
    pub(super) fn of(
        server: &'s CalendarServer,
        testbed: &'s Testbed,
    ) -> Result<Self, TestbedError> {
        Ok(Self {
            server: &server.url,
            session: testbed.client(CADAVER)?,
            run: &testbed.run,
        })
    }

    /// Gives cadaver one command as the user of a calendar, or as a stranger; returns what it printed, without the echo of the
    /// command.
    async fn ask(&self, whose: Option<&Calendar>, command: &str) -> Result<String, TestbedError> {
        Ok(self.ask_with(whose, &[command], "").await?.concat())
    }

    /// Gives cadaver commands, one after the other, with an event in the file `event.ics`. All are given also where nobody waits
    /// for the answers any more.
    async fn ask_with(
        &self,
        whose: Option<&Calendar>,
        commands: &[&str],
        event: &str,
    ) -> Result<Vec<String>, TestbedError> {
        let url = format!("{}/", self.server);
        let argv = ["sh", "-c", SCRIPT, "sh", MARK, &url, event];
        let argv = [argv.as_slice(), commands].concat();
        let output = self.session.other(&argv, login(whose).as_bytes()).await?;
        let printed = output.text().replace('\0', "") + &output.errors();
        let answers = printed.split(MARK).map(|answer| {
            let lines = answer
                .lines()
                .filter(|line| !line.starts_with("dav:") && !line.starts_with("Connection to"));
            lines.collect::<Vec<_>>().join("\n")
        });
        Ok(answers.collect())
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

    async fn collections(&self, calendars: &[Calendar]) -> Result<Check, TestbedError> {
        let names: Vec<&str> = calendars.iter().map(|it| it.user.as_str()).collect();
        let open = Open::new(
            SERVICE,
            "the office and each of the staff have a collection".to_owned(),
            self.asked("ls"),
            names.join(", "),
        );
        let listed = self.ask(None, "ls").await?;
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

    async fn strangers(&self, calendars: &[Calendar]) -> Result<Check, TestbedError> {
        let user = calendars.first().map_or("", |it| it.user.as_str());
        let command = format!("propget {user}/calendar");
        let open = Open::new(
            SERVICE,
            "a calendar is not shown without a password".to_owned(),
            self.asked(&command),
            "401 Unauthorized".to_owned(),
        );
        let printed = self.ask(None, &command).await?;
        let passed = !printed.contains("displayname") && printed.contains("uthenti");
        Ok(open.close(said(&printed), passed))
    }

    async fn properties(&self, calendar: &Calendar) -> Result<Check, TestbedError> {
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
        let printed = self.ask(Some(calendar), &command).await?;
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
    pub(super) async fn leave(&self, calendar: &Calendar, name: &str) -> Result<(), TestbedError> {
        let put = format!("put event.ics {}/calendar/{name}.ics", calendar.user);
        let event = event(name).1;
        self.ask_with(Some(calendar), &[&put], &event)
            .await
            .map(drop)
    }

    /// Reads the event of a name; the error is what came instead.
    pub(super) async fn read(
        &self,
        calendar: &Calendar,
        name: &str,
    ) -> Result<Result<String, String>, TestbedError> {
        let path = format!("{}/calendar/{name}.ics", calendar.user);
        let printed = self.ask(Some(calendar), &format!("cat {path}")).await?;
        // A refusal names the path, and so the event.
        let (summary, _) = event(name);
        Ok(if printed.contains(&summary) {
            Ok(summary)
        } else {
            Err(said(&printed))
        })
    }

    /// Stores an event, reads it back, removes it, and sees that it is gone.
    async fn event(&self, calendar: &Calendar) -> Result<Check, TestbedError> {
        let user = &calendar.user;
        let uid = self.uid();
        let (summary, event) = event(&uid);
        let path = self.path(user);
        let open = Open::new(
            SERVICE,
            format!("the calendar of {user} keeps an event until it is removed"),
            self.asked(&format!("put, cat, delete {user}/calendar/UID.ics")),
            format!("{summary}, then 404 Not Found"),
        );
        let (put, cat, delete) = (
            format!("put event.ics {path}"),
            format!("cat {path}"),
            format!("delete {path}"),
        );
        let commands = [put.as_str(), &cat, &delete, &cat];
        let answers = self.ask_with(Some(calendar), &commands, &event).await?;
        let answer = |at: usize| answers.get(at).map_or("", String::as_str);
        let (put, stored, deleted, after) = (answer(0), answer(1), answer(2), answer(3));
        let kept = stored.contains(&summary) && stored.contains(&format!("UID:{uid}"));
        let gone = after.contains("404 Not Found") && !after.contains(&summary);
        let came = match (kept, gone) {
            (true, true) => "as expected".to_owned(),
            (true, false) => format!("it stays: {}; {}", said(deleted), said(after)),
            (false, _) => format!("not stored: {}; {}", said(put), said(stored)),
        };
        Ok(open.close(came, kept && gone))
    }
}

/// Separates the answers to commands.
const MARK: &str = "@answered@\n";

/// Runs cadaver once for each command in a folder of its own, which has the login from standard input in the file from which
/// cadaver takes names and passwords (netrc(5)), and an event.
const SCRIPT: &str = r#"umask 077
HOME=$(mktemp -d) && cd "$HOME" || exit
export HOME
trap 'rm -rf "$HOME"' EXIT
cat >.netrc
mark=$1 url=$2
printf %s "$3" >event.ics
shift 3
for command; do
    printf '%s\nquit\n' "$command" | cadaver "$url" 2>&1
    printf '\n%s' "$mark"
done
"#;

/// Writes who asks; without a password nobody is named. The line break keeps the input from being empty, which would not be one.
fn login(whose: Option<&Calendar>) -> String {
    let whose = whose.and_then(|calendar| Some((&calendar.user, calendar.password.as_ref()?)));
    whose.map_or_else(
        || "\n".to_owned(),
        |(user, password)| format!("default login {user} password {}\n", password.expose()),
    )
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
