//! `prov browse`: the estate's sites and mail for this user's own browser and mail program, by a proxy on this machine.

mod guide;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tasks::browse::{Callers, Realm, places};

use super::app::App;
use super::arguments::Browse;
use super::scope::{self, Scopes};
use crate::browse::{Network, Proxy, Told, Way, knows_callers};
use crate::docker::{EstateContainers, HostState, Mode};
use crate::engine::Failure;
use crate::report::print::{errln, out, outln};
use crate::report::problem::{Problem, exit};
use crate::terminal::interrupted;
use guide::Guide;

/// What is done to visit servers.
const SERVERS: &str = "a browser goes to their sites as everybody's does; to see them as one of them does, have ssh make the proxy, \
     `ssh -N -D 1080 HOST` (SOCKS5 at 127.0.0.1:1080, with names asked there), and import what `prov authority export FILE --certificate` writes";

/// The port at which name servers are asked (RFC 1035).
const NAMES: u16 = 53;

/// Name of the file with the authority's certificate, among what prov remembers of the estate.
const CERTIFICATE: &str = "authority-certificate.pem";

/// Name of the folder that is proposed as the home of a browser which trusts that authority.
const HOME: &str = "browser";

/// How often it is looked whether the estate still runs, and how often it must not before that counts: while hosts are made anew,
/// there is a moment without any.
const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 4;

pub(super) async fn run(app: &App, options: &Browse) -> Result<u8, Problem> {
    if app.estate.networks().is_none() {
        return Err(app.not_containers(SERVERS));
    }
    if !app.for_people() {
        return Err(Problem::usage(
            "`prov browse` tells people how to visit the estate, and has nothing for programs",
            "leave `--output` out",
        ));
    }
    let side = scope::location(&options.side)?;
    let scopes = Scopes::of(app);
    let promises = scopes.promises()?;
    let containers = app.containers().await?;
    let running = running(&containers).await?;
    let Some(realm) = Realm::of(&app.estate, promises, side) else {
        return Err(app.not_containers(SERVERS));
    };
    must_run(app, &realm, &running)?;
    let state = app.state()?;
    let certificate = state.path(CERTIFICATE);
    if let Some(authority) = &app.inputs.authority {
        crate::state::write_private(&certificate, authority.trust().as_bytes())?;
    }
    let names_are_asked = realm.name_server.is_some();
    let proxy = listen(app, options, realm).await?;
    let guide = Guide {
        estate: app.estate.name(),
        side,
        proxy: proxy.address(),
        certificate: app.inputs.authority.as_ref().map(|_| certificate.as_path()),
        home: &state.path(HOME),
        places: places(promises, side),
        running: &running,
        names_are_asked,
    };
    out(format_args!("{}", guide.text()));
    tokio::select! {
        () = proxy.serve() => Ok(exit::DONE),
        () = interrupted() => Ok(exit::DONE),
        ended = ended(&containers) => {
            ended?;
            outln!("the estate {} has stopped, and with it this proxy", app.estate.name());
            Ok(exit::DONE)
        }
    }
}

/// Lists the hosts whose services run.
async fn running(containers: &EstateContainers) -> Result<BTreeSet<String>, Problem> {
    let listed = containers.list().await?.into_iter();
    let running = listed.filter(|it| it.state == HostState::Running && it.mode == Mode::Test);
    Ok(running.map(|it| it.host).collect())
}

/// Refuses an estate that cannot be visited: nothing runs, or nobody who knows names.
fn must_run(app: &App, realm: &Realm, running: &BTreeSet<String>) -> Result<(), Problem> {
    if running.is_empty() {
        return Err(Problem::Failed(Failure::new(
            format!("no services of the estate {} run", app.estate.name()),
            "`prov up` makes its containers, and `prov test` starts those that are there with their services",
        )));
    }
    let names = realm.name_server.map(|address| realm.host(address));
    match names.filter(|host| !running.contains(*host)) {
        Some(host) => Err(Problem::Failed(Failure::new(
            format!("the services of {host} do not run, which knows the names of that side"),
            format!("start them: `prov test {host}`, or `prov up {host}` if it is new"),
        ))),
        None => Ok(()),
    }
}

async fn listen(app: &App, options: &Browse, realm: Realm) -> Result<Proxy, Problem> {
    let failed = |cause: String, hint: &str| Problem::Failed(Failure::new(cause, hint));
    // Bound for nothing but to learn whether the containers' networks are of this machine.
    for network in &realm.networks {
        if let Err(error) = std::net::UdpSocket::bind((network.gateway(), 0)) {
            return Err(failed(
                format!(
                    "this machine is not in the network {network} of the estate's containers: {error}"
                ),
                "run it on the machine of the Docker engine, as root's engine makes a network there",
            ));
        }
    }
    if !knows_callers().await {
        return Err(failed(
            "this machine does not say whose connections are, so the proxy would be everybody's on it".to_owned(),
            "run it on Linux, where /proc is mounted",
        ));
    }
    let own = rustix::process::geteuid().as_raw();
    let sudo = std::env::var("SUDO_UID").ok();
    let callers = Callers {
        own,
        behind: sudo.filter(|_| own == 0).and_then(|user| user.parse().ok()),
    };
    let tells = app.global.telling.verbose > 0;
    let told: Told = Arc::new(move |what: &str| {
        if tells {
            errln!("{what}");
        }
    });
    let way = Network {
        realm,
        name_port: NAMES,
    };
    Proxy::listen(options.port, Way::Network(way), callers, told)
        .await
        .map_err(|error| {
            let hint = if error.kind() == ErrorKind::AddrInUse {
                "something else listens there: choose another --port, or leave it out"
            } else if error.kind() == ErrorKind::PermissionDenied {
                "choose a --port of 1024 or above, or leave it out"
            } else {
                "leave --port out, and any free one is taken"
            };
            failed(
                format!("cannot listen at 127.0.0.1:{}: {error}", options.port),
                hint,
            )
        })
}

/// Waits until no host runs any more, or the engine does not answer.
async fn ended(containers: &EstateContainers) -> Result<(), Problem> {
    let mut missed = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let listed = containers.list().await;
        let runs = |it: &crate::docker::HostStatus| {
            it.mode.is_host() && matches!(it.state, HostState::Running | HostState::Paused)
        };
        if matches!(&listed, Ok(hosts) if hosts.iter().any(runs)) {
            missed = 0;
            continue;
        }
        missed += 1;
        if missed >= LOOKS {
            return listed.map(drop).map_err(Problem::from);
        }
    }
}
