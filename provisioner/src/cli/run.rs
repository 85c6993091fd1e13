//! `prov run`: one command as root on many hosts, with the output of each.

use crate::report::print::outln;
use std::time::Duration;

use serde_json::json;

use super::app::App;
use super::arguments::Run;
use crate::engine::{self, CommandSession, Failure, Output};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::printable;

/// How long a host may say nothing while the command runs.
const SILENCE: Duration = Duration::from_secs(3600);

pub(super) async fn run(app: &App, options: &Run) -> Result<u8, Problem> {
    let hosts = app.limited()?;
    let argv = match options.command.as_slice() {
        [line] if line.contains(char::is_whitespace) => {
            vec!["sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        words => words.to_vec(),
    };
    let targets = app.targets(&hosts).await?;
    let results = engine::on_all(targets, app.global.forks, |(host, target)| {
        let argv = argv.clone();
        async move {
            let result = match target {
                Err(failure) => Err(failure),
                Ok(target) => match CommandSession::open(&target).await {
                    Err(error) => Err(Failure::from(error)),
                    Ok(session) => session.run(&argv, SILENCE).await.map_err(Failure::from),
                },
            };
            (host, result)
        }
    })
    .await;
    Ok(if app.json() {
        print_json(&results)
    } else {
        print_text(&results)
    })
}

type Results = [(String, Result<Output, Failure>)];

fn print_json(results: &Results) -> u8 {
    let hosts: Vec<_> = results
        .iter()
        .map(|(host, result)| match result {
            Ok(output) => {
                json!({ "host": host, "exit": output.exit, "output": output.text, "failed": null })
            }
            Err(failure) => {
                json!({ "host": host, "exit": null, "output": null, "failed": failure })
            }
        })
        .collect();
    outln!("{:#}", json!({ "hosts": hosts }));
    code(results)
}

fn print_text(results: &Results) -> u8 {
    for (host, result) in results {
        let name = paint(style::STRONG, host);
        match result {
            Ok(output) => {
                let exit = format!("exit {}", output.exit);
                let style = if output.exit == 0 {
                    style::GOOD
                } else {
                    style::BAD
                };
                outln!("{name}   {}", paint(style, &exit));
                for line in output.text.lines() {
                    outln!("  {}", printable(line));
                }
            }
            Err(failure) => {
                outln!("{name}   {}", paint(style::BAD, "failed"));
                crate::report::print::out(format_args!(
                    "{}",
                    Problem::Failed(failure.clone()).text()
                ));
            }
        }
    }
    code(results)
}

fn code(results: &Results) -> u8 {
    let mut code = exit::DONE;
    for (_, result) in results {
        match result {
            Ok(output) if output.exit == 0 => {}
            Err(failure) if failure.unreachable && code == exit::DONE => code = exit::UNREACHABLE,
            Err(failure) if failure.unreachable => {}
            Ok(_) | Err(_) => code = exit::FAILED,
        }
    }
    code
}
