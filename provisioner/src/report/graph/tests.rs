use tasks::estate::Location;
use tasks::graph::{Graph, GraphHost};
use tasks::promise::{Need, NeedKind, Needed};

use super::folded::Folded;
use super::layout::{Layout, Rect};
use super::{Marks, Standing, dot, page, svg};

fn host(name: &str, location: Location) -> GraphHost {
    GraphHost {
        name: name.to_owned(),
        address: "10.0.0.1".to_owned(),
        location,
        release: "trixie".to_owned(),
        roles: vec!["mta".to_owned(), "site".to_owned()],
    }
}

fn need(host: &str, of: &str, kind: NeedKind) -> Need {
    Need {
        host: host.to_owned(),
        of: Needed::Host(of.to_owned()),
        kind,
        detail: "mta".to_owned(),
    }
}

/// A firm with a server of names and `others` hosts that ask it, in a chain of databases of three.
fn firm(others: usize) -> Graph {
    let mut hosts = vec![
        host("dns", Location::Internal),
        host("db", Location::External),
    ];
    let mut needs = vec![need("dns", "db", NeedKind::Database)];
    for number in 0..others {
        let name = format!("host{number:02}");
        needs.push(need(&name, "dns", NeedKind::Names));
        if number % 3 > 0 {
            let before = format!("host{:02}", number - 1);
            needs.push(need(&name, &before, NeedKind::Database));
        }
        let location = Location::EVERY[usize::from(number % 6 > 2)];
        hosts.push(host(&name, location));
    }
    needs.push(Need {
        of: Needed::Outside("9.9.9.9".to_owned()),
        ..need("dns", "", NeedKind::Names)
    });
    needs.sort();
    Graph {
        estate: "firm".to_owned(),
        network: Some("10.0.0.0/24".to_owned()),
        hosts,
        roles: vec![
            ("mta".to_owned(), "Mail.".to_owned()),
            ("site".to_owned(), "A site.".to_owned()),
        ],
        needs,
    }
}

fn overlap(one: &Rect, two: &Rect) -> bool {
    one.x < two.x + two.width
        && two.x < one.x + one.width
        && one.y < two.y + two.height
        && two.y < one.y + one.height
}

#[test]
fn no_box_hides_another_and_all_are_in_their_bands() {
    for others in [1, 13, 48] {
        let graph = firm(others);
        let layout = Layout::of(Folded::of(&graph));
        for (number, one) in layout.boxes.iter().enumerate() {
            let hidden = layout
                .boxes
                .iter()
                .skip(number + 1)
                .find(|two| overlap(one, two));
            assert_eq!(hidden, None, "{others} hosts: box {number}");
            let location = layout.folded.location(number);
            let band = layout
                .bands
                .iter()
                .find(|band| band.location == location)
                .unwrap()
                .rect;
            assert!(
                one.x >= band.x && one.x + one.width <= band.x + band.width,
                "{number}"
            );
            assert!(
                one.y >= band.y && one.y + one.height <= band.y + band.height,
                "{number}"
            );
        }
        assert!(layout.width < 1400.0, "{others} hosts: {}", layout.width);
    }
}

#[test]
fn what_many_hosts_rely_on_is_said_in_words_and_nothing_is_left_out() {
    let graph = firm(48);
    let folded = Folded::of(&graph);
    let words: Vec<_> = folded.stars.iter().map(|star| folded.words(star)).collect();
    assert_eq!(words, ["DNS for all 24 internal", "DNS for 24 external"]);
    let said: usize = folded.stars.iter().map(|star| star.others.len()).sum();
    assert_eq!(said + folded.edges.len(), graph.needs.len());
    let few = firm(2);
    assert_eq!(Folded::of(&few).stars, []);
}

#[test]
fn a_picture_is_the_same_each_time() {
    let graph = firm(48);
    let first = svg(&graph, &Marks::default());
    for _ in 0..5 {
        assert_eq!(svg(&graph, &Marks::default()), first);
    }
}

#[test]
fn names_of_others_are_text_in_every_form() {
    let hostile = "</title><script>alert(1)</script>\"];x->y[label=\"\\\"\n\u{202e}&";
    let mut graph = firm(2);
    graph.estate = hostile.to_owned();
    graph.hosts[0].name = hostile.to_owned();
    graph.hosts[0].roles = vec![hostile.to_owned()];
    graph.roles = vec![(hostile.to_owned(), hostile.to_owned())];
    for need in &mut graph.needs {
        need.detail = hostile.to_owned();
        need.host = hostile.to_owned();
    }
    graph.needs[0].of = Needed::Outside(hostile.to_owned());
    let marks = Marks {
        host_base: Some("#host-".to_owned()),
        role_base: Some("#role-".to_owned()),
        ..Marks::default()
    };
    for text in [svg(&graph, &marks), page(&graph, None)] {
        assert!(!text.contains("<script>alert"), "{text}");
        assert!(!text.contains("\"];x"), "{text}");
        assert!(!text.contains('\u{202e}'), "{text}");
    }
    let text = dot(&graph, &marks);
    // Without what is escaped, quotes come in pairs, and what is between them has none.
    let bare = text.replace("\\\\", "").replace("\\\"", "");
    for line in bare.lines() {
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        let outside: String = line.split('"').step_by(2).collect();
        assert!(!outside.contains("alert"), "{line}");
        assert!(!outside.contains("x->y"), "{line}");
    }
    assert!(!text.contains('\u{202e}'), "{text}");
}

#[test]
fn hosts_that_failed_are_told_by_more_than_a_colour() {
    let graph = firm(2);
    let mut marks = Marks::default();
    marks.standing.insert("dns".to_owned(), Standing::Bad);
    marks.standing.insert("db".to_owned(), Standing::Good);
    let text = svg(&graph, &marks);
    assert!(text.contains("✗ dns"), "{text}");
    assert!(text.contains("✓ db"), "{text}");
    assert!(
        !text.contains("✓ host00") && !text.contains("✗ host00"),
        "{text}"
    );
}

#[test]
fn a_drawing_has_places_and_titles() {
    let text = svg(&firm(2), &Marks::default());
    let (_, drawing) = text.split_once("</style>").unwrap();
    insta::assert_snapshot!("svg", drawing.replace("><", ">\n<"));
}

#[test]
fn other_programs_get_every_need() {
    insta::assert_snapshot!("dot", dot(&firm(2), &Marks::default()));
}
