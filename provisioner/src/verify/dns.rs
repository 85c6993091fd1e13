//! The `dns` service: `dig` from a client in each scope.

use std::net::IpAddr;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tasks::estate::Location;
use tasks::promise::check;
use tasks::promise::{KnownFrom, MailExchanger, NameServer, Promises, PublishedName, Server};

use super::round::Round;
use super::{
    Acceptance, Check, Checks, Client, Evidence, Missing, Open, Results, Seat, Surroundings,
    Testbed, TestbedError,
};

pub(super) const SERVICE: &str = "dns";

/// How many questions are under way at once; more would only queue in the container engine.
const AT_ONCE: usize = 8;

const INSIDE: Client = Client::inside("dig");
const OUTSIDE: Client = Client::outside("dig");

/// What is asked of the name servers of both sides, as far as there are any.
struct Dns {
    inside: Option<NameServer>,
    outside: Option<NameServer>,
    published_names: Vec<PublishedName>,
    mail_exchangers: Vec<MailExchanger>,
    /// A name that only upstream servers know.
    upstream_name: String,
}

pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    let server = |location: Location| promises.name_server(location.as_str()).cloned();
    let (inside, outside) = (server(Location::Internal), server(Location::External));
    if inside.is_none() && outside.is_none() {
        return Err(Missing::new(
            "no host answers for the group 'internal' or 'external'",
            "give a host the role dns and set its 'dns_group'",
        ));
    }
    let Some(upstream_name) = surroundings.upstream_name else {
        return Err(Missing::new(
            "this machine's apt configuration names no package archive",
            "name a host that your upstream servers know with --upstream-name NAME",
        ));
    };
    Ok(Box::new(Dns {
        inside,
        outside,
        published_names: promises.published_names.clone(),
        mail_exchangers: promises.mail_exchangers.clone(),
        upstream_name: upstream_name.to_owned(),
    }))
}

impl Acceptance for Dns {
    fn clients(&self) -> Vec<Client> {
        let sides = Location::EVERY.map(|location| self.side(location));
        let sides = sides.into_iter().filter(|(server, _)| server.is_some());
        sides.map(|(_, client)| client).collect()
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let mut round = Round::new(SERVICE, testbed);
            for question in self.questions() {
                let (server, client) = self.side(question.location);
                if let Some(server) = server {
                    round.ask(client, |seat| ask(seat, &server.server, question));
                }
            }
            round.make(AT_ONCE).await
        }
        .boxed()
    }
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

/// A name, whom to ask for it, and what should come.
struct Question {
    location: Location,
    name: String,
    expected: Expected,
    shows: String,
}

impl Dns {
    /// Gives the server of a side, if there is one, and who asks it.
    const fn side(&self, location: Location) -> (Option<&NameServer>, Client) {
        match location {
            Location::Internal => (self.inside.as_ref(), INSIDE),
            Location::External => (self.outside.as_ref(), OUTSIDE),
        }
    }

    fn questions(&self) -> Vec<Question> {
        use Location::{External, Internal};
        let mut questions = Vec::new();
        let mut ask = |location, name: &str, expected, shows: String| {
            questions.push(Question {
                location,
                name: name.to_owned(),
                expected,
                shows,
            });
        };
        let both = [(External, "outside"), (Internal, "inside")];
        // A host is known by its name and by its name in the home domain.
        let mut servers = self.inside.iter().chain(&self.outside);
        let domain = servers.next().map_or("", |it| it.home_domain.as_str());
        let names = |name: &str| [name.to_owned(), format!("{name}.{domain}")];
        for location in Location::EVERY {
            let shows = format!("the {location} server asks upstream servers");
            ask(location, &self.upstream_name, Expected::Some, shows);
        }
        let behind_router = || self.outside.iter().flat_map(|it| &it.behind_router);
        for (host, address) in self.inside.iter().flat_map(|it| &it.hosts) {
            let is_known = behind_router().any(|(name, _)| name == host);
            for name in names(host) {
                let shows = format!("{name} is known inside");
                ask(Internal, &name, Expected::Address(*address), shows);
                if is_known {
                    continue;
                }
                let shows = format!("{name} is not known outside");
                ask(External, &name, Expected::Nothing, shows);
            }
        }
        for (name, address) in self.outside.iter().flat_map(|it| &it.hosts) {
            for name in names(name) {
                let shows = format!("{name} is known outside");
                ask(External, &name, Expected::Address(*address), shows);
                let shows = format!("{name} is known inside, through the external server");
                ask(Internal, &name, Expected::Address(*address), shows);
            }
        }
        for (name, address) in behind_router() {
            for name in names(name) {
                let shows = format!("{name} is the office's router outside");
                ask(External, &name, Expected::Address(*address), shows);
            }
        }
        for (alias, address) in self.inside.iter().flat_map(|it| &it.aliases) {
            for name in names(alias) {
                let shows = format!("the alias {name} is known inside");
                ask(Internal, &name, Expected::Address(*address), shows);
            }
        }
        for published in &self.published_names {
            let expected = || Expected::Address(published.address);
            match published.known_from {
                KnownFrom::Inside => {
                    for name in names(&published.name) {
                        let shows = format!("{name} is the office's own inside");
                        ask(Internal, &name, expected(), shows);
                    }
                }
                KnownFrom::Outside => {
                    for name in names(&published.name) {
                        let shows = format!("{name} is the server outside for the world");
                        ask(External, &name, expected(), shows);
                    }
                }
                KnownFrom::Everywhere => {
                    for (location, place) in both {
                        let shows = format!("{} is known {place}", published.name);
                        ask(location, &published.name, expected(), shows);
                    }
                }
            }
        }
        for exchanger in &self.mail_exchangers {
            let shows = format!("the world knows who takes mail for {}", exchanger.domain);
            let expected = format!("{} {}", exchanger.preference, exchanger.server);
            ask(External, &exchanger.domain, Expected::Mail(expected), shows);
        }
        for location in Location::EVERY {
            let shows = format!("a host that does not exist is not known to the {location} server");
            let nobody = format!("no-such-host.{domain}");
            ask(location, &nobody, Expected::Nothing, shows);
        }
        questions
    }
}

async fn ask(seat: &Seat, server: &Server, question: Question) -> Result<Check, TestbedError> {
    let Question {
        location,
        name,
        expected,
        shows,
    } = question;
    let (record, kind) = match &expected {
        Expected::Mail(_) => ("MX", " MX"),
        Expected::Address(_) | Expected::Some | Expected::Nothing => ("A", ""),
    };
    let asked = format!("dig {location} {name}{kind}");
    let mut open = Open::new(SERVICE, shows, asked, expected.text()).of(&server.name);
    let server = format!("@{}", server.address);
    // No search list: what is asked is what the server is asked.
    let output = seat
        .run(&[
            &server,
            "+nosearch",
            "+tries=2",
            "+time=3",
            "+noall",
            "+comments",
            "+answer",
            &name,
            record,
        ])
        .await;
    let output = match output {
        Ok(output) => output,
        Err(error) => return open.unasked(error),
    };
    let text = output.text();
    let answer = Answer::read(&text);
    let passed = match &expected {
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

/// What `dig` printed, as far as it matters here.
struct Answer<'a> {
    status: &'a str,
    addresses: Vec<IpAddr>,
    mail: Vec<String>,
}

impl<'a> Answer<'a> {
    fn read(text: &'a str) -> Self {
        let answer = check::Answer::of(text);
        let mail = answer.records("MX").into_iter();
        Self {
            status: answer.status().unwrap_or_default(),
            addresses: answer.addresses().into_iter().map(IpAddr::V4).collect(),
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
