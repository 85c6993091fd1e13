//! What people are told who visit an estate: where the proxy is, what they trust, where they can go, and what they can type.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddrV4;
use std::path::Path;

use tasks::browse::{Mail, Places, Site};
use tasks::estate::Location;
use tasks::pushln;

use crate::report::style::{self, paint};

/// What is told.
pub(super) struct Guide<'a> {
    /// The estate's name.
    pub(super) estate: &'a str,
    /// The side that is seen.
    pub(super) side: Location,
    /// Where the proxy listens.
    pub(super) proxy: SocketAddrV4,
    /// The file with the certificate of the estate's authority, if it has one.
    pub(super) certificate: Option<&'a Path>,
    /// A folder for a browser that trusts it.
    pub(super) home: &'a Path,
    /// Where one can go.
    pub(super) places: Places,
    /// The hosts whose services run.
    pub(super) running: &'a BTreeSet<String>,
    /// Whether a name server of the estate is asked for names.
    pub(super) names_are_asked: bool,
}

impl Guide<'_> {
    /// Gives the text.
    pub(super) fn text(&self) -> String {
        let mut text = Text(match self.side {
            Location::Internal => format!(
                "The estate {} as its clients inside see it\n\n",
                self.estate
            ),
            Location::External => format!("The estate {} as the Internet sees it\n\n", self.estate),
        });
        self.proxy(&mut text);
        self.places(&mut text);
        self.commands(&mut text);
        text.0
            .push_str("\nCtrl-C ends it; it ends by itself when the estate stops.\n");
        text.0
    }

    fn proxy(&self, text: &mut Text) {
        let proxy = self.proxy;
        text.part(
            "proxy",
            [
                paint(style::GOOD, &format!("http://{proxy}")),
                "and SOCKS5 at the same port, with names asked by the proxy (socks5h);".to_owned(),
                "for this user's programs on this machine, and to the estate's hosts alone"
                    .to_owned(),
            ],
        );
        if !self.names_are_asked {
            let missing = "no name server answers for this side: hosts are known by their names in the estate";
            text.part("names", [missing]);
        }
        if let Some(file) = self.certificate {
            text.part(
                "authority",
                [
                    file.display().to_string(),
                    "import it into a browser of its own, as below, not into the everyday one:"
                        .to_owned(),
                    "who has the authority's key can pass for any site there".to_owned(),
                ],
            );
        }
    }

    fn places(&self, text: &mut Text) {
        let Places {
            sites,
            calendars,
            mail,
        } = &self.places;
        text.part("sites", sites.iter().map(|site| self.site(site)));
        text.part("calendars", calendars);
        text.part("mail", mail.iter().flat_map(accounts));
        if !mail.is_empty() {
            let how = format!(
                "a mail program is told these names, and SOCKS5 at {} as its proxy",
                self.proxy
            );
            text.part("", [how]);
        }
        if sites.is_empty() && calendars.is_empty() && mail.is_empty() {
            let none = "the estate promises no sites, calendars or mail to this side; its hosts are there all the same";
            text.part("", [none]);
        }
    }

    fn site(&self, site: &Site) -> String {
        if self.running.contains(&site.host) {
            site.url.clone()
        } else {
            let stopped = format!("{} does not run: `prov test {0}`", site.host);
            format!("{}  {}", site.url, paint(style::CHANGE, &stopped))
        }
    }

    fn commands(&self, text: &mut Text) {
        let proxy = self.proxy;
        let trust = |option: &str| match self.certificate {
            Some(file) => format!(" {option} {}", quoted(file)),
            None => String::new(),
        };
        let url = self.places.sites.first().map(|site| site.url.as_str());
        let url = url.or(self.places.calendars.first().map(String::as_str));
        if let Some(url) = url {
            let curl = format!("curl --proxy http://{proxy}{} {url}", trust("--cacert"));
            text.part("curl", [curl]);
        }
        if let Some(imap) = self.places.mail.iter().map(|it| &it.imap).find(|it| it.tls) {
            let openssl = format!(
                "openssl s_client -proxy {proxy} -connect {}:{}{}",
                imap.name,
                imap.port,
                trust("-CAfile")
            );
            text.part("openssl", [openssl]);
        }
        let Some(url) = url else { return };
        let mut chromium = vec![format!("B={}", quoted(self.home))];
        if let Some(file) = self.certificate {
            chromium.push("mkdir -p \"$B/.pki/nssdb\"".to_owned());
            chromium.push(format!(
                "certutil -d \"sql:$B/.pki/nssdb\" -A -t C,, -n {} -i {}",
                self.estate,
                quoted(file)
            ));
        }
        chromium.push(format!(
            "HOME=$B chromium --user-data-dir=\"$B/profile\" --no-first-run --proxy-server=http://{proxy} {url}"
        ));
        text.part("chromium", chromium);
    }
}

/// Says where users of a domain read and send mail.
fn accounts(mail: &Mail) -> [String; 3] {
    let logins = mail.logins.join(", ");
    [
        format!("{}: IMAP at {}", mail.domain, mail.imap),
        format!("{:1$}  SMTP at {2}", "", mail.domain.len(), mail.smtp),
        format!("{:1$}  for {logins}", "", mail.domain.len()),
    ]
}

/// Writes a path for a shell.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    // Refused are zero bytes alone, which no path has.
    shlex::try_quote(&path).map_or_else(|_| path.clone(), Cow::into_owned)
}

/// Lines, each part with what it is about before it.
struct Text(String);

impl Text {
    fn part(&mut self, about: &str, lines: impl IntoIterator<Item = impl Display>) {
        for (at, line) in lines.into_iter().enumerate() {
            let about = if at == 0 { about } else { "" };
            pushln!(self.0, "{about:<10}  {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tasks::browse::Endpoint;

    #[test]
    fn people_are_told_where_they_can_go_and_what_they_can_type() {
        let endpoint = |name: &str, port: u16, tls: bool| Endpoint {
            name: name.to_owned(),
            port,
            tls,
        };
        let site = |url: &str, host: &str| Site {
            url: url.to_owned(),
            host: host.to_owned(),
        };
        let guide = Guide {
            estate: "docker",
            side: Location::Internal,
            proxy: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 40_001),
            certificate: Some(Path::new("/home/me/my state/authority-certificate.pem")),
            home: Path::new("/home/me/my state/browser"),
            places: Places {
                sites: vec![
                    site("https://www.home.com/", "front"),
                    site("http://test.home.com/", "stack"),
                ],
                calendars: vec!["http://caldav:5232/".to_owned()],
                mail: vec![Mail {
                    domain: "customer.com".to_owned(),
                    imap: endpoint("imap.customer.com", 993, true),
                    smtp: endpoint("smtp", 25, false),
                    logins: vec!["a@customer.com".to_owned(), "b@customer.com".to_owned()],
                }],
            },
            running: &["front".to_owned()].into(),
            names_are_asked: true,
        };
        insta::assert_snapshot!(anstream::adapter::strip_str(&guide.text()).to_string());
    }
}
