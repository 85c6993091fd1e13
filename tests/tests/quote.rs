//! Hundreds of hostile texts, quoted for Bacula, MariaDB, PHP, Fetchmail and mutt: the programs themselves read back what
//! was quoted.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, but not in the functions that tests share"
)]

use std::fmt::Write as _;

use end_to_end::{Estate, docker};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tasks::quote;

const TEXTS: usize = 300;

/// Everything that means something to one of the programs, and any other character.
const HOSTILE: &str = "([\"'`$\\\\#%!/&.*^{}@:;,\\[\\]<>()?+|=~ \t\n\r\u{1}\u{8}\u{b}\u{7f}nrtbsxv0148é€-]|\\PC){0,40}";

/// Makes texts that the syntax can express, others each time.
fn texts(pattern: &str, expressible: impl Fn(&str) -> bool) -> Vec<String> {
    let mut runner = TestRunner::default();
    let strategy = proptest::string::string_regex(pattern).unwrap();
    let mut all = Vec::new();
    while all.len() < TEXTS {
        let text = strategy.new_tree(&mut runner).unwrap().current();
        if expressible(&text) {
            all.push(text);
        }
    }
    all
}

fn compare(program: &str, read: &[String], texts: &[String]) {
    assert_eq!(read.len(), texts.len(), "{program}: {read:?}");
    for (read, text) in read.iter().zip(texts) {
        assert_eq!(read, text, "{program}");
    }
}

#[test]
fn programs_read_back_what_was_quoted_for_them() {
    let estate = Estate::deployed(&["one"]);
    estate.on(
        "one",
        "apt-get -q update >/dev/null; DEBIAN_FRONTEND=noninteractive apt-get -qy install bacula-fd php-cli fetchmail \
         mutt mariadb-client-core >/dev/null 2>&1",
    );
    php(&estate);
    bacula(&estate);
    mariadb(&estate);
    mutt(&estate);
    fetchmail(&estate);
}

/// Runs a command on the host with this file before it.
fn reading(estate: &Estate, path: &str, content: &str, command: &str) -> String {
    let write = format!("umask 077; cat >{path}");
    docker(
        &["exec", "-i", &estate.container("one"), "sh", "-c", &write],
        content,
    );
    estate.on("one", command)
}

fn php(estate: &Estate) {
    let texts = texts(HOSTILE, |_| true);
    let mut script = "<?php foreach ([".to_owned();
    for text in &texts {
        let _ = write!(script, "{}, ", quote::php(text));
    }
    script.push_str("] as $text) { echo bin2hex($text), \"\\n\"; }");
    let printed = reading(estate, "/tmp/quote.php", &script, "php /tmp/quote.php");
    let read: Vec<_> = printed.lines().map(of_hexadecimal).collect();
    compare("php", &read, &texts);
}

fn of_hexadecimal(digits: &str) -> String {
    let pairs = (0..digits.len()).step_by(2);
    let bytes = pairs.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
    String::from_utf8(bytes.collect()).unwrap()
}

fn bacula(estate: &Estate) {
    let texts = texts(HOSTILE, |text| quote::bacula(text).is_ok());
    let mut file =
        "FileDaemon {\n  Name = x\n  WorkingDirectory = /run\n  PidDirectory = /run\n}\n"
            .to_owned();
    for (index, text) in texts.iter().enumerate() {
        let quoted = quote::bacula(text).unwrap();
        let _ = write!(
            file,
            "Director {{\n  Name = d{index}\n  Password = x\n  Description = {quoted}\n}}\n"
        );
    }
    file.push_str("Messages {\n  Name = m\n  director = d0 = all\n}\n");
    let printed = reading(
        estate,
        "/tmp/quote-fd.conf",
        &file,
        "bfdjson -c /tmp/quote-fd.conf",
    );
    // Control characters stand there as they are, which JSON does not allow.
    let mut json = String::new();
    for c in printed.chars() {
        if c.is_ascii_control() && c != '\n' {
            let _ = write!(json, "\\u{:04x}", u32::from(c));
        } else {
            json.push(c);
        }
    }
    let resources: Value = serde_json::from_str(&json).unwrap();
    let read = |index: usize| {
        let name = format!("d{index}");
        let directors = resources
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["Director"]);
        let director = directors
            .into_iter()
            .find(|it| it["Name"] == *name)
            .unwrap();
        // A description of nothing is not listed.
        director["Description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let read: Vec<_> = (0..texts.len()).map(read).collect();
    compare("bfdjson", &read, &texts);
}

fn mariadb(estate: &Estate) {
    let texts = texts(HOSTILE, |text| !text.contains("--end"));
    let mut file = String::new();
    for (index, text) in texts.iter().enumerate() {
        let quoted = quote::mariadb_option(text).unwrap();
        let _ = write!(file, "[g{index}]\nuser = {quoted}\nend = yes\n");
    }
    let script = format!(
        "for index in $(seq 0 {}); do my_print_defaults --defaults-file=/tmp/quote.cnf g$index; done",
        texts.len() - 1
    );
    let printed = reading(estate, "/tmp/quote.cnf", &file, &script);
    let ended = printed.split_terminator("\n--end=yes\n");
    let read: Vec<_> = ended
        .map(|option| option.strip_prefix("--user=").unwrap().to_owned())
        .collect();
    compare("my_print_defaults", &read, &texts);
}

fn mutt(estate: &Estate) {
    let texts = texts(HOSTILE, |_| true);
    let mut file = "set config_charset=utf-8\n".to_owned();
    let mut command = "LC_ALL=C.UTF-8 mutt -n -F /tmp/quote.muttrc".to_owned();
    for (index, text) in texts.iter().enumerate() {
        let _ = writeln!(file, "set my_{index}={}", quote::mutt(text).unwrap());
        let _ = write!(command, " -Q my_{index}");
    }
    let printed = reading(estate, "/tmp/quote.muttrc", &file, &command);
    let read: Vec<_> = printed
        .lines()
        .map(|line| {
            let value = line.split_once("=\"").unwrap().1;
            unescaped(value.strip_suffix('"').unwrap())
        })
        .collect();
    compare("mutt", &read, &texts);
}

fn fetchmail(estate: &Estate) {
    // What is not ASCII is listed in a form that does not say what it was.
    let texts = texts(HOSTILE, str::is_ascii);
    let mut file = "poll mail.test protocol imap\n".to_owned();
    for (index, text) in texts.iter().enumerate() {
        let quoted = quote::fetchmail(text).unwrap();
        let _ = writeln!(
            file,
            "    user u{index} there with password {quoted} is somebody here"
        );
    }
    let printed = reading(
        estate,
        "/tmp/quote.fetchmailrc",
        &file,
        "fetchmail --configdump --fetchmailrc /tmp/quote.fetchmailrc",
    );
    let read: Vec<_> = printed
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("\"password\":\""))
        .map(|value| unescaped(value.strip_suffix("\",").unwrap()))
        .collect();
    compare("fetchmail", &read, &texts);
}

/// Reads the escapes with which the programs list their settings.
fn unescaped(listed: &str) -> String {
    let mut text = String::new();
    let mut rest = listed.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match rest.next().unwrap() {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0' => {
                let digits: String = rest.by_ref().skip(1).take(2).collect();
                char::from(u8::from_str_radix(&digits, 16).unwrap())
            }
            other => other,
        });
    }
    text
}
