//! What tests do with Docker themselves, through its command line: look into containers and break things in them.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::must;

fn call(arguments: &[&str], stdin: &str) -> Output {
    let mut child = must(
        Command::new("docker")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn(),
        "the end-to-end tests need the command `docker`",
    );
    if let Some(mut pipe) = child.stdin.take() {
        // A command that does not read its input has closed it.
        let _ = pipe.write_all(stdin.as_bytes());
    }
    must(child.wait_with_output(), "waiting for `docker`")
}

/// Runs `docker ARGUMENTS…`, which must succeed, and gives what it printed.
pub fn docker(arguments: &[&str], stdin: &str) -> String {
    let output = call(arguments, stdin);
    assert!(
        output.status.success(),
        "docker {}: {}\n{}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tells whether `docker ARGUMENTS…` fails.
#[must_use]
pub fn docker_fails(arguments: &[&str]) -> bool {
    !call(arguments, "").status.success()
}

/// Makes a secret of 24 random letters and digits, which appears nowhere by chance.
#[must_use]
pub fn secret() -> String {
    let mut bytes = [0_u8; 24];
    let file = std::fs::File::open("/dev/urandom");
    must(
        file.and_then(|mut file| file.read_exact(&mut bytes)),
        "reading random numbers",
    );
    let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
    bytes
        .iter()
        .map(|byte| char::from(letters[usize::from(byte % 32)]))
        .collect()
}

/// Asks a name server for an address (RFC 1035) and gives the last one of its answer; `None` when it knows none.
#[must_use]
pub fn resolve(server: &str, name: &str) -> Option<String> {
    let mut question = vec![0x13, 0x37, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(must(u8::try_from(label.len()), "a label of a name"));
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = must(UdpSocket::bind("0.0.0.0:0"), "making a socket");
    must(
        socket.set_read_timeout(Some(Duration::from_secs(2))),
        "setting a time-out",
    );
    let mut answer = [0_u8; 512];
    for _ in 0..5 {
        must(
            socket.send_to(&question, (server, 53)),
            "asking a name server",
        );
        let Ok(length) = socket.recv(&mut answer) else {
            continue;
        };
        let answers = u16::from_be_bytes([answer[6], answer[7]]);
        let end = &answer[length - 4..length];
        return (answers > 0).then(|| format!("{}.{}.{}.{}", end[0], end[1], end[2], end[3]));
    }
    panic!("the name server {server} did not answer about {name}");
}
