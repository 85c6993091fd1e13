//! Carries this process's standard streams to and from a command in a container, as a terminal where there is one.

use std::{
    io::{self, IsTerminal, Read, Write},
    pin::Pin,
    thread,
};

use bollard::{
    Docker,
    container::LogOutput,
    errors::Error,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::{ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder},
};
use futures_util::{Stream, StreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{DockerError, EstateContainers, exec};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// What a terminal's size is told to.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    Container(&'a str),
    Exec(&'a str),
}

/// Stands for the standard streams of this process.
pub(super) struct Terminal {
    tty: bool,
}

/// Puts the terminal back into its usual mode, also when the future is dropped.
struct RawMode;

impl Drop for RawMode {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
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
            tty: Some(terminal.tty),
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
            tty: terminal.tty,
            ..StartExecOptions::default()
        };
        let started = self
            .docker()
            .start_exec(&exec, Some(options))
            .await
            .map_err(running())?;
        if let StartExecResults::Attached { output, input } = started {
            let target = Target::Exec(&exec);
            terminal
                .carry(self.docker(), target, output, input)
                .await
                .map_err(running())?;
        }
        exec::exit_code(self.docker(), &exec)
            .await
            .map_err(running())
    }
}

impl Terminal {
    pub(super) fn of_process() -> Self {
        Self {
            tty: io::stdin().is_terminal() && io::stdout().is_terminal(),
        }
    }

    pub(super) fn is_tty(&self) -> bool {
        self.tty
    }

    /// Carries streams until the command's output ends.
    pub(super) async fn carry(
        &self,
        docker: &Docker,
        target: Target<'_>,
        mut output: Output,
        input: Input,
    ) -> Result<(), Error> {
        let _raw = if self.tty {
            crossterm::terminal::enable_raw_mode()?;
            Some(RawMode)
        } else {
            None
        };
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
            tokio::join!(feed(input), self.follow_size(docker, target));
            // Neither decides when it is over; the output does.
            std::future::pending::<Result<(), Error>>().await
        };
        tokio::select! {
            outcome = write => outcome,
            outcome = feed => outcome,
        }
    }

    async fn follow_size(&self, docker: &Docker, target: Target<'_>) {
        let Ok(mut changes) = signal(SignalKind::window_change()) else {
            return;
        };
        if !self.tty {
            return;
        }
        loop {
            if let Ok((width, height)) = crossterm::terminal::size() {
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
            if changes.recv().await.is_none() {
                return;
            }
        }
    }
}

/// Waits for Ctrl-C, SIGTERM, or the end of the terminal. In a terminal's raw mode Ctrl-C goes to the client as a character instead.
pub(super) async fn interrupted() {
    let (Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Copies standard input. The reading thread is left behind: a read cannot be cancelled, and a thread of the runtime
/// that hangs in one would keep the process from ending.
async fn feed(mut input: Input) {
    let (sender, mut receiver) = mpsc::channel::<Vec<u8>>(4);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = stdin.read(&mut chunk) {
            if sender.blocking_send(chunk[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    while let Some(chunk) = receiver.recv().await {
        if input.write_all(&chunk).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

fn write_now(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
