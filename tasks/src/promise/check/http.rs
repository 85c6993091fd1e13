//! Pages, as a visitor gets them.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answering, Ask, Prove, Reply, Verdict, found, line_found, peer, tells, yes};
use crate::pattern::{LinePattern, TextPattern};
use crate::promise::{HTTP, HTTPS, Server};
use crate::secret::Secret;
use crate::value::PeerName;

/// What comes between curl's errors and what it tells of the answer.
const MARK: &str = "prov-answer:";

/// Proves that a page is answered: its status, headers, body and certificate.
///
/// Redirections are answers, and are followed only with `follow`. Where the address names the host itself, its own address is
/// asked, so no name server is needed; other names are resolved where the check is made.
///
/// ```yaml
/// - http: {url: 'http://web1:8088/status', body: '^open$', headers: {content-type: 'text/plain'}}
/// - http: {url: 'https://www.example.com/admin', status: 403}
///   from: outside
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The address, `http://` or `https://`; that of the host itself when not given.
    #[serde(default)]
    url: Option<String>,
    /// Name or address of the server that is asked for the page, whoever has the name in the address.
    #[serde(default)]
    host: Option<PeerName>,
    /// The status of the answer (RFC 9110).
    #[serde(default = "ok")]
    status: u16,
    /// Regular expressions that must be found in headers of the answer, by their names in any case.
    #[serde(default)]
    headers: BTreeMap<String, LinePattern>,
    /// Regular expression that must be found in the body.
    #[serde(default)]
    body: Option<TextPattern>,
    /// Whether redirections are followed; the last answer is judged then.
    #[serde(default)]
    follow: bool,
    /// The account with which one logs in.
    #[serde(default)]
    user: Option<String>,
    /// Its password.
    #[serde(default)]
    password: Option<Secret>,
    /// Whether the certificate must be trusted and have the name.
    #[serde(default = "yes")]
    trusted: bool,
}

const fn ok() -> u16 {
    200
}

impl Http {
    fn url(&self, of: &Server) -> String {
        self.url
            .clone()
            .unwrap_or_else(|| format!("http://{}/", of.name))
    }
}

/// Gives the part of an address of a page that names server, port and, where somebody wrote one, login.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Gives the server in an address of a page, and the port.
fn place(url: &str) -> (&str, Option<&str>) {
    let place = authority(url);
    match place.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (place, None),
    }
}

/// Gives the name in an address of a page.
fn name(url: &str) -> Option<&str> {
    let (place, _) = place(url);
    match place.strip_prefix('[') {
        Some(address) => address.strip_suffix(']'),
        None => Some(place).filter(|place| !place.contains(':') || authority(url).contains('@')),
    }
}

impl Prove for Http {
    fn check(&self) -> Result<(), String> {
        if let Some(url) = &self.url {
            let known = url.starts_with("http://") || url.starts_with("https://");
            let plain = url.bytes().all(|b| b.is_ascii_graphic());
            if !known || !plain || name(url).is_none_or(str::is_empty) {
                let url = crate::value::without_login(url);
                return Err(format!(
                    "'{url}' is no address of a page\nwrite it like http://web1:8080/status"
                ));
            }
            if authority(url).contains('@') {
                return Err("an address of a page shows a password to everybody who reads it\nwrite it as `user` and `password`".to_owned());
            }
            let (_, port) = place(url);
            if port.is_some_and(|port| port.parse::<NonZeroU16>().is_err()) {
                return Err(format!("'{url}' has no port\nports go from 1 to 65535"));
            }
        }
        if !(100..600).contains(&self.status) {
            return Err(format!(
                "{} is no status of HTTP\nthey go from 100 to 599",
                self.status
            ));
        }
        if self
            .user
            .as_ref()
            .is_some_and(|user| user.contains(':') || user.contains(char::is_control))
        {
            return Err(
                "a user of HTTP has no colon and no control characters in it\nwrite another"
                    .to_owned(),
            );
        }
        if self.user.is_none() && self.password.is_some() {
            return Err("there is a 'password' and no 'user'\nname the user, too".to_owned());
        }
        if self
            .password
            .as_ref()
            .is_some_and(|it| it.expose().contains(char::is_control))
        {
            return Err("a password of HTTP has no control characters\nset another".to_owned());
        }
        for pattern in self.headers.values() {
            tells(Some(pattern))?;
        }
        tells(self.body.as_ref())
    }

    fn shows(&self, of: &Server) -> String {
        format!("{} answers {}", self.url(of), self.status)
    }

    fn expected(&self) -> String {
        let mut all = vec![format!("status {}", self.status)];
        let headers = self.headers.iter();
        all.extend(headers.map(|(name, pattern)| format!("{name} like '{}'", pattern.as_str())));
        all.extend(
            self.body
                .iter()
                .map(|pattern| format!("a body like '{}'", pattern.as_str())),
        );
        all.join(", ")
    }

    fn ask(&self, of: &Server) -> Ask {
        let url = self.url(of);
        let mut argv = vec![
            "curl".to_owned(),
            // Nobody's own configuration, and no brackets that stand for several pages.
            "--disable".to_owned(),
            "--globoff".to_owned(),
            "--silent".to_owned(),
            "--show-error".to_owned(),
        ];
        let mut typed = "curl".to_owned();
        let mut option = |shown: bool, words: &[&str]| {
            argv.extend(words.iter().map(|&word| word.to_owned()));
            if shown {
                typed.extend([" ", &words.join(" ")]);
            }
        };
        let is_self =
            name(&url).is_some_and(|name| name == of.name || name == of.address.to_string());
        if self.host.is_some() || is_self {
            let peer = peer(self.host.as_ref(), of);
            let peer = if peer.contains(':') {
                format!("[{peer}]")
            } else {
                peer
            };
            option(
                self.host.is_some(),
                &["--connect-to", &format!("::{peer}:")],
            );
        }
        if self.body.is_none() {
            option(false, &["--output", "/dev/null"]);
        }
        if self.follow {
            option(true, &["--location"]);
        }
        if !self.trusted {
            option(true, &["--insecure"]);
        }
        if let Some(user) = &self.user {
            typed.extend([" --user ", user]);
        }
        let told = format!("%{{stderr}}\n{MARK}%{{http_code}}\n%{{header_json}}\n");
        argv.extend([
            "--write-out".to_owned(),
            told,
            "--config".to_owned(),
            "-".to_owned(),
        ]);
        argv.extend(["--".to_owned(), url.clone()]);
        let login = self.user.as_ref().map(|user| {
            let password = self.password.as_ref().map_or("", Secret::expose);
            let quoted = crate::quote::curl(&format!("{user}:{password}"));
            Secret::new(format!("user = {}\n", quoted.unwrap_or_default()))
        });
        typed.extend([" ", &crate::quote::sh(&url)]);
        Ask::new(typed, argv).given(login.unwrap_or_else(|| Secret::new("\n")))
    }

    fn answers_at(&self, of: &Server) -> Option<Answering> {
        let url = self.url(of);
        let usual = if url.starts_with("https:") {
            HTTPS
        } else {
            HTTP
        };
        let (_, port) = place(&url);
        let port = port.and_then(|port| port.parse().ok()).unwrap_or(usual);
        let named = name(&url)?;
        let server = if self.host.is_some() || named == of.name {
            peer(self.host.as_ref(), of)
        } else {
            named.to_owned()
        };
        Some(Answering::tcp(server, port))
    }

    fn judge(&self, reply: &Reply) -> Verdict {
        let told = reply
            .stderr
            .split_once(MARK)
            .and_then(|(_, told)| told.split_once('\n'));
        let (status, headers) = told.unwrap_or_default();
        let Some(status) = status
            .trim()
            .parse::<u16>()
            .ok()
            .filter(|status| *status != 0)
        else {
            let errors = reply.stderr.lines().find(|line| line.starts_with("curl: "));
            return Verdict::new(errors.unwrap_or(reply.said()), false);
        };
        let came = format!("status {status}");
        if status != self.status {
            return Verdict::new(came, false);
        }
        // curl names headers in lower case, each with all of its values; an error may follow the last brace.
        let end = headers.rfind('}').map_or(0, |at| at + 1);
        let headers: BTreeMap<String, Vec<String>> =
            serde_json::from_str(&headers[..end]).unwrap_or_default();
        for (name, pattern) in &self.headers {
            let values = headers.get(&name.to_ascii_lowercase());
            let values = values.map(Vec::as_slice).unwrap_or_default();
            if !values.iter().any(|value| line_found(value, pattern)) {
                let came = match values {
                    [] => format!("{came}, no header {name}"),
                    values => format!("{came}, {name}: {}", values.join(", ")),
                };
                return Verdict::new(came, false);
            }
        }
        match found("the body", &reply.stdout, self.body.as_ref()) {
            Ok(()) if reply.code == 0 => Verdict::new(came, true),
            Ok(()) => {
                let errors = reply.stderr.lines().find(|line| line.starts_with("curl: "));
                Verdict::new(
                    format!("{came}, and then {}", errors.unwrap_or("an error")),
                    false,
                )
            }
            Err(lacking) => Verdict::new(format!("{came}, {lacking}"), false),
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        self.password.iter().collect()
    }
}
