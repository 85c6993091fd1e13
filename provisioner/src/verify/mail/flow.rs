//! The flows: who can write to whom, from inside and from outside, and which way the messages take.

use std::time::{Duration, Instant};

use tasks::promise::{SMTP, SUBMISSIONS, Server};

use super::client::{Folder, Missing, Smtp};
use super::received::{Head, Hop, Sender, Transfer};
use super::{CheckedDomain, Correspondence, INSIDE, OUTSIDE, OfficeMail, People, SERVICE};
use crate::verify::round::Round;
use crate::verify::{Cell, Check, Client, Evidence, Open, Seat, TestbedError};

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
    Ours(&'e CheckedDomain),
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

/// Chooses a check for every flow.
pub(super) fn choose<'e>(correspondence: Correspondence<'e>, round: &mut Round<'e>) {
    let ours = || correspondence.mail.domains.iter();
    let office = correspondence.mail.internal.as_ref();
    let mut flows = Vec::new();
    for from in ours().filter(|_| office.is_some()) {
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
    // What comes for the firm's own people is read in the office.
    let is_read = |to: Party<'_>| office.is_some() || !to.is_home();
    let flows = flows.into_iter().filter(|(_, _, to)| is_read(*to));
    for (number, (scope, from, to)) in flows.enumerate() {
        match correspondence.flow(number, scope, from, to) {
            Ok(flow) => round.add(async move { Ok(vec![flow.check().await?]) }),
            Err(why) => round.leave(why, 1),
        }
    }
}

impl Party<'_> {
    const fn is_home(self) -> bool {
        match self {
            Self::Ours(domain) => domain.promised.home,
            Self::Other => false,
        }
    }
}

impl<'e> Correspondence<'e> {
    fn name(self, party: Party<'e>) -> &'e str {
        match party {
            Party::Ours(domain) => &domain.promised.name,
            Party::Other => match &self.mail.others {
                Ok(others) => &others.gateway.domain,
                Err(_) => "the world",
            },
        }
    }

    /// Finds a client; the error says that nobody stands at its side.
    fn seat(self, client: Client) -> Result<&'e Seat, String> {
        let seat = self.testbed.client(client);
        seat.map_err(|error| error.to_string())
    }

    /// Describes a flow, or says why it cannot be tried.
    fn flow(
        self,
        number: usize,
        scope: Scope,
        from: Party<'e>,
        to: Party<'e>,
    ) -> Result<Flow<'e>, String> {
        let token = self.token(number);
        let subject = format!("Subject: {token}");
        let (message, sent_by) = self.message(scope, from, to)?;
        let message = message.with(&["--header", &subject]);
        let (folder, read_by) = self.folder(to)?;
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
        let open = way.iter().fold(open, |open, hop| open.of(&hop.by));
        let fetched = way.iter().any(|hop| hop.transfer == Transfer::Fetched);
        Ok(Flow {
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
        })
    }

    fn people(domain: &CheckedDomain) -> Result<&People, String> {
        domain.people.as_ref().map_err(Clone::clone)
    }

    fn office(self) -> Result<&'e OfficeMail, String> {
        let office = self.mail.internal.as_ref();
        office.ok_or_else(|| "the office has no mail server".to_owned())
    }

    /// Makes the message of a sender, and tells with which client it is sent.
    fn message(
        self,
        scope: Scope,
        from: Party<'e>,
        to: Party<'e>,
    ) -> Result<(Smtp, &'e Seat), String> {
        let recipient = match to {
            Party::Ours(domain) => &Self::people(domain)?.recipient,
            Party::Other => &self.mail.others.as_ref().map_err(Clone::clone)?.somebody,
        };
        let recipient = &recipient.address;
        Ok(match (scope, from, to) {
            // Inside, the office's own server takes what its people send, whoever they are.
            (Scope::Inside, Party::Ours(domain), _) => {
                let (office, sender) = (self.office()?, &Self::people(domain)?.sender);
                let message = Smtp::new(&office.smtp, SMTP, &sender.address, recipient);
                (message, self.seat(INSIDE)?)
            }
            (Scope::Outside, Party::Ours(domain), _) => {
                let people = Self::people(domain)?;
                let message = self.submission(domain, &people.sender.address, recipient);
                (message.login(&people.sender), self.seat(OUTSIDE)?)
            }
            (Scope::Inside | Scope::Outside, Party::Other, Party::Ours(domain)) => {
                (self.strange(domain, recipient), self.seat(OUTSIDE)?)
            }
            (Scope::Inside | Scope::Outside, Party::Other, Party::Other) => {
                return Err("the world writes to itself".to_owned());
            }
        })
    }

    /// A message that a customer outside hands to the own server.
    pub(super) fn submission(self, domain: &CheckedDomain, from: &str, to: &str) -> Smtp {
        let server = &domain.promised.smtp;
        let message = Smtp::new(server, SUBMISSIONS, from, to);
        let message = message.with(&["--tls-on-connect", "--tls-sni", server]);
        if domain.certified {
            let (authorities, _) = self.testbed.authorities();
            message.with(&["--tls-verify", "--tls-ca-path", authorities])
        } else {
            message
        }
    }

    /// A message that somebody in the world hands to the own server. Where nobody stands for the world, it comes from the client itself,
    /// and without a sender, so no report about it goes anywhere.
    pub(super) fn strange(self, domain: &CheckedDomain, to: &str) -> Smtp {
        match &self.mail.others {
            Ok(others) => {
                let gateway = &others.gateway;
                let message = Smtp::new(&gateway.server.name, SMTP, &others.somebody.address, to);
                message.with(&["--helo", &gateway.domain])
            }
            Err(_) => Smtp::new(&domain.promised.smtp, SMTP, "<>", to),
        }
    }

    /// Tells where a recipient's mail is, and with which client it is read.
    fn folder(self, to: Party<'e>) -> Result<(Folder, &'e Seat), String> {
        Ok(match to {
            Party::Ours(domain) if domain.promised.home => {
                let folder = Folder {
                    url: format!("imap://{}/INBOX", self.office()?.imap),
                    mailbox: Self::people(domain)?.recipient.clone(),
                };
                (folder, self.seat(INSIDE)?)
            }
            Party::Ours(domain) => {
                let people = Self::people(domain)?;
                (
                    customers_folder(domain, people, "INBOX"),
                    self.seat(OUTSIDE)?,
                )
            }
            Party::Other => {
                let others = self.mail.others.as_ref().map_err(Clone::clone)?;
                let folder = Folder {
                    url: format!("imaps://{}/INBOX", others.gateway.server.name),
                    mailbox: others.somebody.clone(),
                };
                (folder, self.seat(OUTSIDE)?)
            }
        })
    }

    /// Gives what a message of this run has in its subject.
    pub(super) fn token(self, number: usize) -> String {
        format!("{}{number:02}", self.testbed.run)
    }

    /// Gives the stations of a message.
    fn way(self, scope: Scope, from: Party<'e>, to: Party<'e>) -> Vec<Hop> {
        let office = self.mail.internal.as_ref();
        let internal = office.map(|it| &it.server);
        let external = &self.mail.external.server;
        let other = self.mail.others.as_ref().ok();
        let other = other.map(|it| &it.gateway.server);
        let hop = |by: &Server, transfer, from| Hop {
            by: by.name.clone(),
            transfer,
            from,
        };
        let of = |server: Option<&Server>| server.map(|it| Sender::Address(it.address));
        let to_home = to.is_home();
        let mut way = Vec::new();
        match (scope, from) {
            (Scope::Inside, _) => {
                way.extend(internal.map(|it| hop(it, Transfer::Smtp, None)));
                if to_home {
                    return way;
                }
                let office = office.map(|it| Sender::Address(it.seen_at));
                way.push(hop(external, Transfer::Authenticated, office));
            }
            (Scope::Outside, Party::Ours(_)) => {
                way.push(hop(external, Transfer::Authenticated, None));
            }
            (Scope::Outside, Party::Other) => {
                way.extend(other.map(|it| hop(it, Transfer::Smtp, None)));
                way.push(hop(external, Transfer::Smtp, of(other)));
            }
        }
        match (to, internal) {
            (Party::Other, _) => {
                let last = of(Some(external));
                way.extend(other.map(|it| hop(it, Transfer::Authenticated, last)));
            }
            (Party::Ours(_), Some(internal)) if to_home => {
                let server = Some(Sender::Name(external.name.clone()));
                way.push(hop(internal, Transfer::Fetched, server));
                way.push(hop(internal, Transfer::Smtp, Some(Sender::Itself)));
            }
            (Party::Ours(_), _) => way.push(hop(external, Transfer::Lmtp, None)),
        }
        way
    }
}

/// Gives a folder of a customer's recipient.
pub(super) fn customers_folder(domain: &CheckedDomain, people: &People, folder: &str) -> Folder {
    Folder {
        url: format!("imaps://{}/{folder}", domain.promised.imap),
        mailbox: people.recipient.clone(),
    }
}

impl Flow<'_> {
    async fn check(self) -> Result<Check, TestbedError> {
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
