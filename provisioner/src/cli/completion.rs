//! What a shell offers while somebody types: commands and options, and the names that the estate has.
//!
//! The script of `prov completions SHELL` runs prov with the words so far, and with [`ASKED`] in the environment. The estate is that
//! of `--estate` among the words, as always. One that cannot be read offers nothing, as nobody wants to be told of mistakes
//! while typing; hosts are never asked.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, Command, FromArgMatches as _};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use tasks::estate::ALL;
use tasks::resource::KINDS;
use tasks::template::Original;

use super::app::{self, Loaded};
use super::arguments::{self, Global};
use crate::engine::Failure;
use crate::report::problem::Problem;
use crate::verify::SERVICES;

/// Variable of the environment by which a shell asks.
const ASKED: &str = "PROV_COMPLETE";

/// Answers a shell and ends, if one asks.
pub(super) fn answer() {
    CompleteEnv::with_factory(command).var(ASKED).complete();
}

/// Prints the script that has a shell ask.
pub(super) fn script(shell: Shell) -> Result<(), Problem> {
    let name = shell.to_string();
    let mut script = Vec::new();
    let written = Shells::builtins()
        .completer(&name)
        .map(|shell| shell.write_registration(ASKED, "prov", "prov", "prov", &mut script));
    if !matches!(written, Some(Ok(()))) {
        return Err(Problem::Failed(Failure::new(
            format!("internal error: there is no script for {name}"),
            "take another shell",
        )));
    }
    let script = String::from_utf8_lossy(&script);
    crate::report::print::raw(format_args!("{script}"));
    Ok(())
}

/// What can be typed, each with what it is.
type Offers = BTreeMap<String, String>;

/// Gives the command line with what completes the values of its arguments.
fn command() -> Command {
    fn completed(command: Command) -> Command {
        let name = command.get_name().to_owned();
        let command =
            command.mut_args(
                |argument| match offered(&name, argument.get_id().as_str()) {
                    Some(offers) => argument.add(by(offers)),
                    None => argument,
                },
            );
        command.mut_subcommands(completed)
    }
    completed(arguments::command())
}

/// Finds what completes an argument of a command.
fn offered(command: &str, argument: &str) -> Option<fn(&str) -> Offers> {
    Some(match (command, argument) {
        (_, "set") => variables,
        ("apply", "forget") => declared,
        ("domain", "names") => domains,
        ("list", "role") => roles_of_templates,
        ("show", "name") => templates,
        ("ssh", "host") => one_host,
        ("task", "resource") => resources,
        ("task", "fields") => fields,
        ("verify", "names") => services,
        (_, "limit" | "names") => hosts,
        _ => return None,
    })
}

/// Completes a value by what fits what was typed of it.
fn by(offers: fn(&str) -> Offers) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let fitting = offers(&typed).into_iter();
        let fitting = fitting.filter(|(text, _)| text.starts_with(&*typed));
        let candidate = |(text, what): (String, String)| {
            CompletionCandidate::new(text).help((!what.is_empty()).then(|| what.into()))
        };
        fitting.map(candidate).collect::<Vec<_>>()
    })
}

/// Reads the words so far, however much of them is still wrong.
fn words() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os()
        .skip_while(|word| word != "--")
        .collect();
    let read = arguments::command().ignore_errors(true);
    read.try_get_matches_from(words.get(1..)?).ok()
}

/// Loads the estate that the words name.
fn estate() -> Option<Loaded> {
    let mut global = Global::from_arg_matches(&words()?).ok()?;
    // A half of a setting is none yet.
    global.set.clear();
    // Nobody is asked for a passphrase between two keys.
    global.keys = crate::secrets::Keys::none();
    app::load(&global).ok()
}

fn offers<'a>(names: impl IntoIterator<Item = &'a str>, what: &str) -> Offers {
    let names = names.into_iter();
    names
        .map(|name| (name.to_owned(), what.to_owned()))
        .collect()
}

/// Names hosts and what stands for several, after what is before them in a limit.
fn hosts(typed: &str) -> Offers {
    let Some(Loaded { estate, roles, .. }) = estate() else {
        return Offers::new();
    };
    let hosts = estate.hosts().iter();
    let roles = roles.iter().map(tasks::role::Entry::name);
    let roles = roles.filter(|role| !estate.hosts_with_role(role).is_empty());
    let mut all = offers([ALL], "all hosts");
    all.extend(offers(roles, "role"));
    all.extend(offers(estate.services(), "service"));
    all.extend(offers(estate.groups(), "group"));
    all.extend(offers(hosts.map(tasks::estate::Host::name), "host"));
    let signs = [',', ':', '&', '!'];
    let before = typed.rfind(signs).map_or("", |at| &typed[..=at]);
    let all = all.into_iter();
    all.map(|(name, what)| (format!("{before}{name}"), what))
        .collect()
}

/// Names the services that have checks.
fn services(_: &str) -> Offers {
    let Some(Loaded { estate, .. }) = estate() else {
        return Offers::new();
    };
    let checked = SERVICES.iter().map(|service| service.name);
    let promised = |name: &&str| estate.services().any(|service| service == *name);
    offers(checked.filter(promised), "service")
}

/// Names hosts, and what is one host.
fn one_host(typed: &str) -> Offers {
    let Some(Loaded { estate, .. }) = estate() else {
        return Offers::new();
    };
    let mut all = hosts(typed);
    all.retain(|name, _| estate.limit(name).is_ok_and(|hosts| hosts.len() == 1));
    all
}

/// Names the domains.
fn domains(_: &str) -> Offers {
    estate().map_or_else(Offers::new, |loaded| {
        offers(loaded.domains.names(), "domain")
    })
}

/// Names the roles and the domains of the estate.
fn declared(typed: &str) -> Offers {
    let mut all = domains(typed);
    if let Some(Loaded { roles, .. }) = estate() {
        all.extend(offers(roles.iter().map(tasks::role::Entry::name), "role"));
    }
    all
}

/// Names variables of roles.
fn variables(typed: &str) -> Offers {
    if typed.contains('=') {
        return Offers::new();
    }
    let Some(Loaded { roles, .. }) = estate() else {
        return Offers::new();
    };
    let mut all = Offers::new();
    for role in roles.iter() {
        let variables = role.variables();
        let names = variables["properties"].as_object();
        let names = names.into_iter().flat_map(|names| names.keys());
        all.extend(names.map(|name| (format!("{name}="), role.name().to_owned())));
    }
    all
}

/// Names the kinds of resources.
fn resources(_: &str) -> Offers {
    let kinds = KINDS.iter();
    kinds
        .map(|kind| (kind.name.to_owned(), sentence(&(kind.schema)().to_value())))
        .collect()
}

/// Names the fields of the resource that was named before.
fn fields(typed: &str) -> Offers {
    let words = words();
    let task = words
        .as_ref()
        .and_then(|words| words.subcommand_matches("task"));
    let named = task.and_then(|task| task.get_one::<String>("resource"));
    let kind = KINDS
        .iter()
        .find(|kind| Some(kind.name) == named.map(String::as_str));
    let Some(kind) = kind.filter(|_| !typed.contains('=')) else {
        return Offers::new();
    };
    let schema = (kind.schema)().to_value();
    let fields = schema["properties"].as_object();
    let fields = fields.into_iter().flatten();
    fields
        .map(|(name, field)| (format!("{name}="), sentence(field)))
        .collect()
}

/// Gives the first sentence of what a schema says about something.
fn sentence(schema: &serde_json::Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let first = line.split_once(". ").map_or(line, |(first, _)| first);
    first.trim_end_matches('.').to_owned()
}

/// Names the roles that have templates.
fn roles_of_templates(_: &str) -> Offers {
    offers(Original::all().map(|template| template.role()), "role")
}

/// Names the templates that come with prov.
fn templates(_: &str) -> Offers {
    offers(Original::all().map(|template| template.name), "")
}
