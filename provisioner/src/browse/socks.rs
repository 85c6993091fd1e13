//! SOCKS5: a greeting, a request, and then whatever the two ends have to say to each other.

use std::io;
use std::sync::Arc;

use tasks::browse::socks::{NOT_WELCOME, Read, WELCOME, greeting, reply, request};
use tasks::browse::{Refusal, Target};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::time::timeout;

use super::{ASKING, Told, Way, tell};

/// Serves a connection whose first byte says SOCKS5.
pub(super) async fn serve<S>(mut stream: S, way: &Arc<Way>, told: &Told)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Whoever ends too early, or says nothing, has nobody to be told anything.
    let Ok(Ok(Some(asked))) = timeout(ASKING, asked(&mut stream)).await else {
        return;
    };
    let connected = match asked {
        Ok(target) => way.connect(&target).await,
        Err(refusal) => Err(refusal),
    };
    let outcome = connected.as_ref().map(|_| ());
    if let Err(refusal) = outcome {
        tell(told, refusal);
    }
    if stream.write_all(&reply(outcome)).await.is_err() {
        return;
    }
    match connected {
        // How it ends is the business of the two ends.
        Ok(mut host) => drop(copy_bidirectional(&mut stream, &mut host).await),
        Err(_) => drop(stream.shutdown().await),
    }
}

/// Greets, and reads what is asked for; `None` where they do not get that far.
async fn asked<S>(stream: &mut S) -> io::Result<Option<Result<Target, Refusal>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(welcome) = message(stream, greeting).await? else {
        return Ok(None);
    };
    let answer = if welcome { WELCOME } else { NOT_WELCOME };
    stream.write_all(&answer).await?;
    if !welcome {
        return Ok(None);
    }
    message(stream, request).await.map(Some)
}

/// Reads a message, and not a byte beyond it.
async fn message<S, T>(
    stream: &mut S,
    read: fn(&[u8]) -> Result<Read<T>, Refusal>,
) -> io::Result<Result<T, Refusal>>
where
    S: AsyncRead + Unpin,
{
    let mut bytes = Vec::new();
    loop {
        match read(&bytes) {
            Ok(Read::Whole(said)) => return Ok(Ok(said)),
            Ok(Read::Needs(count)) => {
                let so_far = bytes.len();
                bytes.resize(count, 0);
                stream.read_exact(&mut bytes[so_far..]).await?;
            }
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}
