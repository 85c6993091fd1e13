//! The physical floor, as a program: `floor facts|install TARGETS FACTS` does on all hosts of the first file at once what
//! cannot be done with less, and prints the seconds it took. The second file says what each host is asked for.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use benches::facts::HostFacts;
use benches::ssh::Answer;
use benches::{Result, ensure, facts, ssh};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, targets, facts] = arguments.as_slice() else {
        eprintln!("usage: floor facts|install TARGETS FACTS");
        return ExitCode::from(64);
    };
    match run(work, Path::new(targets), Path::new(facts)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(work: &str, targets: &Path, facts: &Path) -> Result<()> {
    let targets = ssh::read_targets(targets)?;
    let facts = facts::read(facts)?;
    let count = targets.len();
    let script: fn(&HostFacts) -> String = match work {
        "facts" => HostFacts::script,
        "install" => HostFacts::installation,
        _ => return Err(format!("there is no work called {work}").into()),
    };
    let started = Instant::now();
    let mut scripts = Vec::new();
    for target in targets {
        let facts = facts.get(&target.name).ok_or("a host has no facts")?;
        let script: Arc<str> = script(facts).into();
        scripts.push((target, script));
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let answers = runtime.block_on(ssh::run_all(scripts))?;
    let seconds = started.elapsed().as_secs_f64();
    ensure(answers.len() == count, || "a host is missing".to_owned())?;
    for answer in &answers {
        let facts = facts.get(&answer.name).ok_or("a host has no facts")?;
        judge(work, facts, answer)?;
    }
    println!("{seconds:.3} s, {count} hosts");
    Ok(())
}

fn judge(work: &str, facts: &HostFacts, answer: &Answer) -> Result<()> {
    let text = String::from_utf8_lossy(&answer.output);
    let missing = match work {
        "facts" => facts.missing(&text),
        _ => Vec::new(),
    };
    ensure(answer.exit == 0 && missing.is_empty(), || {
        let Answer {
            name, exit, noise, ..
        } = answer;
        format!("{name} ended with {exit} and lacks {missing:?}: {noise}")
    })
}
