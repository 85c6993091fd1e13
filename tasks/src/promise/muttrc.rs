//! The configuration with which mutt reads a user's mail (muttrc(5)).

use super::mail::{IMAPS, SMTP, SUBMISSIONS};
use crate::content::{Content, Segment};
use crate::estate::Location;
use crate::pushln;
use crate::quote::{self, Inexpressible};
use crate::resource::percent_encoded;
use crate::{Diagnostic, Secret};

/// How mail is read and sent, by where the user is and whose user it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailRoute<'a> {
    /// The firm's own people in the office: the internal server, without TLS.
    Office,
    /// A customer in the office: reads at the customer's own server, sends through the internal one.
    CustomerInside,
    /// A customer anywhere else: the customer's own server for both.
    CustomerOutside,
    /// Somebody of another domain: this server of theirs for both, which knows who is near.
    Elsewhere(&'a str),
}

impl MailRoute<'_> {
    /// Decides on the route of a domain's users; `home` tells whether the domain is the firm's own.
    pub fn of(home: bool, location: Location, domain: &str) -> Result<Self, Diagnostic> {
        match (home, location) {
            (true, Location::Internal) => Ok(Self::Office),
            (false, Location::Internal) => Ok(Self::CustomerInside),
            (false, Location::External) => Ok(Self::CustomerOutside),
            (true, Location::External) => Err(Diagnostic::new(format!(
                "mail of {domain} is read inside only"
            ))
            .hint("use the scope internal")),
        }
    }
}

/// What mutt must know of its user.
#[derive(Debug)]
pub struct MailClient<'a> {
    /// The user's address.
    pub address: &'a str,
    /// The domain of that address.
    pub domain: &'a str,
    /// The name to log in with.
    pub login: &'a str,
    /// The password.
    pub password: &'a Secret,
    /// How mail is read and sent.
    pub route: MailRoute<'a>,
    /// Where the client has the certificate of the estate's authority, if there is one.
    pub authority: Option<&'a str>,
}

impl MailClient<'_> {
    /// Renders mutt's configuration.
    pub fn muttrc(&self) -> Result<Content, Inexpressible> {
        let domain = self.domain;
        let office_inbox = "imap://imap/".to_owned();
        let own_inbox = format!("imaps://imap.{domain}:{IMAPS}/");
        let office_smtp = format!("smtp://smtp:{SMTP}/");
        let (inbox, smtp) = match self.route {
            MailRoute::Office => (office_inbox, office_smtp),
            MailRoute::CustomerInside => (own_inbox, office_smtp),
            MailRoute::CustomerOutside => {
                let login = percent_encoded(self.login);
                let smtp = format!("smtps://{login}@smtp.{domain}:{SUBMISSIONS}/");
                (own_inbox, smtp)
            }
            MailRoute::Elsewhere(server) => (
                format!("imaps://{server}:{IMAPS}/"),
                format!("smtp://{server}:{SMTP}/"),
            ),
        };
        let mut settings = vec![
            ("from", self.address),
            ("envelope_from_address", self.address),
            ("hostname", domain),
            ("imap_user", self.login),
            ("folder", &inbox),
            ("spoolfile", "+INBOX"),
            ("smtp_url", &smtp),
            ("record", "+Sent"),
            ("editor", "nano"),
        ];
        if let Some(path) = self.authority {
            settings.push(("ssl_ca_certificates_file", path));
        }
        let mut text = "# Made by prov for this session alone.\n".to_owned();
        for (name, value) in settings {
            pushln!(text, "set {name}={}", quote::mutt(value)?);
        }
        text.push_str(
            "set use_envelope_from\nset imap_idle\nset copy\nunset confirmcreate move\nunset ssl_starttls\n",
        );
        // Where the URL asks for TLS there is TLS from the beginning; nothing else is offered or taken.
        text.push_str("unset ssl_force_tls\nset ssl_verify_host\n");
        // Asked when mutt begins, and shown for as long as it runs.
        if let Some(server) = inbox.strip_prefix("imaps://") {
            let server = server.trim_end_matches('/');
            pushln!(
                text,
                "set my_met=\"`certificate --line {server} 2>/dev/null | sed 's/%/%%/g'`\"\n\
                 set status_format=\"-%r-%f [%M/%m] $my_met\""
            );
        }
        let secret = |name: &str| {
            let line = |password: &str| Ok(format!("set {name}={}\n", quote::mutt(password)?));
            self.password.try_map(line).map(Segment::Secret)
        };
        Ok(Content::of(vec![
            Segment::Plain(text),
            secret("imap_pass")?,
            secret("smtp_pass")?,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client<'a>(route: MailRoute<'a>, login: &'a str, password: &'a Secret) -> MailClient<'a> {
        MailClient {
            address: "userfname.userlname@customer.com",
            domain: "customer.com",
            login,
            password,
            route,
            authority: Some("/etc/ssl/estate/authority.pem"),
        }
    }

    fn shown(route: MailRoute<'_>, login: &str, password: &str) -> String {
        let password = Secret::new(password);
        client(route, login, &password).muttrc().unwrap().expose()
    }

    #[test]
    fn a_customer_outside_uses_tls_for_both_and_logs_in_with_the_whole_address() {
        let address = "userfname.userlname@customer.com";
        insta::assert_snapshot!(shown(MailRoute::CustomerOutside, address, "userpasswd"));
    }

    #[test]
    fn inside_mail_is_sent_through_the_office_without_a_login() {
        let inside = shown(MailRoute::CustomerInside, "a@customer.com", "p");
        assert!(inside.contains("set folder=\"imaps://imap.customer.com:993/\""));
        assert!(inside.contains("set smtp_url=\"smtp://smtp:25/\""));
        let office = shown(MailRoute::Office, "user1fname", "p");
        assert!(office.contains("set imap_user=\"user1fname\"\nset folder=\"imap://imap/\""));
        assert!(office.contains("set smtp_url=\"smtp://smtp:25/\""));
        // There is no certificate to be shown.
        assert!(inside.contains("certificate --line imap.customer.com:993 "));
        assert!(!office.contains("certificate --line"));
    }

    #[test]
    fn somebody_of_another_domain_uses_the_server_of_that() {
        let other = shown(MailRoute::Elsewhere("mail-other"), "user", "p");
        assert!(other.contains("set folder=\"imaps://mail-other:993/\""));
        assert!(other.contains("set smtp_url=\"smtp://mail-other:25/\""));
        assert!(other.contains("set record=\"+Sent\""));
    }

    #[test]
    fn no_character_of_a_password_means_anything_to_mutt() {
        let text = shown(MailRoute::Office, "u", "a'b\"c\\d$e`f;g%h#i ü\tj^k");
        let line = r#"set imap_pass="a'b\"c\\d\$e\`f;g%h#i ü\011j^k""#;
        assert!(text.lines().any(|it| it == line), "{text}");
    }

    #[test]
    fn a_password_is_masked_wherever_the_configuration_is_shown() {
        let password = Secret::new("userpasswd");
        let mut client = client(MailRoute::Office, "a", &password);
        client.authority = None;
        let content = client.muttrc().unwrap();
        assert!(!content.masked().contains("userpasswd"));
        assert!(!format!("{content:?}{client:?}").contains("userpasswd"));
        assert!(!content.expose().contains("ssl_ca_certificates_file"));
    }

    #[test]
    fn the_firms_own_mail_is_read_inside_only() {
        let home = |location| MailRoute::of(true, location, "home.com");
        assert_eq!(home(Location::Internal).unwrap(), MailRoute::Office);
        let outside = home(Location::External).unwrap_err();
        assert!(outside.message.contains("inside only"));
        let customer = |location| MailRoute::of(false, location, "customer.com").unwrap();
        assert_eq!(customer(Location::Internal), MailRoute::CustomerInside);
        assert_eq!(customer(Location::External), MailRoute::CustomerOutside);
    }
}
