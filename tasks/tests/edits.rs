//! What holds for any file that `line`, `block` and `replace` edit: planning again after an edit changes nothing, and
//! what is not edited stays as it is, byte for byte.

#![expect(
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use proptest::prelude::*;
use tasks::content::Content;
use tasks::pattern::{LinePattern, Replacement, TextPattern};
use tasks::plan::Planned;
use tasks::probe::{Attributes, Facts, FileFact, PathFact};
use tasks::resource::{Anchor, Block, Line, Manage, Replace, State};
use tasks::value::{HostPath, Mode};

fn path() -> HostPath {
    HostPath::new("/etc/x").expect("a path")
}

fn host(text: &str, mode: u32) -> Facts {
    let attributes = Attributes::new("root", "root", Mode::new(mode));
    let mut facts = Facts::default();
    let file = FileFact::of(attributes, text.as_bytes());
    facts.paths.insert(path(), PathFact::File(file));
    facts
}

fn text_of(facts: &Facts) -> String {
    match facts.paths.get(&path()) {
        Some(PathFact::File(file)) => {
            let body = file.body.as_ref().expect("a body");
            body.text().expect("text").to_owned()
        }
        other => panic!("{other:?}"),
    }
}

/// Plans, applies and plans again; gives the text afterwards, or nothing where the resource refuses.
fn settle(resource: &dyn Manage, before: &str, mode: u32) -> Option<String> {
    let mut facts = host(before, mode);
    match resource.plan(&facts).expect("asks for what it needs") {
        Planned::Unchanged => return Some(before.to_owned()),
        Planned::Refused { .. } | Planned::Impossible { .. } => return None,
        Planned::Change(change) => {
            for step in &change.steps {
                facts.apply(step);
            }
        }
        other => panic!("{other:?}"),
    }
    let after = text_of(&facts);
    let again = resource.plan(&facts).expect("asks for what it needs");
    assert_eq!(again, Planned::Unchanged, "{before:?} became {after:?}");
    assert_ne!(before, after, "a change that changes nothing");
    Some(after)
}

/// Splits a text into lines without their endings.
fn lines(text: &str) -> Vec<&str> {
    text.split_terminator('\n')
        .map(|line| line.trim_end_matches('\r'))
        .collect()
}

fn file() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("a"),
        Just("b"),
        Just("ab"),
        Just(" "),
        Just("ü"),
        Just("世"),
        Just("."),
        Just("*"),
        Just("["),
        Just("\\"),
        Just("$"),
        Just("^"),
        Just("# BEGIN PROV MANAGED BLOCK\n"),
        Just("# END PROV MANAGED BLOCK\n"),
    ];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn words() -> impl Strategy<Value = String> {
    "[ab .*$^\\[\\\\ü世]{0,6}"
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("^a"),
        Just("b$"),
        Just("a|ü"),
        Just("(a)(b)?"),
        Just("^(.*)$"),
        Just("世"),
        Just(r"\."),
        Just(""),
        Just("x"),
        Just(r"\s"),
        Just("(?s)a.*b"),
        Just("a*"),
    ]
    .prop_map(str::to_owned)
}

fn anchor() -> impl Strategy<Value = Option<Anchor>> {
    prop_oneof![
        Just(None),
        Just(Some("BOF".to_owned())),
        Just(Some("EOF".to_owned())),
        pattern().prop_map(Some),
    ]
    .prop_map(|anchor| anchor.map(|text| Anchor::try_from(text).expect("an anchor")))
}

fn mode() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0o644), Just(0o600)]
}

proptest! {
    #[test]
    fn a_line_settles_and_leaves_all_others_alone(
        before in file(), line in words(), regexp in proptest::option::of(pattern()), first in any::<bool>(),
        anchor in anchor(), is_after in any::<bool>(), mode in mode(),
    ) {
        let mut resource = Line::new(path(), Content::plain(line.as_str()));
        resource.regexp = regexp.map(|text| LinePattern::new(text).expect("a pattern"));
        resource.first_match = first;
        if is_after {
            resource.insert_after = anchor;
        } else {
            resource.insert_before = anchor;
        }
        if let Some(after) = settle(&resource, &before, mode) {
            let (mut old, mut new) = (lines(&before), lines(&after));
            prop_assert!(new.contains(&line.as_str()));
            // All but one line, on either side, are those that were there.
            while !old.is_empty() && old.first() == new.first() {
                old.remove(0);
                new.remove(0);
            }
            while !old.is_empty() && old.last() == new.last() {
                old.pop();
                new.pop();
            }
            prop_assert!(old.len() <= 1 && new.len() <= 1, "{before:?} became {after:?}");
        }
    }

    #[test]
    fn an_absent_line_is_gone_and_all_others_stay(before in file(), line in words()) {
        let mut resource = Line::new(path(), Content::plain(line.as_str()));
        resource.state = State::Absent;
        let Some(after) = settle(&resource, &before, 0o644) else {
            prop_assert!(before.replace("\r\n", "").contains('\r'));
            return Ok(());
        };
        let kept: Vec<_> = lines(&before).into_iter().filter(|have| *have != line).collect();
        prop_assert_eq!(lines(&after), kept);
    }

    #[test]
    fn groups_in_a_line_settle_or_are_refused(before in file(), pattern in pattern(), first in any::<bool>()) {
        let mut resource = Line::new(path(), Content::plain(r"x\g<0>"));
        resource.regexp = Some(LinePattern::new(pattern).expect("a pattern"));
        resource.backrefs = true;
        resource.first_match = first;
        settle(&resource, &before, 0o644);
    }

    #[test]
    fn a_block_settles_and_comes_and_goes_without_a_trace(
        before in file(), block in proptest::collection::vec(words(), 1..4), anchor in anchor(), mode in mode(),
    ) {
        let mut resource = Block::new(path(), Content::plain(block.join("\n") + "\n"));
        resource.insert_after = anchor;
        if let Some(after) = settle(&resource, &before, mode) {
            let held = after.replace('\r', "").contains(&format!(
                "# BEGIN PROV MANAGED BLOCK\n{}\n# END PROV MANAGED BLOCK", block.join("\n")
            ));
            prop_assert!(held, "{after:?}");
            if !before.contains("# BEGIN PROV") {
                resource.state = State::Absent;
                let gone = settle(&resource, &after, mode).expect("is not refused");
                prop_assert_eq!(lines(&gone), lines(&before));
            }
        }
    }

    #[test]
    fn a_replacement_settles_or_is_refused(
        before in file(), pattern in pattern(), replace in "[abxü]{0,2}", after in proptest::option::of(pattern()),
        end in proptest::option::of(pattern()), mode in mode(),
    ) {
        let text = |pattern: String| TextPattern::new(pattern).expect("a pattern");
        let template = Replacement::new(replace).expect("a replacement");
        let mut resource = Replace::new(path(), text(pattern), template);
        resource.after = after.map(text);
        resource.before = end.map(text);
        settle(&resource, &before, mode);
    }
}

proptest! {
    #[test]
    fn bytes_that_are_not_touched_stay_whatever_they_are(
        parts in proptest::collection::vec(prop_oneof![
            Just(b"\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"key=".to_vec()), Just(b"\xef\xbb\xbf".to_vec()),
            proptest::collection::vec(1..=255_u8, 0..4), Just("\u{10ffff}".as_bytes().to_vec()),
        ], 0..12),
    ) {
        let before = parts.concat();
        let mut facts = Facts::default();
        let attributes = Attributes::new("root", "root", Mode::new(0o644));
        facts.paths.insert(path(), PathFact::File(FileFact::of(attributes, before.clone())));
        let line = Line::new(path(), Content::plain("key=new"))
            .replacing(LinePattern::new("^key=").expect("a pattern"));
        let Planned::Change(change) = line.plan(&facts).expect("asks for what it needs") else {
            return Ok(());
        };
        for step in &change.steps {
            facts.apply(step);
        }
        prop_assert_eq!(line.plan(&facts).expect("asks for what it needs"), Planned::Unchanged);
        let Some(PathFact::File(file)) = facts.paths.get(&path()) else {
            return Err(TestCaseError::fail("no file"));
        };
        let after = file.body.as_ref().expect("a body").0.as_slice();
        let equal = before.iter().zip(after).take_while(|(old, new)| old == new).count();
        let rest = before[equal..].iter().rev().zip(after[equal..].iter().rev());
        let end = rest.take_while(|(old, new)| old == new).count();
        let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').count() - 1;
        // What differs is within a line, or is one line more.
        prop_assert!(lines(&before[equal..before.len() - end]) == 0 && lines(&after[equal..after.len() - end]) <= 2);
    }
}

#[test]
fn what_is_found_everywhere_is_refused_when_it_is_read() {
    let refused = |value: serde_json::Value| {
        let resource: Result<tasks::resource::Resource, _> = serde_json::from_value(value);
        let error = resource.expect_err("was accepted").to_string();
        let (cause, hint) = error.split_once('\n').expect("has a hint");
        assert!(!hint.is_empty(), "{error}");
        cause.to_owned()
    };
    for text in ["", "^", "$", "x*", "()", ".*", "^.*$", r"\s*", "a?"] {
        for field in ["regexp", "insert_after", "insert_before"] {
            let cause =
                refused(serde_json::json!({"line": {"path": "/x", "line": "a", field: text}}));
            assert_eq!(
                cause,
                format!(
                    "line of /x: `{field}` '{text}' is found in every line, also in an empty one, so it tells none from the others"
                )
            );
        }
        refused(serde_json::json!({"line": {"path": "/x", "regexp": text, "state": "absent"}}));
        refused(serde_json::json!({"block": {"path": "/x", "block": "a", "insert_after": text}}));
    }
    for text in ["", "^", "$", "x*", "()", r"\s*$", "a?"] {
        let cause =
            refused(serde_json::json!({"replace": {"path": "/x", "regexp": text, "replace": "y"}}));
        assert_eq!(
            cause,
            format!("replace in /x: `regexp` '{text}' finds emptiness, in any text and everywhere")
        );
        refused(serde_json::json!({"replace": {"path": "/x", "regexp": "a", "after": text}}));
        refused(serde_json::json!({"replace": {"path": "/x", "regexp": "a", "before": text}}));
    }
    refused(serde_json::json!({"replace": {"path": "/x", "regexp": ""}}));
    refused(serde_json::json!({"line": {"path": "/x", "line": "a", "regexp": "a(?=b)"}}));
}

#[test]
fn a_file_of_a_hundred_thousand_lines_is_edited() {
    let before = (0..100_000).fold(String::new(), |text, n| text + &format!("key{n} = {n}\n"));
    let line = Line::new(path(), Content::plain("key99999 = new"))
        .replacing(LinePattern::new("^key99999 ").expect("a pattern"));
    let after = settle(&line, &before, 0o644).expect("is not refused");
    assert!(after.ends_with("key99998 = 99998\nkey99999 = new\n"));
    let block = Block::new(path(), Content::plain("a\n"));
    let after = settle(&block, &before, 0o600).expect("is not refused");
    assert_eq!(after.lines().count(), 100_003);
    let replace = Replace::new(
        path(),
        TextPattern::new("^key(5000.) = .*$").expect("a pattern"),
        Replacement::new(r"key\1=x").expect("a replacement"),
    );
    let after = settle(&replace, &before, 0o644).expect("is not refused");
    assert_eq!(after.matches("=x\n").count(), 10);
}
