//! Mail servers, as those who send and read mail meet them.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answering, Ask, Prove, Reply, Verdict, at_port, found, peer, tells, well_known, yes};
use crate::pattern::TextPattern;
use crate::promise::Server;
use crate::secret::Secret;
use crate::value::PeerName;

/// swaks' exit code where no recipient was accepted.
const NO_RECIPIENT: i64 = 24;

/// curl's exit code where a server did not accept a login.
const LOGIN_DENIED: i64 = 67;

/// How a conversation is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// It is asked for after the greeting, and must be given.
    Starttls,
    /// From the first byte on.
    Tls,
}

const fn smtp() -> NonZeroU16 {
    well_known(25)
}

const fn imap() -> NonZeroU16 {
    well_known(143)
}

/// What is wrong with a login, if anything.
fn login(user: Option<&String>, password: Option<&Secret>) -> Result<(), String> {
    if user.is_some() != password.is_some() {
        return Err("a login is a 'user' with a 'password'\nset both or none".to_owned());
    }
    let spoils = |text: &str| text.contains(char::is_control);
    if user.is_some_and(|user| spoils(user) || user.starts_with('-'))
        || password.is_some_and(|it| spoils(it.expose()))
    {
        return Err(
            "a login has no control characters, and a user does not begin with '-'\nwrite another"
                .to_owned(),
        );
    }
    Ok(())
}

/// Proves what a mail server says when it is offered mail: the conversation ends before a message is sent.
///
/// ```yaml
/// - smtp: {to: info@example.com}
/// - smtp: {to: somebody@elsewhere.example, accepted: false}
///   from: outside
/// - smtp: {port: 587, encryption: starttls, user: anna, password: '{{ mail_password }}', to: info@example.com}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The port.
    #[serde(default = "smtp")]
    port: NonZeroU16,
    /// Name or address to connect to; the host's own address when not given.
    #[serde(default)]
    host: Option<PeerName>,
    /// How the conversation is encrypted.
    #[serde(default)]
    encryption: Encryption,
    /// The sender; nobody (`<>`) when not given.
    #[serde(default)]
    sender: Option<String>,
    /// The recipient; when not given, the server must answer the greeting.
    #[serde(default)]
    to: Option<String>,
    /// Whether the recipient must be accepted; with `false`, the server must refuse for good or for now.
    #[serde(default = "yes")]
    accepted: bool,
    /// Regular expression that must be found in the conversation, as swaks prints it.
    #[serde(default)]
    answers: Option<TextPattern>,
    /// The account with which one logs in.
    #[serde(default)]
    user: Option<String>,
    /// Its password.
    #[serde(default)]
    password: Option<Secret>,
}

impl Prove for Smtp {
    fn check(&self) -> Result<(), String> {
        let addresses = self.sender.iter().chain(&self.to);
        for address in addresses {
            let plain = address.bytes().all(|b| b.is_ascii_graphic()) && !address.starts_with('-');
            if !plain || !address.contains('@') {
                return Err(format!(
                    "'{address}' is no address of a mailbox\nwrite it like info@example.com"
                ));
            }
        }
        if !self.accepted && self.to.is_none() {
            return Err(
                "nobody is named whom the server must refuse\nname the recipient with `to`"
                    .to_owned(),
            );
        }
        login(self.user.as_ref(), self.password.as_ref())?;
        tells(self.answers.as_ref())
    }

    fn shows(&self, of: &Server) -> String {
        let host = &of.name;
        match &self.to {
            Some(to) if self.accepted => format!("{host} takes mail for {to}"),
            Some(to) => format!("{host} refuses mail for {to}"),
            None => format!("the mail server of {host} greets"),
        }
    }

    fn expected(&self) -> String {
        let what = match &self.to {
            Some(_) if self.accepted => "the recipient is accepted",
            Some(_) => "the recipient is refused",
            None => "a greeting",
        };
        match &self.answers {
            Some(pattern) => format!("{what}, and an answer like '{}'", pattern.as_str()),
            None => what.to_owned(),
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let (peer, port) = (peer(self.host.as_ref(), of), self.port.to_string());
        let until = if self.to.is_some() { "RCPT" } else { "EHLO" };
        let mut argv = vec!["swaks", "--server", &peer, "--port", &port];
        argv.extend(["--from", self.sender.as_deref().unwrap_or("<>")]);
        argv.extend(["--to", self.to.as_deref().unwrap_or("postmaster@localhost")]);
        argv.extend(match self.encryption {
            Encryption::None => &[][..],
            Encryption::Starttls => &["--tls"],
            Encryption::Tls => &["--tls-on-connect"],
        });
        if let Some(user) = &self.user {
            argv.extend(["--auth", "--auth-user", user]);
        }
        let typed = format!(
            "{} --quit-after {until}",
            crate::quote::sh_all(argv.iter().copied())
        );
        argv.extend(["--quit-after", until, "--auth-hide-password"]);
        // swaks asks for what is not given.
        if self.user.is_some() {
            argv.push("--auth-password");
        }
        let password = self
            .password
            .as_ref()
            .map(|it| it.map(|text| format!("{text}\n")));
        Ask::new(typed, argv).given(password.unwrap_or_default())
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        let server = peer(self.host.as_ref(), of);
        Some(Answering::tcp(server, self.port.get()))
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let answer = |line: &str| {
            let rest = line.strip_prefix("<**").or(line.strip_prefix("<~*"))?;
            Some(rest.trim().to_owned())
        };
        let refusal = reply.stdout.lines().filter_map(answer).next_back();
        let failure = reply
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("*** "));
        let refused = reply.code == NO_RECIPIENT;
        let came = match (&refusal, failure) {
            (Some(refusal), _) => refusal.clone(),
            (None, Some(failure)) => failure.to_owned(),
            (None, None) if reply.code == 0 && self.to.is_some() => {
                "the recipient is accepted".to_owned()
            }
            (None, None) if reply.code == 0 => "a greeting".to_owned(),
            (None, None) => reply.said().to_owned(),
        };
        let right = if self.accepted {
            reply.code == 0
        } else {
            refused
        };
        if !right {
            return Verdict::new(came, false);
        }
        match found("the conversation", &reply.stdout, self.answers.as_ref()) {
            Ok(()) => Verdict::new(came, true),
            Err(lacking) => Verdict::new(lacking, false),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.password.iter().collect()
    }
}

/// Proves that one can log in to a mailbox and open a folder of it, or that one cannot. Nothing in it is changed.
///
/// ```yaml
/// - imap: {user: anna, password: '{{ mail_password }}'}
/// - imap: {port: 993, encryption: tls, user: anna, password: wrong, accepted: false}
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Imap {
    /// The port.
    #[serde(default = "imap")]
    port: NonZeroU16,
    /// Name or address to connect to; the host's own address when not given.
    #[serde(default)]
    host: Option<PeerName>,
    /// The name that the certificate must have; the host's own when not given.
    #[serde(default)]
    name: Option<PeerName>,
    /// How the conversation is encrypted.
    #[serde(default = "starttls")]
    encryption: Encryption,
    /// The account.
    user: String,
    /// Its password.
    password: Secret,
    /// The folder that is opened, to be read only.
    #[serde(default = "inbox")]
    folder: String,
    /// Whether the login must be accepted.
    #[serde(default = "yes")]
    accepted: bool,
}

const fn starttls() -> Encryption {
    Encryption::Starttls
}

fn inbox() -> String {
    "INBOX".to_owned()
}

impl Prove for Imap {
    fn check(&self) -> Result<(), String> {
        if self.folder.is_empty() || self.folder.contains(|c: char| c.is_control() || c == '"') {
            return Err(
                "'folder' is no name of a folder\nfor instance INBOX or Archive/2026".to_owned(),
            );
        }
        login(Some(&self.user), Some(&self.password))
    }

    fn shows(&self, of: &Server) -> String {
        let can = if self.accepted { "can" } else { "cannot" };
        format!("{} {can} read mail on {}", self.user, of.name)
    }

    fn expected(&self) -> String {
        if self.accepted {
            format!("the folder {} opens", self.folder)
        } else {
            "the login is refused".to_owned()
        }
    }

    fn ask(&self, of: &Server) -> Ask {
        let port = u16::from(self.port);
        let name = self
            .name
            .as_ref()
            .map_or(of.name.as_str(), PeerName::as_str);
        let peer = peer(self.host.as_ref(), of);
        let bracketed = if peer.contains(':') {
            format!("[{peer}]")
        } else {
            peer
        };
        let scheme = if self.encryption == Encryption::Tls {
            "imaps"
        } else {
            "imap"
        };
        let url = format!("{scheme}://{}/", at_port(name, port));
        let request = format!("EXAMINE \"{}\"", self.folder.replace('\\', "\\\\"));
        let mut argv = vec![
            "curl".to_owned(),
            "--disable".to_owned(),
            "--globoff".to_owned(),
            "--silent".to_owned(),
            "--show-error".to_owned(),
        ];
        argv.extend(["--connect-to".to_owned(), format!("::{bracketed}:")]);
        if self.encryption == Encryption::Starttls {
            argv.push("--ssl-reqd".to_owned());
        }
        argv.extend([
            "--request".to_owned(),
            request,
            "--config".to_owned(),
            "-".to_owned(),
        ]);
        argv.extend(["--".to_owned(), url.clone()]);
        let typed = format!(
            "curl --user {} --request 'EXAMINE {}' {url}",
            self.user, self.folder
        );
        let login = self.password.map(|password| {
            let login = format!("{}:{password}", self.user);
            format!(
                "user = {}\n",
                crate::quote::curl(&login).unwrap_or_default()
            )
        });
        Ask::new(typed, argv).given(login)
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        let server = peer(self.host.as_ref(), of);
        Some(Answering::tcp(server, self.port.get()))
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        match reply.code {
            0 => Verdict::new(format!("the folder {} opens", self.folder), self.accepted),
            LOGIN_DENIED => Verdict::new("the login is refused", !self.accepted),
            _ => Verdict::new(reply.said(), false),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.password]
    }
}
