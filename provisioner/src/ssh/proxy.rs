//! `ProxyCommand`: a program whose standard input and output are the connection to a host.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// How many bytes of what the program says are kept for a message.
const SAID: usize = 2048;

/// How long a program may take to end, and to say why, once the connection is gone.
const PATIENCE: Duration = Duration::from_millis(500);

/// A running program. It is ended when this is dropped.
pub(super) struct ProxyCommand {
    child: Child,
    group: Option<Pid>,
    said: Arc<Mutex<Vec<u8>>>,
    listening: JoinHandle<()>,
}

/// Both directions of the connection.
pub(super) struct ProxyStream {
    input: ChildStdin,
    output: ChildStdout,
}

impl ProxyCommand {
    /// Starts the program by the user's shell, as `ssh` does.
    pub(super) fn start(command: &str) -> io::Result<(Self, ProxyStream)> {
        let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
        let mut child = Command::new(shell.unwrap_or_else(|| "/bin/sh".into()))
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for prov, which ends a step before it lets go of the connection.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let mut errors = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let keep = Arc::clone(&said);
        let listening = tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok(length @ 1..) = errors.read(&mut buffer).await {
                let mut said = keep.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend_from_slice(&buffer[..length]);
                let surplus = said.len().saturating_sub(SAID);
                said.drain(..surplus);
            }
        });
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Ok((
            Self {
                child,
                group,
                said,
                listening,
            },
            ProxyStream { input, output },
        ))
    }

    /// Says how it ended and what it said; `None` if it runs and said nothing.
    pub(super) async fn verdict(&mut self) -> Option<String> {
        // What it says last arrives a moment after the connection is gone.
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let _ = tokio::time::timeout(PATIENCE, &mut self.listening).await;
        let said = self
            .said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        match (ended, said.is_empty()) {
            (Ok(Ok(status)), true) => Some(format!("it ended ({status}) and said nothing")),
            (_, false) => Some(said),
            (Ok(Err(_)) | Err(_), true) => None,
        }
    }
}

impl Drop for ProxyCommand {
    fn drop(&mut self) {
        // The number of one that was waited for may be another's by now.
        if let Some(group) = self.group.filter(|_| self.child.id().is_some()) {
            // One that ends at this moment needs no ending.
            let _ = kill_process_group(group, Signal::HUP);
        }
    }
}

impl AsyncRead for ProxyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

impl AsyncWrite for ProxyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_says_last_is_kept() {
        for _ in 0..20 {
            let (mut program, _stream) = ProxyCommand::start("echo no way >&2; exit 3").unwrap();
            assert_eq!(program.verdict().await.as_deref(), Some("no way"));
        }
        let (mut program, _stream) = ProxyCommand::start("true").unwrap();
        let verdict = program.verdict().await.unwrap_or_default();
        assert!(verdict.contains("ended (exit status: 0)"), "{verdict}");
    }

    #[tokio::test]
    async fn a_program_ends_with_its_connection() {
        let (mut program, stream) = ProxyCommand::start("sleep 1000").unwrap();
        assert_eq!(program.verdict().await, None);
        let id = program.group.unwrap();
        drop((program, stream));
        let gone = || rustix::process::test_kill_process(id).is_err();
        for _ in 0..200 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it still runs");
    }
}
