//! Name servers, and what `dig` prints of their answers.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answering, Ask, Prove, Reply, Verdict, peer, well_known, yes};
use crate::promise::{Protocol, Server};
use crate::value::{PeerName, RecordName};

/// Types of DNS records (RFC 1035, 3596, 2782, 8659).
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordType {
    /// An IPv4 address.
    #[default]
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
    /// Who takes mail.
    Mx,
    /// Name servers.
    Ns,
    /// A name for an address.
    Ptr,
    /// Who is responsible for a zone.
    Soa,
    /// Where a service is.
    Srv,
    /// Text.
    Txt,
    /// Who may sign certificates.
    Caa,
}

impl RecordType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
            Self::Caa => "CAA",
        }
    }
}

/// What `dig +noall +comments +answer` printed.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    text: &'a str,
}

impl<'a> Answer<'a> {
    /// Reads what was printed.
    #[must_use]
    pub const fn of(text: &'a str) -> Self {
        Self { text }
    }

    /// Gives the status, such as `NOERROR`; nothing where no answer came.
    #[must_use]
    pub fn status(&self) -> Option<&'a str> {
        let (_, rest) = self.text.split_once("status: ")?;
        rest.split(',').next()
    }

    /// Lists the data of the records of a type.
    #[must_use]
    pub fn records(&self, kind: &str) -> Vec<String> {
        let lines = self.text.lines().filter(|line| !line.starts_with(';'));
        let values = lines.filter_map(|line| {
            let mut words = line.split_whitespace().skip(3);
            (words.next() == Some(kind)).then(|| words.collect::<Vec<_>>().join(" "))
        });
        values.collect()
    }

    /// Lists the IPv4 addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        let records = self.records("A").into_iter();
        records.filter_map(|record| record.parse().ok()).collect()
    }
}

/// Proves what a name server answers.
///
/// ```yaml
/// - dns: {name: www.example.com, answers: [192.0.2.7]}
/// - dns: {name: example.com, type: MX, answers: ['10 mail.example.com']}
/// - dns: {name: intranet.example.com, exists: false}
///   from: outside
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The name that is asked for.
    name: RecordName,
    /// The type of records.
    #[serde(default, rename = "type")]
    kind: RecordType,
    /// The server that is asked; the host itself when not given.
    #[serde(default)]
    server: Option<PeerName>,
    /// The server's port.
    #[serde(default = "domain")]
    port: NonZeroU16,
    /// Exactly what must come, in any order; anything will do when not given. Names may end with a dot or not, texts have no
    /// quotation marks.
    #[serde(default)]
    answers: Option<Vec<String>>,
    /// Whether there must be such a record; with `false`, the server must say that there is none, or that it does not answer for
    /// such names.
    #[serde(default = "yes")]
    exists: bool,
}

const fn domain() -> NonZeroU16 {
    well_known(53)
}

impl Dns {
    /// Writes a record so that two that say the same are equal: names in lower case without the dot at the end, addresses in
    /// their usual form (RFC 5952), texts joined and without quotation marks (RFC 1035).
    fn plain(&self, record: &str) -> String {
        if let Ok(address) = record.parse::<IpAddr>() {
            return address.to_string();
        }
        let words: Vec<_> = record.split_whitespace().collect();
        let joined = words.join(" ");
        match self.kind {
            RecordType::Txt => joined.trim_matches('"').replace("\" \"", ""),
            RecordType::Caa => joined.replace('"', ""),
            RecordType::A
            | RecordType::Aaaa
            | RecordType::Cname
            | RecordType::Mx
            | RecordType::Ns
            | RecordType::Ptr
            | RecordType::Soa
            | RecordType::Srv => {
                let words = words.iter();
                let words = words.map(|word| word.strip_suffix('.').unwrap_or(word));
                words.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
            }
        }
    }
}

impl Prove for Dns {
    fn check(&self) -> Result<(), String> {
        if matches!(self.kind, RecordType::Ptr) && self.name.as_str().parse::<IpAddr>().is_ok() {
            return Err(format!(
                "nobody is asked for the address {} itself\nwrite its parts backwards before in-addr.arpa: 7.2.0.192.in-addr.arpa for 192.0.2.7",
                self.name
            ));
        }
        if !self.exists && self.answers.is_some() {
            return Err(
                "a record that must not be there has no answers\nleave `answers` out".to_owned(),
            );
        }
        if self.answers.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "'answers' is empty\nwrite `exists: false` where there must be none".to_owned(),
            );
        }
        Ok(())
    }

    fn shows(&self, of: &Server) -> String {
        let by = self
            .server
            .as_ref()
            .map_or(of.name.as_str(), PeerName::as_str);
        let known = if self.exists {
            "knows"
        } else {
            "does not know"
        };
        format!("{by} {known} {} {}", self.name, self.kind.as_str())
    }

    fn expected(&self) -> String {
        match &self.answers {
            Some(answers) => answers.join(", "),
            None if self.exists => "an answer".to_owned(),
            None => "no such name".to_owned(),
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let (server, port) = (peer(self.server.as_ref(), of), self.port.to_string());
        let (name, kind) = (self.name.as_str(), self.kind.as_str());
        let other = if port == "53" {
            String::new()
        } else {
            format!(" -p {port}")
        };
        let typed = format!("dig @{server}{other} {name} {kind}");
        let server = format!("@{server}");
        Ask::new(
            typed,
            [
                "dig",
                &server,
                "-p",
                &port,
                "+nosearch",
                "+tries=2",
                "+time=3",
                "+noall",
                "+comments",
                "+answer",
                "-q",
                name,
                "-t",
                kind,
            ],
        )
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        Some(Answering {
            server: peer(self.server.as_ref(), of),
            // What is too long for a datagram is asked for by TCP.
            protocols: &[Protocol::Udp, Protocol::Tcp],
            port: self.port.get(),
        })
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let answer = Answer::of(&reply.stdout);
        let plain = |record: String| self.plain(&record);
        let mut records: Vec<_> = answer
            .records(self.kind.as_str())
            .into_iter()
            .map(plain)
            .collect();
        records.sort();
        let came = match (answer.status(), records.is_empty()) {
            (None, _) => {
                let said = reply
                    .said()
                    .trim_start_matches("; ")
                    .trim_start_matches(";; ");
                return Verdict::new(format!("no answer ({said})"), false);
            }
            (Some("NOERROR" | "NXDOMAIN"), true) => "no such name".to_owned(),
            (Some("NOERROR"), false) => records.join(", "),
            (Some(status), _) => status.to_owned(),
        };
        let status = answer.status().unwrap_or_default();
        let passed = if !self.exists {
            // A server without anybody to ask for other names refuses them.
            records.is_empty() && matches!(status, "NOERROR" | "NXDOMAIN" | "REFUSED")
        } else if let Some(answers) = &self.answers {
            let mut wanted: Vec<_> = answers.iter().cloned().map(plain).collect();
            wanted.sort();
            status == "NOERROR" && records == wanted
        } else {
            status == "NOERROR" && !records.is_empty()
        };
        Verdict::new(came, passed)
    }
}
