//! The command line: one file per subcommand, each parses, calls and renders.

mod app;
mod apply;
mod arguments;
mod authority;
mod browse;
mod check;
mod client;
mod completion;
mod containers;
mod diff;
mod domain;
mod domains;
mod dropbox;
mod git;
mod graph;
mod history;
mod insist;
mod jobs;
mod limit;
mod logs;
mod mail_client;
mod packages;
mod passphrase;
mod plans;
mod reboot;
mod reference;
mod rehearsal;
mod reports;
mod rollout;
mod run;
mod scope;
mod secrets;
mod signals;
mod site;
mod ssh;
mod stand_ins;
mod starter;
mod status;
mod targets;
mod task;
mod telling;
mod template;
mod this_run;
mod up;
mod upgrade;
mod verify;
mod work;
mod working;

use crate::report::print::jsonln;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::report::problem::{Problem, exit};
use app::App;
use arguments::{Arguments, Command, Output};

/// Gives the whole command line, for what is written about it.
#[must_use]
pub fn command() -> clap::Command {
    arguments::command()
}

/// Tells whoever knows Ansible what takes the place of an option of its commands.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let what = if error.kind() == ErrorKind::InvalidSubcommand {
        ContextKind::InvalidSubcommand
    } else {
        ContextKind::InvalidArg
    };
    let is_unknown =
        what == ContextKind::InvalidSubcommand || error.kind() == ErrorKind::UnknownArgument;
    let typed = error.get(what).filter(|_| is_unknown);
    if let Some(ContextValue::String(typed)) = typed
        && let Some(told) = tasks::foreign::option(typed)
    {
        let tip = ContextValue::StyledStrs(vec![told.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// Parses the command line, runs the command, renders what went wrong; gives the process's exit code.
#[must_use]
pub fn main() -> ExitCode {
    completion::answer();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = with_tip(error);
            // Printing fails only where nobody reads.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            });
        }
    };
    if arguments.global.no_color {
        anstream::ColorChoice::Never.write_global();
    }
    logging(arguments.global.telling.verbose);
    let output = arguments.global.output;
    let verbose = arguments.global.telling.verbose > 0;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(Box::pin(dispatch(arguments)));
            // A thread that still waits for the keyboard must not keep the process.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Problem::Failed(crate::engine::Failure::new(
            format!("cannot start threads: {error}"),
            "check the limits of the process (`ulimit -a`)",
        ))),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            match output {
                Output::Text | Output::Prometheus => {
                    crate::report::print::err(format_args!("{}", problem.text_with(verbose)));
                }
                Output::Json => jsonln!("{:#}", problem.json()),
            }
            ExitCode::from(problem.exit_code())
        }
    }
}

fn logging(verbose: u8) {
    let level = match verbose {
        0 | 1 => return,
        2 => "prov=debug",
        _ => "prov=trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .init();
}

async fn dispatch(arguments: Arguments) -> Result<u8, Problem> {
    let Arguments { global, command } = arguments;
    if global.output == Output::Prometheus && !matches!(command, Command::Verify(_)) {
        return Err(Problem::usage(
            "`--output prometheus` is for `prov verify` alone",
            "choose `--output text` or `--output json`",
        ));
    }
    match command {
        Command::Completions { shell } => {
            completion::script(shell)?;
            Ok(exit::DONE)
        }
        Command::Reference(options) => {
            let text = if options.own {
                reference::of_own_roles(&app::load(&global)?.roles)
            } else {
                reference::text()
            };
            crate::report::print::out(format_args!("{text}"));
            Ok(exit::DONE)
        }
        Command::Template(action) => template::run(&action, global.output),
        Command::Check => check::run(&global),
        Command::Graph(options) => graph::run(&global, &options),
        Command::Init(options) => starter::init(&options, global.output),
        Command::New(action) => starter::new(&global, &action),
        Command::Schema { of } => starter::schema(&global, of),
        Command::Diff(options) => match &options.show {
            Some(plan) => plans::show(plan),
            None => diff::run(&App::load(global)?, &options).await,
        },
        Command::Apply(options) => apply::run(&App::load(global)?, &options).await,
        Command::Complete(options) => apply::complete(&App::load(global)?, &options).await,
        Command::Deploy(options) => containers::deploy(&App::load(global)?, &options).await,
        Command::Test(options) => containers::test(&App::load(global)?, &options).await,
        Command::Down(options) => {
            containers::down(&App::load_without_secrets(global)?, &options).await
        }
        Command::Domain(options) => domain::run(&App::load(global)?, &options).await,
        Command::Verify(options) => verify::run(&App::load(global)?, &options).await,
        Command::Up(options) => up::run(&App::load(global)?, &options).await,
        Command::Packages(options) => packages::run(&App::load(global)?, &options).await,
        Command::Upgrade(options) => upgrade::run(App::load(global)?, &options).await,
        Command::Secrets(action) => secrets::run(&global, action).await,
        Command::Authority(action) => {
            self::authority::run(&App::load_as_it_is(global)?, &action).await
        }
        Command::Browse(options) => browse::run(&App::load_as_it_is(global)?, &options).await,
        Command::Client(options) => client::run(&App::load(global)?, &options).await,
        Command::Dropbox(options) => dropbox::run(&App::load(global)?, &options).await,
        Command::Site(action) => site::run(&App::load(global)?, &action).await,
        Command::Run(options) => run::run(&App::load(global)?, &options).await,
        Command::History(options) => history::run(&App::load(global)?, &options).await,
        Command::Undo(options) => history::undo(&App::load(global)?, &options).await,
        Command::Task(options) => task::run(&App::load(global)?, &options).await,
        Command::Status(options) => status::run(&App::load(global)?, &options).await,
        Command::Logs(options) => logs::run(&App::load(global)?, &options).await,
        Command::Ssh(options) => ssh::run(&App::load(global)?, &options).await,
    }
}
