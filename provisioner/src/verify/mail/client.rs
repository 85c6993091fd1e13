//! The programs in a client's container: swaks sends, `mailbox` (curl) reads, openssl looks at certificates.
//!
//! Passwords are on the programs' standard input, and in no process list.

use std::time::Duration;

use tasks::Secret;

use super::Mailbox;
use crate::docker::ExecOutput;
use crate::verify::{Seat, TestbedError};

/// A conversation with an SMTP server.
#[derive(Debug, Clone)]
pub(super) struct Smtp {
    /// What is told to swaks besides the login.
    arguments: Vec<String>,
    login: Option<(String, Secret)>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Dialogue {
    /// What both sides said; passwords are hidden.
    pub(super) transcript: String,
    /// swaks' exit code: 0 where the server took everything, otherwise by what it refused.
    pub(super) code: i64,
}

/// What of the arguments, with a value each, says what a check is about.
const TYPED: [&str; 4] = ["--server", "--from", "--to", "--quit-after"];

/// swaks' exit code where no recipient was accepted.
pub(super) const NO_RECIPIENT: i64 = 24;

/// swaks' exit code where it could not log in.
pub(super) const NO_LOGIN: i64 = 28;

impl Smtp {
    /// Begins with the envelope.
    pub(super) fn new(server: &str, port: u16, from: &str, to: &str) -> Self {
        let server = format!("{server}:{port}");
        let begun = Self {
            arguments: Vec::new(),
            login: None,
        };
        begun.with(&["--server", &server, "--from", from, "--to", to])
    }

    /// Adds arguments.
    pub(super) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&word| word.to_owned()));
        self
    }

    /// Logs in.
    pub(super) fn login(self, mailbox: &Mailbox) -> Self {
        self.login_with(mailbox, mailbox.password.clone())
    }

    /// Logs in with another password.
    pub(super) fn login_with(self, mailbox: &Mailbox, password: Secret) -> Self {
        self.login_as(&mailbox.login, password)
    }

    /// Logs in as whoever this is.
    pub(super) fn login_as(mut self, user: &str, password: Secret) -> Self {
        self.login = Some((user.to_owned(), password));
        self
    }

    /// Gives the essence of what one would type.
    pub(super) fn typed(&self) -> String {
        let mut typed = "swaks".to_owned();
        let mut words = self.arguments.iter().map(String::as_str);
        while let Some(option) = words.next() {
            if TYPED.contains(&option) {
                let value = words.next().unwrap_or_default();
                typed.extend([" ", option, " ", value]);
            }
        }
        if let Some((user, _)) = &self.login {
            typed.extend([" --auth-user ", user]);
        }
        typed
    }

    /// Has the conversation.
    pub(super) async fn run(&self, client: &Seat) -> Result<Dialogue, TestbedError> {
        let mut command = vec!["swaks", "--timeout", "15"];
        command.extend(self.arguments.iter().map(String::as_str));
        let mut input = Vec::new();
        if let Some((user, password)) = &self.login {
            // swaks asks for the password.
            command.extend(["--auth", "--auth-user", user, "--auth-hide-password"]);
            command.push("--auth-password");
            input = format!("{}\n", password.expose()).into_bytes();
        }
        let output = client.other(&command, &input).await?;
        let said = output.text();
        let said = said.strip_prefix("Password: ").unwrap_or(&said);
        Ok(Dialogue {
            transcript: format!("{said}{}\n", output.errors()),
            code: output.code,
        })
    }
}

impl Dialogue {
    /// Gives the server's last answer that is an error, or the last thing that was said.
    pub(super) fn refusal(&self) -> String {
        let answer = |line: &str| {
            let rest = line.strip_prefix("<**").or(line.strip_prefix("<~*"))?;
            Some(rest.trim().to_owned())
        };
        let said = |line: &str| line.strip_prefix("*** ").map(str::to_owned);
        let lines = || self.transcript.lines();
        lines()
            .filter_map(answer)
            .next_back()
            .or_else(|| lines().find_map(said))
            .or_else(|| lines().next_back().map(|line| line.trim().to_owned()))
            .unwrap_or_else(|| "swaks said nothing".to_owned())
    }

    /// Tells whether the server offers to take a password.
    pub(super) fn offers_login(&self) -> bool {
        let answers = self.transcript.lines().filter(|line| line.starts_with('<'));
        answers
            .filter_map(|line| line.get(3..)?.trim_start().get(4..))
            .any(|offer| offer.starts_with("AUTH"))
    }
}

/// A folder of a mailbox, as an IMAP client reads it.
#[derive(Debug, Clone)]
pub(in crate::verify) struct Folder {
    /// Its URL.
    pub(in crate::verify) url: String,
    /// Whose it is.
    pub(in crate::verify) mailbox: Mailbox,
}

/// Why there is no message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::verify) enum Missing {
    /// It did not arrive in time.
    Late(String),
    /// The folder could not be read.
    Unreadable(String),
}

impl Folder {
    /// Gives the URL with who reads it.
    pub(in crate::verify) fn typed(&self) -> String {
        self.url
            .replacen("://", &format!("://{}@", self.mailbox.login), 1)
    }

    /// Waits for the message with a token in its subject, and takes it away.
    pub(in crate::verify) async fn take(
        &self,
        client: &Seat,
        token: &str,
        patience: Duration,
    ) -> Result<Result<String, Missing>, TestbedError> {
        let seconds = patience.as_secs().to_string();
        let login = login(&self.mailbox.login, self.mailbox.password.expose());
        let arguments = [self.url.as_str(), token, &seconds];
        let output = client.run_with_input(&arguments, login.as_bytes()).await?;
        // curl explains in the lines that follow what a certificate is.
        let problem = output
            .errors()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let late = if problem.is_empty() {
            "no such message came".to_owned()
        } else {
            problem.clone()
        };
        Ok(match output.code {
            0 => Ok(output.text().replace("\r\n", "\n")),
            1 => Err(Missing::Late(late)),
            _ => Err(Missing::Unreadable(problem)),
        })
    }
}

/// Tries to log in over IMAP; gives curl's output.
pub(in crate::verify) async fn imap_login(
    client: &Seat,
    url: &str,
    user: &str,
    password: &str,
) -> Result<ExecOutput, TestbedError> {
    let configuration = login(user, password);
    let command = [
        "curl",
        "-q",
        "--config",
        "-",
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        url,
    ];
    client.other(&command, configuration.as_bytes()).await
}

/// Says lines to a server in the clear; gives what it answered.
pub(super) async fn say(client: &Seat, server: &str, lines: &str) -> Result<String, TestbedError> {
    let url = format!("telnet://{server}");
    let command = [
        "curl",
        "-q",
        "--silent",
        "--show-error",
        "--max-time",
        "10",
        &url,
    ];
    let output = client.other(&command, lines.as_bytes()).await?;
    Ok(format!("{}{}", output.text(), output.errors()).replace("\r\n", "\n"))
}

/// Looks at the certificate that a server presents when it is called by a name; gives openssl's words.
pub(super) async fn certificate(
    client: &Seat,
    authorities: &str,
    (name, port): (&str, u16),
    starttls: Option<&str>,
) -> Result<ExecOutput, TestbedError> {
    let server = format!("{name}:{port}");
    // Nobody but these authorities is trusted, and no other name is good.
    let mut command = vec![
        "timeout",
        "20",
        "openssl",
        "s_client",
        "-connect",
        &server,
        "-servername",
        name,
        "-verify_hostname",
        name,
        "-verify_return_error",
        "-no-CApath",
        "-no-CAstore",
        "-CAfile",
        authorities,
    ];
    if let Some(protocol) = starttls {
        command.extend(["-starttls", protocol]);
    }
    client.other(&command, b"").await
}

/// Writes a login for curl. No user has a password that its configuration cannot express: without it, the login would fail.
fn login(user: &str, password: &str) -> String {
    let login = tasks::quote::curl(&format!("{user}:{password}")).unwrap_or_default();
    format!("user = {login}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(transcript: &str) -> Dialogue {
        Dialogue {
            transcript: transcript.to_owned(),
            code: 0,
        }
    }

    #[test]
    fn nothing_of_a_password_means_anything_to_curl() {
        assert_eq!(login("u", r#"a"b\c'$ü"#), "user = \"u:a\\\"b\\\\c'$ü\"\n");
    }

    #[test]
    fn what_the_server_refused_is_found_in_the_conversation() {
        let refused = "=== Connected to mail-external.\n<-  250 HELP\n -> RCPT TO:<a@other.com>\n\
                       <** 550 relay not permitted\n -> QUIT\n<-  221 bye\n";
        assert_eq!(told(refused).refusal(), "550 relay not permitted");
        let tls = " ~> AUTH PLAIN x\n<~* 535 Incorrect authentication data\n*** No authentication type succeeded\n";
        assert_eq!(told(tls).refusal(), "535 Incorrect authentication data");
        let closed = "*** Error connecting to mail-external:25:\n*** \tIO::Socket::INET6: connect: Connection refused\n";
        assert!(told(closed).refusal().starts_with("Error connecting"));
    }

    #[test]
    fn an_offer_to_take_a_password_is_seen() {
        assert!(told("<-  250-AUTH PLAIN LOGIN\n").offers_login());
        assert!(told("<~  250 AUTH PLAIN\n").offers_login());
        assert!(!told(" -> AUTH\n<-  250-STARTTLS\n<-  250 HELP\n<-\n").offers_login());
    }
}
