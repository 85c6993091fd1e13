//! The command line, and the conditions that results are shown with.

use std::path::{Path, PathBuf};

use benches::{Result, ensure};

/// How the program is called.
pub(crate) const USAGE: &str = "\
usage: compare [--only NAME]… [--quick] [--runs N] [--prov FILE] [--sample DIR] [--venv DIR]

  --only NAME   run this benchmark only; may be given again
  --quick       run each twice, leave out what takes minutes
  --runs N      run each this often (5)
  --prov FILE   measure this program; by default the one beside this program
  --sample DIR  make the estates from this one (estate/docker)
  --venv DIR    keep the peers here (prov-benches-peers in the folder for temporary files)

benchmarks:";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) only: Vec<String>,
    pub(crate) quick: bool,
    pub(crate) runs: usize,
    pub(crate) prov: PathBuf,
    pub(crate) floor: PathBuf,
    pub(crate) sample: PathBuf,
    pub(crate) venv: PathBuf,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let own = std::env::current_exe()?;
        let beside = own.parent().unwrap_or(Path::new(".")).to_owned();
        let mut arguments = Self {
            only: Vec::new(),
            quick: false,
            runs: 0,
            prov: beside.join("prov"),
            floor: beside.join("floor"),
            sample: PathBuf::from("estate/docker"),
            venv: std::env::temp_dir().join("prov-benches-peers"),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} lacks its value"));
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--only" => arguments.only.push(value()?),
                "--runs" => arguments.runs = value()?.parse()?,
                "--prov" => arguments.prov = PathBuf::from(value()?),
                "--sample" => arguments.sample = PathBuf::from(value()?),
                "--venv" => arguments.venv = PathBuf::from(value()?),
                _ => return Err(format!("{word} is not understood").into()),
            }
        }
        if arguments.runs == 0 {
            arguments.runs = if arguments.quick { 2 } else { 5 };
        }
        let known = |name: &&String| super::BENCHMARKS.iter().any(|known| known.name == *name);
        if let Some(name) = arguments.only.iter().find(|name| !known(name)) {
            return Err(format!("there is no benchmark called {name}").into());
        }
        for program in [&arguments.prov, &arguments.floor] {
            ensure(program.is_file(), || {
                let path = program.display();
                format!("{path} is not there: cargo build --release -p prov -p benches")
            })?;
        }
        ensure(arguments.sample.join("estate.yml").is_file(), || {
            "the sample estate is not there: start in the repository, or use --sample".to_owned()
        })?;
        Ok(arguments)
    }

    /// Says what the numbers depend on.
    pub(crate) fn conditions(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory
            .split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok());
        let memory = memory.unwrap_or_default() / 1024 / 1024;
        let (runs, load) = (self.runs, load());
        format!(
            "{cores} cores, {memory} GiB; load at the beginning: {load}. Median (lowest–highest) of {runs} runs each, \
             alternating. 14 forks for 14 hosts, 64 for simulated ones; no delay but where it says so."
        )
    }
}

/// Gives the machine's load averages.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
