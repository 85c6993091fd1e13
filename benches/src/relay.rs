//! A slow link: a relay that hands bytes on after a while, in both directions.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Result;

/// Relays every connection from `from` to `to`; each way takes `delay`.
pub async fn relay(from: &str, to: String, delay: Duration) -> Result<()> {
    let listener = TcpListener::bind(from).await?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            tokio::spawn(connect(near, to.clone(), delay));
        }
    });
    Ok(())
}

async fn connect(near: TcpStream, to: String, delay: Duration) {
    // Who connects has to wait for the way there and back, too; the listener has answered without it.
    tokio::time::sleep(delay * 2).await;
    let Ok(far) = TcpStream::connect(to).await else {
        return;
    };
    // A connection that ends early is seen by its two ends.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_reader, near_writer) = near.into_split();
    let (far_reader, far_writer) = far.into_split();
    tokio::spawn(carry(near_reader, far_writer, delay));
    carry(far_reader, near_writer, delay).await;
}

async fn carry<R, W>(mut reader: R, mut writer: W, delay: Duration)
where
    R: AsyncReadExt + Unpin + Send + 'static,
    W: AsyncWriteExt + Unpin + Send + 'static,
{
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // The other end may be gone already.
        let _ = writer.shutdown().await;
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        let packet = (Instant::now() + delay, buffer[..count].to_vec());
        if sender.send(packet).is_err() {
            break;
        }
    }
}
