//! One root shell per connection, which runs scripts and answers in frames.
//!
//! A script is sent on standard input; everything it has to say comes back as lines
//! `@NONCE NAME LENGTH BASE64`, which nothing else on the host can produce by accident. Lines of any other form are
//! noise and are kept only for error messages.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::connect::Connection;
use super::error::SshError;
use super::{Sudo, Target};

/// Bytes that one script may answer with before the host is thought to be mad.
const MOST_ANSWER: usize = 128 * 1024 * 1024;

/// Bytes of noise that are kept for error messages.
const MOST_NOISE: usize = 4096;

/// What sudo prints before it reads a password, so that its question can be told from other text.
const PROMPT: &str = "[prov asks sudo]";

/// One answer of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The name that the script gave it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it ended with the mark of a complete answer.
    pub whole: bool,
}

/// A root shell that waits for scripts.
pub struct RootShell {
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<russh::client::Msg>,
    nonce: String,
    received: Vec<u8>,
    noise: String,
    user: String,
    sudo: bool,
    password: bool,
    /// What is to be sent before the first script.
    opening: String,
    started: bool,
    sequence: u32,
    /// How many times a script was sent and its answer awaited.
    round_trips: u32,
}

impl RootShell {
    /// Opens the shell. Nothing is awaited: what the host has to say comes with the answer to the first script.
    pub async fn open(connection: &Connection, target: &Target) -> Result<Self, SshError> {
        let nonce = nonce()?;
        let channel = connection.handle.channel_open_session().await?;
        // The inner shell reads lines until the nonce, so a password that sudo did not ask for is never run.
        let wait = format!(
            "while IFS= read -r l; do [ \"$l\" = {nonce} ] && exec /bin/sh -s; done; exit 99"
        );
        let command = match &target.sudo {
            Sudo::No => format!("exec /bin/sh -c '{wait}'"),
            Sudo::Free => format!("exec sudo -n -- /bin/sh -c '{wait}'"),
            Sudo::Password(_) => {
                format!("exec sudo -k -S -p '{PROMPT}' -- /bin/sh -c '{wait}'")
            }
        };
        channel.exec(false, command).await?;
        let opening = match &target.sudo {
            Sudo::No | Sudo::Free => format!("{nonce}\n"),
            Sudo::Password(password) => format!("{}\n{nonce}\n", password.expose()),
        };
        let (reader, writer) = channel.split();
        Ok(Self {
            reader,
            writer,
            nonce,
            received: Vec::new(),
            noise: String::new(),
            user: target.user.clone(),
            sudo: !matches!(target.sudo, Sudo::No),
            password: matches!(target.sudo, Sudo::Password(_)),
            opening,
            started: false,
            sequence: 0,
            round_trips: 0,
        })
    }

    /// Gives the word that begins every frame; scripts print it.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// Tells how often a script was sent and its answer awaited.
    #[must_use]
    pub const fn round_trips(&self) -> u32 {
        self.round_trips
    }

    /// Sends a script and gives its frames once it has run to its end. `silence` is how long the host may say
    /// nothing at all.
    pub async fn run(
        &mut self,
        script: &str,
        doing: &str,
        silence: Option<Duration>,
    ) -> Result<Vec<Frame>, SshError> {
        self.sequence += 1;
        self.round_trips += 1;
        let end = format!("@{} end {}", self.nonce, self.sequence);
        let message = std::mem::take(&mut self.opening) + &whole(script, &end);
        let Self {
            reader,
            writer,
            received,
            ..
        } = self;
        // Its size only: the script holds secrets.
        tracing::debug!(
            doing,
            bytes = message.len(),
            sequence = self.sequence,
            "script sent"
        );
        let write = writer.data_bytes(message.into_bytes());
        let mut outcome = Outcome::default();
        let read = read_until(reader, received, &end, &mut outcome, silence);
        let (written, read) = exchange(write, read).await;
        self.noise.push_str(&outcome.noise);
        truncate(&mut self.noise);
        match read {
            Ok(true) => {}
            Ok(false) => return Err(self.closed()),
            Err(Wait::Silent(seconds)) => {
                return Err(SshError::Silent {
                    doing: doing.to_owned(),
                    seconds,
                });
            }
            Err(Wait::TooMuch) => {
                return Err(SshError::Answer(format!(
                    "more than {MOST_ANSWER} bytes while {doing}"
                )));
            }
        }
        written?;
        tracing::debug!(
            frames = outcome.lines.len(),
            sequence = self.sequence,
            "answered"
        );
        self.started = true;
        frames(&outcome.lines, &self.nonce)
    }

    /// Ends the shell.
    pub async fn close(self) {
        // The host may be gone already; there is nothing left to do about that.
        let _ = self.writer.eof().await;
        let _ = self.writer.close().await;
    }

    /// Finds out from what was said why the shell ended.
    fn closed(&self) -> SshError {
        let prompts = self.noise.matches(PROMPT).count();
        let answer = self.noise.replace(PROMPT, "");
        let answer = answer.trim();
        let user = self.user.clone();
        if !self.started && self.sudo {
            if answer.contains("incorrect password")
                || answer.contains("Sorry, try again")
                || prompts > 1
            {
                return SshError::SudoPassword { user };
            }
            if !self.password && answer.contains("password is required") {
                return SshError::SudoNeedsPassword { user };
            }
            if answer.contains("not in the sudoers")
                || answer.contains("not allowed")
                || answer.contains("may not run")
                || answer.contains("sudo: not found")
                || answer.contains("sudo: command not found")
            {
                let answer = last_line(answer);
                return SshError::SudoRefused { user, answer };
            }
        }
        SshError::Closed {
            answer: last_line(answer),
        }
    }
}

/// Makes a script one command, which the shell parses to its end before it runs any of it: where the connection is
/// lost half-way, the shell would otherwise run the half line that it got, such as `rm -rf /var/lib` of a longer path.
fn whole(script: &str, end: &str) -> String {
    format!("{{\n{script}\nprintf '%s\\n' '{end}'\n}}\n")
}

/// Writes and reads at once, so that neither side waits for the other with full buffers. Once reading has ended, well
/// or not, nothing more is written: a host that no longer reads would be waited for without end.
async fn exchange<W, R>(
    write: impl Future<Output = Result<(), W>>,
    read: impl Future<Output = R>,
) -> (Result<(), W>, R) {
    let (mut write, mut read) = (std::pin::pin!(write), std::pin::pin!(read));
    tokio::select! {
        read = &mut read => (Ok(()), read),
        written = &mut write => (written, read.await),
    }
}

#[derive(Default)]
struct Outcome {
    lines: Vec<String>,
    noise: String,
}

enum Wait {
    Silent(u64),
    TooMuch,
}

/// Reads until the line `end`; `false` if the session closed before.
async fn read_until(
    reader: &mut ChannelReadHalf,
    received: &mut Vec<u8>,
    end: &str,
    outcome: &mut Outcome,
    silence: Option<Duration>,
) -> Result<bool, Wait> {
    let mut total = 0_usize;
    let mut searched = 0_usize;
    loop {
        let message = match silence {
            None => reader.wait().await,
            Some(limit) => tokio::time::timeout(limit, reader.wait())
                .await
                .map_err(|_| Wait::Silent(limit.as_secs()))?,
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                total += data.len();
                received.extend_from_slice(&data);
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                total += data.len();
                outcome.noise.push_str(&String::from_utf8_lossy(&data));
                truncate(&mut outcome.noise);
            }
            None | Some(ChannelMsg::Close) => return Ok(false),
            // Exit status and signal come before the close, which ends the wait.
            Some(_) => {}
        }
        if total > MOST_ANSWER {
            return Err(Wait::TooMuch);
        }
        while let Some(at) = received[searched..].iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = received.drain(..=searched + at).collect();
            searched = 0;
            let line = String::from_utf8_lossy(&line[..line.len() - 1]).into_owned();
            if line == end {
                return Ok(true);
            }
            if line.starts_with('@') {
                outcome.lines.push(line);
            } else {
                outcome.noise.push_str(&line);
                outcome.noise.push('\n');
                truncate(&mut outcome.noise);
            }
        }
        searched = received.len();
    }
}

/// Reads the frames among lines of output.
pub(crate) fn frames(lines: &[String], nonce: &str) -> Result<Vec<Frame>, SshError> {
    let prefix = format!("@{nonce} ");
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .filter(|rest| !rest.starts_with("end "))
        .map(|rest| parse_frame(rest, nonce))
        .collect()
}

fn parse_frame(rest: &str, nonce: &str) -> Result<Frame, SshError> {
    let broken = || SshError::Answer("a frame is broken".to_owned());
    let mut words = rest.splitn(3, ' ');
    let name = words.next().ok_or_else(broken)?;
    let length: usize = words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or_else(broken)?;
    let encoded = words.next().unwrap_or_default();
    if encoded.len() != length {
        return Err(SshError::Answer(format!("the frame {name:?} is cut short")));
    }
    let mut bytes = STANDARD.decode(encoded).map_err(|_| broken())?;
    let mark = format!("\n{nonce}");
    let whole = bytes.ends_with(mark.as_bytes());
    if whole {
        bytes.truncate(bytes.len() - mark.len());
    }
    Ok(Frame {
        name: name.to_owned(),
        bytes,
        whole,
    })
}

fn truncate(text: &mut String) {
    if text.len() > MOST_NOISE {
        let mut cut = text.len() - MOST_NOISE / 2;
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        text.drain(..cut);
    }
}

/// Gives the last line that says something, without characters that could draw on the terminal.
fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default()
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}

/// Makes a word that cannot be guessed.
fn nonce() -> Result<String, SshError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        SshError::Answer(format!("this machine gives no random numbers: {error}"))
    })?;
    Ok(format!("prov{}", tasks::hex(&bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_cut_short_or_not_base64_is_refused() {
        assert_eq!(
            parse_frame("stat 4 aGk=", "n").unwrap(),
            Frame {
                name: "stat".into(),
                bytes: b"hi".to_vec(),
                whole: false
            }
        );
        let marked = parse_frame("stat 8 aGkKbg==", "n").unwrap();
        assert_eq!((marked.bytes.as_slice(), marked.whole), (&b"hi"[..], true));
        for broken in ["stat 4 aGk", "stat x aGk=", "stat", "", "stat 4 a!k="] {
            assert!(parse_frame(broken, "n").is_err(), "{broken:?} was accepted");
        }
    }

    #[test]
    fn of_a_script_that_arrives_in_part_nothing_is_run() {
        use std::io::Write as _;
        let script = whole("echo ran\nrm -rf /nowhere/a", "@n end 1");
        let run = |script: &str| {
            let mut shell = std::process::Command::new("sh")
                .arg("-s")
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = shell.stdin.take().unwrap();
            stdin.write_all(script.as_bytes()).unwrap();
            drop(stdin);
            String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap()
        };
        assert_eq!(run(&script), "ran\n@n end 1\n");
        for cut in 0..script.len() - 2 {
            assert_eq!(run(&script[..cut]), "", "{:?}", &script[..cut]);
        }
    }

    #[tokio::test]
    async fn a_host_that_reads_no_more_does_not_keep_an_ended_answer_waiting() {
        let blocked = std::future::pending::<Result<(), ()>>();
        let silent = async { Err::<bool, _>("silent") };
        let both = exchange(blocked, silent);
        let answer = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert_eq!(answer, Ok((Ok(()), Err("silent"))));
    }

    #[test]
    fn what_a_host_says_cannot_draw_on_the_terminal() {
        assert_eq!(last_line("a\n\u{1b}[31mred\u{7}\n\n"), "[31mred");
    }
}
