//! Hosted domains from the command line: what is refused, that they come, stay and go, and that host roles leave them alone.

use end_to_end::{Estate, Folder};

const ROLES: &str = "roles: {dns: [one], dns_api: [one], dynamic_dns: [one]}\n";

fn fill(estate: &Folder) {
    estate.write(
        "groups/all.yml",
        "home_domain: home.test\ndns_upstream_nameservers: []\ndns_linode_key: made-for-this-test\n\
         dynamic_dns_crontab_stride: 59\n",
    );
    for (name, id) in [("customer.test", 1), ("1st-other.test", 2)] {
        estate.write(
            &format!("domains/{name}/domain.yml"),
            &format!("organisation: {name}\ndynamic_dns: {{id: {id}, records: [{id}1]}}\n"),
        );
    }
}

/// A role of the estate's own that a domain has.
const NOTE: &str = "
summary: A name in each domain, and a note beside it.
domains_on: [dns]
variables:
  note_address: {type: address, default: 192.0.2.9}
  note_secret: secret
handlers:
  names: {restart: dnsmasq, validate: [dnsmasq, --test]}
resources:
  - directory: {path: '/srv/notes-{{ domain.name }}'}
  - file: {path: '/etc/dnsmasq.d/note-{{ domain.name }}.conf', content: \"address=/note.{{ domain.name }}/{{ note_address }}\\n\"}
    notify: names
  - file: {path: '/srv/notes-{{ domain.name }}/note', content: '{{ domain.organisation }}: {{ note_secret }}', mode: '0600'}
checks:
  - dns: {name: 'note.{{ domain.name }}', answers: ['{{ note_address }}']}
";

fn a_role_of_the_domain_is_proved_and_leaves_it(estate: &Estate) {
    estate
        .prov(["verify", "note"])
        .run()
        .exits(0)
        .says("1 check passed");
    let note = "/etc/dnsmasq.d/note-customer.test.conf";
    estate.on(
        "one",
        &format!("echo address=/note.customer.test/192.0.2.8 >{note}"),
    );
    estate.on("one", "sv restart dnsmasq");
    let broken = estate.prov(["verify", "note"]).run();
    broken.exits(1).says("192.0.2.8");
    let mended = estate
        .prov(["domain", "customer.test", "--tags", "roles"])
        .run();
    mended.exits(0).says(note);
    estate.prov(["verify", "note"]).run().exits(0);
    // What a domain does not have any more goes, and comes again.
    let settings = "organisation: customer.test\ndynamic_dns: {id: 1, records: [11]}\n";
    let set = |more: &str| {
        let text = format!("{settings}{more}");
        estate.write("domains/customer.test/domain.yml", &text);
        estate.prov(["domain", "customer.test"]).run()
    };
    estate.write("domains/customer.test/domain.private.yml", "{}\n");
    set("")
        .exits(0)
        .says("2 removed")
        .says("/srv/notes-customer.test");
    assert!(!estate.holds("one", &format!("[ -e {note} ]")));
    estate.write(
        "domains/customer.test/domain.private.yml",
        "note_secret: psst-99\n",
    );
    set("roles: [note]\n").exits(0);
}

#[test]
fn a_domain_comes_stays_and_goes() {
    let estate = Estate::new(&["one"]);
    estate.inventory(ROLES);
    fill(&estate);
    estate.write("roles/note/role.yml", NOTE);
    estate.write(
        "domains/customer.test/domain.yml",
        "organisation: customer.test\ndynamic_dns: {id: 1, records: [11]}\nroles: [note]\n",
    );
    estate
        .prov(["check"])
        .run()
        .exits(64)
        .says(
            "domain customer.test: role 'note' needs the variable 'note_secret', which is not set",
        )
        .says("domain.private.yml");
    estate.write(
        "domains/customer.test/domain.private.yml",
        "note_secret: psst-99\n",
    );
    estate.deploy();
    estate.prov(["apply"]).run().exits(0);
    estate
        .prov(["domain", "customer.test"])
        .run()
        .exits(1)
        .says("in deploy mode, without the daemons that a domain needs: one")
        .says("prov test one");
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0);

    let path = "/usr/local/etc/dynamic-dns-domains/customer.test.conf";
    estate
        .prov(["domain", "customer.test", "--diff"])
        .run()
        .exits(0)
        .says(path)
        .says("address=/note.customer.test/192.0.2.9")
        .never_says("psst-99")
        .says("Nothing was changed");
    assert_eq!(there(&estate), "");
    estate.prov(["domain", "customer.test"]).run().exits(0);
    assert_eq!(there(&estate), "customer.test.conf\n");
    let again = estate.prov(["--output", "json", "domain", "customer.test"]);
    again.run().exits(0).unchanged("one");
    let roles = estate.prov(["--output", "json", "complete"]);
    roles.run().exits(0).unchanged("one");
    a_role_of_the_domain_is_proved_and_leaves_it(&estate);
    let both = estate.prov(["domain", "customer.test", "1st-other.test"]);
    both.run().exits(0);
    assert_eq!(there(&estate), "1st-other.test.conf\ncustomer.test.conf\n");

    estate
        .prov(["domain", "customer.test", "--remove", "--diff"])
        .run()
        .exits(0)
        .says("3 to remove");
    estate
        .prov(["domain", "customer.test", "--remove", "--purge-data"])
        .run()
        .exits(64)
        .says("was not confirmed; nothing was changed");
    assert_eq!(there(&estate), "1st-other.test.conf\ncustomer.test.conf\n");
    estate
        .prov(["domain", "customer.test", "--remove"])
        .run()
        .exits(0)
        .says("3 to remove")
        .says("3 removed");
    let left = "ls -d /srv/notes-* /srv/notes-*/* /etc/dnsmasq.d/note-* 2>/dev/null || true";
    assert_eq!(estate.on("one", left), "/srv/notes-customer.test\n");
    assert_eq!(there(&estate), "1st-other.test.conf\n");
    let again = estate.prov(["--output", "json", "domain", "customer.test", "--remove"]);
    again.run().exits(0).unchanged("one");
    estate.prov(["domain", "customer.test"]).run().exits(0);
    let again = estate.prov(["--output", "json", "domain", "customer.test"]);
    again.run().exits(0).unchanged("one");
}

#[test]
fn domains_are_named_where_they_are_not_looked_at_and_belong_to_plans() {
    let estate = Estate::new(&["one"]);
    estate.inventory(ROLES);
    fill(&estate);
    estate.deploy();
    let left = "2 domains were not looked at: 1st-other.test, customer.test; `prov diff --domains` looks at them, too";
    estate.prov(["diff"]).run().exits(0).says(left);
    let set_up =
        "2 domains were not set up: 1st-other.test, customer.test; `prov domain --all` does that";
    estate.prov(["apply"]).run().exits(0).says(set_up);
    // Without daemons a domain can be looked at, and not be set up.
    let plan = estate.path_text("plan");
    let save = |arguments: &[&str]| {
        let more = ["--out", plan.as_str()];
        let ran = estate.prov(arguments.iter().copied().chain(more)).run();
        ran.exits(0).never_says("not looked at");
    };
    save(&["diff", "--domains"]);
    let refused = estate.prov(["apply", "--plan", &plan]).run();
    refused.exits(1).says("in deploy mode");
    estate.prov(["test"]).run().exits(0);
    estate.prov(["complete"]).run().exits(0).says(set_up);

    // One plan has both: what a role lost, and the domains.
    estate.on("one", "rm /etc/dnsmasq.d/estate.conf");
    save(&["diff", "--domains"]);
    let shown = estate.prov(["diff", "--show", &plan]).run();
    shown.exits(0).says("customer.test").says("estate.conf");
    assert_eq!(there(&estate), "");
    let apply = || {
        estate
            .prov(["--output", "json", "apply", "--plan", &plan])
            .run()
    };
    let ran = apply();
    ran.exits(0);
    assert!(estate.holds("one", "test -e /etc/dnsmasq.d/estate.conf"));
    assert_eq!(there(&estate), "1st-other.test.conf\ncustomer.test.conf\n");
    assert!(ran.json()["other_domains"].as_array().unwrap().is_empty());
    let again = estate.prov(["--output", "json", "diff", "--domains", "--exit-code"]);
    again.run().exits(0).unchanged("one");

    // Drift of a domain is seen by a preview of domains alone, and ends a plan.
    estate.on(
        "one",
        "rm /usr/local/etc/dynamic-dns-domains/customer.test.conf",
    );
    estate
        .prov(["diff", "--exit-code"])
        .run()
        .exits(0)
        .says(left);
    let pending = estate.prov(["diff", "--domains", "--exit-code"]).run();
    pending.exits(2).says("customer.test.conf");
    let all = estate.prov(["domain", "--all", "--diff"]).run();
    all.exits(0).says("customer.test.conf");
    save(&["domain", "--all", "--diff"]);
    estate.on(
        "one",
        "echo x >>/usr/local/etc/dynamic-dns-domains/1st-other.test.conf",
    );
    let moved = apply();
    moved
        .exits(1)
        .failed("one", &["no longer as it was", "1st-other.test.conf"]);
    save(&["domain", "customer.test", "--diff", "--remove"]);
    save(&["domain", "customer.test", "--diff"]);
    apply().exits(0);
    let again = estate.prov(["domain", "customer.test", "--diff"]).run();
    again.exits(0).says("up to date");
    save(&["domain", "--all", "--diff"]);
    std::fs::remove_dir_all(estate.path("estate/domains/customer.test")).unwrap();
    let gone = apply();
    gone.exits(64)
        .says("the domain customer.test, which is no longer there");
}

fn there(estate: &Estate) -> String {
    estate.on("one", "ls /usr/local/etc/dynamic-dns-domains")
}

#[test]
fn what_is_wrong_with_a_domain_is_said_before_any_host_is_asked() {
    let estate = Folder::new();
    let hosts =
        "name: x\nconnection: {user: a}\nhosts: {one: {address: 192.0.2.1, location: internal}}\n";
    estate.write("estate.yml", &format!("{hosts}{ROLES}"));
    fill(&estate);
    let refused = |arguments: &[&str], said: &str| {
        let arguments = std::iter::once("domain").chain(arguments.iter().copied());
        estate.prov(arguments).run().exits(64).says(said);
    };
    for hostile in ["../x", "a;b", "x' OR", "Customer.test", "test"] {
        refused(&[hostile], "is not the name of a domain");
    }
    refused(&["custmer.test"], "did you mean 'customer.test'?");
    refused(&["customer.test", "--tags", "wbe"], "invalid value 'wbe'");
    refused(
        &["customer.test", "--hostname-filter", "("],
        "'(' is not a regular expression",
    );
    refused(
        &["customer.test", "--hostname-filter", "www"],
        "no web site of customer.test has 'www' in its first label",
    );
    refused(&["customer.test", "--purge-data"], "--remove");
    refused(&[], "--all");
    refused(&["customer.test", "--all"], "cannot be used with");
    refused(&["*"], "name all domains with --all");
    refused(&["customer.test", "--out", "plan"], "--diff");
    estate.prov(["check"]).run().exits(0).says("2 domains");
    estate.write("domains/Bad.test/domain.yml", "organisation: x\n");
    estate.write(
        "domains/customer.test/domain.yml",
        "organisation: x\nwebhost: {}\nusers: [{name: \"x' OR\"}]\n",
    );
    let check = estate.prov(["check"]).run();
    check
        .exits(64)
        .says("domains/Bad.test/domain.yml")
        .says("write it in lower case")
        .says("domains/customer.test/domain.yml:3:16");
}
