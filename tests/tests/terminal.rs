//! What prov draws at a terminal while it works: at narrow and wide ones, at one whose size changes, at one that cannot draw, and
//! where no progress is wanted.

use end_to_end::{Estate, Prov};

/// What the step of these runs prints last for a while, longer than most terminals are wide.
const SAID: &str = "Unpacking something-with-a-long-name (1.2.3-4+deb13u5) over (1.2.3-3) and what goes with it, which nobody can see to its end";

/// Begins the drawing of lines, and ends it.
const FRAME: (&str, &str) = ("\u{1b}[?7l", "\u{1b}[?7h");

/// Runs a step of so many seconds that prints something. What it prints is seen every two seconds at most.
fn step(estate: &Estate, name: &str, seconds: u32) -> Prov {
    let script = format!("echo '{SAID}'; sleep {seconds}; touch /root/{name}");
    estate.prov([
        "task",
        "command",
        &format!("argv=[sh, -c, \"{script}\"]"),
        &format!("creates=/root/{name}"),
    ])
}

/// Takes out what moves the cursor and what colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, sequence)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = sequence.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &sequence[end + 1..]);
    }
    plain + rest
}

/// Gives what was drawn each time, line by line.
fn frames(output: &str) -> Vec<Vec<String>> {
    let frames = output.split(FRAME.0).skip(1);
    let frames = frames.filter_map(|frame| Some(frame.split_once(FRAME.1)?.0));
    let lines = |frame: &str| {
        let lines = frame.split("\u{1b}[K");
        let lines = lines.map(|line| plain(line).trim_matches(['\r', '\n']).to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    frames.map(lines).collect()
}

fn widest(frames: &[Vec<String>]) -> usize {
    let widths = frames.iter().flatten().map(|line| line.chars().count());
    widths.max().unwrap_or_default()
}

/// Gives what stays on the screen.
fn what_stays(output: &str) -> String {
    let end = output.rsplit_once(FRAME.1).map_or(output, |(_, end)| end);
    assert!(
        end.starts_with("\r\u{1b}[J"),
        "the lines are not taken away: {end:?}"
    );
    plain(end)
}

#[test]
fn lines_fit_the_terminal_and_are_taken_away() {
    let estate = Estate::deployed(&["one"]);
    for columns in [40_u16, 80, 200] {
        let ran = step(&estate, &columns.to_string(), 6);
        let ran = ran.at_terminal(columns, ":").run();
        ran.exits(0);
        let frames = frames(&ran.stdout);
        let all = frames.concat().join("\n");
        assert!(widest(&frames) < usize::from(columns), "{all}");
        let seen = if columns > 40 { "Unpacking" } else { "command" };
        for word in [seen, "one"] {
            assert!(
                all.contains(word),
                "no '{word}' at {columns} columns:\n{all}"
            );
        }
        assert_eq!(all.contains(SAID), columns == 200, "{all}");
        assert!(
            what_stays(&ran.stdout).contains("1 host: 1 changed."),
            "{ran:?}"
        );
    }
    the_terminal_becomes_narrow(&estate);
    nothing_is_drawn_where_that_is_not_wanted(&estate);
}

fn the_terminal_becomes_narrow(estate: &Estate) {
    let ran = step(estate, "resized", 18);
    let ran = ran
        .at_terminal(100, "sleep 10; stty -F /dev/tty cols 44")
        .run();
    ran.exits(0);
    let frames = frames(&ran.stdout);
    let narrow = frames
        .iter()
        .rposition(|frame| widest(std::slice::from_ref(frame)) >= 44);
    let narrow = narrow.map_or(0, |at| at + 1);
    assert!(
        (1..frames.len()).contains(&narrow),
        "{narrow} of {} frames were for 100 columns: {frames:#?}",
        frames.len()
    );
    assert!(
        what_stays(&ran.stdout).contains("1 host: 1 changed."),
        "{ran:?}"
    );
}

fn nothing_is_drawn_where_that_is_not_wanted(estate: &Estate) {
    let dumb = step(estate, "dumb", 3)
        .env("TERM", "dumb")
        .at_terminal(80, ":")
        .run();
    dumb.exits(0)
        .says("1 host: 1 changed.")
        .never_says("\u{1b}[?7l");
    let quiet = step(estate, "quiet", 3)
        .args(["--quiet"])
        .at_terminal(80, ":")
        .run();
    quiet
        .exits(0)
        .says("1 host: 1 changed.")
        .never_says("\u{1b}[?7l");
    let build = step(estate, "build", 3)
        .at_terminal(80, ":")
        .env("CI", "true")
        .run();
    build
        .exits(0)
        .says("1 host: 1 changed.")
        .never_says("\u{1b}[?7l");
}
