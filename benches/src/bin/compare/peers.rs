//! ansible-core and pyinfra on the converged estate, in turn with prov.

use benches::Result;
use benches::estate;
use benches::peers::Peers;
use benches::sample::Samples;
use benches::table::Row;

use crate::arguments::Arguments;
use crate::prepared::Prepared;

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
    peers.ansible(false)?;
    peers.pyinfra(false)?;
    prepared.preview()?;
    let (mut apply, mut ansible, mut pyinfra) = <(Samples, Samples, Samples)>::default();
    for _ in 0..arguments.runs {
        apply.push(prepared.apply()?.seconds);
        ansible.push(peers.ansible(true)?.seconds);
        pyinfra.push(peers.pyinfra(true)?.seconds);
    }
    let what = "`apply`, 14 converged hosts";
    Ok(vec![
        Row::ratio(what, &apply, Some(("ansible-core", &ansible))),
        Row::ratio(what, &apply, Some(("pyinfra", &pyinfra))),
    ])
}
