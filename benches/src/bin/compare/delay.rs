//! Round trips: one converged host behind a slow link, with few and with many resources.

use std::time::Duration;

use benches::estate::{self, Estate};
use benches::sample::{Samples, line};
use benches::table::Row;
use benches::{Result, ensure, relay, wanted};

use crate::arguments::Arguments;
use crate::prepared::Prepared;

/// The host behind the link; a name server has many resources.
const HOST: &str = "dns-internal";

/// Milliseconds that each way takes.
const DELAYS: [u16; 3] = [0, 10, 50];

/// The relay for the first delay listens here; the next ones follow.
const PORT: u16 = 47022;

/// Roles that make few and many resources.
const ROLES: &[&[&str]] = &[
    &["dns_client"],
    &["backup_client", "mta", "dns", "dns_client"],
];

pub(crate) fn run(arguments: &Arguments, prepared: &Prepared) -> Result<Vec<Row>> {
    let target = prepared.targets.iter().find(|target| target.name == HOST);
    let target = target.ok_or("the host behind the link is missing")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    for (port, delay) in (PORT..).zip(DELAYS) {
        let to = format!("{}:22", target.address);
        let delay = Duration::from_millis(delay.into());
        runtime.block_on(relay::relay(&format!("127.0.0.1:{port}"), to, delay))?;
    }
    let mut links = Vec::new();
    for roles in ROLES {
        let estate = Estate::of_servers(&arguments.prov, &arguments.sample, roles)?;
        let resources = wanted::of_host(&estate.folder(), HOST)?.len();
        links.push((estate, u64::try_from(resources)?, <[Samples; 3]>::default()));
    }
    for _ in 0..arguments.runs {
        for (port, delay) in (PORT..).zip(0..DELAYS.len()) {
            for (estate, resources, samples) in &mut links {
                estate.ssh_file(
                    "known_hosts",
                    &format!("[127.0.0.1]:{port} {}\n", target.key),
                )?;
                let way = format!("Host {HOST}\n  HostName 127.0.0.1\n  Port {port}\n");
                estate.ssh_file("config", &way)?;
                samples[delay].push(look(estate, *resources)?);
            }
        }
    }
    let slopes: Vec<_> = links.iter().map(|(_, _, samples)| slope(samples)).collect();
    let constant = slopes
        .windows(2)
        .all(|pair| (pair[0] - pair[1]).abs() < 1.0);
    let row = |((_, resources, samples), slope): (&(_, u64, [Samples; 3]), &f64)| {
        let times = DELAYS.iter().zip(samples);
        let times: Vec<_> = times
            .map(|(ms, times)| format!("{ms} ms: {times}"))
            .collect();
        Row {
            what: format!("`diff`, 1 host, {resources} resources, link delayed each way"),
            prov: times.join("; "),
            other: format!("{slope:.1} round trips with handshake and login, 1 to look"),
            ratio: None,
            target: None,
        }
        .target("constant", constant)
    };
    Ok(links.iter().zip(&slopes).map(row).collect())
}

/// Counts the round trips by what the delay adds. The fastest runs are used, as a busy machine only ever adds time,
/// and by as much as a few round trips.
fn slope(samples: &[Samples; 3]) -> f64 {
    let times = DELAYS.iter().zip(samples);
    let points = times.map(|(delay, times)| (f64::from(*delay) * 0.002, times.lowest()));
    line(&points.collect::<Vec<_>>()).1
}

fn look(estate: &Estate, resources: u64) -> Result<f64> {
    let ran = estate.prov(&["diff", "--limit", HOST, "--output", "json"])?;
    let value = estate::outcome(&ran, 1, 0)?;
    let host = &value["hosts"][0];
    ensure(
        host["round_trips"] == 1 && host["unchanged"].as_u64() == Some(resources),
        || format!("not {resources} resources in one round trip: {host}"),
    )?;
    Ok(ran.seconds)
}
