//! The `mail` service: every flow from who sends to who receives, with real clients in both scopes, and what the servers
//! must refuse.
//!
//! A message has a token in its subject, is read back over IMAP as the recipient and taken away; its way is read from its
//! `Received` fields. Where a check failed, what it may have left on the servers is looked for and taken away, too.

mod client;
mod flow;
mod received;
mod refusal;

use std::net::IpAddr;

use futures_util::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use tasks::Secret;

use super::Check;
use crate::docker::{ClientSession, DockerError, EstateContainers};

const SERVICE: &str = "mail";

/// How many checks are under way at once; each is a program or two in a client's container.
const AT_ONCE: usize = 16;

/// What the checks must know of the estate.
#[derive(Debug, Clone)]
pub struct MailExpectations {
    /// The firm's domain.
    pub home_domain: String,
    /// The server of the office.
    pub internal: MailServer,
    /// The server of the customers.
    pub external: MailServer,
    /// Everybody else's server, which is the paid gateway, too.
    pub other: MailServer,
    /// The domains: the firm's own, if it has mail, and that of a customer.
    pub domains: Vec<MailDomain>,
    /// The domain of everybody else.
    pub other_domain: String,
    /// Somebody there.
    pub somebody: Mailbox,
    /// Whether the servers' certificates are of the estate's own authority, which clients then trust and nobody else.
    pub authority: bool,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// The host's name.
    pub name: String,
    /// Its address, by which others see it.
    pub address: IpAddr,
}

/// A domain with mail.
#[derive(Debug, Clone)]
pub struct MailDomain {
    /// Its name.
    pub name: String,
    /// Whether it is the firm's own.
    pub home: bool,
    /// Who sends.
    pub sender: Mailbox,
    /// Who receives.
    pub recipient: Mailbox,
    /// Account at the gateway with which its mail leaves.
    pub gateway_account: Option<String>,
}

/// Somebody's mail.
#[derive(Debug, Clone)]
pub struct Mailbox {
    /// The address.
    pub address: String,
    /// The name to log in with.
    pub login: String,
    /// The password.
    pub password: Secret,
}

/// What the checks are made with.
#[derive(Clone, Copy)]
struct Bench<'e> {
    expectations: &'e MailExpectations,
    inside: &'e ClientSession,
    outside: &'e ClientSession,
    /// What all messages of this run have in their subjects.
    run: &'e str,
}

/// Runs the checks with a client of the image `mail` in each scope. `run` is a word of letters and digits by which the
/// messages of this run are known.
pub async fn mail(
    expectations: &MailExpectations,
    inside: &ClientSession,
    outside: &ClientSession,
    run: &str,
) -> Result<Vec<Check>, DockerError> {
    let bench = Bench {
        expectations,
        inside,
        outside,
        run,
    };
    let checks = flow::checks(bench)
        .into_iter()
        .chain(refusal::checks(bench));
    let checks = at_once(checks.collect()).await?;
    // Dovecot lets everybody wait at whose address a wrong password came from.
    let wrong = at_once(refusal::wrong_passwords(bench)).await?;
    Ok([checks, wrong].concat())
}

async fn at_once(
    checks: Vec<BoxFuture<'_, Result<Check, DockerError>>>,
) -> Result<Vec<Check>, DockerError> {
    let checks = futures_util::stream::iter(checks);
    checks.buffered(AT_ONCE).try_collect().await
}

/// Takes away what a run may have left where a check of it failed: messages in queues, reports about them, and what has
/// arrived late or somewhere else.
pub async fn mail_sweep(
    expectations: &MailExpectations,
    containers: &EstateContainers,
    run: &str,
) -> Result<(), DockerError> {
    let people = expectations
        .domains
        .iter()
        .flat_map(|domain| [&domain.sender, &domain.recipient])
        .chain([&expectations.somebody]);
    let mut words = vec![run.to_owned()];
    words.extend(people.map(|mailbox| mailbox.login.clone()));
    // In the order in which they hand messages on, and the first one again: reports come back to it.
    for server in [
        &expectations.internal,
        &expectations.external,
        &expectations.other,
        &expectations.internal,
    ] {
        let mut command = vec!["sh", "-s", "--"];
        command.extend(words.iter().map(String::as_str));
        match containers.exec(&server.name, &command, SWEEP).await {
            // A server that does not run is one of the things that the checks have told.
            Ok(_) | Err(DockerError::NotRunning { .. } | DockerError::NoContainer { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes away from a server what has the first word in it: from the queue, then from the mailboxes of those who are named
/// by the others and are known here.
const SWEEP: &[u8] = br#"
run=$1
shift
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    found=$(grep -rl -- "$run" /var/spool/exim4/input 2>/dev/null | sed 's,.*/,,; s,-[DHJ]$,,' | sort -u)
    [ -n "$found" ] || break
    # One that is being delivered at this moment is not taken away.
    exim4 -Mrm $found || sleep 1
done
for login; do
    doveadm expunge -u "$login" mailbox '*' text "$run"
done
exit 0
"#;
