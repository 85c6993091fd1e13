//! What keeps mail honest: certificates by name, no password in the clear, nobody's relay, no letter to nobody, spam put
//! aside.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tasks::promise::{IMAP, IMAPS, MailDomain, SMTP, SUBMISSION, SUBMISSIONS};

use super::client::{self, Missing, NO_LOGIN, NO_RECIPIENT, Smtp};
use super::flow::customers_folder;
use super::{Correspondence, Domain, SERVICE};
use crate::verify::{BenchError, Check, Evidence, Open, Seat};

type Checks<'e> = Vec<BoxFuture<'e, Result<Check, BenchError>>>;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Number of the message that is spam, after those of the flows.
const SPAM: usize = 90;

/// Gives the checks that may be made together with the flows.
pub(super) fn checks<'e>(correspondence: Correspondence<'e>) -> Checks<'e> {
    let mut checks: Checks<'e> = Vec::new();
    let mail = correspondence.mail;
    let domains = || mail.domains.iter();
    for domain in domains().filter(|domain| domain.certified) {
        let MailDomain { imap, smtp, .. } = &domain.promised;
        // Where TLS does not begin with the connection, the protocol in which it is asked for.
        let ports = [
            (imap, IMAPS, None),
            (smtp, SUBMISSIONS, None),
            (smtp, SUBMISSION, Some("smtp")),
        ];
        for (name, port, starttls) in ports {
            checks.push(Box::pin(certificate(
                correspondence.outside,
                name,
                port,
                starttls,
            )));
        }
    }
    let customers = || domains().filter(|domain| !domain.promised.home);
    for domain in customers() {
        checks.push(Box::pin(imap_in_the_clear(correspondence, domain)));
        for port in [SMTP, SUBMISSION] {
            checks.push(Box::pin(smtp_in_the_clear(correspondence, domain, port)));
        }
        checks.push(Box::pin(spam(correspondence, domain)));
        let shows = format!(
            "a customer of {} sends as the own domain only",
            domain.promised.name
        );
        let somebody = &mail.somebody.address;
        let message = Correspondence::submission(domain, somebody, somebody);
        checks.push(Box::pin(recipient(correspondence.outside, shows, message)));
    }
    let external = &mail.external.server.name;
    let somebody = &mail.somebody.address;
    let senders = customers().map(|domain| &domain.sender.address);
    for from in senders.chain([somebody]) {
        let shows = format!("a stranger who calls himself {from} cannot send through {external}");
        let message = Smtp::new(external, SMTP, from, somebody);
        checks.push(Box::pin(recipient(correspondence.outside, shows, message)));
    }
    for domain in domains() {
        let nobody = format!(
            "{}@{}",
            correspondence.token(SPAM + 1),
            domain.promised.name
        );
        let shows = format!(
            "{external} refuses mail to nobody in {}",
            domain.promised.name
        );
        let message = Smtp::new(external, SMTP, somebody, &nobody);
        checks.push(Box::pin(recipient(correspondence.outside, shows, message)));
        if domain.promised.home {
            let internal = &mail.internal.server.name;
            let shows = format!(
                "{internal} refuses mail to nobody in {}",
                domain.promised.name
            );
            let message = Smtp::new(&mail.internal.smtp, SMTP, &domain.sender.address, &nobody);
            checks.push(Box::pin(recipient(correspondence.inside, shows, message)));
        }
    }
    checks
}

/// Gives the checks with wrong passwords, after which a server may make everybody at the client's address wait.
pub(super) fn wrong_passwords<'e>(correspondence: Correspondence<'e>) -> Checks<'e> {
    let mut checks: Checks<'e> = Vec::new();
    for domain in &correspondence.mail.domains {
        if domain.promised.home {
            continue;
        }
        checks.push(Box::pin(wrong_at_imap(correspondence, domain)));
        checks.push(Box::pin(wrong_at_smtp(correspondence, domain)));
    }
    checks
}

async fn certificate(
    outside: &Seat,
    name: &str,
    port: u16,
    starttls: Option<&str>,
) -> Result<Check, BenchError> {
    let open = Open::new(
        SERVICE,
        format!("{name}:{port} presents its own certificate"),
        format!("openssl s_client -connect {name}:{port} -verify_hostname {name}"),
        format!("verified by the estate's authority alone, for {name}"),
    );
    let output = client::certificate(outside, name, port, starttls).await?;
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

async fn imap_in_the_clear(
    correspondence: Correspondence<'_>,
    domain: &Domain,
) -> Result<Check, BenchError> {
    let server = format!("{}:{IMAP}", domain.promised.imap);
    let open = Open::new(
        SERVICE,
        format!("outside, {server} takes no password without TLS"),
        format!("LOGIN at {server} in the clear"),
        "NO".to_owned(),
    );
    let mailbox = &domain.recipient;
    // Literals, because a password may have any character (RFC 7888).
    let literal = |text: &str| format!("{{{}+}}\r\n{text}", text.len());
    let lines = format!(
        "a LOGIN {} {}\r\nb LOGOUT\r\n",
        literal(&mailbox.login),
        literal(mailbox.password.expose())
    );
    let answer = client::say(correspondence.outside, &server, &lines).await?;
    let line = answer.lines().find(|line| line.starts_with("a "));
    let passed = line.is_some_and(|line| line.starts_with("a NO"));
    let came = line.or_else(|| answer.lines().next_back());
    Ok(open.close(came.unwrap_or("no answer").to_owned(), passed))
}

async fn smtp_in_the_clear(
    correspondence: Correspondence<'_>,
    domain: &Domain,
    port: u16,
) -> Result<Check, BenchError> {
    let server = &domain.promised.smtp;
    let mailbox = &domain.sender;
    let message = Smtp::new(server, port, &mailbox.address, &mailbox.address)
        .with(&["--quit-after", "AUTH"])
        .login(mailbox);
    let open = Open::new(
        SERVICE,
        format!("outside, {server}:{port} takes no password without TLS"),
        message.typed(),
        "no offer to log in".to_owned(),
    );
    let told = message.run(correspondence.outside).await?;
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
async fn recipient(client: &Seat, shows: String, message: Smtp) -> Result<Check, BenchError> {
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

async fn spam(correspondence: Correspondence<'_>, domain: &Domain) -> Result<Check, BenchError> {
    let token = correspondence.token(SPAM);
    let subject = format!("Subject: {token}");
    let message = correspondence.strange(&domain.recipient.address).with(&[
        "--header",
        &subject,
        "--add-header",
        "X-Spam-Flag: YES",
    ]);
    let folder = customers_folder(domain, "Junk");
    let open = Open::new(
        SERVICE,
        "spam is put aside".to_owned(),
        format!("{}, read at {}", message.typed(), folder.typed()),
        "the message in the folder Junk".to_owned(),
    );
    let told = message.run(correspondence.outside).await?;
    if told.code != 0 {
        let came = format!("it could not be sent: {}", told.refusal());
        return Ok(conversation(open, &told.transcript, false).close(came, false));
    }
    Ok(
        match folder
            .take(correspondence.outside, &token, PATIENCE)
            .await?
        {
            Ok(_) => open.close("the message in the folder Junk".to_owned(), true),
            Err(Missing::Late(problem) | Missing::Unreadable(problem)) => {
                open.close(format!("not there: {problem}"), false)
            }
        },
    )
}

async fn wrong_at_imap(
    correspondence: Correspondence<'_>,
    domain: &Domain,
) -> Result<Check, BenchError> {
    let url = format!("imaps://{}/", domain.promised.imap);
    let mailbox = &domain.recipient;
    let open = Open::new(
        SERVICE,
        "a wrong password opens no mailbox".to_owned(),
        format!("curl --user {} {url}, with a wrong password", mailbox.login),
        "login denied".to_owned(),
    );
    let wrong = mailbox.password.map(|right| format!("{right}x"));
    let output =
        client::imap_login(correspondence.outside, &url, &mailbox.login, wrong.expose()).await?;
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
    correspondence: Correspondence<'_>,
    domain: &Domain,
) -> Result<Check, BenchError> {
    let mailbox = &domain.sender;
    let wrong = mailbox.password.map(|right| format!("{right}x"));
    let message = Correspondence::submission(domain, &mailbox.address, &mailbox.address)
        .with(&["--quit-after", "AUTH"])
        .login_with(mailbox, wrong);
    let open = Open::new(
        SERVICE,
        "a wrong password sends nothing".to_owned(),
        format!("{}, with a wrong password", message.typed()),
        "535".to_owned(),
    );
    let told = message.run(correspondence.outside).await?;
    let refusal = told.refusal();
    let passed = told.code == NO_LOGIN && refusal.starts_with("535");
    let came = if told.code == 0 {
        "the password was taken".to_owned()
    } else {
        refusal
    };
    Ok(conversation(open, &told.transcript, passed).close(came, passed))
}
