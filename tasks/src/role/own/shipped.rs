//! The roles that are part of prov and described by files: the folder `roles` of the repository, embedded by the build.
//!
//! They are read as those of an estate are, so whatever these can do, an estate's own can do, too.

use super::{OwnRole, read};
use crate::diagnostic::Diagnostic;
use crate::estate::Sources;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/shipped.rs"));
}

/// How the folder is called where a mistake is in it.
const FOLDER: &str = "prov/roles";

/// Reads the roles that are part of prov and described by files.
///
/// They are read anew for each catalogue: what a role has found out about an estate is kept in it.
pub(crate) fn shipped() -> Result<Vec<OwnRole>, Vec<Diagnostic>> {
    let mut sources = Sources::new(FOLDER);
    for (path, bytes) in embedded::FILES {
        sources.insert(*path, *bytes);
    }
    let mut roles = read::roles(&sources, "")?;
    for role in &mut roles {
        role.is_shipped = true;
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_can_be_read_and_says_what_its_variables_mean() {
        let roles = shipped().unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        assert!(!roles.is_empty());
        for role in roles {
            let name = role.name().to_owned();
            assert!(role.checked_as().is_some(), "{name} has no checks");
            for (variable, it) in &role.variables {
                assert!(variable.starts_with(&name), "{name}: {variable}");
                assert!(it.about.ends_with('.'), "{name}: {variable}: {}", it.about);
            }
        }
    }
}
