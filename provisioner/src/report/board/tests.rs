use super::*;
use crate::engine::{Failure, HostOutcome};

const SIZES: [(usize, usize); 6] = [(8, 3), (12, 5), (40, 12), (80, 24), (200, 50), (80, 2)];

fn size((columns, rows): (usize, usize)) -> Size {
    Size { columns, rows }
}

fn changing(number: usize, planned: usize, what: &str) -> Event {
    Event::Changing {
        number,
        planned,
        what: what.to_owned(),
    }
}

fn finished(host: &str, failed: bool) -> Event {
    let mut outcome = HostOutcome::new(host);
    outcome.failed = failed.then(|| Failure::new("it broke", "mend it"));
    Event::Finished(Box::new(outcome))
}

/// A run of three hosts: one installs packages, one writes a file with a wide name, one has only begun.
fn board(now: Instant) -> Board {
    let mut board = Board::new(Some(5), now);
    board.take("web1", &changing(12, 40, "packages nginx php-fpm"), now);
    board.take(
        "web1",
        &Event::Said("Unpacking php8.4-fpm (8.4.1-1) ...".to_owned()),
        now,
    );
    board.take(
        "日本-host",
        &changing(3, 4, "file /etc/日本語/設定.conf"),
        now,
    );
    board.take(
        "database-internal",
        &Event::Doing("looking at 10.0.0.7".to_owned()),
        now,
    );
    board.take("dns", &Event::Doing("looking at 10.0.0.2".to_owned()), now);
    board.take("dns", &finished("dns", true), now);
    board
}

fn plain(lines: &[String]) -> Vec<String> {
    let lines = lines.iter();
    lines
        .map(|line| anstream::adapter::strip_str(line).to_string())
        .collect()
}

fn at(columns: usize, rows: usize) -> String {
    let now = Instant::now();
    let later = now + Duration::from_secs(72);
    plain(&board(now).lines(later, size((columns, rows)))).join("\n")
}

#[test]
fn lines_for_terminals_of_all_widths() {
    insta::assert_snapshot!("board_40", at(40, 24));
    insta::assert_snapshot!("board_80", at(80, 24));
    insta::assert_snapshot!("board_200", at(200, 50));
}

#[test]
fn no_line_is_as_wide_as_the_terminal_and_rows_are_left() {
    let now = Instant::now();
    for hosts in [1, 3, 100] {
        let mut board = board(now);
        for number in 0..hosts {
            let name = format!("host-with-a-long-name-{number}");
            board.take(
                &name,
                &changing(1, 1000 + number, "file /a/very/long/path/to/a/file"),
                now,
            );
            board.take(&name, &Event::Said("日本語".repeat(50)), now);
        }
        for (columns, rows) in SIZES {
            let lines = plain(&board.lines(now, size((columns, rows))));
            assert!(
                lines.len() < rows,
                "{hosts} hosts in {rows} rows: {lines:?}"
            );
            for line in &lines {
                assert!(width(line) < columns, "{columns} columns: {line:?}");
            }
        }
    }
}

#[test]
fn of_more_hosts_than_rows_the_busiest_are_shown_and_the_rest_is_counted() {
    let now = Instant::now();
    let mut board = Board::new(Some(30), now);
    for number in 0..20 {
        let name = format!("idle{number:02}");
        board.take(&name, &Event::Doing("looking".to_owned()), now);
    }
    let first = plain(&board.lines(now, size((80, 16))));
    assert_eq!(first.len(), 8);
    assert_eq!(first[7], " … and 14 more at work");
    for number in 0..10 {
        board.take(
            &format!("busy{number}"),
            &changing(1, number + 1, "file /x"),
            now,
        );
    }
    let names = |board: &mut Board| {
        let lines = plain(&board.lines(now, size((80, 16))));
        let names = lines[1..7]
            .iter()
            .map(|line| line.split_whitespace().next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(
        names(&mut board),
        ["busy4", "busy5", "busy6", "busy7", "busy8", "busy9"]
    );
    // Who has a line keeps it while another becomes busier.
    board.take("busy0", &changing(1, 500, "file /x"), now);
    assert_eq!(
        names(&mut board),
        ["busy4", "busy5", "busy6", "busy7", "busy8", "busy9"]
    );
    board.take("busy6", &finished("busy6", false), now);
    assert_eq!(
        names(&mut board),
        ["busy0", "busy4", "busy5", "busy7", "busy8", "busy9"]
    );
}

#[test]
fn what_hosts_say_cannot_draw() {
    let now = Instant::now();
    let mut board = Board::new(None, now);
    board.take(
        "a\u{1b}[2J",
        &Event::Doing("b\u{1b}]0;x\u{7}".to_owned()),
        now,
    );
    board.take(
        "a\u{1b}[2J",
        &Event::Said("c\u{202e}\u{9b}2J".to_owned()),
        now,
    );
    let text = board.lines(now, size((200, 24))).join("\n");
    let text = anstream::adapter::strip_str(&text).to_string();
    for written in ["a\\u{1b}[2J", "b\\u{1b}]0;x\\u{7}", "c\\u{202e}\\u{9b}2J"] {
        assert!(text.contains(written), "{text}");
    }
}

#[test]
fn a_new_step_has_said_nothing_yet_and_begins_now() {
    let now = Instant::now();
    let mut board = board(now);
    let later = now + Duration::from_secs(60);
    board.take(
        "web1",
        &changing(13, 40, "file /etc/nginx/nginx.conf"),
        later,
    );
    let text = plain(&board.lines(later, size((200, 24)))).join("\n");
    assert!(!text.contains("Unpacking"), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("nginx.conf"))
        .unwrap();
    assert!(line.contains(" 13/40  0:00  "), "{line}");
}
