//! Calendars on a CalDAV server.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use quick_xml::escape::partial_escape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Former, Manage, Resource, checked, invalid};
use crate::Secret;
use crate::content::{Content, Segment};
use crate::plan::{Action, Change, Deferral, Planned, Reason};
use crate::probe::{
    Becomes, CalendarFact, CalendarRequest, Effect, Facts, NotAsked, Query, ServiceManager,
};
use crate::push;
use crate::quote::{self, Inexpressible};
use crate::step::Run;
use crate::value::{HttpUrl, ServiceName};

/// Manages that a calendar exists on a CalDAV server (RFC 4791), and nothing more: it is made once, with these
/// properties, and never touched again, because from then on it is its user's.
///
/// Asks the server from the host itself with curl(1), which must be installed there: PROPFIND, Depth 0. Makes the
/// calendar with MKCALENDAR in the name of the user; servers such as Radicale make the user's collection at that moment.
/// Without a password the server is taken to be open: it is asked without a name, and the calendar is made with an
/// empty password. Where the server does not answer the calendar is deferred. A server that has just been started takes a
/// moment; if `service` says which one it is, it is waited for.
///
/// ```yaml
/// caldav_calendar: {url: "http://localhost:5232/office/calendar/", user: office, display_name: Office}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct CaldavCalendar {
    /// Address of the calendar's collection; what is special in names is percent-encoded.
    pub url: HttpUrl,
    /// Name of the user who owns it.
    pub user: String,
    /// The user's password; none where the server is open.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Name that programs show; the server's own choice when empty.
    #[serde(default)]
    pub display_name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Colour, as `#rrggbb` or `#rrggbbaa`; the server's own choice when empty.
    #[serde(default)]
    pub color: String,
    /// The service on this host that answers at the address, if it is one.
    #[serde(default)]
    pub service: Option<ServiceName>,
    /// What may be in it.
    #[serde(default = "events")]
    pub components: BTreeSet<Component>,
}

checked!(CaldavCalendar);

/// What may be in a calendar (RFC 5545, section 3.6).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Component {
    /// Events.
    #[serde(rename = "VEVENT")]
    Event,
    /// Entries of a journal.
    #[serde(rename = "VJOURNAL")]
    Journal,
    /// Things to do.
    #[serde(rename = "VTODO")]
    Todo,
}

impl Component {
    /// Lists all.
    pub const EVERY: [Self; 3] = [Self::Event, Self::Journal, Self::Todo];

    /// Gives the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "VEVENT",
            Self::Journal => "VJOURNAL",
            Self::Todo => "VTODO",
        }
    }
}

fn events() -> BTreeSet<Component> {
    [Component::Event].into()
}

/// What RFC 3986 does not call unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Encodes a name for a part of an address: everything but what RFC 3986 calls unreserved.
#[must_use]
pub fn percent_encoded(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

impl CaldavCalendar {
    /// Describes a calendar of events on an open server.
    pub fn new(url: HttpUrl, user: impl Into<String>) -> Self {
        Self {
            url,
            user: user.into(),
            password: None,
            display_name: String::new(),
            description: String::new(),
            color: String::new(),
            service: None,
            components: events(),
        }
    }

    /// Writes the body of MKCALENDAR (RFC 4791, section 5.3.1).
    fn body(&self) -> String {
        let mut properties = String::new();
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                let value = partial_escape(value);
                push!(properties, "<{name}>{value}</{name}>");
            }
        };
        add("D:displayname", &self.display_name);
        add("C:calendar-description", &self.description);
        add("A:calendar-color", &self.color);
        let mut components = String::new();
        for component in &self.components {
            push!(components, "<C:comp name=\"{}\"/>", component.name());
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
             xmlns:A=\"http://apple.com/ns/ical/\"><D:set><D:prop>{properties}\
             <C:supported-calendar-component-set>{components}</C:supported-calendar-component-set>\
             </D:prop></D:set></C:mkcalendar>"
        )
    }

    /// Makes the calendar. Everything travels on curl's standard input, in the form of its configuration file.
    fn make(&self) -> Result<Run, Inexpressible> {
        let password = self.password.clone().unwrap_or_default();
        let login =
            password.try_map(|password| quote::curl(&format!("{}:{password}", self.user)))?;
        let login = match &self.password {
            Some(_) => Segment::Secret(login),
            None => Segment::Plain(login.expose().to_owned()),
        };
        let configuration = Content::of(vec![
            Segment::Plain(format!(
                "url = {}\nuser = ",
                quote::curl(self.url.as_str())?
            )),
            login,
            Segment::Plain(format!(
                "\nrequest = \"MKCALENDAR\"\nheader = \"Content-Type: application/xml; charset=utf-8\"\n\
                 data-binary = {}\nfail-with-body\nsilent\nshow-error\nnoproxy = \"*\"\n\
                 connect-timeout = 10\nmax-time = 60\n",
                quote::curl(&self.body())?
            )),
        ]);
        let run = Run::new(["curl", "-q", "-K", "-"]).stdin(configuration);
        let becomes = Becomes(self.url.clone(), CalendarFact::Present);
        Ok(run.effect(Effect::Calendar(becomes)))
    }

    fn create(&self) -> Planned {
        match self.make() {
            Ok(run) => Change::new(Action::Create, vec![Reason::Missing], vec![run.into()])
                .detail(&self.description)
                .into(),
            Err(problem) => invalid(&problem.to_string()),
        }
    }
}

impl Manage for CaldavCalendar {
    fn kind(&self) -> &'static str {
        "caldav_calendar"
    }

    fn id(&self) -> String {
        self.url.to_string()
    }

    fn asks_server(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), String> {
        let password = self.password.as_ref().map_or("", Secret::expose);
        let texts = [&self.user, &self.display_name, &self.description];
        if texts.iter().any(|text| text.contains(char::is_control)) {
            return Err("user, display_name and description are single lines".to_owned());
        }
        if password.contains(char::is_control) {
            return Err("the password has a control character".to_owned());
        }
        // HTTP's Basic authentication ends the name there (RFC 7617).
        if self.user.is_empty() || self.user.contains(':') {
            return Err(format!(
                "{:?} is not the name of a user; it is empty or has a colon",
                self.user
            ));
        }
        let digits = self.color.strip_prefix('#').unwrap_or_default();
        let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let colour = [6, 8].contains(&digits.len()) && hexadecimal;
        if !(self.color.is_empty() || colour) {
            return Err(format!(
                "'{}' is not a colour; write it as #rrggbb or #rrggbbaa",
                self.color
            ));
        }
        if self.url.as_str().contains('?') {
            return Err("the address of a calendar has no query".to_owned());
        }
        if self.components.is_empty() {
            return Err("a calendar needs at least one of the components".to_owned());
        }
        Ok(())
    }

    fn probe(&self) -> Vec<Query> {
        if self.check().is_err() {
            return Vec::new();
        }
        let login = self.password.as_ref();
        vec![Query::Calendar(CalendarRequest {
            url: self.url.clone(),
            // Only with a password: to ask in somebody's name would make an open server make that user's collection.
            service: self.service.clone(),
            login: login.map(|password| (self.user.clone(), password.clone())),
        })]
    }

    fn plan(&self, facts: &Facts) -> Result<Planned, NotAsked> {
        Ok(match (facts.calendar(&self.url)?, facts.manager) {
            (CalendarFact::Present, _) => Planned::Unchanged,
            (CalendarFact::Missing, _) => self.create(),
            // A server that is about to be installed has no calendars.
            (CalendarFact::Unreachable(_), ServiceManager::Systemd) if !facts.coming.is_empty() => {
                self.create()
            }
            (CalendarFact::Unreachable(_), ServiceManager::None) => {
                Planned::Deferred(Deferral::NoCalendarServer)
            }
            // None of these is impossible: what comes before the calendar may be what sets it right.
            (CalendarFact::Unreachable(why), ServiceManager::Systemd | ServiceManager::Runit) => {
                Planned::Deferred(Deferral::CalendarServerSilent(why.clone()))
            }
            (CalendarFact::Refused(status), _) => {
                Planned::Deferred(Deferral::CalendarServerRefuses {
                    user: self.user.clone(),
                    status: *status,
                })
            }
            (CalendarFact::Failed(status), _) => {
                Planned::Deferred(Deferral::CalendarServerFails(*status))
            }
        })
    }

    fn secrets(&self) -> Vec<Secret> {
        self.password.iter().cloned().collect()
    }

    fn former(&self, _: &Facts, _: &Facts) -> Result<Former, NotAsked> {
        Ok(Former::stays("databases and data are never undone"))
    }

    fn absent(&self) -> Option<Resource> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_an_address() {
        assert_eq!(
            percent_encoded("user1fname.user1lname"),
            "user1fname.user1lname"
        );
        assert_eq!(percent_encoded("a@b c/ä"), "a%40b%20c%2F%C3%A4");
    }

    #[test]
    fn texts_cannot_leave_their_place_in_the_request() {
        let url = HttpUrl::new("http://localhost:5232/x/calendar/").unwrap();
        let mut calendar = CaldavCalendar::new(url, "x\"y\\");
        calendar.description = "<&> \"quoted\"".to_owned();
        let stdin = calendar.make().unwrap().stdin.unwrap().expose();
        assert!(stdin.contains("user = \"x\\\"y\\\\:\"\n"), "{stdin}");
        assert!(
            stdin.contains("<C:calendar-description>&lt;&amp;&gt; \\\"quoted\\\"</C:"),
            "{stdin}"
        );
    }

    #[test]
    fn a_password_is_in_the_secret_part_of_the_input_alone() {
        let url = HttpUrl::new("http://localhost:5232/x/calendar/").unwrap();
        let mut calendar = CaldavCalendar::new(url, "x");
        calendar.password = Some(Secret::new("hunter2"));
        let run = calendar.make().unwrap();
        assert!(!run.argv.concat().contains("hunter2"));
        let stdin = run.stdin.unwrap();
        assert!(!stdin.masked().contains("hunter2"), "{}", stdin.masked());
        assert!(stdin.expose().contains("user = \"x:hunter2\"\n"));
    }
}
