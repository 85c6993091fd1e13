//! Homes of accounts: which of them an account takes along when it goes.

use crate::plan::Planned;
use crate::probe::{Facts, HomeFact, NotAsked, UserFact};
use crate::value::AccountName;

/// Finds that the home that would go is not the account's alone. userdel(8) finds some of it, once the account is gone.
pub(super) fn not_its_own(
    name: &AccountName,
    have: &UserFact,
    facts: &Facts,
) -> Result<Option<Planned>, NotAsked> {
    let home = &have.home;
    let (place, uid, mounted) = match facts.home(name)? {
        HomeFact::Missing => return Ok(None),
        HomeFact::Other => {
            let problem = format!("{home}, the home of {name}, is no folder");
            return Ok(Some(kept(name, problem)));
        }
        HomeFact::Folder {
            place,
            uid,
            mounted,
        } => (place, uid, mounted),
    };
    let others: Vec<_> = facts
        .numbers()?
        .users
        .iter()
        .filter(|(other, _)| *other != name.as_str())
        .filter(|(_, other)| {
            let other = other.home.as_str();
            [home.as_str(), place.as_str()]
                .iter()
                .any(|path| is_at_or_below(other, path))
        })
        .map(|(name, other)| format!("{name} ({})", other.home))
        .collect();
    let problem = if !others.is_empty() {
        format!(
            "{home}, the home of {name}, would go, and with it that of {}",
            others.join(", ")
        )
    } else if place != home.trim_end_matches('/') {
        format!("{home}, the home of {name}, is reached by a link and is {place}")
    } else if *uid != have.uid {
        format!(
            "{home}, the home of {name}, belongs to another account (number {uid}), and would not go with it"
        )
    } else if *mounted {
        format!("something is mounted at or below {home}, the home of {name}")
    } else {
        return Ok(None);
    };
    Ok(Some(kept(name, problem)))
}

fn kept(name: &AccountName, cause: String) -> Planned {
    Planned::Impossible {
        cause,
        hint: format!(
            "declare `user: {{name: {name}, state: absent}}` without `remove_home`, so that the account goes alone, and remove by hand what is not needed of the folder"
        ),
    }
}

/// Tells whether a path is another one, or below it.
fn is_at_or_below(path: &str, folder: &str) -> bool {
    let path = path.trim_end_matches('/');
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
