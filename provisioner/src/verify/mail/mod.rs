//! The `mail` service: every flow from who sends to who receives, with real clients in both scopes, and what the servers
//! must refuse.
//!
//! A message has a token in its subject, is read back over IMAP as the recipient and taken away; its way is read from its
//! `Received` fields. Where a check failed, what it may have left on the servers is looked for and taken away, too. Among servers
//! only accounts that the estate marks for checks send, receive and log in.

pub(super) mod client;
mod flow;
mod received;
mod refusal;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::Marks;
use tasks::promise::{HostedMail, Issuer, MailDomain, MailGateway, Mailbox, OfficeMail, Promises};

use super::round::Round;
use super::{
    Acceptance, Checks, Client, Missing, Results, Surroundings, Sweep, Testbed, TestbedError,
    Writes,
};

pub(super) const SERVICE: &str = "mail";

/// How many checks are under way at once; each is a program or two of a client.
const AT_ONCE: usize = 16;

const INSIDE: Client = Client::inside("mail");
const OUTSIDE: Client = Client::outside("mail");

/// What nobody has an account with, and no server may ask for in the clear.
const MADE_UP: &str = "prov-verify";

/// Somebody in the world of whom nobody knows more; nothing is ever sent to him (RFC 2606).
const ANYBODY: &str = "prov-verify@example.com";

/// Who writes to whom, by way of which servers.
struct Mail {
    /// The server of the office; in containers there is one.
    internal: Option<OfficeMail>,
    /// The server of the customers.
    external: HostedMail,
    /// Everybody else, or why nobody can write to them and read what arrived.
    others: Result<Others, String>,
    /// The domains: the firm's own, if it has mail, and that of a customer; among servers, those that have accounts for checks.
    domains: Vec<CheckedDomain>,
}

/// Everybody else.
struct Others {
    /// Their server, which is the paid gateway, too.
    gateway: MailGateway,
    /// One of them.
    somebody: Mailbox,
}

/// A domain with mail.
struct CheckedDomain {
    /// What is promised of it.
    promised: MailDomain,
    /// Who sends and receives, or why nobody may.
    people: Result<People, String>,
    /// Account at the gateway with which its mail leaves.
    gateway_account: Option<String>,
    /// Whether its servers' certificate is of an authority that clients trust.
    certified: bool,
}

/// Two of a domain, who may be one.
struct People {
    /// Who sends.
    sender: Mailbox,
    /// Who receives.
    recipient: Mailbox,
}

/// What the checks are made with.
#[derive(Clone, Copy)]
struct Correspondence<'e> {
    mail: &'e Mail,
    testbed: &'e Testbed,
}

fn marked(marks: &Marks) -> &[String] {
    &marks.mail
}

/// Says what the checks of mail need.
fn needed(cause: &str) -> Missing {
    Missing::new(
        cause,
        "the checks of mail need servers with the roles mail_internal, mail_external and mail_gateway",
    )
}

pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    let writes = surroundings.writes;
    let external = promises.hosted_mail.first();
    let external =
        external.ok_or_else(|| needed("no host of the estate has the role mail_external"))?;
    let others = others(promises, writes)?;
    let internal = promises.office_mail.first();
    if internal.is_none() && writes == Writes::Everything {
        return Err(needed("no host of the estate has the role mail_internal"));
    }
    known(promises, writes)?;
    let is_marked = |domain: &MailDomain| {
        let mut mailboxes = domain.mailboxes.iter();
        mailboxes.any(|it| writes.is_new(&it.address, marked))
    };
    let home = promises.mail_domains.iter().find(|domain| domain.home);
    let customers = || promises.mail_domains.iter().filter(|domain| !domain.home);
    let customer = customers()
        .find(|it| is_marked(it))
        .or_else(|| customers().next());
    let domains = home.into_iter().chain(customer);
    let domains: Vec<_> = domains
        .filter_map(|domain| CheckedDomain::of(domain, external, promises, writes))
        .collect();
    if domains.is_empty() {
        return Err(Missing::new(
            "no domain of the estate has mail",
            "name 'users' in a domain's file, and set it up with `prov domain NAME`",
        ));
    }
    Ok(Box::new(Mail {
        internal: internal.cloned(),
        external: external.clone(),
        others,
        domains,
    }))
}

/// Finds everybody else. Among servers nobody stands for them, unless the estate marks an account for checks.
fn others(promises: &Promises, writes: Writes<'_>) -> Result<Result<Others, String>, Missing> {
    let gateway = promises.mail_gateways.first();
    let somebody = gateway.and_then(|gateway| gateway.somebody.clone());
    match (gateway, somebody, writes) {
        (Some(gateway), Some(somebody), _) => {
            let gateway = gateway.clone();
            Ok(match writes.refusal(&somebody.address, "mail", marked) {
                None => Ok(Others { gateway, somebody }),
                Some(why) => Err(why),
            })
        }
        (None, _, Writes::Everything) => {
            Err(needed("no host of the estate has the role mail_gateway"))
        }
        (Some(gateway), None, Writes::Everything) => Err(Missing::new(
            format!(
                "host {}: no password of an account is known whose mail could be read",
                gateway.server.name
            ),
            "set 'user' and 'password' in 'connection' of the estate",
        )),
        (Some(_) | None, _, Writes::Marked(_) | Writes::Nothing(_)) => Ok(Err(
            "would write to the world, where nobody reads".to_owned(),
        )),
    }
}

/// Refuses marks that are nobody's addresses, or of which no password is known.
fn known(promises: &Promises, writes: Writes<'_>) -> Result<(), Missing> {
    let (Writes::Marked(marks) | Writes::Nothing(marks)) = writes else {
        return Ok(());
    };
    let somebody = promises.mail_gateways.iter();
    let somebody = somebody.filter_map(|gateway| gateway.somebody.as_ref());
    let hosted = promises.mail_domains.iter();
    let all: Vec<_> = hosted
        .flat_map(|domain| &domain.mailboxes)
        .chain(somebody)
        .collect();
    for mark in &marks.mail {
        match all.iter().find(|mailbox| mailbox.address == *mark) {
            Some(mailbox) if !mailbox.password.expose().is_empty() => {}
            Some(_) => {
                return Err(Missing::new(
                    format!("the estate marks '{mark}' for checks, and its password is not known"),
                    "add it to 'user_passwords' of its domain",
                ));
            }
            None => {
                let addresses = all.iter().map(|mailbox| mailbox.address.as_str());
                let near = tasks::nearest(mark, addresses);
                let near = near.map(|near| format!(": did you mean '{near}'?"));
                return Err(Missing::new(
                    format!("the estate marks the mail of '{mark}' for checks, and there is none"),
                    format!("correct `verify` in estate.yml{}", near.unwrap_or_default()),
                ));
            }
        }
    }
    Ok(())
}

impl CheckedDomain {
    /// Chooses who writes and who receives in a domain.
    fn of(
        domain: &MailDomain,
        external: &HostedMail,
        promises: &Promises,
        writes: Writes<'_>,
    ) -> Option<Self> {
        let mut certificates = promises.mail_certificates.iter();
        let own = &domain.gateway_account;
        let refusal = |mailbox: &Mailbox| writes.refusal(&mailbox.address, "mail", marked);
        let mailboxes = || domain.mailboxes.iter();
        let mut usable = mailboxes().filter(|it| writes.is_new(&it.address, marked));
        let sender = usable.next();
        let recipient = usable.next_back().or(sender);
        let people = match (sender.or(mailboxes().next())?, sender, recipient) {
            (one, Some(sender), Some(recipient)) => match refusal(one) {
                None => Ok(People {
                    sender: sender.clone(),
                    recipient: recipient.clone(),
                }),
                Some(why) => Err(why),
            },
            (one, _, _) => Err(refusal(one).unwrap_or_default()),
        };
        Some(Self {
            people,
            gateway_account: own.as_ref().or(external.gateway_account.as_ref()).cloned(),
            certified: certificates.any(|it| {
                it.domain == domain.name
                    && (it.issuer == Issuer::Estate || writes != Writes::Everything)
            }),
            promised: domain.clone(),
        })
    }
}

impl Acceptance for Mail {
    fn clients(&self) -> Vec<Client> {
        vec![INSIDE, OUTSIDE]
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let correspondence = Correspondence {
                mail: self,
                testbed,
            };
            let mut round = Round::new(SERVICE, testbed);
            flow::choose(correspondence, &mut round);
            refusal::choose(correspondence, &mut round);
            let mut results = round.make(AT_ONCE).await?;
            // Dovecot lets everybody wait at whose address a wrong password came from.
            let mut wrong = Round::new(SERVICE, testbed);
            refusal::choose_wrong_passwords(correspondence, &mut wrong);
            results.append(wrong.make(AT_ONCE).await?);
            Ok(results)
        }
        .boxed()
    }

    /// Takes away what a run may have left where a check of it failed: messages in queues, reports about them, and what
    /// has arrived late or somewhere else.
    fn sweep<'b>(
        &'b self,
        testbed: &'b Testbed,
        _: Sweep,
    ) -> BoxFuture<'b, Result<(), TestbedError>> {
        async {
            let people = self.domains.iter().filter_map(|it| it.people.as_ref().ok());
            let people = people.flat_map(|it| [&it.sender, &it.recipient]);
            let somebody = self.others.as_ref().ok().map(|it| &it.somebody);
            let logins = people.chain(somebody).map(|mailbox| mailbox.login.clone());
            let logins: Vec<_> = logins.collect();
            if logins.is_empty() {
                return Ok(());
            }
            let internal = self.internal.as_ref().map(|it| &it.server);
            let other = self.others.as_ref().ok().map(|it| &it.gateway.server);
            // In the order in which they hand messages on, and the first one again: reports come back to it.
            let servers = [internal, Some(&self.external.server), other, internal];
            for server in servers.into_iter().flatten() {
                sweep(testbed, &server.name, &logins).await?;
            }
            Ok(())
        }
        .boxed()
    }
}

/// Takes away from a server what this run has sent: from its queue, and from the mailboxes of those with these logins.
pub(super) async fn sweep(
    testbed: &Testbed,
    server: &str,
    logins: &[String],
) -> Result<(), TestbedError> {
    let mut command = vec!["sh", "-s", "--", &testbed.run];
    command.extend(logins.iter().map(String::as_str));
    match testbed.on(server, &command, SWEEP).await {
        // A server that does not run is one of the things that the checks have told.
        Err(error) if !error.is_away() => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tasks::Secret;
    use tasks::promise::Server;

    use super::*;

    fn mailbox(address: &str, password: &str) -> Mailbox {
        Mailbox {
            address: address.to_owned(),
            login: address.to_owned(),
            password: Secret::new(password),
        }
    }

    fn promises() -> Promises {
        let server = |name: &str| Server {
            name: name.to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
        };
        Promises {
            hosted_mail: vec![HostedMail {
                server: server("external"),
                home_domain: "home.test".to_owned(),
                gateway_account: None,
            }],
            mail_domains: vec![MailDomain {
                name: "firm.test".to_owned(),
                home: false,
                imap: "imap.firm.test".to_owned(),
                smtp: "smtp.firm.test".to_owned(),
                mailboxes: ["boss", "check", "other", "mute"]
                    .map(|name| {
                        let password = if name == "mute" { "" } else { "geheim" };
                        mailbox(&format!("{name}@firm.test"), password)
                    })
                    .to_vec(),
                gateway_account: None,
            }],
            ..Promises::default()
        }
    }

    /// Gives who sends and receives in the domain.
    fn people(writes: Writes<'_>) -> Result<(String, String), String> {
        let promises = promises();
        let (domain, external) = (&promises.mail_domains[0], &promises.hosted_mail[0]);
        let domain = CheckedDomain::of(domain, external, &promises, writes).unwrap();
        domain
            .people
            .map(|people| (people.sender.address, people.recipient.address))
    }

    fn marks(addresses: &[&str]) -> Marks {
        Marks {
            mail: addresses.iter().map(|&it| it.to_owned()).collect(),
            ..Marks::default()
        }
    }

    #[test]
    fn among_servers_only_accounts_that_are_marked_send_and_receive() {
        let pair =
            |one: &str, other: &str| Ok((format!("{one}@firm.test"), format!("{other}@firm.test")));
        assert_eq!(people(Writes::Everything), pair("boss", "mute"));
        let two = marks(&["check@firm.test", "other@firm.test"]);
        assert_eq!(people(Writes::Marked(&two)), pair("check", "other"));
        let one = marks(&["check@firm.test"]);
        assert_eq!(people(Writes::Marked(&one)), pair("check", "check"));
        let unasked = people(Writes::Nothing(&one)).unwrap_err();
        assert!(unasked.contains("--all"), "{unasked}");
        for none in [marks(&[]), marks(&["boss@other.test"])] {
            for writes in [Writes::Marked(&none), Writes::Nothing(&none)] {
                let unmarked = people(writes).unwrap_err();
                assert!(unmarked.contains("marks nothing there"), "{unmarked}");
            }
        }
    }

    #[test]
    fn a_mark_that_nobody_could_log_in_as_is_refused() {
        let refused = |address: &str| {
            let marks = marks(&[address]);
            let refused = known(&promises(), Writes::Marked(&marks)).unwrap_err();
            refused.to_string()
        };
        assert!(refused("chek@firm.test").contains("did you mean 'check@firm.test'?"));
        assert!(refused("mute@firm.test").contains("its password is not known"));
    }
}
