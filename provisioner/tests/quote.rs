//! What is quoted for `sh`, `sed` and `curl` is read back by those programs as it was. The other syntaxes are tried where
//! their programs are: in `tests/tests/quote.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, but not in the functions that tests share"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tasks::quote;

/// Texts in which everything that means something to some program is frequent.
const HOSTILE: &str =
    "([\"'`$\\\\#%!/&.*^{}@:;,\\[\\]<>()?+|=~ \t\n\r\u{1}\u{7f}nxt0é€-]|\\PC){0,40}";

/// Runs a program and gives what it printed.
fn run(program: &str, arguments: &[&str], stdin: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", output.status);
    output.stdout
}

proptest! {
    #[test]
    fn sh_reads_words_as_they_were(words in prop::collection::vec(HOSTILE, 1..6)) {
        let script = format!("printf '%s\\0' {}", quote::sh_all(words.iter().map(String::as_str)));
        let expected = words.join("\0") + "\0";
        prop_assert_eq!(String::from_utf8(run("sh", &[], script.as_bytes())).unwrap(), expected);
    }

    #[test]
    fn sed_matches_the_text_and_nothing_else(text in HOSTILE, other in HOSTILE) {
        let script = format!("/^{}$/p", quote::sed(&text));
        for line in [&text, &other] {
            let printed = run("sed", &["-z", "-n", &script], format!("{line}\0").as_bytes());
            prop_assert_eq!(!printed.is_empty(), *line == text, "{:?}", line);
        }
    }

    #[test]
    fn curl_reads_values_as_they_were(text in HOSTILE) {
        prop_assert_eq!(sent_by_curl(&quote::curl(&text).unwrap()), text);
    }
}

/// Gives the body that curl sends when its configuration says so.
fn sent_by_curl(quoted: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let length = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&request);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let size = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: "));
                // A body of nothing has no length.
                if length == 0 || body.len() >= size.map_or(0, |size| size.parse().unwrap()) {
                    stream
                        .write_all(b"HTTP/1.0 204 No Content\r\n\r\n")
                        .unwrap();
                    return body.to_owned();
                }
            }
        }
    });
    let configuration =
        format!("url = \"{url}\"\nsilent\nfail\nnoproxy = \"*\"\ndata-raw = {quoted}\n");
    run("curl", &["-q", "-K", "-"], configuration.as_bytes());
    server.join().unwrap()
}

#[test]
fn a_word_that_sh_cannot_hold_ends_the_script() {
    let script = format!("printf %s {}; echo went on", quote::sh("a\0b"));
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("NUL"));
}

#[test]
fn what_sed_matches_may_hold_nul() {
    let script = format!("s/{}/found/p", quote::sed("a\0b"));
    assert_eq!(run("sed", &["-n", &script], b"xa\0by\n"), b"xfoundy\n");
}
