//! What there is to visit from one side: web sites, calendars, mail servers, as the estate promises them.

use crate::estate::Location;
use crate::promise::{IMAP, IMAPS, MailDomain, MailRoute, Promises, SMTP, SUBMISSIONS};

/// What a browser or a mail program can go to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Web sites.
    pub sites: Vec<Site>,
    /// Addresses of servers of calendars.
    pub calendars: Vec<String>,
    /// Mail of each domain that is read from this side.
    pub mail: Vec<Mail>,
}

/// A web site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its address.
    pub url: String,
    /// The host that answers for it.
    pub host: String,
}

/// Where the users of a domain read and send mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The domain.
    pub domain: String,
    /// The server at which mail is read by IMAP.
    pub imap: Endpoint,
    /// The server to which mail is handed by SMTP.
    pub smtp: Endpoint,
    /// The names with which its users log in.
    pub logins: Vec<String>,
}

/// A server as a mail program is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name.
    pub name: String,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken from the beginning (RFC 8314), and otherwise none at all.
    pub tls: bool,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = if self.tls { "with TLS" } else { "without TLS" };
        write!(f, "{}:{} {tls}", self.name, self.port)
    }
}

/// Lists what there is to visit.
#[must_use]
pub fn places(promises: &Promises, side: Location) -> Places {
    let fronts = promises.site_fronts.iter();
    let fronts = fronts.filter(|front| front.outside || side == Location::Internal);
    let calendars = promises.calendar_servers.iter();
    Places {
        sites: fronts
            .map(|front| Site {
                url: format!(
                    "{}://{}/",
                    if front.uses_ssl { "https" } else { "http" },
                    front.name
                ),
                host: front.proxy.name.clone(),
            })
            .collect(),
        // They are the office's own, known there alone.
        calendars: calendars
            .filter(|_| side == Location::Internal)
            .map(|server| format!("{}/", server.url))
            .collect(),
        mail: promises
            .mail_domains
            .iter()
            .filter_map(|domain| mail(promises, domain, side))
            .collect(),
    }
}

/// Says where a domain's users read and send mail from this side; `None` where they cannot.
fn mail(promises: &Promises, domain: &MailDomain, side: Location) -> Option<Mail> {
    let office = promises.office_mail.first();
    let endpoint = |name: &str, port: u16, tls: bool| Endpoint {
        name: name.to_owned(),
        port,
        tls,
    };
    let own_imap = endpoint(&domain.imap, IMAPS, true);
    let own_smtp = endpoint(&domain.smtp, SUBMISSIONS, true);
    let (imap, smtp) = match (MailRoute::of(domain.home, side, &domain.name).ok()?, office) {
        (MailRoute::Office, Some(office)) => (
            endpoint(&office.imap, IMAP, false),
            endpoint(&office.smtp, SMTP, false),
        ),
        (MailRoute::CustomerInside, Some(office)) => {
            (own_imap, endpoint(&office.smtp, SMTP, false))
        }
        (MailRoute::CustomerInside, None) | (MailRoute::CustomerOutside, _) => (own_imap, own_smtp),
        (MailRoute::Office, None) | (MailRoute::Elsewhere(_), _) => return None,
    };
    let mailboxes = domain.mailboxes.iter();
    Some(Mail {
        domain: domain.name.clone(),
        imap,
        smtp,
        logins: mailboxes.map(|mailbox| mailbox.login.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::{Mailbox, OfficeMail, Server, SiteFront};

    fn server(name: &str) -> Server {
        Server {
            name: name.to_owned(),
            address: [10, 0, 0, 101].into(),
        }
    }

    fn promises() -> Promises {
        let front = |name: &str, outside: bool| SiteFront {
            domain: "home.com".to_owned(),
            name: name.to_owned(),
            bare: None,
            title: "Home".to_owned(),
            uses_ssl: outside,
            outside,
            proxy: server("front"),
        };
        let domain = |name: &str, home: bool| MailDomain {
            name: name.to_owned(),
            home,
            imap: format!("imap.{name}"),
            smtp: format!("smtp.{name}"),
            mailboxes: vec![Mailbox {
                address: format!("a@{name}"),
                login: if home {
                    "a".to_owned()
                } else {
                    format!("a@{name}")
                },
                password: crate::Secret::new("p"),
            }],
            gateway_account: None,
        };
        Promises {
            site_fronts: vec![front("test.home.com", false), front("www.home.com", true)],
            mail_domains: vec![domain("home.com", true), domain("customer.com", false)],
            office_mail: vec![OfficeMail {
                server: server("mail-internal"),
                imap: "imap".to_owned(),
                smtp: "smtp".to_owned(),
                seen_at: server("mail-internal").address,
            }],
            ..Promises::default()
        }
    }

    fn shown(side: Location) -> Vec<String> {
        let Places { sites, mail, .. } = places(&promises(), side);
        let mail = mail.iter().map(|it| {
            format!(
                "{} {} {} {}",
                it.domain,
                it.imap,
                it.smtp,
                it.logins.join(" ")
            )
        });
        sites
            .iter()
            .map(|site| site.url.clone())
            .chain(mail)
            .collect()
    }

    #[test]
    fn each_side_is_told_what_is_there_for_it() {
        assert_eq!(
            shown(Location::Internal),
            [
                "http://test.home.com/",
                "https://www.home.com/",
                "home.com imap:143 without TLS smtp:25 without TLS a",
                "customer.com imap.customer.com:993 with TLS smtp:25 without TLS a@customer.com",
            ]
        );
        assert_eq!(
            shown(Location::External),
            [
                "https://www.home.com/",
                "customer.com imap.customer.com:993 with TLS smtp.customer.com:465 with TLS a@customer.com",
            ]
        );
    }
}
