//! The physical floor, as a program: `floor facts|install TARGETS` does on all hosts of the file at once what
//! cannot be done with less, and prints the seconds it took.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use benches::ssh::{Answer, Target};
use benches::{Result, ensure, facts, ssh};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [work, path] = arguments.as_slice() else {
        eprintln!("usage: floor facts|install TARGETS");
        return ExitCode::from(64);
    };
    match run(work, Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(work: &str, path: &Path) -> Result<()> {
    let targets = ssh::read_targets(path)?;
    let count = targets.len();
    let script: fn(&Target) -> String = match work {
        "facts" => |target| facts::script(&target.name),
        "install" => |target| install(&target.name),
        _ => return Err(format!("there is no work called {work}").into()),
    };
    let started = Instant::now();
    let scripts = targets.into_iter().map(|target| {
        let script: Arc<str> = script(&target).into();
        (target, script)
    });
    let runtime = tokio::runtime::Runtime::new()?;
    let answers = runtime.block_on(ssh::run_all(scripts.collect()))?;
    let seconds = started.elapsed().as_secs_f64();
    ensure(answers.len() == count, || "a host is missing".to_owned())?;
    for answer in &answers {
        judge(work, answer)?;
    }
    println!("{seconds:.3} s, {count} hosts");
    Ok(())
}

fn judge(work: &str, answer: &Answer) -> Result<()> {
    let text = String::from_utf8_lossy(&answer.output);
    let missing = match work {
        "facts" => facts::missing(&answer.name, &text),
        _ => Vec::new(),
    };
    ensure(answer.exit == 0 && missing.is_empty(), || {
        let Answer {
            name, exit, noise, ..
        } = answer;
        format!("{name} ended with {exit} and lacks {missing:?}: {noise}")
    })
}

/// One plain installation of everything that the host's roles need; lists older than a day are fetched, as prov does.
fn install(host: &str) -> String {
    let packages = facts::packages(host).join(" ");
    format!(
        "DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND\n\
         [ \"$(find /var/lib/apt/lists -maxdepth 0 -mmin -1440)\" ] || apt-get update -q </dev/null >/dev/null || exit\n\
         apt-get install -y -q -o Dpkg::Use-Pty=0 {packages} </dev/null >/dev/null || exit"
    )
}
