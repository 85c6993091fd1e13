//! Homes of accounts: which of them an account takes along when it goes.

use crate::plan::Planned;
use crate::probe::{Facts, HomeFact, NotAsked, UNKNOWN_ID, UserFact};
use crate::value::AccountName;

/// Why a home does not go with its account.
pub(super) struct Stays {
    /// What is the matter, in words.
    pub(super) problem: String,
    /// Whether the account itself can have brought that about, who is not to keep its host from everything else.
    is_its_doing: bool,
}

impl Stays {
    /// Refuses to remove the account with its home.
    pub(super) fn refused(self, name: &AccountName) -> Planned {
        let cause = self.problem;
        let hint = format!(
            "declare `user: {{name: {name}, state: absent}}` without `remove_home`, so that the account goes alone, and remove by hand what is not needed of the folder"
        );
        if self.is_its_doing {
            Planned::refused(cause, hint)
        } else {
            Planned::Impossible { cause, hint }
        }
    }
}

/// Finds that the home that would go is not the account's alone. userdel(8) finds some of it, once the account is gone.
pub(super) fn not_its_own(
    name: &AccountName,
    have: &UserFact,
    facts: &Facts,
) -> Result<Option<Stays>, NotAsked> {
    let home = &have.home;
    let its_doing = |problem: String| {
        Ok(Some(Stays {
            problem,
            is_its_doing: true,
        }))
    };
    let (place, uid, linked, mounted) = match facts.home(name)? {
        HomeFact::Missing => return Ok(None),
        HomeFact::Other => {
            return its_doing(format!("{home}, the home of {name}, is no folder"));
        }
        HomeFact::Hidden => {
            return its_doing(format!(
                "something is mounted at or below {home}, the home of {name}, or nobody may look there"
            ));
        }
        HomeFact::Folder {
            place,
            uid,
            linked,
            mounted,
        } => (place, *uid, *linked, *mounted),
    };
    // Links further up are whoever's made them, and lead userdel(8) to the folder as they lead others.
    if linked {
        return its_doing(format!(
            "{home}, the home of {name}, is a link and leads to {place}"
        ));
    }
    let others: Vec<_> = facts
        .numbers()?
        .certain()
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
    } else if uid != have.uid && uid != UNKNOWN_ID {
        format!(
            "{home}, the home of {name}, belongs to another account (number {uid}), and would not go with it"
        )
    } else if mounted {
        return its_doing(format!(
            "something is mounted at or below {home}, the home of {name}"
        ));
    } else {
        return Ok(None);
    };
    Ok(Some(Stays {
        problem,
        is_its_doing: false,
    }))
}

/// Tells whether a path is another one, or below it, however many slashes it is written with.
fn is_at_or_below(path: &str, folder: &str) -> bool {
    let mut path = parts_of(path);
    parts_of(folder).all(|part| path.next() == Some(part))
}

fn parts_of(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('/');
    parts.filter(|part| !part.is_empty() && *part != ".")
}
