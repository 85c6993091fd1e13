//! The `dynamic_dns` service: a record is changed at the stand-in of the provider's API, as its portal would, and the next
//! check of the host must set it right and say so in the log.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use tasks::Secret;
use tasks::promise::{Promises, RecordKeeper};

use super::{
    Acceptance, Check, Checks, Client, Missing, Open, Results, Seat, Surroundings, Testbed,
    TestbedError,
};

pub(super) const SERVICE: &str = "dynamic_dns";

const LOG: &str = "/var/log/syslog";

/// What the record is changed to: an address that nobody has (RFC 5737).
const ELSEWHERE: &str = "192.0.2.99";

/// How much longer than two strides the record may take.
const GRACE: Duration = Duration::from_secs(30);

/// How long the line that ends a check may take after the record was set right.
const LAST_LINE: Duration = Duration::from_secs(30);

const CURL: Client = Client::inside("curl");

/// The stand-in that the checks need.
const STAND_IN: &str = "linode";

/// One record, who keeps it, and how it is reached.
struct DynamicDns {
    keeper: RecordKeeper,
    /// The domain.
    domain: String,
    /// Address of the record in the API.
    record: String,
    /// The token for the API.
    token: Secret,
}

/// Refuses where the API is not the stand-in: the checks change a record.
pub(super) fn checks(promises: &Promises, surroundings: &Surroundings<'_>) -> Checks {
    let Some(keeper) = promises.record_keepers.first() else {
        return Err(Missing::new(
            "no host of the estate keeps DNS records up to date",
            "give a host the role dynamic_dns",
        ));
    };
    let host = &keeper.server.name;
    let mut stand_ins = surroundings.stand_ins.iter();
    let is_stand_in = stand_ins.any(|stand_in| {
        let own = format!("http://{}/", stand_in.address());
        stand_in.name() == STAND_IN && keeper.api.starts_with(&own)
    });
    if !is_stand_in {
        return Err(Missing::new(
            format!("host {host}: 'dns_linode_base_url' is not that of the stand-in '{STAND_IN}'"),
            "the checks change a record, so they are made at a stand-in alone: give the estate's containers one",
        ));
    }
    let kept = promises.kept_records.iter().filter(|it| it.host == *host);
    // The first domain by name.
    let first = kept
        .filter_map(|kept| Some((&kept.domain, kept.id, kept.records.first()?)))
        .min();
    let Some((domain, id, record)) = first else {
        return Err(Missing::new(
            format!("host {host}: no domain has a record that it keeps"),
            "declare 'dynamic_dns' in a domain's file; the stand-in then has it, too",
        ));
    };
    let mut accounts = promises.api_accounts.iter();
    let account = accounts.find(|account| account.host == *host);
    Ok(Box::new(DynamicDns {
        keeper: keeper.clone(),
        domain: domain.clone(),
        record: format!("{}/{id}/records/{record}", keeper.api),
        token: account.map(|it| it.token.clone()).unwrap_or_default(),
    }))
}

impl Acceptance for DynamicDns {
    fn clients(&self) -> Vec<Client> {
        vec![CURL]
    }

    fn make<'b>(&'b self, testbed: &'b Testbed) -> BoxFuture<'b, Result<Results, TestbedError>> {
        async {
            let curl = testbed.client(CURL)?;
            Ok(self.checks(testbed, curl).await?.into())
        }
        .boxed()
    }
}

/// A record as the API describes it.
#[derive(Deserialize)]
struct Record {
    name: String,
    target: String,
}

impl DynamicDns {
    async fn checks(&self, testbed: &Testbed, curl: &Seat) -> Result<Vec<Check>, TestbedError> {
        let portal = Portal {
            expected: self,
            curl,
        };
        between_checks().await;
        let host = &self.keeper.server.name;
        let before = testbed.on(host, &["wc", "-l", LOG], b"").await?;
        let before = before.text();
        let before = before
            .split(' ')
            .next()
            .and_then(|lines| lines.parse().ok());
        let (changed, name) = portal.change().await?;
        if !changed.passed {
            return Ok(vec![changed]);
        }
        let corrected = portal.corrected().await?;
        // What an earlier run of these checks has caused proves nothing about this one.
        let log = Log {
            host,
            testbed,
            skipped: before.unwrap_or(0),
        };
        let patience = if corrected.passed {
            LAST_LINE
        } else {
            Duration::ZERO
        };
        let lines = log.lines(self, &name, patience).await?;
        Ok([vec![changed, corrected], lines].concat())
    }
}

/// Waits until no check is about to begin: one that has read the record already would set it right without having
/// seen that it was wrong.
async fn between_checks() {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        match now.unwrap_or_default().as_secs() % 60 {
            5..=55 => return,
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

struct Portal<'e> {
    expected: &'e DynamicDns,
    curl: &'e Seat,
}

impl Portal<'_> {
    /// Makes a request; gives the record, or what came instead.
    async fn request(&self, more: &str) -> Result<Result<Record, String>, TestbedError> {
        // The token is on standard input, not in the process list.
        let configuration = format!(
            "url = \"{}\"\nheader = \"Authorization: Bearer {}\"\nsilent\nshow-error\nmax-time = 20\n{more}",
            self.expected.record,
            self.expected.token.expose()
        );
        let arguments = ["-q", "-K", "-"];
        let output = self
            .curl
            .run_with_input(&arguments, configuration.as_bytes())
            .await?;
        let text = output.text();
        Ok(serde_json::from_str(&text).map_err(|_| {
            let said = format!("{} {}", text.trim(), output.errors());
            said.trim().to_owned()
        }))
    }

    /// Changes the record; gives the check and the record's name.
    async fn change(&self) -> Result<(Check, String), TestbedError> {
        let open = Open::new(
            SERVICE,
            "a record can be changed at the API's stand-in".to_owned(),
            format!("PUT {}", self.expected.record),
            format!("target {ELSEWHERE}"),
        );
        let body = format!(
            "request = \"PUT\"\nheader = \"Content-Type: application/json\"\ndata = \"{{\\\"target\\\": \\\"{ELSEWHERE}\\\"}}\"\n"
        );
        let answer = self.request(&body).await?;
        let (came, name, passed) = match answer {
            Ok(Record { name, target }) => (format!("target {target}"), name, target == ELSEWHERE),
            Err(came) => (came, String::new(), false),
        };
        // The provider gives no name to the record of the domain itself; the log calls it so.
        let name = if name.is_empty() {
            "@".to_owned()
        } else {
            name
        };
        Ok((open.close(came, passed), name))
    }

    async fn corrected(&self) -> Result<Check, TestbedError> {
        let stride = u64::from(self.expected.keeper.stride);
        let open = Open::new(
            SERVICE,
            format!("the record is set right within two strides of {stride} min"),
            format!("GET {}", self.expected.record),
            format!("target {}", self.expected.keeper.seen_at),
        );
        let patience = Duration::from_secs(2 * 60 * stride) + GRACE;
        let started = Instant::now();
        loop {
            let came = match self.request("").await? {
                Ok(Record { target, .. }) => target,
                Err(came) => came,
            };
            if came != ELSEWHERE || started.elapsed() > patience {
                let passed = came == self.expected.keeper.seen_at.to_string();
                return Ok(open.close(format!("target {came}"), passed));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// The log of a host from a line on.
struct Log<'c> {
    host: &'c str,
    testbed: &'c Testbed,
    skipped: usize,
}

impl Log<'_> {
    async fn text(&self) -> Result<String, TestbedError> {
        let from = format!("+{}", self.skipped + 1);
        let command = ["tail", "-n", &from, LOG];
        let output = self.testbed.on(self.host, &command, b"").await?;
        Ok(output.text())
    }

    /// Looks for the three lines of one check.
    async fn lines(
        &self,
        expected: &DynamicDns,
        record: &str,
        patience: Duration,
    ) -> Result<Vec<Check>, TestbedError> {
        let (address, domain) = (expected.keeper.seen_at, &expected.domain);
        let change = format!(
            "The target was changed from {ELSEWHERE} to {address} for record {record} in domain {domain}"
        );
        let wanted = [
            (
                "when the check began",
                "Started check for Dynamic DNS updates",
            ),
            ("what was changed", change.as_str()),
            (
                "when the check ended",
                "Finished check for Dynamic DNS updates",
            ),
        ];
        let open = wanted.map(|(what, line)| {
            let shows = format!("the log says {what}");
            let asked = format!("{LOG} on {}", self.host);
            Open::new(SERVICE, shows, asked, line.to_owned())
        });
        let started = Instant::now();
        let found = loop {
            let found = of_one_check(&self.text().await?, &wanted.map(|(_, line)| line));
            if found.iter().all(Option::is_some) || started.elapsed() > patience {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        let closed = open.into_iter().zip(found).map(|(open, line)| {
            let passed = line.is_some();
            open.close(line.unwrap_or_else(|| "no such line".to_owned()), passed)
        });
        Ok(closed.collect())
    }
}

/// Finds, of the last check that logged the line in the middle, that line and the ones around it.
fn of_one_check(log: &str, wanted: &[&str; 3]) -> [Option<String>; 3] {
    let lines: Vec<(&str, &str)> = log
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(" dynamic-dns[")?;
            let (process, text) = rest.split_once("]: ")?;
            Some((process, text))
        })
        .collect();
    let [first, middle, last] = wanted;
    let Some(at) = lines.iter().rposition(|(_, text)| text == middle) else {
        return [None, None, None];
    };
    let process = lines[at].0;
    let own = |line: &(&str, &str), wanted: &str| line.0 == process && line.1 == wanted;
    let before = lines[..at].iter().any(|line| own(line, first));
    let after = lines[at..].iter().any(|line| own(line, last));
    let given = |text: &str, there: bool| there.then(|| text.to_owned());
    [
        given(first, before),
        given(middle, true),
        given(last, after),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_around_a_change_must_be_of_the_same_check() {
        let wanted = ["Started", "changed", "Finished"];
        let log = "t h dynamic-dns[1]: Started\nt h dynamic-dns[1]: Finished\n\
                   t h dynamic-dns[2]: Started\nt h dynamic-dns[2]: changed\n";
        let found = of_one_check(log, &wanted);
        assert_eq!(found.map(|line| line.is_some()), [true, true, false]);
        let found = of_one_check(&format!("{log}t h dynamic-dns[2]: Finished\n"), &wanted);
        assert!(found.iter().all(Option::is_some));
        assert_eq!(
            of_one_check("t h dynamic-dns[1]: Started\n", &wanted),
            [None, None, None]
        );
    }
}
