//! The `mail` service: every flow from who sends to who receives, with real clients in both scopes, and what the servers
//! must refuse.
//!
//! A message has a token in its subject, is read back over IMAP as the recipient and taken away; its way is read from its
//! `Received` fields. Where a check failed, what it may have left on the servers is looked for and taken away, too.

pub(super) mod client;
mod flow;
mod received;
mod refusal;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tasks::promise::{HostedMail, Issuer, MailDomain, MailGateway, Mailbox, OfficeMail, Promises};

use super::{
    Acceptance, Bench, BenchError, Check, Checks, Client, Missing, Results, Seat, Surroundings,
    Sweep,
};

pub(super) const SERVICE: &str = "mail";

/// How many checks are under way at once; each is a program or two in a client's container.
const AT_ONCE: usize = 16;

const INSIDE: Client = Client::inside("mail");
const OUTSIDE: Client = Client::outside("mail");

/// Who writes to whom, by way of which servers.
struct Mail {
    /// The server of the office.
    internal: OfficeMail,
    /// The server of the customers.
    external: HostedMail,
    /// Everybody else's server, which is the paid gateway, too.
    other: MailGateway,
    /// Somebody there.
    somebody: Mailbox,
    /// The domains: the firm's own, if it has mail, and that of a customer.
    domains: Vec<Domain>,
}

/// A domain with mail.
struct Domain {
    /// What is promised of it.
    promised: MailDomain,
    /// Who sends.
    sender: Mailbox,
    /// Who receives.
    recipient: Mailbox,
    /// Account at the gateway with which its mail leaves.
    gateway_account: Option<String>,
    /// Whether its servers' certificate is of the estate's own authority, which clients then trust and nobody else.
    certified: bool,
}

/// What the checks are made with.
#[derive(Clone, Copy)]
struct Correspondence<'e> {
    mail: &'e Mail,
    inside: &'e Seat,
    outside: &'e Seat,
    /// What all messages of this run have in their subjects.
    run: &'e str,
}

pub(super) fn checks(promises: &Promises, _: &Surroundings<'_>) -> Checks {
    let needed = |cause: &str| {
        Missing::new(
            cause,
            "the checks of mail need servers with the roles mail_internal, mail_external and mail_gateway",
        )
    };
    let external = promises.hosted_mail.first();
    let external =
        external.ok_or_else(|| needed("no host of the estate has the role mail_external"))?;
    let other = promises.mail_gateways.first();
    let other = other.ok_or_else(|| needed("no host of the estate has the role mail_gateway"))?;
    let internal = promises.office_mail.first();
    let internal =
        internal.ok_or_else(|| needed("no host of the estate has the role mail_internal"))?;
    let home = promises.mail_domains.iter().find(|domain| domain.home);
    let customer = promises.mail_domains.iter().find(|domain| !domain.home);
    let domains = home.into_iter().chain(customer);
    let domains: Vec<_> = domains
        .filter_map(|domain| Domain::of(domain, external, promises))
        .collect();
    if domains.is_empty() {
        return Err(Missing::new(
            "no domain of the estate has mail",
            "name 'users' in a domain's file, and set it up with `prov domain NAME`",
        ));
    }
    let Some(somebody) = other.somebody.clone() else {
        return Err(Missing::new(
            format!(
                "host {}: no password of an account is known whose mail could be read",
                other.server.name
            ),
            "set 'user' and 'password' in 'connection' of the estate",
        ));
    };
    Ok(Box::new(Mail {
        internal: internal.clone(),
        external: external.clone(),
        other: other.clone(),
        somebody,
        domains,
    }))
}

impl Domain {
    /// Chooses who writes and who receives in a domain.
    fn of(domain: &MailDomain, external: &HostedMail, promises: &Promises) -> Option<Self> {
        let mut certificates = promises.mail_certificates.iter();
        let own = &domain.gateway_account;
        Some(Self {
            sender: domain.mailboxes.first()?.clone(),
            recipient: domain.mailboxes.last()?.clone(),
            gateway_account: own.as_ref().or(external.gateway_account.as_ref()).cloned(),
            certified: certificates
                .any(|it| it.domain == domain.name && it.issuer == Issuer::Estate),
            promised: domain.clone(),
        })
    }
}

impl Acceptance for Mail {
    fn clients(&self) -> Vec<Client> {
        vec![INSIDE, OUTSIDE]
    }

    fn make<'b>(&'b self, bench: &'b Bench) -> BoxFuture<'b, Result<Results, BenchError>> {
        async {
            let correspondence = Correspondence {
                mail: self,
                inside: bench.client(INSIDE)?,
                outside: bench.client(OUTSIDE)?,
                run: &bench.run,
            };
            let checks = flow::checks(correspondence)
                .into_iter()
                .chain(refusal::checks(correspondence));
            let checks = at_once(checks.collect()).await?;
            // Dovecot lets everybody wait at whose address a wrong password came from.
            let wrong = at_once(refusal::wrong_passwords(correspondence)).await?;
            Ok([checks, wrong].concat().into())
        }
        .boxed()
    }

    /// Takes away what a run may have left where a check of it failed: messages in queues, reports about them, and what
    /// has arrived late or somewhere else.
    fn sweep<'b>(&'b self, bench: &'b Bench, _: Sweep) -> BoxFuture<'b, Result<(), BenchError>> {
        async {
            let people = self
                .domains
                .iter()
                .flat_map(|domain| [&domain.sender, &domain.recipient])
                .chain([&self.somebody]);
            let mut words = vec![bench.run.clone()];
            words.extend(people.map(|mailbox| mailbox.login.clone()));
            // In the order in which they hand messages on, and the first one again: reports come back to it.
            for server in [
                &self.internal.server,
                &self.external.server,
                &self.other.server,
                &self.internal.server,
            ] {
                let mut command = vec!["sh", "-s", "--"];
                command.extend(words.iter().map(String::as_str));
                match bench.on(&server.name, &command, SWEEP).await {
                    // A server that does not run is one of the things that the checks have told.
                    Err(error) if !error.is_away() => return Err(error),
                    Ok(_) | Err(_) => {}
                }
            }
            Ok(())
        }
        .boxed()
    }
}

async fn at_once(
    checks: Vec<BoxFuture<'_, Result<Check, BenchError>>>,
) -> Result<Vec<Check>, BenchError> {
    let checks = futures_util::stream::iter(checks);
    checks.buffered(AT_ONCE).try_collect().await
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
