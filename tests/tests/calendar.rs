//! Radicale: calendars are made once and then belong to their users; what keeps them from being made is said.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use end_to_end::{Estate, secret};

const OFFICE: &str = "caldav_calendar http://127.0.0.1:5232/office/calendar/";
const STAFF: &str = "caldav_calendar http://127.0.0.1:5232/first.last/calendar/";
const PROPERTIES: &str =
    "/var/lib/radicale/collections/collection-root/office/calendar/.Radicale.props";

/// An estate whose only host has calendars, in test mode; nothing is completed yet.
fn calendars(variables: &str) -> Estate {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {calendar: [one]}\n");
    estate.write("groups/all.yml", "office_users: [first.last]\n");
    estate.write("hosts/one.private.yml", variables);
    estate.deploy();
    let applied = estate.prov(["--output", "json", "apply"]).run();
    applied.exits(0);
    let deferred = applied.host("one")["deferred"].as_array().unwrap().len();
    assert_eq!(deferred, 3, "{}", applied.told());
    estate.prov(["test"]).run().exits(0);
    estate
}

/// Sends a request to Radicale from its own host; gives the HTTP status.
fn request(estate: &Estate, arguments: &str, path: &str) -> String {
    let status = estate.on(
        "one",
        &format!(
            "curl -s -o /dev/null -w '%{{http_code}}' {arguments} http://127.0.0.1:5232{path}"
        ),
    );
    status.trim().to_owned()
}

#[test]
fn a_calendar_is_made_once_and_belongs_to_its_user_then() {
    let estate = calendars("calendar_access: open\n");
    a_server_that_does_not_answer_is_said_and_the_next_run_completes(&estate);
    let colour = "grep -q 2c8323ff";
    assert!(estate.holds("one", &format!("{colour} {PROPERTIES}")));

    let edit = "<?xml version='1.0'?><propertyupdate xmlns='DAV:' xmlns:A='http://apple.com/ns/ical/'><set><prop>\
                <displayname>Ours</displayname><A:calendar-color>#000000ff</A:calendar-color></prop></set>\
                </propertyupdate>";
    let arguments = format!("-X PROPPATCH --data-binary \"{edit}\"");
    assert_eq!(request(&estate, &arguments, "/office/calendar/"), "207");
    let again = estate.prov(["--output", "json", "complete"]).run();
    again.unchanged("one");
    assert!(estate.holds("one", &format!("grep -q Ours {PROPERTIES}")));
    assert!(!estate.holds("one", &format!("{colour} {PROPERTIES}")));

    // One that its user has removed is made anew, and only that.
    assert_eq!(
        request(&estate, "-X DELETE", "/first.last/calendar/"),
        "200"
    );
    let complete = ["--output", "json", "-vv", "complete"];
    let ran = estate.prov(complete).run();
    ran.as_the_model().changed("one", &[STAFF]);
    assert!(estate.holds("one", &format!("grep -q Ours {PROPERTIES}")));

    a_configuration_that_radicale_refuses_is_put_back(&estate);
}

/// To another prov the host is a server and a vantage point: an event is stored in the calendar that is marked for it alone.
fn the_same_is_seen_on_a_server(estate: &Estate, password: &str) {
    let servers = estate.seen_from(&[("one", "one")]);
    estate.on("one", "echo 127.0.0.1 caldav one >>/etc/hosts");
    let text = std::fs::read_to_string(servers.path("estate/estate.yml")).unwrap();
    servers.write(
        "estate.yml",
        &format!("{text}services: {{calendar: [one]}}\nverify: {{calendars: [office]}}\n"),
    );
    let verify = |arguments: &[&str], code: i32| {
        let ran = servers.prov(["verify"]).args(arguments).run();
        ran.exits(code).never_says(password);
        ran
    };
    verify(&[], 0)
        .says("not shown without a password")
        .says("not checked calendar  1 check would write: name the service or use --all")
        .says("1 check would write, and the estate marks nothing there");
    verify(&["--all"], 0).says("the calendar of office keeps an event until it is removed");
    // Radicale remembers for a while that something was there.
    let events =
        "find /var/lib/radicale/collections -name '*prov-verify*' -not -path '*/.Radicale.cache/*'";
    let named = verify(&["calendar"], 0);
    named
        .says("the calendar of office has its properties")
        .never_says("the calendar of first.last keeps");
    assert_eq!(estate.on("one", events), "");

    // What cannot be stored is seen, and nothing of it is left.
    let folder = "/var/lib/radicale/collections/collection-root/office/calendar";
    estate.on(
        "one",
        &format!("chown -R root {folder}; chmod 555 {folder}"),
    );
    verify(&["calendar"], 1).says("FAIL calendar the calendar of office keeps an event");
    estate.on(
        "one",
        &format!("chown -R radicale {folder}; chmod 755 {folder}"),
    );
    verify(&["calendar"], 0);
    assert_eq!(estate.on("one", events), "");
    assert_eq!(estate.on("one", "ls -d /tmp/tmp.* 2>/dev/null || true"), "");
}

fn a_server_that_does_not_answer_is_said_and_the_next_run_completes(estate: &Estate) {
    // It listens elsewhere, which the run sets right only at its end.
    estate.on(
        "one",
        "sed -i 's/^hosts = .*/hosts = 0.0.0.0:5999/' /etc/radicale/config; sv restart radicale",
    );
    let ran = estate.prov(["complete"]).run();
    ran.exits(1)
        .says("the CalDAV server does not answer")
        .says("see why in its log");
    let ran = estate.prov(["--output", "json", "complete"]).run();
    ran.exits(0).changed("one", &[OFFICE, STAFF]);
    let again = estate.prov(["--output", "json", "complete"]).run();
    again.unchanged("one");
}

fn a_configuration_that_radicale_refuses_is_put_back(estate: &Estate) {
    estate.write(
        "templates/calendar/config",
        "[server]\nhosts = {{ hosts | join(sep=\", \") }}\n[auth]\ntype = nonsense\n",
    );
    let ran = estate.prov(["--output", "json", "apply"]).run();
    ran.exits(1).failed("one", &["nonsense"]);
    assert!(estate.holds("one", "grep -q 'type = none$' /etc/radicale/config"));
    assert_eq!(request(estate, "-X PROPFIND", "/office/calendar/"), "207");
}

#[test]
fn passwords_are_asked_for_and_shown_nowhere() {
    let (office, staff) = (secret(), secret());
    let estate = calendars(&format!(
        "calendar_users: {{office: '{office}', first.last: '{staff}'}}\n"
    ));
    let ran = estate.prov(["--output", "json", "complete"]).run();
    ran.exits(0).changed("one", &[OFFICE, STAFF]);
    ran.never_says(&office).never_says(&staff);
    let again = estate.prov(["complete", "-vv"]).run();
    again.exits(0).says("up to date").never_says(&office);

    let propfind = |login: &str, path: &str| {
        let login = if login.is_empty() {
            String::new()
        } else {
            format!("-u '{login}'")
        };
        request(&estate, &format!("-X PROPFIND {login}"), path)
    };
    assert_eq!(propfind("", "/office/calendar/"), "401");
    assert_eq!(propfind("first.last:wrong", "/office/calendar/"), "401");
    let known = format!("first.last:{staff}");
    assert_eq!(propfind(&known, "/first.last/calendar/"), "207");
    // The office's calendar is everybody's; a colleague's is not.
    assert_eq!(propfind(&known, "/office/calendar/"), "207");
    let other = format!("office:{office}");
    assert_eq!(propfind(&other, "/first.last/calendar/"), "403");

    the_same_is_seen_on_a_server(&estate, &office);

    // A new password takes one run, though nobody can log in with it before.
    let news = secret();
    estate.write(
        "hosts/one.private.yml",
        &format!("calendar_users: {{office: '{news}', first.last: '{staff}'}}\n"),
    );
    let ran = estate.prov(["--output", "json", "complete"]).run();
    ran.exits(0).changed("one", &["file /etc/radicale/users"]);
    ran.never_says(&news).never_says(&office);
    let known = format!("office:{news}");
    assert_eq!(propfind(&known, "/office/calendar/"), "207");
    assert_eq!(propfind(&other, "/office/calendar/"), "401");
}
