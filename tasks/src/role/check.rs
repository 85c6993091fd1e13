//! What `prov check` asks: whether an estate and its domains can be decided about, as far as that needs no host.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::{panic, thread};

use super::reach::unreachable;
use super::{HostContext, Inputs, resources};
use crate::diagnostic::Diagnostic;
use crate::domain::Domains;
use crate::estate::{Estate, Host};
use crate::template::Templates;

/// Says what is no mistake and still not likely to be meant.
#[must_use]
pub fn notes(estate: &Estate, domains: &Domains) -> Vec<Diagnostic> {
    let mut unread: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for host in estate.hosts().iter().filter(|host| host.has_role("mta")) {
        let vars = estate.vars(host);
        let text = |name| vars.value::<String>(name).ok().flatten();
        let (Some(home), Some(admin)) = (text("home_domain"), text("home_domain_admin_user"))
        else {
            continue;
        };
        // Without mailboxes of the estate's own it is somebody else's business who reads them.
        let Some(domain) = domains.get(&home).filter(|domain| domain.has_mail()) else {
            continue;
        };
        let mut users = domain.settings().users.iter();
        let is_read = users.any(|user| {
            let account = user.account.as_ref();
            user.name.as_str() == admin || account.is_some_and(|it| it.as_str() == admin)
        });
        if !is_read {
            unread.entry((home, admin)).or_default().push(host.name());
        }
    }
    let note = |((home, admin), hosts): (_, Vec<&str>)| {
        Diagnostic::new(format!(
            "mail to root of {} goes to {admin}@{home}, who has no mailbox in the domain {home}",
            hosts.join(", ")
        ))
        .hint(format!(
            "set 'home_domain_admin_user' to the account of one of its users, or add one to domains/{home}/domain.yml"
        ))
    };
    unread.into_iter().map(note).collect()
}

/// Validates an estate and its domains as far as that is possible without its hosts: names, variables, templates,
/// resources.
#[must_use]
pub fn check(
    estate: &Estate,
    domains: &Domains,
    templates: &Templates,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let known = inputs.roles.known();
    let mut mistakes = estate.check(&known);
    let own = inputs.roles.own();
    mistakes.extend(own.flat_map(|role| role.check(estate, &known)));
    let hosts = estate.hosts();
    let of_host = |host: &Host| check_host(estate, host, templates, inputs);
    let shares = hosts.chunks(share(hosts.len()));
    thread::scope(|scope| {
        let shares = shares
            .map(|share| scope.spawn(move || share.iter().flat_map(of_host).collect::<Vec<_>>()));
        for found in shares.collect::<Vec<_>>() {
            match found.join() {
                Ok(found) => mistakes.extend(found),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
    });
    mistakes.extend(domains.check(estate, &known, templates, inputs));
    mistakes.extend(unreachable(estate, domains, templates, inputs));
    crate::diagnostic::tidy(&mut mistakes);
    mistakes
}

/// Finds what nobody knows by its name in the files of an estate and on the command line, whichever hosts are looked at: roles and
/// variables.
///
/// It is the part of [`check`] that decides about no host; variables that a role has left behind pass.
#[must_use]
pub fn unknown(estate: &Estate, inputs: &Inputs) -> Vec<Diagnostic> {
    let known = inputs.roles.known();
    let mut mistakes = estate.unknown(&known);
    let own = inputs.roles.own();
    mistakes.extend(own.flat_map(|role| role.check(estate, &known)));
    crate::diagnostic::tidy(&mut mistakes);
    mistakes
}

/// Says how many hosts each processor gets; a few are not worth a thread.
fn share(hosts: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    hosts.div_ceil(processors).max(32)
}

fn check_host(
    estate: &Estate,
    host: &Host,
    templates: &Templates,
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let context = HostContext::new(estate, host, inputs, templates);
    let mut mistakes = resources(&context).err().unwrap_or_default();
    let roles = inputs.roles.of(host);
    let checks = roles.filter_map(|role| role.checks(&context).err());
    mistakes.extend(checks.flatten());
    mistakes
}
