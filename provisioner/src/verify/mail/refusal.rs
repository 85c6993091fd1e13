//! What keeps mail honest: certificates by name, no password in the clear, nobody's relay, no letter to nobody, spam put
//! aside.

use std::time::Duration;

use tasks::Secret;
use tasks::promise::{IMAP, IMAPS, MailDomain, SMTP, SUBMISSION, SUBMISSIONS};

use super::client::{self, Missing, NO_LOGIN, NO_RECIPIENT, Smtp};
use super::flow::customers_folder;
use super::{ANYBODY, CheckedDomain, Correspondence, INSIDE, MADE_UP, OUTSIDE, People, SERVICE};
use crate::verify::round::Round;
use crate::verify::{Check, Evidence, Open, Seat, TestbedError};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Number of the message that is spam, after those of the flows.
const SPAM: usize = 90;

/// Chooses the checks that may be made together with the flows.
pub(super) fn choose<'e>(correspondence: Correspondence<'e>, round: &mut Round<'e>) {
    let mail = correspondence.mail;
    let domains = || mail.domains.iter();
    let authorities = correspondence.testbed.authorities();
    for domain in domains().filter(|domain| domain.certified) {
        let MailDomain { imap, smtp, .. } = &domain.promised;
        // Where TLS does not begin with the connection, the protocol in which it is asked for.
        let ports = [
            (imap, IMAPS, None),
            (smtp, SUBMISSIONS, None),
            (smtp, SUBMISSION, Some("smtp")),
        ];
        for (name, port, starttls) in ports {
            round.ask(OUTSIDE, move |seat| {
                certificate(seat, authorities, (name, port), starttls)
            });
        }
    }
    let somebody = match &mail.others {
        Ok(others) => others.somebody.address.as_str(),
        Err(_) => ANYBODY,
    };
    let customers = || domains().filter(|domain| !domain.promised.home);
    for domain in customers() {
        round.ask(OUTSIDE, move |seat| imap_in_the_clear(seat, domain));
        for port in [SMTP, SUBMISSION] {
            round.ask(OUTSIDE, move |seat| smtp_in_the_clear(seat, domain, port));
        }
        match &domain.people {
            Ok(people) => {
                round.ask(OUTSIDE, move |seat| {
                    spam(seat, correspondence, domain, people)
                });
                let shows = format!(
                    "a customer of {} sends as the own domain only",
                    domain.promised.name
                );
                let message = correspondence.submission(domain, somebody, somebody);
                let message = message.login(&people.sender);
                round.ask(OUTSIDE, move |seat| recipient(seat, shows, message));
            }
            Err(why) => round.leave(why, 2),
        }
    }
    strangers(correspondence, somebody, round);
}

/// Chooses the checks of what strangers are refused.
fn strangers<'e>(correspondence: Correspondence<'e>, somebody: &str, round: &mut Round<'e>) {
    let mail = correspondence.mail;
    let domains = || mail.domains.iter();
    let external = &mail.external.server.name;
    // People call the server by the names of their domains; its own need not be known outside.
    let called = |domain: &CheckedDomain| domain.promised.smtp.clone();
    let customers = domains().filter(|domain| !domain.promised.home);
    let senders = customers.filter_map(|domain| {
        let sender = domain.promised.mailboxes.first()?;
        Some((sender.address.as_str(), called(domain)))
    });
    let last = mail.domains.last().map(|domain| (somebody, called(domain)));
    for (from, server) in senders.chain(last) {
        let shows = format!("a stranger who calls himself {from} cannot send through {external}");
        let message = Smtp::new(&server, SMTP, from, somebody);
        round.ask(OUTSIDE, move |seat| recipient(seat, shows, message));
    }
    for domain in domains() {
        let name = &domain.promised.name;
        let nobody = format!("{}@{name}", correspondence.token(SPAM + 1));
        let shows = format!("{external} refuses mail to nobody in {name}");
        let message = Smtp::new(&called(domain), SMTP, somebody, &nobody);
        round.ask(OUTSIDE, move |seat| recipient(seat, shows, message));
        let sender = domain.promised.mailboxes.first();
        if let (true, Some(office), Some(sender)) = (domain.promised.home, &mail.internal, sender) {
            let shows = format!("{} refuses mail to nobody in {name}", office.server.name);
            let message = Smtp::new(&office.smtp, SMTP, &sender.address, &nobody);
            round.ask(INSIDE, move |seat| recipient(seat, shows, message));
        }
    }
}

/// Chooses the checks with wrong passwords, after which a server may make everybody at the client's address wait.
pub(super) fn choose_wrong_passwords<'e>(
    correspondence: Correspondence<'e>,
    round: &mut Round<'e>,
) {
    let domains = correspondence.mail.domains.iter();
    for domain in domains.filter(|domain| !domain.promised.home) {
        match &domain.people {
            Ok(people) => {
                round.ask(OUTSIDE, move |seat| wrong_at_imap(seat, domain, people));
                round.ask(OUTSIDE, move |seat| {
                    wrong_at_smtp(seat, correspondence, domain, people)
                });
            }
            Err(why) => round.leave(why, 2),
        }
    }
}

async fn certificate(
    outside: &Seat,
    (authorities, whose): (&str, &str),
    (name, port): (&str, u16),
    starttls: Option<&str>,
) -> Result<Check, TestbedError> {
    let open = Open::new(
        SERVICE,
        format!("{name}:{port} presents its own certificate"),
        format!("openssl s_client -connect {name}:{port} -verify_hostname {name}"),
        format!("verified by {whose}, for {name}"),
    );
    let output = client::certificate(outside, authorities, (name, port), starttls).await?;
    let text = output.text();
    let find = |start: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(start))
    };
    let peer = find("Verified peername: ").unwrap_or_default();
    let verified = find("Verify return code: ").unwrap_or_default();
    if output.code == 0 && verified.starts_with("0 ") && peer == name {
        return Ok(open.close(format!("verified for {peer}"), true));
    }
    let errors = output.errors();
    let problem = errors.lines().find(|line| line.contains("verify error"));
    let problem = problem.or_else(|| errors.lines().next());
    let came = problem.unwrap_or("not verified").to_owned();
    let said = Evidence::text("what openssl printed", format!("{text}\n{errors}"));
    Ok(open.evidence(said).close(came, false))
}

/// Checks that a server refuses any password in the clear; the one that it is told is nobody's.
async fn imap_in_the_clear(outside: &Seat, domain: &CheckedDomain) -> Result<Check, TestbedError> {
    let server = format!("{}:{IMAP}", domain.promised.imap);
    let open = Open::new(
        SERVICE,
        format!("outside, {server} takes no password without TLS"),
        format!("LOGIN at {server} in the clear"),
        REFUSED.to_owned(),
    );
    let lines = format!("a LOGIN {MADE_UP} {MADE_UP}\r\nb LOGOUT\r\n");
    let answer = client::say(outside, &server, &lines).await?;
    let line = answer.lines().find(|line| line.starts_with("a "));
    let passed = line.is_some_and(|line| line.starts_with(REFUSED));
    let came = line.or_else(|| answer.lines().next_back());
    Ok(open.close(came.unwrap_or("no answer").to_owned(), passed))
}

/// What an IMAP server says that takes no password in the clear, whoever's it is (RFC 5530).
const REFUSED: &str = "a NO [PRIVACYREQUIRED]";

async fn smtp_in_the_clear(
    outside: &Seat,
    domain: &CheckedDomain,
    port: u16,
) -> Result<Check, TestbedError> {
    let server = &domain.promised.smtp;
    let message = Smtp::new(server, port, "<>", ANYBODY)
        .with(&["--quit-after", "AUTH"])
        .login_as(MADE_UP, Secret::new(MADE_UP));
    let open = Open::new(
        SERVICE,
        format!("outside, {server}:{port} takes no password without TLS"),
        message.typed(),
        "no offer to log in".to_owned(),
    );
    let told = message.run(outside).await?;
    let passed = told.code == NO_LOGIN && !told.offers_login();
    let came = if passed {
        "no offer to log in".to_owned()
    } else if told.offers_login() {
        "an offer to log in".to_owned()
    } else {
        told.refusal()
    };
    Ok(conversation(open, &told.transcript, passed).close(came, passed))
}

/// Checks that a recipient is refused at once.
async fn recipient(client: &Seat, shows: String, message: Smtp) -> Result<Check, TestbedError> {
    let message = message.with(&["--quit-after", "RCPT"]);
    let open = Open::new(SERVICE, shows, message.typed(), "550 after RCPT".to_owned());
    let told = message.run(client).await?;
    let refusal = told.refusal();
    let passed = told.code == NO_RECIPIENT && refusal.starts_with("550");
    let came = if told.code == 0 {
        "the recipient was accepted".to_owned()
    } else {
        refusal
    };
    Ok(conversation(open, &told.transcript, passed).close(came, passed))
}

fn conversation(open: Open, transcript: &str, passed: bool) -> Open {
    if passed {
        open
    } else {
        open.evidence(Evidence::text("what was said", transcript))
    }
}

async fn spam(
    outside: &Seat,
    correspondence: Correspondence<'_>,
    domain: &CheckedDomain,
    people: &People,
) -> Result<Check, TestbedError> {
    let token = correspondence.token(SPAM);
    let subject = format!("Subject: {token}");
    let message = correspondence.strange(domain, &people.recipient.address);
    let message = message.with(&["--header", &subject, "--add-header", "X-Spam-Flag: YES"]);
    let folder = customers_folder(domain, people, "Junk");
    let open = Open::new(
        SERVICE,
        "spam is put aside".to_owned(),
        format!("{}, read at {}", message.typed(), folder.typed()),
        "the message in the folder Junk".to_owned(),
    );
    let told = message.run(outside).await?;
    if told.code != 0 {
        let came = format!("it could not be sent: {}", told.refusal());
        return Ok(conversation(open, &told.transcript, false).close(came, false));
    }
    Ok(match folder.take(outside, &token, PATIENCE).await? {
        Ok(_) => open.close("the message in the folder Junk".to_owned(), true),
        Err(Missing::Late(problem) | Missing::Unreadable(problem)) => {
            open.close(format!("not there: {problem}"), false)
        }
    })
}

async fn wrong_at_imap(
    outside: &Seat,
    domain: &CheckedDomain,
    people: &People,
) -> Result<Check, TestbedError> {
    let url = format!("imaps://{}/", domain.promised.imap);
    let mailbox = &people.recipient;
    let open = Open::new(
        SERVICE,
        "a wrong password opens no mailbox".to_owned(),
        format!("curl --user {} {url}, with a wrong password", mailbox.login),
        "login denied".to_owned(),
    );
    let wrong = mailbox.password.map(|right| format!("{right}x"));
    let output = client::imap_login(outside, &url, &mailbox.login, wrong.expose()).await?;
    // curl's exit code for a login that was refused.
    let passed = output.code == 67;
    let came = if output.code == 0 {
        "the mailbox was opened".to_owned()
    } else {
        output.errors()
    };
    Ok(open.close(came, passed))
}

async fn wrong_at_smtp(
    outside: &Seat,
    correspondence: Correspondence<'_>,
    domain: &CheckedDomain,
    people: &People,
) -> Result<Check, TestbedError> {
    let mailbox = &people.sender;
    let wrong = mailbox.password.map(|right| format!("{right}x"));
    let message = correspondence.submission(domain, &mailbox.address, &mailbox.address);
    let message = message
        .with(&["--quit-after", "AUTH"])
        .login_with(mailbox, wrong);
    let open = Open::new(
        SERVICE,
        "a wrong password sends nothing".to_owned(),
        format!("{}, with a wrong password", message.typed()),
        "535".to_owned(),
    );
    let told = message.run(outside).await?;
    let refusal = told.refusal();
    let passed = told.code == NO_LOGIN && refusal.starts_with("535");
    let came = if told.code == 0 {
        "the password was taken".to_owned()
    } else {
        refusal
    };
    Ok(conversation(open, &told.transcript, passed).close(came, passed))
}
