//! Carries this process's standard streams to and from a command in a container, as a terminal where there is one.

use std::{io, pin::Pin};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::{ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder},
};
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{DockerError, EstateContainers, exec};
use crate::terminal::{Terminal, typed, write_now};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// What a terminal's size is told to.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Container(&'a str),
    Exec(&'a str),
}

impl EstateContainers {
    /// Runs a command as root in a host's container with this process's standard streams; returns its exit code.
    pub async fn exec_interactive(&self, host: &str, argv: &[String]) -> Result<i64, DockerError> {
        let container = self.running(host).await?;
        let running = || DockerError::request(format!("run a command in the container of {host}"));
        let terminal = Terminal::of_process();
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_tty()),
            cmd: Some(argv.to_vec()),
            ..ExecConfig::default()
        };
        let exec = self
            .docker()
            .create_exec(&container, config)
            .await
            .map_err(running())?
            .id;
        let options = StartExecOptions {
            tty: terminal.is_tty(),
            ..StartExecOptions::default()
        };
        let started = self
            .docker()
            .start_exec(&exec, Some(options))
            .await
            .map_err(running())?;
        if let StartExecResults::Attached { output, input } = started {
            let target = Target::Exec(&exec);
            carry(terminal, self.docker(), target, output, input)
                .await
                .map_err(running())?;
        }
        exec::exit_code(self.docker(), &exec)
            .await
            .map_err(running())
    }
}

/// Carries streams until the command's output ends.
pub(super) async fn carry(
    terminal: Terminal,
    docker: &Docker,
    target: Target<'_>,
    mut output: Output,
    input: Input,
) -> Result<(), Error> {
    let _raw = terminal.raw_mode()?;
    let write = async {
        while let Some(part) = output.next().await {
            match part? {
                LogOutput::StdErr { message } => write_now(io::stderr().lock(), &message)?,
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    write_now(io::stdout().lock(), &message)?;
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        Ok(())
    };
    let feed = async {
        tokio::join!(feed(input), follow_size(terminal, docker, target));
        // Neither decides when it is over; the output does.
        std::future::pending::<Result<(), Error>>().await
    };
    tokio::select! {
        outcome = write => outcome,
        outcome = feed => outcome,
    }
}

async fn follow_size(terminal: Terminal, docker: &Docker, target: Target<'_>) {
    let mut resized = terminal.resized();
    loop {
        if terminal.is_tty() {
            let (width, height) = Terminal::size();
            let (width, height) = (i32::from(width), i32::from(height));
            // A wrong size is no reason to end a session.
            let _ = match target {
                Target::Container(id) => {
                    let size = ResizeContainerTTYOptionsBuilder::new()
                        .w(width)
                        .h(height)
                        .build();
                    docker.resize_container_tty(id, size).await
                }
                Target::Exec(id) => {
                    let size = ResizeExecOptionsBuilder::new().w(width).h(height).build();
                    docker.resize_exec(id, size).await
                }
            };
        }
        resized.next().await;
    }
}

/// Copies standard input.
async fn feed(mut input: Input) {
    let mut typed = typed();
    while let Some(chunk) = typed.recv().await {
        if input.write_all(&chunk).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}
