//! Resources that stand beside variables, for what is one host's or one group's own: `resources` in `hosts/NAME.yml`,
//! `groups/NAME.yml` and `groups/all.yml`.
//!
//! Owns the way from such a file to a role without a name of its own, which these hosts have.

use super::read::Reader;
use super::{On, OwnRole};
use crate::diagnostic::{Diagnostic, Place};
use crate::estate::sealed::is_private;
use crate::estate::{ALL, LOCAL_SECTIONS, Sources, parse_bytes};

/// Reads what stands beside variables; that of all hosts comes first, that of single hosts last.
pub(super) fn roles(sources: &Sources) -> Result<Vec<OwnRole>, Vec<Diagnostic>> {
    let mut roles = Vec::new();
    let mut mistakes = Vec::new();
    for (path, bytes) in sources.files() {
        let Some(on) = on(path) else {
            continue;
        };
        // Most files have none, and need not be parsed a second time.
        let speaks = LOCAL_SECTIONS.iter().any(|section| {
            let mut windows = bytes.windows(section.len());
            windows.any(|window| window == section.as_bytes())
        });
        if !speaks {
            continue;
        }
        let file = sources.file(path);
        // What is wrong with the file as a whole is said where its variables are read.
        let Ok(node) = parse_bytes(&file, bytes, is_private(path)) else {
            continue;
        };
        if LOCAL_SECTIONS
            .iter()
            .all(|section| node.get(section).is_none())
        {
            continue;
        }
        if is_private(path) {
            let mistake = Diagnostic::at(Place::file(file), "resources stand in no private file");
            mistakes.push(
                mistake.hint("move them to the file beside it; secrets are variables of roles"),
            );
            continue;
        }
        let mut reader = Reader::default();
        let role = reader.local(on, file, &node);
        mistakes.extend(reader.mistakes);
        roles.push(role);
    }
    roles.sort_by_key(|role| match &role.on {
        On::Role | On::Domains(_) | On::All => 0,
        On::Group(_) => 1,
        On::Host(_) => 2,
    });
    if mistakes.is_empty() {
        Ok(roles)
    } else {
        Err(mistakes)
    }
}

/// Says whose file it is, if it has variables.
fn on(path: &str) -> Option<On> {
    let name = |folder: &str| {
        let name = path.strip_prefix(folder)?;
        let name = name.strip_suffix(".age").unwrap_or(name);
        let name = name.strip_suffix(".yml")?;
        let name = name.strip_suffix(".private").unwrap_or(name);
        (!name.contains('/')).then(|| name.to_owned())
    };
    match (name("groups/"), name("hosts/")) {
        (Some(group), _) if group == ALL => Some(On::All),
        (Some(group), _) => Some(On::Group(group)),
        (None, Some(host)) => Some(On::Host(host)),
        (None, None) => None,
    }
}
