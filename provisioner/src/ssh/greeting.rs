//! The first words of a server, kept while they pass, so that one that is no SSH server can be told as such.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are kept.
const KEPT: usize = 160;

/// What a server said first.
#[derive(Debug, Clone, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

/// A connection whose first words are kept.
pub(super) struct Listening<S> {
    stream: S,
    greeting: Greeting,
    is_full: bool,
}

/// What the first words tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// It is an SSH server.
    Ssh,
    /// It said something else.
    Otherwise(String),
    /// It said nothing.
    Nothing,
}

impl Greeting {
    /// Keeps the first words of a connection.
    pub(super) fn of<S>(&self, stream: S) -> Listening<S> {
        Listening {
            stream,
            greeting: self.clone(),
            is_full: false,
        }
    }

    /// Tells what kind of server it is. SSH servers may say some lines before they name themselves (RFC 4253, 4.2).
    pub(super) fn speaks(&self) -> Speaks {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_empty() {
            return Speaks::Nothing;
        }
        let mut lines = said.split(|byte| *byte == b'\n');
        if lines.any(|line| line.starts_with(b"SSH-")) {
            return Speaks::Ssh;
        }
        let first = said.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        Speaks::Otherwise(format!("{:?}", first.trim_end()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if !self.is_full {
            let mut said = self
                .greeting
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let new = &buffer.filled()[before..];
            let room = KEPT.saturating_sub(said.len());
            said.extend_from_slice(&new[..new.len().min(room)]);
            let is_full = said.len() >= KEPT;
            drop(said);
            self.is_full = is_full;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    async fn speaks(said: &[u8]) -> Speaks {
        let greeting = Greeting::default();
        let mut read = Vec::new();
        greeting
            .of(tokio::io::join(said, tokio::io::sink()))
            .read_to_end(&mut read)
            .await
            .unwrap();
        assert_eq!(read, said);
        greeting.speaks()
    }

    #[tokio::test]
    async fn a_server_is_known_by_its_first_words() {
        assert_eq!(speaks(b"SSH-2.0-OpenSSH_9.2\r\n").await, Speaks::Ssh);
        assert_eq!(speaks(b"welcome\nSSH-2.0-x\r\n").await, Speaks::Ssh);
        assert_eq!(speaks(b"").await, Speaks::Nothing);
        let web = Speaks::Otherwise("\"HTTP/1.1 400 Bad Request\"".to_owned());
        assert_eq!(
            speaks(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n").await,
            web
        );
        assert_eq!(
            speaks(b"\x15\x03\x01\x00").await,
            Speaks::Otherwise("\"\\u{15}\\u{3}\\u{1}\\0\"".to_owned())
        );
        let long = vec![b'x'; 4096];
        assert!(matches!(speaks(&long).await, Speaks::Otherwise(said) if said.len() < 200));
    }
}
