//! Compares prov with the physical floor and with other tools, and prints a Markdown table.
//!
//! Every benchmark first checks that the work it times really happens. It exits with 1 if a check fails; a target
//! that is missed is shown, and is no failure, because times depend on the machine.

mod arguments;
mod check;
mod converged;
mod delay;
mod first_apply;
mod many;
mod own;
mod peers;
mod prepared;
mod up;

use std::cell::OnceCell;
use std::process::ExitCode;

use benches::table::{HEADER, Row};
use benches::{Failure, Result};

use arguments::Arguments;
use prepared::Prepared;

/// A benchmark: its name, what it shows, and whether it needs the converged containers.
struct Benchmark {
    name: &'static str,
    shows: &'static str,
    run: Run,
    quick: bool,
}

enum Run {
    Alone(fn(&Arguments) -> Result<Vec<Row>>),
    Converged(fn(&Arguments, &Prepared) -> Result<Vec<Row>>),
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "check",
        shows: "`prov check` on estates of 10, 100, 1,000 hosts, with roles of their own, too",
        run: Run::Alone(check::run),
        quick: true,
    },
    Benchmark {
        name: "first-apply",
        shows: "the first apply against one installation of the same packages",
        run: Run::Alone(first_apply::run),
        quick: false,
    },
    Benchmark {
        name: "up",
        shows: "the whole life cycle by phase, without images and with them",
        run: Run::Alone(up::run),
        quick: false,
    },
    Benchmark {
        name: "converged",
        shows: "previews and applies of a converged estate against the floor, memory, size",
        run: Run::Converged(converged::run),
        quick: true,
    },
    Benchmark {
        name: "own-roles",
        shows: "previews of one host by a role of the estate's own and by one of prov's",
        run: Run::Alone(own::run),
        quick: true,
    },
    Benchmark {
        name: "delay",
        shows: "round trips over a slow link",
        run: Run::Converged(delay::run),
        quick: true,
    },
    Benchmark {
        name: "many",
        shows: "10, 100, 1,000 simulated converged hosts",
        run: Run::Converged(many::run),
        quick: true,
    },
    Benchmark {
        name: "peers",
        shows: "ansible-core, with Mitogen too, pyinfra and BundleWrap on the converged estate",
        run: Run::Converged(peers::run),
        quick: false,
    },
];

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", arguments::USAGE);
            for Benchmark { name, shows, .. } in BENCHMARKS {
                eprintln!("  {name:<12} {shows}");
            }
            return ExitCode::from(64);
        }
    };
    println!("{}\n\n{HEADER}", arguments.conditions());
    let failures = all(&arguments);
    println!("\nLoad at the end: {}.", arguments::load());
    for (name, failure) in &failures {
        eprintln!("error: {name}: {failure}");
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn all(arguments: &Arguments) -> Vec<(&'static str, Failure)> {
    let mut failures = Vec::new();
    // Made once, for whoever needs it first.
    let prepared: OnceCell<std::result::Result<Prepared, String>> = OnceCell::new();
    let prepare = || Prepared::new(arguments).map_err(|error| error.to_string());
    let wanted = |benchmark: &&Benchmark| {
        if arguments.only.is_empty() {
            benchmark.quick || !arguments.quick
        } else {
            arguments.only.iter().any(|name| name == benchmark.name)
        }
    };
    for benchmark in BENCHMARKS.iter().filter(wanted) {
        eprintln!("{}: {}", benchmark.name, benchmark.shows);
        let rows = match benchmark.run {
            Run::Alone(run) => run(arguments),
            Run::Converged(run) => match prepared.get_or_init(prepare) {
                Ok(prepared) => run(arguments, prepared),
                Err(error) => Err(format!("the estate could not be prepared: {error}").into()),
            },
        };
        match rows {
            Ok(rows) => rows.iter().for_each(|row| println!("{row}")),
            Err(failure) => failures.push((benchmark.name, failure)),
        }
    }
    failures
}
