//! `prov check` on estates of growing size.

use benches::estate::Estate;
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, ensure};

use crate::arguments::Arguments;

/// How many roles of its own the last estate has, and no others.
const OWN_ROLES: usize = 10;

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let counts = [(10_usize, 0), (100, 0), (1000, 0), (1000, OWN_ROLES)];
    let mut estates = Vec::new();
    for (count, own) in counts {
        let estate = Estate::of_many(&arguments.prov, &arguments.sample, count, 22)?;
        if own > 0 {
            estate.give_own_roles(own)?;
        }
        // A mistake in the last host must be found, or it is not read at all.
        let last = estate
            .folder()
            .join(format!("hosts/host{:04}.yml", count - 1));
        let good = std::fs::read_to_string(&last)?;
        std::fs::write(&last, format!("{good}mta_mailnam: wrong\n"))?;
        ensure(estate.prov(&["check"]).is_err(), || {
            format!("a mistake in the last of {count} hosts is not found")
        })?;
        std::fs::write(&last, good)?;
        estates.push((count, own, estate, Samples::default()));
    }
    for _ in 0..arguments.runs {
        for (count, own, estate, samples) in &mut estates {
            let ran = estate.prov(&["check"])?;
            let roles = if *own == 0 { 3 } else { *own };
            let said = format!("{count} hosts, 0 services, {roles} roles");
            ensure(ran.output.contains(&said), || {
                format!("{count} hosts were not checked: {}", ran.output)
            })?;
            samples.push(ran.seconds);
        }
    }
    let mut rows = Vec::new();
    let mut before: Option<&Samples> = None;
    for (count, own, _, samples) in &estates {
        let what = match own {
            0 => format!("`check`, {count} hosts"),
            own => format!("`check`, {count} hosts, {own} roles of the estate's own"),
        };
        let beside = if *own == 0 {
            "a tenth:"
        } else {
            "three of prov's:"
        };
        let mut row = Row::ratio(&what, samples, before.map(|samples| (beside, samples)));
        if *count == 1000 {
            row = row.target("< 0.2 s", samples.median() < 0.2);
        }
        rows.push(row);
        before = Some(samples);
    }
    Ok(rows)
}
