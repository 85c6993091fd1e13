//! The `dns` service: `dig` from a client in each scope.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::{Check, Evidence, Open};
use crate::docker::{ClientSession, DockerError};

/// How many questions are under way at once; more would only queue in the container engine.
const AT_ONCE: usize = 8;

/// What the checks must know of the estate.
#[derive(Debug, Clone)]
pub struct DnsExpectations {
    /// The firm's domain.
    pub home_domain: String,
    /// A name that only upstream servers know.
    pub upstream_name: String,
    /// Internal hosts: name and address.
    pub internal: Vec<(String, IpAddr)>,
    /// External hosts: name and address.
    pub external: Vec<(String, IpAddr)>,
    /// Aliases of internal hosts: alias and address.
    pub aliases: Vec<(String, IpAddr)>,
    /// Names of hosted domains that only the office knows: name and address.
    pub inside: Vec<(String, IpAddr)>,
    /// Names of hosted domains that everybody knows: name and address.
    pub everywhere: Vec<(String, IpAddr)>,
    /// Hosted domains with mail: the domain, and who takes it: preference and name of the server.
    pub mail: Vec<(String, String)>,
}

/// What a name should resolve to.
enum Expected {
    /// Exactly this address.
    Address(IpAddr),
    /// Exactly this mail server, with its preference.
    Mail(String),
    /// Any address.
    Some,
    /// No address: the server says that there is no such name, or that it has no address.
    Nothing,
}

impl Expected {
    fn text(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Mail(server) => server.clone(),
            Self::Some => "an address".to_owned(),
            Self::Nothing => "no such name".to_owned(),
        }
    }
}

/// Runs the checks with a `dig` in each scope.
pub async fn dns(
    expectations: &DnsExpectations,
    inside: &ClientSession,
    outside: &ClientSession,
) -> Result<Vec<Check>, DockerError> {
    let domain = &expectations.home_domain;
    let mut questions: Vec<(&ClientSession, &str, String, Expected, String)> = Vec::new();
    for (scope, session) in [("internal", inside), ("external", outside)] {
        let shows = format!("the {scope} server asks upstream servers");
        let name = expectations.upstream_name.clone();
        questions.push((session, scope, name, Expected::Some, shows));
    }
    for (name, address) in &expectations.internal {
        for name in [name.clone(), format!("{name}.{domain}")] {
            let shows = format!("{name} is known inside");
            questions.push((
                inside,
                "internal",
                name.clone(),
                Expected::Address(*address),
                shows,
            ));
            let shows = format!("{name} is not known outside");
            questions.push((outside, "external", name, Expected::Nothing, shows));
        }
    }
    for (name, address) in &expectations.external {
        for name in [name.clone(), format!("{name}.{domain}")] {
            let shows = format!("{name} is known outside");
            questions.push((
                outside,
                "external",
                name.clone(),
                Expected::Address(*address),
                shows,
            ));
            let shows = format!("{name} is known inside, through the external server");
            questions.push((inside, "internal", name, Expected::Address(*address), shows));
        }
    }
    for (alias, address) in &expectations.aliases {
        for name in [alias.clone(), format!("{alias}.{domain}")] {
            let shows = format!("the alias {name} is known inside");
            questions.push((inside, "internal", name, Expected::Address(*address), shows));
        }
    }
    for (name, address) in &expectations.inside {
        for name in [name.clone(), format!("{name}.{domain}")] {
            let shows = format!("{name} is the office's own inside");
            questions.push((inside, "internal", name, Expected::Address(*address), shows));
        }
    }
    for (name, address) in &expectations.everywhere {
        for (session, scope, place) in [
            (outside, "external", "outside"),
            (inside, "internal", "inside"),
        ] {
            let shows = format!("{name} is known {place}");
            questions.push((
                session,
                scope,
                name.clone(),
                Expected::Address(*address),
                shows,
            ));
        }
    }
    for (name, server) in &expectations.mail {
        let shows = format!("the world knows who takes mail for {name}");
        let expected = Expected::Mail(server.clone());
        questions.push((outside, "external", name.clone(), expected, shows));
    }
    let nobody = format!("no-such-host.{domain}");
    for (scope, session) in [("internal", inside), ("external", outside)] {
        let shows = format!("a host that does not exist is not known to the {scope} server");
        questions.push((session, scope, nobody.clone(), Expected::Nothing, shows));
    }
    let asked = questions
        .into_iter()
        .map(|(session, scope, name, expected, shows)| async move {
            ask(session, scope, &name, &expected, shows).await
        });
    futures_util::stream::iter(asked)
        .buffered(AT_ONCE)
        .try_collect()
        .await
}

async fn ask(
    session: &ClientSession,
    scope: &str,
    name: &str,
    expected: &Expected,
    shows: String,
) -> Result<Check, DockerError> {
    let (record, kind) = match expected {
        Expected::Mail(_) => ("MX", " MX"),
        Expected::Address(_) | Expected::Some | Expected::Nothing => ("A", ""),
    };
    let asked = format!("dig {scope} {name}{kind}");
    let mut open = Open::new("dns", shows, asked, expected.text());
    // No search list: what is asked is what the server is asked.
    let output = session
        .run(&[
            "+nosearch",
            "+tries=2",
            "+time=3",
            "+noall",
            "+comments",
            "+answer",
            name,
            record,
        ])
        .await?;
    let text = output.text();
    let answer = Answer::read(&text);
    let passed = match expected {
        Expected::Address(address) => answer.status == "NOERROR" && answer.addresses == [*address],
        Expected::Mail(server) => answer.status == "NOERROR" && answer.mail == [server.clone()],
        Expected::Some => answer.status == "NOERROR" && !answer.addresses.is_empty(),
        // An answer must have come: a server that is silent knows nothing, but proves nothing either.
        Expected::Nothing => {
            matches!(answer.status, "NXDOMAIN" | "NOERROR" | "REFUSED")
                && answer.addresses.is_empty()
        }
    };
    if !passed {
        open = open.evidence(Evidence::text("what dig printed", text.trim()));
    }
    Ok(open.close(answer.text(&text, &output.errors()), passed))
}

/// What `dig` printed (RFC 1035 in dig's own notation).
struct Answer<'a> {
    status: &'a str,
    addresses: Vec<IpAddr>,
    mail: Vec<String>,
}

impl<'a> Answer<'a> {
    fn read(text: &'a str) -> Self {
        let status = text
            .split_once("status: ")
            .and_then(|(_, rest)| rest.split(',').next())
            .unwrap_or_default();
        let records = |kind: &str| {
            let lines = text.lines().filter(|line| !line.starts_with(';'));
            let values = lines.filter_map(|line| {
                let mut words = line.split_whitespace().skip(3);
                (words.next() == Some(kind)).then(|| words.collect::<Vec<_>>().join(" "))
            });
            values.collect::<Vec<_>>()
        };
        let addresses = records("A").into_iter();
        let mail = records("MX").into_iter();
        Self {
            status,
            addresses: addresses
                .filter_map(|address| address.parse::<Ipv4Addr>().ok().map(IpAddr::V4))
                .collect(),
            mail: mail
                .map(|server| server.trim_end_matches('.').to_owned())
                .collect(),
        }
    }

    fn text(&self, output: &str, errors: &str) -> String {
        let addresses = self.addresses.iter().map(ToString::to_string);
        let addresses: Vec<_> = addresses.chain(self.mail.iter().cloned()).collect();
        match (self.status, addresses.is_empty()) {
            ("", _) => {
                let said = output.lines().chain(errors.lines());
                let said = said.map(str::trim).find(|line| !line.is_empty());
                format!(
                    "no answer ({})",
                    said.unwrap_or("dig said nothing").trim_start_matches("; ")
                )
            }
            ("NXDOMAIN" | "REFUSED", _) | ("NOERROR", true) => "no such name".to_owned(),
            ("NOERROR", false) => addresses.join(", "),
            (status, _) => status.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_an_alias_gives_its_addresses() {
        let text = ";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\n\
                    deb.example.\t300\tIN\tCNAME\tcdn.example.\ncdn.example.\t30\tIN\tA\t192.0.2.7\n";
        let answer = Answer::read(text);
        assert_eq!(answer.status, "NOERROR");
        assert_eq!(answer.addresses, [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(answer.text(text, ""), "192.0.2.7");
    }

    #[test]
    fn who_takes_mail_is_read_without_the_dot_at_the_end() {
        let text = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 7\n\n\
                    customer.example.\t0\tIN\tMX\t50 mail.example.\n";
        let answer = Answer::read(text);
        assert_eq!(answer.mail, ["50 mail.example"]);
        assert_eq!(answer.text(text, ""), "50 mail.example");
    }

    #[test]
    fn silence_is_told_from_ignorance() {
        let silent =
            ";; communications error to 10.0.0.105#53: timed out\n;; no servers could be reached\n";
        let answer = Answer::read(silent);
        assert_eq!(answer.status, "");
        assert!(answer.text(silent, "").starts_with("no answer"));
        let unknown = ";; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 7\n";
        assert_eq!(Answer::read(unknown).text(unknown, ""), "no such name");
    }
}
