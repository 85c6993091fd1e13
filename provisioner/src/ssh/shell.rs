//! One root shell per connection, which runs scripts and answers in frames.

use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::time::{Instant, timeout_at};

use super::Target;
use super::connect::Connection;
use super::error::SshError;
use super::received::{Frame, Line, Marks, Received, last_line, next};
use super::root::{Root, become_root};

/// Bytes besides answers that a host may print while a script runs.
const MOST_NOISE: usize = 16 * 1024 * 1024;

/// How long the rest of a command's output may take once it has ended.
const REST: Duration = Duration::from_secs(1);

/// Signs of life come every few seconds; what comes with those that are closer together is not handed over.
const RARELY: Duration = Duration::from_secs(1);

/// Bytes of answers that have to come in each second once the time for all the rest is over.
const RATE: u32 = 128 * 1024;

/// What a script may take.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// What the host is about, for messages: `being looked at`.
    pub doing: &'static str,
    /// How long it may go without a sign of progress.
    pub silence: Duration,
    /// How long it may take in all.
    pub total: Duration,
    /// How many bytes it may answer.
    pub bytes: usize,
}

/// Takes the end of what a running step has printed.
pub type Heard<'a> = &'a (dyn Fn(&[u8]) + Sync);

/// A root shell that waits for scripts.
pub struct RootShell {
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<russh::client::Msg>,
    marks: Marks,
    received: Received,
    sequence: u32,
    /// How many times a script was sent and its answer awaited.
    round_trips: u32,
}

impl RootShell {
    /// Becomes root, within the target's time-out.
    pub async fn open(connection: &Connection, target: &Target) -> Result<Self, SshError> {
        let Root {
            reader,
            writer,
            received,
            marks,
        } = become_root(connection, target).await?;
        Ok(Self {
            reader,
            writer,
            marks,
            received,
            sequence: 0,
            round_trips: 0,
        })
    }

    /// Gives the words that scripts print to mark what is theirs.
    #[must_use]
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Tells how often a script was sent and its answer awaited.
    #[must_use]
    pub const fn round_trips(&self) -> u32 {
        self.round_trips
    }

    /// Sends a script and gives its frames once it has run to its end.
    pub async fn run(
        &mut self,
        script: &str,
        allowance: &Allowance,
    ) -> Result<Vec<Frame>, SshError> {
        self.run_heard(script, allowance, &|_| ()).await
    }

    /// Does the same, and hands over what comes with signs of life: the end of what the running step has printed.
    pub async fn run_heard(
        &mut self,
        script: &str,
        allowance: &Allowance,
        heard: Heard<'_>,
    ) -> Result<Vec<Frame>, SshError> {
        self.sequence += 1;
        self.round_trips += 1;
        let message = as_one_command(
            script,
            &format!("@{} end {}", self.marks.secret, self.sequence),
        );
        // Its size only: the script holds secrets.
        tracing::debug!(
            doing = allowance.doing,
            bytes = message.len(),
            sequence = self.sequence,
            "script sent"
        );
        self.received.forget_noise();
        let write = self.writer.data_bytes(message.into_bytes());
        let read = until_end(
            &mut self.reader,
            &mut self.received,
            self.sequence,
            allowance,
            heard,
        );
        let (written, read) = exchange(write, read).await;
        read?;
        written?;
        let frames = self.received.frames()?;
        tracing::debug!(frames = frames.len(), sequence = self.sequence, "answered");
        Ok(frames)
    }

    /// Runs one script in place of the shell, hands over what it prints as it comes, and gives its exit code, or the
    /// name of the signal that ended it.
    pub async fn become_script<F>(
        mut self,
        script: &str,
        total: Duration,
        printed: impl Fn(Vec<u8>) -> F,
    ) -> Result<Ended, SshError>
    where
        F: Future<Output = ()>,
    {
        let limit = Instant::now() + total;
        let message = format!("{{\n{script}\n}}\n").into_bytes();
        timeout_at(limit, self.writer.data_bytes(message))
            .await
            .map_err(|_| too_long(total))??;
        let (mut ended, mut until) = (None, limit);
        loop {
            let Ok(message) = next(&mut self.reader, until).await else {
                // What it started in the background may keep its output open.
                break;
            };
            match message {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    printed(data.to_vec()).await;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    ended = Some(Ended::Exit(exit_status));
                    until = limit.min(Instant::now() + REST);
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    ended = Some(Ended::Signal(format!("{signal_name:?}")));
                }
                None | Some(ChannelMsg::Close) => break,
                Some(_) => {}
            }
        }
        match ended {
            Some(ended) => Ok(ended),
            None if Instant::now() >= limit => Err(too_long(total)),
            None => Err(SshError::Closed {
                answer: String::new(),
            }),
        }
    }

    /// Ends the shell.
    pub async fn close(self) {
        // The host may be gone already; there is nothing left to do about that.
        let _ = self.writer.eof().await;
        let _ = self.writer.close().await;
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exit(u32),
    /// By this signal.
    Signal(String),
}

fn too_long(total: Duration) -> SshError {
    SshError::TooLong {
        doing: "running a command".to_owned(),
        seconds: total.as_secs(),
    }
}

/// Makes a script one command, which the shell parses to its end before it runs any of it: where the connection is
/// lost half-way, the shell would otherwise run the half line that it got, such as `rm -rf /var/lib` of a longer path.
///
/// A program in it that reads its standard input finds nothing there: it would wait for a next script without end.
fn as_one_command(script: &str, end: &str) -> String {
    format!("{{\n{{\n{script}\n}} </dev/null\nprintf '\\n%s\\n' '{end}'\n}}\n")
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

/// Reads until the script says that it has run to its end.
async fn until_end(
    reader: &mut ChannelReadHalf,
    received: &mut Received,
    sequence: u32,
    allowance: &Allowance,
    heard: Heard<'_>,
) -> Result<(), SshError> {
    let Allowance {
        doing,
        silence,
        total,
        bytes,
    } = *allowance;
    let started = Instant::now();
    let mut sign = started;
    let mut last_heard = None;
    loop {
        // What is large takes its time.
        let arrived = u32::try_from(received.frame_bytes()).unwrap_or(u32::MAX);
        let limit = started + total + Duration::from_secs(1) / RATE * arrived;
        // Bytes alone are no sign of progress: a host may drip them for ever.
        let Ok(message) = next(reader, limit.min(sign + silence)).await else {
            // What comes after it in the script is what takes so long.
            let doing = received.progress().map_or_else(
                || doing.to_owned(),
                |progress| format!("{doing}; {progress}"),
            );
            return Err(if Instant::now() < limit {
                let seconds = silence.as_secs();
                SshError::Silent { doing, seconds }
            } else {
                let seconds = total.as_secs();
                SshError::TooLong { doing, seconds }
            });
        };
        match message {
            Some(ChannelMsg::Data { data }) => {
                for line in received.take(&data)? {
                    sign = Instant::now();
                    match line {
                        Line::End(number) if number == sequence => return Ok(()),
                        // A host that floods its reader is not handed on.
                        Line::Alive(said)
                            if !said.is_empty()
                                && last_heard
                                    .is_none_or(|last: Instant| last.elapsed() > RARELY) =>
                        {
                            last_heard = Some(sign);
                            heard(&said);
                        }
                        Line::Alive(_) | Line::End(_) | Line::Part | Line::Shell(_) => {}
                    }
                }
            }
            Some(ChannelMsg::ExtendedData { data, .. }) => received.hear(&data),
            None | Some(ChannelMsg::Close) => {
                let answer = last_line(&received.noise());
                return Err(SshError::Closed { answer });
            }
            // Exit status and signal come before the close, which ends the wait.
            Some(_) => {}
        }
        if received.noise_bytes() > MOST_NOISE || received.frame_bytes() > bytes {
            return Err(SshError::Answer(format!(
                "more than {} MiB while {doing}",
                MOST_NOISE.max(bytes) / (1024 * 1024)
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_script_that_arrives_in_part_nothing_is_run() {
        use std::io::Write as _;
        let script = as_one_command("echo ran\nrm -rf /nowhere/a", "@n end 1");
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
        assert_eq!(run(&script), "ran\n\n@n end 1\n");
        for cut in 0..script.len() - 2 {
            assert_eq!(run(&script[..cut]), "", "{:?}", &script[..cut]);
        }
    }

    #[test]
    fn what_reads_standard_input_waits_for_no_next_script() {
        use std::io::{BufRead as _, BufReader, Write as _};
        let mut shell = std::process::Command::new("sh")
            .arg("-s")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = shell.stdin.take().unwrap();
        let script = as_one_command("x=kept; cat; grep y $nothing", "@n end 1");
        let next = as_one_command("echo $x", "@n end 2");
        stdin.write_all((script + &next).as_bytes()).unwrap();
        let output = BufReader::new(shell.stdout.take().unwrap());
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || output.lines().try_for_each(|line| send.send(line)));
        // The shell's input stays open, as that of a session does.
        let line = || receive.recv_timeout(Duration::from_secs(20)).unwrap();
        let lines: Vec<_> = (0..5).map(|_| line().unwrap()).collect();
        assert_eq!(lines, ["", "@n end 1", "kept", "", "@n end 2"]);
        drop(stdin);
        shell.wait().unwrap();
    }

    #[tokio::test]
    async fn a_host_that_reads_no_more_does_not_keep_an_ended_answer_waiting() {
        let blocked = std::future::pending::<Result<(), ()>>();
        let silent = async { Err::<bool, _>("silent") };
        let both = exchange(blocked, silent);
        let answer = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert_eq!(answer, Ok((Ok(()), Err("silent"))));
    }
}
