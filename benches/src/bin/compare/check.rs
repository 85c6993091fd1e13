//! `prov check` on estates of growing size.

use benches::estate::Estate;
use benches::sample::Samples;
use benches::table::Row;
use benches::{Result, ensure};

use crate::arguments::Arguments;

pub(crate) fn run(arguments: &Arguments) -> Result<Vec<Row>> {
    let counts = [10_usize, 100, 1000];
    let mut estates = Vec::new();
    for count in counts {
        let estate = Estate::of_many(&arguments.prov, &arguments.sample, count, 22)?;
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
        estates.push((count, estate, Samples::default()));
    }
    for _ in 0..arguments.runs {
        for (count, estate, samples) in &mut estates {
            let ran = estate.prov(&["check"])?;
            ensure(ran.output.contains(&format!("{count} hosts")), || {
                format!("{count} hosts were not checked: {}", ran.output)
            })?;
            samples.push(ran.seconds);
        }
    }
    let mut rows = Vec::new();
    let mut before: Option<&Samples> = None;
    for (count, _, samples) in &estates {
        let what = format!("`check`, {count} hosts");
        let mut row = Row::ratio(&what, samples, before.map(|samples| ("a tenth:", samples)));
        if *count == 1000 {
            row = row.target("< 0.2 s", samples.median() < 0.2);
        }
        rows.push(row);
        before = Some(samples);
    }
    Ok(rows)
}
