//! What a site writes to people: whoever has forgotten a password gets a message, wherever that is read.

use std::time::Duration;

use tasks::promise::{Promises, SiteFront, SiteServer};

use super::{SERVICE, View, address, ask};
use crate::verify::mail::client::{Folder, Missing};
use crate::verify::{Check, Open, Seat, Testbed, TestbedError};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody whose mail can be read.
pub(super) struct Reader {
    /// What the recipient stands for.
    kind: &'static str,
    folder: Folder,
    /// The server that has the mailbox.
    pub(super) server: String,
}

impl Reader {
    pub(super) fn login(&self) -> &str {
        &self.folder.mailbox.login
    }
}

/// Gives somebody of a hosted domain and somebody of the world, as far as their mail can be read from outside.
pub(super) fn readers(promises: &Promises) -> Vec<Reader> {
    let customers = promises.mail_domains.iter().filter(|domain| !domain.home);
    let mut hosted = customers.filter_map(|domain| {
        let mut mailboxes = domain.mailboxes.iter();
        let mailbox = mailboxes.find(|it| !it.password.expose().is_empty())?;
        Some((format!("imaps://{}/INBOX", domain.imap), mailbox.clone()))
    });
    let server = promises.hosted_mail.first().map(|it| &it.server.name);
    let hosted = hosted
        .next()
        .zip(server)
        .map(|((url, mailbox), server)| Reader {
            kind: "somebody hosted",
            folder: Folder { url, mailbox },
            server: server.clone(),
        });
    let mut gateways = promises.mail_gateways.iter();
    let foreign = gateways.find_map(|gateway| {
        Some(Reader {
            kind: "somebody in the world",
            folder: Folder {
                url: format!("imaps://{}/INBOX", gateway.server.name),
                mailbox: gateway.somebody.clone()?,
            },
            server: gateway.server.name.clone(),
        })
    });
    hosted.into_iter().chain(foreign).collect()
}

/// Shows that a site's message reaches a reader. The account to which it is about is there for this check alone.
pub(super) async fn arrives(
    (site, server): (&SiteFront, &SiteServer),
    (reader, mailboxes): (&Reader, &Seat),
    view: View<'_>,
    (testbed, token): (&Testbed, String),
) -> Result<Check, TestbedError> {
    let url = format!("{}/wp-login.php?action=lostpassword", address(site));
    let recipient = &reader.folder.mailbox.address;
    let open = Open::new(
        SERVICE,
        format!("mail of {} reaches {}", site.name, reader.kind),
        format!(
            "curl {} {url}, for an account with the address {recipient}; read at {}",
            view.name,
            reader.folder.typed()
        ),
        "a message arrives".to_owned(),
    );
    let with = |command: &[String], more: &[&str]| -> Vec<String> {
        let more = more.iter().map(|word| (*word).to_owned());
        command.iter().cloned().chain(more).collect()
    };
    let on = async |command: Vec<String>| {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        testbed.on(&server.server.name, &words, b"").await
    };
    let made = on(with(&server.visitor, &[&token, recipient])).await?;
    if made.code != 0 {
        return Ok(open.close(made.errors(), false));
    }
    let outcome = forgotten(reader, mailboxes, view, (&url, &token)).await;
    let gone = on(with(&server.gone, &[&token])).await?;
    let (came, passed) = outcome?;
    if gone.code != 0 {
        let came = format!(
            "{came}; the account for the check is still there: {}",
            gone.errors()
        );
        return Ok(open.close(came, false));
    }
    Ok(open.close(came, passed))
}

/// Says on the site that the password is forgotten, and waits for what it writes.
async fn forgotten(
    reader: &Reader,
    mailboxes: &Seat,
    view: View<'_>,
    (url, token): (&str, &str),
) -> Result<(String, bool), TestbedError> {
    let form = format!("user_login={token}");
    let answer = ask(view.curl, &["--data", &form], url).await?;
    if answer.status != 302 || !answer.redirection.contains("checkemail=confirm") {
        return Ok((format!("the site sends nothing: {}", answer.told()), false));
    }
    Ok(
        match reader.folder.take(mailboxes, token, PATIENCE).await? {
            Ok(_) => ("a message arrives".to_owned(), true),
            Err(Missing::Late(problem)) => {
                let seconds = PATIENCE.as_secs();
                (format!("nothing within {seconds} s: {problem}"), false)
            }
            Err(Missing::Unreadable(problem)) => {
                (format!("the mailbox could not be read: {problem}"), false)
            }
        },
    )
}
