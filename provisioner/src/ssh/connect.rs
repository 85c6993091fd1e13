//! Connecting: TCP or a jump host, key exchange, host key, authentication.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};

use super::error::SshError;
use super::host_key::{Verifier, preferred_algorithms};
use super::{Target, auth};

/// Seconds without a sign of life after which a question is sent to see whether the host is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Bytes that a host may send before it must wait: large enough for a whole answer.
const WINDOW: u32 = 8 * 1024 * 1024;

/// An authenticated connection to a host.
pub struct Connection {
    pub(super) handle: Handle<Verifier>,
    /// The connection that this one goes through, which must live as long.
    _jump: Option<Box<Connection>>,
}

/// Connects to a host and authenticates, within the target's time-out.
pub async fn connect(target: &Target) -> Result<Connection, SshError> {
    tokio::time::timeout(target.timeout, establish(target))
        .await
        .unwrap_or_else(|_| {
            Err(SshError::Timeout {
                address: target.address.clone(),
                port: target.port,
                seconds: target.timeout.as_secs(),
            })
        })
}

fn establish(
    target: &Target,
) -> Pin<Box<dyn Future<Output = Result<Connection, SshError>> + Send + '_>> {
    Box::pin(async move {
        let known = target.host_keys.known()?;
        let config = client::Config {
            window_size: WINDOW,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: 4,
            nodelay: true,
            preferred: russh::Preferred {
                key: Cow::Owned(preferred_algorithms(&known)),
                ..russh::Preferred::default()
            },
            ..client::Config::default()
        };
        tracing::debug!(
            host = target.host,
            address = target.address,
            port = target.port,
            "connecting"
        );
        let verifier = Verifier::new(&target.address, &target.host_keys, known);
        let (jump, session) = match &target.jump {
            None => {
                let stream = tcp(target).await?;
                (
                    None,
                    client::connect_stream(Arc::new(config), stream, verifier.clone()).await,
                )
            }
            Some(jump) => {
                let through = Box::new(establish(jump).await?);
                let channel = through
                    .handle
                    .channel_open_direct_tcpip(
                        target.address.clone(),
                        u32::from(target.port),
                        "127.0.0.1",
                        0,
                    )
                    .await
                    .map_err(|error| SshError::Unreachable {
                        address: target.address.clone(),
                        port: target.port,
                        cause: format!("{} could not open the way: {error}", jump.address),
                    })?;
                let stream = channel.into_stream();
                let session =
                    client::connect_stream(Arc::new(config), stream, verifier.clone()).await;
                (Some(through), session)
            }
        };
        let mut handle = match session {
            Ok(handle) => handle,
            Err(error) => return Err(verifier.refusal().unwrap_or(SshError::Protocol(error))),
        };
        auth::authenticate(&mut handle, target).await?;
        tracing::debug!(host = target.host, user = target.user, "authenticated");
        Ok(Connection {
            handle,
            _jump: jump,
        })
    })
}

async fn tcp(target: &Target) -> Result<tokio::net::TcpStream, SshError> {
    let (address, port) = (target.address.clone(), target.port);
    let stream = tokio::net::TcpStream::connect((address.as_str(), port))
        .await
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::ConnectionRefused {
                return SshError::Refused { address, port };
            }
            SshError::Unreachable {
                address,
                port,
                cause: error.to_string(),
            }
        })?;
    // Answers are awaited one by one: waiting to fill a packet would cost time for nothing.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
