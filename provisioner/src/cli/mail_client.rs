//! What the mail clients are told: mutt as a user's program is configured, swaks as a stranger who writes to somebody.

use std::fmt::Write as _;

use tasks::Secret;
use tasks::content::{Content, Segment};
use tasks::quote::{self, Inexpressible};

use super::app::App;
use super::client::{SCOPES, scope};
use crate::docker::{AUTHORITY, ClientFile, ClientScope};
use crate::report::problem::Problem;

/// Where mutt looks for its configuration (muttrc(5)).
const MUTTRC: &str = "/root/.muttrc";

/// A user of mail with the way to the mailbox.
#[derive(Debug)]
struct Mailbox<'a> {
    address: &'a str,
    domain: &'a str,
    /// What the user logs in with.
    login: &'a str,
    password: &'a Secret,
    way: Way,
    /// Whether there is an authority of the estate's own, which has made the certificates.
    authority: bool,
}

/// How mail is read and sent, by where the user is and whose user it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The firm's own people in the office: the internal server, without TLS.
    Office,
    /// A customer in the office: reads at the customer's own server, sends through the internal one.
    CustomerInside,
    /// A customer anywhere else: the customer's own server for both.
    CustomerOutside,
}

impl Way {
    /// Decides on the way.
    fn of(home: bool, scope: &str, domain: &str) -> Result<Self, Problem> {
        match (home, scope) {
            (true, "internal") => Ok(Self::Office),
            (false, "internal") => Ok(Self::CustomerInside),
            (false, _) => Ok(Self::CustomerOutside),
            (true, _) => Err(Problem::usage(
                format!("mail of {domain} is read inside only"),
                "use the scope internal",
            )),
        }
    }
}

/// Gives the scope of mutt with its configuration, and its further arguments. Address and scope come in either order.
pub(super) fn mutt(app: &App, arguments: &[String]) -> Result<(ClientScope, Vec<String>), Problem> {
    let is_scope = |word: &String| SCOPES.contains(&word.as_str());
    let (group, address, rest) = match arguments {
        [address, group, rest @ ..] if address.contains('@') => (group, address, rest),
        [group, address, rest @ ..] if is_scope(group) => (group, address, rest),
        _ => {
            return Err(Problem::usage(
                "mutt needs to know whose mail to read, and from where".to_owned(),
                "`prov client mutt ADDRESS internal` or `prov client mutt ADDRESS external`",
            ));
        }
    };
    let mut scope = scope(app, group)?;
    let address = address.to_ascii_lowercase();
    let (local, domain) = address.split_once('@').unwrap_or((&address, ""));
    let Some(hosted) = app.domains.get(domain) else {
        return Err(unknown(
            format!("'{domain}' is no domain of the estate"),
            domain,
            app.domains.names(),
        ));
    };
    let settings = hosted.settings();
    let Some(user) = settings.users.iter().find(|it| it.name.as_str() == local) else {
        let what = format!("'{local}' is no user of {domain}");
        let users = settings.users.iter().map(|user| user.name.as_str());
        return Err(unknown(what, local, users));
    };
    let Some(password) = settings.user_passwords.get(&user.name) else {
        return Err(Problem::usage(
            format!("'{address}' has no password"),
            format!("add it to 'user_passwords' of the domain {domain}"),
        ));
    };
    let home = scope.search.as_deref() == Some(domain);
    let mailbox = Mailbox {
        address: &address,
        domain,
        login: match &user.account {
            Some(account) if home => account.as_str(),
            Some(_) | None => &address,
        },
        password,
        way: Way::of(home, group, domain)?,
        authority: app.inputs.authority.is_some(),
    };
    scope.files.push(ClientFile {
        path: MUTTRC,
        mode: 0o600,
        content: muttrc(&mailbox).map_err(|problem| vec![problem.into()])?,
    });
    Ok((scope, rest.to_vec()))
}

fn unknown<'n>(what: String, name: &str, known: impl Iterator<Item = &'n str>) -> Problem {
    let known: Vec<_> = known.collect();
    let hint = tasks::nearest(name, known.iter().copied()).map_or_else(
        || format!("known are: {}", known.join(", ")),
        |nearest| format!("did you mean '{nearest}'?"),
    );
    Problem::usage(what, hint)
}

/// Renders the configuration of mutt for a user.
fn muttrc(mailbox: &Mailbox<'_>) -> Result<Content, Inexpressible> {
    let Mailbox {
        address, domain, ..
    } = mailbox;
    let (inbox, smtp) = match mailbox.way {
        Way::Office => ("imap://imap/".to_owned(), "smtp://smtp:25/".to_owned()),
        Way::CustomerInside => (
            format!("imaps://imap.{domain}:993/"),
            "smtp://smtp:25/".to_owned(),
        ),
        Way::CustomerOutside => (
            format!("imaps://imap.{domain}:993/"),
            format!("smtps://{}@smtp.{domain}:465/", encoded(mailbox.login)),
        ),
    };
    let mut settings = vec![
        ("from", *address),
        ("envelope_from_address", address),
        ("hostname", domain),
        ("imap_user", mailbox.login),
        ("folder", &inbox),
        ("spoolfile", "+INBOX"),
        ("smtp_url", &smtp),
        ("editor", "nano"),
    ];
    if mailbox.authority {
        settings.push(("ssl_ca_certificates_file", AUTHORITY));
    }
    let mut text = "# Made by prov for this session alone.\n".to_owned();
    for (name, value) in settings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "set {name}={}", quote::mutt(value)?);
    }
    text.push_str("set use_envelope_from\nset imap_idle\nunset copy move\nunset ssl_starttls\n");
    // Where the URL asks for TLS there is TLS from the beginning; nothing else is offered or taken.
    text.push_str("unset ssl_force_tls\nset ssl_verify_host\n");
    let secret = |name: &str| {
        let line = mailbox
            .password
            .try_map(|password| Ok(format!("set {name}={}\n", quote::mutt(password)?)));
        line.map(Segment::Secret)
    };
    Ok(Content::of(vec![
        Segment::Plain(text),
        secret("imap_pass")?,
        secret("smtp_pass")?,
    ]))
}

/// Writes a name as a part of a URL (RFC 3986, section 2.1).
fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Gives the scope of swaks, outside unless it is named, and its arguments: somebody of the gateway's own domain writes to
/// an address, through that server and from there as DNS says.
pub(super) fn swaks(
    app: &App,
    arguments: &[String],
) -> Result<(ClientScope, Vec<String>), Problem> {
    let (group, rest) = match arguments.split_first() {
        Some((first, rest)) if SCOPES.contains(&first.as_str()) => (first.as_str(), rest),
        Some(_) | None => ("external", arguments),
    };
    let Some((address, further)) = rest.split_first().filter(|(first, _)| first.contains('@'))
    else {
        return Err(Problem::usage(
            "swaks needs to know whom to write to".to_owned(),
            "`prov client swaks ADDRESS`, and after it what else swaks shall be told",
        ));
    };
    let Some(host) = app.estate.hosts_with_role("mail_gateway").first().copied() else {
        return Err(Problem::usage(
            "no host of the estate stands for everybody else's mail".to_owned(),
            "give a host the role mail_gateway",
        ));
    };
    let vars = app.estate.vars(host);
    let domain: Option<String> = vars
        .value("mta_mailname")
        .map_err(|mistake| vec![mistake])?;
    let domain = domain.unwrap_or_else(|| host.name().to_owned());
    let from = format!("root@{domain}");
    let given = [
        "--server",
        host.name(),
        "--helo",
        &domain,
        "--from",
        &from,
        "--to",
        address,
    ];
    let mut all: Vec<_> = given.map(str::to_owned).to_vec();
    all.extend_from_slice(further);
    Ok((scope(app, group)?, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(way: Way, login: &str, password: &str) -> String {
        let mailbox = Mailbox {
            address: "userfname.userlname@customer.com",
            domain: "customer.com",
            login,
            password: &Secret::new(password),
            way,
            authority: true,
        };
        muttrc(&mailbox).unwrap().expose()
    }

    #[test]
    fn a_customer_outside_uses_tls_for_both_and_logs_in_with_the_whole_address() {
        let address = "userfname.userlname@customer.com";
        insta::assert_snapshot!(shown(Way::CustomerOutside, address, "userpasswd"));
    }

    #[test]
    fn inside_mail_is_sent_through_the_office_without_a_login() {
        let inside = shown(Way::CustomerInside, "a@customer.com", "p");
        assert!(inside.contains("set folder=\"imaps://imap.customer.com:993/\""));
        assert!(inside.contains("set smtp_url=\"smtp://smtp:25/\""));
        let office = shown(Way::Office, "user1fname", "p");
        assert!(office.contains("set imap_user=\"user1fname\"\nset folder=\"imap://imap/\""));
        assert!(office.contains("set smtp_url=\"smtp://smtp:25/\""));
    }

    #[test]
    fn no_character_of_a_password_means_anything_to_mutt() {
        let text = shown(Way::Office, "u", "a'b\"c\\d$e`f;g%h#i ü\tj^k");
        let line = r#"set imap_pass="a'b\"c\\d\$e\`f;g%h#i ü\011j^k""#;
        assert!(text.lines().any(|it| it == line), "{text}");
    }

    #[test]
    fn a_password_is_masked_wherever_the_configuration_is_shown() {
        let mailbox = Mailbox {
            address: "a@home.com",
            domain: "home.com",
            login: "a",
            password: &Secret::new("userpasswd"),
            way: Way::Office,
            authority: false,
        };
        let content = muttrc(&mailbox).unwrap();
        assert!(!content.masked().contains("userpasswd"));
        assert!(!format!("{content:?}{mailbox:?}").contains("userpasswd"));
        assert!(!content.expose().contains("ssl_ca_certificates_file"));
    }

    #[test]
    fn the_firms_own_mail_is_read_inside_only() {
        assert_eq!(Way::of(true, "internal", "home.com").unwrap(), Way::Office);
        let outside = Way::of(true, "external", "home.com").unwrap_err();
        assert!(outside.text().contains("inside only"));
        let customer = |scope| Way::of(false, scope, "customer.com").unwrap();
        assert_eq!(customer("internal"), Way::CustomerInside);
        assert_eq!(customer("external"), Way::CustomerOutside);
    }
}
