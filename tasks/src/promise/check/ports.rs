//! TCP and UDP ports.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answering, Ask, Prove, Reply, Verdict, found, peer, tells, yes};
use crate::pattern::TextPattern;
use crate::promise::{Protocol, Server};
use crate::secret::Secret;
use crate::value::PeerName;

/// Connects, sends standard input, and prints what comes: the first byte is waited for, all else comes within a second. Says
/// before it connects that the name has an address: a name server that is silent is no closed port.
const CONNECT: &str = r#"getent ahosts "$1" >/dev/null || { echo "check: $1 has no address" >&2; exit 1; }
echo asked >&2
exec 3<>"/dev/tcp/$1/$2" || exit 1
cat >&3
[ "$3" = reads ] || exit 0
head -c 1 <&3
timeout --foreground 1 cat <&3 || true"#;

/// The line that it prints before it connects.
pub(super) const ASKED: &str = "asked";

/// Sends standard input as a datagram, and prints the one that comes back.
const ASK: &str = r#"exec 3<>"/dev/udp/$1/$2" || exit 1
if [ "$3" = hex ]; then
    IFS= read -r bytes
    # In one piece: what bash prints itself goes out line by line, each in a datagram of its own.
    printf "$(printf '%s' "$bytes" | sed 's/../\\x&/g')" | cat >&3
else
    cat >&3
fi
exec dd bs=65536 count=1 status=none <&3"#;

/// Proves that a TCP port is open, what it answers, or that it is closed.
///
/// ```yaml
/// - tcp: {port: 6379, sends: "PING\r\n", answers: '^\+PONG'}
/// - tcp: {port: 6379, open: false}
///   from: outside
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The port.
    port: NonZeroU16,
    /// Name or address to connect to; the host's own address when not given.
    #[serde(default)]
    host: Option<PeerName>,
    /// Whether somebody must answer there; with `false`, nobody may.
    #[serde(default = "yes")]
    open: bool,
    /// With `open: false`: whether not even a refusal may come, as from a host whose firewall drops what it does not let in.
    #[serde(default)]
    silent: bool,
    /// What is sent once it is open.
    #[serde(default)]
    sends: Option<String>,
    /// Regular expression that must be found in what comes.
    #[serde(default)]
    answers: Option<TextPattern>,
}

impl Prove for Tcp {
    fn check(&self) -> Result<(), String> {
        if !self.open && (self.sends.is_some() || self.answers.is_some()) {
            return Err(
                "a port that must be closed answers nothing\nleave `sends` and `answers` out"
                    .to_owned(),
            );
        }
        if self.open && self.silent {
            return Err(
                "a port that must be open cannot be silent\nadd `open: false`, or leave `silent` out"
                    .to_owned(),
            );
        }
        tells(self.answers.as_ref())
    }

    fn shows(&self, of: &Server) -> String {
        let what = if self.open { "is open" } else { "is closed" };
        format!("port {} of {} {what}", self.port, of.name)
    }

    fn expected(&self) -> String {
        match &self.answers {
            Some(pattern) => format!("an answer like '{}'", pattern.as_str()),
            None if self.open => "an open port".to_owned(),
            None if self.silent => "no answer".to_owned(),
            None => "no connection".to_owned(),
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let (peer, port) = (peer(self.host.as_ref(), of), self.port.to_string());
        let reads = if self.answers.is_some() { "reads" } else { "" };
        let ask = Ask::script(
            format!("nc -z {peer} {port}"),
            CONNECT,
            &[&peer, &port, reads],
        );
        ask.given(Secret::new(self.sends.clone().unwrap_or_default()))
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        let answering = || Answering::tcp(peer(self.host.as_ref(), of), self.port.get());
        self.open.then(answering)
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let refused = reply.stderr.contains("Connection refused");
        let unreachable = ["No route to host", "Connection timed out"];
        // Where an answer is awaited in vain, something was connected to.
        let asked = reply.stderr.lines().any(|line| line == ASKED);
        let silent = reply.code == 124 && reply.stdout.is_empty() && asked;
        let unreachable = silent || unreachable.iter().any(|words| reply.stderr.contains(words));
        if !self.open {
            return match (refused, unreachable, reply.code) {
                (true, ..) => Verdict::new("connection refused", !self.silent),
                (_, true, _) => Verdict::new("no answer", true),
                (_, _, 0) => Verdict::new("an open port", false),
                _ => Verdict::new(said(reply), false),
            };
        }
        if let Err(lacking) = found("the answer", &reply.stdout, self.answers.as_ref()) {
            let came = if reply.stdout.is_empty() && reply.code != 0 {
                said(reply)
            } else {
                lacking
            };
            return Verdict::new(came, false);
        }
        // What was awaited came; that the server then kept the line open is its own affair.
        let passed = reply.code == 0 || (self.answers.is_some() && !reply.stdout.is_empty());
        if passed {
            Verdict::new(reply.stdout.lines().next().unwrap_or("an open port"), true)
        } else {
            Verdict::new(said(reply), false)
        }
    }
}

/// Gives what bash said of a connection, without its own name and line.
fn said(reply: &Reply) -> String {
    let said = reply.said();
    let said = said.rsplit_once(": ").map_or(said, |(_, said)| said);
    said.to_owned()
}

/// Proves that a UDP port answers. A datagram that nobody answers proves nothing, so something must be sent.
///
/// ```yaml
/// - udp: {port: 123, sends_hex: 1b0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// The port.
    port: NonZeroU16,
    /// Name or address to ask; the host's own address when not given.
    #[serde(default)]
    host: Option<PeerName>,
    /// The text that is sent.
    #[serde(default)]
    sends: Option<String>,
    /// The bytes that are sent, two hexadecimal digits each.
    #[serde(default)]
    sends_hex: Option<String>,
    /// Regular expression that must be found in the answer; any answer will do when not given.
    #[serde(default)]
    answers: Option<TextPattern>,
}

impl Prove for Udp {
    fn check(&self) -> Result<(), String> {
        let hex = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
            digits && !text.is_empty() && text.len().is_multiple_of(2) && text.len() <= 4096
        };
        match (&self.sends, &self.sends_hex) {
            (Some(text), None) if !text.is_empty() => {}
            (None, Some(bytes)) if hex(bytes) => {}
            (None, Some(_)) => {
                return Err(
                    "'sends_hex' is not pairs of hexadecimal digits\nfor instance 1b00".to_owned(),
                );
            }
            _ => {
                return Err("one of 'sends' and 'sends_hex' is needed: whoever is sent nothing answers nothing\nsend what the service answers".to_owned());
            }
        }
        tells(self.answers.as_ref())
    }

    fn shows(&self, of: &Server) -> String {
        format!("UDP port {} of {} answers", self.port, of.name)
    }

    fn expected(&self) -> String {
        match &self.answers {
            Some(pattern) => format!("an answer like '{}'", pattern.as_str()),
            None => "an answer".to_owned(),
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let (peer, port) = (peer(self.host.as_ref(), of), self.port.to_string());
        let (form, sent) = match (&self.sends_hex, &self.sends) {
            (Some(bytes), _) => ("hex", format!("{bytes}\n")),
            (None, sent) => ("text", sent.clone().unwrap_or_default()),
        };
        let ask = Ask::script(format!("nc -u {peer} {port}"), ASK, &[&peer, &port, form]);
        ask.given(Secret::new(sent))
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        Some(Answering {
            server: peer(self.host.as_ref(), of),
            protocols: &[Protocol::Udp],
            port: self.port.get(),
        })
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        if reply.code != 0 {
            return Verdict::new(said(reply), false);
        }
        match found("the answer", &reply.stdout, self.answers.as_ref()) {
            Ok(()) => Verdict::new(format!("an answer of {} bytes", reply.bytes), true),
            Err(lacking) => Verdict::new(lacking, false),
        }
    }
}
