//! Day to day with servers: how they are, what their services say, and what only containers have.

use end_to_end::{Server, until};
use serde_json::Value;

const ROLE: &str = r"
summary: A web page.
resources:
  - packages: {names: [nginx-light, openssl]}
  - tls_key: {path: /etc/ssl/private/desk.pem}
  - tls_certificate: {path: /etc/ssl/certs/desk.pem, key: /etc/ssl/private/desk.pem, names: [desk.test]}
  - service: {name: nginx}
";

/// Signs a certificate that has ended long ago.
const EXPIRED: &str = r"cd $(mktemp -d); key=/etc/ssl/private/desk.pem; : >index; echo 01 >serial
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.conf
openssl req -new -key $key -subj /CN=desk.test -out request
openssl ca -batch -notext -config ca.conf -selfsign -keyfile $key -in request -startdate 20200101000000Z -enddate 20200102000000Z";

fn status(server: &Server) -> Value {
    let ran = server.servers.prov(["--output", "json", "status"]).run();
    ran.exits(0);
    ran.host("one")
}

fn codes(server: &Server) -> Vec<String> {
    let status = status(server);
    let findings = status["findings"].as_array().cloned().unwrap_or_default();
    // Containers have the disks of their machine, beside the one that is made full.
    let of_machine = |finding: &&Value| {
        let [code, text] =
            [&finding["code"], &finding["text"]].map(|it| it.as_str().unwrap_or_default());
        ["disk_full", "inodes_used"].contains(&code) && !text.contains("/srv/full")
    };
    let findings = findings.iter().filter(|finding| !of_machine(finding));
    let codes = findings.map(|finding| finding["code"].as_str().unwrap_or_default().to_owned());
    // Updates come with time, and containers have the uptime of their machine.
    let codes =
        codes.filter(|code| !["security_updates", "lists_old", "reboot"].contains(&code.as_str()));
    codes.collect()
}

/// Asserts that something is found once it is broken, and is not any more once it was repaired.
fn found(server: &Server, code: &str, spoil: &str, repair: &str) {
    server.estate.on("one", spoil);
    assert_eq!(codes(server), [code], "{spoil}");
    let counted = server.servers.prov(["status", "--exit-code"]).run();
    counted.exits(1);
    server.estate.on("one", repair);
    assert_eq!(codes(server), [""; 0], "{repair}");
}

#[test]
fn a_server_tells_how_it_is_and_whatever_is_broken_is_found() {
    let server = Server::boot("roles: {dns: [one], desk: [one]}\n");
    server.domain("first.test");
    server.servers.write("roles/desk/role.yml", ROLE);
    server.apply().exits(0);
    assert_eq!(codes(&server), [""; 0]);
    let known = status(&server);
    assert_eq!(
        known["release"],
        format!("debian {}", end_to_end::release())
    );
    assert!(
        known["disks"]
            .as_array()
            .is_some_and(|disks| disks.iter().any(|it| it["target"] == "/"))
    );
    assert!(known["processors"].as_u64().is_some_and(|count| count > 0));
    assert!(known["updates"]["lists"].is_u64(), "{known}");
    let days = known["certificates"][0]["days"].as_u64();
    assert!(
        days.is_some_and(|days| (390..=397).contains(&days)),
        "{known}"
    );
    let services = known["services"].as_array().cloned().unwrap_or_default();
    let services: Vec<_> = services
        .iter()
        .map(|it| {
            (
                it["name"].as_str(),
                it["state"].as_str(),
                it["roles"][0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        services,
        [
            (Some("dnsmasq"), Some("running"), Some("dns")),
            (Some("nginx"), Some("running"), Some("desk"))
        ]
    );
    let text = server.servers.prov(["status"]).run();
    text.exits(0)
        .says("nginx")
        .says("running")
        .says("/etc/ssl/certs/desk.pem");

    found(
        &server,
        "service_stopped",
        "systemctl stop nginx",
        "systemctl start nginx",
    );
    found(
        &server,
        "service_unknown",
        "systemctl stop nginx; mkdir /root/away; mv /lib/systemd/system/nginx.service /etc/init.d/nginx /root/away/; systemctl daemon-reload",
        "mv /root/away/nginx.service /lib/systemd/system/; mv /root/away/nginx /etc/init.d/; systemctl daemon-reload; systemctl start nginx",
    );
    found(
        &server,
        "unit_failed",
        "systemd-run --quiet --unit=odd --property=Type=exec false || true; sleep 1",
        "systemctl reset-failed odd.service",
    );
    found(
        &server,
        "disk_full",
        "mkdir /srv/full; mount -t tmpfs -o size=1m tmpfs /srv/full; head -c 1048576 /dev/zero >/srv/full/zeros",
        "umount /srv/full",
    );
    found(
        &server,
        "inodes_used",
        "mount -t tmpfs -o nr_inodes=20 tmpfs /srv/full; touch $(seq -f /srv/full/%g 19)",
        "umount /srv/full",
    );
    let certificate = "/etc/ssl/certs/desk.pem";
    found(
        &server,
        "certificate_expired",
        &format!("cp {certificate} /root/desk.pem; {EXPIRED} -out {certificate} 2>&1"),
        &format!("cp /root/desk.pem {certificate}"),
    );
    found(
        &server,
        "certificate_unreadable",
        &format!("echo nonsense >{certificate}"),
        &format!("cp /root/desk.pem {certificate}"),
    );
    logs(&server);
    only_containers(&server);
}

fn logs(server: &Server) {
    let prov = |arguments: &[&str]| {
        let arguments: Vec<_> = ["logs"].iter().chain(arguments).copied().collect();
        let ran = server.servers.prov(arguments).run();
        ran.exits(0);
        ran
    };
    // nginx writes files, dnsmasq writes to the journal. What a visitor sends is shown, not carried out.
    server.estate.on(
        "one",
        "echo '10.0.0.1 - - [01/Jan/2020:00:00:00 +0000] \"GET /of-old HTTP/1.1\"' >>/var/log/nginx/access.log; \
         printf 'GET /now\\033[2J HTTP/1.0\\r\\n\\r\\n' | timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; cat >&3; cat <&3' >/dev/null; \
         printf 'a\\033[2Jb\\n' >>/var/log/nginx/error.log",
    );
    let all = prov(&[]);
    all.says("/var/log/nginx/access.log: ")
        .says("/of-old")
        .says("dnsmasq[")
        .never_says("\u{1b}[2J");
    all.says("a\\u{1b}[2Jb");

    prov(&["desk"]).says("/of-old").never_says("dnsmasq[");
    prov(&["nginx"]).says("/of-old").never_says("dnsmasq[");
    prov(&["dns"]).says("dnsmasq[").never_says("/of-old");
    prov(&["one", "--since", "2h"])
        .says("dnsmasq[")
        .says("/now")
        .never_says("/of-old");
    prov(&["--since", "2019-12-31"]).says("/of-old");
    let json = server
        .servers
        .prov(["--output", "json", "logs", "nginx", "--tail", "1"])
        .run();
    let line: Value = json
        .stdout
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .unwrap_or_default();
    assert_eq!(line["host"], "one", "{}", json.told());
    server
        .servers
        .prov(["logs", "nginxx"])
        .run()
        .exits(64)
        .says("nginxx");
    server
        .servers
        .prov(["logs", "--since", "yesterday"])
        .run()
        .exits(64)
        .says("30min");

    // What comes later is shown as it comes, and nothing is left on the host when nobody looks any more.
    let following = server
        .servers
        .prov(["logs", "nginx", "dns", "--follow"])
        .start();
    let tails = || {
        server.estate.holds(
            "one",
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'tail .*[n]ginx/access'",
        )
    };
    until("it follows", tails);
    server.estate.on(
        "one",
        "echo brand-new >>/var/log/nginx/access.log; systemctl restart dnsmasq",
    );
    until("both are shown", || {
        let shown = following.output_so_far();
        shown.contains("brand-new") && shown.contains("Started dnsmasq")
    });
    following.interrupt();
    let shown = following.wait();
    shown.says("brand-new").says("Started dnsmasq");
    until("nothing follows any more", || !tails());
    let left = server.estate.holds(
        "one",
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -q 'journalctl .*[d]nsmasq'",
    );
    assert!(!left, "journalctl is left");
}

fn only_containers(server: &Server) {
    let down = server.servers.prov(["down"]).run();
    down.exits(64)
        .says("are servers")
        .says("take the role from the host");
    let client = server
        .servers
        .prov(["client", "dig", "internal", "one"])
        .run();
    client.exits(64).says("no vantage point inside");
    let browse = server.servers.prov(["browse"]).run();
    browse.exits(64).says("are servers").says("ssh -N -D 1080");
}
