//! `prov deploy`, `prov test`, `prov down`: the life cycle of the estate's containers.

use crate::report::print::{jsonln, outln};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use serde_json::json;
use tasks::Secret;
use tasks::estate::{Host, Init};
use tasks::resource::Service;
use tasks::role::{HostContext, OwnRole};

use super::app::App;
use super::arguments::{Deploy, Down, Test};
use super::stand_ins;
use crate::docker::{
    DONE, DeployOptions, DockerError, DownOptions, HostSpec, Removed, TestOptions,
};
use crate::engine::{Event, Failure};
use crate::report::problem::{Problem, exit};
use crate::report::progress::Lines;
use crate::report::style::{self, paint};
use crate::report::text;

/// What is done with servers that are not to be the estate's any more.
const LEAVING_SERVERS: &str = "nothing of it is in Docker; to take from a server what a role has set up, take the role from the host in estate.yml and \
     run `prov apply`; `prov domain NAME --remove` takes domains away, and both keep data unless `--purge-data` is given";

/// Shows the progress that the Docker side reports by calls, until it is dropped.
pub(super) struct Shown(Option<Lines>);

impl Shown {
    pub(super) fn new(app: &App) -> Self {
        Self(app.progress().map(|detail| Lines::new(detail, None)))
    }

    pub(super) fn show(&self, host: &str, doing: &str) {
        match &self.0 {
            Some(lines) if doing == DONE => lines.ended(host),
            Some(lines) => lines.take(host, &Event::Doing(doing.to_owned())),
            None => {}
        }
    }
}

/// Describes hosts for Docker: where they are, who administers them, which services they run in test mode.
pub(super) fn specs(app: &App, hosts: &[&Host]) -> Result<Vec<HostSpec>, Problem> {
    let closed = app.estate.closed_containers();
    if !closed.is_empty() {
        return Err(closed.into());
    }
    hosts.iter().map(|host| spec(app, host)).collect()
}

fn spec(app: &App, host: &Host) -> Result<HostSpec, Problem> {
    let context = HostContext::new(&app.estate, host, &app.inputs, &app.templates);
    let resources = tasks::role::resources(&context)?;
    let mut services = tasks::resource::services(&resources);
    // Timers, sockets and the like are systemd's own.
    services.retain(|(service, _)| service.running && service.name.is_service());
    let init = app.estate.init();
    let names = |services: &[(&Service, bool)]| {
        let names = services.iter();
        names
            .map(|(service, _)| in_test_mode(service.name.as_str(), init).to_owned())
            .collect()
    };
    let late: Vec<_> = services.iter().copied().filter(|(_, late)| *late).collect();
    let own = app.inputs.roles.own().filter(|role| role.is_on(host));
    let definitions = own.flat_map(OwnRole::definitions).collect();
    let address: Ipv4Addr = match host.address() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => {
            return Err(Problem::usage(
                format!(
                    "host {}: the container address {address} is not an IPv4 address",
                    host.name()
                ),
                "give containers addresses of their IPv4 network",
            ));
        }
    };
    let connection = host.connection();
    Ok(HostSpec {
        name: host.name().to_owned(),
        address,
        side: host.location(),
        release: host.release().codename().to_owned(),
        services: names(&services),
        late: names(&late),
        definitions,
        volumes: host.volumes().iter().map(ToString::to_string).collect(),
        admin_user: connection.user.clone().unwrap_or_else(|| "root".to_owned()),
        admin_password: connection
            .password
            .clone()
            .unwrap_or_else(|| Secret::new("")),
    })
}

/// Gives the name that a service has in test mode, where some run on every host under names of prov's own.
fn in_test_mode(unit: &str, init: Init) -> &str {
    match (unit.strip_suffix(".service").unwrap_or(unit), init) {
        ("rsyslog", Init::Runit) => "syslog",
        ("syslog", Init::Systemd) => "rsyslog",
        ("sshd", _) => "ssh",
        (name, _) => name,
    }
}

pub(super) async fn deploy(app: &App, options: &Deploy) -> Result<u8, Problem> {
    let hosts = app.named(&options.names)?;
    let started = Instant::now();
    let results = deploy_hosts(app, &hosts, options.renew_volumes).await?;
    Ok(report(app, "in deploy mode", results, started.elapsed()))
}

/// Each host with the services that are not ready yet, or why it did not come up.
type CameUp = Vec<(String, Result<Vec<String>, DockerError>)>;

/// Deploys hosts anew.
pub(super) async fn deploy_hosts(
    app: &App,
    hosts: &[&Host],
    renew_volumes: bool,
) -> Result<CameUp, Problem> {
    let specs = specs(app, hosts)?;
    let containers = app
        .containers_or("servers are there already: `prov apply` makes them as the estate says")
        .await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let options = DeployOptions { renew_volumes };
    let work = async {
        let stand_ins = stand_ins::ensure(app, &containers, &progress);
        // What deploying has to remember would make every future above it as large.
        let deployed = Box::pin(containers.deploy(&specs, options, &progress));
        let (stand_ins, deployed) = tokio::join!(stand_ins, deployed);
        stand_ins?;
        Ok::<_, Problem>(deployed?)
    };
    let results = work.await;
    drop(shown);
    Ok(results?
        .into_iter()
        .map(|(host, result)| (host, result.map(|_| Vec::new())))
        .collect())
}

pub(super) async fn test(app: &App, options: &Test) -> Result<u8, Problem> {
    let hosts = app.named(&options.names)?;
    let started = Instant::now();
    let results = test_hosts(app, &hosts, options.restart, options.deadline).await?;
    let state = "in test mode, services ready";
    Ok(report(app, state, results, started.elapsed()))
}

/// Switches hosts to test mode.
pub(super) async fn test_hosts(
    app: &App,
    hosts: &[&Host],
    restart: bool,
    deadline: u64,
) -> Result<CameUp, Problem> {
    let specs = specs(app, hosts)?;
    let containers = app
        .containers_or("daemons run on servers as soon as `prov apply` has set them up")
        .await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let options = TestOptions {
        restart,
        deadline: Duration::from_secs(deadline),
    };
    let work = async {
        stand_ins::ensure(app, &containers, &progress).await?;
        Ok(containers.test(&specs, options, &progress).await?)
    };
    let results = work.await;
    drop(shown);
    results
}

/// Prints what became of each host; gives the exit code.
pub(super) fn report(app: &App, state: &str, results: CameUp, elapsed: Duration) -> u8 {
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if app.json() {
        let hosts: Vec<_> = results
            .iter()
            .map(|(host, result)| match result {
                Ok(late) => {
                    json!({ "host": host, "status": "done", "failed": null, "not_ready": late })
                }
                Err(error) => json!({
                    "host": host,
                    "status": "failed",
                    "failed": { "cause": error.to_string(), "hint": error.hint() },
                }),
            })
            .collect();
        let millis = crate::report::json::millis(elapsed);
        jsonln!("{:#}", json!({ "hosts": hosts, "elapsed_ms": millis }));
    } else {
        for (host, result) in results {
            match result {
                Ok(late) if late.is_empty() => {
                    outln!("{host:<24} {}", paint(style::GOOD, state));
                }
                Ok(late) => outln!("{host:<24} {}", waiting(state, &late)),
                Err(error) => {
                    outln!("{host:<24} {}", paint(style::BAD, "failed"));
                    crate::report::print::out(format_args!("{}", Problem::from(error).text()));
                }
            }
        }
        outln!("{}", text::seconds(elapsed));
    }
    if failed > 0 { exit::FAILED } else { exit::DONE }
}

fn waiting(state: &str, late: &[String]) -> String {
    let late = late.join(", ");
    format!("{state} but {late}; `prov complete` does first what it may wait for")
}

/// Turns failed hosts into one problem, for commands that must not go on.
pub(super) fn all_well(results: CameUp) -> Result<(), Problem> {
    let mut causes = Vec::new();
    let mut hint = None;
    for (host, result) in results {
        if let Err(error) = result {
            hint = hint.or_else(|| error.hint());
            let cause = error.to_string();
            causes.push(if cause.starts_with(&host) {
                cause
            } else {
                format!("{host}: {cause}")
            });
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Problem::Failed(
        Failure::new("not every container came up", hint.unwrap_or_default())
            .output(&causes.join("\n")),
    ))
}

pub(super) async fn down(app: &App, options: &Down) -> Result<u8, Problem> {
    let containers = app.containers_or(LEAVING_SERVERS).await?;
    let shown = Shown::new(app);
    let progress = |host: &str, doing: &str| shown.show(host, doing);
    let options = DownOptions {
        base_images: options.base_images,
    };
    let removed = containers.down(options, &progress).await;
    drop(shown);
    let Removed { things, kept } = removed?;
    let state = app.state()?;
    state.forget("host-keys.json");
    if app.json() {
        jsonln!("{:#}", json!({ "removed": things, "kept": kept }));
    } else {
        for image in kept {
            outln!("{image} is still used, and stays");
        }
        let things = text::counted(things, "thing", "things");
        outln!(
            "removed {things} of the estate {} from Docker",
            app.estate.name()
        );
    }
    Ok(exit::DONE)
}
