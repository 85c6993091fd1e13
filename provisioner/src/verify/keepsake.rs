//! What must outlive an upgrade: a message, an event, a post and a backup, left before and looked for afterwards.
//!
//! They are left where users' own things are, by the programs that users have. Only rehearsals leave them, in containers.

use std::time::Duration;

use tasks::promise::{Calendar, FileDaemon, MailDomain, Mailbox, Promises, SiteFront};

use super::calendar::User;
use super::mail::client::imap_login;
use super::{Check, Client, Open, Testbed, TestbedError, backup, calendar, mail, web};

const MAIL: Client = Client::outside("mail");
const MAIL_INSIDE: Client = Client::inside("mail");

/// How often a message that was just sent is looked for, a second apart.
const TRIES: usize = 60;

/// Something that was left.
#[derive(Debug)]
pub enum Keepsake {
    /// A message in a mailbox.
    Message {
        /// Where it is read.
        domain: MailDomain,
        /// Whose it is.
        mailbox: Mailbox,
    },
    /// An event in a calendar.
    Event {
        /// Where it is read.
        server: tasks::promise::CalendarServer,
        /// Whose it is.
        calendar: Calendar,
    },
    /// A post on a web site.
    Post {
        /// The site.
        site: SiteFront,
        /// The number of the post.
        id: String,
    },
    /// A file in a backup.
    File {
        /// The host.
        daemon: FileDaemon,
        /// The number of the backup's job.
        job: u64,
        /// The file.
        path: String,
    },
}

/// Lists the clients with which all of them are left and found.
#[must_use]
pub fn clients(promises: &Promises) -> Vec<Client> {
    let mut clients = Vec::new();
    if !promises.mail_domains.is_empty() {
        clients.extend([MAIL, MAIL_INSIDE]);
    }
    if !promises.calendar_servers.is_empty() {
        clients.push(calendar::CADAVER);
    }
    if !promises.site_fronts.is_empty() {
        clients.extend([Client::inside(web::CURL), Client::outside(web::CURL)]);
    }
    if !promises.directors.is_empty() {
        clients.push(backup::CONSOLE);
    }
    clients
}

/// Leaves one of each kind that the estate promises, with a word in it; the checks say whether it is there.
pub async fn leave(
    promises: &Promises,
    testbed: &Testbed,
    word: &str,
) -> Result<(Vec<Keepsake>, Vec<Check>), TestbedError> {
    let mut left = Vec::new();
    for domain in &promises.mail_domains {
        let home = promises.office_mail.first().map(|it| &it.server);
        let hosted = promises.hosted_mail.first().map(|it| &it.server);
        let server = if domain.home { home } else { hosted };
        if let (Some(server), Some(mailbox)) = (server, domain.mailboxes.first()) {
            let message = format!(
                "To: {0}\nSubject: {word}\n\nA message from before.\n",
                mailbox.address
            );
            let send = ["/usr/sbin/sendmail", "-oi", "--", mailbox.address.as_str()];
            testbed.on(&server.name, &send, message.as_bytes()).await?;
            left.push(Keepsake::Message {
                domain: domain.clone(),
                mailbox: mailbox.clone(),
            });
        }
    }
    for server in &promises.calendar_servers {
        if let Some(calendar) = server.calendars.first() {
            User::of(server, testbed)?.leave(calendar, word).await?;
            left.push(Keepsake::Event {
                server: server.clone(),
                calendar: calendar.clone(),
            });
        }
    }
    for site in &promises.site_fronts {
        let host = promises.site_servers.iter().find(|it| it.name == site.name);
        if let Some(host) = host {
            let id = post(&host.server.name, &site.name, word, testbed).await?;
            left.push(Keepsake::Post {
                site: site.clone(),
                id,
            });
        }
    }
    let lost = backup::leave(promises, testbed, word).await?;
    left.extend(lost.map(|lost| Keepsake::File {
        daemon: lost.daemon,
        job: lost.job,
        path: lost.path,
    }));
    let mut checks = Vec::new();
    for keepsake in &left {
        let mut check = keepsake.find(testbed, word).await?;
        // A message takes its time.
        for _ in 0..TRIES {
            if check.passed || !matches!(keepsake, Keepsake::Message { .. }) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            check = keepsake.find(testbed, word).await?;
        }
        checks.push(check);
    }
    Ok((left, checks))
}

/// Publishes a post, as somebody who writes for the site would; gives its number.
async fn post(
    host: &str,
    site: &str,
    word: &str,
    testbed: &Testbed,
) -> Result<String, TestbedError> {
    const PROGRAM: &str = r#"<?php
[$site, $word] = array_slice($argv, 1);
$_SERVER = ["HTTP_HOST" => $site, "SERVER_NAME" => $site, "REQUEST_URI" => "/", "REQUEST_METHOD" => "GET", "SERVER_PROTOCOL" => "HTTP/1.1"] + $_SERVER;
require "/usr/share/wordpress/wp-load.php";
echo wp_insert_post(["post_title" => $word, "post_content" => "A post from before: $word", "post_status" => "publish", "post_author" => 1]);
"#;
    let argv = ["runuser", "-u", "www-data", "--", "php", "--", site, word];
    let output = testbed.on(host, &argv, PROGRAM.as_bytes()).await?;
    Ok(output.text().trim().to_owned())
}

impl Keepsake {
    /// Says what it is, as a row of a table.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Message { mailbox, .. } => format!("the old mail of {}", mailbox.address),
            Self::Event { calendar, .. } => {
                format!("an event in the calendar of {}", calendar.user)
            }
            Self::Post { site, .. } => format!("a post on {}", site.name),
            Self::File { daemon, .. } => format!("a file of {} in the backup", daemon.host),
        }
    }

    /// Looks for it, as its owner would.
    pub async fn find(&self, testbed: &Testbed, word: &str) -> Result<Check, TestbedError> {
        let open = |service: &str, asked: String, expected: &str| {
            Open::new(
                service,
                format!("{} is still there", self.name()),
                asked,
                expected.to_owned(),
            )
        };
        match self {
            Self::Message { domain, mailbox } => {
                let url = format!("imaps://{}/INBOX?SUBJECT%20{word}", domain.imap);
                let open = open(
                    mail::SERVICE,
                    format!("curl --user {} {url}", mailbox.login),
                    "* SEARCH with a number",
                );
                let client = if domain.home { MAIL_INSIDE } else { MAIL };
                let client = testbed.client(client)?;
                let output =
                    imap_login(client, &url, &mailbox.login, mailbox.password.expose()).await?;
                let came = output.text() + &output.errors();
                let found = came.lines().any(|line| {
                    let numbers = line.strip_prefix("* SEARCH");
                    numbers.is_some_and(|numbers| numbers.contains(|c: char| c.is_ascii_digit()))
                });
                Ok(open.close(came.trim().to_owned(), found))
            }
            Self::Event { server, calendar } => {
                let open = open(
                    calendar::SERVICE,
                    format!(
                        "cadaver {}: cat {}/calendar/{word}.ics",
                        server.url, calendar.user
                    ),
                    word,
                );
                let found = User::of(server, testbed)?.read(calendar, word).await?;
                let passed = found.is_ok();
                let (Ok(came) | Err(came)) = found;
                Ok(open.close(came, passed))
            }
            Self::Post { site, id } => {
                let url = format!("{}/?p={id}", web::address(site));
                let open = open(web::SERVICE, format!("curl {url}"), word);
                let client = testbed.client(Client {
                    name: web::CURL,
                    location: web::location(site),
                })?;
                let output = client
                    .run(&["-q", "-sS", "-L", "--max-time", "30", &url])
                    .await?;
                let found = output.text().contains(word);
                let came = if found {
                    word.to_owned()
                } else {
                    format!("a page without it {}", output.errors())
                };
                Ok(open.close(came, found))
            }
            Self::File { daemon, job, path } => {
                backup::restored(daemon, *job, path, word, testbed).await
            }
        }
    }
}
