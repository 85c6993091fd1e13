//! `prov run`: one command as root on many hosts, with the output of each as it comes.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;

use super::app::App;
use super::arguments::Run;
use super::signals;
use crate::engine::{self, CommandSession, Failure};
use crate::report::print::{jsonln, out, outln};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::{counted, printable, seconds};
use crate::ssh::Ended;

/// Bytes of output that are kept for a report that comes at the end, and of a line that does not end.
const MOST_KEPT: usize = 64 * 1024;

/// What a host has to say.
enum Said {
    /// It printed this.
    Output(Vec<u8>),
    /// The command has ended, or there is no way to run it.
    Ended(Result<Ended, Failure>),
}

/// What became of one host.
struct Ran {
    host: String,
    /// The last of what it printed: all that is kept for JSON, the line that has not ended yet otherwise.
    output: Vec<u8>,
    ended: Option<Result<Ended, Failure>>,
    elapsed: Duration,
}

/// Makes one command of the words that were typed: a single one with spaces is a line for the shell.
pub(super) fn line_or_words(typed: &[String]) -> Vec<String> {
    match typed {
        [line] if line.contains(char::is_whitespace) => {
            vec!["sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        words => words.to_vec(),
    }
}

pub(super) async fn run(app: &App, options: &Run) -> Result<u8, Problem> {
    let started = Instant::now();
    let hosts = app.named(&options.names)?;
    let targets = app.targets(&hosts).await?;
    let ran = targets.iter().map(|(host, _)| Ran {
        host: host.clone(),
        output: Vec::new(),
        ended: None,
        elapsed: Duration::ZERO,
    });
    let mut ran: Vec<_> = ran.collect();
    let (sender, mut said) = mpsc::channel::<(usize, Said)>(64);
    let argv = line_or_words(&options.command);
    let total = Duration::from_secs(options.max_time);
    let work = targets.into_iter().enumerate().collect();
    let all = engine::on_all(work, app.global.forks, move |(index, (_, target))| {
        let (argv, sender) = (argv.clone(), sender.clone());
        async move {
            let ended = match target {
                Err(failure) => Err(failure),
                Ok(target) => on_host(index, &target, &argv, total, &sender).await,
            };
            // Nobody is left to tell once the user has asked to stop.
            let _ = sender.send((index, Said::Ended(ended))).await;
        }
    });
    let width = ran.iter().map(|ran| ran.host.chars().count()).max();
    let width = width.unwrap_or(0);
    let take = async {
        while let Some((index, said)) = said.recv().await {
            take(&mut ran[index], said, width, app.json(), started);
        }
    };
    tokio::select! {
        _ = async { tokio::join!(all, take) } => {}
        () = signals::asked_to_stop() => {}
    }
    if app.json() {
        print_json(&ran);
    } else {
        recap(&ran, width, started.elapsed());
    }
    Ok(code(&ran))
}

/// Runs the command on one host, and sends what it prints.
async fn on_host(
    index: usize,
    target: &crate::ssh::Target,
    argv: &[String],
    total: Duration,
    sender: &mpsc::Sender<(usize, Said)>,
) -> Result<Ended, Failure> {
    let session = CommandSession::open(target).await?;
    let printed = |bytes| {
        let sender = sender.clone();
        async move {
            // Nobody is left to tell once the user has asked to stop.
            let _ = sender.send((index, Said::Output(bytes))).await;
        }
    };
    Ok(session.run(argv, total, printed).await?)
}

fn take(ran: &mut Ran, said: Said, width: usize, json: bool, started: Instant) {
    match said {
        Said::Output(bytes) => {
            ran.output.extend(bytes);
            if !json {
                print_lines(ran, width);
            }
            if ran.output.len() > 2 * MOST_KEPT {
                ran.output.drain(..ran.output.len() - MOST_KEPT);
            }
        }
        Said::Ended(ended) => {
            if !json {
                if !ran.output.is_empty() {
                    ran.output.push(b'\n');
                    print_lines(ran, width);
                }
                if let Err(failure) = &ended {
                    outln!(
                        "{}   {}",
                        paint(style::STRONG, &ran.host),
                        paint(style::BAD, "failed")
                    );
                    out(format_args!("{}", Problem::Failed(failure.clone()).text()));
                }
            }
            ran.elapsed = started.elapsed();
            ran.ended = Some(ended);
        }
    }
}

/// Prints the lines that have ended, each with its host.
fn print_lines(ran: &mut Ran, width: usize) {
    let Some(last) = ran.output.iter().rposition(|byte| *byte == b'\n') else {
        return;
    };
    let rest = ran.output.split_off(last + 1);
    let lines = std::mem::replace(&mut ran.output, rest);
    let name = paint(style::STRONG, &format!("{:<width$}", ran.host));
    for line in String::from_utf8_lossy(&lines).lines() {
        outln!("{name} {} {}", paint(style::FAINT, "|"), printable(line));
    }
}

fn print_json(ran: &[Ran]) {
    let hosts: Vec<_> = ran
        .iter()
        .map(|ran| {
            let output = String::from_utf8_lossy(&ran.output);
            let output = output.trim_end_matches('\n');
            match &ran.ended {
                Some(Ok(Ended::Exit(exit))) => {
                    json!({ "host": ran.host, "exit": exit, "output": output, "failed": null })
                }
                Some(Ok(Ended::Signal(signal))) => {
                    json!({ "host": ran.host, "exit": null, "signal": signal, "output": output, "failed": null })
                }
                Some(Err(failure)) => {
                    json!({ "host": ran.host, "exit": null, "output": output, "failed": failure })
                }
                None => {
                    json!({ "host": ran.host, "exit": null, "output": output, "failed": not_awaited() })
                }
            }
        })
        .collect();
    jsonln!("{:#}", json!({ "hosts": hosts }));
}

/// Says of a host that the user did not wait for it.
fn not_awaited() -> Failure {
    Failure::new(
        "stopped before the command had ended",
        "look whether it still runs there: `prov run -- ps -e`",
    )
}

fn recap(ran: &[Ran], width: usize, elapsed: Duration) {
    outln!("");
    for ran in ran {
        let (style, state) = match &ran.ended {
            Some(Ok(Ended::Exit(0))) => (style::GOOD, "exit 0".to_owned()),
            Some(Ok(Ended::Exit(exit))) => (style::BAD, format!("exit {exit}")),
            Some(Ok(Ended::Signal(signal))) => (style::BAD, format!("signal {signal}")),
            Some(Err(failure)) if failure.unreachable => (style::BAD, "unreachable".to_owned()),
            Some(Err(_)) => (style::BAD, "failed".to_owned()),
            None => (style::BAD, "not ended".to_owned()),
        };
        let name = paint(style::STRONG, &format!("{:<width$}", ran.host));
        outln!(
            "{name}   {}   {}",
            paint(style, &state),
            paint(style::FAINT, &seconds(ran.elapsed))
        );
    }
    let count = |is: fn(&Option<Result<Ended, Failure>>) -> bool| {
        ran.iter().filter(|ran| is(&ran.ended)).count()
    };
    let states = [
        (
            count(|ended| matches!(ended, Some(Ok(Ended::Exit(0))))),
            "succeeded",
        ),
        (
            count(|ended| matches!(ended, Some(Ok(Ended::Exit(1..) | Ended::Signal(_))))),
            "failed there",
        ),
        (
            count(|ended| matches!(ended, Some(Err(_)))),
            "not run to its end",
        ),
        (count(Option::is_none), "not awaited"),
    ];
    let states = states.iter().filter(|(count, _)| *count > 0);
    let states: Vec<_> = states
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    outln!(
        "{}: {}.   {}",
        counted(ran.len(), "host", "hosts"),
        states.join(", "),
        seconds(elapsed)
    );
}

fn code(ran: &[Ran]) -> u8 {
    let mut code = exit::DONE;
    for ran in ran {
        match &ran.ended {
            Some(Ok(Ended::Exit(0))) => {}
            Some(Err(failure)) if failure.unreachable && code == exit::DONE => {
                code = exit::UNREACHABLE;
            }
            Some(Err(failure)) if failure.unreachable => {}
            Some(_) | None => code = exit::FAILED,
        }
    }
    code
}
