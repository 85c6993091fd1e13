//! The services that come with prov, verified on servers: real daemons, asked by real clients from both sides.

use end_to_end::{Estate, Folder, Ran};
use serde_json::Value;

const NAMES: &str = "dnsmasq -7 /etc/dnsmasq.d,.dpkg-dist,.dpkg-old,.dpkg-new";

/// The servers of a small firm, and who looks at them from both sides.
struct Firm {
    estate: Estate,
    servers: Folder,
}

impl Firm {
    fn set_up() -> Self {
        let hosts = [
            ("names", "internal"),
            ("world", "external"),
            ("seer", "internal"),
            ("far", "external"),
        ];
        let estate = Estate::located(&hosts);
        estate.deploy();
        let servers = estate.as_servers(&estate.connection(), "");
        let known: Vec<_> = hosts
            .iter()
            .map(|(host, _)| estate.known_host(host))
            .collect();
        servers.write_home(".ssh/known_hosts", &known.join("\n"));
        servers.write(
            "groups/all.yml",
            "home_domain: home.test\ndns_aliases: {desk: names}\n",
        );
        let world = estate.address("world");
        for (host, group, upstream) in [
            ("names", "internal", world.as_str()),
            ("world", "external", ""),
        ] {
            servers.write(
                &format!("hosts/{host}.yml"),
                &format!("dns_group: {group}\ndns_upstream_nameservers: [{upstream}]\ndns_local_domains: []\n"),
            );
        }
        Self { estate, servers }
    }

    /// Says which hosts have which roles, beside the services.
    fn roles(&self, roles: &str) {
        let file = self.servers.path("estate/estate.yml");
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
        let (kept, _) = text.split_once("services:").unwrap_or((&text, ""));
        let services = "services: {dns: [names, world]}\n";
        let text = format!("{kept}{services}roles: {roles}\n");
        self.servers.write("estate.yml", &text);
    }

    fn verify(&self, names: &[&str], code: i32) -> (Ran, Value) {
        let verify = ["--output", "json", "verify", "--upstream-name", "up.test"];
        let verify = verify.iter().chain(names);
        let ran = self.servers.prov(verify).run();
        ran.exits(code);
        let json = ran.json();
        (ran, json)
    }

    /// Asserts that what is broken on a host is seen, and nothing else.
    fn sees(&self, service: &str, host: &str, (spoil, repair): (&str, &str), failing: &[&str]) {
        self.estate.on(host, spoil);
        let (_, results) = self.verify(&[service], 1);
        assert_eq!(failed(&results), failing, "{spoil}: {results:#}");
        self.estate.on(host, repair);
        self.verify(&[service], 0);
    }
}

/// Lists the checks that failed.
fn failed(results: &Value) -> Vec<&str> {
    let checks = results["checks"].as_array().map_or(&[][..], Vec::as_slice);
    let failed = checks.iter().filter(|check| check["passed"] != true);
    failed.filter_map(|check| check["shows"].as_str()).collect()
}

#[test]
fn names_are_asked_for_from_both_sides_and_whatever_is_broken_is_seen() {
    let firm = Firm::set_up();
    firm.roles("{dns: [names, world]}");
    firm.servers.prov(["apply"]).run().exits(0);
    firm.estate.on(
        "world",
        &format!("echo address=/up.test/192.0.2.7 >/etc/dnsmasq.d/test; {NAMES}"),
    );
    firm.estate.on("names", NAMES);

    // Nobody could look.
    let (_, results) = firm.verify(&["dns"], 1);
    let why = |at: usize| {
        let why = results["not_checked"][at]["why"].as_str();
        why.unwrap_or_default().to_owned()
    };
    assert!(why(0).contains("no vantage point inside"), "{results:#}");
    assert!(why(1).contains("no vantage point outside"), "{results:#}");
    assert!(results["not_checked"][1]["checks"].as_u64() > Some(5));

    firm.roles("{dns: [names, world], vantage: [seer, far]}");
    firm.servers.prov(["apply"]).run().exits(0);
    let (_, results) = firm.verify(&["dns"], 0);
    let checks = results["checks"].as_array().map_or(0, Vec::len);
    assert!(checks > 20, "{results:#}");
    assert_eq!(results["not_checked"].as_array().map(Vec::len), Some(0));

    let restart = |change: &str| {
        format!(
            "{change}\npkill dnsmasq\nwhile pgrep dnsmasq; do sleep 0.1; done >/dev/null\n{NAMES}"
        )
    };
    firm.sees(
        "dns",
        "names",
        (
            &restart("sed -i 's/desk/disk/' /etc/dnsmasq-hosts.d/estate"),
            &restart("sed -i 's/disk/desk/' /etc/dnsmasq-hosts.d/estate"),
        ),
        &[
            "the alias desk is known inside",
            "the alias desk.home.test is known inside",
        ],
    );
    firm.sees(
        "dns",
        "world",
        (
            &restart("echo address=/seer/192.0.2.8 >>/etc/dnsmasq.d/test"),
            &restart("sed -i /seer/d /etc/dnsmasq.d/test"),
        ),
        &["seer is not known outside"],
    );
    firm.estate.on("names", "pkill dnsmasq");
    let (ran, results) = firm.verify(&["dns"], 1);
    ran.says("no answer");
    assert!(failed(&results).contains(&"names is known inside"));
    assert!(!failed(&results).contains(&"world is known outside"));
    firm.estate.on("names", NAMES);

    // Nothing is left behind, and a vantage point that is away is no success.
    for host in ["seer", "far"] {
        let left = "ls -d /dev/shm/prov.* /run/prov.?????????? 2>/dev/null || true";
        assert_eq!(firm.estate.on(host, left).trim(), "", "{host}");
    }
    firm.estate.on("far", "kill $(pgrep -o sshd)");
    let (ran, results) = firm.verify(&["dns"], 1);
    ran.says("far: ");
    assert!(failed(&results).contains(&"world is known outside"));
    assert!(!failed(&results).contains(&"names is known inside"));
}
