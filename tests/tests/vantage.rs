//! `prov verify` on servers: checks are made on the hosts themselves and from vantage points, and what cannot be made is said.

use end_to_end::{Estate, Folder, until};
use serde_json::Value;

const PAGE: &str = r"
summary: A web page with a locked part.
variables:
  page_password: {type: secret, about: Opens the locked part.}
resources:
  - packages: {names: [nginx-light, openssl]}
  - tls_key: {path: /etc/ssl/private/page.pem}
  - tls_certificate: {path: /etc/ssl/certs/page.pem, key: /etc/ssl/private/page.pem, names: [web], authority: estate}
  - file: {path: /etc/nginx/sites-enabled/default, source: nginx.conf}
  - file: {path: /etc/nginx/page.users, content: 'anna:{PLAIN}{{ page_password }}', mode: '0644'}
checks:
  - tcp: {port: 80}
  - http: {body: '^welcome'}
  - http: {url: 'https://web/', body: '^welcome'}
    shows: the estate's authority is trusted
  - http: {url: 'http://web/locked', user: anna, password: '{{ page_password }}', body: '^inner'}
  - tcp: {port: 80}
    from: outside
  - command: {argv: [id, -u], stdout: '^0$'}
    shows: the host itself is asked as root
";

const NGINX: &str = "server { listen 80; listen 443 ssl; server_name web;
ssl_certificate /etc/ssl/certs/page.pem; ssl_certificate_key /etc/ssl/private/page.pem; default_type text/plain;
location = / { return 200 'welcome'; }
location = /locked { auth_basic page; auth_basic_user_file /etc/nginx/page.users; alias /srv/inner; } }\n";

const PASSWORD: &str = "S3cret of the page";

struct Seen {
    estate: Estate,
    servers: Folder,
}

impl Seen {
    fn verify(&self, code: i32) -> Value {
        let verify = ["--output", "json", "verify", "page"];
        let ran = self.servers.prov(verify).run();
        ran.exits(code).never_says(PASSWORD);
        ran.json()
    }

    fn roles(&self, roles: &str) {
        let file = self.servers.path("estate/estate.yml");
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{error}"));
        let kept = text.lines().filter(|line| !line.starts_with("roles:"));
        let kept: Vec<_> = kept.collect();
        self.servers.write(
            "estate.yml",
            &format!("{}\nroles: {roles}\n", kept.join("\n")),
        );
    }
}

/// Lists what was shown of each check.
fn passed(results: &Value) -> Vec<(String, bool)> {
    let checks = results["checks"].as_array().cloned().unwrap_or_default();
    let of = |check: &Value| {
        let shows = check["shows"].as_str().unwrap_or_default().to_owned();
        (shows, check["passed"] == true)
    };
    checks.iter().map(of).collect()
}

#[test]
fn servers_are_verified_from_vantage_points_and_what_nobody_could_see_is_said() {
    let estate = Estate::deployed(&["web", "seer"]);
    let servers = estate.as_servers(&estate.connection(), "roles: {}\n");
    let known: Vec<_> = ["web", "seer"].map(|host| estate.known_host(host)).into();
    servers.write_home(".ssh/known_hosts", &known.join("\n"));
    servers.write("roles/page/role.yml", PAGE);
    servers.write("roles/page/nginx.conf", NGINX);
    servers.write(
        "groups/all.private.yml",
        &format!("page_password: '{PASSWORD}'\n"),
    );
    let seen = Seen { estate, servers };
    seen.roles("{page: [web]}");
    seen.servers.prov(["apply"]).run().exits(0);
    seen.estate.on(
        "web",
        "echo inner >/srv/inner; nginx >/dev/null 2>&1 </dev/null",
    );

    // Without a vantage point, only what the host itself can tell is checked.
    let results = seen.verify(0);
    assert_eq!(
        passed(&results),
        [("the host itself is asked as root".to_owned(), true)]
    );
    let without = &results["not_checked"];
    assert_eq!(
        (&without[0]["checks"], &without[1]["checks"]),
        (&4.into(), &1.into()),
        "{results}"
    );
    let text = seen.servers.prov(["verify", "page"]).run();
    text.exits(0)
        .says("not checked page  4 checks no vantage point inside")
        .says("not checked page  1 check no vantage point outside");

    seen.roles("{page: [web], vantage: [seer]}");
    seen.servers.prov(["apply"]).run().exits(0);
    let address = seen.estate.address("web");
    seen.estate
        .on("seer", &format!("echo {address} web >>/etc/hosts"));
    let results = seen.verify(0);
    let all = passed(&results);
    assert!(
        all.len() == 5 && all.iter().all(|(_, passed)| *passed),
        "{results}"
    );
    assert_eq!(results["not_checked"].as_array().map(Vec::len), Some(1));
    metrics_are_written_and_printed(&seen.servers);
    clients_run_on_vantage_points(&seen.servers);

    // The same page, broken in one way after the other.
    let fails = |spoil: &str, repair: &str, failing: &[&str]| {
        seen.estate.on("web", spoil);
        let results = seen.verify(1);
        let failed = passed(&results).into_iter().filter(|(_, passed)| !passed);
        let failed: Vec<_> = failed.map(|(shows, _)| shows).collect();
        assert_eq!(failed, failing, "{results}");
        seen.estate.on("web", repair);
    };
    fails(
        "echo other >/srv/inner",
        "echo inner >/srv/inner",
        &["http://web/locked answers 200"],
    );
    fails(
        "cd /etc/ssl; cp certs/page.pem /root/; openssl req -x509 -key private/page.pem -subj /CN=web -addext subjectAltName=DNS:web -out certs/page.pem; nginx -s reload",
        "cp /root/page.pem /etc/ssl/certs/; nginx -s reload",
        &["the estate's authority is trusted"],
    );
    until("nginx has its certificate again", || {
        seen.servers.prov(["verify", "page"]).run().status.success()
    });

    // Nothing is left behind on either side.
    for host in ["web", "seer"] {
        let left = seen.estate.on(
            host,
            "ls -d /dev/shm/prov.* /run/prov.?????????? 2>/dev/null || true",
        );
        assert_eq!(left.trim(), "", "{host}");
    }

    // A vantage point that is away is no success.
    seen.estate.on(
        "seer",
        "kill $(cat /run/sshd.pid 2>/dev/null || pgrep -o sshd)",
    );
    let results = seen.verify(1);
    assert!(
        passed(&results).iter().any(|(_, passed)| !passed),
        "{results}"
    );
}

/// The same to a file and to standard output, but for the time that it took.
fn metrics_are_written_and_printed(servers: &Folder) {
    let metrics = servers.path("page.prom");
    let file = metrics.display().to_string();
    let verify = ["verify", "page", "--metrics", &file];
    let text = servers.prov(verify).run();
    text.exits(0)
        .says("5 checks passed, 0 failed")
        .says("no vantage point outside");
    let metrics = std::fs::read_to_string(metrics).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(metrics.matches("} 1\n").count(), 6, "{metrics}");
    let printed = ["--output", "prometheus", "verify", "page"];
    let printed = servers.prov(printed).run();
    printed.exits(0);
    let named = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("seconds{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(named(&printed.stdout), named(&metrics));
    assert_eq!(printed.stderr, "");
    let other = ["--output", "prometheus", "check"];
    let other = servers.prov(other).run();
    other.exits(64).says("is for `prov verify` alone");
    assert_eq!(other.stdout, "");
}

/// As nobody, with the exit codes of their own, and trusting the estate's authority.
fn clients_run_on_vantage_points(servers: &Folder) {
    let client = |arguments: &str, code: i32| {
        let ran = servers.prov(["client"]).args(arguments.split(' ')).run();
        ran.exits(code);
        ran
    };
    let page = client("curl inside --silent https://web/", 0);
    assert_eq!(page.stdout, "welcome");
    client("openssl internal web:443", 0).says("verification: 0 (ok)");
    let shell = servers.prov(["client", "vantage", "internal", "-c"]);
    let shell = shell.args(["id -un; pwd; cat; exit 7"]).run();
    shell.exits(7);
    assert_eq!(shell.stdout, "nobody\n/\n");
    client("curl outside https://web/", 64).says("no vantage point outside");
    client("curl insid https://web/", 64).says("did you mean 'inside'?");
    client("dig", 64).says("`prov client dig internal NAME`");
    client("chromium internal https://web/", 64).says("needs a container around it");
    client("bconsole", 64).says("no host of the estate is the backup's director");
}

#[test]
fn checks_are_made_again_and_again_until_somebody_has_seen_enough() {
    let estate = Estate::deployed(&["web"]);
    let servers = estate.as_servers(&estate.connection(), "roles: {page: [web]}\n");
    servers.write_home(".ssh/known_hosts", &estate.known_host("web"));
    servers.write(
        "roles/page/role.yml",
        "summary: A file.\nchecks:\n  - file: {path: /srv/there}\n    shows: it is there\n",
    );
    estate.on("web", "touch /srv/there");
    let mut watching = servers.prov(["verify", "--watch", "1"]).start();
    std::thread::sleep(std::time::Duration::from_secs(4));
    estate.on("web", "rm /srv/there");
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert!(!watching.has_ended());
    watching.interrupt();
    let seen = watching.wait();
    // The last look decides.
    seen.exits(1)
        .says("1 check passed, 0 failed")
        .says("0 checks passed, 1 failed");
}
