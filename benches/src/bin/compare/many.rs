//! Growth: simulated converged hosts on loopback addresses, ten times as many each time.

use benches::estate::{self, Estate, MODEL};
use benches::sample::Samples;
use benches::simulated::{self, Model};
use benches::table::Row;
use benches::{Result, process};

use crate::arguments::Arguments;
use crate::prepared::Prepared;

const PORT: u16 = 47122;

pub(crate) fn run(arguments: &Arguments, prepared: &Prepared) -> Result<Vec<Row>> {
    let model = prepared.targets.iter().find(|target| target.name == MODEL);
    let model = Model {
        estate: estate::NAME.to_owned(),
        host: MODEL.to_owned(),
        address: model.ok_or("the model is missing")?.address.clone(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let hosts = estate::many(1000).collect();
    let key = runtime.block_on(simulated::serve(model, hosts, PORT))?;
    let mut rows = Vec::new();
    let mut before: Option<(Samples, u64)> = None;
    for count in [10_u64, 100, 1000] {
        let hosts = usize::try_from(count)?;
        let estate = Estate::of_many(&arguments.prov, &arguments.sample, hosts, PORT)?;
        let known = estate::many(hosts).map(|(_, address)| format!("[{address}]:{PORT} {key}\n"));
        estate.ssh_file("known_hosts", &known.collect::<String>())?;
        let preview = ["diff", "--forks", "64", "--output", "json"];
        let mut samples = Samples::default();
        // The first run is for the peak of memory, and for the simulated hosts to learn their answer.
        let ran = process::watch(&mut estate.command(&preview))?;
        estate::outcome(&ran, count, 0)?;
        for _ in 0..arguments.runs.min(3) {
            let ran = estate.prov(&preview)?;
            estate::outcome(&ran, count, 0)?;
            samples.push(ran.seconds);
        }
        rows.extend(growth(count, &samples, ran.peak, before.as_ref()));
        before = Some((samples, ran.peak));
    }
    Ok(rows)
}

fn growth(count: u64, samples: &Samples, peak: u64, before: Option<&(Samples, u64)>) -> [Row; 2] {
    let what = format!("`diff`, {count} simulated hosts");
    let mut time = Row::ratio(
        &what,
        samples,
        before.map(|(samples, _)| ("a tenth:", samples)),
    );
    let megabytes = |kib: u64| format!("{} MB", (kib * 1024).div_ceil(1_000_000));
    let mut memory = Row {
        what: format!("memory, {count} simulated hosts"),
        prov: megabytes(peak),
        other: String::new(),
        ratio: None,
        target: None,
    };
    if let Some((_, earlier)) = before {
        memory.other = format!("a tenth: {}", megabytes(*earlier));
        // Sizes are far below what a double holds exactly.
        let kib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX));
        memory.ratio = Some(kib(peak) / kib(*earlier));
        memory = memory.at_most(10.0);
        time = time.at_most(10.0);
    }
    [time, memory]
}
