//! Answers of a host that are mutated: they are read or refused, without panic or hang, and bring nothing that nobody asked for.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tasks::push;

use super::{Frame, NONCE, every_kind_of_query, frames, marks, read, run, sample_frames};
use crate::engine::chance::{self, Chance};
use crate::engine::{answers, script};

/// Runs that `./check` has time for.
const RUNS: u64 = 300;

/// What is put into answers.
const PARTS: &[&str] = &[
    "",
    "\0",
    "\n",
    "\t",
    " ",
    ":",
    ",",
    "/",
    "..",
    "=",
    "-1",
    "0",
    "00777",
    "99999999999999999999",
    "1e999",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\u{202e}",
    "\u{fffd}",
    "ü",
    "root",
    "root:x:0:0:root:/root:/bin/bash\n",
    "user ",
    "pkg ",
    "run ",
    "down ",
    "ready",
    "done",
    "E: x\n",
    "Inst x [1] (2 a [b])\n",
    "Remv sudo\n",
    "null",
    "%",
    "\\",
    "$(x)",
    "2106-02-07T06:28:16Z",
    "yes",
    "masked",
    "::",
    "207",
];

/// What is put into the stream that the answers come in.
const MARKS: &[&str] = &[
    "",
    "@",
    "@prov0",
    "@prov0 ",
    "@prov0 + a\n",
    "@prov0 - 0\n",
    "@prov0 - 99999999999999999999\n",
    "@prov0 = ",
    "\n",
    "=",
    "==",
    "A",
    "*",
    "\0",
    "\u{202e}",
    "@prov0 x\n",
    " ",
    "-",
    "+",
    "@other + a\n",
    "@prov0 *\n",
    "@prov0 ? a\n",
    "\nprov0",
    "\nprov0+",
    "\nprov0+a\n",
    "prov0+paths",
];

/// Writes answers as they come in one stream, whose text has been mutated.
fn one_stream(answered: &[Frame], chance: &mut Chance) -> String {
    let mut text = String::new();
    for frame in answered {
        let bytes = String::from_utf8_lossy(&frame.bytes);
        let whole = if frame.whole { "\nprov0" } else { "" };
        push!(text, "\nprov0+{}\n{bytes}{whole}", frame.name);
    }
    let text = chance.mutated(&text, MARKS) + "\nprov0.";
    let parts = text.as_bytes().chunks(1 + chance.below(60));
    let encoded: Vec<_> = parts.map(|part| STANDARD.encode(part)).collect();
    let length: usize = encoded.iter().map(String::len).sum();
    let mut stream = "@prov0 *\n".to_owned();
    for part in encoded {
        push!(stream, "@{NONCE} = {part}\n");
    }
    push!(stream, "@{NONCE} - {length}\n");
    stream
}

/// Writes answers as they come by themselves.
fn stream(answered: &[Frame]) -> String {
    let mut text = String::new();
    for frame in answered {
        let (name, encoded) = (&frame.name, STANDARD.encode(&frame.bytes));
        let part = if encoded.is_empty() {
            String::new()
        } else {
            format!("@{NONCE} = {encoded}\n")
        };
        push!(
            text,
            "@{NONCE} + {name}\n{part}@{NONCE} - {}\n",
            encoded.len()
        );
    }
    text
}

#[test]
fn no_answer_makes_prov_panic_or_hang() {
    let whole = sample_frames();
    let (mut facts, mut refused) = (0_u64, 0_u64);
    for number in chance::runs(RUNS) {
        let mut chance = Chance::of(number);
        let mut answered = whole.to_vec();
        let mut shown = Vec::new();
        for _ in 0..=chance.below(3) {
            let at = chance.below(answered.len());
            let name = answered[at].name.clone();
            match chance.below(8) {
                0 => drop(answered.remove(at)),
                1 => answered[at].whole = false,
                2 => {
                    let other = chance.below(answered.len());
                    answered[at].bytes = answered[other].bytes.clone();
                }
                3 => {
                    let length = answered[at].bytes.len();
                    let cut = chance.below(length + 1);
                    answered[at].bytes[cut..].fill(0xff);
                }
                _ => {
                    let text = String::from_utf8_lossy(&answered[at].bytes).into_owned();
                    let mutated = chance.mutated(&text, PARTS);
                    answered[at].bytes = mutated.clone().into_bytes();
                    shown.push(format!("{name}: {mutated:?}"));
                    continue;
                }
            }
            shown.push(format!("{name}: cut, left out or another's"));
        }
        let shown: Vec<_> = shown.iter().map(String::as_str).collect();
        chance::make(number, &shown, || match read(answered) {
            Ok(answers) => {
                facts += 1;
                assert_eq!(answers.facts.subset(&every_kind_of_query()), answers.facts);
            }
            Err(_) => refused += 1,
        });
    }
    chance::told("answers of hosts", chance::count(RUNS));
    assert!(
        facts > 0 && refused > 0,
        "{facts} were read, {refused} refused"
    );
}

#[test]
fn no_stream_of_answers_makes_prov_panic_or_hang() {
    // Of this machine's answers the smaller ones, so that a mutation is likely to meet a mark.
    let whole: Vec<_> = sample_frames()
        .iter()
        .filter(|frame| frame.bytes.len() < 200)
        .cloned()
        .collect();
    let stream = stream(&whole);
    assert_eq!(
        frames(stream.as_bytes(), &marks()).unwrap().len(),
        whole.len()
    );
    let (mut told, mut refused) = (0_u64, 0_u64);
    for number in chance::runs(RUNS) {
        let mut chance = Chance::of(number);
        let text = if number % 2 == 0 {
            chance.mutated(&stream, MARKS)
        } else {
            one_stream(&whole, &mut chance)
        };
        chance::make(number, &[&text], || {
            match frames(text.as_bytes(), &marks()) {
                Ok(found) => {
                    assert!(
                        found.iter().map(|frame| frame.bytes.len()).sum::<usize>() <= text.len()
                    );
                    told += 1;
                    // Other answers are missing, so this is refused; it must not panic.
                    let _ = read(found);
                }
                Err(_) => refused += 1,
            }
        });
    }
    chance::told("streams of answers", chance::count(RUNS));
    assert!(
        told > 0 && refused > 0,
        "{told} were read, {refused} refused"
    );
}

#[test]
fn programs_of_other_accounts_have_none_of_a_sessions_descriptors() {
    let script = every_kind_of_query().script().replace("\\\n", " ");
    let others: Vec<_> = script
        .lines()
        .filter(|line| line.contains("runuser "))
        .collect();
    assert!(others.len() >= 4, "{others:#?}");
    for line in others {
        let closed = line.matches(" 3>&- 9>&-").count();
        assert_eq!(line.matches("runuser ").count(), closed, "{line}");
    }
}

#[test]
fn a_look_whose_shell_was_killed_says_so() {
    let look = |last: &str| {
        let questions = format!("prov_answer a; echo one; prov_complete\n{last}\n");
        let script = script::preamble(&marks()) + &script::stream(&questions);
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        frames(&output.stdout, &marks())
    };
    assert_eq!(look(":").unwrap().len(), 1);
    let error = look("sh -c 'kill -KILL $PPID'; prov_answer b; prov_complete").unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
}

#[test]
fn the_answers_that_are_mutated_are_read_as_they_are() {
    assert!(read(run(&answers::script(&every_kind_of_query()))).is_ok());
    assert!(read(sample_frames().to_vec()).is_ok());
}
