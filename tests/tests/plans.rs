//! Saved plans: applied only to hosts that are still as they were, only for the estate they were made from, once.

use std::os::unix::fs::PermissionsExt as _;

use end_to_end::{Estate, Folder, secret};

/// A host with a role that needs no packages: to this estate it is a server, not a container.
fn servers(estate: &Estate) -> Folder {
    let servers = estate.as_servers(&estate.connection(), "roles: {dns_client: all}\n");
    let known: Vec<_> = ["one", "two"]
        .iter()
        .map(|host| estate.known_host(host))
        .collect();
    servers.write_home(".ssh/known_hosts", &known.concat());
    domain(estate, &servers, "first.test");
    servers
}

fn domain(estate: &Estate, servers: &Folder, domain: &str) {
    // A name server that the estate has yet to bring up.
    let server = estate.address("one");
    let text = format!("home_domain: {domain}\ndns_resolvers: [{server}]\n");
    servers.write("groups/all.yml", &text);
}

fn save(servers: &Folder) -> String {
    let path = servers.path_text("plan");
    servers
        .prov(["diff", "--out", &path])
        .run()
        .exits(0)
        .says("prov apply --plan");
    path
}

fn apply(servers: &Folder) -> end_to_end::Ran {
    let path = servers.path_text("plan");
    servers
        .prov(["--output", "json", "apply", "--plan", &path])
        .run()
}

#[test]
fn a_saved_plan_is_applied_once() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    let path = save(&servers);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(estate.holds("one", "! grep -q first.test /etc/resolv.conf"));
    let shown = servers.prov(["diff", "--show", &path]).run();
    shown.exits(0).says("not applied").says("first.test");

    let ran = apply(&servers);
    ran.exits(0);
    assert_eq!(ran.changes("one").len(), 2, "{}", ran.told());
    assert_eq!(ran.changes("two")[1], "file /etc/resolv.conf");
    assert!(estate.holds("two", "grep -q 'search first.test' /etc/resolv.conf"));
    // Both files are mount points in a container, and were written in place.
    assert!(estate.holds("two", "grep -q /etc/resolv.conf /proc/self/mountinfo"));

    let again = apply(&servers);
    again
        .exits(1)
        .says("was applied already")
        .says("applied once");
    servers
        .prov(["diff", "--show", &path])
        .run()
        .exits(0)
        .never_says("not applied")
        .says("first.test");
    servers.prov(["diff", "--exit-code"]).run().exits(0);
    std::fs::remove_file(servers.path("estate/estate.yml")).unwrap();
    servers
        .prov(["diff", "--show", &path])
        .run()
        .exits(0)
        .says("first.test");
}

#[test]
fn a_host_that_moved_since_is_refused_by_name_and_the_others_are_done() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    save(&servers);
    estate.on("two", "echo 'options timeout:9' >>/etc/resolv.conf");
    let before = estate.on("two", "cat /etc/hosts /etc/resolv.conf");
    let ran = apply(&servers);
    ran.exits(1).failed(
        "two",
        &["no longer as it was", "/etc/resolv.conf", "make a new plan"],
    );
    let cause = ran.host("two")["failed"]["cause"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        !cause.contains("/etc/hosts"),
        "only what moved is named: {cause}"
    );
    assert_eq!(estate.on("two", "cat /etc/hosts /etc/resolv.conf"), before);
    assert_eq!(ran.changes("one").len(), 2, "{}", ran.told());
}

#[test]
fn a_plan_of_another_estate_is_refused() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    save(&servers);
    domain(&estate, &servers, "second.test");
    let ran = apply(&servers);
    ran.exits(1)
        .failed("one", &["the estate wants something else"]);
    ran.failed("two", &["the estate wants something else"]);
    assert!(estate.holds(
        "one",
        "! grep -q 'first.test\\|second.test' /etc/hosts /etc/resolv.conf"
    ));

    save(&servers);
    let inventory = std::fs::read_to_string(servers.path("estate/estate.yml")).unwrap();
    servers.write(
        "estate.yml",
        &inventory.replace("dns_client: all", "dns_client: [one]"),
    );
    apply(&servers)
        .exits(1)
        .failed("two", &["declares other resources"]);

    save(&servers);
    servers.write("estate.yml", &inventory.replace("-servers", "-others"));
    apply(&servers).exits(64).says("is for the estate");
    servers.write("estate.yml", &inventory.replace("  two:", "  three:"));
    apply(&servers).exits(64).says("no longer has");
}

#[test]
fn a_plan_that_is_no_plan_or_half_a_plan_is_not_applied() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    apply(&servers).exits(1).says("cannot read the plan");
    std::fs::write(servers.path("plan"), "{}").unwrap();
    apply(&servers).exits(1).says("is not a plan");
    estate.on("two", "gpasswd -d keeper sudo");
    std::fs::remove_file(servers.path("plan")).unwrap();
    let path = servers.path_text("plan");
    servers
        .prov(["diff", "--out", &path])
        .run()
        .exits(1)
        .says("was not saved");
    assert!(!servers.path("plan").exists());
    servers
        .prov(["diff", "--out", "/no/such/folder/plan", "--limit", "one"])
        .run()
        .exits(1)
        .says("/no/such/folder/plan");
}

#[test]
fn two_runs_do_not_apply_one_plan() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    let path = save(&servers);
    let runs = [(); 4].map(|()| {
        servers
            .prov(["apply", "--wait", "30", "--plan", &path])
            .start()
    });
    let codes = runs.map(|run| run.wait().status.code());
    assert_eq!(
        codes.iter().filter(|code| **code == Some(0)).count(),
        1,
        "{codes:?}"
    );
    assert_eq!(
        codes.iter().filter(|code| **code == Some(1)).count(),
        3,
        "{codes:?}"
    );
}

/// Holds the lock of a host until somebody makes /run/go there.
fn lock(estate: &Estate, host: &str) {
    let hold = "exec 9<>/run/prov.lock; flock 9; touch /run/held; until [ -e /run/go ]; do sleep 0.1; done";
    let script = format!("setsid sh -c '{hold}' >/dev/null 2>&1 </dev/null &\n");
    estate.on(host, &script);
    estate.until(host, "the lock is held", "[ -e /run/held ]");
}

#[test]
fn a_plan_of_which_nothing_was_begun_is_given_back() {
    let estate = Estate::deployed(&["one", "two"]);
    let servers = servers(&estate);
    let path = save(&servers);
    lock(&estate, "one");
    lock(&estate, "two");
    let ran = apply(&servers);
    for host in ["one", "two"] {
        ran.failed(host, &["locked by", "run the same command again"]);
    }
    let shown = servers.prov(["diff", "--show", &path]).run();
    shown.exits(0).says("not applied");

    estate.on("two", "touch /run/go");
    estate.until("two", "the lock is free", "flock -n /run/prov.lock true");
    let ran = apply(&servers);
    ran.exits(1)
        .failed("one", &["locked by", "make a new plan"]);
    assert_eq!(ran.changes("two").len(), 2, "{}", ran.told());
    // What is left is no longer what was planned.
    apply(&servers).exits(1).says("was applied already");
}

#[test]
fn a_plan_holds_no_secret() {
    let estate = Estate::deployed(&["one"]);
    let (director, monitor) = (secret(), secret());
    estate.inventory("roles: {backup_client: [one]}\n");
    estate.write(
        "groups/all.yml",
        "backup_director_name: d\nbackup_monitor_name: m\n",
    );
    estate.write(
        "hosts/one.private.yml",
        &format!("backup_client_director_password: {director}\nbackup_client_monitor_password: {monitor}\n"),
    );
    let path = estate.path_text("plan");
    estate
        .prov(["diff", "--out", &path])
        .run()
        .exits(0)
        .says("bacula-fd.conf")
        .never_says(&director);
    let plan = std::fs::read_to_string(&path).unwrap();
    for hidden in [&director, &monitor, estate.password()] {
        assert!(!plan.contains(hidden));
    }
    assert!(plan.contains("bacula-fd.conf"));
}
