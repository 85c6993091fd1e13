//! `prov check`: validates an estate offline.

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
    let app::Loaded {
        estate,
        templates,
        domains,
        roles,
        unseen,
    } = app::load(global)?;
    let inputs = Inputs {
        roles,
        authority: None,
        container_host_resolvers: vec![SOME_RESOLVER.into()],
    };
    let mut mistakes = role::check(&estate, &domains, &templates, &inputs);
    // Of what could not be decrypted nobody knows whether it is right.
    mistakes.retain(|mistake| !app::is_unseen(mistake, &unseen));
    if !unseen.is_empty() && global.output == Output::Text {
        errln!(
            "note: not checked, because there is no key for it here: {}{}\nhint: {}",
            app::unseen_in(&unseen),
            if mistakes.is_empty() {
                ""
            } else {
                "; mistakes may come from that"
            },
            app::whose_identity(global)
        );
    }
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
            json!({ "not_decrypted": unseen.iter().map(|(file, line)| json!({ "file": file, "line": line })).collect::<Vec<_>>(), "notes": notes.iter().map(|note| json!({ "message": note.message, "hint": note.hint })).collect::<Vec<_>>(), "estate": estate.name(), "hosts": hosts, "services": services, "roles": roles, "domains": domains.len(), "mistakes": [] })
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
