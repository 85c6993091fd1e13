//! The recipes of docs/cookbook.md, as they stand there: all of them are right, and those that a container can run do what they say.

use std::collections::BTreeMap;

use end_to_end::Estate;

/// Recipes whose hosts are made; the others need a kernel of their own, or fetch from the Internet.
const APPLIED: &str = "web,files";

/// Gives the files of the cookbook: what stands in a fence after a line that names a file. What a later recipe says of a file comes
/// after what an earlier one does.
fn files() -> BTreeMap<String, String> {
    let text = include_str!("../../docs/cookbook.md");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = text.lines();
    let mut named = None;
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let body = lines.by_ref().take_while(|line| *line != "```");
            let body: Vec<_> = body.collect();
            if let Some(name) = named.take() {
                let file = files.entry(name).or_default();
                file.push_str(&(body.join("\n") + "\n"));
            }
        } else if let Some((name, ":" | ", besides:")) =
            line.strip_prefix('`').and_then(|rest| rest.split_once('`'))
        {
            named = Some(name.to_owned());
        }
    }
    files
}

#[test]
fn recipes_are_right_applied_and_proved() {
    let estate = Estate::new(&["web", "files", "gate", "code"]);
    estate.inventory(
        "roles: {site: [web], redis: [web], prometheus: [web], monitoring: [web, files], share: [files], resolver: [files], \
         copies: [files], tunnel: [gate], gitea: [code]}\n",
    );
    let files = files();
    let roles = files.keys().filter(|name| name.ends_with("/role.yml"));
    assert_eq!(roles.count(), 8, "{:?}", files.keys());
    for (name, text) in &files {
        estate.write(name, text);
    }
    estate.prov(["check"]).run().exits(0).says("no mistakes");

    let limited = |command: &'static str| estate.prov([command, "--limit", APPLIED]);
    limited("deploy").run().exits(0);
    limited("apply").run().exits(0);
    limited("test").run().exits(0);
    limited("complete").run().exits(0);
    let again = limited("apply").run();
    again.exits(0).says("2 hosts: 2 up to date");
    let verify = |services: &[&str]| estate.prov(["verify"]).args(services).run();
    let quick = ["site", "redis", "monitoring", "share", "resolver", "copies"];
    let all = [&quick[..], &["prometheus"]].concat();
    verify(&all).exits(0).says("15 checks passed, 0 failed");

    estate.on(
        "web",
        "sv stop redis-server; echo gone >/srv/site/index.html; sed -i s/301/302/ /etc/nginx/sites-enabled/site; nginx -s reload",
    );
    estate.on(
        "files",
        "sv stop unbound; sv stop prometheus-node-exporter; smbpasswd -x ada; rm -r /var/lib/copies",
    );
    // Prometheus is given a minute to hear of its hosts, which is too long to wait for nothing.
    let broken = verify(&quick);
    broken.exits(1);
    for (service, failed) in [
        ("site", 2),
        ("redis", 1),
        ("monitoring", 1),
        ("share", 1),
        ("resolver", 1),
        ("copies", 1),
    ] {
        let begins = format!("FAIL {service} ");
        let lines = broken
            .stdout
            .lines()
            .filter(|line| line.starts_with(&begins));
        assert_eq!(lines.count(), failed, "{service}: {}", broken.told());
    }
    limited("complete").run().exits(0);
    verify(&quick).exits(0);
}
