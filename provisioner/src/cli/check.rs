//! `prov check`: validates an estate offline.

use std::collections::BTreeSet;

use crate::report::print::{errln, jsonln, outln};
use serde_json::json;
use tasks::role::{self, Inputs};

use super::app;
use super::arguments::{Global, Output};
use crate::report::problem::{Problem, exit};
use crate::report::style::{self, paint};
use crate::report::text::counted;

/// An address for documentation (RFC 5737): offline nobody knows the resolvers of the machine.
const SOME_RESOLVER: [u8; 4] = [192, 0, 2, 53];

pub(super) fn run(global: &Global) -> Result<u8, Problem> {
    let loaded = app::load(global)?;
    let inputs = Inputs {
        roles: loaded.roles.clone(),
        authority: None,
        container_host_resolvers: vec![SOME_RESOLVER.into()],
    };
    let mut mistakes = role::check(&loaded.estate, &loaded.domains, &loaded.templates, &inputs);
    mistakes.extend(loaded.estate.closed_containers());
    // Of what is not known nobody knows whether it is right.
    mistakes.retain(|mistake| !loaded.is_unseen(mistake));
    let asked = app::lines(&loaded.references);
    if global.output == Output::Text {
        say_unseen(global, &loaded.unseen, &asked, !mistakes.is_empty());
    }
    let app::Loaded {
        estate,
        domains,
        unseen,
        ..
    } = loaded;
    if !mistakes.is_empty() {
        return Err(mistakes.into());
    }
    if let Some(limit) = &global.limit {
        estate
            .limit(&super::limit::expanded(limit)?)
            .map_err(Problem::Usage)?;
    }
    let (hosts, services) = (estate.hosts().len(), estate.services().count());
    let roles = inputs
        .roles
        .iter()
        .filter(|role| !estate.hosts_with_role(role.name()).is_empty())
        .count();
    let notes = role::notes(&estate, &domains);
    match global.output {
        Output::Json => jsonln!(
            "{:#}",
            json!({ "not_decrypted": unseen.iter().map(|(file, line)| json!({ "file": file, "line": line })).collect::<Vec<_>>(), "not_asked_for": asked.iter().map(|(file, line)| json!({ "file": file, "line": line })).collect::<Vec<_>>(), "notes": notes.iter().map(|note| json!({ "message": note.message, "hint": note.hint })).collect::<Vec<_>>(), "estate": estate.name(), "hosts": hosts, "services": services, "roles": roles, "domains": domains.len(), "mistakes": [] })
        ),
        Output::Text | Output::Prometheus => outln!(
            "{} {}, {}, {}, {}: {}",
            paint(style::STRONG, estate.name()),
            counted(hosts, "host", "hosts"),
            counted(services, "service", "services"),
            counted(roles, "role", "roles"),
            counted(domains.len(), "domain", "domains"),
            paint(style::GOOD, "no mistakes")
        ),
    }
    for note in notes.iter().filter(|_| global.output == Output::Text) {
        let hint = note.hint.as_deref().unwrap_or_default();
        errln!("note: {}\nhint: {hint}", note.message);
    }
    Ok(exit::DONE)
}

/// Says which values were not checked, and why.
fn say_unseen(
    global: &Global,
    unseen: &BTreeSet<(String, usize)>,
    asked: &BTreeSet<(String, usize)>,
    has_mistakes: bool,
) {
    let may_be_cause = if has_mistakes {
        "; mistakes may come from that"
    } else {
        ""
    };
    if !unseen.is_empty() {
        errln!(
            "note: not checked, because there is no key for it here: {}{may_be_cause}\nhint: {}",
            app::unseen_in(unseen),
            app::whose_identity(global)
        );
    }
    if !asked.is_empty() {
        errln!(
            "note: not checked, because it comes from programs, which are not run for that: {}{may_be_cause}",
            app::unseen_in(asked)
        );
    }
}
