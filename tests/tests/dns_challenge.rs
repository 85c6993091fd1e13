//! The hook with which certbot proves names at Linode, against the stand-in of its API: it makes and removes what certbot
//! asks for and nothing else, and says what keeps it from that.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::time::{Duration, Instant};

use end_to_end::{Estate, docker, secret, until};
use serde_json::Value;

const HOOK: &str = "/usr/local/sbin/dns-challenge";
const CREDENTIALS: &str = "/usr/local/etc/linode.ini";

/// Seconds for which name servers need to have a record.
const PROPAGATION: u64 = 4;

/// What the hook came to.
struct Hooked {
    done: bool,
    said: String,
    took: Duration,
}

impl Hooked {
    fn fails(&self, words: &[&str]) {
        assert!(!self.done, "it should have failed: {}", self.said);
        for word in words {
            assert!(self.said.contains(word), "no '{word}' in {}", self.said);
        }
        assert_eq!(self.said.lines().count(), 1, "{}", self.said);
    }

    fn is_quiet(&self) {
        assert!(self.done && self.said.is_empty(), "{}", self.said);
    }
}

/// Runs the hook as certbot does, which says how many names it proves after this one.
fn hook(estate: &Estate, what: &str, name: &str, value: &str, remaining: u8) -> Hooked {
    let began = Instant::now();
    let said = estate.on(
        "one",
        &format!(
            "CERTBOT_DOMAIN={name} CERTBOT_VALIDATION={value} CERTBOT_REMAINING_CHALLENGES={remaining} {HOOK} {what} 2>&1 \
             || echo failed"
        ),
    );
    let took = began.elapsed();
    let (said, done) = match said.strip_suffix("failed\n") {
        Some(said) => (said.to_owned(), false),
        None => (said, true),
    };
    Hooked { done, said, took }
}

/// Lists the texts that the stand-in has in a domain: name and value.
fn texts(estate: &Estate, domain: u8) -> Vec<(String, String)> {
    let answer = estate.linode("one", "GET", &format!("{domain}/records"), "");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let records = answer["data"].as_array().unwrap();
    let texts = records.iter().filter(|record| record["type"] == "TXT");
    let word = |record: &Value, field: &str| record[field].as_str().unwrap().to_owned();
    let texts = texts.map(|record| (word(record, "name"), word(record, "target")));
    texts.collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    pairs.collect()
}

#[test]
fn names_are_proved_at_linode_and_what_prevents_it_is_said() {
    let estate = Estate::new(&["one"]);
    let token = secret();
    estate.inventory_with_stand_in(
        "linode",
        "roles: {dns_api: [one], dynamic_dns: [one], mail_certificates: [one]}\n",
    );
    estate.write(
        "hosts/one.private.yml",
        &format!("dns_linode_key: '{token}'\n"),
    );
    estate.write(
        "hosts/one.yml",
        &format!(
            "dns_linode_base_url: http://{}/v4/domains\ndns_linode_propagation: {PROPAGATION}\n\
             dynamic_dns_domains:\n  a.test: {{id: 1, records: [11]}}\n  deep.a.test: {{id: 2, records: [21]}}\n",
            estate.stand_in()
        ),
    );
    estate.deploy();
    estate.prov(["apply"]).run().exits(0).never_says(&token);

    records_come_and_go(&estate);
    what_is_wrong_is_said(&estate, &token);
    the_token_goes_nowhere_else(&estate, &token);
    let before = texts(&estate, 1);
    docker(&["stop", "--time", "5", &estate.container("linode")], "");
    let dead = hook(&estate, "add", "imap.a.test", "late", 0);
    dead.fails(&["GET http://", "/v4/domains"]);
    assert!(dead.took < Duration::from_secs(60), "{:?}", dead.took);
    docker(&["start", &estate.container("linode")], "");
    estate.prov(["test"]).run().exits(0);
    until("the stand-in answers", || {
        estate
            .linode("one", "GET", "1/records", "")
            .contains("\"data\"")
    });
    assert!(!texts(&estate, 1).contains(&("_acme-challenge.imap".to_owned(), "late".to_owned())));
    assert!(before.contains(&("_acme-challenge.imap".to_owned(), "others".to_owned())));
}

fn records_come_and_go(estate: &Estate) {
    // Another program proves the same name at the same time.
    let others = "{\"type\": \"TXT\", \"name\": \"_acme-challenge.imap\", \"target\": \"others\"}";
    estate.linode("one", "POST", "1/records", others);
    let wait = Duration::from_secs(PROPAGATION);
    let first = hook(estate, "add", "imap.a.test", "first", 1);
    first.is_quiet();
    let last = hook(estate, "add", "smtp.a.test", "last", 0);
    last.is_quiet();
    assert!(
        first.took < wait && last.took >= wait,
        "it waits once, at the end"
    );
    let [imap, smtp] = ["_acme-challenge.imap", "_acme-challenge.smtp"];
    let both = [(imap, "others"), (imap, "first"), (smtp, "last")];
    assert_eq!(texts(estate, 1), pairs(&both));
    let record = estate.linode("one", "GET", "1/records", "");
    assert!(record.contains("\"ttl_sec\": 300"), "{record}");

    // A name is proved in the domain that is nearest to it, and the domain itself is one, too.
    hook(estate, "add", "imap.deep.a.test", "deep", 1).is_quiet();
    hook(estate, "add", "deep.a.test", "own", 1).is_quiet();
    let deep = [(imap, "deep"), ("_acme-challenge", "own")];
    assert_eq!(texts(estate, 2), pairs(&deep));
    assert_eq!(texts(estate, 1), pairs(&both));

    hook(estate, "remove", "imap.a.test", "first", 1).is_quiet();
    assert_eq!(texts(estate, 1), pairs(&[(imap, "others"), (smtp, "last")]));
    // What is gone, or was never there, is no fault: certbot cleans up whatever came of it.
    hook(estate, "remove", "imap.a.test", "first", 1).is_quiet();
    hook(estate, "remove", "smtp.a.test", "last", 0).is_quiet();
    assert_eq!(texts(estate, 1), pairs(&[(imap, "others")]));
    assert_eq!(texts(estate, 2), pairs(&deep));
}

fn what_is_wrong_is_said(estate: &Estate, token: &str) {
    let before = texts(estate, 1);
    let unknown = hook(estate, "add", "imap.b.test", "x", 0);
    unknown.fails(&["imap.b.test", "no domain at Linode", "add the domain there"]);
    hook(estate, "remove", "imap.b.test", "x", 0).fails(&["no domain at Linode"]);
    hook(estate, "other", "imap.a.test", "x", 0).fails(&["usage: dns-challenge add|remove"]);

    for (line, words) in [
        (
            "dns_linode_key = wrong",
            ["Linode answered 401", "Invalid Token"],
        ),
        (
            "another = word",
            [CREDENTIALS, "no line 'dns_linode_key = TOKEN'"],
        ),
    ] {
        estate.on(
            "one",
            &format!("cp -p {CREDENTIALS} /root/kept; echo '{line}' >{CREDENTIALS}"),
        );
        for what in ["add", "remove"] {
            let refused = hook(estate, what, "imap.a.test", "x", 0);
            refused.fails(&words);
            assert!(!refused.said.contains(token), "{}", refused.said);
        }
        estate.on("one", &format!("mv /root/kept {CREDENTIALS}"));
    }
    assert_eq!(texts(estate, 1), before);
}

/// A server that says that it is somewhere else, and one that makes no sense.
fn the_token_goes_nowhere_else(estate: &Estate, token: &str) {
    estate.on(
        "one",
        "cat >/root/other <<'X'\n\
         from http.server import BaseHTTPRequestHandler, HTTPServer\n\
         class Handler(BaseHTTPRequestHandler):\n\
         \x20   def do_GET(self):\n\
         \x20       open('/root/asked', 'a').write(self.path + '\\n')\n\
         \x20       if self.path.startswith('/moved'):\n\
         \x20           self.send_response(302)\n\
         \x20           self.send_header('Location', 'http://127.0.0.1:8099/taken')\n\
         \x20       else:\n\
         \x20           self.send_response(200)\n\
         \x20       self.end_headers()\n\
         \x20       self.wfile.write(b'nonsense')\n\
         HTTPServer(('127.0.0.1', 8099), Handler).serve_forever()\n\
         X\n\
         python3 /root/other >/dev/null 2>&1 & echo $! >/root/other.pid",
    );
    estate.until(
        "one",
        "the other server listens",
        "/usr/local/lib/prov/listening tcp 8099",
    );
    for (path, words) in [
        ("moved", "Linode answered 302"),
        ("nonsense", "GET http://127.0.0.1:8099/nonsense"),
    ] {
        estate.on(
            "one",
            &format!(
                "cp -p {HOOK} /root/hook; sed -i 's,^BASE = .*,BASE = \"http://127.0.0.1:8099/{path}\",' {HOOK}"
            ),
        );
        let lost = hook(estate, "add", "imap.a.test", "x", 0);
        estate.on("one", &format!("mv /root/hook {HOOK}"));
        lost.fails(&[words]);
        assert!(!lost.said.contains(token), "{}", lost.said);
    }
    let asked = estate.on("one", "cat /root/asked; kill $(cat /root/other.pid)");
    assert!(!asked.contains("taken"), "{asked}");
}
