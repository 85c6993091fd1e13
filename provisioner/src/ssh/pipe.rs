//! A root's command whose standard input and output are bytes of this process's: a file of any size goes through.

use std::time::Duration;

use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::Sudo;
use super::connect::Connection;
use super::error::SshError;
use super::root::AtTerminal;
use super::terminal::{Beginning, line};

/// Bytes of what a command says on its standard error that are kept.
const MOST_SAID: usize = 16 * 1024;

/// Bytes that are sent at once.
const CHUNK: usize = 64 * 1024;

/// What became of a command.
#[derive(Debug)]
pub struct Piped {
    /// Its exit code.
    pub code: u32,
    /// The last of what it said on its standard error.
    pub said: String,
}

/// Runs a command as root, within a time. Nothing is sent to it before it has begun.
pub async fn piped(
    connection: &Connection,
    (command, sudo): (&str, &Sudo),
    time: Duration,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Result<Piped, SshError> {
    let deadline = Instant::now() + time;
    let late = || SshError::TooLong {
        doing: "running a command".to_owned(),
        seconds: time.as_secs(),
    };
    let session = AtTerminal::piped(command, sudo)?;
    let opening = timeout_at(deadline, connection.handle.channel_open_session());
    let channel = opening.await.map_err(|_| late())??;
    let (mut reader, writer) = channel.split();
    writer
        .exec(true, session.command.unwrap_or_default())
        .await?;
    let mut beginning = Beginning::new(session.question).alone();
    let (mut code, mut said) = (None, Vec::new());
    let mut chunk = vec![0; CHUNK];
    let mut open = true;
    loop {
        tokio::select! {
            read = input.read(&mut chunk), if open && beginning.is_begun() => {
                let read = read.map_err(|error| SshError::Local { cause: error.to_string() })?;
                if read == 0 {
                    open = false;
                    writer.eof().await?;
                } else if timeout_at(deadline, writer.data_bytes(chunk[..read].to_vec())).await.map_err(|_| late())?.is_err() {
                    // It reads no more; its exit code says why.
                    open = false;
                }
            }
            message = timeout_at(deadline, reader.wait()) => match message.map_err(|_| late())? {
                Some(ChannelMsg::Data { data }) => {
                    let (printed, answer) = beginning.look(&data);
                    if beginning.is_begun() {
                        output.write_all(&printed).await.map_err(|error| SshError::Local { cause: error.to_string() })?;
                    }
                    if let Some(password) = answer {
                        writer.data_bytes(line(&password)).await?;
                    }
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let (printed, answer) = beginning.look(&data);
                    said.extend(printed);
                    said.drain(..said.len().saturating_sub(MOST_SAID));
                    if let Some(password) = answer {
                        writer.data_bytes(line(&password)).await?;
                    }
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => code = Some(exit_status),
                Some(ChannelMsg::ExitSignal { .. }) => code = Some(255),
                None | Some(ChannelMsg::Close) => break,
                Some(_) => {}
            }
        }
    }
    output.flush().await.map_err(|error| SshError::Local {
        cause: error.to_string(),
    })?;
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    match code {
        Some(code) => Ok(Piped { code, said }),
        None => Err(SshError::Closed { answer: said }),
    }
}
