//! Interactive sessions: this process's terminal, handed through.

use std::io::IsTerminal as _;

use russh::ChannelMsg;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};

use super::connect::Connection;
use super::error::SshError;

/// Gives the terminal back as it was, however the session ends.
struct Raw;

impl Raw {
    fn enter() -> Option<Self> {
        crossterm::terminal::enable_raw_mode().ok().map(|()| Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // There is nothing left to try if the terminal is gone.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Runs a command, or a login shell, with this process's standard streams; gives its exit code.
pub async fn interactive(connection: &Connection, command: Option<&str>) -> Result<u32, SshError> {
    let mut channel = connection.handle.channel_open_session().await?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let _raw = if terminal {
        let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        channel
            .request_pty(false, &kind, columns.into(), rows.into(), 0, 0, &[])
            .await?;
        Raw::enter()
    } else {
        None
    };
    match command {
        Some(command) => channel.exec(true, command).await?,
        None => channel.request_shell(true).await?,
    }
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| SshError::Answer(format!("no signals here: {error}")))?;
    let (mut stdin, mut stdout, mut stderr) =
        (tokio::io::stdin(), tokio::io::stdout(), tokio::io::stderr());
    let mut buffer = vec![0_u8; 16 * 1024];
    let (mut open, mut code) = (true, None);
    loop {
        tokio::select! {
            read = stdin.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => {
                    open = false;
                    channel.eof().await?;
                }
                Ok(count) => channel.data_bytes(buffer[..count].to_vec()).await?,
            },
            _ = resized.recv(), if terminal => {
                let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
                channel.window_change(columns.into(), rows.into(), 0, 0).await?;
            }
            message = channel.wait() => match message {
                Some(ChannelMsg::Data { data }) => {
                    // Whoever reads may be gone; the session then ends with its own exit code.
                    let _ = stdout.write_all(&data).await;
                    let _ = stdout.flush().await;
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let _ = stderr.write_all(&data).await;
                    let _ = stderr.flush().await;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => code = Some(exit_status),
                Some(ChannelMsg::ExitSignal { .. }) => code = Some(255),
                None | Some(ChannelMsg::Close) => break,
                Some(_) => {}
            },
        }
    }
    code.ok_or_else(|| SshError::Closed {
        answer: "the session ended without an exit code".to_owned(),
    })
}
