//! Checks of a role of an estate's own: what must hold, from where it is seen, which program is asked, and whether its answer
//! is right.
//!
//! Owns the kinds of checks, one row each, and both ends of every one: the command that is run, and the judgement of what it
//! printed. Refuses to run anything: whoever runs the command knows no kind.

mod dns;
mod http;
mod local;
mod mail;
mod ports;
mod tls;

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::{Audience, OpenPort, Protocol, Server};
use crate::Diagnostic;
use crate::diagnostic::Place;
use crate::estate::{Estate, Host, Location, Mark, Node, from_mapping};
use crate::pattern::{LinePattern, TextPattern};
use crate::secret::Secret;
use crate::value::{PeerName, Timespan};

pub use dns::{Answer, Dns, RecordType};
pub use http::Http;
pub use local::{Command, FileThere, ServiceRuns};
pub use mail::{Imap, Smtp};
pub use ports::{Tcp, Udp};
pub use tls::Tls;

/// Most of what a program prints that is looked at, in bytes.
const MOST: usize = 1 << 20;

/// Time that one try may take, where a check does not say.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a command for so many seconds at most, and passes on so much of what it prints.
const BOUNDED: &str = r#"export LC_ALL=C
timeout -k 2 "$0" "$@" 2> >(head -c "$((1 << 20))" >&2) | head -c "$((1 << 20))"
exit "${PIPESTATUS[0]}""#;

/// Where a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vantage {
    /// On the host itself.
    Host,
    /// On a machine in the office.
    Inside,
    /// On a machine on the Internet.
    Outside,
}

impl Vantage {
    /// Gives the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }

    /// Gives the location of the machine on which the check is made, unless that is the host itself.
    #[must_use]
    pub const fn location(self) -> Option<Location> {
        match self {
            Self::Host => None,
            Self::Inside => Some(Location::Internal),
            Self::Outside => Some(Location::External),
        }
    }

    const fn at(location: Location) -> Self {
        match location {
            Location::Internal => Self::Inside,
            Location::External => Self::Outside,
        }
    }
}

/// A command, and what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The program with its arguments; nothing of them is secret.
    pub argv: Vec<String>,
    /// Standard input, which may hold passwords.
    pub stdin: Secret,
    /// What one would type to ask the same.
    pub typed: String,
    /// The program that must be there.
    program: String,
}

impl Ask {
    fn new<W: Into<String>>(typed: String, argv: impl IntoIterator<Item = W>) -> Self {
        let argv: Vec<String> = argv.into_iter().map(Into::into).collect();
        Self {
            program: argv.first().cloned().unwrap_or_default(),
            argv,
            stdin: Secret::default(),
            typed,
        }
    }

    fn script(typed: String, script: &str, arguments: &[&str]) -> Self {
        let argv = ["bash", "-c", script, "check"].into_iter();
        Self::new(typed, argv.chain(arguments.iter().copied()))
    }

    /// Names the program that a script or another program runs.
    fn of(self, program: &str) -> Self {
        Self {
            program: program.to_owned(),
            ..self
        }
    }

    fn given(self, stdin: Secret) -> Self {
        Self { stdin, ..self }
    }
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// How many bytes standard output had.
    pub bytes: usize,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code.
    pub code: i64,
}

impl Reply {
    /// Gives the first line that says something, of the errors before the output.
    fn said(&self) -> &str {
        let lines = self.stderr.lines().chain(self.stdout.lines());
        let mut lines = lines.map(str::trim);
        lines
            .find(|line| !line.is_empty() && *line != ports::ASKED)
            .unwrap_or("nothing was printed")
    }
}

/// Whether what came is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What came, in a line.
    pub came: String,
    /// Whether that is as it should be.
    pub passed: bool,
}

impl Verdict {
    fn new(came: impl Into<String>, passed: bool) -> Self {
        Self {
            came: came.into(),
            passed,
        }
    }
}

/// A port that must answer.
struct Answering {
    /// Name or address of the server.
    server: String,
    protocols: &'static [Protocol],
    port: u16,
}

impl Answering {
    /// Describes a port of TCP.
    const fn tcp(server: String, port: u16) -> Self {
        Self {
            server,
            protocols: &[Protocol::Tcp],
            port,
        }
    }
}

/// What every kind of check can tell.
trait Prove: std::fmt::Debug + Send + Sync {
    /// Finds what is wrong with it, whatever host it is for.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Tells whether only the host itself can tell.
    fn is_local(&self) -> bool {
        false
    }

    /// Says what it shows of a host.
    fn shows(&self, of: &Server) -> String;

    /// Says what must come.
    fn expected(&self) -> String;

    /// Gives the command by which it is found out.
    fn ask(&self, of: &Server) -> Ask;

    /// Says which port must answer, if any must.
    fn answers_at(&self, _: &Server) -> Option<Answering> {
        None
    }

    /// Judges what came.
    fn judge(&self, reply: &Reply) -> Verdict;

    /// Tells whether everybody who reads the results may see what was printed.
    fn may_be_shown(&self) -> bool {
        true
    }

    /// Gives the passwords that it is made with.
    fn secrets(&self) -> Vec<&Secret> {
        Vec::new()
    }
}

/// A row of the kinds of checks.
#[derive(Debug)]
pub struct CheckKind {
    /// Its name, as a role writes it.
    pub name: &'static str,
    /// The schema of its fields, with their documentation.
    pub schema: fn() -> Schema,
    read: Reader,
}

type Reader = fn(&Node, &Mark) -> Result<Box<dyn Prove>, Vec<Diagnostic>>;

macro_rules! kinds {
    ($($name:literal $kind:ident,)+) => {
        /// Every kind of check, in the order of the reference.
        pub const CHECK_KINDS: &[CheckKind] = &[$(
            CheckKind {
                name: $name,
                schema: || schemars::schema_for!($kind),
                read: |node, owner| {
                    let check: $kind = from_mapping(node, owner)?;
                    check.check().map_err(|found| {
                        let found = Diagnostic::of_check(&found);
                        vec![Diagnostic { place: Some(owner.place()), ..found }]
                    })?;
                    Ok(Box::new(check))
                },
            },
        )+];
    };
}

kinds! {
    "tcp" Tcp,
    "udp" Udp,
    "http" Http,
    "tls" Tls,
    "dns" Dns,
    "smtp" Smtp,
    "imap" Imap,
    "command" Command,
    "file" FileThere,
    "service" ServiceRuns,
}

/// What stands beside a check.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    pub(crate) from: Option<Vantage>,
    pub(crate) to: Option<Audience>,
    pub(crate) within: Option<Timespan>,
    pub(crate) timeout: Option<Timespan>,
    pub(crate) shows: Option<String>,
}

/// A check of a role of an estate's own, for one host.
#[derive(Debug)]
pub struct OwnCheck {
    /// The role; of what stands beside variables, the host or the group.
    pub role: String,
    /// The host that it is about.
    pub host: Server,
    /// Where it is made.
    pub from: Vantage,
    /// How long it is tried again until it holds.
    pub within: Duration,
    /// To whom the host serves what is asked for, where the role says so.
    to: Option<Audience>,
    place: Place,
    shows: Option<String>,
    timeout: Duration,
    check: Box<dyn Prove>,
}

impl OwnCheck {
    /// Reads a check whose every expression has its value.
    pub(crate) fn read(
        kind: &CheckKind,
        (fields, owner): (&Node, &Mark),
        role: &str,
        (host, location): (Server, Location),
        beside: Beside,
    ) -> Result<Self, Vec<Diagnostic>> {
        let check = (kind.read)(fields, owner)?;
        let usual = if check.is_local() {
            Vantage::Host
        } else {
            Vantage::at(location)
        };
        let from = beside.from.unwrap_or(usual);
        if beside.timeout.is_some_and(|span| span.duration().is_zero()) {
            let message = "a try that may take no time proves nothing";
            let mistake = Diagnostic::at(owner.place(), message);
            return Err(vec![
                mistake.hint("write `timeout` like 10s, or leave it out"),
            ]);
        }
        if check.is_local() && from != Vantage::Host {
            let message = format!("a check of a {} is made on the host itself", kind.name);
            let mistake = Diagnostic::at(owner.place(), message);
            return Err(vec![mistake.hint("leave `from` out")]);
        }
        if beside.to.is_some() && check.answers_at(&host).is_none() {
            let message =
                "`to` says to whom a port is served, and this check awaits no answer of one";
            let mistake = Diagnostic::at(owner.place(), message);
            return Err(vec![mistake.hint("leave `to` out")]);
        }
        Ok(Self {
            role: role.to_owned(),
            host,
            from,
            to: beside.to,
            place: owner.place(),
            within: beside.within.map(Timespan::duration).unwrap_or_default(),
            shows: beside.shows,
            timeout: beside.timeout.map_or(PATIENCE, Timespan::duration),
            check,
        })
    }

    /// Says what it shows, in a sentence.
    #[must_use]
    pub fn shows(&self) -> String {
        let usual = || self.check.shows(&self.host);
        self.shows.clone().unwrap_or_else(usual)
    }

    /// Says what must come.
    #[must_use]
    pub fn expected(&self) -> String {
        self.check.expected()
    }

    /// Says what one would type to ask the same, and where.
    #[must_use]
    pub fn typed(&self) -> String {
        let typed = self.check.ask(&self.host).typed;
        match self.from {
            Vantage::Host => format!("{}: {typed}", self.host.name),
            Vantage::Inside | Vantage::Outside => format!("{}: {typed}", self.from.as_str()),
        }
    }

    /// Gives the ports at which its host serves somebody, if what it shows holds: those to whom the role says, or else those
    /// among whom the check is made. Nothing that another host serves, or that is served to the host itself alone.
    ///
    /// Fails where the name of the server that is asked does not tell which host that is.
    pub(crate) fn opens(&self, estate: &Estate) -> Result<Vec<OpenPort>, Diagnostic> {
        let Some(answering) = self.check.answers_at(&self.host) else {
            return Ok(Vec::new());
        };
        let to = match (&self.to, self.from) {
            (Some(to), _) => to.clone(),
            (None, Vantage::Host) => Audience::default(),
            (None, Vantage::Inside) => Audience::inside(),
            (None, Vantage::Outside) => Audience::everybody(),
        };
        let is_own = self.to.is_some() || self.is_own(&answering.server, estate)?;
        if to.is_nobody() || !is_own {
            return Ok(Vec::new());
        }
        let port = |protocol: &Protocol| OpenPort {
            host: self.host.name.clone(),
            role: self.role.clone(),
            protocol: *protocol,
            port: answering.port,
            to: to.clone(),
        };
        Ok(answering.protocols.iter().map(port).collect())
    }

    /// Names the other host that the check asks from its own host: what a role has checked there, it relies on.
    pub(crate) fn asks<'e>(&self, estate: &'e Estate) -> Option<(&'e Host, u16)> {
        if self.from != Vantage::Host {
            return None;
        }
        let answering = self.check.answers_at(&self.host)?;
        let server = answering.server.as_str();
        let label = server.split('.').next().unwrap_or(server);
        let address = server.parse::<IpAddr>().ok();
        let mut hosts = estate.hosts().iter();
        let other = hosts.find(|host| match address {
            Some(address) => host.address() == address,
            None => host.name() == label,
        })?;
        (other.name() != self.host.name).then_some((other, answering.port))
    }

    /// Tells whether a name or an address by which other hosts ask is the host's own.
    fn is_own(&self, server: &str, estate: &Estate) -> Result<bool, Diagnostic> {
        if let Ok(address) = server.parse::<IpAddr>() {
            let mut others = estate.hosts().iter();
            let is_other =
                others.any(|host| host.address() == address && host.name() != self.host.name);
            // A host may have more addresses than the estate knows.
            return Ok(!address.is_loopback() && !is_other);
        }
        let label = server.split('.').next().unwrap_or(server);
        if label == self.host.name {
            return Ok(true);
        }
        if server == "localhost" || estate.host(label).is_some() {
            return Ok(false);
        }
        let of = &self.host.name;
        let message = format!(
            "host {of}: its firewall must know whether {server} is {of} itself, and nothing tells"
        );
        Err(Diagnostic::at(self.place.clone(), message).hint(
            "say beside the check to whom the host serves that, for instance `to: everybody`, or `to: nobody` if another one does",
        ))
    }

    /// Gives the command of one try, bounded in time and in what it prints.
    #[must_use]
    pub fn ask(&self) -> Ask {
        let ask = self.check.ask(&self.host);
        let seconds = format!("{:.3}", self.timeout.as_secs_f64());
        let bounded = ["bash", "-c", BOUNDED, &seconds].map(str::to_owned);
        Ask {
            argv: bounded.into_iter().chain(ask.argv).collect(),
            ..ask
        }
    }

    /// Judges what a try printed.
    #[must_use]
    pub fn judge(&self, reply: &Reply) -> Verdict {
        let mut verdict = if reply.bytes >= MOST {
            Verdict::new("more than 1 MiB was printed", false)
        } else {
            self.check.judge(reply)
        };
        if reply.code == 127 && !verdict.passed {
            let program = self.check.ask(&self.host).program;
            let remedy = match self.from {
                Vantage::Host => "name its package in the role, or see it `from: inside`",
                Vantage::Inside | Vantage::Outside => "the client's image lacks it",
            };
            verdict.came = format!("the program {program} is not there; {remedy}");
        }
        if reply.code == 124 && !verdict.passed {
            let seconds = self.timeout.as_secs_f64();
            verdict.came = format!("no end within {seconds} s; so far: {}", reply.said());
        }
        verdict.came = shortened(&self.masked(&verdict.came));
        verdict
    }

    /// Gives what a person may see of what was printed.
    #[must_use]
    pub fn printed(&self, reply: &Reply) -> String {
        const LONGEST: usize = 4000;
        if !self.check.may_be_shown() {
            return String::new();
        }
        let printed = format!("{}\n{}", reply.stdout.trim_end(), reply.stderr.trim_end());
        // Half a password would not be recognised.
        self.masked(printed.trim()).chars().take(LONGEST).collect()
    }

    fn masked(&self, text: &str) -> String {
        let secrets = self.check.secrets().into_iter().map(Secret::expose);
        let secrets = secrets.filter(|secret| !secret.is_empty());
        secrets.fold(text.to_owned(), |text, secret| {
            text.replace(secret, crate::secret::MASK)
        })
    }
}

/// Keeps what a person reads of an answer to one line of reasonable length.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(LONGEST).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

const fn yes() -> bool {
    true
}

/// Makes a port of one that is well known.
const fn well_known(port: u16) -> NonZeroU16 {
    match NonZeroU16::new(port) {
        Some(port) => port,
        None => NonZeroU16::MIN,
    }
}

/// Gives the name or address by which a server is asked.
fn peer(named: Option<&PeerName>, of: &Server) -> String {
    named.map_or_else(|| of.address.to_string(), |name| name.as_str().to_owned())
}

/// Writes a peer with its port.
fn at_port(peer: &str, port: u16) -> String {
    match peer.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        Ok(IpAddr::V4(_)) | Err(_) => format!("{peer}:{port}"),
    }
}

/// Refuses a pattern that finds something in any text whatever: a check that cannot fail is none.
fn tells<const LINES: bool>(
    pattern: Option<&crate::pattern::Pattern<LINES>>,
) -> Result<(), String> {
    match pattern {
        Some(pattern) if pattern.is_in_every_line() => Err(format!(
            "the regular expression '{}' is found in every text, so the check could not fail\nwrite what must be there",
            pattern.as_str()
        )),
        Some(_) | None => Ok(()),
    }
}

/// Judges a text by a pattern that must be found in it.
fn found(what: &str, text: &str, pattern: Option<&TextPattern>) -> Result<(), String> {
    match pattern {
        Some(pattern) if !pattern.regex().is_match(text) => {
            let first = text.lines().map(str::trim).find(|line| !line.is_empty());
            let first = first.map_or_else(
                || format!("{what} is empty"),
                |line| format!("{what} begins with: {line}"),
            );
            Err(format!("nothing like '{}': {first}", pattern.as_str()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Judges a line by a pattern that must be found in it.
fn line_found(text: &str, pattern: &LinePattern) -> bool {
    pattern.regex().is_match(text)
}

#[cfg(test)]
mod tests;
