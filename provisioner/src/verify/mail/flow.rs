//! The flows: who can write to whom, from inside and from outside, and which way the messages take.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tasks::promise::{SMTP, SUBMISSIONS};

use super::client::{Folder, Missing, Smtp};
use super::received::{Head, Hop, Sender, Transfer};
use super::{Correspondence, Domain, SERVICE};
use crate::docker::AUTHORITY;
use crate::verify::{BenchError, Cell, Check, Evidence, Open, Seat};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a message may take that is fetched every ten seconds.
const FETCHED: Duration = Duration::from_secs(30);

/// Where the sender is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Inside,
    Outside,
}

impl Scope {
    const fn matrix(self) -> &'static str {
        match self {
            Self::Inside => "sent inside",
            Self::Outside => "sent outside",
        }
    }
}

/// Who sends or receives: a domain of the estate's, or everybody else.
#[derive(Clone, Copy)]
enum Party<'e> {
    Ours(&'e Domain),
    Other,
}

/// One message with what becomes of it.
pub(super) struct Flow<'e> {
    open: Open,
    message: Smtp,
    token: String,
    sent_by: &'e Seat,
    folder: Folder,
    read_by: &'e Seat,
    way: Vec<Hop>,
    /// The accounts that the gateway is to have seen, at most one; `None` where no gateway is on the way.
    accounts: Option<Vec<String>>,
    home_domain: &'e str,
    patience: Duration,
}

/// Gives a check for every flow.
pub(super) fn checks<'e>(
    correspondence: Correspondence<'e>,
) -> Vec<BoxFuture<'e, Result<Check, BenchError>>> {
    let ours = || correspondence.mail.domains.iter();
    let mut flows = Vec::new();
    for from in ours() {
        for to in ours().map(Party::Ours).chain([Party::Other]) {
            flows.push((Scope::Inside, Party::Ours(from), to));
        }
    }
    // The firm's own people write from inside alone.
    for from in ours().filter(|domain| !domain.promised.home) {
        for to in ours().map(Party::Ours).chain([Party::Other]) {
            flows.push((Scope::Outside, Party::Ours(from), to));
        }
    }
    flows.extend(ours().map(|to| (Scope::Outside, Party::Other, Party::Ours(to))));
    let flows = flows.into_iter().enumerate();
    let checks = flows.map(|(number, (scope, from, to))| {
        let flow = correspondence.flow(number, scope, from, to);
        Box::pin(flow.check()) as BoxFuture<'e, _>
    });
    checks.collect()
}

impl<'e> Correspondence<'e> {
    fn name(self, party: Party<'e>) -> &'e str {
        match party {
            Party::Ours(domain) => &domain.promised.name,
            Party::Other => &self.mail.other.domain,
        }
    }

    fn flow(self, number: usize, scope: Scope, from: Party<'e>, to: Party<'e>) -> Flow<'e> {
        let token = self.token(number);
        let subject = format!("Subject: {token}");
        let (message, sent_by) = self.message(scope, from, to);
        let message = message.with(&["--header", &subject]);
        let (folder, read_by) = self.folder(to);
        let way = self.way(scope, from, to);
        let accounts: Option<Vec<_>> = match (from, to) {
            (Party::Ours(domain), Party::Other) => {
                Some(domain.gateway_account.iter().cloned().collect())
            }
            (Party::Ours(_) | Party::Other, _) => None,
        };
        let stations: Vec<_> = way.iter().map(Hop::to_string).collect();
        let mut expected = format!("arrives by way of {}", stations.join(", "));
        if let Some(accounts) = &accounts {
            expected.extend(["; the gateway's account is '", &accounts.join(", "), "'"]);
        }
        let (row, column) = (self.name(from), self.name(to));
        let shows = format!("{}: {row} → {column}", scope.matrix());
        let asked = format!("{}, read at {}", message.typed(), folder.typed());
        let open = Open::new(SERVICE, shows, asked, expected);
        let fetched = way.iter().any(|hop| hop.transfer == Transfer::Fetched);
        Flow {
            open: open.cell(Cell::new(scope.matrix(), row, column)),
            message,
            token,
            sent_by,
            folder,
            read_by,
            way,
            accounts,
            home_domain: &self.mail.external.home_domain,
            patience: if fetched { FETCHED } else { PATIENCE },
        }
    }

    /// Makes the message of a sender, and tells with which client it is sent.
    fn message(self, scope: Scope, from: Party<'e>, to: Party<'e>) -> (Smtp, &'e Seat) {
        let to = match to {
            Party::Ours(domain) => &domain.recipient.address,
            Party::Other => &self.mail.somebody.address,
        };
        match (scope, from) {
            // Inside, the office's own server takes what its people send, whoever they are.
            (Scope::Inside, Party::Ours(domain)) => {
                let message = Smtp::new(&self.mail.internal.smtp, SMTP, &domain.sender.address, to);
                (message, self.inside)
            }
            (Scope::Outside, Party::Ours(domain)) => (
                Self::submission(domain, &domain.sender.address, to),
                self.outside,
            ),
            (Scope::Inside | Scope::Outside, Party::Other) => (self.strange(to), self.outside),
        }
    }

    /// A message that a customer outside hands to the own server.
    pub(super) fn submission(domain: &Domain, from: &str, to: &str) -> Smtp {
        let server = &domain.promised.smtp;
        let message = Smtp::new(server, SUBMISSIONS, from, to);
        let message = message.with(&["--tls-on-connect", "--tls-sni", server]);
        let message = if domain.certified {
            message.with(&["--tls-verify", "--tls-ca-path", AUTHORITY])
        } else {
            message
        };
        message.login(&domain.sender)
    }

    /// A message that somebody in the world hands to the own server.
    pub(super) fn strange(self, to: &str) -> Smtp {
        let (from, other) = (&self.mail.somebody.address, &self.mail.other);
        Smtp::new(&other.server.name, SMTP, from, to).with(&["--helo", &other.domain])
    }

    /// Tells where a recipient's mail is, and with which client it is read.
    fn folder(self, to: Party<'e>) -> (Folder, &'e Seat) {
        match to {
            Party::Ours(domain) if domain.promised.home => {
                let folder = Folder {
                    url: format!("imap://{}/INBOX", self.mail.internal.imap),
                    mailbox: domain.recipient.clone(),
                };
                (folder, self.inside)
            }
            Party::Ours(domain) => (customers_folder(domain, "INBOX"), self.outside),
            Party::Other => {
                let folder = Folder {
                    url: format!("imaps://{}/INBOX", self.mail.other.server.name),
                    mailbox: self.mail.somebody.clone(),
                };
                (folder, self.outside)
            }
        }
    }

    /// Gives what a message of this run has in its subject.
    pub(super) fn token(self, number: usize) -> String {
        format!("{}{number:02}", self.run)
    }

    /// Gives the stations of a message.
    fn way(self, scope: Scope, from: Party<'e>, to: Party<'e>) -> Vec<Hop> {
        let (internal, external, other) = (
            &self.mail.internal.server,
            &self.mail.external.server,
            &self.mail.other.server,
        );
        let hop = |by: &str, transfer, from| Hop {
            by: by.to_owned(),
            transfer,
            from,
        };
        let of = |address: IpAddr| Some(Sender::Address(address));
        let to_home = matches!(to, Party::Ours(domain) if domain.promised.home);
        let mut way = Vec::new();
        match (scope, from) {
            (Scope::Inside, _) => {
                way.push(hop(&internal.name, Transfer::Smtp, None));
                if to_home {
                    return way;
                }
                let last = of(internal.address);
                way.push(hop(&external.name, Transfer::Authenticated, last));
            }
            (Scope::Outside, Party::Ours(_)) => {
                way.push(hop(&external.name, Transfer::Authenticated, None));
            }
            (Scope::Outside, Party::Other) => {
                way.push(hop(&other.name, Transfer::Smtp, None));
                way.push(hop(&external.name, Transfer::Smtp, of(other.address)));
            }
        }
        match to {
            Party::Other => {
                way.push(hop(
                    &other.name,
                    Transfer::Authenticated,
                    of(external.address),
                ));
            }
            Party::Ours(_) if to_home => {
                let server = Some(Sender::Name(external.name.clone()));
                way.push(hop(&internal.name, Transfer::Fetched, server));
                let own = IpAddr::V4(Ipv4Addr::LOCALHOST);
                way.push(hop(&internal.name, Transfer::Smtp, of(own)));
            }
            Party::Ours(_) => way.push(hop(&external.name, Transfer::Lmtp, None)),
        }
        way
    }
}

/// Gives a folder of a customer's recipient.
pub(super) fn customers_folder(domain: &Domain, folder: &str) -> Folder {
    Folder {
        url: format!("imaps://{}/{folder}", domain.promised.imap),
        mailbox: domain.recipient.clone(),
    }
}

impl Flow<'_> {
    async fn check(self) -> Result<Check, BenchError> {
        let told = self.message.run(self.sent_by).await?;
        if told.code != 0 {
            let said = Evidence::text("what was said while it was sent", &*told.transcript);
            let came = format!("it could not be sent: {}", told.refusal());
            return Ok(self.open.evidence(said).close(came, false));
        }
        let sent = Instant::now();
        let taken = self
            .folder
            .take(self.read_by, &self.token, self.patience)
            .await?;
        let message = match taken {
            Ok(message) => message,
            Err(Missing::Late(problem)) => {
                let seconds = self.patience.as_secs();
                let came = format!("it did not arrive within {seconds} s: {problem}");
                return Ok(self.open.close(came, false));
            }
            Err(Missing::Unreadable(problem)) => {
                let came = format!("the mailbox could not be read: {problem}");
                return Ok(self.open.close(came, false));
            }
        };
        let Some(head) = Head::of(&message) else {
            let came = "what arrived has no head".to_owned();
            return Ok(self.open.close(came, false));
        };
        let (came, passed) = match self.mistake(&head) {
            None => {
                let way: Vec<_> = head.way().iter().map(ToString::to_string).collect();
                let seconds = sent.elapsed().as_secs_f64();
                let way = way.join(", ");
                (
                    format!("arrived after {seconds:.1} s by way of {way}"),
                    true,
                )
            }
            Some(mistake) => (format!("arrived, but {mistake}"), false),
        };
        let fields = Evidence::text("fields of the message", head.text());
        Ok(self.open.evidence(fields).close(came, passed))
    }

    /// Tells what is wrong with a message's way.
    fn mistake(&self, head: &Head<'_>) -> Option<String> {
        let way = head.way();
        for (index, hop) in self.way.iter().enumerate() {
            let Some(received) = way.get(index) else {
                return Some(format!("not by way of {hop}"));
            };
            if !received.is(hop, self.home_domain) {
                return Some(format!("by way of {received}, not {hop}"));
            }
        }
        if let Some(received) = way.get(self.way.len()) {
            return Some(format!("also by way of {received}"));
        }
        let expected = self.accounts.as_ref()?;
        let accounts = head.all("X-Gateway-Account");
        (accounts != *expected)
            .then(|| format!("the gateway's account is '{}'", accounts.join(", ")))
    }
}
