//! A small estate for tests, and what a person would read of its mistakes.

use std::fmt::Write as _;

use super::super::{Estate, Sources};
use crate::Diagnostic;

/// A valid estate with one of everything.
pub(in crate::estate) const INVENTORY: &str = "\
name: sample
connection: {user: admin, port: 2222}
containers: {network: 10.0.0.0/24}
hosts:
  dns-internal: {address: 10.0.0.106, location: internal}
  dns-external: {address: 10.0.0.105, location: external, release: bookworm}
  mail-internal: {address: 10.0.0.110, location: internal}
groups:
  servers: [dns-internal, mail-internal]
services:
  dns: [dns-external, dns-internal]
  mail: [mail-internal]
roles:
  mta: all
  dns: [dns-internal, external]
";

/// The files of an estate in the folder `e`.
pub(in crate::estate) fn sources(files: &[(&str, &str)]) -> Sources {
    let start = Sources::new("e");
    files
        .iter()
        .fold(start, |sources, (path, text)| sources.with(*path, *text))
}

/// Loads the valid estate with further files.
pub(in crate::estate) fn sample(files: &[(&str, &str)]) -> Estate {
    let sources = sources(files).with("estate.yml", INVENTORY);
    Estate::load(&sources, &[]).unwrap()
}

/// Shows what is wrong with an estate that consists of the given files.
pub(in crate::estate) fn wrong(files: &[(&str, &str)]) -> String {
    render(&Estate::load(&sources(files), &[]).unwrap_err())
}

/// Shows what is wrong with the valid estate after replacing a part of its inventory.
pub(in crate::estate) fn replaced(old: &str, new: &str) -> String {
    assert!(INVENTORY.contains(old), "{old}");
    wrong(&[("estate.yml", &INVENTORY.replacen(old, new, 1))])
}

/// Shows what is wrong with the valid estate after adding a file.
pub(in crate::estate) fn added(path: &str, text: &str) -> String {
    wrong(&[("estate.yml", INVENTORY), (path, text)])
}

/// Writes diagnostics as the terminal would, with a caret under the place.
pub(in crate::estate) fn render(mistakes: &[Diagnostic]) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        writeln!(text, "{mistake}").unwrap();
        if let Some(place) = &mistake.place
            && let Some(line) = &place.text
        {
            write!(text, "| {line}\n| {}^\n", " ".repeat(place.column - 1)).unwrap();
        }
        if let Some(hint) = &mistake.hint {
            writeln!(text, "hint: {hint}").unwrap();
        }
    }
    text
}
