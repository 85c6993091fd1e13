//! Interactive sessions: this process's terminal, handed through.

use std::time::Duration;

use russh::ChannelMsg;
use tasks::Secret;
use tokio::time::{Instant, sleep_until, timeout};

use super::connect::Connection;
use super::error::SshError;
use super::root::{AtTerminal, Question};
use crate::terminal::{Terminal, typed, write_now};

/// Runs a command, or a login shell, with this process's standard streams; gives its exit code. The host must begin
/// within the time; in a terminal, `~.` at the start of a line ends a session whose host says nothing any more.
pub async fn interactive(
    connection: &Connection,
    session: AtTerminal,
    time: Duration,
) -> Result<u32, SshError> {
    let late = || SshError::Silent {
        doing: "opening a session".to_owned(),
        seconds: time.as_secs(),
    };
    let deadline = Instant::now() + time;
    let opening = connection.handle.channel_open_session();
    let mut channel = timeout(time, opening).await.map_err(|_| late())??;
    let terminal = Terminal::of_process();
    if terminal.is_tty() {
        let (columns, rows) = Terminal::size();
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        let (columns, rows) = (columns.into(), rows.into());
        let asking = channel.request_pty(false, &kind, columns, rows, 0, 0, &[]);
        timeout(time, asking).await.map_err(|_| late())??;
    }
    // A terminal that has no raw mode still shows what the host says.
    let _raw = terminal.raw_mode();
    match session.command {
        Some(command) => channel.exec(true, command).await?,
        None => channel.request_shell(true).await?,
    }
    let (mut resized, mut typed) = (terminal.resized(), typed());
    let (mut open, mut begun, mut code) = (true, false, None);
    let mut escape = Escape::default();
    let mut beginning = Beginning::new(session.question);
    loop {
        tokio::select! {
            read = typed.recv(), if open && beginning.is_over() => match read {
                None => {
                    open = false;
                    channel.eof().await?;
                }
                Some(bytes) if terminal.is_tty() && escape.is_in(&bytes) => {
                    return Err(SshError::Closed { answer: "ended with ~.".to_owned() });
                }
                Some(bytes) => channel.data_bytes(bytes).await?,
            },
            () = resized.next() => {
                let (columns, rows) = Terminal::size();
                channel.window_change(columns.into(), rows.into(), 0, 0).await?;
            }
            () = sleep_until(deadline), if !begun => return Err(late()),
            message = channel.wait() => {
                begun = true;
                match message {
                    // Whoever reads may be gone; the session then ends with its own exit code.
                    Some(ChannelMsg::Data { data }) => {
                        let (shown, answer) = beginning.look(&data);
                        let _ = write_now(std::io::stdout().lock(), &shown);
                        if let Some(password) = answer {
                            channel.data_bytes(line(&password)).await?;
                        }
                    }
                    Some(ChannelMsg::ExtendedData { data, .. }) => {
                        let (shown, answer) = beginning.look(&data);
                        let _ = write_now(std::io::stderr().lock(), &shown);
                        if let Some(password) = answer {
                            channel.data_bytes(line(&password)).await?;
                        }
                    }
                    Some(ChannelMsg::ExitStatus { exit_status }) => code = Some(exit_status),
                    Some(ChannelMsg::ExitSignal { .. }) => code = Some(255),
                    Some(ChannelMsg::Failure) => {
                        let answer = "the host runs no commands for this user".to_owned();
                        return Err(SshError::Closed { answer });
                    }
                    None | Some(ChannelMsg::Close) => break,
                    Some(_) => {}
                }
            }
        }
    }
    code.ok_or_else(|| SshError::Closed {
        answer: "the session ended without an exit code".to_owned(),
    })
}

pub(super) fn line(password: &Secret) -> Vec<u8> {
    format!("{}\n", password.expose()).into_bytes()
}

/// The beginning of a session, in which a password may be asked for. What is typed waits until it is over.
pub(super) struct Beginning {
    question: Option<Question>,
    /// Whether the question was answered; asked once more it is the person's to answer.
    answered: bool,
    /// What looks like the first part of something that is not shown.
    held: Vec<u8>,
    /// Whether only the command's own output counts.
    alone: bool,
}

impl Beginning {
    pub(super) const fn new(question: Option<Question>) -> Self {
        Self {
            question,
            answered: false,
            held: Vec::new(),
            alone: false,
        }
    }

    /// Has nothing shown that came before the command itself.
    pub(super) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    const fn is_over(&self) -> bool {
        self.answered || self.question.is_none()
    }

    /// Tells whether the command itself runs now.
    pub(super) const fn is_begun(&self) -> bool {
        self.question.is_none()
    }

    /// Takes output; gives what is to be shown of it, and the answer if that was the question.
    pub(super) fn look(&mut self, output: &[u8]) -> (Vec<u8>, Option<Secret>) {
        let mut seen = std::mem::take(&mut self.held);
        seen.extend_from_slice(output);
        let Some(question) = &self.question else {
            return (seen, None);
        };
        let asked = (!self.answered).then_some(question.prompt.as_bytes());
        let words: Vec<_> = asked
            .into_iter()
            .chain([question.begun.as_bytes()])
            .collect();
        let found = words.iter().find_map(|word| {
            let at = seen.windows(word.len()).position(|part| part == *word)?;
            Some((at..at + word.len(), Some(*word) == asked))
        });
        if let Some((range, is_question)) = found {
            let at = range.start;
            seen.drain(range);
            if is_question {
                self.answered = true;
                let password = question.password.clone();
                let (rest, _) = self.look(&seen);
                return (rest, Some(password));
            }
            self.question = None;
            if self.alone {
                seen.drain(..at);
            }
            return (seen, None);
        }
        let begins = |length: &usize| words.iter().any(|word| seen.ends_with(&word[..*length]));
        let most = words.iter().map(|word| word.len()).min().unwrap_or(0);
        let held = (1..most).rev().find(begins).unwrap_or(0);
        self.held = seen.split_off(seen.len() - held);
        (seen, None)
    }
}

/// Recognises `~.` at the start of a line, as ssh(1) does.
#[derive(Debug, Default)]
struct Escape {
    /// The last two keys; none yet counts as the start of a line.
    last: [Option<u8>; 2],
}

impl Escape {
    fn is_in(&mut self, typed: &[u8]) -> bool {
        typed.iter().any(|key| {
            let [before, last] = self.last;
            self.last = [last, Some(*key)];
            let at_start = matches!(before, None | Some(b'\r' | b'\n'));
            at_start && last == Some(b'~') && *key == b'.'
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_for_a_password_is_answered_and_not_shown() {
        let question = Question {
            prompt: "[ask?]".to_owned(),
            begun: "[ask!]".to_owned(),
            password: Secret::new("geheim"),
        };
        for (output, answer) in [("a[[ask?]b", Some("geheim")), ("a[[ask!]b", None)] {
            for cut in 0..=output.len() {
                let mut beginning = Beginning::new(Some(question.clone()));
                let (first, second) = output.as_bytes().split_at(cut);
                let (mut shown, one) = beginning.look(first);
                let (rest, other) = beginning.look(second);
                shown.extend(rest);
                assert_eq!(shown, b"a[b");
                assert_eq!(one.or(other).as_ref().map(Secret::expose), answer);
                assert!(beginning.is_over());
                assert_eq!(beginning.look(b"[ask?]").0, b"[ask?]");
                let shown = if answer.is_some() { "" } else { "[ask!]" };
                assert_eq!(beginning.look(b"[ask!]").0, shown.as_bytes());
            }
        }
    }

    #[test]
    fn what_a_login_prints_first_is_not_the_commands() {
        let question = Question {
            prompt: "[ask?]".to_owned(),
            begun: "[ask!]".to_owned(),
            password: Secret::new(""),
        };
        let mut beginning = Beginning::new(Some(question)).alone();
        assert_eq!(beginning.look(b"welcome[ask!]out").0, b"out");
        assert!(beginning.is_begun());
        assert_eq!(beginning.look(b"put").0, b"put");
    }

    #[test]
    fn a_session_is_ended_at_the_start_of_a_line_only() {
        let ends = |typed: &[&[u8]]| {
            let mut escape = Escape::default();
            typed.iter().any(|bytes| escape.is_in(bytes))
        };
        assert!(ends(&[b"~."]));
        assert!(ends(&[b"ls\r", b"~", b"."]));
        assert!(!ends(&[b"ls ~.", b"x~.", b"~ .", b"\r~~."]));
    }
}
