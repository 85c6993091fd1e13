//! A host as prov sees one, which is a shell on this machine.

use std::process::Stdio;

use russh::ChannelId;
use russh::server::Handle;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStdin, Command};

/// Runs a shell for a channel until it ends, and gives its standard input.
pub(crate) fn shell(
    nonce: String,
    handle: Handle,
    channel: ChannelId,
) -> std::io::Result<ChildStdin> {
    let mut shell = Command::new("sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let pipe_is_missing = || std::io::Error::other("the shell has no pipe");
    let input = shell.stdin.take().ok_or_else(pipe_is_missing)?;
    let mut output = shell.stdout.take().ok_or_else(pipe_is_missing)?;
    tokio::spawn(async move {
        let say = |text: Vec<u8>| handle.data(channel, text);
        let _ = say(format!("\n@{nonce} shell 0\n").into_bytes()).await;
        let mut buffer = vec![0; 4096];
        while let Ok(read @ 1..) = output.read(&mut buffer).await {
            let _ = say(buffer[..read].to_vec()).await;
        }
        let ended = shell.wait().await;
        let code = ended.ok().and_then(|ended| ended.code()).unwrap_or(255);
        let _ = handle
            .exit_status_request(channel, code.unsigned_abs())
            .await;
        let _ = handle.close(channel).await;
    });
    Ok(input)
}

/// Gives the word with which a command of prov marks what is its own.
pub(crate) fn nonce(command: &[u8]) -> String {
    let command = String::from_utf8_lossy(command);
    let rest = command
        .split_once("\\n@")
        .map(|(_, rest)| rest.split(' ').next());
    rest.flatten().unwrap_or_default().to_owned()
}
