//! ansible-core by itself and with Mitogen, pyinfra and `BundleWrap` on the converged estate, in turn with prov.

use benches::Result;
use benches::estate;
use benches::peers::{Peers, Watch};
use benches::process::{self, Ran};
use benches::sample::Samples;
use benches::table::Row;

use crate::arguments::Arguments;
use crate::prepared::{HOSTS, Prepared};

/// A peer: its name, and how it is run.
type Peer = (&'static str, fn(&Peers, Watch, bool) -> Result<Ran>);

const PEERS: [Peer; 4] = [
    ("ansible-core", Peers::ansible),
    ("ansible-core with Mitogen", Peers::mitogen),
    ("pyinfra", Peers::pyinfra),
    ("BundleWrap", Peers::bundlewrap),
];

pub(crate) fn run(arguments: &Arguments, prepared: &Prepared) -> Result<Vec<Row>> {
    eprintln!("  installing the peers, and Python on the hosts");
    let peers = Peers::prepare(
        &arguments.venv,
        estate::NAME,
        &prepared.targets,
        &prepared.wanted,
    )?;
    println!("| ({}) | | | | | |", peers.versions()?);
    // The first run is for what they may see differently from prov; after it nothing is left to change for anybody.
    for (_, run) in PEERS {
        run(&peers, process::run, false)?;
    }
    prepared.preview()?;
    let mut apply = Samples::default();
    let mut others = PEERS.map(|_| Samples::default());
    for _ in 0..arguments.runs {
        apply.push(prepared.apply()?.seconds);
        for ((_, run), samples) in PEERS.iter().zip(&mut others) {
            samples.push(run(&peers, process::run, true)?.seconds);
        }
    }
    let what = "`apply`, 14 converged hosts";
    let rows = PEERS.iter().zip(&others);
    let mut rows: Vec<_> = rows
        .map(|((name, _), samples)| Row::ratio(what, &apply, Some((name, samples))))
        .collect();
    let own = process::watch_tree(&mut prepared.estate.command(&["apply", "--output", "json"]))?;
    estate::outcome(&own, HOSTS, 0)?;
    for (name, run) in PEERS {
        let peak = run(&peers, process::watch_tree, true)?.peak;
        rows.push(Row::sizes(
            "memory, `apply`, 14 converged hosts",
            own.peak,
            (name, peak),
        ));
    }
    Ok(rows)
}
