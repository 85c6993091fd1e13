//! Where nothing is written: through links that others could have made, and in their folders where programs write by themselves; and
//! what is not taken away ([`ground`]).
//!
//! It holds for every kind, because it is decided here and not by each; the functions that write heed it again on the host.

use super::{Change, Planned, ground};
use crate::probe::{Attributes, Facts, Maker, NotAsked, Owner};
use crate::resource::{AtEnd, Manage, invalid};
use crate::step::{Step, Unpack};
use crate::value::HostPath;

/// Decides what becomes of a resource, unless it would have to be led there by somebody else than root.
pub fn decide(manage: &dyn Manage, facts: &Facts) -> Result<Planned, NotAsked> {
    if let Err(cause) = manage.check() {
        return Ok(invalid(&cause));
    }
    if let Some((path, end)) = manage.place()
        && let Some(refused) = refused(path, end, facts)
    {
        return Ok(refused);
    }
    let planned = manage.plan(facts)?;
    let is_blocked = || blocked(manage.place()?.0, facts);
    let mut change = match planned {
        Planned::Change(change) => change,
        // What stands in the way is the reason for whatever else is impossible.
        Planned::Impossible { .. } => return Ok(is_blocked().unwrap_or(planned)),
        Planned::Unchanged
        | Planned::Unknown(_)
        | Planned::Deferred(_)
        | Planned::Refused { .. } => return Ok(planned),
    };
    let refused = is_blocked().or_else(|| {
        change.steps.iter().find_map(|step| {
            let lacks = attributes(step).and_then(|wanted| without_owner(wanted, facts));
            let (path, end) = written(step)?;
            lacks
                .or_else(|| blocked(path, facts))
                .or_else(|| refused(path, end, facts))
        })
    });
    if let Some(refused) = refused.or_else(|| ground::taken_away(&change, facts)) {
        return Ok(refused);
    }
    if let Some(followed) = followed(manage, facts) {
        lead(&mut change, &followed);
    }
    Ok(change.into())
}

fn refused(path: &HostPath, end: AtEnd, facts: &Facts) -> Option<Planned> {
    let replaced = end != AtEnd::Followed;
    if let Some(planted) = facts.planted(path, replaced) {
        return Some(Planned::Impossible {
            cause: planted.cause(),
            hint: planted.hint(),
        });
    }
    let shared = facts.route(path).and_then(|route| route.shared.as_ref());
    let (AtEnd::RootsOnly, Some(Maker::Writers { folder, attributes })) = (end, shared) else {
        return None;
    };
    Some(Planned::Impossible {
        cause: format!(
            "{path} would be written by a program in a folder where not only root makes links: {folder} ({attributes})"
        ),
        hint: format!(
            "put it into a folder of root's, or let only root write to this one: `chown root {folder}; chmod go-w {folder}`"
        ),
    })
}

/// Refuses a path below what is no folder.
fn blocked(path: &HostPath, facts: &Facts) -> Option<Planned> {
    let place = facts.blocked(path)?;
    Some(Planned::Impossible {
        cause: format!("{place} is no folder, so {path} cannot be in it"),
        hint: format!(
            "look at {place} on the host and move it away if it is not needed, or give another path"
        ),
    })
}

/// Refuses to give something to an account or group that there will not be.
fn without_owner(wanted: &Attributes, facts: &Facts) -> Option<Planned> {
    let (what, name) = match facts.lacks_owner(wanted)? {
        Owner::User(name) => ("user", name),
        Owner::Group(name) => ("group", name),
    };
    Some(Planned::Impossible {
        cause: format!("the {what} {name} does not exist on the host, and nothing before makes it"),
        hint: format!(
            "correct the name, or declare `{what}: {{name: {name}}}` or the package that brings it before"
        ),
    })
}

/// Gives the owner and group that a step gives to something.
const fn attributes(step: &Step) -> Option<&Attributes> {
    match step {
        Step::WriteFile { attributes, .. }
        | Step::Fetch { attributes, .. }
        | Step::Unpack(Unpack { attributes, .. })
        | Step::SetAttributes { attributes, .. }
        | Step::MakeDirectory { attributes, .. } => Some(attributes),
        Step::MakeLink { .. } | Step::Remove { .. } | Step::Run(_) => None,
    }
}

/// Gives the path that a step writes.
fn written(step: &Step) -> Option<(&HostPath, AtEnd)> {
    let end = match step {
        Step::SetAttributes { .. } | Step::MakeDirectory { .. } => AtEnd::Followed,
        Step::WriteFile { .. }
        | Step::Fetch { .. }
        | Step::Unpack(_)
        | Step::MakeLink { .. }
        | Step::Remove { .. }
        | Step::Run(_) => AtEnd::Replaced,
    };
    step.path().map(|path| (path, end))
}

/// Says which link is followed to where.
fn followed(manage: &dyn Manage, facts: &Facts) -> Option<String> {
    let (path, end) = manage.place()?;
    let parent = path.parent();
    let link = match end {
        AtEnd::Followed => path,
        AtEnd::Replaced | AtEnd::RootsOnly => &parent,
    };
    let leads = facts.route(link)?.leads.as_ref()?;
    Some(format!("{link} → {leads}"))
}

fn lead(change: &mut Change, followed: &str) {
    if change.detail.is_empty() {
        followed.clone_into(&mut change.detail);
    } else {
        change.detail = format!("{followed}   {}", change.detail);
    }
}
