//! Commands inside a container, with their output captured.

use std::{pin::Pin, time::Duration};

use bollard::{Docker, container::LogOutput, exec::StartExecResults, models::ExecConfig};
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{DockerError, EstateContainers};

/// Holds what a command wrote and how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// The exit code.
    pub code: i64,
}

impl ExecOutput {
    /// Gives standard output as text, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Gives standard error as trimmed text.
    #[must_use]
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

impl EstateContainers {
    /// Runs a command as root in a host's container and waits for its end.
    ///
    /// What is secret belongs into `stdin`: arguments are visible in process lists.
    pub async fn exec(
        &self,
        host: &str,
        argv: &[&str],
        stdin: &[u8],
    ) -> Result<ExecOutput, DockerError> {
        let container = self.running(host).await?;
        run(self.docker(), &container, argv, stdin)
            .await
            .map_err(DockerError::request(format!(
                "run {} in the container of {host}",
                argv.first().unwrap_or(&"a command")
            )))
    }

    /// Finds the running container of a host.
    pub(super) async fn running(&self, host: &str) -> Result<String, DockerError> {
        let found = self.find(host).await?;
        if let Some(running) = found.iter().find(|container| container.running) {
            return Ok(running.id.clone());
        }
        let host = host.to_owned();
        Err(if found.is_empty() {
            DockerError::NoContainer { host }
        } else {
            DockerError::NotRunning { host }
        })
    }
}

/// Runs a command in a container and captures its output.
pub(super) async fn run(
    docker: &Docker,
    container: &str,
    argv: &[&str],
    stdin: &[u8],
) -> Result<ExecOutput, bollard::errors::Error> {
    let config = ExecConfig {
        attach_stdin: Some(!stdin.is_empty()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(argv.iter().map(|&word| word.to_owned()).collect()),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(container, config).await?.id;
    let mut captured = ExecOutput::default();
    if let StartExecResults::Attached { mut output, input } = docker.start_exec(&exec, None).await?
    {
        // Both at once: a command may write before it has read everything.
        let read = async {
            while let Some(part) = output.next().await {
                match part? {
                    LogOutput::StdErr { message } => captured.stderr.extend_from_slice(&message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => {
                        captured.stdout.extend_from_slice(&message);
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
            Ok::<(), bollard::errors::Error>(())
        };
        let (read, ()) = tokio::join!(read, feed(input, stdin));
        read?;
    }
    captured.code = exit_code(docker, &exec).await?;
    Ok(captured)
}

/// Writes and closes a command's standard input. A command may end without reading it all, which is its own affair.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>, bytes: &[u8]) {
    if !bytes.is_empty() && input.write_all(bytes).await.is_ok() {
        let _ = input.flush().await;
        let _ = input.shutdown().await;
    }
}

/// Asks for a command's exit code, which the engine may know a moment after the output has ended.
pub(super) async fn exit_code(docker: &Docker, exec: &str) -> Result<i64, bollard::errors::Error> {
    for _ in 0..100 {
        let state = docker.inspect_exec(exec).await?;
        if state.running != Some(true)
            && let Some(code) = state.exit_code
        {
            return Ok(code);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It has closed its output but runs on: a daemon, say.
    Ok(0)
}
