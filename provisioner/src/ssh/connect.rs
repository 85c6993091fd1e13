//! Connecting: TCP, a jump host or a program, key exchange, host key, authentication.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russh::AlgorithmKind;
use russh::client::{self, Handle};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::algorithms::preferred;
use super::clock::Clock;
use super::error::SshError;
use super::greeting::{Greeting, Speaks};
use super::host_key::Verifier;
use super::proxy::ProxyCommand;
use super::{Family, Origin, Target, Transport, auth};

/// Seconds without a sign of life after which a question is sent to see whether the host is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Bytes that a host may send before it must wait: large enough for a whole answer.
const WINDOW: u32 = 8 * 1024 * 1024;

/// An authenticated connection to a host.
pub struct Connection {
    pub(super) handle: Handle<Verifier>,
    /// What this one goes through, which must live as long.
    _through: Through,
}

/// What a connection goes through.
enum Through {
    Nothing,
    Host(#[expect(dead_code, reason = "it is kept alive")] Box<Connection>),
    Program(Box<ProxyCommand>),
}

/// What two ends say to each other, over whatever it goes.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Connection {
    /// Has the host connect to a port: its own or, by a name that it knows, another's.
    pub(crate) async fn forward(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Box<dyn Stream>, russh::Error> {
        let opened = self
            .handle
            .channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
        Ok(Box::new(opened.await?.into_stream()))
    }
}

/// Connects to a host and authenticates, within the target's time-out.
pub async fn connect(target: &Target) -> Result<Connection, SshError> {
    loop {
        let clock = Clock::default();
        let connected = clock.within(target.timeout, establish(target, &clock));
        match connected.await {
            // A host does not wait for a person: it is connected to anew once the passphrase is there.
            Some(Err(SshError::Locked { path })) => target.credentials.keyring.ask(&path).await,
            Some(connected) => return connected,
            None => return Err(too_late(target)),
        }
    }
}

fn too_late(target: &Target) -> SshError {
    let seconds = target.timeout.as_secs();
    match &target.way {
        Transport::Command(command) => {
            let cause = format!("no session came of it within {seconds} s");
            proxy_failed(target, command, cause)
        }
        Transport::Direct(_) | Transport::Jump(_) => SshError::Timeout {
            address: target.address.clone(),
            port: target.port,
            seconds,
        },
    }
}

fn establish<'t>(
    target: &'t Target,
    clock: &'t Clock,
) -> Pin<Box<dyn Future<Output = Result<Connection, SshError>> + Send + 't>> {
    Box::pin(async move {
        let known = target.host_keys.written()?;
        let expected = target.host_keys.expected(&known).await?;
        let config = client::Config {
            window_size: WINDOW,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: 4,
            nodelay: true,
            preferred: preferred(&target.algorithms, &expected)?,
            ..client::Config::default()
        };
        tracing::debug!(
            host = target.host,
            address = target.address,
            port = target.port,
            "connecting"
        );
        let verifier = Verifier::new(&target.address, &target.host_keys, known);
        let (mut through, stream) = open(target, clock).await?;
        let greeting = Greeting::default();
        let stream = greeting.of(stream);
        let session = client::connect_stream(Arc::new(config), stream, verifier.clone()).await;
        let mut handle = match session {
            Ok(handle) => handle,
            Err(error) => {
                if let Some(refusal) = verifier.refusal() {
                    return Err(refusal);
                }
                return Err(not_begun(target, &mut through, &greeting, error).await);
            }
        };
        auth::authenticate(&mut handle, &verifier, target, clock).await?;
        tracing::debug!(host = target.host, user = target.user, "authenticated");
        Ok(Connection {
            handle,
            _through: through,
        })
    })
}

/// Opens the way to a host.
async fn open(target: &Target, clock: &Clock) -> Result<(Through, Box<dyn Stream>), SshError> {
    let unreachable = |cause: String| SshError::Unreachable {
        address: target.address.clone(),
        port: target.port,
        cause,
    };
    match &target.way {
        Transport::Direct(origin) => Ok((Through::Nothing, Box::new(tcp(target, origin).await?))),
        Transport::Command(command) => {
            let (program, stream) = ProxyCommand::start(command)
                .map_err(|error| proxy_failed(target, command, error.to_string()))?;
            Ok((Through::Program(Box::new(program)), Box::new(stream)))
        }
        Transport::Jump(jump) => {
            let through = establish(jump, clock).await?;
            let stream = through.forward(&target.address, target.port).await;
            let stream = stream.map_err(|error| {
                unreachable(format!("{} could not open the way: {error}", jump.address))
            })?;
            Ok((Through::Host(Box::new(through)), stream))
        }
    }
}

fn proxy_failed(target: &Target, command: &str, cause: String) -> SshError {
    SshError::ProxyCommand {
        address: target.address.clone(),
        port: target.port,
        command: command.to_owned(),
        cause,
    }
}

/// Says why a session did not begin.
async fn not_begun(
    target: &Target,
    through: &mut Through,
    greeting: &Greeting,
    error: russh::Error,
) -> SshError {
    if let (Through::Program(program), Transport::Command(command)) = (through, &target.way)
        && greeting.speaks() == Speaks::Nothing
        && let Some(cause) = program.verdict().await
    {
        return proxy_failed(target, command, cause);
    }
    let (address, port) = (target.address.clone(), target.port);
    if let russh::Error::NoCommonAlgo { kind, ours, theirs } = error {
        let (kind, keyword) = named(&kind);
        let list = |mut names: Vec<String>| {
            // What is no algorithm but announces an extension is nothing to choose.
            names.retain(|name| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-"));
            names.join(", ")
        };
        return SshError::NothingInCommon {
            address,
            kind,
            keyword,
            ours: list(ours),
            theirs: list(theirs),
        };
    }
    match greeting.speaks() {
        Speaks::Otherwise(said) if TURNED_AWAY.iter().any(|words| said.contains(words)) => {
            SshError::TurnedAway {
                address,
                port,
                said,
            }
        }
        Speaks::Otherwise(said) => SshError::NotSsh {
            address,
            port,
            said,
        },
        Speaks::Nothing => SshError::ClosedAtOnce { address, port },
        Speaks::Ssh => SshError::NotBegun {
            address,
            port,
            cause: error,
        },
    }
}

/// What OpenSSH says to an address that it does not let in for a while (`sshd_config(5)`, `PerSourcePenalties` and
/// `MaxStartups`).
const TURNED_AWAY: [&str; 2] = ["Not allowed at this time", "Exceeded MaxStartups"];

/// Names a kind of algorithm, and what sets it in `sshd_config(5)`.
fn named(kind: &AlgorithmKind) -> (&'static str, &'static str) {
    match kind {
        AlgorithmKind::Kex => ("key exchange", "KexAlgorithms"),
        AlgorithmKind::Key => ("kind of host key", "HostKey"),
        AlgorithmKind::Cipher => ("cipher", "Ciphers"),
        AlgorithmKind::Compression => ("compression", "Compression"),
        AlgorithmKind::Mac => ("message authentication code", "MACs"),
    }
}

/// Connects to the first address of a host that answers. Each has its share of the time: one that nobody answers at must not
/// take it all from the others.
async fn tcp(target: &Target, origin: &Origin) -> Result<TcpStream, SshError> {
    let (address, port) = (target.address.clone(), target.port);
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            return SshError::Refused {
                address: address.clone(),
                port,
            };
        }
        SshError::Unreachable {
            address: address.clone(),
            port,
            cause: error.to_string(),
        }
    };
    let deadline = Instant::now() + target.timeout;
    let found = lookup_host((address.as_str(), port)).await;
    let places: Vec<_> = found
        .map_err(failed)?
        .filter(|place| origin.family.has(*place))
        .collect();
    let mut last = io::Error::other("it has no address of the kind that `AddressFamily` names");
    for (index, place) in places.iter().enumerate() {
        let left = u32::try_from(places.len() - index).unwrap_or(1);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        match timeout(share, from(origin, *place)).await {
            Ok(Ok(stream)) => {
                // Answers are awaited one by one: waiting to fill a packet would cost time for nothing.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed(last))
}

/// Connects to a place from the address of this machine that is meant.
async fn from(origin: &Origin, place: SocketAddr) -> io::Result<TcpStream> {
    let Some(bind) = &origin.bind else {
        return TcpStream::connect(place).await;
    };
    let not_bound = |error: String| io::Error::other(format!("from `BindAddress {bind}`: {error}"));
    let mut own = lookup_host((bind.as_str(), 0))
        .await
        .map_err(|error| not_bound(error.to_string()))?;
    let own = own.find(|own| own.is_ipv4() == place.is_ipv4());
    let own = own.ok_or_else(|| not_bound(format!("it is no address that leads to {place}")))?;
    let socket = if place.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket
        .bind(own)
        .map_err(|error| not_bound(error.to_string()))?;
    socket.connect(place).await
}

impl Family {
    const fn has(self, place: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Inet => place.is_ipv4(),
            Self::Inet6 => place.is_ipv6(),
        }
    }
}
