//! A proxy on this machine that leads into an estate of containers: HTTP and SOCKS5 at one port of the loopback.
//!
//! It serves the user who started it, names are those of one side of the estate, and connections go to its hosts alone, over its
//! network. What is asked for, by whom, and whether that is allowed is decided in `tasks::browse`.

mod http;
mod socks;
mod way;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tasks::browse::{Callers, Owner, Refusal, owner};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use way::{Network, Way};

/// How many connections there are at once; a browser makes 32 to a proxy. More wait until one ends.
const AT_ONCE: usize = 128;

/// How long somebody may take to say what they want.
const ASKING: Duration = Duration::from_secs(30);

/// How long nothing may be said on a connection, in either direction; mail programs wait for half an hour (RFC 2177).
const SILENCE: Duration = Duration::from_secs(3600);

/// Where Linux lists connections.
const LISTS: [&str; 2] = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/// How often a connection is looked for.
const LOOKS: usize = 5;

/// Is told who was refused what.
pub(crate) type Told = Arc<dyn Fn(&str) + Send + Sync>;

/// Listens, and serves nobody yet.
pub(crate) struct Proxy {
    listener: TcpListener,
    address: SocketAddrV4,
    way: Arc<Way>,
    callers: Callers,
    told: Told,
}

impl Proxy {
    /// Listens at a port of the loopback, any free one where it is 0.
    pub(crate) async fn listen(
        port: u16,
        way: impl Into<Arc<Way>>,
        callers: Callers,
        told: Told,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let SocketAddr::V4(address) = listener.local_addr()? else {
            return Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        };
        Ok(Self {
            listener,
            address,
            way: way.into(),
            callers,
            told,
        })
    }

    /// Gives where it listens.
    pub(crate) const fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Serves everybody it is for, until it is dropped; what it has begun goes on with the runtime.
    pub(crate) async fn serve(&self) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let Ok((stream, SocketAddr::V4(from))) = self.listener.accept().await else {
                // Out of file descriptors, for instance, which others give back.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (way, told) = (Arc::clone(&self.way), Arc::clone(&self.told));
            let (callers, to) = (self.callers, self.address);
            tokio::spawn(async move {
                match whose(from, to).await {
                    Some(owner) if callers.include(owner) => served(stream, &way, &told).await,
                    Some(Owner::User(user)) => {
                        told(&format!(
                            "refused user {user}: the proxy is for who started it"
                        ));
                    }
                    Some(Owner::Gone) | None => {}
                }
                drop(place);
            });
        }
    }
}

/// Tells whether this machine says whose connections are: otherwise nobody could be served.
pub(crate) async fn knows_callers() -> bool {
    tokio::fs::read_to_string(LISTS[0]).await.is_ok()
}

/// Finds whose a connection is. A list is read in pieces: while others come and go, one that is there may be missing from it.
async fn whose(from: SocketAddrV4, to: SocketAddrV4) -> Option<Owner> {
    for _ in 0..LOOKS {
        for list in LISTS {
            let list = tokio::fs::read_to_string(list).await.unwrap_or_default();
            if let Some(owner) = owner(&list, from, to) {
                return Some(owner);
            }
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Serves one connection until it ends or nothing is said any more.
async fn served(stream: TcpStream, way: &Arc<Way>, told: &Told) {
    // Small messages of mail programs should not wait for each other; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let heard = Arc::new(AtomicU64::new(0));
    let stream = Watched {
        stream,
        heard: Arc::clone(&heard),
    };
    tokio::select! {
        () = by_protocol(stream, way, told) => {}
        () = silence(&heard) => {}
    }
}

/// Serves a stream by what its first byte says.
async fn by_protocol<S>(stream: S, way: &Arc<Way>, told: &Told)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut stream = BufReader::new(stream);
    let first = match timeout(ASKING, stream.fill_buf()).await {
        Ok(Ok([first, ..])) => *first,
        Ok(Ok([]) | Err(_)) | Err(_) => return,
    };
    if first == tasks::browse::socks::VERSION {
        socks::serve(stream, way, told).await;
    } else {
        http::serve(stream, way, told).await;
    }
}

/// Says what was refused.
fn tell(told: &Told, refusal: &Refusal) {
    told(&format!("refused: {refusal}"));
}

/// Ends once nothing has been said for as long as that may be.
async fn silence(heard: &AtomicU64) {
    loop {
        let before = heard.load(Ordering::Relaxed);
        sleep(SILENCE).await;
        if heard.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// A stream that takes note whenever something is said.
struct Watched<S> {
    stream: S,
    heard: Arc<AtomicU64>,
}

impl<S> Watched<S> {
    fn note<T>(&self, poll: Poll<T>) -> Poll<T> {
        if poll.is_ready() {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.note(poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
