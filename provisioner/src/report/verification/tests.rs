use super::*;
use crate::verify::Cell;
use tasks::estate::Location;
use tasks::graph::{Graph, GraphHost};

const ABOUT: About<'static> = About {
    estate: "docker",
    when: "2030-01-01 09:00:00 CET",
    elapsed: Duration::from_millis(1500),
    phases: &[("deploy", Duration::from_secs(61))],
    not_checked: &[],
    graph: None,
    members: &BTreeMap::new(),
};

fn check(service: &str, shows: &str, passed: bool) -> Check {
    Check {
        service: service.to_owned(),
        shows: shows.to_owned(),
        asked: "dig internal caldav".to_owned(),
        expected: "10.0.0.102".to_owned(),
        came: if passed { "10.0.0.102" } else { "no such name" }.to_owned(),
        passed,
        hosts: Vec::new(),
        elapsed: Duration::from_millis(120),
        cell: None,
        evidence: Vec::new(),
    }
}

fn render(checks: &[Check]) -> String {
    page::body(&page(&ABOUT, checks))
}

#[test]
fn what_failed_comes_first_and_its_evidence_is_open() {
    let mut name = check("dns", "caldav is known inside", false);
    name.evidence = vec![Evidence::text("what dig printed", "; NXDOMAIN\n\tline 2\n")];
    let mut flow = check("mail", "customer writes to home", true);
    flow.cell = Some(Cell::new("Mail from outside", "customer", "home"));
    let mut other = check("mail", "other writes to customer", false);
    other.cell = Some(Cell::new("Mail from outside", "other", "customer"));
    let mut web = check("web", "www.customer.com shows its title", true);
    let file = Some(".artefacts/docker-www.png".to_owned());
    web.evidence = vec![
        Evidence::text("what the server said", "HTTP/1.1 200 OK"),
        Evidence::png("www.customer.com in a browser", vec![0x89, b'P'], file),
    ];
    let known = check("dns", "mail-internal is known inside", true);
    insta::assert_snapshot!(render(&[known, name, flow, other, web]));
}

#[test]
fn nothing_that_a_host_says_becomes_a_part_of_the_page() {
    let hostile = "<script>alert(1)</script><img src=x onerror='a' \"b\">&amp;\u{1b}[2J\0";
    let mut checks = [check(hostile, hostile, false)];
    checks[0].asked = hostile.to_owned();
    checks[0].expected = hostile.to_owned();
    checks[0].came = hostile.to_owned();
    checks[0].cell = Some(Cell::new(hostile, hostile, hostile));
    checks[0].evidence = vec![
        Evidence::text(hostile, hostile),
        Evidence::png(hostile, vec![1], Some(hostile.to_owned())),
    ];
    let about = About {
        estate: hostile,
        when: hostile,
        ..ABOUT
    };
    let page = page(&about, &checks);
    let safe = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror='a' &quot;b&quot;&gt;&amp;amp;\\u{1b}[2J\\u{0}";
    for forbidden in ["<script>alert", "<img src=x", "\u{1b}", "\0"] {
        assert!(!page.contains(forbidden), "{forbidden:?} in {page}");
    }
    // Title, heading, time, link, table, checks, evidence: all of them show it.
    assert!(page.matches(safe).count() >= 15, "{page}");
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(&ABOUT, &[check("dns", "a", true)]);
    for outside in [
        "http:",
        "https:",
        "=\"//",
        "url(",
        "@import",
        "<link",
        "<script src",
    ] {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_run_without_checks_says_so() {
    assert!(render(&[]).contains("no checks were made"));
}

/// An estate of three hosts, and a service of two of them.
fn firm(first: &str) -> (Graph, BTreeMap<String, Vec<String>>) {
    let host = |name: &str| GraphHost {
        name: name.to_owned(),
        address: "10.0.0.1".to_owned(),
        location: Location::Internal,
        release: "trixie".to_owned(),
        roles: vec!["dns".to_owned()],
    };
    let graph = Graph {
        estate: "docker".to_owned(),
        network: None,
        hosts: vec![host(first), host("web1"), host("idle")],
        roles: Vec::new(),
        needs: Vec::new(),
    };
    let members = [("dns".to_owned(), vec![first.to_owned(), "web1".to_owned()])];
    (graph, members.into())
}

#[test]
fn the_estate_is_drawn_with_what_came_of_the_checks_of_each_host() {
    let (graph, members) = firm("ns1");
    let about = About {
        graph: Some(&graph),
        members: &members,
        ..ABOUT
    };
    let mut own = check("dns", "ns1 answers", false);
    own.hosts = vec!["ns1".to_owned()];
    let page = page(&about, &[own, check("dns", "the service is there", true)]);
    for shown in ["✗ ns1", "✓ web1", "#host-web1", "id=\"host-idle\""] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(
        !page.contains("✓ idle") && !page.contains("✗ idle"),
        "{page}"
    );
    assert!(page.contains("<tbody class=\"item\" data-service=\"dns\" data-hosts=\"ns1\">"));
    assert!(page.contains("<tbody class=\"item\" data-service=\"dns\" data-hosts=\"ns1 web1\">"));
    let options: Vec<_> = page.matches("<option ").collect();
    assert_eq!(
        options.len(),
        2 + 1 + 2,
        "two choices of all, a service, two hosts"
    );
}

#[test]
fn what_failed_is_shown_open_before_everything_else() {
    let page = page(
        &ABOUT,
        &[check("dns", "one", true), check("dns", "two", false)],
    );
    let main = page.split_once("<main>").unwrap().1;
    let open = "<details class=\"item again failed\" open data-service=\"dns\" data-hosts=\"\"><summary>dns: two</summary>";
    let (failed, passed) = (main.find(open), main.find(">pass<"));
    assert!(failed.unwrap() < passed.unwrap(), "{main}");
    assert_eq!(
        main.matches("details class=\"item again failed\"").count(),
        1
    );
}

#[test]
fn names_of_hosts_are_text_on_the_page_too() {
    let hostile = "\"><script>alert(1)</script>\u{202e}";
    let (graph, members) = firm(hostile);
    let about = About {
        graph: Some(&graph),
        members: &members,
        ..ABOUT
    };
    let page = page(&about, &[check("dns", "one", false)]);
    assert!(
        !page.contains("<script>alert") && !page.contains('\u{202e}'),
        "{page}"
    );
}
