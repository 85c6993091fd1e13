//! A browser in a container of this machine that sees the sites of servers as a vantage point does: over its SSH connection, with
//! the names that it knows.

use std::sync::Arc;

use tasks::browse::{Callers, Sites};

use crate::browse::{Proxy, Way};
use crate::cli::app::App;
use crate::cli::containers::Shown;
use crate::docker::{ClientSession, DockerError, NOBODY};
use crate::verify::{Client, Servers};

/// Opens a browser and what leads it there, or says why none can be opened.
pub(super) async fn open(
    app: &App,
    servers: &Servers,
    (client, sites): (Client, Sites),
    shown: &Shown,
) -> Result<(ClientSession, Proxy), String> {
    let Some(connected) = servers.connect(client.location).await else {
        let side = client.location.as_str();
        return Err(format!(
            "no vantage point {side} that a browser could see them from"
        ));
    };
    let (target, connection) = connected.map_err(|failure| failure.cause)?;
    // Every host serves SSH, so a refusal is about going on from there.
    let forwarded = connection.forward("127.0.0.1", target.port);
    match tokio::time::timeout(target.timeout, forwarded).await {
        Ok(Err(russh::Error::ChannelOpenFailure(
            russh::ChannelOpenFailure::AdministrativelyProhibited,
        ))) => {
            return Err(format!(
                "{} lets no connection of a browser go on from there (sshd_config(5), `AllowTcpForwarding`; `ssh_server_forwarding: true` with the role ssh_server)",
                target.host
            ));
        }
        Err(_) => {
            return Err(format!(
                "{} does not say whether connections may go on from there",
                target.host
            ));
        }
        // Where nobody listens at that address, it was tried all the same.
        Ok(Ok(_) | Err(_)) => {}
    }
    let without_engine =
        |error: DockerError| format!("a browser needs a container on this machine: {error}");
    let engine = app.engine().await.map_err(without_engine)?;
    let callers = Callers {
        own: NOBODY,
        behind: None,
    };
    let way = Way::Server(Box::new(connection), sites);
    let proxy = Proxy::listen(0, way, callers, Arc::new(|_: &str| {})).await;
    let proxy = proxy.map_err(|error| format!("no way for a browser: {error}"))?;
    let release = app.estate.client_release(None).codename();
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let opened = engine.open_browser(
        (app.estate.name(), release),
        servers.trust(),
        proxy.address(),
        &progress,
    );
    let session = opened.await.map_err(without_engine)?;
    Ok((session, proxy))
}
