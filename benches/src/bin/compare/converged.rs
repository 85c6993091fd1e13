//! The converged estate: previews and applies against the floor, the memory they need, and the size of the program.

use benches::process;
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, estate};

use crate::arguments::Arguments;
use crate::prepared::{HOSTS, Prepared};

pub(crate) fn run(arguments: &Arguments, prepared: &Prepared) -> Result<Vec<Row>> {
    let (mut diff, mut apply, mut floor) = <(Samples, Samples, Samples)>::default();
    for _ in 0..arguments.runs {
        floor.push(prepared.facts()?.seconds);
        diff.push(prepared.preview()?.seconds);
        apply.push(prepared.apply()?.seconds);
    }
    let other = Some(("the floor", &floor));
    let mut rows = vec![
        Row::ratio("`diff`, 14 converged hosts", &diff, other).at_most(1.2),
        Row::ratio("`apply`, 14 converged hosts", &apply, other).at_most(1.2),
    ];
    let (mut domains, mut floor) = <(Samples, Samples)>::default();
    for _ in 0..arguments.runs {
        floor.push(prepared.domain_facts()?.seconds);
        domains.push(prepared.domains()?.seconds);
    }
    let what = format!(
        "`domain`, 2 domains on {} hosts, set up",
        prepared.domains.len()
    );
    rows.push(Row::ratio(&what, &domains, Some(("the floor", &floor))).at_most(1.2));
    for command in ["diff", "apply"] {
        let mut command_line = prepared.estate.command(&[command, "--output", "json"]);
        let ran = process::watch(&mut command_line)?;
        estate::outcome(&ran, HOSTS, 0)?;
        rows.push(size(
            &format!("memory, `{command}`, 14 hosts"),
            ran.peak * 1024,
            40,
        ));
    }
    let binary = std::fs::metadata(&arguments.prov)?.len();
    rows.push(size("size of the program", binary, 15));
    Ok(rows)
}

/// Makes a row of a size in bytes with a target in MB.
fn size(what: &str, bytes: u64, most: u64) -> Row {
    let tenths = bytes.div_ceil(100_000);
    Row {
        what: what.to_owned(),
        prov: format!("{}.{} MB", tenths / 10, tenths % 10),
        other: String::new(),
        ratio: None,
        target: None,
    }
    .target(&format!("≤ {most} MB"), tenths <= most * 10)
}
