//! What a change did to an account, and whether that is still so.
//!
//! Owns the fields that are compared. Refuses passwords: neither they nor their hashes are recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Diff;
use crate::probe::{Facts, Query, UserFact, UserQuestion};
use crate::pushln;
use crate::resource::Resource;
use crate::value::AccountName;

/// The fields of an account, as texts.
type Fields = BTreeMap<String, String>;

/// What a change did to an account that was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtAccount {
    /// Its name.
    name: AccountName,
    /// The fields that were changed, as they were.
    before: Fields,
    /// The same as the change left them; `None` where it has removed the account.
    after: Option<Fields>,
}

impl AtAccount {
    /// Says what became of the account of a resource, if it is one and was there.
    pub(super) fn of(resource: &Resource, before: &Facts, after: &Facts) -> Option<Self> {
        let Resource::User(user) = resource else {
            return None;
        };
        let was = fields(before.user(&user.name).ok()??);
        let is = after.user(&user.name).ok()?.map(fields);
        let is_changed =
            |(field, was): &(String, String)| is.as_ref().is_none_or(|is| is[field] != *was);
        let before: Fields = was.into_iter().filter(is_changed).collect();
        let after = is.map(|mut is| {
            is.retain(|field, _| before.contains_key(field));
            is
        });
        Some(Self {
            name: user.name.clone(),
            before,
            after,
        })
    }

    pub(super) const fn name(&self) -> &AccountName {
        &self.name
    }

    pub(super) fn query(&self) -> Query {
        Query::User(UserQuestion {
            name: self.name.clone(),
            password: false,
        })
    }

    /// Shows what somebody has changed since, of what the change altered; a field that is as it was before is no such thing.
    pub(super) fn changed(&self, facts: &Facts) -> Option<Diff> {
        let Some(now) = facts.user(&self.name).ok()? else {
            return self
                .after
                .as_ref()
                .map(|_| Diff::note("there is no such account any more"));
        };
        let mut now = fields(now);
        now.retain(|field, _| self.before.contains_key(field));
        let after = self.after.as_ref();
        let is_known = |(field, now): (&String, &String)| {
            let left = after.and_then(|after| after.get(field));
            self.before.get(field) == Some(now) || left == Some(now)
        };
        if now.iter().all(is_known) {
            return None;
        }
        let left = after.map_or_else(String::new, text);
        Some(Diff::plain(&left, &text(&now)))
    }
}

fn fields(fact: &UserFact) -> Fields {
    // Whether the primary group is listed among the others makes no difference.
    let groups = fact.groups.iter().filter(|name| **name != fact.group);
    let groups: Vec<_> = groups.map(String::as_str).collect();
    let fields = [
        ("uid", fact.uid.to_string()),
        ("group", fact.group.clone()),
        ("groups", groups.join(",")),
        ("comment", fact.comment.clone()),
        ("home", fact.home.clone()),
        ("shell", fact.shell.clone()),
    ];
    let fields = fields.into_iter();
    fields.map(|(name, text)| (name.to_owned(), text)).collect()
}

fn text(fields: &Fields) -> String {
    let mut lines = String::new();
    for (field, text) in fields {
        pushln!(lines, "{field}: {text}");
    }
    lines
}
