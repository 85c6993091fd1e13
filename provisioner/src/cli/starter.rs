//! `prov init`, `prov new` and `prov schema`: for whoever begins. Nothing that is there already is replaced.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tasks::estate::{Estate, Location};
use tasks::starter::{self, FirstFile, Hosts};
use tasks::{Diagnostic, Secret, schema};

use super::app;
use super::arguments::{Global, Init, NewAction, Output, SchemaOf};
use crate::engine::Failure;
use crate::replacing;
use crate::report::print::{jsonln, outln};
use crate::report::problem::{Problem, exit};

/// The lowest last part of an address that a container gets: those below are left to the clients.
const FIRST_ADDRESS: u8 = 101;

pub(super) fn init(options: &Init, output: Output) -> Result<u8, Problem> {
    let folder = &options.folder;
    let own = std::path::absolute(folder).ok();
    let own = own
        .as_deref()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let named = options.name.clone().or(own).unwrap_or_default();
    let Some(name) = starter::name_of(&named)
        .filter(|name| options.name.as_ref().is_none_or(|given| given == name))
    else {
        return Err(Problem::usage(
            format!("'{named}' is no name for an estate"),
            "say --name NAME with a name of a-z, 0-9, '-' and '_' that begins with a letter",
        ));
    };
    let hosts = if options.servers {
        Hosts::Servers
    } else {
        Hosts::Containers
    };
    let mut files = starter::estate(&name, hosts, &password()?);
    let ignored = ignoring(folder, &mut files)?;
    not_there(folder, &files)?;
    // What keeps secrets out of version control is there before them.
    if let Some((path, text)) = &ignored {
        replace(path, text)?;
    }
    let written = write_all(folder, &files)?;
    let changed: Vec<_> = ignored.into_iter().map(|(path, _)| path).collect();
    tell(&written, &changed, output);
    if output == Output::Text {
        let shown = tasks::quote::sh(&folder.display().to_string());
        let next = if options.servers {
            "put the addresses of your servers into estate.yml, then `prov check`, `prov diff`, `prov apply`"
        } else {
            "`prov check`, then `prov up`"
        };
        outln!("next: cd {shown}; {next}");
    }
    Ok(exit::DONE)
}

pub(super) fn new(global: &Global, action: &NewAction) -> Result<u8, Problem> {
    match action {
        NewAction::Role { name } => {
            let files = starter::role(name).map_err(|reason| {
                Problem::usage(
                    format!("role '{name}': {reason}"),
                    "name it like web or file-server",
                )
            })?;
            estate_at(&global.estate)?;
            let roles = app::load(global)?.roles;
            if roles.iter().any(|role| role.name() == name) {
                return Err(Problem::usage(
                    format!("there is a role '{name}' already"),
                    "choose another name; docs/roles.md says how a role takes the place of one of prov's own",
                ));
            }
            not_there(&global.estate, &files)?;
            tell(&write_all(&global.estate, &files)?, &[], global.output);
            if global.output == Output::Text {
                outln!(
                    "next: give it to hosts in estate.yml, `roles: {{{name}: [HOST]}}`; docs/roles.md shows what a role can have"
                );
            }
        }
        NewAction::Host {
            name,
            address,
            location,
        } => {
            host(global, name, *address, location.as_deref())?;
        }
    }
    Ok(exit::DONE)
}

pub(super) fn schema(global: &Global, of: SchemaOf) -> Result<u8, Problem> {
    // The estate's own roles have variables, too; without an estate there are those of prov.
    let roles = || match estate_at(&global.estate) {
        Ok(()) => app::load(global).map(|loaded| loaded.roles),
        Err(_) => Ok(tasks::role::Catalogue::default()),
    };
    let schema = match of {
        SchemaOf::Estate => schema::estate(),
        SchemaOf::Role => schema::role(),
        SchemaOf::Domain => schema::domain(&roles()?),
        SchemaOf::Variables => schema::variables(&roles()?),
    };
    jsonln!("{schema:#}");
    Ok(exit::DONE)
}

/// Refuses a folder that is no estate.
fn estate_at(folder: &Path) -> Result<(), Problem> {
    if folder.join("estate.yml").exists() {
        return Ok(());
    }
    Err(Problem::usage(
        format!("there is no estate in {}", folder.display()),
        "make one with `prov init DIR`, or name yours with --estate DIR",
    ))
}

/// Takes out of the first files the one that keeps secrets out of version control, where a folder has its own; gives what is to be added to
/// that.
fn ignoring(
    folder: &Path,
    files: &mut Vec<FirstFile>,
) -> Result<Option<(PathBuf, String)>, Problem> {
    let path = folder.join(starter::IGNORING);
    if path.symlink_metadata().is_err() {
        return Ok(None);
    }
    let before = fs::read_to_string(&path).map_err(|error| {
        Problem::file(
            "read",
            &path,
            &error,
            "see that it is a text that you may read",
        )
    })?;
    files.retain(|file| file.path != starter::IGNORING);
    Ok(starter::with_secrets_ignored(&before).map(|after| (path, after)))
}

/// Adds a host to the inventory, and a file for its variables.
fn host(
    global: &Global,
    name: &str,
    address: Option<IpAddr>,
    location: Option<&str>,
) -> Result<(), Problem> {
    let estate = app::load(global)?.estate;
    tasks::estate::host_name(name).map_err(|reason| {
        Problem::usage(
            format!("host '{name}': {reason}"),
            "name it like web1 or mail-external",
        )
    })?;
    if estate.host(name).is_some() || estate.members(name).is_some() {
        return Err(Problem::usage(
            format!("the estate has something called '{name}' already"),
            "choose another name",
        ));
    }
    let location = match location {
        Some(word) => super::scope::location(word)?,
        None => Location::Internal,
    };
    let address = address
        .or_else(|| free_address(&estate, location))
        .ok_or_else(|| {
            Problem::usage(
                format!("nobody knows the address of '{name}'"),
                "say it with --address ADDRESS",
            )
        })?;
    let path = global.estate.join("estate.yml");
    let before = fs::read_to_string(&path)
        .map_err(|error| Problem::file("read", &path, &error, "see that you may read it"))?;
    let fields = format!("{{address: {address}, location: {location}}}");
    let after = starter::with_host(&before, name, &fields).map_err(Problem::mistake)?;
    let file = FirstFile {
        path: format!("hosts/{name}.yml"),
        text: format!("# Variables of {name}; those of all hosts are in groups/all.yml.\n"),
        is_private: false,
    };
    let files = [file];
    not_there(&global.estate, &files)?;
    // An address that is taken, say, is seen only by whoever reads all of it.
    app::load_changed(global, &[("estate.yml", &after)])?;
    // A host without a file for its variables is one all the same; the file without the host would be a mistake.
    replace(&path, &after)?;
    let written = match write_all(&global.estate, &files) {
        Ok(written) => written,
        Err(problem) => {
            replace(&path, &before)?;
            return Err(problem);
        }
    };
    tell(&written, &[path], global.output);
    if global.output == Output::Text {
        outln!("{name}: {fields}");
        outln!("next: give it roles in estate.yml, then `prov check`");
    }
    Ok(())
}

/// Finds the address after the last one of the estate's containers, where each side has a network after the last one there.
fn free_address(estate: &Estate, location: Location) -> Option<IpAddr> {
    let networks = estate.networks()?;
    let last = estate
        .hosts()
        .iter()
        .filter(|host| networks.sides().is_none() || host.location() == location)
        .filter_map(|host| match host.address() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
    let [a, b, c, d] = last.max()?.octets();
    Some(IpAddr::from([
        a,
        b,
        c,
        d.max(FIRST_ADDRESS - 1).checked_add(1)?,
    ]))
}

/// Refuses to write files where the last of them is there, which makes the others what they are, or another text where one of them
/// would be. What a run that was ended left is gone on with.
fn not_there(folder: &Path, files: &[FirstFile]) -> Result<(), Problem> {
    let last = files.last().map(|file| file.path.as_str());
    let is_taken = |file: &FirstFile, path: &Path| {
        let is_left = || fs::read_to_string(path).is_ok_and(|text| file.is_as(&text));
        path.symlink_metadata().is_ok() && (last == Some(file.path.as_str()) || !is_left())
    };
    for file in files {
        let path = folder.join(&file.path);
        if is_taken(file, &path) {
            let mistake = Diagnostic::new(format!(
                "{} is there already; nothing was written",
                path.display()
            ));
            return Err(Problem::Usage(vec![
                mistake.hint("choose another name or folder, or move it away"),
            ]));
        }
    }
    Ok(())
}

/// Writes the files that are not there, in their order: all of them, or none; gives their paths.
fn write_all(folder: &Path, files: &[FirstFile]) -> Result<Vec<PathBuf>, Problem> {
    let mut written = Vec::new();
    for file in files {
        let path = folder.join(&file.path);
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let mode = if file.is_private { 0o600 } else { 0o644 };
        let result = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| replacing::create(&path, file.text.as_bytes(), mode));
        if let Err(error) = result {
            for path in &written {
                let _ = fs::remove_file(path);
            }
            let hint = "see that you may write there";
            return Err(Problem::file("write", &path, &error, hint));
        }
        written.push(path);
    }
    Ok(written)
}

/// Says which files were written, and which of those that were there have more in them now.
fn tell(written: &[PathBuf], changed: &[PathBuf], output: Output) {
    match output {
        Output::Json => jsonln!("{:#}", json!({ "written": written, "changed": changed })),
        Output::Text | Output::Prometheus => {
            for path in written {
                outln!("wrote {}", path.display());
            }
            for path in changed {
                outln!("changed {}", path.display());
            }
        }
    }
}

/// Puts a text in the place of a file's.
fn replace(path: &Path, text: &str) -> Result<(), Problem> {
    // What is a link stays one, and whoever may read it may go on.
    let written = fs::canonicalize(path).and_then(|path| {
        let mode = fs::metadata(&path)?.permissions().mode();
        replacing::put(&path, text.as_bytes(), mode & 0o7777)
    });
    written.map_err(|error| Problem::file("write", path, &error, "see that you may write there"))
}

/// Makes a password for containers.
fn password() -> Result<Secret, Problem> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| {
        Problem::Failed(Failure::new(
            format!("the system gives no random bytes: {error}"),
            "see `man 4 random`",
        ))
    })?;
    Ok(Secret::new(tasks::hex(&bytes)))
}
