//! Roles and domains that leave a host: what they had goes, what holds data stays until it is asked for, and nobody else's
//! things are touched.

use end_to_end::Estate;

const MEMORY: &str = "/var/lib/prov/declared";
const COLLECTION: &str = "/var/lib/radicale/collections";

#[test]
fn a_role_that_leaves_is_previewed_and_taken_away_and_its_data_goes_later() {
    let estate = Estate::new(&["one"]);
    estate.inventory("roles: {calendar: [one], dns: [one]}\n");
    let variables = "home_domain: first.test\ndns_upstream_nameservers: []\n";
    estate.write(
        "groups/all.yml",
        &format!("{variables}calendar_access: open\n"),
    );
    estate.deploy();
    // Of the packages, one was there before.
    estate.on("one", "apt-get -qq update; apt-get -qq -y install curl");
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    estate.on("one", &format!("touch {COLLECTION}/precious"));
    let mode = estate.on("one", &format!("stat -c %a {MEMORY}/*"));
    assert_eq!(mode, "600\n");
    for command in ["diff", "apply"] {
        let before = estate.prov(["--output", "json", command]).run();
        before.exits(0).unchanged("one");
        assert_eq!(before.host("one")["round_trips"], 1, "{command}");
    }

    estate.inventory("roles: {dns: [one]}\n");
    estate.write("groups/all.yml", variables);
    let went = [
        "service radicale",
        "file /etc/radicale/config",
        "packages radicale",
        "file /etc/dnsmasq-hosts.d/estate",
    ];
    let preview = estate.prov(["--output", "json", "diff"]).run();
    preview.exits(0).changed("one", &went);
    let text = estate.prov(["diff"]).run();
    text.exits(0)
        .says("no longer declared: calendar")
        .says(&format!("stays: directory {COLLECTION}"));
    let plan = estate.path_text("plan");
    estate.prov(["diff", "--out", &plan]).run().exits(0);
    let applied = estate
        .prov(["--output", "json", "apply", "--plan", &plan])
        .run();
    applied.exits(0).changed("one", &went);
    assert!(!estate.holds("one", "pgrep -x radicale || command -v radicale"));
    assert!(estate.holds(
        "one",
        &format!("command -v curl && [ -e {COLLECTION}/precious ]")
    ));
    let after = estate.prov(["--output", "json", "diff"]).run();
    after.exits(0).unchanged("one");
    assert_eq!(after.host("one")["round_trips"], 1);

    let refused = estate.prov(["apply", "--purge-data"]).run();
    refused.exits(64).says("--confirm 'calendar'");
    assert!(estate.holds("one", &format!("[ -e {COLLECTION}/precious ]")));
    let purge = ["apply", "--purge-data", "--confirm", "calendar"];
    estate.prov(purge).run().exits(0);
    assert!(!estate.holds("one", &format!("[ -e {COLLECTION} ] || dpkg -s radicale")));
    let text = estate.prov(["diff"]).run();
    text.exits(0).says("up to date").never_says("calendar");
}

#[test]
fn what_another_estate_or_hand_made_is_left_alone_and_what_is_forgotten_stays() {
    let estate = Estate::name_server();
    estate.prov(["apply"]).run().exits(0);
    let settings = "/etc/dnsmasq.d/estate.conf";
    let other = format!("{MEMORY}/other");
    estate.on("one", &format!("cp {MEMORY}/{} {other}", estate.name()));
    estate.inventory("");
    estate.write("groups/all.yml", "{}\n");
    let wrong = estate.prov(["apply", "--forget", "dns,mta"]).run();
    wrong.exits(1).says("no host remembers 'mta'");
    assert!(estate.holds("one", &format!("[ -e {settings} ] && command -v dnsmasq")));
    let text = estate.prov(["diff"]).run();
    text.exits(0).never_says("no longer declared");
    // Without its own memory an estate takes nothing away, whatever another one remembers.
    let text = estate.prov(["apply"]).run();
    text.exits(0).says("up to date");
    assert!(estate.holds("one", &format!("[ -e {settings} ] && [ -s {other} ]")));
}

#[test]
fn a_run_that_fails_half_way_has_noted_what_it_made_and_a_domain_goes_by_its_name() {
    let estate = Estate::new(&["one"]);
    let roles = "roles: {dns: [one], dns_api: [one], dynamic_dns: [one]}\n";
    estate.inventory(roles);
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\ndns_linode_key: made-for-this-test\n\
         dynamic_dns_crontab_stride: 59\n",
    );
    for (name, id) in [("gone.test", 1), ("kept.test", 2)] {
        let text = format!("organisation: X\ndynamic_dns: {{id: {id}, records: [{id}1]}}\n");
        estate.write(&format!("domains/{name}/domain.yml"), &text);
    }
    estate.write("templates/dns/estate.conf", "nonsense\n");
    estate.deploy();
    estate.prov(["apply"]).run().exits(1);
    let script = "/usr/local/sbin/dynamic-dns";
    let noted = format!("grep -q {script} {MEMORY}/{}", estate.name());
    assert!(estate.holds("one", &noted));
    std::fs::remove_dir_all(estate.path("estate/templates")).unwrap();
    for command in ["apply", "test", "complete"] {
        estate.prov([command]).run().exits(0);
    }
    estate.prov(["domain", "--all"]).run().exits(0);
    let there = || estate.on("one", "ls /usr/local/etc/dynamic-dns-domains");
    assert_eq!(there(), "gone.test.conf\nkept.test.conf\n");

    // One whose folder is gone is named, and taken away by what the host remembers.
    std::fs::remove_dir_all(estate.path("estate/domains/gone.test")).unwrap();
    let diff = estate.prov(["diff"]).run();
    diff.exits(0)
        .says("up to date")
        .says("no longer declared: domain gone.test")
        .says("prov domain gone.test --remove");
    let unknown = estate.prov(["domain", "never.test", "--remove"]).run();
    unknown.exits(64).says("there is no domain 'never.test'");
    let remove = estate.prov(["domain", "gone.test", "--remove"]).run();
    remove.exits(0).says("1 removed");
    assert_eq!(there(), "kept.test.conf\n");
    let diff = estate.prov(["diff"]).run();
    diff.exits(0).says("up to date").never_says("gone.test");

    // What a domain has on a host goes with the role that it is for.
    estate.inventory("roles: {dns: [one]}\n");
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\n",
    );
    let ran = estate.prov(["apply"]).run();
    ran.exits(0).says("no longer declared: domain kept.test");
    assert_eq!(there(), "");
    assert!(!estate.holds(
        "one",
        &format!("[ -e {script} ] || [ -e /etc/cron.d/dynamic-dns ]")
    ));
}

#[test]
fn a_role_that_another_host_relies_on_leaves_when_that_is_said_twice() {
    let estate = Estate::new(&["one", "two"]);
    estate.inventory("roles: {dns: [one], dns_client: [two]}\n");
    let server = estate.address("one");
    estate.write(
        "groups/all.yml",
        &format!(
            "home_domain: home.test\ndns_upstream_nameservers: []\ndns_resolvers: [{server}]\n"
        ),
    );
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    let installed = "dpkg-query -W -f='${db:Status-Status}' dnsmasq | grep -qx installed";
    let is_there = || estate.holds("one", installed);
    assert!(is_there());

    estate.inventory("roles: {dns_client: [two]}\n");
    let leaves = |command: &str| {
        let prov = estate.prov(["--output", "json", command, "--limit", "one"]);
        prov.args(["--insist", "role dns"]).run()
    };
    for command in ["diff", "apply"] {
        let refused = estate.prov(["--output", "json", command]).run();
        let words = [
            "the role dns would leave this host, which still resolves names for two",
            "say it twice: --insist 'role dns'",
        ];
        refused.exits(1).failed("one", &words);
    }
    assert!(is_there());
    let preview = leaves("diff");
    preview.exits(0);
    let goes = preview.changes("one");
    assert!(goes.contains(&"packages dnsmasq".to_owned()), "{goes:?}");
    assert!(is_there());
    let goes: Vec<_> = goes.iter().map(String::as_str).collect();
    leaves("apply").changed("one", &goes);
    assert!(!is_there());
    leaves("apply").unchanged("one");
}
